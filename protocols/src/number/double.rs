//! Floating-point numbers as C reads them (`strtod`): decimal, hexadecimal, or a word for what is infinite.

/// The number that `text` is from its first to its last byte. `None` for anything else, for what is no number (`nan`) and
/// for one too large or too close to zero to be kept. Source: Redis `util.c`, `string2d`.
pub fn double(text: &[u8]) -> Option<f64> {
    let read = Read::from(text)?;
    (read.bytes == text.len() && !read.is_out_of_range).then_some(read.value)
}

/// The number that an end of a range of scores is: blanks may stand before it, what follows a zero byte is not looked at,
/// nothing at all is 0, and one out of range is infinite or 0. Source: Redis `t_zset.c`, `zslParseRange`.
pub fn bound(text: &[u8]) -> Option<f64> {
    Read::c_string(text).map(|read| read.value)
}

/// The number by which `SORT` sorts: as a [`bound`] is read, but one out of range is none. Source: Redis `sort.c`.
pub fn weight(text: &[u8]) -> Option<f64> {
    let read = Read::c_string(text)?;
    (!read.is_out_of_range && !read.value.is_subnormal()).then_some(read.value)
}

/// What a text begins with.
struct Read {
    value: f64,
    /// Bytes it takes.
    bytes: usize,
    /// Whether it is spelled as another number than the nearest that can be kept, 0 or an infinite one.
    is_out_of_range: bool,
}

impl Read {
    /// What C's `strtod` makes of all of a text up to its first zero byte, of which blanks may be the beginning.
    fn c_string(text: &[u8]) -> Option<Self> {
        let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
        if text.is_empty() {
            return Some(Self { value: 0.0, bytes: 0, is_out_of_range: false });
        }
        let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
        let text = &text[blanks..];
        Self::from(text).filter(|read| read.bytes == text.len())
    }

    fn from(text: &[u8]) -> Option<Self> {
        let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
        let read = Self::infinite(&text[sign..])
            .or_else(|| Self::hexadecimal(&text[sign..]))
            .or_else(|| Self::decimal(&text[sign..]))?;
        let value = if text[0] == b'-' { -read.value } else { read.value };
        Some(Self { value, bytes: sign + read.bytes, ..read })
    }

    fn infinite(text: &[u8]) -> Option<Self> {
        let begins = |word: &[u8]| {
            text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word)).then_some(word.len())
        };
        let bytes = begins(b"infinity").or_else(|| begins(b"inf"))?;
        Some(Self { value: f64::INFINITY, bytes, is_out_of_range: false })
    }

    fn decimal(text: &[u8]) -> Option<Self> {
        let mantissa = mantissa_bytes(text, u8::is_ascii_digit)?;
        let bytes = mantissa + exponent(&text[mantissa..], b'e').map_or(0, |(_, bytes)| bytes);
        let value: f64 = std::str::from_utf8(&text[..bytes]).ok()?.parse().ok()?;
        let is_zero = text[..mantissa].iter().all(|byte| matches!(byte, b'0' | b'.'));
        Some(Self { value, bytes, is_out_of_range: value.is_infinite() || value == 0.0 && !is_zero })
    }

    fn hexadecimal(text: &[u8]) -> Option<Self> {
        let (b'0', b'x' | b'X') = (*text.first()?, *text.get(1)?) else { return None };
        let mantissa = 2 + mantissa_bytes(&text[2..], u8::is_ascii_hexdigit)?;
        let (power, power_bytes) = exponent(&text[mantissa..], b'p').unwrap_or((0, 0));
        // The first digits as a whole number, the binary exponent of its last, and whether more than zeros were cut off.
        let (mut number, mut place, mut is_cut, mut is_fraction) = (0_u64, 0_i64, false, false);
        for &byte in &text[2..mantissa] {
            let Some(digit) = (byte as char).to_digit(16) else {
                is_fraction = true;
                continue;
            };
            if number >> 60 == 0 {
                number = number << 4 | u64::from(digit);
                place -= 4 * i64::from(is_fraction);
            } else {
                is_cut |= digit != 0;
                place += 4 * i64::from(!is_fraction);
            }
        }
        let value = rounded(number, is_cut, place.saturating_add(power));
        let is_out_of_range = value.is_infinite() || value == 0.0 && number != 0;
        Some(Self { value, bytes: mantissa + power_bytes, is_out_of_range })
    }
}

/// Bytes of the digits at the beginning, among which may be a point.
fn mantissa_bytes(text: &[u8], is_digit: impl Fn(&u8) -> bool) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| is_digit(byte)).count();
    let whole = digits(0);
    let (fraction, point) = if text.get(whole) == Some(&b'.') { (digits(whole + 1), 1) } else { (0, 0) };
    (whole + fraction > 0).then_some(whole + point + fraction)
}

