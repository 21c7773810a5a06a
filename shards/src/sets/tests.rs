use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidegate_protocols::data::{Data as _, Worker as _};
use tidegate_protocols::settings::Key;

use crate::testing::Client;

const NO: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n";

/// A client with a set `s` of some members.
fn with_set(members: usize, name: &str) -> Client {
    let mut client = Client::new();
    for number in 0..members {
        client.run(&format!("SADD s {name}{number}"));
    }
    client
}

/// One set of each kind, the last of them so large that it takes long to free.
const KINDS: [(usize, &str, &str); 3] =
    [(100, "", "intset"), (100, "m", "listpack"), (1000, "m", "hashtable")];

fn encoding_of(client: &mut Client, key: &str) -> String {
    let reply = client.run(&format!("OBJECT ENCODING {key}"));
    reply.split("\\r\\n").nth(1).unwrap_or(&reply).to_owned()
}

/// The elements of a reply, in order.
fn members_of(reply: &str) -> BTreeSet<String> {
    let parts: Vec<_> = reply.split("\\r\\n").collect();
    let members: Vec<_> =
        parts.iter().filter(|part| !part.starts_with(['$', '*']) && !part.is_empty()).collect();
    let set: BTreeSet<String> = members.iter().map(|&&member| member.to_owned()).collect();
    assert_eq!(set.len(), members.len(), "nobody is told twice: {reply}");
    set
}

#[test]
fn a_set_goes_with_its_key_wherever_that_goes() {
    for (members, name, encoding) in KINDS {
        let mut client = with_set(members, name);
        let check = |client: &mut Client, key: &str| {
            assert_eq!(client.run(&format!("TYPE {key}")), "+set\\r\\n");
            assert_eq!(encoding_of(client, key), encoding);
            assert_eq!(client.run(&format!("SCARD {key}")), format!(":{members}\\r\\n"));
            assert_eq!(client.run(&format!("SISMEMBER {key} {name}77")), ":1\\r\\n");
        };
        client.run("RENAME s i");
        assert_eq!(client.run("EXISTS s"), ":0\\r\\n");
        check(&mut client, "i");
        assert_eq!(client.run("COPY i j"), ":1\\r\\n");
        client.run(&format!("SREM j {name}77"));
        client.run("EXPIRE i 100");
        check(&mut client, "i");
        client.run("PERSIST i");
        assert_eq!(client.run("MOVE i 1"), ":1\\r\\n");
        client.context.database = 1;
        check(&mut client, "i");
    }
}

#[test]
fn what_a_removed_set_held_is_freed_in_steps() {
    let ways = [
        "DEL s",
        "SET s v",
        "SUNIONSTORE s none",
        "SDIFFSTORE s small",
        "SINTERSTORE s small",
        "SPOP s 2000",
        "SPOP s 999",
        "RENAME small s",
    ];
    for way in ways {
        for (members, name, _) in KINDS {
            let mut client = with_set(members, name);
            client.run("SADD small 1");
            client.run(way);
            let pending = u64::from(members == 1000);
            assert_eq!(client.store.figures().lazyfree_pending, pending, "{way}, {members}");
            while client.store.figures().lazyfree_pending > 0 {
                client.worker.maintain(client.now_ms, std::time::Duration::ZERO);
            }
            assert_eq!(client.store.figures().lazyfreed, pending, "{way}, {members}");
        }
    }
}

#[test]
fn a_result_that_was_only_told_is_freed_in_steps_and_counted_nowhere() {
    let mut client = with_set(1000, "m");
    for told in ["SUNION s s", "SDIFF s none"] {
        assert_eq!(members_of(&client.run(told)).len(), 1000);
        assert!(client.worker.has_waste(), "{told}");
        while client.worker.has_waste() {
            client.worker.maintain(client.now_ms, std::time::Duration::ZERO);
        }
        let figures = client.store.figures();
        assert_eq!((figures.lazyfree_pending, figures.lazyfreed), (0, 0));
    }
}

