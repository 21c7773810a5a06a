//! The keyspace in partitions, each under its own lock.
//!
//! A partition is all slots that are the same modulo the number of partitions. The roots of the tables
//! stand outside of the locks, so that prefetching reaches them; everything else of a partition is within.
//! A [`Place`] numbers the slots so that those of one partition are neighbours.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};
use std::sync::{Arc, OnceLock};

use crossbeam_epoch::Collector;
use parking_lot::Mutex;
use tidegate_protocols::limits::DATABASES;
use tidegate_protocols::slot::{SLOTS, slot_of};
use tidegate_protocols::{Args, Row};

use crate::hash::KeyHasher;
use crate::lazyfree::LazyFree;
use crate::partition_set::PartitionSet;
use crate::snapshot::Tracker;
use crate::table::{self, Root};
use crate::tracked::{Totals, Tracked};
use crate::watched::Watched;

/// Partitions there are at most.
pub(crate) const PARTITIONS_MAX: usize = 256;
/// Places whose keys are counted together, to find places by chance weighted with their keys.
pub(crate) const GROUP: usize = 64;

/// Where a key belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) hash: u64,
    pub(crate) slot: u16,
}

/// A slot by its partition first: partition in the high bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u16);

/// A database as it is stored. `SWAPDB` changes which one a client's number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DatabaseId(pub(crate) u8);

impl DatabaseId {
    /// All of them, whatever numbers they have at the moment.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..DATABASES).map(|id| Self(id as u8))
    }
}

/// What is kept of a partition under its lock, besides the tables.
pub(crate) struct Partition {
    index: usize,
    partitions: usize,
    databases: [Tally; DATABASES],
    cas_last: u64,
    /// Keys that clients watch; every change of a key is told to it.
    pub(crate) watched: Watched,
    /// Keys that clients keep for themselves; it is told of every change as well.
    pub(crate) tracked: Tracked,
    /// Where values go that take long to free.
    pub(crate) lazyfree: Arc<LazyFree>,
    /// What of it has been written of the snapshot that is being told, if one is: it is asked before every change of a key.
    pub(crate) snapshot: Option<Box<Tracker>>,
}

/// What is counted of one database in one partition.
#[derive(Default)]
pub(crate) struct Tally {
    /// Keys.
    pub(crate) keys: u64,
    /// Keys with an expiry.
    pub(crate) expires: u64,
    /// How often a hash was given fields that expire; 0 once no hash has any.
    pub(crate) expiring_hashes: u64,
    /// Mean time to live of some keys with an expiry, in ms.
    pub(crate) ttl_ms_mean: u64,
    /// Keys in each group of places; empty until there is a key.
    pub(crate) groups: Box<[u32]>,
}

impl Partition {
    fn new(index: usize, partitions: usize, lazyfree: Arc<LazyFree>, totals: Arc<Totals>) -> Self {
        let (databases, watched, tracked) = (Default::default(), Watched::default(), Tracked::new(totals));
        Self { index, partitions, databases, cas_last: 0, watched, tracked, lazyfree, snapshot: None }
    }

    /// A key has changed.
    #[inline]
    pub(crate) fn touch(&mut self, database: DatabaseId, key: &[u8]) {
        self.watched.touch(database, key);
        self.tracked.touch(key);
    }

    /// Its number.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// The next CAS value: each is given once in the whole store.
    pub(crate) fn next_cas(&mut self) -> u64 {
        self.cas_last += 1;
        self.cas_last * self.partitions as u64 + self.index as u64
    }

    /// No CAS value it has given exceeds this; 0 if it has given none.
    pub(crate) fn cas_max(&self) -> u64 {
        if self.cas_last == 0 { 0 } else { self.cas_last * self.partitions as u64 + self.index as u64 }
    }

    /// Gives none any more that is not above this.
    pub(crate) fn raise_cas(&mut self, cas: u64) {
        self.cas_last = self.cas_last.max(cas / self.partitions as u64);
    }

    /// What is counted of a database.
    pub(crate) fn tally(&self, database: DatabaseId) -> &Tally {
        &self.databases[usize::from(database.0)]
    }

    /// The same, to be changed.
    pub(crate) fn tally_mut(&mut self, database: DatabaseId) -> &mut Tally {
        &mut self.databases[usize::from(database.0)]
    }

