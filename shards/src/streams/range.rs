//! `XRANGE` and `XREVRANGE`, and how entries are told.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::{Args, Error, Reply};

use super::{id, read};
use crate::db::Db;
use crate::structures::stream::{Direction, Entry};

/// Writes an entry: its ID, and its fields and values in turn.
pub(super) fn tell(entry: &Entry<'_>, reply: &mut Reply<'_>) {
    let fields = entry.fields();
    reply.array(2);
    reply.bulk(&entry.id.text());
    reply.array(2 * fields.len());
    let mut digits = itoa::Buffer::new();
    for (field, value) in fields {
        reply.bulk(field.text(&mut digits));
        reply.bulk(value.text(&mut digits));
    }
}

/// Writes up to `count` entries, and returns how many there were; 0 is any number of them.
///
/// # Errors
/// [`Error::ReplyTooLong`].
pub(super) fn tell_all<'a>(
    entries: impl Iterator<Item = Entry<'a>>,
    count: usize,
    reply_bytes_max: usize,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let (list, begin, mut told) = (reply.deferred(Collection::Array), reply.mark(), 0);
    for entry in entries {
        tell(&entry, reply);
        reply.check_since(begin, reply_bytes_max)?;
        told += 1;
        if told == count {
            break;
        }
    }
    reply.finish(list, told);
    Ok(())
}

/// `XRANGE key start end [COUNT count]`, `XREVRANGE key end start [COUNT count]`
pub(super) fn xrange(
    db: &mut Db<'_>,
    args: Args<'_>,
    direction: Direction,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let (start, end) = match direction {
        Direction::Forward => (args.at(2), args.at(3)),
        Direction::Backward => (args.at(3), args.at(2)),
    };
    let (from, to) = (id::start(start)?, id::end(end)?);
    let (mut count, mut options) = (None, args.from(4));
    while let Some(option) = options.get(0) {
        let word = options.get(1).filter(|_| option.eq_ignore_ascii_case(b"count")).ok_or(Error::Syntax)?;
        count = Some(integer_argument(word)?.max(0) as usize);
        options = options.from(2);
    }
    let reply_bytes_max = db.local.reply_bytes_max;
    match read(db, args.at(1))? {
        None => reply.array(0),
        Some(_) if count == Some(0) => reply.null_array(),
        Some(stream) => {
            let entries = stream.log.entries(from, to, direction);
            tell_all(entries, count.unwrap_or(0), reply_bytes_max, reply)?;
        }
    }
    Ok(())
}
