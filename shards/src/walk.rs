//! What a command does with a whole database: to look at it partition by partition, each locked on its own; to empty
//! or exchange it with all of them locked.
//!
//! Keys are visited in the order of slots and hashes. A cursor ([`Cursor`]) is the slot and the leading hash bits of
//! what comes next, so it means the same whatever has grown or shrunk in between and however many partitions there
//! are, and a key that is there all the time is visited exactly once.

use std::ops::ControlFlow;
use std::sync::Arc;

use crossbeam_epoch::Guard;
use tidegate_protocols::Slots;
use tidegate_protocols::cursor::Cursor;
use tidegate_protocols::slot::{SLOTS, slot_of};

use crate::db::Db;
use crate::diary::{self, StaleNote};
use crate::held::Held;
use crate::locked::Locked;
use crate::partition::{DatabaseId, Keyspace, Partition};
use crate::sample;
use crate::segment::WAYS;
use crate::table::{Count, Detached, Found, Table};
use crate::view::EntryRef;
use crate::worker::Local;

/// Keys after which a command that goes through all of them goes on apart, as far as it may.
pub(crate) const WALK_MAX: usize = 4096;

/// Keys after which others get their turn that need what it holds.
const SLICE: usize = 128;

/// What a command may do that goes through many keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// Whatever there is.
    ToTheEnd,
    /// Some: more is done apart.
    Some,
    /// There is more: it is to be executed apart, from the beginning.
    TooFar,
}

/// Random positions looked at for a key before the first key is taken: a position is empty with a chance
/// of one in seven at least, unless nearly all keys were removed.
const RANDOM_TRIES: usize = 256;

