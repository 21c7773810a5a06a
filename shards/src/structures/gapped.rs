//! A buffer with room at both ends: what a list is pushed to and popped from.
//!
//! An edit moves whichever is shorter, what lies before it or what follows. At the head of a listpack that is its header
//! alone, so to take the first element costs as much as to take the last.

use std::ops::{Deref, Range};

use super::buffer::{Buffer, size_class};

/// The most room that is left in front, in bytes.
const GAP_MAX: usize = u16::MAX as usize;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Gapped {
    /// Room, and then the bytes.
    all: Vec<u8>,
    /// Bytes of room in front.
    gap: u16,
}

impl Gapped {
    /// Bytes of memory it takes, with the room at both ends.
    pub(crate) fn capacity(&self) -> usize {
        self.all.capacity()
    }

    /// Has so much room in front, at most [`GAP_MAX`], before `len` bytes; what those are is for the caller to say.
    fn set_gap(&mut self, gap: usize, len: usize) {
        self.gap = gap as u16;
        self.all.resize(gap + len, 0);
    }

    /// The head, up to `head`, is moved so that `gap` bytes are in front of it.
    fn move_head(&mut self, head: usize, gap: usize) {
        let from = usize::from(self.gap);
        self.all.copy_within(from..from + head, gap);
        self.gap = gap as u16;
    }

    /// The tail, from `tail` on, is moved to `to`.
    fn move_tail(&mut self, tail: usize, to: usize) {
        let (gap, before) = (usize::from(self.gap), self.len());
        let after = before - tail + to;
        if to > tail {
            self.all.resize(gap + after, 0);
        }
        self.all.copy_within(gap + tail..gap + before, gap + to);
        self.all.truncate(gap + after);
    }

    /// Makes room for `more` bytes: all that there is beyond them goes to the front if they are to come there, and else to
    /// the end.
    fn grow(&mut self, more: usize, at_head: bool) {
        let (from, before) = (usize::from(self.gap), self.len());
        let after = before + more;
        if after > self.all.capacity() {
            self.all.reserve_exact(size_class(after) - self.all.len());
        }
        let gap = if at_head { more + (self.all.capacity() - after).min(GAP_MAX - more) } else { 0 };
        self.all.resize((gap + before).max(from + before), 0);
        self.all.copy_within(from..from + before, gap);
        self.set_gap(gap, before);
    }

    /// Gives back what is unused once that is more than half.
    fn give_back(&mut self) {
        if self.all.capacity() / 2 > self.len() {
            let (from, len) = (usize::from(self.gap), self.len());
            self.all.copy_within(from..from + len, 0);
            self.set_gap(0, len);
            self.all.shrink_to(size_class(len));
        }
    }
}

impl From<Vec<u8>> for Gapped {
    fn from(all: Vec<u8>) -> Self {
        Self { all, gap: 0 }
    }
}

impl Clone for Gapped {
    fn clone(&self) -> Self {
        self.to_vec().into()
    }
}

impl Deref for Gapped {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.all[usize::from(self.gap)..]
    }
}

impl Buffer for Gapped {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.all[usize::from(self.gap)..]
    }

    fn splice(&mut self, range: Range<usize>, len: usize) -> &mut [u8] {
        let (begin, before) = (range.start, self.len());
        let is_near_head = begin < before - range.end;
        if len > range.len() {
            let more = len - range.len();
            let is_at_head = is_near_head && more <= GAP_MAX;
            let room = if is_at_head { usize::from(self.gap) } else { self.all.capacity() - self.all.len() };
            if more > room {
                self.grow(more, is_at_head);
            }
            if is_at_head {
                self.move_head(begin, usize::from(self.gap) - more);
            } else {
                self.move_tail(range.end, begin + len);
            }
        } else {
            let gap = usize::from(self.gap) + range.len() - len;
            if is_near_head && gap <= GAP_MAX {
                self.move_head(begin, gap);
            } else {
                self.move_tail(range.end, begin + len);
            }
            self.give_back();
        }
        &mut self.bytes_mut()[begin..begin + len]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn splice(bytes: &mut Gapped, range: Range<usize>, new: &[u8]) {
        bytes.splice(range, new.len()).copy_from_slice(new);
    }

    #[test]
    fn what_is_added_or_taken_at_the_head_moves_nothing_but_what_is_before_it() {
        let mut bytes = Gapped::from((0..200).collect::<Vec<u8>>());
        splice(&mut bytes, 2..2, &[7; 8]);
        let tail = bytes[199..].as_ptr();
        for _ in 0..4 {
            splice(&mut bytes, 2..10, &[]);
            assert_eq!(bytes[191..].as_ptr(), tail);
            splice(&mut bytes, 2..2, &[9; 8]);
            assert_eq!(bytes[199..].as_ptr(), tail);
        }
        assert_eq!(bytes[..12], [0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 2, 3]);
    }

    #[test]
    fn a_long_head_is_left_where_it_is() {
        let mut bytes = Gapped::from(vec![0; 4 * GAP_MAX]);
        splice(&mut bytes, 1..1, &vec![1; GAP_MAX + 1]);
        splice(&mut bytes, 1..GAP_MAX + 2, &[2]);
        assert_eq!((bytes.len(), &bytes[..3]), (4 * GAP_MAX + 1, &[0, 2, 0][..]));
    }

    #[test]
    fn what_is_unused_is_given_back() {
        let mut bytes = Gapped::from(vec![3; 1000]);
        for _ in 0..90 {
            splice(&mut bytes, 1..11, &[]);
        }
        assert_eq!(bytes[..], [3; 100]);
        assert!(bytes.capacity() <= 200, "{}", bytes.capacity());
    }

    proptest! {
        #[test]
        fn it_is_edited_as_a_vec_is(
            first in prop::collection::vec(any::<u8>(), 0..300),
            edits in prop::collection::vec(
                (any::<prop::sample::Index>(), 0..40_usize, prop::collection::vec(any::<u8>(), 0..40)), 1..80),
            ends in prop::collection::vec(0..3_u8, 80),
        ) {
            let (mut bytes, mut model) = (Gapped::from(first.clone()), first);
            for ((at, taken, new), end) in edits.into_iter().zip(ends) {
                let begin = match end {
                    0 => 0,
                    1 => model.len(),
                    _ => at.index(model.len() + 1),
                };
                let range = begin..(begin + taken).min(model.len());
                splice(&mut bytes, range.clone(), &new);
                model.splice(range, new);
                prop_assert_eq!(&bytes[..], &model[..]);
                prop_assert_eq!(&bytes.clone()[..], &model[..]);
                prop_assert!(bytes.all.len() <= bytes.capacity());
                prop_assert!(bytes.capacity() <= (model.len() * 2 + 2).max(size_class(300)));
            }
        }
    }
}
