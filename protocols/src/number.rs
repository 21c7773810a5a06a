//! Numbers in requests and stored values, read as strictly as Redis reads them, and in replies.

use std::io::Write as _;
use std::ops::Range;

mod double;
mod grisu;

pub use double::{bound, double, weight};

use crate::error::Error;

/// The integer that `text` spells in exactly the way Redis would write it: no sign but `-`, no leading zero,
/// no blank; `None` for anything else or beyond 64 bits. Source: Redis `util.c`, `string2ll`.
pub fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [] | [b'0', _, ..] => return None,
        [b'0'] => return (!negative).then_some(0),
        _ => {}
    }
    let mut magnitude: u64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// The same for an argument.
///
/// # Errors
/// [`Error::NotInteger`]
#[inline]
pub fn integer_argument(text: &[u8]) -> Result<i64, Error> {
    integer(text).ok_or(Error::NotInteger)
}

/// An argument that says how many; it may be 0.
///
/// # Errors
/// Redis's text, though 0 is allowed.
pub fn count_argument(text: &[u8]) -> Result<usize, Error> {
    let count = integer(text).and_then(|count| usize::try_from(count).ok());
    count.ok_or(Error::Text("ERR value is out of range, must be positive"))
}

/// A floating-point number in digits that tell it from its neighbours: the fewest, but for some with one more.
///
/// It is laid out as Redis does since 7.2: a whole number up to 2^62 as an integer; of others a fraction has at most six
/// decimals unless it lies between 0.001 and 10000, and beyond that there is an exponent with its sign (`1e+25`).
/// Source: Redis `util.c`, `d2string`, and `deps/fpconv`, `emit_digits`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    text: [u8; DECIMAL_BYTES],
    bytes: usize,
}

/// A sign, seventeen digits, a point, and `e-308` or up to seven zeros: less than this.
const DECIMAL_BYTES: usize = 40;

impl Decimal {
    /// Writes `value`; what is no number is `nan`, `inf` or `-inf`.
    pub fn of(value: f64) -> Self {
        let mut decimal = Self { text: [0; DECIMAL_BYTES], bytes: 0 };
        if decimal.add_sign(value) {
            match whole(value.abs()) {
                Some(whole) => decimal.add(itoa::Buffer::new().format(whole).as_bytes()),
                None => decimal.add_finite(value.abs()),
            }
        }
        decimal
    }

    /// Writes `value` as `fpconv_dtoa` does: the same, but a whole number of many digits may have an exponent as well.
    pub fn shortest(value: f64) -> Self {
        let mut decimal = Self { text: [0; DECIMAL_BYTES], bytes: 0 };
        if decimal.add_sign(value) {
            decimal.add_finite(value.abs());
        }
        decimal
    }

    /// Writes `value` with seventeen digits but for zeros at the end, as C does for `%.17g`.
    pub fn exact(value: f64) -> Self {
        let mut decimal = Self { text: [0; DECIMAL_BYTES], bytes: 0 };
        if decimal.add_sign(value) {
            let scientific = Scientific::of(value.abs());
            let digits = scientific.digits();
            let zeros = digits.iter().rev().take_while(|&&digit| digit == b'0').count();
            decimal.add_general(&digits[..digits.len() - zeros], scientific.exponent);
        }
        decimal
    }

