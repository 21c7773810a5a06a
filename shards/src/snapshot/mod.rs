//! All keys as they were at one moment, told while they go on changing; nobody is copied and nobody waits for long.
//!
//! The moment is the [`Cut`]: with every partition locked each gets a [`Tracker`], and what else belongs to that moment is
//! noted. From then on every key is written exactly once, as it was then:
//!
//! * A sweep goes through each partition in the order of hashes, some tens of microseconds under its lock at a time. What
//!   lies before it has been written ([`sweep`]).
//! * Whoever is about to change a key behind which the sweep has not come yet writes it first, with its neighbours in the
//!   bucket, and notes which hashes that were ([`tracker`]). The table may move, split and join its buckets meanwhile: the
//!   order of hashes stays.
//! * What is flushed is taken out as a whole, and written from there.
//!
//! What is written by others than the sweep goes to a [`Queue`] that is bounded: when it is full, requests that may change
//! something are put aside until there is room.

mod sweep;
#[cfg(test)]
mod tests;
pub(crate) mod tracker;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};

use parking_lot::Mutex;
use tidegate_protocols::limits::{DATABASES, SNAPSHOT_QUEUE_BYTES_MAX};
use tidegate_protocols::settings::{Key, Settings};

use crate::held::Held;
use crate::partition::DatabaseId;
use crate::rdb::file::{Accesses, Header};
use crate::store::Shared;
use crate::word::AccessClock;
pub(crate) use tracker::Tracker;

/// Whether a snapshot is being told, and whether others have to wait for it.
#[derive(Default)]
pub(crate) struct Snapshots {
    is_under_way: AtomicBool,
    /// The queue holds as much as it may.
    is_full: AtomicBool,
}

impl Snapshots {
    /// Whether one is being told: there is one at a time.
    pub(crate) fn is_under_way(&self) -> bool {
        self.is_under_way.load(Relaxed)
    }

    /// Whether what may change something has to wait.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Relaxed)
    }
}

/// What was written by those who were about to change it, on its way to the file.
pub(crate) struct Queue {
    chunks: Mutex<Chunks>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Chunks {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Queue {
    /// Adds some keys, each with all that belongs to it, of a database that they begin with.
    fn put(&self, chunk: Vec<u8>) {
        let mut chunks = self.chunks.lock();
        chunks.bytes += chunk.len();
        chunks.waiting.push_back(chunk);
        if chunks.bytes > SNAPSHOT_QUEUE_BYTES_MAX {
            self.shared.snapshots.is_full.store(true, Release);
        }
    }

    /// The first that was put there.
    fn take(&self) -> Option<Vec<u8>> {
        let mut chunks = self.chunks.lock();
        let chunk = chunks.waiting.pop_front()?;
        chunks.bytes -= chunk.len();
        if chunks.bytes <= SNAPSHOT_QUEUE_BYTES_MAX / 2 && self.shared.snapshots.is_full.swap(false, AcqRel) {
            self.shared.waiting.wake_parked();
        }
        Some(chunk)
    }
}

/// Another snapshot is being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnderWay;

/// What of a snapshot is settled at its moment; the keys are told by [`Cut::write`]. If it is dropped before that, or that
/// fails, nothing is left of it.
pub(crate) struct Cut {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    /// Keys, and those that expire, by the numbers that clients used.
    sizes: [(u64, u64); DATABASES],
    header: Header,
    /// Changes there had been.
    pub(crate) changes: u64,
    /// The first partition that has its tracker still.
    next: usize,
}

impl Cut {
    /// Takes it at this moment: locks everything, calls `at_cut` with it, and gives it back unless a transaction is under
    /// way. `is_base` is for the first part of a log of commands, which `at_cut` can note its place in.
    pub(crate) fn take<T>(
        held: &mut Held,
        shared: &Arc<Shared>,
        (now_ms, is_base): (u64, bool),
        at_cut: impl FnOnce() -> T,
    ) -> Result<(Self, T), UnderWay> {
        if shared.snapshots.is_under_way.swap(true, AcqRel) {
            return Err(UnderWay);
        }
        let queue = Arc::new(Queue { chunks: Mutex::default(), shared: Arc::clone(shared) });
        held.lock_all_patiently();
        let mut cut = Self {
            queue,
            sizes: [(0, 0); DATABASES],
            header: Header {
                time_s: now_ms / 1000,
                used_bytes: shared.memory.used(),
                is_base,
                has_expiring_fields: false,
                cas_max: 0,
                libraries: shared.scripting.functions.texts(),
            },
            changes: shared.ledger.sum().changes,
            next: 0,
            shared: Arc::clone(shared),
        };
        cut.track(held, now_ms);
        let noted = at_cut();
        held.release();
        Ok((cut, noted))
    }

    /// Gives every partition its tracker, and adds up what they count.
    fn track(&mut self, held: &mut Held, now_ms: u64) {
        let keyspace = Arc::clone(&self.shared.keyspace);
        let numbers = std::array::from_fn(|stored| keyspace.number_of(DatabaseId(stored as u8)));
        let (clock, accesses) =
            (AccessClock::new(now_ms, &self.shared.settings), accesses(&self.shared.settings));
        for index in 0..keyspace.partitions() {
            let partition = held.locked(index).into_partition();
            for database in DatabaseId::all() {
                let tally = partition.tally(database);
                let (keys, expires) = &mut self.sizes[usize::from(numbers[usize::from(database.0)])];
                (*keys, *expires) = (*keys + tally.keys, *expires + tally.expires);
                self.header.has_expiring_fields |= tally.expiring_hashes > 0;
            }
            self.header.cas_max = self.header.cas_max.max(partition.cas_max());
            let first = keyspace.nth_place(index, 0);
            let compresses = self.shared.settings.is_on(Key::RdbCompression);
            let tracker =
                Tracker::new(numbers, first, (clock, accesses, compresses), Arc::clone(&self.queue));
            partition.snapshot = Some(Box::new(tracker));
        }
    }

    /// Keys it has.
    pub(crate) fn keys(&self) -> u64 {
        self.sizes.iter().map(|(keys, _)| keys).sum()
    }
}

impl Cut {
    /// Nobody is asked any more before a key changes.
    fn untrack(&mut self, held: &mut Held) {
        while self.next < self.shared.keyspace.partitions() {
            held.lock_patiently(self.next);
            let tracker = held.locked(self.next).into_partition().snapshot.take();
            held.release();
            self.next += 1;
            if let Some(tracker) = tracker {
                tracker.give_up(&self.shared.lazyfree);
            }
        }
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        if self.next < self.shared.keyspace.partitions() {
            self.untrack(&mut Held::new(Arc::clone(&self.shared.keyspace), usize::MAX));
        }
        self.shared.snapshots.is_full.store(false, Release);
        self.shared.snapshots.is_under_way.store(false, Release);
        self.shared.waiting.wake_parked();
    }
}

/// What keys take along of their accesses. Source: Redis `rdb.c`, `rdbSaveKeyValuePair`.
fn accesses(settings: &Settings) -> Accesses {
    match settings.policy() {
        policy if policy.is_lru() => Accesses::Idle,
        policy if policy.is_lfu() => Accesses::Frequency,
        _ => Accesses::Nothing,
    }
}
