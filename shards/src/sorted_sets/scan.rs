//! `ZSCAN key cursor [MATCH pattern] [COUNT count]`.

use tidegate_protocols::number::Decimal;
use tidegate_protocols::{Args, Error, Reply};

use super::read;
use super::sorted_set::SortedSet;
use crate::db::Db;
use crate::keyspace::scan::scan_collection;
use crate::structures::listpack::Element;

/// A packed set is told as a whole, in order. Scores are told as they are kept: as always if packed, and with seventeen
/// digits otherwise. Source: Redis `db.c`, `scanCallback`.
pub(super) fn zscan(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    scan_collection(
        args,
        reply,
        |key| read(db, key),
        |set, (cursor, count), found| match set {
            SortedSet::Packed(_) => {
                set.for_all(|member, score| {
                    found.add_with(member, |reply| reply.bulk(Decimal::of(score).as_bytes()));
                });
                0
            }
            SortedSet::Scored(scored) => scored.scan(cursor, count, |score, member| {
                let member = Element::Text(member);
                found.add_with(member, |reply| reply.bulk(Decimal::exact(score).as_bytes()));
            }),
        },
    )
}
