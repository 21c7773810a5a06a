//! One link: what a worker has sent to a shard, and is to be answered.
//!
//! Frames stay here until they are answered, because a link that is lost decides their fate: what was not sent yet is
//! sent over the next, reads are sent once more, and for everything else nobody knows whether it was executed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tidegate_protocols::link::{Answer, Malformed, Tail};
use tidegate_protocols::topology::LinkPlace;
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::dial;
use super::generation::Generation;
use super::ledger::Page;
use crate::limits::{KEPT_BYTES, LINK_CREDIT_BYTES, READ_BYTES};
use crate::wake::Wake;

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

/// A request that has not been answered.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    owner: Owner,
    /// Where its frame is.
    chunk: u32,
    begin: u32,
    end: u32,
    /// It may be executed twice without harm.
    is_read: bool,
    /// It has been sent a second time.
    is_again: bool,
    /// A part of the answer has been given out.
    has_begun: bool,
}

/// Frames that are written together.
struct Chunk {
    bytes: Vec<u8>,
    written: usize,
    /// How many of them are not answered.
    unanswered: u32,
    /// Nothing is added any more.
    sealed: bool,
    /// When the first of them was put here.
    since: Instant,
}

/// An answer, or a part of one.
pub(super) struct Answered<'a> {
    pub(super) owner: Owner,
    pub(super) tail: Tail,
    pub(super) bytes: &'a [u8],
    /// The request.
    pub(super) frame: &'a [u8],
    /// How long it took.
    pub(super) nanos: u64,
    /// How long the shard took, if that was long.
    pub(super) slow_nanos: u64,
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

/// See the module.
pub(super) struct Link {
    pub(super) name: String,
    pub(super) place: LinkPlace,
    pub(super) page: Arc<Page>,
    /// The present one of all links to the shard.
    pub(super) generation: Arc<Generation>,
    /// That of this link, or of the last one.
    own_generation: Cell<u32>,
    /// Tells the task of the link that there is something to write, or that it is to end.
    pub(super) kick: Wake,
    /// Tells it that what was received has been taken.
    pub(super) taken: Wake,
    retired: Cell<bool>,
    /// Nothing new is to be sent; see [`super::astray`].
    held: Cell<bool>,
    /// Since when the shard is known to be behind.
    behind_since: Cell<Option<Instant>>,
    /// The next request tells the shard that what it has refused is known of.
    asks_again: Cell<bool>,
    state: RefCell<State>,
}

struct State {
    stream: Option<Rc<OwnedWriteHalf>>,
    /// Since when there is none.
    down_since: Instant,
    /// When the shard has last said anything, if only that there is a link now, or has taken more of what is sent.
    heard: Instant,
    /// The socket has not taken all it was given last.
    is_blocked: bool,
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk; the others follow.
    first: u32,
    /// The place of the first chunk that is not written.
    unwritten: usize,
    waiting: Vec<Option<Waiting>>,
    free: Vec<u32>,
    /// Bytes of all chunks.
    bytes: usize,
    inbox: Vec<u8>,
    lost: Vec<Lost>,
    /// What has taken long, by the numbers of requests whose answers are on their way.
    slow: Vec<(u32, u64)>,
    /// A buffer to use again.
    spare: Vec<u8>,
}

impl Link {
    pub(super) fn new(
        name: String,
        place: LinkPlace,
        (page, generation): (Arc<Page>, Arc<Generation>),
    ) -> Self {
        Self {
            name,
            place,
            page,
            own_generation: Cell::new(generation.now()),
            generation,
            kick: Wake::default(),
            taken: Wake::default(),
            retired: Cell::new(false),
            held: Cell::new(false),
            behind_since: Cell::new(None),
            asks_again: Cell::new(false),
            state: RefCell::new(State {
                stream: None,
                down_since: Instant::now(),
                heard: Instant::now(),
                is_blocked: false,
                chunks: VecDeque::new(),
                first: 0,
                unwritten: 0,
                waiting: Vec::new(),
                free: Vec::new(),
                bytes: 0,
                inbox: Vec::new(),
                lost: Vec::new(),
                slow: Vec::new(),
                spare: Vec::new(),
            }),
        }
    }

