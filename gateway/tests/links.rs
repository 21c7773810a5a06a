//! What a gateway sees of a shard: greetings, frames, pieces, and the end of links that cannot be believed.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use fake::frames::{
    EPOCH, GET, SET, ask, done, frame, framed, gateway, greeting, greets, of_epoch, on_loopback, shard,
};
use fake::{Client, PATIENCE, Server, eventually, next_answer as next, next_answer_from};
use tidegate_gateway::{Config, Holding, LinkPlace, Membership};
use tidegate_protocols::data::Figures;
use tidegate_protocols::link::{Ask, Greeting, Tail};
use tidegate_protocols::settings::{Key, Policy};
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::link::Link;
use tidegate_protocols::table::lookup;
use tidegate_protocols::{Row, Slots};
use tokio::sync::watch;

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
        client.send(&wire[..cut]);
        // A round trip of another gateway: the first piece has been read by then.
        let mut other = gateway(&server);
        other.send(&frame(7, &[b"GET", b"k"]));
        assert_eq!(next(&mut other).0, 7);
        client.send(&wire[cut..]);
        client.expect(&greeting(&Greeting::new("shard-1", EPOCH)));
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
    for (epoch, tail) in [(EPOCH - 1, Tail::Moved), (EPOCH + 1, Tail::Behind)] {
        gateway.send(&of_epoch(epoch, 1, &[b"GET", b"here"]));
        assert_eq!(next(&mut gateway).1, tail);
    }
    assert_eq!(server.running.shared().counters.totals().moved, 4);
}

#[test]
fn what_comes_after_a_refusal_by_a_shard_that_is_behind_is_refused_until_it_is_asked_again() {
    let holding = |epoch| Arc::new(Holding { epoch, slots: Slots::all() });
    let topology = watch::Sender::new(holding(EPOCH));
    let (name, links) = ("shard-1".to_owned(), vec!["127.0.0.1:0".parse().unwrap()]);
    let membership = Some(Membership { name, holding: topology.subscribe(), links });
    let server = Server::start_as(&Config { membership, ..Config::default() }, &[]);
    let (mut one, mut other) = (gateway(&server), gateway(&server));
    let asked = |gateway: &mut Client, epoch, again, words: &[&[u8]]| {
        let row = lookup(words[0]).unwrap();
        ask(gateway, &framed(row, words, &Ask { epoch, again, ..Ask::default() }))
    };
    let behind = (Tail::Behind, String::new());
    assert_eq!(asked(&mut one, EPOCH, false, SET), done(OK));
    assert_eq!(asked(&mut one, EPOCH + 1, false, SET), behind);
    // Of itself a shard tells whatever it knows of the topology.
    assert_eq!(ask(&mut one, &errand(EPOCH + 1, Link::Purge, &[])), done(OK));
    topology.send_replace(holding(EPOCH + 1));
    while asked(&mut other, EPOCH + 1, true, GET) == behind {}
    assert_eq!(asked(&mut one, EPOCH + 1, false, GET), behind);
    assert_eq!(ask(&mut one, &watch(EPOCH + 1, ANN, b"k")), behind);
    assert_eq!(ask(&mut one, &transact(EPOCH + 1, ANN, 0, &[SET])), behind);
    assert_eq!(asked(&mut one, EPOCH, false, GET), (Tail::Moved, String::new()));
    assert_eq!(asked(&mut one, EPOCH + 1, true, GET), done("$1\r\nv\r\n"));
    assert_eq!(asked(&mut one, EPOCH + 1, false, GET), done("$1\r\nv\r\n"));
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
        // The short one need not wait for the long one.
        let (mut got, mut ends) = (Vec::new(), 0);
        while ends < 2 {
            let (id, tail, bytes) = next(&mut gateway);
            ends += usize::from(tail == Tail::Done);
            match id {
                2 => got.extend_from_slice(&bytes),
                _ => assert_eq!((id, tail, &bytes[..]), (3, Tail::Done, &b"$-1\r\n"[..])),
            }
        }
        let whole = [format!("${bytes}\r\n").as_bytes(), &value[..], b"\r\n"].concat();
        assert!(got == whole, "{} bytes instead of {}", got.len(), whole.len());
        sender.join().unwrap();
    }
}

