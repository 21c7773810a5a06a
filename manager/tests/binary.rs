//! The binary as whoever starts it sees it: what it prints, where it listens, how it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

/// Ports as all tests of programs take them: two that start at the same time never get the same.
#[path = "../../compat-tests/src/port.rs"]
#[expect(unreachable_pub, reason = "the tests from outside share it")]
mod port;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use port::free_port;
use rustix::process::{Pid, Signal, kill_process};

const BINARY: &str = env!("CARGO_BIN_EXE_tidegate");

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that has said that it listens; dropped, it is killed.
struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    banner: String,
}

impl Server {
    /// Starts `program` and reads its banner, which ends with the last way to try it.
    fn start(program: &Path, flags: &[&str], last: &str) -> Self {
        let mut child = Command::new(program)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.lines().last().is_some_and(|line| line.contains(last)) {
            assert_ne!(output.read_line(&mut banner).unwrap(), 0, "it ended after {banner}");
        }
        Self { child, output, banner }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id() as i32).unwrap(), signal).unwrap();
    }

    /// Waits for the end; the exit code and everything logged.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends `request` and reads until the answer ends with `end`.
fn ask(host: &str, port: u16, request: &str, end: &str) -> String {
    let mut stream = TcpStream::connect((host, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) {
        let mut byte = [0];
        let read = stream.read_exact(&mut byte);
        read.unwrap_or_else(|error| panic!("{error} after {}", String::from_utf8_lossy(&answer)));
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

fn page(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn refused(flags: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new(BINARY).args(flags).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn what_the_banner_names_answers() {
    let [redis, memcached, admin] = [free_port(), free_port(), free_port()];
    let flags = format!("--redis-port {redis} --memcached-port {memcached} --admin-port {admin} --threads 2");
    let flags: Vec<_> = flags.split(' ').chain(["--bind", "127.0.0.1 127.0.0.2"]).collect();
    let server = Server::start(Path::new(BINARY), &flags, "| nc");
    for host in ["127.0.0.1", "127.0.0.2"] {
        assert!(server.banner.contains(&format!("{host}:{redis}")), "{}", server.banner);
        assert_eq!(ask(host, redis, "SET k v\r\n", "\r\n"), "+OK\r\n");
        assert_eq!(ask(host, memcached, "get k\r\n", "END\r\n"), "VALUE k 0 1\r\nv\r\nEND\r\n");
    }
    assert!(page(admin, "/healthz").ends_with("\r\n\r\nok\n"));
    assert!(page(admin, "/nowhere").starts_with("HTTP/1.1 404"));
    let metrics = page(admin, "/metrics");
    for line in [
        "tidegate_commands_total{protocol=\"redis\",command=\"set\"} 2\n",
        "tidegate_commands_total{protocol=\"memcached\",command=\"get\"} 2\n",
        "tidegate_hits_total 2\n",
        "tidegate_keys{db=\"0\"} 1\n",
        "tidegate_worker_threads 2\n",
        "tidegate_command_duration_seconds_count{protocol=\"redis\"} 2\n",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
}

#[test]
fn a_taken_port_is_named_with_the_flag_that_changes_it() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let free = free_port().to_string();
    for flag in ["--redis-port", "--memcached-port", "--admin-port"] {
        let mut flags = vec!["--redis-port", &free, "--memcached-port", "0", "--admin-port", "0"];
        match flags.iter().position(|other| *other == flag) {
            Some(at) => flags[at + 1] = &port,
            None => flags.extend([flag, &port]),
        }
        let (code, error) = refused(&flags);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(&format!("127.0.0.1:{port} is taken")) && error.contains(flag), "{error}");
    }
}

#[test]
fn what_cannot_be_served_is_refused_with_the_reason() {
    for (flags, code, reason) in [
        (&["--redis-port", "0", "--memcached-port", "0"][..], 1, "nothing to serve"),
        (&["--data-dir", "/no/such/directory"], 1, "--data-dir /no/such/directory"),
        (&["--bind", "nowhere"], 1, "'nowhere' is no IP address"),
        (&["--config", "/no/such/file.toml"], 2, "configuration file /no/such/file.toml"),
        (&["--memory", "lots"], 2, "--memory"),
        (&["memcached", "-A"], 2, "clients cannot shut it down"),
    ] {
        let (status, error) = refused(flags);
        assert_eq!(status, Some(code), "{flags:?}: {error}");
        assert!(error.contains(reason), "{flags:?}: {error}");
    }
}

#[test]
fn a_signal_ends_it_gracefully() {
    for signal in [Signal::TERM, Signal::INT] {
        let port = free_port();
        let flags = ["--redis-port", &port.to_string(), "--memcached-port", "0", "--admin-port", "0"];
        let server = Server::start(Path::new(BINARY), &flags, "redis-cli");
        server.signal(Signal::HUP);
        assert_eq!(ask("127.0.0.1", port, "PING\r\n", "\r\n"), "+PONG\r\n", "SIGHUP is ignored");
        server.signal(signal);
        let (code, log) = server.ended();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("ended"), "{log}");
    }
}

#[test]
fn a_client_s_shutdown_ends_it() {
    let port = free_port();
    let flags = ["--redis-port", &port.to_string(), "--memcached-port", "0", "--admin-port", "0"];
    let server = Server::start(Path::new(BINARY), &flags, "redis-cli");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(b"SHUTDOWN\r\n").unwrap();
    assert_eq!(server.ended().0, Some(0));
}

#[test]
fn a_link_named_memcached_is_one() {
    let directory = std::env::temp_dir().join(format!("tidegate-link-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (link, pid_file) = (directory.join("memcached"), directory.join("pid"));
    std::os::unix::fs::symlink(BINARY, &link).unwrap();
    let port = free_port();
    let flags = format!("-l 127.0.0.1 -p {port} -m 64 -c 100 -t 2 -U 0 -o modern -P {}", pid_file.display());
    let server = Server::start(&link, &flags.split(' ').collect::<Vec<_>>(), "| nc");
    assert!(server.banner.contains("64 MiB, then allkeys-lru"), "{}", server.banner);
    assert!(!server.banner.contains("Redis"), "{}", server.banner);
    assert_eq!(ask("127.0.0.1", port, "version\r\n", "\r\n"), "VERSION 1.6.18\r\n");
    assert_eq!(std::fs::read_to_string(&pid_file).unwrap(), format!("{}\n", server.child.id()));
    server.signal(Signal::TERM);
    let (code, log) = server.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("-o modern has no effect"), "{log}");
    assert!(!pid_file.exists());
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn log_lines_are_json_when_asked_for() {
    let port = free_port().to_string();
    let flags = "--memcached-port 0 --admin-port 0 --log-format json --redis-port".split(' ').chain([&*port]);
    let mut child = Command::new(BINARY).args(flags).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    log.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with('{') && line.ends_with("}\n"), "{line}");
    assert!(line.contains("\"message\":\"serving\"") && line.contains(&port), "{line}");
}

#[test]
fn who_does_not_read_the_log_holds_nobody_up() {
    // More than a pipe holds.
    let lines = 2500;
    for shards in ["0", "1"] {
        let port = free_port();
        let port_flag = port.to_string();
        let flags = "--memcached-port 0 --admin-port 0 --threads 1 --set loglevel=verbose --redis-port";
        let flags: Vec<_> = flags.split(' ').chain([&*port_flag, "--shard-processes", shards]).collect();
        let server = Server::start(Path::new(BINARY), &flags, "redis-cli");
        for _ in 0..lines {
            let answer = ask("127.0.0.1", port, "*1\r\nPING\r\n", "\r\n");
            assert!(answer.starts_with("-ERR Protocol error"), "{answer}");
        }
        assert_eq!(ask("127.0.0.1", port, "SET k v\r\n", "\r\n"), "+OK\r\n");
        server.signal(Signal::TERM);
        let (code, log) = server.ended();
        assert_eq!(code, Some(0));
        assert!((32 * 1024..128 * 1024).contains(&log.len()), "{} bytes of log", log.len());
    }
}

/// A folder of this test's own; dropped, it is removed.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidegate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn memcached(flags: &str) -> Server {
    let flags: Vec<_> = ["memcached"].into_iter().chain(flags.split(' ')).collect();
    Server::start(Path::new(BINARY), &flags, "| nc")
}

#[test]
fn in_memcached_s_place_it_listens_wherever_it_is_told() {
    let [common, own, other] = [free_port(), free_port(), free_port()];
    let server = memcached(&format!(
        "-l 127.0.0.1,127.0.0.2:{own} -l localhost:{other} -l 127.0.0.1 -p {common} -U 0 -t 1"
    ));
    for (host, port) in [("127.0.0.1", common), ("127.0.0.2", own), ("127.0.0.1", other)] {
        assert_eq!(ask(host, port, "mn\r\n", "\r\n"), "MN\r\n", "{}", server.banner);
    }
}

#[test]
fn users_of_a_file_are_who_clients_have_to_be() {
    let folder = Folder::new("users");
    let file = folder.0.join("users");
    std::fs::write(&file, "ann:secret\n").unwrap();
    let port = free_port();
    let mut server = memcached(&format!("-l 127.0.0.1 -p {port} -t 1 -Y {}", file.display()));
    assert_eq!(ask("127.0.0.1", port, "mn\r\n", "\r\n"), "CLIENT_ERROR unauthenticated\r\n");
    assert_eq!(ask("127.0.0.1", port, "set a 0 0 10\r\nann secret\r\nmn\r\n", "MN\r\n"), "STORED\r\nMN\r\n");
    let mut log = BufReader::new(server.child.stderr.take().unwrap());
    for (users, told, password, answer) in [
        ("ann:other!\n", "again", "other!", "STORED\r\n"),
        ("nobody\n", "the users stay as they are", "other!", "STORED\r\n"),
        ("ann:third!\n", "again", "other!", "CLIENT_ERROR authentication failure\r\n"),
    ] {
        std::fs::write(&file, users).unwrap();
        server.signal(Signal::HUP);
        let mut line = String::new();
        while !line.contains(told) {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "{told}");
        }
        assert_eq!(ask("127.0.0.1", port, &format!("set a 0 0 10\r\nann {password}\r\n"), "\r\n"), answer);
    }
}

/// The user ids of every thread of a process.
fn users_of(process: u32) -> BTreeSet<String> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    // One that ends meanwhile has no user.
    let status = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok());
    let line = |status: String| status.lines().find(|line| line.starts_with("Uid:")).unwrap().to_owned();
    status.map(line).collect()
}

