//! Commands on sorted sets: members with scores, in the order of these, under one key.
//!
//! A sorted set of few short members is packed (`listpack`), any other is a tree of scores over a table of members
//! (`skiplist`, as Redis calls what it has instead); it never goes back. What it is kept in is told to commands by
//! [`sorted_set`] alone.

pub(crate) mod add;
mod combine;
mod pop;
mod random;
pub(crate) mod range;
mod remove;
mod restore;
mod scan;
pub(crate) mod select;
pub(crate) mod sorted_set;

use std::borrow::Cow;
use std::ops::Range;

use tidegate_protocols::table::sorted_sets::SortedSets;
use tidegate_protocols::{Args, Error, Reply, Request};

use crate::db::{Db, EntryRef, Kind};
use crate::structures::listpack::Element;
use crate::view::tell;
use combine::Join;
use pop::End;
use range::{Bounds, By, is_nested};
pub(crate) use restore::{restored, restored_pack};
use select::Form;
use sorted_set::{Order, SortedSet};

/// How many members the sorted set that an entry is has.
pub(crate) fn len(entry: &EntryRef<'_>) -> usize {
    entry.value(Kind::SortedSet).map_or(0, |value| SortedSet::of(value).len())
}

/// Visits members of the sorted set that an entry is, as many as it has from one rank to another, counted from the highest
/// score if that `descends`.
pub(crate) fn for_each(
    entry: &EntryRef<'_>,
    ranks: Range<usize>,
    descends: bool,
    mut each: impl FnMut(Element<'_>),
) {
    let Ok(set) = entry.value(Kind::SortedSet).map(SortedSet::of) else { return };
    if descends {
        let ranks = set.len() - ranks.end..set.len() - ranks.start;
        set.for_each(ranks, Order::Descending, |member, _| each(member));
    } else {
        set.for_each(ranks, Order::Ascending, |member, _| each(member));
    }
}

/// Visits all members of the sorted set that an entry is with their scores.
pub(crate) fn for_each_scored(entry: &EntryRef<'_>, each: impl FnMut(Element<'_>, f64)) {
    if let Ok(set) = entry.value(Kind::SortedSet).map(SortedSet::of) {
        set.for_each(0..set.len(), Order::Ascending, each);
    }
}

/// Answers a command of this family.
pub(crate) fn execute(
    verb: SortedSets,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = request.args;
    match verb {
        SortedSets::Zadd => add::zadd(db, args, false, reply)?,
        SortedSets::Zincrby => add::zadd(db, args, true, reply)?,
        SortedSets::Zcard => reply.integer(read(db, args.at(1))?.map_or(0, SortedSet::len) as i64),
        SortedSets::Zscore => zscore(db, args.fixed(), reply)?,
        SortedSets::Zmscore => zmscore(db, args, reply)?,
        SortedSets::Zrank => rank(db, args, Order::Ascending, reply)?,
        SortedSets::Zrevrank => rank(db, args, Order::Descending, reply)?,
        SortedSets::Zcount => count(db, args.at(1), &Bounds::scores(args.at(2), args.at(3))?, reply)?,
        SortedSets::Zlexcount => count(db, args.at(1), &Bounds::names(args.at(2), args.at(3))?, reply)?,
        SortedSets::Zrange => select::zrange(db, args, Form::ANY, reply)?,
        SortedSets::Zrevrange => select::zrange(db, args, Form::down(By::Rank), reply)?,
        SortedSets::Zrangebyscore => select::zrange(db, args, Form::up(By::Score), reply)?,
        SortedSets::Zrevrangebyscore => select::zrange(db, args, Form::down(By::Score), reply)?,
        SortedSets::Zrangebylex => select::zrange(db, args, Form::up(By::Name), reply)?,
        SortedSets::Zrevrangebylex => select::zrange(db, args, Form::down(By::Name), reply)?,
        SortedSets::Zrangestore => select::zrangestore(db, args, reply)?,
        SortedSets::Zrem => remove::zrem(db, args, reply)?,
        SortedSets::Zremrangebyrank => remove::range(db, args.fixed(), By::Rank, reply)?,
        SortedSets::Zremrangebyscore => remove::range(db, args.fixed(), By::Score, reply)?,
        SortedSets::Zremrangebylex => remove::range(db, args.fixed(), By::Name, reply)?,
        SortedSets::Zpopmin => pop::zpop(db, args, End::Min, reply)?,
        SortedSets::Zpopmax => pop::zpop(db, args, End::Max, reply)?,
        SortedSets::Zmpop => pop::zmpop(db, args, reply)?,
        SortedSets::Bzpopmin => pop::bzpop(db, args, End::Min, reply)?,
        SortedSets::Bzpopmax => pop::bzpop(db, args, End::Max, reply)?,
        SortedSets::Bzmpop => pop::bzmpop(db, args, reply)?,
        SortedSets::Zrandmember => random::zrandmember(db, args, reply)?,
        SortedSets::Zscan => scan::zscan(db, args, reply)?,
        SortedSets::Zunion => combine::tell(db, args, Join::Union, "zunion", reply)?,
        SortedSets::Zinter => combine::tell(db, args, Join::Intersection, "zinter", reply)?,
        SortedSets::Zdiff => combine::tell(db, args, Join::Difference, "zdiff", reply)?,
        SortedSets::Zintercard => combine::zintercard(db, args, reply)?,
        SortedSets::Zunionstore => combine::store(db, args, Join::Union, "zunionstore", reply)?,
        SortedSets::Zinterstore => combine::store(db, args, Join::Intersection, "zinterstore", reply)?,
        SortedSets::Zdiffstore => combine::store(db, args, Join::Difference, "zdiffstore", reply)?,
    }
    Ok(())
}

