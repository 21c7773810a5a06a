//! Transactions of several workers at once: each is seen whole or not at all, and watches miss nothing.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Client, WORKERS, store, together};
use tidegate_protocols::data::{Data as _, Worker as _};
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::transaction::Watches;
use tidegate_shards::Store;

const ROUNDS: usize = 1000;

/// The values in a reply.
fn values(reply: &str) -> Vec<&str> {
    reply.lines().filter(|line| !line.starts_with(['*', '$'])).collect()
}

#[test]
fn what_one_transaction_writes_is_seen_whole_by_every_command() {
    let store = store();
    Client::new(&store, 0, WORKERS).run("MSET a 0 b 0 c 0 d 0");
    together(&store, |mut client, index| {
        for round in 0..ROUNDS {
            let value = format!("{index}{round}");
            if index < 2 {
                let lines = ["d", "a", "c", "b"].map(|key| format!("SET {key} {value}"));
                // A key more and a key less: others never see another number of keys.
                let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                lines.extend(["DEL d", "SET e x", "DEL e"]);
                let last = format!("SET d {value}");
                lines.push(&last);
                assert_eq!(client.transact(&Watches::default(), &lines, || {}).unwrap().len(), lines.len());
                continue;
            }
            let reply = client.run("MGET a b c d");
            let seen = values(&reply);
            assert!(seen.len() == 4 && seen.iter().all(|value| *value == seen[0]), "{seen:?}");
            let replies = client
                .transact(&Watches::default(), &["GET a", "DBSIZE", "MGET b c d", "KEYS *"], || {})
                .unwrap();
            let seen = [values(&replies[0]), values(&replies[2])].concat();
            assert!(seen.len() == 4 && seen.iter().all(|value| *value == seen[0]), "{seen:?}");
            assert_eq!((replies[1].as_str(), values(&replies[3]).len()), (":4\r\n", 4));
        }
    });
}

#[test]
fn increments_under_watches_all_count() {
    let store = store();
    Client::new(&store, 0, WORKERS).run("MSET n 0 sum 0");
    together(&store, |mut client, _| {
        let mut done = 0;
        while done < ROUNDS / 4 {
            let watches = client.watch("n other");
            let n: usize = values(&client.run("GET n"))[0].parse().unwrap();
            let set = format!("SET n {}", n + 1);
            done += usize::from(client.transact(&watches, &[&set, "INCR sum"], || {}).is_some());
        }
    });
    let reply = Client::new(&store, 0, WORKERS).run("MGET n sum");
    let all = (WORKERS * (ROUNDS / 4)).to_string();
    assert_eq!(values(&reply), [&all, &all]);
}

#[test]
fn transactions_on_everything_do_not_wait_in_a_circle() {
    let store = store();
    together(&store, |mut client, index| {
        for round in 0..ROUNDS / 4 {
            let set = format!("SET key:{index} {round}");
            let lines: &[&str] = match round % 4 {
                0 => &[&set, "DBSIZE", "FLUSHDB", "MSET a 1 b 2"],
                1 => &["SWAPDB 0 1", "KEYS *", "SWAPDB 0 1"],
                2 => &[&set, "RANDOMKEY", "SCAN 0"],
                _ => &[&set, "COPY a z", "RENAME z y"],
            };
            // Who has everything may ask for the figures in between.
            let whole = round % 4 < 3;
            let replies = client.transact(&Watches::default(), lines, || {
                if whole {
                    let figures = store.figures();
                    assert!(figures.databases[0].keys < 20);
                }
            });
            assert_eq!(replies.unwrap().len(), lines.len());
        }
    });
}

#[test]
fn what_goes_unasked_has_changed_for_those_who_watch_it() {
    let settings = Arc::new(Settings::default());
    let store = Store::new(Arc::clone(&settings), 1);
    let mut client = Client::new(&store, 0, 1);
    let fails = |client: &mut Client, watches: &Watches| client.transact(watches, &[], || {}).is_none();

    client.run("SET k v PX 100");
    let watches = client.watch("k");
    client.now_ms += 50;
    client.worker.maintain(client.now_ms, Duration::from_mins(1));
    assert!(!fails(&mut client, &watches), "it is still there");
    for sweep in [true, false] {
        client.run("SET k v PX 100");
        let watches = client.watch("k");
        client.now_ms += 200;
        if sweep {
            client.worker.maintain(client.now_ms, Duration::from_mins(1));
        }
        assert!(fails(&mut client, &watches), "expired, swept {sweep}");
        let watches = client.watch("k");
        client.worker.maintain(client.now_ms, Duration::from_mins(1));
        assert!(!fails(&mut client, &watches), "it had expired before");
    }

    client.run("SET k v");
    let watches = client.watch("k none");
    settings.set(Key::MaxMemoryPolicy, "allkeys-random").unwrap();
    settings.set(Key::MaxMemory, "1").unwrap();
    client.worker.maintain(client.now_ms, Duration::from_mins(1));
    settings.set(Key::MaxMemory, "0").unwrap();
    assert_eq!(client.run("EXISTS k"), ":0\r\n");
    assert!(fails(&mut client, &watches), "evicted");

    client.memcached("set k 0 0 1\r\nv\r\n");
    for (change, changes) in [
        ("gets k\r\n", false),
        ("touch k 100\r\n", true),
        ("add k 0 0 1\r\nw\r\n", false),
        ("append k 0 0 1\r\nw\r\n", true),
        ("delete k\r\n", true),
    ] {
        let watches = client.watch("k");
        client.memcached(change);
        assert_eq!(fails(&mut client, &watches), changes, "{change}");
    }
}

#[test]
fn who_watches_no_more_is_not_heard_of() {
    let store = store();
    let mut client = Client::new(&store, 0, WORKERS);
    let watches = client.watch("a b c");
    client.worker.unwatch(1, &watches);
    client.worker.finish();
    assert!(client.transact(&watches, &[], || {}).is_none(), "versions that nobody keeps are not believed");
    let watches = client.watch("a b c");
    assert!(client.transact(&watches, &["SET a 1"], || {}).is_some());
}
