//! The one request every dialect is decoded into: a table row and arguments borrowed from what was read.

use crate::memcached::Item;
use crate::reply::Dialect;
use crate::table::Row;

/// Where one argument lies in the buffer it was read into. Buffers stay below 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes `start..end` of a buffer.
    #[inline]
    pub fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && u32::try_from(end).is_ok());
        Self { start: start as u32, end: end as u32 }
    }

    /// Bytes of the argument.
    #[inline]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether the argument is empty.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The argument itself in the buffer it was read into.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// The same argument in a buffer where it lies `by` bytes further back.
    #[inline]
    #[must_use]
    pub fn shifted(self, by: usize) -> Self {
        Self::new(self.start as usize + by, self.end as usize + by)
    }
}

/// The arguments of a request, the command's own name first (as Redis counts them).
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Arguments `spans` of the buffer `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Self { bytes, spans }
    }

    /// How many there are, the name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none at all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of each, in order.
    #[inline]
    pub fn lengths(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.spans.iter().map(|span| span.end - span.start)
    }

    /// The bytes from the first argument to the last, with whatever lies in between, and where each is in them.
    /// `None` if there is no argument, or they are not in order.
    #[inline]
    pub fn extent(&self) -> Option<(&'a [u8], impl ExactSizeIterator<Item = Span> + use<'a>)> {
        let (first, last) = (self.spans.first()?.start, self.spans.last()?.end);
        if !self.spans.is_sorted_by(|one, next| one.end <= next.start) {
            return None;
        }
        let spans = self.spans.iter().map(move |span| Span {
            start: span.start.wrapping_sub(first),
            end: span.end.wrapping_sub(first),
        });
        Some((self.bytes.get(first as usize..last as usize)?, spans))
    }

    /// Bytes of all together.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.lengths().map(|length| length as usize).sum()
    }

    /// Argument `index`; the caller has checked the arity.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        let Span { start, end } = self.spans[index];
        &self.bytes[start as usize..end as usize]
    }

    /// Argument `index`, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        (index < self.spans.len()).then(|| self.at(index))
    }

    /// The arguments from `index` on.
    #[inline]
    #[must_use]
    pub fn from(&self, index: usize) -> Self {
        Self { bytes: self.bytes, spans: &self.spans[index.min(self.spans.len())..] }
    }

    /// The arguments `range`, which are there.
    #[must_use]
    pub fn range(&self, range: std::ops::RangeInclusive<usize>) -> Self {
        Self { bytes: self.bytes, spans: &self.spans[range] }
    }

    /// The arguments at `indexes`; `spans` is where they are put together.
    #[must_use]
    pub fn picked(&self, indexes: impl Iterator<Item = usize>, spans: &'a mut Vec<Span>) -> Self {
        spans.extend(indexes.map(|index| self.spans[index]));
        Self { bytes: self.bytes, spans }
    }

    /// All arguments in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans.iter().map(move |span| &bytes[span.start as usize..span.end as usize])
    }

    /// The first `N` arguments after the name. The row's arity has been checked.
    #[inline]
    pub fn fixed<const N: usize>(&self) -> [&'a [u8]; N] {
        std::array::from_fn(|index| self.at(index + 1))
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|arg| arg.escape_ascii().to_string())).finish()
    }
}

/// Arguments that own their bytes: requests that no connection has read.
#[derive(Clone, Debug)]
pub struct Words {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Words {
    /// The words of a request, the name first.
    pub fn new<T: AsRef<[u8]>>(words: &[T]) -> Self {
        Self::copied(words.iter().map(AsRef::as_ref))
    }

    /// Copies of `words`, the name first.
    pub fn copied<'a>(words: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Self {
        let mut bytes = Vec::with_capacity(words.clone().map(<[u8]>::len).sum());
        let mut spans = Vec::with_capacity(words.len());
        for word in words {
            spans.push(Span::new(bytes.len(), bytes.len() + word.len()));
            bytes.extend_from_slice(word);
        }
        Self { bytes, spans }
    }

    /// They, as arguments.
    pub fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }
}

/// One decoded request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What is asked for. Its arity has been checked.
    pub row: &'static Row,
    /// The language the answer is written in.
    pub dialect: Dialect,
    /// The arguments, the name first.
    pub args: Args<'a>,
    /// What a Memcached request says besides its keys; [`Item::NONE`] for RESP.
    pub item: &'a Item,
}
