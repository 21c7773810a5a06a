//! What a gateway sees of a shard: greetings, frames, pieces, and the end of links that cannot be believed.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use fake::{Client, Server};
use tidegate_gateway::{Config, LinkPlace, Membership};
use tidegate_protocols::link::{Answer, Ask, Greeting, Tail, encode};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::lookup;
use tidegate_protocols::{Dialect, Request, Words};

const EPOCH: u32 = 3;

fn shard(slots: &str, links: Vec<LinkPlace>) -> Server {
    let (name, slots) = ("shard-1".to_owned(), slots.parse().unwrap());
    let membership = Some(Membership { name, epoch: EPOCH, slots, links });
    Server::start_as(&Config { membership, ..Config::default() }, &[])
}

fn on_loopback(slots: &str) -> Server {
    shard(slots, vec!["127.0.0.1:0".parse().unwrap()])
}

/// A gateway that has greeted and been greeted.
fn gateway(server: &Server) -> Client {
    let mut client = Client::connect(server.running.links()[0]);
    client.send(&greeting(&Greeting::new("gateway-1", 0)));
    client.expect(&greeting(&Greeting::new("shard-1", EPOCH)));
    client
}

fn greeting(greeting: &Greeting) -> Vec<u8> {
    let mut bytes = Vec::new();
    greeting.encode(&mut bytes);
    bytes
}

/// A request of a client that speaks RESP2.
fn frame(id: u32, words: &[&[u8]]) -> Vec<u8> {
    of_epoch(EPOCH, id, words)
}

fn of_epoch(epoch: u32, id: u32, words: &[&[u8]]) -> Vec<u8> {
    let row = lookup(words[0]).unwrap();
    let words = Words::new(words);
    let args = words.args();
    let request = Request { row, dialect: Dialect::Resp2, args, item: &Item::NONE };
    let mut frame = Vec::new();
    encode(&mut frame, &request, &Ask { id, epoch, ..Ask::default() }).unwrap();
    frame
}

/// The next frame: its number, its tail and its bytes.
fn next(client: &mut Client) -> (u32, Tail, Vec<u8>) {
    let mut head = [0; 4];
    client.0.read_exact(&mut head).unwrap();
    let mut frame = head.to_vec();
    frame.resize(u32::from_le_bytes(head) as usize, 0);
    client.0.read_exact(&mut frame[4..]).unwrap();
    let (answer, bytes) = Answer::decode(&frame).unwrap().unwrap();
    assert_eq!(bytes, frame.len());
    (answer.id, answer.tail, answer.bytes.to_vec())
}

#[test]
fn requests_of_gateways_are_answered_under_their_numbers() {
    let server = on_loopback("0-16383");
    let mut gateway = gateway(&server);
    let sent =
        [frame(5, &[b"SET", b"k", b"v"]), frame(u32::MAX, &[b"GET", b"k"]), frame(0, &[b"GET", b"none"])];
    gateway.send(&sent.concat());
    assert_eq!(next(&mut gateway), (5, Tail::Done, b"+OK\r\n".to_vec()));
    assert_eq!(next(&mut gateway), (u32::MAX, Tail::Done, b"$1\r\nv\r\n".to_vec()));
    assert_eq!(next(&mut gateway), (0, Tail::Done, b"$-1\r\n".to_vec()));
}

#[test]
fn frames_cut_anywhere_are_answered_the_same() {
    let server = on_loopback("0-16383");
    let greeted = greeting(&Greeting::new("gateway-1", 0));
    let wire = [greeted, frame(1, &[b"SET", b"k", b"v"]), frame(2, &[b"GET", b"k"])].concat();
    for cut in 0..=wire.len() {
        let mut client = Client::connect(server.running.links()[0]);
        client.expect(&greeting(&Greeting::new("shard-1", EPOCH)));
        client.send(&wire[..cut]);
        // A round trip of another gateway: the first piece has been read by then.
        let mut other = gateway(&server);
        other.send(&frame(7, &[b"GET", b"k"]));
        assert_eq!(next(&mut other).0, 7);
        client.send(&wire[cut..]);
        assert_eq!(next(&mut client), (1, Tail::Done, b"+OK\r\n".to_vec()), "cut at {cut}");
        assert_eq!(next(&mut client), (2, Tail::Done, b"$1\r\nv\r\n".to_vec()), "cut at {cut}");
    }
}

