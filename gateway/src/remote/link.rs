//! One link of a worker to a shard: sending, reading, and what happens when it is made and lost.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tidegate_protocols::link::{Answer, Malformed, extend};
use tidegate_protocols::topology::LinkPlace;
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Args, Sha};

use super::dial;
use super::generation::Generation;
use super::ledger::Page;
use super::unanswered::{Answered, Chunk, Clock, Fate, Last, Lost, Owner, State, Waiting};
use crate::limits::{KEPT_BYTES, LINK_CREDIT_BYTES, READ_BYTES, SCRIPTS_SEEN_MAX};
use crate::stream::{Reader, Writer};
use crate::wake::Wake;

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
    /// The shard has been told nothing over this link yet.
    is_new: Cell<bool>,
    /// The shard knows, or will have been told, which keys are followed here.
    knows_followed: Cell<bool>,
    /// It has been lost, and nobody has looked since.
    has_been_lost: Cell<bool>,
    /// Scripts that the shard knows, most likely.
    learned: RefCell<HashSet<Sha>>,
    state: RefCell<State>,
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
            is_new: Cell::new(false),
            knows_followed: Cell::new(true),
            has_been_lost: Cell::new(false),
            learned: RefCell::default(),
            state: RefCell::new(State::new()),
        }
    }

    /// Whether nothing more should be sent before answers have come.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.state.borrow().bytes >= LINK_CREDIT_BYTES || self.held.get() || self.behind_since.get().is_some()
    }

    /// Whether there is a link over which something can be sent at once.
    #[inline]
    pub(super) fn is_clear(&self) -> bool {
        !self.is_full() && self.state.borrow().stream.is_some()
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

    /// Whether it has just been made: what the shard knew of an earlier one it knows no more.
    #[inline]
    pub(super) fn take_new(&self) -> bool {
        self.is_new.get() && self.is_new.replace(false)
    }

    /// Whether the shard knows which keys are followed here; says so from now on.
    pub(super) fn knows_followed(&self, knows: bool) -> bool {
        self.knows_followed.replace(knows)
    }

    /// Whether it has been lost since this was asked last.
    #[inline]
    pub(super) fn take_loss(&self) -> bool {
        self.has_been_lost.get() && self.has_been_lost.replace(false)
    }

    /// The shard knows a script from now on. Returns whether that is news.
    pub(super) fn learns(&self, script: Sha) -> bool {
        let mut learned = self.learned.borrow_mut();
        if learned.len() >= SCRIPTS_SEEN_MAX {
            learned.clear();
        }
        learned.insert(script)
    }

    /// It may know none any more.
    pub(super) fn forget_learned(&self) {
        self.learned.borrow_mut().clear();
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

    /// Since when what came at `since` waits here: where there is a link, what it is sent it has to answer from now on.
    pub(super) fn waits_since(&self, since: Instant, now: Instant) -> Instant {
        if self.state.borrow().stream.is_none() { since } else { now }
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
    pub(super) fn is_over(&self, stream: &Rc<Writer>) -> bool {
        self.state.borrow().stream.as_ref().is_some_and(|own| Rc::ptr_eq(own, stream))
    }

    /// How many requests are not answered, but for those that wait for keys.
    pub(super) fn waiting(&self) -> usize {
        let state = self.state.borrow();
        state.waiting.len() - state.free.len() - state.blocked.len()
    }

    /// Whether there is a link and nothing has come over it for so long.
    pub(super) fn is_silent(&self, now: Instant, time: Duration) -> bool {
        let state = self.state.borrow();
        state.stream.is_some() && state.inbox.is_empty() && now.saturating_duration_since(state.heard) >= time
    }

    /// Whether any request waits for keys.
    pub(super) fn has_blocked(&self) -> bool {
        !self.state.borrow().blocked.is_empty()
    }

    /// The client that waits for keys with this ticket.
    pub(super) fn blocked_client(&self, ticket: u32) -> Option<u64> {
        let state = self.state.borrow();
        let blocked = state.blocked.values().find(|blocked| blocked.owner.ticket == ticket)?;
        Requests::new(&blocked.frame).next_with_ask().map(|(_, ask)| ask.client)
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
        self.is_retired() && self.waiting() == 0 && !self.has_blocked()
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
        let is_down = state.stream.is_none();
        if state.chunks.back().is_none_or(|chunk| chunk.sealed || is_down && chunk.since != now) {
            let bytes = state.spare.take();
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
        let waiting = Waiting { owner, chunk: number, begin, end, requests: 1, is_read, is_again, has_begun };
        let is_whole = owner.part == Owner::WHOLE && !is_down;
        state.last = is_whole.then_some(Last { ticket: owner.ticket, id, begin: begin as usize });
        state.requests += 1;
        if state.free.pop().is_some() {
            state.waiting[id as usize] = Some(waiting);
        } else {
            state.waiting.push(Some(waiting));
        }
        self.page.requests.add(1);
        Ok(())
    }

    /// Adds requests, with the slots of their keys, to the frame of the one with this ticket, if that is the last there is.
    /// Returns how many, from the first on: no more than the frame may hold.
    #[inline]
    pub(super) fn join<'a>(&self, ticket: u32, requests: impl Iterator<Item = (Args<'a>, u16)>) -> usize {
        let state = &mut *self.state.borrow_mut();
        let (Some(last), Some(chunk)) = (state.last, state.chunks.back_mut()) else { return 0 };
        if last.ticket != ticket || chunk.sealed {
            return 0;
        }
        let before = chunk.bytes.len();
        let joined = extend(&mut chunk.bytes, last.begin, requests);
        let end = chunk.bytes.len();
        state.bytes += end - before;
        state.requests += joined;
        chunk.sealed = end >= READ_BYTES;
        if let Some(waiting) = &mut state.waiting[last.id as usize] {
            waiting.end = end as u32;
            waiting.requests += joined as u8;
        }
        self.page.requests.add(joined as u64);
        joined
    }

    /// Writes what the socket takes, and has the task of the link see to the rest.
    ///
    /// # Errors
    /// There is no link any more, as that task will find, too.
    pub(super) fn flush(&self) -> std::io::Result<()> {
        let state = &mut *self.state.borrow_mut();
        if state.unwritten == state.chunks.len() {
            return Ok(());
        }
        self.publish(state);
        let Some(stream) = &state.stream else { return Ok(()) };
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
                Err(error) => {
                    self.kick.wake();
                    state.is_blocked = true;
                    return if error.kind() == std::io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) };
                }
            }
            if chunk.written == chunk.bytes.len() {
                state.unwritten += 1;
            }
        }
        Ok(())
    }

    /// Whether there is something the socket would not take.
    pub(super) fn is_blocked(&self) -> bool {
        self.state.borrow().is_blocked
    }

    /// Bytes that have not been written.
    #[inline]
    pub(super) fn unsent_bytes(&self) -> usize {
        let state = self.state.borrow();
        state.chunks.iter().skip(state.unwritten).map(|chunk| chunk.bytes.len() - chunk.written).sum()
    }

    /// Reads what has arrived. `Ok(0)` is the end.
    pub(super) fn poll_read(
        &self,
        context: &mut Context<'_>,
        reader: &mut Reader,
    ) -> Poll<std::io::Result<usize>> {
        let inbox = &mut self.state.borrow_mut().inbox;
        inbox.reserve(READ_BYTES);
        let poll = reader.poll_append(context, inbox);
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
            dial::shut(stream);
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
    pub(super) fn up(&self, stream: Rc<Writer>, generation: u32, first: impl FnOnce(&Self)) {
        self.own_generation.set(generation);
        self.is_new.set(true);
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
        // If it is lost already, its task is about to look.
        let _ = self.flush();
    }

    /// There is no link any more.
    pub(super) fn down(&self, reason: &str, now: Instant) {
        let state = &mut *self.state.borrow_mut();
        if state.stream.take().is_some() {
            state.down_since = now;
            self.has_been_lost.set(true);
            self.knows_followed.set(false);
            self.page.up.store(0, Relaxed);
            if state.resolve(&self.page) {
                // Before anybody hears that it is in doubt.
                self.generation.end(self.own_generation.get());
            }
        }
        reason.clone_into(&mut self.page.reason.lock());
        state.inbox = Vec::new();
        state.said = Vec::new();
        self.taken.wake();
        self.publish(state);
    }

    /// Whether requests wait for so long, while nothing at all has come, that the link is not to be relied on. Those
    /// of a link are executed in order, so where anything comes, the others' turn will come.
    pub(super) fn is_overdue(&self, now: Instant, time: Duration) -> bool {
        let state = self.state.borrow();
        let is_old = |chunk: &Chunk| chunk.unanswered > 0 && chunk.is_older(time, now);
        // What has come and nobody has looked at may be late because this process has stood still.
        let is_silent = state.inbox.is_empty() && now.saturating_duration_since(state.heard) >= time;
        is_silent && state.chunks.iter().any(is_old)
    }

    /// Gives up what waits for a link for too long.
    pub(super) fn give_up(&self, now: Instant, time: Duration) {
        let state = &mut *self.state.borrow_mut();
        for id in 0..state.waiting.len() {
            let Some(waiting) = state.waiting[id] else { continue };
            if state.chunk(&waiting).is_older(time, now) {
                let frame = state.frame(&waiting).to_vec();
                state.forget(id as u32, &waiting);
                self.page.refused.add(u64::from(waiting.requests));
                state.lost.push(Lost { owner: waiting.owner, frame, fate: Fate::Unsent });
            }
        }
        if state.stream.is_none() {
            state.compact();
        }
        self.publish(state);
    }

    fn publish(&self, state: &State) {
        self.page.waiting.store(state.requests as u64, Relaxed);
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

#[cfg(test)]
mod tests {
    use tidegate_protocols::link::{self, Tail};

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
            assert!(!link.is_overdue(asked + Duration::from_secs(100), patience), "its answer is there");
            link.answers(asked + Duration::from_secs(second), |_| ()).unwrap();
        }
        assert!(link.is_overdue(asked + Duration::from_secs(17), patience));
    }

    #[test]
    fn a_shard_that_refuses_what_it_has_begun_to_answer_is_not_believed() {
        let link = Link::new("shard".into(), "127.0.0.1:1".parse().unwrap(), Default::default());
        let pushed: Result<(), Malformed> =
            link.push(Owner { ticket: 0, part: Owner::WHOLE }, true, Instant::now(), |out, _| {
                out.push(0);
                Ok(())
            });
        pushed.unwrap();
        for (tail, is_believed) in [(Tail::Part, true), (Tail::Moved, false)] {
            {
                let inbox = &mut link.state.borrow_mut().inbox;
                link::begin(inbox);
                assert!(link::seal(inbox, 0, 0, tail).is_none());
            }
            assert_eq!(link.answers(Instant::now(), |_| ()).is_ok(), is_believed, "{tail:?}");
        }
    }
}
