//! Numbers in requests and stored values, read as strictly as Redis reads them, and in replies.

use std::io::Write as _;

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

/// A floating-point number in the fewest digits that tell it from its neighbours.
///
/// It is laid out as Redis does since 7.2: at most seven zeros are added to a whole number, and a fraction
/// has at most six decimals unless it lies between 0.001 and 10000; beyond that there is an exponent with
/// its sign (`1e+25`). Source: Redis `deps/fpconv`, `emit_digits`.
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
        if value.is_nan() {
            decimal.add(b"nan");
            return decimal;
        }
        if value.is_sign_negative() {
            decimal.add(b"-");
        }
        if value.is_infinite() {
            decimal.add(b"inf");
        } else if value == 0.0 {
            decimal.add(b"0");
        } else {
            decimal.add_finite(value.abs());
        }
        decimal
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
        // `d.ddde<exponent>`, which already has the fewest digits.
        let mut scientific = [0; DECIMAL_BYTES];
        let mut free = &mut scientific[..];
        write!(free, "{value:e}").expect("it is long enough");
        let used = DECIMAL_BYTES - free.len();
        let (mantissa, exponent) = scientific[..used]
            .split_at(memchr::memchr(b'e', &scientific).expect("scientific notation has an exponent"));
        let mut digits = mantissa.iter().copied().filter(u8::is_ascii_digit);
        let digits: [u8; 20] = std::array::from_fn(|_| digits.next().unwrap_or(0));
        let count = mantissa.len() - usize::from(mantissa.len() > 1);
        let digits = &digits[..count];
        let exponent = integer(&exponent[1..]).expect("an exponent is a number");
        // The decimal place of the last digit.
        let place = exponent - (count as i64 - 1);
        if (0..8).contains(&place) {
            self.add(digits);
            self.add(&b"0000000"[..place as usize]);
        } else if place < 0 && (place > -7 || exponent.abs() < 4) {
            self.add_with_point(digits, exponent);
        } else {
            self.add(&digits[..1]);
            if count > 1 {
                self.add(b".");
                self.add(&digits[1..]);
            }
            self.add(if exponent < 0 { b"e-" } else { b"e+" });
            self.add(itoa::Buffer::new().format(exponent.abs()).as_bytes());
        }
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
            (1e8, "1e+8"),
            (1.2e9, "1.2e+9"),
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
