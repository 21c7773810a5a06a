//! Bytes as values, whoever has sent them.

use std::borrow::Cow;

use super::lzf::decompress;
use crate::entry::VALUE_BYTES_MAX;

/// What is still to be read. `None` is told of whatever is not as it should be.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    /// More was asked for than there is.
    is_short: bool,
    /// Bytes that compressed strings may still become.
    room: usize,
}

/// A string of a payload.
pub(crate) type Text<'a> = Cow<'a, [u8]>;

/// What a length says.
enum Length {
    /// How many bytes or elements follow.
    Of(u64),
    /// That a string of this form follows.
    Form(u8),
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, is_short: false, room: VALUE_BYTES_MAX }
    }

    /// Whether everything is read.
    pub(super) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that are still to be read.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was wrong but that the bytes came to their end.
    pub(super) fn is_short(&self) -> bool {
        self.is_short
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let Some((taken, rest)) = self.bytes.split_at_checked(count) else {
            // What is longer than anything may be does not become right if more follows.
            self.is_short = count <= VALUE_BYTES_MAX;
            return None;
        };
        self.bytes = rest;
        Some(taken)
    }

    /// The next `N` bytes.
    pub(super) fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    fn length(&mut self) -> Option<Length> {
        let first = self.byte()?;
        Some(match first >> 6 {
            0 => Length::Of(first.into()),
            1 => Length::Of(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)),
            3 => Length::Form(first & 0x3f),
            _ if first == 0x80 => Length::Of(u32::from_be_bytes(self.chunk()?).into()),
            _ if first == 0x81 => Length::Of(u64::from_be_bytes(self.chunk()?)),
            _ => return None,
        })
    }

    /// A number, such as that of the elements that follow; what it says is not to be believed before they are read.
    pub(super) fn len(&mut self) -> Option<u64> {
        match self.length()? {
            Length::Of(len) => Some(len),
            Length::Form(_) => None,
        }
    }

    fn size(&mut self) -> Option<usize> {
        self.len().and_then(|len| usize::try_from(len).ok())
    }

    /// A string.
    pub(super) fn string(&mut self) -> Option<Text<'a>> {
        let digits = |number: i32| Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec());
        match self.length()? {
            Length::Of(len) => self.take(usize::try_from(len).ok()?).map(Cow::Borrowed),
            Length::Form(0) => Some(digits(i8::from_le_bytes(self.chunk()?).into())),
            Length::Form(1) => Some(digits(i16::from_le_bytes(self.chunk()?).into())),
            Length::Form(2) => Some(digits(i32::from_le_bytes(self.chunk()?))),
            Length::Form(3) => {
                let (short, len) = (self.size()?, self.size()?);
                self.room = self.room.checked_sub(len)?;
                decompress(self.take(short)?, len).map(Cow::Owned)
            }
            Length::Form(_) => None,
        }
    }
}
