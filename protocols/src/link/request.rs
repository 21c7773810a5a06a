//! Frames from a gateway to a shard: one request each.
//!
//! ```text
//! length u32 | id u32 | epoch u32 | row u16 | dialect u8 | database u8 | marks u8 | 0 u8 | slot u16 |
//! arguments u32 | length of each argument u32 … | item, if marked | bytes of the arguments
//! ```

use super::{Malformed, item};
use crate::limits::{self, ARGUMENTS_MAX};
use crate::memcached::Item;
use crate::reply::Dialect;
use crate::request::{Request, Span};
use crate::slot::SLOTS;
use crate::table::{Route, Row, Verb, row_at};

/// Bytes of a frame before the lengths of its arguments.
const HEAD_BYTES: usize = 24;

/// Mark: reads leave no trace.
const NO_TOUCH: u8 = 1;
/// Mark: it is a Memcached request, and an item follows the lengths.
const ITEM: u8 = 2;
/// Mark: the client sees a cluster.
const IN_CLUSTER: u8 = 4;

/// Mark: the gateway asks again.
const AGAIN: u8 = 8;
/// Mark: the gateway says the slot of the key.
const SLOT: u8 = 16;

/// What a frame says besides the request itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The gateway's number for it, repeated in the answer.
    pub id: u32,
    /// The epoch of the topology by which the gateway chose the shard.
    pub epoch: u32,
    /// The selected logical database, less than [`limits::DATABASES`].
    pub database: u8,
    /// Reads leave no trace in LRU and LFU.
    pub no_touch: bool,
    /// The client sees a cluster.
    pub in_cluster: bool,
    /// The gateway has heard of everything that was [`super::Tail::Behind`]: from here on requests may be executed.
    pub again: bool,
    /// The slot of the only key, less than [`SLOTS`], where the gateway has looked for it. It may be wrong.
    pub slot: Option<u16>,
}

/// What was found at the start of the input.
#[derive(Clone, Copy, Debug)]
pub enum Decoded {
    /// One request; its arguments have been added to the spans.
    Request(Outline),
    /// The beginning of a frame, of which at least this many bytes are missing (never 0).
    More(usize),
}

/// One decoded request, without its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Outline {
    /// What is asked for. It takes as many arguments as were found.
    pub row: &'static Row,
    /// The language the client reads.
    pub dialect: Dialect,
    /// The rest.
    pub ask: Ask,
    /// Bytes of the whole frame.
    pub bytes: usize,
}

/// Bytes of the longest frame that carries a request for which a client has sent `request_bytes_max` bytes: a word
/// of one letter is two bytes there, and five here.
pub fn frame_bytes_max(request_bytes_max: usize) -> u64 {
    request_bytes_max as u64 * 3 + (HEAD_BYTES + item::BYTES) as u64
}

impl Outline {
    /// Refuses what no shard answers.
    ///
    /// # Errors
    /// [`Malformed::Misdirected`].
    #[inline]
    pub fn check_for_shard(&self) -> Result<(), Malformed> {
        if matches!(self.row.verb, Verb::Link(_)) { Ok(()) } else { self.check_for_transaction() }
    }

    /// Refuses what is no part of a transaction that a shard executes.
    ///
    /// # Errors
    /// [`Malformed::Misdirected`].
    pub(super) fn check_for_transaction(&self) -> Result<(), Malformed> {
        // A container is answered by one of its subcommands, which clients' requests have been resolved to.
        let is_for_gateways = self.row.route == Route::Gateway || self.row.container;
        if is_for_gateways { Err(Malformed::Misdirected(self.row.name)) } else { Ok(()) }
    }
}

/// Adds the frame of a request to the end of `out`.
///
/// # Errors
/// [`Malformed::TooLong`] if it would not fit in one; nothing is added then. Requests are limited to
/// [`limits::QUERY_BYTES_MAX`], so only long lists of short arguments ever are.
#[inline(always)]
pub fn encode(out: &mut Vec<u8>, request: &Request<'_>, ask: &Ask) -> Result<(), Malformed> {
    let has_item = !matches!(request.dialect, Dialect::Resp2 | Dialect::Resp3);
    let of_item = if has_item { item::BYTES } else { 0 };
    let bytes = HEAD_BYTES + 4 * request.args.len() + of_item + request.args.bytes();
    let length = u32::try_from(bytes).map_err(|_| Malformed::TooLong(bytes as u64, u64::from(u32::MAX)))?;
    out.reserve(bytes);
    let mut head = [0; HEAD_BYTES];
    head[0..4].copy_from_slice(&length.to_le_bytes());
    head[4..8].copy_from_slice(&ask.id.to_le_bytes());
    head[8..12].copy_from_slice(&ask.epoch.to_le_bytes());
    head[12..14].copy_from_slice(&(request.row.verb.index() as u16).to_le_bytes());
    head[14] = request.dialect as u8;
    head[15] = ask.database;
    head[16] = (u8::from(ask.no_touch) * NO_TOUCH)
        | (u8::from(has_item) * ITEM)
        | (u8::from(ask.in_cluster) * IN_CLUSTER)
        | (u8::from(ask.again) * AGAIN)
        | (u8::from(ask.slot.is_some()) * SLOT);
    head[18..20].copy_from_slice(&ask.slot.unwrap_or_default().to_le_bytes());
    head[20..24].copy_from_slice(&(request.args.len() as u32).to_le_bytes());
    out.extend_from_slice(&head);
    for length in request.args.lengths() {
        out.extend_from_slice(&length.to_le_bytes());
    }
    if has_item {
        out.extend_from_slice(&item::encode(request.item));
    }
    for arg in request.args.iter() {
        out.extend_from_slice(arg);
    }
    Ok(())
}

