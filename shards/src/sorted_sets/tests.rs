use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use tidegate_protocols::data::{Data as _, Worker as _};
use tidegate_protocols::settings::Key;

use crate::testing::Client;

/// A client with a sorted set `z` of some members, the number of each its score.
fn with_members(members: usize) -> Client {
    let mut client = Client::new();
    for number in 0..members {
        client.run(&format!("ZADD z {number} member:{number}"));
    }
    client
}

/// Enough for a table that takes long to free, and few enough for a listpack.
const BOTH: [(usize, &str); 2] = [(1000, "$8\\r\\nskiplist\\r\\n"), (100, "$8\\r\\nlistpack\\r\\n")];

#[test]
fn a_sorted_set_goes_with_its_key_wherever_that_goes() {
    for (members, encoding) in BOTH {
        let mut client = with_members(members);
        let check = |client: &mut Client, key: &str| {
            assert_eq!(client.run(&format!("TYPE {key}")), "+zset\\r\\n");
            assert_eq!(client.run(&format!("OBJECT ENCODING {key}")), encoding);
            assert_eq!(client.run(&format!("ZCARD {key}")), format!(":{members}\\r\\n"));
            assert_eq!(client.run(&format!("ZSCORE {key} member:77")), "$2\\r\\n77\\r\\n");
            assert_eq!(client.run(&format!("ZRANK {key} member:77")), ":77\\r\\n");
        };
        client.run("RENAME z i");
        assert_eq!(client.run("EXISTS z"), ":0\\r\\n");
        check(&mut client, "i");
        assert_eq!(client.run("COPY i j"), ":1\\r\\n");
        client.run("ZADD j 0 member:77 -1 new");
        assert_eq!(client.run("ZRANK j member:77"), ":2\\r\\n");
        client.run("EXPIRE i 100");
        check(&mut client, "i");
        client.run("PERSIST i");
        assert_eq!(client.run("MOVE i 1"), ":1\\r\\n");
        client.context.database = 1;
        check(&mut client, "i");
    }
}

#[test]
fn what_a_removed_sorted_set_held_is_freed_in_steps() {
    let ways = [
        "DEL z",
        "SET z v",
        "ZUNIONSTORE z 1 none",
        "ZDIFFSTORE z 1 small",
        "ZRANGESTORE z small 0 -1",
        "ZPOPMIN z 2000",
        "ZREMRANGEBYSCORE z -inf inf",
        "PEXPIREAT z 1",
        "RENAME small z",
    ];
    for way in ways {
        for (members, _) in BOTH {
            let mut client = with_members(members);
            client.run("ZADD small 1 a");
            client.run(way);
            let pending = u64::from(members == 1000);
            assert_eq!(client.store.figures().lazyfree_pending, pending, "{way}, {members}");
            let mut steps = 0;
            while client.store.figures().lazyfree_pending > 0 {
                client.worker.maintain(client.now_ms, Duration::ZERO);
                steps += 1;
            }
            assert!(steps >= 2 * pending, "{way}, {members}: {steps}");
            assert_eq!(client.store.figures().lazyfreed, pending, "{way}, {members}");
        }
    }
}

#[test]
fn the_last_member_takes_the_key_with_it() {
    for (members, _) in BOTH {
        let mut client = with_members(members);
        for number in 0..members {
            assert_eq!(client.run("EXISTS z"), ":1\\r\\n");
            assert_eq!(client.run(&format!("ZREM z member:{number} none")), ":1\\r\\n");
        }
        assert_eq!(client.run("EXISTS z"), ":0\\r\\n");
        assert_eq!(client.store.figures().databases[0].keys, 0);
    }
}

#[test]
fn a_refused_score_leaves_no_key_and_no_change() {
    let mut client = Client::new();
    client.run("ZADD z 1 a x b");
    client.run("ZADD z XX 1 a");
    client.run("ZINCRBY z nan a");
    assert_eq!(client.run("EXISTS z"), ":0\\r\\n");
    client.run("ZADD z inf a");
    assert_eq!(client.run("ZINCRBY z -inf a"), "-ERR resulting score is not a number (NaN)\\r\\n");
    assert_eq!(client.run("ZSCORE z a"), "$3\\r\\ninf\\r\\n");
}

#[test]
fn a_scan_of_a_large_one_has_every_member() {
    let mut client = with_members(1000);
    assert_eq!(client.scanned("ZSCAN z", "member:").len(), 1000);
}

