//! RESP replies as lines of a transcript.

use super::text::escape;
use crate::wire::{Silence, Wire};

/// Reads one reply, however nested; pieces are the lines of each element when `sorted`.
pub(crate) fn read(wire: &mut Wire, sorted: bool) -> Result<Vec<String>, Silence> {
    let mut lines = Vec::new();
    let header = wire.line()?;
    lines.push(escape(&header));
    let elements = body(wire, &header, &mut lines)?;
    let mut pieces = Vec::new();
    for _ in 0..elements.count {
        let mut piece = Vec::new();
        for _ in 0..elements.values {
            element(wire, &mut piece)?;
        }
        pieces.push(piece);
    }
    if sorted {
        pieces.sort();
    }
    lines.extend(pieces.into_iter().flatten());
    if header.first() == Some(&b'|') {
        // Attributes precede the reply they belong to.
        element(wire, &mut lines)?;
    }
    Ok(lines)
}

/// How many elements follow a header, and of how many values each consists (2 in a map).
struct Elements {
    count: usize,
    values: usize,
}

fn element(wire: &mut Wire, lines: &mut Vec<String>) -> Result<(), Silence> {
    lines.extend(read(wire, false)?);
    Ok(())
}

/// Reads a payload, or says how many elements follow.
fn body(wire: &mut Wire, header: &[u8], lines: &mut Vec<String>) -> Result<Elements, Silence> {
    let length = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let none = Elements { count: 0, values: 0 };
    match header.split_first() {
        Some((b'$' | b'=' | b'!', rest)) if !rest.starts_with(b"-") => {
            let payload = wire.bytes(length(rest))?;
            let end = wire.bytes(2)?;
            lines.push(escape(&payload));
            if end != b"\r\n" {
                lines.push(format!("(not a line end: {})", escape(&end)));
            }
            Ok(none)
        }
        Some((b'*' | b'~' | b'>', rest)) => Ok(Elements { count: length(rest), values: 1 }),
        Some((b'%' | b'|', rest)) => Ok(Elements { count: length(rest), values: 2 }),
        _ => Ok(none),
    }
}

/// An array of bulk strings: how every client sends a command.
pub(crate) fn request(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
