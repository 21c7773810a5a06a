//! Commands on strings.
#![expect(clippy::unnecessary_wraps, reason = "all commands have one shape, those that cannot fail too")]

mod lcs;
pub(crate) mod long_double;
mod natural;
mod number;
mod options;
mod range;

use tidegate_protocols::table::strings::Strings;
use tidegate_protocols::{Args, Error, Reply, Request};

use crate::db::{Db, Expiry, Look};
use crate::entry_mut::EntryMut;
use crate::log::effects::Effects;
use crate::unit::Unit;
pub(crate) use range::indexes;

use options::{Condition, Deadline, GetOptions, SetOptions};

/// Answers a command of this family.
#[inline]
pub(crate) fn execute(
    verb: Strings,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = request.args;
    match verb {
        Strings::Get => get(db, args.fixed(), reply),
        Strings::Set => set(db, args, reply),
        Strings::Setnx => setnx(db, args.fixed(), reply),
        Strings::Setex => setex(db, args.fixed(), Unit::Seconds, "setex", reply),
        Strings::Psetex => setex(db, args.fixed(), Unit::Milliseconds, "psetex", reply),
        Strings::Getset => getset(db, args.fixed(), reply),
        Strings::Getdel => getdel(db, args.fixed(), reply),
        Strings::Getex => getex(db, args, reply),
        Strings::Mget => mget(db, args, reply),
        Strings::Mset => mset(db, args, reply),
        Strings::Msetnx => msetnx(db, args, reply),
        Strings::Append => range::append(db, args.fixed(), reply),
        Strings::Strlen => range::strlen(db, args.fixed(), reply),
        Strings::Getrange | Strings::Substr => range::getrange(db, args.fixed(), reply),
        Strings::Setrange => range::setrange(db, args.fixed(), reply),
        Strings::Incr => number::add(db, args.fixed(), 1, reply),
        Strings::Decr => number::add(db, args.fixed(), -1, reply),
        Strings::Incrby => number::incrby(db, args.fixed(), reply),
        Strings::Decrby => number::decrby(db, args.fixed(), reply),
        Strings::Incrbyfloat => number::incrbyfloat(db, args.fixed(), reply),
        Strings::Lcs => lcs::lcs(db, args, reply),
    }
}

#[inline]
fn get(db: &mut Db<'_>, [key]: [&[u8]; 1], reply: &mut Reply<'_>) -> Result<(), Error> {
    match db.string(key)? {
        Some(mut value) => reply.bulk(value.bytes()),
        None => reply.null(),
    }
    Ok(())
}

#[inline]
fn set(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [key, value] = args.fixed();
    if args.len() == 3 {
        db.set_string(key, value, Expiry::Clear);
        reply.ok();
        return Ok(());
    }
    set_with(db, args, &SetOptions::parse(args.from(3))?, reply)
}

fn set_with(
    db: &mut Db<'_>,
    args: Args<'_>,
    options: &SetOptions<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let [key, value] = args.fixed();
    let (expiry, effects) = (options.expiry(db.now_ms())?, db.effects());
    let mut entry = db.open(key, if options.get { Look::Read } else { Look::Change });
    if options.get {
        tell(&entry, reply)?;
    }
    let wanted = match options.condition {
        Condition::Always => true,
        Condition::Missing => !entry.is_there(),
        Condition::Present => entry.is_there(),
    };
    if wanted {
        entry.set_string(value, expiry);
        if effects.is_on() {
            log_set(effects, &args, options, expiry);
        }
    }
    match (options.get, wanted) {
        (true, _) => {}
        (false, true) => reply.ok(),
        (false, false) => reply.null(),
    }
    Ok(())
}

/// What `SET` with options does. Source: Redis `t_string.c`, `setGenericCommand`.
#[cold]
fn log_set(effects: Effects, args: &Args<'_>, options: &SetOptions<'_>, expiry: Expiry) {
    let [key, value] = args.fixed();
    match expiry {
        Expiry::At(_) if options.says_when() => {}
        Expiry::At(at) => log_set_until(effects, [key, value], at),
        _ if options.get => {
            let is_get = |word: &[u8]| word.eq_ignore_ascii_case(b"get");
            let rest = args.from(3);
            let rest = rest.iter().filter(|word| !is_get(word));
            let words: Vec<_> = [args.at(0), key, value].into_iter().chain(rest).collect();
            effects.says_all(words.into_iter());
        }
        _ => {}
    }
}

fn log_set_until(effects: Effects, [key, value]: [&[u8]; 2], at: u64) {
    effects.says(&[b"SET", key, value, b"PXAT", itoa::Buffer::new().format(at).as_bytes()]);
}

