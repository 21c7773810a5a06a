//! A gateway over a store that is a hash map, and a client that says exactly what it is told.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tidegate_gateway::{Config, Gateway, Running, Users};
use tidegate_protocols::data::{Context, Data, Figures, Outcome, Prepared, Worker};
use tidegate_protocols::link::{Answer, Tail};
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::strings::Strings;
use tidegate_protocols::transaction::{Entered, Transaction, WatchedKey, Watches};
use tidegate_protocols::{Args, Reply, Request, Row, Verb};

pub mod frames;

/// How long a test waits for what must come. Nothing that comes takes a hundredth of it; a machine may stand still.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// `link-timeout-ms` where no link is to be lost, however long a shard's thread stands still.
pub const NEVER_LOST_MS: &str = "30000";

/// A place on loopback for a server that ends within its test. It has an address of its own, so that nobody else is given
/// the port meanwhile.
pub fn free_place() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let [_, high, low, ..] = (std::process::id() << 8).to_be_bytes();
    let number = GIVEN.fetch_add(1, SeqCst) as u8;
    SocketAddr::from(([127, 0x80 | high, low, number], 0))
}

/// From now on a shard is lost to this gateway that has not answered for so long.
pub fn lost_after(gateway: &Running, link_timeout_ms: &str) {
    gateway.shared().settings.set(Key::LinkTimeout, link_timeout_ms).unwrap();
}

/// Waits until this is so.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited for this in vain: {what}");
        std::thread::yield_now();
    }
}

/// Strings in one map per process; GET and SET, and what a test wants to go wrong.
#[derive(Default)]
pub struct Fake {
    values: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    /// How often each value has been set.
    versions: Mutex<HashMap<Vec<u8>, u64>>,
    /// Whether memory is full.
    pub full: AtomicBool,
    /// How many times requests for the key `busy`, and transactions that watch it, find another worker holding it.
    pub busy: AtomicUsize,
    /// While true, requests to store the value `stuck` find another worker holding their key.
    pub stuck: AtomicBool,
    /// How many times they have found that.
    pub found_stuck: AtomicUsize,
    /// Requests that nothing kept from being executed, but perhaps [`Fake::hold`].
    pub begun: AtomicUsize,
    /// Keys that are watched, each as often as by clients.
    pub watched: AtomicUsize,
    /// How often figures have been set back.
    pub reset: AtomicUsize,
}

impl Fake {
    fn is_busy(&self) -> bool {
        self.busy.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    /// Whether this request waits for [`Fake::stuck`] to become false.
    fn is_stuck(&self, request: &Request<'_>) -> bool {
        let is_stuck =
            self.stuck.load(SeqCst) && request.args.iter().nth(2).is_some_and(|arg| arg == b"stuck");
        self.found_stuck.fetch_add(usize::from(is_stuck), SeqCst);
        is_stuck
    }

    /// Has every worker that executes something wait until this is dropped.
    pub fn hold(&self) -> MutexGuard<'_, impl Sized> {
        self.values.lock().unwrap()
    }

    fn version(&self, WatchedKey { database, key }: &WatchedKey) -> u64 {
        let versions = self.versions.lock().unwrap();
        versions.get(&in_database(*database, key)).copied().unwrap_or_default()
    }
}

fn in_database(database: u8, key: &[u8]) -> Vec<u8> {
    [database.to_string().as_bytes(), key].concat()
}

pub struct FakeWorker(Arc<Fake>);

/// The shared handle, as a store.
pub struct Handle(pub Arc<Fake>);

impl Data for Handle {
    type Worker = FakeWorker;

    fn worker(&self, _index: usize, _count: usize) -> FakeWorker {
        FakeWorker(Arc::clone(&self.0))
    }

    fn figures(&self) -> Figures {
        Figures { hits: self.0.values.lock().unwrap().len() as u64, ..Figures::default() }
    }

    fn reset_figures(&self) {
        self.0.reset.fetch_add(1, SeqCst);
    }
}

impl Worker for FakeWorker {
    fn begin(&mut self, _now_ms: u64) {}

    fn prepare(&mut self, row: &Row, args: &Args<'_>, _database: u8, _slot: Option<u16>) -> Prepared {
        let slot = row.only_key().map_or(0, |key| slot_of(args.at(key)));
        Prepared { hash: args.len() as u64, slot, database: 0, keyed: true }
    }

    fn fetch(&mut self, _prepared: &[Prepared]) {}

    fn execute(
        &mut self,
        request: &Request<'_>,
        prepared: Prepared,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        assert_eq!(prepared.hash, request.args.len() as u64, "prepared for another request");
        let key = in_database(context.database, request.args.at(1));
        if request.args.at(1) == b"busy" && self.0.is_busy() || self.0.is_stuck(request) {
            return Outcome::Busy;
        }
        self.0.begun.fetch_add(1, SeqCst);
        let mut values = self.0.values.lock().unwrap();
        match request.row.verb {
            Verb::Strings(Strings::Get) => match values.get(&key) {
                Some(value) => reply.bulk(value),
                None => reply.null(),
            },
            Verb::Strings(Strings::Set) => {
                *self.0.versions.lock().unwrap().entry(key.clone()).or_default() += 1;
                values.insert(key, request.args.at(2).to_vec());
                reply.ok();
            }
            _ => {
                reply.error("ERR not by the fake");
                return Outcome::Failed;
            }
        }
        Outcome::Done
    }

