//! IDs as clients write them: `ms-seq`, `ms`, and where ranges end `-`, `+` and `(` before an ID that is not part of it.
//!
//! Source: Redis `t_stream.c`, `streamGenericParseIDOrReply`.

use tidegate_protocols::Error;
use tidegate_protocols::number::integer;

use crate::structures::stream::Id;

/// Bytes of the longest word that is looked at.
const ID_BYTES_MAX: usize = 127;

const INVALID: Error = Error::Text("ERR Invalid stream ID specified as stream command argument");

/// One ID, with 0 for the number if that is missing.
pub(super) fn strict(word: &[u8]) -> Result<Id, Error> {
    strict_or(word, 0)
}

/// One ID, with `missing` for the number if that is missing.
fn strict_or(word: &[u8], missing: u64) -> Result<Id, Error> {
    match partial(word)? {
        (ms, Seq::Is(seq)) => Ok(Id { ms, seq }),
        (ms, Seq::Missing) => Ok(Id { ms, seq: missing }),
        (_, Seq::Any) => Err(INVALID),
    }
}

/// One ID, or `-` and `+` for the lowest and the highest.
pub(super) fn any(word: &[u8], missing: u64) -> Result<Id, Error> {
    match word {
        b"-" => Ok(Id::MIN),
        b"+" => Ok(Id::MAX),
        _ => strict_or(word, missing),
    }
}

/// The ID of an entry to be added; the number is `None` in `ms-*`.
pub(super) fn new(word: &[u8]) -> Result<(u64, Option<u64>), Error> {
    Ok(match partial(word)? {
        (ms, Seq::Is(seq)) => (ms, Some(seq)),
        (ms, Seq::Missing) => (ms, Some(0)),
        (ms, Seq::Any) => (ms, None),
    })
}

/// The lowest ID of a range that begins so.
pub(super) fn start(word: &[u8]) -> Result<Id, Error> {
    match excluded(word) {
        Some(word) => strict(word)?.next().ok_or(Error::Text("ERR invalid start ID for the interval")),
        None => any(word, 0),
    }
}

/// The highest ID of a range that ends so.
pub(super) fn end(word: &[u8]) -> Result<Id, Error> {
    match excluded(word) {
        Some(word) => {
            let id = strict_or(word, u64::MAX)?;
            id.before().ok_or(Error::Text("ERR invalid end ID for the interval"))
        }
        None => any(word, u64::MAX),
    }
}

fn excluded(word: &[u8]) -> Option<&[u8]> {
    word.strip_prefix(b"(").filter(|word| !word.is_empty())
}

/// What stands for the number of an ID.
#[derive(Clone, Copy)]
enum Seq {
    /// Nothing.
    Missing,
    /// `*`
    Any,
    /// The number.
    Is(u64),
}

/// The time, and what stands for the number.
fn partial(word: &[u8]) -> Result<(u64, Seq), Error> {
    if word.len() > ID_BYTES_MAX {
        return Err(INVALID);
    }
    let (ms, seq) = match word.iter().position(|&byte| byte == b'-') {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    };
    let ms = natural(ms).ok_or(INVALID)?;
    Ok(match seq {
        None => (ms, Seq::Missing),
        Some(b"*") => (ms, Seq::Any),
        Some(seq) => (ms, Seq::Is(natural(seq).ok_or(INVALID)?)),
    })
}

/// A number of 64 bits without a sign, as C reads it unless it is written as Redis would: with blanks before it, a sign
/// and zeros. Source: Redis `util.c`, `string2ull`.
fn natural(text: &[u8]) -> Option<u64> {
    if let Some(number) = integer(text) {
        return u64::try_from(number).ok();
    }
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let text = &text[text.iter().take_while(|byte| blank(byte)).count()..];
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let mut number = 0_u64;
    for byte in digits {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    let number = if is_negative { number.wrapping_neg() } else { number };
    (!digits.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let id = |ms, seq| Some(Id { ms, seq });
        for (word, expected) in [
            ("5-6", id(5, 6)),
            ("5", id(5, 0)),
            ("0", id(0, 0)),
            ("18446744073709551615-18446744073709551615", Some(Id::MAX)),
            ("18446744073709551616", None),
            ("007-+3", id(7, 3)),
            (" 5-\t6", id(5, 6)),
            ("5-6 ", None),
            ("5--6", None),
            ("5--06", id(5, u64::MAX - 5)),
            ("5--0", id(5, 0)),
            ("5-", None),
            ("-5", None),
            ("", None),
            ("-", None),
            ("+", None),
            ("5-*", None),
            ("5-6-7", None),
            ("x", None),
        ] {
            assert_eq!(strict(word.as_bytes()).ok(), expected, "{word:?}");
        }
        assert!(strict(&[b'0'; 127]).is_ok() && strict(&[b'0'; 128]).is_err());
    }

    #[test]
    fn ranges_may_leave_out_their_ends() {
        let id = |ms, seq| Some(Id { ms, seq });
        for (word, first, last) in [
            ("-", id(0, 0), id(0, 0)),
            ("+", Some(Id::MAX), Some(Id::MAX)),
            ("5", id(5, 0), id(5, u64::MAX)),
            ("(5", id(5, 1), id(5, u64::MAX - 1)),
            ("(5-7", id(5, 8), id(5, 6)),
            ("(0-0", id(0, 1), None),
            (
                "(18446744073709551615-18446744073709551615",
                None,
                Some(Id { ms: u64::MAX, seq: u64::MAX - 1 }),
            ),
            ("(-", None, None),
            ("(", None, None),
        ] {
            assert_eq!((start(word.as_bytes()).ok(), end(word.as_bytes()).ok()), (first, last), "{word:?}");
        }
    }
}
