//! What the workers of one gateway have in common.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::RwLock;
use tidegate_protocols::data::{Data, Figures};
use tidegate_protocols::settings::{Key, Settings, Value};
use tokio::sync::{Notify, watch};

use crate::acl::Acl;
use crate::counters::Counters;
use crate::decoder::Family;
use crate::gateway::Config;
use crate::generations::Generations;
use crate::latency::LatencyMonitor;
use crate::membership::{Membership, Seat};
use crate::nodes::NodeName;
use crate::overdue::LongScripts;
use crate::pubsub::PubSub;
use crate::rates::Rates;
use crate::registry::Registry;
use crate::slow_log::SlowLog;
use crate::tracking::Trackers;
use crate::unix::UnixPlace;
use crate::users::Users;
use crate::worker::Message;

/// What the workers of one gateway have in common, and what the manager may look at.
pub struct Shared {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The clients.
    pub registry: Registry,
    /// Who clients may be.
    pub(crate) acl: Arc<Acl>,
    /// Who listens to what.
    pub(crate) pubsub: PubSub,
    /// Who keeps what he has read.
    pub(crate) trackers: Trackers,
    /// What has been counted.
    pub counters: Counters,
    /// The commands that took too long.
    pub slow_log: SlowLog,
    /// The latency spikes.
    pub latency: LatencyMonitor,
    /// How busy the server is.
    pub rates: Rates,
    /// Whom Memcached clients may be besides Redis's user `default`.
    users: RwLock<Users>,
    /// The file the settings came from, if the manager has said so.
    pub config_file: OnceLock<ConfigFile>,
    /// Bytes in use when the gateway started.
    pub startup_bytes: u64,
    /// When the gateway started, in Unix milliseconds.
    pub started_ms: u64,
    /// Forty hexadecimal digits that tell this process from any other.
    pub run_id: String,
    /// What clients of a cluster call this process.
    pub(crate) node: NodeName,
    /// How many workers there are.
    pub workers: usize,
    /// Where Redis clients are listened to.
    pub redis: Vec<SocketAddr>,
    /// Where Memcached clients are listened to.
    pub memcached: Vec<SocketAddr>,
    /// The file where Redis clients are listened to.
    pub(crate) redis_socket: Option<UnixPlace>,
    /// The file where Memcached clients of this machine are listened to.
    pub memcached_socket: Option<UnixPlace>,
    /// Where gateways reach it by network.
    pub links: Vec<SocketAddr>,
    /// What this process is as a shard.
    pub membership: Option<Membership>,
    /// The links of gateways, if it is one.
    pub(crate) generations: Generations,
    /// What this process is as a gateway in front of shards.
    pub(crate) seat: Option<Seat>,
    /// Connections of each worker, counted from when they are handed to it.
    pub(crate) load: Box<[AtomicUsize]>,
    /// Connections that were not done when their worker had to end.
    pub(crate) cut_off: AtomicUsize,
    pub(crate) pause: Pause,
    /// Scripts that run at shards.
    pub(crate) long_scripts: LongScripts,
    shutdown: watch::Sender<bool>,
    /// Whether it is to be saved before the end, as a client who has asked for that has said.
    saves_at_end: OnceLock<bool>,
    store: Box<dyn Store>,
}

/// Writes settings to where they came from; the error is the reason alone.
pub type Rewrite = dyn Fn(&Settings) -> Result<(), String> + Send + Sync;

/// The file the settings came from.
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// Writes the settings in use to it; the error is the reason alone.
    pub rewrite: Box<Rewrite>,
}

/// The part of [`Data`] that needs no worker.
trait Store: Send + Sync {
    fn figures(&self) -> Figures;
    fn reset_figures(&self);
    fn save(&self) -> Result<(), String>;
    fn purge(&self);
    fn allocator_report(&self) -> String;
}

struct StoreOf<D>(Arc<D>);

impl<D: Data> Store for StoreOf<D> {
    fn figures(&self) -> Figures {
        self.0.figures()
    }

    fn reset_figures(&self) {
        self.0.reset_figures();
    }

    fn save(&self) -> Result<(), String> {
        self.0.save()
    }

    fn purge(&self) {
        self.0.purge();
    }

    fn allocator_report(&self) -> String {
        self.0.allocator_report()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("run_id", &self.run_id).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new<D: Data>(
        data: Arc<D>,
        settings: Arc<Settings>,
        (registry, acl): (Registry, Arc<Acl>),
        config: &Config,
        [redis, memcached, links]: [Vec<SocketAddr>; 3],
    ) -> Self {
        let workers = config.workers.max(1);
        Self {
            settings,
            pubsub: PubSub::new(registry.workers()),
            trackers: Trackers::default(),
            registry,
            acl,
            counters: Counters::new(workers),
            slow_log: SlowLog::default(),
            latency: LatencyMonitor::default(),
            rates: Rates::default(),
            users: RwLock::new(config.users.clone()),
            config_file: OnceLock::new(),
            startup_bytes: data.figures().allocated_bytes,
            started_ms: now_ms(),
            run_id: hex_name(),
            node: match &config.seat {
                Some(seat) => NodeName::of(&seat.gateway),
                None => NodeName { node: hex_name(), shard: hex_name() },
            },
            workers,
            redis,
            memcached,
            redis_socket: config.redis_socket.clone(),
            memcached_socket: config.memcached_socket.clone(),
            links,
            membership: config.membership.clone(),
            generations: Generations::default(),
            seat: config.seat.clone(),
            load: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            cut_off: AtomicUsize::new(0),
            pause: Pause::default(),
            long_scripts: LongScripts::new(workers),
            shutdown: watch::Sender::new(false),
            saves_at_end: OnceLock::new(),
            store: Box::new(StoreOf(data)),
        }
    }

    /// Whether clients of this family have to say who they are.
    pub(crate) fn needs_login(&self, family: Family) -> bool {
        match family {
            Family::Redis => !self.acl.is_open(),
            Family::Memcached => !self.acl.is_open() || self.has_users(),
            // Gateways know whom they let in.
            Family::Link => false,
        }
    }

    /// Says whom Memcached clients may be from now on; who has said who it is stays that.
    pub fn set_users(&self, users: Users) {
        *self.users.write() = users;
    }

    pub(crate) fn has_users(&self) -> bool {
        !self.users.read().is_empty()
    }

    /// Whether there is a user of this name with this password.
    pub(crate) fn knows_user(&self, name: &[u8], password: &[u8]) -> bool {
        self.users.read().know(name, password)
    }

    /// Whether clients see a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.settings.is_on(Key::ClusterEnabled)
    }