fn setnx(db: &mut Db<'_>, [key, value]: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut entry = db.change(key);
    let missing = !entry.is_there();
    if missing {
        entry.set_string(value, Expiry::Clear);
    }
    reply.integer(i64::from(missing));
    Ok(())
}

fn setex(
    db: &mut Db<'_>,
    [key, time, value]: [&[u8]; 3],
    unit: Unit,
    command: &'static str,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let at_ms = Deadline::After(unit, time).at_ms(db.now_ms(), command)?;
    db.set_string(key, value, Expiry::At(at_ms));
    log_set_until(db.effects(), [key, value], at_ms);
    reply.ok();
    Ok(())
}

fn getset(db: &mut Db<'_>, [key, value]: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    let effects = db.effects();
    let mut entry = db.open(key, Look::Read);
    tell(&entry, reply)?;
    entry.set_string(value, Expiry::Clear);
    effects.says(&[b"SET", key, value]);
    Ok(())
}

fn getdel(db: &mut Db<'_>, [key]: [&[u8]; 1], reply: &mut Reply<'_>) -> Result<(), Error> {
    let effects = db.effects();
    let mut entry = db.open(key, Look::Read);
    tell(&entry, reply)?;
    if entry.remove() {
        effects.says(&[b"DEL", key]);
    }
    Ok(())
}

/// Replies with the string that is there, or null.
fn tell(entry: &EntryMut<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    match entry.text()? {
        Some(mut value) => reply.bulk(value.bytes()),
        None => reply.null(),
    }
    Ok(())
}

/// `GETEX`: a time to live that is wrong goes unnoticed where there is no key, as in Redis.
fn getex(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [key] = args.fixed();
    let options = GetOptions::parse(args.from(2))?;
    let (now_ms, effects) = (db.now_ms(), db.effects());
    let mut entry = db.open(key, Look::Read);
    tell(&entry, reply)?;
    match options {
        _ if !entry.is_there() => {}
        GetOptions::Keep => {}
        GetOptions::Persist => {
            let expires = entry.expire_at().is_some();
            entry.set_expire_at(None);
            if expires {
                effects.says(&[b"PERSIST", key]);
            }
        }
        GetOptions::Expire(deadline) => {
            let at_ms = deadline.at_ms(now_ms, "getex")?;
            if at_ms > now_ms {
                entry.set_expire_at(Some(at_ms));
                effects.says(&[b"PEXPIREAT", key, itoa::Buffer::new().format(at_ms).as_bytes()]);
            } else {
                entry.remove();
                effects.says(&[b"UNLINK", key]);
            }
        }
    }
    Ok(())
}

fn mget(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (keys, begin) = (args.from(1), reply.mark());
    reply.array(keys.len());
    for key in keys.iter() {
        match db.string(key) {
            Ok(Some(mut value)) => reply.bulk(value.bytes()),
            // Another type is no error here.
            Ok(None) | Err(_) => reply.null(),
        }
        // A few bytes can name one large value a thousand times.
        reply.check_since(begin, db.local.reply_bytes_max)?;
    }
    Ok(())
}

fn mset(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    set_pairs(db, pairs(args, "mset")?);
    reply.ok();
    Ok(())
}

fn msetnx(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let pairs = pairs(args, "msetnx")?;
    let missing = pairs.clone().all(|(key, _)| !db.change(key).is_there());
    if missing {
        set_pairs(db, pairs);
    }
    reply.integer(i64::from(missing));
    Ok(())
}

fn set_pairs<'a>(db: &mut Db<'_>, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
    for (key, value) in pairs {
        db.set_string(key, value, Expiry::Clear);
    }
}

/// Keys and values in turn, after the name.
///
/// # Errors
/// [`Error::Arity`] if a value is missing.
fn pairs<'a>(
    args: Args<'a>,
    command: &'static str,
) -> Result<impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone, Error> {
    if args.len().is_multiple_of(2) {
        return Err(Error::Arity(command));
    }
    Ok((1..args.len()).step_by(2).map(move |at| (args.at(at), args.at(at + 1))))
}

#[cfg(test)]
mod tests {
    use crate::testing::Client;

    #[test]
    fn a_reply_that_gets_too_long_is_refused_as_a_whole() {
        let mut client = Client::new();
        client.worker.limit_replies(100);
        client.run(&format!("SET k {}", "v".repeat(40)));
        assert!(client.run("MGET k k").starts_with("*2\\r\\n$40\\r\\nvvv"));
        assert_eq!(client.run("MGET k k k k"), "-ERR the reply would be longer than a reply may be\\r\\n");
    }
}
