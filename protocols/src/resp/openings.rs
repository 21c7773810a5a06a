//! Requests that begin as others did before.

use super::{Limits, array};
use crate::request::Span;
use crate::table::Row;

/// The longest beginning that is remembered.
const BYTES_MAX: usize = 2 * WORD;
const WORD: usize = size_of::<u128>();
/// Beginnings that are remembered at once.
const PLACES: usize = 16;

/// How requests have begun: the number of their arguments and the first of them, which is the name of their command, as they
/// were written, and the rows that were found for them. Clients send the same few commands again and again; of what begins
/// alike the row need not be looked up.
#[derive(Debug, Default)]
pub struct Openings {
    places: [Option<Opening>; PLACES],
}

#[derive(Clone, Copy, Debug)]
struct Opening {
    bytes: [u128; 2],
    masks: [u128; 2],
    /// The name, as a part of the request.
    name: Span,
    /// Arguments, the name among them.
    count: usize,
    row: &'static Row,
}

impl Openings {
    /// Remembers how the request begins whose row and arguments these are; not if it is a line of words, its name is long or
    /// is not all that its row depends on.
    #[inline]
    pub fn remember(&mut self, request: &[u8], spans: &[Span], row: &'static Row) {
        let name = spans[0];
        let end = name.end as usize + 2;
        if request[0] != b'*' || end > BYTES_MAX || row.subcommand || row.container {
            return;
        }
        let mut begins = [0; BYTES_MAX];
        begins[..end].copy_from_slice(&request[..end]);
        let bytes = words(&begins);
        let masks = [end.min(WORD), end.saturating_sub(WORD)].map(mask);
        self.places[place(request)] = Some(Opening { bytes, masks, name, count: spans.len(), row });
    }

    /// The request that `input` begins with, if it begins as one that is remembered and is whole: its row and its bytes. Its
    /// arguments are added to `spans`. `None` says nothing, and adds nothing: the [decoder](super::Decoder) has to look.
    #[inline(always)]
    pub fn decode(
        &self,
        input: &[u8],
        limits: &Limits,
        spans: &mut Vec<Span>,
    ) -> Option<(&'static Row, usize)> {
        let begins = input.first_chunk::<BYTES_MAX>()?;
        let opening = self.places[place(begins)].as_ref()?;
        if !opening.is_of(begins) || !limits.authenticated {
            return None;
        }
        let first = spans.len();
        spans.push(opening.name);
        let mut at = opening.name.end as usize + 2;
        for _ in 1..opening.count {
            let Ok((rest, span)) = array::bulk(&input[at..], at, 0, limits) else {
                spans.truncate(first);
                return None;
            };
            spans.push(span);
            at = input.len() - rest.len();
        }
        Some((opening.row, at))
    }
}

impl Opening {
    #[inline(always)]
    fn is_of(&self, begins: &[u8; BYTES_MAX]) -> bool {
        let [first, last] = words(begins);
        let [differs_first, differs_last] = [first ^ self.bytes[0], last ^ self.bytes[1]];
        (differs_first & self.masks[0]) | (differs_last & self.masks[1]) == 0
    }
}

/// Where the request that begins so is remembered; it depends on nothing behind the name.
#[inline(always)]
fn place(request: &[u8]) -> usize {
    // `*3\r\n$3\r\nSET\r\n`: the two lengths and the ends of a short name differ most.
    let [count, bytes, first, second, third] = [1, 5, 8, 9, 10].map(|at| usize::from(request[at]));
    (count ^ bytes ^ (first << 1) ^ (second << 2) ^ third) % PLACES
}

/// The lowest bytes of a word, in the order of memory.
fn mask(bytes: usize) -> u128 {
    let mut mask = [0; WORD];
    mask[..bytes].fill(u8::MAX);
    u128::from_ne_bytes(mask)
}

#[inline(always)]
fn words(bytes: &[u8; BYTES_MAX]) -> [u128; 2] {
    let (words, _) = bytes.as_chunks::<WORD>();
    [u128::from_ne_bytes(words[0]), u128::from_ne_bytes(words[1])]
}
