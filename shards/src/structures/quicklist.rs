//! A long list: listpacks of some kilobytes, one after the other.
//!
//! Both ends are next to hand, what lies between is found by skipping whole nodes from the nearer end. Where nodes
//! are begun, split and merged is exactly as in Redis, because `DUMP` and RDB show them. A text that is too
//! large for any listpack is a node of its own, called plain. Source: Redis 7.2 `src/quicklist.c`.

mod insert;
mod iter;
mod limit;

use std::collections::VecDeque;
use std::ops::Range;

pub(crate) use insert::Side;
pub(crate) use iter::Elements;
pub(crate) use limit::Limit;

use crate::allocator;
use crate::structures::gapped::Gapped;
pub(crate) use crate::structures::listpack::End;
use crate::structures::listpack::{self, Element, Listpack, ListpackMut, Needle, Position};

/// A piece of a list.
#[derive(Clone, Debug)]
struct Node {
    /// A listpack, or the only element if it is plain.
    bytes: Gapped,
    /// Elements in it.
    count: u32,
    plain: bool,
}

/// What a node holds, for who writes lists as RDB does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents<'a> {
    /// A listpack.
    Packed(Listpack<'a>),
    /// One element as it is.
    Plain(&'a [u8]),
}

impl Node {
    fn packed(bytes: Vec<u8>) -> Self {
        let count = Listpack::new(&bytes).len() as u32;
        Self { bytes: bytes.into(), count, plain: false }
    }

    fn of(text: &[u8]) -> Self {
        let mut node = Self { bytes: listpack::EMPTY.to_vec().into(), count: 0, plain: false };
        node.insert(Position::START, text);
        node
    }

    fn plain(text: &[u8]) -> Self {
        Self { bytes: text.to_vec().into(), count: 1, plain: true }
    }

    fn count(&self) -> usize {
        self.count as usize
    }

    fn contents(&self) -> Contents<'_> {
        if self.plain { Contents::Plain(&self.bytes) } else { Contents::Packed(Listpack::new(&self.bytes)) }
    }

    fn get(&self, index: usize) -> Option<Element<'_>> {
        match self.contents() {
            Contents::Plain(text) => (index == 0).then_some(Element::Text(text)),
            Contents::Packed(pack) => pack.seek(index as isize).map(|at| pack.get(at)),
        }
    }

    /// Puts an element in a packed node, at `at`.
    fn insert(&mut self, at: Position, text: &[u8]) {
        ListpackMut::new(&mut self.bytes).insert(at, [Element::of(text)]);
        self.count += 1;
    }

    fn push(&mut self, end: End, text: &[u8]) {
        let at = match end {
            End::Head => Position::START,
            End::Tail => Listpack::new(&self.bytes).end(),
        };
        self.insert(at, text);
    }

    /// Takes out a range of the elements of a packed node.
    fn remove(&mut self, range: Range<usize>) {
        ListpackMut::new(&mut self.bytes).remove_range(range.start, range.len());
        self.count -= range.len() as u32;
    }

    /// Takes the elements from `index` on out of a packed node, for another.
    fn split_off(&mut self, index: usize) -> Self {
        let mut tail = self.clone();
        tail.remove(0..index);
        self.remove(index..self.count());
        tail
    }
}

/// A list.
#[derive(Clone, Debug)]
pub(crate) struct Quicklist {
    nodes: VecDeque<Node>,
    len: usize,
    limit: Limit,
    /// Bytes from which on an element is a node of its own.
    plain_bytes: usize,
}

impl Quicklist {
    /// An empty one, whose nodes go to `limit`.
    pub(crate) fn new(limit: Limit) -> Self {
        Self { nodes: VecDeque::new(), len: 0, limit, plain_bytes: listpack::BYTES_MAX }
    }

    /// Makes elements of `bytes` and more nodes of their own.
    #[cfg(test)]
    pub(crate) fn set_plain_bytes(&mut self, bytes: usize) {
        self.plain_bytes = bytes.min(listpack::BYTES_MAX);
    }

