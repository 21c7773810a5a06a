//! From the socket to the batch: what one connection has received and not decoded yet.
//!
//! Input is read into the worker's arena and decoded there; what is left of a half-received request is
//! kept here with the position the decoder has reached. A request too large for the arena is read straight
//! into a buffer of its own, which grows with what has arrived, not with what was announced.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tidegate_protocols::{Args, Dialect};
use tokio::io::{AsyncRead, ReadBuf};

use crate::batch::{Aside, Ask, Batch, Place};
use crate::connection::Connection;
use crate::decoder::{Decoder, Family, Found, Rules, Spread, frame, push_run, resolved};
use crate::intake::Intake;
use crate::limits::{LARGE_BYTES, READ_BYTES};
use crate::stream::Reader;

/// What one connection has received.
pub(crate) struct Inbox {
    decoder: Decoder,
    /// The beginning of a request.
    rest: Vec<u8>,
    /// Bytes that are missing of it, at least.
    missing: usize,
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
        Self { decoder: Decoder::new(family), rest: Vec::new(), missing: 0 }
    }

    /// Whether the half-received request goes on in its own buffer.
    pub(crate) fn is_large(&self) -> bool {
        self.rest.len() + self.missing > LARGE_BYTES
    }

    /// Bytes that have arrived of a request which is not complete, if it is large.
    pub(crate) fn rest_bytes(&self) -> usize {
        if self.is_large() { self.rest.len() } else { 0 }
    }

    /// Whether what has been decoded is Memcached's binary protocol.
    pub(crate) fn is_binary(&self) -> bool {
        self.decoder.is_binary()
    }

    /// Reads into the arena, behind a place for what is left from before.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut Reader,
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
    pub(crate) async fn read_large(&mut self, reader: &mut Reader) -> io::Result<usize> {
        let arrived = self.rest.len();
        let more =
            if self.missing > READ_BYTES { self.missing.min(arrived) } else { arrived.max(READ_BYTES) };
        if self.rest.capacity() - arrived < more.min(self.missing) {
            self.rest.reserve_exact(more);
        }
        reader.append(&mut self.rest).await
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
        let (rules, spread) = (self.decoder.rules(connection), Spread::of(connection));
        let (mut at, mut aside) = (0, Aside::default());
        self.missing = 0;
        let reading = loop {
            if !batch.has_room() {
                break Reading::Rests;
            }
            let first_span = batch.spans.len();
            match self.decoder.look(&mut self.rest[at..], &rules, &mut batch.spans, &mut aside) {
                Found::More(missing) => {
                    self.missing = missing;
                    break Reading::GoesOn;
                }
                Found::Empty(bytes) => at += bytes,
                Found::End(ask) => return end_input(batch, connection, ask, first_span),
                Found::Request(ask, dialect, bytes) => {
                    let (input, spans) = (&self.rest[at..], &batch.spans[first_span..]);
                    let ask = resolved(ask, input, spans, &spread, &mut batch.openings);
                    let place = self.hand_over(batch, &mut at, bytes);
                    batch.push(connection, (ask, dialect), place, first_span, &aside);
                    if let (Some(run), Place::Arena(begin)) = (aside.run, place)
                        && let Err(ask) = push_run(batch, run, begin)
                    {
                        let first_span = batch.spans.len();
                        return end_input(batch, connection, ask, first_span);
                    }
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
        let (rules, mut aside) = (self.decoder.rules(connection), Aside::default());
        if let Rules::Link(frame_bytes_max) = rules {
            return self.decode_frames(connection, batch, end, frame_bytes_max);
        }
        let spread = Spread::of(connection);
        self.missing = 0;
        while batch.used < end {
            let begin = batch.used;
            let first_span = batch.spans.len();
            let input = &mut batch.arena[begin..end];
            let alike = self.decoder.alike(&rules);
            let alike = alike.and_then(|limits| batch.openings.decode(input, limits, &mut batch.spans));
            let (ask, dialect, bytes) = match alike {
                Some((row, bytes)) => {
                    let args = Args::new(input, &batch.spans[first_span..]);
                    (spread.allow(row, &args), Dialect::Resp2, bytes)
                }
                None => match self.decoder.look(input, &rules, &mut batch.spans, &mut aside) {
                    Found::Request(ask, dialect, bytes) => {
                        let spans = &batch.spans[first_span..];
                        (resolved(ask, input, spans, &spread, &mut batch.openings), dialect, bytes)
                    }
                    Found::Empty(bytes) => {
                        batch.used = begin + bytes;
                        continue;
                    }
                    Found::More(missing) => {
                        self.keep(&batch.arena[begin..end], missing);
                        break;
                    }
                    Found::End(ask) => return end_input(batch, connection, ask, first_span),
                },
            };
            batch.used = begin + bytes;
            batch.push(connection, (ask, dialect), Place::Arena(begin), first_span, &aside);
            if batch.used < end && connection.session.may_log_in() {
                self.rest = batch.arena[batch.used..end].to_vec();
                return Reading::Rests;
            }
        }
        Reading::GoesOn
    }

    /// The same for frames of a gateway, of which there are many at once and none needs another look.
    fn decode_frames(
        &mut self,
        connection: &Rc<Connection>,
        batch: &mut Batch,
        end: usize,
        frame_bytes_max: u64,
    ) -> Reading {
        let mut aside = Aside::default();
        self.missing = 0;
        while batch.used < end {
            let (begin, first_span) = (batch.used, batch.spans.len());
            match frame(&batch.arena[begin..end], frame_bytes_max, &mut batch.spans, &mut aside) {
                Found::Request(ask, dialect, bytes) => {
                    batch.used = begin + bytes;
                    batch.push(connection, (ask, dialect), Place::Arena(begin), first_span, &aside);
                    if let Some(run) = aside.run
                        && let Err(ask) = push_run(batch, run, begin)
                    {
                        let first_span = batch.spans.len();
                        return end_input(batch, connection, ask, first_span);
                    }
                }
                Found::Empty(bytes) => batch.used = begin + bytes,
                Found::More(missing) => {
                    self.keep(&batch.arena[begin..end], missing);
                    break;
                }
                Found::End(ask) => return end_input(batch, connection, ask, first_span),
            }
        }
        Reading::GoesOn
    }

    /// Keeps the beginning of a request, of which so many bytes are missing.
    fn keep(&mut self, rest: &[u8], missing: usize) {
        self.missing = missing;
        self.rest = rest.to_vec();
    }
}

/// Nothing more of a connection is looked at.
#[cold]
fn end_input(batch: &mut Batch, connection: &Rc<Connection>, ask: Ask, first_span: usize) -> Reading {
    let (dialect, place) = (connection.session.dialect(), Place::Arena(batch.used));
    batch.push(connection, (ask, dialect), place, first_span, &Aside::default());
    Reading::Ends
}
