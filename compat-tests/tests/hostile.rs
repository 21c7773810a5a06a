//! Clients that mean harm or have gone wrong: each gets the right error or is dropped, memory stays bounded, and
//! another client is served all the while.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use rustix::process::{Resource, getrlimit, setrlimit};
use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::in_each_form;
use tidegate_compat_tests::install::{Missing, needed};
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::wire::{REPLY_WAIT, Wire};

const KIBIBYTE: usize = 1024;
const MEBIBYTE: usize = 1024 * KIBIBYTE;
/// What the server may grow by while somebody tries to exhaust it; twice that where replies go from one process to another,
/// and are in both.
const GROWTH_MAX: u64 = 64 * MEBIBYTE as u64;

in_each_form!(
    wrong_lengths_are_refused_and_the_client_is_dropped,
    keys_and_items_over_memcached_limits_are_refused_and_the_client_goes_on,
    an_endless_line_is_cut_off,
    an_endless_announcement_costs_nothing_until_it_is_kept,
    a_flood_of_nothing_is_waded_through,
    garbage_ends_only_the_connection_it_came_by,
    a_client_that_never_reads_is_held_back,
    half_open_clients_hold_nobody_up,
    a_client_over_the_limit_is_told_so,
    ten_thousand_idle_connections_cost_two_kibibytes_each,
);

fn tidegate(form: Form, flags: &[&str]) -> Server {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Server::tidegate(form, &flags).unwrap()
}

fn connect(address: SocketAddr) -> Wire {
    Wire::connect(address).unwrap()
}

/// A client, unless the server has too many.
fn welcome(address: SocketAddr) -> Option<Wire> {
    let mut wire = connect(address);
    wire.send(b"PING\r\n");
    wire.wait_at_most(REPLY_WAIT);
    wire.line().is_ok_and(|line| line == b"+PONG").then_some(wire)
}

/// A client, as soon as the server has not too many.
fn welcome_at_last(address: SocketAddr) -> Wire {
    let start = Instant::now();
    loop {
        match welcome(address) {
            Some(wire) => return wire,
            None => assert!(start.elapsed() < REPLY_WAIT, "there is no place"),
        }
    }
}

/// Both protocols still serve a client that comes now.
fn others_are_served(server: &Server) {
    connect(server.redis()).ask(b"PING\r\n", b"+PONG\r\n");
    connect(server.memcached()).ask(b"mn\r\n", b"MN\r\n");
}

/// Runs `attack` and checks what it cost.
fn costs_little(server: &Server, attack: impl FnOnce()) {
    others_are_served(server);
    let before = server.resident_bytes();
    attack();
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(
        growth <= GROWTH_MAX * server.processes().len().min(2) as u64,
        "the server grew by {growth} bytes"
    );
    others_are_served(server);
}

fn wrong_lengths_are_refused_and_the_client_is_dropped(form: Form) {
    let server = tidegate(form, &[]);
    for (request, error) in [
        ("*1\r\n$-5\r\n", "invalid bulk length"),
        ("*1\r\n$536870913\r\n", "invalid bulk length"),
        ("*1\r\n$9223372036854775808\r\n", "invalid bulk length"),
        ("*1\r\n$x\r\n", "invalid bulk length"),
        ("*2147483648\r\n", "invalid multibulk length"),
        ("*99999999999999999999\r\n", "invalid multibulk length"),
        ("*1\r\n+OK\r\n", "expected '$', got '+'"),
    ] {
        let mut wire = connect(server.redis());
        wire.ask(request.as_bytes(), format!("-ERR Protocol error: {error}\r\n").as_bytes());
        wire.expect_close();
    }
    others_are_served(&server);
}

