//! The family of [`Keyspace`]: commands on keys of any type, and on the keyspace as a whole.

mod debug;
mod dump;
pub(crate) mod expire;
mod object;
pub(crate) mod scan;
mod slot;
mod sort;

use tidegate_protocols::glob::{Case, matches};
use tidegate_protocols::limits::DATABASES;
use tidegate_protocols::number::integer_argument;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::keyspace::Keyspace;
use tidegate_protocols::{Args, Error, Reply, Request};

use crate::db::Db;
use crate::unit::Unit;
use crate::walk::{Free, Visit};

/// Answers a command of this family.
pub(crate) fn execute(
    verb: Keyspace,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    use Keyspace::*;
    let args = &request.args;
    match verb {
        Del | Unlink => count(args, reply, |key| db.remove(key)),
        Exists => count(args, reply, |key| db.glance(key).is_some()),
        Touch => count(args, reply, |key| db.read(key).is_some()),
        Type => reply.simple(db.glance(args.at(1)).map_or("none", |entry| entry.kind().name())),
        Ttl => expire::left(args, db, reply, Unit::Seconds),
        Pttl => expire::left(args, db, reply, Unit::Milliseconds),
        Expiretime => expire::time(args, db, reply, Unit::Seconds),
        Pexpiretime => expire::time(args, db, reply, Unit::Milliseconds),
        Expire => expire::EXPIRE.answer(args, db, reply)?,
        Pexpire => expire::PEXPIRE.answer(args, db, reply)?,
        Expireat => expire::EXPIREAT.answer(args, db, reply)?,
        Pexpireat => expire::PEXPIREAT.answer(args, db, reply)?,
        Persist => expire::persist(args, db, reply),
        Rename => rename(args, db, reply)?,
        Renamenx => rename_unless_taken(args, db, reply)?,
        Copy => copy(args, db, reply)?,
        Move => move_to(args, db, reply)?,
        Keys => keys(args, db, reply),
        Scan => scan::scan(args, db, reply)?,
        Randomkey => match db.random_key() {
            Some(entry) => reply.bulk(entry.key()),
            None => reply.null(),
        },
        Dbsize => reply.integer(db.len() as i64),
        Flushdb => flush(args, db, reply, Some(db.database()))?,
        Flushall => flush(args, db, reply, None)?,
        Swapdb => swap(args, db, reply)?,
        ObjectEncoding => object::encoding(args, db, reply),
        ObjectFreq => object::frequency(args, db, reply)?,
        ObjectIdletime => object::idle_time(args, db, reply)?,
        ObjectRefcount => object::references(args, db, reply),
        ClusterCountkeysinslot => slot::count(args, db, reply)?,
        ClusterGetkeysinslot => slot::keys(args, db, reply)?,
        MemoryUsage => object::memory_usage(args, db, reply)?,
        Dump => dump::dump(args, db, reply),
        Restore | RestoreAsking => dump::restore(args, db, reply)?,
        Sort => sort::sort(args, db, reply, sort::Stores::Possibly)?,
        SortRo => sort::sort(args, db, reply, sort::Stores::Never)?,
        DebugDigest => debug::digest(db, reply),
        DebugDigestValue => debug::digest_values(args, db, reply),
        DebugObject => object::debug(args, db, reply)?,
        Object => unreachable!("a container resolves to one of its subcommands"),
        Save | Bgsave | DebugReload => unreachable!("the worker sees to these"),
    }
    Ok(())
}

/// Answers for how many of the keys something is true.
fn count(args: &Args<'_>, reply: &mut Reply<'_>, mut is: impl FnMut(&[u8]) -> bool) {
    reply.integer(args.iter().skip(1).filter(|key| is(key)).count() as i64);
}

fn rename(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [from, to] = args.fixed();
    if !db.rename(from, to) {
        return Err(Error::NoSuchKey);
    }
    reply.ok();
    Ok(())
}

