//! The text of transcripts: escapes, quoting as in redis-cli, `${…}`.

use std::collections::HashMap;
use std::fmt::Write;

/// What a script has learnt on its way: captures of patterns and names of CAS values.
#[derive(Default)]
pub(crate) struct Names {
    values: HashMap<String, Vec<u8>>,
    cas: Vec<u64>,
}

impl Names {
    /// Keeps `value` as `${name}`.
    pub(crate) fn keep(&mut self, name: &str, value: &[u8]) {
        self.values.insert(name.to_owned(), value.to_vec());
    }

    /// The name of a CAS value, given at its first appearance; 0 has none.
    pub(crate) fn cas(&mut self, cas: u64) -> String {
        if cas == 0 {
            return "0".to_owned();
        }
        let number = self.cas.iter().position(|known| *known == cas).unwrap_or_else(|| {
            self.cas.push(cas);
            self.cas.len() - 1
        }) + 1;
        self.keep(&format!("c{number}"), cas.to_string().as_bytes());
        format!("${{c{number}}}")
    }

    /// Replaces every `${…}`; in a reply CAS names stay, because replies show them by name.
    pub(crate) fn fill(&self, text: &[u8], place: Place) -> Result<Vec<u8>, String> {
        let mut filled = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = find(rest, b"${") {
            filled.extend_from_slice(&rest[..start]);
            let end = start + find(&rest[start..], b"}").ok_or("`${` without `}`")?;
            let name = &rest[start + 2..end];
            if place == Place::Reply && is_cas_name(name) {
                filled.extend_from_slice(&rest[start..=end]);
            } else {
                let value = self.value(name)?;
                match place {
                    Place::Pattern => {
                        filled.extend_from_slice(regex::escape(&String::from_utf8_lossy(&value)).as_bytes());
                    }
                    Place::Request | Place::Reply => filled.extend_from_slice(&value),
                }
            }
            rest = &rest[end + 1..];
        }
        filled.extend_from_slice(rest);
        Ok(filled)
    }

    fn value(&self, name: &[u8]) -> Result<Vec<u8>, String> {
        if let Some(star) = name.iter().rposition(|byte| *byte == b'*') {
            let times = std::str::from_utf8(&name[star + 1..]).ok().and_then(|digits| digits.parse().ok());
            return Ok(name[..star].repeat(times.ok_or("`${text*times}` wants a number of times")?));
        }
        let name = String::from_utf8_lossy(name).into_owned();
        self.values.get(&name).cloned().ok_or_else(|| format!("`${{{name}}}` is not known yet"))
    }
}

/// Where `${…}` is replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Request,
    Reply,
    Pattern,
}

fn is_cas_name(name: &[u8]) -> bool {
    name.len() > 1 && name[0] == b'c' && name[1..].iter().all(u8::is_ascii_digit)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Bytes as a line of a transcript.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut line = String::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\r' => line.push_str("\\r"),
            b'\n' => line.push_str("\\n"),
            b'\t' => line.push_str("\\t"),
            b'\\' => line.push_str("\\\\"),
            b'$' if bytes.get(at + 1) == Some(&b'{') => line.push_str("\\x24"),
            b' '..=b'~' => line.push(*byte as char),
            _ => write!(line, "\\x{byte:02x}").expect("a string takes all"),
        }
    }
    line
}

/// Shortens what a person would not want to read: runs of one character become `${x*300}`.
pub(crate) fn shorten(line: &str) -> String {
    const RUN_MIN: usize = 64;
    let mut short = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let run = rest.chars().take_while(|other| *other == first).count();
        if run >= RUN_MIN && first.is_ascii_alphanumeric() {
            write!(short, "${{{first}*{run}}}").expect("a string takes all");
            rest = &rest[run..];
        } else {
            short.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    short
}

/// A line of a transcript as bytes: the inverse of [`escape`].
pub(crate) fn unescape(line: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'\\' {
            rest = escaped(after, &mut bytes)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Ok(bytes)
}

/// What follows a backslash, onto `bytes`; the text after it.
fn escaped<'a>(text: &'a [u8], bytes: &mut Vec<u8>) -> Result<&'a [u8], String> {
    let (first, rest) = text.split_first().ok_or("a backslash at the end")?;
    let byte = match first {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        b'x' => {
            let byte =
                rest.get(..2).and_then(|digits| hex(digits).ok()).ok_or("`\\x` wants two hex digits")?;
            bytes.extend_from_slice(&byte);
            return Ok(&rest[2..]);
        }
        other => *other,
    };
    bytes.push(byte);
    Ok(rest)
}

/// Hex digits, blanks between bytes allowed.
pub(crate) fn hex(text: &[u8]) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text.iter().copied().filter(|byte| *byte != b' ').collect();
    let pair =
        |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    if !digits.len().is_multiple_of(2) {
        return Err("an odd number of hex digits".to_owned());
    }
    digits.chunks(2).map(|digits| pair(digits).ok_or_else(|| "not a hex digit".to_owned())).collect()
}

/// The words of a line, quoted as in redis-cli: `"…"` with escapes, `'…'` with `\'` only.
pub(crate) fn words(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii().as_bytes();
    while !rest.is_empty() {
        let mut word = Vec::new();
        rest = one_word(rest, &mut word)?.trim_ascii_start();
        words.push(word);
    }
    Ok(words)
}

fn one_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], String> {
    let mut quote = None;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (quote, first) {
            (None, b' ') => return Ok(rest),
            (None, b'"' | b'\'') => quote = Some(*first),
            (Some(open), close) if open == *close => quote = None,
            (Some(b'"'), b'\\') => rest = escaped(after, word)?,
            (Some(b'\''), b'\\') if after.first() == Some(&b'\'') => {
                word.push(b'\'');
                rest = &after[1..];
            }
            _ => word.push(*first),
        }
    }
    if quote.is_some() { Err("a quote is not closed".to_owned()) } else { Ok(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_escaping() {
        let all: Vec<u8> = (0..=255).chain(*b"${x}").collect();
        assert_eq!(unescape(&escape(&all)).unwrap(), all);
    }

    #[test]
    fn words_are_quoted_as_in_redis_cli() {
        let words = words(r#"SET "a b\x00\n" 'it\'s\n' key="v w" """#).unwrap();
        let expected: [&[u8]; 5] = [b"SET", b"a b\0\n", b"it's\\n", b"key=v w", b""];
        assert_eq!(words, expected);
    }

    #[test]
    fn names_are_filled_in() {
        let mut names = Names::default();
        names.keep("k", b"1.2");
        assert_eq!(names.cas(77), "${c1}");
        assert_eq!(names.cas(0), "0");
        assert_eq!(names.cas(78), "${c2}");
        assert_eq!(names.cas(77), "${c1}");
        assert_eq!(names.fill(b"<${k} ${x*3} ${c2}>", Place::Request).unwrap(), b"<1.2 xxx 78>");
        assert_eq!(names.fill(b"${k} ${c2}", Place::Reply).unwrap(), b"1.2 ${c2}");
        assert_eq!(names.fill(b"${k}", Place::Pattern).unwrap(), b"1\\.2");
        assert!(names.fill(b"${unknown}", Place::Request).is_err());
    }

    #[test]
    fn long_runs_are_shortened() {
        let line = format!("a{}b", "x".repeat(100));
        assert_eq!(shorten(&line), "a${x*100}b");
    }
}
