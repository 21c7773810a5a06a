//! The partitions one worker has locked.
//!
//! A worker keeps its lock from one request to the next as long as the next needs no other. The only worker of a store
//! shares it with nobody but the threads for what takes long: it keeps what it has locked until its tick ends, as long as
//! what else it needs is free. Before a worker waits for any other lock it gives back all it has; sets are locked in
//! ascending order. So nobody ever waits in a circle.
#![expect(unsafe_code, reason = "a lock outlives the loan of its guard; each block has its proof")]

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam_epoch::{Guard, LocalHandle};
use parking_lot::MutexGuard;

use crate::entry::EntryPtr;
use crate::locked::Locked;
use crate::log::effects;
use crate::partition::{DatabaseId, Keyspace, Partition, Spot};
use crate::partition_set::PartitionSet;
use crate::table::Table;
use crate::watched::Ready;
use crate::word::Word;

/// How long to try for a lock before other threads, and then other tasks, get their turn: several times as long
/// as a lock is held for one short command. Whoever holds it longer may well be waiting for this processor.
const SPIN: Duration = Duration::from_micros(5);

/// How long one who has to have it waits for a lock before looking at what is going on.
const PATIENCE: Duration = Duration::from_millis(1);

/// How long that may become for one who needs all of them.
const PATIENCE_MAX: Duration = Duration::from_millis(64);

/// How long one who goes through all keys leaves to those who have to be quick.
const STEP_ASIDE: Duration = Duration::from_micros(20);

/// How long one stays away who has been in the way of another.
const BACK_OFF: Duration = Duration::from_micros(100);

/// Collections in one go: the first two let time pass for what is waiting, each frees some hundred pieces.
const COLLECTIONS: usize = 8;

/// Another worker holds what is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// The partitions that are locked by this worker.
pub(crate) struct Held {
    keyspace: Arc<Keyspace>,
    set: PartitionSet,
    /// How many partitions are not in it.
    missing: usize,
    /// What is locked is kept when more is locked, and when a transaction ends.
    keeps: bool,
    /// A transaction is under way: nothing is given back before it ends.
    entered: bool,
    /// Keys that somebody waits for, that have changed, and of which nobody has been told.
    missed: Vec<Ready>,
    /// Keeps what prefetches look at from being freed, while a tick lasts.
    epoch: Option<Guard>,
    collector: LocalHandle,
    /// A lock is given back by the thread that took it.
    not_send: PhantomData<*const ()>,
}

