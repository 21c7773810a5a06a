//! The 80-bit floating point numbers in which Redis computes `INCRBYFLOAT`.
//!
//! On x86-64 a C `long double` is the x87 format: a sign, 64 bits of mantissa (all of them stored) and 15
//! bits of exponent. Redis reads both numbers with `strtold`, adds them, and writes the sum with `%.17Lf`
//! less the zeros at its end. Doubles would give other digits: 64 bits hold nearly 20 decimal digits, which
//! is why `0.1` and `0.2` make `0.3` there. This module does the same three steps with integers, each exact
//! and then rounded once, to nearest, ties to even:
//!
//! * **Read**: the digits become an integer, the decimal point an exponent, so that the value is
//!   `digits × 5^e × 2^e`. For negative `e` that is a division; its first 66 bits and whether anything is
//!   left over decide the rounding. Numbers of everyday size take one division of 128-bit integers, the
//!   others (a value may have 5,119 digits) a long division of [`Natural`] numbers.
//! * **Add**: both mantissas in 128-bit integers, the smaller number shifted right to the exponent of the
//!   larger one; what falls off the end is remembered as one sticky bit.
//! * **Write**: 17 decimals are `mantissa × 10^17 × 2^e`, which for fractions fits 128 bits.
//!
//! Source: Redis 7.0 `object.c`, `getLongDoubleFromObject`, and `util.c`, `string2ld` and `ld2string`;
//! C11 7.22.1.3 for the grammar of `strtold`.

use std::io::Write as _;

use super::natural::Natural;

/// Most bytes of a number that is read, less one. Source: Redis `MAX_LONG_DOUBLE_CHARS`.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

/// Exponent of the last bit of the smallest numbers, which have fewer bits than 64.
const EXPONENT_MIN: i64 = -16_445;
/// Exponent of the last bit of the largest finite numbers.
const EXPONENT_MAX: i64 = 16_320;

/// Exponents in texts count as this where they are larger: out of range for any digits.
const EXPONENT_TEXT_MAX: i64 = 1 << 40;

/// Largest `n` for which `5^n` fits 64 bits.
const POWER_OF_FIVE_MAX: u32 = 27;

/// A number: `±mantissa × 2^exponent`.
///
/// The highest bit of the mantissa is set unless the exponent is [`EXPONENT_MIN`]; zero is all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LongDouble {
    negative: bool,
    mantissa: u64,
    exponent: i64,
}

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A number.
    Finite(LongDouble),
    /// `inf` or `infinity`, with either sign.
    Infinite,
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> Self {
        Self::rounded(value < 0, u128::from(value.unsigned_abs()), 0, false)
            .expect("an integer of 64 bits is in range")
    }
}

