//! What waits to be written to one connection.
//!
//! Output goes in order, but for long answers on a link: of those, one frame after the other is written in turn,
//! whenever all that was short and waited has gone before. So a short answer waits for one frame of a long one at
//! the most, and a long one for as much as may wait.

use std::collections::VecDeque;

use tidegate_protocols::link::LongAnswer;

use crate::pieces::Pieces;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// What follows `sending`. On a link each piece ends where an answer or a frame does.
    output: Pieces,
    /// Output that is being written.
    sending: Vec<u8>,
    /// Long answers; of the first, a frame is written next or now.
    long: VecDeque<LongAnswer>,
    /// Long answers before which all output goes that waited when they came: it may be the beginning of them. With how
    /// much has to be written until then.
    fresh: VecDeque<(u64, LongAnswer)>,
    /// More of answers of which something is in `long`.
    behind: Vec<LongAnswer>,
    /// Bytes of memory of all of them.
    long_bytes: usize,
    /// Bytes of output that have ever waited here.
    added: u64,
    /// How many of them are gone, with the piece they were in.
    gone: u64,
    now: Now,
    /// Bytes of that which are gone.
    written: usize,
}

/// What is being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Now {
    /// Nothing: any frame may be next.
    #[default]
    Nothing,
    /// `sending`; then comes a frame of a long answer, if there is one.
    Short,
    /// A frame of the first long answer.
    Long,
}

