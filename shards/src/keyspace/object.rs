//! How values are kept: OBJECT, MEMORY USAGE, DEBUG OBJECT.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::{Args, Error, Reply};

use crate::db::{Db, EntryRef};
use crate::rdb;

/// Integers below this are shown as shared with everybody, as Redis shares them. Source: Redis `server.h`,
/// `OBJ_SHARED_INTEGERS`.
const SHARED_INTEGERS: i64 = 10_000;

/// What `OBJECT REFCOUNT` says of a shared value. Source: Redis `server.h`, `OBJ_SHARED_REFCOUNT`.
const SHARED_REFERENCES: i64 = i32::MAX as i64;

const FREQUENCY_NOT_TRACKED: Error = Error::Text(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
     switching between policies at runtime LRU and LFU data will take some time to adjust.",
);

const IDLE_TIME_NOT_TRACKED: Error = Error::Text(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
     between policies at runtime LRU and LFU data will take some time to adjust.",
);

pub(super) fn encoding(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) {
    match db.glance(args.at(2)) {
        Some(entry) => reply.bulk(entry.encoding().name().as_bytes()),
        None => reply.null(),
    }
}

pub(super) fn frequency(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let tracked = db.settings().policy().is_lfu();
    match db.glance(args.at(2)) {
        Some(_) if !tracked => return Err(FREQUENCY_NOT_TRACKED),
        Some(entry) => reply.integer(entry.frequency().into()),
        None => reply.null(),
    }
    Ok(())
}

pub(super) fn idle_time(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let tracked = !db.settings().policy().is_lfu();
    match db.glance(args.at(2)) {
        Some(_) if !tracked => return Err(IDLE_TIME_NOT_TRACKED),
        Some(entry) => reply.integer(entry.idle_s() as i64),
        None => reply.null(),
    }
    Ok(())
}

pub(super) fn references(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) {
    let sharing = shares_integers(db.settings());
    match db.glance(args.at(2)) {
        Some(entry) => reply.integer(reference_count(&entry, sharing)),
        None => reply.null(),
    }
}

/// Whether Redis would share small integers: not where each value needs a date or counter of its own.
fn shares_integers(settings: &Settings) -> bool {
    let policy = settings.policy();
    settings.number(Key::MaxMemory) == 0 || !(policy.is_lru() || policy.is_lfu())
}

/// Nothing is shared here; clients are told what Redis would do.
fn reference_count(entry: &EntryRef<'_>, sharing: bool) -> i64 {
    let number = entry.text().ok().and_then(|text| text.as_int());
    let shared = sharing && number.is_some_and(|number| (0..SHARED_INTEGERS).contains(&number));
    if shared { SHARED_REFERENCES } else { 1 }
}

/// `MEMORY USAGE key [SAMPLES count]`.
pub(super) fn memory_usage(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut options = args.from(3);
    while let Some(option) = options.get(0) {
        let samples = options.get(1).filter(|_| option.eq_ignore_ascii_case(b"samples"));
        if integer_argument(samples.ok_or(Error::Syntax)?)? < 0 {
            return Err(Error::Syntax);
        }
        options = options.from(2);
    }
    match db.peek(args.at(2)) {
        Some(entry) => reply.integer(entry.memory_bytes() as i64),
        None => reply.null(),
    }
    Ok(())
}

/// `DEBUG OBJECT key`, the fields of Redis; there is no address to show.
pub(super) fn debug(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (now_s, sharing) = (db.now_ms() / 1000, shares_integers(db.settings()));
    let entry = db.peek(args.at(2)).ok_or(Error::NoSuchKey)?;
    let references = reference_count(&entry, sharing);
    let (encoding, idle_s) = (entry.encoding(), entry.idle_s());
    let serialized_bytes = rdb::value_bytes(&entry);
    // The clock of Redis's LRU has 24 bits.
    let lru = now_s.saturating_sub(idle_s) & 0xff_ffff;
    reply.simple(&format!(
        "Value at:0x0 refcount:{references} encoding:{} serializedlength:{serialized_bytes} lru:{lru} lru_seconds_idle:{idle_s}",
        encoding.name()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::settings::Key;

    use super::super::tests::replay;
    use crate::testing::Client;

    #[test]
    fn values_tell_how_they_are_kept() {
        replay(
            &mut Client::new(),
            "OBJECT ENCODING none -> $-1
             OBJECT REFCOUNT none -> $-1
             SET n 9999 -> +OK
             SET big 10000 -> +OK
             SET s hello -> +OK
             OBJECT ENCODING n -> $3|int
             OBJECT ENCODING s -> $6|embstr
             OBJECT REFCOUNT n -> :2147483647
             OBJECT REFCOUNT big -> :1
             OBJECT REFCOUNT s -> :1
             MEMORY USAGE none -> $-1
             MEMORY USAGE s SAMPLES -1 -> -ERR syntax error
             MEMORY USAGE s SAMPLES x -> -ERR value is not an integer or out of range
             MEMORY USAGE none SAMPLES -> -ERR syntax error
             DEBUG OBJECT none -> -ERR no such key",
        );
    }

    #[test]
    fn idle_time_and_frequency_exclude_each_other() {
        let mut client = Client::new();
        client.run("SET k v");
        client.now_ms += 5000;
        assert_eq!(client.run("OBJECT IDLETIME k"), ":5\\r\\n");
        assert!(client.run("OBJECT FREQ k").starts_with("-ERR An LFU maxmemory policy is not selected"));
        assert_eq!(client.run("OBJECT FREQ none"), "$-1\\r\\n");
        client.settings.set(Key::MaxMemoryPolicy, "allkeys-lfu").unwrap();
        assert!(client.run("OBJECT IDLETIME k").starts_with("-ERR An LFU maxmemory policy is selected"));
        assert!(client.run("OBJECT FREQ k").starts_with(':'));
    }

    #[test]
    fn debug_object_has_the_fields_of_redis() {
        let mut client = Client::new();
        client.run("SET s hello");
        client.run("SET n 300");
        let of = |client: &mut Client, key| client.run(&format!("DEBUG OBJECT {key}"));
        assert!(of(&mut client, "s").contains(" refcount:1 encoding:embstr serializedlength:6 lru:"));
        assert!(of(&mut client, "n").contains(" encoding:int serializedlength:3 "));
    }
}
