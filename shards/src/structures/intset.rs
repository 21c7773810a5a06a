//! A set of integers in order, byte for byte as Redis keeps small sets of them.
//!
//! ```text
//! bytes of each: 2, 4 or 8 as u32 | integers u32 | integer …       all little-endian
//! ```
//!
//! All are as wide as the widest has ever had to be. Source: Redis `src/intset.c`.

use std::ops::Range;

use crate::structures::buffer::Buffer;

/// Bytes before the first integer.
const HEADER_BYTES: usize = 8;

/// An intset without integers.
pub(crate) const EMPTY: [u8; HEADER_BYTES] = [2, 0, 0, 0, 0, 0, 0, 0];

/// Bytes of each integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Width {
    /// The least that holds `number`.
    fn of(number: i64) -> Self {
        if i16::try_from(number).is_ok() {
            Self::Two
        } else if i32::try_from(number).is_ok() {
            Self::Four
        } else {
            Self::Eight
        }
    }

    fn stated(header: u32) -> Option<Self> {
        [Self::Two, Self::Four, Self::Eight].into_iter().find(|&width| width as u32 == header)
    }

    /// Where the integer at `index` lies.
    #[inline]
    fn place(self, index: usize) -> Range<usize> {
        let at = HEADER_BYTES + index * self as usize;
        at..at + self as usize
    }

    #[inline]
    fn read(self, bytes: &[u8], index: usize) -> i64 {
        let bytes = &bytes[self.place(index)];
        let at = |n: usize| bytes[n];
        match self {
            Self::Two => i16::from_le_bytes([at(0), at(1)]).into(),
            Self::Four => i32::from_le_bytes([at(0), at(1), at(2), at(3)]).into(),
            Self::Eight => i64::from_le_bytes([at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)]),
        }
    }

    #[inline]
    fn write(self, bytes: &mut [u8], index: usize, number: i64) {
        bytes[self.place(index)].copy_from_slice(&number.to_le_bytes()[..self as usize]);
    }
}

/// An intset to be read.
#[derive(Clone, Copy)]
pub(crate) struct Intset<'a> {
    bytes: &'a [u8],
    width: Width,
}

impl<'a> Intset<'a> {
    /// The intset that `bytes` are: ones made by this module, or found right by [`Intset::checked`]. With others it
    /// may panic.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, width: Width::stated(word(bytes, 0)).expect("the width was checked") }
    }

    /// The intset that foreign bytes are, if they are one to the last byte: as long as they say, and in order
    /// without doubles.
    pub(crate) fn checked(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < HEADER_BYTES {
            return None;
        }
        let width = Width::stated(word(bytes, 0))?;
        let set = Self { bytes, width };
        let is_whole = width.place(set.len()).start == bytes.len();
        (is_whole && set.iter().is_sorted_by(|a, b| a < b)).then_some(set)
    }

    /// Integers in it.
    #[inline]
    pub(crate) fn len(self) -> usize {
        word(self.bytes, 4) as usize
    }

    /// The one at `index` in their order; `None` past the end.
    pub(crate) fn get(self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.width.read(self.bytes, index))
    }

    /// Whether `number` is in it.
    pub(crate) fn contains(self, number: i64) -> bool {
        self.search(number).is_ok()
    }

    /// Where `number` is, or else would be.
    #[inline]
    fn search(self, number: i64) -> Result<usize, usize> {
        let (mut from, mut len) = (0, self.len());
        if len == 0 {
            return Err(0);
        }
        // Halves what is left without a branch to be foreseen.
        while len > 1 {
            let half = len / 2;
            from += if self.width.read(self.bytes, from + half) <= number { half } else { 0 };
            len -= half;
        }
        match self.width.read(self.bytes, from).cmp(&number) {
            std::cmp::Ordering::Equal => Ok(from),
            std::cmp::Ordering::Less => Err(from + 1),
            std::cmp::Ordering::Greater => Err(from),
        }
    }

    /// All integers in order.
    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + use<'a> {
        (0..self.len()).map(move |index| self.width.read(self.bytes, index))
    }
}

/// An intset to be changed in the bytes it lies in.
pub(crate) struct IntsetMut<'a, B>(&'a mut B);

impl<'a, B: Buffer> IntsetMut<'a, B> {
    /// The intset that `bytes` are; see [`Intset::new`].
    pub(crate) fn new(bytes: &'a mut B) -> Self {
        Self(bytes)
    }