    /// Whether nothing more should be sent before answers have come.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.state.borrow().bytes >= LINK_CREDIT_BYTES || self.held.get() || self.behind_since.get().is_some()
    }

    /// Has what is new wait, or no longer.
    pub(super) fn hold(&self, is_held: bool) {
        self.held.set(is_held);
    }

    /// Since when the shard is known not to have heard of the topology; nothing new is sent meanwhile.
    pub(super) fn behind_since(&self) -> Option<Instant> {
        self.behind_since.get()
    }

    /// The shard has said that it is behind. Returns whether that is new.
    pub(super) fn falls_behind(&self, now: Instant) -> bool {
        let is_new = self.behind_since.get().is_none();
        self.behind_since.set(self.behind_since.get().or(Some(now)));
        is_new
    }

    /// The shard may have caught up: the next request asks again.
    pub(super) fn ask_again(&self) {
        if self.behind_since.take().is_some() {
            self.asks_again.set(true);
        }
    }

    /// Whether this request is the one that asks again.
    #[inline]
    pub(super) fn take_again(&self) -> bool {
        self.asks_again.get() && self.asks_again.replace(false)
    }

    /// For how long there has been no link.
    pub(super) fn down_for(&self, now: Instant) -> Option<Duration> {
        let state = self.state.borrow();
        state.stream.is_none().then(|| now.saturating_duration_since(state.down_since))
    }

    /// Whether there was a link, and is none.
    pub(super) fn is_lost(&self) -> bool {
        self.page.connects.get() > 0 && self.state.borrow().stream.is_none()
    }

    /// Whether another worker has given up a link as old as this one.
    #[inline]
    pub(super) fn is_behind(&self) -> bool {
        self.own_generation.get() < self.generation.now() && self.state.borrow().stream.is_some()
    }

    /// Whether `stream` is the one of the link: one that was cut may still have something to read.
    pub(super) fn is_over(&self, stream: &Rc<OwnedWriteHalf>) -> bool {
        self.state.borrow().stream.as_ref().is_some_and(|own| Rc::ptr_eq(own, stream))
    }

    /// How many requests are not answered.
    pub(super) fn waiting(&self) -> usize {
        let state = self.state.borrow();
        state.waiting.len() - state.free.len()
    }

    /// No more requests come this way; it ends when the last is answered.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        self.kick.wake();
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// Whether it is not needed any more.
    pub(super) fn is_done(&self) -> bool {
        self.is_retired() && self.waiting() == 0
    }

    /// Adds the frame that `encode` writes for the number it is given.
    #[inline]
    pub(super) fn push<E>(
        &self,
        owner: Owner,
        is_read: bool,
        now: Instant,
        encode: impl FnOnce(&mut Vec<u8>, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        let state = &mut *self.state.borrow_mut();
        if state.chunks.back().is_none_or(|chunk| chunk.sealed) {
            let bytes = std::mem::take(&mut state.spare);
            state.chunks.push_back(Chunk { bytes, written: 0, unanswered: 0, sealed: false, since: now });
        }
        let number = state.first.wrapping_add(state.chunks.len() as u32 - 1);
        let Some(chunk) = state.chunks.back_mut() else { unreachable!("it has just been made") };
        let id = state.free.last().copied().unwrap_or(state.waiting.len() as u32);
        let begin = chunk.bytes.len();
        encode(&mut chunk.bytes, id)?;
        chunk.unanswered += 1;
        let end = chunk.bytes.len();
        state.bytes += end - begin;
        // Longer chunks would keep what is answered for too long.
        chunk.sealed = end >= READ_BYTES;
        let (begin, end) = (begin as u32, end as u32);
        let (is_again, has_begun) = (false, false);
        let waiting = Waiting { owner, chunk: number, begin, end, is_read, is_again, has_begun };
        if state.free.pop().is_some() {
            state.waiting[id as usize] = Some(waiting);
        } else {
            state.waiting.push(Some(waiting));
        }
        self.page.requests.add(1);
        Ok(())
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&self) {
        let state = &mut *self.state.borrow_mut();
        if state.unwritten == state.chunks.len() {
            return;
        }
        self.publish(state);
        let Some(stream) = &state.stream else { return };
        while let Some(chunk) = state.chunks.get_mut(state.unwritten) {
            chunk.sealed = true;
            match stream.try_write(&chunk.bytes[chunk.written..]) {
                Ok(bytes) => {
                    chunk.written += bytes;
                    if std::mem::take(&mut state.is_blocked) {
                        // Who makes room takes what is sent.
                        state.heard = Instant::now();
                    }
                    self.page.bytes_out.add(bytes as u64);
                    self.page.batches.add(1);
                }
                // Whoever reads finds out what is wrong.
                Err(error) => {
                    if error.kind() == std::io::ErrorKind::WouldBlock {
                        state.is_blocked = true;
                        self.kick.wake();
                    }
                    return;
                }
            }
            if chunk.written == chunk.bytes.len() {
                state.unwritten += 1;
            }
        }
    }

    /// Whether there is something the socket has not taken.
    pub(super) fn has_unwritten(&self) -> bool {
        let state = self.state.borrow();
        state.unwritten < state.chunks.len()
    }

    /// Reads what has arrived. `Ok(0)` is the end.
    pub(super) fn poll_read(
        &self,
        context: &mut Context<'_>,
        reader: &mut OwnedReadHalf,
    ) -> Poll<std::io::Result<usize>> {
        let inbox = &mut self.state.borrow_mut().inbox;
        inbox.reserve(READ_BYTES);
        let poll = pin!(reader.read_buf(inbox)).poll(context);
        if let Poll::Ready(Ok(bytes)) = &poll {
            self.page.bytes_in.add(*bytes as u64);
        }
        poll
    }

    /// Bytes received that nobody has looked at.
    pub(super) fn received(&self) -> usize {
        self.state.borrow().inbox.len()
    }

    /// Gives out the answers that have come, from the first to the last.
    ///
    /// # Errors
    /// What is no answer: the shard is not to be believed any more.
    pub(super) fn answers(&self, now: Instant, mut each: impl FnMut(Answered<'_>)) -> Result<(), Malformed> {
        let state = &mut *self.state.borrow_mut();
        if state.inbox.is_empty() {
            return Ok(());
        }
        let mut inbox = std::mem::take(&mut state.inbox);
        let (mut at, mut clock) = (0, Clock { now, chunk: None, nanos: 0 });
        let result = loop {
            match Answer::decode(&inbox[at..]) {
                Ok(Ok((answer, bytes))) => {
                    at += bytes;
                    if !state.answer(&answer, &mut clock, &self.page, &mut each) {
                        break Err(Malformed::Unknown(answer.id, "number of a request"));
                    }
                }
                Ok(Err(_)) => break Ok(()),
                Err(malformed) => break Err(malformed),
            }
        };
        if at > 0 {
            state.heard = now;
        }
        inbox.drain(..at);
        inbox.shrink_to(KEPT_BYTES);
        state.inbox = inbox;
        state.release();
        self.publish(state);
        self.taken.wake();
        result
    }

    /// Whether there is anything to give out.
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        let state = self.state.borrow();
        !state.inbox.is_empty() || !state.lost.is_empty()
    }

    /// Ends a link that is not to be relied on.
    pub(super) fn cut(&self, reason: &str, now: Instant) {
        if let Some(stream) = &self.state.borrow().stream {
            dial::shut((**stream).as_ref());
        }
        tracing::warn!(shard = self.name, place = %self.place, "cut a link: {reason}");
        self.down(reason, now);
    }

    /// What will not be answered.
    pub(super) fn take_lost(&self) -> Vec<Lost> {
        std::mem::take(&mut self.state.borrow_mut().lost)
    }

    /// Takes out all requests that wait for a link, if there is none, in their order and with the time when they came.
    pub(super) fn take_unsent(&self) -> Vec<(Owner, Vec<u8>, Instant)> {
        let state = &mut *self.state.borrow_mut();
        if state.stream.is_some() {
            return Vec::new();
        }
        let ids = state.in_order();
        let mut unsent = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(waiting) = state.waiting[id] else { continue };
            if waiting.owner != Owner::NOBODY {
                let (frame, since) = (state.frame(&waiting).to_vec(), state.chunk(&waiting).since);
                unsent.push((waiting.owner, frame, since));
            }
            state.forget(id as u32, &waiting);
        }
        state.compact();
        self.publish(state);
        unsent
    }

    /// There is a link of this generation now: sends what waits, after `first`, whose answer nobody waits for.
    pub(super) fn up(&self, stream: Rc<OwnedWriteHalf>, generation: u32, first: impl FnOnce(&Self)) {
        self.own_generation.set(generation);
        {
            let state = &mut *self.state.borrow_mut();
            state.stream = Some(stream);
            (state.heard, state.is_blocked) = (Instant::now(), false);
            self.page.up.store(1, Relaxed);
            self.page.connects.add(1);
            self.page.reason.lock().clear();
        }
        let waiting = self.take_chunks();
        first(self);
        self.put_behind(waiting);
        self.flush();
    }

    /// There is no link any more.
    pub(super) fn down(&self, reason: &str, now: Instant) {
        let state = &mut *self.state.borrow_mut();
        if state.stream.take().is_some() {
            state.down_since = now;
            self.page.up.store(0, Relaxed);
            if state.resolve(&self.page) {
                // Before anybody hears that it is in doubt.
                self.generation.end(self.own_generation.get());
            }
        }
        reason.clone_into(&mut self.page.reason.lock());
        state.inbox = Vec::new();
        state.slow = Vec::new();
        self.taken.wake();
        self.publish(state);
    }

    /// Whether requests wait for so long, while nothing at all has come, that the link is not to be relied on. Those
    /// of a link are executed in order, so where anything comes, the others' turn will come.
    pub(super) fn is_overdue(&self, now: Instant, time: Duration) -> bool {
        let state = self.state.borrow();
        let is_old = |chunk: &Chunk| chunk.unanswered > 0 && chunk.is_older(time, now);
        now.saturating_duration_since(state.heard) >= time && state.chunks.iter().any(is_old)
    }

    /// Gives up what waits for a link for too long.
    pub(super) fn give_up(&self, now: Instant, time: Duration) {
        let state = &mut *self.state.borrow_mut();
        for id in 0..state.waiting.len() {
            let Some(waiting) = state.waiting[id] else { continue };
            if state.chunk(&waiting).is_older(time, now) {
                let frame = state.frame(&waiting).to_vec();
                state.forget(id as u32, &waiting);
                self.page.refused.add(1);
                state.lost.push(Lost { owner: waiting.owner, frame, fate: Fate::Unsent });
            }
        }
        if state.stream.is_none() {
            state.compact();
        }
        self.publish(state);
    }

    fn publish(&self, state: &State) {
        self.page.waiting.store((state.waiting.len() - state.free.len()) as u64, Relaxed);
        self.page.waiting_bytes.store(state.bytes as u64, Relaxed);
    }

    /// Takes out what waits, for something to be sent before it.
    fn take_chunks(&self) -> (VecDeque<Chunk>, u32) {
        let state = &mut *self.state.borrow_mut();
        state.unwritten = 0;
        let chunks = std::mem::take(&mut state.chunks);
        // What is sent first gets the numbers before.
        let first = state.first;
        state.first = first.wrapping_sub(1);
        (chunks, first)
    }

    fn put_behind(&self, (mut chunks, first): (VecDeque<Chunk>, u32)) {
        let state = &mut *self.state.borrow_mut();
        debug_assert!(state.chunks.len() <= 1, "what comes first is one chunk");
        if let Some(chunk) = state.chunks.back_mut() {
            chunk.sealed = true;
        } else {
            state.first = first;
        }
        state.chunks.append(&mut chunks);
    }
}

