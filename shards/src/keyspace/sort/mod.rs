//! `SORT` and `SORT_RO`: the elements of a list, a set or a sorted set in the order of themselves or of other keys.
//!
//! What is sorted is copied first, because weights and results are looked up while it is being sorted. Elements of
//! the same weight come in the order of their bytes, so that nothing depends on chance. Source: Redis `sort.c`.

mod options;
mod pattern;
mod rows;

use std::ops::Range;

use tidegate_protocols::{Args, Error, Reply};

use crate::db::{Db, Kind};
use crate::{lists, sets, sorted_sets};
use options::Options;
use rows::Rows;

/// Whether the command knows `STORE`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stores {
    Possibly,
    Never,
}

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination]`
pub(super) fn sort(
    args: &Args<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
    stores: Stores,
) -> Result<(), Error> {
    let mut options = Options::parse(args.from(2), stores, db)?;
    let (mut rows, range) = load(args.at(1), &mut options, db)?;
    if options.is_sorted {
        rows.weigh(&options, db)?;
        rows.sort(&options);
    }
    match options.store {
        Some(key) => store(key, &rows, range, &options, db, reply),
        None => tell(&rows, range, &options, db, reply),
    }
}

/// The elements that are to be sorted, or else just those that are asked for, and which of them are.
fn load(key: &[u8], options: &mut Options<'_>, db: &mut Db<'_>) -> Result<(Rows, Range<usize>), Error> {
    let mut rows = Rows::default();
    let in_script = db.context().in_script;
    let Some(entry) = db.read(key) else { return Ok((rows, 0..0)) };
    match entry.kind() {
        Kind::List => {
            let range = options.range(lists::len(&entry));
            if options.is_sorted {
                lists::for_each(&entry, 0..lists::len(&entry), |element| rows.push(element));
                return Ok((rows, range));
            }
            let of = if options.descends { mirrored(&range, lists::len(&entry)) } else { range };
            lists::for_each(&entry, of, |element| rows.push(element));
            if options.descends {
                rows.reverse();
            }
        }
        Kind::Set => {
            if !options.is_sorted && (options.store.is_some() || in_script) {
                // What is stored, and what scripts see, must not depend on how the set is kept.
                options.sort_by_text();
            }
            sets::for_each(&entry, |member| rows.push(member));
            let range = options.range(rows.len());
            return Ok((rows, range));
        }
        Kind::SortedSet => {
            let len = sorted_sets::len(&entry);
            let range = options.range(len);
            let (of, range) =
                if options.is_sorted { (0..len, range) } else { (range.clone(), 0..range.len()) };
            sorted_sets::for_each(&entry, of, options.descends, |member| rows.push(member));
            return Ok((rows, range));
        }
        _ => return Err(Error::WrongType),
    }
    let all = 0..rows.len();
    Ok((rows, all))
}

/// The same range seen from the end.
fn mirrored(range: &Range<usize>, len: usize) -> Range<usize> {
    len - range.end..len - range.start
}

/// The elements, or what is got for them, as an array.
fn tell(
    rows: &Rows,
    range: Range<usize>,
    options: &Options<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let (begin, reply_bytes_max) = (reply.mark(), db.local.reply_bytes_max);
    reply.array(range.len().saturating_mul(options.gets.len().max(1)));
    for index in range {
        if options.gets.is_empty() {
            reply.bulk(rows.at(index));
        }
        for pattern in &options.gets {
            pattern.look_up(rows.at(index), db, |value| match value {
                Some(value) => reply.bulk(value),
                None => reply.null(),
            });
            // Every element may name the same large value.
            reply.check_since(begin, reply_bytes_max)?;
        }
    }
    Ok(())
}

/// The same as a list, at a key; what is got from nowhere is empty.
fn store(
    key: &[u8],
    rows: &Rows,
    range: Range<usize>,
    options: &Options<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let (mut list, mut len, mut bytes) = (lists::Building::of_sorted(db.settings()), 0, 0);
    for index in range {
        if options.gets.is_empty() {
            list.push(rows.at(index));
            len += 1;
        }
        for pattern in &options.gets {
            pattern.look_up(rows.at(index), db, |value| {
                list.push(value.unwrap_or_default());
                bytes += value.map_or(0, <[u8]>::len);
            });
            len += 1;
            if bytes > db.local.reply_bytes_max {
                return Err(Error::ReplyTooLong);
            }
        }
    }
    if len == 0 {
        db.remove(key);
    } else {
        db.change(key).set_built(list.finish());
    }
    reply.integer(len);
    Ok(())
}

#[cfg(test)]
mod tests;
