//! Elements on their way from one of several lists: `LMOVE`, `RPOPLPUSH`, `LMPOP`.

use tidegate_protocols::number::integer;
use tidegate_protocols::{Args, Error, Reply};

use super::list::{List, ListMut, limit_of};
use super::pop_many;
use crate::db::{Db, Look};
use crate::structures::listpack::{Element, End};

/// `LEFT` or `RIGHT`.
pub(super) fn end_named(word: &[u8]) -> Result<End, Error> {
    if word.eq_ignore_ascii_case(b"left") {
        Ok(End::Head)
    } else if word.eq_ignore_ascii_case(b"right") {
        Ok(End::Tail)
    } else {
        Err(Error::Syntax)
    }
}

/// `LMOVE source destination LEFT | RIGHT LEFT | RIGHT`
pub(super) fn lmove(
    db: &mut Db<'_>,
    [from, to, from_end, to_end]: [&[u8]; 4],
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let ends = (end_named(from_end)?, end_named(to_end)?);
    move_one(db, [from, to], ends, reply)?;
    Ok(())
}

/// `RPOPLPUSH source destination`
pub(super) fn rpoplpush(db: &mut Db<'_>, keys: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    move_one(db, keys, (End::Tail, End::Head), reply)?;
    Ok(())
}

/// Takes the element out at one end of a list, puts it in at one end of another, or of the same, and tells it. Says whether
/// there was one.
pub(super) fn move_one(
    db: &mut Db<'_>,
    [from, to]: [&[u8]; 2],
    (from_end, to_end): (End, End),
    reply: &mut Reply<'_>,
) -> Result<bool, Error> {
    let limit = limit_of(db.settings());
    let mut entry = db.change(from);
    let mut list = ListMut::new(&mut entry, limit)?;
    let Some(moved) = list.view().and_then(|list| Moved::at(from_end, list)) else {
        reply.null();
        return Ok(false);
    };
    if from == to {
        list.pop(from_end, |_| {});
        moved.put(&mut list, to_end);
        list.settle();
    } else {
        let mut entry = db.change(to);
        moved.put(&mut ListMut::new(&mut entry, limit)?, to_end);
        let mut entry = db.open(from, Look::Peek);
        let mut list = ListMut::new(&mut entry, limit)?;
        list.pop(from_end, |_| {});
        list.settle();
        list.has_changed();
    }
    reply.bulk(&moved.text);
    Ok(true)
}

/// An element on its way.
struct Moved {
    text: Vec<u8>,
    /// Bytes by which Redis foresees whether a packed list is still one with it: an integer out of a quicklist counts as
    /// none. Source: Redis 7.2 `t_list.c`, `listTypeTryConvertListpack`.
    foreseen: usize,
}

impl Moved {
    /// A copy of the one at an end.
    fn at(end: End, list: List<'_>) -> Option<Self> {
        let element = list.get(if end == End::Head { 0 } else { -1 })?;
        let text = element.text(&mut itoa::Buffer::new()).to_vec();
        let is_number = matches!((list, element), (List::Quick(_), Element::Int(_)));
        Some(Self { foreseen: if is_number { 0 } else { text.len() }, text })
    }

    fn put(&self, list: &mut ListMut<'_, '_>, end: End) {
        list.expect(1, self.foreseen);
        list.push(end, std::iter::once(&*self.text));
        list.has_changed();
    }
}

/// `LMPOP numkeys key … LEFT | RIGHT [COUNT count]`: elements of the first list that is there, with its key.
pub(super) fn lmpop(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    Mpop::of(args.from(1))?.pop(db, reply)?;
    Ok(())
}

/// What `LMPOP` and `BLMPOP` ask for.
pub(super) struct Mpop<'a> {
    pub(super) keys: Args<'a>,
    end: End,
    count: usize,
}

impl<'a> Mpop<'a> {
    /// What arguments from the number of keys on say.
    pub(super) fn of(args: Args<'a>) -> Result<Self, Error> {
        let keys = above_zero(args.at(0), "ERR numkeys should be greater than 0")?;
        let options = args.from(keys.saturating_add(1));
        let end = end_named(options.get(0).ok_or(Error::Syntax)?)?;
        let count = match (options.get(1), options.get(2)) {
            (None, _) => 1,
            (Some(word), Some(count)) if word.eq_ignore_ascii_case(b"count") => {
                above_zero(count, "ERR count should be greater than 0")?
            }
            _ => return Err(Error::Syntax),
        };
        if options.len() > 3 {
            return Err(Error::Syntax);
        }
        Ok(Self { keys: args.range(1..=keys), end, count })
    }

    /// Takes elements out of the first list that is there, and tells them. Says whether one was.
    pub(super) fn pop(&self, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<bool, Error> {
        let (limit, effects) = (limit_of(db.settings()), db.effects());
        for key in self.keys.iter() {
            let mut entry = db.change(key);
            let mut list = ListMut::new(&mut entry, limit)?;
            if list.is_there() {
                reply.array(2);
                reply.bulk(key);
                let count = self.count.min(list.len());
                pop_many(&mut list, self.end, self.count, reply);
                let name: &[u8] = if self.end == End::Head { b"LPOP" } else { b"RPOP" };
                effects.says(&[name, key, itoa::Buffer::new().format(count).as_bytes()]);
                return Ok(true);
            }
        }
        reply.null_array();
        Ok(false)
    }
}

fn above_zero(text: &[u8], refusal: &'static str) -> Result<usize, Error> {
    let number = integer(text).and_then(|number| usize::try_from(number).ok());
    number.filter(|&number| number > 0).ok_or(Error::Text(refusal))
}
