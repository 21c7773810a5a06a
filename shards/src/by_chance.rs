//! What `HRANDFIELD`, `SRANDMEMBER` and `ZRANDMEMBER` have in common: how many elements they tell, which chance chooses.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::{Args, Error, Reply};

/// Bytes of the shortest element of a reply, `$0` with its line ends.
const ELEMENT_BYTES_MIN: usize = 6;

/// Counts beyond this are refused where each element is told with what belongs to it. Source: Redis `t_hash.c`,
/// `hrandfieldCommand`, and `t_zset.c`, `zrandmemberCommand`.
const PAIRS_MAX: i64 = i64::MAX / 2;

const COUNT_RANGE: Error =
    Error::Text("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");

/// How many elements are wanted.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    /// So many, all of them different.
    Different(usize),
    /// So many, whichever they are.
    Any(usize),
}

impl Wanted {
    /// As a count says: below 0, elements may be told again.
    ///
    /// # Errors
    /// [`Error::NotInteger`], or that it cannot be negated.
    pub(crate) fn parse(count: &[u8]) -> Result<Self, Error> {
        let count = integer_argument(count)?;
        match usize::try_from(count) {
            Ok(count) => Ok(Self::Different(count)),
            Err(_) if count == i64::MIN => Err(COUNT_RANGE),
            Err(_) => Ok(Self::Any(count.unsigned_abs() as usize)),
        }
    }

    /// `key [count [WITH…]]`, and whether the word `with` is there; `None` if there is no count.
    pub(crate) fn parse_with(args: &Args<'_>, with: &[u8]) -> Result<Option<(Self, bool)>, Error> {
        let Some(count) = args.get(2) else { return Ok(None) };
        let wanted = Self::parse(count)?;
        let is_with = match args.get(3) {
            Some(word) if args.len() == 4 && word.eq_ignore_ascii_case(with) => true,
            Some(_) => return Err(Error::Syntax),
            None => false,
        };
        let (Self::Different(count) | Self::Any(count)) = wanted;
        if is_with && count > PAIRS_MAX as usize {
            return Err(Error::Text("ERR value is out of range"));
        }
        Ok(Some((wanted, is_with)))
    }

    pub(crate) fn is_none(self) -> bool {
        matches!(self, Self::Different(0))
    }
}

/// Tells so many elements that may be the same, behind what `open` writes. A short request can ask for an element a
/// million times.
///
/// # Errors
/// [`Error::ReplyTooLong`]
pub(crate) fn tell_any(
    count: usize,
    reply_bytes_max: usize,
    reply: &mut Reply<'_>,
    open: impl FnOnce(&mut Reply<'_>),
    mut tell_one: impl FnMut(&mut Reply<'_>),
) -> Result<(), Error> {
    if count.saturating_mul(ELEMENT_BYTES_MIN) > reply_bytes_max {
        return Err(Error::ReplyTooLong);
    }
    let begin = reply.mark();
    open(reply);
    for _ in 0..count {
        tell_one(reply);
        reply.check_since(begin, reply_bytes_max)?;
    }
    Ok(())
}
