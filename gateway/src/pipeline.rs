//! Replies to one client in the order of its requests, while some of them are still to come.
//!
//! A reply whose turn it is goes straight to what is sent next; one that is early waits for those before it.

use std::collections::VecDeque;

use tidegate_protocols::number::integer;

use crate::limits::{
    CLIENT_REQUESTS_FIRST, CLIENT_REQUESTS_MAX, CLIENT_REQUESTS_MIN, CLIENT_WAITING_BYTES, OUTPUT_BYTES_MAX,
    PIPELINE_SLOTS_KEPT,
};

/// Bytes of a reply that says nothing about how many may be waited for.
const SHORT_REPLY_BYTES: usize = CLIENT_WAITING_BYTES / CLIENT_REQUESTS_MAX;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    slots: VecDeque<Slot>,
    /// The number of the first slot; the others follow.
    first: u32,
    /// Replies that are to come.
    waiting: usize,
    /// How many may be, as long as they are short: it grows with every reply.
    window: usize,
    /// Bytes of the longest reply, less for every time that all had come since.
    longest: usize,
    /// Bytes of the first reply that have been sent; it goes on.
    begun_bytes: usize,
    /// Bytes that have come and wait for those before them.
    held: usize,
    /// What can be sent.
    ready: Vec<u8>,
}

/// The place of one reply, or of several that are there already.
#[derive(Debug)]
enum Slot {
    /// What has come of a reply, which goes on.
    Coming(Vec<u8>),
    /// All of it, or of several.
    Whole(Vec<u8>),
}

