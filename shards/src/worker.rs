//! One worker's way to the store: finds, fetches, locks, executes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tidegate_protocols::data::{Context, Outcome, Prepared, Worker};
use tidegate_protocols::limits::REPLY_BYTES_MAX;
use tidegate_protocols::settings::{Key, Policy, Settings};
use tidegate_protocols::slot::SLOTS;
use tidegate_protocols::table::{Flags, Route};
use tidegate_protocols::transaction::{Entered, Transaction, WatchedKey, Watches};
use tidegate_protocols::{Args, Error, Reply, Request, Row, Slots, Verb};

use crate::allocator::ThreadCounter;
use crate::counts::Counts;
use crate::db::{Db, FirstKey};
use crate::evict::{self, Room};
use crate::execute::{execute, refuse};
use crate::held::{Busy, Held, PartitionSet};
use crate::memcached;
use crate::partition::{DatabaseId, Keyspace, Spot};
use crate::store::Shared;
use crate::sweep::Sweep;
use crate::table::{Root, prefetch_bucket, prefetch_entry};
use crate::walk::{self, Free};
use crate::watched::Watched;
use crate::word::AccessClock;

/// What belongs to one worker alone.
pub(crate) struct Local {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    pub(crate) now_ms: u64,
    pub(crate) clock: AccessClock,
    pub(crate) counts: Counts,
    pub(crate) random: fastrand::Rng,
    /// Bytes from which a reply of many values is refused.
    pub(crate) reply_bytes_max: usize,
    /// Keys of the fullest partition this worker has sampled.
    pub(crate) partition_keys_max: u64,
    /// The slots whose keys may be told of; `None` is all.
    pub(crate) own: Option<Arc<Slots>>,
    thread: ThreadCounter,
}

impl Local {
    /// Bytes in use, with all that this thread has done.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.publish_memory();
        self.shared.memory.used()
    }

    fn publish_memory(&self) {
        self.shared.memory.publish(self.index, self.thread.net());
    }
}

/// One worker's way to the store.
pub struct StoreWorker {
    held: Held,
    local: Local,
    sweep: Sweep,
    page: Arc<Mutex<Counts>>,
}

impl StoreWorker {
    /// Worker `index` of `count`, on the thread that uses it.
    pub(crate) fn new(shared: Arc<Shared>, index: usize, count: usize) -> Self {
        let thread = ThreadCounter::new();
        shared.memory.begin(index, thread.net());
        Self {
            held: Held::new(Arc::clone(&shared.keyspace)),
            sweep: Sweep::new(index, count, shared.keyspace.partitions()),
            page: shared.ledger.page(),
            local: Local {
                index,
                now_ms: 0,
                clock: AccessClock::new(0, &shared.settings),
                counts: Counts::default(),
                random: fastrand::Rng::new(),
                reply_bytes_max: REPLY_BYTES_MAX,
                partition_keys_max: 0,
                own: None,
                thread,
                shared,
            },
        }
    }

    /// Locks what the request needs.
    #[inline]
    fn lock(&mut self, request: &Request<'_>, prepared: Prepared) -> Result<(), Busy> {
        let keyspace = self.held.keyspace();
        if request.row.keys.is_empty() {
            return Ok(());
        }
        if keyspace.partitions() == 1 {
            return self.held.lock(0);
        }
        let Some(key) = request.row.only_key() else {
            return self.lock_many(request);
        };
        let slot = if prepared.keyed { prepared.slot } else { keyspace.spot(request.args.at(key)).slot };
        let partition = keyspace.partition_of(slot);
        self.held.lock(partition)
    }

    fn lock_many(&mut self, request: &Request<'_>) -> Result<(), Busy> {
        let keyspace = self.held.keyspace();
        let mut set = PartitionSet::default();
        for key in request.row.keys_of(&request.args) {
            set.insert(keyspace.partition_of(keyspace.spot(request.args.at(key.index)).slot));
        }
        self.held.lock_set(&set)
    }

    /// The partitions a transaction needs. What goes through the whole keyspace needs them all, and so do the
    /// gateway's own commands that may ask for the store's figures.
    fn needs(&self, transaction: &Transaction<'_>) -> PartitionSet {
        let keyspace = self.held.keyspace();
        let mut set = self.partitions_of(transaction.watches);
        let mut requests = transaction.requests();
        while let Some(Request { row, args, .. }) = requests.next_request() {
            if row.route == Route::Every || row.route == Route::Gateway && !row.flags.has(Flags::FAST) {
                return PartitionSet::first(keyspace.partitions());
            }
            for key in row.keys_of(&args) {
                set.insert(keyspace.partition_of(keyspace.spot(args.at(key.index)).slot));
            }
        }
        set
    }

