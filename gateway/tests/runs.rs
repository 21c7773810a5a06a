//! Requests of one client that go to a shard in one frame, seen from both of its ends.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use fake::{Client, NEVER_LOST_MS, Server, eventually, lost_after};
use tidegate_gateway::{Config, Gateway, Holding, LinkPlace, Membership, Remote, Running, Seat};
use tidegate_protocols::link::{Ask, Greeting, Tail, encode, extend};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::lookup;
use tidegate_protocols::topology::{GatewayNode, ShardNode};
use tidegate_protocols::{Dialect, Request, Topology, Words};
use tokio::sync::watch;

const EPOCH: u32 = 3;

fn shard(slots: &str, epoch: u32) -> Server {
    let links = vec!["127.0.0.1:0".parse().unwrap()];
    let holding = Holding { epoch, slots: slots.parse().unwrap() };
    let membership = Some(Membership::fixed("shard-0", holding, links));
    Server::start_as(&Config { membership, workers: 2, ..Config::default() }, &[])
}

/// A gateway that has greeted and been greeted.
fn link(shard: &Server) -> Client {
    let mut client = Client::connect(shard.running.links()[0]);
    let mut bytes = Vec::new();
    Greeting::new("gateway-1", 0).encode(&mut bytes);
    client.send(&bytes);
    let mut greeting = Vec::new();
    Greeting::new("shard-0", EPOCH).encode(&mut greeting);
    client.expect(&greeting);
    client
}

/// One frame with these requests, all of one command.
fn run(id: u32, lines: &[&str]) -> Vec<u8> {
    let mut frame = Vec::new();
    for line in lines {
        let words = Words::new(&line.split(' ').collect::<Vec<_>>());
        let args = words.args();
        let row = lookup(args.at(0)).unwrap();
        let request = Request { row, dialect: Dialect::Resp2, args, item: &Item::NONE };
        let slot = slot_of(args.at(1));
        if frame.is_empty() {
            let ask = Ask { id, epoch: EPOCH, slot: Some(slot), ..Ask::default() };
            encode(&mut frame, &request, &ask).unwrap();
        } else {
            assert_eq!(extend(&mut frame, 0, std::iter::once((request.args, slot))), 1);
        }
    }
    frame
}

/// The next frame of an answer, but for those that only say how long something took.
fn next(client: &mut Client) -> (u32, Tail, String) {
    let (id, tail, bytes) = fake::next_answer(client);
    (id, tail, String::from_utf8(bytes).unwrap())
}

#[test]
fn the_requests_of_one_frame_are_answered_in_one() {
    let shard = shard("0-16383", EPOCH);
    let mut link = link(&shard);
    link.send(&run(4, &["SET a 1", "SET b 2", "SET c 3"]));
    assert_eq!(next(&mut link), (4, Tail::Done, "+OK\r\n".repeat(3)));
    link.send(&[run(5, &["GET a", "GET none"]), run(6, &["GET c"])].concat());
    assert_eq!(next(&mut link), (5, Tail::Done, "$1\r\n1\r\n$-1\r\n".into()));
    assert_eq!(next(&mut link), (6, Tail::Done, "$1\r\n3\r\n".into()));
}

#[test]
fn a_frame_of_requests_cut_anywhere_is_answered_the_same() {
    let shard = shard("0-16383", EPOCH);
    let wire = run(4, &["SET a 1", "SET bc 23", "SET d 4"]);
    let mut link = link(&shard);
    for cut in 0..=wire.len() {
        link.send(&wire[..cut]);
        std::thread::yield_now();
        link.send(&wire[cut..]);
        assert_eq!(next(&mut link), (4, Tail::Done, "+OK\r\n".repeat(3)), "cut at {cut}");
    }
}

#[test]
fn what_fails_of_a_frame_is_told_beside_its_answer() {
    let shard = shard("0-16383", EPOCH);
    let mut link = link(&shard);
    link.send(&run(4, &["INCR a", "INCR b"]));
    let error = "-ERR not by the fake\r\n";
    assert_eq!(next(&mut link), (4, Tail::Fault, error.into()));
    assert_eq!(next(&mut link), (4, Tail::Fault, error.into()));
    assert_eq!(next(&mut link), (4, Tail::Done, error.repeat(2)));
}

