//! Times to live: asking for them, setting them and taking them away.

use tidegate_protocols::{Args, Error, Reply};

use crate::db::Db;
use crate::unit::Unit;

/// `TTL`, `PTTL`: the time left; -1 without expiry, -2 without key.
pub(super) fn left(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>, unit: Unit) {
    let now_ms = db.now_ms();
    expiry(args, db, reply, |at| unit.of(at.saturating_sub(now_ms)));
}

/// `EXPIRETIME`, `PEXPIRETIME`: the Unix time; -1 without expiry, -2 without key.
pub(super) fn time(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>, unit: Unit) {
    expiry(args, db, reply, |at| unit.of(at));
}

fn expiry(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>, shown: impl FnOnce(u64) -> i64) {
    reply.integer(match db.glance(args.at(1)).map(|entry| entry.expire_at()) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => shown(at),
    });
}

/// `PERSIST`: 1 if there was an expiry to take away.
pub(super) fn persist(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) {
    let mut entry = db.change(args.at(1));
    let had = entry.expire_at().is_some();
    if had {
        entry.set_expire_at(None);
    }
    reply.integer(had.into());
}

/// One of the commands that set an expiry.
pub(super) struct Setter {
    name: &'static str,
    unit: Unit,
    /// Whether the time is counted from now on, or is a Unix time.
    from_now: bool,
}

pub(super) const EXPIRE: Setter = Setter { name: "expire", unit: Unit::Seconds, from_now: true };
pub(super) const PEXPIRE: Setter = Setter { name: "pexpire", unit: Unit::Milliseconds, from_now: true };
pub(super) const EXPIREAT: Setter = Setter { name: "expireat", unit: Unit::Seconds, from_now: false };
pub(super) const PEXPIREAT: Setter = Setter { name: "pexpireat", unit: Unit::Milliseconds, from_now: false };

impl Setter {
    /// `EXPIRE key time [NX | XX | GT | LT]` and its like: 1 if the expiry was set, 0 if there is no key or
    /// the condition forbids it. A time that is past removes the key.
    pub(super) fn answer(
        &self,
        args: &Args<'_>,
        db: &mut Db<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Error> {
        let condition = Condition::of(&args.from(3))?;
        let now_ms = db.now_ms();
        let base_ms = if self.from_now { now_ms } else { 0 };
        let at = self.unit.unix_ms(args.at(2), base_ms, self.name)?;
        let (key, effects) = (args.at(1), db.effects());
        let mut entry = db.change(key);
        let allowed = entry.is_there() && condition.allows(entry.expire_at(), at);
        if allowed {
            match u64::try_from(at) {
                Ok(at) if at > now_ms => {
                    entry.set_expire_at(Some(at));
                    if effects.is_on() && self.name != PEXPIREAT.name {
                        let at = itoa::Buffer::new().format(at).to_owned();
                        let words = [&b"PEXPIREAT"[..], key, at.as_bytes()];
                        effects.says_all(
                            words.into_iter().chain(args.from(3).iter()).collect::<Vec<_>>().into_iter(),
                        );
                    }
                }
                _ => {
                    entry.remove();
                    effects.says(&[b"UNLINK", key]);
                }
            }
        }
        reply.integer(allowed.into());
        Ok(())
    }
}

/// When an expiry may be set.
#[derive(Clone, Copy, Default)]
pub(crate) struct Condition {
    /// `NX`: only if there is none.
    none: bool,
    /// `XX`: only if there is one.
    some: bool,
    /// `GT`: only if it becomes later; none is the latest.
    later: bool,
    /// `LT`: only if it becomes earlier.
    earlier: bool,
}

impl Condition {
    /// The one that a word names.
    pub(crate) fn named(word: &[u8]) -> Option<Self> {
        let mut condition = Self::default();
        *condition.flag(word)? = true;
        Some(condition)
    }

    fn flag(&mut self, word: &[u8]) -> Option<&mut bool> {
        match word.to_ascii_lowercase().as_slice() {
            b"nx" => Some(&mut self.none),
            b"xx" => Some(&mut self.some),
            b"gt" => Some(&mut self.later),
            b"lt" => Some(&mut self.earlier),
            _ => None,
        }
    }

