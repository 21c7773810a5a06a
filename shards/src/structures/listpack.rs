//! Elements one after the other in one piece of memory, byte for byte as Redis packs them.
//!
//! ```text
//! bytes u32 | elements u16 | element … | 0xff          element: head | text or integer | length backwards
//! ```
//!
//! The number of elements is 65535 when there are that many or more. An element is a text, or an integer if
//! it is spelled as Redis would spell that; its head is one of
//!
//! ```text
//! 0xxxxxxx                   integer 0 to 127           10xxxxxx             text of up to 63 bytes
//! 110xxxxx xxxxxxxx          integer of 13 bits         1110xxxx xxxxxxxx    text of up to 4095 bytes
//! f1, f2, f3, f4             integer of 2, 3, 4, 8 B    f0 + 4 B             longer text
//! ```
//!
//! The length of all this stands behind it, in groups of seven bits, to be read from its end; so one can go
//! backwards. Source: Redis `src/listpack.c` and antirez's `listpack.md`.

mod edit;
mod encode;
mod find;

use tidegate_protocols::number::integer;

pub(crate) use edit::ListpackMut;
pub(crate) use find::Needle;

/// Bytes before the first element.
const HEADER_BYTES: usize = 6;
/// The last byte.
const END: u8 = 0xff;
/// The number of elements that says that there are too many to say.
const MANY: usize = u16::MAX as usize;
/// The longest listpack, in bytes. Source: Redis `LISTPACK_MAX_SAFETY_LIMIT`.
pub(crate) const BYTES_MAX: usize = 1 << 30;

/// A listpack without elements.
pub(crate) const EMPTY: [u8; HEADER_BYTES + 1] = [7, 0, 0, 0, 0, 0, END];

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element<'a> {
    /// An integer.
    Int(i64),
    /// Anything else.
    Text(&'a [u8]),
}

impl<'a> Element<'a> {
    /// The element that `bytes` are: an integer if Redis would write it so.
    #[inline]
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        integer(bytes).map_or(Self::Text(bytes), Self::Int)
    }

    /// Its bytes; the digits of an integer are put into `digits`.
    #[inline]
    pub(crate) fn text<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Int(number) => digits.format(number).as_bytes(),
            Self::Text(text) => text,
        }
    }

    /// The integer it is, however it is kept.
    pub(crate) fn int(self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(number),
            Self::Text(text) => integer(text),
        }
    }
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Where the element with index 0 is.
    Head,
    /// Where the last element is.
    Tail,
}

/// Where an element begins, or, at the [end](Listpack::end), the next one would. Good until an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(usize);

impl Position {
    /// Where the first element of any listpack is, or the end of an empty one.
    pub(crate) const START: Self = Self(HEADER_BYTES);
}

/// A listpack to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listpack<'a>(&'a [u8]);

impl<'a> Listpack<'a> {
    /// The listpack that `bytes` are: ones made by this module, or found right by [`Listpack::checked`]. With others
    /// it may panic.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        debug_assert!(bytes.len() > HEADER_BYTES && bytes.ends_with(&[END]));
        Self(bytes)
    }

    /// The listpack that foreign bytes are, if they are one to the last byte, of less than [`BYTES_MAX`].
    pub(crate) fn checked(bytes: &'a [u8]) -> Option<Self> {
        let [total @ .., low, high] = *bytes.first_chunk::<HEADER_BYTES>()?;
        let (total, count) = (u32::from_le_bytes(total), u16::from_le_bytes([low, high]));
        if total as usize != bytes.len() || bytes.len() > BYTES_MAX {
            return None;
        }
        let (mut at, mut found) = (HEADER_BYTES, 0);
        while *bytes.get(at)? != END {
            at = checked_step(bytes, at)?;
            found += 1;
        }
        let is_whole = at + 1 == bytes.len();
        (is_whole && (usize::from(count) == MANY || usize::from(count) == found)).then_some(Self(bytes))
    }

    /// All its bytes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether it has no element.
    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.0[HEADER_BYTES] == END
    }

    /// Elements; they are counted one by one if there are 65535 or more.
    #[inline]
    pub(crate) fn len(self) -> usize {
        match self.stated_len() {
            MANY => self.positions().count(),
            len => len,
        }
    }

    /// What the header says of the number of elements.
    #[inline]
    fn stated_len(self) -> usize {
        usize::from(u16::from_le_bytes([self.0[4], self.0[5]]))
    }

    /// Whether `more` bytes of element go in below [`BYTES_MAX`], overhead aside.
    pub(crate) fn has_room_for(self, more: usize) -> bool {
        self.0.len().saturating_add(more) <= BYTES_MAX
    }

    /// Where the next element would be appended.
    #[inline]
    pub(crate) fn end(self) -> Position {
        Position(self.0.len() - 1)
    }

    /// The position after the element at `at`: the next element's or the end.
    #[inline]
    pub(crate) fn after(self, at: Position) -> Position {
        Position(step(self.0, at.0))
    }

    /// The position of the element before `at`, which may be the end.
    #[inline]
    pub(crate) fn before(self, at: Position) -> Option<Position> {
        (at.0 > HEADER_BYTES).then(|| Position(step_back(self.0, at.0)))
    }

    /// The position of the element at `index`, counted from the end if below 0 (-1 is the last).
    pub(crate) fn seek(self, index: isize) -> Option<Position> {
        let (len, wanted) = (self.stated_len(), index.unsigned_abs());
        if len == MANY {
            return if index < 0 {
                self.positions().nth_back(wanted - 1)
            } else {
                self.positions().nth(wanted)
            };
        }
        let index = if index < 0 { len.checked_sub(wanted)? } else { wanted };
        if index >= len {
            None
        } else if index <= len / 2 {
            self.positions().nth(index)
        } else {
            self.positions().nth_back(len - 1 - index)
        }
    }

    /// The element at a position that is not the end.
    #[inline]
    pub(crate) fn get(self, at: Position) -> Element<'a> {
        element(self.0, at.0)
    }

    /// The positions of all elements.
    #[inline]
    pub(crate) fn positions(self) -> Positions<'a> {
        self.positions_in(Position::START, self.end())
    }

    /// The positions of the elements from one position up to another.
    #[inline]
    pub(crate) fn positions_in(self, from: Position, to: Position) -> Positions<'a> {
        Positions { bytes: self.0, front: from.0, back: to.0 }
    }

    /// All elements.
    #[inline]
    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = Element<'a>> + use<'a> {
        self.positions().map(move |at| self.get(at))
    }
}

