//! `cjson.decode`.

use tidegate_protocols::number;

use super::super::state::{Returns, Stack};
use super::Settings;

pub(super) fn decode(stack: &mut Stack<'_>) -> Returns {
    if stack.top() != 1 {
        return Err(stack.raise_argument(1, "expected 1 argument"));
    }
    let text = stack.expect_text(1)?.to_vec();
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(stack.raise(b"JSON parser does not support UTF-16 or UTF-32"));
    }
    let settings = stack.world().json;
    let mut decoder = Decoder { settings, text: &text, at: 0, open: Vec::new() };
    let result = decoder.value(stack).and_then(|()| {
        let end = decoder.next();
        if matches!(end.what, What::End) { Ok(()) } else { Err(Wrong::expected("the end", &end)) }
    });
    match result {
        Ok(()) => Ok(1),
        Err(Wrong(text)) => Err(stack.raise(text.as_bytes())),
    }
}

/// What is wrong with a text.
struct Wrong(String);

impl Wrong {
    fn expected(expected: &str, found: &Token) -> Self {
        Self(format!("Expected {expected} but found {} at character {}", found.what.name(), found.at + 1))
    }
}

enum What {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl What {
    /// As errors call it.
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::String(_) => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Error(text) => text,
        }
    }
}

struct Token {
    what: What,
    at: usize,
}

/// A table that is being filled.
struct Open {
    table: usize,
    /// How many elements it has; an object if none.
    elements: Option<usize>,
}

struct Decoder<'a> {
    settings: Settings,
    text: &'a [u8],
    at: usize,
    open: Vec<Open>,
}

