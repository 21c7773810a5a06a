//! Several processes as one server: shards that a gateway starts and watches over, and those of a topology file.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tidegate_compat_tests::port::free_port;
use tidegate_compat_tests::server::tidegate_program;
use tidegate_compat_tests::wire::Wire;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Keys in each third of the slots: 2724, 6657 and 10982, as `CLUSTER KEYSLOT` says.
const KEYS: [&str; 3] = ["key:4", "key:1", "key:6"];

/// A Tidegate process with a directory of its own for sockets; dropped, both go.
struct Process {
    child: Child,
    log: Option<BufReader<ChildStderr>>,
    directory: PathBuf,
}

impl Process {
    fn start(flags: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tg-test-{}-{}", process::id(), NEXT.fetch_add(1, Relaxed));
        let directory = env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let mut command = Command::new(tidegate_program().unwrap());
        command.args(flags).env("TMPDIR", &directory).env_remove("XDG_RUNTIME_DIR");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = child.stderr.take().map(BufReader::new);
        Self { child, log, directory }
    }

    /// The shards it has started and what their command lines say they are called.
    fn shards(&self) -> Vec<(u32, String)> {
        let mut shards: Vec<_> = children(self.child.id())
            .into_iter()
            .filter_map(|child| {
                let line = fs::read_to_string(format!("/proc/{child}/cmdline")).ok()?;
                let name = line.split('\0').skip_while(|word| *word != "--id").nth(1)?.to_owned();
                Some((child, name))
            })
            .collect();
        shards.sort_by(|one, other| one.1.cmp(&other.1));
        shards
    }

    /// Reads the log until a line with `part` comes, and returns it.
    fn logged(&mut self, part: &str) -> String {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            let bytes = self.log.as_mut().unwrap().read_line(&mut line).unwrap();
            assert_ne!(bytes, 0, "the log ended before {part}");
        }
        line
    }

    /// Waits for the end: the exit code, and what it has logged since.
    fn ended(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.log.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }

    fn sockets_left(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn signal(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(process as i32).unwrap(), signal).unwrap();
}

/// The processes that this one has started and that have not ended.
fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    all.filter(|process| stat(*process).is_some_and(|(state, of)| of == parent && state != 'Z')).collect()
}

