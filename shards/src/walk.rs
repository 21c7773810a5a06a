//! What a command does with a whole database: to look at it partition by partition, each locked on its own; to empty
//! or exchange it with all of them locked.
//!
//! Keys are visited in the order of slots and hashes. A cursor ([`Cursor`]) is the slot and the leading hash bits of
//! what comes next, so it means the same whatever has grown or shrunk in between and however many partitions there
//! are, and a key that is there all the time is visited exactly once.

use std::ops::ControlFlow;
use std::sync::Arc;

use tidegate_protocols::cursor::Cursor;
use tidegate_protocols::slot::SLOTS;

use crate::db::Db;
use crate::held::Held;
use crate::partition::{DatabaseId, Partition};
use crate::sample;
use crate::segment::WAYS;
use crate::table::Found;
use crate::view::EntryRef;
use crate::worker::Local;

/// Random positions looked at for a key before the first key is taken: a position is empty with a chance
/// of one in seven at least, unless nearly all keys were removed.
const RANDOM_TRIES: usize = 256;

impl Db<'_> {
    /// Visits keys from `cursor` on until at least `count` were visited, and returns the cursor to go on
    /// with, 0 at the end. Every key that is there from the first to the last call of an iteration is
    /// visited, whatever happens to others.
    pub fn scan(&mut self, cursor: Cursor, count: usize, mut each: impl FnMut(&EntryRef<'_>)) -> Cursor {
        let (now_ms, clock) = (self.local.now_ms, self.local.clock);
        let database = self.held.keyspace().database(self.context().database);
        let (mut slot, mut prefix) = (cursor.slot(), cursor.prefix());
        let mut visited = 0;
        while slot < SLOTS {
            if visited >= count {
                return Cursor::new(slot, prefix);
            }
            self.held.lock_patiently(self.held.keyspace().partition_of(slot));
            let place = self.held.keyspace().place_of(slot);
            let next = self.held.at(slot).into_table(database, place).and_then(|table| {
                table.scan(prefix, |found| {
                    visited += 1;
                    if !has_expired(&found, now_ms) {
                        each(&EntryRef::new(found.entry(), found.word, clock));
                    }
                })
            });
            (slot, prefix) = next.map_or((slot + 1, 0), |next| (slot, next));
        }
        Cursor::ZERO
    }

    /// Visits keys of one slot, at most `count`, those too whose time has come but that nobody asked for.
    /// Returns how many.
    pub fn visit_slot(&mut self, slot: u16, count: usize, mut each: impl FnMut(&[u8])) -> usize {
        let database = self.held.keyspace().database(self.context().database);
        self.held.lock_patiently(self.held.keyspace().partition_of(slot));
        let place = self.held.keyspace().place_of(slot);
        let Some(table) = self.held.at(slot).into_table(database, place) else { return 0 };
        let (mut prefix, mut visited) = (Some(0), 0);
        while let Some(from) = prefix.filter(|_| visited < count) {
            prefix = table.scan(from, |found| {
                if visited < count {
                    each(found.entry().key());
                    visited += 1;
                }
            });
        }
        visited
    }

    /// Visits every key.
    pub fn for_each(&mut self, each: impl FnMut(&EntryRef<'_>)) {
        self.scan(Cursor::ZERO, usize::MAX, each);
    }

    /// A key by chance.
    pub fn random_key(&mut self) -> Option<EntryRef<'_>> {
        let key = (0..RANDOM_TRIES).find_map(|_| self.sample_key()).or_else(|| self.first_key())?;
        let spot = self.held.keyspace().spot(&key);
        self.held.lock_patiently(self.held.keyspace().partition_of(spot.slot));
        self.peek(&key)
    }

    /// The key at a random position, if one is there that has not expired.
    fn sample_key(&mut self) -> Option<Vec<u8>> {
        let database = self.held.keyspace().database(self.context().database);
        let keys = |partition: &Partition| partition.tally(database).keys;
        let partition = sample::lock_partition(self.held, self.local, keys).ok()??;
        let (way, mut key, mut first) = (self.local.random.usize(..WAYS), None, None);
        let (locked, random) = (self.held.locked(partition), &mut self.local.random);
        sample::buckets(locked, database, 1, random, |place, found| {
            if *first.get_or_insert(place) != place {
                return ControlFlow::Break(());
            }
            if found.way() == way {
                key = Some(found.entry().key().to_vec());
            }
            ControlFlow::Continue(())
        });
        key.filter(|key| self.exists(key))
    }

    /// The first key of all.
    fn first_key(&mut self) -> Option<Vec<u8>> {
        let (mut cursor, mut key) = (Cursor::ZERO, None);
        loop {
            cursor = self.scan(cursor, 1, |entry| key = Some(entry.key().to_vec()));
            if cursor == Cursor::ZERO || key.is_some() {
                return key;
            }
        }
    }

    /// Keys in the selected database, those counted whose time has come but that nobody asked for.
    pub fn len(&mut self) -> u64 {
        let database = self.held.keyspace().database(self.context().database);
        let mut keys = 0;
        for partition in 0..self.held.keyspace().partitions() {
            self.held.lock_patiently(partition);
            keys += self.held.locked(partition).partition.tally(database).keys;
        }
        keys
    }

    /// Whether the selected database has no key.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// Removes every key of one database, or of all, and frees the memory now or later.
    pub fn flush(&mut self, database: Option<u8>, free: Free) {
        flush(self.held, self.local, database, free);
    }

    /// Empties the selected database at `at_ms` (Unix milliseconds); `None` takes an earlier call back
    /// (Memcached's `flush_all` with a delay). The last call counts.
    pub fn flush_at(&mut self, at_ms: Option<u64>) {
        self.local.shared.flush.set(self.context().database, at_ms);
    }

    /// Exchanges the contents of two databases.
    pub fn swap(&mut self, one: u8, other: u8) {
        if one == other {
            return;
        }
        self.held.lock_all_patiently();
        let keyspace = Arc::clone(self.held.keyspace());
        let databases = [one, other].map(|number| keyspace.database(number));
        for partition in 0..keyspace.partitions() {
            for database in databases {
                for key in self.held.locked(partition).partition.watched.keys_of(database) {
                    // Both are looked at, so that what has expired is gone from both.
                    let was_or_will_be = [one, other].map(|number| self.peek_in(number, &key).is_some());
                    if was_or_will_be.contains(&true) {
                        self.held.locked(partition).partition.watched.touch(database, &key);
                    }
                }
            }
            self.held.locked(partition).partition.watched.swap(databases[0], databases[1]);
        }
        keyspace.swap(one, other);
    }
}

/// When the memory of what was flushed is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// Before the command is answered.
    Now,
    /// In the background.
    Later,
}

/// Removes every key of one database, or of all, at one moment: nobody sees some of them gone and others not.
/// Their tables are taken out with every partition locked, and freed with none.
pub(crate) fn flush(held: &mut Held, local: &Local, database: Option<u8>, free: Free) {
    held.lock_all_patiently();
    let stored = database.map(|number| held.keyspace().database(number));
    let (mut tables, mut keys) = (Vec::new(), 0);
    for database in DatabaseId::all().filter(|&one| stored.is_none_or(|stored| stored == one)) {
        for partition in 0..held.keyspace().partitions() {
            let mut locked = held.locked(partition);
            keys += locked.partition.tally(database).keys;
            locked.detach(database, &mut tables);
        }
    }
    held.release();
    match free {
        Free::Later => local.shared.lazyfree.add(tables, keys),
        Free::Now => {
            for mut table in tables {
                table.free_some(u64::MAX, held.epoch());
            }
        }
    }
}

fn has_expired(found: &Found<'_>, now_ms: u64) -> bool {
    found.word.expires() && found.entry().expire_at().is_some_and(|at| now_ms > at)
}
