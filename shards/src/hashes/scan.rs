//! `HSCAN key cursor [MATCH pattern] [COUNT count]`.

use tidegate_protocols::cursor::Cursor;
use tidegate_protocols::glob::{Case, matches};
use tidegate_protocols::reply::Collection;
use tidegate_protocols::{Args, Error, Reply};

use super::hash::Hash;
use super::tell;
use crate::db::Db;
use crate::keyspace::scan::{Options, tell_step};
use crate::structures::listpack::Element;

/// A packed hash is told as a whole; a cursor into a table is a prefix of a hash, as within a slot.
pub(super) fn hscan(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let cursor = Cursor::parse(args.at(2)).ok_or(Error::Cursor)?;
    let Some(hash) = super::read(db, args.at(1))? else {
        // Options are not looked at where there is nothing to scan.
        return tell_step(reply, |_| Ok(Cursor::ZERO));
    };
    let options = Options::parse(args.from(3), false)?;
    tell_step(reply, |reply| {
        let (list, mut told) = (reply.deferred(Collection::Array), 0);
        let mut digits = itoa::Buffer::new();
        let mut each = |field: Element<'_>, value: Element<'_>| {
            let is_wanted = |pattern| matches(pattern, field.text(&mut digits), Case::Sensitive);
            if options.pattern.is_none_or(is_wanted) {
                tell(field, reply);
                tell(value, reply);
                told += 2;
            }
        };
        let next = match hash {
            Hash::Packed(_) => {
                hash.for_each(each);
                0
            }
            Hash::Table(members) => members.scan(cursor.0, options.count, |field, value| {
                each(Element::Text(field), Element::Text(value));
            }),
        };
        reply.finish(list, told);
        Ok(Cursor(next))
    })
}