/// The state of a process and who started it, unless it is gone.
fn stat(process: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Waits until `what` is true.
fn eventually(name: &str, mut what: impl FnMut() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < PATIENCE, "{name} does not come true");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The status and the text of a page of the admin port, once it is served.
fn page(port: u16, path: &str) -> (u16, String) {
    let start = Instant::now();
    let mut stream = loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(start.elapsed() < PATIENCE, "the admin port: {error}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), text.to_owned())
}

fn client(port: u16) -> Wire {
    Wire::connect((Ipv4Addr::LOCALHOST, port).into()).unwrap()
}

/// What `GET key` answers after its length.
fn value(client: &mut Wire, key: &str) -> String {
    client.send(format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len()).as_bytes());
    client.wait_at_most(PATIENCE);
    let first = String::from_utf8(client.line().unwrap()).unwrap();
    match first.as_str() {
        "$-1" => first,
        _ if first.starts_with('$') => String::from_utf8(client.line().unwrap()).unwrap(),
        _ => first,
    }
}

/// A gateway with three shard processes, and its ports for Redis clients and for metrics.
fn with_three_shards(more: &[&str]) -> (Process, u16, u16) {
    let [redis, admin] = [free_port(), free_port()];
    let ports = [redis.to_string(), admin.to_string()];
    let fixed = ["--redis-port", &ports[0], "--admin-port", &ports[1], "--memcached-port", "0"];
    let flags = [&fixed[..], &["--shard-processes", "3"], more].concat();
    let process = Process::start(&flags);
    eventually("/healthz is 200", || page(admin, "/healthz").0 == 200);
    (process, redis, admin)
}

#[test]
fn a_shard_that_dies_is_started_again_and_everybody_is_told_that_its_data_is_lost() {
    let (mut process, redis, admin) = with_three_shards(&["--maxmemory-policy", "allkeys-lru"]);
    let mut keys = client(redis);
    for key in KEYS {
        keys.ask(format!("SET {key} kept\r\n").as_bytes(), b"+OK\r\n");
    }
    keys.ask(b"CONFIG SET lfu-decay-time 7\r\n", b"+OK\r\n");
    let library = r##""#!lua name=all\nredis.register_function('get', function(keys) return redis.call('GET', keys[1]) end)""##;
    keys.ask(format!("FUNCTION LOAD {library}\r\n").as_bytes(), b"$3\r\nall\r\n");
    let before = process.shards();
    let names: Vec<_> = before.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["shard-1", "shard-2", "shard-3"]);
    let (killed, _) = before[1];
    signal(killed, Signal::KILL);

    let said = process.logged("shard-2 has died");
    for part in ["SIGKILL", "slots 5461-10922", "is lost", "started again in 100 ms"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    process.logged("shard-2 runs again");
    eventually("/healthz is 200", || page(admin, "/healthz").0 == 200);
    let (_, health) = page(admin, "/healthz");
    let lines: Vec<_> = health.lines().collect();
    assert_eq!(lines[..2], ["ok", "shard-1 up, restarted 0 times"]);
    assert!(
        lines[2].starts_with("shard-2 up, restarted once, what it had not saved was lost at 2"),
        "{health}"
    );
    let (_, metrics) = page(admin, "/metrics");
    for line in [
        "tidegate_shard_up{shard=\"shard-2\"} 1\n",
        "tidegate_shard_restarts_total{shard=\"shard-1\"} 0\n",
        "tidegate_shard_restarts_total{shard=\"shard-2\"} 1\n",
        "tidegate_shard_data_lost_timestamp_seconds{shard=\"shard-2\"} ",
        "tidegate_link_duration_seconds_count{shard=\"shard-1\"} ",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }

    let values = KEYS.map(|key| value(&mut keys, key));
    assert_eq!(values, ["kept", "$-1", "kept"]);
    for (key, value) in KEYS.iter().zip(["$4\r\nkept\r\n", "$-1\r\n", "$4\r\nkept\r\n"]) {
        keys.ask(format!("FCALL get 1 {key}\r\n").as_bytes(), value.as_bytes());
    }
    let after = process.shards();
    assert!(after[1].0 != killed && after[0] == before[0] && after[2] == before[2], "{after:?}");
    let line = fs::read_to_string(format!("/proc/{}/cmdline", after[1].0)).unwrap();
    // The settings as they are, not as they were at the start.
    assert!(line.contains("maxmemory-policy=allkeys-lru") && line.contains("lfu-decay-time=7"), "{line}");
}

#[test]
fn a_shard_that_does_not_answer_is_told_of_although_nobody_asks_it_anything() {
    let (mut process, redis, admin) = with_three_shards(&["--set", "link-timeout-ms=3000"]);
    let stopped = process.shards()[2].0;
    signal(stopped, Signal::STOP);
    eventually("/healthz is 503", || page(admin, "/healthz").0 == 503);
    let (_, health) = page(admin, "/healthz");
    let lines: Vec<_> = health.lines().collect();
    assert_eq!(lines[0], "no shard answers for the slots 10923-16383");
    assert!(lines[1].starts_with("shard-1 up") && lines[2].starts_with("shard-2 up"), "{health}");
    assert!(lines[3].starts_with("shard-3 down") && lines[3].ends_with(", restarted 0 times"), "{health}");
    assert!(page(admin, "/metrics").1.contains("tidegate_shard_up{shard=\"shard-3\"} 0\n"));
    client(redis).ask(format!("SET {} kept\r\n", KEYS[0]).as_bytes(), b"+OK\r\n");
    signal(stopped, Signal::CONT);
    eventually("/healthz is 200", || page(admin, "/healthz").0 == 200);
    signal(process.child.id(), Signal::TERM);
    assert_eq!(process.ended().0, Some(0));
}

#[test]
fn a_gateway_that_has_stood_still_itself_holds_that_against_no_shard() {
    let (process, redis, _) = with_three_shards(&["--set", "link-timeout-ms=3000"]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| writes_until(&is_over, redis))).collect();
        for _ in 0..2 {
            // Something is always on its way when it is stopped.
            thread::sleep(Duration::from_millis(300));
            signal(process.child.id(), Signal::STOP);
            thread::sleep(Duration::from_millis(3500));
            signal(process.child.id(), Signal::CONT);
        }
        thread::sleep(Duration::from_millis(300));
        is_over.store(true, Relaxed);
        for client in clients {
            client.join().unwrap();
        }
    });
}

/// Writes keys of all shards, many at once.
fn writes_until(is_over: &AtomicBool, redis: u16) {
    let mut client = client(redis);
    while !is_over.load(Relaxed) {
        client.send(KEYS.map(|key| format!("SET {key} 1\r\n")).concat().repeat(8).as_bytes());
        client.wait_at_most(PATIENCE);
        for _ in 0..8 * KEYS.len() {
            assert_eq!(client.line().unwrap().escape_ascii().to_string(), "+OK");
        }
    }
}

#[test]
fn a_clean_end_leaves_no_process_and_no_directory() {
    let (mut process, redis, _) = with_three_shards(&["--memory", "300mb"]);
    let mut keys = client(redis);
    for key in KEYS {
        keys.ask(format!("SET {key} kept\r\n").as_bytes(), b"+OK\r\n");
    }
    let shards = process.shards();
    assert_eq!((shards.len(), process.sockets_left().len()), (3, 1));
    let line = fs::read_to_string(format!("/proc/{}/cmdline", shards[0].0)).unwrap();
    assert!(line.contains(&format!("maxmemory={}", 100 << 20)), "{line}");
    // As systemd does, to everybody.
    for (shard, _) in &shards {
        signal(*shard, Signal::TERM);
    }
    signal(process.child.id(), Signal::TERM);
    let (code, log) = process.ended();
    assert!(!log.contains("died"), "{log}");
    assert_eq!(code, Some(0), "{log}");
    for name in ["shard-1", "shard-2", "shard-3"] {
        assert!(log.lines().any(|line| line.starts_with(name) && line.ends_with(" ended")), "{name}: {log}");
    }
    assert!(shards.iter().all(|(shard, _)| stat(*shard).is_none()));
    assert_eq!(process.sockets_left(), Vec::<PathBuf>::new());
}

