//! Memory with the real allocator: limits hold, and what is freed comes back.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::Client;
use tidegate_protocols::data::{Data as _, Worker as _};
use tidegate_protocols::settings::{Key, Settings};
use tidegate_shards::{Allocator, Store};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The allocator's figures are those of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn store(policy: &str) -> (Arc<Settings>, Store) {
    let settings = Arc::new(Settings::default());
    settings.set(Key::MaxMemoryPolicy, policy).unwrap();
    let store = Store::new(Arc::clone(&settings), 1);
    (settings, store)
}

fn limit(settings: &Settings, store: &Store, more: u64) -> u64 {
    let limit = store.figures().allocated_bytes + more;
    settings.set(Key::MaxMemory, &limit.to_string()).unwrap();
    limit
}

#[test]
fn memory_stays_below_its_limit_while_old_keys_make_room() {
    let _alone = ALONE.lock().unwrap();
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let (settings, store) = store(policy);
        let mut client = Client::new(&store, 0, 1);
        let limit = limit(&settings, &store, 4 << 20);
        let value = [b'v'; 500];
        for number in 0..20_000 {
            assert_eq!(client.send(&[b"SET", format!("key:{number}").as_bytes(), &value]), b"+OK\r\n");
            if number % 1000 == 0 {
                // A little above: what one command adds, and garbage of growing tables.
                let used = store.figures().allocated_bytes;
                assert!(used < limit + (1 << 20), "{policy}: {used} of {limit}");
            }
        }
        let figures = store.figures();
        assert!(figures.evicted > 5000 && figures.databases[0].keys > 4000, "{policy}: {}", figures.evicted);
    }
}

#[test]
fn writes_are_refused_and_reads_are_not_when_nothing_may_be_evicted() {
    let _alone = ALONE.lock().unwrap();
    for policy in ["noeviction", "volatile-lru", "volatile-ttl"] {
        let (settings, store) = store(policy);
        let mut client = Client::new(&store, 0, 1);
        client.run("SET before 1");
        limit(&settings, &store, 1 << 20);
        let value = [b'v'; 10_000];
        let full = (0..1000)
            .find(|number| client.send(&[b"SET", format!("key:{number}").as_bytes(), &value]) != b"+OK\r\n");
        assert!(full.is_some_and(|full| (50..200).contains(&full)), "{policy}: {full:?}");
        let refusal = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n";
        assert_eq!(client.send(&[b"APPEND", b"key:1", &value]), refusal);
        assert_eq!(client.run("GET before"), "$1\r\n1\r\n");
        assert_eq!(client.run("DEL key:0 key:1 key:2"), ":3\r\n");
        assert_eq!(client.run("INCR before"), ":2\r\n");
    }
}

#[test]
fn a_memcached_set_that_finds_no_memory_removes_what_it_would_have_replaced() {
    let _alone = ALONE.lock().unwrap();
    let no_memory = "SERVER_ERROR out of memory storing object\r\n";
    for (policy, error_on_full) in [("noeviction", "no"), ("allkeys-lru", "yes")] {
        let (settings, store) = store(policy);
        settings.set(Key::MemcachedErrorOnFull, error_on_full).unwrap();
        let mut client = Client::new(&store, 0, 1);
        assert_eq!(client.memcached("set a 0 0 1\r\n1\r\n"), "STORED\r\n");
        assert_eq!(client.memcached("set b 0 0 1\r\n1\r\n"), "STORED\r\n");
        settings.set(Key::MaxMemory, "1").unwrap();
        assert_eq!(client.memcached("set a 0 0 1\r\n2\r\n"), no_memory);
        assert_eq!(client.memcached("append b 0 0 1\r\n2\r\n"), no_memory);
        assert_eq!(client.memcached("incr b 1\r\n"), "SERVER_ERROR out of memory\r\n");
        assert_eq!(client.memcached("get a\r\n"), "END\r\n");
        assert_eq!(client.memcached("get b\r\n"), "VALUE b 0 1\r\n1\r\nEND\r\n");
        assert_eq!(client.memcached("ms b 1 ME\r\n2\r\n"), no_memory);
        assert_eq!(client.memcached("mg b\r\n"), "EN\r\n");
    }
}

#[test]
fn a_flush_gives_memory_back() {
    let _alone = ALONE.lock().unwrap();
    let (_settings, store) = store("noeviction");
    let mut client = Client::new(&store, 0, 1);
    client.run("SET other 1");
    let before = store.figures().allocated_bytes;
    // Again and again, so that a little that is kept each time is found, too.
    for round in 0..5 {
        for number in 0..50_000 {
            client.run(&format!("SET key:{number} value"));
        }
        let taken = store.figures().allocated_bytes - before;
        assert!(taken > 50_000 * 30, "{taken}");
        client.run("FLUSHALL");
        for _ in 0..50 {
            client.worker.maintain(client.now_ms, Duration::from_mins(1));
        }
        // What nobody may look at any more is freed by and by: some of it is always left.
        let kept = store.figures().allocated_bytes.saturating_sub(before);
        assert!(kept < taken / 5, "round {round}: {kept} of {taken}");
    }
}

#[test]
fn what_was_flushed_is_freed_before_anything_is_evicted_or_refused() {
    let _alone = ALONE.lock().unwrap();
    for policy in ["allkeys-lru", "noeviction"] {
        let (settings, store) = store(policy);
        let mut client = Client::new(&store, 0, 1);
        let value = [b'v'; 1000];
        let fill = |client: &mut Client| {
            for number in 0..5000 {
                let reply = client.send(&[b"SET", format!("key:{number}").as_bytes(), &value]);
                assert_eq!(reply, b"+OK\r\n", "{policy}");
            }
        };
        fill(&mut client);
        assert_eq!(client.run("FLUSHALL ASYNC"), "+OK\r\n");
        limit(&settings, &store, 1 << 20);
        fill(&mut client);
        let figures = store.figures();
        assert_eq!((figures.evicted, figures.databases[0].keys), (0, 5000), "{policy}");
        assert!(figures.lazyfree_pending < 2000, "{policy}: {}", figures.lazyfree_pending);
    }
}

#[test]
fn a_store_that_goes_frees_what_was_still_to_be_freed() {
    let _alone = ALONE.lock().unwrap();
    let bytes_after_a_store = || {
        let (_settings, store_) = store("noeviction");
        let mut client = Client::new(&store_, 0, 1);
        for number in 0..50_000 {
            client.run(&format!("SET key:{number} value"));
        }
        client.run("FLUSHALL ASYNC");
        assert_eq!(store_.figures().lazyfree_pending, 50_000);
        drop((client, store_));
        store("noeviction").1.figures().allocated_bytes
    };
    // The first leaves behind what a process makes once.
    let before = bytes_after_a_store();
    let after = bytes_after_a_store();
    assert!(after < before + 100_000, "{before} before, {after} after");
}

#[test]
fn nothing_is_evicted_in_the_background_where_memcached_clients_want_an_error() {
    let _alone = ALONE.lock().unwrap();
    let (settings, store) = store("allkeys-lru");
    let mut client = Client::new(&store, 0, 1);
    for number in 0..100 {
        client.run(&format!("SET key:{number} value"));
    }
    settings.set(Key::MaxMemory, "1").unwrap();
    for (error, evicts) in [("yes", false), ("no", true)] {
        settings.set(Key::MemcachedErrorOnFull, error).unwrap();
        client.worker.maintain(client.now_ms, Duration::from_millis(1));
        assert_eq!(store.figures().evicted > 0, evicts);
    }
}