impl Decoder<'_> {
    /// The byte `ahead` of here; 0 at the end, as C has it.
    fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn starts_with(&self, word: &[u8]) -> bool {
        self.text[self.at.min(self.text.len())..].starts_with(word)
    }

    /// Pushes one value with all that is in it.
    fn value(&mut self, stack: &mut Stack<'_>) -> Result<(), Wrong> {
        let token = self.next();
        self.push(stack, token)?;
        while let Some(open) = self.open.last_mut() {
            let is_filled = stack.top() > open.table;
            if is_filled {
                match &mut open.elements {
                    Some(count) => {
                        *count += 1;
                        stack.set_element(open.table, *count);
                    }
                    None => stack.set_pair(open.table),
                }
            }
            let is_object = open.elements.is_none();
            let mut token = self.next();
            if matches!((&token.what, is_object), (What::ObjectEnd, true) | (What::ArrayEnd, false)) {
                self.open.pop();
                continue;
            }
            if is_filled {
                if !matches!(token.what, What::Comma) {
                    let expected = if is_object { "comma or object end" } else { "comma or array end" };
                    return Err(Wrong::expected(expected, &token));
                }
                token = self.next();
            }
            if is_object {
                let What::String(key) = &token.what else {
                    return Err(Wrong::expected("object key string", &token));
                };
                stack.push_bytes(key);
                let colon = self.next();
                if !matches!(colon.what, What::Colon) {
                    return Err(Wrong::expected("colon", &colon));
                }
                token = self.next();
            }
            self.push(stack, token)?;
        }
        Ok(())
    }

    /// Pushes the value that begins with this token; opens it if it is a table.
    fn push(&mut self, stack: &mut Stack<'_>, token: Token) -> Result<(), Wrong> {
        match token.what {
            What::String(string) => stack.push_bytes(&string),
            What::Number(number) => stack.push_number(number),
            What::Boolean(value) => stack.push_boolean(value),
            What::Null => stack.push_null(),
            What::ObjectBegin => self.open(stack, None)?,
            What::ArrayBegin => self.open(stack, Some(0))?,
            _ => return Err(Wrong::expected("value", &token)),
        }
        Ok(())
    }

    fn open(&mut self, stack: &mut Stack<'_>, elements: Option<usize>) -> Result<(), Wrong> {
        let depth = self.open.len() + 1;
        let wanted = if elements.is_some() { 2 } else { 3 };
        if depth > self.settings.decode_depth_max as usize || !stack.reserve(wanted) {
            let text = format!("Found too many nested data structures ({depth}) at character {}", self.at);
            return Err(Wrong(text));
        }
        stack.push_table(0, 0);
        self.open.push(Open { table: stack.top(), elements });
        Ok(())
    }

    fn next(&mut self) -> Token {
        while matches!(self.byte(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let at = self.at;
        let single = match self.byte(0) {
            b'{' => What::ObjectBegin,
            b'}' => What::ObjectEnd,
            b'[' => What::ArrayBegin,
            b']' => What::ArrayEnd,
            b',' => What::Comma,
            b':' => What::Colon,
            0 => return Token { what: What::End, at },
            _ => {
                // An error within a token is told where it is.
                let what = self.long();
                let at = if matches!(what, What::Error(_)) { self.at } else { at };
                return Token { what, at };
            }
        };
        self.at += 1;
        Token { what: single, at }
    }

    fn long(&mut self) -> What {
        match self.byte(0) {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => {
                if !self.settings.decodes_invalid && self.is_invalid_number() {
                    return What::Error("invalid number");
                }
                self.number()
            }
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => {
                for (word, what) in [
                    (&b"true"[..], What::Boolean(true)),
                    (b"false", What::Boolean(false)),
                    (b"null", What::Null),
                ] {
                    if self.starts_with(word) {
                        self.at += word.len();
                        return what;
                    }
                }
                if self.settings.decodes_invalid && self.is_invalid_number() {
                    return self.number();
                }
                What::Error("invalid token")
            }
            _ => What::Error("invalid token"),
        }
    }

    /// Whether what begins here is a number to C but not to JSON.
    fn is_invalid_number(&self) -> bool {
        if self.byte(0) == b'+' {
            return true;
        }
        let sign = usize::from(self.byte(0) == b'-');
        let (first, second) = (self.byte(sign), self.byte(sign + 1));
        if first == b'0' {
            return second | 0x20 == b'x' || second.is_ascii_digit();
        }
        if first <= b'9' {
            return false;
        }
        let three = [first, second, self.byte(sign + 2)].map(|byte| byte.to_ascii_lowercase());
        three == *b"inf" || three == *b"nan"
    }

    /// The longest number that begins here, as C's `strtod` reads it.
    fn number(&mut self) -> What {
        let rest = &self.text[self.at..];
        let sign = usize::from(matches!(rest.first(), Some(b'-' | b'+')));
        let unsigned = &rest[sign..];
        let is_negative = rest.first() == Some(&b'-');
        let lower = |count: usize| unsigned.get(..count).map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
        let (value, bytes) = if lower(8) == b"infinity" {
            (f64::INFINITY, 8)
        } else if lower(3) == b"inf" {
            (f64::INFINITY, 3)
        } else if lower(3) == b"nan" {
            (f64::NAN, 3 + nan_payload(&unsigned[3..]))
        } else {
            match hexadecimal(unsigned).or_else(|| decimal(unsigned)) {
                Some(found) => found,
                None => return What::Error("invalid number"),
            }
        };
        self.at += sign + bytes;
        What::Number(if is_negative { -value } else { value })
    }

    fn string(&mut self) -> What {
        self.at += 1;
        let mut string = Vec::new();
        loop {
            let byte = match self.byte(0) {
                b'"' => break,
                0 => return What::Error("unexpected end of string"),
                b'\\' => {
                    let escaped = match self.byte(1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 0x08,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 0x0c,
                        b'r' => b'\r',
                        b'u' => match self.unicode(&mut string) {
                            Some(bytes) => {
                                self.at += bytes;
                                continue;
                            }
                            None => return What::Error("invalid unicode escape code"),
                        },
                        _ => return What::Error("invalid escape code"),
                    };
                    self.at += 1;
                    escaped
                }
                byte => byte,
            };
            string.push(byte);
            self.at += 1;
        }
        self.at += 1;
        What::String(string)
    }

    /// Adds the character whose escape begins here; how many bytes that takes.
    fn unicode(&self, string: &mut Vec<u8>) -> Option<usize> {
        let unit = self.unit(2)?;
        let (character, bytes) = if unit & 0xF800 == 0xD800 {
            if unit & 0x400 != 0 || self.byte(6) != b'\\' || self.byte(7) != b'u' {
                return None;
            }
            let low = self.unit(8)?;
            if low & 0xFC00 != 0xDC00 {
                return None;
            }
            (((unit & 0x3FF) << 10 | low & 0x3FF) + 0x1_0000, 12)
        } else {
            (unit, 6)
        };
        let mut encoded = [0; 4];
        string.extend_from_slice(char::from_u32(character)?.encode_utf8(&mut encoded).as_bytes());
        Some(bytes)
    }

    fn unit(&self, ahead: usize) -> Option<u32> {
        (ahead..ahead + 4)
            .try_fold(0, |unit, ahead| Some(unit << 4 | char::from(self.byte(ahead)).to_digit(16)?))
    }
}

/// Bytes of what may stand in parentheses after `nan`.
fn nan_payload(rest: &[u8]) -> usize {
    if rest.first() != Some(&b'(') {
        return 0;
    }
    let word = rest[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if rest.get(1 + word) == Some(&b')') { word + 2 } else { 0 }
}

fn digits(text: &[u8], is_digit: fn(&u8) -> bool) -> usize {
    text.iter().take_while(|byte| is_digit(byte)).count()
}

/// Bytes of digits with a point among them, if there is a digit.
fn mantissa(text: &[u8], is_digit: fn(&u8) -> bool) -> Option<usize> {
    let whole = digits(text, is_digit);
    let fraction = match text.get(whole) {
        Some(b'.') => Some(digits(&text[whole + 1..], is_digit)),
        _ => None,
    };
    (whole + fraction.unwrap_or(0) > 0).then_some(whole + fraction.map_or(0, |fraction| fraction + 1))
}

/// Bytes of an exponent, if there is a whole one.
fn exponent(text: &[u8], mark: u8) -> usize {
    if text.first().map(u8::to_ascii_lowercase) != Some(mark) {
        return 0;
    }
    let sign = usize::from(matches!(text.get(1), Some(b'-' | b'+')));
    match digits(&text[1 + sign..], u8::is_ascii_digit) {
        0 => 0,
        count => 1 + sign + count,
    }
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let mantissa = mantissa(text, u8::is_ascii_digit)?;
    let bytes = mantissa + exponent(&text[mantissa..], b'e');
    let value = std::str::from_utf8(&text[..bytes]).ok()?.parse().ok()?;
    Some((value, bytes))
}

fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let rest = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X"))?;
    let mantissa = mantissa(rest, u8::is_ascii_hexdigit)?;
    let bytes = 2 + mantissa + exponent(&rest[mantissa..], b'p');
    // What is too large for a number is refused there, and infinite here.
    Some((number::double(&text[..bytes]).unwrap_or(f64::INFINITY), bytes))
}
