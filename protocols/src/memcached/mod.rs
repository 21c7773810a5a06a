//! The Memcached protocols: classic text, meta and binary, all lowered to the rows of
//! [`crate::table::memcached`] and [`crate::table::memcached_server`] with what they say in an [`Item`].
//!
//! A connection speaks binary if its first byte is `0x80`, otherwise text, in which classic and meta commands
//! mix line by line. What is accepted, refused and how it is worded is that of memcached 1.6.18. A line
//! that is wrong becomes a request too: [`MemcachedServer::Answer`] with the [`Status`] to give.

pub mod answer;
mod base64;
mod binary;
mod classic;
mod item;
mod meta;
pub mod number;
mod status;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use answer::{Answer, Found};
pub use item::{Item, Options};
pub use status::Status;

use crate::limits;
use crate::reply::Dialect;
use crate::request::Span;
use crate::table::Row;
use crate::table::memcached_server::MemcachedServer;

/// The version whose behaviour this is.
pub const VERSION: &str = "1.6.18";

/// Whether a client has to say who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// No user is configured: commands to authenticate are unknown.
    #[default]
    Off,
    /// It has to and has not yet: everything else is refused.
    Needed,
    /// It has.
    Done,
}

/// What bounds a request, as it stands when the request arrives.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Bytes of one item as memcached counts them (see [`item_bytes`]). Source: memcached `-I`.
    pub item_bytes_max: usize,
    /// Whether the client has to authenticate.
    pub authentication: Authentication,
}

impl Default for Rules {
    fn default() -> Self {
        Self { item_bytes_max: limits::MEMCACHED_ITEM_BYTES_MAX, authentication: Authentication::Off }
    }
}

/// What was found at the start of the input.
#[derive(Clone, Copy, Debug)]
pub enum Decoded {
    /// One request of this many bytes; its arguments, at least one, have been added to the spans, and the
    /// rest of what it says is in the item.
    Request {
        /// What is asked for.
        row: &'static Row,
        /// The language the answer is written in.
        dialect: Dialect,
        /// Bytes taken from the start of the input.
        bytes: usize,
    },
    /// This many bytes that ask for nothing: part of a value that was refused.
    Empty(usize),
    /// The beginning of a request, of which at least this many bytes are missing (never 0).
    More(usize),
    /// The connection is to be closed once everything before is answered.
    Close,
}

/// Decodes the requests of one connection.
///
/// No byte of a half-received value is looked at before all of it is there, and no byte of a
/// half-received line is searched twice for its end. A line with many keys becomes one request per key,
/// so that each can be fetched ahead.
#[derive(Debug, Default)]
pub struct Decoder {
    protocol: Protocol,
    /// Bytes the request at the start of the input has at least.
    whole: usize,
    /// There is no line end before this position.
    searched: usize,
    /// Bytes of a refused value still to be thrown away.
    refused: usize,
    /// The rest of a line of keys.
    keys: Option<text::Keys>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Protocol {
    #[default]
    Undecided,
    Text,
    Binary,
    /// Nothing more is read from this client.
    Ended,
}

/// What a parser found; positions count from the start of the input.
enum Parsed {
    /// A request of so many bytes.
    Request(&'static Row, Dialect, usize),
    /// `bytes` with an answer that is known already; the `refused` bytes after them are thrown away.
    Answer { status: Status, dialect: Dialect, bytes: usize, refused: usize },
    /// The request has so many bytes at least.
    Whole(usize),
    /// Not this protocol.
    Close,
}

impl Decoder {
    /// Decodes the request that `input` begins with: adds its arguments to `spans`, as positions in `input`,
    /// and fills `item`.
    ///
    /// After [`Decoded::More`] the next `input` begins with the same bytes and holds more of them. Keys in
    /// base64 are decoded in place, which is why `input` is mutable; nothing else in it changes.
    #[inline]
    pub fn decode(
        &mut self,
        input: &mut [u8],
        rules: &Rules,
        spans: &mut Vec<Span>,
        item: &mut Item,
    ) -> Decoded {
        if self.refused > 0 {
            return self.throw_away(input.len());
        }
        if input.is_empty() || input.len() < self.whole {
            return Decoded::More(self.whole.max(1) - input.len());
        }
        let begin = spans.len();
        *item = Item::NONE;
        match self.parse(input, rules, spans, item) {
            Parsed::Request(row, dialect, bytes) => self.request(row, dialect, bytes, item),
            Parsed::Answer { status, dialect, bytes, refused } => {
                spans.truncate(begin);
                spans.push(Span::new(0, 0));
                *item = item.answered(status, dialect);
                self.refused = refused;
                self.request(MemcachedServer::Answer.row(), dialect, bytes, item)
            }
            Parsed::Whole(bytes) => {
                spans.truncate(begin);
                self.whole = bytes;
                Decoded::More(bytes - input.len())
            }
            Parsed::Close => {
                self.protocol = Protocol::Ended;
                Decoded::Close
            }
        }
    }

    /// Whether the first byte was one of the binary protocol.
    pub fn is_binary(&self) -> bool {
        self.protocol == Protocol::Binary
    }

    /// Whether the beginning of a request has been decoded and the rest is awaited.
    pub fn is_halfway(&self) -> bool {
        self.whole > 0 || self.refused > 0
    }

    #[inline]
    fn parse(&mut self, input: &mut [u8], rules: &Rules, spans: &mut Vec<Span>, item: &mut Item) -> Parsed {
        if self.protocol == Protocol::Undecided {
            self.protocol = if input[0] == binary::MAGIC { Protocol::Binary } else { Protocol::Text };
        }
        match self.protocol {
            Protocol::Binary => binary::parse(input, rules, spans, item, &mut self.refused),
            Protocol::Ended => Parsed::Close,
            Protocol::Text | Protocol::Undecided => self.parse_text(input, rules, spans, item),
        }
    }

    #[inline]
    fn request(&mut self, row: &'static Row, dialect: Dialect, bytes: usize, item: &Item) -> Decoded {
        (self.whole, self.searched) = (0, 0);
        if item.has(Options::CLOSE) {
            self.protocol = Protocol::Ended;
        }
        Decoded::Request { row, dialect, bytes }
    }

    fn throw_away(&mut self, bytes: usize) -> Decoded {
        if bytes == 0 {
            return Decoded::More(1);
        }
        let bytes = bytes.min(self.refused);
        self.refused -= bytes;
        Decoded::Empty(bytes)
    }
}

/// Bytes of an item as memcached counts them against its limit: a header of 48 bytes, the CAS value, the key
/// with its end, the client flags unless they are 0, and the value with its line end.
pub fn item_bytes(key_bytes: usize, flags: u32, value_bytes: usize) -> usize {
    48 + 8 + key_bytes + 1 + if flags == 0 { 0 } else { 4 } + value_bytes + 2
}

/// When an item stored with `exptime` expires, in Unix milliseconds; `None` is never.
///
/// `exptime` is in seconds: 0 never expires, below 0 is already expired, up to 30 days counts from
/// `now_ms`, and anything larger is a Unix time.
///
/// Source: memcached `doc/protocol.txt`, "Expiration times".
#[inline]
pub fn deadline_ms(exptime: i64, now_ms: u64) -> Option<u64> {
    const RELATIVE_MAX_S: i64 = 60 * 60 * 24 * 30;
    match exptime {
        0 => None,
        ..0 => Some(1),
        1..=RELATIVE_MAX_S => Some(now_ms + exptime as u64 * 1000),
        _ => Some(exptime as u64 * 1000),
    }
}
