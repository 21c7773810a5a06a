//! Commands on streams: entries in the order in which they were added, and groups of consumers that read them.
//!
//! How a stream is kept is said in [`crate::structures::stream`]. A stream stays when its last entry goes. Who watches its
//! key learns of entries that come and go; what groups have been given is no change of it, as in Redis.

mod add;
mod claim;
mod group;
mod id;
mod info;
mod logged;
mod pending;
mod range;
mod read;

use tidegate_protocols::number::{integer, integer_argument};
use tidegate_protocols::table::streams::Streams;
use tidegate_protocols::{Args, Error, Reply, Request};

use crate::db::{Db, Kind};
use crate::entry_mut::EntryMut;
use crate::large::Large;
use crate::structures::stream::{ConsumerNumber, Direction, Group, Id, Log, Stream};
use crate::view::Value;

/// Answers a command of this family.
pub(crate) fn execute(
    verb: Streams,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = request.args;
    match verb {
        Streams::Xadd => add::xadd(db, args, reply)?,
        Streams::Xtrim => add::xtrim(db, args, reply)?,
        Streams::Xlen => reply.integer(read(db, args.at(1))?.map_or(0, |stream| stream.log.len()) as i64),
        Streams::Xrange => range::xrange(db, args, Direction::Forward, reply)?,
        Streams::Xrevrange => range::xrange(db, args, Direction::Backward, reply)?,
        Streams::Xdel => xdel(db, args, reply)?,
        Streams::Xsetid => xsetid(db, args, reply)?,
        Streams::Xread | Streams::Xreadgroup => read::xread(db, verb, args, reply)?,
        Streams::XgroupCreate => group::create(db, args, reply)?,
        Streams::XgroupSetid => group::set_id(db, args, reply)?,
        Streams::XgroupDestroy => group::destroy(db, args, reply)?,
        Streams::XgroupCreateconsumer => group::create_consumer(db, args, reply)?,
        Streams::XgroupDelconsumer => group::delete_consumer(db, args, reply)?,
        Streams::Xack => pending::xack(db, args, reply)?,
        Streams::Xpending => pending::xpending(db, args, reply)?,
        Streams::Xclaim => claim::xclaim(db, args, reply)?,
        Streams::Xautoclaim => claim::xautoclaim(db, args, reply)?,
        Streams::XinfoStream => info::stream(db, args, reply)?,
        Streams::XinfoGroups => info::groups(db, args, reply)?,
        Streams::XinfoConsumers => info::consumers(db, args, reply)?,
        Streams::Xgroup | Streams::Xinfo => unreachable!("a container resolves to one of its subcommands"),
    }
    Ok(())
}

/// The stream at `key`, counted as a read.
///
/// # Errors
/// [`Error::WrongType`] if it is something else.
#[inline]
fn read<'a>(db: &'a mut Db<'_>, key: &[u8]) -> Result<Option<&'a Stream>, Error> {
    match db.read(key).map(|entry| entry.value(Kind::Stream)).transpose()? {
        Some(Value::Large(Large::Stream(stream))) => Ok(Some(stream)),
        _ => Ok(None),
    }
}

/// The stream that is there, to be changed. Those who watch the key do not learn of it before [`EntryMut::has_changed`]
/// says so.
///
/// # Errors
/// [`Error::WrongType`] if it is something else.
#[inline]
fn stream_mut<'e>(entry: &'e mut EntryMut<'_>) -> Result<Option<&'e mut Stream>, Error> {
    entry.value(Kind::Stream)?;
    match entry.large_mut() {
        Some(Large::Stream(stream)) => Ok(Some(stream)),
        _ => Ok(None),
    }
}

/// The consumer that asks, made now if there is none of that name, and whether it was.
fn seen(group: &mut Group, name: &[u8], now_ms: u64) -> (ConsumerNumber, bool) {
    let is_new = group.find(name).is_none();
    let number = group.find_or_add(name, now_ms);
    group.consumer_mut(number).seen_at = now_ms;
    (number, is_new)
}

/// A group of the stream that is there, with that stream's entries.
///
/// # Errors
/// [`Error::WrongType`] if it is something else.
fn group_mut<'e>(
    entry: &'e mut EntryMut<'_>,
    name: &[u8],
) -> Result<Option<(&'e Log, &'e mut Group)>, Error> {
    let Some(Stream { log, groups }) = stream_mut(entry)? else { return Ok(None) };
    Ok(groups.get_mut(name).map(|group| (&*log, group)))
}

/// The error where a key or a group of it is not there.
fn no_group_of_key(key: &[u8], group: &[u8], after: &str) -> Error {
    Error::composed(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", after.as_bytes()])
}

/// The error where a stream has no such group.
fn no_group(key: &[u8], group: &[u8]) -> Error {
    Error::composed(&[b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"])
}

/// Tells who listens to events that a group has a new consumer, if it has.
fn tell_if_new(entry: &mut EntryMut<'_>, is_new: bool) {
    if is_new {
        entry.tell("xgroup-createconsumer");
    }
}

/// An option's number that has its own error.
fn number_or(word: &[u8], error: &'static str) -> Result<i64, Error> {
    integer(word).ok_or(Error::Text(error))
}

fn xdel(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut entry = db.change(args.at(1));
    let Some(stream) = stream_mut(&mut entry)? else {
        reply.integer(0);
        return Ok(());
    };
    // All or nothing: no entry is deleted if any ID is none.
    for word in args.from(2).iter() {
        id::strict(word)?;
    }
    let mut deleted = 0;
    for word in args.from(2).iter() {
        deleted += i64::from(stream.log.remove(id::strict(word)?));
    }
    if deleted > 0 {
        entry.has_changed();
    }
    reply.integer(deleted);
    Ok(())
}

/// `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`
fn xsetid(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let last_id = id::strict(args.at(2))?;
    let (mut added, mut max_deleted_id) = (None, Id::MIN);
    let mut options = args.from(3);
    while let Some(option) = options.get(0) {
        match options.get(1) {
            Some(word) if option.eq_ignore_ascii_case(b"entriesadded") => {
                let number = u64::try_from(integer_argument(word)?);
                added = Some(number.map_err(|_| Error::Text("ERR entries_added must be positive"))?);
            }
            Some(word) if option.eq_ignore_ascii_case(b"maxdeletedid") => {
                max_deleted_id = id::strict(word)?;
                if last_id < max_deleted_id {
                    return Err(Error::Text(
                        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                    ));
                }
            }
            _ => return Err(Error::Syntax),
        }
        options = options.from(2);
    }
    let mut entry = db.change(args.at(1));
    let log = &mut stream_mut(&mut entry)?.ok_or(Error::NoSuchKey)?.log;
    if last_id < log.max_deleted_id() {
        return Err(Error::Text(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if log.top_id().is_some_and(|top_id| last_id < top_id) {
        return Err(Error::Text("ERR The ID specified in XSETID is smaller than the target stream top item"));
    }
    if log.len() > 0 && added.is_some_and(|added| added < log.len()) {
        return Err(Error::Text(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    log.set_counters(last_id, added, Some(max_deleted_id).filter(|&id| id != Id::MIN));
    entry.tell("xsetid");
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests;
