//! What of one partition has been written of the snapshot that is being told, under the lock of that partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_protocols::cursor::HASH_BITS;
use tidegate_protocols::limits::DATABASES;

use super::Queue;
use crate::entry::EntryPtr;
use crate::lazyfree::LazyFree;
use crate::partition::{DatabaseId, Place};
use crate::rdb::Writer;
use crate::rdb::file::{Accesses, write_database, write_record};
use crate::table::{Detached, Table};
use crate::view::EntryRef;
use crate::word::{AccessClock, Word};

/// Bytes that are put into the queue together.
const CHUNK_BYTES: usize = 64 << 10;
/// Bytes of a value from which on it is written alone rather than with its neighbours: who changes one of them waits for it.
const HEAVY_BYTES: usize = 4 << 10;

/// Where a key stands in the order of the sweep: stored database, place, leading bits of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(u64);

impl At {
    pub(super) fn new(database: DatabaseId, place: Place, prefix: u64) -> Self {
        Self((u64::from(database.0) << 14 | u64::from(place.0)) << HASH_BITS | prefix)
    }

    /// Where the next place begins, of the same database or the next.
    pub(super) fn next_place(self) -> Self {
        Self(((self.0 >> HASH_BITS) + 1) << HASH_BITS)
    }

    pub(super) fn database(self) -> DatabaseId {
        DatabaseId((self.0 >> (HASH_BITS + 14)) as u8)
    }

    pub(super) fn place(self) -> Place {
        Place((self.0 >> HASH_BITS & 0x3fff) as u16)
    }

    pub(super) fn prefix(self) -> u64 {
        self.0 & ((1 << HASH_BITS) - 1)
    }
}

/// Which keys have been written.
#[derive(Clone)]
pub(super) struct Written {
    /// All before it.
    pub(super) cursor: At,
    /// And those from each to the other, which is not among them. None touches the next.
    early: BTreeMap<At, At>,
}

impl Written {
    pub(super) fn has(&self, at: At) -> bool {
        at < self.cursor || self.early.range(..=at).next_back().is_some_and(|(_, end)| at < *end)
    }

    fn add(&mut self, mut start: At, mut end: At) {
        if let Some((&before, &its_end)) = self.early.range(..=start).next_back()
            && its_end >= start
        {
            (start, end) = (before, end.max(its_end));
        }
        while let Some((&other, &its_end)) = self.early.range(start..=end).next() {
            end = end.max(its_end);
            self.early.remove(&other);
        }
        self.early.insert(start, end);
    }

    /// The sweep has come so far.
    pub(super) fn advance(&mut self, cursor: At) {
        self.cursor = cursor;
        while let Some(first) = self.early.first_entry().filter(|first| *first.get() <= cursor) {
            first.remove();
        }
    }
}

/// A table that was flushed before it was written.
pub(super) struct Left {
    pub(super) at: At,
    pub(super) table: Detached,
    /// What had been written then, of the whole partition.
    pub(super) written: Arc<Written>,
}

/// See the module.
pub(crate) struct Tracker {
    /// By stored database, the number that clients used.
    numbers: [u8; DATABASES],
    pub(super) written: Written,
    clock: AccessClock,
    accesses: Accesses,
    compresses: bool,
    /// What is to go to the queue, and the database it ends in.
    out: Writer,
    database: Option<DatabaseId>,
    queue: Arc<Queue>,
    left: Vec<Left>,
}

impl Tracker {
    pub(super) fn new(
        numbers: [u8; DATABASES],
        first: Place,
        (clock, accesses, compresses): (AccessClock, Accesses, bool),
        queue: Arc<Queue>,
    ) -> Self {
        let cursor = At::new(DatabaseId(0), first, 0);
        let written = Written { cursor, early: BTreeMap::new() };
        let out = Writer::new(compresses);
        Self { numbers, written, clock, accesses, compresses, out, database: None, queue, left: Vec::new() }
    }

    /// A key is about to be changed, or taken out: it is written if it has not been. `table` is where it is, or would be,
    /// if there is anything.
    pub(crate) fn before_change(
        &mut self,
        table: Option<&Table<'_>>,
        database: DatabaseId,
        place: Place,
        prefix: u64,
    ) {
        let at = |prefix| At::new(database, place, prefix);
        if self.written.has(at(prefix)) {
            return;
        }
        let Some(table) = table else {
            // There is nothing of that moment left in the whole place.
            return self.written.add(at(0), at(0).next_place());
        };
        let (start, end) = neighbours(table, at(prefix));
        let mut next = Some(start.prefix());
        while let Some(from) = next.filter(|&from| at(from) < end) {
            next = table.scan_with_prefixes(from, |prefix, found| {
                if at(prefix) < end && !self.written.has(at(prefix)) {
                    self.write(database, found.entry(), found.word);
                }
            });
        }
        self.written.add(start, end);
    }