    fn partitions_of(&self, watches: &Watches) -> PartitionSet {
        let keyspace = self.held.keyspace();
        let mut set = PartitionSet::default();
        for (WatchedKey { key, .. }, _) in watches.iter() {
            set.insert(keyspace.partition_of(keyspace.spot(key).slot));
        }
        set
    }

    /// A watched key, gone if its time has come, and its partition, which is locked.
    fn look_at_watched(&mut self, WatchedKey { database, key }: &WatchedKey) -> (DatabaseId, &mut Watched) {
        let keyspace = self.held.keyspace();
        let (spot, database) = (keyspace.spot(key), keyspace.database(*database));
        let (_, expired) = self.held.at(spot.slot).find(database, spot, key, self.local.now_ms);
        self.local.counts.expired += u64::from(expired);
        (database, &mut self.held.at(spot.slot).into_partition().watched)
    }

    /// Makes room for a command that may need memory.
    #[inline]
    fn room_for(&mut self, request: &Request<'_>) -> Room {
        let limit = self.local.shared.settings.number(Key::MaxMemory) as u64;
        let needs = limit != 0 && request.row.flags.has(Flags::DENYOOM) && !self.held.is_entered();
        if !needs || self.local.used_bytes() <= limit {
            return Room::Enough;
        }
        let of_memcached = matches!(request.row.verb, Verb::Memcached(_));
        let policy = policy(&self.local.shared.settings, of_memcached);
        evict::make_room(&mut self.held, &mut self.local, limit, policy)
    }

    #[cfg(test)]
    pub(crate) fn evict_one(&mut self, policy: tidegate_protocols::settings::Policy) -> evict::Eviction {
        evict::evict_one(&mut self.held, &mut self.local, policy)
    }

    #[cfg(test)]
    pub(crate) fn has_waste(&self) -> bool {
        self.local.shared.lazyfree.is_waiting()
    }

    #[cfg(test)]
    pub(crate) fn limit_replies(&mut self, bytes_max: usize) {
        self.local.reply_bytes_max = bytes_max;
    }

    fn publish(&mut self) {
        self.local.publish_memory();
        *self.page.lock() = self.local.counts;
    }
}

/// Whether nothing comes of it if the slot of the request's key is said wrong: what only reads finds no key in a
/// slot that is not the key's own, as writing has put none there.
#[inline]
fn may_be_told(row: &Row) -> bool {
    row.flags.has(Flags::READONLY) && row.only_key().is_some() && row.is_redis()
}

/// What may be removed to make room: nothing, where Memcached clients are to get an error instead.
fn policy(settings: &Settings, for_memcached: bool) -> Policy {
    let refuses = for_memcached && settings.is_on(Key::MemcachedErrorOnFull);
    if refuses { Policy::NoEviction } else { settings.policy() }
}

/// The roots and hashes of those that have a key, where there is a table.
#[inline]
fn roots_of<'a>(keyspace: &'a Keyspace, prepared: &'a [Prepared]) -> impl Iterator<Item = (&'a Root, u64)> {
    prepared.iter().filter(|prepared| prepared.keyed).filter_map(|prepared| {
        let roots = keyspace.roots(keyspace.database(prepared.database))?;
        Some((&roots[usize::from(keyspace.place_of(prepared.slot).0)], prepared.hash))
    })
}

impl Worker for StoreWorker {
    fn own(&mut self, epoch: u32, slots: &Slots) {
        let own = (slots.len() < usize::from(SLOTS)).then(|| Arc::new(slots.clone()));
        self.local.own.clone_from(&own);
        self.local.shared.own.replace(epoch, own);
    }

    fn begin(&mut self, now_ms: u64) {
        let local = &mut self.local;
        if local.now_ms != now_ms {
            local.now_ms = now_ms;
            local.clock = AccessClock::new(now_ms, &local.shared.settings);
        }
        if !self.held.is_entered()
            && let Some(database) = local.shared.flush.take(now_ms)
        {
            walk::flush(&mut self.held, local, Some(database), Free::Later);
        }
    }

