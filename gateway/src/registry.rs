//! Every connected client, for `CLIENT LIST`, `CLIENT KILL` and INFO.
//!
//! What other threads may know of a client are atomics written by its own worker, so that keeping them up
//! to date costs plain stores.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

use dashmap::DashMap;
use parking_lot::Mutex;
use socket2::SockRef;
use tidegate_protocols::data::Unblock;
use tidegate_protocols::table::row_at;
use tidegate_protocols::{Dialect, Row};
use tokio::sync::mpsc::UnboundedSender;

use crate::acl::{User, Waiting};
use crate::pubsub::{Kind, Subscriptions};
use crate::queue::Queue;
use crate::worker::Message;

/// One connected client, as everyone may see it.
#[derive(Debug)]
pub struct Client {
    /// Its number, unique in this process.
    pub id: u64,
    /// Where it is.
    pub address: Address,
    /// Where it has connected to.
    pub local_address: Address,
    /// When it connected, in Unix milliseconds.
    pub created_ms: u64,
    /// The number of its socket.
    pub descriptor: u32,
    worker: u32,
    last_ms: AtomicU64,
    command: AtomicU32,
    database: AtomicU8,
    dialect: AtomicU8,
    no_evict: AtomicBool,
    no_touch: AtomicBool,
    doomed: AtomicBool,
    pending_bytes: AtomicU64,
    /// What has arrived of a large request.
    unread_bytes: AtomicU64,
    /// Requests queued, and one; 0 outside of a transaction.
    queued: AtomicU32,
    queued_bytes: AtomicU64,
    watched: AtomicU32,
    /// Channels, patterns and sharded channels it listens to.
    subscriptions: [AtomicU32; Kind::ALL.len()],
    is_monitor: AtomicBool,
    /// See [`Tracks`]: its marks, and to whom it redirects.
    tracks: AtomicU8,
    redirect: AtomicU64,
    blocked: AtomicBool,
    /// Whether it waits for replicas.
    idle: AtomicBool,
    /// What it waits for keys with.
    pub(crate) waiting: Waiting,
    /// None of most clients.
    texts: Mutex<Option<Box<Texts>>>,
    user: Mutex<Arc<User>>,
}

/// How a client keeps what it has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tracks {
    /// Whether it does.
    pub is_on: bool,
    /// It is told of keys by their beginnings (`BCAST`).
    pub follows: bool,
    /// It is not told of what it has changed itself (`NOLOOP`).
    pub spares_own: bool,
    /// Whoever should be told instead is gone.
    pub is_broken: bool,
    /// It is the link of a gateway, some of whose clients do.
    pub is_gateway: bool,
    /// Who is told instead; 0 is nobody. Of the link of a gateway: the process of that.
    pub redirect: u64,
}

impl Tracks {
    fn marks(self) -> u8 {
        let Self { is_on, follows, spares_own, is_broken, is_gateway, .. } = self;
        let marks = [is_on, follows, spares_own, is_broken, is_gateway].into_iter().enumerate();
        marks.map(|(bit, is)| u8::from(is) << bit).sum()
    }
}

/// Where a client is, or what it has connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// By network.
    Tcp(SocketAddr),
    /// By a file of this machine.
    Unix(Box<Path>),
}

impl Address {
    /// Where the other end of a stream is; by a file, where it has connected to, as clients have no files.
    pub(crate) fn of_peer(stream: &TcpStream) -> io::Result<Self> {
        match SockRef::from(stream).peer_addr()?.as_socket() {
            Some(address) => Ok(Self::Tcp(address)),
            None => Self::of_ours(stream),
        }
    }

    /// What a client has connected to.
    pub(crate) fn of_ours(stream: &TcpStream) -> io::Result<Self> {
        let address = SockRef::from(stream).local_addr()?;
        let path = || Self::Unix(address.as_pathname().unwrap_or(Path::new("")).into());
        Ok(address.as_socket().map_or_else(path, Self::Tcp))
    }

    pub(crate) fn is_on_this_machine(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// As Redis shows them: a file as if it had port 0.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{}:0", path.display()),
        }
    }
}

