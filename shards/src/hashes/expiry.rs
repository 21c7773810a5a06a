//! Fields with a time to live: asking for it, setting it and taking it away, alone or with the value.

use tidegate_protocols::number::{integer, integer_argument};
use tidegate_protocols::{Args, Error, Reply};

use super::hash::{HashMut, Limits, NoField, Until};
use super::{read, tell};
use crate::db::{Db, Look};
use crate::keyspace::expire::Condition;
use crate::log::effects::Effects;
use crate::unit::Unit;

/// The latest time at which a field expires, in Unix milliseconds. Source: Redis 7.4 `t_hash.c`, `HFE_MAX_ABS_TIME_MSEC`.
const TIME_MAX: u64 = (1 << 46) - 1;

const NO_FIELDS: Error = Error::Text("ERR Mandatory argument FIELDS is missing or not at the right position");
const FIELDS_COUNT: &str = "ERR Number of fields must be a positive integer";
const FIELDS_DIFFER: Error = Error::Text("ERR The `numfields` parameter must match the number of arguments");

// What is said of each field.
const NO_FIELD: i64 = -2;
const NO_TIME: i64 = -1;
const CONDITION_NOT_MET: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

/// The fields of `FIELDS numfields field …`.
///
/// # Errors
/// If that is not what `words` are; `count` is the text for a number that is none.
fn fields<'a>(words: &Args<'a>, count: &'static str) -> Result<Args<'a>, Error> {
    if !words.get(0).is_some_and(|word| word.eq_ignore_ascii_case(b"fields")) {
        return Err(NO_FIELDS);
    }
    let stated = words.get(1).and_then(integer).filter(|&stated| stated > 0).ok_or(Error::Text(count))?;
    let fields = words.from(2);
    if usize::try_from(stated).is_ok_and(|stated| stated == fields.len()) {
        Ok(fields)
    } else {
        Err(FIELDS_DIFFER)
    }
}

/// How a time is written.
#[derive(Clone, Copy)]
pub(super) struct Written {
    command: &'static str,
    unit: Unit,
    /// Whether it is counted from now on, or is a Unix time.
    from_now: bool,
}

pub(super) const HEXPIRE: Written = Written { command: "hexpire", unit: Unit::Seconds, from_now: true };
pub(super) const HPEXPIRE: Written =
    Written { command: "hpexpire", unit: Unit::Milliseconds, from_now: true };
pub(super) const HEXPIREAT: Written = Written { command: "hexpireat", unit: Unit::Seconds, from_now: false };
pub(super) const HPEXPIREAT: Written =
    Written { command: "hpexpireat", unit: Unit::Milliseconds, from_now: false };

impl Written {
    /// As an option says, if `word` is one: `EX`, `PX`, `EXAT`, `PXAT`.
    fn option(word: &[u8], command: &'static str) -> Option<Self> {
        let (unit, from_now) = match word.to_ascii_lowercase().as_slice() {
            b"ex" => (Unit::Seconds, true),
            b"px" => (Unit::Milliseconds, true),
            b"exat" => (Unit::Seconds, false),
            b"pxat" => (Unit::Milliseconds, false),
            _ => return None,
        };
        Some(Self { command, unit, from_now })
    }

    /// The time, in Unix milliseconds.
    fn time(&self, text: &[u8], now_ms: u64) -> Result<u64, Error> {
        let time = integer_argument(text)?;
        let time = u64::try_from(time).map_err(|_| Error::Text("ERR invalid expire time, must be >= 0"))?;
        let ms = match self.unit {
            Unit::Seconds => time.checked_mul(1000),
            Unit::Milliseconds => Some(time),
        };
        let at = ms.and_then(|ms| ms.checked_add(if self.from_now { now_ms } else { 0 }));
        at.filter(|&at| at <= TIME_MAX).ok_or(Error::ExpireTime(self.command))
    }
}

