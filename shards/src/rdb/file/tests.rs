//! Files that were cut, changed, or written by others.

use proptest::prelude::*;
use tidegate_protocols::settings::Settings;

use super::super::checksum::checksum;
use super::{FileReader, Item, Record};
use crate::testing::Client;

/// A file with a key of each type, and what else there may be.
fn file() -> Vec<u8> {
    let directory = Directory::new("file");
    let mut client = directory.client();
    client.settings.set(tidegate_protocols::settings::Key::MaxMemoryPolicy, "allkeys-lfu").unwrap();
    for request in [
        "SET number 12345",
        "SET text hello",
        "SETRANGE long 3000 x",
        "SET expires v PX 100000000000",
        "RPUSH list a b 3",
        "SADD integers 1 2 3",
        "SADD set a b",
        "HSET hash f v",
        "HSET fields f v g w",
        "HPEXPIRE fields 100000000000 FIELDS 1 f",
        "ZADD zset 1 a 2.5 b",
        "XADD stream 1-1 f v",
        "XGROUP CREATE stream g 0",
        "SAVE",
    ] {
        assert!(!client.run(request).starts_with('-'), "{request}");
    }
    directory.saved()
}

use crate::saving::testing::Directory;

/// The keys of a file, and whether it is whole.
fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, Result<(), String>) {
    let settings = Settings::default();
    let mut keys = Vec::new();
    let mut reader = match FileReader::new(bytes, true) {
        Ok(reader) => reader,
        Err(error) => return (keys, Err(error.to_string())),
    };
    loop {
        match reader.next(&settings) {
            Ok(Some(Item::Key(Record { key, .. }))) => keys.push(key),
            Ok(Some(_)) => {}
            Ok(None) => return (keys, Ok(())),
            Err(error) => return (keys, Err(error.to_string())),
        }
    }
}

#[test]
fn a_file_that_was_cut_anywhere_is_told_from_a_whole_one() {
    let file = file();
    assert_eq!(read(&file).1, Ok(()));
    assert_eq!(read(&file).0.len(), 11);
    for cut in 0..file.len() {
        let error = read(&file[..cut]).1.expect_err("it is cut");
        let told = format!("at byte {cut}: it ends here, and there should be more");
        assert!(error.starts_with(&told), "cut at {cut}: {error}");
    }
}

#[test]
fn a_bit_that_was_changed_anywhere_is_found() {
    let file = file();
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(read(&changed).1.is_err(), "byte {at}");
    }
}

/// What a file says that is made of these parts.
fn error_of(parts: &[&[u8]]) -> String {
    let mut file = parts.concat();
    file.push(255);
    let sum = checksum(&file);
    file.extend(sum.to_le_bytes());
    read(&file).1.expect_err("it is wrong")
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    for (parts, told) in [
        (&[&b"REDIS0015"[..]][..], "at byte 0: it is of version 0015"),
        (&[b"REDIS00x1"], "at byte 0: it is of version 00x1"),
        (&[b"VALKEY081"], "at byte 0: it is of version 081"),
        (&[b"NOTREDIS1"], "at byte 0: it does not begin as RDB does"),
        (&[b"REDIS0011", b"\xfe\x10"], "at byte 9: keys of database 16, and this server has 16"),
        (&[b"REDIS0011", b"\xf6\x01a"], "at byte 9: functions as release candidates of Redis 7.0 wrote them"),
        (&[b"REDIS0014", b"\x1a\x01k"], "at byte 9: a value of type 26 (a stream of Redis 8.6 or later)"),
        (&[b"REDIS0011", b"\x08\x01k"], "at byte 9: a value of type 8 (unknown)"),
        (&[b"REDIS0011", b"\x00\x01k\x01v", b"\x01\x01l\x00"], "at byte 14: the value of the key 'l'"),
        (&[b"REDIS0011", b"\x07\x01k"], "at byte 9: data of the module 'AAAAAAAAA'"),
        (&[b"REDIS0011", b"\xf3"], "at byte 9: a value of type 243"),
    ] {
        let error = error_of(parts);
        assert!(error.starts_with(told), "{error}");
    }
}

/// The keys of a file of these parts, as requests tell them.
fn loaded(magic: &[u8], parts: &[&[u8]]) -> Client {
    let mut file = [magic, &parts.concat(), b"\xff"].concat();
    let sum = checksum(&file);
    file.extend(sum.to_le_bytes());
    let directory = Directory::new("parts");
    directory.put(&file);
    let mut client = directory.client();
    assert_eq!(client.run("DEBUG RELOAD NOSAVE"), "+OK\\r\\n");
    client
}

#[test]
fn what_older_and_later_versions_write_is_read() {
    let mut client = loaded(
        b"REDIS0003",
        &[
            b"\xfe\x03\xfd\xff\xff\xff\x7f\x00\x01s\xc0\x07",
            b"\xfe\x00\x09\x03map\x09\x01\x01f\x02\x01vw\x00\xff",
            b"\x01\x01l\x02\x01a\x01b",
        ],
    );
    assert_eq!(client.run("LRANGE l 0 -1"), "*2\\r\\n$1\\r\\na\\r\\n$1\\r\\nb\\r\\n");
    client.context.database = 3;
    assert_eq!(client.run("EXPIRETIME s"), ":2147483647\\r\\n");
    let at = i64::MAX / 1_000_000;
    let times = [at.to_le_bytes(), (-1_i64).to_le_bytes()];
    let mut client = loaded(
        b"VALKEY080",
        &[b"\xf4\x05\x01\x00", b"\x16\x01h\x02\x01f\x01v", &times[0], b"\x01g\x01w", &times[1]],
    );
    assert_eq!(client.run("HPEXPIRETIME h FIELDS 2 f g"), format!("*2\\r\\n:{at}\\r\\n:-1\\r\\n"));
    let mut client = loaded(b"REDIS0012", &[b"\x16\x01h\x01\x81", &at.to_be_bytes(), b"\x01f\x01v"]);
    assert_eq!(client.run("HPEXPIRETIME h FIELDS 1 f"), format!("*1\\r\\n:{at}\\r\\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However the bytes were changed, and whatever the checksum says.
    #[test]
    fn no_file_is_read_in_another_way_than_to_an_error_or_the_end(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut bytes = FILE.with(Clone::clone);
        for (place, byte, how) in changes {
            let at = place.index(bytes.len());
            match how {
                0 => bytes.insert(at, byte),
                1 if bytes.len() > 1 => _ = bytes.remove(at),
                _ => bytes[at] = byte,
            }
        }
        let end = bytes.len().saturating_sub(8);
        bytes[end..].fill(0);
        let _ = read(&bytes);
    }
}

thread_local! {
    static FILE: Vec<u8> = file();
}
