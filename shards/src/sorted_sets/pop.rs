//! `ZPOPMIN`, `ZPOPMAX`, `ZMPOP`, and those that wait: members taken out at an end.

use std::ops::Range;

use tidegate_protocols::number::{count_argument, integer};
use tidegate_protocols::{Args, Error, Reply};

use super::range::is_nested;
use super::sorted_set::{Limits, Order, SortedSet, SortedSetMut};
use super::{Scores, tell};
use crate::db::{Db, Kind};
use crate::waiting::{Wait, until_ms};

/// At which end members are taken out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Where scores are lowest.
    Min,
    /// Where scores are highest.
    Max,
}

impl End {
    /// The command that takes members out there.
    fn command(self) -> &'static [u8] {
        if self == Self::Min { b"ZPOPMIN" } else { b"ZPOPMAX" }
    }
}

pub(super) fn zpop(db: &mut Db<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::Syntax);
    }
    let count = args.get(2).map(count_argument).transpose()?;
    let limits = Limits::of(db.settings());
    let mut entry = db.change(args.at(1));
    let mut set = SortedSetMut::new(&mut entry, limits)?;
    // One alone is never an array of its own.
    let is_flat = count.is_none() || !is_nested(reply);
    let count = count.unwrap_or(1).min(set.view().map_or(0, SortedSet::len));
    reply.array(if is_flat { 2 * count } else { count });
    take(&mut set, end, count, |member, score| {
        if is_flat {
            tell(member, reply);
            reply.double(score);
        } else {
            Scores::With.tell(member, score, reply);
        }
    });
    Ok(())
}

/// `ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]`
pub(super) fn zmpop(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    Mpop::of(args.from(1))?.pop(db, reply)?;
    Ok(())
}

/// `BZPOPMIN`, `BZPOPMAX`: a member of the first sorted set there is, with its key.
pub(super) fn bzpop(db: &mut Db<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> Result<(), Error> {
    let timeout = args.len() - 1;
    let until_ms = until_ms(args.at(timeout), db.now_ms())?;
    let (limits, effects) = (Limits::of(db.settings()), db.effects());
    for key in args.range(1..=timeout - 1).iter() {
        let mut entry = db.change(key);
        let mut set = SortedSetMut::new(&mut entry, limits)?;
        if set.view().is_none() {
            continue;
        }
        reply.array(3);
        reply.bulk(key);
        take(&mut set, end, 1, |member, score| {
            tell(member, reply);
            reply.double(score);
        });
        effects.says(&[end.command(), key]);
        return Ok(());
    }
    reply.null_array();
    wait(db, 1..timeout, until_ms);
    Ok(())
}

/// `BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]`
pub(super) fn bzmpop(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mpop = Mpop::of(args.from(2))?;
    let until_ms = until_ms(args.at(1), db.now_ms())?;
    if !mpop.pop(db, reply)? {
        wait(db, 3..3 + mpop.keys.len(), until_ms);
    }
    Ok(())
}

/// Waits for a sorted set under one of the arguments `keys`.
fn wait(db: &mut Db<'_>, keys: Range<usize>, until_ms: Option<u64>) {
    db.wait(Wait { kind: Kind::SortedSet, keys, until_ms, on_removal: false, words: None });
}

/// What `ZMPOP` and `BZMPOP` ask for.
struct Mpop<'a> {
    keys: Args<'a>,
    end: End,
    count: usize,
}

impl<'a> Mpop<'a> {
    /// What arguments from the number of keys on say.
    fn of(args: Args<'a>) -> Result<Self, Error> {
        let positive = |text, error| {
            integer(text)
                .and_then(|count| usize::try_from(count).ok())
                .filter(|&count| count > 0)
                .ok_or(error)
        };
        let keys = positive(args.at(0), Error::Text("ERR numkeys should be greater than 0"))?;
        let end = match keys.checked_add(1).and_then(|at| args.get(at)) {
            Some(word) if word.eq_ignore_ascii_case(b"min") => End::Min,
            Some(word) if word.eq_ignore_ascii_case(b"max") => End::Max,
            _ => return Err(Error::Syntax),
        };
        let options = args.from(keys + 2);
        let count = match (options.get(0), options.get(1)) {
            (None, _) => 1,
            (Some(word), Some(count)) if word.eq_ignore_ascii_case(b"count") => {
                positive(count, Error::Text("ERR count should be greater than 0"))?
            }
            _ => return Err(Error::Syntax),
        };
        if options.len() > 2 {
            return Err(Error::Syntax);
        }
        Ok(Self { keys: args.range(1..=keys), end, count })
    }

    /// Takes members out of the first sorted set that is there, and tells them. Says whether one was.
    fn pop(&self, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<bool, Error> {
        let (limits, effects) = (Limits::of(db.settings()), db.effects());
        for key in self.keys.iter() {
            let mut entry = db.change(key);
            let mut set = SortedSetMut::new(&mut entry, limits)?;
            let Some(view) = set.view() else { continue };
            let count = self.count.min(view.len());
            reply.array(2);
            reply.bulk(key);
            reply.array(count);
            take(&mut set, self.end, count, |member, score| {
                reply.array(2);
                tell(member, reply);
                reply.double(score);
            });
            effects.says(&[self.end.command(), key, itoa::Buffer::new().format(count).as_bytes()]);
            return Ok(true);
        }
        reply.null_array();
        Ok(false)
    }
}

/// Takes out `count` members, which are there, from an end on.
fn take(
    set: &mut SortedSetMut<'_, '_>,
    end: End,
    count: usize,
    each: impl FnMut(crate::structures::listpack::Element<'_>, f64),
) {
    let Some(view) = set.view().filter(|_| count > 0) else { return };
    let ranks = match end {
        End::Min => 0..count,
        End::Max => view.len() - count..view.len(),
    };
    let order = if end == End::Min { Order::Ascending } else { Order::Descending };
    view.for_each(ranks.clone(), order, each);
    set.remove_ranks(ranks);
    set.has_changed();
}
