//! The entries of a stream and what is counted of them.

use std::collections::BTreeMap;

use super::node::Node;
use super::{Direction, Entries, Entry, Group, Id, radix};
use crate::structures::listpack::{self, Listpack};

/// Bytes that an element takes in a listpack beside its text, at most.
const ELEMENT_BYTES: usize = 11;
/// Elements of a new node and of its first entry that are no field and no value.
const FRAME_ELEMENTS: usize = 9;

/// How large a node may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes; 0 is as many as a listpack may have.
    pub(crate) node_bytes: usize,
    /// Entries, deleted ones too; 0 is any number.
    pub(crate) node_entries: usize,
}

/// An entry that fits no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Entries in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// By the ID that those of their entries are counted from, which is that of the first.
    pub(super) nodes: BTreeMap<Id, Node>,
    pub(super) len: u64,
    first_id: Id,
    last_id: Id,
    max_deleted_id: Id,
    entries_added: u64,
}

impl Log {
    /// Entries in it.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The ID of the first entry, 0-0 if there is none.
    pub(crate) fn first_id(&self) -> Id {
        self.first_id
    }

    /// The ID that the next entry has to be above.
    pub(crate) fn last_id(&self) -> Id {
        self.last_id
    }

    /// The highest ID that was ever deleted.
    pub(crate) fn max_deleted_id(&self) -> Id {
        self.max_deleted_id
    }

    /// Entries that were ever added.
    pub(crate) fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// Sets what is kept beside the entries; `None` stays as it is.
    pub(crate) fn set_counters(&mut self, last_id: Id, added: Option<u64>, max_deleted_id: Option<Id>) {
        self.last_id = last_id;
        self.entries_added = added.unwrap_or(self.entries_added);
        self.max_deleted_id = max_deleted_id.unwrap_or(self.max_deleted_id);
    }

    /// Its listpacks, each with the ID that those of its entries are counted from.
    pub(crate) fn nodes(&self) -> impl ExactSizeIterator<Item = (Id, Listpack<'_>)> {
        self.nodes.iter().map(|(id, node)| (*id, node.pack()))
    }

    /// Adds an entry of `words`, fields and values in turn. Its ID is above the last.
    ///
    /// # Errors
    /// [`TooLarge`]; nothing has changed.
    pub(crate) fn append<'w>(
        &mut self,
        id: Id,
        words: impl ExactSizeIterator<Item = &'w [u8]> + Clone,
        limits: Limits,
    ) -> Result<(), TooLarge> {
        debug_assert!(id > self.last_id && words.len().is_multiple_of(2));
        let bytes: usize = words.clone().map(<[u8]>::len).sum();
        let room = bytes.saturating_add(ELEMENT_BYTES * (words.len() + FRAME_ELEMENTS));
        if room > listpack::BYTES_MAX - listpack::EMPTY.len() {
            return Err(TooLarge);
        }
        match self.nodes.last_entry() {
            Some(mut last) if last.get().admits(bytes, room, limits) => {
                let master_id = *last.key();
                last.get_mut().append(master_id, id, words);
            }
            _ => {
                self.nodes.insert(id, Node::new(id, words));
            }
        }
        self.len += 1;
        self.entries_added += 1;
        self.last_id = id;
        if self.len == 1 {
            self.first_id = id;
        }
        Ok(())
    }

    /// Entries with IDs of this range, both ends included, one by one.
    pub(crate) fn entries(&self, from: Id, to: Id, direction: Direction) -> Entries<'_> {
        let first = self.nodes.range(..=from).next_back().map_or(Id::MIN, |(id, _)| *id);
        // What begins after its end is no range, and a map does not take it for one.
        let nodes = self.nodes.range(first..=to.max(first));
        Entries::new(nodes, from, to, direction)
    }

    /// All entries.
    pub(crate) fn all(&self, direction: Direction) -> Entries<'_> {
        self.entries(Id::MIN, Id::MAX, direction)
    }

    /// The entry with this ID.
    pub(crate) fn get(&self, id: Id) -> Option<Entry<'_>> {
        self.entries(id, id, Direction::Forward).next()
    }

    /// The ID of the last entry there is.
    pub(crate) fn top_id(&self) -> Option<Id> {
        if self.len == 0 {
            return None;
        }
        self.all(Direction::Backward).next().map(|entry| entry.id)
    }

    /// Takes out an entry. Says whether it was there.
    pub(crate) fn remove(&mut self, id: Id) -> bool {
        let Some((&master_id, node)) = self.nodes.range_mut(..=id).next_back() else { return false };
        let Some(at) = node.find(master_id, id) else { return false };
        if node.live() == 1 {
            self.nodes.remove(&master_id);
        } else {
            node.mark_deleted(&[at]);
        }
        self.len -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id || self.len == 0 {
            self.find_first();
        }
        true
    }

    /// Looks up the ID of the first entry.
    pub(super) fn find_first(&mut self) {
        self.first_id = match self.len {
            0 => Id::MIN,
            _ => self.all(Direction::Forward).next().map_or(Id::MAX, |entry| entry.id),
        };
    }

    /// Takes note that a group has been given the entry with this ID, which is above what it was given before.
    pub(crate) fn advance(&self, group: &mut Group, id: Id) {
        match &mut group.entries_read {
            Some(entries_read) if !self.has_gap_from(id) => *entries_read += 1,
            entries_read if self.entries_added > 0 => *entries_read = self.reads_up_to(id),
            _ => {}
        }
        group.last_id = id;
    }

    /// How many entries a group has still to be given, if that is known.
    pub(crate) fn lag(&self, group: &Group) -> Option<i64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_gap_from(group.last_id) => Some(read),
            _ => self.reads_up_to(group.last_id),
        };
        read.map(|read| self.entries_added.wrapping_sub(read) as i64)
    }

    /// Whether entries may have been deleted from `id` on, after the first that is there.
    fn has_gap_from(&self, id: Id) -> bool {
        self.len > 0
            && self.max_deleted_id != Id::MIN
            && self.first_id <= self.max_deleted_id
            && id <= self.max_deleted_id
    }

    /// How many entries had been added when that of `id` was, where that can be told.
    pub(crate) fn reads_up_to(&self, id: Id) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if id == self.last_id || self.len == 0 && id < self.last_id {
            return Some(self.entries_added);
        }
        let has_gap = self.max_deleted_id != Id::MIN && self.max_deleted_id >= self.first_id;
        if id > self.last_id || has_gap || id > self.first_id {
            return None;
        }
        Some(self.entries_added.wrapping_sub(self.len).wrapping_add(u64::from(id == self.first_id)))
    }

    /// Nodes of the radix tree in which Redis would find the listpacks.
    pub(crate) fn radix_nodes(&self) -> usize {
        radix::nodes(self.nodes.keys())
    }

    /// Bytes it takes, as far as the mean of the last nodes tells.
    pub(super) fn bytes(&self) -> usize {
        let seen = self.nodes.len().min(SAMPLE);
        let sampled: usize = self.nodes.values().rev().take(SAMPLE).map(Node::bytes).sum();
        sampled * self.nodes.len() / seen.max(1)
    }
}

/// Nodes that are looked at to tell the size of all.
const SAMPLE: usize = 16;
