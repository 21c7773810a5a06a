//! Clients whose machine or network is gone without a word: nothing tells the server but its own probes and clocks.
//!
//! Two network namespaces with a link between them, which then swallows everything. It takes no root, but a kernel
//! and a sandbox that allow user namespaces. The probes and the clocks themselves are looked at everywhere.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::install::{needed, program};
use tidegate_compat_tests::server::{Server, tidegate_program};
use tidegate_compat_tests::wire::Wire;

/// How long to wait for what has to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the system calls a timer that sends probes. Source: Linux, `proc_net_tcp.txt`.
const KEEPALIVE_TIMER: &str = "02";

#[test]
fn a_client_that_is_gone_without_a_word_is_closed_by_keepalive_and_by_timeout() {
    let name = "a_client_that_is_gone_without_a_word_is_closed_by_keepalive_and_by_timeout";
    let Some(_) = needed(name, program("ip", "iproute2")) else { return };
    let namespaces = ["--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let allowed = Command::new("unshare").args(namespaces).arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        // Nothing that can be installed, so no failure in CI either; not `eprintln!`, which a test that passes keeps.
        let line = "a kernel or sandbox that allows user namespaces";
        writeln!(io::stderr(), "skipped: {name}; to run it: {line}").expect("there is an error output");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/silent_peers/namespaces.sh");
    let program = tidegate_program().expect("the server is built");
    let output = Command::new("unshare").args(namespaces).args(["bash", script, &program]).output();
    let output = output.expect("bash runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(told, "keepalive: gone\ntimeout: gone\nneither: there\n", "{output:?}");
}

#[test]
fn the_system_is_about_to_probe_clients_that_say_nothing() {
    let server = Server::tidegate(Form::InProcess, &[]).expect("the server starts");
    for address in [server.redis(), server.memcached()] {
        let mut wire = Wire::connect(address).expect("the server listens");
        wire.send(b"nothing that is answered");
        let deadline = Instant::now() + PATIENCE;
        while timer(address, wire.local_address()).as_deref() != Some(KEEPALIVE_TIMER) {
            assert!(Instant::now() < deadline, "no probes for a client of {address}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_client_that_says_nothing_for_the_timeout_is_closed() {
    // Until it has said what it says, it must not be idle.
    let flags = ["--timeout", "5"].map(str::to_owned);
    let server = Server::tidegate(Form::InProcess, &flags).expect("the server starts");
    let mut wire = Wire::connect(server.redis()).expect("the server listens");
    wire.ask(b"PING\r\n", b"+PONG\r\n");
    wire.expect_close();
}

/// The timer of the server's end of a connection over IPv4.
fn timer(server: SocketAddr, client: SocketAddr) -> Option<String> {
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("this is Linux");
    let [server, client] = [server, client].map(|address| format!(":{:04X}", address.port()));
    let mut rows = sockets.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.len() > 5 && row[1].ends_with(&server) && row[2].ends_with(&client))?;
    row[5].split(':').next().map(str::to_owned)
}
