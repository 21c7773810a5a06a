//! What has been sent over a link and is not answered, and what becomes of it.
//!
//! Frames stay here until they are answered, because a link that is lost decides their fate: what was not sent yet is
//! sent over the next, reads are sent once more, and for everything else nobody knows whether it was executed.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tidegate_protocols::link::{Answer, Tail};

use super::ledger::Page;
use crate::limits::{KEPT_BYTES, SAID_BYTES_MAX};
use crate::spare::Spare;
use crate::stream::Writer;

/// Whose request it is: the ticket, and which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) ticket: u32,
    /// [`Owner::WHOLE`], or a place among several.
    pub(super) part: u32,
}

impl Owner {
    /// Nobody waits for the answer.
    pub(super) const NOBODY: Self = Self { ticket: u32::MAX, part: 0 };
    /// The part of a request that goes to one shard as it is.
    pub(super) const WHOLE: u32 = u32::MAX;
}

/// A request that has not been answered, or several of one client in one frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) owner: Owner,
    /// Where its frame is.
    pub(super) chunk: u32,
    pub(super) begin: u32,
    pub(super) end: u32,
    /// How many there are.
    pub(super) requests: u8,
    /// It may be executed twice without harm.
    pub(super) is_read: bool,
    /// It has been sent a second time.
    pub(super) is_again: bool,
    /// A part of the answer has been given out.
    pub(super) has_begun: bool,
}

/// A request that the shard has said waits, for keys or for who holds them, or several of one client in one frame.
pub(super) struct Blocked {
    pub(super) owner: Owner,
    pub(super) frame: Vec<u8>,
    /// How many there are.
    requests: u8,
    pub(super) is_read: bool,
    /// A part of the answer has been given out.
    has_begun: bool,
}

/// Frames that are written together.
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) written: usize,
    /// How many of them are not answered.
    pub(super) unanswered: u32,
    /// Nothing is added any more.
    pub(super) sealed: bool,
    /// When the first of them was put here.
    pub(super) since: Instant,
}

/// See [`State::last`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) ticket: u32,
    pub(super) id: u32,
    /// Where it begins in its chunk.
    pub(super) begin: usize,
}

/// An answer, or a part of one.
pub(super) struct Answered<'a> {
    pub(super) owner: Owner,
    pub(super) tail: Tail,
    pub(super) bytes: &'a [u8],
    /// The request, where somebody may want to know: of what is simply answered it is empty.
    pub(super) frame: &'a [u8],
    /// How long it took.
    pub(super) nanos: u64,
}

/// A request that will not be answered by the shard.
pub(super) struct Lost {
    pub(super) owner: Owner,
    pub(super) frame: Vec<u8>,
    pub(super) fate: Fate,
}

/// What is known of a request that will not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has not been executed.
    Unsent,
    /// It changes nothing.
    Harmless,
    /// It may have been executed.
    InDoubt,
}

/// A link as it stands now.
pub(super) struct State {
    pub(super) stream: Option<Rc<Writer>>,
    /// Since when there is none.
    pub(super) down_since: Instant,
    /// When the shard has last said anything, if only that there is a link now, or has taken more of what is sent.
    pub(super) heard: Instant,
    /// The socket has not taken all it was given last.
    pub(super) is_blocked: bool,
    pub(super) chunks: VecDeque<Chunk>,
    /// The number of the first chunk; the others follow.
    pub(super) first: u32,
    /// The place of the first chunk that is not written.
    pub(super) unwritten: usize,
    pub(super) waiting: Vec<Option<Waiting>>,
    pub(super) free: Vec<u32>,
    /// Requests that wait for keys, by number. They need no chunk, and no answer by any time.
    pub(super) blocked: HashMap<u32, Blocked>,
    /// How many requests wait: of those in `waiting`, all.
    pub(super) requests: usize,
    /// The last frame, if a request of the same client may be added to it.
    pub(super) last: Option<Last>,
    /// Bytes of all chunks.
    pub(super) bytes: usize,
    pub(super) inbox: Vec<u8>,
    pub(super) lost: Vec<Lost>,
    /// The beginning of what the shard says without being asked.
    pub(super) said: Vec<u8>,
    /// Buffers for further chunks.
    pub(super) spare: Spare,
}