#[test]
fn shards_end_with_who_started_them_however_that_ends() {
    let (mut process, ..) = with_three_shards(&[]);
    let shards = process.shards();
    // One that is stopped cannot notice anything.
    signal(shards[0].0, Signal::STOP);
    signal(process.child.id(), Signal::KILL);
    assert_eq!(process.ended().0, None);
    let is_gone = |shard: u32| stat(shard).is_none_or(|(state, _)| state == 'Z');
    eventually("shards are gone", || shards.iter().all(|(shard, _)| is_gone(*shard)));
}

#[test]
fn what_keeps_shards_from_starting_keeps_the_whole_from_starting() {
    let ports = ["--redis-port", "0", "--admin-port", "0", "--shard-processes", "2"];
    let deep = "d".repeat(100);
    for (directory, part) in [(deep.as_str(), "too long"), ("missing", "No such file")] {
        let base = env::temp_dir().join(format!("tg-test-refused-{}", process::id()));
        fs::create_dir_all(base.join(&deep)).unwrap();
        let mut command = Command::new(tidegate_program().unwrap());
        command.args(ports).args(["--memcached-port", &free_port().to_string()]);
        let command = command.env("TMPDIR", base.join(directory)).env_remove("XDG_RUNTIME_DIR");
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(part) && said.contains("TMPDIR"), "{said}");
        assert_eq!(output.status.code(), Some(1));
        fs::remove_dir_all(&base).unwrap();
    }
    // A port that is taken is found out when the shards run already.
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut process = Process::start(&[&ports[..], &["--memcached-port", &port]].concat());
    let (code, log) = process.ended();
    assert!(log.contains(&format!("127.0.0.1:{port} is taken by another program")), "{log}");
    assert_eq!((code, process.sockets_left()), (Some(1), Vec::new()));
}

#[test]
fn a_gateway_serves_the_shards_of_its_topology_file_and_reads_it_again_when_told() {
    let directory = env::temp_dir().join(format!("tg-test-topology-{}", process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("topology.toml");
    let place = |name: &str| format!("unix:{}", directory.join(name).display());
    let write = |epoch: u32, last: u16| {
        let (one, two) = (place("1.sock"), place("2.sock"));
        let text = format!(
            "epoch = {epoch}\n\
             [[shards]]\nname = 's1'\nslots = '0-8191'\nlink = '{one}'\n\
             [[shards]]\nname = 's2'\nslots = '8192-{last}'\nlink = '{two}'\n"
        );
        fs::write(&file, text).unwrap();
    };
    let shard = |name: &str, slots: &str, socket: &str, epoch: &str| {
        let place = place(socket);
        Process::start(&["shard", "--id", name, "--slots", slots, "--listen", &place, "--epoch", epoch])
    };
    write(1, 16382);
    let first = shard("s1", "0-8191", "1.sock", "1");
    let [redis, admin] = [free_port(), free_port()];
    let mut gateway = Process::start(&[
        "gateway",
        "--topology",
        &file.to_string_lossy(),
        "--redis-port",
        &redis.to_string(),
        "--admin-port",
        &admin.to_string(),
        "--memcached-port",
        "0",
    ]);
    gateway.logged("no shard has the slots 16383");
    let health = || page(admin, "/healthz");
    eventually("s1 is up", || health().1.contains("s1 up"));
    let (status, text) = health();
    assert_eq!(status, 503);
    assert!(text.starts_with("no shard answers for the slots 8192-16383\ns1 up\ns2 down"), "{text}");
    client(redis).ask(b"SET key:1 kept\r\n", b"+OK\r\n");

    fs::write(&file, "epoch = 2\nshard = 1\n").unwrap();
    signal(gateway.child.id(), Signal::HUP);
    let said = gateway.logged("the topology stays as it is");
    assert!(said.contains("line 2: unknown field `shard`"), "{said}");
    drop(first);
    write(2, 16383);
    let _shards = [shard("s1", "0-8191", "1.sock", "2"), shard("s2", "8192-16383", "2.sock", "2")];
    signal(gateway.child.id(), Signal::HUP);
    gateway.logged("has epoch 2 and 2 shards now");
    eventually("everybody is up", || health().0 == 200);
    assert_eq!(health().1, "ok\ns1 up\ns2 up\n");
    let mut keys = client(redis);
    for key in KEYS {
        keys.ask(format!("SET {key} again\r\n").as_bytes(), b"+OK\r\n");
    }
    let values: BTreeSet<_> = KEYS.iter().map(|key| value(&mut keys, key)).collect();
    assert_eq!(values, BTreeSet::from(["again".to_owned()]));
    assert!(!page(admin, "/metrics").1.contains("tidegate_shard_restarts_total"));
    drop(gateway);
    fs::remove_dir_all(Path::new(&directory)).unwrap();
}
