//! Clients that keep what they read (`CLIENT TRACKING`): when all they have been told has come, what they keep is what is
//! there. Whoever writes does so at the same time, by other threads, and in front of shards by other links.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use tidegate_compat_tests::answer::request;
use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::in_each_form;
use tidegate_compat_tests::nodes::{Kind, THIRDS, TwoNodes};
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::shard::ShardPlan;
use tidegate_compat_tests::wire::{REPLY_WAIT, Wire};

in_each_form!(what_is_kept_is_what_is_there);

/// Few enough to be written while they are kept.
const KEYS: u32 = 30;
const WRITES: usize = 1_500;
const WRITERS: usize = 3;
/// Keys that are asked for in one write.
const DEPTH: usize = 8;

/// How a client has itself told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Reads,
    OptsIn,
    Follows,
}

/// A client with a cache.
struct Cache {
    wire: Wire,
    way: Way,
    kept: HashMap<String, Option<Vec<u8>>>,
    /// Keys that have been asked for, whose answers are to come.
    asked: Vec<String>,
}

/// One thing that has come.
#[derive(Debug)]
enum Came {
    Value(Option<Vec<u8>>),
    Stale(Option<Vec<String>>),
    Other,
}

impl Cache {
    fn new(address: SocketAddr, way: Way) -> Self {
        let mut wire = Wire::connect(address).unwrap();
        wire.send(b"HELLO 3\r\n");
        let mut cache = Self { wire, way, kept: HashMap::new(), asked: Vec::new() };
        cache.skip_hello();
        let ask: &[u8] = match way {
            Way::Reads => b"CLIENT TRACKING on\r\n",
            Way::OptsIn => b"CLIENT TRACKING on OPTIN\r\n",
            Way::Follows => b"CLIENT TRACKING on BCAST PREFIX key:\r\n",
        };
        cache.wire.ask(ask, b"+OK\r\n");
        cache
    }

    fn skip_hello(&mut self) {
        self.wire.send(b"ECHO end-of-hello\r\n");
        while self.line() != "end-of-hello" {}
    }

    fn line(&mut self) -> String {
        String::from_utf8(line_of(&mut self.wire)).unwrap()
    }

    /// Asks for some keys that it does not keep.
    fn ask(&mut self, dice: &mut fastrand::Rng) {
        let mut bytes = Vec::new();
        for _ in 0..dice.usize(1..=DEPTH) {
            let key = key(dice);
            if self.kept.contains_key(&key) {
                continue;
            }
            if self.way == Way::OptsIn {
                bytes.extend(request(&["CLIENT", "CACHING", "yes"]));
            }
            bytes.extend(request(&["GET", &key]));
            self.asked.push(key);
        }
        self.wire.send(&bytes);
    }

    /// Takes all that has been asked for, and what is told in between.
    fn take(&mut self) {
        let mut asked = std::mem::take(&mut self.asked).into_iter();
        let mut left = asked.len();
        while left > 0 {
            match self.next() {
                Came::Value(value) => {
                    self.kept.insert(asked.next().unwrap(), value);
                    left -= 1;
                }
                came => self.hear(came),
            }
        }
    }

    fn hear(&mut self, came: Came) {
        match came {
            Came::Stale(None) => self.kept.clear(),
            Came::Stale(Some(keys)) => keys.iter().for_each(|key| drop(self.kept.remove(key))),
            Came::Value(_) | Came::Other => {}
        }
    }

    fn next(&mut self) -> Came {
        let line = self.line();
        match line.as_str() {
            "_" => Came::Value(None),
            ">2" => {
                assert_eq!((self.line().as_str(), self.line().as_str()), ("$10", "invalidate"));
                let head = self.line();
                let Some(count) = head.strip_prefix('*') else {
                    assert_eq!(head, "_");
                    return Came::Stale(None);
                };
                let keys = (0..count.parse().unwrap()).map(|_| {
                    let _ = self.line();
                    self.line()
                });
                Came::Stale(Some(keys.collect()))
            }
            line if line.starts_with('$') => Came::Value(Some(line_of(&mut self.wire))),
            line => {
                assert!(line.starts_with('+'), "{line}");
                Came::Other
            }
        }
    }

    /// Takes what has come by the time that a reply does.
    fn catch_up(&mut self) {
        self.wire.send(b"PING\r\n");
        loop {
            match self.next() {
                Came::Other => return,
                came => self.hear(came),
            }
        }
    }
}

fn line_of(wire: &mut Wire) -> Vec<u8> {
    wire.wait_at_most(REPLY_WAIT);
    wire.line().unwrap()
}

fn key(dice: &mut fastrand::Rng) -> String {
    format!("key:{}", dice.u32(..KEYS))
}