    /// Counts a key that came (1) or went (-1), and whether it had an expiry.
    #[inline]
    pub(crate) fn count_key(&mut self, database: DatabaseId, place: Place, by: i64, expires: bool) {
        let places = usize::from(SLOTS) / self.partitions;
        let tally = &mut self.databases[usize::from(database.0)];
        if tally.groups.is_empty() {
            tally.groups = vec![0; places.div_ceil(GROUP)].into();
        }
        let group = &mut tally.groups[(usize::from(place.0) % places) / GROUP];
        *group = group.wrapping_add_signed(by as i32);
        tally.keys = tally.keys.wrapping_add_signed(by);
        if expires {
            tally.expires = tally.expires.wrapping_add_signed(by);
        }
    }

    /// Forgets a database that was emptied.
    pub(crate) fn forget(&mut self, database: DatabaseId) {
        self.databases[usize::from(database.0)] = Tally::default();
    }
}

/// All partitions and the roots of all tables.
pub(crate) struct Keyspace {
    partitions: Box<[Cell]>,
    /// log2 of the number of partitions.
    bits: u32,
    has_one_worker: bool,
    /// By stored database and place; made when the first key comes.
    roots: [OnceLock<Box<[Root]>>; DATABASES],
    /// The stored database for each number clients use. Changed with every partition locked.
    names: [AtomicU8; DATABASES],
    hasher: KeyHasher,
    /// Frees what was replaced, once no prefetch can look at it; all of it at the end.
    collector: Collector,
    waiters: Waiters,
    tracked: Arc<Totals>,
    /// Who may lock more than it has: one script at a time.
    pub(crate) wanderer: Wanderer,
    /// Somebody waits for a lock: who takes one after the other, slice by slice, looks at it.
    pub(crate) is_wanted: AtomicBool,
}

/// Something of which there is one in a store. Who has it may wait for locks while it holds some.
#[derive(Default)]
pub(crate) struct Wanderer(AtomicBool);

impl Wanderer {
    /// Takes it, if nobody has it.
    pub(crate) fn take(&self) -> bool {
        !self.0.swap(true, Acquire)
    }

    /// Gives it back.
    pub(crate) fn give_back(&self) {
        self.0.store(false, Release);
    }

    /// Whether anybody has it.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.load(Acquire)
    }
}

/// A partition alone in its cache lines.
#[repr(align(128))]
struct Cell(Mutex<Partition>);

/// How many requests wait for keys. Every request looks at it, so it is alone in its cache lines, too.
#[repr(align(128))]
#[derive(Default)]
struct Waiters(AtomicUsize);

impl Keyspace {
    /// An empty keyspace for `workers` workers: sixteen partitions or more to each, so that two workers rarely meet, and
    /// one that is alone does not meet what it has executed apart.
    pub(crate) fn new(workers: usize, lazyfree: &Arc<LazyFree>) -> Self {
        let tracked: Arc<Totals> = Arc::default();
        let partition = |index, count| {
            let partition = Partition::new(index, count, Arc::clone(lazyfree), Arc::clone(&tracked));
            Cell(Mutex::new(partition))
        };
        let count = (16 * workers.max(1)).next_power_of_two().min(PARTITIONS_MAX);
        Self {
            partitions: (0..count).map(|index| partition(index, count)).collect(),
            bits: count.trailing_zeros(),
            has_one_worker: workers <= 1,
            roots: Default::default(),
            names: std::array::from_fn(|index| AtomicU8::new(index as u8)),
            hasher: KeyHasher::new(),
            collector: Collector::new(),
            waiters: Waiters::default(),
            tracked,
            wanderer: Wanderer::default(),
            is_wanted: AtomicBool::new(false),
        }
    }

    /// What is remembered for clients that keep what they have read.
    pub(crate) fn tracked(&self) -> &Totals {
        &self.tracked
    }

    /// How many partitions there are: a power of two.
    #[inline]
    pub(crate) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Whether there is but one worker, besides the threads for what takes long.
    pub(crate) fn has_one_worker(&self) -> bool {
        self.has_one_worker
    }

    /// The lock of a partition.
    #[inline]
    pub(crate) fn lock_of(&self, partition: usize) -> &Mutex<Partition> {
        &self.partitions[partition].0
    }

    /// Whether any request waits for a key. Exact for the keys of partitions that are locked.
    #[inline]
    pub(crate) fn has_waiters(&self) -> bool {
        self.waiters.0.load(Relaxed) != 0
    }

    /// One more request waits, or one less. Its partitions are locked.
    pub(crate) fn count_waiter(&self, waits: bool) {
        if waits {
            self.waiters.0.fetch_add(1, Relaxed);
        } else {
            self.waiters.0.fetch_sub(1, Relaxed);
        }
    }

    /// The hasher of keys.
    #[inline]
    pub(crate) fn hasher(&self) -> KeyHasher {
        self.hasher
    }