/// An exponent behind `mark` and the bytes of both, if there is one.
fn exponent(text: &[u8], mark: u8) -> Option<(i64, usize)> {
    text.first().filter(|byte| byte.eq_ignore_ascii_case(&mark))?;
    let sign = usize::from(matches!(text.get(1), Some(b'+' | b'-')));
    let digits = text[1 + sign..].iter().take_while(|byte| byte.is_ascii_digit());
    let bytes = 1 + sign + digits.clone().count();
    // Far below its bound there is nothing but zero and what is infinite.
    let size = digits.fold(0, |size: i64, digit| (size * 10 + i64::from(digit - b'0')).min(1 << 40));
    (bytes > 1 + sign).then(|| (if text[1] == b'-' { -size } else { size }, bytes))
}

/// The nearest to `number × 2^power`, to the even one of two; if `is_cut`, it is somewhat more than that.
fn rounded(number: u64, is_cut: bool, power: i64) -> f64 {
    const MANTISSA_BITS: i64 = 53;
    const EXPONENT_MIN: i64 = -1022;
    let bits = i64::from(64 - number.leading_zeros());
    let exponent = power.saturating_add(bits - 1);
    if number == 0 || exponent < EXPONENT_MIN - MANTISSA_BITS {
        return 0.0;
    }
    if exponent > 1023 {
        return f64::INFINITY;
    }
    // Those closest to zero have fewer bits.
    let kept = MANTISSA_BITS - (EXPONENT_MIN - exponent).max(0);
    let dropped = (bits - kept).max(0);
    let wide = u128::from(number);
    let (whole, rest, half) = (wide >> dropped, wide & ((1 << dropped) - 1), (1_u128 << dropped) >> 1);
    let is_more = dropped > 0 && (rest > half || rest == half && (is_cut || whole & 1 == 1));
    let whole = (whole + u128::from(is_more)) as f64;
    // In two steps, each of which is a power of two that can be kept.
    let power = power + dropped;
    let half = power / 2;
    whole * 2_f64.powi(half as i32) * 2_f64.powi((power - half) as i32)
}

#[cfg(test)]
mod tests {
    use super::{bound, double};

    #[test]
    fn a_number_is_read_as_c_reads_it() {
        for (text, value) in [
            ("0", 0.0),
            ("1", 1.0),
            ("+1.5", 1.5),
            ("-1.5", -1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E+3", 1000.0),
            ("1.25e-2", 0.0125),
            ("007", 7.0),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("1e308", 1e308),
            ("5e-324", 5e-324),
            ("0e-999999999999999999999", 0.0),
            ("inf", f64::INFINITY),
            ("+INF", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("-0X1.8p1", -3.0),
            ("0x.8", 0.5),
            ("0x1p-1074", 5e-324),
            ("0x1.8p-1074", 1e-323),
            ("0x1.fffffffffffff7p0", 2.0_f64.next_down()),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x10000000000000800000000000000000001", 2_f64.powi(136).next_up()),
            ("0x10000000000000800000000000000000000", 2_f64.powi(136)),
            ("0x1.fffffffffffffp1023", f64::MAX),
        ] {
            assert_eq!(double(text.as_bytes()), Some(value), "{text}");
            assert_eq!(bound(text.as_bytes()), Some(value), "{text}");
        }
        assert!(double(b"-0").is_some_and(f64::is_sign_negative));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "x", "-", "+", ".", "-.", "1x", "1 ", "1e", "1e+", "e1", "1.2.3", "0x", "0xg", "0x1p", "nan",
            "-nan", "NaN(1)", "inff", "infinit", "--1", "1_000",
        ] {
            assert_eq!(double(text.as_bytes()), None, "{text}");
            assert_eq!(bound(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn bounds_are_read_less_strictly() {
        for (text, value) in [
            ("", 0.0),
            (" 1", 1.0),
            ("\t\n 1", 1.0),
            ("1\0x", 1.0),
            ("\0", 0.0),
            ("1e400", f64::INFINITY),
            ("-1e400", f64::NEG_INFINITY),
            ("1e-400", 0.0),
            ("0x1p-1080", 0.0),
            ("0x1p99999999999999999999", f64::INFINITY),
        ] {
            assert_eq!(double(text.as_bytes()), None, "{text:?}");
            assert_eq!(bound(text.as_bytes()), Some(value), "{text:?}");
        }
        assert_eq!(bound(b" "), None);
    }
}