/// A decimal or hexadecimal text taken apart: `±digits × base^…`, where `digits` are those of the text
/// without its point.
struct Parts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl LongDouble {
    /// Reads `text` as `strtold` does in the C locale, all of it, and nothing that is too large, that
    /// rounds to zero without being zero, or that is no number (`nan`).
    pub(crate) fn parse(text: &[u8]) -> Option<Parsed> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, unsigned) = sign(text);
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(Parsed::Infinite);
        }
        let number = match unsigned {
            [b'0', b'x' | b'X', rest @ ..] => Self::from_hexadecimal(&Parts::of(rest, negative, 16, b'p')?),
            _ => Self::from_decimal(&Parts::of(unsigned, negative, 10, b'e')?),
        };
        number.map(Parsed::Finite)
    }

    fn from_decimal(parts: &Parts<'_>) -> Option<Self> {
        let digits = || parts.whole.iter().chain(parts.fraction).map(|digit| digit - b'0');
        let significant = digits().skip_while(|&digit| digit == 0).count() as i64;
        if significant == 0 {
            return Some(Self { negative: parts.negative, mantissa: 0, exponent: 0 });
        }
        let power = parts.exponent.saturating_sub(parts.fraction.len() as i64);
        // Beyond these the result is infinite or zero whatever the digits are: 2^16384 < 10^4933, and
        // 2^-16446 > 10^-4951.
        if power.saturating_add(significant) > 4_933 || power.saturating_add(significant) < -4_951 {
            return None;
        }
        if significant <= 19 && (-i64::from(POWER_OF_FIVE_MAX)..=0).contains(&power) {
            let value = digits().fold(0_u64, |value, digit| value * 10 + u64::from(digit));
            return Self::from_short_decimal(parts.negative, value, power.unsigned_abs() as u32);
        }
        let mut numerator = Natural::from_digits(digits());
        let mut denominator = Natural::from(1);
        let scaled = if power >= 0 { &mut numerator } else { &mut denominator };
        scaled.multiply_by_power_of_five(power.unsigned_abs());
        let (quotient, shift, rest) = numerator.leading_quotient(denominator);
        Self::rounded(parts.negative, quotient, power + shift, rest).filter(|number| number.mantissa != 0)
    }

    /// `value / 10^decimals`; both are small enough for one division of 128-bit integers.
    fn from_short_decimal(negative: bool, value: u64, decimals: u32) -> Option<Self> {
        let divisor = u128::from(5_u64.pow(decimals));
        let shift = u128::from(value).leading_zeros();
        let dividend = u128::from(value) << shift;
        let (quotient, rest) = (dividend / divisor, dividend % divisor != 0);
        Self::rounded(negative, quotient, -i64::from(shift) - i64::from(decimals), rest)
    }

    fn from_hexadecimal(parts: &Parts<'_>) -> Option<Self> {
        let mut mantissa = 0_u128;
        let (mut dropped, mut rest) = (0_i64, false);
        for &digit in parts.whole.iter().chain(parts.fraction) {
            let digit = char::from(digit).to_digit(16).expect("a hexadecimal digit");
            if mantissa >> 124 == 0 {
                mantissa = mantissa << 4 | u128::from(digit);
            } else {
                dropped += 4;
                rest |= digit != 0;
            }
        }
        if mantissa == 0 {
            return Some(Self { negative: parts.negative, mantissa: 0, exponent: 0 });
        }
        let exponent = parts.exponent.saturating_add(dropped - 4 * parts.fraction.len() as i64);
        Self::rounded(parts.negative, mantissa, exponent, rest).filter(|number| number.mantissa != 0)
    }

    /// The number nearest to `±value × 2^exponent`, where `rest` says that the true value is a little larger
    /// than `value` (in which case `value` has more than 64 bits); `None` if that is infinite.
    fn rounded(negative: bool, value: u128, exponent: i64, rest: bool) -> Option<Self> {
        if value == 0 {
            return Some(Self { negative, mantissa: 0, exponent: 0 });
        }
        // Bits to cut off: down to 64, and more where the smallest exponent leaves fewer.
        let top = exponent.saturating_add(128 - i64::from(value.leading_zeros()));
        let target = top.saturating_sub(64).max(EXPONENT_MIN);
        let cut = target.saturating_sub(exponent);
        let mut mantissa = match cut {
            ..=0 => value << cut.unsigned_abs(),
            1..=127 => value >> cut,
            _ => 0,
        };
        if (1..=128).contains(&cut) {
            let half = 1 << (cut - 1);
            let lost = value & (half | (half - 1));
            let up = lost > half || lost == half && (rest || mantissa & 1 == 1);
            mantissa += u128::from(up);
        }
        let (mantissa, exponent) =
            if mantissa >> 64 == 0 { (mantissa, target) } else { (mantissa >> 1, target + 1) };
        match (mantissa, exponent) {
            (0, _) => Some(Self { negative, mantissa: 0, exponent: 0 }),
            (_, ..=EXPONENT_MAX) => Some(Self { negative, mantissa: mantissa as u64, exponent }),
            _ => None,
        }
    }

    /// A thousand times the number, rounded up to an integer, or the nearest that 64 bits hold.
    pub(crate) fn thousandfold_up(self) -> i64 {
        let thousandfold =
            Self::rounded(self.negative, u128::from(self.mantissa) * 1000, self.exponent, false);
        let Some(Self { negative, mantissa, exponent }) = thousandfold else {
            return if self.negative { i64::MIN } else { i64::MAX };
        };
        let value = u128::from(mantissa);
        let magnitude = match exponent {
            64.. => u128::MAX,
            0..64 => value << exponent,
            ..=-64 => u128::from(!negative && value != 0),
            _ => {
                let down = value >> exponent.unsigned_abs();
                down + u128::from(!negative && down << exponent.unsigned_abs() != value)
            }
        };
        let magnitude = i64::try_from(magnitude).unwrap_or(i64::MAX);
        if negative { -magnitude } else { magnitude }
    }

    /// The sum; `None` if that is infinite.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        if self.mantissa == 0 || other.mantissa == 0 {
            return Some(if self.mantissa == 0 { other } else { self });
        }
        let (large, small) = if (self.exponent, self.mantissa) >= (other.exponent, other.mantissa) {
            (self, other)
        } else {
            (other, self)
        };
        // One bit is left free for the carry, 63 below for rounding.
        let distance = (large.exponent - small.exponent).min(127) as u32;
        let left = u128::from(large.mantissa) << 63;
        let unshifted = u128::from(small.mantissa) << 63;
        let right = unshifted >> distance;
        let rest = right << distance != unshifted;
        let sum = if large.negative == small.negative {
            left + right
        } else {
            // What fell off the smaller number makes the difference a little smaller: by less than one,
            // so the rest then is what is missing to that one.
            left - right - u128::from(rest)
        };
        Self::rounded(large.negative, sum, large.exponent - 63, rest)
    }

    /// The number with at most 17 decimals and no zeros at their end, as `%.17Lf` rounds it.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        const SCALE: u128 = 10_u128.pow(17);
        let scaled = match self.exponent {
            0.. => return self.write_whole(out),
            // Less than half of the last decimal, for any mantissa.
            ..-127 => 0,
            _ => {
                let (scaled, shift) = (u128::from(self.mantissa) * SCALE, self.exponent.unsigned_abs());
                let (kept, lost, half) = (scaled >> shift, scaled & ((1 << shift) - 1), 1 << (shift - 1));
                kept + u128::from(lost > half || lost == half && kept & 1 == 1)
            }
        };
        if self.negative && scaled != 0 {
            out.push(b'-');
        }
        // Writing into a Vec cannot fail.
        let _ = write!(out, "{}.{:017}", scaled / SCALE, scaled % SCALE);
        while out.last() == Some(&b'0') {
            out.pop();
        }
        if out.last() == Some(&b'.') {
            out.pop();
        }
    }

    /// The number, which has no fraction.
    fn write_whole(self, out: &mut Vec<u8>) {
        if self.negative && self.mantissa != 0 {
            out.push(b'-');
        }
        let mut value = Natural::from(self.mantissa);
        value.shift_left(self.exponent.unsigned_abs());
        value.write(out);
    }
}

