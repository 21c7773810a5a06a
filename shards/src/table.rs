//! The table of one slot of one database: extendible hashing over [segments](crate::segment).
//!
//! The root is one word: nothing, a segment, or a directory of segments found by the leading bits of the
//! hash. A table starts with a segment of two lines and grows one segment at a time, so no insert ever
//! moves more than one segment's entries. Everything is in the order of hashes, so a scan needs to remember
//! nothing but the hash it has reached.
//!
//! A [`Table`] is used with the lock of its partition held. Prefetching is done without it: segments and
//! directories that are replaced are freed only when no thread that could be in a prefetch still is
//! ([`crossbeam_epoch`]).
#![expect(unsafe_code, reason = "nodes and entries are known by their addresses; each block has its proof")]

mod detached;
mod node;
mod prefetch;
mod seat;

pub(crate) use detached::Detached;
pub(crate) use prefetch::{prefetch_bucket, prefetch_entry};
pub(crate) use seat::Seat;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crossbeam_epoch::Guard;
use tidegate_protocols::cursor::HASH_BITS;

use crate::entry::{Entry, EntryPtr};
use crate::hash::KeyHasher;
use crate::segment::{Class, Place, Segment, home_of};
use crate::table::node::{Node, index_of};
use crate::table::prefetch::prefetch;
use crate::word::Word;

/// Two segments with no more entries than this become one.
const MERGE_MAX: usize = 200;

/// Bits of a hash behind its prefix.
const SHIFT: u32 = 64 - HASH_BITS;

/// The leading bits of a hash by which scans go.
pub(crate) fn prefix_of(hash: u64) -> u64 {
    hash >> SHIFT
}

/// The root of a table: 0, or what [`Node`] says.
pub(crate) type Root = AtomicU64;

/// Whether an entry of a table has this key. For words of a table whose lock is held.
#[inline]
fn has_key(key: &[u8]) -> impl Fn(Word) -> bool {
    // SAFETY: words of a table are entries that live as long as they are in it.
    move |word| unsafe { EntryPtr::from_bits(word.address()) }.key() == key
}

/// Where an entry was found. Good until the table changes.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    segment: Segment<'a>,
    place: Place,
    /// What the table says of it.
    pub(crate) word: Word,
}

impl<'a> Found<'a> {
    /// What lies at a place of one of the segments of `_table`.
    pub(crate) fn at(_table: &'a Table<'_>, segment: Segment<'a>, place: Place, word: Word) -> Self {
        Self { segment, place, word }
    }

    /// The entry.
    #[inline]
    pub(crate) fn entry(&self) -> EntryPtr<'a> {
        // SAFETY: found in a table whose lock is held for `'a`, which is borrowed as long.
        unsafe { EntryPtr::from_bits(self.word.address()) }
    }

    /// Which of its bucket's ways it takes.
    pub(crate) fn way(&self) -> usize {
        self.place.way()
    }

    /// Changes what the table says of the same entry.
    #[inline]
    pub(crate) fn set_word(&mut self, word: Word) {
        debug_assert_eq!(word.address(), self.word.address());
        if word != self.word {
            self.word = word;
            self.segment.set_word(self.place, word);
        }
    }
}

/// The table at one root, with the lock of its partition held.
pub(crate) struct Table<'a> {
    root: &'a Root,
    guard: &'a Guard,
    hasher: KeyHasher,
}

impl<'a> Table<'a> {
    /// The table at `root`.
    ///
    /// # Safety
    /// For `'a` nobody else has a `Table` at this root.
    #[inline]
    pub(crate) unsafe fn new(root: &'a Root, guard: &'a Guard, hasher: KeyHasher) -> Self {
        Self { root, guard, hasher }
    }

    #[inline]
    fn root(&self) -> Node {
        Node(self.root.load(Relaxed))
    }

    #[inline]
    fn node_at(&self, hash: u64) -> Node {
        let root = self.root();
        if !root.is_directory() {
            return root;
        }
        // SAFETY: reachable from the root, and only the holder of the lock retires.
        Node(unsafe { root.directory() }[index_of(hash, root.depth())].load(Relaxed))
    }

