//! Values there and back, and payloads that are none.

use proptest::prelude::*;
use tidegate_protocols::settings::Key;

use super::{checksum, seal};
use crate::testing::Client;

/// Values of every type and way to keep it, made under the key `k`.
const VALUES: &[&[&str]] = &[
    &["SET k 0"],
    &["SET k -129"],
    &["SET k 2147483648"],
    &["SET k hello"],
    &["APPEND k 12"],
    &["SETRANGE k 500 x"],
    &["RPUSH k a 1 -5000 b"],
    &["CONFIG list-max-listpack-size 2", "RPUSH k a 1 -5000 b 7 8 9"],
    &["SADD k 1 2 70000"],
    &["SADD k a 1 2"],
    &["CONFIG set-max-listpack-entries 2", "SADD k a 1 2"],
    &["HSET k a 1 b 2"],
    &["CONFIG hash-max-listpack-entries 1", "HSET k a 1 b 2 c 3"],
    &["ZADD k 1 a 2.5 b -inf c 1e300 d 8076075703204733000 e"],
    &["CONFIG zset-max-listpack-entries 2", "ZADD k 1 a 2.5 b -inf c -0.0 d"],
    &["HSET k a 1 b 2 c 3 d 4", "HPEXPIRE k 100000 FIELDS 1 a", "HPEXPIRE k 50000 FIELDS 1 c"],
    &["HSET k a 1 b 2", "HPEXPIRE k 100000 FIELDS 1 a", "HPERSIST k FIELDS 1 a"],
    &["CONFIG hash-max-listpack-entries 1", "HSET k a 1 b 2 c 3", "HPEXPIRE k 100000 FIELDS 2 a c"],
    &[
        "CONFIG hash-max-listpack-entries 1",
        "HSET k a 1 b 2",
        "HPEXPIRE k 100 FIELDS 1 a",
        "HPERSIST k FIELDS 1 a",
    ],
    &["XADD k 5-1 a 1 b 2", "XADD k 5-3 a 3 b 4", "XADD k 9-0 c 5", "XDEL k 5-3"],
    &[
        "CONFIG stream-node-max-entries 2",
        "XADD k 5-1 a 1 b 2",
        "XADD k 6-3 a 3 b 4",
        "XADD k 9-0 c 5",
        "XGROUP CREATE k g 0",
        "XGROUP CREATE k h 6",
        "XREADGROUP GROUP g one COUNT 2 STREAMS k >",
        "XREADGROUP GROUP g two COUNT 2 STREAMS k >",
        "XGROUP CREATECONSUMER k g three",
    ],
    &["XGROUP CREATE k g $ MKSTREAM"],
];

fn with(requests: &[&str]) -> Client {
    let mut client = Client::new();
    for request in requests {
        match request.strip_prefix("CONFIG ").and_then(|setting| setting.split_once(' ')) {
            Some((name, value)) => {
                client.settings.set(Key::named(name.as_bytes()).expect("a setting"), value).unwrap();
            }
            None => assert!(!client.run(request).starts_with('-'), "{request}"),
        }
    }
    client
}

/// The payload of `DUMP`.
fn dumped(client: &mut Client, key: &str) -> Vec<u8> {
    let reply = client.bytes(&[b"DUMP", key.as_bytes()]);
    let start = reply.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    reply[start..reply.len() - 2].to_vec()
}

fn restore(client: &mut Client, payload: &[u8]) -> String {
    client.send(&[b"RESTORE", b"r", b"0", payload, b"REPLACE"])
}

/// Asks of everything that is in a value.
fn look_at(client: &mut Client, key: &str) -> String {
    let requests = [
        "TYPE ?",
        "OBJECT ENCODING ?",
        "GET ?",
        "LRANGE ? 0 -1",
        "SMEMBERS ?",
        "HGETALL ?",
        "HPEXPIRETIME ? FIELDS 4 a b c d",
        "ZRANGE ? 0 -1 WITHSCORES",
        "XINFO STREAM ? FULL",
        "XRANGE ? - +",
        "MEMORY USAGE ?",
    ];
    requests.map(|request| client.run(&request.replace('?', key))).join(" ")
}