/// Changes keys, each to a value nobody else gives it.
fn write(address: SocketAddr, number: usize, dice: &mut fastrand::Rng) {
    let mut wire = Wire::connect(address).unwrap();
    for at in 0..WRITES {
        let (one, other, value) = (key(dice), key(dice), format!("{number}-{at}"));
        let words: Vec<&str> = match dice.u8(..16) {
            0 => vec!["DEL", &one, &other],
            1 => vec!["MSET", &one, &value, &other, &value],
            2 => vec!["SET", &one, &value, "PX", "20"],
            3 => vec!["GETDEL", &one],
            4 => vec!["PEXPIRE", &one, "5"],
            5 if at % 100 == 0 => vec!["FLUSHALL"],
            6 => vec!["GETSET", &one, &value],
            _ => vec!["SET", &one, &value],
        };
        wire.send(&request(&words));
        let line = line_of(&mut wire);
        if matches!(line.first(), Some(b'$')) && line != b"$-1" {
            line_of(&mut wire);
        }
        assert_ne!(line[0], b'-', "{}", line.escape_ascii());
    }
}

/// Writes by some and keeps by others, until all is written; then looks at what is kept.
fn write_and_keep(writers: &[SocketAddr], readers: &[SocketAddr], seed: u64) {
    let left = AtomicUsize::new(WRITERS);
    let left = &left;
    thread::scope(|scope| {
        for number in 0..WRITERS {
            let address = writers[number % writers.len()];
            scope.spawn(move || {
                write(address, number, &mut fastrand::Rng::with_seed(seed + number as u64));
                left.fetch_sub(1, Ordering::SeqCst);
            });
        }
        for (number, way) in [Way::Reads, Way::OptsIn, Way::Follows, Way::Reads].into_iter().enumerate() {
            let address = readers[number % readers.len()];
            scope.spawn(move || {
                let mut dice = fastrand::Rng::with_seed(seed + 100 + number as u64);
                let mut cache = Cache::new(address, way);
                while left.load(Ordering::SeqCst) > 0 {
                    cache.ask(&mut dice);
                    cache.take();
                    cache.catch_up();
                }
                cache.ask(&mut dice);
                cache.take();
                settle(&mut cache, writers[0]);
            });
        }
    });
}

/// Everything that is to be told comes, and then what is kept is what is there.
fn settle(cache: &mut Cache, address: SocketAddr) {
    let start = Instant::now();
    loop {
        cache.catch_up();
        let stale = stale(cache, address);
        if stale.is_empty() {
            return;
        }
        assert!(start.elapsed() < REPLY_WAIT, "{:?} keeps what is stale: {stale:?}", cache.way);
    }
}

/// What is kept and is not there.
fn stale(cache: &Cache, address: SocketAddr) -> Vec<String> {
    let mut wire = Wire::connect(address).unwrap();
    let is_stale = |(key, kept): (&String, &Option<Vec<u8>>)| {
        wire.send(&request(&["GET", key]));
        let line = line_of(&mut wire);
        let there = (line != b"$-1").then(|| line_of(&mut wire));
        (there != *kept).then(|| key.clone())
    };
    cache.kept.iter().filter_map(is_stale).collect()
}

fn what_is_kept_is_what_is_there(form: Form) {
    let server = Server::tidegate(form, &["--threads".to_owned(), "2".to_owned()]).unwrap();
    for seed in 0..2 {
        write_and_keep(&[server.redis()], &[server.redis()], seed * 1000);
    }
}

#[test]
fn what_is_kept_at_one_gateway_is_what_is_written_at_another() {
    let nodes = TwoNodes::start(Kind::TidegateAlone, &THIRDS).unwrap();
    let [one, two] = nodes.addresses();
    write_and_keep(&[one, two], &[two, one], 7);
}

#[test]
fn nothing_is_kept_of_a_shard_that_is_lost() {
    let plan = ShardPlan { slots: "0-16383".to_owned(), flags: Vec::new() };
    let mut server = Server::gateway(&[plan], &[]).unwrap();
    for way in [Way::Reads, Way::OptsIn, Way::Follows] {
        let mut wire = Wire::connect(server.redis()).unwrap();
        wire.ask(b"MSET key:0 0 key:1 1 key:2 2\r\n", b"+OK\r\n");
        let mut cache = Cache::new(server.redis(), way);
        let mut dice = fastrand::Rng::with_seed(3);
        while cache.kept.len() < 3 {
            cache.ask(&mut dice);
            cache.take();
        }
        server.shards_mut()[0].restart().unwrap();
        settle(&mut cache, server.redis());
        // It goes on being told.
        cache.ask(&mut dice);
        cache.take();
        wire.ask(b"MSET key:0 a key:1 b key:2 c\r\n", b"+OK\r\n");
        settle(&mut cache, server.redis());
    }
}
