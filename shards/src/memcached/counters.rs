//! Counters: `incr`, `decr`, `ma` and their binary forms.

use tidegate_protocols::memcached::{Answer, Found, Options, Status, deadline_ms, number};
use tidegate_protocols::table::memcached::Memcached;
use tidegate_protocols::{Dialect, Error, Request};

use super::{differs, lifetime, tells_cas};
use crate::db::{Db, Expiry, Metadata};
use crate::entry_mut::EntryMut;

/// Digits of the largest counter.
const DIGITS_MAX: usize = 20;

/// Adds to a counter modulo 2^64, or subtracts from it down to 0.
///
/// A value that gets shorter keeps its length and is filled up with blanks, as memcached does it in place.
pub(super) fn count(
    verb: Memcached,
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let (item, now_ms) = (request.item, db.now_ms());
    let mut entry = db.change(request.args.at(1));
    let Some(seen) = entry.entry() else {
        return missing(verb, request, db, answer);
    };
    let (metadata, fetched) = (seen.metadata(), seen.fetched());
    let mut text = seen.text()?;
    let (old, length) = (number::u64(text.bytes()), text.len());
    if item.cas != 0 && length > 0 && differs(item, &metadata) {
        answer.status(Status::Exists, 0);
        return Ok(());
    }
    let Some(old) = old else {
        answer.status(Status::NonNumeric, 0);
        return Ok(());
    };
    let value =
        if verb == Memcached::Incr { old.wrapping_add(item.delta) } else { old.saturating_sub(item.delta) };
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(value).as_bytes();
    if length <= DIGITS_MAX {
        let mut padded = [b' '; DIGITS_MAX];
        padded[..digits.len()].copy_from_slice(digits);
        entry.set_string(&padded[..length.max(digits.len())], Expiry::Keep);
    } else {
        let in_place = entry.string_mut(length)?;
        in_place.fill(b' ');
        in_place[..digits.len()].copy_from_slice(digits);
    }
    // memcached keeps the item if the digits fit into it, and what it knows of it.
    if fetched && digits.len() <= length {
        entry.set_fetched(true);
    }
    tell(request, &mut entry, answer, value, false, now_ms);
    let figures = db.memcached();
    *(if verb == Memcached::Incr { &mut figures.incr_hits } else { &mut figures.decr_hits }) += 1;
    Ok(())
}

/// A counter that is not there is created if the client says what it begins with.
fn missing(
    verb: Memcached,
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let (item, now_ms) = (request.item, db.now_ms());
    if !item.has(Options::VIVIFY) {
        let figures = db.memcached();
        *(if verb == Memcached::Incr { &mut figures.incr_misses } else { &mut figures.decr_misses }) += 1;
        answer.status(Status::NotFound, 0);
        return Ok(());
    }
    let expire_at = deadline_ms(item.vivify_exptime, now_ms);
    let expire_at = if request.dialect == Dialect::MemcachedMeta { None } else { expire_at };
    let mut digits = itoa::Buffer::new();
    let mut entry = db.change(request.args.at(1));
    entry.store(digits.format(item.initial).as_bytes(), Metadata { expire_at, ..Metadata::default() });
    tell(request, &mut entry, answer, item.initial, true, now_ms);
    db.memcached().total_items += 1;
    Ok(())
}

/// Answers with the value and does what the flags of `ma` ask for besides.
fn tell(
    request: &Request<'_>,
    entry: &mut EntryMut<'_>,
    answer: &mut Answer<'_, '_>,
    value: u64,
    created: bool,
    now_ms: u64,
) {
    let mut found = Found::default();
    if tells_cas(request) {
        found.cas = entry.cas().unwrap_or(0);
    }
    if request.dialect == Dialect::MemcachedMeta {
        let expire_at = entry.expire_at();
        let lifetime = lifetime(request, expire_at, created, now_ms);
        found.ttl_s = lifetime.ttl_s;
        if lifetime.expire_at != expire_at {
            entry.set_expire_at(lifetime.expire_at);
        }
    }
    let mut digits = itoa::Buffer::new();
    found.value = digits.format(value).as_bytes();
    answer.number(value, &found, created);
}
