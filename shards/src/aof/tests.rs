use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_protocols::data::Data as _;
use tidegate_protocols::settings::{Key, Settings};

use crate::store::Store;
use crate::testing::Client;

/// A directory that is gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidegate-aof-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A client of a store that keeps its log here.
    fn client(&self) -> Result<Client, String> {
        let mut client = Client::new();
        client.settings.set(Key::Dir, &self.0.to_string_lossy()).unwrap();
        client.settings.set(Key::AppendFsync, "always").unwrap();
        client.store.open_append_only()?;
        client.worker = client.store.worker(0, 2);
        client.now_ms = 1_700_000_000_000;
        Ok(client)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join("appendonlydir").join(name)
    }

    fn increment(&self) -> PathBuf {
        self.file("appendonly.aof.1.incr.aof")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Everything a client sees of some data.
fn seen(client: &mut Client) -> String {
    client.run("DEBUG DIGEST") + &client.run("DBSIZE")
}

/// Ends what a client has used, with all that is still to be written.
fn end(client: Client) {
    drop(client);
}

fn log_of(lines: &[&str]) -> (Folder, String) {
    let folder = Folder::new(&format!("{:x}", fastrand::u64(..)));
    let mut client = folder.client().unwrap();
    for line in lines {
        client.run(line);
    }
    let before = seen(&mut client);
    end(client);
    (folder, before)
}

const ALL_TYPES: &[&str] = &[
    "SET s v EX 1000",
    "APPEND s more",
    "INCRBYFLOAT f 1.5",
    "HSET h a 1 b 2",
    "HEXPIRE h 100 FIELDS 1 a",
    "RPUSH l 1 2 3 4",
    "LMPOP 1 l RIGHT COUNT 2",
    "SADD set a b c d e f",
    "SPOP set 3",
    "ZADD z 1 a 2 b 3 c",
    "ZPOPMIN z",
    "GEOADD g 13.361389 38.115556 Palermo",
    "XADD x MAXLEN ~ 10 * a 1",
    "XADD x 9999999999999-* b 2",
    "XGROUP CREATE x group 0",
    "XREADGROUP GROUP group alice COUNT 1 STREAMS x >",
    "XACK x group 9999999999999-0",
    "PFADD p a b c",
    "PFCOUNT p",
    "SWAPDB 0 1",
    "SET other v",
    "EXPIRE other -1",
    "MSET one 1 two 2",
    "GETDEL one",
    "COPY two three",
    "SWAPDB 1 0",
];

#[test]
fn what_was_logged_is_there_again() {
    let (folder, before) = log_of(ALL_TYPES);
    let mut client = folder.client().unwrap();
    assert_eq!(seen(&mut client), before);
    assert_eq!(client.run("TTL s"), ":1000\\r\\n");
    assert_eq!(client.run("GET s"), "$5\\r\\nvmore\\r\\n");
    client.run("SET later 1");
    let before = seen(&mut client);
    end(client);
    assert_eq!(seen(&mut folder.client().unwrap()), before);
}

#[test]
fn a_key_that_has_expired_since_goes_when_the_log_says_so() {
    let (folder, _) = log_of(&[
        "SET k v PXAT 1700000000100",
        "PERSIST k",
        "PEXPIREAT k 1700000000200",
        "APPEND k w",
        "PERSIST k",
    ]);
    assert_eq!(folder.client().unwrap().run("GET k"), "$2\\r\\nvw\\r\\n");
}

/// Cut anywhere, a log is what its whole commands are; of a transaction, all or nothing.
#[test]
fn a_log_that_ends_anywhere_is_read_up_to_the_last_whole_command() {
    let (folder, _) =
        log_of(&["SET a 1", "SET b 2", "SPOP none", "MSET c 3 d 4", "SADD s 1 2 3", "SPOP s 2"]);
    let whole = fs::read(folder.increment()).unwrap();
    let mut last = 0;
    for cut in 0..=whole.len() {
        fs::write(folder.increment(), &whole[..cut]).unwrap();
        let mut client = folder.client().unwrap();
        let keys: usize = client.run("DBSIZE").trim_matches([':', '\\', 'r', 'n']).parse().unwrap();
        end(client);
        let left = fs::read(folder.increment()).unwrap();
        assert!(left.len() <= cut && whole.starts_with(&left), "cut at {cut}");
        assert!(keys >= last && keys <= 5, "cut at {cut}: {keys} keys after {last}");
        last = keys;
    }
    assert_eq!(last, 5);
}

#[test]
fn a_log_that_was_cut_is_refused_where_the_setting_says_so() {
    let (folder, _) = log_of(&["SET a 1"]);
    let whole = fs::read(folder.increment()).unwrap();
    fs::write(folder.increment(), &whole[..whole.len() - 1]).unwrap();
    let settings = Arc::new(Settings::default());
    settings.set(Key::Dir, &folder.0.to_string_lossy()).unwrap();
    settings.set(Key::AofLoadTruncated, "no").unwrap();
    let refused = Store::new(settings, 1).open_append_only().unwrap_err();
    assert!(refused.starts_with("Unexpected end of file reading the append only file"), "{refused}");
    assert_eq!(fs::read(folder.increment()).unwrap().len(), whole.len() - 1);
}

#[test]
fn a_flipped_bit_is_an_error_or_another_value_and_no_panic() {
    let (folder, _) = log_of(&["SET a 1", "MSET b 2 c 3"]);
    let whole = fs::read(folder.increment()).unwrap();
    for at in 0..whole.len() {
        for bit in [0, 3, 6] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(folder.increment(), &bytes).unwrap();
            if let Err(reason) = folder.client().map(end) {
                let is_told = ["Bad file format", "Unknown command"].iter().any(|it| reason.starts_with(it));
                assert!(is_told, "{reason}");
            }
        }
    }
}