#[test]
fn a_link_that_asks_for_too_much_at_once_waits_and_gets_all() {
    let server = on_loopback("0-16383");
    server.settings.set(Key::ProtoMaxBulkLen, "1mb").unwrap();
    let mut gateway = gateway(&server);
    let value = vec![b'v'; 1_000_000];
    assert_eq!(ask(&mut gateway, &frame(1, &[b"SET", b"long", &value])), done(OK));
    assert_eq!(ask(&mut gateway, &frame(1, SET)), done(OK));
    let count = 60;
    for id in 0..count {
        gateway.send(&frame(2 * id, &[b"GET", b"long"]));
        gateway.send(&frame(2 * id + 1, GET));
    }
    let whole = [&b"$1000000\r\n"[..], &value, b"\r\n"].concat();
    let mut answers: Vec<Vec<u8>> = vec![Vec::new(); 2 * count as usize];
    let (mut ends, mut halfway) = (0, 0);
    while ends < 2 * count {
        let (id, tail, bytes) = next(&mut gateway);
        let answer = &mut answers[id as usize];
        halfway += usize::from(answer.is_empty() && tail == Tail::Part);
        answer.extend_from_slice(&bytes);
        if tail == Tail::Done {
            ends += 1;
            halfway -= usize::from(id % 2 == 0);
        }
        assert!(halfway <= 3, "two are as much as may wait, and the one that was too much");
    }
    for (id, answer) in answers.iter().enumerate() {
        assert!(if id % 2 == 0 { *answer == whole } else { answer == b"$1\r\nv\r\n" }, "{id}");
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
    let half_a_number = after_greeting(&errand(EPOCH, Link::Unwatch, &[b"1234"]));
    let half_a_request = &frame(1, &[b"GET", b"k"])[..20];
    let half_a_request = errand(EPOCH, Link::Transact, &[ANN, &[0; 4], half_a_request]);
    let not_for_transactions = after_greeting(&transact(EPOCH, ANN, 0, &[GET, &[b"MULTI"]]));
    for (is_greeted, bad) in [
        (false, b"PING\r\n".to_vec()),
        (false, of_other_version),
        (false, of_other_table),
        (true, too_long),
        (true, too_short),
        (true, not_for_shards),
        (true, half_a_number),
        (true, after_greeting(&half_a_request)),
        (true, not_for_transactions),
    ] {
        let mut client = Client::connect(server.running.links()[0]);
        client.send(&bad);
        if is_greeted {
            client.expect(&greeting(&Greeting::new("shard-1", EPOCH)));
        }
        let mut rest = Vec::new();
        // The system may say that it was cut off, if not all was read there.
        let _ = client.0.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{} was answered {}", bad.escape_ascii(), rest.escape_ascii());
    }
    other.send(&frame(9, &[b"GET", b"none"]));
    assert_eq!(next(&mut other), (9, Tail::Done, b"$-1\r\n".to_vec()));
}

/// What a gateway asks for itself, in database 0.
fn errand(epoch: u32, verb: Link, words: &[&[u8]]) -> Vec<u8> {
    let words = [&[verb.row().name.as_bytes()], words].concat();
    framed(verb.row(), &words, &Ask { id: 9, epoch, ..Ask::default() })
}

const ANN: &[u8] = &1_u64.to_le_bytes();
const BEN: &[u8] = &2_u64.to_le_bytes();

fn transact(epoch: u32, client: &[u8], watched: u32, requests: &[&[&[u8]]]) -> Vec<u8> {
    // What they say of epochs and their numbers is not looked at.
    let frames: Vec<_> = requests.iter().flat_map(|words| of_epoch(99, 99, words)).collect();
    errand(epoch, Link::Transact, &[client, &watched.to_le_bytes(), &frames])
}

fn watch(epoch: u32, client: &[u8], key: &[u8]) -> Vec<u8> {
    errand(epoch, Link::Watch, &[client, key])
}

const OK: &str = "+OK\r\n";
const NULL_ARRAY: &str = "*-1\r\n";
#[test]
fn a_transaction_is_one_request_with_one_answer() {
    let server = on_loopback("0-16383");
    let mut gateway = gateway(&server);
    let all = transact(EPOCH, ANN, 0, &[SET, GET, &[b"GET", b"none"]]);
    assert_eq!(ask(&mut gateway, &all), done("*3\r\n+OK\r\n$1\r\nv\r\n$-1\r\n"));
    assert_eq!(ask(&mut gateway, &transact(EPOCH, ANN, 0, &[])), done("*0\r\n"));
    let failing = transact(EPOCH, ANN, 0, &[GET, &[b"APPEND", b"k", b"v"], GET]);
    let reply = "*3\r\n$1\r\nv\r\n-ERR not by the fake\r\n$1\r\nv\r\n".to_owned();
    assert_eq!(ask(&mut gateway, &failing), (Tail::Failed, reply));
    let totals = server.running.shared().counters.totals();
    let of = |row: &Row| &totals.commands[row.verb.index()];
    assert_eq!((of(lookup(b"get").unwrap()).calls, of(Link::Transact.row()).calls), (4, 3));
    assert_eq!((of(lookup(b"append").unwrap()).failed, of(Link::Transact.row()).failed), (1, 0));
    assert_eq!(totals.errors.into_iter().collect::<Vec<_>>(), [("ERR".into(), 1)]);
}

#[test]
fn a_transaction_takes_place_only_if_nothing_its_client_watches_has_changed() {
    let server = on_loopback("0-16383");
    let (mut gateway, mut other) = (gateway(&server), gateway(&server));
    let is_watched = |keys| assert_eq!(server.fake.watched.load(SeqCst), keys);
    assert_eq!(ask(&mut gateway, &watch(EPOCH, ANN, b"k")), done(OK));
    assert_eq!(ask(&mut gateway, &watch(EPOCH, ANN, b"k")), done(OK));
    assert_eq!(ask(&mut gateway, &watch(EPOCH, BEN, b"k")), done(OK));
    assert_eq!(ask(&mut other, &watch(EPOCH, ANN, b"k")), done(OK));
    is_watched(3);
    assert_eq!(ask(&mut gateway, &transact(EPOCH, ANN, 1, &[SET])), done("*1\r\n+OK\r\n"));
    is_watched(2);
    assert_eq!(ask(&mut gateway, &transact(EPOCH, BEN, 1, &[SET])), done(NULL_ARRAY), "changed by the first");
    assert_eq!(ask(&mut gateway, &transact(EPOCH, BEN, 1, &[SET])), done(NULL_ARRAY), "not watched any more");
    is_watched(1);
    assert_eq!(ask(&mut gateway, &watch(EPOCH, BEN, b"l")), done(OK));
    assert_eq!(ask(&mut gateway, &watch(EPOCH, BEN, b"m")), done(OK));
    assert_eq!(ask(&mut gateway, &transact(EPOCH, BEN, 1, &[SET])), done(NULL_ARRAY), "one too many");
    assert_eq!(ask(&mut gateway, &watch(EPOCH, BEN, b"l")), done(OK));
    is_watched(2);
    assert_eq!(ask(&mut gateway, &errand(EPOCH, Link::Unwatch, &[BEN])), done(OK));
    assert_eq!(ask(&mut gateway, &errand(EPOCH, Link::Unwatch, &[BEN])), done(OK));
    is_watched(1);
    server.fake.busy.store(3, SeqCst);
    assert_eq!(ask(&mut gateway, &watch(EPOCH, ANN, b"busy")), done(OK));
    assert_eq!(ask(&mut gateway, &transact(EPOCH, ANN, 1, &[GET])), done("*1\r\n$1\r\nv\r\n"));
    assert_eq!(server.fake.busy.load(SeqCst), 0);
    is_watched(1);
}

#[test]
fn what_a_link_watches_ends_with_it() {
    let server = on_loopback("0-16383");
    let mut first = gateway(&server);
    for client in [ANN, BEN] {
        assert_eq!(ask(&mut first, &watch(EPOCH, client, b"k")), done(OK));
    }
    drop(first);
    let mut second = gateway(&server);
    while server.fake.watched.load(SeqCst) > 0 {
        assert_eq!(ask(&mut second, &frame(1, &[b"GET", b"none"])), done("$-1\r\n"));
    }
    assert_eq!(ask(&mut second, &transact(EPOCH, ANN, 1, &[SET])), done(NULL_ARRAY));
}

#[test]
fn transactions_and_watches_for_other_shards_and_epochs_are_refused() {
    let server = on_loopback(&slot_of(b"k").to_string());
    let mut gateway = gateway(&server);
    let moved = (Tail::Moved, String::new());
    assert_eq!(ask(&mut gateway, &watch(EPOCH, ANN, b"there")), moved);
    assert_eq!(ask(&mut gateway, &watch(EPOCH - 1, ANN, b"k")), moved);
    assert_eq!(ask(&mut gateway, &watch(EPOCH, ANN, b"k")), done(OK));
    assert_eq!(ask(&mut gateway, &transact(EPOCH, ANN, 1, &[SET, &[b"GET", b"there"]])), moved);
    assert_eq!(server.fake.watched.load(SeqCst), 0);
    assert_eq!(ask(&mut gateway, &transact(EPOCH + 1, ANN, 0, &[SET])).0, Tail::Behind);
    assert_eq!(ask(&mut gateway, &frame(1, GET)), done("$-1\r\n"));
    assert_eq!(server.running.shared().counters.totals().moved, 4);
}

#[test]
fn a_transaction_that_needs_memory_where_there_is_none_is_discarded() {
    let server = on_loopback("0-16383");
    let mut gateway = gateway(&server);
    server.fake.full.store(true, SeqCst);
    assert_eq!(ask(&mut gateway, &watch(EPOCH, ANN, b"k")), done(OK));
    let text = "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.\r\n";
    let discarded = (Tail::Failed, text.to_owned());
    assert_eq!(ask(&mut gateway, &transact(EPOCH, ANN, 1, &[GET, SET])), discarded);
    assert_eq!(server.fake.watched.load(SeqCst), 0);
    assert_eq!(ask(&mut gateway, &transact(EPOCH, ANN, 0, &[GET])), done("*1\r\n$-1\r\n"));
}

#[test]
fn a_shard_tells_its_figures_and_takes_settings() {
    let server = on_loopback("0-16383");
    let mut gateway = gateway(&server);
    assert_eq!(ask(&mut gateway, &frame(1, SET)), done(OK));
    // At whatever epoch: they are about the shard and not about slots.
    gateway.send(&errand(0, Link::Figures, &[]));
    let (_, tail, bytes) = next(&mut gateway);
    assert_eq!((tail, Figures::decode(&bytes).unwrap().hits), (Tail::Done, 1));
    assert_eq!(ask(&mut gateway, &errand(0, Link::ResetFigures, &[])), done(OK));
    assert_eq!(ask(&mut gateway, &errand(0, Link::Purge, &[])), done(OK));
    let configure = |pairs: &[&[u8]]| errand(0, Link::Configure, pairs);
    let two: &[&[u8]] = &[b"maxmemory", b"5mb", b"MAXMEMORY-policy", b"allkeys-lru"];
    assert_eq!(ask(&mut gateway, &configure(two)), done(OK));
    assert_eq!(server.settings.number(Key::MaxMemory), 5 << 20);
    assert_eq!(server.settings.policy(), Policy::AllKeysLru);
    assert_eq!(ask(&mut gateway, &configure(&[b"paused-until-ms", b"5"])), done(OK));
    assert_eq!(server.settings.number(Key::PausedUntil), 5);
    for (pairs, error) in [
        ([&b"maxmemory"[..], b"1", b"port", b"1"], "-ERR port: this setting is not for shards\r\n"),
        ([b"maxmemory", b"1", b"nothing", b"1"], "-ERR nothing: there is no such setting\r\n"),
        ([b"maxmemory", b"1", b"hz", b"often"], "-ERR hz: argument couldn't be parsed into an integer\r\n"),
    ] {
        assert_eq!(ask(&mut gateway, &configure(&pairs)), (Tail::Failed, error.to_owned()));
        assert_eq!(server.settings.number(Key::MaxMemory), 5 << 20, "all of them or none");
    }
}

#[test]
fn a_shard_is_reached_by_a_socket_of_its_owner_that_goes_with_it() {
    let directory = std::env::temp_dir().join(format!("tidegate-links-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("shard.sock");
    let server = shard("0-16383", vec![LinkPlace::Unix(path.clone())]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&greeting(&Greeting::new("gateway-1", 0))).unwrap();
    stream.write_all(&frame(1, &[b"GET", b"none"])).unwrap();
    let expected = greeting(&Greeting::new("shard-1", EPOCH));
    let mut got = vec![0; expected.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert_eq!(next_answer_from(&mut stream), (1, Tail::Done, b"$-1\r\n".to_vec()));
    drop(stream);
    assert_eq!(server.running.shutdown(PATIENCE), 0);
    assert!(!path.exists());
    std::fs::remove_dir(&directory).unwrap();
}

/// A shard with several workers, and a link to it of generation 5 whose write is stuck there.
fn with_a_stuck_write() -> (Server, Client) {
    let (name, slots) = ("shard-1".to_owned(), "0-16383".parse().unwrap());
    let links = vec!["127.0.0.1:0".parse().unwrap()];
    let membership = Some(Membership::fixed(&name, Holding { epoch: EPOCH, slots }, links));
    let server = Server::start_as(&Config { membership, workers: 4, ..Config::default() }, &[]);
    server.fake.stuck.store(true, SeqCst);
    let mut old = greets(&server, 1, 5);
    old.expect(&greeting(&Greeting::new("shard-1", EPOCH)));
    old.send(&frame(1, &[b"SET", b"k", b"stuck"]));
    eventually("the write is stuck", || server.fake.found_stuck.load(SeqCst) > 0);
    (server, old)
}

#[test]
fn what_older_links_of_a_process_have_sent_is_thrown_away_before_a_newer_one_is_served() {
    let (server, mut old) = with_a_stuck_write();
    let mut of_another = greets(&server, 2, 0);
    of_another.expect(&greeting(&Greeting::new("shard-1", EPOCH)));
    let mut new = greets(&server, 1, 6);
    new.expect(&greeting(&Greeting::new("shard-1", EPOCH)));
    old.expect_end();
    assert_eq!(ask(&mut new, &frame(1, SET)), done(OK));
    server.fake.stuck.store(false, SeqCst);
    assert_eq!(ask(&mut of_another, &frame(1, GET)), done("$1\r\nv\r\n"));
    assert_eq!(server.running.shared().registry.len(), 2);
}

#[test]
fn links_of_one_generation_stay_side_by_side_and_older_ones_come_too_late() {
    let (server, mut old) = with_a_stuck_write();
    let mut beside = greets(&server, 1, 5);
    beside.expect(&greeting(&Greeting::new("shard-1", EPOCH)));
    greets(&server, 1, 4).expect_end();
    assert_eq!(ask(&mut beside, &frame(1, GET)), done("$-1\r\n"));
    server.fake.stuck.store(false, SeqCst);
    assert_eq!(next(&mut old), (1, Tail::Done, OK.into()));
    drop((old, beside));
    eventually("they are gone", || server.running.shared().registry.is_empty());
    greets(&server, 1, 4).expect_end();
}

#[test]
fn a_link_is_not_served_before_older_ones_that_cannot_end() {
    let (server, mut old) = with_a_stuck_write();
    let held = server.fake.hold();
    server.fake.stuck.store(false, SeqCst);
    eventually("it is being executed, whatever becomes of its link", || server.fake.begun.load(SeqCst) > 0);
    let mut new = greets(&server, 1, 6);
    new.send(&frame(1, SET));
    new.expect_end();
    drop(held);
    assert_eq!(next(&mut old), (1, Tail::Done, OK.into()));
    old.expect_end();
    let mut new = greets(&server, 1, 6);
    new.expect(&greeting(&Greeting::new("shard-1", EPOCH)));
    assert_eq!(ask(&mut new, &frame(1, GET)), done("$5\r\nstuck\r\n"));
}
