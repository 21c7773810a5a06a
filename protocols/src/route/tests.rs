use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::memcached::Item;
use crate::reply::{Dialect, Reply};
use crate::request::{Request, Words};
use crate::slot::slot_of;
use crate::slots::Slots;
use crate::table::{Gather, Route, lookup, rows};

/// A RESP2 request of these words.
fn request(words: &Words) -> Request<'_> {
    let args = words.args();
    Request { row: lookup(args.at(0)).unwrap(), dialect: Dialect::Resp2, args, item: &Item::NONE }
}

fn owners(slots: &[&str]) -> Owners {
    let slots: Vec<Slots> = slots.iter().map(|slots| slots.parse().unwrap()).collect();
    Owners::new(&slots).unwrap()
}

fn planned(owners: &Owners, line: &str) -> Plan {
    let words: Vec<_> = line.split_whitespace().collect();
    plan(&request(&Words::new(&words)), owners)
}

/// One shard's answer to what the tests ask.
fn answered(request: &Request<'_>, keys: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, Dialect::Resp2);
    let asked = request.args.from(1);
    match request.row.name {
        "MGET" => {
            reply.array(asked.len());
            asked.iter().for_each(|key| match keys.get(key) {
                Some(value) => reply.bulk(value),
                None => reply.null(),
            });
        }
        "EXISTS" => reply.integer(asked.iter().filter(|key| keys.contains_key(*key)).count() as i64),
        "MSET" => reply.ok(),
        other => panic!("{other}"),
    }
    out
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    "[a-d]{0,2}".prop_map(String::into_bytes)
}

proptest! {
    #[test]
    fn a_split_request_is_answered_as_by_one_shard(
        kept in prop::collection::btree_map(key(), key(), 0..12),
        asked in prop::collection::vec(key(), 1..12),
        name in prop::sample::select(vec!["MGET", "EXISTS"]),
    ) {
        let owners = owners(&["0-5460", "5461-10922", "10923-16383"]);
        let words: Vec<_> = std::iter::once(name.as_bytes().to_vec()).chain(asked).collect();
        let words = Words::new(&words);
        let request = request(&words);
        let whole = answered(&request, &kept);
        let merged = match plan(&request, &owners) {
            Plan::One(_) => whole.clone(),
            Plan::Split(parts) => {
                let answers: Vec<_> = parts.iter().map(|part| {
                    let own = kept.iter().filter(|(key, _)| owners.of(slot_of(key)) == Some(part.shard));
                    let own = own.map(|(key, value)| (key.clone(), value.clone())).collect();
                    answered(&part.request(&request, &mut Vec::new()), &own)
                }).collect();
                let answers: Vec<_> = answers.iter().map(Vec::as_slice).collect();
                let mut out = Vec::new();
                merge_split(request.row.gather, &parts, &answers, &mut Reply::new(&mut out, Dialect::Resp2)).unwrap();
                out
            }
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(merged.escape_ascii().to_string(), whole.escape_ascii().to_string());
    }

    #[test]
    fn every_key_goes_to_its_owner_with_what_belongs_to_it(pairs in prop::collection::vec((key(), key()), 1..12)) {
        let owners = owners(&["0-5460", "5461-10922", "10923-16383"]);
        let words: Vec<_> = std::iter::once(b"MSET".to_vec()).chain(pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()])).collect();
        let words = Words::new(&words);
        let request = request(&words);
        let mut sent = Vec::new();
        match plan(&request, &owners) {
            Plan::One(shard) => sent.extend(pairs.iter().map(|(key, value)| (shard, key.clone(), value.clone()))),
            Plan::Split(parts) => for part in parts {
                let mut spans = Vec::new();
                let part_request = part.request(&request, &mut spans);
                prop_assert!(part_request.row.takes(part_request.args.len()));
                let args: Vec<_> = part_request.args.from(1).iter().map(<[u8]>::to_vec).collect();
                sent.extend(args.chunks(2).map(|pair| (part.shard, pair[0].clone(), pair[1].clone())));
            },
            other => panic!("{other:?}"),
        }
        prop_assert!(sent.iter().all(|(shard, key, _)| owners.of(slot_of(key)) == Some(*shard)));
        let mut expected: Vec<_> = pairs;
        let mut got: Vec<_> = sent.into_iter().map(|(_, key, value)| (key, value)).collect();
        expected.sort();
        got.sort();
        prop_assert_eq!(got, expected);
    }
}