    #[inline]
    fn segment_at(&self, hash: u64) -> Option<Segment<'a>> {
        let node = self.node_at(hash);
        // SAFETY: reachable from the root; retired only by this table, and freed only after the guard.
        (!node.is_empty()).then(|| unsafe { node.segment() })
    }

    #[inline]
    fn hash_of(&self, word: Word) -> u64 {
        // SAFETY: words of the table are entries that live as long as they are in it.
        self.hasher.hash(unsafe { EntryPtr::from_bits(word.address()) }.key())
    }

    /// Whether there is nothing in it.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.root().is_empty()
    }

    /// Looks for a key.
    #[inline]
    fn find(&self, hash: u64, key: &[u8]) -> Option<Found<'a>> {
        let segment = self.segment_at(hash)?;
        let place = segment.find(hash, has_key(key))?;
        Some(Found { segment, place, word: segment.word(place) })
    }

    /// Looks for a key; what is found lasts as long as the lock.
    #[inline]
    pub(crate) fn into_found(self, hash: u64, key: &[u8]) -> Option<Found<'a>> {
        self.find(hash, key)
    }

    /// Puts in an entry whose key is not there, and returns where.
    fn insert(&mut self, hash: u64, entry: Entry, access: u64) -> Found<'a> {
        let expire_at = entry.view().expire_at();
        let word = Word::new(entry.into_bits(), expire_at.is_some(), access);
        loop {
            if let Some(segment) = self.segment_at(hash)
                && let Some(place) = segment.insert(hash, word, |word| self.hash_of(word))
            {
                if let Some(at) = expire_at {
                    segment.expires_by(at);
                }
                return Found { segment, place, word: segment.word(place) };
            }
            self.grow(hash);
        }
    }

    /// Takes out the entry at an address, if it is still there.
    pub(crate) fn remove_address(&mut self, hash: u64, address: u64) -> Option<Entry> {
        let segment = self.segment_at(hash)?;
        let place = segment.find(hash, |word| word.address() == address)?;
        Some(self.take(segment, place, hash))
    }

    fn take(&mut self, segment: Segment<'_>, place: Place, hash: u64) -> Entry {
        let word = segment.remove(place, hash);
        if segment.len().is_multiple_of(8) {
            self.shrink(hash);
        }
        // SAFETY: the table owned the entry and no longer has it.
        unsafe { Entry::from_bits(word.address()) }
    }

    /// Makes room at `hash`: the first segment, a larger one, or two.
    #[cold]
    fn grow(&mut self, hash: u64) {
        let node = self.node_at(hash);
        if node.is_empty() {
            self.root.store(Node::new_segment(Class::MIN, 0).0, Release);
            return;
        }
        // SAFETY: reachable from the root, retired by `replace` below and not before.
        let segment = unsafe { node.segment() };
        let entries = self.hashed(segment);
        let mut class = segment.class().next();
        while let Some(larger) = class {
            if let Some(new) = self.built(larger, node.depth(), &entries, segment.min_expire()) {
                return self.replace(hash, node.depth(), new, &[node]);
            }
            class = larger.next();
        }
        self.split(hash, node, &entries, segment.min_expire());
    }

    /// Replaces a full segment by two, each for one value of the next bit of the hash.
    fn split(&mut self, hash: u64, node: Node, entries: &[(u64, Word)], min_expire: u64) {
        let depth = node.depth() + 1;
        let bit = 1 << (64 - depth);
        if self.root().depth() < depth {
            self.double();
        }
        let halves = [false, true].map(|upper| {
            let half: Vec<_> = entries.iter().filter(|(h, _)| (h & bit != 0) == upper).copied().collect();
            let fits = self.built_to_fit(depth, &half, min_expire);
            fits.expect("what lay in one segment has more room in each of two")
        });
        let [lower, upper] = halves;
        self.replace(hash & !bit, depth, lower, &[]);
        self.replace(hash | bit, depth, upper, &[node]);
    }

    /// The smallest segment with some room left that holds these entries. Even the largest may not if their hashes lie
    /// close to each other.
    fn built_to_fit(&self, depth: u32, entries: &[(u64, Word)], min_expire: u64) -> Option<Node> {
        let classes = std::iter::successors(Some(Class::fit(entries.len())), |class| class.next());
        classes.into_iter().find_map(|class| self.built(class, depth, entries, min_expire))
    }

    /// A new segment with these entries, if they go in.
    fn built(&self, class: Class, depth: u32, entries: &[(u64, Word)], min_expire: u64) -> Option<Node> {
        let node = Node::new_segment(class, depth);
        // SAFETY: just allocated.
        let segment = unsafe { node.segment() };
        segment.set_min_expire(min_expire);
        // An entry in the way has its hash computed anew: rare, and simpler than remembering it.
        let fits = entries
            .iter()
            .all(|&(hash, word)| segment.insert(hash, word, |other| self.hash_of(other)).is_some());
        if !fits {
            // SAFETY: nobody has seen it.
            unsafe { node.free() };
        }
        fits.then_some(node)
    }

    /// The entries of a segment with their hashes. All are on their way into the cache before the first is
    /// read.
    fn hashed(&self, segment: Segment<'_>) -> Vec<(u64, Word)> {
        let mut entries = Vec::with_capacity(segment.len());
        for (_, word) in segment.entries() {
            prefetch(std::ptr::without_provenance::<u8>(word.address() as usize));
            entries.push((0, word));
        }
        for (hash, word) in &mut entries {
            *hash = self.hash_of(*word);
        }
        entries
    }

    /// Puts `new` in the place of all that begins with the first `depth` bits of `hash`, and retires `old`.
    fn replace(&mut self, hash: u64, depth: u32, new: Node, old: &[Node]) {
        let root = self.root();
        if root.is_directory() {
            let spread = root.depth() - depth;
            let first = if depth == 0 { 0 } else { index_of(hash, depth) << spread };
            // SAFETY: reachable from the root, and only this table retires it.
            for entry in &unsafe { root.directory() }[first..first + (1 << spread)] {
                entry.store(new.0, Release);
            }
        } else {
            self.root.store(new.0, Release);
        }
        for node in old {
            // SAFETY: the stores above have taken it out of every place that leads to it.
            unsafe { node.retire(self.guard) };
        }
    }

    /// Makes the directory twice as large, or makes one.
    fn double(&mut self) {
        let root = self.root();
        let new = Node::new_directory(if root.is_directory() { root.depth() + 1 } else { 1 });
        // SAFETY: just allocated.
        let words = unsafe { new.directory() };
        for (index, word) in words.iter().enumerate() {
            let from = if root.is_directory() {
                // SAFETY: reachable from the root.
                let words = unsafe { root.directory() };
                words[index / 2].load(Relaxed)
            } else {
                root.0
            };
            word.store(from, Relaxed);
        }
        self.root.store(new.0, Release);
        if root.is_directory() {
            // SAFETY: the root leads to the new one now.
            unsafe { root.retire(self.guard) };
        }
    }

    /// Gives memory back after removals: one segment for two, a smaller directory, a smaller segment,
    /// nothing.
    #[cold]
    fn shrink(&mut self, hash: u64) {
        // Only where segments became one, the directory may have become too large for what it leads to.
        if self.merge(hash) {
            while self.merge(hash) {}
            self.halve();
        }
        let node = self.node_at(hash);
        // SAFETY: reachable from the root.
        let segment = unsafe { node.segment() };
        if segment.len() == 0 && node == self.root() {
            self.root.store(0, Release);
            // SAFETY: the root no longer leads to it.
            unsafe { node.retire(self.guard) };
        } else if Class::fit(segment.len()).0 + 2 <= node.class().0 {
            let entries = self.hashed(segment);
            let new = self.built_to_fit(node.depth(), &entries, segment.min_expire());
            self.replace(hash, node.depth(), new.expect("they lie in one of this depth"), &[node]);
        }
    }

    /// Makes one segment of this one and the one it was split from, if both are rather empty. Whoever removes entries in
    /// the order of their hashes may leave some that are few and yet too many for their part of one.
    fn merge(&mut self, hash: u64) -> bool {
        let node = self.node_at(hash);
        if node.depth() == 0 {
            return false;
        }
        let other = self.node_at(hash ^ 1 << (64 - node.depth()));
        // SAFETY: both are reachable from the root.
        let (segment, sibling) = unsafe { (node.segment(), other.segment()) };
        if other.depth() != node.depth() || segment.len() + sibling.len() > MERGE_MAX {
            return false;
        }
        let mut entries = self.hashed(segment);
        entries.extend(self.hashed(sibling));
        let min_expire = segment.min_expire().min(sibling.min_expire());
        let Some(new) = self.built_to_fit(node.depth() - 1, &entries, min_expire) else { return false };
        self.replace(hash, node.depth() - 1, new, &[node, other]);
        true
    }

    /// Halves the directory while no segment needs its last bit.
    fn halve(&mut self) {
        loop {
            let root = self.root();
            if !root.is_directory() {
                return;
            }
            // SAFETY: reachable from the root.
            let words = unsafe { root.directory() };
            if words.chunks(2).any(|pair| pair[0].load(Relaxed) != pair[1].load(Relaxed)) {
                return;
            }
            if root.depth() == 1 {
                self.root.store(words[0].load(Relaxed), Release);
            } else {
                let new = Node::new_directory(root.depth() - 1);
                // SAFETY: just allocated.
                for (word, pair) in unsafe { new.directory() }.iter().zip(words.chunks(2)) {
                    word.store(pair[0].load(Relaxed), Relaxed);
                }
                self.root.store(new.0, Release);
            }
            // SAFETY: the root no longer leads to it.
            unsafe { root.retire(self.guard) };
        }
    }

    /// Visits the entries of the first hashes from `prefix` on, a bucket's worth of them, and returns the
    /// prefix to go on with. `None` is the end.
    pub(crate) fn scan(&self, prefix: u64, mut each: impl FnMut(Found<'_>)) -> Option<u64> {
        self.scan_with_prefixes(prefix, |_, found| each(found))
    }

    /// The same, told the prefix of each.
    pub(crate) fn scan_with_prefixes(
        &self,
        prefix: u64,
        mut each: impl FnMut(u64, Found<'_>),
    ) -> Option<u64> {
        let start = prefix << SHIFT;
        let segment = self.segment_at(start)?;
        let homes = segment.class().homes();
        let depth = segment.depth();
        let home = home_of(start, depth, homes);
        // Up to where the next home begins, in whole prefixes: at least one.
        let segment_end = if depth == 0 {
            1 << HASH_BITS
        } else {
            ((prefix >> (HASH_BITS - depth)) + 1) << (HASH_BITS - depth)
        };
        let end = first_prefix_after(home, homes, depth, prefix).clamp(prefix + 1, segment_end);
        let last = home_of(((end - 1) << SHIFT) | ((1 << SHIFT) - 1), depth, homes);
        for (place, word) in segment.entries_at_homes(home, last) {
            let its_prefix = self.hash_of(word) >> SHIFT;
            if (prefix..end).contains(&its_prefix) {
                each(its_prefix, Found { segment, place, word });
            }
        }
        (end < 1 << HASH_BITS).then_some(end)
    }

    /// The first prefix of the bucket where those with this one have their home.
    pub(crate) fn bucket_start(&self, prefix: u64) -> u64 {
        let start = prefix << SHIFT;
        let Some(segment) = self.segment_at(start) else { return 0 };
        let (homes, depth) = (segment.class().homes(), segment.depth());
        let segment_start = if depth == 0 { 0 } else { prefix >> (HASH_BITS - depth) << (HASH_BITS - depth) };
        match home_of(start, depth, homes) {
            0 => segment_start,
            home => first_prefix_after(home - 1, homes, depth, prefix).clamp(segment_start, prefix),
        }
    }

    /// Segment by segment: looks at the segment at `prefix` and returns what was seen and the prefix of the
    /// next. `None` is the end. The table is not empty.
    pub(crate) fn walk<T>(&self, prefix: u64, look: impl FnOnce(Segment<'_>) -> T) -> (T, Option<u64>) {
        let segment =
            self.segment_at(prefix << (64 - HASH_BITS)).expect("tables that are empty have no root");
        let shift = HASH_BITS - segment.depth();
        let next = ((prefix >> shift) + 1) << shift;
        (look(segment), (next < 1 << HASH_BITS).then_some(next))
    }

    /// The segment that a random number falls on, if the table is not empty.
    pub(crate) fn random_segment(&self, random: u64) -> Option<Segment<'_>> {
        self.segment_at(random)
    }

    /// Takes out the entries of the segment at `prefix` that expired before `now_ms`, and returns how many. Each is
    /// given to `free`.
    pub(crate) fn expire_segment(
        &mut self,
        prefix: u64,
        now_ms: u64,
        mut free: impl FnMut(Entry, Word),
    ) -> u64 {
        let Some(segment) = self.segment_at(prefix << (64 - HASH_BITS)) else { return 0 };
        let (mut removed, mut removed_hash, mut min_expire) = (0, None, u64::MAX);
        for (place, word) in segment.entries().filter(|(_, word)| word.expires()) {
            let entry = Found { segment, place, word }.entry();
            let expire_at = entry.expire_at().unwrap_or(u64::MAX);
            if now_ms <= expire_at {
                min_expire = min_expire.min(expire_at);
                continue;
            }
            let hash = self.hash_of(word);
            segment.remove(place, hash);
            // SAFETY: the table owned it and no longer has it.
            free(unsafe { Entry::from_bits(word.address()) }, word);
            (removed, removed_hash) = (removed + 1, Some(hash));
        }
        segment.set_min_expire(min_expire);
        if let Some(hash) = removed_hash {
            self.shrink(hash);
        }
        removed
    }

    /// Takes everything out.
    pub(crate) fn detach(&mut self) -> Detached {
        Detached::new(Node(self.root.swap(0, Release)))
    }

    /// Entries there could be, judged by the root alone.
    #[inline]
    pub(crate) fn weight(root: &Root) -> usize {
        let node = Node(root.load(Relaxed));
        match (node.is_empty(), node.is_directory()) {
            (true, _) => 0,
            (_, true) => 330 << node.depth(),
            (_, false) => node.class().room(),
        }
    }

    /// Bytes of a table without its entries. Needs no lock.
    pub(crate) fn bytes(root: &Root, guard: &Guard) -> usize {
        let mut bytes = 0;
        for_each_node(root, guard, |node| bytes += node.bytes());
        bytes
    }

    /// Adds what a table holds to a count. The lock of its partition is held.
    pub(crate) fn count(root: &Root, count: &mut Count, guard: &Guard) {
        for_each_node(root, guard, |node| {
            if !node.is_directory() {
                // SAFETY: the guard was pinned before the root was read, and nobody writes while the lock is held.
                let segment = unsafe { node.segment() };
                count.keys += segment.len() as u64;
                count.expires += segment.entries().filter(|(_, word)| word.expires()).count() as u64;
            }
        });
    }
}

/// What tables hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Keys.
    pub(crate) keys: u64,
    /// Keys with an expiry.
    pub(crate) expires: u64,
}

