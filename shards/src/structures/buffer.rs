//! Bytes that can be made longer and shorter in the middle: what packed values are edited in.

use std::ops::Range;

/// Bytes with room that grows. An entry's value is one, and so is a `Vec<u8>`.
pub(crate) trait Buffer {
    /// All of them.
    fn bytes(&self) -> &[u8];

    /// All of them, to be changed in place.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Makes the bytes of `range` `len` bytes long, moves what follows, and returns those `len` bytes to be
    /// written: until then they may be anything.
    fn splice(&mut self, range: Range<usize>, len: usize) -> &mut [u8];
}

impl<B: Buffer> Buffer for &mut B {
    fn bytes(&self) -> &[u8] {
        (**self).bytes()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        (**self).bytes_mut()
    }

    fn splice(&mut self, range: Range<usize>, len: usize) -> &mut [u8] {
        (**self).splice(range, len)
    }
}

/// Grows by size classes, and gives back what is unused once that is more than half.
impl Buffer for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }

    fn splice(&mut self, range: Range<usize>, len: usize) -> &mut [u8] {
        let (before, end) = (self.len(), range.start + len);
        if end > range.end {
            let after = before + (end - range.end);
            if after > self.capacity() {
                self.reserve_exact(size_class(after) - before);
            }
            self.resize(after, 0);
        }
        if end != range.end {
            self.copy_within(range.end..before, end);
        }
        self.truncate(before - range.len() + len);
        if self.capacity() / 2 > self.len() {
            self.shrink_to(size_class(self.len()));
        }
        &mut self[range.start..end]
    }
}

/// The allocator's size class of `len` bytes: four of them from each power of two to the next. Growing to the end
/// of one costs no memory, and never more than a fifth of it is unused.
pub(super) fn size_class(len: usize) -> usize {
    let step = (len.next_power_of_two() / 8).max(8);
    len.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_splice_replaces_the_middle_and_moves_the_rest() {
        for (range, new, expected) in [
            (1..2, "xyz", "axyzcd"),
            (1..3, "", "ad"),
            (0..0, "x", "xabcd"),
            (4..4, "x", "abcdx"),
            (0..4, "xy", "xy"),
            (1..3, "xy", "axyd"),
        ] {
            let mut bytes = b"abcd".to_vec();
            bytes.splice_with(range, new.as_bytes());
            assert_eq!(bytes, expected.as_bytes());
        }
    }

    trait SpliceWith {
        fn splice_with(&mut self, range: Range<usize>, new: &[u8]);
    }

    impl SpliceWith for Vec<u8> {
        fn splice_with(&mut self, range: Range<usize>, new: &[u8]) {
            Buffer::splice(self, range, new.len()).copy_from_slice(new);
        }
    }

    #[test]
    fn size_classes_are_those_of_the_allocator() {
        let classes = [(1, 8), (9, 16), (50, 56), (57, 64), (65, 80), (81, 96), (129, 160), (4097, 5120)];
        for (len, class) in classes {
            assert_eq!(size_class(len), class, "{len}");
        }
    }
}
