//! One list, in whichever way it is kept.

use std::ops::Range;

use tidegate_protocols::Error;
use tidegate_protocols::settings::{Key, Settings};

use crate::db::{Encoding, Kind};
use crate::entry_mut::EntryMut;
use crate::large::Large;
use crate::structures::buffer::Buffer;
use crate::structures::listpack::{self, Element, End, Listpack, ListpackMut, Needle, Position, Positions};
use crate::structures::quicklist::{self, Limit, Quicklist, Side};
use crate::view::Value;

/// Bytes that a listpack takes for an element besides its text, unless that is long.
const OVERHEAD_BYTES: usize = 2;

/// How large a packed list, and each listpack of another, may become.
#[inline]
pub(super) fn limit_of(settings: &Settings) -> Limit {
    Limit::of(settings.number(Key::ListMaxListpackSize))
}

/// A list to be read.
#[derive(Clone, Copy)]
pub(super) enum List<'a> {
    /// In one listpack.
    Packed(Listpack<'a>),
    /// In several.
    Quick(&'a Quicklist),
}

impl<'a> List<'a> {
    /// The list that a value is.
    #[inline]
    pub(super) fn of(value: Value<'a>) -> Self {
        match value {
            Value::Packed(bytes) => Self::Packed(Listpack::new(bytes)),
            Value::Large(Large::List(list)) => Self::Quick(list),
            Value::Large(_) => unreachable!("the large value of a list is a quicklist"),
        }
    }

    /// Elements in it.
    #[inline]
    pub(super) fn len(self) -> usize {
        match self {
            Self::Packed(pack) => pack.len(),
            Self::Quick(list) => list.len(),
        }
    }

    /// The element at an index; below 0 it counts from the end.
    pub(super) fn get(self, index: i64) -> Option<Element<'a>> {
        match self {
            Self::Packed(pack) => pack.seek(index as isize).map(|at| pack.get(at)),
            Self::Quick(list) => list.get(index_in(index, list.len())?),
        }
    }

    /// The elements in a range of indices that are there, from both ends.
    #[inline]
    pub(super) fn range(self, range: Range<usize>) -> Elements<'a> {
        match self {
            Self::Packed(pack) => {
                let at = |index: usize| pack.seek(index as isize).unwrap_or(pack.end());
                let from = at(range.start);
                let to = if range.end < pack.len() { at(range.end) } else { pack.end() };
                Elements::Packed(pack, pack.positions_in(from, to))
            }
            Self::Quick(list) => Elements::Quick(list.range(range)),
        }
    }
}

fn push_packed<'w>(
    packed: &mut impl Buffer,
    end: End,
    elements: impl DoubleEndedIterator<Item = &'w [u8]> + Clone,
) {
    let mut pack = ListpackMut::new(packed);
    match end {
        End::Head => pack.insert_all(Position::START, elements.rev().map(Element::of)),
        End::Tail => pack.insert_all(pack.view().end(), elements.map(Element::of)),
    }
}

/// The index that is meant by `index`, which counts from the end if it is below 0.
fn index_in(index: i64, len: usize) -> Option<usize> {
    let from_start = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(from_start).ok().filter(|&index| index < len)
}

/// Some elements of a list in their order.
pub(super) enum Elements<'a> {
    Packed(Listpack<'a>, Positions<'a>),
    Quick(quicklist::Elements<'a>),
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Self::Packed(pack, positions) => positions.next().map(|at| pack.get(at)),
            Self::Quick(elements) => elements.next(),
        }
    }
}

impl DoubleEndedIterator for Elements<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Packed(pack, positions) => positions.next_back().map(|at| pack.get(at)),
            Self::Quick(elements) => elements.next_back(),
        }
    }
}

