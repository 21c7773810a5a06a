//! Whatever happens while a snapshot is told, it tells what there was.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use tidegate_protocols::data::{Data as _, Worker as _};
use tidegate_protocols::settings::{Key, Settings};

use super::Cut;
use crate::held::Held;
use crate::rdb::file::{FileReader, Item};
use crate::rdb::{Restored, file};
use crate::testing::Client;

/// What a store or a file holds: each key of each database, with its value and time told as bytes.
type Contents = BTreeMap<(u8, Vec<u8>), (Option<u64>, Vec<u8>)>;

/// All there is in a store, as its worker sees it.
fn contents(client: &mut Client) -> Contents {
    let mut all = Contents::new();
    for database in 0..16 {
        client.context.database = database;
        let context = client.context;
        client.worker.begin(client.now_ms);
        let (held, local) = (&mut client.worker.held, &mut client.worker.local);
        crate::db::Db::new(held, local, &context, crate::db::FirstKey::NONE).for_each(|entry| {
            let value = (entry.expire_at(), crate::rdb::dump(entry, false));
            assert!(all.insert((database, entry.key().to_vec()), value).is_none());
        });
        client.worker.finish();
    }
    client.context.database = 0;
    all
}

/// All there is in a file; each key once.
fn contents_of(bytes: &[u8]) -> Contents {
    let (settings, mut database, mut all) = (Settings::default(), 0, Contents::new());
    let mut reader = FileReader::new(bytes, true).unwrap();
    let mut scratch = Client::new();
    while let Some(item) = reader.next(&settings).unwrap() {
        match item {
            Item::Database(number) => database = number,
            Item::Key(file::Record { key, value, aside }) => {
                let value = dumped(&mut scratch, value);
                let what = format!("{database} {}", key.escape_ascii());
                assert!(all.insert((database, key), (aside.metadata.expire_at, value)).is_none(), "{what}");
            }
            Item::Aux(..) | Item::Library(_) | Item::Sizes => {}
        }
    }
    all
}

/// A value of a file, told as `DUMP` does.
fn dumped(scratch: &mut Client, value: Restored) -> Vec<u8> {
    scratch.worker.begin(scratch.now_ms);
    let context = scratch.context;
    let (held, local) = (&mut scratch.worker.held, &mut scratch.worker.local);
    held.lock_patiently(held.keyspace().partition_of_key(b"k"));
    let mut db = crate::db::Db::new(held, local, &context, crate::db::FirstKey::NONE);
    let mut entry = db.open(b"k", crate::db::Look::Peek);
    entry.remove();
    entry.load(value, &file::Aside::default());
    let bytes = crate::rdb::dump(&entry.entry().unwrap(), false);
    scratch.worker.finish();
    bytes
}

fn take(client: &mut Client) -> Cut {
    client.worker.begin(client.now_ms);
    let shared = Arc::clone(client.store.shared());
    let (cut, ()) = Cut::take(&mut client.worker.held, &shared, (client.now_ms, false), || ()).ok().unwrap();
    client.worker.finish();
    cut
}

fn held_of(client: &Client) -> Held {
    Held::new(Arc::clone(&client.store.shared().keyspace), usize::MAX)
}

/// Requests by chance, of few keys in few slots and of many in many.
fn request(random: &mut fastrand::Rng) -> String {
    let key = match random.u8(..3) {
        0 => format!("k{}", random.u16(..2000)),
        1 => format!("{{tag}}{}", random.u16(..2000)),
        _ => format!("c{}", random.u8(..20)),
    };
    let other = format!("k{}", random.u16(..2000));
    let number = random.u16(..);
    match random.u8(..26) {
        0..6 => format!("SET {key} {number}"),
        6 => format!("SET {key} {number} PX {}", random.u16(1..200)),
        7 => format!("SETRANGE {key} {} x", random.u16(..6000)),
        8..12 => format!("DEL {key}"),
        12 => format!("RENAME {key} {other}"),
        13 => format!("COPY {key} {other} REPLACE"),
        14 => format!("RPUSH {key} a {number}"),
        15 => format!("SADD {key} {number} b"),
        16 => format!("HSET {key} f{} {number}", number % 100),
        17 => format!("ZADD {key} {number} m{}", number % 100),
        18 => format!("XADD {key} * f {number}"),
        19 => format!("PEXPIRE {key} {}", random.u16(1..200)),
        20 => format!("PERSIST {key}"),
        21 => format!("MOVE {key} {}", random.u8(..3)),
        22 => format!("GETDEL {key}"),
        23 => format!("LPOP {key}"),
        24 => format!("APPEND {key} {number}"),
        _ => format!("INCR {key}"),
    }
}

/// Something that happens rarely.
fn event(random: &mut fastrand::Rng) -> Option<&'static str> {
    Some(match random.u16(..4000) {
        0 => "FLUSHALL ASYNC",
        1 => "FLUSHDB",
        2 => "FLUSHDB ASYNC",
        3 | 4 => "SWAPDB 0 1",
        5 => "SWAPDB 1 2",
        _ => return None,
    })
}

