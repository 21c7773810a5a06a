//! Numbers as memcached reads them: like C's `strtoul`, with blanks and signs where nobody expects them.
//!
//! Source: memcached `util.c`, `safe_strtoull` and its like. They skip leading white space, take a sign,
//! and stop at white space or the end; 32-bit results are cut from 64 bits without a check.

use nom::IResult;
use nom::branch::alt;
use nom::bytes::complete::take_while;
use nom::character::complete::{char, digit1};
use nom::combinator::{opt, recognize};

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The sign and the digits of a number at the start of `input`; whether it is negative.
fn number(input: &[u8]) -> IResult<&[u8], (bool, &[u8])> {
    use nom::Parser as _;
    let (input, _) = take_while(is_space).parse(input)?;
    let (input, sign) = opt(recognize(alt((char('-'), char('+'))))).parse(input)?;
    let (input, digits) = digit1(input)?;
    Ok((input, (sign == Some(b"-"), digits)))
}

/// An unsigned 64-bit number; `None` if it is none or too large.
pub fn u64(token: &[u8]) -> Option<u64> {
    let (rest, (negative, digits)) = number(token).ok()?;
    if rest.first().is_some_and(|byte| !is_space(*byte)) {
        return None;
    }
    let value = digits
        .iter()
        .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    if !negative {
        return Some(value);
    }
    // `strtoull` negates; only what then looks negative is refused.
    Some(value.wrapping_neg()).filter(|value| (*value as i64) >= 0)
}

/// An unsigned 32-bit number: the low half of [`u64`].
pub fn u32(token: &[u8]) -> Option<u32> {
    u64(token).map(|value| value as u32)
}

/// A signed 32-bit number: the low half of a signed 64-bit one.
pub fn i32(token: &[u8]) -> Option<i32> {
    let (rest, (negative, digits)) = number(token).ok()?;
    if rest.first().is_some_and(|byte| !is_space(*byte)) {
        return None;
    }
    let value = digits.iter().try_fold(0_i64, |value, digit| {
        let digit = i64::from(digit - b'0');
        value.checked_mul(10)?.checked_add(if negative { -digit } else { digit })
    })?;
    Some(value as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_c_library_reads_them() {
        for (token, expected) in [
            (&b"0"[..], Some(0)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"+5", Some(5)),
            (b"\t5", Some(5)),
            (b"5\tx", Some(5)),
            (b"5x", None),
            (b"-1", None),
            (b"-18446744073709551615", Some(1)),
            (b"", None),
            (b"-", None),
        ] {
            assert_eq!(u64(token), expected, "{}", token.escape_ascii());
        }
        assert_eq!(u32(b"4294967296"), Some(0));
        assert_eq!(i32(b"-1"), Some(-1));
        assert_eq!(i32(b"4294967297"), Some(1));
        assert_eq!(i32(b"9223372036854775808"), None);
    }
}
