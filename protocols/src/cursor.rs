//! Cursors of `SCAN`: how far a scan has come in the order of slots and, within a slot, of hashes.
//!
//! A cursor tells nothing of who has the slot, so a scan goes on where it was whatever has moved meanwhile.

use crate::slot::SLOTS;

/// Leading bits of a key's hash in a cursor. With those of the slot they are 53, as many as every client keeps
/// exactly in a floating-point number.
pub const HASH_BITS: u32 = 39;

/// Where a scan goes on. 0 is the beginning, and as an answer the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub u64);

impl Cursor {
    /// The beginning, and as an answer the end.
    pub const ZERO: Self = Self(0);

    /// At the first hashes of `slot` that begin with `prefix`, which has [`HASH_BITS`] bits.
    #[inline]
    pub fn new(slot: u16, prefix: u64) -> Self {
        Self(u64::from(slot) << HASH_BITS | prefix)
    }

    /// A cursor as C's `strtoul` reads it, which takes a sign and nothing at all, but no blanks.
    /// Source: Redis `db.c`, `parseScanCursorOrReply`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [] => return Some(Self::ZERO),
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] | digits => (false, digits),
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Self(if negative { number.wrapping_neg() } else { number }))
    }

    /// The slot; [`SLOTS`] for what is behind all of them.
    #[inline]
    pub fn slot(self) -> u16 {
        (self.0 >> HASH_BITS).min(SLOTS.into()) as u16
    }

    /// Leading bits of the hash.
    #[inline]
    pub fn prefix(self) -> u64 {
        self.0 & ((1 << HASH_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_strtoul_reads_them() {
        for (text, expected) in [
            ("", Some(0)),
            ("0", Some(0)),
            ("+1", Some(1)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            (" 0", None),
            ("0a", None),
            ("-", None),
            ("0x10", None),
        ] {
            assert_eq!(Cursor::parse(text.as_bytes()), expected.map(Cursor), "{text:?}");
        }
    }

    #[test]
    fn a_cursor_has_a_slot_and_a_prefix_and_is_exact_in_a_float() {
        let last = Cursor::new(SLOTS - 1, (1 << HASH_BITS) - 1);
        assert_eq!((last.slot(), last.prefix()), (SLOTS - 1, (1 << HASH_BITS) - 1));
        assert_eq!(last.0, (1 << f64::MANTISSA_DIGITS) - 1);
        assert_eq!((Cursor(last.0 + 1).slot(), Cursor(u64::MAX).slot()), (SLOTS, SLOTS));
    }
}