#[test]
fn different_members_by_chance_are_different_and_all_have_the_same_chance() {
    for members in [3, 40, 1000] {
        let mut client = with_members(members);
        for count in [1, 2, members / 4, members - 1, members, members + 5] {
            let reply = client.run(&format!("ZRANDMEMBER z {count} WITHSCORES"));
            let mut names: Vec<_> = reply.split("\\r\\n").filter(|part| part.starts_with("member")).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count.min(members));
        }
        let reply = client.run(&format!("ZRANDMEMBER z -{}", 100 * members));
        let mut times = HashMap::new();
        for name in reply.split("\\r\\n").filter(|part| part.starts_with("member")) {
            *times.entry(name).or_insert(0_i64) += 1;
        }
        assert_eq!(times.len(), members);
        assert!(times.values().all(|times| (30..190).contains(times)), "{times:?}");
    }
}

#[test]
fn a_reply_that_would_be_too_long_is_refused() {
    let mut client = with_members(3);
    let refused = "-ERR the reply would be longer than a reply may be\\r\\n";
    assert_eq!(client.run("ZRANDMEMBER z -9223372036854775807"), refused);
    client.worker.limit_replies(100);
    assert_eq!(client.run("ZRANDMEMBER z -15"), refused);
    assert_eq!(client.run("ZRANDMEMBER z -5 WITHSCORES"), refused);
}

/// Members with scores in their order.
fn sorted(model: &HashMap<String, f64>) -> Vec<(f64, String)> {
    let mut sorted: Vec<_> = model.iter().map(|(member, &score)| (score, member.clone())).collect();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
    sorted
}

/// A reply of members and scores.
fn told(members: &[(f64, String)]) -> String {
    let mut reply = format!("*{}\\r\\n", 2 * members.len());
    for (score, member) in members {
        let score = score.to_string();
        for text in [member, &score] {
            write!(reply, "${}\\r\\n{text}\\r\\n", text.len()).unwrap();
        }
    }
    reply
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_sorted_set_is_in_order_however_it_is_kept(
        changes in proptest::collection::vec((0..50_u8, 0..12_u8, -20..20_i32), 1..250),
        limits in prop_oneof![Just(("128", "64")), Just(("0", "64")), Just(("20", "64")), Just(("128", "8"))],
    ) {
        let (mut client, mut model) = (Client::new(), HashMap::new());
        client.settings.set(Key::ZsetMaxListpackEntries, limits.0).unwrap();
        client.settings.set(Key::ZsetMaxListpackValue, limits.1).unwrap();
        for (member, change, score) in changes {
            let member = if member < 40 { member.to_string() } else { "m".repeat(member.into()) };
            let score = f64::from(score) / 4.0;
            match change {
                0..=2 => {
                    let was = model.remove(&member).is_some();
                    prop_assert_eq!(client.run(&format!("ZREM z {member}")), format!(":{}\\r\\n", u8::from(was)));
                }
                3 | 4 => {
                    *model.entry(member.clone()).or_insert(0.0) += score;
                    client.run(&format!("ZINCRBY z {score} {member}"));
                }
                5 => {
                    client.run(&format!("ZREMRANGEBYSCORE z {score} ({}", score + 1.0));
                    model.retain(|_, other| *other < score || *other >= score + 1.0);
                }
                6 => {
                    let gone = sorted(&model).into_iter().take(1).collect::<Vec<_>>();
                    prop_assert_eq!(client.run("ZPOPMIN z"), told(&gone));
                    model.retain(|member, _| gone.iter().all(|(_, other)| other != member));
                }
                _ => {
                    let is_new = model.insert(member.clone(), score).is_none();
                    prop_assert_eq!(client.run(&format!("ZADD z {score} {member}")), format!(":{}\\r\\n", u8::from(is_new)));
                }
            }
            prop_assert_eq!(client.run("ZCARD z"), format!(":{}\\r\\n", model.len()));
        }
        let members = sorted(&model);
        prop_assert_eq!(client.run("ZRANGE z 0 -1 WITHSCORES"), told(&members));
        for (rank, (score, member)) in members.iter().enumerate() {
            prop_assert_eq!(client.run(&format!("ZRANK z {member}")), format!(":{rank}\\r\\n"));
            let below = members.iter().filter(|(other, _)| other < score).count();
            prop_assert_eq!(client.run(&format!("ZCOUNT z -inf ({score}")), format!(":{below}\\r\\n"));
        }
    }
}
