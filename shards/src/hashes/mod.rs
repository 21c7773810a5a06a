//! Commands on hashes: fields with values under one key.
//!
//! A hash of few short fields is packed (`listpack`), any other is a table (`hashtable`); it never goes back. What it is
//! kept in is told to commands by [`hash`] alone.

mod hash;
mod number;
mod random;
mod scan;

use tidegate_protocols::reply::Collection;
use tidegate_protocols::table::hashes::Hashes;
use tidegate_protocols::{Args, Error, Reply, Request};

use crate::db::{Db, Kind, Look};
use crate::structures::listpack::Element;
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
    }
    Ok(())
}

/// The hash at `key`, counted as a read.
///
/// # Errors
/// [`Error::WrongType`] if it is something else.
#[inline]
fn read<'a>(db: &'a mut Db<'_>, key: &[u8]) -> Result<Option<Hash<'a>>, Error> {
    let value = db.read(key).map(|entry| entry.value(Kind::Hash)).transpose()?;
    Ok(value.map(Hash::of))
}

/// Writes an element as clients see it.
#[inline]
fn tell(element: Element<'_>, reply: &mut Reply<'_>) {
    match element {
        Element::Int(number) => reply.bulk_integer(number),
        Element::Text(text) => reply.bulk(text),
    }
}

/// `HSET` and `HMSET`: how many fields are new.
fn set(db: &mut Db<'_>, args: Args<'_>, command: &'static str) -> Result<i64, Error> {
    if !args.len().is_multiple_of(2) {
        return Err(Error::Arity(command));
    }
    let (words, limits) = (args.from(2), Limits::of(db.settings()));
    let mut entry = db.change(args.at(1));
    let mut hash = HashMut::new(&mut entry, limits)?;
    hash.expect(words.len() / 2, words.iter());
    let mut new = 0;
    for at in (0..words.len()).step_by(2) {
        new += i64::from(hash.set(words.at(at), words.at(at + 1)));
    }
    hash.has_changed();
    Ok(new)
}

fn hsetnx(db: &mut Db<'_>, [key, field, value]: [&[u8]; 3], reply: &mut Reply<'_>) -> Result<(), Error> {
    let limits = Limits::of(db.settings());
    let mut entry = db.change(key);
    let mut hash = HashMut::new(&mut entry, limits)?;
    let is_new = hash.view().and_then(|hash| hash.get(field)).is_none();
    if is_new {
        hash.expect(1, [field, value].into_iter());
        hash.set(field, value);
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
    reply.collection(kind, hash.map_or(0, Hash::len));
    if let Some(hash) = hash {
        hash.for_each(|field, value| {
            if part != Part::Values {
                tell(field, reply);
            }
            if part != Part::Fields {
                tell(value, reply);
            }
        });
    }
    Ok(())
}

fn hdel(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let limits = Limits::of(db.settings());
    let mut entry = db.open(args.at(1), Look::Change);
    let mut hash = HashMut::new(&mut entry, limits)?;
    let removed = args.from(2).iter().filter(|field| hash.remove(field)).count();
    if removed > 0 {
        hash.has_changed();
    }
    reply.integer(removed as i64);
    Ok(())
}

#[cfg(test)]
mod tests;