impl Db<'_> {
    /// Visits keys from `cursor` on until at least `count` were visited, and returns the cursor to go on
    /// with, 0 at the end. Every key that is there from the first to the last call of an iteration is
    /// visited, whatever happens to others.
    pub fn scan(&mut self, cursor: Cursor, count: usize, mut each: impl FnMut(&EntryRef<'_>)) -> Cursor {
        self.scan_over(cursor, count, |entry, is_over| {
            if !is_over {
                each(entry);
            }
        })
    }

    /// The same, but visits keys as well whose time is over; `each` is told so.
    pub(crate) fn scan_over(
        &mut self,
        cursor: Cursor,
        count: usize,
        mut each: impl FnMut(&EntryRef<'_>, bool),
    ) -> Cursor {
        let (now_ms, clock) = (self.local.now_ms, self.local.clock);
        let database = self.held.keyspace().database(self.context().database);
        let (mut slot, mut prefix) = (cursor.slot(), cursor.prefix());
        let (mut visited, own) = (0, self.local.own.clone());
        while slot < SLOTS {
            if visited >= count {
                return Cursor::new(slot, prefix);
            }
            if own.as_ref().is_some_and(|own| !own.has(slot)) {
                (slot, prefix) = (slot + 1, 0);
                continue;
            }
            self.held.lock_patiently(self.held.keyspace().partition_of(slot));
            let place = self.held.keyspace().place_of(slot);
            let next = self.held.at(slot).into_table(database, place).and_then(|table| {
                table.scan(prefix, |found| {
                    visited += 1;
                    let is_over = has_expired(&found, now_ms);
                    each(&EntryRef::new(found.entry(), found.word, clock), is_over);
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
        if self.local.own.as_ref().is_some_and(|own| !own.has(slot)) {
            return 0;
        }
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

    /// Locks a key that was visited.
    pub(crate) fn lock_key(&mut self, key: &[u8]) {
        let spot = self.held.keyspace().spot(key);
        self.held.lock_patiently(self.held.keyspace().partition_of(spot.slot));
    }

    /// Visits every key.
    pub fn for_each(&mut self, each: impl FnMut(&EntryRef<'_>)) {
        self.scan(Cursor::ZERO, usize::MAX, each);
    }

    /// Visits every key, slice by slice: in between others may lock what they need, and `between` is called. A key that is
    /// there all the time is visited once, as by [`Db::scan`]. Within a transaction nobody comes in between.
    pub fn walk(&mut self, mut each: impl FnMut(Visit<'_, '_>)) {
        let (mut cursor, mut visited) = (Cursor::ZERO, 0);
        loop {
            each(Visit::Between);
            cursor = self.scan(cursor, SLICE, |entry| {
                visited += 1;
                each(Visit::Key(entry));
            });
            self.held.let_others_in();
            if cursor == Cursor::ZERO || self.stops_walking(visited) {
                return;
            }
        }
    }

    /// Whether a command that goes through so many keys is to be executed apart. If so, its reply is thrown away.
    pub(crate) fn stops_walking(&mut self, keys: usize) -> bool {
        if keys > WALK_MAX && self.local.walk == Walk::Some {
            self.local.walk = Walk::TooFar;
        }
        self.local.walk == Walk::TooFar
    }

    /// A key by chance.
    pub fn random_key(&mut self) -> Option<EntryRef<'_>> {
        let key = (0..RANDOM_TRIES).find_map(|_| self.sample_key()).or_else(|| self.first_key())?;
        self.lock_key(&key);
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
        let own = self.local.own.clone();
        let is_own = |key: &[u8]| own.as_ref().is_none_or(|own| own.has(slot_of(key)));
        key.filter(|key| is_own(key) && self.exists(key))
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
            let own = self.local.own.clone();
            let keyspace = Arc::clone(self.held.keyspace());
            let Locked { partition, epoch, .. } = self.held.locked(partition);
            let foreign = foreign(&keyspace, partition, database, own.as_deref(), epoch);
            keys += partition.tally(database).keys - foreign.keys;
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

/// Keys in slots that are not `own`, as a change of the topology has left them; none if all are. The partition is
/// locked, and `epoch` pinned since.
pub(crate) fn foreign(
    keyspace: &Keyspace,
    partition: &Partition,
    database: DatabaseId,
    own: Option<&Slots>,
    epoch: &Guard,
) -> Count {
    let mut count = Count::default();
    let (Some(own), Some(roots)) = (own, keyspace.roots(database)) else { return count };
    for slot in (partition.index() as u16..SLOTS).step_by(keyspace.partitions()) {
        if !own.has(slot) {
            Table::count(&roots[usize::from(keyspace.place_of(slot).0)], &mut count, epoch);
        }
    }
    count
}

/// What [`Db::walk`] comes to.
pub enum Visit<'a, 'b> {
    /// A key.
    Key(&'a EntryRef<'b>),
    /// A moment at which nobody waits for what it does.
    Between,
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
    // Whoever keeps what he has read is told so even if there was nothing, as by Redis.
    diary::note_stale(StaleNote::All);
    if local.shared.snapshots.is_under_way() {
        // It keeps some of them until they are written.
        keys = tables.iter().map(Detached::len).sum();
    }
    held.release();
    match free {
        Free::Later => local.shared.lazyfree.add(tables, keys),
        Free::Now => {
            for mut table in tables {
                table.free_some(u64::MAX, held.epoch(), drop);
            }
        }
    }
}

fn has_expired(found: &Found<'_>, now_ms: u64) -> bool {
    found.word.expires() && found.entry().expire_at().is_some_and(|at| now_ms > at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tidegate_protocols::data::{Data as _, Worker as _};

    use super::*;
    use crate::testing::Client;

    /// The bulk strings of a reply.
    fn words(reply: &str) -> BTreeSet<String> {
        let lines = reply.split("\\r\\n").filter(|line| !line.is_empty() && !line.starts_with(['*', '$']));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn of_keys_in_slots_that_are_not_its_own_a_shard_tells_nothing_until_it_has_them_again() {
        for workers in [1, 2, 8] {
            let mut client = Client::with_workers(workers);
            client.context.in_cluster = true;
            for number in 0..400 {
                client.run(&format!("SET key:{number} v"));
                client.run(&format!("SET {{a}}{number} v"));
                client.run(&format!("EXPIRE key:{} 100", number / 4));
            }
            let all = words(&client.run("KEYS *"));
            assert_eq!(all.len(), 800);
            for (epoch, text) in [(2, "0-8191"), (3, "8192-16383"), (4, "15495"), (5, "7"), (6, "0-16383")] {
                let own: Slots = text.parse().unwrap();
                client.worker.own(epoch, &own);
                let expected: BTreeSet<_> =
                    all.iter().filter(|key| own.has(slot_of(key.as_bytes()))).cloned().collect();
                assert_eq!(words(&client.run("KEYS *")), expected, "{text}");
                let mut seen = words(&client.run("SCAN 0 COUNT 100000"));
                assert!(seen.remove("0"));
                assert_eq!(seen, expected);
                assert_eq!(client.run("DBSIZE"), format!(":{}\\r\\n", expected.len()));
                let figures = client.store.figures().databases[0];
                let expiring = (0..100).filter(|number| expected.contains(&format!("key:{number}"))).count();
                assert_eq!((figures.keys, figures.expires), (expected.len() as u64, expiring as u64));
                for _ in 0..20 {
                    match client.run("RANDOMKEY").as_str() {
                        "$-1\\r\\n" => assert!(expected.is_empty()),
                        key => assert!(expected.is_superset(&words(key)), "{key}"),
                    }
                }
                let there = expected.iter().filter(|key| slot_of(key.as_bytes()) == 15495).count();
                assert_eq!(client.run("CLUSTER COUNTKEYSINSLOT 15495"), format!(":{there}\\r\\n"));
            }
            // What another worker says of an older topology changes nothing for all.
            client.store.worker(0, 1).own(5, &Slots::none());
            assert_eq!(client.store.figures().databases[0].keys, 800);
            client.worker.own(7, &Slots::none());
            assert_eq!(client.run("FLUSHALL"), "+OK\\r\\n");
            client.worker.own(8, &Slots::all());
            assert_eq!(client.run("DBSIZE"), ":0\\r\\n");
        }
    }
}
