//! The store of a process: what its workers share.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU64};

use parking_lot::Mutex;
use tidegate_protocols::Slots;
use tidegate_protocols::data::{Data, DatabaseFigures, Figures, Worker as _};
use tidegate_protocols::limits::{DATABASES, SCRIPT_THREADS};
use tidegate_protocols::settings::Settings;

use crate::allocator;
use crate::aof::{self, Aof};
use crate::apart::Apart;
use crate::counts::Ledger;
use crate::held;
use crate::lazyfree::LazyFree;
use crate::log::Log;
use crate::memory::Memory;
use crate::partition::Keyspace;
use crate::saving::Saving;
use crate::scripting::Scripts;
use crate::snapshot::Snapshots;
use crate::table::Table;
use crate::waiting::Waiting;
use crate::walk;
use crate::worker::StoreWorker;

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) keyspace: Arc<Keyspace>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) memory: Memory,
    pub(crate) ledger: Ledger,
    pub(crate) flush: DelayedFlush,
    pub(crate) lazyfree: Arc<LazyFree>,
    pub(crate) own: Own,
    pub(crate) waiting: Waiting,
    pub(crate) scripting: Scripts,
    pub(crate) apart: Apart,
    pub(crate) log: Arc<Log>,
    pub(crate) aof: Arc<Aof>,
    pub(crate) snapshots: Snapshots,
    pub(crate) saving: Saving,
    /// What was counted of the databases when all partitions were looked at last.
    databases: Mutex<[DatabaseFigures; DATABASES]>,
}

/// The slots whose keys are counted, by the newest topology that any worker has heard of; `None` is all.
#[derive(Default)]
pub(crate) struct Own(Mutex<(u32, Option<Arc<Slots>>)>);

impl Own {
    /// Takes over what an epoch says, unless there is a newer one.
    pub(crate) fn replace(&self, epoch: u32, slots: Option<Arc<Slots>>) {
        let mut known = self.0.lock();
        if epoch >= known.0 {
            *known = (epoch, slots);
        }
    }

    pub(crate) fn slots(&self) -> Option<Arc<Slots>> {
        self.0.lock().1.clone()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.aof.end(&self.log);
        let epoch = self.keyspace.collector().register().pin();
        while self.lazyfree.free_some(&epoch) {}
    }
}

/// A flush that was asked for at a later time; the last one asked for counts.
pub(crate) struct DelayedFlush {
    due_ms: AtomicU64,
    database: AtomicU8,
}

impl DelayedFlush {
    const NEVER: u64 = u64::MAX;

    /// Asks for `database` (the number clients use) to be emptied at `due_ms`, or for nothing.
    pub(crate) fn set(&self, database: u8, due_ms: Option<u64>) {
        self.database.store(database, Relaxed);
        self.due_ms.store(due_ms.unwrap_or(Self::NEVER), Relaxed);
    }

    /// The database to be emptied now, if it is time. Told to one worker.
    #[inline]
    pub(crate) fn take(&self, now_ms: u64) -> Option<u8> {
        let due_ms = self.due_ms.load(Relaxed);
        if now_ms < due_ms {
            return None;
        }
        let taken = self.due_ms.compare_exchange(due_ms, Self::NEVER, Relaxed, Relaxed);
        taken.is_ok().then(|| self.database.load(Relaxed))
    }
}

/// The store of one process.
pub struct Store {
    shared: Arc<Shared>,
}