/// The directory of a table, if it has one, and every segment.
fn for_each_node(root: &Root, _guard: &Guard, mut each: impl FnMut(Node)) {
    let root = Node(root.load(Acquire));
    if root.is_empty() {
        return;
    }
    each(root);
    if root.is_directory() {
        // SAFETY: the guard was pinned before the root was read.
        let words = unsafe { root.directory() };
        let mut index = 0;
        while let Some(word) = words.get(index) {
            let node = Node(word.load(Relaxed));
            each(node);
            index += 1 << (root.depth() - node.depth());
        }
    }
}

/// The first prefix whose hashes are all in homes after `home`.
fn first_prefix_after(home: usize, homes: usize, depth: u32, prefix: u64) -> u64 {
    // The smallest 32-bit number whose home is the next one, as far as the prefix goes.
    let bits = ((home as u64 + 1) << 32).div_ceil(homes as u64);
    let base = if depth == 0 { 0 } else { prefix >> (HASH_BITS - depth) << (HASH_BITS - depth) };
    base + (bits << (HASH_BITS - 32) >> depth)
}

/// Frees the table at a root that nobody else can reach.
pub(crate) fn free_owned(root: &mut Root) {
    let mut table = Detached::new(Node(std::mem::take(root.get_mut())));
    // SAFETY: the root is borrowed alone, so no prefetch is under way.
    table.free_some(u64::MAX, unsafe { crossbeam_epoch::unprotected() }, drop);
}

#[cfg(test)]
mod tests;
