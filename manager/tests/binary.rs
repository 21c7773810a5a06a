//! The binary as whoever starts it sees it: what it prints, where it listens, how it ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

const BINARY: &str = env!("CARGO_BIN_EXE_tidegate");

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

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

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Sends `request` and reads until the answer ends with `end`.
fn ask(host: &str, port: u16, request: &str, end: &str) -> String {
    let mut stream = TcpStream::connect((host, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) {
        let mut byte = [0];
        let read = stream.read(&mut byte).unwrap();
        assert_eq!(read, 1, "closed after {}", String::from_utf8_lossy(&answer));
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
        (&["memcached", "-d"], 2, "stays in the foreground"),
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
    assert!(server.banner.contains("Redis      off"), "{}", server.banner);
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
