//! Changing a listpack in the bytes it lies in.

use super::encode::Encoded;
use super::{BYTES_MAX, Element, End, HEADER_BYTES, Listpack, MANY, Needle, Position};
use crate::structures::buffer::Buffer;

/// A listpack to be changed.
///
/// An edit that would make it longer than [`BYTES_MAX`] is a bug of the caller, who asks
/// [`Listpack::has_room_for`] before.
pub(crate) struct ListpackMut<'a, B>(&'a mut B);

impl<'a, B: Buffer> ListpackMut<'a, B> {
    /// The listpack that `bytes` are; see [`Listpack::new`].
    pub(crate) fn new(bytes: &'a mut B) -> Self {
        Self(bytes)
    }

    /// To be read.
    #[inline]
    pub(crate) fn view(&self) -> Listpack<'_> {
        Listpack::new(self.0.bytes())
    }

    /// Adds an element at the end.
    #[inline]
    pub(crate) fn append(&mut self, element: Element<'_>) {
        self.insert(self.view().end(), [element]);
    }

    /// Puts elements in, the first of them at `at`.
    #[inline]
    pub(crate) fn insert<const N: usize>(&mut self, at: Position, elements: [Element<'_>; N]) {
        self.splice(at, at, &elements.map(Encoded::new));
        self.count(N as isize);
    }

    /// Puts any number of elements in, the first of them at `at`.
    #[inline]
    pub(crate) fn insert_all<'e>(
        &mut self,
        at: Position,
        elements: impl Iterator<Item = Element<'e>> + Clone,
    ) {
        let (mut len, mut count) = (0, 0);
        for element in elements.clone() {
            len += Encoded::new(element).len();
            count += 1;
        }
        let mut room = self.0.splice(at.0..at.0, len);
        for element in elements {
            room = Encoded::new(element).write(room);
        }
        self.set_total();
        self.count(count);
    }

    /// Puts `element` in the place of the one at `at`.
    #[inline]
    pub(crate) fn replace(&mut self, at: Position, element: Element<'_>) {
        let after = self.view().after(at);
        self.splice(at, after, &[Encoded::new(element)]);
    }

    /// Takes out `count` elements from `at` on, or as many as there are.
    pub(crate) fn remove(&mut self, at: Position, count: usize) {
        let view = self.view();
        let (mut to, mut removed) = (at, 0);
        while removed < count && to < view.end() {
            to = view.after(to);
            removed += 1;
        }
        self.splice(at, to, &[]);
        self.count(-(removed as isize));
    }

    /// Takes out `count` elements from the one at `index` on, or as many as there are.
    pub(crate) fn remove_range(&mut self, index: usize, count: usize) {
        if let Some(at) = self.view().seek(index as isize) {
            self.remove(at, count);
        }
    }

    /// Takes out the first `count` elements that are looked for, seen from an end. Returns how many those were.
    pub(crate) fn remove_equal(&mut self, needle: &Needle<'_>, end: End, count: usize) -> usize {
        let mut from = if end == End::Head { Position::START } else { self.view().end() };
        let mut removed = 0;
        while removed < count {
            let view = self.view();
            let found = match end {
                End::Head => view.find_needle(from, needle, 0),
                End::Tail => {
                    let mut before = view.positions_in(Position::START, from).rev();
                    before.find(|&at| needle.is(view.get(at)))
                }
            };
            let Some(at) = found else { break };
            self.remove(at, 1);
            (from, removed) = (at, removed + 1);
        }
        removed
    }

    /// Adds all elements of another at the end.
    pub(crate) fn extend(&mut self, other: Listpack<'_>) {
        let elements = &other.bytes()[HEADER_BYTES..other.end().0];
        let (end, count) = (self.view().end().0, other.len());
        self.0.splice(end..end, elements.len()).copy_from_slice(elements);
        self.set_total();
        self.count(count as isize);
    }

    #[inline]
    fn splice(&mut self, from: Position, to: Position, elements: &[Encoded<'_>]) {
        let len = elements.iter().map(Encoded::len).sum();
        let mut room = self.0.splice(from.0..to.0, len);
        for element in elements {
            room = element.write(room);
        }
        self.set_total();
    }

    #[inline]
    fn set_total(&mut self) {
        let bytes = self.0.bytes_mut();
        assert!(bytes.len() <= BYTES_MAX, "a listpack is converted or refused before it is too long");
        let total = (bytes.len() as u32).to_le_bytes();
        bytes[..4].copy_from_slice(&total);
    }

    /// Changes what the header says of the number of elements. Once there are too many to say, only counting anew
    /// tells whether there still are, which is worth it only after a removal.
    #[inline]
    fn count(&mut self, by: isize) {
        let stated = self.view().stated_len();
        let len = match stated {
            MANY if by < 0 => self.view().len(),
            MANY => MANY,
            len => len.wrapping_add_signed(by),
        };
        let stated = len.min(MANY) as u16;
        self.0.bytes_mut()[4..HEADER_BYTES].copy_from_slice(&stated.to_le_bytes());
    }
}