/// Until when a command that was executed has fields be there.
pub(crate) fn until(name: &str, args: &Args<'_>, now_ms: u64) -> Until {
    let time = |written: Written, at: usize| {
        let time = args.get(at).and_then(|time| written.time(time, now_ms).ok());
        time.map_or(Until::AsBefore, Until::Time)
    };
    match name {
        "HEXPIRE" => time(HEXPIRE, 2),
        "HPEXPIRE" => time(HPEXPIRE, 2),
        "HEXPIREAT" => time(HEXPIREAT, 2),
        "HPEXPIREAT" => time(HPEXPIREAT, 2),
        "HGETEX" => Written::option(args.at(2), "hgetex").map_or(Until::Ever, |written| time(written, 3)),
        _ => Setting::parse(*args, now_ms).map_or(Until::Ever, |setting| setting.until),
    }
}

/// `HEXPIRE key time [NX | XX | GT | LT] FIELDS numfields field …` and its like.
pub(super) fn hexpire(
    db: &mut Db<'_>,
    args: Args<'_>,
    written: &Written,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let (limits, now_ms) = (Limits::of(db.settings()), db.now_ms());
    let mut logged = Logged::new(db.effects());
    let mut entry = db.change(args.at(1));
    let mut hash = HashMut::new(&mut entry, limits, now_ms)?;
    let at = written.time(args.at(2), now_ms)?;
    let condition = Condition::named(args.at(3));
    let fields = fields(
        &args.from(if condition.is_some() { 4 } else { 3 }),
        "ERR Parameter `numFields` should be greater than 0",
    )?;
    let (condition, mut changed) = (condition.unwrap_or_default(), false);
    hash.expect_times();
    reply.array(fields.len());
    for field in fields.iter() {
        let told = match hash.expire_at(field) {
            Err(NoField) => NO_FIELD,
            Ok(before) if !condition.allows(before, at as i64) => CONDITION_NOT_MET,
            Ok(_) => {
                changed = true;
                logged.add(field);
                expire(&mut hash, field, at, now_ms)
            }
        };
        reply.integer(told);
    }
    if changed {
        hash.has_changed_times();
        logged.expire(args.at(1), at, now_ms);
    }
    Ok(())
}

/// Fields that a command has changed, if somebody wants to know.
struct Logged<'a> {
    effects: Effects,
    fields: Vec<&'a [u8]>,
}

impl<'a> Logged<'a> {
    fn new(effects: Effects) -> Self {
        Self { effects, fields: Vec::new() }
    }

    fn add(&mut self, field: &'a [u8]) {
        if self.effects.is_on() {
            self.fields.push(field);
        }
    }

    /// They expire at this time, or have been deleted if it is not to come.
    fn expire(&self, key: &[u8], at: u64, now_ms: u64) {
        if at > now_ms {
            self.say(&[b"HPEXPIREAT", key, itoa::Buffer::new().format(at).as_bytes()], true);
        } else {
            self.delete(key);
        }
    }

    fn delete(&self, key: &[u8]) {
        self.say(&[b"HDEL", key], false);
    }

    fn say(&self, words: &[&[u8]], is_counted: bool) {
        if !self.effects.is_on() {
            return;
        }
        let (mut words, mut digits) = (words.to_vec(), itoa::Buffer::new());
        if is_counted {
            words.extend([b"FIELDS", digits.format(self.fields.len()).as_bytes()]);
        }
        words.extend(&self.fields);
        self.effects.says(&words);
    }
}

/// Has a field that is there expire, at once if the time is not to come.
fn expire(hash: &mut HashMut<'_, '_>, field: &[u8], at: u64, now_ms: u64) -> i64 {
    if at > now_ms {
        hash.set_expiry(field, Some(at));
        DONE
    } else {
        hash.remove(field);
        DELETED
    }
}

/// `HTTL` and `HPTTL`: the time left.
pub(super) fn left(db: &mut Db<'_>, args: Args<'_>, unit: Unit, reply: &mut Reply<'_>) -> Result<(), Error> {
    let now_ms = db.now_ms();
    tell_times(db, args, unit, reply, |at| at.saturating_sub(now_ms))
}

/// `HEXPIRETIME` and `HPEXPIRETIME`: the Unix time.
pub(super) fn time(db: &mut Db<'_>, args: Args<'_>, unit: Unit, reply: &mut Reply<'_>) -> Result<(), Error> {
    tell_times(db, args, unit, reply, |at| at)
}

