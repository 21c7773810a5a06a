//! Integers as Redis reads them: decimal text of exactly one form for each 64-bit number.

/// Most characters of a 64-bit integer, its sign included.
pub(crate) const DIGITS_MAX: usize = 20;

/// The number `text` is the one decimal form of: no blanks, no `+`, no leading zeros, no `-0`.
///
/// So a value that is stored as a number is given back byte for byte.
/// Source: Redis `util.c`, what `string2ll` accepts.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    if text.len() > DIGITS_MAX {
        return None;
    }
    let (negative, digits) = match text {
        b"0" => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    let mut magnitude = 0_u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_number_has_one_form() {
        for number in [0, 1, -1, 9, 10, -10, i64::MAX, i64::MIN, 1_000_000_007] {
            assert_eq!(parse(number.to_string().as_bytes()), Some(number));
        }
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            "-01",
            "00",
            " 1",
            "1 ",
            "1.0",
            "0x1",
            "1e3",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "123456789012345678901",
            "\u{662}",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