/// Decodes the request that `input` begins with: adds its arguments to `spans`, as positions in `input`, and fills
/// `item`. `frame_bytes_max` bounds what is waited for.
///
/// # Errors
/// What is wrong with it. The peer is not to be believed from then on; nothing has been added.
#[inline]
pub fn decode(
    input: &[u8],
    frame_bytes_max: u64,
    spans: &mut Vec<Span>,
    item: &mut Item,
) -> Result<Decoded, Malformed> {
    *item = Item::NONE;
    decode_with(input, frame_bytes_max, spans, |found| *item = found)
}

/// As [`decode`], for frames of which few have an item: `keep` is given the one that is there.
///
/// # Errors
/// As [`decode`], but an item may have been given.
#[inline(always)]
pub fn decode_with(
    input: &[u8],
    frame_bytes_max: u64,
    spans: &mut Vec<Span>,
    keep: impl FnOnce(Item),
) -> Result<Decoded, Malformed> {
    let Some(&length) = input.first_chunk() else { return Ok(Decoded::More(HEAD_BYTES - input.len())) };
    let length = u32::from_le_bytes(length);
    let bytes = length as usize;
    if u64::from(length) > frame_bytes_max {
        return Err(Malformed::TooLong(u64::from(length), frame_bytes_max));
    }
    let Some(frame) = input.get(..bytes) else { return Ok(Decoded::More(bytes - input.len())) };
    let too_short = Malformed::TooShort(length);
    let (first, rest) = frame.split_first_chunk().ok_or(too_short)?;
    let (outline, arguments, marks) = head(first)?;
    let lengths = rest.get(..4 * arguments).ok_or(too_short)?.as_chunks().0;
    let mut start = HEAD_BYTES + 4 * arguments;
    if marks & ITEM != 0 {
        let bytes = frame.get(start..).and_then(|rest| rest.first_chunk()).ok_or(too_short)?;
        keep(item::decode(bytes)?);
        start += item::BYTES;
    }
    let begin = spans.len();
    // What lies beyond the end is seen when all are added up: they only grow.
    spans.extend(lengths.iter().map(|length| {
        let span = (start, start + u32::from_le_bytes(*length) as usize);
        start = span.1;
        Span { start: span.0 as u32, end: span.1 as u32 }
    }));
    if start > bytes {
        spans.truncate(begin);
        return Err(too_short);
    }
    Ok(Decoded::Request(outline))
}

/// What the first bytes of a whole frame say: the outline, how many arguments there are, and the marks.
#[inline(always)]
fn head(frame: &[u8; HEAD_BYTES]) -> Result<(Outline, usize, u8), Malformed> {
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|index| frame[at + index]));
    let index = u16::from_le_bytes([frame[12], frame[13]]);
    let row = row_at(usize::from(index)).ok_or(Malformed::Row(index))?;
    let [dialect, database, marks] = [frame[14], frame[15], frame[16]];
    let dialect =
        *Dialect::ALL.get(usize::from(dialect)).ok_or(Malformed::Unknown(u32::from(dialect), "dialect"))?;
    if usize::from(database) >= limits::DATABASES {
        return Err(Malformed::Unknown(u32::from(database), "database"));
    }
    let arguments = word(20);
    if arguments as usize > ARGUMENTS_MAX || !row.takes(arguments as usize) {
        return Err(Malformed::Arity(row.name, arguments));
    }
    let [no_touch, in_cluster, again] = [NO_TOUCH, IN_CLUSTER, AGAIN].map(|mark| marks & mark != 0);
    let slot = (marks & SLOT != 0).then(|| u16::from_le_bytes([frame[18], frame[19]]));
    if let Some(slot @ SLOTS..) = slot {
        return Err(Malformed::Unknown(u32::from(slot), "slot"));
    }
    let ask = Ask { id: word(4), epoch: word(8), database, no_touch, in_cluster, again, slot };
    Ok((Outline { row, dialect, ask, bytes: word(0) as usize }, arguments as usize, marks))
}
