//! Replies to one client in the order of its requests, while some of them are still to come.
//!
//! A reply whose turn it is goes straight to what is sent next; one that is early waits for those before it.

use std::collections::VecDeque;

use tidegate_protocols::number::integer;

use crate::limits::{
    CLIENT_REQUESTS_FIRST, CLIENT_REQUESTS_MAX, CLIENT_REQUESTS_MIN, CLIENT_WAITING_BYTES, OUTPUT_BYTES_SOFT,
    PIPELINE_SLOTS_KEPT, READY_BYTES,
};
use crate::pieces::{PIECE_BYTES, Pieces};

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
    /// One past the last place of what was there already when it was said: messages go behind that.
    said: u32,
    /// Messages that came while a reply was being sent, and follow it.
    aside: Vec<u8>,
    /// What can be sent.
    ready: Vec<u8>,
    /// What can be sent after that, if it is much.
    more: Pieces,
}

/// The place of one reply, or of several that are there already.
#[derive(Debug)]
enum Slot {
    /// What has come of a reply, which goes on.
    Coming(Option<Box<Pieces>>),
    /// All of it, or of several.
    Whole(Vec<u8>),
    /// All of a long one.
    Long(Box<Pieces>),
}

impl Slot {
    fn bytes(&self) -> usize {
        match self {
            Self::Coming(coming) => coming.as_ref().map_or(0, |pieces| pieces.bytes()),
            Self::Whole(whole) => whole.len(),
            Self::Long(pieces) => pieces.bytes(),
        }
    }
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
        self.waiting >= self.requests_max() || self.held > OUTPUT_BYTES_SOFT
    }

    /// Whether enough of a full pipeline has come that requests may follow again.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting <= self.requests_max() / 2 && self.held <= OUTPUT_BYTES_SOFT
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
            None => return self.put_whole(bytes),
            Some(Slot::Whole(whole)) if whole.len() + bytes.len() <= PIECE_BYTES => {
                whole.extend_from_slice(bytes);
            }
            // Only a place that is waited for has a number that somebody knows, and all those are before.
            Some(_) => self.slots.push_back(Slot::Whole(bytes.to_vec())),
        }
        self.held += bytes.len();
        self.bar();
    }

    /// Whether messages that are no reply may be sent at once. If not they wait here until they may: behind what was
    /// said, the reply that is being sent, and, if something `waits` to be sent, behind that.
    pub(crate) fn lets_by(&mut self, messages: &[u8], waits: bool) -> bool {
        if !self.slots.is_empty() && (self.said.wrapping_sub(self.first) as i32) > 0 {
            self.say(messages);
        } else if self.begun_bytes > 0 {
            self.held += messages.len();
            self.aside.extend_from_slice(messages);
        } else if waits {
            self.put_whole(messages);
        } else {
            return true;
        }
        false
    }

    /// Messages that are no reply follow all that is there, or to come, by now.
    pub(crate) fn bar(&mut self) {
        self.said = self.next();
    }

    /// The number of the next place.
    fn next(&self) -> u32 {
        self.first.wrapping_add(self.slots.len() as u32)
    }

    /// A place for a reply that is to come, and its number.
    #[inline]
    pub(crate) fn wait(&mut self) -> u32 {
        self.waiting += 1;
        self.slots.push_back(Slot::Coming(None));
        self.first.wrapping_add(self.slots.len() as u32 - 1)
    }

    /// The reply that has been given its number last will be the replies to so many more requests.
    #[inline]
    pub(crate) fn wait_for_more(&mut self, requests: usize) {
        self.waiting += requests;
    }

    /// How many requests may follow before it is full.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.requests_max().saturating_sub(self.waiting)
    }

    /// A part of the reply with this number, which is the replies to so many requests, and not the last.
    pub(crate) fn part(&mut self, number: u32, bytes: &[u8], requests: usize) {
        let place = self.place(number);
        let Some(Slot::Coming(coming)) = self.slots.get_mut(place) else { return };
        let so_far = if place == 0 {
            self.begun_bytes += bytes.len();
            self.put(bytes);
            self.begun_bytes
        } else {
            let coming = coming.get_or_insert_default();
            let expected = if coming.is_empty() { announced(bytes) } else { PIECE_BYTES };
            coming.fill(bytes, expected);
            self.held += bytes.len();
            coming.bytes()
        };
        self.longest = self.longest.max(so_far / requests);
    }

    /// All of the reply with this number, without a copy if it is long.
    pub(crate) fn done_with(&mut self, number: u32, bytes: Vec<u8>) {
        if bytes.len() <= READY_BYTES {
            return self.done(number, &bytes, 1);
        }
        let (place, length) = (self.place(number), bytes.len());
        let Some(Slot::Coming(coming)) = self.slots.get_mut(place) else { return };
        if place == 0 {
            self.begun_bytes += length;
            self.more.push(bytes);
        } else {
            self.held += length;
            coming.get_or_insert_default().push(bytes);
        }
        self.longest = self.longest.max(length);
        self.done(number, &[], 1);
    }

    /// The rest of the reply with this number, which is the replies to so many requests.
    #[inline]
    pub(crate) fn done(&mut self, number: u32, bytes: &[u8], requests: usize) {
        let place = self.place(number);
        if place >= self.slots.len() {
            return;
        }
        self.waiting -= requests;
        self.window = (self.window + requests).min(CLIENT_REQUESTS_MAX - CLIENT_REQUESTS_FIRST);
        if place > 0 {
            self.longest = self.longest.max(bytes.len() / requests);
            return self.early(place, bytes);
        }
        self.put(bytes);
        self.longest = self.longest.max((self.begun_bytes + bytes.len()) / requests);
        self.begun_bytes = 0;
        self.end_aside();
        self.pop();
        if !matches!(self.slots.front(), None | Some(Slot::Coming(None))) {
            self.release();
        }
        if self.waiting == 0 {
            self.longest -= self.longest.div_ceil(8);
        }
    }

    /// A reply has come to its end: messages that waited for it can be sent.
    fn end_aside(&mut self) {
        if !self.aside.is_empty() {
            let aside = std::mem::take(&mut self.aside);
            self.held -= aside.len();
            self.put(&aside);
        }
    }

    /// What has come early and whose turn it is now can be sent.
    fn release(&mut self) {
        while let Some(slot) = self.slots.front_mut() {
            self.held -= slot.bytes();
            match std::mem::replace(slot, Slot::Coming(None)) {
                Slot::Whole(whole) => self.put(&whole),
                Slot::Long(pieces) => self.put_pieces(*pieces),
                Slot::Coming(coming) => {
                    if let Some(pieces) = coming {
                        self.begun_bytes = pieces.bytes();
                        self.put_pieces(*pieces);
                    }
                    return;
                }
            }
            self.pop();
        }
    }

    fn early(&mut self, place: usize, bytes: &[u8]) {
        let slot = &mut self.slots[place];
        if let Slot::Coming(coming) = slot {
            self.held += bytes.len();
            *slot = match coming.take() {
                None => Slot::Whole(bytes.to_vec()),
                Some(mut pieces) => {
                    pieces.fill(bytes, bytes.len());
                    Slot::Long(pieces)
                }
            };
        }
    }

    /// Has these bytes sent next.
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if self.more.is_empty() && self.ready.len() + bytes.len() <= READY_BYTES {
            self.ready.extend_from_slice(bytes);
        } else {
            self.more.fill(bytes, PIECE_BYTES);
        }
    }

    /// The same of what is not torn into pieces: on a link something else may be sent between two.
    fn put_whole(&mut self, bytes: &[u8]) {
        if self.more.is_empty() && self.ready.len() + bytes.len() <= READY_BYTES {
            self.ready.extend_from_slice(bytes);
        } else {
            self.more.add(bytes);
        }
    }

    /// The same, without a copy where they are many.
    fn put_pieces(&mut self, mut pieces: Pieces) {
        if self.more.is_empty() && self.ready.len() + pieces.bytes() <= READY_BYTES {
            while let Some(piece) = pieces.pop() {
                self.ready.extend_from_slice(&piece);
            }
        } else {
            self.more.append(pieces);
        }
    }

    /// What has come of the reply with this number will not go on. Returns whether something else can be said in its
    /// place: not if the client has been sent the beginning.
    pub(crate) fn forget(&mut self, number: u32) -> bool {
        let place = self.place(number);
        match self.slots.get_mut(place) {
            Some(Slot::Coming(coming)) => {
                self.held -= coming.take().map_or(0, |pieces| pieces.bytes());
            }
            Some(Slot::Whole(_) | Slot::Long(_)) | None => {}
        }
        place > 0 || self.begun_bytes == 0
    }

    /// Nothing is delivered any more after the reply with this number.
    pub(crate) fn end_after(&mut self, number: u32) {
        let place = self.place(number);
        if place < self.slots.len() {
            for slot in self.slots.drain(place + 1..) {
                self.held -= slot.bytes();
            }
            // Each place is for one request: only RESP's are answered together.
            self.waiting = self.slots.iter().filter(|slot| matches!(slot, Slot::Coming(_))).count();
        }
    }

    /// Nothing is delivered any more at all.
    pub(crate) fn abandon(&mut self) {
        self.slots = VecDeque::new();
        self.aside = Vec::new();
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

    /// What can be sent after that, if there is anything.
    #[inline]
    pub(crate) fn take_more(&mut self) -> Option<Pieces> {
        if self.more.is_empty() { None } else { Some(std::mem::take(&mut self.more)) }
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
    // With its head and its end.
    length.map_or(PIECE_BYTES, |length| length.saturating_add(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready_text(pipeline: &mut Pipeline) -> String {
        let mut bytes = pipeline.take_ready();
        let mut more = pipeline.take_more().unwrap_or_default();
        while let Some(piece) = more.pop() {
            bytes.extend_from_slice(&piece);
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn messages_pass_replies_that_are_to_come_but_not_what_they_follow() {
        let mut pipeline = Pipeline::default();
        assert!(pipeline.lets_by(b"M", false), "nothing is before it");
        assert!(!pipeline.lets_by(b"M", true), "it follows what is ready");
        let a = pipeline.wait();
        assert!(pipeline.lets_by(b"M", false));
        pipeline.part(a, b"a1", 1);
        assert!(!pipeline.lets_by(b"N", false), "a reply has begun");
        pipeline.done(a, b"a2", 1);
        assert_eq!(ready_text(&mut pipeline), "Ma1a2N");
        let b = pipeline.wait();
        pipeline.say(b"subscribed");
        let c = pipeline.wait();
        assert!(!pipeline.lets_by(b"O", false), "what it answers comes first");
        pipeline.done(b, b"b", 1);
        assert_eq!(ready_text(&mut pipeline), "bsubscribed");
        assert!(!pipeline.lets_by(b"P", false), "nor does it pass other messages");
        pipeline.done(c, b"c", 1);
        assert_eq!(ready_text(&mut pipeline), "cOP");
        assert!(pipeline.lets_by(b"Q", false));
        assert_eq!(pipeline.held(), 0);
    }

    #[test]
    fn replies_leave_in_the_order_of_their_requests() {
        let mut pipeline = Pipeline::default();
        let [a, b] = [pipeline.wait(), pipeline.wait()];
        pipeline.say(b"C");
        pipeline.say(b"D");
        let e = pipeline.wait();
        pipeline.done(b, b"B", 1);
        assert_eq!(ready_text(&mut pipeline), "");
        pipeline.part(a, b"a1", 1);
        assert_eq!(ready_text(&mut pipeline), "a1", "whose turn it is need not wait for its end");
        pipeline.part(e, b"e1", 1);
        pipeline.done(a, b"a2", 1);
        assert_eq!(ready_text(&mut pipeline), "a2BCDe1");
        assert!(!pipeline.is_empty());
        pipeline.done(e, b"e2", 1);
        assert_eq!(ready_text(&mut pipeline), "e2");
        assert!(pipeline.is_empty());
    }

    #[test]
    fn a_reply_can_be_another_until_its_beginning_has_been_sent() {
        let mut pipeline = Pipeline::default();
        let [a, b, c] = [pipeline.wait(), pipeline.wait(), pipeline.wait()];
        pipeline.part(a, b"a", 1);
        pipeline.part(b, b"b", 1);
        assert!(!pipeline.forget(a));
        assert!(pipeline.forget(b));
        pipeline.end_after(b);
        pipeline.done(b, b"error", 1);
        pipeline.done(c, b"c", 1);
        pipeline.done(a, b"A", 1);
        assert_eq!(ready_text(&mut pipeline), "aAerror");
        assert!(pipeline.is_empty());
        let [a, b] = [pipeline.wait(), pipeline.wait()];
        pipeline.part(b, b"b", 1);
        pipeline.done(a, b"a", 1);
        assert!(!pipeline.forget(b), "its beginning went with what was before it");
    }

    #[test]
    fn what_is_said_at_once_leaves_behind_what_has_not_been_sent_yet() {
        let mut pipeline = Pipeline::default();
        let a = pipeline.wait();
        pipeline.done(a, b"A", 1);
        pipeline.say(b"B");
        assert_eq!(ready_text(&mut pipeline), "AB");
    }

    #[test]
    fn what_is_said_at_once_is_not_torn_however_much_it_is() {
        const BYTES: usize = 60_000;
        let mut pipeline = Pipeline::default();
        for _ in 0..50 {
            pipeline.say(&vec![b'x'; BYTES]);
            assert!(!pipeline.lets_by(&vec![b'm'; BYTES], true));
        }
        let (mut bytes, mut more) = (pipeline.take_ready().len(), pipeline.take_more().unwrap());
        assert_eq!(bytes % BYTES, 0);
        while let Some(piece) = more.pop() {
            assert_eq!(piece.len() % BYTES, 0);
            bytes += piece.len();
        }
        assert_eq!(bytes, 100 * BYTES);
    }

    #[test]
    fn what_several_requests_are_answered_together_is_not_taken_for_one_long_reply() {
        let (mut one, mut several) = (Pipeline::default(), Pipeline::default());
        let numbers = [&mut one, &mut several].map(Pipeline::wait);
        several.wait_for_more(63);
        let part = vec![b'x'; 32 * SHORT_REPLY_BYTES];
        for (pipeline, number, requests) in [(&mut one, numbers[0], 1), (&mut several, numbers[1], 64)] {
            pipeline.part(number, &part, requests);
            pipeline.done(number, b"", requests);
        }
        assert_eq!(several.requests_max(), CLIENT_REQUESTS_FIRST + 64);
        assert!(one.longest > SHORT_REPLY_BYTES);
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
                pipeline.done(number, b"x", 1);
            }
            assert!(pipeline.has_room());
            rounds += 1;
        }
        assert_eq!(CLIENT_REQUESTS_FIRST << rounds, CLIENT_REQUESTS_MAX);
    }

    #[test]
    fn long_replies_are_kept_in_pieces_and_leave_in_their_order() {
        let mut pipeline = Pipeline::default();
        let [a, b, c, d] = [(); 4].map(|()| pipeline.wait());
        pipeline.say(b"!");
        let part = |what: &str| what.repeat(READY_BYTES / 4);
        for _ in 0..6 {
            pipeline.part(b, part("b").as_bytes(), 1);
            pipeline.part(d, part("d").as_bytes(), 1);
        }
        pipeline.done(c, b"", 1);
        pipeline.done(b, b"B", 1);
        assert_eq!(pipeline.held(), 3 * READY_BYTES + 2);
        assert!(!pipeline.is_full());
        pipeline.done(a, b"A", 1);
        assert_eq!(pipeline.held(), 1, "all but what is behind the last");
        let (ready, mut more) = (pipeline.take_ready(), pipeline.take_more().unwrap());
        assert_eq!((&ready[..], more.bytes()), (&b"A"[..], 3 * READY_BYTES + 1));
        let mut bytes = Vec::new();
        while let Some(piece) = more.pop() {
            bytes.extend_from_slice(&piece);
        }
        assert!(bytes == format!("{}B{}", part("b").repeat(6), part("d").repeat(6)).into_bytes());
        pipeline.done(d, b"D", 1);
        assert_eq!(ready_text(&mut pipeline), "D!");
        assert_eq!((pipeline.held(), pipeline.is_empty()), (0, true));
    }

    #[test]
    fn a_long_reply_that_is_there_as_a_whole_is_not_copied() {
        let mut pipeline = Pipeline::default();
        let [a, b] = [pipeline.wait(), pipeline.wait()];
        let long = vec![b'b'; 2 * PIECE_BYTES];
        let place = long.as_ptr();
        pipeline.done_with(b, long);
        assert_eq!(pipeline.held(), 2 * PIECE_BYTES);
        pipeline.done_with(a, b"a".to_vec());
        assert_eq!(pipeline.take_ready(), b"a");
        let piece = pipeline.take_more().and_then(|mut more| more.pop()).unwrap();
        assert_eq!((piece.as_ptr(), piece.len(), pipeline.held()), (place, 2 * PIECE_BYTES, 0));
        let c = pipeline.wait();
        pipeline.done_with(c, piece);
        let piece = pipeline.take_more().and_then(|mut more| more.pop()).unwrap();
        assert_eq!((piece.as_ptr(), pipeline.begun_bytes, pipeline.is_empty()), (place, 0, true));
    }

    #[test]
    fn a_client_for_which_much_is_kept_has_no_more_requests_on_their_way() {
        let mut pipeline = Pipeline { window: CLIENT_REQUESTS_MAX, ..Pipeline::default() };
        let [a, b] = [pipeline.wait(), pipeline.wait()];
        pipeline.say(&vec![b'x'; OUTPUT_BYTES_SOFT]);
        assert!(!pipeline.is_full());
        pipeline.done(b, b"b", 1);
        assert!(pipeline.is_full() && !pipeline.has_room());
        pipeline.done(a, b"a", 1);
        assert!(!pipeline.is_full() && pipeline.has_room());
    }

    #[test]
    fn fewer_requests_may_wait_for_long_replies_than_for_short_ones() {
        let mut pipeline = Pipeline { window: CLIENT_REQUESTS_MAX, ..Pipeline::default() };
        let number = pipeline.wait();
        pipeline.done(number, &vec![b'x'; CLIENT_WAITING_BYTES / 14], 1);
        assert_eq!(pipeline.requests_max(), 16, "most of it is remembered");
        let numbers: Vec<u32> = (0..16).map(|_| pipeline.wait()).collect();
        assert!(pipeline.is_full());
        pipeline.done(numbers[0], &vec![b'x'; CLIENT_WAITING_BYTES], 1);
        assert_eq!(pipeline.requests_max(), CLIENT_REQUESTS_MIN);
        numbers[1..].iter().for_each(|number| pipeline.done(*number, b"x", 1));
        for _ in 0..200 {
            let number = pipeline.wait();
            pipeline.done(number, b"x", 1);
        }
        assert_eq!(pipeline.requests_max(), CLIENT_REQUESTS_MAX, "what is long ago is forgotten");
        let numbers = [pipeline.wait(), pipeline.wait()];
        for _ in 0..16 {
            pipeline.part(numbers[0], &vec![b'x'; CLIENT_WAITING_BYTES / 128], 1);
        }
        assert_eq!(pipeline.requests_max(), 8, "a reply is as long as all its parts");
    }
}
