//! Commands on lists: elements in a row under one key.
//!
//! A list of some kilobytes is packed (`listpack`), a longer one a row of listpacks (`quicklist`), which becomes packed again
//! when it has shrunk to half of that. What it is kept in is told to commands by [`list`] alone.

mod blocking;
mod list;
mod moves;
mod search;

use std::ops::Range;

use tidegate_protocols::number::{count_argument, integer_argument};
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::table::lists::Lists;
use tidegate_protocols::{Args, Error, Reply, Request};

use crate::db::{Db, Encoding, EntryRef, Kind};
use crate::large::{Built, Large};
use crate::structures::listpack::{Element, End};
use crate::structures::quicklist::{Limit, Quicklist};
use crate::view::tell;
use list::{List, ListMut, limit_of};

/// Answers a command of this family.
pub(crate) fn execute(
    verb: Lists,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = request.args;
    match verb {
        Lists::Lpush => push(db, args, End::Head, If::Always, reply)?,
        Lists::Rpush => push(db, args, End::Tail, If::Always, reply)?,
        Lists::Lpushx => push(db, args, End::Head, If::IsThere, reply)?,
        Lists::Rpushx => push(db, args, End::Tail, If::IsThere, reply)?,
        Lists::Lpop => pop(db, args, End::Head, reply)?,
        Lists::Rpop => pop(db, args, End::Tail, reply)?,
        Lists::Blpop => blocking::pop(db, args, End::Head, reply)?,
        Lists::Brpop => blocking::pop(db, args, End::Tail, reply)?,
        Lists::Blmove => blocking::blmove(db, args.fixed(), reply)?,
        Lists::Brpoplpush => blocking::brpoplpush(db, args.fixed(), reply)?,
        Lists::Blmpop => blocking::blmpop(db, args, reply)?,
        Lists::Llen => reply.integer(read(db, args.at(1))?.map_or(0, List::len) as i64),
        Lists::Lrange => lrange(db, args.fixed(), reply)?,
        Lists::Ltrim => ltrim(db, args.fixed(), reply)?,
        Lists::Lindex => lindex(db, args.fixed(), reply)?,
        Lists::Lset => lset(db, args.fixed(), reply)?,
        Lists::Linsert => search::linsert(db, args.fixed(), reply)?,
        Lists::Lrem => search::lrem(db, args.fixed(), reply)?,
        Lists::Lpos => search::lpos(db, args, reply)?,
        Lists::Lmove => moves::lmove(db, args.fixed(), reply)?,
        Lists::Rpoplpush => moves::rpoplpush(db, args.fixed(), reply)?,
        Lists::Lmpop => moves::lmpop(db, args, reply)?,
    }
    Ok(())
}

/// The list at `key`, counted as a read.
///
/// # Errors
/// [`Error::WrongType`] if it is something else.
#[inline]
fn read<'a>(db: &'a mut Db<'_>, key: &[u8]) -> Result<Option<List<'a>>, Error> {
    let value = db.read(key).map(|entry| entry.value(Kind::List)).transpose()?;
    Ok(value.map(List::of))
}

/// Visits the elements in this range of the list that an entry is, where it has them.
pub(crate) fn for_each(entry: &EntryRef<'_>, range: Range<usize>, each: impl FnMut(Element<'_>)) {
    if let Ok(list) = entry.value(Kind::List).map(List::of) {
        list.range(range).for_each(each);
    }
}

/// How many elements the list that an entry is has.
pub(crate) fn len(entry: &EntryRef<'_>) -> usize {
    entry.value(Kind::List).map_or(0, |value| List::of(value).len())
}

/// A list that is being made.
pub(crate) struct Building {
    list: Quicklist,
    limit: Limit,
}

impl Building {
    /// Nothing yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        let limit = limit_of(settings);
        Self { list: Quicklist::new(limit), limit }
    }

    /// The same for what was sorted: its nodes are as large as the setting says by default. Source: Redis `sort.c`, which
    /// leaves the new list so.
    pub(crate) fn of_sorted(settings: &Settings) -> Self {
        let default = Key::ListMaxListpackSize.row().default.parse().expect("a default is a number");
        Self { list: Quicklist::new(Limit::of(default)), limit: limit_of(settings) }
    }

    /// Adds an element at the end.
    pub(crate) fn push(&mut self, element: &[u8]) {
        self.list.push(End::Tail, element);
    }

    /// Adds a listpack of several elements at the end.
    pub(crate) fn push_packed(&mut self, bytes: Vec<u8>) {
        self.list.push_packed(bytes);
    }

    /// Adds an element at the end that stays alone in its node.
    pub(crate) fn push_plain(&mut self, element: &[u8]) {
        self.list.push_plain(element);
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The list, packed if it may be.
    pub(crate) fn finish(self) -> Built {
        match self.list.as_small(self.limit, false) {
            Some(pack) => Built::Packed(Encoding::PackedList, pack.to_vec()),
            None => Built::Large(Large::List(self.list)),
        }
    }
}