impl Outbox {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.output_bytes() == 0 && self.long.is_empty()
    }

    /// Whether what is written has to wait for the end of something else.
    pub(crate) fn is_writing(&self) -> bool {
        self.now != Now::Nothing || !self.output.is_empty()
    }

    /// Bytes of output that wait, without long answers.
    pub(crate) fn output_bytes(&self) -> usize {
        let sending = if self.now == Now::Short { self.sending.len() - self.written } else { 0 };
        self.output.bytes() + sending
    }

    /// Bytes of memory of long answers that are not written to their end.
    pub(crate) fn long_bytes(&self) -> usize {
        self.long_bytes
    }

    /// Has output wait.
    pub(crate) fn add(&mut self, output: &[u8]) {
        self.added += output.len() as u64;
        self.output.add(output);
    }

    /// Has output wait as it is. So many bytes of its first piece are written already; if any are, nothing else waits.
    pub(crate) fn append(&mut self, mut output: Pieces, written: usize) {
        self.added += output.bytes() as u64;
        if written > 0 {
            debug_assert!(!self.is_writing(), "what is begun comes first");
            self.sending = output.pop().unwrap_or_default();
            (self.now, self.written) = (Now::Short, written);
        }
        self.output.append(output);
    }

    /// Has a long answer wait, or more of one.
    pub(crate) fn add_long(&mut self, answer: LongAnswer) {
        self.long_bytes += answer.bytes();
        if self.has_long(answer.id()) {
            self.behind.push(answer);
        } else if self.gone < self.added {
            self.fresh.push_back((self.added, answer));
        } else {
            self.long.push_back(answer);
        }
    }

    /// Whether a part of the answer to this request waits for its turn: what follows of it has to wait as well.
    pub(crate) fn has_long(&self, id: u32) -> bool {
        let fresh = self.fresh.iter().map(|(_, answer)| answer);
        self.long.iter().chain(fresh).any(|answer| answer.id() == id)
    }

    /// Begins with what has to be written next, if nothing is being written, and tells what is left of it; empty if
    /// there is nothing.
    pub(crate) fn next(&mut self) -> &[u8] {
        if self.now == Now::Nothing {
            self.begin();
        }
        match self.now {
            Now::Nothing => &[],
            Now::Short => &self.sending[self.written..],
            Now::Long => &self.long[0].frame()[self.written..],
        }
    }

    fn begin(&mut self) {
        if let Some(piece) = self.output.pop() {
            self.now = Now::Short;
            self.sending = piece;
        } else if !self.long.is_empty() {
            self.now = Now::Long;
        }
    }

    /// So many bytes of [`Outbox::next`] are written.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        if bytes < self.next().len() {
            self.written += bytes;
            return;
        }
        self.written = 0;
        match self.now {
            Now::Short => {
                self.gone += std::mem::take(&mut self.sending).len() as u64;
                while let Some((_, answer)) = self.fresh.pop_front_if(|(after, _)| *after <= self.gone) {
                    self.long.push_back(answer);
                }
                self.now = if self.long.is_empty() { Now::Nothing } else { Now::Long };
            }
            Now::Long => {
                self.now = Now::Nothing;
                self.turn();
            }
            Now::Nothing => {}
        }
    }

    /// A frame of the first long answer is written: the others' turn comes before its next.
    fn turn(&mut self) {
        let Some(mut answer) = self.long.pop_front() else { return };
        if answer.advance() {
            self.long.push_back(answer);
        } else {
            self.long_bytes -= answer.bytes();
            let next = self.behind.iter().position(|behind| behind.id() == answer.id());
            self.long.extend(next.map(|next| self.behind.remove(next)));
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::limits::LINK_PART_BYTES_MAX;
    use tidegate_protocols::link::{self, Answer, Tail};

    use super::*;

    fn answer(id: u32, bytes: usize) -> (Vec<u8>, Option<LongAnswer>) {
        let mut out = Vec::new();
        link::begin(&mut out);
        out.resize(out.len() + bytes, id as u8);
        let long = link::seal(&mut out, 0, id, Tail::Done);
        (out, long)
    }

    fn add(outbox: &mut Outbox, id: u32, bytes: usize) {
        match answer(id, bytes) {
            (_, Some(long)) => outbox.add_long(long),
            (short, None) => outbox.add(&short),
        }
    }

    /// What is written by taking at most so many bytes at once: the numbers of the answers, frame by frame.
    fn written(outbox: &mut Outbox, at_once: usize, mut meanwhile: impl FnMut(&mut Outbox)) -> Vec<u32> {
        let mut wire = Vec::new();
        loop {
            let next = outbox.next();
            let bytes = next.len().min(at_once);
            if bytes == 0 {
                break;
            }
            wire.extend_from_slice(&next[..bytes]);
            outbox.wrote(bytes);
            meanwhile(outbox);
        }
        let (mut rest, mut ids) = (&wire[..], Vec::new());
        while !rest.is_empty() {
            let (answer, used) = Answer::decode(rest).unwrap().unwrap();
            assert!(answer.bytes.iter().all(|byte| *byte == answer.id as u8));
            ids.push(answer.id);
            rest = &rest[used..];
        }
        ids
    }

    #[test]
    fn short_answers_go_before_long_ones_and_those_in_turn() {
        for at_once in [1000, 65_536, usize::MAX] {
            let mut outbox = Outbox::default();
            add(&mut outbox, 1, 2 * LINK_PART_BYTES_MAX + 1);
            add(&mut outbox, 2, 5);
            add(&mut outbox, 3, 2 * LINK_PART_BYTES_MAX);
            add(&mut outbox, 4, 5);
            assert!(!outbox.is_empty() && outbox.long_bytes() > 4 * LINK_PART_BYTES_MAX);
            assert_eq!(written(&mut outbox, at_once, |_| ()), [2, 4, 1, 3, 1, 3, 1], "{at_once} at once");
            assert!(outbox.is_empty() && !outbox.is_writing());
            assert_eq!((outbox.long_bytes(), outbox.output_bytes()), (0, 0));
        }
    }

    #[test]
    fn an_answer_in_several_pieces_stays_in_order() {
        let mut outbox = Outbox::default();
        add(&mut outbox, 1, 2 * LINK_PART_BYTES_MAX);
        for length in [1, 2] {
            let mut out = Vec::new();
            link::begin(&mut out);
            out.resize(out.len() + length, 1);
            outbox.add_long(link::seal_apart(&mut out, 0, 1, Tail::Part));
        }
        add(&mut outbox, 2, LINK_PART_BYTES_MAX + 1);
        assert!(outbox.has_long(1) && !outbox.has_long(3));
        let mut wire = Vec::new();
        while !outbox.is_empty() {
            wire.extend_from_slice(outbox.next());
            let bytes = outbox.next().len();
            outbox.wrote(bytes);
        }
        let (mut rest, mut lengths) = (&wire[..], Vec::new());
        while let Ok(Ok((answer, used))) = Answer::decode(rest) {
            lengths.push((answer.id, answer.bytes.len()));
            rest = &rest[used..];
        }
        let part = LINK_PART_BYTES_MAX;
        assert_eq!(lengths, [(1, part), (2, part), (1, part), (2, 1), (1, 1), (1, 2)]);
        assert_eq!(outbox.long_bytes(), 0);
    }

    #[test]
    fn a_long_answer_goes_after_the_beginning_of_it_that_was_short() {
        let mut outbox = Outbox::default();
        add(&mut outbox, 1, 1);
        // What waits first is being written when the beginning of another comes.
        let half = outbox.next().len() / 2;
        outbox.wrote(half);
        let mut part = Vec::new();
        link::begin(&mut part);
        part.push(2);
        assert!(link::seal(&mut part, 0, 2, Tail::Part).is_none());
        outbox.add(&part);
        add(&mut outbox, 2, LINK_PART_BYTES_MAX + 1);
        assert!(outbox.has_long(2));
        let mut lengths = Vec::new();
        while !outbox.is_empty() {
            let frame = outbox.next();
            if let Ok(Ok((answer, _))) = Answer::decode(frame) {
                lengths.push((answer.id, answer.bytes.len()));
            }
            let bytes = frame.len();
            outbox.wrote(bytes);
        }
        let part = LINK_PART_BYTES_MAX;
        assert_eq!(lengths, [(2, 1), (2, part), (2, 1)]);
        assert_eq!(outbox.long_bytes(), 0);
    }

    #[test]
    fn what_is_handed_over_begun_is_written_to_its_end_before_anything_else() {
        let mut outbox = Outbox::default();
        let mut pieces = Pieces::default();
        pieces.push(b"abc".to_vec());
        pieces.push(b"de".to_vec());
        outbox.append(pieces, 2);
        assert!(outbox.is_writing());
        outbox.add(b"f");
        let mut pieces = Pieces::default();
        pieces.push(b"g".to_vec());
        outbox.append(pieces, 0);
        assert_eq!(outbox.output_bytes(), 5);
        let mut wire = Vec::new();
        while !outbox.is_empty() {
            wire.push(outbox.next()[0]);
            outbox.wrote(1);
        }
        assert_eq!((&wire[..], outbox.output_bytes(), outbox.is_writing()), (&b"cdefg"[..], 0, false));
    }

    #[test]
    fn nobody_waits_for_ever_and_no_frame_is_torn() {
        let mut outbox = Outbox::default();
        add(&mut outbox, 1, 3 * LINK_PART_BYTES_MAX);
        // A short one comes with every write, until nothing is left of the long one.
        let ids = written(&mut outbox, 30_000, |outbox| {
            if outbox.long_bytes() > 0 {
                add(outbox, 7, 10);
            }
        });
        let places: Vec<_> = (0..ids.len()).filter(|&at| ids[at] == 1).collect();
        assert_eq!(places.len(), 3);
        assert!(places.windows(2).all(|two| (2..6).contains(&(two[1] - two[0]))), "{ids:?}");
    }
}