#[test]
fn a_snapshot_tells_what_there_was_whatever_happens_meanwhile() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut client = Client::with_workers(1 + (seed as usize % 3));
        for key in [Key::HashMaxListpackEntries, Key::SetMaxListpackEntries, Key::ZsetMaxListpackEntries] {
            client.settings.set(key, "4").unwrap();
        }
        for _ in 0..random.u16(..8000) {
            client.context.database = random.u8(..3);
            client.now_ms += u64::from(random.u8(..50) == 0);
            client.run(&request(&mut random));
        }
        let before = contents(&mut client);
        let cut = take(&mut client);
        let mut held = held_of(&client);
        // The sweep is made to stop after every slice, so that much comes in between.
        let file = cut.write(&mut held, Vec::new(), |_, _| {
            for _ in 0..random.u16(..400) {
                client.context.database = random.u8(..3);
                client.now_ms += u64::from(random.u8(..50) == 0);
                let request = event(&mut random).map_or_else(|| request(&mut random), str::to_owned);
                client.run(&request);
                if random.u8(..100) == 0 {
                    client.worker.maintain(client.now_ms, std::time::Duration::from_millis(1));
                }
                if random.u16(..200) == 0 {
                    client.evict_one(tidegate_protocols::settings::Policy::AllKeysRandom);
                }
            }
            Ok(())
        });
        let told = contents_of(&file.unwrap());
        // What had expired by then and was still there is told as well.
        let now_ms = before.values().filter_map(|(at, _)| *at).max().unwrap_or(0);
        for (key, value) in &told {
            match before.get(key) {
                Some(expected) => assert_eq!(value, expected, "seed {seed}: {key:?}"),
                None => {
                    assert!(value.0.is_some_and(|at| at < client.now_ms.max(now_ms)), "seed {seed}: {key:?}");
                }
            }
        }
        let missing: Vec<_> = before.keys().filter(|key| !told.contains_key(*key)).collect();
        assert!(
            missing.is_empty(),
            "seed {seed}: {} missing: {:?}",
            missing.len(),
            &missing[..missing.len().min(5)]
        );
        assert!(!client.store.shared().snapshots.is_under_way());
    }
}

#[test]
fn threads_that_write_and_flush_change_nothing_of_a_snapshot() {
    let mut client = Client::with_workers(2);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        client.context.database = random.u8(..3);
        // Nothing expires, so that both are the same to the last key.
        let request = request(&mut random);
        if !request.contains("PX") && !request.contains("PEXPIRE") {
            client.run(&request);
        }
    }
    for round in 0..4 {
        let before = contents(&mut client);
        let cut = take(&mut client);
        let (ends, store) = (AtomicBool::new(false), &client.store);
        let (settings, now_ms) = (&client.settings, client.now_ms);
        let file = std::thread::scope(|scope| {
            for writer in 0..2 {
                let ends = &ends;
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(100 + writer + 10 * round);
                    let mut other = Client::of(store, settings, writer as usize, now_ms);
                    while !ends.load(Relaxed) {
                        other.context.database = random.u8(..3);
                        let request = event(&mut random).map_or_else(|| request(&mut random), str::to_owned);
                        if !request.contains("PX") && !request.contains("PEXPIRE") {
                            other.run(&request);
                        }
                    }
                });
            }
            let file = cut.write(&mut held_of(&client), Vec::new(), |_, _| Ok(()));
            ends.store(true, Relaxed);
            file
        });
        let told = contents_of(&file.unwrap());
        assert!(told == before, "round {round}: {} keys, and {} are told", before.len(), told.len());
    }
}

#[test]
fn a_snapshot_that_fails_or_is_forgotten_leaves_nothing_behind() {
    let mut client = Client::new();
    for number in 0..3000 {
        client.run(&format!("SET key:{number} v"));
    }
    drop(take(&mut client));
    let cut = take(&mut client);
    client.run("SET key:1 w");
    client.run("FLUSHALL");
    let failed = cut.write(&mut held_of(&client), Vec::new(), |_, _| Err(std::io::Error::other("full")));
    assert!(failed.is_err());
    assert!(!client.store.shared().snapshots.is_under_way());
    while client.worker.has_waste() {
        client.worker.maintain(client.now_ms, std::time::Duration::from_millis(10));
    }
    assert_eq!(client.store.figures().lazyfree_pending, 0);
    let keyspace = Arc::clone(&client.store.shared().keyspace);
    for partition in 0..keyspace.partitions() {
        assert!(keyspace.lock_of(partition).lock().snapshot.is_none());
    }
}

#[test]
fn there_is_one_snapshot_at_a_time() {
    let mut client = Client::new();
    let cut = take(&mut client);
    let shared = Arc::clone(client.store.shared());
    let second = Cut::take(&mut held_of(&client), &shared, (client.now_ms, false), || ());
    assert!(second.is_err());
    drop(cut);
    drop(take(&mut client));
}