fn keys_and_items_over_memcached_limits_are_refused_and_the_client_goes_on(form: Form) {
    let server = tidegate(form, &[]);
    let mut wire = connect(server.memcached());
    let key = "k".repeat(251);
    wire.ask(format!("get {key}\r\n").as_bytes(), b"CLIENT_ERROR bad command line format\r\n");
    wire.ask(b"set k 0 0 -1\r\n", b"CLIENT_ERROR bad command line format\r\n");
    wire.ask(b"set k 0 0 1\r\n1\r\n", b"STORED\r\n");
    let mut large = format!("set k 0 0 {}\r\n", 2 * MEBIBYTE).into_bytes();
    large.resize(large.len() + 2 * MEBIBYTE, b'x');
    large.extend_from_slice(b"\r\nmn\r\n");
    wire.ask(&large, b"SERVER_ERROR object too large for cache\r\nMN\r\n");
    wire.ask(b"get k\r\n", b"END\r\n");
    others_are_served(&server);
}

fn an_endless_line_is_cut_off(form: Form) {
    let server = tidegate(form, &[]);
    for address in [server.redis(), server.memcached()] {
        costs_little(&server, || {
            let mut wire = connect(address);
            let chunk = vec![b'x'; MEBIBYTE];
            // The server closes long before this; then sending fails.
            let sent = (0..512).take_while(|_| wire.try_send(&chunk).is_ok()).count();
            assert!(sent < 512, "{address} took half a gigabyte of one line");
            wire.expect_close();
        });
    }
}

fn an_endless_announcement_costs_nothing_until_it_is_kept(form: Form) {
    let server = tidegate(form, &[]);
    costs_little(&server, || {
        let mut clients = Vec::new();
        for _ in 0..100 {
            let mut wire = connect(server.redis());
            wire.send(b"*1000000\r\n$3\r\nSET\r\n$536870912\r\nxxx");
            clients.push(wire);
            let mut wire = connect(server.memcached());
            wire.send(b"set k 0 0 1000000\r\nxxx");
            clients.push(wire);
            let mut wire = connect(server.memcached());
            wire.send(&[&[0x80, 1, 0, 1, 8, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff][..], &[0; 12], b"xxx"].concat());
            clients.push(wire);
        }
        others_are_served(&server);
    });
}

fn a_flood_of_nothing_is_waded_through(form: Form) {
    let server = tidegate(form, &[]);
    costs_little(&server, || {
        for nothing in [&b"\r\n"[..], b"*0\r\n", b"*-1\r\n"] {
            let mut wire = connect(server.redis());
            wire.send(&nothing.repeat(8 * MEBIBYTE / nothing.len()));
            wire.ask(b"PING\r\n", b"+PONG\r\n");
        }
        for megabytes in 2..=8 {
            let mut wire = connect(server.memcached());
            wire.send(format!("set k 0 0 {}\r\n", megabytes * MEBIBYTE).as_bytes());
            wire.send(&vec![b'x'; megabytes * MEBIBYTE]);
            wire.ask(b"\r\nmn\r\n", b"SERVER_ERROR object too large for cache\r\nMN\r\n");
        }
    });
}

fn garbage_ends_only_the_connection_it_came_by(form: Form) {
    let server = tidegate(form, &[]);
    // A linear congruential generator: garbage that is the same every time.
    let mut state = 1_u32;
    let mut garbage = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    costs_little(&server, || {
        for round in 0..400 {
            let first = [b'*', b'$', 0x80, b'g', 0x81, 0][round % 6];
            let address = if round % 2 == 0 { server.redis() } else { server.memcached() };
            let bytes: Vec<u8> = std::iter::once(first).chain((0..2000).map(|_| garbage())).collect();
            let mut wire = connect(address);
            wire.send(&bytes);
            wire.end_sending().ok();
            // Whatever it says, the connection ends, because we said that we are done.
            wire.expect_close();
        }
    });
}