/// What a client has said about itself.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// `CLIENT SETNAME`.
    pub name: Box<str>,
    /// `CLIENT SETINFO LIB-NAME`.
    pub library: Box<str>,
    /// `CLIENT SETINFO LIB-VER`.
    pub library_version: Box<str>,
    /// Of the link of a gateway: its process; of anybody else 0.
    pub process: u64,
}

/// Bytes a watched key counts. Source: Redis `multi.c`, `multiStateMemOverhead`.
const WATCHED_BYTES: u64 = 56;

impl Client {
    fn new(
        id: u64,
        [worker, descriptor]: [usize; 2],
        [address, local_address]: [Address; 2],
        now_ms: u64,
        user: &Arc<User>,
    ) -> Self {
        Self {
            id,
            address,
            local_address,
            created_ms: now_ms,
            descriptor: descriptor as u32,
            worker: worker as u32,
            last_ms: AtomicU64::new(now_ms),
            command: AtomicU32::new(0),
            database: AtomicU8::new(0),
            dialect: AtomicU8::new(0),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            doomed: AtomicBool::new(false),
            pending_bytes: AtomicU64::new(0),
            unread_bytes: AtomicU64::new(0),
            queued: AtomicU32::new(0),
            queued_bytes: AtomicU64::new(0),
            watched: AtomicU32::new(0),
            subscriptions: Default::default(),
            is_monitor: AtomicBool::new(false),
            tracks: AtomicU8::new(0),
            redirect: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            waiting: Waiting::default(),
            texts: Mutex::default(),
            user: Mutex::new(Arc::clone(user)),
        }
    }

    /// The one that scripts are to the commands they execute. Nobody else sees it.
    pub(crate) fn of_scripts(user: &Arc<User>) -> Self {
        let nowhere = Address::Tcp(SocketAddr::from(([0, 0, 0, 0], 0)));
        Self::new(0, [0, 0], [nowhere.clone(), nowhere], 0, user)
    }

    /// When it was last heard of, in Unix milliseconds.
    pub fn last_ms(&self) -> u64 {
        self.last_ms.load(Relaxed)
    }