    /// Frees what was replaced.
    pub(crate) fn collector(&self) -> &Collector {
        &self.collector
    }

    /// Where `key` belongs.
    #[inline]
    pub(crate) fn spot(&self, key: &[u8]) -> Spot {
        self.spot_in(slot_of(key), key)
    }

    /// Where `key` belongs, of which the slot is known.
    #[inline]
    pub(crate) fn spot_in(&self, slot: u16, key: &[u8]) -> Spot {
        Spot { hash: self.hasher.hash(key), slot }
    }

    /// The partition of a slot.
    #[inline]
    pub(crate) fn partition_of(&self, slot: u16) -> usize {
        usize::from(slot) & (self.partitions.len() - 1)
    }

    /// The partition of a key.
    #[inline]
    pub(crate) fn partition_of_key(&self, key: &[u8]) -> usize {
        self.partition_of(slot_of(key))
    }

    /// The partitions of keys.
    pub(crate) fn partitions_of<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) -> PartitionSet {
        let mut set = PartitionSet::default();
        keys.into_iter().for_each(|key| set.insert(self.partition_of_key(key)));
        set
    }

    /// The partitions of the keys of a request.
    pub(crate) fn partitions_of_request(&self, row: &Row, args: &Args<'_>) -> PartitionSet {
        self.partitions_of(row.keys_of(args).map(|key| args.at(key.index)))
    }

    /// The place of a slot.
    #[inline]
    pub(crate) fn place_of(&self, slot: u16) -> Place {
        let within = slot >> self.bits;
        Place(((self.partition_of(slot) << (SLOTS.trailing_zeros() - self.bits)) as u16) | within)
    }

    /// The partition of a place.
    #[inline]
    pub(crate) fn partition_at(&self, place: Place) -> usize {
        usize::from(place.0) >> (SLOTS.trailing_zeros() - self.bits)
    }

    /// How many places each partition has.
    #[inline]
    pub(crate) fn places_of_each(&self) -> usize {
        usize::from(SLOTS) >> self.bits
    }

    /// The `nth` place of a partition.
    #[inline]
    pub(crate) fn nth_place(&self, partition: usize, nth: usize) -> Place {
        Place((partition * self.places_of_each() + nth) as u16)
    }

    /// The places of a partition.
    pub(crate) fn places(&self, partition: usize) -> impl Iterator<Item = Place> + Clone + use<> {
        let count = self.places_of_each();
        (partition * count..(partition + 1) * count).map(|place| Place(place as u16))
    }

    /// The roots of a database, if it ever held a key.
    #[inline]
    pub(crate) fn roots(&self, database: DatabaseId) -> Option<&[Root]> {
        self.roots[usize::from(database.0)].get().map(|roots| &**roots)
    }

    /// The root of a table, made if need be.
    #[inline]
    pub(crate) fn root(&self, database: DatabaseId, place: Place) -> &Root {
        let make = || (0..SLOTS).map(|_| Root::new(0)).collect();
        &self.roots[usize::from(database.0)].get_or_init(make)[usize::from(place.0)]
    }

    /// The stored database a client's number means.
    #[inline]
    pub(crate) fn database(&self, number: u8) -> DatabaseId {
        DatabaseId(self.names[usize::from(number)].load(Relaxed))
    }

    /// The number by which clients know a database.
    pub(crate) fn number_of(&self, database: DatabaseId) -> u8 {
        let number = self.names.iter().position(|name| name.load(Relaxed) == database.0);
        number.map_or(database.0, |number| number as u8)
    }

    /// Lets two numbers mean each other's database. Every partition is locked.
    pub(crate) fn swap(&self, one: u8, other: u8) {
        let (first, second) = (self.database(one), self.database(other));
        self.names[usize::from(one)].store(second.0, Relaxed);
        self.names[usize::from(other)].store(first.0, Relaxed);
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let roots = self.roots.iter_mut().filter_map(OnceLock::get_mut);
        roots.flatten().for_each(table::free_owned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_number_the_slots_partition_by_partition() {
        for workers in [1, 2, 3, 64] {
            let keyspace = Keyspace::new(workers, &Arc::default());
            let mut seen = vec![false; usize::from(SLOTS)];
            for slot in 0..SLOTS {
                let place = keyspace.place_of(slot);
                assert_eq!(keyspace.partition_at(place), keyspace.partition_of(slot));
                assert!(keyspace.places(keyspace.partition_of(slot)).any(|other| other == place));
                assert!(!std::mem::replace(&mut seen[usize::from(place.0)], true));
            }
        }
    }
}