impl Pipeline {
    /// Whether every reply has come.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether the client has so many requests on their way, or so much to expect for them, that no more should
    /// follow for now.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= self.requests_max()
    }

    /// Whether enough of a full pipeline has come that requests may follow again.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting <= self.requests_max() / 2
    }

    /// How many requests may be on their way, if their replies are as long as the longest before them. Of a client that
    /// has just come nothing is known, so it begins with few.
    #[inline]
    fn requests_max(&self) -> usize {
        let window = self.window + CLIENT_REQUESTS_FIRST;
        match self.longest {
            0..SHORT_REPLY_BYTES => window,
            longest => (CLIENT_WAITING_BYTES / longest).clamp(CLIENT_REQUESTS_MIN, window),
        }
    }

    /// A reply that is there already, behind those that are to come or to be sent.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        match self.slots.back_mut() {
            None => return self.ready.extend_from_slice(bytes),
            Some(Slot::Whole(whole)) => whole.extend_from_slice(bytes),
            Some(Slot::Coming(_)) => self.slots.push_back(Slot::Whole(bytes.to_vec())),
        }
        self.held += bytes.len();
    }

    /// A place for a reply that is to come, and its number.
    #[inline]
    pub(crate) fn wait(&mut self) -> u32 {
        self.waiting += 1;
        self.slots.push_back(Slot::Coming(Vec::new()));
        self.first.wrapping_add(self.slots.len() as u32 - 1)
    }

    /// A part of the reply with this number, and not the last.
    pub(crate) fn part(&mut self, number: u32, bytes: &[u8]) {
        let place = self.place(number);
        if let Some(Slot::Coming(coming)) = self.slots.get_mut(place) {
            let (to, so_far) = if place == 0 {
                self.begun_bytes += bytes.len();
                (&mut self.ready, self.begun_bytes)
            } else {
                if coming.is_empty() {
                    // Growing with what comes would take twice as much, for a while.
                    coming.reserve_exact(announced(bytes));
                }
                self.held += bytes.len();
                let so_far = coming.len() + bytes.len();
                (coming, so_far)
            };
            to.extend_from_slice(bytes);
            self.longest = self.longest.max(so_far);
        }
    }

    /// The rest of the reply with this number.
    #[inline]
    pub(crate) fn done(&mut self, number: u32, bytes: &[u8]) {
        let place = self.place(number);
        if place >= self.slots.len() {
            return;
        }
        self.waiting -= 1;
        self.window = (self.window + 1).min(CLIENT_REQUESTS_MAX - CLIENT_REQUESTS_FIRST);
        if place > 0 {
            self.longest = self.longest.max(bytes.len());
            return self.early(place, bytes);
        }
        self.ready.extend_from_slice(bytes);
        self.longest = self.longest.max(self.begun_bytes + bytes.len());
        self.begun_bytes = 0;
        self.pop();
        while let Some(Slot::Whole(whole)) = self.slots.front_mut() {
            self.held -= whole.len();
            join(&mut self.ready, whole);
            self.pop();
        }
        if let Some(Slot::Coming(coming)) = self.slots.front_mut() {
            self.begun_bytes = coming.len();
            self.held -= coming.len();
            join(&mut self.ready, coming);
        }
        if self.waiting == 0 {
            self.longest -= self.longest.div_ceil(8);
        }
    }

    fn early(&mut self, place: usize, bytes: &[u8]) {
        let slot = &mut self.slots[place];
        if let Slot::Coming(coming) = slot {
            self.held += bytes.len();
            coming.extend_from_slice(bytes);
            *slot = Slot::Whole(std::mem::take(coming));
        }
    }

    /// What has come of the reply with this number will not go on. Returns whether something else can be said in its
    /// place: not if the client has been sent the beginning.
    pub(crate) fn forget(&mut self, number: u32) -> bool {
        let place = self.place(number);
        match self.slots.get_mut(place) {
            Some(Slot::Coming(coming)) => {
                self.held -= coming.len();
                coming.clear();
            }
            Some(Slot::Whole(_)) | None => {}
        }
        place > 0 || self.begun_bytes == 0
    }

    /// Nothing is delivered any more after the reply with this number.
    pub(crate) fn end_after(&mut self, number: u32) {
        let place = self.place(number);
        if place < self.slots.len() {
            for slot in self.slots.drain(place + 1..) {
                let (Slot::Coming(bytes) | Slot::Whole(bytes)) = slot;
                self.held -= bytes.len();
            }
            self.waiting = self.slots.iter().filter(|slot| matches!(slot, Slot::Coming(_))).count();
        }
    }

    /// Nothing is delivered any more at all.
    pub(crate) fn abandon(&mut self) {
        self.slots = VecDeque::new();
        (self.waiting, self.held) = (0, 0);
    }

    /// Bytes that have come and wait for those before them.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// What can be sent now.
    pub(crate) fn take_ready(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }

    /// Lends a buffer for what can be sent next.
    #[inline]
    pub(crate) fn lend(&mut self, buffer: Vec<u8>) {
        self.ready = buffer;
    }

    #[inline]
    fn place(&self, number: u32) -> usize {
        number.wrapping_sub(self.first) as usize
    }

    #[inline]
    fn pop(&mut self) {
        self.slots.pop_front();
        self.first = self.first.wrapping_add(1);
        if self.slots.is_empty() && self.slots.capacity() > PIPELINE_SLOTS_KEPT {
            self.slots = VecDeque::new();
        }
    }
}

/// Bytes of the reply that begins so, as far as it says.
fn announced(beginning: &[u8]) -> usize {
    let length = beginning.strip_prefix(b"$").and_then(|rest| {
        let end = rest.iter().take(16).position(|byte| *byte == b'\r')?;
        usize::try_from(integer(&rest[..end])?).ok()
    });
    length.map_or(beginning.len(), |length| length.saturating_add(16).min(OUTPUT_BYTES_MAX as usize))
}