    /// The last command it sent.
    pub fn command(&self) -> Option<&'static Row> {
        // 0 is none, so the position of a row is one less.
        let position = (self.command.load(Relaxed) as usize).checked_sub(1)?;
        row_at(position)
    }

    /// The logical database it has selected.
    pub fn database(&self) -> u8 {
        self.database.load(Relaxed)
    }

    /// What it speaks.
    pub fn dialect(&self) -> Dialect {
        Dialect::ALL[usize::from(self.dialect.load(Relaxed))]
    }

    /// `CLIENT NO-EVICT ON`.
    pub fn no_evict(&self) -> bool {
        self.no_evict.load(Relaxed)
    }

    /// `CLIENT NO-TOUCH ON`.
    pub fn no_touch(&self) -> bool {
        self.no_touch.load(Relaxed)
    }

    /// Whether it is about to be closed.
    pub fn is_doomed(&self) -> bool {
        self.doomed.load(Relaxed)
    }

    /// Bytes of output it has not taken yet.
    pub fn pending_bytes(&self) -> u64 {
        self.pending_bytes.load(Relaxed)
    }

    /// Bytes that have arrived of a large request which is not complete yet.
    pub fn unread_bytes(&self) -> u64 {
        self.unread_bytes.load(Relaxed)
    }

    pub(crate) fn set_unread_bytes(&self, bytes: usize) {
        self.unread_bytes.store(bytes as u64, Relaxed);
    }

    /// Requests it has queued since `MULTI`.
    pub fn queued(&self) -> Option<u32> {
        self.queued.load(Relaxed).checked_sub(1)
    }

    /// Bytes of these, as Redis counts them.
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes.load(Relaxed)
    }

    /// How many channels, patterns and sharded channels it listens to.
    pub fn subscriptions(&self) -> [u32; 3] {
        [Kind::Channel, Kind::Pattern, Kind::Shard]
            .map(|kind| self.subscriptions[kind as usize].load(Relaxed))
    }

    /// Whether it watches all commands.
    pub fn is_monitor(&self) -> bool {
        self.is_monitor.load(Relaxed)
    }

    /// How it keeps what it has read.
    pub fn tracks(&self) -> Tracks {
        let marks = self.tracks.load(Acquire);
        let is = |bit: u8| marks & 1 << bit != 0;
        Tracks {
            is_on: is(0),
            follows: is(1),
            spares_own: is(2),
            is_broken: is(3),
            is_gateway: is(4),
            redirect: self.redirect.load(Relaxed),
        }
    }

    /// The number of its worker.
    pub(crate) fn worker(&self) -> usize {
        self.worker as usize
    }

    /// Bytes of all that is kept for it, as Redis counts them.
    pub fn total_bytes(&self) -> u64 {
        self.pending_bytes()
            + self.unread_bytes()
            + self.queued_bytes()
            + u64::from(self.watched.load(Relaxed)) * WATCHED_BYTES
    }

    /// Whether it waits for keys.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    /// Says whether it waits for replicas.
    pub(crate) fn set_idle(&self, is_idle: bool) {
        self.idle.store(is_idle, Relaxed);
    }

    /// Who it is.
    pub fn user(&self) -> Arc<User> {
        Arc::clone(&self.user.lock())
    }

    /// Says who it is from now on.
    pub(crate) fn set_user(&self, user: Arc<User>) {
        *self.user.lock() = user;
    }

    /// What it has said about itself.
    pub fn texts(&self) -> Texts {
        self.texts.lock().as_deref().cloned().unwrap_or_default()
    }

    /// Changes what it has said about itself.
    pub(crate) fn edit_texts(&self, edit: impl FnOnce(&mut Texts)) {
        edit(self.texts.lock().get_or_insert_default());
    }

    #[inline]
    pub(crate) fn heard_of(&self, now_ms: u64, row: &'static Row) {
        self.last_ms.store(now_ms, Relaxed);
        self.command.store(row.verb.index() as u32 + 1, Relaxed);
    }

    /// It has sent or taken part of something large.
    pub(crate) fn is_active(&self, now_ms: u64) {
        self.last_ms.store(now_ms, Relaxed);
    }

    pub(crate) fn set_database(&self, database: u8) {
        self.database.store(database, Relaxed);
    }

    pub(crate) fn set_dialect(&self, dialect: Dialect) {
        self.dialect.store(dialect as u8, Relaxed);
    }

    pub(crate) fn set_no_evict(&self, on: bool) {
        self.no_evict.store(on, Relaxed);
    }

    pub(crate) fn set_no_touch(&self, on: bool) {
        self.no_touch.store(on, Relaxed);
    }

    pub(crate) fn set_queue(&self, queue: Option<&Queue>) {
        let (queued, bytes) = queue.map_or((0, 0), |queue| (queue.count as u32 + 1, queue.bytes));
        self.queued.store(queued, Relaxed);
        self.queued_bytes.store(bytes as u64, Relaxed);
    }

    pub(crate) fn set_watched(&self, keys: usize) {
        self.watched.store(keys as u32, Relaxed);
    }

    pub(crate) fn set_subscriptions(&self, subscriptions: &Subscriptions) {
        for (count, kind) in self.subscriptions.iter().zip(Kind::ALL) {
            count.store(subscriptions.len(kind) as u32, Relaxed);
        }
    }

    pub(crate) fn set_monitor(&self, is_monitor: bool) {
        self.is_monitor.store(is_monitor, Relaxed);
    }

    pub(crate) fn set_tracks(&self, tracks: Tracks) {
        self.redirect.store(tracks.redirect, Relaxed);
        self.tracks.store(tracks.marks(), Release);
    }

    /// Whom it redirects to is gone.
    pub(crate) fn break_redirection(&self) {
        self.tracks.fetch_or(Tracks { is_broken: true, ..Tracks::default() }.marks(), Release);
    }

    /// It is the link of a gateway, some of whose clients keep what they have read.
    #[inline]
    pub(crate) fn tracks_for_gateway(&self, process: Option<u64>) {
        let tracks = Tracks { is_gateway: true, redirect: process.unwrap_or(0), ..Tracks::default() };
        if self.tracks.load(Relaxed) != tracks.marks() {
            self.set_tracks(tracks);
        }
    }

    /// It is the link of a gateway that is this process.
    pub(crate) fn set_process(&self, process: u64) {
        self.edit_texts(|texts| texts.process = process);
    }

    /// The process of the gateway whose link it is; 0 if it is none.
    pub(crate) fn process(&self) -> u64 {
        self.texts.lock().as_deref().map_or(0, |texts| texts.process)
    }

    pub(crate) fn set_pending_bytes(&self, bytes: usize) {
        self.pending_bytes.store(bytes as u64, Relaxed);
    }
}

