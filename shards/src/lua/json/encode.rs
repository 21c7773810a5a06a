//! `cjson.encode`.

use super::super::state::{Raised, Returns, Stack, Type};
use super::{Invalid, Settings};

pub(super) fn encode(stack: &mut Stack<'_>) -> Returns {
    if stack.top() != 1 {
        return Err(stack.raise_argument(1, "expected 1 argument"));
    }
    let settings = stack.world().json;
    let bytes_max = stack.world().limits.bytes_max;
    let mut encoder = Encoder { settings, text: Vec::new(), open: Vec::new() };
    encoder.add(stack)?;
    while encoder.go_on(stack)? {
        if encoder.text.len() > bytes_max {
            return Err(stack.raise_plain(b"not enough memory"));
        }
    }
    stack.truncate(0);
    stack.push_bytes(&encoder.text);
    Ok(1)
}

/// A table that is being written.
struct Open {
    table: usize,
    /// How many elements it has; an object if none.
    length: Option<usize>,
    /// How many have been written.
    written: usize,
}

struct Encoder {
    settings: Settings,
    text: Vec<u8>,
    open: Vec<Open>,
}

impl Encoder {
    /// Writes one element more of the innermost table; `false` if all has been written.
    fn go_on(&mut self, stack: &mut Stack<'_>) -> Result<bool, Raised> {
        let Some(open) = self.open.last_mut() else { return Ok(false) };
        let table = open.table;
        let is_first = open.written == 0;
        open.written += 1;
        if let Some(length) = open.length {
            let at = open.written;
            stack.truncate(table);
            if at > length {
                self.text.push(b']');
                self.close(stack, table);
                return Ok(true);
            }
            if !is_first {
                self.text.push(b',');
            }
            stack.push_element(table, at);
        } else {
            stack.truncate(table + 1);
            if !stack.next(table).expect("the key is one of the table") {
                self.text.push(b'}');
                self.close(stack, table);
                return Ok(true);
            }
            if !is_first {
                self.text.push(b',');
            }
            match stack.type_of(table + 1) {
                Some(Type::Number) => {
                    self.text.push(b'"');
                    self.add_number(stack, table + 1)?;
                    self.text.push(b'"');
                }
                Some(Type::String) => self.add_string(stack.bytes(table + 1).unwrap_or_default()),
                _ => return Err(cannot(stack, table + 1, "table key must be a number or string")),
            }
            self.text.push(b':');
        }
        self.add(stack)?;
        Ok(true)
    }

    fn close(&mut self, stack: &mut Stack<'_>, table: usize) {
        stack.truncate(table - 1);
        self.open.pop();
    }

    /// Writes the value at the top, or opens it.
    fn add(&mut self, stack: &mut Stack<'_>) -> Result<(), Raised> {
        let top = stack.top();
        match stack.type_of(top) {
            Some(Type::String) => self.add_string(stack.bytes(top).unwrap_or_default()),
            Some(Type::Number) => self.add_number(stack, top)?,
            Some(Type::Boolean) => {
                self.text.extend_from_slice(if stack.truth(top) { b"true" } else { b"false" });
            }
            Some(Type::Nil) => self.text.extend_from_slice(b"null"),
            Some(Type::LightUserdata) if stack.is_null(top) => self.text.extend_from_slice(b"null"),
            Some(Type::Table) => self.open(stack, top)?,
            _ => return Err(cannot(stack, top, "type not supported")),
        }
        Ok(())
    }

    fn open(&mut self, stack: &mut Stack<'_>, table: usize) -> Result<(), Raised> {
        let depth = self.open.len() + 1;
        if depth > self.settings.encode_depth_max as usize || !stack.reserve(3) {
            return Err(stack.raise(format!("Cannot serialise, excessive nesting ({depth})").as_bytes()));
        }
        let length = self.array_length(stack, table)?;
        if length.is_none() {
            stack.push_nil();
        }
        self.text.push(if length.is_some() { b'[' } else { b'{' });
        self.open.push(Open { table, length, written: 0 });
        Ok(())
    }

