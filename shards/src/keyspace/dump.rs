//! `DUMP` and `RESTORE`: a value as bytes, and back.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::settings::Key;
use tidegate_protocols::{Args, Error, Reply};

use crate::db::{Db, Expiry, Look};
use crate::rdb::{self, Restored};

/// `DUMP key`
pub(super) fn dump(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) {
    let compresses = db.settings().is_on(Key::RdbCompression);
    match db.read(args.at(1)) {
        Some(entry) => reply.bulk(&rdb::dump(&entry, compresses)),
        None => reply.null(),
    }
}

/// What `RESTORE` is asked beside key, time to live and payload.
#[derive(Default)]
struct Options {
    replaces: bool,
    /// The time to live is the time to expire.
    is_absolute: bool,
    idle_s: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(mut args: Args<'_>) -> Result<Self, Error> {
        let mut options = Self::default();
        while let Some(word) = args.get(0) {
            let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
            let words = match args.get(1) {
                _ if is("replace") => {
                    options.replaces = true;
                    1
                }
                _ if is("absttl") => {
                    options.is_absolute = true;
                    1
                }
                Some(seconds) if is("idletime") && options.frequency.is_none() => {
                    let seconds = integer_argument(seconds)?;
                    let idle_s = u64::try_from(seconds);
                    options.idle_s =
                        Some(idle_s.map_err(|_| Error::Text("ERR Invalid IDLETIME value, must be >= 0"))?);
                    2
                }
                Some(count) if is("freq") && options.idle_s.is_none() => {
                    let count = integer_argument(count)?;
                    let frequency = u8::try_from(count);
                    options.frequency = Some(
                        frequency
                            .map_err(|_| Error::Text("ERR Invalid FREQ value, must be >= 0 and <= 255"))?,
                    );
                    2
                }
                _ => return Err(Error::Syntax),
            };
            args = args.from(words);
        }
        Ok(options)
    }
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds | FREQ count]`
pub(super) fn restore(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [key, ttl, payload] = args.fixed();
    let options = Options::parse(args.from(4))?;
    if !options.replaces && db.read(key).is_some() {
        return Err(Error::Text("BUSYKEY Target key name already exists."));
    }
    let ttl = u64::try_from(integer_argument(ttl)?)
        .map_err(|_| Error::Text("ERR Invalid TTL value, must be >= 0"))?;
    if !rdb::is_sealed(payload) {
        return Err(Error::Text("ERR DUMP payload version or checksum are wrong"));
    }
    let value = rdb::restore(payload, db.settings()).ok_or(Error::Text("ERR Bad data format"))?;
    let now_ms = db.now_ms();
    let expire_at = match ttl {
        0 => None,
        _ if options.is_absolute => Some(ttl),
        _ => Some(ttl.saturating_add(now_ms)),
    };
    reply.ok();
    if expire_at.is_some_and(|at| at <= now_ms) {
        if db.remove(key) {
            db.effects().says(&[b"UNLINK", key]);
        }
        if let Restored::Collection(built) = value {
            db.discard(built);
        }
        return Ok(());
    }
    let effects = db.effects();
    if let Some(at) = expire_at.filter(|_| effects.is_on() && !options.is_absolute) {
        let at = itoa::Buffer::new().format(at).to_owned();
        let words =
            [args.at(0), key, at.as_bytes()].into_iter().chain(args.from(3).iter()).chain([&b"ABSTTL"[..]]);
        effects.says_all(words.collect::<Vec<_>>().into_iter());
    }
    let mut entry = db.open(key, Look::Peek);
    match value {
        Restored::Text(text) => entry.set_string(&text, Expiry::Clear),
        Restored::Collection(built) => entry.set_built(built),
    }
    if expire_at.is_some() {
        entry.set_expire_at(expire_at);
    }
    if let Some(idle_s) = options.idle_s {
        entry.set_idle(idle_s);
    }
    if let Some(frequency) = options.frequency {
        entry.set_frequency(frequency);
    }
    Ok(())
}
