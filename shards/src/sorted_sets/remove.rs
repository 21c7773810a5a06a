//! `ZREM` and `ZREMRANGEBY*`.

use tidegate_protocols::{Args, Error, Reply};

use super::range::{By, Selection};
use super::sorted_set::{Limits, Order, SortedSetMut};
use crate::db::Db;

pub(super) fn zrem(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let limits = Limits::of(db.settings());
    let mut entry = db.change(args.at(1));
    let mut set = SortedSetMut::new(&mut entry, limits)?;
    let removed = args.from(2).iter().filter(|member| set.remove(member)).count();
    if removed > 0 {
        set.has_changed();
    }
    reply.integer(removed as i64);
    Ok(())
}

pub(super) fn range(
    db: &mut Db<'_>,
    [key, begin, end]: [&[u8]; 3],
    by: By,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let selection = Selection::parse(by, begin, end)?;
    let limits = Limits::of(db.settings());
    let mut entry = db.change(key);
    let mut set = SortedSetMut::new(&mut entry, limits)?;
    let ranks = set.view().map_or(0..0, |set| selection.ranks(set, Order::Ascending));
    reply.integer(ranks.len() as i64);
    if !ranks.is_empty() {
        set.remove_ranks(ranks);
        set.has_changed();
    }
    Ok(())
}