#[test]
fn keys_of_other_shards_and_other_epochs_are_refused() {
    let slot = slot_of(b"here");
    assert_ne!(slot, slot_of(b"there"));
    let server = on_loopback(&slot.to_string());
    let mut gateway = gateway(&server);
    for (words, tail) in [
        (&[&b"SET"[..], b"here", b"v"][..], Tail::Done),
        (&[b"SET", b"there", b"v"], Tail::Moved),
        (&[b"GET", b"there"], Tail::Moved),
        (&[b"GET", b"here"], Tail::Done),
    ] {
        gateway.send(&frame(1, words));
        let (_, got, bytes) = next(&mut gateway);
        assert_eq!(got, tail, "{}", bytes.escape_ascii());
        assert_eq!(bytes.is_empty(), tail == Tail::Moved);
    }
    for epoch in [EPOCH - 1, EPOCH + 1] {
        gateway.send(&of_epoch(epoch, 1, &[b"GET", b"here"]));
        assert_eq!(next(&mut gateway).1, Tail::Moved);
    }
    assert_eq!(server.running.shared().counters.totals().moved, 4);
}

#[test]
fn long_values_pass_both_ways_and_come_back_in_parts() {
    let server = on_loopback("0-16383");
    let mut gateway = gateway(&server);
    for bytes in [60_000, 65_536, 200_000, 5_000_000] {
        let value: Vec<u8> = (0..bytes).map(|index: u32| (index % 251) as u8).collect();
        let sent =
            [frame(1, &[b"SET", b"k", &value]), frame(2, &[b"GET", b"k"]), frame(3, &[b"GET", b"none"])];
        let sender = std::thread::spawn({
            let mut gateway = Client(gateway.0.try_clone().unwrap());
            move || gateway.send(&sent.concat())
        });
        assert_eq!(next(&mut gateway), (1, Tail::Done, b"+OK\r\n".to_vec()));
        let mut got = Vec::new();
        loop {
            let (id, tail, bytes) = next(&mut gateway);
            assert_eq!(id, 2);
            got.extend_from_slice(&bytes);
            if tail == Tail::Done {
                break;
            }
            assert_eq!(tail, Tail::Part);
        }
        let whole = [format!("${bytes}\r\n").as_bytes(), &value[..], b"\r\n"].concat();
        assert!(got == whole, "{} bytes instead of {}", got.len(), whole.len());
        assert_eq!(next(&mut gateway).0, 3);
        sender.join().unwrap();
    }
}

#[test]
fn a_link_that_cannot_be_believed_is_closed_and_others_stay() {
    let server = on_loopback("0-16383");
    let mut other = gateway(&server);
    let greeted = Greeting::new("gateway-2", 0);
    let of_other_version = greeting(&Greeting { version: 99, ..greeted.clone() });
    let of_other_table = greeting(&Greeting { table: greeted.table ^ 1, ..greeted.clone() });
    let after_greeting = |bytes: &[u8]| [greeting(&greeted), bytes.to_vec()].concat();
    let too_long = after_greeting(&[0xff; 4]);
    let too_short = after_greeting(&[3, 0, 0, 0]);
    let not_for_shards = after_greeting(&frame(1, &[b"PING"]));
    for bad in [b"PING\r\n".to_vec(), of_other_version, of_other_table, too_long, too_short, not_for_shards] {
        let mut client = Client::connect(server.running.links()[0]);
        client.send(&bad);
        client.expect(&greeting(&Greeting::new("shard-1", EPOCH)));
        let mut rest = Vec::new();
        // The system may say that it was cut off, if not all was read there.
        let _ = client.0.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{} was answered {}", bad.escape_ascii(), rest.escape_ascii());
    }
    other.send(&frame(9, &[b"GET", b"none"]));
    assert_eq!(next(&mut other), (9, Tail::Done, b"$-1\r\n".to_vec()));
}

#[test]
fn a_shard_is_reached_by_a_socket_of_its_owner_that_goes_with_it() {
    let directory = std::env::temp_dir().join(format!("tidegate-links-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("shard.sock");
    let server = shard("0-16383", vec![LinkPlace::Unix(path.clone())]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(&greeting(&Greeting::new("gateway-1", 0))).unwrap();
    stream.write_all(&frame(1, &[b"GET", b"none"])).unwrap();
    let mut expected = greeting(&Greeting::new("shard-1", EPOCH));
    expected.extend_from_slice(&[14, 0, 0, 0, 1, 0, 0, 0, 1]);
    expected.extend_from_slice(b"$-1\r\n");
    let mut got = vec![0; expected.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string());
    drop(stream);
    assert_eq!(server.running.shutdown(Duration::from_secs(10)), 0);
    assert!(!path.exists());
    std::fs::remove_dir(&directory).unwrap();
}
