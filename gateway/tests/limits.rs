//! What bounds a gateway: clients, memory, input, output, and its own end.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use fake::{Client, PATIENCE, Server, array, eventually, free_place};
use tidegate_gateway::{Config, Gateway, Users};
use tidegate_protocols::settings::Key;

#[test]
fn one_client_too_many_is_told_so() {
    let server = Server::start_with(1, &[(Key::MaxClients, "2")]);
    let mut clients = [server.client(), server.client()];
    for client in &mut clients {
        client.ask(b"PING\r\n", b"+PONG\r\n");
    }
    let mut third = server.client();
    third.expect(b"-ERR max number of clients reached\r\n");
    third.expect_end();
    let mut memcached = Client::connect(server.running.memcached()[0]);
    memcached.expect(b"ERROR Too many open connections\r\n");
    memcached.expect_end();
    let [mut first, _second] = clients;
    first.ask(b"QUIT\r\n", b"+OK\r\n");
    first.expect_end();
    // The place is free as soon as the worker has buried the first client, which nobody is told.
    eventually("the place is free", || {
        let mut client = server.client();
        client.send(b"PING\r\n");
        client.line() == "+PONG"
    });
    assert_eq!(server.running.shared().counters.totals().accepted, 3);
}

#[test]
fn a_taken_port_is_named_with_the_flag_that_changes_it() {
    let server = Server::start(1);
    let (redis, users) = (server.running.redis().to_vec(), Users::default());
    let config = Config { redis, workers: 1, users, ..Config::default() };
    let data = std::sync::Arc::new(fake::Handle(std::sync::Arc::default()));
    let error = Gateway::start(&config, data, std::sync::Arc::default()).unwrap_err().to_string();
    let address = server.running.redis()[0].to_string();
    assert!(error.contains(&address) && error.contains("--redis-port"), "{error}");
}