    /// The figures of the store.
    pub fn figures(&self) -> Figures {
        self.store.figures()
    }

    /// Called several times a second by every worker: one of them takes a sample when it is time.
    pub(crate) fn sample_rates(&self, now_ms: u64) {
        if self.rates.is_due(now_ms) {
            self.rates.sample(now_ms, &self.counters.totals());
        }
    }

    /// Holds back clients until `until_ms`, and has nothing expire or be evicted meanwhile.
    pub(crate) fn hold_back(&self, kind: PauseKind, until_ms: u64, now_ms: u64) {
        self.pause.begin(kind, until_ms, now_ms);
        let until_ms = self.pause.now(now_ms).map_or(0, |(_, until_ms)| until_ms);
        self.settings.store(Key::PausedUntil, Value::Number(until_ms as i64));
    }

    /// Lets clients that are held back go on.
    pub(crate) fn let_go_on(&self) {
        self.pause.end();
        self.settings.store(Key::PausedUntil, Value::Number(0));
    }

    /// Saves everything, and returns when it is on the disk.
    ///
    /// # Errors
    /// Why that cannot be, for people.
    pub(crate) fn save(&self) -> Result<(), String> {
        self.store.save()
    }

    /// Gives memory that is not in use back to the system.
    pub(crate) fn purge(&self) {
        self.store.purge();
    }

    /// What the allocator says of itself, for people.
    pub(crate) fn allocator_report(&self) -> String {
        self.store.allocator_report()
    }

    /// Sets everything that counts events back to zero (`CONFIG RESETSTAT`).
    pub fn reset_statistics(&self) {
        self.store.reset_figures();
        self.counters.reset();
        self.acl.log.reset_counts();
    }

    /// Has every worker look at what its clients may do now.
    pub(crate) fn users_changed(&self) {
        for worker in self.registry.workers() {
            // A worker that is gone has closed its clients.
            let _ = worker.send(Message::Look);
        }
    }

    /// Whether what has changed since is to be saved before the end, if a client who has asked for it has said so.
    pub fn saves_at_end(&self) -> Option<bool> {
        self.saves_at_end.get().copied()
    }

    /// Asks whoever runs the gateway to end it (`SHUTDOWN`).
    pub fn request_shutdown(&self, saves: bool) {
        // The first who asks has it ended.
        let _ = self.saves_at_end.set(saves);
        self.shutdown.send_replace(true);
    }

    /// Becomes true when somebody has asked for the end.
    pub fn shutdown_requested(&self) -> watch::Receiver<bool> {
        self.shutdown.subscribe()
    }
}

/// The time in Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64
}

/// Forty hexadecimal digits nobody else has, from the standard library's random hash keys.
fn hex_name() -> String {
    use std::hash::{BuildHasher, RandomState};
    let [a, b, c] = [0, 1, 2].map(|part| RandomState::new().hash_one(part));
    format!("{a:016x}{b:016x}{:08x}", c as u32)
}

/// `CLIENT PAUSE`: until when, and what, is held back.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    until_ms: AtomicU64,
    kind: AtomicU8,
    changed: Notify,
}

/// What a pause holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PauseKind {
    /// Commands that may write.
    Writes,
    /// All commands.
    All,
}

impl Pause {
    /// Holds back clients until `until_ms`. A pause that is on is only made longer and stricter. Source:
    /// Redis `pauseClients`.
    pub(crate) fn begin(&self, kind: PauseKind, until_ms: u64, now_ms: u64) {
        let on = self.until_ms.load(Relaxed) > now_ms;
        if !on || kind == PauseKind::All {
            self.kind.store(kind as u8, Relaxed);
        }
        self.until_ms.fetch_max(until_ms, Relaxed);
        self.changed.notify_waiters();
    }

    pub(crate) fn end(&self) {
        self.until_ms.store(0, Relaxed);
        self.changed.notify_waiters();
    }

    /// Until when, in Unix milliseconds, and what is held back, if anything is.
    #[inline]
    pub(crate) fn now(&self, now_ms: u64) -> Option<(PauseKind, u64)> {
        let until_ms = self.until_ms.load(Relaxed);
        if until_ms <= now_ms {
            return None;
        }
        let all = self.kind.load(Relaxed) == PauseKind::All as u8;
        Some((if all { PauseKind::All } else { PauseKind::Writes }, until_ms))
    }

    /// Waits until the pause may have changed, or until it is over.
    pub(crate) async fn over(&self) {
        let changed = self.changed.notified();
        let Some((_, until_ms)) = self.now(now_ms()) else { return };
        let left = Duration::from_millis(until_ms.saturating_sub(now_ms()));
        let _ = tokio::time::timeout(left, changed).await;
    }
}