#[test]
fn a_set_is_no_other_type_and_others_are_no_set() {
    let mut client = with_set(3, "m");
    client.run("SET v v");
    client.run("HSET h a 1");
    for request in ["GET s", "APPEND s v", "INCR s", "HSET s a 1", "HGET s a", "HLEN s", "HDEL s a"] {
        assert_eq!(client.run(request), NO, "{request}");
    }
    for key in ["v", "h"] {
        for request in [
            "SADD _ a",
            "SREM _ a",
            "SCARD _",
            "SISMEMBER _ a",
            "SMISMEMBER _ a",
            "SMEMBERS _",
            "SPOP _",
            "SPOP _ 1",
            "SRANDMEMBER _",
            "SRANDMEMBER _ 1",
            "SSCAN _ 0",
            "SMOVE _ s a",
            "SMOVE s _ a",
            "SINTER s _",
            "SINTERCARD 2 s _",
            "SINTERSTORE d s _",
            "SUNION s _",
            "SUNIONSTORE d s _",
            "SDIFF s _",
            "SDIFFSTORE d s _",
        ] {
            assert_eq!(client.run(&request.replace('_', key)), NO, "{request}");
        }
    }
    assert_eq!(client.run("SCARD s"), ":3\\r\\n");
    assert_eq!(client.run("EXISTS d"), ":0\\r\\n");
}

/// Source of what is expected: Redis 7.2 `t_set.c`.
#[test]
fn results_are_kept_as_redis_keeps_them() {
    let mut client = Client::new();
    let long = "x".repeat(65);
    client.run("SADD i 1 2 3");
    client.run("SADD p 1 2 a");
    client.run(&format!("SADD t 1 2 {long}"));
    for (store, encoding, members) in [
        ("SINTERSTORE d p i", "intset", "1 2"),
        ("SINTERSTORE d t i", "intset", "1 2"),
        ("SINTERSTORE d t p", "intset", "1 2"),
        ("SINTERSTORE d p", "listpack", "1 2 a"),
        ("SUNIONSTORE d i p", "listpack", "1 2 3 a"),
        ("SUNIONSTORE d i t", "hashtable", &format!("1 2 3 {long}")),
        ("SDIFFSTORE d p i", "listpack", "a"),
        ("SDIFFSTORE d i p", "intset", "3"),
        ("SDIFFSTORE d t i", "hashtable", &long),
    ] {
        client.run(store);
        let expected: BTreeSet<_> = members.split(' ').map(str::to_owned).collect();
        assert_eq!(members_of(&client.run("SMEMBERS d")), expected, "{store}");
        assert_eq!(encoding_of(&mut client, "d"), encoding, "{store}");
    }
    client.settings.set(Key::SetMaxIntsetEntries, "1").unwrap();
    client.run("SINTERSTORE d p i");
    assert_eq!(encoding_of(&mut client, "d"), "listpack", "too many for integers");
}

#[test]
fn integers_become_packed_with_the_first_text_and_keep_their_order() {
    let mut client = Client::new();
    client.run("SADD s 3 1 2");
    client.run("SADD s a 0");
    let reply = "*5\\r\\n$1\\r\\n1\\r\\n$1\\r\\n2\\r\\n$1\\r\\n3\\r\\n$1\\r\\na\\r\\n$1\\r\\n0\\r\\n";
    assert_eq!(client.run("SMEMBERS s"), reply);
    assert_eq!(encoding_of(&mut client, "s"), "listpack");
    for number in 0..600 {
        client.run(&format!("SADD n {number}"));
    }
    assert_eq!(encoding_of(&mut client, "n"), "hashtable");
    for number in 0..200 {
        client.run(&format!("SADD m {number}"));
    }
    client.run("SADD m a");
    assert_eq!(encoding_of(&mut client, "m"), "hashtable", "too many to be packed");
}

#[test]
fn chance_is_fair_and_different_members_are_different() {
    for (members, name, _) in KINDS {
        let mut client = with_set(members, name);
        for count in [1, 2, members / 2, members, members + 5] {
            let told = members_of(&client.run(&format!("SRANDMEMBER s {count}")));
            assert_eq!(told.len(), count.min(members));
        }
        let reply = client.run(&format!("SRANDMEMBER s -{}", 100 * members));
        let mut times = BTreeMap::new();
        for name in reply.split("\\r\\n").skip(1).filter(|part| !part.starts_with('$') && !part.is_empty()) {
            *times.entry(name.to_owned()).or_insert(0_i64) += 1;
        }
        assert_eq!(times.len(), members);
        assert!(times.values().all(|times| (30..190).contains(times)), "{times:?}");
    }
}

