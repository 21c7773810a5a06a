//! The tick of a shard: requests that gateways have passed on, answered in frames.

use std::rc::Rc;

use tidegate_protocols::data::{Context, Outcome, Prepared, Worker};
use tidegate_protocols::link::{self, Tail};
use tidegate_protocols::table::link::Link;
use tidegate_protocols::{Reply, Row, Verb};

use super::{Pace, Tick};
use crate::batch::{Ask, Decoded};
use crate::commands::Scope;
use crate::connection::Connection;
use crate::limits::OUTPUT_FLUSH_BYTES;

impl<W: Worker> Tick<W> {
    /// Executes the requests of one gateway, from the next on, before `end` and in the stretch that has begun at `begin`,
    /// up to the first that needs attention.
    pub(super) fn execute_all_passed_on(&mut self, begin: usize, end: usize) -> Pace {
        let connection = Rc::clone(self.connection());
        let end = end.min(self.batch.sources()[self.at.source].end);
        let (mut last, mut pace) = (None, Pace::GoesOn);
        while self.at.request < end && connection.session.is_plain() {
            let decoded = *self.batch.decoded(self.at.request);
            let Ask::Row(row) = decoded.ask else { break };
            let prepared = self.prepared[self.at.request - begin];
            last = Some(row);
            if self.answer_passed_on(&connection, row, &decoded, prepared) == Outcome::Busy {
                pace = Pace::Waits;
                break;
            }
            self.at.request += 1;
            if self.output.len() > OUTPUT_FLUSH_BYTES {
                break;
            }
        }
        if let Some(row) = last {
            connection.session.client.heard_of(self.now_ms, row);
        }
        pace
    }

    /// Executes one such request of a gateway that needs attention.
    #[cold]
    pub(super) fn execute_passed_on(
        &mut self,
        row: &'static Row,
        decoded: &Decoded,
        prepared: Prepared,
    ) -> Outcome {
        let connection = Rc::clone(self.connection());
        self.answer_passed_on(&connection, row, decoded, prepared)
    }

    /// Executes a request that a gateway has passed on, if its keys are here.
    #[inline(always)]
    fn answer_passed_on(
        &mut self,
        connection: &Connection,
        row: &'static Row,
        decoded: &Decoded,
        prepared: Prepared,
    ) -> Outcome {
        let ask = self.batch.passed_on(decoded);
        let mark = self.output.len();
        link::begin(&mut self.output);
        let tail = match row.verb {
            _ if self.is_behind(connection, row, &ask) => Tail::Behind,
            Verb::Link(verb) => match self.run_errand(verb, decoded, &ask) {
                Some(tail) => tail,
                None => return self.take_back(mark),
            },
            _ if !self.has_keys_of(row, decoded, prepared, ask.epoch) => Tail::Moved,
            _ => match self.execute_here(connection, row, decoded, prepared, &ask) {
                Outcome::Done => Tail::Done,
                Outcome::Failed => Tail::Failed,
                Outcome::Busy => return self.take_back(mark),
                Outcome::Later(_) | Outcome::Full(_) => unreachable!("a shard has its data itself"),
            },
        };
        if matches!(tail, Tail::Moved | Tail::Behind) {
            self.intake.counters().moved.add(1);
        }
        let long = link::seal(&mut self.output, mark, ask.id, tail);
        if let Some(nanos) = self.watch.take_slow() {
            link::tell_time(&mut self.output, mark, ask.id, nanos);
        }
        if let Some(long) = long {
            connection.send_long(long);
        }
        Outcome::Done
    }

    /// The request is tried again: there is no answer yet.
    #[cold]
    fn take_back(&mut self, mark: usize) -> Outcome {
        self.output.truncate(mark);
        Outcome::Busy
    }

    /// Executes a request in the store.
    #[inline(always)]
    fn execute_here(
        &mut self,
        connection: &Connection,
        row: &'static Row,
        decoded: &Decoded,
        prepared: Prepared,
        ask: &link::Ask,
    ) -> Outcome {
        let session = &connection.session;
        let request = self.batch.request(decoded, row, decoded.dialect);
        let &link::Ask { database, no_touch, in_cluster, .. } = ask;
        let context = Context { client_id: session.client.id, database, no_touch, in_cluster };
        let began = self.watch.begin(row);
        let mark = self.output.len();
        let mut reply = Reply::new(&mut self.output, decoded.dialect);
        let outcome = self.data.execute(&request, prepared, &context, &mut reply);
        match outcome {
            Outcome::Done => {}
            Outcome::Failed => {
                let counters = self.intake.counters();
                counters.failed(counters.command(row.verb), &self.output[mark..]);
            }
            Outcome::Busy | Outcome::Later(_) | Outcome::Full(_) => return outcome,
        }
        match began.or_else(|| self.watch.suspect(decoded.is_large(), self.output.len() - mark)) {
            None => self.watch.share(row),
            Some(began) => {
                let scope = Scope { session, shared: &self.intake.shared, now_ms: self.now_ms };
                self.watch.record(began, &request, &scope, self.intake.counters());
            }
        }
        outcome
    }

    /// Whether the gateway goes by a topology that this shard has not heard of, or has done so before on this link and
    /// does not know yet what was refused for that: nothing may be executed before it.
    #[inline]
    fn is_behind(&self, connection: &Connection, row: &Row, ask: &link::Ask) -> bool {
        let ahead = &connection.session.ahead;
        if ask.again {
            ahead.set(None);
        }
        let Some(holding) = &self.holding else { return false };
        if holding.epoch >= ask.epoch && ahead.get().is_none() || !goes_by_topology(row) {
            return false;
        }
        if holding.epoch < ask.epoch {
            ahead.set(Some(ask.epoch));
        }
        ahead.get() == Some(ask.epoch)
    }

    /// Whether all keys of a request belong to this shard at the epoch by which it was chosen.
    #[inline(always)]
    fn has_keys_of(&self, row: &Row, decoded: &Decoded, prepared: Prepared, epoch: u32) -> bool {
        let Some(holding) = &self.holding else { return false };
        if holding.epoch != epoch {
            return false;
        }
        if row.only_key().is_some() {
            return !prepared.keyed || holding.slots.has(prepared.slot);
        }
        holding.has_keys_of(row, &self.batch.args(decoded))
    }
}

/// Whether it matters which topology a request was sent by. Shards tell of themselves by any.
#[inline]
fn goes_by_topology(row: &Row) -> bool {
    match row.verb {
        Verb::Link(verb) => matches!(verb, Link::Transact | Link::Watch),
        _ => true,
    }
}