    fn of(words: &Args<'_>) -> Result<Self, Error> {
        let mut condition = Self::default();
        for word in words.iter() {
            match condition.flag(word) {
                Some(flag) => *flag = true,
                None => return Err(Error::quoting("ERR Unsupported option ", word, "")),
            }
        }
        if condition.none && (condition.some || condition.later || condition.earlier) {
            return Err(Error::Text("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if condition.later && condition.earlier {
            return Err(Error::Text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// Whether it may become `at` where it is `now`.
    pub(crate) fn allows(self, now: Option<u64>, at: i64) -> bool {
        let now = now.map(|now| i64::try_from(now).unwrap_or(i64::MAX));
        !(self.none && now.is_some()
            || self.some && now.is_none()
            || self.later && now.is_none_or(|now| at <= now)
            || self.earlier && now.is_some_and(|now| at >= now))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::replay;
    use crate::testing::Client;

    #[test]
    fn times_are_counted_in_the_units_of_the_commands() {
        let mut client = Client::new();
        client.now_ms = 1_700_000_000_000;
        replay(
            &mut client,
            "TTL k -> :-2
             PEXPIRETIME k -> :-2
             EXPIRE k 10 -> :0
             PERSIST k -> :0
             SET k v -> +OK
             TTL k -> :-1
             EXPIRE k 10 -> :1
             PTTL k -> :10000
             EXPIRETIME k -> :1700000010
             PEXPIRE k 1499 -> :1
             TTL k -> :1
             PEXPIRE k 1500 -> :1
             TTL k -> :2
             PEXPIREAT k 1700000000001 -> :1
             PTTL k -> :1
             PERSIST k -> :1
             PERSIST k -> :0",
        );
    }

    #[test]
    fn a_key_is_gone_when_its_time_is_past() {
        let mut client = Client::new();
        replay(&mut client, "SET k v -> +OK\nPEXPIRE k 1 -> :1");
        client.now_ms += 1;
        replay(&mut client, "PTTL k -> :0");
        client.now_ms += 1;
        replay(&mut client, "EXISTS k -> :0\nPTTL k -> :-2");
        replay(
            &mut client,
            "SET k v -> +OK
             EXPIRE k 0 -> :1
             EXISTS k -> :0
             SET k v -> +OK
             EXPIRE k -1 XX -> :0
             EXPIRE k -1 LT -> :1
             EXISTS k -> :0",
        );
    }

    #[test]
    fn conditions_look_at_the_expiry_there_is() {
        replay(
            &mut Client::new(),
            "SET k v -> +OK
             EXPIRE k 100 XX -> :0
             EXPIRE k 100 GT -> :0
             EXPIRE k 100 LT -> :1
             EXPIRE k 50 NX -> :0
             EXPIRE k 50 GT -> :0
             EXPIRE k 200 XX GT -> :1
             EXPIRE k 300 XX LT -> :0
             EXPIRE k 100 lt -> :1
             TTL k -> :100
             EXPIRE k 1 NX GT -> -ERR NX and XX, GT or LT options at the same time are not compatible
             EXPIRE k 1 GT LT -> -ERR GT and LT options at the same time are not compatible
             EXPIRE k 1 foo -> -ERR Unsupported option foo",
        );
    }

    #[test]
    fn times_that_cannot_be_represented_are_refused() {
        replay(
            &mut Client::new(),
            "SET k v -> +OK
             EXPIRE k 1.5 -> -ERR value is not an integer or out of range
             EXPIRE k 9223372036854776 -> -ERR invalid expire time in 'expire' command
             EXPIRE k -9223372036854776 -> -ERR invalid expire time in 'expire' command
             EXPIRE k 9223372036854775 -> -ERR invalid expire time in 'expire' command
             PEXPIRE k 9223372036854775807 -> -ERR invalid expire time in 'pexpire' command
             EXPIREAT k 9223372036854776 -> -ERR invalid expire time in 'expireat' command
             PEXPIREAT k -9223372036854775808 -> :1
             EXISTS k -> :0",
        );
    }
}