    /// Elements in it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What its nodes hold, in order.
    pub(crate) fn nodes(&self) -> impl ExactSizeIterator<Item = Contents<'_>> {
        self.nodes.iter().map(Node::contents)
    }

    /// Adds a listpack that is a node: a small list that outgrew its limit, or what was read from RDB.
    pub(crate) fn push_packed(&mut self, bytes: Vec<u8>) {
        let node = Node::packed(bytes);
        if node.count > 0 {
            self.len += node.count();
            self.nodes.push_back(node);
        }
    }

    /// Adds an element that is a node, as read from RDB.
    pub(crate) fn push_plain(&mut self, text: &[u8]) {
        self.len += 1;
        self.nodes.push_back(Node::plain(text));
    }

    /// The only listpack of a list that may be a small one again, by the limit of now. One that shrinks may
    /// only at half of it, lest it be converted to and fro.
    pub(crate) fn as_small(&self, limit: Limit, shrinks: bool) -> Option<&[u8]> {
        let limit = if shrinks { limit.half() } else { limit };
        let mut nodes = self.nodes.iter();
        let (node, None) = (nodes.next()?, nodes.next()) else { return None };
        (!node.plain && limit.admits(node.bytes.len(), node.count())).then_some(&node.bytes)
    }

    /// Adds an element at an end.
    pub(crate) fn push(&mut self, end: End, text: &[u8]) {
        let nodes = self.nodes.len();
        let (node, new) = match end {
            End::Head => (self.nodes.front_mut(), 0),
            End::Tail => (self.nodes.back_mut(), nodes),
        };
        self.len += 1;
        if let Some(node) = node
            && text.len() < self.plain_bytes
            && self.limit.admits_into(node, text)
        {
            return node.push(end, text);
        }
        self.nodes.insert(new, self.node_of(text));
    }

    /// A node of one element.
    fn node_of(&self, text: &[u8]) -> Node {
        if text.len() < self.plain_bytes { Node::of(text) } else { Node::plain(text) }
    }

    /// Takes out the element at an end, after `take` has looked at it.
    pub(crate) fn pop<T>(&mut self, end: End, take: impl FnOnce(Element<'_>) -> T) -> Option<T> {
        let index = match end {
            End::Head => 0,
            End::Tail => self.nodes.len().checked_sub(1)?,
        };
        let node = self.nodes.get(index)?;
        let last = if end == End::Head { 0 } else { node.count() - 1 };
        let taken = take(node.get(last)?);
        self.remove_in(index, last..last + 1);
        Some(taken)
    }

    /// The element at `index`.
    pub(crate) fn get(&self, index: usize) -> Option<Element<'_>> {
        let (node, within) = self.locate(index)?;
        self.nodes[node].get(within)
    }

    /// The node of the element at `index`, and which of its elements that is. Goes from the nearer end.
    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index <= self.len / 2 {
            let mut before = index;
            let node = self.nodes.iter().position(|node| {
                let here = before < node.count();
                before -= if here { 0 } else { node.count() };
                here
            })?;
            return Some((node, before));
        }
        let mut after = self.len - index;
        for (place, node) in self.nodes.iter().enumerate().rev() {
            if after <= node.count() {
                return Some((place, node.count() - after));
            }
            after -= node.count();
        }
        None
    }

    /// Puts another element in the place of the one at `index`. Says whether there is one.
    pub(crate) fn replace(&mut self, index: usize, text: &[u8]) -> bool {
        let Some((place, within)) = self.locate(index) else { return false };
        let is_plain = text.len() >= self.plain_bytes;
        let node = &mut self.nodes[place];
        match (node.plain, is_plain) {
            (true, true) => node.bytes = text.to_vec().into(),
            (false, false) => {
                let mut pack = ListpackMut::new(&mut node.bytes);
                let at = pack.view().seek(within as isize).expect("a node has as many as it counts");
                pack.replace(at, Element::of(text));
            }
            _ => {
                self.insert(index, Side::After, text);
                self.remove_range(index, 1);
            }
        }
        true
    }

    /// Takes out `count` elements from `index` on, or as many as there are.
    pub(crate) fn remove_range(&mut self, index: usize, count: usize) {
        let Some((mut place, mut within)) = self.locate(index) else { return };
        let mut left = count.min(self.len - index);
        if within > 0 {
            let here = left.min(self.nodes[place].count() - within);
            self.remove_in(place, within..within + here);
            left -= here;
            place += 1;
            within = 0;
        }
        let mut whole = place;
        while left > 0 && self.nodes[whole].count() <= left {
            left -= self.nodes[whole].count();
            self.len -= self.nodes[whole].count();
            whole += 1;
        }
        self.nodes.drain(place..whole);
        if left > 0 {
            self.remove_in(place, within..within + left);
        }
        self.give_back();
    }

    /// Takes out elements of one node, and the node if none is left.
    fn remove_in(&mut self, place: usize, range: Range<usize>) {
        self.len -= range.len();
        let node = &mut self.nodes[place];
        if range.len() == node.count() {
            self.nodes.remove(place);
        } else {
            node.remove(range);
        }
    }

    /// Takes out the first `count` elements that are `text`, seen from an end. Returns how many those were.
    pub(crate) fn remove_equal(&mut self, text: &[u8], end: End, count: usize) -> usize {
        let (needle, mut removed) = (Needle::new(text), 0);
        let mut places = 0..self.nodes.len();
        while removed < count
            && let Some(place) = if end == End::Head { places.next() } else { places.next_back() }
        {
            removed += self.nodes[place].remove_equal(&needle, end, count - removed);
        }
        if removed > 0 {
            self.nodes.retain(|node| node.count > 0);
            self.len -= removed;
            self.give_back();
        }
        removed
    }

    /// Gives back the memory of nodes that are gone.
    fn give_back(&mut self) {
        if self.nodes.capacity() / 4 > self.nodes.len() {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        let nodes = self.nodes.iter().map(|node| allocator::class_bytes(node.bytes.capacity()));
        self.nodes.capacity() * size_of::<Node>() + nodes.sum::<usize>()
    }

    /// Frees `count` nodes, or as many as there are, and returns how many that were.
    pub(crate) fn free_some(&mut self, count: usize) -> usize {
        let count = count.min(self.nodes.len());
        self.len -= self.nodes.drain(..count).map(|node| node.count()).sum::<usize>();
        count
    }

    /// The elements in a range of indices that are there, from both ends.
    pub(crate) fn range(&self, range: Range<usize>) -> Elements<'_> {
        Elements::new(self, range)
    }
}

impl Node {
    /// As [`Quicklist::remove_equal`]; may leave it empty.
    fn remove_equal(&mut self, needle: &Needle<'_>, end: End, count: usize) -> usize {
        let removed = if self.plain {
            usize::from(needle.is(Element::Text(&self.bytes)))
        } else {
            ListpackMut::new(&mut self.bytes).remove_equal(needle, end, count)
        };
        self.count -= removed as u32;
        removed
    }
}

#[cfg(test)]
mod tests;