    /// An entry that was taken out, and is in no table any more, is written if it has not been.
    pub(crate) fn removed(
        &mut self,
        entry: EntryPtr<'_>,
        word: Word,
        database: DatabaseId,
        place: Place,
        prefix: u64,
    ) {
        if !self.written.has(At::new(database, place, prefix)) {
            self.write(database, entry, word);
        }
    }

    fn write(&mut self, database: DatabaseId, entry: EntryPtr<'_>, word: Word) {
        if self.database.replace(database) != Some(database) {
            write_database(self.numbers[usize::from(database.0)], None, &mut self.out);
        }
        write_record(&EntryRef::new(entry, word, self.clock), self.accesses, &mut self.out);
        if self.out.bytes().len() >= CHUNK_BYTES {
            self.send();
        }
    }

    /// Puts into the queue what is to go there.
    fn send(&mut self) {
        if !self.out.bytes().is_empty() {
            self.queue.put(self.out.take());
            self.database = None;
        }
    }

    /// The tables of a database are taken out. Those that have not been written are kept for the sweep; the others are given
    /// back.
    pub(crate) fn detached(&mut self, database: DatabaseId, tables: Vec<(Place, Detached)>) -> Vec<Detached> {
        let (mut done, written) = (Vec::new(), Arc::new(self.written.clone()));
        for (place, table) in tables {
            let at = At::new(database, place, 0);
            if written.cursor >= at.next_place() {
                done.push(table);
            } else {
                // Whatever comes into its place is not of that moment.
                self.written.add(at, at.next_place());
                self.left.push(Left { at, table, written: Arc::clone(&written) });
            }
        }
        done
    }

    /// Writes, for the sweep, what its own buffer takes.
    pub(super) fn write_for_sweep(
        &self,
        entry: EntryPtr<'_>,
        word: Word,
        database: DatabaseId,
        to: &mut SweepBuffer,
    ) {
        if to.database.replace(database) != Some(database) {
            write_database(self.numbers[usize::from(database.0)], None, &mut to.writer);
        }
        write_record(&EntryRef::new(entry, word, self.clock), self.accesses, &mut to.writer);
    }

    /// The sweep has come to its end here: sends what is to be sent, and tells what is left of what was flushed.
    pub(super) fn finish(&mut self) -> Vec<Left> {
        self.send();
        std::mem::take(&mut self.left)
    }

    /// What a buffer of the sweep is to do with strings.
    pub(super) fn compresses(&self) -> bool {
        self.compresses
    }

    /// There will be no snapshot: what was kept for it is freed.
    pub(super) fn give_up(self, lazyfree: &LazyFree) {
        for left in self.left {
            free(left, lazyfree);
        }
    }
}

/// From where to where keys are written together with one: its bucket, unless some value in it is heavy.
fn neighbours(table: &Table<'_>, at: At) -> (At, At) {
    let with = |prefix| At::new(at.database(), at.place(), prefix);
    let (start, mut is_heavy) = (table.bucket_start(at.prefix()), false);
    let end = table.scan_with_prefixes(start, |_, found| {
        let entry = found.entry();
        is_heavy |= entry.as_large().is_some() || entry.value().len() > HEAVY_BYTES;
    });
    let end = end.map_or(at.next_place(), with);
    if is_heavy || end <= at { (at, At(at.0 + 1)) } else { (with(start), end) }
}

/// Has a table freed that was kept.
pub(super) fn free(left: Left, lazyfree: &LazyFree) {
    let keys = left.table.len();
    lazyfree.add(vec![left.table], keys);
}

/// What the sweep has written and not handed to the file, and the database it ends in.
pub(super) struct SweepBuffer {
    pub(super) writer: Writer,
    database: Option<DatabaseId>,
}

impl SweepBuffer {
    pub(super) fn new(compresses: bool) -> Self {
        Self { writer: Writer::new(compresses), database: None }
    }

    /// It has been handed on; what comes next may stand behind something else.
    pub(super) fn clear(&mut self) {
        self.writer.clear();
        self.database = None;
    }
}