/// The sorted set at `key`, counted as a read.
///
/// # Errors
/// [`Error::WrongType`] if it is something else.
#[inline]
pub(crate) fn read<'a>(db: &'a mut Db<'_>, key: &[u8]) -> Result<Option<SortedSet<'a>>, Error> {
    let value = db.read(key).map(|entry| entry.value(Kind::SortedSet)).transpose()?;
    Ok(value.map(SortedSet::of))
}

/// The bytes of a member, to be kept for longer than one look.
pub(crate) fn name(member: Element<'_>) -> Cow<'_, [u8]> {
    match member {
        Element::Int(number) => Cow::Owned(number.to_string().into_bytes()),
        Element::Text(text) => Cow::Borrowed(text),
    }
}

/// Puts members in their order.
pub(crate) fn in_order(members: &mut [(f64, Cow<'_, [u8]>)]) {
    members.sort_unstable_by(|(score, member), (other_score, other)| {
        score.partial_cmp(other_score).expect("scores are numbers").then_with(|| member.cmp(other))
    });
}

/// Whether scores are told with members.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scores {
    /// No.
    Without,
    /// After each member; in RESP3 both are an array of their own.
    With,
}

impl Scores {
    /// Opens an array of so many members.
    fn open(self, count: usize, reply: &mut Reply<'_>) {
        let is_flat = self == Self::With && !is_nested(reply);
        reply.array(if is_flat { 2 * count } else { count });
    }

    /// Writes a member of the array.
    #[inline]
    fn tell(self, member: Element<'_>, score: f64, reply: &mut Reply<'_>) {
        if self == Self::Without {
            return tell(member, reply);
        }
        if is_nested(reply) {
            reply.array(2);
        }
        tell(member, reply);
        reply.double(score);
    }
}

fn zscore(db: &mut Db<'_>, [key, member]: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    match read(db, key)?.and_then(|set| set.score(member)) {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
    Ok(())
}

fn zmscore(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (set, members) = (read(db, args.at(1))?, args.from(2));
    reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => reply.double(score),
            None => reply.null(),
        }
    }
    Ok(())
}

/// `ZRANK`, `ZREVRANK`
fn rank(db: &mut Db<'_>, args: Args<'_>, order: Order, reply: &mut Reply<'_>) -> Result<(), Error> {
    if args.len() > 4 {
        return Err(Error::Arity(if order == Order::Ascending { "zrank" } else { "zrevrank" }));
    }
    let with_score = args.get(3).is_some();
    if args.get(3).is_some_and(|word| !word.eq_ignore_ascii_case(b"withscore")) {
        return Err(Error::Syntax);
    }
    let set = read(db, args.at(1))?;
    let Some((set, (before, score))) = set.and_then(|set| Some((set, set.rank(args.at(2))?))) else {
        if with_score {
            reply.null_array();
        } else {
            reply.null();
        }
        return Ok(());
    };
    if with_score {
        reply.array(2);
    }
    reply.integer(match order {
        Order::Ascending => before as i64,
        Order::Descending => (set.len() - 1 - before) as i64,
    });
    if with_score {
        reply.double(score);
    }
    Ok(())
}

/// `ZCOUNT`, `ZLEXCOUNT`
fn count(db: &mut Db<'_>, key: &[u8], bounds: &Bounds<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let ranks = read(db, key)?.map_or(0..0, |set| set.ranks_within(bounds, Order::Ascending));
    reply.integer(ranks.len() as i64);
    Ok(())
}

#[cfg(test)]
mod tests;