fn rename_unless_taken(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [from, to] = args.fixed();
    if !db.exists(from) {
        return Err(Error::NoSuchKey);
    }
    let free = !db.exists(to);
    if free {
        db.rename(from, to);
    }
    reply.integer(free.into());
    Ok(())
}

const SAME_OBJECT: Error = Error::Text("ERR source and destination objects are the same");

/// `COPY source destination [DB index] [REPLACE]`; an option given twice counts the last time.
fn copy(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [from, to] = args.fixed();
    let (mut database, mut replace) = (db.database(), false);
    let mut options = args.from(3);
    while let Some(option) = options.get(0) {
        if option.eq_ignore_ascii_case(b"replace") {
            replace = true;
            options = options.from(1);
        } else if let (true, Some(index)) = (option.eq_ignore_ascii_case(b"db"), options.get(1)) {
            database = existing_database(int(index)?)?;
            options = options.from(2);
        } else {
            return Err(Error::Syntax);
        }
    }
    if is_cluster(db) && database != 0 {
        return Err(Error::Text("ERR Copying to another database is not allowed in cluster mode"));
    }
    if database == db.database() && from == to {
        return Err(SAME_OBJECT);
    }
    let copied = db.read(from).is_some()
        && (replace || db.peek_in(database, to).is_none())
        && db.copy(from, database, to);
    reply.integer(copied.into());
    Ok(())
}

fn move_to(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if is_cluster(db) {
        return Err(Error::NotInCluster("MOVE"));
    }
    let [key, index] = args.fixed();
    let database = existing_database(int(index)?)?;
    if database == db.database() {
        return Err(SAME_OBJECT);
    }
    let moved = db.peek_in(database, key).is_none() && db.move_to(key, database);
    reply.integer(moved.into());
    Ok(())
}

/// What the keys of one slice hardly exceed.
const SLICE_BYTES: usize = 64 << 10;

fn keys(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) {
    let pattern = args.at(1);
    let (list, mut found) = (reply.deferred(Collection::Array), 0);
    db.walk(|visit| match visit {
        // To make room for more may take long.
        Visit::Between => reply.out().reserve(SLICE_BYTES),
        Visit::Key(entry) => {
            if pattern == b"*" || matches(pattern, entry.key(), Case::Sensitive) {
                reply.bulk(entry.key());
                found += 1;
            }
        }
    });
    reply.finish(list, found);
}

/// `SYNC` waits until memory is freed, `ASYNC` does not, and `lazyfree-lazy-user-flush` decides where neither is said.
fn flush(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>, database: Option<u8>) -> Result<(), Error> {
    let free = match args.get(1) {
        Some(_) if args.len() > 2 => return Err(Error::Syntax),
        Some(word) if word.eq_ignore_ascii_case(b"sync") => Free::Now,
        Some(word) if word.eq_ignore_ascii_case(b"async") => Free::Later,
        Some(_) => return Err(Error::Syntax),
        None if db.settings().is_on(Key::LazyfreeLazyUserFlush) => Free::Later,
        None => Free::Now,
    };
    // Before the locks are given back; even where there is nothing, as by Redis.
    db.effects().says_as_asked(args);
    db.flush(database, free);
    reply.ok();
    Ok(())
}

fn swap(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if is_cluster(db) {
        return Err(Error::NotInCluster("SWAPDB"));
    }
    let [one, other] = args.fixed();
    let one = int(one).map_err(|_| Error::Text("ERR invalid first DB index"))?;
    let other = int(other).map_err(|_| Error::Text("ERR invalid second DB index"))?;
    let (one, other) = (existing_database(one)?, existing_database(other)?);
    db.effects().says_as_asked(args);
    db.swap(one, other);
    reply.ok();
    Ok(())
}

/// Whether clients see a cluster, which has one database.
fn is_cluster(db: &Db<'_>) -> bool {
    db.context().in_cluster
}

