//! RESP2, RESP3 and inline requests.
//!
//! Clients of both RESP versions send the same: arrays of bulk strings (`*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`),
//! or a line of words for people with a terminal (`GET k`). [`Decoder`] finds the arguments in what has
//! arrived and borrows them; it neither copies nor allocates unless a request arrives in pieces.
//!
//! What is accepted is what Redis accepts: the byte after a `\r` and the two after a bulk string are not
//! looked at, and empty requests are skipped.

pub mod answer;
mod array;
pub(crate) mod inline;
mod openings;
mod words;

pub use openings::Openings;
pub use words::{quote, words_of};

use crate::error::Fault;
use crate::limits;
use crate::request::Span;

/// What bounds a request, as it stands when the request arrives.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one bulk string. Source: Redis `proto-max-bulk-len`.
    pub bulk_bytes_max: usize,
    /// Bytes of one whole request. Source: Redis `client-query-buffer-limit`.
    pub request_bytes_max: usize,
    /// Whether the client has logged in or need not; a client that still has to may send less.
    pub authenticated: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bulk_bytes_max: limits::BULK_BYTES_MAX,
            request_bytes_max: limits::QUERY_BYTES_MAX,
            authenticated: true,
        }
    }
}

/// What was found at the start of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// One request of this many bytes; its arguments, at least one, have been added to the spans.
    Request(usize),
    /// This many bytes that ask for nothing: an empty line or array.
    Empty(usize),
    /// The beginning of a request, of which at least this many bytes are missing (never 0).
    More(usize),
}

/// Decodes the requests of one connection.
///
/// It remembers something only between the pieces of a request that did not arrive at once, so that no
/// byte of it is looked at twice; an idle decoder is one null pointer.
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Option<Box<Partial>>,
}

/// A request of which the beginning has been decoded.
#[derive(Debug)]
struct Partial {
    progress: Progress,
    spans: Vec<Span>,
}

/// How far a request has been decoded; positions count from its first byte.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// First byte of the line or bulk string that is not complete.
    position: usize,
    /// There is no line end between `position` and here.
    searched: usize,
    /// Arguments still to come; `None` while the array's own length is not known.
    arguments_left: Option<usize>,
}

impl Decoder {
    /// Decodes the request that `input` begins with and adds its arguments to `spans`, as positions in
    /// `input`.
    ///
    /// After [`Decoded::More`] the next `input` begins with the same bytes and holds more of them; the
    /// spans found so far are kept here, not in `spans`. Quoted words of an inline command are unquoted in
    /// place, which is why `input` is mutable; nothing else in it changes.
    ///
    /// # Errors
    /// The [`Fault`] that Redis would answer before it closes the connection.
    #[inline]
    pub fn decode(
        &mut self,
        input: &mut [u8],
        limits: &Limits,
        spans: &mut Vec<Span>,
    ) -> Result<Decoded, Fault> {
        if self.partial.is_some() {
            return self.resume(input, limits, spans);
        }
        let begin = spans.len();
        let mut progress = Progress::default();
        let decoded = progress.advance(input, limits, spans);
        if matches!(decoded, Ok(Decoded::More(_))) {
            let spans = spans.drain(begin..).collect();
            self.partial = Some(Box::new(Partial { progress, spans }));
        }
        decoded
    }

    /// Whether the beginning of a request has been decoded and the rest is awaited.
    pub fn is_halfway(&self) -> bool {
        self.partial.is_some()
    }

    fn resume(&mut self, input: &mut [u8], limits: &Limits, spans: &mut Vec<Span>) -> Result<Decoded, Fault> {
        let mut partial = self.partial.take().expect("resumed only halfway");
        let decoded = partial.progress.advance(input, limits, &mut partial.spans)?;
        match decoded {
            Decoded::More(_) => self.partial = Some(partial),
            Decoded::Request(_) | Decoded::Empty(_) => spans.append(&mut partial.spans),
        }
        Ok(decoded)
    }
}

impl Progress {
    #[inline]
    fn advance(
        &mut self,
        input: &mut [u8],
        limits: &Limits,
        spans: &mut Vec<Span>,
    ) -> Result<Decoded, Fault> {
        match input.first() {
            None => Ok(Decoded::More(1)),
            Some(b'*') => self.array(input, limits, spans),
            Some(_) => self.inline(input, spans),
        }
    }

    /// `*<count>\r\n` and so many bulk strings.
    #[inline]
    fn array(&mut self, input: &[u8], limits: &Limits, spans: &mut Vec<Span>) -> Result<Decoded, Fault> {
        let (mut left, mut rest) = match self.arguments_left {
            Some(left) => (left, &input[self.position..]),
            None => match array::header(input, self.searched, limits) {
                Ok((rest, 0)) => return Ok(Decoded::Empty(input.len() - rest.len())),
                Ok((rest, count)) => (count, rest),
                Err(stop) => return self.stop(stop, input),
            },
        };
        while left > 0 {
            let position = input.len() - rest.len();
            match array::bulk(rest, position, self.searched, limits) {
                Ok((after, span)) => {
                    spans.push(span);
                    rest = after;
                    left -= 1;
                }
                Err(stop) => {
                    (self.position, self.arguments_left) = (position, Some(left));
                    return self.stop(stop, input);
                }
            }
        }
        Ok(Decoded::Request(input.len() - rest.len()))
    }

    /// A line of words.
    fn inline(&mut self, input: &mut [u8], spans: &mut Vec<Span>) -> Result<Decoded, Fault> {
        let (bytes, line) = match inline::line(input, self.searched) {
            Ok((rest, line)) => (input.len() - rest.len(), line.len()),
            Err(stop) => return self.stop(stop, input),
        };
        let begin = spans.len();
        inline::split(&mut input[..line], spans)?;
        Ok(if spans.len() == begin { Decoded::Empty(bytes) } else { Decoded::Request(bytes) })
    }

    #[cold]
    #[expect(clippy::needless_pass_by_value, reason = "it comes out of a result that is over")]
    fn stop(&mut self, stop: nom::Err<Fault>, input: &[u8]) -> Result<Decoded, Fault> {
        match stop {
            nom::Err::Incomplete(nom::Needed::Size(bytes)) => Ok(Decoded::More(bytes.get())),
            nom::Err::Incomplete(nom::Needed::Unknown) => {
                self.searched = input.len();
                Ok(Decoded::More(1))
            }
            nom::Err::Error(fault) | nom::Err::Failure(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests;
