//! Saved and loaded, by commands.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tidegate_protocols::data::{Data as _, Worker as _};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::settings::Key;
use tidegate_protocols::table;

use super::testing::Directory;
use crate::testing::Client;

/// Keys of every type in several databases.
fn fill(client: &mut Client) {
    for database in [0, 3, 15] {
        client.context.database = database;
        for number in 0..300 {
            client.run(&format!("SET string:{number} value:{number}"));
            client.run(&format!("SET {{one}}:{number} {number} EX {}", 10_000_000_000_u64));
            client.run(&format!("RPUSH list:{} a {number} b", number % 7));
            client.run(&format!("SADD set:{} {number} m:{number}", number % 5));
            client.run(&format!("HSET hash:{} f:{number} {number}", number % 3));
            client.run(&format!("ZADD zset:{} {number} m:{number}", number % 2));
            client.run(&format!("XADD stream {number}-1 f v"));
        }
    }
    client.context.database = 0;
}

/// Waits until it has been loaded.
fn load(client: &Client) -> Result<(), String> {
    let (tell, told) = mpsc::channel();
    client.store.load(None, move |reason| tell.send(reason).unwrap());
    told.recv_timeout(Duration::from_mins(1)).map_or(Ok(()), Err)
}

#[test]
fn what_was_saved_is_loaded_by_any_number_of_workers() {
    let directory = Directory::new("saved");
    let mut client = directory.client();
    fill(&mut client);
    let digest = client.run("DEBUG DIGEST");
    assert_eq!(client.run("SAVE"), "+OK\\r\\n");
    assert_eq!(directory.names(), ["dump.rdb"]);
    for workers in [1, 3] {
        let mut other = Client::with_workers(workers);
        directory.is_kept_by(&other);
        assert_eq!(load(&other), Ok(()));
        assert_eq!(other.run("DEBUG DIGEST"), digest);
        let [one, same] = [&client, &other].map(|client| client.store.figures());
        assert_eq!(one.databases[3].keys, same.databases[3].keys);
        assert_eq!(one.databases[3].expires, same.databases[3].expires);
        assert_eq!(same.persistence.loaded_keys, one.databases.iter().map(|it| it.keys).sum::<u64>());
    }
    assert_eq!(client.run("DEBUG RELOAD"), "+OK\\r\\n");
    assert_eq!(client.run("DEBUG DIGEST"), digest);
    assert_eq!(client.run("DEBUG RELOAD NOSAVE NOFLUSH MERGE"), "+OK\\r\\n");
    assert_eq!(client.run("DEBUG DIGEST"), digest);
    let twice = client.run("DEBUG RELOAD NOSAVE NOFLUSH");
    assert_eq!(twice, "-ERR Error trying to load the RDB dump, check server logs.\\r\\n");
    let wrong = "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.\\r\\n";
    assert_eq!(client.run("DEBUG RELOAD SAVE"), wrong);
}

#[test]
fn functions_and_what_memcached_clients_know_survive() {
    let directory = Directory::new("memcached");
    let mut client = directory.client();
    client.worker.run_scripts_beside(super::beside::nobody());
    let library = b"#!lua name=lib\nredis.register_function('f', function() return 7 end)";
    client.bytes(&[b"FUNCTION", b"LOAD", library]);
    client.run("SET plain v");
    let store = |client: &mut Client, key: &[u8], flags: u32| {
        let row = table::memcached::Memcached::Set.row();
        let item = Item { flags, ..Item::NONE };
        client.dialect = tidegate_protocols::Dialect::MemcachedText;
        let told = client.request(row, &[b"set", key, b"value"], &item);
        client.dialect = tidegate_protocols::Dialect::Resp2;
        told
    };
    for number in 0..50 {
        store(&mut client, format!("item:{number}").as_bytes(), number);
    }
    let metadata = |client: &mut Client| {
        let mut all = Vec::new();
        let context = client.context;
        client.worker.begin(client.now_ms);
        let mut db = crate::db::Db::new(
            &mut client.worker.held,
            &mut client.worker.local,
            &context,
            crate::db::FirstKey::NONE,
        );
        db.for_each(|entry| all.push((entry.key().to_vec(), entry.metadata())));
        client.worker.finish();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    };
    let before = metadata(&mut client);
    assert!(before.iter().any(|(_, it)| it.flags == 7 && it.cas > 0));
    client.run("SAVE");
    let mut other = Client::with_workers(8);
    directory.is_kept_by(&other);
    assert_eq!(load(&other), Ok(()));
    assert_eq!(metadata(&mut other), before);
    let functions = other.store.figures().scripts;
    assert_eq!((functions.libraries, functions.functions), (1, 1));
    // No CAS value comes a second time, whichever partition gives it.
    let last = before.iter().map(|(_, it)| it.cas).max().unwrap();
    for number in 0..50 {
        store(&mut other, format!("new:{number}").as_bytes(), 1);
    }
    let fresh = metadata(&mut other).into_iter().filter(|(key, _)| key.starts_with(b"new"));
    for (key, it) in fresh {
        assert!(it.cas > last, "{}: {} after {last}", key.escape_ascii(), it.cas);
    }
}

