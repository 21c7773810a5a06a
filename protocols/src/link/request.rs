//! Frames from a gateway to a shard: one request each, or a run of them.
//!
//! ```text
//! length u32 | id u32 | epoch u32 | row u16 | dialect u8 | database u8 | marks u8 | more u8 | slot u16 |
//! arguments u32 | length of each argument u32 … | client u64, if marked | tracker u64, if marked | item, if marked |
//! bytes of the arguments
//! ```
//!
//! A run is what one client asks for in a row with the same command of one key. Of each of the `more` requests that follow
//! the first, the frame says what differs:
//!
//! ```text
//! slot u16 | arguments u16 | begin and end of each argument in the bytes, u16 each … | bytes up to the end of the last
//! ```

use super::{Malformed, item};
use crate::limits::{self, ARGUMENTS_MAX, LINK_RUN_BYTES_MAX, LINK_RUN_REQUESTS_MAX};
use crate::memcached::Item;
use crate::reply::Dialect;
use crate::request::{Args, Request, Span};
use crate::slot::SLOTS;
use crate::table::{Route, Row, Verb, row_at};

/// Bytes of a frame before the lengths of its arguments.
const HEAD_BYTES: usize = 24;
/// Where it says how many more requests follow in it.
const MORE_AT: usize = 17;
/// Bytes of a request that follows, before the lengths of its arguments.
const NEXT_HEAD_BYTES: usize = 4;

/// Arguments that most requests of a run have at the most.
const FEW_ARGUMENTS: usize = 4;

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
/// Mark: the client may be kept waiting, and its number follows the lengths.
const CLIENT: u8 = 32;
/// Mark: who keeps what is read for himself, or has to be told apart from them, has his number follow.
const TRACKER: u8 = 64;
/// Bytes of each of these numbers.
const CLIENT_BYTES: usize = 8;

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
    /// The gateway's number of the client, if that may be kept waiting for keys, or if the request runs a script and its user
    /// may not do everything; else 0.
    pub client: u64,
    /// The gateway's number of the client, if that is to be told when a key changes that this request reads, or is not to
    /// be told of what it changes; else 0.
    pub tracker: u64,
    /// Requests before it in its frame.
    pub index: u8,
    /// Requests after it in its frame. One answer is given to all.
    pub left: u8,
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
    /// Bytes of it, up to the next of its frame or of another.
    pub bytes: usize,
    /// Bytes of its frame that are left then.
    pub rest: usize,
}

/// Bytes of the longest frame that carries a request for which a client has sent `request_bytes_max` bytes: a word
/// of one letter is two bytes there, and five here.
pub fn frame_bytes_max(request_bytes_max: usize) -> u64 {
    request_bytes_max as u64 * 3 + (HEAD_BYTES + 2 * CLIENT_BYTES + item::BYTES) as u64
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

    /// Goes on to the next request of the same frame, with which `input` begins; its arguments are added to `spans`.
    ///
    /// # Errors
    /// What is wrong with it; nothing has been added.
    #[inline]
    pub fn advance(&mut self, input: &[u8], spans: &mut Vec<Span>) -> Result<(), Malformed> {
        let too_short = Malformed::TooShort(self.rest as u32);
        let (&[s0, s1, a0, a1], rest) =
            input.get(..self.rest).and_then(<[u8]>::split_first_chunk).ok_or(too_short)?;
        let (slot, arguments) = (u16::from_le_bytes([s0, s1]), usize::from(u16::from_le_bytes([a0, a1])));
        if slot >= SLOTS {
            return Err(Malformed::Unknown(u32::from(slot), "slot"));
        }
        if !self.row.takes(arguments) {
            return Err(Malformed::Arity(self.row.name, arguments as u32));
        }
        let places = rest.get(..4 * arguments).ok_or(too_short)?.as_chunks().0;
        let (begin, start) = (spans.len(), (NEXT_HEAD_BYTES + 4 * arguments) as u32);
        let (mut end, mut is_in_order) = (start, true);
        spans.extend(places.iter().map(|&[b0, b1, e0, e1]| {
            let [from, to] = [[b0, b1], [e0, e1]].map(|place| start + u32::from(u16::from_le_bytes(place)));
            is_in_order &= end <= from && from <= to;
            end = to;
            Span { start: from, end: to }
        }));
        let Some(left) = self.rest.checked_sub(end as usize).filter(|_| is_in_order) else {
            spans.truncate(begin);
            return Err(too_short);
        };
        let Ask { index, left: requests, .. } = self.ask;
        self.ask = Ask { slot: Some(slot), index: index + 1, left: requests - 1, again: false, ..self.ask };
        (self.bytes, self.rest) = (end as usize, left);
        Ok(())
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
    let of_client = if ask.client == 0 { 0 } else { CLIENT_BYTES };
    let of_tracker = if ask.tracker == 0 { 0 } else { CLIENT_BYTES };
    let bytes = HEAD_BYTES + 4 * request.args.len() + of_client + of_tracker + of_item + request.args.bytes();
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
        | (u8::from(ask.slot.is_some()) * SLOT)
        | (u8::from(ask.client != 0) * CLIENT)
        | (u8::from(ask.tracker != 0) * TRACKER);
    head[18..20].copy_from_slice(&ask.slot.unwrap_or_default().to_le_bytes());
    head[20..24].copy_from_slice(&(request.args.len() as u32).to_le_bytes());
    out.extend_from_slice(&head);
    for length in request.args.lengths() {
        out.extend_from_slice(&length.to_le_bytes());
    }
    if ask.client != 0 {
        out.extend_from_slice(&ask.client.to_le_bytes());
    }
    if ask.tracker != 0 {
        out.extend_from_slice(&ask.tracker.to_le_bytes());
    }
    if has_item {
        out.extend_from_slice(&item::encode(request.item));
    }
    for arg in request.args.iter() {
        out.extend_from_slice(arg);
    }
    Ok(())
}

/// Adds requests of the same client, with the same command, to the frame that begins at `frame` and is the last in `out`,
/// each with the slot of its only key. Returns how many, from the first on, were added: no more than a frame may hold, nor
/// one that would make it longer than [`LINK_RUN_BYTES_MAX`].
#[inline(always)]
pub fn extend<'a>(out: &mut Vec<u8>, frame: usize, requests: impl Iterator<Item = (Args<'a>, u16)>) -> usize {
    let more = usize::from(out[frame + MORE_AT]);
    let room = usize::from(LINK_RUN_REQUESTS_MAX) - 1 - more;
    let end_max = frame + LINK_RUN_BYTES_MAX;
    let added = requests.take(room).take_while(|(args, slot)| push_next(out, end_max, args, *slot)).count();
    let length = (out.len() - frame) as u32;
    out[frame..frame + 4].copy_from_slice(&length.to_le_bytes());
    out[frame + MORE_AT] = (more + added) as u8;
    added
}