fn tell_times(
    db: &mut Db<'_>,
    args: Args<'_>,
    unit: Unit,
    reply: &mut Reply<'_>,
    shown_ms: impl Fn(u64) -> u64,
) -> Result<(), Error> {
    let hash = read(db, args.at(1))?;
    let fields = fields(&args.from(2), FIELDS_COUNT)?;
    reply.array(fields.len());
    for field in fields.iter() {
        reply.integer(match hash.ok_or(NoField).and_then(|hash| hash.expire_at(field)) {
            Err(NoField) => NO_FIELD,
            Ok(None) => NO_TIME,
            Ok(Some(at)) => match unit {
                Unit::Seconds => shown_ms(at).div_ceil(1000) as i64,
                Unit::Milliseconds => shown_ms(at) as i64,
            },
        });
    }
    Ok(())
}

/// `HPERSIST key FIELDS numfields field …`
pub(super) fn hpersist(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (limits, now_ms) = (Limits::of(db.settings()), db.now_ms());
    let mut entry = db.change(args.at(1));
    let mut hash = HashMut::new(&mut entry, limits, now_ms)?;
    let (fields, mut changed) = (fields(&args.from(2), FIELDS_COUNT)?, false);
    reply.array(fields.len());
    for field in fields.iter() {
        reply.integer(match hash.expire_at(field) {
            Err(NoField) => NO_FIELD,
            Ok(None) => NO_TIME,
            Ok(Some(_)) => {
                hash.set_expiry(field, None);
                changed = true;
                DONE
            }
        });
    }
    if changed {
        hash.has_changed();
    }
    Ok(())
}

/// `HGETDEL key FIELDS numfields field …`
pub(super) fn hgetdel(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (limits, now_ms) = (Limits::of(db.settings()), db.now_ms());
    let mut logged = Logged::new(db.effects());
    let mut entry = db.open(args.at(1), Look::Change);
    let mut hash = HashMut::new(&mut entry, limits, now_ms)?;
    let (fields, mut changed) = (fields(&args.from(2), FIELDS_COUNT)?, false);
    reply.array(fields.len());
    for field in fields.iter() {
        match hash.get(field) {
            Some(value) => tell(value, reply),
            None => reply.null(),
        }
        if hash.remove(field) {
            changed = true;
            logged.add(field);
        }
    }
    if changed {
        hash.has_shrunk();
        logged.delete(args.at(1));
    }
    Ok(())
}

/// `HGETEX key [EX seconds | PX milliseconds | EXAT time | PXAT time | PERSIST] FIELDS numfields field …`
pub(super) fn hgetex(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (limits, now_ms) = (Limits::of(db.settings()), db.now_ms());
    let (reply_bytes_max, begin) = (db.local.reply_bytes_max, reply.mark());
    let mut logged = Logged::new(db.effects());
    let mut entry = db.open(args.at(1), Look::Change);
    let mut hash = HashMut::new(&mut entry, limits, now_ms)?;
    let (until, words) = match Written::option(args.at(2), "hgetex") {
        Some(written) => (Until::Time(written.time(args.at(3), now_ms)?), args.from(4)),
        None if args.at(2).eq_ignore_ascii_case(b"persist") => (Until::Ever, args.from(3)),
        None => (Until::AsBefore, args.from(2)),
    };
    let (fields, mut changed) = (fields(&words, FIELDS_COUNT)?, false);
    if let Until::Time(_) = until {
        hash.expect_times();
    }
    reply.array(fields.len());
    for field in fields.iter() {
        let Some(value) = hash.get(field) else {
            reply.null();
            continue;
        };
        tell(value, reply);
        // A few bytes can name one large value a thousand times.
        reply.check_since(begin, reply_bytes_max)?;
        let before = hash.expire_at(field).ok().flatten();
        match until {
            Until::AsBefore => {}
            Until::Ever if before.is_none() => {}
            Until::Ever => {
                hash.set_expiry(field, None);
                changed = true;
                logged.add(field);
            }
            Until::Time(at) => {
                expire(&mut hash, field, at, now_ms);
                changed = true;
                logged.add(field);
            }
        }
    }
    if changed {
        hash.has_changed_times();
        match until {
            Until::Time(at) => logged.expire(args.at(1), at, now_ms),
            _ => logged.say(&[b"HPERSIST", args.at(1)], true),
        }
    }
    Ok(())
}

