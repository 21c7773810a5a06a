//! The binary in the place of redis-server, as scripts and services start that.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

const BINARY: &str = env!("CARGO_BIN_EXE_tidegate");

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A folder for one test, with a link in it that is called as Redis is.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidegate-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        symlink(BINARY, path.join("redis-server")).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.0.join(name), text).unwrap();
        self.file(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.0.join("redis-server"));
        command.current_dir(&self.0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env_remove("NOTIFY_SOCKET");
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process in the background, ended when the test is.
struct Daemon(Pid);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// Ended when the test is.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// What a server that listens at `socket` answers to a request.
fn ask(socket: &str, request: &str, end: &str) -> String {
    let mut stream =
        eventually(&format!("something listens at {socket}"), || UnixStream::connect(socket).ok());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(end.as_bytes()) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed after {}", answer.escape_ascii());
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

/// The exit code, and what standard error says, without the version of Redis.
fn refusal(command: &mut Command, input: &str) -> (Option<i32>, String) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    let text =
        text.lines().map(|line| if line.contains("FATAL CONFIG FILE") { "*** FATAL ***" } else { line });
    (status.code(), text.collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_configuration_that_cannot_be_is_refused_as_by_redis() {
    let folder = Folder::new("refused");
    let file = folder.write("wrong.conf", "# a comment\n\nport 7000\n  tiemout 5 \n");
    for (words, input) in [
        (&["-"][..], "foo bar\n"),
        (&["-"], "port \"12\n"),
        (&["-"], "maxmemory 1gb\n\n\nport\n"),
        (&["-"], "client-output-buffer-limit nobody 1 2 3\n"),
        (&["-"], "maxmemory-policy sometimes"),
        (&[&file], ""),
        (&["--prot", "1"], ""),
        (&["--port"], ""),
        (&["--port", "1", "2"], ""),
        (&["--port", "seven"], ""),
        (&["--timeout", "3", "--hz", "x\ty\"z"], ""),
        (&["--unixsocketperm", "999"], ""),
        (&["--unixsocketperm", "1777"], ""),
    ] {
        let real = refusal(Command::new("redis-server").args(words), input);
        assert_eq!(refusal(folder.command().args(words), input), real, "{words:?} {input:?}");
        assert_eq!(real.0, Some(1), "{words:?} {input:?}");
    }
}

#[test]
fn in_the_background_it_writes_its_log_and_its_number_and_answers_at_its_socket() {
    let folder = Folder::new("background");
    let [socket, log, pid_file] = ["redis.sock", "redis.log", "redis.pid"].map(|name| folder.file(name));
    let text = format!(
        "port 0\nunixsocket {socket}\nunixsocketperm 750\ndaemonize yes\nlogfile redis.log\ndir {}\n\
         pidfile {pid_file}\nio-threads 4\nthreads 2\n",
        folder.0.display()
    );
    let file = folder.write("redis.conf", &text);
    assert!(folder.command().arg(&file).status().unwrap().success());
    let number = eventually("the pid file", || fs::read_to_string(&pid_file).ok());
    let daemon = Daemon(Pid::from_raw(number.trim().parse().unwrap()).unwrap());
    assert!(ask(&socket, "CLIENT INFO\r\n", "\n\r\n").contains(" flags=U "), "a client of a socket");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o750);
    let told = eventually("the log", || {
        fs::read_to_string(&log).ok().filter(|text| text.contains("Ready to accept connections unix"))
    });
    for part in [
        &format!("PID: {}", number.trim())[..],
        " * Server initialized\n",
        "without effect here (COMMANDS.md says why): io-threads\n",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
    // Who keeps logs moves them away.
    fs::rename(&log, folder.0.join("redis.log.1")).unwrap();
    assert_eq!(
        ask(&socket, "CONFIG SET timeout 77\r\nCONFIG REWRITE\r\n", "+OK\r\n+OK\r\n"),
        "+OK\r\n+OK\r\n"
    );
    assert!(fs::read_to_string(&file).unwrap().ends_with("# Generated by CONFIG REWRITE\ntimeout 77\n"));
    kill_process(daemon.0, Signal::TERM).unwrap();
    eventually("it has ended", || test_kill_process(daemon.0).is_err().then_some(()));
    assert!(fs::read_to_string(&log).unwrap().contains("ended\n"));
    assert!(!Path::new(&socket).exists() && !Path::new(&pid_file).exists());
}

#[test]
fn systemd_is_told_when_it_serves_and_when_it_ends() {
    let folder = Folder::new("systemd");
    let [socket, notify] = ["redis.sock", "notify.sock"].map(|name| folder.file(name));
    let hears = UnixDatagram::bind(&notify).unwrap();
    hears.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut text = [0; 256];
        let bytes = hears.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..bytes]).into_owned()
    };
    let mut command = folder.command();
    command.args(["--port", "0", "--unixsocket", &socket, "--supervised", "systemd", "--daemonize", "no"]);
    let server = Server(command.env("NOTIFY_SOCKET", &notify).spawn().unwrap());
    assert!(hear().starts_with("READY=1\n"));
    assert_eq!(ask(&socket, "PING\r\n", "\r\n"), "+PONG\r\n");
    kill_process(Pid::from_raw(server.0.id() as i32).unwrap(), Signal::TERM).unwrap();
    assert_eq!(hear(), "STOPPING=1\n");
}

#[test]
fn what_version_it_is_in_the_place_of_is_told_as_by_redis() {
    let folder = Folder::new("version");
    let told = folder.command().arg("--version").stdout(Stdio::piped()).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.starts_with("Redis server v=7.2.4 sha=00000000:0 malloc=jemalloc"), "{told}");
    let told = Command::new(BINARY).args(["redis-server", "-h"]).output().unwrap();
    assert!(String::from_utf8(told.stdout).unwrap().contains("/path/to/redis.conf"));
}