/// All clients, and the ways to the workers that hold them.
#[derive(Debug)]
pub struct Registry {
    clients: DashMap<u64, Arc<Client>>,
    next_id: AtomicU64,
    blocked: AtomicU64,
    /// Whom clients are at first.
    default_user: Arc<User>,
    workers: Vec<UnboundedSender<Message>>,
}

impl Registry {
    pub(crate) fn new(workers: Vec<UnboundedSender<Message>>, default_user: &Arc<User>) -> Self {
        Self {
            clients: DashMap::new(),
            next_id: AtomicU64::new(1),
            blocked: AtomicU64::new(0),
            default_user: Arc::clone(default_user),
            workers,
        }
    }

    /// The ways to the workers.
    pub(crate) fn workers(&self) -> &[UnboundedSender<Message>] {
        &self.workers
    }

    /// The number of the next client; they are given in the order clients are accepted.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    /// The user that everybody is who has not said who it is.
    pub(crate) fn default_user(&self) -> &Arc<User> {
        &self.default_user
    }

    pub(crate) fn add(
        &self,
        id: u64,
        [worker, descriptor]: [usize; 2],
        [address, local_address]: [Address; 2],
        dialect: Dialect,
        now_ms: u64,
    ) -> Arc<Client> {
        let client = Arc::new(Client::new(
            id,
            [worker, descriptor],
            [address, local_address],
            now_ms,
            &self.default_user,
        ));
        client.set_dialect(dialect);
        self.clients.insert(client.id, Arc::clone(&client));
        client
    }

    pub(crate) fn remove(&self, id: u64) {
        self.clients.remove(&id);
    }

    /// Says whether a client of the calling worker waits for keys.
    pub(crate) fn set_blocked(&self, client: &Client, is_blocked: bool) {
        if client.is_blocked() != is_blocked {
            client.blocked.store(is_blocked, Relaxed);
            let by = if is_blocked { 1 } else { u64::MAX };
            self.blocked.fetch_add(by, Relaxed);
        }
    }

    /// Has a client wait for replicas no longer. Returns whether it did.
    pub(crate) fn unblock(&self, id: u64, answer: Unblock) -> bool {
        let Some(client) = self.get(id).filter(|client| client.idle.swap(false, Relaxed)) else {
            return false;
        };
        // A worker that is gone has closed its clients.
        let _ = self.workers[client.worker()].send(Message::Unblock(id, answer));
        true
    }

    /// How many clients wait for keys.
    pub fn blocked(&self) -> u64 {
        self.blocked.load(Relaxed)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// The client of this number.
    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.clients.get(&id).map(|client| Arc::clone(&client))
    }

    /// All clients that are not about to be closed, by number.
    pub fn list(&self) -> Vec<Arc<Client>> {
        let mut clients: Vec<_> = self.clients.iter().map(|client| Arc::clone(&client)).collect();
        clients.retain(|client| !client.is_doomed());
        clients.sort_unstable_by_key(|client| client.id);
        clients
    }

    /// Has a client closed by its worker, whatever it is doing. Returns whether it was not doomed already.
    pub fn kill(&self, client: &Client) -> bool {
        if client.doomed.swap(true, Relaxed) {
            return false;
        }
        // A worker that is gone has closed its clients.
        let _ = self.workers[client.worker()].send(Message::Kill(client.id));
        true
    }
}