/// Moves what is in `from` to the end of `ready`, without a copy of it where it would be all.
fn join(ready: &mut Vec<u8>, from: &mut Vec<u8>) {
    if ready.is_empty() && from.len() > ready.capacity() {
        *ready = std::mem::take(from);
    } else {
        ready.append(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(pipeline: &mut Pipeline) -> String {
        String::from_utf8(pipeline.take_ready()).unwrap()
    }

    #[test]
    fn replies_leave_in_the_order_of_their_requests() {
        let mut pipeline = Pipeline::default();
        let [a, b] = [pipeline.wait(), pipeline.wait()];
        pipeline.say(b"C");
        pipeline.say(b"D");
        let e = pipeline.wait();
        pipeline.done(b, b"B");
        assert_eq!(ready(&mut pipeline), "");
        pipeline.part(a, b"a1");
        assert_eq!(ready(&mut pipeline), "a1", "whose turn it is need not wait for its end");
        pipeline.part(e, b"e1");
        pipeline.done(a, b"a2");
        assert_eq!(ready(&mut pipeline), "a2BCDe1");
        assert!(!pipeline.is_empty());
        pipeline.done(e, b"e2");
        assert_eq!(ready(&mut pipeline), "e2");
        assert!(pipeline.is_empty());
    }

    #[test]
    fn a_reply_can_be_another_until_its_beginning_has_been_sent() {
        let mut pipeline = Pipeline::default();
        let [a, b, c] = [pipeline.wait(), pipeline.wait(), pipeline.wait()];
        pipeline.part(a, b"a");
        pipeline.part(b, b"b");
        assert!(!pipeline.forget(a));
        assert!(pipeline.forget(b));
        pipeline.end_after(b);
        pipeline.done(b, b"error");
        pipeline.done(c, b"c");
        pipeline.done(a, b"A");
        assert_eq!(ready(&mut pipeline), "aAerror");
        assert!(pipeline.is_empty());
        let [a, b] = [pipeline.wait(), pipeline.wait()];
        pipeline.part(b, b"b");
        pipeline.done(a, b"a");
        assert!(!pipeline.forget(b), "its beginning went with what was before it");
    }

    #[test]
    fn what_is_said_at_once_leaves_behind_what_has_not_been_sent_yet() {
        let mut pipeline = Pipeline::default();
        let a = pipeline.wait();
        pipeline.done(a, b"A");
        pipeline.say(b"B");
        assert_eq!(ready(&mut pipeline), "AB");
    }

    #[test]
    fn a_client_may_have_more_requests_on_their_way_the_more_short_replies_it_has_had() {
        let mut pipeline = Pipeline::default();
        let mut rounds = 0;
        while pipeline.requests_max() < CLIENT_REQUESTS_MAX {
            let mut numbers = Vec::new();
            while !pipeline.is_full() {
                numbers.push(pipeline.wait());
            }
            assert!(!pipeline.has_room());
            for number in numbers {
                pipeline.done(number, b"x");
            }
            assert!(pipeline.has_room());
            rounds += 1;
        }
        assert_eq!(CLIENT_REQUESTS_FIRST << rounds, CLIENT_REQUESTS_MAX);
    }

    #[test]
    fn fewer_requests_may_wait_for_long_replies_than_for_short_ones() {
        let mut pipeline = Pipeline { window: CLIENT_REQUESTS_MAX, ..Pipeline::default() };
        let number = pipeline.wait();
        pipeline.done(number, &vec![b'x'; CLIENT_WAITING_BYTES / 14]);
        assert_eq!(pipeline.requests_max(), 16, "most of it is remembered");
        let numbers: Vec<u32> = (0..16).map(|_| pipeline.wait()).collect();
        assert!(pipeline.is_full());
        pipeline.done(numbers[0], &vec![b'x'; CLIENT_WAITING_BYTES]);
        assert_eq!(pipeline.requests_max(), CLIENT_REQUESTS_MIN);
        numbers[1..].iter().for_each(|number| pipeline.done(*number, b"x"));
        for _ in 0..200 {
            let number = pipeline.wait();
            pipeline.done(number, b"x");
        }
        assert_eq!(pipeline.requests_max(), CLIENT_REQUESTS_MAX, "what is long ago is forgotten");
        let numbers = [pipeline.wait(), pipeline.wait()];
        for _ in 0..16 {
            pipeline.part(numbers[0], &vec![b'x'; CLIENT_WAITING_BYTES / 128]);
        }
        assert_eq!(pipeline.requests_max(), 8, "a reply is as long as all its parts");
    }
}
