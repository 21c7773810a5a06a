//! `XINFO`: what a stream, its groups and their consumers are like.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::{Args, Error, Reply};

use super::{no_group, range, read};
use crate::db::Db;
use crate::structures::stream::{Consumer, ConsumerNumber, Direction, Group, Id, Log, Pending, Stream};

/// Entries, and what is not acknowledged, told of by `FULL` without `COUNT`.
const COUNT_DEFAULT: usize = 10;

fn existing<'a>(db: &'a mut Db<'_>, key: &[u8]) -> Result<&'a Stream, Error> {
    read(db, key)?.ok_or(Error::NoSuchKey)
}

fn field(name: &str, reply: &mut Reply<'_>) {
    reply.bulk(name.as_bytes());
}

fn number_field(name: &str, value: u64, reply: &mut Reply<'_>) {
    field(name, reply);
    reply.integer(value as i64);
}

fn id_field(name: &str, id: Id, reply: &mut Reply<'_>) {
    field(name, reply);
    reply.bulk(&id.text());
}

/// How many, or null where nobody knows.
fn known(number: Option<i64>, reply: &mut Reply<'_>) {
    match number {
        Some(number) => reply.integer(number),
        None => reply.null(),
    }
}

/// `[FULL [COUNT count]]`: how many entries are told of, 0 for all of them.
fn full(args: &Args<'_>) -> Result<Option<usize>, Error> {
    let is = |index: usize, name: &[u8]| args.get(index).is_some_and(|word| word.eq_ignore_ascii_case(name));
    match args.len() {
        3 => Ok(None),
        4 if is(3, b"full") => Ok(Some(COUNT_DEFAULT)),
        6 if is(3, b"full") && is(4, b"count") => {
            Ok(Some(usize::try_from(integer_argument(args.at(5))?).unwrap_or(COUNT_DEFAULT)))
        }
        _ => Err(Error::wrong_subcommand("XINFO", args.at(1))),
    }
}

/// `XINFO STREAM key [FULL [COUNT count]]`
pub(super) fn stream(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let reply_bytes_max = db.local.reply_bytes_max;
    let stream = existing(db, args.at(2))?;
    let (log, full) = (&stream.log, full(&args)?);
    reply.map(if full.is_some() { 9 } else { 10 });
    number_field("length", log.len(), reply);
    number_field("radix-tree-keys", log.nodes().len() as u64, reply);
    number_field("radix-tree-nodes", log.radix_nodes() as u64, reply);
    id_field("last-generated-id", log.last_id(), reply);
    id_field("max-deleted-entry-id", log.max_deleted_id(), reply);
    number_field("entries-added", log.entries_added(), reply);
    id_field("recorded-first-entry-id", log.first_id(), reply);
    let Some(count) = full else {
        number_field("groups", stream.groups.len() as u64, reply);
        for (name, direction) in [("first-entry", Direction::Forward), ("last-entry", Direction::Backward)] {
            field(name, reply);
            match log.all(direction).next() {
                Some(entry) => range::tell(&entry, reply),
                None => reply.null(),
            }
        }
        return Ok(());
    };
    let begin = reply.mark();
    field("entries", reply);
    range::tell_all(log.all(Direction::Forward), count, reply_bytes_max, reply)?;
    field("groups", reply);
    reply.array(stream.groups.len());
    for (name, group) in &stream.groups {
        tell_group(log, name, group, count, reply);
        reply.check_since(begin, reply_bytes_max)?;
    }
    Ok(())
}

/// All of a group, with `count` of the entries that are not acknowledged, and of those of each consumer.
fn tell_group(log: &Log, name: &[u8], group: &Group, count: usize, reply: &mut Reply<'_>) {
    reply.map(7);
    field("name", reply);
    reply.bulk(name);
    id_field("last-delivered-id", group.last_id, reply);
    tell_progress(log, group, reply);
    number_field("pel-count", group.pending_len() as u64, reply);
    field("pending", reply);
    tell_pending(group.pending(Id::MIN, Id::MAX), count, reply, |id, pending, reply| {
        reply.array(4);
        reply.bulk(&id.text());
        reply.bulk(&group.consumer(pending.consumer).name);
        tell_delivery(pending, reply);
    });
    field("consumers", reply);
    reply.array(group.consumers().len());
    for (number, consumer) in group.consumers() {
        tell_consumer(group, number, consumer, count, reply);
    }
}

fn tell_consumer(
    group: &Group,
    number: ConsumerNumber,
    consumer: &Consumer,
    count: usize,
    reply: &mut Reply<'_>,
) {
    reply.map(5);
    field("name", reply);
    reply.bulk(&consumer.name);
    number_field("seen-time", consumer.seen_at, reply);
    field("active-time", reply);
    reply.integer(consumer.active_at.map_or(-1, |at| at as i64));
    number_field("pel-count", consumer.pending_len() as u64, reply);
    field("pending", reply);
    tell_pending(group.pending_of(number, Id::MIN, Id::MAX), count, reply, |id, pending, reply| {
        reply.array(3);
        reply.bulk(&id.text());
        tell_delivery(pending, reply);
    });
}

/// Tells the first `count` of what is not acknowledged, or all if that is 0.
fn tell_pending<'r>(
    pending: impl Iterator<Item = (Id, Pending)>,
    count: usize,
    reply: &mut Reply<'r>,
    tell: impl Fn(Id, Pending, &mut Reply<'r>),
) {
    let (list, mut told) = (reply.deferred(Collection::Array), 0);
    for (id, pending) in pending.take(if count == 0 { usize::MAX } else { count }) {
        tell(id, pending, reply);
        told += 1;
    }
    reply.finish(list, told);
}

fn tell_delivery(pending: Pending, reply: &mut Reply<'_>) {
    reply.integer(pending.delivered_at as i64);
    reply.integer(pending.deliveries as i64);
}

/// How far a group has come.
fn tell_progress(log: &Log, group: &Group, reply: &mut Reply<'_>) {
    field("entries-read", reply);
    known(group.entries_read.map(|entries| entries as i64), reply);
    field("lag", reply);
    known(log.lag(group), reply);
}

/// `XINFO GROUPS key`
pub(super) fn groups(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let stream = existing(db, args.at(2))?;
    reply.array(stream.groups.len());
    for (name, group) in &stream.groups {
        reply.map(6);
        field("name", reply);
        reply.bulk(name);
        number_field("consumers", group.consumers().len() as u64, reply);
        number_field("pending", group.pending_len() as u64, reply);
        id_field("last-delivered-id", group.last_id, reply);
        tell_progress(&stream.log, group, reply);
    }
    Ok(())
}

/// `XINFO CONSUMERS key groupname`
pub(super) fn consumers(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (now_ms, key, name) = (db.wall_ms(), args.at(2), args.at(3));
    let group = existing(db, key)?.groups.get(name).ok_or_else(|| no_group(key, name))?;
    let since = |at: u64| now_ms.wrapping_sub(at) as i64;
    reply.array(group.consumers().len());
    for (_, consumer) in group.consumers() {
        reply.map(4);
        field("name", reply);
        reply.bulk(&consumer.name);
        number_field("pending", consumer.pending_len() as u64, reply);
        field("idle", reply);
        reply.integer(since(consumer.seen_at).max(0));
        field("inactive", reply);
        reply.integer(consumer.active_at.map_or(-1, since));
    }
    Ok(())
}
