//! Storing items: `set`, `add`, `replace`, `append`, `prepend`, `cas`, `ms` and their binary forms.

use tidegate_protocols::memcached::{Answer, Options, Status, deadline_ms, item_bytes};
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::memcached::Memcached;
use tidegate_protocols::{Dialect, Error, Request};

use super::{differs, tells_cas};
use crate::db::{Db, Expiry, Metadata};
use crate::entry_mut::EntryMut;

/// Stores the item whatever was there.
#[inline]
pub(super) fn set(request: &Request<'_>, db: &mut Db<'_>, answer: &mut Answer<'_, '_>) -> Result<(), Error> {
    db.memcached().cmd_set += 1;
    let now_ms = db.now_ms();
    let cas = store(request, &mut db.change(request.args.at(1)), now_ms);
    stored(db, answer, cas);
    Ok(())
}

/// Stores the item if there is none.
pub(super) fn add(request: &Request<'_>, db: &mut Db<'_>, answer: &mut Answer<'_, '_>) -> Result<(), Error> {
    db.memcached().cmd_set += 1;
    let now_ms = db.now_ms();
    // An item that is there counts as used, as in memcached.
    let mut entry = db.change(request.args.at(1));
    if entry.is_there() {
        answer.status(Status::NotStored, 0);
    } else {
        let cas = store(request, &mut entry, now_ms);
        stored(db, answer, cas);
    }
    Ok(())
}

/// Stores the item if there is one.
pub(super) fn replace(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    db.memcached().cmd_set += 1;
    let now_ms = db.now_ms();
    let mut entry = db.change(request.args.at(1));
    if entry.is_there() {
        let cas = store(request, &mut entry, now_ms);
        stored(db, answer, cas);
    } else {
        answer.status(Status::NotStored, 0);
    }
    Ok(())
}

/// Stores the item if its CAS value is the one given; with meta `I` also if that is older, but stale. An item
/// that has none yet was stored after any value a client can have been told.
pub(super) fn compare_and_set(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let (given, now_ms) = (request.item.cas, db.now_ms());
    db.memcached().cmd_set += 1;
    let mut entry = db.change(request.args.at(1));
    let Some(old) = entry.entry().map(|entry| entry.metadata()) else {
        db.memcached().cas_misses += 1;
        answer.status(Status::NotFound, 0);
        return Ok(());
    };
    if given != 0 && given == old.cas {
        let cas = store(request, &mut entry, now_ms);
        db.memcached().cas_hits += 1;
        stored(db, answer, cas);
    } else if given != 0 && (given < old.cas || old.cas == 0) && request.item.has(Options::INVALIDATE) {
        let metadata = Metadata { flags: request.item.flags, cas: 0, stale: true, ..old };
        let cas = entry.store(request.args.at(2), metadata);
        db.memcached().cas_hits += 1;
        stored(db, answer, cas);
    } else {
        db.memcached().cas_badval += 1;
        answer.status(Status::Exists, 0);
    }
    Ok(())
}

/// Adds to the end or to the beginning of an item; its flags and its expiry stay.
pub(super) fn extend(
    verb: Memcached,
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let (key, added) = (request.args.at(1), request.args.at(2));
    db.memcached().cmd_set += 1;
    let limit = db.settings().number(Key::MemcachedItemSizeMax) as usize;
    let mut entry = db.change(key);
    let Some(seen) = entry.entry() else {
        answer.status(Status::NotStored, 0);
        return Ok(());
    };
    let (old, metadata) = (seen.text()?.len(), seen.metadata());
    if request.item.cas != 0 && differs(request.item, &metadata) {
        answer.status(Status::Exists, 0);
        return Ok(());
    }
    let whole = old + added.len();
    if item_bytes(key.len(), metadata.flags, whole) > limit {
        answer.status(Status::NotStored, 0);
        return Ok(());
    }
    let value = entry.string_mut(whole)?;
    if verb == Memcached::Append {
        value[old..].copy_from_slice(added);
    } else {
        value.copy_within(..old, added.len());
        value[..added.len()].copy_from_slice(added);
    }
    if metadata.stale || metadata.won {
        entry.set_marks(false, false);
    }
    // To memcached it is a new item.
    entry.set_fetched(false);
    let cas = if tells_cas(request) { entry.cas().unwrap_or(0) } else { 0 };
    stored(db, answer, cas);
    Ok(())
}

/// Refuses an item over the limit. The one it would have replaced goes: the client meant it to.
pub(super) fn too_large(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    db.memcached().store_too_large += 1;
    db.remove(request.args.at(1));
    answer.status(Status::TooLarge, 0);
    Ok(())
}

/// Takes note that there is no memory for an item. As one that is too large, it takes the one it would have
/// replaced with it; of classic and binary stores only `set` does.
pub(crate) fn no_memory(request: &Request<'_>, db: &mut Db<'_>) {
    db.memcached().store_no_memory += 1;
    let meta = request.dialect == Dialect::MemcachedMeta && request.args.len() > 2;
    if request.row.verb == Memcached::Set.row().verb || meta && !counts(request) {
        db.remove(request.args.at(1));
    }
}

/// Whether a request changes a counter.
fn counts(request: &Request<'_>) -> bool {
    [Memcached::Incr, Memcached::Decr].iter().any(|verb| verb.row().verb == request.row.verb)
}

/// Stores the item. It gets a CAS value, which is returned, only if the answer tells it; otherwise 0.
#[inline]
fn store(request: &Request<'_>, entry: &mut EntryMut<'_>, now_ms: u64) -> u64 {
    let (value, item) = (request.args.at(2), request.item);
    let expire_at = deadline_ms(item.exptime, now_ms);
    if item.flags == 0 && !tells_cas(request) {
        entry.set_string(value, expire_at.map_or(Expiry::Clear, Expiry::At));
        return 0;
    }
    entry.store(value, Metadata { expire_at, flags: item.flags, ..Metadata::default() })
}

/// Counts and answers that an item was stored.
#[inline]
fn stored(db: &mut Db<'_>, answer: &mut Answer<'_, '_>, cas: u64) {
    db.memcached().total_items += 1;
    answer.status(Status::Stored, cas);
}
