//! From the socket to the batch: what one connection has received and not decoded yet.
//!
//! Input is read into the worker's arena and decoded there; what is left of a half-received request is
//! kept here with the position the decoder has reached. A request too large for the arena is read straight
//! into a buffer of its own, which grows with what has arrived, not with what was announced.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tidegate_protocols::memcached::{self, Authentication, Item};
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::resolve;
use tidegate_protocols::{Args, Dialect, resp};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

use crate::batch::{Ask, Batch, Place};
use crate::connection::Connection;
use crate::intake::Intake;
use crate::limits::{LARGE_BYTES, READ_BYTES};
use crate::session::Attention;

/// Which family of protocols a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// RESP.
    Redis,
    /// Memcached text, meta or binary, by the first byte.
    Memcached,
}

impl Family {
    /// What a connection speaks before it has said anything.
    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::Redis => Dialect::Resp2,
            Self::Memcached => Dialect::MemcachedText,
        }
    }
}

/// What one connection has received.
pub(crate) struct Inbox {
    decoder: Decoder,
    /// The beginning of a request.
    rest: Vec<u8>,
    /// Bytes that are missing of it, at least.
    missing: usize,
}

enum Decoder {
    Redis(resp::Decoder),
    Memcached(Box<memcached::Decoder>),
}

/// What bounds requests, as it stands now.
enum Rules {
    Redis(resp::Limits),
    Memcached(memcached::Rules),
}

/// What one look at the input found.
enum Found {
    Request {
        ask: Ask,
        dialect: Dialect,
        item: Option<Item>,
        bytes: usize,
    },
    Empty(usize),
    More(usize),
    /// Nothing after this is looked at.
    End(Ask),
}

/// Whether a connection goes on reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    GoesOn,
    /// What has arrived is decoded further when the last request has been executed: it may be the login that
    /// decides how.
    Rests,
    Ends,
}

impl Inbox {
    pub(crate) fn new(family: Family) -> Self {
        let decoder = match family {
            Family::Redis => Decoder::Redis(resp::Decoder::default()),
            Family::Memcached => Decoder::Memcached(Box::default()),
        };
        Self { decoder, rest: Vec::new(), missing: 0 }
    }

    /// Whether the half-received request goes on in its own buffer.
    pub(crate) fn is_large(&self) -> bool {
        self.rest.len() + self.missing > LARGE_BYTES
    }

    /// Whether what has been decoded is Memcached's binary protocol.
    pub(crate) fn is_binary(&self) -> bool {
        matches!(&self.decoder, Decoder::Memcached(decoder) if decoder.is_binary())
    }

