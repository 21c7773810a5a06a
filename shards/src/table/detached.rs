//! What was taken out of a root as a whole, on its way to be freed.

use std::sync::atomic::Ordering::Relaxed;

use crossbeam_epoch::Guard;

use crate::entry::{Entry, EntryPtr};
use crate::table::node::Node;
use crate::word::Word;

/// The nodes of a table that nothing leads to any more, with their entries.
#[must_use = "to be freed"]
pub(crate) struct Detached {
    /// What is left of it.
    root: Node,
    /// Where a directory's next segment stands.
    index: usize,
}

impl Detached {
    pub(super) fn new(root: Node) -> Self {
        Self { root, index: 0 }
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_empty()
    }

    /// Entries that are left.
    pub(crate) fn len(&self) -> u64 {
        let mut entries = 0;
        self.for_each(|_, _| entries += 1);
        entries
    }

    /// Visits all entries. Needs no lock: nobody but prefetches reaches them any more.
    pub(crate) fn for_each(&self, mut each: impl FnMut(EntryPtr<'_>, Word)) {
        let (root, mut index) = (self.root, self.index);
        while !root.is_empty() {
            let segment = if root.is_directory() {
                // SAFETY: detached from its root, and not retired before `self` has given out its last segment.
                Node(unsafe { root.directory() }[index].load(Relaxed))
            } else {
                root
            };
            // SAFETY: as above; entries are owned by their table, which is borrowed.
            unsafe {
                for (_, word) in segment.segment().entries() {
                    each(EntryPtr::from_bits(word.address()), word);
                }
            }
            if !root.is_directory() {
                return;
            }
            index += 1 << (root.depth() - segment.depth());
            // SAFETY: as above.
            if index == unsafe { root.directory() }.len() {
                return;
            }
        }
    }

    /// Frees segments until they held `entries` entries or nothing is left, and returns how many they held:
    /// entries are given to `free` now, the rest is freed when no prefetch can look at it. Needs no lock.
    pub(crate) fn free_some(&mut self, entries: u64, guard: &Guard, mut free: impl FnMut(Entry)) -> u64 {
        let mut freed = 0;
        while !self.is_empty() && freed < entries {
            let segment = self.next_segment(guard);
            // SAFETY: detached from its root, so only this knows it, and only once; entries are owned by
            // their table.
            unsafe {
                let words = segment.segment().entries();
                freed += words.map(|(_, word)| free(Entry::from_bits(word.address()))).count() as u64;
                segment.retire(guard);
            }
        }
        freed
    }

    /// Takes out the next segment, and after the last retires the directory.
    fn next_segment(&mut self, guard: &Guard) -> Node {
        let root = self.root;
        if !root.is_directory() {
            self.root = Node(0);
            return root;
        }
        // SAFETY: detached from its root; it is retired below, once nothing is left to be read from it.
        let directory = unsafe { root.directory() };
        let segment = Node(directory[self.index].load(Relaxed));
        self.index += 1 << (root.depth() - segment.depth());
        if self.index == directory.len() {
            self.root = Node(0);
            // SAFETY: as above.
            unsafe { root.retire(guard) };
        }
        segment
    }
}