impl Store {
    /// An empty store for `workers` workers.
    ///
    /// # Panics
    /// If the allocator was not built as entries need it (see [`crate::allocator::check`]).
    pub fn new(settings: Arc<Settings>, workers: usize) -> Self {
        crate::allocator::check();
        let lazyfree = Arc::default();
        let shared = Shared {
            keyspace: Arc::new(Keyspace::new(workers, &lazyfree)),
            settings,
            // One more is who loads a file.
            memory: Memory::new(workers.max(1) + SCRIPT_THREADS + 1),
            ledger: Ledger::default(),
            flush: DelayedFlush { due_ms: AtomicU64::new(DelayedFlush::NEVER), database: AtomicU8::new(0) },
            lazyfree,
            own: Own::default(),
            waiting: Waiting::new(workers),
            scripting: Scripts::new(workers),
            apart: Apart::new(workers),
            log: Arc::default(),
            aof: Arc::default(),
            snapshots: Snapshots::default(),
            saving: Saving::new(),
            databases: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reads the append-only file, and has everything that changes be written to it from now on. Called before anybody uses
    /// the store; what takes its time is told in the log.
    ///
    /// # Errors
    /// What cannot be read or written, and why.
    pub fn open_append_only(&self) -> Result<(), String> {
        let shared = &self.shared;
        let place = aof::Place::of(&shared.settings);
        let mut worker = StoreWorker::loading(Arc::clone(shared));
        let loaded = aof::load::load(&place, &shared.settings, &mut worker);
        worker.finish();
        drop(worker);
        if let Some(commands) = loaded? {
            let keys: u64 = self.databases().iter().map(|database| database.keys).sum();
            tracing::info!("the append-only file is loaded: {commands} commands, {keys} keys");
        }
        shared.aof.begin(&place, &shared.log, &shared.settings)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Workers that are no threads for what takes long.
    pub(crate) fn workers(&self) -> usize {
        self.shared.waiting.workers()
    }

    /// Adds up what the partitions count, each locked for a moment.
    fn databases(&self) -> [DatabaseFigures; DATABASES] {
        let keyspace = &self.shared.keyspace;
        let mut figures = [DatabaseFigures::default(); DATABASES];
        let own = self.shared.own.slots();
        let epoch = keyspace.collector().register();
        for partition in 0..keyspace.partitions() {
            let seen = held::look_at(keyspace, partition, |partition| {
                for (number, figures) in figures.iter_mut().enumerate() {
                    let database = keyspace.database(number as u8);
                    let tally = partition.tally(database);
                    let foreign = walk::foreign(keyspace, partition, database, own.as_deref(), &epoch.pin());
                    figures.keys += tally.keys - foreign.keys;
                    figures.expires += tally.expires - foreign.expires;
                    figures.ttl_ms_mean = figures.ttl_ms_mean.max(tally.ttl_ms_mean);
                }
            });
            if seen.is_none() {
                // As far as is known.
                return *self.shared.databases.lock();
            }
        }
        *self.shared.databases.lock() = figures;
        figures
    }

    /// How many keys are waited for, and how many of them for their removal, too.
    fn waited_for(&self) -> (u64, u64) {
        let keyspace = &self.shared.keyspace;
        if !keyspace.has_waiters() {
            return (0, 0);
        }
        let count = |partition| held::look_at(keyspace, partition, |it| it.watched.count_queues());
        (0..keyspace.partitions()).filter_map(count).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Bytes of all tables without their entries.
    fn table_bytes(&self) -> u64 {
        let keyspace = &self.shared.keyspace;
        let epoch = keyspace.collector().register().pin();
        let databases = (0..DATABASES).filter_map(|number| keyspace.roots(keyspace.database(number as u8)));
        databases.flatten().map(|root| Table::bytes(root, &epoch) as u64 + size_of_val(root) as u64).sum()
    }
}

impl Data for Store {
    type Worker = StoreWorker;

    fn worker(&self, index: usize, count: usize) -> StoreWorker {
        StoreWorker::new(Arc::clone(&self.shared), index, count)
    }

    fn figures(&self) -> Figures {
        let memory = self.shared.memory.refresh();
        let counts = self.shared.ledger.sum();
        let (waited_for, waited_for_removal) = self.waited_for();
        Figures {
            databases: self.databases(),
            allocated_bytes: memory.allocated,
            active_bytes: memory.active,
            resident_bytes: memory.resident,
            allocated_bytes_peak: self.shared.memory.peak(),
            table_bytes: self.table_bytes(),
            hits: counts.hits,
            misses: counts.misses,
            expired: counts.expired,
            evicted: counts.evicted,
            changes: counts.changes,
            lazyfree_pending: self.shared.lazyfree.pending(),
            lazyfreed: self.shared.lazyfree.freed(),
            waited_for,
            waited_for_removal,
            tracked_keys: self.shared.keyspace.tracked().keys(),
            tracked_items: self.shared.keyspace.tracked().readers(),
            memcached: counts.memcached,
            scripts: self.shared.scripting.figures(),
            aof: self.shared.aof.figures(&self.shared.log),
            persistence: self.shared.saving.figures(counts.changes),
        }
    }

    fn reset_figures(&self) {
        self.shared.ledger.reset();
        self.shared.lazyfree.reset();
    }

    fn save(&self) -> Result<(), String> {
        self.save_now()
    }

    fn purge(&self) {
        allocator::purge();
    }

    fn allocator_report(&self) -> String {
        allocator::report()
    }
}