    /// How many elements the table has if it is an array, and not an empty one.
    fn array_length(&self, stack: &mut Stack<'_>, table: usize) -> Result<Option<usize>, Raised> {
        let (mut last, mut count) = (0, 0_i32);
        stack.push_nil();
        while stack.next(table).expect("the key is one of the table") {
            stack.pop(1);
            let key = if stack.is(table + 1, Type::Number) { stack.number(table + 1) } else { None };
            let Some(key) = key.filter(|key| key.fract() == 0.0 && *key >= 1.0) else {
                stack.truncate(table);
                return Ok(None);
            };
            // As C does it, into 32 bits.
            if key > f64::from(last) {
                last = if key <= f64::from(i32::MAX) { key as i32 } else { i32::MIN };
            }
            count = count.wrapping_add(1);
        }
        let Settings { sparse_ratio, sparse_safe, converts_sparse, .. } = self.settings;
        if sparse_ratio > 0 && last > count.wrapping_mul(sparse_ratio) && last > sparse_safe {
            if !converts_sparse {
                return Err(cannot(stack, table, "excessively sparse array"));
            }
            return Ok(None);
        }
        Ok(usize::try_from(last).ok().filter(|&length| length > 0))
    }

    fn add_string(&mut self, string: &[u8]) {
        self.text.reserve(string.len() + 2);
        self.text.push(b'"');
        for &byte in string {
            let short = match byte {
                b'"' | b'\\' | b'/' => byte,
                0x08 => b'b',
                b'\t' => b't',
                b'\n' => b'n',
                0x0c => b'f',
                b'\r' => b'r',
                0..0x20 | 0x7f => {
                    self.text.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    continue;
                }
                _ => {
                    self.text.push(byte);
                    continue;
                }
            };
            self.text.extend_from_slice(&[b'\\', short]);
        }
        self.text.push(b'"');
    }

    fn add_number(&mut self, stack: &mut Stack<'_>, index: usize) -> Result<(), Raised> {
        let number = stack.number(index).unwrap_or(0.0);
        if !number.is_finite() {
            match self.settings.encode_invalid {
                Invalid::Refused => return Err(cannot(stack, index, "must not be NaN or Inf")),
                Invalid::Null => self.text.extend_from_slice(b"null"),
                Invalid::Written if number.is_nan() => self.text.extend_from_slice(b"nan"),
                Invalid::Written => self.text.extend_from_slice(if number > 0.0 { b"inf" } else { b"-inf" }),
            }
            return Ok(());
        }
        add_general(&mut self.text, number, self.settings.precision as usize);
        Ok(())
    }
}

fn cannot(stack: &mut Stack<'_>, index: usize, reason: &str) -> Raised {
    let name = stack.type_of(index).map_or("nil", Type::name);
    stack.raise(format!("Cannot serialise {name}: {reason}").as_bytes())
}

/// A number with so many digits at the most, as C writes it for `%g`.
fn add_general(text: &mut Vec<u8>, number: f64, precision: usize) {
    // Most are short whole numbers.
    if number.fract() == 0.0
        && number.abs() < 10_f64.powi(precision as i32)
        && (number != 0.0 || number.is_sign_positive())
    {
        text.extend_from_slice(itoa::Buffer::new().format(number as i64).as_bytes());
        return;
    }
    let scientific = format!("{:.*e}", precision - 1, number.abs());
    let (digits, exponent) = scientific.split_once('e').expect("so it is written");
    let exponent: i32 = exponent.parse().expect("so it is written");
    let digits: Vec<u8> = digits.bytes().filter(|byte| *byte != b'.').collect();
    let zeros = digits.iter().rev().take_while(|byte| **byte == b'0').count();
    let digits = &digits[..(digits.len() - zeros).max(1)];
    if number.is_sign_negative() {
        text.push(b'-');
    }
    if exponent < -4 || exponent >= precision as i32 {
        text.push(digits[0]);
        if digits.len() > 1 {
            text.push(b'.');
            text.extend_from_slice(&digits[1..]);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        text.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
    } else if exponent < 0 {
        text.extend_from_slice(b"0.");
        text.extend(std::iter::repeat_n(b'0', (-1 - exponent) as usize));
        text.extend_from_slice(digits);
    } else {
        let whole = exponent as usize + 1;
        text.extend_from_slice(&digits[..whole.min(digits.len())]);
        text.extend(std::iter::repeat_n(b'0', whole.saturating_sub(digits.len())));
        if digits.len() > whole {
            text.push(b'.');
            text.extend_from_slice(&digits[whole..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_c_writes_it() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1e14, "1e+14"),
            (99_999_999_999_999.0, "99999999999999"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.33333333333333"),
            (1e-5, "1e-05"),
            (0.000_123, "0.000123"),
            (-1.5e300, "-1.5e+300"),
            (123.456, "123.456"),
        ] {
            let mut out = Vec::new();
            add_general(&mut out, number, 14);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