/// A 32-bit integer. Source: Redis `object.c`, `getIntFromObjectOrReply`.
fn int(text: &[u8]) -> Result<i32, Error> {
    i32::try_from(integer_argument(text)?)
        .map_err(|_| Error::Text("ERR value is out of range, value must between -2147483648 and 2147483647"))
}

fn existing_database(index: i32) -> Result<u8, Error> {
    u8::try_from(index).ok().filter(|&index| usize::from(index) < DATABASES).ok_or(Error::DatabaseIndex)
}

#[cfg(test)]
mod tests {
    use crate::testing::Client;

    /// Runs requests and compares replies, one to a line: `request -> reply`, line ends as `|`.
    pub(super) fn replay(client: &mut Client, transcript: &str) {
        for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (request, expected) = line.split_once(" -> ").expect("request -> reply");
            let got = client.run(request).replace("\\r\\n", "|").replace("\\'", "'");
            assert_eq!(got, format!("{expected}|"), "{request}");
        }
    }

    #[test]
    fn keys_are_counted_as_often_as_they_are_named() {
        replay(
            &mut Client::new(),
            "SET a 1 -> +OK
             SET b 1 -> +OK
             EXISTS a a b none -> :3
             TOUCH a none -> :1
             DEL a a none -> :1
             UNLINK b -> :1
             TYPE b -> +none
             DBSIZE -> :0",
        );
    }

    #[test]
    fn renaming_needs_a_key_and_takes_its_expiry_along() {
        replay(
            &mut Client::new(),
            "RENAME a b -> -ERR no such key
             RENAMENX a b -> -ERR no such key
             SET a 1 -> +OK
             EXPIRE a 100 -> :1
             SET b 2 -> +OK
             RENAMENX a b -> :0
             RENAME a a -> +OK
             RENAMENX a a -> :0
             RENAME a b -> +OK
             TTL b -> :100
             GET b -> $1|1
             EXISTS a -> :0",
        );
    }

    #[test]
    fn copies_go_to_other_keys_and_databases() {
        let mut client = Client::new();
        replay(
            &mut client,
            "SET a 1 -> +OK
             COPY a a -> -ERR source and destination objects are the same
             COPY a b -> :1
             COPY a b -> :0
             COPY a b REPLACE -> :1
             COPY a b DB 1 -> :1
             COPY a b REPLACE DB 1 -> :1
             COPY a b DB 16 -> -ERR DB index is out of range
             COPY a b DB abc -> -ERR value is not an integer or out of range
             COPY a b DB 99999999999 -> -ERR value is out of range, value must between -2147483648 and 2147483647
             COPY a b DB -> -ERR syntax error
             COPY none b REPLACE -> :0
             MOVE a 0 -> -ERR source and destination objects are the same
             MOVE b 1 -> :0
             MOVE a 1 -> :1
             MOVE a 1 -> :0",
        );
        client.context.database = 1;
        replay(&mut client, "DBSIZE -> :2\nGET a -> $1|1\nGET b -> $1|1");
    }

    #[test]
    fn databases_are_swapped_and_flushed() {
        let mut client = Client::new();
        replay(
            &mut client,
            "SET a 1 -> +OK
             SWAPDB 0 x -> -ERR invalid second DB index
             SWAPDB x 0 -> -ERR invalid first DB index
             SWAPDB 0 -1 -> -ERR DB index is out of range
             SWAPDB 0 5 -> +OK
             DBSIZE -> :0
             FLUSHDB -> +OK
             SWAPDB 5 0 -> +OK
             KEYS * -> *1|$1|a
             KEYS b* -> *0
             RANDOMKEY -> $1|a
             FLUSHDB now -> -ERR syntax error
             FLUSHALL SYNC ASYNC -> -ERR syntax error
             FLUSHALL async -> +OK
             RANDOMKEY -> $-1",
        );
    }
}
