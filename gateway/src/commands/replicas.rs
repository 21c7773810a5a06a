//! WAIT, WAITAOF, FAILOVER, REPLICAOF: there are no replicas that could acknowledge or take over anything, no append-only
//! file, and nothing that this server copies.

use tidegate_protocols::number::{count_argument, integer, integer_argument};
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::connection::Connection;
use tidegate_protocols::{Args, Error, Reply};

use super::Scope;

/// A time that never comes.
pub(crate) const FOR_EVER: u64 = u64::MAX;

/// Writes how many replicas have acknowledged what the client has written, which is none.
pub(super) fn acknowledged(
    verb: Connection,
    args: &Args<'_>,
    now_ms: u64,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    wanted(verb, args, now_ms)?;
    if verb == Connection::Waitaof {
        reply.array(2);
        reply.integer(0);
    }
    reply.integer(0);
    Ok(())
}

/// Until when a client waits for replicas in vain, in Unix milliseconds or [`FOR_EVER`]; `None` if it wants none, or makes
/// a mistake.
pub(crate) fn waits_until(verb: Connection, args: &Args<'_>, now_ms: u64) -> Option<u64> {
    let (replicas, until_ms) = wanted(verb, args, now_ms).ok()?;
    (replicas > 0).then_some(until_ms)
}

/// `FAILOVER …`: there is nobody to hand over to. Source: Redis 7.2 `replication.c`, `failoverCommand`.
pub(super) fn failover(args: &Args<'_>, scope: &Scope<'_>) -> Result<(), Error> {
    if scope.shared.settings.is_on(Key::ClusterEnabled) {
        return Err(Error::Text(
            "ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.",
        ));
    }
    let is =
        |at: usize, word: &str| args.get(at).is_some_and(|given| given.eq_ignore_ascii_case(word.as_bytes()));
    if args.len() == 2 && is(1, "abort") {
        return Err(Error::Text("ERR No failover in progress."));
    }
    let (mut has_timeout, mut has_target, mut is_forced, mut at) = (false, false, false, 1);
    while at < args.len() {
        if is(at, "timeout") && at + 1 < args.len() && !has_timeout {
            if integer_argument(args.at(at + 1))? <= 0 {
                return Err(Error::Text("ERR FAILOVER timeout must be greater than 0"));
            }
            (has_timeout, at) = (true, at + 2);
        } else if is(at, "to") && at + 2 < args.len() && !has_target {
            integer_argument(args.at(at + 2))?;
            (has_target, at) = (true, at + 3);
        } else if is(at, "force") && !is_forced {
            (is_forced, at) = (true, at + 1);
        } else {
            return Err(Error::Syntax);
        }
    }
    Err(Error::Text("ERR FAILOVER requires connected replicas."))
}

/// `REPLICAOF NO ONE`, which is so; nothing else can be had. Source: Redis 7.2 `replication.c`, `replicaofCommand`.
pub(super) fn replicate(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if scope.shared.settings.is_on(Key::ClusterEnabled) {
        return Err(Error::Text("ERR REPLICAOF not allowed in cluster mode."));
    }
    if args.at(1).eq_ignore_ascii_case(b"no") && args.at(2).eq_ignore_ascii_case(b"one") {
        reply.ok();
        return Ok(());
    }
    if !integer(args.at(2)).is_some_and(|port| (0..=65535).contains(&port)) {
        return Err(Error::Text("ERR Invalid master port"));
    }
    Err(Error::Text("ERR This server copies no other; only REPLICAOF NO ONE can be asked of it."))
}

/// How many replicas are waited for, and until when. Source: Redis 7.2 `replication.c`, `waitCommand`, `waitaofCommand`.
fn wanted(verb: Connection, args: &Args<'_>, now_ms: u64) -> Result<(i64, u64), Error> {
    if verb == Connection::Wait {
        let replicas = integer_argument(args.at(1))?;
        return Ok((replicas, until(args.at(2), now_ms)?));
    }
    let local = integer_argument(args.at(1))?;
    if !(0..=1).contains(&local) {
        return Err(Error::Text("ERR value is out of range, value must between 0 and 1"));
    }
    let replicas = count_argument(args.at(2))? as i64;
    let until_ms = until(args.at(3), now_ms)?;
    if local > 0 {
        let refusal = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
        return Err(Error::Text(refusal));
    }
    Ok((replicas, until_ms))
}

/// The time so many milliseconds from now; for 0 it never comes.
fn until(text: &[u8], now_ms: u64) -> Result<u64, Error> {
    let ms = integer(text).ok_or(Error::Text("ERR timeout is not an integer or out of range"))?;
    match u64::try_from(ms) {
        Err(_) => Err(Error::Text("ERR timeout is negative")),
        Ok(0) => Ok(FOR_EVER),
        Ok(ms) if ms > i64::MAX as u64 - now_ms => Err(Error::Text("ERR timeout is out of range")),
        Ok(ms) => Ok(now_ms + ms),
    }
}
