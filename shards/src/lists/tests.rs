use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use tidegate_protocols::data::{Data as _, Worker as _};
use tidegate_protocols::settings::{Key, Policy};

use crate::testing::Client;

/// A client with a list `l` of some elements, the number of each its name.
fn with_list(elements: usize) -> Client {
    let mut client = Client::new();
    for number in 0..elements {
        client.run(&format!("RPUSH l element:{number}:{}", "x".repeat(1000)));
    }
    client
}

/// Enough for so many listpacks that it takes long to free them, and few enough for one.
const BOTH: [(usize, &str); 2] = [(1000, "$9\\r\\nquicklist\\r\\n"), (7, "$8\\r\\nlistpack\\r\\n")];

#[test]
fn a_list_goes_with_its_key_wherever_that_goes() {
    for (elements, encoding) in BOTH {
        let mut client = with_list(elements);
        let length = format!(":{elements}\\r\\n");
        let check = |client: &mut Client, key: &str| {
            assert_eq!(client.run(&format!("TYPE {key}")), "+list\\r\\n");
            assert_eq!(client.run(&format!("OBJECT ENCODING {key}")), encoding);
            assert_eq!(client.run(&format!("LLEN {key}")), length);
            assert!(client.run(&format!("LRANGE {key} 5 5")).contains("element:5:"));
        };
        check(&mut client, "l");
        client.run("RENAME l i");
        assert_eq!(client.run("LLEN l"), ":0\\r\\n");
        check(&mut client, "i");
        assert_eq!(client.run("COPY i j"), ":1\\r\\n");
        client.run("LPOP j 3");
        check(&mut client, "i");
        assert_eq!(client.run("LLEN j"), format!(":{}\\r\\n", elements - 3));
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
fn what_a_removed_list_held_is_freed_in_steps() {
    let ways = ["DEL l", "UNLINK l", "SET l v", "PEXPIREAT l 1", "RENAME s l", "COPY s l REPLACE"];
    for way in ways {
        for (elements, _) in BOTH {
            let mut client = with_list(elements);
            client.run("SET s v");
            client.run(way);
            client.run("TYPE l");
            let pending = u64::from(elements == 1000);
            assert_eq!(client.store.figures().lazyfree_pending, pending, "{way}, {elements}");
            while client.store.figures().lazyfree_pending > 0 {
                client.worker.maintain(client.now_ms, Duration::ZERO);
            }
            assert_eq!(client.store.figures().lazyfreed, pending, "{way}, {elements}");
        }
    }
}

#[test]
fn lists_are_evicted_and_swept_and_flushed() {
    for (elements, _) in BOTH {
        let mut client = with_list(elements);
        client.evict_one(Policy::AllKeysLru);
        assert_eq!(client.run("EXISTS l"), ":0\\r\\n");
        let mut client = with_list(elements);
        client.run("PEXPIRE l 1");
        client.now_ms += 1000;
        client.worker.maintain(client.now_ms, Duration::from_secs(1));
        assert_eq!(client.run("DBSIZE"), ":0\\r\\n");
        for flush in ["FLUSHALL", "FLUSHALL ASYNC"] {
            let mut client = with_list(elements);
            client.run(flush);
            while client.worker.has_waste() {
                client.worker.maintain(client.now_ms, Duration::from_secs(1));
            }
            let counted = u64::from(flush != "FLUSHALL");
            assert_eq!(client.store.figures().lazyfreed, counted, "keys are counted, not elements");
        }
    }
}

#[test]
fn a_list_that_shrinks_is_packed_again_at_half_of_what_made_it_long() {
    let mut client = with_list(9);
    let encoding = |client: &mut Client| client.run("OBJECT ENCODING l");
    assert_eq!(encoding(&mut client), BOTH[0].1);
    client.run("RPOP l 4");
    assert_eq!(encoding(&mut client), BOTH[0].1, "five of a thousand bytes");
    client.run("RPOP l");
    assert_eq!(encoding(&mut client), BOTH[1].1, "four of a thousand bytes");
}

#[test]
fn the_memory_of_a_list_is_told() {
    for (elements, _) in BOTH {
        let mut client = with_list(elements);
        let usage = client.run("MEMORY USAGE l");
        let usage: usize = usage[1..usage.len() - 4].parse().unwrap();
        assert!((elements * 1010..elements * 1300).contains(&usage), "{usage} for {elements}");
    }
}

#[test]
fn a_list_is_nothing_else_and_nothing_else_a_list() {
    const NO: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n";
    let mut client = with_list(3);
    client.run("SET s v");
    client.run("HSET h a 1");
    for request in
        ["GET l", "APPEND l v", "INCR l", "SETBIT l 1 1", "HSET l a 1", "HGETALL l", "BITOP NOT x l"]
    {
        assert_eq!(client.run(request), NO, "{request}");
    }
    for key in ["s", "h"] {
        for request in [
            "LPUSH ? a",
            "RPUSHX ? a",
            "LPOP ?",
            "RPOP ? 2",
            "LLEN ?",
            "LRANGE ? 0 1",
            "LTRIM ? 0 1",
            "LINDEX ? 0",
            "LSET ? 0 a",
            "LINSERT ? BEFORE a b",
            "LREM ? 0 a",
            "LPOS ? a",
            "LMOVE ? l LEFT LEFT",
            "LMOVE l ? LEFT LEFT",
            "RPOPLPUSH ? ?",
            "LMPOP 2 none ? LEFT",
        ] {
            let request = request.replace('?', key);
            assert_eq!(client.run(&request), NO, "{request}");
        }
    }
    assert_eq!(client.run("LLEN l"), ":3\\r\\n");
}

fn bulk(text: Option<&String>) -> String {
    text.map_or("$-1\\r\\n".into(), |text| format!("${}\\r\\n{text}\\r\\n", text.len()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_list_is_as_a_deque_however_it_is_kept(
        changes in proptest::collection::vec((0..16_u8, 0..12_usize, 0..90_usize), 1..250),
        size in prop_oneof![Just("-2"), Just("-1"), Just("1"), Just("4"), Just("40")],
    ) {
        let (mut client, mut model) = (Client::new(), VecDeque::<String>::new());
        client.settings.set(Key::ListMaxListpackSize, size).unwrap();
        for (change, index, length) in changes {
            let text = if length < 60 { length.to_string() } else { "v".repeat(length * length / 4) };
            let len = model.len();
            match change {
                0..=3 => { client.run(&format!("RPUSH l {text}")); model.push_back(text); }
                4..=6 => { client.run(&format!("LPUSH l {text} 7")); model.push_front(text); model.push_front("7".into()); }
                7 => prop_assert_eq!(client.run("LPOP l"), bulk(model.pop_front().as_ref())),
                8 => prop_assert_eq!(client.run("RPOP l"), bulk(model.pop_back().as_ref())),
                9 => {
                    client.run(&format!("LSET l {index} {text}"));
                    if let Some(place) = model.get_mut(index) { *place = text; }
                }
                10 => {
                    client.run(&format!("LINSERT l AFTER 7 {text}"));
                    if let Some(at) = model.iter().position(|text| text == "7") { model.insert(at + 1, text); }
                }
                11 => {
                    client.run("LREM l -2 7");
                    for _ in 0..2 {
                        if let Some(at) = model.iter().rposition(|text| text == "7") { model.remove(at); }
                    }
                }
                12 if len > 0 => {
                    client.run("LMOVE l l LEFT RIGHT");
                    model.rotate_left(1);
                }
                13 if length < 20 => {
                    client.run(&format!("LTRIM l {index} -2"));
                    model.pop_back();
                    model.drain(..index.min(model.len()));
                }
                14 => { client.run("PEXPIRE l 1000000"); }
                _ => { client.run("PERSIST l"); }
            }
            prop_assert_eq!(client.run("LLEN l"), format!(":{}\\r\\n", model.len()));
            prop_assert_eq!(client.run("EXISTS l"), format!(":{}\\r\\n", u8::from(!model.is_empty())));
            prop_assert_eq!(client.run(&format!("LINDEX l {index}")), bulk(model.get(index)));
        }
        let all: String = model.iter().map(|text| bulk(Some(text))).collect();
        prop_assert_eq!(client.run("LRANGE l 0 -1"), format!("*{}\\r\\n{all}", model.len()));
    }
}
