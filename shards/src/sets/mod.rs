//! Commands on sets: different members under one key.
//!
//! A set of few integers is one of these in order (`intset`), any other of few short members is packed (`listpack`), the
//! rest are tables (`hashtable`). Only a result that is stored is made a simpler one. What a set is kept in is told to
//! commands by [`set`] alone.

mod combine;
mod random;
mod scan;
pub(crate) mod set;

use tidegate_protocols::settings::Settings;
use tidegate_protocols::table::sets::Sets;
use tidegate_protocols::{Args, Error, Reply, Request};

use crate::db::{Db, EntryRef, Look};
use crate::entry::Encoding;
use crate::large::{Built, Large};
use crate::structures::listpack::Element;
use crate::structures::members::Members;
use crate::view::tell;
use set::{Limits, Set, SetMut};

/// Answers a command of this family.
pub(crate) fn execute(
    verb: Sets,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = request.args;
    match verb {
        Sets::Sadd => sadd(db, args, reply)?,
        Sets::Srem => srem(db, args, reply)?,
        Sets::Smove => smove(db, args.fixed(), reply)?,
        Sets::Scard => reply.integer(read(db, args.at(1))?.map_or(0, Set::len) as i64),
        Sets::Sismember => {
            let [key, member] = args.fixed();
            let set = read(db, key)?;
            reply.integer(set.is_some_and(|set| set.has(Element::of(member))).into());
        }
        Sets::Smismember => smismember(db, args, reply)?,
        Sets::Smembers => smembers(db, args.fixed(), reply)?,
        Sets::Spop => random::spop(db, args, reply)?,
        Sets::Srandmember => random::srandmember(db, args, reply)?,
        Sets::Sscan => scan::sscan(db, args, reply)?,
        Sets::Sinter => combine::sinter(db, args.from(1), reply)?,
        Sets::Sintercard => combine::sintercard(db, args, reply)?,
        Sets::Sinterstore => combine::sinterstore(db, args, reply)?,
        Sets::Sunion => combine::sunion(db, args.from(1), reply)?,
        Sets::Sunionstore => combine::sunionstore(db, args, reply)?,
        Sets::Sdiff => combine::sdiff(db, args.from(1), reply)?,
        Sets::Sdiffstore => combine::sdiffstore(db, args, reply)?,
    }
    Ok(())
}

/// The set at `key`, counted as a read.
///
/// # Errors
/// [`Error::WrongType`] if it is something else.
#[inline]
fn read<'a>(db: &'a mut Db<'_>, key: &[u8]) -> Result<Option<Set<'a>>, Error> {
    db.read(key).map(|entry| Set::of(&entry)).transpose()
}

/// Visits the members of the set that an entry is.
pub(crate) fn for_each<'a>(entry: &EntryRef<'a>, each: impl FnMut(Element<'a>)) {
    if let Ok(set) = Set::of(entry) {
        set.for_each(each);
    }
}

/// A set that is being made of members as they were written.
pub(crate) struct Building {
    built: Built,
    limits: Limits,
}

impl Building {
    /// Nobody yet; there are to be `count` members, as somebody says. Source: Redis `rdb.c`, `rdbLoadObject`.
    pub(crate) fn new(settings: &Settings, count: u64) -> Self {
        let limits = Limits::of(settings);
        let built = match usize::try_from(count) {
            Ok(count) if count <= limits.integers => set::no_integers(),
            _ => Built::Large(Large::Set(Members::default())),
        };
        Self { built, limits }
    }

    /// One whose members are packed already.
    pub(crate) fn packed(settings: &Settings, encoding: Encoding, bytes: &[u8]) -> Self {
        let mut building =
            Self { built: Built::Packed(encoding, bytes.to_vec()), limits: Limits::of(settings) };
        let mut set = SetMut::of(&mut building.built, building.limits);
        let count = set.len();
        set.expect(Element::Int(0), count);
        building
    }

    /// Puts in a member. Says whether it is new.
    pub(crate) fn add(&mut self, member: &[u8]) -> bool {
        SetMut::of(&mut self.built, self.limits).add(Element::of(member))
    }

    /// The set.
    pub(crate) fn finish(self) -> Built {
        self.built
    }
}

fn sadd(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (members, limits) = (args.from(2), Limits::of(db.settings()));
    let mut entry = db.change(args.at(1));
    let mut set = SetMut::new(&mut entry, limits)?;
    set.expect(Element::of(members.at(0)), members.len());
    let added = members.iter().filter(|member| set.add(Element::of(member))).count();
    if added > 0 {
        set.has_changed();
    }
    reply.integer(added as i64);
    Ok(())
}

fn srem(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let limits = Limits::of(db.settings());
    let mut entry = db.open(args.at(1), Look::Change);
    let mut set = SetMut::new(&mut entry, limits)?;
    let removed = args.from(2).iter().filter(|member| set.remove(Element::of(member))).count();
    if removed > 0 {
        set.has_shrunk();
    }
    reply.integer(removed as i64);
    Ok(())
}

fn smove(db: &mut Db<'_>, [from, to, member]: [&[u8]; 3], reply: &mut Reply<'_>) -> Result<(), Error> {
    let (member, limits) = (Element::of(member), Limits::of(db.settings()));
    let moves = {
        let entry = db.open(from, Look::Change);
        let Some(set) = entry.entry().map(|entry| Set::of(&entry)).transpose()? else {
            reply.integer(0);
            return Ok(());
        };
        set.has(member)
    };
    // Both are looked at before either is changed.
    SetMut::new(&mut db.open(to, Look::Change), limits)?;
    if moves && from != to {
        let mut entry = db.open(from, Look::Peek);
        let mut set = SetMut::new(&mut entry, limits)?;
        set.remove(member);
        set.has_shrunk();
        let mut entry = db.open(to, Look::Peek);
        let mut set = SetMut::new(&mut entry, limits)?;
        set.expect(member, 1);
        if set.add(member) {
            set.has_changed();
        }
    }
    reply.integer(moves.into());
    Ok(())
}

fn smismember(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (set, members) = (read(db, args.at(1))?, args.from(2));
    reply.array(members.len());
    for member in members.iter() {
        reply.integer(set.is_some_and(|set| set.has(Element::of(member))).into());
    }
    Ok(())
}

fn smembers(db: &mut Db<'_>, [key]: [&[u8]; 1], reply: &mut Reply<'_>) -> Result<(), Error> {
    let set = read(db, key)?;
    reply.set(set.map_or(0, Set::len));
    if let Some(set) = set {
        set.for_each(|member| tell(member, reply));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
