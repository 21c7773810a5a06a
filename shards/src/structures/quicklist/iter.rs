//! Walking over a list from both ends.

use std::ops::Range;

use super::{Contents, Quicklist};
use crate::structures::listpack::{Element, Listpack, Positions};

/// What is left to be seen of one node.
enum Rest<'a> {
    Packed(Listpack<'a>, Positions<'a>),
    Plain(Option<&'a [u8]>),
}

/// A place on the way: the node, and what is left of it.
struct Cursor<'a> {
    node: usize,
    rest: Rest<'a>,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match &mut self.rest {
            Rest::Packed(pack, positions) => positions.next().map(|at| pack.get(at)),
            Rest::Plain(text) => text.take().map(Element::Text),
        }
    }

    #[inline]
    fn next_back(&mut self) -> Option<Element<'a>> {
        match &mut self.rest {
            Rest::Packed(pack, positions) => positions.next_back().map(|at| pack.get(at)),
            Rest::Plain(text) => text.take().map(Element::Text),
        }
    }
}

/// Some elements of a list in their order.
pub(crate) struct Elements<'a> {
    list: &'a Quicklist,
    /// Indices that are left.
    left: Range<usize>,
    /// Found when first needed.
    front: Option<Cursor<'a>>,
    back: Option<Cursor<'a>>,
}

impl<'a> Elements<'a> {
    pub(super) fn new(list: &'a Quicklist, range: Range<usize>) -> Self {
        let end = range.end.min(list.len);
        Self { list, left: range.start.min(end)..end, front: None, back: None }
    }

    /// The node at `node`, without the elements before `from` and those from `to` on.
    fn cursor(&self, node: usize, range: impl FnOnce(usize) -> Range<usize>) -> Cursor<'a> {
        let rest = match self.list.nodes[node].contents() {
            Contents::Plain(text) => Rest::Plain(Some(text)),
            Contents::Packed(pack) => {
                let range = range(self.list.nodes[node].count());
                let at = |index: usize| pack.seek(index as isize).unwrap_or(pack.end());
                Rest::Packed(pack, pack.positions_in(at(range.start), at(range.end)))
            }
        };
        Cursor { node, rest }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        let index = self.left.next()?;
        if let Some(element) = self.front.as_mut().and_then(Cursor::next) {
            return Some(element);
        }
        let mut cursor = if let Some(cursor) = &self.front {
            self.cursor(cursor.node + 1, |count| 0..count)
        } else {
            let (node, within) = self.list.locate(index)?;
            self.cursor(node, |count| within..count)
        };
        let element = cursor.next();
        self.front = Some(cursor);
        element
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl DoubleEndedIterator for Elements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let index = self.left.next_back()?;
        if let Some(element) = self.back.as_mut().and_then(Cursor::next_back) {
            return Some(element);
        }
        let mut cursor = if let Some(cursor) = &self.back {
            self.cursor(cursor.node - 1, |count| 0..count)
        } else {
            let (node, within) = self.list.locate(index)?;
            self.cursor(node, |_| 0..within + 1)
        };
        let element = cursor.next_back();
        self.back = Some(cursor);
        element
    }
}

impl ExactSizeIterator for Elements<'_> {}
