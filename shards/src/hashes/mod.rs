//! Commands on hashes: fields with values under one key.
//!
//! A hash of few short fields is packed (`listpack`, or `listpackex` once fields expire), any other is a table
//! (`hashtable`); it never goes back. What it is
//! kept in is told to commands by [`hash`] alone.

mod building;
pub(crate) mod due;
mod expiry;
mod hash;
mod number;
mod random;
mod scan;

use tidegate_protocols::reply::Collection;
use tidegate_protocols::table::hashes::Hashes;
use tidegate_protocols::{Args, Error, Reply, Request};

use crate::db::{Db, EntryRef, Look};
use crate::structures::listpack::Element;
use crate::unit::Unit;
use crate::view::tell;
pub(crate) use building::Building;
pub(crate) use expiry::until;
pub(crate) use hash::Until;
use hash::{Hash, HashMut, Limits};

/// Answers a command of this family.
pub(crate) fn execute(
    verb: Hashes,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = request.args;
    match verb {
        Hashes::Hset => {
            let new = set(db, args, "hset")?;
            reply.integer(new);
        }
        Hashes::Hmset => {
            set(db, args, "hmset")?;
            reply.ok();
        }
        Hashes::Hsetnx => hsetnx(db, args.fixed(), reply)?,
        Hashes::Hget => hget(db, args.fixed(), reply)?,
        Hashes::Hmget => hmget(db, args, reply)?,
        Hashes::Hgetall => all(db, args.fixed(), Part::Both, reply)?,
        Hashes::Hkeys => all(db, args.fixed(), Part::Fields, reply)?,
        Hashes::Hvals => all(db, args.fixed(), Part::Values, reply)?,
        Hashes::Hlen => reply.integer(read(db, args.at(1))?.map_or(0, Hash::len) as i64),
        Hashes::Hdel => hdel(db, args, reply)?,
        Hashes::Hexists => {
            let [key, field] = args.fixed();
            let found = read(db, key)?.and_then(|hash| hash.get(field));
            reply.integer(found.is_some().into());
        }
        Hashes::Hstrlen => hstrlen(db, args.fixed(), reply)?,
        Hashes::Hincrby => number::hincrby(db, args.fixed(), reply)?,
        Hashes::Hincrbyfloat => number::hincrbyfloat(db, args.fixed(), reply)?,
        Hashes::Hscan => scan::hscan(db, args, reply)?,
        Hashes::Hrandfield => random::hrandfield(db, args, reply)?,
        Hashes::Hexpire => expiry::hexpire(db, args, &expiry::HEXPIRE, reply)?,
        Hashes::Hpexpire => expiry::hexpire(db, args, &expiry::HPEXPIRE, reply)?,
        Hashes::Hexpireat => expiry::hexpire(db, args, &expiry::HEXPIREAT, reply)?,
        Hashes::Hpexpireat => expiry::hexpire(db, args, &expiry::HPEXPIREAT, reply)?,
        Hashes::Httl => expiry::left(db, args, Unit::Seconds, reply)?,
        Hashes::Hpttl => expiry::left(db, args, Unit::Milliseconds, reply)?,
        Hashes::Hexpiretime => expiry::time(db, args, Unit::Seconds, reply)?,
        Hashes::Hpexpiretime => expiry::time(db, args, Unit::Milliseconds, reply)?,
        Hashes::Hpersist => expiry::hpersist(db, args, reply)?,
        Hashes::Hgetex => expiry::hgetex(db, args, reply)?,
        Hashes::Hgetdel => expiry::hgetdel(db, args, reply)?,
        Hashes::Hsetex => expiry::hsetex(db, args, reply)?,
    }
    Ok(())
}

/// The hash at `key`, counted as a read.
///
/// # Errors
/// [`Error::WrongType`] if it is something else.
#[inline]
fn read<'a>(db: &'a mut Db<'_>, key: &[u8]) -> Result<Option<Hash<'a>>, Error> {
    let now_ms = db.now_ms();
    db.read(key).map(|entry| Hash::of(&entry, now_ms)).transpose()
}

/// Visits all fields of the hash that an entry is with their values, those as well that have expired and are left.
pub(crate) fn for_each<'a>(entry: &EntryRef<'a>, each: impl FnMut(Element<'a>, Element<'a>)) {
    if let Ok(hash) = Hash::of(entry, 0) {
        hash.for_each(each);
    }
}