    /// To be read.
    #[inline]
    pub(crate) fn view(&self) -> Intset<'_> {
        Intset::new(self.0.bytes())
    }

    /// Puts in a number. Says whether it was not there.
    pub(crate) fn insert(&mut self, number: i64) -> bool {
        if Width::of(number) > self.view().width {
            self.widen(Width::of(number));
        }
        let Err(index) = self.view().search(number) else { return false };
        let width = self.view().width;
        let at = width.place(index).start;
        self.0.splice(at..at, width as usize);
        width.write(self.0.bytes_mut(), index, number);
        self.set_len(self.view().len() + 1);
        true
    }

    /// Takes out a number. Says whether it was there.
    pub(crate) fn remove(&mut self, number: i64) -> bool {
        let Ok(index) = self.view().search(number) else { return false };
        let place = self.view().width.place(index);
        self.0.splice(place, 0);
        self.set_len(self.view().len() - 1);
        true
    }

    /// Makes all wider, from the last on: none is written where one still to be read lies.
    fn widen(&mut self, width: Width) {
        let (old, len) = (self.view().width, self.view().len());
        let end = old.place(len).start;
        self.0.splice(end..end, width.place(len).start - end);
        let bytes = self.0.bytes_mut();
        for index in (0..len).rev() {
            let number = old.read(bytes, index);
            width.write(bytes, index, number);
        }
        bytes[..4].copy_from_slice(&(width as u32).to_le_bytes());
    }

    fn set_len(&mut self, len: usize) {
        let len = u32::try_from(len).expect("`set-max-intset-entries` keeps them few");
        self.0.bytes_mut()[4..HEADER_BYTES].copy_from_slice(&len.to_le_bytes());
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(numbers: &[i64]) -> Vec<u8> {
        let mut bytes = EMPTY.to_vec();
        for &number in numbers {
            IntsetMut::new(&mut bytes).insert(number);
        }
        bytes
    }

    /// The expected bytes are recorded from redis-server 7.0.15: `DUMP` after `SADD`, in the last case after `SREM`.
    #[test]
    fn sets_of_integers_are_dumped_as_redis_dumps_them() {
        assert_eq!(set(&[5, -3, 100]), b"\x02\0\0\0\x03\0\0\0\xfd\xff\x05\0d\0");
        assert_eq!(
            set(&[5, 70_000, -70_000]),
            b"\x04\0\0\0\x03\0\0\0\x90\xee\xfe\xff\x05\0\0\0\x70\x11\x01\0"
        );
        assert_eq!(
            set(&[1, 1 << 40, -(1 << 40)]),
            b"\x08\0\0\0\x03\0\0\0\0\0\0\0\0\xff\xff\xff\x01\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0"
        );
        let mut bytes = set(&[1, 2, 100_000]);
        assert!(IntsetMut::new(&mut bytes).remove(100_000));
        assert_eq!(bytes, b"\x04\0\0\0\x02\0\0\0\x01\0\0\0\x02\0\0\0");
    }

    #[test]
    fn foreign_bytes_must_be_whole_wide_enough_and_in_order() {
        let good = set(&[1, 2, 3]);
        assert!(Intset::checked(&good).is_some());
        assert!(Intset::checked(&EMPTY).is_some());
        for (at, byte) in [(0, 3), (0, 4), (3, 1), (4, 2), (7, 0x80), (8, 2), (8, 3), (13, 0xff)] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            assert!(Intset::checked(&bytes).is_none(), "{byte} at {at}");
        }
        for len in 0..good.len() {
            assert!(Intset::checked(&good[..len]).is_none());
        }
    }

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => -50..50_i64,
            1 => (any::<i64>(), 0..64_u32).prop_map(|(number, by)| number >> by),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn an_intset_is_a_set(acts in prop::collection::vec((any::<bool>(), number()), 1..200)) {
            let (mut bytes, mut model) = (EMPTY.to_vec(), BTreeSet::new());
            for (insert, number) in acts {
                let mut set = IntsetMut::new(&mut bytes);
                if insert {
                    prop_assert_eq!(set.insert(number), model.insert(number));
                } else {
                    prop_assert_eq!(set.remove(number), model.remove(&number));
                }
                prop_assert_eq!(set.view().contains(number), insert);
            }
            let set = Intset::checked(&bytes).unwrap();
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.get(0), model.first().copied());
            prop_assert_eq!(set.get(set.len()), None);
        }
    }
}
