//! The tick of a shard: requests that have come in one frame, and are answered in one.

use std::rc::Rc;
use std::time::Instant;

use tidegate_protocols::data::{Outcome, Worker};
use tidegate_protocols::link::{self, Tail};
use tidegate_protocols::{Dialect, Error, Reply, Row};

use super::Tick;
use super::passed_on::context_of;
use crate::batch::Ask;
use crate::connection::Connection;
use crate::limits::OUTPUT_FLUSH_BYTES;
use crate::timing::LARGE_REPLY_BYTES;

/// A frame with the answer to several requests, not all of which are executed.
#[derive(Clone, Copy)]
pub(super) struct Open {
    /// Where it begins in the output.
    pub(super) mark: usize,
    /// The number of the requests.
    pub(super) id: u32,
    /// Whether other frames with the beginning of the answer have gone before.
    pub(super) is_rest: bool,
}

impl<W: Worker> Tick<W> {
    /// Executes requests that have come in one frame with those before them and are answered with them: the next, of which
    /// the gateway says this, and those behind it, before `end`. What is the same for all of a frame is looked at once.
    #[inline(always)]
    pub(super) fn answer_next(
        &mut self,
        connection: &Rc<Connection>,
        row: &'static Row,
        ask: &link::Ask,
        end: usize,
    ) -> Outcome {
        if self.open.is_none() {
            self.reopen(ask.id);
        }
        let last = self.at.request + usize::from(ask.left);
        let last_here = last.min(end - 1);
        let context = context_of(&connection.session, row, ask);
        let dialect = self.batch.decoded(self.at.request).dialect;
        let is_timed = self.watch.begin(row).is_some();
        let mut untimed = 0;
        let outcome = loop {
            let (prepared, own) = (self.prepared_now(), self.output.len());
            if self.has_slot(prepared.slot) {
                let began = if is_timed { self.watch.begin(row) } else { None };
                let request = self.batch.request(self.batch.decoded(self.at.request), row, dialect);
                let mut reply = Reply::new(&mut self.output, dialect);
                let outcome = self.data.execute(&request, prepared, &context, &mut reply);
                if outcome == Outcome::Done && began.is_none() && self.is_simple(own) {
                    untimed += 1;
                } else if let Some(outcome) = self.see_to_next(connection, row, outcome, (began, own)) {
                    break outcome;
                }
            } else {
                self.refuse_next(own);
            }
            let is_to_stop = self.output.len() > OUTPUT_FLUSH_BYTES || !connection.session.is_plain();
            if self.at.request == last_here || is_to_stop || !self.is_followed() {
                break Outcome::Done;
            }
            self.at.request += 1;
        };
        if untimed > 0 {
            self.watch.share(row, untimed);
        }
        if self.at.request == last
            && outcome == Outcome::Done
            && let Some(open) = self.open.take()
        {
            self.seal(connection, open, Tail::Done);
        }
        outcome
    }

    /// Whether the rest of the frame is there: one that turned out to be wrong has ended before, and the link with it.
    #[inline(always)]
    fn is_followed(&self) -> bool {
        matches!(self.batch.decoded(self.at.request + 1).ask, Ask::Row(_))
    }

    /// Whether there is nothing to do about a request that has been executed, whose reply begins at `own`, but to count it.
    #[inline(always)]
    fn is_simple(&self, own: usize) -> bool {
        let tells = self.data.has_events() || self.data.has_stale();
        !tells && self.output.len() - own < LARGE_REPLY_BYTES
    }

    /// Sees to the request that has been executed just now and is not simply done. Returns what becomes of it if nothing else of
    /// its frame can be executed.
    #[inline(never)]
    fn see_to_next(
        &mut self,
        connection: &Rc<Connection>,
        row: &'static Row,
        outcome: Outcome,
        (began, own): (Option<Instant>, usize),
    ) -> Option<Outcome> {
        let decoded = *self.batch.decoded(self.at.request);
        let ask = self.batch.passed_on(&decoded);
        let tail = match self.see_to(connection, row, &decoded, outcome, (began, own)) {
            Outcome::Done => Tail::Done,
            Outcome::Failed => Tail::Failed,
            Outcome::Later(_) => unreachable!("what may be answered later is alone in its frame"),
            outcome @ (Outcome::Busy | Outcome::Full(_)) => {
                return Some(self.hold_up(outcome, connection, row, (&decoded, &ask), own));
            }
        };
        self.note(tail, &ask, own);
        None
    }

    /// More of an answer follows, of which a part has been sent.
    #[cold]
    fn reopen(&mut self, id: u32) {
        self.open = Some(Open { mark: self.output.len(), id, is_rest: true });
        link::begin(&mut self.output);
    }

    /// The slot of a request is not here, though that of the first of its frame was: it has gone while those before it were
    /// answered, or the gateway has said a wrong one.
    #[cold]
    fn refuse_next(&mut self, own: usize) {
        Reply::new(&mut self.output, Dialect::Resp2).refuse(&Error::Unserved);
        self.tell_fault(own);
    }

    /// Says before the answer to several requests, if it is so, that this one has failed or was slow. Its reply begins at
    /// `own`.
    #[inline(always)]
    pub(super) fn note(&mut self, tail: Tail, ask: &link::Ask, own: usize) {
        if tail == Tail::Failed {
            self.tell_fault(own);
        }
        if let Some(open) = self.open {
            let bytes = self.tell_time(open, ask.index);
            if bytes > 0 {
                self.open = Some(Open { mark: open.mark + bytes, ..open });
            }
        }
    }

    #[cold]
    fn tell_fault(&mut self, own: usize) {
        let error = self.output[own..].to_vec();
        if let Some(open) = &mut self.open {
            open.mark += link::say_before(&mut self.output, open.mark, open.id, Tail::Fault, &error);
        }
    }

    /// Says that the last request took long, if it did, before the answer to it. Returns how many bytes that takes.
    #[inline]
    pub(super) fn tell_time(&mut self, open: Open, index: u8) -> usize {
        let Some(nanos) = self.watch.take_slow() else { return 0 };
        let mut bytes = [0; 9];
        bytes[..8].copy_from_slice(&nanos.to_le_bytes());
        bytes[8] = index;
        link::say_before(&mut self.output, open.mark, open.id, Tail::Took, &bytes)
    }

    /// The output is about to be written: what there is of an answer to several requests is a part of it.
    #[cold]
    pub(super) fn seal_open(&mut self) {
        let Some(open) = self.open.take() else { return };
        if self.output.len() == open.mark + link::ANSWER_HEAD_BYTES {
            return self.output.truncate(open.mark);
        }
        let connection = Rc::clone(self.connection());
        self.seal(&connection, open, Tail::Part);
    }
}