impl<'a> Parts<'a> {
    /// `digits[.digits][mark[±]digits]` with at least one digit before the mark, and nothing after it all.
    fn of(text: &'a [u8], negative: bool, base: u32, mark: u8) -> Option<Self> {
        let is_digit = |byte: &u8| char::from(*byte).is_digit(base);
        let (whole, rest) = split_while(text, is_digit);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => split_while(rest, is_digit),
            rest => (&rest[..0], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [first, rest @ ..] if first.eq_ignore_ascii_case(&mark) => exponent_of(rest)?,
            _ => return None,
        };
        Some(Self { negative, whole, fraction, exponent })
    }
}

/// `[±]digits`, far out of range if it is further out.
fn exponent_of(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude =
        digits.iter().fold(0, |value, digit| EXPONENT_TEXT_MAX.min(value * 10 + i64::from(digit - b'0')));
    Some(if negative { -magnitude } else { magnitude })
}

/// Whether `text` begins with a minus, and what follows its sign.
fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [sign @ (b'-' | b'+'), rest @ ..] => (*sign == b'-', rest),
        rest => (false, rest),
    }
}

fn split_while(text: &[u8], matches: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !matches(byte)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::{LongDouble, Parsed};

    fn finite(text: &str) -> LongDouble {
        match LongDouble::parse(text.as_bytes()) {
            Some(Parsed::Finite(number)) => number,
            other => panic!("{text:?} reads as {other:?}"),
        }
    }

    fn sum(left: &str, right: &str) -> String {
        let mut out = Vec::new();
        finite(left).plus(finite(right)).expect("a finite sum").write(&mut out);
        String::from_utf8(out).expect("digits")
    }

    #[rustfmt::skip]
    const SUMS: &[(&str, &str, &str)] = &[
        ("0", "5.0e3", "5000"),
        ("10.50", "0.1", "10.6"),
        ("0.1", "0.2", "0.3"),
        ("3", "-3.0", "0"),
        ("1", "-1.00000000000000000001", "0"),
        ("-0", "0", "0"),
        ("-0.0", "-0", "0"),
        ("1e-20", "-2e-20", "0"),
        ("1.5", ".5", "2"),
        ("1.", "1", "2"),
        ("+1", "2", "3"),
        ("9223372036854775807", "1", "9223372036854775808"),
        ("-9223372036854775808", "-1", "-9223372036854775809"),
        ("18446744073709551615", "1", "18446744073709551616"),
        ("18446744073709551616", "1", "18446744073709551616"),
        ("36893488147419103233", "0", "36893488147419103232"),
        ("3.14159265358979323846", "0", "3.14159265358979324"),
        ("0.00000000000000001", "0", "0.00000000000000001"),
        ("0.000000000000000005", "0", "0"),
        ("0.000000000000000015", "0", "0.00000000000000002"),
        ("100000000000000000000000", "0.5", "100000000000000000000000"),
        ("1e25", "-1", "10000000000000000000000000"),
        ("0x10", "0", "16"),
        ("0x1.8p1", "0", "3"),
        ("0xA.8", "0x.8", "11"),
        ("0x1p-16445", "0", "0"),
        ("3.6e-4951", "0", "0"),
        ("0e99999999999", "0", "0"),
        ("1e60", "1", "999999999999999999999373423426722168652130621984886772203520"),
        ("12345678901234567890123456789", "0", "12345678901234567890421678080"),
        ("0.111111111111111111111111111111111111111111111111111111111111", "0", "0.11111111111111111"),
        ("9999999999999999999999999999999999999999", "1", "9999999999999999999783686092270256259072"),
        ("17179869185.5", "0.0000000001", "17179869185.5"),
    ];

    const REFUSED: &[&str] = &[
        "",
        "+",
        "-",
        ".",
        "1e",
        "1e+",
        "e1",
        "--1",
        "+-1",
        " 1",
        "1 ",
        "1x",
        "0x",
        "0x.",
        "0x1p",
        "0xg",
        "1\0",
        "nan",
        "NaN",
        "nan(1)",
        "infinit",
        "in",
        "1e5000",
        "1.19e4932",
        "1e99999999999999999999",
        "0x1p16384",
        "1e-5000",
        "1e-4951",
        "1e-99999999999999999999",
        "0x1p-16446",
        "0x1000000000000000000000000000000p9999999999999",
    ];

    /// The sums are those a redis-server 7.0.15 gives on x86-64.
    #[test]
    fn sums_have_the_digits_of_redis() {
        for (left, right, expected) in SUMS {
            assert_eq!(sum(left, right), *expected, "{left} + {right}");
        }
    }

    #[test]
    fn texts_that_are_no_number_of_this_range_are_refused() {
        for text in REFUSED {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(LongDouble::parse(&[b'1'; 5120]), None);
    }

    #[test]
    fn infinity_is_read_and_is_no_sum() {
        for text in ["inf", "-inf", "+INF", "Infinity"] {
            assert_eq!(LongDouble::parse(text.as_bytes()), Some(Parsed::Infinite), "{text:?}");
        }
        let largest = finite("1.18e4932");
        assert_eq!(largest.plus(largest), None);
    }

    #[test]
    fn integers_are_exact() {
        for value in [0, 1, -1, i64::MAX, i64::MIN, 1 << 62] {
            assert_eq!(LongDouble::from(value), finite(&value.to_string()));
        }
    }

    #[test]
    fn short_and_long_forms_of_a_number_are_the_same() {
        for text in ["0.1", "3.14159265358979", "9999999999999999999e-27", "1e-27", "7.25", "0.5e-5"] {
            let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
            let point = if digits.contains('.') { "" } else { "." };
            let long = format!("{digits}{point}{}e{exponent}", "0".repeat(60));
            assert_eq!(finite(text), finite(&long), "{text}");
        }
    }
}
