//! One element as bytes.

use super::Element;

/// An element's head with its integer, and its text, and its length backwards: ready to be written.
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_bytes: u8,
    text: &'a [u8],
}

impl<'a> Encoded<'a> {
    #[inline]
    pub(super) fn new(element: Element<'a>) -> Self {
        match element {
            Element::Int(number) => Self::int(number),
            Element::Text(text) => Self::text(text),
        }
    }

    fn int(number: i64) -> Self {
        let bytes = number.to_le_bytes();
        let mut head = [0; 9];
        head[1..].copy_from_slice(&bytes);
        let (first, head_bytes) = match number {
            0..=127 => (bytes[0], 1),
            -4096..=4095 => {
                head[1] = bytes[0];
                (0xc0 | bytes[1] & 0x1f, 2)
            }
            -0x8000..=0x7fff => (0xf1, 3),
            -0x80_0000..=0x7f_ffff => (0xf2, 4),
            -0x8000_0000..=0x7fff_ffff => (0xf3, 5),
            _ => (0xf4, 9),
        };
        head[0] = first;
        Self { head, head_bytes, text: &[] }
    }

    #[inline]
    fn text(text: &'a [u8]) -> Self {
        let mut head = [0; 9];
        let len = u32::try_from(text.len()).expect("an element is shorter than a listpack may be");
        let head_bytes = match len {
            0..64 => {
                head[0] = 0x80 | len as u8;
                1
            }
            64..4096 => {
                [head[0], head[1]] = [0xe0 | (len >> 8) as u8, len as u8];
                2
            }
            _ => {
                head[0] = 0xf0;
                head[1..5].copy_from_slice(&len.to_le_bytes());
                5
            }
        };
        Self { head, head_bytes, text }
    }

    /// Bytes without the length backwards.
    #[inline]
    fn body(&self) -> usize {
        usize::from(self.head_bytes) + self.text.len()
    }

    /// Bytes in all.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.body() + backwards_bytes(self.body())
    }

    /// Writes it to the [`Encoded::len`] first of `bytes` and returns the rest.
    #[inline]
    pub(super) fn write<'b>(&self, bytes: &'b mut [u8]) -> &'b mut [u8] {
        let (head, rest) = bytes.split_at_mut(usize::from(self.head_bytes));
        head.copy_from_slice(&self.head[..head.len()]);
        let (text, rest) = rest.split_at_mut(self.text.len());
        text.copy_from_slice(self.text);
        let (backwards, rest) = rest.split_at_mut(backwards_bytes(self.body()));
        let mut left = self.body();
        for byte in backwards.iter_mut().rev() {
            *byte = left as u8 | 0x80;
            left >>= 7;
        }
        backwards[0] &= 0x7f;
        rest
    }
}

/// Bytes in which Redis writes a length backwards. Not always the least: the largest number of each size but the
/// first takes one more. Source: Redis `listpack.c`, `lpEncodeBacklen`.
#[inline]
pub(super) fn backwards_bytes(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}
