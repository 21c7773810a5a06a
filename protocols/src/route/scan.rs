//! `SCAN` in front of several shards: each step is asked of one of them, in the order of slots.

use super::plan::{Owners, Shard};
use crate::cursor::Cursor;
use crate::reply::Reply;
use crate::resp::answer::{self, Head};
use crate::slot::{SLOTS, slot_of};

/// What one shard is asked in a step of a scan: its keys from the cursor on, up to the first slot of another shard.
/// It is sent the request as it is; a slot that it does not have is empty to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Who is asked.
    pub shard: Shard,
    /// The first slot, from the cursor on, of another shard that is asked; [`SLOTS`] if there is none.
    end: u16,
    /// Whether the shard may have slots after `end`.
    goes_on: bool,
}

impl Leg {
    /// The leg that begins at this cursor, in the words of the client. What is no cursor, and a cursor at which
    /// nobody has anything any more, may be answered by anyone.
    pub fn at(cursor: &[u8], owners: &Owners) -> Self {
        let start = Cursor::parse(cursor).map_or(SLOTS, Cursor::slot);
        let (shard, after) = match owners.runs_from(start) {
            [] => (owners.asked()[0], &[][..]),
            [run, after @ ..] => (run.shard, after),
        };
        let end = after.first().map_or(SLOTS, |next| next.first);
        Self { shard, end, goes_on: after.iter().any(|later| later.shard == shard) }
    }

    /// Adds to `reply` what the client is told: the cursor of its next step, and the keys of this one. `None` if
    /// `answer` is neither that of a scan nor an error.
    pub fn answer(self, answer: &[u8], reply: &mut Reply<'_>) -> Option<()> {
        if answer.first() == Some(&b'-') {
            reply.out().extend_from_slice(answer);
            return Some(());
        }
        let (Head::Array(2), rest) = answer::head(answer)? else { return None };
        let (cursor, list) = answer::bulk(rest)?;
        let (Head::Array(count), keys) = answer::head(list)? else { return None };
        let next = Cursor::parse(cursor)?;
        let is_through = next == Cursor::ZERO || next.slot() >= self.end;
        let next = match (is_through, self.end) {
            (false, _) => next,
            (true, SLOTS) => Cursor::ZERO,
            (true, end) => Cursor::new(end, 0),
        };
        // What comes after the leg comes again when its turn has come.
        let (count, keys) = if is_through && self.goes_on { self.own(count, keys)? } else { (count, keys) };
        reply.array(2);
        reply.bulk(itoa::Buffer::new().format(next.0).as_bytes());
        reply.array(count);
        reply.out().extend_from_slice(keys);
        Some(())
    }

    /// Of keys in the order of slots, those before the end of the leg.
    fn own(self, count: usize, keys: &[u8]) -> Option<(usize, &[u8])> {
        let mut rest = keys;
        for own in 0..count {
            let (key, after) = answer::bulk(rest)?;
            if slot_of(key) >= self.end {
                return Some((own, &keys[..keys.len() - rest.len()]));
            }
            rest = after;
        }
        Some((count, keys))
    }
}