    /// Reads into the arena, behind a place for what is left from before.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut OwnedReadHalf,
        intake: &Intake,
    ) -> Poll<io::Result<usize>> {
        let mut batch = intake.filling.borrow_mut();
        if !batch.has_room() {
            intake.room.register(context);
            return Poll::Pending;
        }
        let begin = batch.used + self.rest.len();
        let mut buffer = ReadBuf::new(&mut batch.arena[begin..begin + READ_BYTES]);
        match Pin::new(reader).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(buffer.filled().len())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Reads into the buffer of a large request, which at most doubles. Of many small arguments only the next
    /// is known to be missing, so then it does double: a request that arrives is not copied again and again.
    pub(crate) async fn read_large(&mut self, reader: &mut OwnedReadHalf) -> io::Result<usize> {
        let arrived = self.rest.len();
        let more =
            if self.missing > READ_BYTES { self.missing.min(arrived) } else { arrived.max(READ_BYTES) };
        if self.rest.capacity() - arrived < more.min(self.missing) {
            self.rest.reserve_exact(more);
        }
        reader.read_buf(&mut self.rest).await
    }

    /// Decodes the `bytes` that [`Inbox::poll_read`] has read into the arena.
    #[inline]
    pub(crate) fn decode(&mut self, connection: &Rc<Connection>, bytes: usize) -> Reading {
        let batch = &mut *connection.intake.filling.borrow_mut();
        let begin = batch.used;
        let end = begin + self.rest.len() + bytes;
        if !self.rest.is_empty() {
            batch.arena[begin..begin + self.rest.len()].copy_from_slice(&self.rest);
            self.rest = Vec::new();
        }
        self.decode_arena(connection, batch, end)
    }

    /// Decodes what is in the buffer of a large request.
    ///
    /// A line of many Memcached keys is many small requests.
    pub(crate) fn decode_large(&mut self, connection: &Rc<Connection>) -> Reading {
        let batch = &mut *connection.intake.filling.borrow_mut();
        let rules = self.rules(connection);
        let mut at = 0;
        self.missing = 0;
        let reading = loop {
            if !batch.has_room() {
                break Reading::Rests;
            }
            let first_span = batch.spans.len();
            match self.decoder.look(&mut self.rest[at..], &rules, &mut batch.spans) {
                Found::More(missing) => {
                    self.missing = missing;
                    break Reading::GoesOn;
                }
                Found::Empty(bytes) => at += bytes,
                Found::End(ask) => {
                    let dialect = connection.session.dialect();
                    batch.push(connection, (ask, dialect), Place::Arena(0), first_span, None);
                    return Reading::Ends;
                }
                Found::Request { ask, dialect, item, bytes } => {
                    let ask = resolved(ask, &self.rest[at..], &batch.spans[first_span..]);
                    let place = self.hand_over(batch, &mut at, bytes);
                    batch.push(connection, (ask, dialect), place, first_span, item.as_ref());
                    if self.rest.len() > at && connection.session.may_log_in() {
                        break Reading::Rests;
                    }
                }
            }
            if self.rest.len() - at <= LARGE_BYTES {
                // The arena takes the rest.
                self.rest.drain(..at);
                let end = batch.used + self.rest.len();
                batch.arena[batch.used..end].copy_from_slice(&self.rest);
                self.rest = Vec::new();
                return self.decode_arena(connection, batch, end);
            }
        };
        self.rest.drain(..at);
        reading
    }

    /// Gives the request of `bytes` at `at` to the batch: a small one as a copy in the arena, a large one with
    /// the buffer it was read into.
    fn hand_over(&mut self, batch: &mut Batch, at: &mut usize, bytes: usize) -> Place {
        if bytes <= LARGE_BYTES {
            let begin = batch.used;
            batch.used += bytes;
            batch.arena[begin..batch.used].copy_from_slice(&self.rest[*at..*at + bytes]);
            *at += bytes;
            return Place::Arena(begin);
        }
        self.rest.drain(..*at);
        *at = 0;
        let tail = self.rest.split_off(bytes);
        let mut request = std::mem::replace(&mut self.rest, tail);
        request.shrink_to_fit();
        batch.take_large(request);
        Place::Large
    }

    /// Decodes the arena up to `end` and keeps what is left.
    #[inline]
    fn decode_arena(&mut self, connection: &Rc<Connection>, batch: &mut Batch, end: usize) -> Reading {
        let rules = self.rules(connection);
        self.missing = 0;
        while batch.used < end {
            let begin = batch.used;
            let first_span = batch.spans.len();
            match self.decoder.look(&mut batch.arena[begin..end], &rules, &mut batch.spans) {
                Found::Request { ask, dialect, item, bytes } => {
                    let ask = resolved(ask, &batch.arena[begin..], &batch.spans[first_span..]);
                    batch.used = begin + bytes;
                    batch.push(connection, (ask, dialect), Place::Arena(begin), first_span, item.as_ref());
                    if batch.used < end && connection.session.may_log_in() {
                        self.rest = batch.arena[batch.used..end].to_vec();
                        return Reading::Rests;
                    }
                }
                Found::Empty(bytes) => batch.used = begin + bytes,
                Found::More(missing) => {
                    self.missing = missing;
                    self.rest = batch.arena[begin..end].to_vec();
                    break;
                }
                Found::End(ask) => {
                    let dialect = connection.session.dialect();
                    batch.push(connection, (ask, dialect), Place::Arena(begin), first_span, None);
                    return Reading::Ends;
                }
            }
        }
        Reading::GoesOn
    }

    fn rules(&self, connection: &Connection) -> Rules {
        let session = &connection.session;
        let settings = &connection.intake.shared.settings;
        let anonymous = session.has(Attention::Anonymous);
        match &self.decoder {
            Decoder::Redis(_) => Rules::Redis(resp::Limits {
                bulk_bytes_max: settings.number(Key::ProtoMaxBulkLen) as usize,
                request_bytes_max: settings.number(Key::ClientQueryBufferLimit) as usize,
                authenticated: !anonymous || settings.text(Key::RequirePass).is_empty(),
            }),
            Decoder::Memcached(_) => Rules::Memcached(memcached::Rules {
                item_bytes_max: settings.number(Key::MemcachedItemSizeMax) as usize,
                authentication: match (session.guarded, anonymous) {
                    (false, _) => Authentication::Off,
                    (true, true) => Authentication::Needed,
                    (true, false) => Authentication::Done,
                },
            }),
        }
    }
}

/// A request of RESP gets its row only when its arguments are known.
#[inline]
fn resolved(ask: Ask, input: &[u8], spans: &[tidegate_protocols::Span]) -> Ask {
    match ask {
        Ask::Words => match resolve(&Args::new(input, spans)) {
            Ok(row) => Ask::Row(row),
            Err(_) if is_http(input, spans) => Ask::Close,
            Err(unresolved) => Ask::Unresolved(unresolved),
        },
        ask => ask,
    }
}

/// Whether the words are from an HTTP request: a web page that has its visitor's browser send commands to
/// a server on the visitor's machine. Source: Redis `processCommand`.
#[cold]
fn is_http(input: &[u8], spans: &[tidegate_protocols::Span]) -> bool {
    let name = Args::new(input, spans).at(0);
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

impl Decoder {
    #[inline]
    fn look(&mut self, input: &mut [u8], rules: &Rules, spans: &mut Vec<tidegate_protocols::Span>) -> Found {
        match (self, rules) {
            (Self::Redis(decoder), Rules::Redis(limits)) => match decoder.decode(input, limits, spans) {
                Ok(resp::Decoded::Request(bytes)) => {
                    Found::Request { ask: Ask::Words, dialect: Dialect::Resp2, item: None, bytes }
                }
                Ok(resp::Decoded::Empty(bytes)) => Found::Empty(bytes),
                Ok(resp::Decoded::More(missing)) => Found::More(missing),
                Err(fault) => Found::End(Ask::Fault(fault)),
            },
            (Self::Memcached(decoder), Rules::Memcached(rules)) => {
                let mut item = Item::NONE;
                match decoder.decode(input, rules, spans, &mut item) {
                    memcached::Decoded::Request { row, dialect, bytes } => {
                        Found::Request { ask: Ask::Row(row), dialect, item: Some(item), bytes }
                    }
                    memcached::Decoded::Empty(bytes) => Found::Empty(bytes),
                    memcached::Decoded::More(missing) => Found::More(missing),
                    memcached::Decoded::Close => Found::End(Ask::Close),
                }
            }
            _ => unreachable!("the rules are made for the decoder"),
        }
    }
}
