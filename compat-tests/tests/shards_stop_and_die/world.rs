//! What the clients and whoever torments their shards know of each other.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use tidegate_compat_tests::machine::Deadline;

/// Shards there are; they have equal parts of the slots.
pub(crate) const SHARDS: usize = 3;

/// How long who has been told of trouble waits at the most before the next try.
const REST: Duration = Duration::from_millis(20);

pub(crate) struct World {
    pub(crate) redis: SocketAddr,
    pub(crate) memcached: SocketAddr,
    /// How long an answer may take.
    pub(crate) patience: Duration,
    pub(crate) shards: [ShardState; SHARDS],
    pub(crate) clients: Vec<Progress>,
    failure: Mutex<Option<String>>,
    over: AtomicBool,
    news: (Mutex<()>, Condvar),
}

/// Both numbers are odd while it lasts, and grow with each time.
#[derive(Default)]
pub(crate) struct ShardState {
    /// It may be losing its data.
    deaths: AtomicU64,
    /// It may be stopped, dead, or not linked again yet.
    troubles: AtomicU64,
}

/// How a client gets on.
pub(crate) struct Progress {
    /// The shard all its keys are in, unless they are in several.
    pub(crate) home: Option<usize>,
    /// Batches answered without trouble.
    pub(crate) rounds: AtomicU64,
    /// Errors it was told.
    pub(crate) errors: AtomicU64,
    /// The longest it has waited for a batch, since somebody last set it to 0.
    pub(crate) slowest_us: AtomicU64,
}

impl World {
    pub(crate) fn new(
        redis: SocketAddr,
        memcached: SocketAddr,
        patience: Duration,
        homes: Vec<Option<usize>>,
    ) -> Self {
        let progress = |home| Progress {
            home,
            rounds: AtomicU64::default(),
            errors: AtomicU64::default(),
            slowest_us: AtomicU64::default(),
        };
        Self {
            redis,
            memcached,
            patience,
            shards: Default::default(),
            clients: homes.into_iter().map(progress).collect(),
            failure: Mutex::default(),
            over: AtomicBool::default(),
            news: (Mutex::default(), Condvar::default()),
        }
    }

    /// Waits until `happened`, which is looked at whenever a client has news.
    ///
    /// # Panics
    /// With `what` if it does not happen within `wait`, and with what a client has found wrong meanwhile.
    pub(crate) fn until(&self, what: &str, wait: Duration, happened: impl Fn() -> bool) {
        let deadline = Deadline::after(wait);
        while !happened() {
            if let Some(failure) = self.failure() {
                panic!("{failure}");
            }
            assert!(!deadline.left().is_zero(), "in {wait:?} not: {what}");
            self.rest();
        }
    }

    /// Waits for news, for a moment.
    pub(crate) fn rest(&self) {
        let (mutex, bell) = &self.news;
        let guard = mutex.lock().unwrap();
        drop(bell.wait_timeout(guard, REST).unwrap());
    }

    /// Something has happened that others may wait for.
    pub(crate) fn tell(&self) {
        self.news.1.notify_all();
    }

    pub(crate) fn fail(&self, failure: String) {
        self.failure.lock().unwrap().get_or_insert(failure);
        self.tell();
    }

    /// What a client has found wrong.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap().clone()
    }

    /// Tells the clients to look at everything once more and go.
    pub(crate) fn end(&self) {
        self.over.store(true, SeqCst);
        self.tell();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// Clients whose keys are all in one shard that is not `shard`.
    pub(crate) fn elsewhere(&self, shard: usize) -> impl Iterator<Item = &Progress> {
        self.clients.iter().filter(move |client| client.home.is_some_and(|home| home != shard))
    }

    /// Errors that clients whose keys are all in `shard` were told.
    pub(crate) fn errors_of(&self, shard: usize) -> u64 {
        let at_home = self.clients.iter().filter(|client| client.home == Some(shard));
        at_home.map(|client| client.errors.load(SeqCst)).sum()
    }
}

impl ShardState {
    pub(crate) fn trouble_begins(&self) {
        self.troubles.fetch_add(1, SeqCst);
    }

    pub(crate) fn trouble_has_ended(&self) {
        self.troubles.fetch_add(1, SeqCst);
    }

    pub(crate) fn death_begins(&self) {
        self.deaths.fetch_add(1, SeqCst);
    }

    pub(crate) fn death_has_ended(&self) {
        self.deaths.fetch_add(1, SeqCst);
    }

    pub(crate) fn deaths(&self) -> u64 {
        self.deaths.load(SeqCst)
    }

    pub(crate) fn troubles(&self) -> u64 {
        self.troubles.load(SeqCst)
    }

    /// Whether data that was there at `deaths` may be gone.
    pub(crate) fn may_have_died_since(&self, deaths: u64) -> bool {
        deaths % 2 == 1 || self.deaths() != deaths
    }

    /// Whether something was in the way since `troubles`.
    pub(crate) fn was_troubled_since(&self, troubles: u64) -> bool {
        troubles % 2 == 1 || self.troubles() != troubles
    }
}
