//! Words of a line as people write them, quoted where they hold blanks.

use std::io::Write as _;

use super::inline;

/// The words of a line, which may be quoted as those of an inline request are. `None` if a quote does not close.
pub fn words_of(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut line, mut spans) = (line.to_vec(), Vec::new());
    inline::split(&mut line, &mut spans).ok()?;
    Some(spans.into_iter().map(|span| span.of(&line).to_vec()).collect())
}

/// Bytes in quotes, as a person can read them and [`words_of`] does. Source: Redis `sds.c`, `sdscatrepr`.
pub fn quote(bytes: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => line.extend_from_slice(&[b'\\', byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            0x07 => line.extend_from_slice(b"\\a"),
            0x08 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => {
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_quoted_as_redis_quotes_them() {
        let mut line = Vec::new();
        quote(b"a \n\r\t\x07\x08\x01\xff\"\\", &mut line);
        assert_eq!(line, br#""a \n\r\t\a\b\x01\xff\"\\""#);
        assert_eq!(words_of(&line), Some(vec![b"a \n\r\t\x07\x08\x01\xff\"\\".to_vec()]));
    }
}