/// How long answers have taken: those to requests that were sent together came after the same time.
pub(super) struct Clock {
    pub(super) now: Instant,
    pub(super) chunk: Option<u32>,
    pub(super) nanos: u64,
}

impl Clock {
    pub(super) fn look(&mut self, chunk: u32, since: Instant) {
        self.chunk = Some(chunk);
        self.nanos = self.now.saturating_duration_since(since).as_nanos() as u64;
    }
}

impl Chunk {
    pub(super) fn is_older(&self, time: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= time
    }
}

impl State {
    /// There is no link yet, and nothing to be sent over it.
    pub(super) fn new() -> Self {
        Self {
            stream: None,
            down_since: Instant::now(),
            heard: Instant::now(),
            is_blocked: false,
            chunks: VecDeque::new(),
            first: 0,
            unwritten: 0,
            waiting: Vec::new(),
            free: Vec::new(),
            blocked: HashMap::new(),
            requests: 0,
            last: None,
            bytes: 0,
            inbox: Vec::new(),
            lost: Vec::new(),
            said: Vec::new(),
            spare: Spare::default(),
        }
    }

    /// Gives out one answer. `false` if nothing with its number was asked to which it can be one.
    #[inline]
    pub(super) fn answer(
        &mut self,
        answer: &Answer<'_>,
        clock: &mut Clock,
        page: &Page,
        each: &mut impl FnMut(Answered<'_>),
    ) -> bool {
        let Answer { id, tail, bytes } = *answer;
        if matches!(tail, Tail::Said | Tail::SaidPart) {
            return self.hear(tail, bytes, each);
        }
        // What is said beside a long answer may come after the last part of it.
        let is_beside = matches!(tail, Tail::Took | Tail::Fault);
        let Some(place) = self.waiting.get_mut(id as usize) else { return is_beside };
        let Some(waiting) = *place else {
            return self.answer_blocked(id, tail, bytes, each) || is_beside;
        };
        match tail {
            Tail::Took | Tail::Fault => {}
            Tail::Part => *place = Some(Waiting { has_begun: true, ..waiting }),
            // It would be sent again, and answered a second time behind what has come.
            Tail::Moved | Tail::Behind if waiting.has_begun => return false,
            Tail::Waits => {
                self.block(id, &waiting);
                each(Answered { owner: waiting.owner, tail, bytes, frame: &[], nanos: 0 });
                return true;
            }
            Tail::Done | Tail::Failed | Tail::Moved | Tail::Behind => *place = None,
            Tail::Said | Tail::SaidPart => unreachable!("it is no answer"),
        }
        let ends = !matches!(tail, Tail::Part | Tail::Took | Tail::Fault);
        let chunk = &mut self.chunks[waiting.chunk.wrapping_sub(self.first) as usize];
        if clock.chunk != Some(waiting.chunk) {
            clock.look(waiting.chunk, chunk.since);
        }
        if ends {
            self.free.push(id);
            chunk.unanswered -= 1;
            self.requests -= usize::from(waiting.requests);
            page.answered_after(clock.nanos, u64::from(waiting.requests));
        }
        if waiting.owner != Owner::NOBODY {
            let frame = match tail {
                Tail::Done => &[],
                _ => &chunk.bytes[waiting.begin as usize..waiting.end as usize],
            };
            each(Answered { owner: waiting.owner, tail, bytes, frame, nanos: clock.nanos });
        }
        true
    }

    /// Gives out what the shard says without being asked, once it is whole. `false` if it is longer than it may be.
    #[cold]
    fn hear(&mut self, tail: Tail, bytes: &[u8], each: &mut impl FnMut(Answered<'_>)) -> bool {
        self.said.extend_from_slice(bytes);
        if tail == Tail::Said {
            let said = std::mem::take(&mut self.said);
            let (owner, frame) = (Owner::NOBODY, &[][..]);
            each(Answered { owner, tail, bytes: &said, frame, nanos: 0 });
        }
        self.said.len() <= SAID_BYTES_MAX
    }

    /// The shard has said that a request waits.
    #[cold]
    fn block(&mut self, id: u32, waiting: &Waiting) {
        let (frame, Waiting { owner, requests, is_read, has_begun, .. }) =
            (self.frame(waiting).to_vec(), *waiting);
        self.blocked.insert(id, Blocked { owner, frame, requests, is_read, has_begun });
        self.waiting[id as usize] = None;
        self.requests -= usize::from(waiting.requests);
        self.chunks[waiting.chunk.wrapping_sub(self.first) as usize].unanswered -= 1;
    }

    /// The same as [`State::answer`] for what waits.
    #[cold]
    fn answer_blocked(
        &mut self,
        id: u32,
        tail: Tail,
        bytes: &[u8],
        each: &mut impl FnMut(Answered<'_>),
    ) -> bool {
        let Some(blocked) = self.blocked.get_mut(&id) else { return false };
        let Blocked { owner, has_begun, .. } = *blocked;
        match tail {
            Tail::Part => blocked.has_begun = true,
            Tail::Done | Tail::Failed | Tail::Took | Tail::Fault => {}
            Tail::Moved | Tail::Behind if !has_begun => {}
            Tail::Moved | Tail::Behind | Tail::Waits | Tail::Said | Tail::SaidPart => return false,
        }
        let Some(blocked) = self.blocked.get(&id) else { return false };
        each(Answered { owner, tail, bytes, frame: &blocked.frame, nanos: 0 });
        if !matches!(tail, Tail::Part | Tail::Took | Tail::Fault) {
            self.blocked.remove(&id);
            self.free.push(id);
        }
        true
    }

    /// The link is lost: what only reads waits over the next, of all else nobody knows whether it was executed. Returns
    /// whether there is any.
    fn resolve_blocked(&mut self, page: &Page) -> bool {
        let mut is_dangerous = false;
        for (id, blocked) in std::mem::take(&mut self.blocked) {
            let Blocked { owner, frame, requests, is_read, has_begun } = blocked;
            is_dangerous |= !is_read;
            if is_read && !has_begun {
                page.retried.add(requests.into());
                let end = frame.len() as u32;
                let since = Instant::now();
                self.chunks.push_back(Chunk { bytes: frame, written: 0, unanswered: 1, sealed: true, since });
                let chunk = self.first.wrapping_add(self.chunks.len() as u32 - 1);
                let (is_again, has_begun) = (false, false);
                self.requests += usize::from(requests);
                self.waiting[id as usize] =
                    Some(Waiting { owner, chunk, begin: 0, end, requests, is_read, is_again, has_begun });
            } else {
                page.in_doubt.add(if is_read { 0 } else { requests.into() });
                let fate = if is_read { Fate::Harmless } else { Fate::InDoubt };
                self.free.push(id);
                self.lost.push(Lost { owner, frame, fate });
            }
        }
        is_dangerous
    }

    #[inline]
    pub(super) fn chunk(&self, waiting: &Waiting) -> &Chunk {
        &self.chunks[waiting.chunk.wrapping_sub(self.first) as usize]
    }

    #[inline]
    pub(super) fn frame(&self, waiting: &Waiting) -> &[u8] {
        &self.chunk(waiting).bytes[waiting.begin as usize..waiting.end as usize]
    }

    /// Its number may be used again.
    #[inline]
    pub(super) fn forget(&mut self, id: u32, waiting: &Waiting) {
        self.waiting[id as usize] = None;
        self.free.push(id);
        self.requests -= usize::from(waiting.requests);
        self.chunks[waiting.chunk.wrapping_sub(self.first) as usize].unanswered -= 1;
    }

    /// Lets go of what is answered.
    #[inline]
    pub(super) fn release(&mut self) {
        while self.unwritten > 0 && self.chunks.front().is_some_and(|chunk| chunk.unanswered == 0) {
            let Some(chunk) = self.chunks.pop_front() else { return };
            self.first = self.first.wrapping_add(1);
            self.unwritten -= 1;
            self.bytes -= chunk.bytes.len();
            self.spare.give_back(chunk.bytes);
        }
        if self.free.len() == self.waiting.len()
            && self.waiting.capacity() * size_of::<Waiting>() > KEPT_BYTES
        {
            self.waiting = Vec::new();
            self.free = Vec::new();
        }
    }

    /// The link is lost: decides what becomes of each request, and keeps what is sent over the next. Returns whether the
    /// shard may still execute something that matters.
    pub(super) fn resolve(&mut self, page: &Page) -> bool {
        let mut is_dangerous = false;
        for id in 0..self.waiting.len() {
            let Some(mut waiting) = self.waiting[id] else { continue };
            let is_sent = self.chunk(&waiting).written >= waiting.end as usize;
            let is_wanted = waiting.owner != Owner::NOBODY;
            is_dangerous |= is_sent && !waiting.is_read;
            let requests = u64::from(waiting.requests);
            if is_wanted && !is_sent {
                page.held.add(requests);
            } else if is_wanted && waiting.is_read && !waiting.is_again && !waiting.has_begun {
                page.retried.add(requests);
                waiting.is_again = true;
                self.waiting[id] = Some(waiting);
            } else {
                let frame = self.frame(&waiting).to_vec();
                self.forget(id as u32, &waiting);
                if is_wanted {
                    page.in_doubt.add(if waiting.is_read { 0 } else { requests });
                    let fate = if waiting.is_read { Fate::Harmless } else { Fate::InDoubt };
                    self.lost.push(Lost { owner: waiting.owner, frame, fate });
                }
            }
        }
        is_dangerous |= self.resolve_blocked(page);
        self.compact();
        is_dangerous
    }

    /// The numbers of all requests that are not answered, in the order in which they came.
    pub(super) fn in_order(&self) -> Vec<usize> {
        let mut ids: Vec<usize> = (0..self.waiting.len()).filter(|&id| self.waiting[id].is_some()).collect();
        ids.sort_unstable_by_key(|&id| {
            self.waiting[id].as_ref().map(|it| (it.chunk.wrapping_sub(self.first), it.begin))
        });
        ids
    }

    /// Puts what is left of each chunk together again, in its order, to be sent.
    pub(super) fn compact(&mut self) {
        let first = self.first;
        let left = self.in_order();
        let old = std::mem::take(&mut self.chunks);
        let mut last = None;
        for id in left {
            let Some(waiting) = &mut self.waiting[id] else { continue };
            let from = &old[waiting.chunk.wrapping_sub(first) as usize];
            if last != Some(waiting.chunk) {
                last = Some(waiting.chunk);
                let (bytes, since) = (Vec::new(), from.since);
                self.chunks.push_back(Chunk { bytes, written: 0, unanswered: 0, sealed: true, since });
            }
            let number = first.wrapping_add(self.chunks.len() as u32 - 1);
            let Some(chunk) = self.chunks.back_mut() else { continue };
            let begin = chunk.bytes.len() as u32;
            chunk.bytes.extend_from_slice(&from.bytes[waiting.begin as usize..waiting.end as usize]);
            chunk.unanswered += 1;
            let end = chunk.bytes.len() as u32;
            *waiting = Waiting { chunk: number, begin, end, ..*waiting };
        }
        self.bytes = self.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        self.unwritten = 0;
        self.last = None;
    }
}
