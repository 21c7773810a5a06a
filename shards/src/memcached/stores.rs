//! Storing items: `set`, `add`, `replace`, `append`, `prepend`, `cas`, `ms` and their binary forms.

use tidegate_protocols::memcached::{Answer, Options, Status, deadline_ms, item_bytes};
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::memcached::Memcached;
use tidegate_protocols::{Dialect, Error, Request};

use super::{differs, tells_cas};
use crate::db::{Db, Expiry, Metadata};

/// Stores the item whatever was there.
#[inline]
pub(super) fn set(request: &Request<'_>, db: &mut Db<'_>, answer: &mut Answer<'_, '_>) -> Result<(), Error> {
    db.memcached().cmd_set += 1;
    put(request, db, answer);
    Ok(())
}

/// Stores the item if there is none.
pub(super) fn add(request: &Request<'_>, db: &mut Db<'_>, answer: &mut Answer<'_, '_>) -> Result<(), Error> {
    db.memcached().cmd_set += 1;
    // An item that is there counts as used, as in memcached.
    if db.change(request.args.at(1)).is_some() {
        answer.status(Status::NotStored, 0);
    } else {
        put(request, db, answer);
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
    if db.exists(request.args.at(1)) {
        put(request, db, answer);
    } else {
        answer.status(Status::NotStored, 0);
    }
    Ok(())
}

/// Stores the item if its CAS value is the one given; with meta `I` also if that is older, but stale.
pub(super) fn compare_and_set(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let (key, given) = (request.args.at(1), request.item.cas);
    db.memcached().cmd_set += 1;
    let Some(old) = db.change(key).map(|entry| entry.metadata()) else {
        db.memcached().cas_misses += 1;
        answer.status(Status::NotFound, 0);
        return Ok(());
    };
    if given != 0 && given == old.cas {
        db.memcached().cas_hits += 1;
        put(request, db, answer);
    } else if given != 0 && given < old.cas && request.item.has(Options::INVALIDATE) {
        db.memcached().cas_hits += 1;
        let metadata = Metadata { flags: request.item.flags, cas: 0, stale: true, ..old };
        let cas = db.store(key, request.args.at(2), metadata);
        db.memcached().total_items += 1;
        answer.status(Status::Stored, cas);
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
    let Some(entry) = db.change(key) else {
        answer.status(Status::NotStored, 0);
        return Ok(());
    };
    let (old, metadata, fetched) = (entry.text()?.len(), entry.metadata(), entry.fetched());
    if request.item.cas != 0 && differs(request.item, &metadata) {
        answer.status(Status::Exists, 0);
        return Ok(());
    }
    let whole = old + added.len();
    let limit = db.settings().number(Key::MemcachedItemSizeMax) as usize;
    if item_bytes(key.len(), metadata.flags, whole) > limit {
        answer.status(Status::NotStored, 0);
        return Ok(());
    }
    let value = db.string_mut(key, whole)?;
    if verb == Memcached::Append {
        value[old..].copy_from_slice(added);
    } else {
        value.copy_within(..old, added.len());
        value[..added.len()].copy_from_slice(added);
    }
    if metadata.stale || metadata.won {
        db.set_marks(key, false, false);
    }
    // To memcached it is a new item.
    if fetched {
        db.set_fetched(key, false);
    }
    db.memcached().total_items += 1;
    let cas = if tells_cas(request) { db.cas(key).unwrap_or(0) } else { 0 };
    answer.status(Status::Stored, cas);
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

/// Stores the item. It gets a CAS value only if the answer tells it.
#[inline]
fn put(request: &Request<'_>, db: &mut Db<'_>, answer: &mut Answer<'_, '_>) {
    let (key, value, item) = (request.args.at(1), request.args.at(2), request.item);
    let expire_at = deadline_ms(item.exptime, db.now_ms());
    let cas = if item.flags == 0 && !tells_cas(request) {
        db.set_string(key, value, expire_at.map_or(Expiry::Clear, Expiry::At));
        0
    } else {
        db.store(key, value, Metadata { expire_at, flags: item.flags, ..Metadata::default() })
    };
    db.memcached().total_items += 1;
    answer.status(Status::Stored, cas);
}
