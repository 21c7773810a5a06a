//! Going through the entries of a stream, from either end.

use std::collections::btree_map;

use super::Id;
use super::node::{EntryHead, Head, Node, SAME_FIELDS, start_before};
use crate::structures::listpack::{Element, Listpack, Position};

/// Which way entries are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the lowest ID.
    Forward,
    /// From the highest.
    Backward,
}

/// One entry.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// What it is found by.
    pub(crate) id: Id,
    pack: Listpack<'a>,
    head: EntryHead,
    first_field: Position,
}

impl<'a> Entry<'a> {
    /// Its fields with their values.
    pub(crate) fn fields(&self) -> Fields<'a> {
        let shared = (self.head.flags & SAME_FIELDS != 0).then_some(self.first_field);
        Fields { pack: self.pack, shared, at: self.head.first, left: self.head.fields as usize }
    }
}

/// Fields of an entry with their values.
#[derive(Clone)]
pub(crate) struct Fields<'a> {
    pack: Listpack<'a>,
    /// The next field, if the node has them.
    shared: Option<Position>,
    /// The next value, or the field before it.
    at: Position,
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Element<'a>, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let pack = self.pack;
        let field = self.shared.as_mut().unwrap_or(&mut self.at);
        let name = pack.get(*field);
        *field = pack.after(*field);
        let value = pack.get(self.at);
        self.at = pack.after(self.at);
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// Entries of a range, one by one.
pub(crate) struct Entries<'a> {
    nodes: btree_map::Range<'a, Id, Node>,
    from: Id,
    to: Id,
    direction: Direction,
    current: Option<Current<'a>>,
}

/// The node that is being gone through.
struct Current<'a> {
    master_id: Id,
    pack: Listpack<'a>,
    head: Head,
    /// Between what has been visited and what has not.
    at: Position,
}

impl<'a> Current<'a> {
    fn new((&master_id, node): (&'a Id, &'a Node), direction: Direction) -> Self {
        let (pack, head) = (node.pack(), node.head());
        let at = match direction {
            Direction::Forward => head.first_entry(pack),
            Direction::Backward => pack.end(),
        };
        Self { master_id, pack, head, at }
    }

    fn next(&mut self, direction: Direction) -> Option<EntryHead> {
        let entry = |at| EntryHead::of(self.pack, at, self.master_id, self.head.fields);
        match direction {
            Direction::Forward => {
                let head = (self.at < self.pack.end()).then(|| entry(self.at))?;
                self.at = head.end(self.pack);
                Some(head)
            }
            Direction::Backward => {
                self.at = start_before(self.pack, self.at)?;
                Some(entry(self.at))
            }
        }
    }
}

impl<'a> Entries<'a> {
    pub(super) fn new(nodes: btree_map::Range<'a, Id, Node>, from: Id, to: Id, direction: Direction) -> Self {
        Self { nodes, from, to, direction, current: None }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let Some(current) = &mut self.current else {
                let node = match self.direction {
                    Direction::Forward => self.nodes.next(),
                    Direction::Backward => self.nodes.next_back(),
                };
                self.current = Some(Current::new(node?, self.direction));
                continue;
            };
            let Some(head) = current.next(self.direction) else {
                self.current = None;
                continue;
            };
            let is_past = match self.direction {
                Direction::Forward => head.id > self.to,
                Direction::Backward => head.id < self.from,
            };
            if is_past {
                return None;
            }
            if !head.is_deleted() && (self.from..=self.to).contains(&head.id) {
                let (pack, first_field) = (current.pack, current.head.first_field);
                return Some(Entry { id: head.id, pack, head, first_field });
            }
        }
    }
}
