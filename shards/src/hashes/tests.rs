use std::collections::BTreeMap;

use proptest::prelude::*;
use tidegate_protocols::data::{Data as _, Worker as _};
use tidegate_protocols::settings::{Key, Policy};

use crate::testing::Client;

const NO: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n";

/// A client with a hash `h` of some fields, packed or not.
fn with_hash(fields: usize) -> Client {
    let mut client = Client::new();
    for number in 0..fields {
        client.run(&format!("HSET h field:{number} {number}"));
    }
    client
}

/// Enough for a table that takes long to free, and few enough for a listpack.
const BOTH: [(usize, &str); 2] = [(1000, "$9\\r\\nhashtable\\r\\n"), (100, "$8\\r\\nlistpack\\r\\n")];

#[test]
fn a_hash_goes_with_its_key_wherever_that_goes() {
    for (fields, encoding) in BOTH {
        let mut client = with_hash(fields);
        let length = format!(":{fields}\\r\\n");
        let check = |client: &mut Client, key: &str| {
            assert_eq!(client.run(&format!("TYPE {key}")), "+hash\\r\\n");
            assert_eq!(client.run(&format!("OBJECT ENCODING {key}")), encoding);
            assert_eq!(client.run(&format!("HLEN {key}")), length);
            assert_eq!(client.run(&format!("HGET {key} field:77")), "$2\\r\\n77\\r\\n");
        };
        check(&mut client, "h");
        assert_eq!(
            client.run("SCAN 0 COUNT 1000 TYPE hash"),
            "*2\\r\\n$1\\r\\n0\\r\\n*1\\r\\n$1\\r\\nh\\r\\n"
        );
        client.run("RENAME h i");
        assert_eq!(client.run("HLEN h"), ":0\\r\\n");
        check(&mut client, "i");
        assert_eq!(client.run("COPY i j"), ":1\\r\\n");
        client.run("HSET j field:77 other new 1");
        check(&mut client, "i");
        assert_eq!(client.run("HLEN j"), format!(":{}\\r\\n", fields + 1));
        // Expiry is kept beside the value, and comes and goes in front of it.
        client.run("EXPIRE i 100");
        check(&mut client, "i");
        client.run("PERSIST i");
        check(&mut client, "i");
        assert_eq!(client.run("MOVE i 1"), ":1\\r\\n");
        client.context.database = 1;
        check(&mut client, "i");
    }
}

#[test]
fn what_a_removed_hash_held_is_freed_in_steps() {
    let ways =
        ["DEL h", "UNLINK h", "SET h v", "PEXPIREAT h 1", "EXPIRE h 1", "RENAME s h", "COPY s h REPLACE"];
    for way in ways {
        for (fields, _) in BOTH {
            let mut client = with_hash(fields);
            client.run("SET s v");
            client.run(way);
            client.now_ms += 2000;
            client.run("HLEN h");
            let pending = u64::from(fields == 1000);
            assert_eq!(client.store.figures().lazyfree_pending, pending, "{way}, {fields}");
            let mut steps = 0;
            while client.store.figures().lazyfree_pending > 0 {
                client.worker.maintain(client.now_ms, std::time::Duration::ZERO);
                steps += 1;
            }
            assert!(steps >= 2 * pending, "{way}, {fields}: {steps}");
            assert_eq!(client.store.figures().lazyfreed, pending, "{way}, {fields}");
        }
    }
}

#[test]
fn hashes_are_evicted_and_swept_and_flushed() {
    for (fields, _) in BOTH {
        let mut client = with_hash(fields);
        client.evict_one(Policy::AllKeysLru);
        assert_eq!(client.run("EXISTS h"), ":0\\r\\n");
        let mut client = with_hash(fields);
        client.run("PEXPIRE h 1");
        client.now_ms += 1000;
        client.worker.maintain(client.now_ms, std::time::Duration::from_secs(1));
        assert_eq!(client.run("DBSIZE"), ":0\\r\\n");
        for flush in ["FLUSHALL", "FLUSHALL ASYNC"] {
            let mut client = with_hash(fields);
            client.run(flush);
            while client.worker.has_waste() {
                client.worker.maintain(client.now_ms, std::time::Duration::from_secs(1));
            }
            let counted = u64::from(flush != "FLUSHALL");
            assert_eq!(client.store.figures().lazyfreed, counted, "keys are counted, not fields");
        }
    }
}