/// How long answers have taken: those to requests that were sent together came after the same time.
struct Clock {
    now: Instant,
    chunk: Option<u32>,
    nanos: u64,
}

impl Clock {
    fn look(&mut self, chunk: u32, since: Instant) {
        self.chunk = Some(chunk);
        self.nanos = self.now.saturating_duration_since(since).as_nanos() as u64;
    }
}

impl Chunk {
    fn is_older(&self, time: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= time
    }
}

impl State {
    /// Gives out one answer. `false` if nothing with its number was asked.
    #[inline]
    fn answer(
        &mut self,
        answer: &Answer<'_>,
        clock: &mut Clock,
        page: &Page,
        each: &mut impl FnMut(Answered<'_>),
    ) -> bool {
        let Some(Some(waiting)) = self.waiting.get_mut(answer.id as usize) else {
            // How long it took may come after the last part of a long answer.
            return answer.tail == Tail::Took;
        };
        if answer.tail == Tail::Took {
            let nanos = answer.bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            self.take_slow(answer.id);
            self.slow.push((answer.id, nanos));
            return true;
        }
        let ends = answer.tail != Tail::Part;
        waiting.has_begun = true;
        let waiting = *waiting;
        if clock.chunk != Some(waiting.chunk) {
            clock.look(waiting.chunk, self.chunk(&waiting).since);
        }
        let slow_nanos = if ends { self.take_slow(answer.id) } else { 0 };
        if waiting.owner != Owner::NOBODY {
            let Answer { tail, bytes, .. } = *answer;
            let frame = self.frame(&waiting);
            each(Answered { owner: waiting.owner, tail, bytes, frame, nanos: clock.nanos, slow_nanos });
        }
        if ends {
            page.answered_after(clock.nanos);
            self.forget(answer.id, &waiting);
        }
        true
    }

    /// How long the request of this number has taken, if the shard has told.
    #[inline]
    fn take_slow(&mut self, id: u32) -> u64 {
        if self.slow.is_empty() {
            return 0;
        }
        let place = self.slow.iter().position(|(slow, _)| *slow == id);
        place.map_or(0, |place| self.slow.swap_remove(place).1)
    }

    #[inline]
    fn chunk(&self, waiting: &Waiting) -> &Chunk {
        &self.chunks[waiting.chunk.wrapping_sub(self.first) as usize]
    }

    #[inline]
    fn frame(&self, waiting: &Waiting) -> &[u8] {
        &self.chunk(waiting).bytes[waiting.begin as usize..waiting.end as usize]
    }

    /// Its number may be used again.
    #[inline]
    fn forget(&mut self, id: u32, waiting: &Waiting) {
        self.waiting[id as usize] = None;
        self.free.push(id);
        self.chunks[waiting.chunk.wrapping_sub(self.first) as usize].unanswered -= 1;
    }

    /// Lets go of what is answered.
    #[inline]
    fn release(&mut self) {
        while self.unwritten > 0 && self.chunks.front().is_some_and(|chunk| chunk.unanswered == 0) {
            let Some(mut chunk) = self.chunks.pop_front() else { return };
            self.first = self.first.wrapping_add(1);
            self.unwritten -= 1;
            self.bytes -= chunk.bytes.len();
            if chunk.bytes.capacity() <= KEPT_BYTES {
                chunk.bytes.clear();
                self.spare = chunk.bytes;
            }
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
    fn resolve(&mut self, page: &Page) -> bool {
        let mut is_dangerous = false;
        for id in 0..self.waiting.len() {
            let Some(mut waiting) = self.waiting[id] else { continue };
            let is_sent = self.chunk(&waiting).written >= waiting.end as usize;
            let is_wanted = waiting.owner != Owner::NOBODY;
            is_dangerous |= is_sent && !waiting.is_read;
            if is_wanted && !is_sent {
                page.held.add(1);
            } else if is_wanted && waiting.is_read && !waiting.is_again && !waiting.has_begun {
                page.retried.add(1);
                waiting.is_again = true;
                self.waiting[id] = Some(waiting);
            } else {
                let frame = self.frame(&waiting).to_vec();
                self.forget(id as u32, &waiting);
                if is_wanted {
                    page.in_doubt.add(u64::from(!waiting.is_read));
                    let fate = if waiting.is_read { Fate::Harmless } else { Fate::InDoubt };
                    self.lost.push(Lost { owner: waiting.owner, frame, fate });
                }
            }
        }
        self.compact();
        is_dangerous
    }

    /// The numbers of all requests that are not answered, in the order in which they came.
    fn in_order(&self) -> Vec<usize> {
        let mut ids: Vec<usize> = (0..self.waiting.len()).filter(|&id| self.waiting[id].is_some()).collect();
        ids.sort_unstable_by_key(|&id| {
            self.waiting[id].as_ref().map(|it| (it.chunk.wrapping_sub(self.first), it.begin))
        });
        ids
    }

    /// Puts what is left of each chunk together again, in its order, to be sent.
    fn compact(&mut self) {
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
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::link;

    use super::*;

    #[test]
    fn a_shard_that_says_something_is_not_overdue_however_long_it_takes() {
        let place = "127.0.0.1:1".parse().unwrap();
        let link = Link::new("shard".into(), place, Default::default());
        let (asked, patience) = (Instant::now(), Duration::from_secs(5));
        let sent: Result<(), Malformed> =
            link.push(Owner { ticket: 0, part: Owner::WHOLE }, true, asked, |out, _| {
                out.push(0);
                Ok(())
            });
        sent.unwrap();
        for second in [4, 8, 12] {
            assert!(!link.is_overdue(asked + Duration::from_secs(second), patience));
            {
                let inbox = &mut link.state.borrow_mut().inbox;
                link::begin(inbox);
                assert!(link::seal(inbox, 0, 0, Tail::Part).is_none());
            }
            link.answers(asked + Duration::from_secs(second), |_| ()).unwrap();
        }
        assert!(link.is_overdue(asked + Duration::from_secs(17), patience));
    }
}
