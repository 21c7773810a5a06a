//! Reading items: `get`, `gets`, `gat`, `gats`, `mg`, `touch`, `me` and their binary forms.

use tidegate_protocols::memcached::{Answer, Found, Options, Status, deadline_ms};
use tidegate_protocols::{Dialect, Error, Request};

use super::{found, lifetime, tells_cas};
use crate::db::{Db, Look, Metadata};
use crate::entry_mut::EntryMut;

/// Finds an item and writes it, straight from the entry.
#[inline]
pub(super) fn get(request: &Request<'_>, db: &mut Db<'_>, answer: &mut Answer<'_, '_>) -> Result<(), Error> {
    let now_ms = db.now_ms();
    let mut entry = db.open(request.args.at(1), look(request));
    let Some(seen) = entry.entry() else {
        count(db, false);
        answer.miss();
        return Ok(());
    };
    let metadata = seen.metadata();
    let found = found(&seen, &metadata, now_ms);
    if request.dialect == Dialect::MemcachedMeta && (metadata.stale || metadata.won) {
        return meta_hit(request, db, answer, found, metadata);
    }
    tell(request, &mut entry, found, answer)?;
    count(db, true);
    Ok(())
}

/// `gat` and its like.
pub(super) fn get_and_touch(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let now_ms = db.now_ms();
    let mut entry = db.open(request.args.at(1), Look::Read);
    let seen = entry.entry().map(|entry| found(&entry, &entry.metadata(), now_ms));
    match seen {
        Some(found) => {
            tell(request, &mut entry, found, answer)?;
            entry.set_expire_at(deadline_ms(request.item.exptime, now_ms));
        }
        None => answer.miss(),
    }
    count_touch(db, seen.is_some());
    Ok(())
}

/// `mg` with flags that change the item or create it.
pub(super) fn meta_get(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let now_ms = db.now_ms();
    let mut entry = db.open(request.args.at(1), look(request));
    if let Some(seen) = entry.entry() {
        let metadata = seen.metadata();
        let found = found(&seen, &metadata, now_ms);
        return meta_hit(request, db, answer, found, metadata);
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
    let cas = entry.store(b"", metadata);
    entry.set_fetched(look(request) == Look::Read);
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
    let lifetime = lifetime(request, metadata.expire_at, false, db.now_ms());
    found.ttl_s = lifetime.ttl_s;
    found.won = !metadata.won && (lifetime.recache || metadata.stale);
    let mut entry = db.open(request.args.at(1), Look::Peek);
    tell(request, &mut entry, found, answer)?;
    if found.won {
        entry.set_marks(metadata.stale, true);
    }
    if request.item.has(Options::EXPTIME) {
        entry.set_expire_at(lifetime.expire_at);
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
    let deadline = deadline_ms(request.item.exptime, db.now_ms());
    let mut entry = db.change(request.args.at(1));
    let flags = entry.entry().map(|entry| entry.metadata().flags);
    match flags {
        Some(flags) => {
            let cas = if tells_cas(request) { entry.cas().unwrap_or(0) } else { 0 };
            entry.set_expire_at(deadline);
            // As memcached has it, though nothing was told of it.
            entry.set_fetched(true);
            answer.touched(flags, cas);
        }
        None => answer.status(Status::NotFound, 0),
    }
    count_touch(db, flags.is_some());
    Ok(())
}

/// `me`.
pub(super) fn debug(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    db.memcached().cmd_meta += 1;
    let now_ms = db.now_ms();
    let mut entry = db.open(request.args.at(1), Look::Peek);
    let cas = entry.cas().unwrap_or(0);
    match entry.entry() {
        Some(seen) => {
            let found = found(&seen, &seen.metadata(), now_ms);
            answer.debug(&Found { cas, ..found }, seen.memory_bytes());
        }
        None => answer.debug_miss(),
    }
    Ok(())
}

/// How an item is looked up to be told: without a trace if the client says so.
fn look(request: &Request<'_>) -> Look {
    if request.item.has(Options::NO_UPDATE) { Look::Peek } else { Look::Read }
}

/// Writes an item that is there, with what was found out about it. It is given a CAS value if that is told.
#[inline]
fn tell(
    request: &Request<'_>,
    entry: &mut EntryMut<'_>,
    mut found: Found<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    if found.cas == 0 && tells_cas(request) {
        found.cas = entry.cas().unwrap_or(0);
    }
    if let Some(mut text) = entry.text()? {
        answer.item(&Found { value: text.bytes(), ..found });
    }
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
