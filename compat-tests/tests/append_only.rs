//! What was acknowledged is there again after the server was killed, as `appendfsync` promises.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::fs;
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::install::{needed, program};
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::wire::Wire;

/// How often each policy is tried.
const ROUNDS: u64 = 12;
const CLIENTS: usize = 4;
/// Requests that each client has on their way.
const DEPTH: usize = 8;

/// How long an answer may take.
const WAIT: Duration = Duration::from_mins(1);

/// A directory that is gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidegate-{}-{name}", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn server(&self, form: Form, policy: &str) -> Server {
        let settings = ["appendonly=yes".to_owned(), format!("appendfsync={policy}")];
        let mut flags = vec!["--data-dir".to_owned(), self.0.display().to_string()];
        flags.extend(settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]));
        Server::tidegate(form, &flags).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn number(wire: &mut Wire) -> Option<u64> {
    wire.wait_at_most(WAIT);
    let line = wire.line().ok()?;
    let text = String::from_utf8_lossy(&line).trim().to_owned();
    Some(text.strip_prefix(':').unwrap_or_else(|| panic!("{text}")).parse().unwrap())
}

/// Counts as fast as it can until the server is gone; notes what it was told.
fn count(mut wire: Wire, client: usize, told: &AtomicU64) {
    let request = format!("INCR counter:{client}\r\n").repeat(DEPTH);
    while wire.try_send(request.as_bytes()).is_ok() {
        for _ in 0..DEPTH {
            let Some(value) = number(&mut wire) else { return };
            told.store(value, Relaxed);
        }
    }
}

fn value(server: &Server, client: usize) -> u64 {
    let mut wire = Wire::connect(server.redis()).unwrap();
    wire.send(format!("INCRBY counter:{client} 0\r\n").as_bytes());
    number(&mut wire).unwrap()
}