    /// Adds what comes before the digits, and all of a value without any. Says whether there are some.
    fn add_sign(&mut self, value: f64) -> bool {
        if value.is_sign_negative() && !value.is_nan() {
            self.add(b"-");
        }
        if value.is_nan() {
            self.add(b"nan");
        } else if value.is_infinite() {
            self.add(b"inf");
        } else if value == 0.0 {
            self.add(b"0");
        } else {
            return true;
        }
        false
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..self.bytes]
    }

    fn add(&mut self, text: &[u8]) {
        self.text[self.bytes..self.bytes + text.len()].copy_from_slice(text);
        self.bytes += text.len();
    }

    fn add_finite(&mut self, value: f64) {
        let digits = grisu::Digits::of(value);
        let (digits, place) = (digits.as_bytes(), digits.place);
        let exponent = place + (digits.len() as i64 - 1);
        if (0..8).contains(&place) {
            self.add(digits);
            self.add(&b"0000000"[..place as usize]);
        } else if place < 0 && (place > -7 || exponent.abs() < 4) {
            self.add_with_point(digits, exponent);
        } else {
            self.add_with_exponent(digits, exponent, 1);
        }
    }

    fn add_general(&mut self, digits: &[u8], exponent: i64) {
        if !(-4..17).contains(&exponent) {
            self.add_with_exponent(digits, exponent, 2);
        } else if exponent < digits.len() as i64 - 1 {
            self.add_with_point(digits, exponent);
        } else {
            self.add(digits);
            self.add(&b"0000000000000000"[..exponent as usize + 1 - digits.len()]);
        }
    }

    /// `d.ddde+dd`, where the exponent has at least `width` digits.
    fn add_with_exponent(&mut self, digits: &[u8], exponent: i64, width: usize) {
        self.add(&digits[..1]);
        if digits.len() > 1 {
            self.add(b".");
            self.add(&digits[1..]);
        }
        self.add(if exponent < 0 { b"e-" } else { b"e+" });
        let mut text = itoa::Buffer::new();
        let text = text.format(exponent.abs()).as_bytes();
        self.add(&b"0"[..width.saturating_sub(text.len()).min(1)]);
        self.add(text);
    }

    fn add_with_point(&mut self, digits: &[u8], exponent: i64) {
        if exponent < 0 {
            self.add(b"0.");
            self.add(&b"0000000"[..(-1 - exponent) as usize]);
            self.add(digits);
        } else {
            let (whole, fraction) = digits.split_at(exponent as usize + 1);
            self.add(whole);
            self.add(b".");
            self.add(fraction);
        }
    }
}

/// The whole number that `value` is, up to 2^62. Source: Redis `util.c`, `double2ll`.
pub fn whole(value: f64) -> Option<i64> {
    const MAX: f64 = (1_i64 << 62) as f64;
    ((-MAX..=MAX).contains(&value) && value.fract() == 0.0).then_some(value as i64)
}

/// A number above 0 as `d.ddd × 10^exponent`.
struct Scientific {
    text: [u8; DECIMAL_BYTES],
    digits: Range<usize>,
    exponent: i64,
}

impl Scientific {
    /// With seventeen digits.
    fn of(value: f64) -> Self {
        let mut text = [0; DECIMAL_BYTES];
        let mut free = &mut text[..];
        write!(free, "{value:.16e}").expect("it is long enough");
        let used = DECIMAL_BYTES - free.len();
        let end = memchr::memchr(b'e', &text).expect("scientific notation has an exponent");
        let exponent = integer(&text[end + 1..used]).expect("an exponent is a number");
        // The first digit takes the place of the point behind it.
        text[1] = text[0];
        Self { text, digits: 1..end, exponent }
    }

    fn digits(&self) -> &[u8] {
        &self.text[self.digits.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::{Decimal, integer};

    #[test]
    fn an_integer_is_read_only_as_redis_would_write_it() {
        for value in [0, 1, -1, 10, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(integer(value.to_string().as_bytes()), Some(value));
        }
        for text in [
            "",
            "-",
            "-0",
            "00",
            "01",
            "-01",
            "+1",
            " 1",
            "1 ",
            "1a",
            "1.0",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
        ] {
            assert_eq!(integer(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_can_be_written_with_seventeen_digits() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.10000000000000001"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e-4, "0.0001"),
            (1e-5, "1.0000000000000001e-05"),
            (1e300, "1.0000000000000001e+300"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(Decimal::exact(value).as_bytes().escape_ascii().to_string(), text, "{value:e}");
        }
    }

    #[test]
    fn a_number_is_written_with_its_fewest_digits() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (2.718_281_828_459_1, "2.7182818284591"),
            (100.0, "100"),
            (12_345_678.0, "12345678"),
            (1e7, "10000000"),
            (1e8, "100000000"),
            (1.2e9, "1200000000"),
            (4_611_686_018_427_387_904.0, "4611686018427387904"),
            (-4_611_686_018_427_387_904.0, "-4611686018427387904"),
            (9_223_372_036_854_775_808.0, "9223372036854776000"),
            (1e19, "1e+19"),
            (1e25, "1e+25"),
            (1.7e308, "1.7e+308"),
            (0.001, "0.001"),
            (0.000_001, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-5, "1.25e-5"),
            (5e-324, "5e-324"),
            (0.000_123_456_789, "1.23456789e-4"),
            (0.001_234_567_89, "0.00123456789"),
            (1_234.567_890_12, "1234.56789012"),
            (12_345.678_901, "12345.678901"),
            (12_345.678_901_2, "1.23456789012e+4"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(Decimal::of(value).as_bytes().escape_ascii().to_string(), text, "{value:e}");
        }
    }
}
