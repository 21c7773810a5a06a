//! Lines of text, and the values and further keys that follow. Source: the behaviour of memcached 1.6.18.

use memchr::memchr;

use super::words::{Words, next_word, push_words, without_end};
use super::{
    Authentication, Decoder, Dialect, Item, Options, Parsed, Rules, Status, base64, classic, item_bytes,
    meta, number,
};
use crate::limits::{MEMCACHED_GET_LINE_BYTES_MAX, MEMCACHED_KEY_BYTES_MAX, MEMCACHED_LINE_BYTES_MAX};
use crate::request::Span;
use crate::table::Row;
use crate::table::memcached::Memcached;
use crate::table::memcached_server::MemcachedServer;

/// What remains of a line of keys, with what was said before them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    /// Bytes of the line that remain, its end included.
    bytes: u32,
    touch: bool,
    exptime: i32,
    options: Options,
}

/// What a line asks for.
pub(super) enum Asked {
    /// The line is the whole request.
    Line(&'static Row),
    /// A value of so many bytes and a line end follow; then come the flags, at this position of the line.
    Value { row: &'static Row, bytes: usize, flags_at: usize },
    /// A value follows that has to be thrown away.
    Refused(Status, usize),
    /// The words from this position on are keys.
    Keys { at: usize, touch: bool },
    /// Another protocol that happens to have lines.
    Close,
}

/// A request whose line has been read and whose value follows.
struct Value {
    row: &'static Row,
    dialect: Dialect,
    /// Which of the spans is the key.
    key: usize,
    /// Bytes of the value, without its line end.
    bytes: usize,
    /// Bytes of the line with and without its end.
    line_bytes: usize,
    line_end: usize,
    /// Where in the line the flags of a meta command begin.
    flags_at: usize,
}

impl Decoder {
    #[inline]
    pub(super) fn parse_text(
        &mut self,
        input: &mut [u8],
        rules: &Rules,
        spans: &mut Vec<Span>,
        item: &mut Item,
    ) -> Parsed {
        if let Some(keys) = self.keys.take() {
            return self.further_key(&input[..keys.bytes as usize], keys, spans, item);
        }
        let Some(found) = memchr(b'\n', &input[self.searched..]) else {
            self.searched = input.len();
            return if may_go_on(input, rules) { Parsed::Whole(input.len() + 1) } else { Parsed::Close };
        };
        let bytes = self.searched + found + 1;
        let line = without_end(&input[..bytes]);
        if rules.authentication == Authentication::Needed {
            let line_end = line.len();
            return authenticate(input, line_end, bytes, spans);
        }
        let name = next_word(line, 0).unwrap_or(Span::new(0, 0));
        let begin = spans.len();
        spans.push(name);
        let (dialect, asked) = match line[name.start as usize..name.end as usize] {
            [b'm', verb] => (Dialect::MemcachedMeta, meta::line(verb, line, name, spans, item)),
            _ => (Dialect::MemcachedText, classic::command(line, name, spans, item)),
        };
        match asked {
            Ok(Asked::Line(row)) => {
                decode_key(input, spans.get_mut(begin + 1), item);
                Parsed::Request(row, dialect, bytes)
            }
            Ok(Asked::Keys { at, touch }) => {
                let keys = Keys { bytes: 0, touch, exptime: item.exptime as i32, options: item.options };
                self.first_key(&input[..bytes], at, keys, spans, item)
            }
            Ok(Asked::Value { row, bytes: value_bytes, flags_at }) => {
                let line_end = line.len();
                let value = Value {
                    row,
                    dialect,
                    key: begin + 1,
                    bytes: value_bytes,
                    line_bytes: bytes,
                    line_end,
                    flags_at,
                };
                self.value(input, &value, rules.item_bytes_max, spans, item)
            }
            Ok(Asked::Refused(status, refused)) => Parsed::Answer { status, dialect, bytes, refused },
            Err(status) => Parsed::Answer { status, dialect, bytes, refused: 0 },
            Ok(Asked::Close) => Parsed::Close,
        }
    }

    /// The first of the keys of a line, after all of them were found to be short enough.
    #[inline]
    fn first_key(
        &mut self,
        line: &[u8],
        at: usize,
        keys: Keys,
        spans: &mut Vec<Span>,
        item: &mut Item,
    ) -> Parsed {
        let words = without_end(line);
        let (mut at_word, mut count) = (at, 0);
        while let Some(key) = next_word(words, at_word) {
            if key.len() > MEMCACHED_KEY_BYTES_MAX {
                return answer(Status::BadFormat, line.len());
            }
            at_word = key.end as usize;
            count += 1;
        }
        if count == 0 {
            return answer(Status::End, line.len());
        }
        self.key(line, at, keys, spans, item)
    }

    /// One more key of a line; its name is the empty word.
    fn further_key(&mut self, line: &[u8], keys: Keys, spans: &mut Vec<Span>, item: &mut Item) -> Parsed {
        spans.push(Span::new(0, 0));
        self.key(line, 0, keys, spans, item)
    }

    /// The key that is the next word at or after `at`.
    #[inline]
    fn key(&mut self, line: &[u8], at: usize, keys: Keys, spans: &mut Vec<Span>, item: &mut Item) -> Parsed {
        let words = without_end(line);
        let key = next_word(words, at).expect("the key was seen before");
        spans.push(key);
        item.exptime = i64::from(keys.exptime);
        item.options = keys.options;
        let bytes = if let Some(next) = next_word(words, key.end as usize) {
            let bytes = next.start as usize;
            self.keys = Some(Keys { bytes: (line.len() - bytes) as u32, ..keys });
            bytes
        } else {
            item.options.add(Options::LAST);
            line.len()
        };
        let verb = if keys.touch { Memcached::Gat } else { Memcached::Get };
        Parsed::Request(verb.row(), Dialect::MemcachedText, bytes)
    }

    /// The value after a line, once all of it is there.
    #[inline]
    fn value(
        &mut self,
        input: &mut [u8],
        value: &Value,
        item_bytes_max: usize,
        spans: &mut Vec<Span>,
        item: &Item,
    ) -> Parsed {
        let &Value { row, dialect, key: key_index, bytes, line_bytes, line_end, flags_at } = value;
        let key = spans[key_index];
        let key_bytes = if item.has(Options::BASE64) {
            base64::decoded_bytes(key.of(input)).unwrap_or(0)
        } else {
            key.len()
        };
        if item_bytes(key_bytes, item.flags, bytes) > item_bytes_max {
            let refused = bytes + 2;
            if dialect == Dialect::MemcachedText && row.verb != Memcached::Set.row().verb {
                return Parsed::Answer { status: Status::TooLarge, dialect, bytes: line_bytes, refused };
            }
            self.refused = refused;
            decode_key(input, spans.get_mut(key_index), item);
            return Parsed::Request(Memcached::TooLarge.row(), dialect, line_bytes);
        }
        let whole = line_bytes + bytes + 2;
        if input.len() < whole {
            return Parsed::Whole(whole);
        }
        if input[whole - 2..whole] != *b"\r\n" {
            return Parsed::Answer { status: Status::BadDataChunk, dialect, bytes: whole, refused: 0 };
        }
        spans.push(Span::new(line_bytes, line_bytes + bytes));
        push_words(&input[..line_end], flags_at, spans);
        decode_key(input, spans.get_mut(key_index), item);
        Parsed::Request(row, dialect, whole)
    }
}

fn answer(status: Status, bytes: usize) -> Parsed {
    Parsed::Answer { status, dialect: Dialect::MemcachedText, bytes, refused: 0 }
}

/// Decodes a key that came in base64 in its place.
#[inline]
fn decode_key(input: &mut [u8], key: Option<&mut Span>, item: &Item) {
    if let (true, Some(key)) = (item.has(Options::BASE64), key) {
        let bytes = base64::decode_in_place(&mut input[key.start as usize..key.end as usize]);
        key.end = key.start + bytes as u32;
    }
}

/// Whether a line that has not ended yet may still become one: a short one, or one of many keys from a client that
/// need not say who it is.
fn may_go_on(input: &[u8], rules: &Rules) -> bool {
    if input.len() <= MEMCACHED_LINE_BYTES_MAX {
        return true;
    }
    if rules.authentication == Authentication::Needed {
        return false;
    }
    let blanks = input.iter().take_while(|byte| **byte == b' ').count();
    let line = &input[blanks..];
    blanks <= 100
        && input.len() <= MEMCACHED_GET_LINE_BYTES_MAX
        && (line.starts_with(b"get ") || line.starts_with(b"gets "))
}

/// What a client that has not authenticated may send: `set <any> <any> <any> <bytes>` with user and
/// password, separated by a blank, as the value. Source: memcached `-Y`.
fn authenticate(input: &[u8], line_end: usize, line_bytes: usize, spans: &mut Vec<Span>) -> Parsed {
    let words = Words::<5>::of(&input[..line_end]);
    let bytes = number::u32(words.at(4)).filter(|_| words.count >= 5 && words.at(0) == b"set");
    let Some(bytes) = bytes.map(|bytes| bytes as usize) else {
        return answer(Status::Unauthenticated, line_bytes);
    };
    if bytes > MEMCACHED_LINE_BYTES_MAX {
        return Parsed::Close;
    }
    let whole = line_bytes + bytes + 2;
    if input.len() < whole {
        return Parsed::Whole(whole);
    }
    if input[whole - 2..whole] != *b"\r\n" {
        return answer(Status::AuthenticationTermination, whole);
    }
    spans.push(words.span(0));
    spans.push(Span::new(line_bytes, line_bytes + bytes));
    Parsed::Request(MemcachedServer::Authenticate.row(), Dialect::MemcachedText, whole)
}
