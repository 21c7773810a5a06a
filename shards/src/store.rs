//! The store and a worker's way to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidegate_protocols::data::{Context, Data, Figures, MemcachedFigures, Outcome, Prepared, Worker};
use tidegate_protocols::limits::DATABASES;
use tidegate_protocols::settings::Settings;
use tidegate_protocols::{Reply, Request};

use crate::db::Db;
use crate::execute::execute;
use crate::table::Item;

/// Everything that is stored.
pub(crate) struct Inner {
    pub(crate) databases: Vec<HashMap<Box<[u8]>, Item>>,
    pub(crate) cas: u64,
    pub(crate) flush_at: Option<u64>,
}

impl Inner {
    pub(crate) fn next_cas(&mut self) -> u64 {
        self.cas += 1;
        self.cas
    }
}

/// What a worker counts.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) expired: u64,
    pub(crate) memcached: MemcachedFigures,
}

struct Shared {
    inner: Mutex<Inner>,
    counts: Mutex<Counts>,
    settings: Arc<Settings>,
}

/// The store of one process.
pub struct Store {
    shared: Arc<Shared>,
}

impl Store {
    /// An empty store for `workers` workers.
    pub fn new(settings: Arc<Settings>, _workers: usize) -> Self {
        let databases = (0..DATABASES).map(|_| HashMap::new()).collect();
        let inner = Mutex::new(Inner { databases, cas: 0, flush_at: None });
        Self { shared: Arc::new(Shared { inner, counts: Mutex::default(), settings }) }
    }
}

impl Data for Store {
    type Worker = StoreWorker;

    fn worker(&self, _index: usize, _count: usize) -> StoreWorker {
        StoreWorker { shared: Arc::clone(&self.shared), now_ms: 0 }
    }

    fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        let counts = self.shared.counts.lock().clone();
        for (figures, database) in figures.databases.iter_mut().zip(&self.shared.inner.lock().databases) {
            figures.keys = database.len() as u64;
            figures.expires = database.values().filter(|item| item.meta.expire_at.is_some()).count() as u64;
        }
        Figures {
            hits: counts.hits,
            misses: counts.misses,
            expired: counts.expired,
            memcached: counts.memcached,
            ..figures
        }
    }

    fn reset_figures(&self) {
        *self.shared.counts.lock() = Counts::default();
    }
}

/// One worker's way to the store.
pub struct StoreWorker {
    shared: Arc<Shared>,
    now_ms: u64,
}

impl Worker for StoreWorker {
    fn begin(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    fn prepare(&mut self, _request: &Request<'_>, _context: &Context) -> Prepared {
        Prepared::default()
    }

    fn fetch(&mut self, _prepared: Prepared, _context: &Context) {}

    fn execute(
        &mut self,
        request: &Request<'_>,
        _prepared: Prepared,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let mut inner = self.shared.inner.lock();
        let mut counts = self.shared.counts.lock();
        let settings = &self.shared.settings;
        let mut db = Db { inner: &mut inner, counts: &mut counts, settings, context, now_ms: self.now_ms };
        execute(request, &mut db, reply)
    }

    fn finish(&mut self) {}

    fn maintain(&mut self, _now_ms: u64, _budget: Duration) {}
}
