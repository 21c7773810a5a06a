//! The partitions one worker has locked, and what may be done to their tables.
//!
//! A worker keeps its lock from one request to the next as long as the next needs no other, so with one
//! partition a whole tick locks once. Before it waits for any other lock it gives back all it has; sets are
//! locked in ascending order. So nobody ever waits in a circle.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_epoch::{Guard, LocalHandle};
use parking_lot::MutexGuard;

use crate::entry_mut::EntryMut;
use crate::partition::{DatabaseId, Keyspace, PARTITIONS_MAX, Partition, Place, Spot};
use crate::table::{Detached, Found, Seat, Table};
use crate::word::AccessClock;

/// How long to try for a lock before other threads, and then other tasks, get their turn: several times as long
/// as a lock is held for one short command. Whoever holds it longer may well be waiting for this processor.
const SPIN: Duration = Duration::from_micros(5);

/// Collections in one go: the first two let time pass for what is waiting, each frees some hundred pieces.
const COLLECTIONS: usize = 8;

/// A set of partitions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PartitionSet([u64; PARTITIONS_MAX / 64]);

impl PartitionSet {
    /// Adds one.
    #[inline]
    pub(crate) fn insert(&mut self, partition: usize) {
        self.0[partition / 64] |= 1 << (partition % 64);
    }

    #[inline]
    fn has(&self, partition: usize) -> bool {
        self.0[partition / 64] & 1 << (partition % 64) != 0
    }

    /// The first `count`.
    pub(crate) fn first(count: usize) -> Self {
        let mut set = Self::default();
        (0..count).for_each(|partition| set.insert(partition));
        set
    }

    fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(own, other)| other & !own == 0)
    }

    /// From the lowest to the highest.
    fn iter(self) -> impl Iterator<Item = usize> {
        (0..self.0.len()).flat_map(move |word| {
            let mut bits = self.0[word];
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize);
                bits &= bits.wrapping_sub(1);
                bit
            })
        })
    }
}

/// Another worker holds what is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// The partitions that are locked by this worker.
pub(crate) struct Held {
    keyspace: Arc<Keyspace>,
    set: PartitionSet,
    /// A transaction is under way: nothing is given back before it ends.
    entered: bool,
    /// Keeps what prefetches look at from being freed, while a tick lasts.
    epoch: Option<Guard>,
    collector: LocalHandle,
    /// A lock is given back by the thread that took it.
    not_send: PhantomData<*const ()>,
}

impl Held {
    /// Nothing locked yet.
    pub(crate) fn new(keyspace: Arc<Keyspace>) -> Self {
        let collector = keyspace.collector().register();
        Self {
            keyspace,
            set: PartitionSet::default(),
            entered: false,
            epoch: None,
            collector,
            not_send: PhantomData,
        }
    }

    /// The keyspace.
    #[inline]
    pub(crate) fn keyspace(&self) -> &Arc<Keyspace> {
        &self.keyspace
    }

    /// The guard of this tick, under which roots may be followed without a lock.
    #[inline]
    pub(crate) fn epoch(&mut self) -> &Guard {
        self.epoch.get_or_insert_with(|| self.collector.pin())
    }

    /// Locks one partition, unless it is locked already.
    #[inline]
    pub(crate) fn lock(&mut self, partition: usize) -> Result<(), Busy> {
        if self.set.has(partition) {
            return Ok(());
        }
        self.release();
        self.take(partition)
    }

    /// Locks all of `set`, unless they are locked already.
    pub(crate) fn lock_set(&mut self, set: &PartitionSet) -> Result<(), Busy> {
        if self.set.covers(set) {
            return Ok(());
        }
        self.release();
        for partition in set.iter() {
            if self.take(partition).is_err() {
                self.release();
                return Err(Busy);
            }
        }
        Ok(())
    }

    /// Locks one partition alone, however long that takes. For commands that go through all partitions one
    /// by one, and cannot begin again.
    pub(crate) fn lock_patiently(&mut self, partition: usize) {
        if self.lock(partition).is_err() {
            std::mem::forget(self.keyspace.lock_of(partition).lock());
            self.set.insert(partition);
        }
    }

    /// Locks every partition.
    pub(crate) fn lock_all_patiently(&mut self) {
        let all = PartitionSet::first(self.keyspace.partitions());
        if self.set.covers(&all) {
            return;
        }
        self.release();
        for partition in all.iter() {
            std::mem::forget(self.keyspace.lock_of(partition).lock());
            self.set.insert(partition);
        }
    }

