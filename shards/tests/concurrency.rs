//! Several workers on one keyspace.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use common::{Client, WORKERS, store, together};
use tidegate_protocols::data::{Data as _, Worker as _};

const ROUNDS: usize = 2000;

#[test]
fn what_one_mset_writes_is_seen_whole() {
    let store = store();
    Client::new(&store, 0, WORKERS).run("MSET a 0 b 0 c 0 d 0");
    together(&store, |mut client, index| {
        for round in 0..ROUNDS {
            if index % 2 == 0 {
                let value = format!("{index}{round}");
                client.run(&format!("MSET d {value} a {value} c {value} b {value}"));
            } else {
                let reply = client.run("MGET a b c d");
                let values: Vec<_> = reply.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
                assert_eq!(values.len(), 4);
                assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
            }
        }
    });
}

#[test]
fn a_flush_takes_all_keys_of_one_mset_or_none() {
    let store = store();
    together(&store, |mut client, index| {
        for _ in 0..ROUNDS {
            match index {
                0 => client.run("MSET a 0 b 0 c 0 d 0"),
                1 => client.run("FLUSHALL SYNC"),
                _ => {
                    let reply = client.run("MGET a b c d");
                    let found = reply.lines().filter(|line| *line == "$1").count();
                    assert!(found % 4 == 0, "{reply:?}");
                    reply
                }
            };
        }
    });
}

#[test]
fn increments_of_many_workers_all_count() {
    let store = store();
    together(&store, |mut client, _| {
        for round in 0..ROUNDS {
            client.run(&format!("INCR counter:{}", round % 3));
        }
    });
    let mut client = Client::new(&store, 0, WORKERS);
    let mut sum = 0;
    for counter in 0..3 {
        let reply = client.run(&format!("INCRBY counter:{counter} 0"));
        sum += reply.trim_matches([':', '\r', '\n']).parse::<usize>().unwrap();
    }
    assert_eq!(sum, WORKERS * ROUNDS);
}

#[test]
fn tables_grow_and_shrink_under_the_eyes_of_others() {
    let store = store();
    let mut first = Client::new(&store, 0, WORKERS);
    for stays in 0..500 {
        first.run(&format!("SET stays:{stays} {stays}"));
    }
    together(&store, |mut client, index| match index {
        // All in one slot, so that its table splits and merges; and over all slots.
        0 | 1 => {
            for round in 0..4 {
                for key in 0..3000 {
                    client.run(&format!("SET {{hot}}:{index}:{key} {round}"));
                    client.run(&format!("SET cold:{index}:{key} {round}"));
                }
                for key in 0..3000 {
                    assert_eq!(client.run(&format!("DEL {{hot}}:{index}:{key}")), ":1\r\n");
                    assert_eq!(client.run(&format!("UNLINK cold:{index}:{key}")), ":1\r\n");
                }
            }
        }
        2 => {
            for round in 0..ROUNDS * 4 {
                let stays = (round % 500).to_string();
                let expected = format!("${}\r\n{stays}\r\n", stays.len());
                assert_eq!(client.run(&format!("GET stays:{stays}")), expected);
                client.run(&format!("GET {{hot}}:0:{}", round % 3000));
            }
        }
        _ => {
            for _ in 0..3 {
                assert_eq!(scanned(&mut client, "stays:"), 500);
            }
        }
    });
    assert_eq!(first.run("DBSIZE"), ":500\r\n");
    assert_eq!(store.figures().databases[0].keys, 500);
    first.run("FLUSHALL");
    assert_eq!(first.run("RANDOMKEY"), "$-1\r\n");
}

/// Keys with a prefix that a whole scan sees, each once.
fn scanned(client: &mut Client, prefix: &str) -> usize {
    let (mut cursor, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        let reply = client.run(&format!("SCAN {cursor} COUNT 50"));
        let mut words = reply.lines().filter(|line| !line.starts_with(['*', '$'])).map(str::to_owned);
        cursor = words.next().unwrap();
        seen.extend(words.filter(|word| word.starts_with(prefix)));
        if cursor == "0" {
            let found = seen.len();
            seen.sort();
            seen.dedup();
            assert_eq!(found, seen.len());
            return found;
        }
    }
}

#[test]
fn a_flush_leaves_nothing_whatever_is_swapped_meanwhile() {
    let store = store();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = Client::new(&store, 1, WORKERS);
            while !done.load(Relaxed) {
                client.run("SWAPDB 0 1");
            }
        });
        let mut client = Client::new(&store, 0, WORKERS);
        let left = (0..200).find(|_| {
            client.run("MSET a 0 b 0 c 0 d 0");
            client.run("FLUSHALL");
            store.figures().databases.iter().any(|database| database.keys > 0)
        });
        done.store(true, Relaxed);
        assert_eq!(left, None, "keys are left after this many rounds");
    });
}

#[test]
fn databases_are_swapped_and_flushed_while_others_write() {
    let store = store();
    together(&store, |mut client, index| {
        for round in 0..ROUNDS / 4 {
            match (index, round % 10) {
                (0, 0) => drop(client.run("SWAPDB 0 1")),
                (1, 0) => drop(client.run("FLUSHDB")),
                (2, 5) => drop(client.run("KEYS *")),
                (3, 3) => drop(client.run("RENAME key:1 key:2")),
                _ => drop(client.run(&format!("SET key:{} {round}", round % 100))),
            }
        }
    });
    let mut client = Client::new(&store, 0, WORKERS);
    client.run("FLUSHALL");
    assert!(store.figures().databases.iter().all(|database| database.keys == 0 && database.expires == 0));
}

#[test]
fn what_is_flushed_in_the_background_is_freed_by_all_workers_together() {
    let store = store();
    together(&store, |mut client, index| {
        for round in 0..20 {
            for key in 0..500 {
                client.run(&format!("SET {index}:{key} {round}"));
                client.run(&format!("SET {{hot}}:{index}:{key} {round}"));
            }
            if round % 4 == index {
                client.run("FLUSHALL ASYNC");
            }
            client.worker.maintain(client.now_ms, Duration::ZERO);
        }
    });
    let mut client = Client::new(&store, 0, WORKERS);
    client.run("FLUSHALL ASYNC");
    while store.figures().lazyfree_pending > 0 {
        client.worker.maintain(client.now_ms, Duration::from_millis(1));
    }
    let figures = store.figures();
    assert_eq!(figures.databases[0].keys, 0);
    assert!(figures.lazyfreed >= 2 * 500 * WORKERS as u64, "{}", figures.lazyfreed);
}
