//! Replies of Memcached's text and meta protocols as lines of a transcript.

use super::text::{Names, escape};
use crate::wire::{Silence, Wire};

/// Reads one reply: to `END` where the first line promises one, otherwise a line and its data.
pub(crate) fn read(wire: &mut Wire, names: &mut Names) -> Result<Vec<String>, Silence> {
    let mut lines = Vec::new();
    loop {
        let line = wire.line()?;
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        lines.push(named(&words, names));
        let number =
            |at: usize| words.get(at).and_then(|word| std::str::from_utf8(word).ok()?.parse::<usize>().ok());
        let (data, more) = match words[0] {
            b"VALUE" => (number(3), true),
            b"VA" => (number(1), false),
            b"STAT" | b"ITEM" => (None, true),
            _ => (None, false),
        };
        if let Some(count) = data {
            let payload = wire.bytes(count)?;
            let end = wire.bytes(2)?;
            lines.push(escape(&payload));
            if end != b"\r\n" {
                lines.push(format!("(not a line end: {})", escape(&end)));
            }
        }
        if !more {
            return Ok(lines);
        }
    }
}

/// A line with its CAS value shown by name.
fn named(words: &[&[u8]], names: &mut Names) -> String {
    let number = |word: &[u8]| std::str::from_utf8(word).ok().and_then(|word| word.parse::<u64>().ok());
    let mut shown: Vec<String> = words.iter().map(|word| escape(word)).collect();
    match words[0] {
        b"VALUE" if words.len() == 5 => {
            if let Some(cas) = number(words[4]) {
                shown[4] = names.cas(cas);
            }
        }
        b"HD" | b"VA" | b"EN" | b"NS" | b"EX" | b"NF" => {
            for (word, shown) in words.iter().zip(&mut shown) {
                if let Some(cas) = word.strip_prefix(b"c").and_then(number) {
                    *shown = format!("c{}", names.cas(cas));
                }
            }
        }
        _ => {}
    }
    shown.join(" ")
}