/// What the arguments of `HSETEX` say.
struct Setting<'a> {
    /// Whether all fields have to be there, or none of them may be.
    exist: Option<bool>,
    until: Until,
    /// Fields and values in turn.
    words: Args<'a>,
}

impl<'a> Setting<'a> {
    const ARITY: Error = Error::Arity("hsetex");
    const TIMES: Error =
        Error::Text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");

    /// Source: Redis 8.0, whose answers these are.
    fn parse(args: Args<'a>, now_ms: u64) -> Result<Self, Error> {
        let (mut exist, mut until, mut rest) = (None, None, args.from(2));
        while let Some(word) = rest.get(0) {
            let written = Written::option(word, "hsetex");
            let keeps = word.eq_ignore_ascii_case(b"keepttl");
            if (written.is_some() || keeps) && until.is_some() {
                return Err(Self::TIMES);
            }
            if let Some(written) = written {
                let time = rest.get(1).ok_or(Error::Text("ERR missing expire time"))?;
                until = Some(Until::Time(written.time(time, now_ms)?));
                rest = rest.from(2);
                continue;
            }
            match word.to_ascii_lowercase().as_slice() {
                b"keepttl" => until = Some(Until::AsBefore),
                b"fnx" | b"fxx" if exist.is_some() => {
                    return Err(Error::Text("ERR Only one of FXX or FNX arguments can be specified"));
                }
                b"fnx" => exist = Some(false),
                b"fxx" => exist = Some(true),
                b"fields" => {
                    let words = Self::words(rest)?;
                    return Ok(Self { exist, until: until.unwrap_or(Until::Ever), words });
                }
                _ => return Err(Error::quoting("ERR unknown argument: ", word, "")),
            }
            rest = rest.from(1);
        }
        Err(Error::Text("ERR missing FIELDS argument"))
    }

    /// Those of `FIELDS numfields field value …`
    fn words(rest: Args<'a>) -> Result<Args<'a>, Error> {
        if rest.len() < 4 {
            return Err(Self::ARITY);
        }
        let fields = integer(rest.at(1)).and_then(|fields| i32::try_from(fields).ok());
        let fields =
            fields.filter(|&fields| fields > 0).ok_or(Error::Text("ERR invalid number of fields"))?;
        let words = rest.from(2);
        if words.len() == 2 * fields as usize { Ok(words) } else { Err(Self::ARITY) }
    }
}

/// `HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT time | PXAT time | KEEPTTL] FIELDS numfields field value …`:
/// 1 if all were set, 0 if none was.
pub(super) fn hsetex(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (limits, now_ms) = (Limits::of(db.settings()), db.now_ms());
    let Setting { exist, until, words } = Setting::parse(args, now_ms)?;
    let mut logged = Logged::new(db.effects());
    let mut entry = db.change(args.at(1));
    let mut hash = HashMut::new(&mut entry, limits, now_ms)?;
    let is_as_wanted = |field| exist.is_none_or(|exist| hash.get(field).is_some() == exist);
    if !words.iter().step_by(2).all(is_as_wanted) {
        reply.integer(0);
        return Ok(());
    }
    let is_past = matches!(until, Until::Time(at) if at <= now_ms);
    if hash.view().is_some() || !is_past {
        hash.expect(words.len() / 2, words.iter());
    }
    if is_past {
        // They would be gone at once.
        hash.expect_times();
        let removed = words.iter().step_by(2).filter(|field| hash.remove(field)).count();
        if removed > 0 {
            hash.has_shrunk();
            words.iter().step_by(2).for_each(|field| logged.add(field));
            logged.delete(args.at(1));
        }
    } else {
        for at in (0..words.len()).step_by(2) {
            hash.set(words.at(at), words.at(at + 1), until);
        }
        hash.has_changed_times();
        if let Until::Time(at) = until {
            let (at, count) = (at.to_string(), (words.len() / 2).to_string());
            let mut said =
                vec![&b"HSETEX"[..], args.at(1), b"PXAT", at.as_bytes(), b"FIELDS", count.as_bytes()];
            said.extend(words.iter());
            logged.effects.says(&said);
        }
    }
    reply.integer(1);
    Ok(())
}