/// A list to be changed. Nobody who watches it learns of that before [`EntryMut::has_changed`] says so.
///
/// It is converted where Redis converts it: before elements are put in, if they would be too many for a listpack, and back
/// by [`ListMut::settle`] after some were taken out. Source: Redis 7.2 `t_list.c`, `listTypeTryConversionRaw`.
pub(super) struct ListMut<'e, 'a> {
    entry: &'e mut EntryMut<'a>,
    limit: Limit,
}

impl<'e, 'a> ListMut<'e, 'a> {
    /// The list that is there or may come there.
    ///
    /// # Errors
    /// [`Error::WrongType`] if something else is there.
    #[inline]
    pub(super) fn new(entry: &'e mut EntryMut<'a>, limit: Limit) -> Result<Self, Error> {
        entry.value(Kind::List)?;
        Ok(Self { entry, limit })
    }

    /// To be read, if it is there.
    #[inline]
    pub(super) fn view(&self) -> Option<List<'_>> {
        self.entry.value(Kind::List).ok().flatten().map(List::of)
    }

    /// Whether it is there.
    #[inline]
    pub(super) fn is_there(&self) -> bool {
        self.entry.is_there()
    }

    /// Elements in it, if it is there.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.view().map_or(0, List::len)
    }

    /// The elements of many listpacks, if it has so many.
    #[inline]
    fn quick(&mut self) -> Option<&mut Quicklist> {
        match self.entry.large_mut() {
            Some(Large::List(list)) => Some(list),
            _ => None,
        }
    }

    /// Spreads it over several listpacks before `count` elements are put in, of `bytes` bytes together, if they are too
    /// many for one.
    #[inline]
    pub(super) fn expect(&mut self, count: usize, bytes: usize) {
        let (bytes_before, count_before) = match self.view() {
            None => (listpack::EMPTY.len(), 0),
            Some(List::Packed(pack)) => (pack.bytes().len(), pack.len()),
            Some(List::Quick(_)) => return,
        };
        if !self.limit.admits_growth(bytes_before.saturating_add(bytes), count_before + count) {
            self.unpack();
        }
    }

    #[cold]
    fn unpack(&mut self) {
        if !self.entry.is_there() {
            self.entry.create(Encoding::PackedList, &listpack::EMPTY);
        }
        let mut list = Quicklist::new(self.limit);
        if let Some(List::Packed(pack)) = self.view() {
            list.push_packed(pack.bytes().to_vec());
        }
        self.entry.set_large(Large::List(list));
    }

    /// Puts elements in at an end, one after the other. They have been [expected](ListMut::expect). A list that is not
    /// there is put there.
    #[inline]
    pub(super) fn push<'w>(&mut self, end: End, elements: impl DoubleEndedIterator<Item = &'w [u8]> + Clone) {
        if let Some(list) = self.quick() {
            elements.for_each(|element| list.push(end, element));
        } else if self.entry.is_there() {
            push_packed(&mut self.entry.packed_mut(), end, elements);
        } else {
            let bytes: usize = elements.clone().map(|element| element.len() + OVERHEAD_BYTES).sum();
            let mut packed = Vec::with_capacity(listpack::EMPTY.len() + bytes);
            packed.extend_from_slice(&listpack::EMPTY);
            push_packed(&mut packed, end, elements);
            self.entry.create(Encoding::PackedList, &packed);
        }
    }

    /// Takes out the element at an end, after `take` has looked at it.
    #[inline]
    pub(super) fn pop<T>(&mut self, end: End, take: impl FnOnce(Element<'_>) -> T) -> Option<T> {
        if let Some(list) = self.quick() {
            return list.pop(end, take);
        }
        if !self.entry.is_there() {
            return None;
        }
        let mut packed = self.entry.packed_mut();
        let mut pack = ListpackMut::new(&mut packed);
        let view = pack.view();
        let at = match end {
            End::Head => Position::START,
            End::Tail => view.before(view.end())?,
        };
        let taken = take(view.get(at));
        pack.remove(at, 1);
        Some(taken)
    }

    /// The same, and [settles](ListMut::settle) what is left.
    #[inline]
    pub(super) fn pop_for_good<T>(&mut self, end: End, take: impl FnOnce(Element<'_>) -> T) -> Option<T> {
        if let Some(List::Packed(pack)) = self.view()
            && pack.len() == 1
        {
            let taken = take(pack.get(Position::START));
            self.entry.remove();
            return Some(taken);
        }
        let taken = self.pop(end, take)?;
        self.settle();
        Some(taken)
    }

    /// Puts an element beside the first that is `pivot`; it has been [expected](ListMut::expect). Says whether there is
    /// such a one.
    pub(super) fn insert(&mut self, side: Side, pivot: &[u8], element: &[u8]) -> bool {
        let Some(view) = self.view() else { return false };
        match view {
            List::Quick(list) => {
                let needle = Needle::new(pivot);
                let found = list.range(0..list.len()).position(|element| needle.is(element));
                found.is_some_and(|index| self.quick().is_some_and(|list| list.insert(index, side, element)))
            }
            List::Packed(pack) => {
                let Some(found) = pack.find(Position::START, pivot, 0) else { return false };
                let at = if side == Side::Before { found } else { pack.after(found) };
                ListpackMut::new(&mut self.entry.packed_mut()).insert(at, [Element::of(element)]);
                true
            }
        }
    }

    /// Puts another element in the place of the one at an index, which below 0 counts from the end; it has been
    /// [expected](ListMut::expect). Says whether there is one.
    pub(super) fn replace(&mut self, index: i64, element: &[u8]) -> bool {
        let Some(index) = index_in(index, self.len()) else { return false };
        if let Some(list) = self.quick() {
            return list.replace(index, element);
        }
        let mut packed = self.entry.packed_mut();
        let mut pack = ListpackMut::new(&mut packed);
        let Some(at) = pack.view().seek(index as isize) else { return false };
        pack.replace(at, Element::of(element));
        true
    }

    /// Takes out the first `count` elements that are `text`, seen from an end. Returns how many those were.
    pub(super) fn remove_equal(&mut self, text: &[u8], end: End, count: usize) -> usize {
        if !self.entry.is_there() {
            return 0;
        }
        match self.quick() {
            Some(list) => list.remove_equal(text, end, count),
            None => {
                ListpackMut::new(&mut self.entry.packed_mut()).remove_equal(&Needle::new(text), end, count)
            }
        }
    }

    /// Takes out all elements but those in a range of indices. The list is there.
    pub(super) fn keep(&mut self, range: Range<usize>) {
        if range.is_empty() {
            self.entry.remove();
            return;
        }
        let behind = self.len() - range.end;
        self.remove_range(0, range.start);
        self.remove_range(range.len(), behind);
        self.settle();
    }

    /// Takes out `count` elements from `index` on, or as many as there are.
    pub(super) fn remove_range(&mut self, index: usize, count: usize) {
        match self.quick() {
            Some(list) => list.remove_range(index, count),
            None => ListpackMut::new(&mut self.entry.packed_mut()).remove_range(index, count),
        }
    }

    /// After elements have been taken out: removes the key if none is left, and packs a list that has become much
    /// smaller than a listpack may be. Says whether there is any left.
    #[inline]
    pub(super) fn settle(&mut self) -> bool {
        let limit = self.limit;
        let is_empty = match self.quick() {
            Some(list) => {
                if let Some(pack) = list.as_small(limit, true) {
                    let pack = pack.to_vec();
                    self.entry.set_packed(Encoding::PackedList, &pack);
                    return true;
                }
                list.is_empty()
            }
            None => self.view().is_some_and(|list| list.len() == 0),
        };
        if is_empty {
            self.entry.remove();
        }
        !is_empty
    }

    /// Tells those who watch the key that it is not what it was.
    #[inline]
    pub(super) fn has_changed(&mut self) {
        self.entry.has_changed();
    }
}
