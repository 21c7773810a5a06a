//! What entries of a stream are found by.

use arrayvec::ArrayVec;

/// The ID of an entry: when it was added, in Unix milliseconds if nobody has said otherwise, and its number among those
/// of that time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    /// Milliseconds.
    pub(crate) ms: u64,
    /// The number, from 0.
    pub(crate) seq: u64,
}

impl Id {
    /// The lowest, which no entry has.
    pub(crate) const MIN: Self = Self { ms: 0, seq: 0 };
    /// The highest.
    pub(crate) const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// The one after it.
    pub(crate) fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The one before it.
    pub(crate) fn before(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// How it is written: `ms-seq`.
    pub(crate) fn text(self) -> ArrayVec<u8, 41> {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let mut text = ArrayVec::new();
        text.extend(ms.format(self.ms).bytes());
        text.push(b'-');
        text.extend(seq.format(self.seq).bytes());
        text
    }

    /// It as 16 bytes in whose order IDs are.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// What [`Id::to_bytes`] has told.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self { ms: (both >> 64) as u64, seq: both as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_each_other_from_the_lowest_to_the_highest() {
        let id = |ms, seq| Id { ms, seq };
        for (before, after) in
            [(id(0, 0), id(0, 1)), (id(7, u64::MAX), id(8, 0)), (id(u64::MAX, u64::MAX - 1), Id::MAX)]
        {
            assert_eq!((before.next(), after.before()), (Some(after), Some(before)));
            assert!(before < after && before.to_bytes() < after.to_bytes());
        }
        assert_eq!((Id::MIN.before(), Id::MAX.next()), (None, None));
        assert_eq!(Id::MAX.text().as_slice(), b"18446744073709551615-18446744073709551615");
        assert_eq!(id(5, 0).text().as_slice(), b"5-0");
    }
}