#[test]
fn a_file_that_cannot_be_loaded_is_refused_with_the_reason() {
    let directory = Directory::new("refused");
    let client = directory.client();
    assert_eq!(load(&client), Ok(()), "there is none");
    directory.put(b"REDIS0011\xff\0\0\0\0\0\0\0");
    let reason = load(&client).unwrap_err();
    assert!(reason.contains("dump.rdb: at byte 17: it ends here"), "{reason}");
    assert!(!client.store.figures().persistence.loading > 0);
}

#[test]
fn saving_that_fails_is_told_and_stops_writes_until_it_succeeds() {
    let directory = Directory::new("fails");
    let mut client = directory.client();
    client.run("SET k v");
    // Not even root writes into what is no directory.
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    client.settings.set(Key::Dir, &file.to_string_lossy()).unwrap();
    assert_eq!(client.run("SAVE"), "-ERR\\r\\n");
    assert_eq!(client.run("SET k w"), "+OK\\r\\n", "it was not in the background");
    client.settings.set(Key::Save, "3600 1").unwrap();
    assert_eq!(client.run("BGSAVE"), "+Background saving started\\r\\n");
    until(&client, |figures| figures.last_save_failed == 1);
    assert!(client.run("SET k x").starts_with("-MISCONF Redis is configured to save RDB snapshots"));
    assert_eq!(client.run("GET k"), "$1\\r\\nw\\r\\n");
    client.settings.set(Key::StopWritesOnBgsaveError, "no").unwrap();
    assert_eq!(client.run("SET k x"), "+OK\\r\\n");
    client.settings.set(Key::StopWritesOnBgsaveError, "yes").unwrap();
    directory.is_kept_by(&client);
    assert_eq!(client.run("BGSAVE"), "+Background saving started\\r\\n");
    until(&client, |figures| figures.saving == 0);
    assert_eq!(client.run("SET k y"), "+OK\\r\\n");
}

/// Waits until the figures are so.
fn until(client: &Client, is: impl Fn(&tidegate_protocols::data::PersistenceFigures) -> bool) {
    let end = std::time::Instant::now() + Duration::from_mins(1);
    while !is(&client.store.figures().persistence) {
        assert!(std::time::Instant::now() < end);
        std::thread::yield_now();
    }
}

#[test]
fn it_is_saved_after_so_many_changes_and_seconds() {
    let directory = Directory::new("points");
    let mut client = directory.client();
    client.settings.set(Key::Save, "1 3").unwrap();
    let saving = |client: &Client| Arc::clone(client.store.shared());
    client.run("SET a 1");
    client.run("SET b 1");
    saving(&client).saving.state.lock().last_s -= 10;
    client.worker.maintain(client.now_ms, Duration::ZERO);
    assert_eq!(client.store.figures().persistence.saves, 0);
    client.run("SET c 1");
    assert_eq!(client.store.figures().persistence.changes_unsaved, 3);
    client.worker.maintain(client.now_ms, Duration::ZERO);
    until(&client, |figures| figures.saves == 1 && figures.saving == 0);
    assert_eq!(client.store.figures().persistence.changes_unsaved, 0);
    assert_eq!(directory.names(), ["dump.rdb"]);
    client.worker.maintain(client.now_ms, Duration::ZERO);
    assert_eq!(client.store.figures().persistence.saves, 1);
}
