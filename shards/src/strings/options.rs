//! What follows the value of `SET` and the key of `GETEX`: conditions and times to live.

use tidegate_protocols::{Args, Error};

use crate::db::Expiry;
use crate::unit::Unit;

/// When a key is to expire, as the client wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deadline<'a> {
    /// So long after now.
    After(Unit, &'a [u8]),
    /// At this Unix time.
    At(Unit, &'a [u8]),
}

impl<'a> Deadline<'a> {
    /// The deadline that `option` with the argument `time` asks for, if it is such an option.
    fn of(option: &[u8], time: &'a [u8]) -> Option<Self> {
        Some(match () {
            () if option.eq_ignore_ascii_case(b"EX") => Self::After(Unit::Seconds, time),
            () if option.eq_ignore_ascii_case(b"PX") => Self::After(Unit::Milliseconds, time),
            () if option.eq_ignore_ascii_case(b"EXAT") => Self::At(Unit::Seconds, time),
            () if option.eq_ignore_ascii_case(b"PXAT") => Self::At(Unit::Milliseconds, time),
            () => return None,
        })
    }

    /// Whether both are the same option, whatever their times.
    fn same_option(self, other: Self) -> bool {
        match (self, other) {
            (Self::After(one, _), Self::After(other, _)) | (Self::At(one, _), Self::At(other, _)) => {
                one == other
            }
            _ => false,
        }
    }

    /// In Unix milliseconds; it may lie in the past.
    ///
    /// # Errors
    /// [`Error::NotInteger`], or [`Error::ExpireTime`] in the name of `command` if the time is not positive
    /// or its milliseconds do not fit 63 bits.
    pub(super) fn at_ms(self, now_ms: u64, command: &'static str) -> Result<u64, Error> {
        let (unit, time, base_ms) = match self {
            Self::After(unit, time) => (unit, time, now_ms),
            Self::At(unit, time) => (unit, time, 0),
        };
        let at = unit.unix_ms(time, base_ms, command)?;
        u64::try_from(at).ok().filter(|&at| at > base_ms).ok_or(Error::ExpireTime(command))
    }
}

/// When `SET` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    /// `NX`
    Missing,
    /// `XX`
    Present,
}

/// What becomes of the time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime<'a> {
    /// Nothing is said about it.
    Unsaid,
    /// `KEEPTTL`
    Keep,
    /// `PERSIST`
    Persist,
    Expire(Deadline<'a>),
}

impl<'a> Lifetime<'a> {
    /// Takes a further deadline; the same option may be given again, and then counts.
    fn expire(&mut self, deadline: Deadline<'a>) -> Result<(), Error> {
        match *self {
            Self::Unsaid => {}
            Self::Expire(earlier) if earlier.same_option(deadline) => {}
            _ => return Err(Error::Syntax),
        }
        *self = Self::Expire(deadline);
        Ok(())
    }

    /// Takes a word that excludes every deadline.
    fn word(&mut self, word: Self) -> Result<(), Error> {
        if *self != Self::Unsaid && *self != word {
            return Err(Error::Syntax);
        }
        *self = word;
        Ok(())
    }
}

/// The options of `SET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SetOptions<'a> {
    pub(super) condition: Condition,
    /// `GET`: the reply is the old value.
    pub(super) get: bool,
    lifetime: Lifetime<'a>,
}

impl<'a> SetOptions<'a> {
    /// Reads all of `args`.
    ///
    /// # Errors
    /// [`Error::Syntax`] for a word that is no option, options that exclude each other and a missing time.
    pub(super) fn parse(args: Args<'a>) -> Result<Self, Error> {
        let mut options = Self { condition: Condition::Always, get: false, lifetime: Lifetime::Unsaid };
        let mut args = args.iter();
        while let Some(option) = args.next() {
            match option {
                _ if option.eq_ignore_ascii_case(b"NX") => options.set_if(Condition::Missing)?,
                _ if option.eq_ignore_ascii_case(b"XX") => options.set_if(Condition::Present)?,
                _ if option.eq_ignore_ascii_case(b"GET") => options.get = true,
                _ if option.eq_ignore_ascii_case(b"KEEPTTL") => options.lifetime.word(Lifetime::Keep)?,
                _ => options.lifetime.expire(deadline(option, &mut args)?)?,
            }
        }
        Ok(options)
    }

    fn set_if(&mut self, condition: Condition) -> Result<(), Error> {
        if self.condition != Condition::Always && self.condition != condition {
            return Err(Error::Syntax);
        }
        self.condition = condition;
        Ok(())
    }

    /// What the new value does to the key's expiry.
    ///
    /// # Errors
    /// Those of [`Deadline::at_ms`].
    /// Whether they name a time, in milliseconds: they say the same whenever they are read.
    pub(super) fn says_when(&self) -> bool {
        matches!(self.lifetime, Lifetime::Expire(Deadline::At(Unit::Milliseconds, _)))
    }

    /// What becomes of the key's expiry.
    pub(super) fn expiry(&self, now_ms: u64) -> Result<Expiry, Error> {
        Ok(match self.lifetime {
            Lifetime::Unsaid | Lifetime::Persist => Expiry::Clear,
            Lifetime::Keep => Expiry::Keep,
            Lifetime::Expire(deadline) => Expiry::At(deadline.at_ms(now_ms, "set")?),
        })
    }
}

/// The options of `GETEX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GetOptions<'a> {
    /// None.
    Keep,
    /// `PERSIST`
    Persist,
    /// A time.
    Expire(Deadline<'a>),
}

impl<'a> GetOptions<'a> {
    /// Reads all of `args`.
    ///
    /// # Errors
    /// See [`SetOptions::parse`].
    pub(super) fn parse(args: Args<'a>) -> Result<Self, Error> {
        let mut lifetime = Lifetime::Unsaid;
        let mut args = args.iter();
        while let Some(option) = args.next() {
            if option.eq_ignore_ascii_case(b"PERSIST") {
                lifetime.word(Lifetime::Persist)?;
            } else {
                lifetime.expire(deadline(option, &mut args)?)?;
            }
        }
        Ok(match lifetime {
            Lifetime::Unsaid | Lifetime::Keep => Self::Keep,
            Lifetime::Persist => Self::Persist,
            Lifetime::Expire(deadline) => Self::Expire(deadline),
        })
    }
}

/// `option` and the time that follows it.
fn deadline<'a>(option: &[u8], args: &mut impl Iterator<Item = &'a [u8]>) -> Result<Deadline<'a>, Error> {
    args.next().and_then(|time| Deadline::of(option, time)).ok_or(Error::Syntax)
}