#[test]
fn requests_go_where_their_row_says() {
    let owners = owners(&["0-8191", "8192-16383"]);
    // Slots of a, b and c: 15495, 3300, 7365.
    assert_eq!(planned(&owners, "GET a"), Plan::One(1));
    assert_eq!(planned(&owners, "GET b"), Plan::One(0));
    assert_eq!(planned(&owners, "MGET b c b"), Plan::One(0));
    let parts = vec![Part { shard: 1, keys: vec![1, 3] }, Part { shard: 0, keys: vec![2] }];
    assert_eq!(planned(&owners, "DEL a b a"), Plan::Split(parts));
    assert_eq!(planned(&owners, "RENAME b c"), Plan::One(0));
    assert_eq!(planned(&owners, "RENAME a b"), Plan::CrossSlot);
    assert_eq!(planned(&owners, "RENAME {b}a b"), Plan::One(0));
    assert_eq!(planned(&owners, "MSETNX a 1 b 2"), Plan::CrossSlot);
    assert_eq!(planned(&owners, "MSET a 1 b"), Plan::Incomplete);
    assert_eq!(planned(&owners, "PING"), Plan::Here);
    assert_eq!(planned(&owners, "DBSIZE"), Plan::Every(Gather::Sum));
    assert_eq!(planned(&owners, "FLUSHALL"), Plan::Every(Gather::Agree));
}

#[test]
fn one_shard_gets_everything_that_is_not_the_gateway_s() {
    let owners = owners(&["0-16383"]);
    for row in rows().filter(|row| row.is_redis() && !row.container && row.route != Route::Gateway) {
        let words = [row.name; 13];
        let words = Words::new(&words);
        let args = words.args();
        let request = Request { row, dialect: Dialect::Resp2, args, item: &Item::NONE };
        assert_eq!(plan(&request, &owners), Plan::One(0), "{}", row.name);
    }
}

#[test]
fn only_who_is_asked_hears_of_the_whole_keyspace() {
    let owners = owners(&["0-5460", "5461-10922", "10923-16383"]).asking(vec![2]);
    assert_eq!(planned(&owners, "DBSIZE"), Plan::One(2));
    assert_eq!(planned(&owners, "GET b"), Plan::One(0));
    let owners = owners.asking(vec![0, 2]);
    assert_eq!(planned(&owners, "DBSIZE"), Plan::Every(Gather::Sum));
    assert_eq!(planned(&owners, "SCAN 0"), Plan::Scan(Leg::at(b"0", &owners)));
    assert_eq!(owners.asked(), [0, 2]);
}

#[test]
fn a_slot_without_owner_is_named() {
    let owners = owners(&["0-8191"]);
    assert_eq!(planned(&owners, "GET a"), Plan::Unserved(15495));
    assert_eq!(planned(&owners, "MGET b a"), Plan::Unserved(15495));
}

#[test]
fn owners_are_refused_where_they_overlap() {
    let slots: Vec<Slots> = ["0-9", "9-20"].iter().map(|slots| slots.parse().unwrap()).collect();
    assert_eq!(Owners::new(&slots).unwrap_err(), "shards 0 and 1 both have slot 9");
}

fn merged(gather: Gather, dialect: Dialect, answers: &[&[u8]]) -> Result<String, usize> {
    let mut out = Vec::new();
    merge(gather, 1, answers, &mut Reply::new(&mut out, dialect))?;
    Ok(out.escape_ascii().to_string())
}