/// The positions of elements, from both ends.
#[derive(Clone)]
pub(crate) struct Positions<'a> {
    bytes: &'a [u8],
    front: usize,
    back: usize,
}

impl Iterator for Positions<'_> {
    type Item = Position;

    #[inline]
    fn next(&mut self) -> Option<Position> {
        let at = self.front;
        if at >= self.back {
            return None;
        }
        self.front = step(self.bytes, at);
        Some(Position(at))
    }
}

impl DoubleEndedIterator for Positions<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Position> {
        if self.front >= self.back {
            return None;
        }
        self.back = step_back(self.bytes, self.back);
        Some(Position(self.back))
    }
}

/// Below this a head is one byte that says all: an integer, or a text's length.
const SHORT: u8 = 0xc0;

/// The offset after the element at `at`.
#[inline]
fn step(bytes: &[u8], at: usize) -> usize {
    let head = bytes[at];
    if head < SHORT {
        // The high bit, spread, keeps the length of a text and drops an integer: no branch between the two.
        let text = head & 0x3f & ((head as i8) >> 7) as u8;
        return at + 2 + usize::from(text);
    }
    let len = long_len(bytes, at);
    at + len + encode::backwards_bytes(len)
}

/// Bytes of the element at `at` without its length backwards, if its head is not [`SHORT`].
#[inline]
fn long_len(bytes: &[u8], at: usize) -> usize {
    match bytes[at] {
        0xc0..=0xdf => 2,
        head @ 0xe0..=0xef => 2 + (usize::from(head & 0x0f) << 8 | usize::from(bytes[at + 1])),
        0xf0 => 5 + u32::from_le_bytes(array(bytes, at + 1)) as usize,
        0xf1 => 3,
        0xf2 => 4,
        0xf3 => 5,
        0xf4 => 9,
        head => panic!("{head:#x} begins no element"),
    }
}

/// The offset of the element before `at`, where there is one.
#[inline]
fn step_back(bytes: &[u8], at: usize) -> usize {
    let (len, bytes) = length_backwards(bytes, at).expect("elements end with their length");
    at - bytes - len
}

/// The length that ends before `at`, and how many bytes it takes.
#[inline]
fn length_backwards(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut len = 0;
    for (taken, byte) in bytes[..at].iter().rev().take(5).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * taken);
        if byte & 0x80 == 0 {
            return Some((len, taken + 1));
        }
    }
    None
}

/// The same as [`step`] for bytes that may be anything: `None` if there is no whole element at `at`, with another
/// byte behind it.
fn checked_step(bytes: &[u8], at: usize) -> Option<usize> {
    let head = *bytes.get(at)?;
    let len = match head {
        0..SHORT => 1 + usize::from(if head < 0x80 { 0 } else { head & 0x3f }),
        0xe0..=0xef => long_len(bytes.get(..at + 2)?, at),
        0xf0 => long_len(bytes.get(..at + 5)?, at),
        0xf5.. => return None,
        _ => long_len(bytes, at),
    };
    let next = at + len + encode::backwards_bytes(len);
    let is_right = next < bytes.len() && length_backwards(bytes, next)? == (len, next - at - len);
    is_right.then_some(next)
}

#[inline]
fn element(bytes: &[u8], at: usize) -> Element<'_> {
    let text = |from: usize, len: usize| Element::Text(&bytes[at + from..at + from + len]);
    match bytes[at] {
        head @ 0..0x80 => Element::Int(i64::from(head)),
        head @ 0x80..0xc0 => text(1, usize::from(head & 0x3f)),
        head @ 0xc0..0xe0 => {
            let bits = i64::from(head & 0x1f) << 8 | i64::from(bytes[at + 1]);
            Element::Int(bits << 51 >> 51)
        }
        0xe0..0xf0 => text(2, long_len(bytes, at) - 2),
        0xf0 => text(5, long_len(bytes, at) - 5),
        0xf1 => Element::Int(i16::from_le_bytes(array(bytes, at + 1)).into()),
        0xf2 => {
            let [a, b, c] = array(bytes, at + 1);
            Element::Int((i32::from_le_bytes([0, a, b, c]) >> 8).into())
        }
        0xf3 => Element::Int(i32::from_le_bytes(array(bytes, at + 1)).into()),
        0xf4 => Element::Int(i64::from_le_bytes(array(bytes, at + 1))),
        head => panic!("{head:#x} begins no element"),
    }
}

#[inline]
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("elements are whole")
}

#[cfg(test)]
mod tests;
