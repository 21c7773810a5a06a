//! Items of Memcached clients, whatever dialect they speak. Source: memcached 1.6.18, `doc/protocol.txt` and behaviour.
//!
//! An item is a string key: Redis clients see its value and its expiry, and what they set has client flags 0. A
//! value of another type is refused with an error a Memcached client can read, except where it is overwritten,
//! touched or deleted.
//!
//! A CAS value is stored only once somebody can know it: when an item is read with it or its store tells it
//! (binary, meta `c`). Until then nobody can compare with it, and an item costs nothing for it.
#![expect(clippy::unnecessary_wraps, reason = "all commands have one shape, those that cannot fail too")]

mod counters;
mod dump;
mod log;
mod reads;
mod removals;
mod stores;
#[cfg(test)]
mod tests;

use tidegate_protocols::memcached::{Answer, Found, Item, Options, deadline_ms};
use tidegate_protocols::table::memcached::Memcached;
use tidegate_protocols::{Dialect, Error, Reply, Request};

use crate::db::{Db, EntryRef, Metadata};
pub(crate) use log::{log, read_marks};
pub(crate) use stores::no_memory;

/// Answers a command of this family.
#[inline]
pub(crate) fn execute(
    verb: Memcached,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let mut answer = Answer::new(request, reply);
    match verb {
        Memcached::Get => reads::get(request, db, &mut answer),
        Memcached::Gat if request.dialect == Dialect::MemcachedMeta => {
            reads::meta_get(request, db, &mut answer)
        }
        Memcached::Gat => reads::get_and_touch(request, db, &mut answer),
        Memcached::Set => stores::set(request, db, &mut answer),
        Memcached::Add => stores::add(request, db, &mut answer),
        Memcached::Replace => stores::replace(request, db, &mut answer),
        Memcached::Append | Memcached::Prepend => stores::extend(verb, request, db, &mut answer),
        Memcached::Cas => stores::compare_and_set(request, db, &mut answer),
        Memcached::TooLarge => stores::too_large(request, db, &mut answer),
        Memcached::Incr | Memcached::Decr => counters::count(verb, request, db, &mut answer),
        Memcached::Touch => reads::touch(request, db, &mut answer),
        Memcached::Delete => removals::delete(request, db, &mut answer),
        Memcached::Cachedump => dump::cachedump(request, db, &mut answer),
        Memcached::FlushAll => removals::flush_all(request, db, &mut answer),
        Memcached::Debug => reads::debug(request, db, &mut answer),
    }
}

/// Whether the answer tells the item's CAS value.
#[inline]
fn tells_cas(request: &Request<'_>) -> bool {
    match request.dialect {
        Dialect::MemcachedBinary => true,
        Dialect::MemcachedMeta => request.args.from(2).iter().any(|flag| flag.first() == Some(&b'c')),
        _ => request.item.has(Options::CAS),
    }
}

/// Whether a CAS value was given that is not the one of `metadata`. In binary and in `ma`, 0 compares with nothing.
fn differs(item: &Item, metadata: &Metadata) -> bool {
    item.has(Options::HAS_CAS) && item.cas != metadata.cas
}

/// What may be told of `entry`, all but its value.
#[inline]
fn found<'a>(entry: &EntryRef<'_>, metadata: &Metadata, now_ms: u64) -> Found<'a> {
    Found {
        flags: metadata.flags,
        cas: metadata.cas,
        ttl_s: ttl_s(metadata.expire_at, now_ms),
        idle_s: entry.idle_s(),
        fetched: entry.fetched(),
        sent: metadata.won,
        stale: metadata.stale,
        ..Found::default()
    }
}

/// Seconds left to live, begun ones counted.
fn ttl_s(expire_at: Option<u64>, now_ms: u64) -> Option<u64> {
    expire_at.map(|at| at.saturating_sub(now_ms).div_ceil(1000))
}

/// The expiry that flags of `mg` and `ma` bring about, in the order they were written.
struct Lifetime {
    /// When the item expires after all flags.
    expire_at: Option<u64>,
    /// The time to live where `t` asked for it.
    ttl_s: Option<u64>,
    /// Whether `R` found the item near its end.
    recache: bool,
}

/// Follows the flags of a request for an item that expires at `expire_at`; `created` if it was missing.
fn lifetime(request: &Request<'_>, expire_at: Option<u64>, created: bool, now_ms: u64) -> Lifetime {
    let item = request.item;
    let mut lifetime = Lifetime { expire_at, ttl_s: ttl_s(expire_at, now_ms), recache: false };
    for flag in request.args.from(2).iter() {
        match flag.first() {
            Some(b'T') => lifetime.expire_at = deadline_ms(item.exptime, now_ms),
            Some(b'N') if created => lifetime.expire_at = deadline_ms(item.vivify_exptime, now_ms),
            Some(b't') => lifetime.ttl_s = ttl_s(lifetime.expire_at, now_ms),
            Some(b'R') => {
                let limit = deadline_ms(item.recache_exptime.into(), now_ms);
                lifetime.recache =
                    !created && lifetime.expire_at.zip(limit).is_some_and(|(at, limit)| at < limit);
            }
            _ => {}
        }
    }
    lifetime
}
