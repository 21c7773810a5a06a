//! `XCLAIM` and `XAUTOCLAIM`: giving a consumer what another was given and has not acknowledged.

use tidegate_protocols::number::integer;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::{Args, Error, Reply};

use super::logged::Logged;
use super::pending::idle_ms;
use super::{group_mut, id, no_group_of_key, number_or, range, seen, tell_if_new};
use crate::db::{Db, Look};
use crate::structures::stream::{Entry, Group, Id, Pending};

/// How what is claimed is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tell {
    /// By its ID alone; it does not count as given.
    Id,
    /// As a whole.
    Entry,
}

impl Tell {
    fn tell(self, entry: &Entry<'_>, reply: &mut Reply<'_>) {
        match self {
            Self::Id => reply.bulk(&entry.id.text()),
            Self::Entry => range::tell(entry, reply),
        }
    }
}

/// The options of `XCLAIM`.
struct Options {
    delivered_at: u64,
    deliveries: Option<u64>,
    force: bool,
    tell: Tell,
    last_id: Id,
}

impl Options {
    fn parse(args: Args<'_>, now_ms: u64) -> Result<Self, Error> {
        let now = now_ms as i64;
        let (mut delivered_at, mut deliveries) = (now, None);
        let (mut force, mut tell, mut last_id) = (false, Tell::Entry, Id::MIN);
        let mut options = args;
        while let Some(option) = options.get(0) {
            let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
            let value = options.get(1);
            options = options.from(1);
            match value {
                _ if is(b"force") => force = true,
                _ if is(b"justid") => tell = Tell::Id,
                Some(word) if is(b"idle") => {
                    let idle = number_or(word, "ERR Invalid IDLE option argument for XCLAIM")?;
                    delivered_at = now.wrapping_sub(idle);
                    options = options.from(1);
                }
                Some(word) if is(b"time") => {
                    delivered_at = number_or(word, "ERR Invalid TIME option argument for XCLAIM")?;
                    options = options.from(1);
                }
                Some(word) if is(b"retrycount") => {
                    let count = number_or(word, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                    deliveries = u64::try_from(count).ok();
                    options = options.from(1);
                }
                Some(word) if is(b"lastid") => {
                    last_id = id::strict(word)?;
                    options = options.from(1);
                }
                _ => return Err(Error::composed(&[b"ERR Unrecognized XCLAIM option '", option, b"'"])),
            }
        }
        // A time that cannot be is taken for now: clocks of clients differ.
        let delivered_at = u64::try_from(delivered_at).ok().filter(|&at| at <= now_ms).unwrap_or(now_ms);
        Ok(Self { delivered_at, deliveries, force, tell, last_id })
    }
}

/// `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE]
/// [JUSTID] [LASTID id]`
pub(super) fn xclaim(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (now_ms, reply_bytes_max) = (db.wall_ms(), db.local.reply_bytes_max);
    let logged = Logged::new(db.effects(), args.at(1), args.at(2));
    let mut entry = db.open(args.at(1), Look::Read);
    let found = group_mut(&mut entry, args.at(2))?;
    let (log, group) = found.ok_or_else(|| no_group_of_key(args.at(1), args.at(2), ""))?;
    let idle_ms_min = number_or(args.at(4), "ERR Invalid min-idle-time argument for XCLAIM")?.max(0);
    // The first word that is no ID is an option.
    let ids = args.from(5).iter().map_while(|word| id::strict(word).ok());
    let options = Options::parse(args.from(5 + ids.clone().count()), now_ms)?;
    let mut last_id_is_to_log = options.last_id > group.last_id;
    group.last_id = group.last_id.max(options.last_id);
    let (number, is_new) = seen(group, args.at(3), now_ms);
    let (list, begin, mut told) = (reply.deferred(Collection::Array), reply.mark(), 0);
    for id in ids {
        let pending = group.get(id);
        let Some(found) = log.get(id) else {
            if let Some(pending) = pending {
                logged.claims(group, id, pending);
                last_id_is_to_log = false;
            }
            group.acknowledge(id);
            continue;
        };
        let is_busy = |pending: Pending| idle_ms_min > 0 && idle_ms(pending, now_ms) < idle_ms_min;
        let deliveries = match pending {
            Some(pending) if is_busy(pending) => continue,
            Some(pending) => pending.deliveries,
            None if options.force => 1,
            None => continue,
        };
        let more = u64::from(options.tell == Tell::Entry);
        let deliveries = options.deliveries.unwrap_or(deliveries.wrapping_add(more));
        let pending = Pending { consumer: number, delivered_at: options.delivered_at, deliveries };
        claim(group, id, pending, now_ms);
        logged.claims(group, id, pending);
        last_id_is_to_log = false;
        options.tell.tell(&found, reply);
        told += 1;
        // Rather than that a reply is refused which has taken effect, it ends early.
        if reply.check_since(begin, reply_bytes_max).is_err() {
            break;
        }
    }
    if last_id_is_to_log {
        logged.sets_id(group);
    }
    reply.finish(list, told);
    tell_if_new(&mut entry, is_new);
    Ok(())
}

fn claim(group: &mut Group, id: Id, pending: Pending, now_ms: u64) {
    group.set(id, pending);
    group.consumer_mut(pending.consumer).active_at = Some(now_ms);
}

/// Entries looked at for each that may be claimed. Source: Redis `t_stream.c`, `xautoclaimCommand`.
const ATTEMPTS: u64 = 10;

/// The highest `COUNT`. Source: as above.
const COUNT_MAX: i64 = i64::MAX / 16;

/// From how many on Redis has no memory for what might be found: 16 bytes each are more than any process can have.
const COUNT_TOO_HIGH: u64 = 1 << 43;
const TOO_HIGH: Error =
    Error::Text("ERR Insufficient memory, failed allocating transient memory, COUNT too high.");

/// `[COUNT count] [JUSTID]`
fn auto_options(args: Args<'_>) -> Result<(u64, Tell), Error> {
    let (mut count, mut tell, mut options) = (100, Tell::Entry, args);
    while let Some(option) = options.get(0) {
        match options.get(1) {
            Some(word) if option.eq_ignore_ascii_case(b"count") => {
                let number = integer(word).filter(|number| (1..=COUNT_MAX).contains(number));
                count = number.ok_or(Error::Text("ERR COUNT must be > 0"))? as u64;
                options = options.from(2);
            }
            _ if option.eq_ignore_ascii_case(b"justid") => {
                tell = Tell::Id;
                options = options.from(1);
            }
            _ => return Err(Error::Syntax),
        }
    }
    Ok((count, tell))
}

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`
pub(super) fn xautoclaim(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let idle_ms_min = number_or(args.at(4), "ERR Invalid min-idle-time argument for XAUTOCLAIM")?.max(0);
    let start = id::start(args.at(5))?;
    let (mut count, tell) = auto_options(args.from(6))?;
    let (now_ms, reply_bytes_max) = (db.wall_ms(), db.local.reply_bytes_max);
    let logged = Logged::new(db.effects(), args.at(1), args.at(2));
    let mut entry = db.open(args.at(1), Look::Read);
    let found = group_mut(&mut entry, args.at(2))?;
    let (log, group) = found.ok_or_else(|| no_group_of_key(args.at(1), args.at(2), ""))?;
    if count >= COUNT_TOO_HIGH {
        return Err(TOO_HIGH);
    }
    let (number, is_new) = seen(group, args.at(3), now_ms);

    let (mut attempts, mut next, mut gone) = (count.saturating_mul(ATTEMPTS), Some(start), Vec::new());
    // The ID to go on with stands before what is claimed, and is known after it.
    let mut claimed = Vec::new();
    let (mut told, mut inner) = (0, Reply::new(&mut claimed, reply.dialect()));
    let next_id = loop {
        let Some((id, pending)) = next.and_then(|from| group.pending(from, Id::MAX).next()) else {
            break Id::MIN;
        };
        let has_room = inner.check_since(0, reply_bytes_max).is_ok();
        if attempts == 0 || count == 0 || !has_room {
            break id;
        }
        attempts -= 1;
        next = id.next();
        let Some(found) = log.get(id) else {
            logged.claims(group, id, pending);
            group.acknowledge(id);
            gone.push(id);
            count -= 1;
            continue;
        };
        if idle_ms_min > 0 && idle_ms(pending, now_ms) < idle_ms_min {
            continue;
        }
        let deliveries = pending.deliveries.wrapping_add(u64::from(tell == Tell::Entry));
        let pending = Pending { consumer: number, delivered_at: now_ms, deliveries };
        claim(group, id, pending, now_ms);
        logged.claims(group, id, pending);
        tell.tell(&found, &mut inner);
        told += 1;
        count -= 1;
    };
    reply.array(3);
    reply.bulk(&next_id.text());
    reply.array(told);
    reply.out().extend_from_slice(&claimed);
    reply.array(gone.len());
    for id in gone {
        reply.bulk(&id.text());
    }
    tell_if_new(&mut entry, is_new);
    Ok(())
}