#[test]
fn what_is_dumped_is_restored_as_it_was() {
    for requests in VALUES {
        let mut client = with(requests);
        for compression in ["yes", "no"] {
            client.settings.set(Key::RdbCompression, compression).unwrap();
            let payload = dumped(&mut client, "k");
            assert_eq!(restore(&mut client, &payload), "+OK\\r\\n", "{requests:?}");
            assert_eq!(look_at(&mut client, "r"), look_at(&mut client, "k"), "{requests:?}");
            assert_eq!(dumped(&mut client, "r"), payload, "{requests:?}");
        }
    }
}

#[test]
fn a_packed_score_of_many_digits_is_an_integer_as_in_redis() {
    let mut client = with(&["CONFIG rdbcompression no", "ZADD k 8076075703204733000 a"]);
    let payload = dumped(&mut client, "k");
    assert!(payload.windows(9).any(|bytes| bytes == b"\xf4H`\xae,\x10\xfc\x13p"));
}

#[test]
fn how_often_or_how_long_ago_it_was_used_can_be_said() {
    let mut client = with(&["SET k v"]);
    let payload = dumped(&mut client, "k");
    let words: [&[u8]; 7] = [b"RESTORE", b"r", b"0", &payload, b"REPLACE", b"IDLETIME", b"1000"];
    client.send(&words);
    assert_eq!(client.run("OBJECT IDLETIME r"), ":1000\\r\\n");
    client.settings.set(Key::MaxMemoryPolicy, "allkeys-lfu").unwrap();
    let words: [&[u8]; 7] = [b"RESTORE", b"r", b"0", &payload, b"REPLACE", b"FREQ", b"100"];
    client.send(&words);
    assert_eq!(client.run("OBJECT FREQ r"), ":100\\r\\n", "the policy is new within this millisecond");
}

#[test]
fn what_is_too_large_to_be_packed_by_now_is_no_longer_packed() {
    for (value, setting, encoding) in [
        ("SADD k 1 2 3", Key::SetMaxIntsetEntries, "hashtable"),
        ("SADD k a b c", Key::SetMaxListpackEntries, "hashtable"),
        ("HSET k a 1 b 2 c 3", Key::HashMaxListpackEntries, "hashtable"),
        ("ZADD k 1 a 2 b 3 c", Key::ZsetMaxListpackEntries, "skiplist"),
        ("RPUSH k a b c", Key::ListMaxListpackSize, "quicklist"),
    ] {
        let mut client = with(&[value]);
        let payload = dumped(&mut client, "k");
        client.settings.set(setting, "2").unwrap();
        restore(&mut client, &payload);
        assert!(client.run("OBJECT ENCODING r").contains(encoding), "{value}");
        let counts = ["SCARD r", "HLEN r", "LLEN r", "ZCARD r"].map(|request| client.run(request));
        assert!(counts.contains(&String::from(":3\\r\\n")), "{value}");
    }
}

