//! `HSCAN key cursor [MATCH pattern] [COUNT count]`.

use tidegate_protocols::{Args, Error, Reply};

use super::hash::Hash;
use super::{read, tell};
use crate::db::Db;
use crate::keyspace::scan::scan_collection;
use crate::structures::listpack::Element;

/// A packed hash is told as a whole.
pub(super) fn hscan(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    scan_collection(
        args,
        reply,
        |key| read(db, key),
        |hash, (cursor, count), found| match hash {
            Hash::Packed(_) | Hash::Expiring(..) => {
                hash.for_each(|field, value| found.add_with(field, |reply| tell(value, reply)));
                0
            }
            Hash::Table(members) | Hash::Overdue(members, _) => {
                members.scan(cursor, count, |field, value| {
                    if matches!(hash, Hash::Table(_)) || hash.get(field).is_some() {
                        found.add_with(Element::Text(field), |reply| reply.bulk(value));
                    }
                })
            }
        },
    )
}
