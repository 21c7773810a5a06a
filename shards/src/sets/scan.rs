//! `SSCAN key cursor [MATCH pattern] [COUNT count]`.

use tidegate_protocols::{Args, Error, Reply};

use super::read;
use super::set::Set;
use crate::db::Db;
use crate::keyspace::scan::scan_collection;
use crate::structures::listpack::Element;

/// A small set is told as a whole.
pub(super) fn sscan(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    scan_collection(
        args,
        reply,
        |key| read(db, key),
        |set, (cursor, count), found| match set {
            Set::Table(members) => members.scan(cursor, count, |member, _| found.add(Element::Text(member))),
            Set::Packed(_) | Set::Integers(_) => {
                set.for_each(|member| found.add(member));
                0
            }
        },
    )
}