#[test]
fn payloads_that_are_no_values_are_refused() {
    let pack = |elements: &str| {
        let mut client = with(&[&format!("RPUSH k {elements}")]);
        let mut payload = dumped(&mut client, "k");
        payload.truncate(payload.len() - 10);
        payload.split_off(3)
    };
    let of = |kind: u8, value: &[u8]| [&[kind], value].concat();
    for (what, value) in [
        ("nothing", vec![]),
        ("a type that is none", of(8, b"\x01a")),
        ("a module's value", of(7, b"\x01a")),
        ("a string that is cut off", of(0, b"\x05abc")),
        ("a string with something behind it", of(0, b"\x01ab")),
        ("a string in no form there is", of(0, b"\xc4a")),
        ("a compressed string that is not so long", of(0, b"\xc3\x02\x05\x00a")),
        ("a compressed string of absurd length", of(0, b"\xc3\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00a")),
        ("a list without elements", of(1, b"\x00")),
        ("a list of absurd length", of(1, b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a")),
        ("a list without nodes", of(18, b"\x00")),
        ("a list of one node without elements", of(18, b"\x01\x02\x07\x07\x00\x00\x00\x00\x00\xff")),
        ("a list with a node of no kind", of(18, b"\x01\x03\x01a")),
        ("a set with the same member twice", of(2, b"\x02\x01a\x01a")),
        ("a set with the same integer twice", of(2, b"\x02\xc0\x01\xc0\x01")),
        ("an intset out of order", of(11, b"\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00")),
        ("an intset without members", of(11, b"\x08\x02\x00\x00\x00\x00\x00\x00\x00")),
        ("a packed set with the same member twice", of(20, &pack("a b a"))),
        ("a packed hash with the same field twice", of(16, &pack("a 1 a 2"))),
        ("a packed hash with a field without value", of(16, &pack("a 1 b"))),
        ("a hash with the same field twice", of(4, b"\x02\x01a\x01x\x01a\x01y")),
        ("packed times out of order", of(25, &[&[0; 8], &*pack("a 1 5 b 1 4")].concat())),
        ("packed times before those that never come", of(25, &[&[0; 8], &*pack("a 1 0 b 1 4")].concat())),
        ("a packed time that is none", of(25, &[&[0; 8], &*pack("a 1 x")].concat())),
        ("a packed time below 0", of(25, &[&[0; 8], &*pack("a 1 -1")].concat())),
        ("a time that is too late", of(24, &[&[0xff; 8], &b"\x01\x02\x01a\x01b"[..]].concat())),
        ("a hash without fields", of(4, b"\x00")),
        (
            "a sorted set with the same member twice",
            of(5, b"\x02\x01a\0\0\0\0\0\0\0\0\x01a\0\0\0\0\0\0\xf0\x3f"),
        ),
        ("a score that is no number", of(5, b"\x01\x01a\0\0\0\0\0\0\xf8\x7f")),
        ("a sorted set without members", of(5, b"\0")),
        ("a packed score that is no number", of(17, &pack("a x"))),
        ("packed scores out of order", of(17, &pack("a 2 b 1"))),
        ("packed members of a score out of order", of(17, &pack("b 1 a 1"))),
        ("a packed sorted set with the same member twice", of(17, &pack("a 1 a 2"))),
        ("a stream whose node is a list", of(21, &[&b"\x01\x10"[..], &[0; 16], &pack("a b c")].concat())),
    ] {
        let mut payload = value;
        seal(&mut payload);
        let mut client = Client::new();
        assert_eq!(restore(&mut client, &payload), "-ERR Bad data format\\r\\n", "{what}");
        assert_eq!(client.run("EXISTS r"), ":0\\r\\n", "{what}");
    }
    let mut payload = b"\x00\x01a\x0d\x00".to_vec();
    payload.extend(checksum(&payload).to_le_bytes());
    let refused = "-ERR DUMP payload version or checksum are wrong\\r\\n";
    assert_eq!(restore(&mut Client::new(), &payload), refused, "of a later version");
    assert_eq!(restore(&mut Client::new(), b"\x00\x01a"), refused, "too short");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever is taken can be used in every way.
    #[test]
    fn a_payload_that_was_changed_is_refused_or_sound(
        which in 0..VALUES.len(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut client = with(VALUES[which]);
        client.settings.set(Key::RdbCompression, "no").unwrap();
        let mut payload = dumped(&mut client, "k");
        payload.truncate(payload.len() - 10);
        for (place, byte, how) in changes {
            let at = place.index(payload.len());
            match how {
                0 => payload.insert(at, byte),
                1 if payload.len() > 1 => _ = payload.remove(at),
                2 => payload[at] = payload[at].wrapping_add(1),
                _ => payload[at] = byte,
            }
        }
        seal(&mut payload);
        if restore(&mut client, &payload) == "+OK\\r\\n" {
            look_at(&mut client, "r");
            // It may be gone: fields whose times had come are not there to be looked at a second time.
            client.bytes(&[b"DUMP", b"r"]);
            for request in [
                "APPEND r x", "LPUSH r x", "LINSERT r BEFORE x y", "LREM r 0 a", "LPOP r 2", "RPOP r",
                "SADD r new", "SREM r a 1", "SPOP r", "HSET r new field", "HDEL r a", "HRANDFIELD r 2",

                "ZADD r 1 new",
                "ZREM r a",
                "ZRANK r b",
                "ZRANGEBYSCORE r -inf 2",
                "ZPOPMIN r",
                "XADD r * new entry", "XDEL r 5-1", "XTRIM r MAXLEN 1", "XREADGROUP GROUP g one STREAMS r >",
                "XAUTOCLAIM r g two 0 0", "XPENDING r g", "XINFO GROUPS r", "SORT r ALPHA", "COPY r s", "DEL s", "DEL r",
            ] {
                client.run(request);
            }
        }
    }
}
