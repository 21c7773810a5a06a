//! What several sets have in common, together, or more than others: `SINTER`, `SUNION`, `SDIFF` and their like.
//!
//! A result is built member by member in the order in which Redis does it, so that it is kept in the same way and told
//! in the same order. Source: Redis `t_set.c`, `sinterGenericCommand` and `sunionDiffGenericCommand`.

use tidegate_protocols::number::integer;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::{Args, Error, Reply};

use super::set::{Limits, Set, SetMut, no_integers, no_members};
use super::tell;
use crate::db::{Db, Kind, Look};
use crate::large::Built;
use crate::structures::listpack::Element;

pub(super) fn sinter(db: &mut Db<'_>, keys: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let sets = by_size(db, keys.iter())?;
    let (list, mut told) = (reply.deferred(Collection::Set), 0);
    while_common(&sets, |member| {
        tell(member, reply);
        told += 1;
        true
    });
    reply.finish(list, told);
    Ok(())
}

/// `SINTERCARD numkeys key [key ...] [LIMIT limit]`
pub(super) fn sintercard(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let keys = integer(args.at(1)).and_then(|keys| usize::try_from(keys).ok()).filter(|&keys| keys > 0);
    let keys = keys.ok_or(Error::Text("ERR numkeys should be greater than 0"))?;
    if keys > args.len() - 2 {
        return Err(Error::Text("ERR Number of keys can't be greater than number of args"));
    }
    let (mut limit, mut options) = (0, args.from(2 + keys));
    while let Some(option) = options.get(0) {
        let value = options.get(1).filter(|_| option.eq_ignore_ascii_case(b"limit")).ok_or(Error::Syntax)?;
        limit = integer(value)
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or(Error::Text("ERR LIMIT can't be negative"))?;
        options = options.from(2);
    }
    let (sets, mut common) = (by_size(db, args.iter().skip(2).take(keys))?, 0);
    while_common(&sets, |_| {
        common += 1;
        common != limit
    });
    reply.integer(common as i64);
    Ok(())
}

pub(super) fn sinterstore(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let limits = Limits::of(db.settings());
    let sets = by_size(db, args.from(2).iter())?;
    let is_of_integers = matches!(sets.first(), Some(Set::Integers(_)));
    let mut built = if is_of_integers { no_integers() } else { no_members() };
    let (mut result, mut only_integers) = (SetMut::of(&mut built, limits), true);
    while_common(&sets, |member| {
        only_integers &= matches!(member, Element::Int(_));
        result.add(member);
        true
    });
    if only_integers {
        result.make_integers();
    }
    store(db, args.at(1), built, reply);
    Ok(())
}

pub(super) fn sunion(db: &mut Db<'_>, keys: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let union = union(db, keys)?;
    tell_all(db, union, reply);
    Ok(())
}

pub(super) fn sunionstore(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let union = union(db, args.from(2))?;
    store(db, args.at(1), union, reply);
    Ok(())
}

pub(super) fn sdiff(db: &mut Db<'_>, keys: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let difference = difference(db, keys)?;
    tell_all(db, difference, reply);
    Ok(())
}

pub(super) fn sdiffstore(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let difference = difference(db, args.from(2))?;
    store(db, args.at(1), difference, reply);
    Ok(())
}

/// The sets at `keys`.
fn read_all<'a, 'k>(
    db: &'a mut Db<'_>,
    keys: impl Iterator<Item = &'k [u8]> + Clone,
) -> Result<Vec<Option<Set<'a>>>, Error> {
    let entries = db.read_all(keys, &[Kind::Set])?;
    entries.iter().map(|entry| entry.as_ref().map(Set::of).transpose()).collect()
}

/// The sets at `keys`, from the smallest to the largest; none at all if one of them is missing.
fn by_size<'a, 'k>(
    db: &'a mut Db<'_>,
    keys: impl Iterator<Item = &'k [u8]> + Clone,
) -> Result<Vec<Set<'a>>, Error> {
    let sets: Option<Vec<_>> = read_all(db, keys)?.into_iter().collect();
    let mut sets = sets.unwrap_or_default();
    sets.sort_by_key(|set| set.len());
    Ok(sets)
}

/// Visits those of the first set who are members of all others, as long as `each` says so.
fn while_common<'a>(sets: &[Set<'a>], mut each: impl FnMut(Element<'a>) -> bool) {
    if let [first, others @ ..] = sets {
        first.while_each(|member| !others.iter().all(|set| set.has(member)) || each(member));
    }
}

fn union(db: &mut Db<'_>, keys: Args<'_>) -> Result<Built, Error> {
    let limits = Limits::of(db.settings());
    let mut built = no_integers();
    let mut result = SetMut::of(&mut built, limits);
    for set in read_all(db, keys.iter())?.into_iter().flatten() {
        set.for_each(|member| _ = result.add(member));
    }
    Ok(built)
}

fn difference(db: &mut Db<'_>, keys: Args<'_>) -> Result<Built, Error> {
    let limits = Limits::of(db.settings());
    let mut built = no_integers();
    let mut result = SetMut::of(&mut built, limits);
    let sets = read_all(db, keys.iter())?;
    let Some((Some(first), others)) = sets.split_first() else { return Ok(built) };
    let is_among_others = keys.iter().skip(1).any(|key| key == keys.at(0));
    if is_among_others {
        return Ok(built);
    }
    let mut others: Vec<_> = others.iter().flatten().collect();
    // Either each of the first set is looked for in all others, or all others are taken out, whichever is less to do.
    let to_look = first.len() * (1 + others.len()) / 2;
    let to_take = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if to_look <= to_take {
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        first.for_each(|member| {
            if !others.iter().any(|set| set.has(member)) {
                result.add(member);
            }
        });
        return Ok(built);
    }
    first.for_each(|member| _ = result.add(member));
    for set in others {
        set.while_each(|member| {
            result.remove(member);
            result.len() > 0
        });
    }
    Ok(built)
}

/// Tells all members of a result.
fn tell_all(db: &Db<'_>, mut built: Built, reply: &mut Reply<'_>) {
    let limits = Limits::of(db.settings());
    if let Some(set) = SetMut::of(&mut built, limits).view() {
        reply.set(set.len());
        set.for_each(|member| tell(member, reply));
    }
    db.discard(built);
}

/// Makes a result the value of a key, whatever that held; if nobody is in it, there is no key.
fn store(db: &mut Db<'_>, key: &[u8], mut built: Built, reply: &mut Reply<'_>) {
    let len = SetMut::of(&mut built, Limits::of(db.settings())).len();
    let mut entry = db.open(key, Look::Peek);
    if len == 0 {
        entry.remove();
    } else {
        entry.set_built(built);
    }
    reply.integer(len as i64);
}