#[test]
fn a_file_that_is_not_the_last_has_to_be_whole_and_all_have_to_be_there() {
    let (folder, _) = log_of(&["SET a 1"]);
    let text = |base: &str| {
        format!(
            "{base}file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n"
        )
    };
    let manifest = folder.file("appendonly.aof.manifest");
    fs::write(&manifest, text("")).unwrap();
    let missing = folder.client().map(end).unwrap_err();
    assert!(missing.contains("appendonly.aof.2.incr.aof"), "{missing}");
    fs::write(folder.file("appendonly.aof.2.incr.aof"), b"").unwrap();
    folder.client().map(end).unwrap();
    let whole = fs::read(folder.increment()).unwrap();
    fs::write(folder.increment(), &whole[..whole.len() - 1]).unwrap();
    let refused = folder.client().map(end).unwrap_err();
    assert!(refused.contains("is not the last file"), "{refused}");
    fs::write(&manifest, b"nonsense\n").unwrap();
    let refused = folder.client().map(end).unwrap_err();
    assert!(refused.contains("at line 1 >>> 'nonsense' Invalid AOF manifest file format"), "{refused}");
}

#[test]
fn items_keep_their_flags_and_marks() {
    use tidegate_protocols::memcached::Item;
    use tidegate_protocols::table::memcached::Memcached;
    use tidegate_protocols::{Dialect, table::Row};
    let folder = Folder::new("items");
    let mut client = folder.client().unwrap();
    client.dialect = Dialect::MemcachedText;
    let row: &'static Row = Memcached::Set.row();
    client.request(row, &[b"set", b"k", b"value"], &Item { flags: 7, ..Item::NONE });
    let get = |client: &mut Client| client.request(Memcached::Get.row(), &[b"get", b"k"], &Item::NONE);
    let told = get(&mut client);
    assert!(told.starts_with(b"VALUE k 7 5\r\nvalue"));
    end(client);
    let mut client = folder.client().unwrap();
    client.dialect = Dialect::MemcachedText;
    assert_eq!(get(&mut client), told);
    assert!(Path::new(&folder.increment()).exists());
}
