//! Commands as they stand in the log: RESP, each an array of bulk strings.

use tidegate_protocols::Args;

/// Adds the beginning of a command of so many words.
pub(crate) fn begin(out: &mut Vec<u8>, words: usize) {
    head(out, b'*', words);
}

/// Adds one word.
pub(crate) fn word(out: &mut Vec<u8>, word: &[u8]) {
    head(out, b'$', word.len());
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

/// Adds a command.
pub(crate) fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    begin(out, words.len());
    for text in words {
        word(out, text);
    }
}

/// Adds a request as it was made.
pub(crate) fn request(out: &mut Vec<u8>, args: &Args<'_>) {
    begin(out, args.len());
    for text in args.iter() {
        word(out, text);
    }
}

/// Adds `SELECT`.
pub(crate) fn select(out: &mut Vec<u8>, database: u8) {
    command(out, &[b"SELECT", itoa::Buffer::new().format(database).as_bytes()]);
}

fn head(out: &mut Vec<u8>, kind: u8, count: usize) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
    out.extend_from_slice(b"\r\n");
}