#[test]
fn a_hash_is_no_string_and_a_string_no_hash() {
    let mut client = with_hash(3);
    client.run("SET s v");
    for request in [
        "GET h",
        "APPEND h v",
        "INCR h",
        "STRLEN h",
        "GETRANGE h 0 1",
        "SETRANGE h 0 v",
        "GETSET h v",
        "GETDEL h",
        "SET h v GET",
        "SETBIT h 1 1",
        "GETBIT h 1",
        "BITCOUNT h",
        "BITPOS h 1",
        "BITOP NOT x h",
        "BITFIELD h GET u8 0",
        "INCRBYFLOAT h 1",
        "GETEX h",
        "HSET s a 1",
        "HSETNX s a 1",
        "HMSET s a 1",
        "HGET s a",
        "HMGET s a",
        "HGETALL s",
        "HKEYS s",
        "HVALS s",
        "HLEN s",
        "HDEL s a",
        "HEXISTS s a",
        "HINCRBY s a 1",
        "HINCRBYFLOAT s a 1",
        "HSTRLEN s a",
        "HSCAN s 0",
        "HRANDFIELD s",
        "HRANDFIELD s 1",
    ] {
        assert_eq!(client.run(request), NO, "{request}");
    }
    assert_eq!(client.run("MGET h s"), "*2\\r\\n$-1\\r\\n$1\\r\\nv\\r\\n");
    assert_eq!(client.run("HLEN h"), ":3\\r\\n");
    assert_eq!(client.run("SET h v"), "+OK\\r\\n");
}

#[test]
fn the_last_field_takes_the_key_with_it() {
    for (fields, _) in BOTH {
        let mut client = with_hash(fields);
        for number in 0..fields {
            assert_eq!(client.run("EXISTS h"), ":1\\r\\n");
            assert_eq!(client.run(&format!("HDEL h field:{number} none")), ":1\\r\\n");
        }
        assert_eq!(client.run("EXISTS h"), ":0\\r\\n");
        assert_eq!(client.store.figures().databases[0].keys, 0);
    }
}

#[test]
fn chance_is_fair_and_different_fields_are_different() {
    for fields in [3, 40, 1000] {
        let mut client = with_hash(fields);
        for count in [1, 2, fields / 2, fields, fields + 5] {
            let reply = client.run(&format!("HRANDFIELD h {count}"));
            let mut names: Vec<_> = reply.split("\\r\\n").filter(|part| part.starts_with("field")).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count.min(fields));
        }
        let reply = client.run(&format!("HRANDFIELD h -{}", 100 * fields));
        let mut times = BTreeMap::new();
        reply
            .split("\\r\\n")
            .filter(|part| part.starts_with("field"))
            .for_each(|name| *times.entry(name).or_insert(0_i64) += 1);
        assert_eq!(times.len(), fields);
        assert!(times.values().all(|times| (30..190).contains(times)), "{times:?}");
    }
}

#[test]
fn a_scan_of_a_table_has_every_field() {
    let mut client = with_hash(1000);
    assert_eq!(client.scanned("HSCAN h", "field:").len(), 1000);
}

#[test]
fn a_reply_that_would_be_too_long_is_refused() {
    let mut client = with_hash(3);
    let refused = "-ERR the reply would be longer than a reply may be\\r\\n";
    assert_eq!(client.run("HRANDFIELD h -9223372036854775807"), refused);
    client.worker.limit_replies(100);
    assert_eq!(client.run("HRANDFIELD h -15"), refused);
    assert_eq!(client.run(&format!("HMGET h {}", "field:1 ".repeat(15))), refused);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_hash_is_as_a_map_however_it_is_kept(
        changes in proptest::collection::vec((0..60_u8, 0..12_u8, 0..90_usize), 1..250),
        limits in prop_oneof![Just(("512", "64")), Just(("0", "64")), Just(("20", "64")), Just(("512", "8"))],
    ) {
        let (mut client, mut map) = (Client::new(), BTreeMap::new());
        client.settings.set(Key::HashMaxListpackEntries, limits.0).unwrap();
        client.settings.set(Key::HashMaxListpackValue, limits.1).unwrap();
        for (field, change, length) in changes {
            let field = if field < 40 { field.to_string() } else { "f".repeat(field.into()) };
            match change {
                0..=2 => {
                    let was = map.remove(&field).is_some();
                    prop_assert_eq!(client.run(&format!("HDEL h {field}")), format!(":{}\\r\\n", u8::from(was)));
                }
                3 | 4 => {
                    let value: String = map.get(&field).cloned().unwrap_or_else(|| "0".into());
                    if let Ok(value) = value.parse::<usize>() {
                        map.insert(field.clone(), (value + length).to_string());
                        client.run(&format!("HINCRBY h {field} {length}"));
                    }
                }
                5 => { client.run("PEXPIRE h 1000000"); }
                6 => { client.run("PERSIST h"); }
                _ => {
                    let value = if length < 20 { length.to_string() } else { "v".repeat(length) };
                    let is_new = map.insert(field.clone(), value.clone()).is_none();
                    prop_assert_eq!(client.run(&format!("HSET h {field} {value}")), format!(":{}\\r\\n", u8::from(is_new)));
                }
            }
            prop_assert_eq!(client.run("HLEN h"), format!(":{}\\r\\n", map.len()));
            prop_assert_eq!(client.run("EXISTS h"), format!(":{}\\r\\n", u8::from(!map.is_empty())));
        }
        for (field, value) in &map {
            prop_assert_eq!(client.run(&format!("HGET h {field}")), format!("${}\\r\\n{value}\\r\\n", value.len()));
        }
        let all = client.run("HGETALL h");
        prop_assert_eq!(all.split("\\r\\n").count(), 2 + 4 * map.len());
    }
}