impl Held {
    /// Nothing locked yet, by the worker with this number.
    pub(crate) fn new(keyspace: Arc<Keyspace>, worker: usize) -> Self {
        let collector = keyspace.collector().register();
        Self {
            set: PartitionSet::default(),
            missing: keyspace.partitions(),
            keeps: keyspace.has_one_worker() && worker == 0,
            keyspace,
            entered: false,
            missed: Vec::new(),
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
        if self.set.has(partition) || self.keeps && self.takes_besides(partition) {
            return Ok(());
        }
        self.release();
        self.take(partition)
    }

    /// Locks one partition besides what is locked, if nobody else has it.
    fn takes_besides(&mut self, partition: usize) -> bool {
        assert!(!self.entered, "a transaction has locked all that its requests use");
        let is_free = self.keyspace.lock_of(partition).try_lock().map(std::mem::forget).is_some();
        if is_free {
            self.has_locked(partition);
        }
        is_free
    }

    /// Notes that this thread has the lock of a partition, and has forgotten its guard.
    #[inline]
    fn has_locked(&mut self, partition: usize) {
        self.set.insert(partition);
        self.missing -= 1;
    }

    /// Locks all of `set`, unless they are locked already.
    pub(crate) fn lock_set(&mut self, set: &PartitionSet) -> Result<(), Busy> {
        let is_locked = |held: &mut Self, partition| held.set.has(partition) || held.takes_besides(partition);
        if self.set.covers(set) || self.keeps && set.iter().all(|partition| is_locked(self, partition)) {
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
            self.has_locked(partition);
        }
    }

    /// Locks every partition.
    pub(crate) fn lock_all_patiently(&mut self) {
        if self.has_all() {
            return;
        }
        let all = PartitionSet::first(self.keyspace.partitions());
        let mut patience = PATIENCE;
        while !self.try_all_patiently(&all, patience) {
            std::thread::sleep(BACK_OFF.max(patience));
            // In the end everybody else waits.
            patience = (2 * patience).min(PATIENCE_MAX);
        }
    }

    /// Gives up if it waits too long for one of them: others wait meanwhile for those that are locked here. Or if what it
    /// waits for is held for somebody who may do so.
    fn try_all_patiently(&mut self, all: &PartitionSet, patience: Duration) -> bool {
        self.release();
        for partition in all.iter() {
            let until = Instant::now() + patience;
            loop {
                if let Some(guard) = self.keyspace.lock_of(partition).try_lock_for(PATIENCE) {
                    std::mem::forget(guard);
                    break;
                }
                if self.keyspace.wanderer.is_taken() || Instant::now() >= until {
                    self.release();
                    return false;
                }
            }
            self.has_locked(partition);
        }
        true
    }

    /// Gives back every lock, and lets those go first who wait for one. Does nothing within a transaction.
    pub(crate) fn let_others_in(&mut self) {
        self.release();
        if !self.entered && self.keyspace.is_wanted.swap(false, Relaxed) {
            std::thread::sleep(STEP_ASIDE);
        }
    }

    /// Locks more for the transaction that is under way, in no order, until `gives_up`. Nobody is waited for who waits for
    /// what is locked here: whoever calls this has [`Keyspace::wanderer`], and all others lock everything before they
    /// change anything, and give it back if they do not get it at once.
    pub(crate) fn extend(
        &mut self,
        set: &PartitionSet,
        mut gives_up: impl FnMut() -> bool,
    ) -> Result<(), Busy> {
        assert!(
            self.entered && self.keyspace.wanderer.is_taken(),
            "only a script takes more, and says so first"
        );
        for partition in set.iter() {
            while !self.set.has(partition) {
                let guard = self.keyspace.lock_of(partition).try_lock_for(PATIENCE);
                if guard.map(std::mem::forget).is_some() {
                    self.has_locked(partition);
                } else if gives_up() {
                    return Err(Busy);
                }
            }
        }
        if self.has_all() {
            ALONE.set(Arc::as_ptr(&self.keyspace));
        }
        Ok(())
    }

    /// Locks all of `set` for a transaction. Until [`Held::leave`] nothing is given back, and nothing else may be
    /// locked.
    pub(crate) fn enter(&mut self, set: &PartitionSet) -> Result<(), Busy> {
        let all = PartitionSet::first(self.keyspace.partitions());
        if self.keeps && !self.has_all() {
            // Nobody else is kept from it for longer than by this tick, and a script with everything need not look what it has.
            for partition in all.iter() {
                let _ = self.set.has(partition) || self.takes_besides(partition);
            }
        }
        if set.covers(&all) {
            self.lock_all_patiently();
        } else {
            self.lock_set(set)?;
        }
        self.entered = true;
        if self.has_all() {
            ALONE.set(Arc::as_ptr(&self.keyspace));
        }
        Ok(())
    }

    /// The transaction has ended.
    pub(crate) fn leave(&mut self) {
        self.entered = false;
        ALONE.set(std::ptr::null());
        if !self.keeps {
            self.release();
        }
    }

    /// Whether a transaction is under way.
    #[inline]
    pub(crate) fn is_entered(&self) -> bool {
        self.entered
    }

    /// Locks one partition if nobody has it locked.
    pub(crate) fn lock_if_free(&mut self, partition: usize) -> Result<(), Busy> {
        if !self.set.has(partition) {
            if !self.keeps {
                self.release();
            }
            let guard = self.keyspace.lock_of(partition).try_lock().ok_or(Busy)?;
            std::mem::forget(guard);
            self.has_locked(partition);
        }
        Ok(())
    }

    #[inline]
    fn take(&mut self, partition: usize) -> Result<(), Busy> {
        assert!(!self.entered, "a transaction has locked all that its requests use");
        let lock = self.keyspace.lock_of(partition);
        let guard = if let Some(guard) = lock.try_lock() {
            guard
        } else {
            self.keyspace.is_wanted.store(true, Relaxed);
            spin(|| lock.try_lock())?
        };
        std::mem::forget(guard);
        self.has_locked(partition);
        Ok(())
    }

    /// Gives back every lock.
    #[inline]
    pub(crate) fn release(&mut self) {
        if self.entered {
            return;
        }
        effects::publish();
        if self.set.is_empty() {
            return;
        }
        if self.keyspace.has_waiters() {
            let mut ready = self.take_ready();
            self.missed.append(&mut ready);
        }
        self.missing = self.keyspace.partitions();
        for partition in std::mem::take(&mut self.set).iter() {
            // SAFETY: it was locked by this thread (the type is not `Send`) and its guard forgotten; every
            // `Locked` was a loan of `self` and is gone.
            unsafe { self.keyspace.lock_of(partition).force_unlock() };
        }
    }

    /// Takes out the keys of what is locked that somebody waits for and that have changed, in the order of that.
    pub(crate) fn take_ready(&mut self) -> Vec<Ready> {
        let mut all = Vec::new();
        for index in self.set.iter() {
            let watched = &mut self.locked(index).partition.watched;
            if !watched.has_ready() {
                continue;
            }
            let mut ready = watched.take_ready(index);
            if all.is_empty() {
                all = ready;
            } else {
                all.append(&mut ready);
            }
        }
        all.sort_unstable_by_key(|ready| ready.order);
        all
    }

    /// Keys that somebody waits for, that have changed, and of which nobody was told before their locks were given back.
    pub(crate) fn missed(&mut self) -> &mut Vec<Ready> {
        &mut self.missed
    }

    /// Whether every partition is locked.
    #[inline]
    pub(crate) fn has_all(&self) -> bool {
        self.missing == 0
    }

    /// What is locked.
    #[inline]
    pub(crate) fn set(&self) -> &PartitionSet {
        &self.set
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

    /// A key whose partition is locked, to be looked at as long as nothing is changed: so several are. Whoever asks has
    /// looked for it before, by [`Locked::find`], which sees to its expiry.
    pub(crate) fn glimpse(
        &self,
        database: DatabaseId,
        spot: Spot,
        key: &[u8],
    ) -> Option<(EntryPtr<'_>, Word)> {
        let keyspace = &*self.keyspace;
        assert!(self.set.has(keyspace.partition_of(spot.slot)), "a command uses only keys its row names");
        let epoch = self.epoch.as_ref().expect("it has been looked for");
        let root = &keyspace.roots(database)?[usize::from(keyspace.place_of(spot.slot).0)];
        // SAFETY: this thread has the lock. Whoever changes a table borrows `self` alone, so there is none of those, and
        // nothing is changed here.
        let table = unsafe { Table::new(root, epoch, keyspace.hasher()) };
        table.into_found(spot.hash, key).map(|found| (found.entry(), found.word))
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
        self.release();
    }
}

thread_local! {
    /// The keyspace of which this thread has every partition locked for a transaction.
    static ALONE: Cell<*const Keyspace> = const { Cell::new(std::ptr::null()) };
}

/// How long one waits for a lock who only wants to tell figures: a script may have it for long.
const LOOK_PATIENCE: Duration = Duration::from_millis(5);

/// Shows a partition, locked, to `show`. Where this thread has a transaction under way, that is between two of its
/// requests, and it has every lock. `None` if another has it for too long.
pub(crate) fn look_at<T>(
    keyspace: &Keyspace,
    partition: usize,
    show: impl FnOnce(&Partition) -> T,
) -> Option<T> {
    let lock = keyspace.lock_of(partition);
    if std::ptr::eq(ALONE.get(), keyspace) {
        // SAFETY: this thread has the lock until `Held::leave`. Only commands use what it protects, by loans of
        // `Held` that end with them, and none of them gets here.
        return Some(show(unsafe { &*lock.data_ptr() }));
    }
    Some(show(&*lock.try_lock_for(LOOK_PATIENCE)?))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What the first worker of some has locked, and what a thread for what takes long has.
    fn both(workers: usize) -> [Held; 2] {
        let keyspace = Arc::new(Keyspace::new(workers, &Arc::default()));
        [0, workers].map(|worker| Held::new(Arc::clone(&keyspace), worker))
    }

    fn set(partitions: &[usize]) -> PartitionSet {
        let mut set = PartitionSet::default();
        for &partition in partitions {
            set.insert(partition);
        }
        set
    }

    #[test]
    fn the_only_worker_keeps_what_it_has_until_it_would_have_to_wait() {
        let [mut held, mut apart] = both(1);
        for partition in [3, 5, 4] {
            assert_eq!(held.lock(partition), Ok(()));
        }
        assert_eq!(held.lock_set(&set(&[0, 15])), Ok(()));
        assert_eq!(*held.set(), set(&[0, 3, 4, 5, 15]));
        assert_eq!(apart.lock(5), Err(Busy));
        assert_eq!(apart.lock(7), Ok(()));
        assert_eq!(held.lock(7), Err(Busy));
        assert_eq!(*held.set(), set(&[]));
        assert_eq!(held.lock(3), Ok(()));
        assert_eq!(held.lock_set(&set(&[2, 7])), Err(Busy));
        assert_eq!(*held.set(), set(&[]));
    }

    #[test]
    fn a_transaction_of_the_only_worker_has_all_that_is_free_and_leaves_it_locked() {
        let [mut held, mut apart] = both(1);
        assert_eq!(apart.lock(7), Ok(()));
        assert_eq!(held.enter(&set(&[1])), Ok(()));
        assert!(!held.has_all() && held.set().has(0) && held.set().has(15));
        held.leave();
        apart.release();
        assert_eq!(held.enter(&set(&[1])), Ok(()));
        assert!(held.has_all());
        held.leave();
        assert!(held.has_all() && !held.is_entered());
        assert_eq!(apart.lock(7), Err(Busy));
        held.finish();
        assert_eq!(apart.lock(7), Ok(()));
    }

    #[test]
    fn one_worker_of_several_keeps_only_what_the_next_needs() {
        for mut held in both(2) {
            assert_eq!([held.lock(3), held.lock(5)], [Ok(()), Ok(())]);
            assert_eq!(*held.set(), set(&[5]));
            assert_eq!(held.enter(&set(&[1, 5])), Ok(()));
            assert_eq!(*held.set(), set(&[1, 5]));
            held.leave();
            assert_eq!(*held.set(), set(&[]));
        }
        let [_, mut apart] = both(1);
        assert_eq!([apart.lock(3), apart.lock(5)], [Ok(()), Ok(())]);
        assert_eq!(*apart.set(), set(&[5]));
    }
}