    #[inline]
    fn prepare(&mut self, row: &Row, args: &Args<'_>, database: u8, slot: Option<u16>) -> Prepared {
        let index = row.first_key(args);
        let Some(key) = args.get(index).filter(|_| index != 0) else { return Prepared::default() };
        let keyspace = self.held.keyspace();
        let Spot { hash, slot } = match slot {
            Some(slot) if may_be_told(row) => keyspace.spot_in(slot, key),
            _ => keyspace.spot(key),
        };
        Prepared { hash, slot, database, keyed: true }
    }

    /// Nothing but prefetches in tight loops: a prefetch whose address the processor has to translate first
    /// holds up what comes after it, unless that is another prefetch.
    fn fetch(&mut self, prepared: &[Prepared]) {
        let keyspace = &*self.local.shared.keyspace;
        let epoch = self.held.epoch();
        for (root, hash) in roots_of(keyspace, prepared) {
            prefetch_bucket(root, hash, epoch);
        }
        for (root, hash) in roots_of(keyspace, prepared) {
            prefetch_entry(root, hash, epoch);
        }
    }

    #[inline]
    fn execute(
        &mut self,
        request: &Request<'_>,
        prepared: Prepared,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let full = matches!(self.room_for(request), Room::None);
        let of_memcached = matches!(request.row.verb, Verb::Memcached(_));
        if full && !of_memcached {
            return refuse(request, &Error::OutOfMemory, reply);
        }
        if self.lock(request, prepared).is_err() {
            return Outcome::Busy;
        }
        let first = if prepared.keyed {
            FirstKey::new(request.args.at(request.row.first_key(&request.args)), prepared)
        } else {
            FirstKey::NONE
        };
        let mut db = Db::new(&mut self.held, &mut self.local, context, first);
        if full {
            memcached::no_memory(request, &mut db);
            return refuse(request, &Error::OutOfMemory, reply);
        }
        execute(request, &mut db, reply)
    }

    fn make_room(&mut self) -> bool {
        let settings = &self.local.shared.settings;
        let (limit, policy) = (settings.number(Key::MaxMemory) as u64, settings.policy());
        limit == 0
            || self.local.used_bytes() <= limit
            || evict::make_room(&mut self.held, &mut self.local, limit, policy) == Room::Enough
    }

    fn watch(
        &mut self,
        watches: &mut Watches,
        _before: &Watches,
        _context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let set = self.partitions_of(watches);
        if self.held.lock_set(&set).is_err() {
            return Outcome::Busy;
        }
        for (watched, version) in watches.iter_mut() {
            let (database, all) = self.look_at_watched(watched);
            *version = all.add(database, &watched.key);
        }
        reply.ok();
        Outcome::Done
    }

    fn unwatch(&mut self, _client_id: u64, watches: &Watches) {
        for (watched, _) in watches.iter() {
            let keyspace = self.held.keyspace();
            self.held.lock_patiently(keyspace.partition_of(keyspace.spot(&watched.key).slot));
            let (database, all) = self.look_at_watched(watched);
            all.remove(database, &watched.key);
        }
    }

    fn enter(&mut self, transaction: &Transaction<'_>) -> Entered {
        let set = self.needs(transaction);
        if self.held.enter(&set).is_err() {
            return Entered::Busy;
        }
        let mut unchanged = true;
        for (watched, version) in transaction.watches.iter() {
            let (database, all) = self.look_at_watched(watched);
            unchanged &= all.remove(database, &watched.key) == Some(version);
        }
        if unchanged {
            return Entered::Yes;
        }
        self.held.leave();
        Entered::Stale
    }

    fn leave(&mut self) {
        self.held.leave();
    }

    fn finish(&mut self) {
        self.held.finish();
        self.publish();
    }

    fn maintain(&mut self, now_ms: u64, budget: Duration) {
        self.begin(now_ms);
        let start = Instant::now();
        if self.local.index == 0 {
            self.local.shared.memory.refresh();
        }
        let flushed = self.local.shared.lazyfree.is_waiting();
        let sweep = if flushed { budget / 2 } else { budget };
        self.sweep.run(&mut self.held, &mut self.local, start + sweep);
        while self.local.shared.lazyfree.free_some(self.held.epoch()) && start.elapsed() < budget {}
        // A limit that was lowered, and what commands had no time for.
        let settings = &self.local.shared.settings;
        let limit = settings.number(Key::MaxMemory) as u64;
        if limit != 0 && self.local.used_bytes() > limit {
            let policy = policy(settings, true);
            evict::make_room(&mut self.held, &mut self.local, limit, policy);
        }
        self.held.collect();
        self.publish();
    }
}