#[test]
fn as_root_it_becomes_the_user_it_is_told_to_with_all_threads() {
    let folder = Folder::new("user");
    // Nobody may write here: memcached serves without its pid file then, and so do we.
    let pid_file = folder.0.join("nobody's/pid");
    let port = free_port();
    let server = memcached(&format!("-l 127.0.0.1 -p {port} -m 8 -u nobody -P {}", pid_file.display()));
    assert_eq!(ask("127.0.0.1", port, "set a 0 0 1\r\nx\r\n", "\r\n"), "STORED\r\n");
    let is_root = rustix::process::getuid().is_root();
    let expected = if is_root { uid_of("nobody") } else { rustix::process::getuid().as_raw().to_string() };
    assert_eq!(
        users_of(server.child.id()),
        BTreeSet::from([format!("Uid:{}", format!("\t{expected}").repeat(4))])
    );
    server.signal(Signal::TERM);
    let (code, log) = server.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("cannot write the pid file"), "{log}");
}

fn uid_of(name: &str) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
    line.split(':').nth(2).unwrap().to_owned()
}

#[test]
fn in_memcached_s_place_it_listens_on_a_file() {
    let folder = Folder::new("socket");
    let path = folder.0.join("socket");
    // One that was cut off has left its own.
    drop(UnixListener::bind(&path).unwrap());
    let server = memcached(&format!("-s {} -a 0770 -p 1 -t 1", path.display()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o770);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let large = "x".repeat(1_000_000);
    write!(stream, "set a 0 0 1000000\r\n{large}\r\nget a\r\nstats conns\r\nstats settings\r\nquit\r\n")
        .unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    assert!(told.starts_with(&format!("STORED\r\nVALUE a 0 1000000\r\n{large}\r\nEND\r\n")));
    for line in
        [format!(":addr unix:{}\r\n", path.display()), format!("STAT domain_socket {}\r\n", path.display())]
    {
        assert!(told.contains(&line), "{line} in {}", &told[large.len()..]);
    }
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0, Some(0));
    assert!(!path.exists());
}