#[test]
fn nothing_of_a_frame_is_executed_if_one_of_its_keys_is_elsewhere() {
    // `b` is in slot 3300, `a` in 15495.
    let shard = shard("0-8191", EPOCH);
    let mut link = link(&shard);
    for lines in [["SET b 1", "SET a 1"], ["SET a 1", "SET b 1"]] {
        link.send(&[run(4, &lines), run(5, &["GET b"])].concat());
        assert_eq!(next(&mut link), (4, Tail::Moved, String::new()), "{lines:?}");
        assert_eq!(next(&mut link), (5, Tail::Done, "$-1\r\n".into()));
    }
}

#[test]
fn a_wrong_slot_within_a_frame_reaches_no_key_of_another_shard() {
    let shard = shard("0-8191", EPOCH);
    let mut link = link(&shard);
    let mut frame = run(4, &["SET b 1", "SET b 2"]);
    // The key of the second becomes one that is not here, with the slot of one that is.
    let at = frame.len() - b"b2".len();
    assert_eq!(frame[at], b'b');
    frame[at] = b'a';
    link.send(&frame);
    assert_eq!(next(&mut link).1, Tail::Fault);
    let (id, tail, text) = next(&mut link);
    assert_eq!((id, tail), (4, Tail::Done));
    assert!(text.starts_with("+OK\r\n-CLUSTERDOWN"), "{text}");
}

#[test]
fn a_frame_that_is_wrong_after_its_first_request_ends_the_link() {
    let shard = shard("0-16383", EPOCH);
    let frame = run(4, &["SET a 1", "SET b 2", "SET c 3"]);
    let last = frame.len() - 4 - 3 * 4 - "SETc3".len();
    for (at, bytes) in [(last, [0xff, 0xff]), (last + 2, [1, 0]), (last + 4, [9, 0]), (17, [1, 0])] {
        let mut wrong = frame.clone();
        wrong[at..at + bytes.len()].copy_from_slice(&bytes);
        let mut link = link(&shard);
        link.send(&[wrong, run(5, &["GET a"])].concat());
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut link.0, &mut rest);
        assert!(!rest.windows(4).any(|bytes| bytes == [5, 0, 0, 0]), "{at}: what follows is not believed");
    }
    let mut link = link(&shard);
    link.send(&run(5, &["GET a"]));
    assert_eq!(next(&mut link).0, 5, "others are served");
}

#[test]
fn a_frame_whose_keys_are_held_by_another_worker_is_answered_when_they_are_not() {
    let shard = shard("0-16383", EPOCH);
    let mut link = link(&shard);
    for busy in [1, 2, 50] {
        shard.fake.busy.store(busy, SeqCst);
        link.send(&run(4, &["SET a 1", "SET busy 2", "SET b 3"]));
        let (mut replies, mut tail) = (String::new(), Tail::Part);
        while tail == Tail::Part {
            let part = next(&mut link);
            assert!(!part.2.is_empty(), "a part of nothing");
            replies.push_str(&part.2);
            tail = part.1;
        }
        assert_eq!((tail, replies), (Tail::Done, "+OK\r\n".repeat(3)));
    }
}

#[test]
fn long_replies_within_a_frame_stay_in_their_order() {
    let shard = shard("0-16383", EPOCH);
    let mut link = link(&shard);
    let mut expected = String::new();
    let mut lines = Vec::new();
    for number in 0..20 {
        let value = format!("{number}:").repeat(100_000);
        link.send(&run(1, &[&format!("SET long:{number} {value}")]));
        assert_eq!(next(&mut link).1, Tail::Done);
        write!(expected, "${}\r\n{value}\r\n$-1\r\n", value.len()).unwrap();
        lines.extend([format!("GET long:{number}"), "GET none".to_owned()]);
    }
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    // Together: who comes later may find that all of the long one is on its way.
    link.send(&[run(4, &lines), run(5, &["GET none"])].concat());
    let (mut replies, mut has_overtaken) = (String::new(), false);
    loop {
        let (id, tail, text) = next(&mut link);
        if id == 5 {
            has_overtaken = true;
            continue;
        }
        replies.push_str(&text);
        if tail == Tail::Done {
            break;
        }
    }
    assert!(replies == expected, "{} bytes instead of {}", replies.len(), expected.len());
    assert!(has_overtaken, "who is short does not wait for who is long");
}

