//! `XPENDING` and `XACK`: what consumers have been given, and have done.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::{Args, Error, Reply};

use super::{group_mut, id, no_group_of_key, read};
use crate::db::{Db, Look};
use crate::structures::stream::{Group, Id, Pending};

/// Milliseconds since an entry was given. Clocks may go back.
pub(super) fn idle_ms(pending: Pending, now_ms: u64) -> i64 {
    now_ms.wrapping_sub(pending.delivered_at) as i64
}

/// `XACK key group id [id ...]`
pub(super) fn xack(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let effects = db.effects();
    let mut entry = db.open(args.at(1), Look::Read);
    let Some((_, group)) = group_mut(&mut entry, args.at(2))? else {
        reply.integer(0);
        return Ok(());
    };
    // All or nothing: none is acknowledged if any ID is none.
    for word in args.from(3).iter() {
        id::strict(word)?;
    }
    let mut acknowledged = 0;
    for word in args.from(3).iter() {
        acknowledged += i64::from(group.acknowledge(id::strict(word)?));
    }
    // Who watches the key is not told.
    if acknowledged > 0 {
        effects.says_as_asked(&args);
    }
    reply.integer(acknowledged);
    Ok(())
}

/// Which entries are told of one by one.
struct Filter<'a> {
    idle_ms_min: i64,
    from: Id,
    to: Id,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    /// `[IDLE min-idle-time] start end count [consumer]`; `None` if there is nothing.
    fn parse(args: Args<'a>) -> Result<Option<Self>, Error> {
        if args.len() == 3 {
            return Ok(None);
        }
        if !(6..=9).contains(&args.len()) {
            return Err(Error::Syntax);
        }
        let (mut idle_ms_min, mut words) = (0, args.from(3));
        if words.at(0).eq_ignore_ascii_case(b"idle") {
            idle_ms_min = integer_argument(words.at(1))?;
            words = words.from(2);
        }
        let (start, end) = (words.get(0), words.get(1));
        let (Some(start), Some(end), Some(count)) = (start, end, words.get(2)) else {
            return Err(Error::Syntax);
        };
        let count = integer_argument(count)?.max(0) as usize;
        let (from, to) = (id::start(start)?, id::end(end)?);
        Ok(Some(Self { idle_ms_min, from, to, count, consumer: words.get(3) }))
    }
}

/// `XPENDING key group [[IDLE min-idle-time] start end count [consumer]]`
pub(super) fn xpending(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let filter = Filter::parse(args)?;
    let (key, name) = (args.at(1), args.at(2));
    let (now_ms, reply_bytes_max) = (db.wall_ms(), db.local.reply_bytes_max);
    let group = read(db, key)?.and_then(|stream| stream.groups.get(name));
    let group = group.ok_or_else(|| no_group_of_key(key, name, ""))?;
    match filter {
        None => {
            tell_sum(group, reply);
            Ok(())
        }
        Some(filter) => tell_each(group, &filter, now_ms, reply_bytes_max, reply),
    }
}

/// How many entries are not acknowledged, the first and the last of them, and how many of each consumer.
fn tell_sum(group: &Group, reply: &mut Reply<'_>) {
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    let mut pending = group.pending(Id::MIN, Id::MAX);
    let Some((first, _)) = pending.next() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    let last = pending.next_back().map_or(first, |(last, _)| last);
    reply.bulk(&first.text());
    reply.bulk(&last.text());
    let (consumers, mut told) = (reply.deferred(Collection::Array), 0);
    for (_, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0) {
        reply.array(2);
        reply.bulk(&consumer.name);
        reply.bulk_integer(consumer.pending_len() as i64);
        told += 1;
    }
    reply.finish(consumers, told);
}

fn tell_each(
    group: &Group,
    filter: &Filter<'_>,
    now_ms: u64,
    reply_bytes_max: usize,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let (list, begin, mut told) = (reply.deferred(Collection::Array), reply.mark(), 0);
    let mut tell = |(id, pending): (Id, Pending)| -> Result<(), Error> {
        reply.array(4);
        reply.bulk(&id.text());
        reply.bulk(&group.consumer(pending.consumer).name);
        reply.integer(idle_ms(pending, now_ms).max(0));
        reply.integer(pending.deliveries as i64);
        told += 1;
        reply.check_since(begin, reply_bytes_max)
    };
    let is_idle =
        |pending: &Pending| filter.idle_ms_min == 0 || idle_ms(*pending, now_ms) >= filter.idle_ms_min;
    let wanted = |(_, pending): &(Id, Pending)| is_idle(pending);
    match filter.consumer.map(|name| group.find(name)) {
        None => {
            group
                .pending(filter.from, filter.to)
                .filter(wanted)
                .take(filter.count)
                .try_for_each(&mut tell)?;
        }
        Some(None) => {}
        Some(Some(consumer)) => {
            let pending = group.pending_of(consumer, filter.from, filter.to);
            pending.filter(wanted).take(filter.count).try_for_each(&mut tell)?;
        }
    }
    reply.finish(list, told);
    Ok(())
}