#[test]
fn whoever_is_popped_is_gone() {
    for (members, name, encoding) in KINDS {
        for count in [1, members / 10, members / 2, members * 9 / 10] {
            let mut client = with_set(members, name);
            client.run("EXPIRE s 100");
            let mut all = members_of(&client.run(&format!("SPOP s {count}")));
            assert_eq!(all.len(), count);
            let few_stay = (members - count) * 5 <= count;
            let left = if few_stay && encoding == "hashtable" { "listpack" } else { encoding };
            assert_eq!(encoding_of(&mut client, "s"), left);
            assert_eq!(client.run("TTL s"), ":100\\r\\n");
            while client.run("EXISTS s") == ":1\\r\\n" {
                all.extend(members_of(&client.run("SPOP s")));
            }
            assert_eq!(all.len(), members, "everybody once");
        }
    }
}

#[test]
fn a_scan_of_a_table_has_every_member() {
    let mut client = with_set(1000, "m");
    let (mut cursor, mut seen) = (String::from("0"), BTreeSet::new());
    loop {
        let reply = client.run(&format!("SSCAN s {cursor} COUNT 20 MATCH m*"));
        let parts: Vec<_> = reply.split("\\r\\n").map(str::to_owned).collect();
        seen.extend(parts.iter().filter(|part| part.starts_with('m')).cloned());
        cursor.clone_from(&parts[2]);
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 1000);
}

#[test]
fn a_reply_that_would_be_too_long_is_refused() {
    let mut client = with_set(3, "m");
    let refused = "-ERR the reply would be longer than a reply may be\\r\\n";
    assert_eq!(client.run("SRANDMEMBER s -9223372036854775807"), refused);
    client.worker.limit_replies(100);
    assert_eq!(client.run("SRANDMEMBER s -15"), refused);
}

fn member() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..40_i32).prop_map(|number| number.to_string()),
        1 => (0..5_i64).prop_map(|number| (number << 40).to_string()),
        2 => (0..20_u8).prop_map(|number| format!("m{number}")),
        1 => Just("x".repeat(65)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn sets_are_as_sets_however_they_are_kept(
        changes in proptest::collection::vec((0..3_usize, 0..12_u8, member(), 0..3_usize), 1..200),
        limits in prop_oneof![Just(["512", "128"]), Just(["0", "128"]), Just(["10", "0"]), Just(["5", "10"])],
    ) {
        let (mut client, mut model) = (Client::new(), vec![BTreeSet::new(); 3]);
        client.settings.set(Key::SetMaxIntsetEntries, limits[0]).unwrap();
        client.settings.set(Key::SetMaxListpackEntries, limits[1]).unwrap();
        for (key, change, member, other) in changes {
            let number = |is: bool| format!(":{}\\r\\n", u8::from(is));
            match change {
                0..6 => {
                    let is_new = model[key].insert(member.clone());
                    prop_assert_eq!(client.run(&format!("SADD {key} {member}")), number(is_new));
                }
                6 | 7 => {
                    let was_there = model[key].remove(&member);
                    prop_assert_eq!(client.run(&format!("SREM {key} {member}")), number(was_there));
                }
                8 => {
                    let was_there = model[key].remove(&member);
                    if was_there {
                        model[other].insert(member.clone());
                    }
                    prop_assert_eq!(client.run(&format!("SMOVE {key} {other} {member}")), number(was_there));
                }
                9 => {
                    let result: BTreeSet<_> = &model[key] & &model[other];
                    let reply = format!(":{}\\r\\n", result.len());
                    prop_assert_eq!(client.run(&format!("SINTERCARD 2 {key} {other}")), &*reply);
                    prop_assert_eq!(&members_of(&client.run(&format!("SINTER {key} {other}"))), &result);
                    prop_assert_eq!(client.run(&format!("SINTERSTORE 2 {key} {other}")), reply);
                    model[2] = result;
                }
                10 => {
                    let result: BTreeSet<_> = &model[key] | &model[other];
                    prop_assert_eq!(&members_of(&client.run(&format!("SUNION {key} {other}"))), &result);
                    client.run(&format!("SUNIONSTORE 1 {key} {other}"));
                    model[1] = result;
                }
                _ => {
                    let result: BTreeSet<_> = &(&model[key] - &model[other]) - &model[0];
                    prop_assert_eq!(&members_of(&client.run(&format!("SDIFF {key} {other} 0"))), &result);
                    client.run(&format!("SDIFFSTORE 0 {key} {other} 0"));
                    model[0] = result;
                }
            }
            for (key, members) in model.iter().enumerate() {
                prop_assert_eq!(&members_of(&client.run(&format!("SMEMBERS {key}"))), members);
                prop_assert_eq!(client.run(&format!("EXISTS {key}")), number(!members.is_empty()));
            }
        }
    }
}