/// A gateway in front of such shards, which say that they are at these epochs.
fn front(shards: &[(&Server, &str)], epoch: u32) -> (Running, watch::Sender<Arc<Topology>>) {
    let topology = watch::Sender::new(topology(shards, epoch));
    let seat = Seat::new("front", topology.subscribe());
    let settings = Arc::new(Settings::default());
    settings.set(Key::LinkTimeout, NEVER_LOST_MS).unwrap();
    let redis = vec!["127.0.0.1:0".parse().unwrap()];
    let config = Config { redis, workers: 1, seat: Some(seat.clone()), ..Config::default() };
    let remote = Arc::new(Remote::new(&seat, Arc::clone(&settings)));
    (Gateway::start(&config, remote, settings).unwrap(), topology)
}

fn topology(shards: &[(&Server, &str)], epoch: u32) -> Arc<Topology> {
    let gateways = vec![GatewayNode { name: "front".to_owned(), ..GatewayNode::default() }];
    let shards = shards.iter().map(|(shard, slots)| ShardNode {
        name: "shard-0".to_owned(),
        slots: slots.parse().unwrap(),
        link: LinkPlace::Tcp(shard.running.links()[0]),
        gateway: 0,
    });
    Arc::new(Topology::new(epoch, gateways, shards.collect()).unwrap())
}

#[test]
fn what_a_client_asks_for_in_a_row_counts_and_fails_one_by_one() {
    let shard = shard("0-16383", EPOCH);
    let (front, _topology) = front(&[(&shard, "0-16383")], EPOCH);
    let mut client = Client::connect(front.redis()[0]);
    client.ask(b"CONFIG RESETSTAT\r\n", b"+OK\r\n");
    for _ in 0..8 {
        client.send("SET k v\r\n".repeat(40).as_bytes());
        client.send("INCR k\r\n".repeat(5).as_bytes());
        client.send("ECHO x\r\nGET k\r\nGET none\r\n".as_bytes());
        client.expect("+OK\r\n".repeat(40).as_bytes());
        client.expect("-ERR not by the fake\r\n".repeat(5).as_bytes());
        client.expect(b"$1\r\nx\r\n$1\r\nv\r\n$-1\r\n");
    }
    client.send(b"INFO commandstats\r\n");
    let told = client.bulk();
    for (name, calls, failed) in [("set", 320, 0), ("incr", 40, 40), ("get", 16, 0)] {
        let line = told.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:"))).unwrap();
        assert!(line.contains(&format!(":calls={calls},")), "{line}");
        assert!(line.ends_with(&format!("failed_calls={failed}")), "{line}");
    }
}

#[test]
fn a_frame_that_is_refused_is_sent_again_request_by_request() {
    let shard = shard("0-16383", EPOCH + 1);
    let places = [(&shard, "0-16383")];
    let (front, topology_of) = front(&places, EPOCH);
    let mut client = Client::connect(front.redis()[0]);
    let mut expected = String::new();
    for number in 0..200 {
        client.send(format!("SET key:{number} {number}\r\n").as_bytes());
        expected.push_str("+OK\r\n");
    }
    for number in 0..200 {
        client.send(format!("GET key:{number}\r\n").as_bytes());
        let text = number.to_string();
        write!(expected, "${}\r\n{text}\r\n", text.len()).unwrap();
    }
    topology_of.send_replace(topology(&places, EPOCH + 1));
    client.expect(expected.as_bytes());
}

#[test]
fn requests_of_a_lost_frame_are_refused_one_by_one() {
    let shard = shard("0-16383", EPOCH);
    let (front, _topology) = front(&[(&shard, "0-16383")], EPOCH);
    let mut client = Client::connect(front.redis()[0]);
    for _ in 0..8 {
        client.send("SET k v\r\n".repeat(64).as_bytes());
        client.expect("+OK\r\n".repeat(64).as_bytes());
    }
    shard.fake.busy.store(usize::MAX, SeqCst);
    client.send(format!("SET busy 1\r\n{}ECHO x\r\n", "SET k v\r\n".repeat(9)).as_bytes());
    eventually("it is asked", || shard.fake.busy.load(SeqCst) != usize::MAX);
    lost_after(&front, "500");
    for _ in 0..10 {
        let line = client.line();
        assert!(line.starts_with("-INDOUBT shard shard-0 was lost"), "{line}");
    }
    client.expect(b"$1\r\nx\r\n");
}