fn killed_again_and_again(form: Form, policy: &str) {
    let folder = Folder::new(&format!("killed-{policy}-{form:?}"));
    let mut random = 1_u64;
    let told: Vec<AtomicU64> = (0..CLIENTS).map(|_| AtomicU64::new(0)).collect();
    for round in 0..ROUNDS {
        let server = folder.server(form, policy);
        for (client, told) in told.iter().enumerate() {
            let (now, told) = (value(&server, client), told.load(Relaxed));
            assert!(policy != "always" || now >= told, "round {round}: {now} of {told} that were told");
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lasts = Duration::from_millis(5 + (random >> 33) % 100);
        // Before the threads, which may begin when the server is gone.
        let wires: Vec<_> = told.iter().map(|_| Wire::connect(server.redis()).unwrap()).collect();
        thread::scope(|scope| {
            for ((client, told), wire) in told.iter().enumerate().zip(wires) {
                scope.spawn(move || count(wire, client, told));
            }
            let begun = Instant::now();
            while round == 0 && told.iter().any(|told| told.load(Relaxed) == 0) && begun.elapsed() < WAIT {
                thread::yield_now();
            }
            let until = Instant::now() + lasts;
            while Instant::now() < until {
                thread::yield_now();
            }
            server.kill();
        });
    }
    assert!(told.iter().all(|told| told.load(Relaxed) > 0), "every client was told something");
}

#[test]
fn what_was_told_is_there_again_where_the_disk_is_always_asked() {
    killed_again_and_again(Form::InProcess, "always");
}

#[test]
fn a_log_is_never_refused_whatever_the_policy() {
    killed_again_and_again(Form::InProcess, "everysec");
    killed_again_and_again(Form::InProcess, "no");
}

#[test]
fn shard_processes_have_logs_of_their_own() {
    killed_again_and_again(Form::ThreeShards, "everysec");
}

#[test]
fn the_programs_of_redis_read_the_files() {
    let name = "the_programs_of_redis_read_the_files";
    if needed(name, program("redis-server", "redis-server")).is_none()
        || needed(name, program("redis-check-aof", "redis-tools")).is_none()
    {
        return;
    }
    let folder = Folder::new("read-by-redis");
    let server = folder.server(Form::InProcess, "always");
    let mut wire = Wire::connect(server.redis()).unwrap();
    for (request, reply) in [
        ("SET s v EX 10000", "+OK"),
        ("HSET h a 1 b 2", ":2"),
        ("RPUSH l 1 2 3", ":3"),
        ("SADD set a b c d", ":4"),
        ("ZADD z 1 a 2 b", ":2"),
        ("XADD x 1-1 a b", "$3\r\n1-1"),
        ("XGROUP CREATE x g 0", "+OK"),
        ("INCRBYFLOAT f 0.1", "$3\r\n0.1"),
        ("SELECT 3", "+OK"),
        ("PFADD p a b c", ":1"),
        ("SWAPDB 3 4", "+OK"),
    ] {
        wire.ask(format!("{request}\r\n").as_bytes(), format!("{reply}\r\n").as_bytes());
    }
    let digest = digest(&server);
    drop(server);
    let directory = folder.0.join("appendonlydir");
    let checked =
        Command::new("redis-check-aof").arg(directory.join("appendonly.aof.manifest")).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let flags =
        ["--dir".to_owned(), folder.0.display().to_string(), "--appendonly".to_owned(), "yes".to_owned()];
    let redis = Server::real_redis(&flags).unwrap();
    assert_eq!(self::digest(&redis), digest);
}

#[test]
fn files_of_redis_are_read() {
    if needed("files_of_redis_are_read", program("redis-server", "redis-server")).is_none() {
        return;
    }
    let folder = Folder::new("of-redis");
    let flags = ["--dir", &folder.0.display().to_string(), "--appendonly", "yes", "--appendfsync", "always"];
    let redis = Server::real_redis(&flags.map(str::to_owned)).unwrap();
    let mut wire = Wire::connect(redis.redis()).unwrap();
    for (request, reply) in [
        ("SET s v EX 10000", "+OK"),
        ("HINCRBYFLOAT h a 1.5", "$3\r\n1.5"),
        ("RPUSH l 1 2 3", ":3"),
        ("LMPOP 1 l LEFT COUNT 2", "*2\r\n$1\r\nl\r\n*2\r\n$1\r\n1\r\n$1\r\n2"),
        ("GEOADD g 13 38 a", ":1"),
        ("XADD x MAXLEN ~ 1 LIMIT 5 1-1 a b", "$3\r\n1-1"),
        ("XGROUP CREATE x g 0", "+OK"),
        ("MULTI", "+OK"),
        ("SELECT 3", "+QUEUED"),
        ("PFADD p a b c", "+QUEUED"),
        ("EXEC", "*2\r\n+OK\r\n:1"),
    ] {
        wire.ask(format!("{request}\r\n").as_bytes(), format!("{reply}\r\n").as_bytes());
    }
    // The base has keys by then, and more follows.
    wire.ask(b"BGREWRITEAOF\r\n", b"+Background append only file rewriting started\r\n");
    let until = Instant::now() + WAIT;
    while !folder.0.join("appendonlydir/appendonly.aof.2.base.rdb").exists() {
        assert!(Instant::now() < until, "it is not rewritten");
    }
    wire.ask(b"SET later v\r\n", b"+OK\r\n");
    let digest = digest(&redis);
    drop(redis);
    assert_eq!(self::digest(&folder.server(Form::InProcess, "always")), digest);
}

fn digest(server: &Server) -> Vec<u8> {
    let mut wire = Wire::connect(server.redis()).unwrap();
    wire.wait_at_most(WAIT);
    wire.send(b"DEBUG DIGEST\r\n");
    wire.line().unwrap()
}

/// Writes are refused with Redis's words while the disk takes nothing, and who was to be told that something is kept is told
/// nothing; when it takes something again everything goes on, and nothing that was told is lost.
#[test]
fn nothing_is_said_to_be_kept_that_the_disk_does_not_take() {
    let refusal = "-MISCONF Errors writing to the AOF file: File too large";
    for policy in ["everysec", "always"] {
        let folder = Folder::new(&format!("full-{policy}"));
        let server = folder.server(Form::InProcess, policy);
        let mut writer = Wire::connect(server.redis()).unwrap();
        writer.ask(b"SET before v\r\n", b"+OK\r\n");
        // Of another worker than the writer, maybe, who hears of it when it is known that the disk takes nothing.
        let mut waiters = [(); 3].map(|()| Wire::connect(server.redis()).unwrap());
        for waiter in &mut waiters {
            waiter.send(b"BLPOP list 0\r\n");
        }
        await_info(&server, "blocked_clients:3");
        // As if the disk were full: no file may grow beyond this.
        limit_files(&server, Some(100));
        let mut other = Wire::connect(server.redis()).unwrap();
        let value = "v".repeat(1000);
        writer.send(format!("SET k {value}\r\nRPUSH list a b c\r\n").as_bytes());
        await_reply(&server, "PING", refusal);
        other.ask(b"SET other v\r\n", format!("{refusal}\r\n").as_bytes());
        other.ask(b"EXISTS before\r\n", b":1\r\n");
        if policy == "always" {
            for wire in waiters.iter_mut().chain([&mut writer]) {
                assert_eq!(wire.has_more(Duration::from_millis(50)), Ok(false));
            }
        }
        limit_files(&server, None);
        await_reply(&server, "PING", "+PONG");
        writer.expect(b"+OK\r\n:3\r\n");
        for waiter in &mut waiters {
            waiter.expect(b"*2\r\n$4\r\nlist\r\n$1\r\n");
        }
        other.ask(b"SET after v\r\n", b"+OK\r\n");
        // Somebody else's read has waited for the disk as well.
        other.ask(b"STRLEN k\r\n", b":1000\r\n");
        if policy == "everysec" {
            await_written(&folder, b"after");
        }
        drop(server);
        let server = folder.server(Form::InProcess, policy);
        let mut other = Wire::connect(server.redis()).unwrap();
        other.ask(b"EXISTS before k after other list\r\n", b":3\r\n");
    }
}

/// Asks again and again, each time as another client, until this is the answer: who has asked before it was known that the
/// disk takes nothing waits for it.
fn await_reply(server: &Server, request: &str, reply: &str) {
    let until = Instant::now() + WAIT;
    loop {
        let mut wire = Wire::connect(server.redis()).unwrap();
        wire.wait_at_most(Duration::from_millis(200));
        wire.send(format!("{request}\r\n").as_bytes());
        let got = wire.line().map(|line| String::from_utf8_lossy(&line).into_owned());
        if got.as_deref() == Ok(reply) {
            return;
        }
        assert!(Instant::now() < until, "{got:?}");
    }
}

/// Waits until INFO says this.
fn await_info(server: &Server, line: &str) {
    let (mut wire, until) = (Wire::connect(server.redis()).unwrap(), Instant::now() + WAIT);
    loop {
        wire.wait_at_most(WAIT);
        wire.send(b"INFO clients\r\n");
        let head = String::from_utf8(wire.line().unwrap()).unwrap();
        let text = wire.bytes(head[1..].parse::<usize>().unwrap() + 2).unwrap();
        if String::from_utf8_lossy(&text).lines().any(|said| said == line) {
            return;
        }
        assert!(Instant::now() < until, "INFO never says {line}");
    }
}

/// Waits until the log has this.
fn await_written(folder: &Folder, word: &[u8]) {
    let until = Instant::now() + WAIT;
    let file = folder.0.join("appendonlydir/appendonly.aof.1.incr.aof");
    while !fs::read(&file).unwrap().windows(word.len()).any(|part| part == word) {
        assert!(Instant::now() < until, "it is not written");
    }
}

fn limit_files(server: &Server, bytes: Option<u64>) {
    let pid = i32::try_from(server.process().pid).ok().and_then(Pid::from_raw);
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}
