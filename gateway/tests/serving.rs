//! What a client sees of a gateway: order, pieces, large values, slow readers, limits.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::sync::atomic::Ordering::SeqCst;

use fake::{Server, array};

#[test]
fn requests_are_answered_in_order() {
    let server = Server::start(1);
    let mut client = server.client();
    client.ask(
        b"PING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\nGET k\r\n\r\nECHO hi\r\nnope\r\nget\r\nGET none\r\n",
        b"+PONG\r\n+OK\r\n$1\r\nv\r\n$2\r\nhi\r\n-ERR unknown command 'nope', with args beginning with: \r\n\
          -ERR wrong number of arguments for 'get' command\r\n$-1\r\n",
    );
}

#[test]
fn a_request_cut_anywhere_is_answered_the_same() {
    let server = Server::start(1);
    let wire =
        [array(&[b"SET", b"k", b"a\r\nb"]), array(&[b"GET", b"k"]), b"ECHO 'a b'\r\n".to_vec()].concat();
    for cut in 0..=wire.len() {
        let mut client = server.client();
        client.ask(b"PING\r\n", b"+PONG\r\n");
        client.send(&wire[..cut]);
        // A round trip of another client: the first piece has been read by then.
        server.client().ask(b"PING\r\n", b"+PONG\r\n");
        client.ask(&wire[cut..], b"+OK\r\n$4\r\na\r\nb\r\n$3\r\na b\r\n");
    }
}

#[test]
fn a_large_value_passes_with_what_is_pipelined_behind_it() {
    let server = Server::start(1);
    let mut client = server.client();
    for bytes in [60_000, 65_536, 200_000, 5_000_000] {
        let value = vec![b'x'; bytes];
        let mut wire = array(&[b"SET", b"k", &value]);
        for _ in 0..300 {
            wire.extend_from_slice(b"PING\r\n");
        }
        wire.extend_from_slice(&array(&[b"GET", b"k"]));
        wire.extend_from_slice(b"PING\r\n");
        let sender = std::thread::spawn({
            let mut client = fake::Client(client.0.try_clone().unwrap());
            move || client.send(&wire)
        });
        client.expect(b"+OK\r\n");
        client.expect(&b"+PONG\r\n".repeat(300));
        client.expect(format!("${bytes}\r\n").as_bytes());
        client.expect(&value);
        client.expect(b"\r\n+PONG\r\n");
        sender.join().unwrap();
    }
}

#[test]
fn what_another_worker_holds_is_waited_for_without_losing_the_order() {
    let server = Server::start(1);
    server.fake.busy.store(1000, SeqCst);
    let mut client = server.client();
    let mut other = server.client();
    client.send(b"SET a 1\r\nSET busy 2\r\nGET a\r\nGET busy\r\n");
    other.ask(b"PING\r\n", b"+PONG\r\n");
    client.ask(b"PING\r\n", b"+OK\r\n+OK\r\n$1\r\n1\r\n$1\r\n2\r\n+PONG\r\n");
    assert_eq!(server.fake.busy.load(SeqCst), 0);
}
