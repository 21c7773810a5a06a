//! What a client sees of a gateway: order, pieces, large values, slow readers, limits.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::sync::atomic::Ordering::SeqCst;

use fake::{Client, Server, array};

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
fn a_request_of_many_small_arguments_passes_with_what_is_pipelined_behind_it() {
    let server = Server::start(1);
    let mut client = server.client();
    let mut words = vec![&b"k"[..]; 200_001];
    words[0] = b"MSET";
    let mut wire = array(&words);
    wire.extend_from_slice(&b"PING\r\n".repeat(100_000));
    let sender = std::thread::spawn({
        let mut client = fake::Client(client.0.try_clone().unwrap());
        move || client.send(&wire)
    });
    client.expect(b"-ERR not by the fake\r\n");
    client.expect(&b"+PONG\r\n".repeat(100_000));
    sender.join().unwrap();
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

/// Numbers that look random and are the same in every run. Source: Knuth's MMIX generator.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Requests and the replies they must get: values of any size, some read back, some that another worker
/// holds for a while.
fn conversation(chance: &mut Chance, name: &str) -> (Vec<u8>, Vec<u8>) {
    let (mut wire, mut replies) = (Vec::new(), Vec::new());
    let mut value = Vec::new();
    for step in 0..150 {
        let key = if chance.below(8) == 0 { "busy" } else { name };
        match chance.below(4) {
            0 => {
                let bytes = [3, 100, 5_000, 70_000, 300_000][chance.below(5)];
                value = format!("{name}{step}").into_bytes();
                value.resize(bytes, b'.');
                wire.extend_from_slice(&array(&[b"SET", name.as_bytes(), &value]));
                replies.extend_from_slice(b"+OK\r\n");
            }
            1 if !value.is_empty() => {
                wire.extend_from_slice(&array(&[b"GET", name.as_bytes()]));
                replies.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                replies.extend_from_slice(&value);
                replies.extend_from_slice(b"\r\n");
            }
            2 => {
                wire.extend_from_slice(&array(&[b"SET", key.as_bytes(), b"x"]));
                replies.extend_from_slice(b"+OK\r\n");
                if key == name {
                    value = b"x".to_vec();
                }
            }
            _ => {
                wire.extend_from_slice(format!("ECHO {step}\r\n").as_bytes());
                replies.extend_from_slice(format!("${}\r\n{step}\r\n", step.to_string().len()).as_bytes());
            }
        }
    }
    (wire, replies)
}

#[test]
fn conversations_of_any_shape_at_once_keep_their_order() {
    let server = Server::start(2);
    server.fake.busy.store(2000, SeqCst);
    let talks: Vec<_> = (0..8)
        .map(|seed| {
            let mut client = server.client();
            std::thread::spawn(move || {
                let mut chance = Chance(seed);
                let (wire, replies) = conversation(&mut chance, &format!("client{seed}"));
                let mut sender = fake::Client(client.0.try_clone().unwrap());
                let sending = std::thread::spawn(move || {
                    let mut rest = &wire[..];
                    while !rest.is_empty() {
                        let piece = rest.len().min(1 + chance.below(200_000));
                        sender.send(&rest[..piece]);
                        rest = &rest[piece..];
                    }
                });
                client.expect(&replies);
                sending.join().unwrap();
            })
        })
        .collect();
    for talk in talks {
        talk.join().unwrap();
    }
}

#[test]
fn what_a_memcached_client_speaks_is_counted_from_its_first_byte() {
    let server = Server::start(1);
    let noop = [&[0x80, 0x0a][..], &[0; 22]].concat();
    let answer = [&[0x81, 0x0a][..], &[0; 22]].concat();
    Client::connect(server.running.memcached()[0]).ask(&noop, &answer);
    Client::connect(server.running.memcached()[0]).ask(b"mn\r\n", b"MN\r\n");
    let [_, text, binary, _] = server.running.shared().counters.totals().protocols;
    assert_eq!((text.bytes_in, binary.bytes_in), (4, 24));
}