    fn make_room(&mut self) -> bool {
        !self.0.full.load(SeqCst)
    }

    fn watch(
        &mut self,
        watches: &mut Watches,
        _before: &Watches,
        _context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        reply.ok();
        for (watched, version) in watches.iter_mut() {
            *version = self.0.version(watched);
        }
        self.0.watched.fetch_add(watches.len(), SeqCst);
        Outcome::Done
    }

    fn unwatch(&mut self, _client_id: u64, watches: &Watches) {
        self.0.watched.fetch_sub(watches.len(), SeqCst);
    }

    fn enter(&mut self, transaction: &Transaction<'_>) -> Entered {
        let watches = transaction.watches;
        if watches.iter().any(|(watched, _)| *watched.key == *b"busy") && self.0.is_busy() {
            return Entered::Busy;
        }
        self.0.watched.fetch_sub(watches.len(), SeqCst);
        let unchanged = watches.iter().all(|(watched, version)| self.0.version(watched) == version);
        if unchanged { Entered::Yes } else { Entered::Stale }
    }

    fn leave(&mut self) {}

    fn finish(&mut self) {}

    fn maintain(&mut self, _now_ms: u64, _budget: Duration) {}
}

/// A running gateway that listens for Redis clients on loopback.
pub struct Server {
    pub running: Running,
    pub fake: Arc<Fake>,
    pub settings: Arc<Settings>,
}

impl Server {
    pub fn start(workers: usize) -> Self {
        Self::start_with(workers, &[])
    }

    pub fn start_with(workers: usize, settings: &[(Key, &str)]) -> Self {
        Self::start_for(workers, settings, Users::default())
    }

    /// The same, for these users of Memcached.
    pub fn start_for(workers: usize, settings: &[(Key, &str)], users: Users) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (redis, memcached) = (vec![any], vec![any]);
        Self::start_as(&Config { redis, memcached, workers, users, ..Config::default() }, settings)
    }

    /// A server of any kind.
    pub fn start_as(config: &Config, settings: &[(Key, &str)]) -> Self {
        let fake = Arc::new(Fake::default());
        let all = Arc::new(Settings::default());
        for (key, value) in settings {
            all.set(*key, value).unwrap();
        }
        let running = Gateway::start(config, Arc::new(Handle(Arc::clone(&fake))), Arc::clone(&all)).unwrap();
        Self { running, fake, settings: all }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.running.redis()[0])
    }
}

/// A connection that waits for exactly what it expects.
pub struct Client(pub TcpStream);

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    #[track_caller]
    pub fn expect(&mut self, reply: &[u8]) {
        let mut got = vec![0; reply.len()];
        let mut have = 0;
        while have < got.len() {
            match self.0.read(&mut got[have..]) {
                Ok(0) => break,
                Ok(bytes) => have += bytes,
                // Whoever was stopped, as debuggers and freezers do, is told so.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{error} after {}", got[..have].escape_ascii()),
            }
            if got[..have] != reply[..have] {
                break;
            }
        }
        got.truncate(have);
        assert!(got == reply, "got {} instead of {}", short(&got), short(reply));
    }

    #[track_caller]
    pub fn ask(&mut self, request: &[u8], reply: &[u8]) {
        self.send(request);
        self.expect(reply);
    }

    /// A line of reply, without its end.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            let read = self.0.read_exact(&mut byte);
            read.unwrap_or_else(|error| panic!("{error} after {}", line.escape_ascii()));
            line.push(byte[0]);
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).unwrap()
    }

    /// A bulk string.
    pub fn bulk(&mut self) -> String {
        let header = self.line();
        let bytes: usize = header.strip_prefix('$').unwrap_or_else(|| panic!("{header}")).parse().unwrap();
        let mut text = vec![0; bytes + 2];
        self.0.read_exact(&mut text).unwrap();
        text.truncate(bytes);
        String::from_utf8(text).unwrap()
    }

    #[track_caller]
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => assert!(rest.is_empty(), "got {} instead of the end", short(&rest)),
            // Closed while it had sent more.
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
}

/// The next frame of an answer on a link: its number, its tail and its bytes. What only says how long something took is
/// passed over: tests may be slow.
pub fn next_answer(client: &mut Client) -> (u32, Tail, Vec<u8>) {
    next_answer_from(&mut client.0)
}

/// The same, of any kind of link.
pub fn next_answer_from(link: &mut impl Read) -> (u32, Tail, Vec<u8>) {
    loop {
        let mut head = [0; 4];
        link.read_exact(&mut head).unwrap();
        let mut frame = head.to_vec();
        frame.resize(u32::from_le_bytes(head) as usize, 0);
        link.read_exact(&mut frame[4..]).unwrap();
        let (answer, bytes) = Answer::decode(&frame).unwrap().unwrap();
        assert_eq!(bytes, frame.len());
        if answer.tail != Tail::Took {
            return (answer.id, answer.tail, answer.bytes.to_vec());
        }
    }
}

fn short(bytes: &[u8]) -> String {
    format!("{}…({} bytes)", bytes[..bytes.len().min(200)].escape_ascii(), bytes.len())
}

/// An array of bulk strings.
pub fn array(words: &[&[u8]]) -> Vec<u8> {
    let mut wire = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        wire.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        wire.extend_from_slice(word);
        wire.extend_from_slice(b"\r\n");
    }
    wire
}
