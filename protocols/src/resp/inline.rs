//! Inline commands: a line of words, quoted where they hold blanks.

use nom::{Err, IResult, Needed};

use crate::error::Fault;
use crate::limits;
use crate::request::Span;

/// A line without its end (`\n`, or `\r\n`); there is no `\n` before `searched`.
pub(super) fn line(input: &[u8], searched: usize) -> IResult<&[u8], &[u8], Fault> {
    let window = &input[..input.len().min(limits::INLINE_BYTES_MAX + 1)];
    let searched = searched.min(window.len());
    match memchr::memchr(b'\n', &window[searched..]) {
        Some(at) => {
            let line = &input[..searched + at];
            Ok((&input[searched + at + 1..], line.strip_suffix(b"\r").unwrap_or(line)))
        }
        None if window.len() > limits::INLINE_BYTES_MAX => Err(Err::Failure(Fault::InlineTooLong)),
        None => Err(Err::Incomplete(Needed::Unknown)),
    }
}

/// Splits `line` into words and unquotes them where they stand: a word never grows by it.
///
/// In `"…"` a backslash escapes as in C (`\n \r \t \b \a \xHH`, else the character itself), in `'…'` only
/// `\'` does. A quote may open anywhere in a word but has to close at its end.
/// Source: Redis `sds.c`, `sdssplitargs`.
pub(crate) fn split(line: &mut [u8], spans: &mut Vec<Span>) -> Result<(), Fault> {
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(|&byte| is_space(byte)) {
            at += 1;
        }
        if at == line.len() {
            return Ok(());
        }
        let start = at;
        let (end, next) = word(line, start)?;
        spans.push(Span::new(start, end));
        at = next;
    }
}

/// Unquotes the word at `start`: where it ends now, and where it ended before.
fn word(line: &mut [u8], start: usize) -> Result<(usize, usize), Fault> {
    let (mut read, mut write) = (start, start);
    let mut quote = None;
    while let Some(&byte) = line.get(read) {
        let (taken, byte) = match (quote, byte) {
            (None, b' ' | b'\n' | b'\r' | b'\t') => break,
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                read += 1;
                continue;
            }
            (Some(open), _) if open == byte => {
                return match line.get(read + 1) {
                    Some(&next) if !is_space(next) => Err(Fault::InlineQuotes),
                    _ => Ok((write, read + 1)),
                };
            }
            (Some(b'"'), b'\\') => escape(&line[read..]),
            (Some(b'\''), b'\\') if line.get(read + 1) == Some(&b'\'') => (2, b'\''),
            _ => (1, byte),
        };
        line[write] = byte;
        read += taken;
        write += 1;
    }
    if quote.is_some() { Err(Fault::InlineQuotes) } else { Ok((write, read)) }
}

/// What the escape sequence at the start of `text` takes and means.
fn escape(text: &[u8]) -> (usize, u8) {
    let digit = |index: usize| text.get(index).and_then(|&byte| char::from(byte).to_digit(16));
    match (text.get(1), digit(2), digit(3)) {
        (Some(b'x'), Some(high), Some(low)) => (4, (high * 16 + low) as u8),
        (Some(b'n'), ..) => (2, b'\n'),
        (Some(b'r'), ..) => (2, b'\r'),
        (Some(b't'), ..) => (2, b'\t'),
        (Some(b'b'), ..) => (2, 0x08),
        (Some(b'a'), ..) => (2, 0x07),
        (Some(&byte), ..) => (2, byte),
        (None, ..) => (1, b'\\'),
    }
}

/// A blank as C's `isspace` sees it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
