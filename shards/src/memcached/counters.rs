//! Counters: `incr`, `decr`, `ma` and their binary forms.

use tidegate_protocols::memcached::{Answer, Found, Options, Status, deadline_ms, number};
use tidegate_protocols::table::memcached::Memcached;
use tidegate_protocols::{Dialect, Error, Request};

use super::{differs, lifetime, tells_cas};
use crate::db::{Db, Expiry, Metadata};

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
    let (key, item) = (request.args.at(1), request.item);
    let Some(entry) = db.change(key) else {
        return missing(verb, request, db, answer);
    };
    let (metadata, fetched) = (entry.metadata(), entry.fetched());
    let mut text = entry.text()?;
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
        db.set_string(key, &padded[..length.max(digits.len())], Expiry::Keep);
    } else {
        let in_place = db.string_mut(key, length)?;
        in_place.fill(b' ');
        in_place[..digits.len()].copy_from_slice(digits);
    }
    // memcached keeps the item if the digits fit into it, and what it knows of it.
    if fetched && digits.len() <= length {
        db.set_fetched(key, true);
    }
    let figures = db.memcached();
    *(if verb == Memcached::Incr { &mut figures.incr_hits } else { &mut figures.decr_hits }) += 1;
    tell(request, db, answer, value, metadata.expire_at, false);
    Ok(())
}

/// A counter that is not there is created if the client says what it begins with.
fn missing(
    verb: Memcached,
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let (key, item) = (request.args.at(1), request.item);
    if !item.has(Options::VIVIFY) {
        let figures = db.memcached();
        *(if verb == Memcached::Incr { &mut figures.incr_misses } else { &mut figures.decr_misses }) += 1;
        answer.status(Status::NotFound, 0);
        return Ok(());
    }
    let expire_at = deadline_ms(item.vivify_exptime, db.now_ms());
    let expire_at = if request.dialect == Dialect::MemcachedMeta { None } else { expire_at };
    let mut digits = itoa::Buffer::new();
    db.store(key, digits.format(item.initial).as_bytes(), Metadata { expire_at, ..Metadata::default() });
    db.memcached().total_items += 1;
    tell(request, db, answer, item.initial, expire_at, true);
    Ok(())
}

/// Answers with the value and does what the flags of `ma` ask for besides.
fn tell(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
    value: u64,
    expire_at: Option<u64>,
    created: bool,
) {
    let key = request.args.at(1);
    let mut found = Found::default();
    if tells_cas(request) {
        found.cas = db.cas(key).unwrap_or(0);
    }
    if request.dialect == Dialect::MemcachedMeta {
        let lifetime = lifetime(request, expire_at, created, db.now_ms());
        found.ttl_s = lifetime.ttl_s;
        if lifetime.expire_at != expire_at {
            db.set_expire_at(key, lifetime.expire_at);
        }
    }
    let mut digits = itoa::Buffer::new();
    found.value = digits.format(value).as_bytes();
    answer.number(value, &found, created);
}