/// Adds what follows in a frame, if `out` does not become longer than that.
#[inline(always)]
fn push_next(out: &mut Vec<u8>, end_max: usize, args: &Args<'_>, slot: u16) -> bool {
    let Some((text, spans)) = args.extent() else { return false };
    let arguments = spans.len();
    if out.len() + NEXT_HEAD_BYTES + 4 * arguments + text.len() > end_max {
        return false;
    }
    // All are below LINK_RUN_BYTES_MAX.
    let pair = |one: u16, other: u16| (u32::from(one) | u32::from(other) << 16).to_le_bytes();
    let first = pair(slot, arguments as u16);
    if arguments <= FEW_ARGUMENTS {
        let mut head = [[0; 4]; FEW_ARGUMENTS + 1];
        head[0] = first;
        for (place, span) in head[1..].iter_mut().zip(spans) {
            *place = pair(span.start as u16, span.end as u16);
        }
        // In one go and always as many bytes: copying each piece of four would cost as much.
        out.extend_from_slice(head.as_flattened());
        out.truncate(out.len() - 4 * (FEW_ARGUMENTS - arguments));
    } else {
        out.extend_from_slice(&first);
        for span in spans {
            out.extend_from_slice(&pair(span.start as u16, span.end as u16));
        }
    }
    out.extend_from_slice(text);
    true
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
    let (mut outline, arguments, marks) = head(first)?;
    let lengths = rest.get(..4 * arguments).ok_or(too_short)?.as_chunks().0;
    let mut start = HEAD_BYTES + 4 * arguments;
    if marks & CLIENT != 0 {
        let bytes = frame.get(start..).and_then(|rest| rest.first_chunk()).ok_or(too_short)?;
        outline.ask.client = u64::from_le_bytes(*bytes);
        start += CLIENT_BYTES;
    }
    if marks & TRACKER != 0 {
        let bytes = frame.get(start..).and_then(|rest| rest.first_chunk()).ok_or(too_short)?;
        outline.ask.tracker = u64::from_le_bytes(*bytes);
        start += CLIENT_BYTES;
    }
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
    if outline.ask.left > 0 {
        (outline.bytes, outline.rest) = (start, bytes - start);
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
    let left = frame[MORE_AT];
    let is_redis = matches!(dialect, Dialect::Resp2 | Dialect::Resp3);
    if is_redis == (marks & ITEM != 0) {
        return Err(Malformed::Unknown(u32::from(marks), "set of marks for the dialect"));
    }
    let may_be_run = is_redis && marks & (CLIENT | TRACKER | SLOT) == SLOT && row.only_key().is_some();
    if left > 0 && (left >= LINK_RUN_REQUESTS_MAX || !may_be_run) {
        return Err(Malformed::Unknown(u32::from(left), "number of requests that follow"));
    }
    if left > 0 && word(0) as usize > LINK_RUN_BYTES_MAX {
        return Err(Malformed::TooLong(u64::from(word(0)), LINK_RUN_BYTES_MAX as u64));
    }
    let [no_touch, in_cluster, again] = [NO_TOUCH, IN_CLUSTER, AGAIN].map(|mark| marks & mark != 0);
    let slot = (marks & SLOT != 0).then(|| u16::from_le_bytes([frame[18], frame[19]]));
    if let Some(slot @ SLOTS..) = slot {
        return Err(Malformed::Unknown(u32::from(slot), "slot"));
    }
    let (id, epoch, client, tracker, index) = (word(4), word(8), 0, 0, 0);
    let ask = Ask { id, epoch, database, no_touch, in_cluster, again, slot, client, tracker, index, left };
    Ok((Outline { row, dialect, ask, bytes: word(0) as usize, rest: 0 }, arguments as usize, marks))
}
