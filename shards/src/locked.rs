//! What may be done to the tables of a partition that is locked.
#![expect(unsafe_code, reason = "a table belongs to whoever has the lock; each block has its proof")]

use std::sync::Arc;

use crossbeam_epoch::Guard;

use crate::diary::{self, What};
use crate::entry_mut::EntryMut;
use crate::partition::{DatabaseId, Keyspace, Partition, Place, Spot};
use crate::table::{self, Detached, Found, Seat, Table};
use crate::word::AccessClock;

/// A partition that is locked, and its tables.
pub(crate) struct Locked<'a> {
    pub(crate) partition: &'a mut Partition,
    pub(crate) keyspace: &'a Keyspace,
    pub(crate) epoch: &'a Guard,
}

impl<'a> Locked<'a> {
    /// The keyspace.
    pub(crate) fn keyspace(&self) -> &'a Keyspace {
        self.keyspace
    }

    /// The table of a place, made if need be.
    #[inline]
    fn table(&mut self, database: DatabaseId, place: Place) -> Table<'_> {
        debug_assert_eq!(self.keyspace.partition_at(place), self.partition.index());
        let root = self.keyspace.root(database, place);
        // SAFETY: its partition is locked, and `self`, the only way to it, is borrowed alone.
        unsafe { Table::new(root, self.epoch, self.keyspace.hasher()) }
    }

    /// The table of a place, if there is anything in it. As long-lived as the lock's loan.
    #[inline]
    pub(crate) fn into_table(self, database: DatabaseId, place: Place) -> Option<Table<'a>> {
        debug_assert_eq!(self.keyspace.partition_at(place), self.partition.index());
        let root = &self.keyspace.roots(database)?[usize::from(place.0)];
        // SAFETY: its partition is locked, and `self`, the only way to it, ends here.
        let table = unsafe { Table::new(root, self.epoch, self.keyspace.hasher()) };
        (!table.is_empty()).then_some(table)
    }

    /// A key is about to be changed or taken out: it is told first as it is, if a snapshot has to tell it still.
    #[inline]
    fn before_change(&mut self, database: DatabaseId, place: Place, hash: u64) {
        if self.partition.snapshot.is_some() {
            self.tell_snapshot(database, place, hash);
        }
    }

    #[cold]
    fn tell_snapshot(&mut self, database: DatabaseId, place: Place, hash: u64) {
        let Some(mut tracker) = self.partition.snapshot.take() else { return };
        let table = self.again().into_table(database, place);
        tracker.before_change(table.as_ref(), database, place, table::prefix_of(hash));
        self.partition.snapshot = Some(tracker);
    }

    /// What is kept beside the tables. As long-lived as the lock's loan.
    pub(crate) fn into_partition(self) -> &'a mut Partition {
        self.partition
    }

    /// A shorter loan of the same.
    pub(crate) fn again(&mut self) -> Locked<'_> {
        Locked { partition: self.partition, keyspace: self.keyspace, epoch: self.epoch }
    }

    /// Looks for a key. One that expired before `now_ms` is removed instead; the second value says so. Fields that expired
    /// are taken out. While clients are paused both stay; who reads a hash passes over its fields that have expired.
    #[inline]
    pub(crate) fn find(
        mut self,
        database: DatabaseId,
        spot: Spot,
        key: &[u8],
        now_ms: u64,
        clock: &AccessClock,
    ) -> (Option<Found<'a>>, bool) {
        let place = self.keyspace.place_of(spot.slot);
        let Some(roots) = self.keyspace.roots(database) else { return (None, false) };
        // SAFETY: the partition is locked for `'a`, and what is found is not used once `self` is.
        let table = unsafe { Table::new(&roots[usize::from(place.0)], self.epoch, self.keyspace.hasher()) };
        match table.into_found(spot.hash, key) {
            Some(found)
                if found.word.expires() && found.entry().expire_at().is_some_and(|at| now_ms > at) =>
            {
                if !clock.takes_out {
                    return (None, false);
                }
                self.before_change(database, place, spot.hash);
                if let Some(entry) = Seat::new(self.table(database, place), spot.hash, key).take() {
                    self.partition.lazyfree.discard(entry);
                    self.partition.count_key(database, place, -1, true);
                    self.partition.touch(database, key);
                    diary::note(database, key, What::Expired);
                }
                (None, true)
            }
            Some(found) if found.entry().fields_due() < now_ms && clock.takes_out => {
                self.again().into_entry_mut(database, spot, key, clock).expire_fields(now_ms);
                // SAFETY: as above; the first is not used any more.
                let table =
                    unsafe { Table::new(&roots[usize::from(place.0)], self.epoch, self.keyspace.hasher()) };
                (table.into_found(spot.hash, key), false)
            }
            found => (found, false),
        }
    }

    /// A key to be changed, with its value if it has one.
    #[inline]
    pub(crate) fn into_entry_mut(
        mut self,
        database: DatabaseId,
        spot: Spot,
        key: &'a [u8],
        clock: &'a AccessClock,
    ) -> EntryMut<'a> {
        let place = self.keyspace.place_of(spot.slot);
        self.before_change(database, place, spot.hash);
        let root = self.keyspace.root(database, place);
        // SAFETY: its partition is locked, and `self`, the only way to it, ends here.
        let table = unsafe { Table::new(root, self.epoch, self.keyspace.hasher()) };
        EntryMut::new(Seat::new(table, spot.hash, key), key, self.partition, (database, place), clock)
    }

    /// Takes out and frees the entry at an address, to make room, if it is still there.
    pub(crate) fn remove_address(
        &mut self,
        database: DatabaseId,
        place: Place,
        hash: u64,
        address: u64,
    ) -> bool {
        self.before_change(database, place, hash);
        let Some(entry) = self.table(database, place).remove_address(hash, address) else { return false };
        self.partition.count_key(database, place, -1, entry.view().expire_at().is_some());
        self.partition.touch(database, entry.view().key());
        diary::note(database, entry.view().key(), What::Evicted);
        self.partition.lazyfree.discard(entry);
        true
    }

    /// Removes the entries of the segment at `prefix` that expired before `now_ms`; returns how many.
    pub(crate) fn expire_segment(
        &mut self,
        database: DatabaseId,
        place: Place,
        prefix: u64,
        now_ms: u64,
    ) -> u64 {
        let Partition { watched, tracked, .. } = &*self.partition;
        let is_watched = !watched.is_empty() || tracked.is_used() || diary::is_kept() || diary::is_logged();
        let lazyfree = Arc::clone(&self.partition.lazyfree);
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        let mut snapshot = self.partition.snapshot.take();
        let hasher = self.keyspace.hasher();
        let removed = self.table(database, place).expire_segment(prefix, now_ms, |entry, word| {
            if let Some(tracker) = &mut snapshot {
                let prefix = table::prefix_of(hasher.hash(entry.view().key()));
                tracker.removed(entry.view(), word, database, place, prefix);
            }
            if is_watched {
                keys.push(entry.view().key().into());
            }
            lazyfree.discard(entry);
        });
        self.partition.snapshot = snapshot;
        for _ in 0..removed {
            self.partition.count_key(database, place, -1, true);
        }
        for key in keys {
            self.partition.touch(database, &key);
            diary::note(database, &key, What::Expired);
        }
        removed
    }

    /// Takes out the fields that expired before `now_ms` of hashes in the segment at `prefix`; returns how many.
    pub(crate) fn expire_fields(
        &mut self,
        database: DatabaseId,
        place: Place,
        prefix: u64,
        now_ms: u64,
        clock: &AccessClock,
    ) -> u64 {
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        if let Some(table) = self.again().into_table(database, place) {
            table.walk(prefix, |segment| {
                for (at, word) in segment.entries() {
                    let entry = Found::at(&table, segment, at, word).entry();
                    let due = entry.fields_due();
                    segment.expires_by(due);
                    if due < now_ms {
                        keys.push(entry.key().into());
                    }
                }
            });
        }
        let mut expired = 0;
        for key in keys {
            let spot = self.keyspace.spot(&key);
            expired += self.again().into_entry_mut(database, spot, &key, clock).expire_fields(now_ms);
        }
        expired
    }

    /// Whether a key is stored, be its time past or not.
    fn has(&mut self, database: DatabaseId, key: &[u8]) -> bool {
        let (spot, keyspace) = (self.keyspace.spot(key), self.keyspace);
        let table = self.again().into_table(database, keyspace.place_of(spot.slot));
        table.is_some_and(|table| table.into_found(spot.hash, key).is_some())
    }

    /// Takes everything out of a database in this partition, into `tables`, to be freed with no lock held.
    pub(crate) fn detach(&mut self, database: DatabaseId, tables: &mut Vec<Detached>) {
        self.partition.tracked.forget_all();
        if self.keyspace.roots(database).is_none() || self.partition.tally(database).keys == 0 {
            return;
        }
        for key in self.partition.watched.keys_of(database) {
            if self.has(database, &key) {
                self.partition.watched.touch(database, &key);
            }
        }
        self.partition.forget(database);
        let places = self.keyspace.places(self.partition.index());
        let detached = places.map(|place| (place, self.table(database, place).detach()));
        let detached: Vec<_> = detached.filter(|(_, table)| !table.is_empty()).collect();
        match &mut self.partition.snapshot {
            Some(tracker) => tables.extend(tracker.detached(database, detached)),
            None => tables.extend(detached.into_iter().map(|(_, table)| table)),
        }
    }
}
