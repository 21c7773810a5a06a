//! Commands that wait until there is a list.

use std::ops::Range;

use tidegate_protocols::{Args, Error, Reply};

use super::list::{ListMut, limit_of};
use super::moves::{Mpop, end_named, move_one};
use super::tell;
use crate::db::{Db, Kind};
use crate::structures::quicklist::End;
use crate::waiting::{Wait, until_ms};

/// Waits for a list under one of the arguments `keys`.
fn wait(db: &mut Db<'_>, keys: Range<usize>, until_ms: Option<u64>) {
    db.wait(Wait { kind: Kind::List, keys, until_ms, on_removal: false, words: None });
}

/// `BLPOP`, `BRPOP`: an element of the first list there is, with its key.
pub(super) fn pop(db: &mut Db<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> Result<(), Error> {
    let timeout = args.len() - 1;
    let until_ms = until_ms(args.at(timeout), db.now_ms())?;
    let (limit, effects) = (limit_of(db.settings()), db.effects());
    for index in 1..timeout {
        let key = args.at(index);
        let mut entry = db.change(key);
        let mut list = ListMut::new(&mut entry, limit)?;
        if list.view().is_none() {
            continue;
        }
        reply.array(2);
        reply.bulk(key);
        list.pop_for_good(end, |element| tell(element, reply));
        list.has_changed();
        effects.says(&[if end == End::Head { b"LPOP" } else { b"RPOP" }, key]);
        return Ok(());
    }
    reply.null_array();
    wait(db, 1..timeout, until_ms);
    Ok(())
}

/// `BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout`
pub(super) fn blmove(
    db: &mut Db<'_>,
    [from, to, from_end, to_end, timeout]: [&[u8]; 5],
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let ends = (end_named(from_end)?, end_named(to_end)?);
    if move_or_wait(db, [from, to, timeout], ends, reply)? {
        db.effects().says(&[b"LMOVE", from, to, from_end, to_end]);
    }
    Ok(())
}

/// `BRPOPLPUSH source destination timeout`
pub(super) fn brpoplpush(db: &mut Db<'_>, words: [&[u8]; 3], reply: &mut Reply<'_>) -> Result<(), Error> {
    if move_or_wait(db, words, (End::Tail, End::Head), reply)? {
        db.effects().says(&[b"RPOPLPUSH", words[0], words[1]]);
    }
    Ok(())
}

/// Says whether there was something to move.
fn move_or_wait(
    db: &mut Db<'_>,
    [from, to, timeout]: [&[u8]; 3],
    ends: (End, End),
    reply: &mut Reply<'_>,
) -> Result<bool, Error> {
    let until_ms = until_ms(timeout, db.now_ms())?;
    let has_moved = move_one(db, [from, to], ends, reply)?;
    if !has_moved {
        wait(db, 1..2, until_ms);
    }
    Ok(has_moved)
}

/// `BLMPOP timeout numkeys key … LEFT | RIGHT [COUNT count]`
pub(super) fn blmpop(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mpop = Mpop::of(args.from(2))?;
    let until_ms = until_ms(args.at(1), db.now_ms())?;
    if !mpop.pop(db, reply)? {
        wait(db, 3..3 + mpop.keys.len(), until_ms);
    }
    Ok(())
}