#[test]
fn bytes_that_are_no_request_are_answered_and_end_the_connection() {
    let server = Server::start(1);
    let endless = vec![b'x'; 70_000];
    for (wire, reply) in [
        (&b"*1\r\n:1\r\n"[..], &b"-ERR Protocol error: expected '$', got ':'\r\n"[..]),
        (b"PING\r\n*1\r\n$-1\r\n", b"+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$600000000\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"GET \"a\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
        (&endless, b"-ERR Protocol error: too big inline request\r\n"),
    ] {
        let mut client = server.client();
        client.ask(wire, reply);
        client.expect_end();
    }
    server.client().ask(b"PING\r\n", b"+PONG\r\n");
}

#[test]
fn a_client_that_reads_nothing_is_not_served_further_and_loses_nothing() {
    let server = Server::start(1);
    let value = vec![b'v'; 1024 * 1024];
    server.client().ask(&array(&[b"SET", b"k", &value]), b"+OK\r\n");
    let mut slow = server.client();
    // 64 MiB of replies to what fits into one read; the sockets hold a few of them.
    slow.send(&b"GET k\r\n".repeat(64));
    let mut other = server.client();
    eventually("the slow client has output waiting", || {
        other.send(b"CLIENT LIST\r\n");
        other.bulk().lines().any(|line| !line.contains(" omem=0 "))
    });
    other.send(b"CLIENT LIST\r\n");
    let list = other.bulk();
    let waiting =
        list.lines().filter_map(|line| line.split(" omem=").nth(1)?.split(' ').next()?.parse::<u64>().ok());
    let most = waiting.max().unwrap();
    assert!(most < 4 * 1024 * 1024, "{most} bytes wait for a client that reads nothing");
    slow.send(b"PING\r\n");
    let mut reply = format!("${}\r\n", value.len()).into_bytes();
    reply.extend_from_slice(&value);
    reply.extend_from_slice(b"\r\n");
    for _ in 0..64 {
        slow.expect(&reply);
    }
    slow.expect(b"+PONG\r\n");
}

#[test]
fn a_client_that_sends_something_large_is_not_idle() {
    // Long, because whoever stands still for as long is idle.
    let server = Server::start_with(1, &[(Key::Timeout, "5")]);
    let (mut sender, mut other) = (server.client(), server.client());
    sender.ask(b"PING\r\n", b"+PONG\r\n");
    sender.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n");
    let silent = server.client();
    silent.0.set_nonblocking(true).unwrap();
    // Until one has been closed that has been silent for as long as the sender has not completed anything.
    eventually("who is silent is closed", || {
        sender.send(b"v");
        other.ask(b"PING\r\n", b"+PONG\r\n");
        matches!((&silent.0).read(&mut [0]), Ok(0))
    });
    eventually("only the sender and who asks are left", || {
        other.send(b"CLIENT LIST\r\n");
        let list = other.bulk();
        assert!(list.contains(&format!(" addr={} ", sender.0.local_addr().unwrap())), "{list}");
        list.lines().count() == 2
    });
}

#[test]
fn output_over_the_hard_limit_closes_the_client() {
    let server = Server::start_with(1, &[(Key::ClientOutputBufferLimit, "normal 2mb 0 0")]);
    let value = vec![b'v'; 16 * 1024 * 1024];
    server.client().ask(&array(&[b"SET", b"k", &value]), b"+OK\r\n");
    let mut greedy = server.client();
    greedy.send(b"GET k\r\n");
    let mut got = Vec::new();
    // The end comes before the value does; whether by FIN or RST is up to the kernel.
    let _ = greedy.0.read_to_end(&mut got);
    assert!(got.len() < value.len(), "{} bytes arrived", got.len());
    assert_eq!(server.running.shared().counters.totals().output_limit_disconnections, 1);
}

#[test]
fn the_end_answers_what_has_arrived() {
    let redis = vec![free_place()];
    let server = Server::start_as(&Config { redis, workers: 2, ..Config::default() }, &[]);
    let mut clients: Vec<_> = (0..10).map(|_| server.client()).collect();
    for client in &mut clients {
        client.ask(b"PING\r\n", b"+PONG\r\n");
        client.send(b"SET a 1\r\nGET a\r\n");
    }
    let address = server.running.redis()[0];
    assert_eq!(server.running.shutdown(PATIENCE), 0);
    for client in &mut clients {
        client.expect(b"+OK\r\n$1\r\n1\r\n");
        client.expect_end();
    }
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn the_end_cuts_off_who_takes_nothing() {
    let server = Server::start(2);
    let value = vec![b'v'; 16 * 1024 * 1024];
    server.client().ask(&array(&[b"SET", b"k", &value]), b"+OK\r\n");
    eventually("only the other is there", || server.running.shared().registry.is_empty());
    let mut stuck = server.client();
    stuck.ask(b"PING\r\nGET k\r\n", b"+PONG\r\n");
    assert_eq!(server.running.shutdown(Duration::from_millis(500)), 1);
}

#[test]
fn a_client_that_has_said_all_it_wanted_still_gets_its_answers() {
    let server = Server::start(1);
    let mut client = server.client();
    client.0.write_all(b"SET a 1\r\nGET a\r\n").unwrap();
    client.0.shutdown(Shutdown::Write).unwrap();
    client.expect(b"+OK\r\n$1\r\n1\r\n");
    client.expect_end();
}

/// Waits until there are so many clients, asking the gateway itself.
#[track_caller]
fn until_clients(server: &Server, expected: usize) {
    eventually(&format!("{expected} clients"), || server.running.shared().registry.len() == expected);
}

#[test]
fn a_client_that_is_killed_while_it_sleeps_or_waits_frees_its_place() {
    let server = Server::start(1);
    let mut admin = server.client();
    for wait in ["DEBUG SLEEP 1000000", "CLIENT PAUSE 1000000 WRITE\r\nSET k v"] {
        let mut client = server.client();
        client.ask(b"CLIENT ID\r\n", b":");
        let id = client.line();
        client.send(format!("{wait}\r\n").as_bytes());
        if wait.contains("PAUSE") {
            client.expect(b"+OK\r\n");
        }
        until_clients(&server, 2);
        // What was sent before is on its way to be executed, or has been: the kill ends it in any case.
        admin.ask(format!("CLIENT KILL ID {id}\r\n").as_bytes(), b":1\r\n");
        client.expect_end();
        until_clients(&server, 1);
    }
    admin.ask(b"CLIENT UNPAUSE\r\n", b"+OK\r\n");
}

#[test]
fn a_client_that_hangs_up_while_a_pause_holds_it_is_let_go() {
    let server = Server::start(1);
    let mut admin = server.client();
    admin.ask(b"CLIENT PAUSE 1000000 WRITE\r\n", b"+OK\r\n");
    let mut client = server.client();
    client.ask(b"PING\r\n", b"+PONG\r\n");
    client.send(b"SET k v\r\n");
    drop(client);
    until_clients(&server, 1);
    admin.ask(b"CLIENT UNPAUSE\r\nGET k\r\n", b"+OK\r\n$-1\r\n");
}

#[test]
fn what_was_sent_before_half_closing_is_answered_after_a_sleep() {
    let server = Server::start(1);
    let mut client = server.client();
    client.send(b"DEBUG SLEEP 1.2\r\nPING\r\n");
    client.0.shutdown(Shutdown::Write).unwrap();
    client.expect(b"+OK\r\n+PONG\r\n");
    client.expect_end();
}

#[test]
fn a_pause_past_the_end_of_time_is_none() {
    let server = Server::start(1);
    let mut client = server.client();
    client.ask(b"CLIENT PAUSE 9223372036854775807\r\nPING\r\n", b"+OK\r\n+PONG\r\n");
}

#[test]
fn docs_of_one_command_named_again_and_again_are_refused() {
    let server = Server::start(1);
    let mut client = server.client();
    for question in [&b"DOCS"[..], b"INFO"] {
        let mut words = vec![&b"COMMAND"[..], question];
        words.resize(100_000, b"bitfield");
        client.ask(&array(&words), b"-ERR the reply would be longer than a reply may be\r\n");
    }
}

#[test]
fn an_error_within_a_line_of_keys_is_the_end_of_the_reply_and_of_the_client() {
    let server = Server::start(1);
    let mut client = Client::connect(server.running.memcached()[0]);
    let refused = b"-ERR not by the fake\r\n";
    client.ask(b"get a\r\n", refused);
    client.ask(b"get a b\r\nget c\r\n", refused);
    client.expect_end();
}