    /// Locks all of `set` for a transaction. Until [`Held::leave`] nothing is given back, and nothing else may be
    /// locked.
    pub(crate) fn enter(&mut self, set: &PartitionSet) -> Result<(), Busy> {
        let all = PartitionSet::first(self.keyspace.partitions());
        if set.covers(&all) {
            self.lock_all_patiently();
        } else {
            self.lock_set(set)?;
        }
        self.entered = true;
        if self.set.covers(&all) {
            ALONE.set(Arc::as_ptr(&self.keyspace));
        }
        Ok(())
    }

    /// The transaction has ended.
    pub(crate) fn leave(&mut self) {
        self.entered = false;
        ALONE.set(std::ptr::null());
        self.release();
    }

    /// Whether a transaction is under way.
    #[inline]
    pub(crate) fn is_entered(&self) -> bool {
        self.entered
    }

    /// Locks one partition if nobody has it locked.
    pub(crate) fn lock_if_free(&mut self, partition: usize) -> Result<(), Busy> {
        if !self.set.has(partition) {
            self.release();
            let guard = self.keyspace.lock_of(partition).try_lock().ok_or(Busy)?;
            std::mem::forget(guard);
            self.set.insert(partition);
        }
        Ok(())
    }

    #[inline]
    fn take(&mut self, partition: usize) -> Result<(), Busy> {
        assert!(!self.entered, "a transaction has locked all that its requests use");
        let lock = self.keyspace.lock_of(partition);
        let guard = match lock.try_lock() {
            Some(guard) => guard,
            None => spin(|| lock.try_lock())?,
        };
        std::mem::forget(guard);
        self.set.insert(partition);
        Ok(())
    }

    /// Gives back every lock.
    #[inline]
    pub(crate) fn release(&mut self) {
        if self.entered {
            return;
        }
        for partition in std::mem::take(&mut self.set).iter() {
            // SAFETY: it was locked by this thread (the type is not `Send`) and its guard forgotten; every
            // `Locked` was a loan of `self` and is gone.
            unsafe { self.keyspace.lock_of(partition).force_unlock() };
        }
    }

    /// Gives back every lock and lets replaced memory be freed.
    pub(crate) fn finish(&mut self) {
        self.release();
        self.epoch = None;
    }

    /// Frees some of what was replaced before, even if no more ticks come.
    pub(crate) fn collect(&mut self) {
        self.finish();
        for _ in 0..COLLECTIONS {
            self.collector.pin().flush();
        }
    }

    /// A locked partition.
    ///
    /// # Panics
    /// If it is not locked: the keys of a command are not where its row says.
    #[inline]
    pub(crate) fn locked(&mut self, partition: usize) -> Locked<'_> {
        assert!(self.set.has(partition), "a command uses only keys its row names");
        let keyspace = &*self.keyspace;
        // SAFETY: this thread has the lock, and `self` is borrowed alone, so this is the only reference.
        let partition = unsafe { &mut *keyspace.lock_of(partition).data_ptr() };
        Locked { partition, keyspace, epoch: self.epoch.get_or_insert_with(|| self.collector.pin()) }
    }

    /// The locked partition of a slot.
    #[inline]
    pub(crate) fn at(&mut self, slot: u16) -> Locked<'_> {
        self.locked(self.keyspace.partition_of(slot))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leave();
    }
}

thread_local! {
    /// The keyspace of which this thread has every partition locked for a transaction.
    static ALONE: Cell<*const Keyspace> = const { Cell::new(std::ptr::null()) };
}

/// Shows a partition, locked, to `show`. Where this thread has a transaction under way, that is between two of its
/// requests, and it has every lock.
pub(crate) fn look_at<T>(keyspace: &Keyspace, partition: usize, show: impl FnOnce(&Partition) -> T) -> T {
    let lock = keyspace.lock_of(partition);
    if std::ptr::eq(ALONE.get(), keyspace) {
        // SAFETY: this thread has the lock until `Held::leave`. Only commands use what it protects, by loans of
        // `Held` that end with them, and none of them gets here.
        return show(unsafe { &*lock.data_ptr() });
    }
    show(&lock.lock())
}