/// Writes elements as an array, the one at that end first.
fn tell_from<'a>(
    end: End,
    count: usize,
    elements: impl DoubleEndedIterator<Item = Element<'a>>,
    reply: &mut Reply<'_>,
) {
    reply.array(count);
    match end {
        End::Head => elements.for_each(|element| tell(element, reply)),
        End::Tail => elements.rev().for_each(|element| tell(element, reply)),
    }
}

/// When elements are put in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum If {
    Always,
    /// Only if there is a list.
    IsThere,
}

/// `LPUSH`, `RPUSH`, `LPUSHX`, `RPUSHX`: how many elements there are then.
#[inline]
fn push(db: &mut Db<'_>, args: Args<'_>, end: End, when: If, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (elements, limit) = (args.from(2), limit_of(db.settings()));
    let mut entry = db.change(args.at(1));
    let mut list = ListMut::new(&mut entry, limit)?;
    if when == If::IsThere && !list.is_there() {
        reply.integer(0);
        return Ok(());
    }
    list.expect(elements.len(), elements.bytes());
    list.push(end, (0..elements.len()).map(|index| elements.at(index)));
    list.has_changed();
    reply.integer(list.len() as i64);
    Ok(())
}

/// `LPOP`, `RPOP`: one element, or as many as are asked for.
fn pop(db: &mut Db<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::Arity(if end == End::Head { "lpop" } else { "rpop" }));
    }
    let (count, limit) = (args.get(2).map(count_argument).transpose()?, limit_of(db.settings()));
    let mut entry = db.change(args.at(1));
    let mut list = ListMut::new(&mut entry, limit)?;
    let Some(count) = count else {
        match list.pop_for_good(end, |element| tell(element, reply)) {
            Some(()) => list.has_changed(),
            None => reply.null(),
        }
        return Ok(());
    };
    match list.view() {
        None => reply.null_array(),
        Some(_) if count == 0 => reply.array(0),
        Some(_) => pop_many(&mut list, end, count, reply),
    }
    Ok(())
}

/// Takes `count` elements, or as many as there are, out of a list that is there.
fn pop_many(list: &mut ListMut<'_, '_>, end: End, count: usize, reply: &mut Reply<'_>) {
    let Some(view) = list.view() else { return };
    let len = view.len();
    let count = count.min(len);
    let from = if end == End::Head { 0 } else { len - count };
    tell_from(end, count, view.range(from..from + count), reply);
    list.remove_range(from, count);
    list.settle();
    list.has_changed();
}

fn lrange(db: &mut Db<'_>, [key, start, stop]: [&[u8]; 3], reply: &mut Reply<'_>) -> Result<(), Error> {
    let (start, stop) = (integer_argument(start)?, integer_argument(stop)?);
    let Some(list) = read(db, key)? else {
        reply.array(0);
        return Ok(());
    };
    let range = range_of(start, stop, list.len());
    tell_from(End::Head, range.len(), list.range(range), reply);
    Ok(())
}

fn ltrim(db: &mut Db<'_>, [key, start, stop]: [&[u8]; 3], reply: &mut Reply<'_>) -> Result<(), Error> {
    let (start, stop, limit) = (integer_argument(start)?, integer_argument(stop)?, limit_of(db.settings()));
    let effects = db.effects();
    let mut entry = db.change(key);
    let mut list = ListMut::new(&mut entry, limit)?;
    if list.is_there() {
        let range = range_of(start, stop, list.len());
        if range.len() == list.len() {
            // Whoever watches it is told all the same.
            effects.says_nothing();
        }
        list.keep(range);
        list.has_changed();
    }
    reply.ok();
    Ok(())
}

fn lindex(db: &mut Db<'_>, [key, index]: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    let element = match read(db, key)? {
        Some(list) => list.get(integer_argument(index)?),
        None => None,
    };
    match element {
        Some(element) => tell(element, reply),
        None => reply.null(),
    }
    Ok(())
}

fn lset(db: &mut Db<'_>, [key, index, element]: [&[u8]; 3], reply: &mut Reply<'_>) -> Result<(), Error> {
    let limit = limit_of(db.settings());
    let mut entry = db.change(key);
    let mut list = ListMut::new(&mut entry, limit)?;
    if !list.is_there() {
        return Err(Error::NoSuchKey);
    }
    let index = integer_argument(index)?;
    list.expect(1, element.len());
    if !list.replace(index, element) {
        return Err(Error::Text("ERR index out of range"));
    }
    list.settle();
    list.has_changed();
    reply.ok();
    Ok(())
}

/// The indices from `start` to `stop` that a list of `len` elements has; below 0 they count from its end.
fn range_of(start: i64, stop: i64, len: usize) -> Range<usize> {
    let index = |index: i64| if index < 0 { index.saturating_add(len as i64) } else { index };
    let start = index(start).max(0) as usize;
    let end = index(stop).saturating_add(1).max(0) as usize;
    start.min(len)..end.min(len).max(start.min(len))
}

#[cfg(test)]
mod tests;
