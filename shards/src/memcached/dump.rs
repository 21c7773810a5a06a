//! `stats cachedump <class> <limit>`: some items, for people who look what is there.

use tidegate_protocols::cursor::Cursor;
use tidegate_protocols::memcached::{Answer, Status, number};
use tidegate_protocols::settings::Key;
use tidegate_protocols::{Error, Request, limits};

use crate::db::{Db, EntryRef};

/// Classes memcached has. Source: memcached `MAX_NUMBER_OF_SLAB_CLASSES`.
const CLASSES: u32 = 64;
/// The one that has all items here.
const CLASS: u32 = 1;

/// Bytes of one answer. Source: memcached `items.c`, `item_cachedump`.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Keys visited for one answer; those that Memcached clients cannot name are not shown.
const KEYS_MAX: usize = 100_000;

/// Keys visited at once.
const STEP: usize = 100;

/// Tells key, bytes and expiry of items until it is enough, in the order of the table.
pub(super) fn cachedump(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    match wanted(request, db) {
        Ok((CLASS, limit)) => dump(limit, db, answer),
        Ok(_) => answer.stats_end(),
        Err(status) => answer.status(status, 0),
    }
    Ok(())
}

/// The class and the most items to show. What is wrong is told in memcached's order.
fn wanted(request: &Request<'_>, db: &Db<'_>) -> Result<(u32, usize), Status> {
    let words = request.args.from(2);
    if !db.settings().is_on(Key::MemcachedDump) {
        return Err(Status::CachedumpDisabled);
    }
    let (Some(class), Some(limit)) = (words.get(0), words.get(1)) else {
        return Err(Status::BadLine);
    };
    match (number::u32(class), number::u32(limit)) {
        (Some(CLASSES..), Some(_)) => Err(Status::ClassIllegal),
        (Some(class), Some(0)) => Ok((class, usize::MAX)),
        (Some(class), Some(limit)) => Ok((class, limit as usize)),
        _ => Err(Status::BadFormat),
    }
}

fn dump(limit: usize, db: &mut Db<'_>, answer: &mut Answer<'_, '_>) {
    let begin = answer.written();
    let (mut cursor, mut visited, mut shown) = (Cursor::ZERO, 0, 0);
    loop {
        cursor = db.scan(cursor, STEP, |entry| {
            visited += 1;
            let enough = shown >= limit || answer.written() - begin > ANSWER_BYTES_MAX;
            if let (false, Ok(value)) = (enough, entry.text())
                && is_nameable(entry)
            {
                answer.dumped(entry.key(), value.len(), entry.expire_at().map_or(0, |at| at / 1000));
                shown += 1;
            }
        });
        let enough = shown >= limit || answer.written() - begin > ANSWER_BYTES_MAX;
        if cursor == Cursor::ZERO || enough || visited >= KEYS_MAX {
            return answer.stats_end();
        }
    }
}

/// Whether the text protocol has words for this key.
fn is_nameable(entry: &EntryRef<'_>) -> bool {
    let key = entry.key();
    key.len() <= limits::MEMCACHED_KEY_BYTES_MAX && key.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}