/// The value of a field of the hash that an entry is at this time.
pub(crate) fn value_of<'a>(entry: &EntryRef<'a>, field: &[u8], now_ms: u64) -> Option<Element<'a>> {
    Hash::of(entry, now_ms).ok()?.get(field)
}

/// `HSET` and `HMSET`: how many fields are new.
fn set(db: &mut Db<'_>, args: Args<'_>, command: &'static str) -> Result<i64, Error> {
    if !args.len().is_multiple_of(2) {
        return Err(Error::Arity(command));
    }
    let (words, limits, now_ms) = (args.from(2), Limits::of(db.settings()), db.now_ms());
    let mut entry = db.change(args.at(1));
    let mut hash = HashMut::new(&mut entry, limits, now_ms)?;
    hash.expect(words.len() / 2, words.iter());
    let mut new = 0;
    for at in (0..words.len()).step_by(2) {
        new += i64::from(hash.set(words.at(at), words.at(at + 1), Until::Ever));
    }
    hash.has_changed();
    Ok(new)
}

fn hsetnx(db: &mut Db<'_>, [key, field, value]: [&[u8]; 3], reply: &mut Reply<'_>) -> Result<(), Error> {
    let (limits, now_ms) = (Limits::of(db.settings()), db.now_ms());
    let mut entry = db.change(key);
    let mut hash = HashMut::new(&mut entry, limits, now_ms)?;
    let is_new = hash.get(field).is_none();
    if is_new {
        hash.expect(1, [field, value].into_iter());
        hash.set(field, value, Until::Ever);
        hash.has_changed();
    }
    reply.integer(is_new.into());
    Ok(())
}

#[inline]
fn hget(db: &mut Db<'_>, [key, field]: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    match read(db, key)?.and_then(|hash| hash.get(field)) {
        Some(value) => tell(value, reply),
        None => reply.null(),
    }
    Ok(())
}

fn hmget(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let reply_bytes_max = db.local.reply_bytes_max;
    let (hash, fields, begin) = (read(db, args.at(1))?, args.from(2), reply.mark());
    reply.array(fields.len());
    for field in fields.iter() {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => tell(value, reply),
            None => reply.null(),
        }
        // A few bytes can name one large value a thousand times.
        reply.check_since(begin, reply_bytes_max)?;
    }
    Ok(())
}

fn hstrlen(db: &mut Db<'_>, [key, field]: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    let value = read(db, key)?.and_then(|hash| hash.get(field));
    let length = value.map_or(0, |value| value.text(&mut itoa::Buffer::new()).len());
    reply.integer(length as i64);
    Ok(())
}

/// What is told of a hash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Fields,
    Values,
    Both,
}

/// `HGETALL`, `HKEYS`, `HVALS`
fn all(db: &mut Db<'_>, [key]: [&[u8]; 1], part: Part, reply: &mut Reply<'_>) -> Result<(), Error> {
    let hash = read(db, key)?;
    let kind = if part == Part::Both { Collection::Map } else { Collection::Array };
    let Some(hash) = hash else {
        reply.collection(kind, 0);
        return Ok(());
    };
    let each = |field: Element<'_>, value: Element<'_>, reply: &mut Reply<'_>| {
        if part != Part::Values {
            tell(field, reply);
        }
        if part != Part::Fields {
            tell(value, reply);
        }
    };
    if let Some(len) = hash.exact_len() {
        reply.collection(kind, len);
        hash.for_each(|field, value| each(field, value, reply));
    } else {
        let (list, mut told) = (reply.deferred(kind), 0);
        hash.for_each(|field, value| {
            each(field, value, reply);
            told += 1;
        });
        reply.finish(list, told);
    }
    Ok(())
}

fn hdel(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (limits, now_ms) = (Limits::of(db.settings()), db.now_ms());
    let mut entry = db.open(args.at(1), Look::Change);
    let mut hash = HashMut::new(&mut entry, limits, now_ms)?;
    let removed = args.from(2).iter().filter(|field| hash.remove(field)).count();
    if removed > 0 {
        hash.has_shrunk();
    }
    reply.integer(removed as i64);
    Ok(())
}

#[cfg(test)]
mod tests;