fn a_client_that_never_reads_is_held_back(form: Form) {
    let server = tidegate(form, &[]);
    let mut writer = connect(server.redis());
    let value = vec![b'v'; MEBIBYTE];
    writer.ask(&[b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n", &value[..], b"\r\n"].concat(), b"+OK\r\n");
    let (redis, memcached) = (b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(1000), b"get k\r\n".repeat(1000));
    let mut reply = b"$1048576\r\n".to_vec();
    reply.extend_from_slice(&value);
    reply.extend_from_slice(b"\r\n");
    costs_little(&server, || {
        // A gigabyte of replies is asked for by each; the server must not hold it.
        let (mut slow_redis, mut slow_memcached) = (connect(server.redis()), connect(server.memcached()));
        slow_redis.send(&redis);
        slow_memcached.send(&memcached);
        for _ in 0..20 {
            others_are_served(&server);
        }
        // Held back is not forgotten.
        for _ in 0..50 {
            slow_redis.expect(&reply);
            slow_memcached.expect(b"VALUE k 0 1048576\r\n");
            slow_memcached.expect(&reply[10..]);
            slow_memcached.expect(b"END\r\n");
        }
    });
}

fn half_open_clients_hold_nobody_up(form: Form) {
    let server = tidegate(form, &[]);
    let mut half = Vec::new();
    for beginning in ["*2\r\n$3\r\nGET\r\n$1", "SET k", "*", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nab"] {
        let mut wire = connect(server.redis());
        wire.send(beginning.as_bytes());
        half.push(wire);
    }
    for beginning in ["set k 0 0 5\r\nab", "ge", "ms k", "\x00"] {
        let mut wire = connect(server.memcached());
        wire.send(beginning.as_bytes());
        half.push(wire);
    }
    for _ in 0..20 {
        others_are_served(&server);
    }
    // One that ends its side after a whole request still gets its answer, as the real servers give it.
    let mut wire = connect(server.redis());
    wire.send(b"PING\r\n");
    wire.end_sending().unwrap();
    wire.expect(b"+PONG\r\n");
    wire.expect_close();
    drop(half);
    others_are_served(&server);
}

fn a_client_over_the_limit_is_told_so(form: Form) {
    let server = tidegate(form, &["--maxclients", "5"]);
    // Those who asked whether the server is up may still be counted: who is refused tries again.
    let mut clients: Vec<Wire> = (0..5).map(|_| welcome_at_last(server.redis())).collect();
    let mut over = connect(server.redis());
    over.expect(b"-ERR max number of clients reached\r\n");
    over.expect_close();
    // A place that becomes free can be taken, as soon as the server has noticed.
    clients.pop();
    welcome_at_last(server.redis());
}

fn ten_thousand_idle_connections_cost_two_kibibytes_each(form: Form) {
    const CONNECTIONS: usize = 10_000;
    const CONNECTION_BYTES_MAX: u64 = 2 * KIBIBYTE as u64;
    // The server inherits the limit.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let files = limit.maximum.unwrap_or(u64::MAX);
    let enough =
        if files > CONNECTIONS as u64 + 500 { Ok(()) } else { Err(Missing::until("ulimit -Hn 20000")) };
    let Some(()) = needed("ten thousand idle connections", enough) else { return };

    let server = tidegate(form, &["--maxclients", "11000"]);
    let mut warm: Vec<Wire> = (0..200).map(|_| connect(server.redis())).collect();
    for wire in &mut warm {
        wire.ask(b"PING\r\n", b"+PONG\r\n");
    }
    let before = server.resident_bytes();
    let mut idle = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS / 100 {
        let mut hundred: Vec<Wire> = (0..100).map(|_| connect(server.redis())).collect();
        for wire in &mut hundred {
            // Each has said something: it is a client, and its buffers have been used.
            wire.ask(b"PING\r\n", b"+PONG\r\n");
        }
        idle.extend(hundred);
    }
    let each = server.resident_bytes().saturating_sub(before) / CONNECTIONS as u64;
    println!("an idle connection costs {each} bytes");
    assert!(each <= CONNECTION_BYTES_MAX, "an idle connection costs {each} bytes");
    others_are_served(&server);
    assert!(TcpStream::connect(server.redis()).is_ok());
}