#[test]
fn answers_are_merged_as_the_row_says() {
    let resp = |gather, answers: &[&[u8]]| merged(gather, Dialect::Resp2, answers);
    assert_eq!(resp(Gather::Sum, &[b":2\r\n", b":40\r\n"]).unwrap(), r":42\r\n");
    assert_eq!(resp(Gather::Agree, &[b"+OK\r\n", b"+OK\r\n"]).unwrap(), r"+OK\r\n");
    assert_eq!(
        resp(Gather::Join, &[b"*1\r\n$1\r\na\r\n", b"*0\r\n", b"*1\r\n$1\r\nb\r\n"]).unwrap(),
        r"*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    );
    for gather in [Gather::Sum, Gather::Agree, Gather::Join] {
        assert_eq!(resp(gather, &[b":1\r\n", b"-OOM no\r\n", b"-ERR no\r\n"]).unwrap(), r"-OOM no\r\n");
    }
    // The second that is there, where one will do.
    let (one, other) = ("1".repeat(39) + "f", "3".repeat(39) + "0");
    let [one, other] = [one, other].map(|digits| format!("+{digits}\r\n"));
    assert_eq!(
        resp(Gather::Digest, &[one.as_bytes(), other.as_bytes()]).unwrap(),
        format!(r"+{}f\r\n", "2".repeat(39))
    );
    assert_eq!(resp(Gather::Digest, &[one.as_bytes(), b"+12\r\n"]), Err(1));
    assert_eq!(resp(Gather::Any, &[b"$1\r\na\r\n", b"$-1\r\n", b"$1\r\nb\r\n"]).unwrap(), r"$1\r\nb\r\n");
    assert_eq!(resp(Gather::Any, &[b"_\r\n", b"$1\r\na\r\n"]).unwrap(), r"$1\r\na\r\n");
    assert_eq!(resp(Gather::Any, &[b"$-1\r\n", b"$-1\r\n"]).unwrap(), r"$-1\r\n");
    assert_eq!(resp(Gather::Sum, &[b":1\r\n", b"+OK\r\n"]), Err(1));
    let known: [&[u8]; 2] = [b"*2\r\n:0\r\n:1\r\n", b"*2\r\n:0\r\n:0\r\n"];
    assert_eq!(resp(Gather::Most, &known).unwrap(), r"*2\r\n:0\r\n:1\r\n");
    assert_eq!(resp(Gather::Most, &[known[0], b"*1\r\n:0\r\n"]), Err(1));
    let resting: [&[u8]; 2] = [b"*2\r\n$1\r\nx\r\n$-1\r\n", b"%1\r\n$1\r\nx\r\n_\r\n"];
    let running: &[u8] = b"*2\r\n$1\r\nx\r\n$1\r\ny\r\n";
    assert_eq!(resp(Gather::Running, &[resting[0], running]).unwrap(), r"*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
    assert_eq!(resp(Gather::Running, &resting).unwrap(), r"*2\r\n$1\r\nx\r\n$-1\r\n");
    let idle: &[u8] = b"-NOTBUSY none\r\n";
    assert_eq!(resp(Gather::AnyDone, &[idle, b"+OK\r\n", idle]).unwrap(), r"+OK\r\n");
    assert_eq!(resp(Gather::AnyDone, &[idle, b"-UNKILLABLE no\r\n"]).unwrap(), r"-UNKILLABLE no\r\n");
    assert_eq!(resp(Gather::AnyDone, &[idle, idle]).unwrap(), r"-NOTBUSY none\r\n");
    assert_eq!(resp(Gather::Join, &[b"*0\r\n", b"$-1\r\n"]), Err(1));
    let text = |gather, answers: &[&[u8]]| merged(gather, Dialect::MemcachedText, answers);
    assert_eq!(text(Gather::Join, &[b"ITEM a\r\nEND\r\n", b"END\r\n"]).unwrap(), r"ITEM a\r\nEND\r\n");
    assert_eq!(text(Gather::Agree, &[b"OK\r\n", b"OK\r\n"]).unwrap(), r"OK\r\n");
    assert_eq!(text(Gather::Agree, &[b"OK\r\n", b"SERVER_ERROR x\r\n"]).unwrap(), r"SERVER_ERROR x\r\n");
}