/// Tries again and again for [`SPIN`].
#[cold]
fn spin<'a>(
    mut attempt: impl FnMut() -> Option<MutexGuard<'a, Partition>>,
) -> Result<MutexGuard<'a, Partition>, Busy> {
    let start = Instant::now();
    loop {
        for _ in 0..32 {
            std::hint::spin_loop();
        }
        if let Some(guard) = attempt() {
            return Ok(guard);
        }
        if start.elapsed() > SPIN {
            std::thread::yield_now();
            return attempt().ok_or(Busy);
        }
    }
}

/// A partition that is locked, and its tables.
pub(crate) struct Locked<'a> {
    pub(crate) partition: &'a mut Partition,
    keyspace: &'a Keyspace,
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

    /// What is kept beside the tables. As long-lived as the lock's loan.
    pub(crate) fn into_partition(self) -> &'a mut Partition {
        self.partition
    }

    /// A shorter loan of the same.
    pub(crate) fn again(&mut self) -> Locked<'_> {
        Locked { partition: self.partition, keyspace: self.keyspace, epoch: self.epoch }
    }

    /// Looks for a key. One that expired before `now_ms` is removed instead; the second value says so.
    #[inline]
    pub(crate) fn find(
        mut self,
        database: DatabaseId,
        spot: Spot,
        key: &[u8],
        now_ms: u64,
    ) -> (Option<Found<'a>>, bool) {
        let place = self.keyspace.place_of(spot.slot);
        let Some(roots) = self.keyspace.roots(database) else { return (None, false) };
        // SAFETY: the partition is locked for `'a`, and what is found is not used once `self` is.
        let table = unsafe { Table::new(&roots[usize::from(place.0)], self.epoch, self.keyspace.hasher()) };
        match table.into_found(spot.hash, key) {
            Some(found)
                if found.word.expires() && found.entry().expire_at().is_some_and(|at| now_ms > at) =>
            {
                if let Some(entry) = Seat::new(self.table(database, place), spot.hash, key).take() {
                    self.partition.lazyfree.discard(entry);
                    self.partition.count_key(database, place, -1, true);
                    self.partition.watched.touch(database, key);
                }
                (None, true)
            }
            found => (found, false),
        }
    }

    /// A key to be changed, with its value if it has one.
    #[inline]
    pub(crate) fn into_entry_mut(
        self,
        database: DatabaseId,
        spot: Spot,
        key: &'a [u8],
        clock: &'a AccessClock,
    ) -> EntryMut<'a> {
        let place = self.keyspace.place_of(spot.slot);
        let root = self.keyspace.root(database, place);
        // SAFETY: its partition is locked, and `self`, the only way to it, ends here.
        let table = unsafe { Table::new(root, self.epoch, self.keyspace.hasher()) };
        EntryMut::new(Seat::new(table, spot.hash, key), key, self.partition, (database, place), clock)
    }

    /// Takes out and frees the entry at an address, if it is still there.
    pub(crate) fn remove_address(
        &mut self,
        database: DatabaseId,
        place: Place,
        hash: u64,
        address: u64,
    ) -> bool {
        let Some(entry) = self.table(database, place).remove_address(hash, address) else { return false };
        self.partition.count_key(database, place, -1, entry.view().expire_at().is_some());
        self.partition.watched.touch(database, entry.view().key());
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
        let is_watched = !self.partition.watched.is_empty();
        let lazyfree = Arc::clone(&self.partition.lazyfree);
        let mut keys: Vec<Box<[u8]>> = Vec::new();
        let removed = self.table(database, place).expire_segment(prefix, now_ms, |entry| {
            if is_watched {
                keys.push(entry.view().key().into());
            }
            lazyfree.discard(entry);
        });
        for _ in 0..removed {
            self.partition.count_key(database, place, -1, true);
        }
        for key in keys {
            self.partition.watched.touch(database, &key);
        }
        removed
    }

    /// Whether a key is stored, be its time past or not.
    fn has(&mut self, database: DatabaseId, key: &[u8]) -> bool {
        let (spot, keyspace) = (self.keyspace.spot(key), self.keyspace);
        let table = self.again().into_table(database, keyspace.place_of(spot.slot));
        table.is_some_and(|table| table.into_found(spot.hash, key).is_some())
    }

    /// Takes everything out of a database in this partition, into `tables`, to be freed with no lock held.
    pub(crate) fn detach(&mut self, database: DatabaseId, tables: &mut Vec<Detached>) {
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
        tables.extend(
            places.map(|place| self.table(database, place).detach()).filter(|table| !table.is_empty()),
        );
    }
}
