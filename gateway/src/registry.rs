//! Every connected client, for `CLIENT LIST`, `CLIENT KILL` and INFO.
//!
//! What other threads may know of a client are atomics written by its own worker, so that keeping them up
//! to date costs plain stores.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use dashmap::DashMap;
use parking_lot::Mutex;
use socket2::SockRef;
use tidegate_protocols::table::row_at;
use tidegate_protocols::{Dialect, Row};
use tokio::sync::mpsc::UnboundedSender;

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
    pub descriptor: usize,
    worker: usize,
    last_ms: AtomicU64,
    command: AtomicU32,
    database: AtomicU8,
    dialect: AtomicU8,
    no_evict: AtomicBool,
    no_touch: AtomicBool,
    doomed: AtomicBool,
    pending_bytes: AtomicU64,
    /// Requests queued, and one; 0 outside of a transaction.
    queued: AtomicU32,
    queued_bytes: AtomicU64,
    watched: AtomicU64,
    texts: Mutex<Texts>,
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
}

/// Bytes a watched key counts. Source: Redis `multi.c`, `multiStateMemOverhead`.
const WATCHED_BYTES: u64 = 56;

impl Client {
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

    /// Requests it has queued since `MULTI`.
    pub fn queued(&self) -> Option<u32> {
        self.queued.load(Relaxed).checked_sub(1)
    }

    /// Bytes of these, as Redis counts them.
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes.load(Relaxed)
    }

    /// Bytes of all that is kept for it, as Redis counts them.
    pub fn total_bytes(&self) -> u64 {
        self.pending_bytes() + self.queued_bytes() + self.watched.load(Relaxed) * WATCHED_BYTES
    }

    /// What it has said about itself.
    pub fn texts(&self) -> Texts {
        self.texts.lock().clone()
    }

    /// Changes what it has said about itself.
    pub(crate) fn edit_texts(&self, edit: impl FnOnce(&mut Texts)) {
        edit(&mut self.texts.lock());
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
        self.watched.store(keys as u64, Relaxed);
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
    workers: Vec<UnboundedSender<Message>>,
}

impl Registry {
    pub(crate) fn new(workers: Vec<UnboundedSender<Message>>) -> Self {
        Self { clients: DashMap::new(), next_id: AtomicU64::new(1), workers }
    }

    /// The number of the next client; they are given in the order clients are accepted.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    pub(crate) fn add(
        &self,
        id: u64,
        [worker, descriptor]: [usize; 2],
        [address, local_address]: [Address; 2],
        dialect: Dialect,
        now_ms: u64,
    ) -> Arc<Client> {
        let client = Arc::new(Client {
            id,
            address,
            local_address,
            created_ms: now_ms,
            descriptor,
            worker,
            last_ms: AtomicU64::new(now_ms),
            command: AtomicU32::new(0),
            database: AtomicU8::new(0),
            dialect: AtomicU8::new(0),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            doomed: AtomicBool::new(false),
            pending_bytes: AtomicU64::new(0),
            queued: AtomicU32::new(0),
            queued_bytes: AtomicU64::new(0),
            watched: AtomicU64::new(0),
            texts: Mutex::default(),
        });
        client.set_dialect(dialect);
        self.clients.insert(client.id, Arc::clone(&client));
        client
    }

    pub(crate) fn remove(&self, id: u64) {
        self.clients.remove(&id);
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
        let _ = self.workers[client.worker].send(Message::Kill(client.id));
        true
    }
}
