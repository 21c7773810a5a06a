//! Reading items: `get`, `gets`, `gat`, `gats`, `mg`, `touch`, `me` and their binary forms.

use tidegate_protocols::memcached::{Answer, Found, Options, Status, deadline_ms};
use tidegate_protocols::{Dialect, Error, Request};

use super::{found, lifetime, tells_cas};
use crate::db::{Db, EntryRef, Metadata};

/// Finds an item and writes it, straight from the entry.
#[inline]
pub(super) fn get(request: &Request<'_>, db: &mut Db<'_>, answer: &mut Answer<'_, '_>) -> Result<(), Error> {
    let key = request.args.at(1);
    let now_ms = db.now_ms();
    let silent = request.item.has(Options::NO_UPDATE);
    let entry = if silent { db.peek(key) } else { db.read(key) };
    let Some(entry) = entry else {
        count(db, false);
        answer.miss();
        return Ok(());
    };
    let metadata = entry.metadata();
    let special = request.dialect == Dialect::MemcachedMeta && (metadata.stale || metadata.won);
    if special {
        let seen = found(&entry, &metadata, now_ms);
        return meta_hit(request, db, answer, seen, metadata);
    }
    let mut found = found(&entry, &metadata, now_ms);
    if metadata.cas != 0 || !tells_cas(request) {
        answer.item(&Found { value: entry.text()?.bytes(), ..found });
    } else {
        found.cas = db.cas(key).unwrap_or(0);
        write(db.peek(key), &found, answer)?;
    }
    count(db, true);
    Ok(())
}

/// `gat` and its like.
pub(super) fn get_and_touch(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let key = request.args.at(1);
    let now_ms = db.now_ms();
    let seen = db.read(key).map(|entry| found(&entry, &entry.metadata(), now_ms));
    count_touch(db, seen.is_some());
    let Some(mut found) = seen else {
        answer.miss();
        return Ok(());
    };
    if tells_cas(request) {
        found.cas = db.cas(key).unwrap_or(0);
    }
    write(db.peek(key), &found, answer)?;
    db.set_expire_at(key, deadline_ms(request.item.exptime, now_ms));
    Ok(())
}

/// `mg` with flags that change the item or create it.
pub(super) fn meta_get(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let key = request.args.at(1);
    let now_ms = db.now_ms();
    let silent = request.item.has(Options::NO_UPDATE);
    let entry = if silent { db.peek(key) } else { db.read(key) };
    if let Some(entry) = entry {
        let metadata = entry.metadata();
        let seen = found(&entry, &metadata, now_ms);
        return meta_hit(request, db, answer, seen, metadata);
    }
    if !request.item.has(Options::VIVIFY) {
        if request.item.has(Options::EXPTIME) {
            count_touch(db, false);
        } else {
            count(db, false);
        }
        answer.miss();
        return Ok(());
    }
    let lifetime = lifetime(request, None, true, now_ms);
    let metadata = Metadata { expire_at: lifetime.expire_at, won: true, ..Metadata::default() };
    let cas = db.store(key, b"", metadata);
    db.set_fetched(key, !silent);
    db.memcached().total_items += 1;
    count(db, true);
    answer.item(&Found { cas, ttl_s: lifetime.ttl_s, won: true, ..Found::default() });
    Ok(())
}

/// An item found by `mg`, with everything its flags and marks bring about.
fn meta_hit(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
    mut found: Found<'_>,
    metadata: Metadata,
) -> Result<(), Error> {
    let key = request.args.at(1);
    let lifetime = lifetime(request, metadata.expire_at, false, db.now_ms());
    found.ttl_s = lifetime.ttl_s;
    found.won = !metadata.won && (lifetime.recache || metadata.stale);
    if tells_cas(request) {
        found.cas = db.cas(key).unwrap_or(0);
    }
    write(db.peek(key), &found, answer)?;
    if found.won {
        db.set_marks(key, metadata.stale, true);
    }
    if request.item.has(Options::EXPTIME) {
        db.set_expire_at(key, lifetime.expire_at);
        count_touch(db, true);
    } else {
        count(db, true);
    }
    Ok(())
}

/// `touch`.
pub(super) fn touch(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let key = request.args.at(1);
    let flags = db.change(key).map(|entry| entry.metadata().flags);
    count_touch(db, flags.is_some());
    let Some(flags) = flags else {
        answer.status(Status::NotFound, 0);
        return Ok(());
    };
    let cas = if tells_cas(request) { db.cas(key).unwrap_or(0) } else { 0 };
    let deadline = deadline_ms(request.item.exptime, db.now_ms());
    db.set_expire_at(key, deadline);
    answer.touched(flags, cas);
    Ok(())
}

/// `me`.
pub(super) fn debug(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let key = request.args.at(1);
    db.memcached().cmd_meta += 1;
    let now_ms = db.now_ms();
    let Some(cas) = db.cas(key) else {
        answer.debug_miss();
        return Ok(());
    };
    if let Some(entry) = db.peek(key) {
        let found = found(&entry, &entry.metadata(), now_ms);
        answer.debug(&Found { cas, ..found }, entry.memory_bytes());
    }
    Ok(())
}

/// Writes the item at hand with what was found out about it before.
fn write(entry: Option<EntryRef<'_>>, found: &Found<'_>, answer: &mut Answer<'_, '_>) -> Result<(), Error> {
    let entry = entry.expect("the key was found under the same lock");
    answer.item(&Found { value: entry.text()?.bytes(), ..*found });
    Ok(())
}

/// Counts a read.
#[inline]
fn count(db: &mut Db<'_>, hit: bool) {
    let figures = db.memcached();
    figures.cmd_get += 1;
    *(if hit { &mut figures.get_hits } else { &mut figures.get_misses }) += 1;
}

/// Counts a touch.
fn count_touch(db: &mut Db<'_>, hit: bool) {
    let figures = db.memcached();
    figures.cmd_touch += 1;
    *(if hit { &mut figures.touch_hits } else { &mut figures.touch_misses }) += 1;
}
