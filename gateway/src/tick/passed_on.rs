//! The tick of a shard: requests that gateways have passed on, answered in frames.

use std::rc::Rc;
use std::time::Instant;

use tidegate_protocols::data::{Context, Outcome, Prepared, Worker};
use tidegate_protocols::link::{self, Tail};
use tidegate_protocols::stale::Tracker;
use tidegate_protocols::table::link::Link;
use tidegate_protocols::table::{Flags, Route};
use tidegate_protocols::{Reply, Row, Verb};

use super::runs::Open;
use super::{Pace, Tick};
use crate::batch::{Ask, Decoded};
use crate::commands::Scope;
use crate::connection::Connection;
use crate::limits::OUTPUT_FLUSH_BYTES;
use crate::pubsub::publish_events;
use crate::session::Session;

impl<W: Worker> Tick<W> {
    /// Executes the requests of one gateway, from the next on and up to the end of the stretch or the first that needs
    /// attention.
    pub(super) fn execute_all_passed_on(&mut self) -> Pace {
        let connection = Rc::clone(self.connection());
        let end = self.stretch.end.min(self.batch.sources()[self.at.source].end);
        let (mut last, mut pace) = (None, Pace::GoesOn);
        while self.at.request < end && connection.session.is_plain() {
            let decoded = *self.batch.decoded(self.at.request);
            let Ask::Row(row) = decoded.ask else { break };
            last = Some(row);
            if self.answer_passed_on(&connection, row, &decoded, end) == Outcome::Busy {
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
    pub(super) fn execute_passed_on(&mut self, row: &'static Row, decoded: &Decoded) -> Outcome {
        let connection = Rc::clone(self.connection());
        self.answer_passed_on(&connection, row, decoded, self.at.request + 1)
    }

    /// Executes the next request of a gateway, if its keys are here; if it has come in one frame with those before it,
    /// others of that frame as well, before `end`. Stops at the last of them.
    #[inline(always)]
    fn answer_passed_on(
        &mut self,
        connection: &Rc<Connection>,
        row: &'static Row,
        decoded: &Decoded,
        end: usize,
    ) -> Outcome {
        let ask = self.batch.passed_on(decoded);
        let is_alone = !self.held_back.is_empty();
        if is_alone && self.stays_behind(connection, row, decoded, &ask) {
            return Outcome::Done;
        }
        if ask.index > 0 {
            let end = if is_alone { self.at.request + 1 } else { end };
            return self.answer_next(connection, row, &ask, end);
        }
        let prepared = self.prepared_now();
        let mark = self.output.len();
        link::begin(&mut self.output);
        let answered = match row.verb {
            _ if self.is_behind(connection, row, &ask) => Ok(Tail::Behind),
            Verb::Link(verb) => self.run_errand(verb, decoded, &ask),
            _ if !self.has_keys_of(row, decoded, prepared, &ask) => Ok(Tail::Moved),
            _ => match self.execute_here(connection, row, decoded, prepared, &ask) {
                Outcome::Done => Ok(Tail::Done),
                Outcome::Failed => Ok(Tail::Failed),
                outcome => Err(outcome),
            },
        };
        let tail = match answered {
            Ok(tail) => tail,
            Err(Outcome::Later(ticket)) => {
                self.await_keys_for(connection, ask.id, ticket, row);
                if self.goes_before(connection, row, (decoded, &ask), ticket) {
                    self.output.truncate(mark);
                    return Outcome::Done;
                }
                Tail::Waits
            }
            Err(outcome) => return self.hold_up(outcome, connection, row, (decoded, &ask), mark),
        };
        let mut open = Open { mark, id: ask.id, is_rest: false };
        if matches!(tail, Tail::Moved | Tail::Behind) {
            let rest = self.rest_of_frame(&ask).count();
            self.at.request += rest;
            self.intake.counters().moved.add(rest as u64 + 1);
        } else if ask.left > 0 {
            self.open = Some(open);
            self.note(tail, &ask, mark + link::ANSWER_HEAD_BYTES);
            return Outcome::Done;
        }
        open.mark += self.tell_time(open, 0);
        self.seal(connection, open, tail);
        Outcome::Done
    }

    /// What was found out about the request that is executed now.
    #[inline(always)]
    pub(super) fn prepared_now(&self) -> Prepared {
        self.prepared[self.at.request - self.stretch.start]
    }

    /// Ends the frame of an answer.
    #[inline]
    pub(super) fn seal(&mut self, connection: &Rc<Connection>, open: Open, tail: Tail) {
        let Open { mark, id, is_rest } = open;
        let long = if is_rest && connection.has_long(id) {
            Some(link::seal_apart(&mut self.output, mark, id, tail))
        } else {
            link::seal(&mut self.output, mark, id, tail)
        };
        if let Some(long) = long {
            // It is sent before the tick ends: what it tells of has to be in the log by then.
            self.data.finish();
            self.intake.gate.wait_for(self.data.gate());
            self.data.begin(self.now_ms);
            connection.send_long(long);
        }
    }

    /// The request is tried again: there is no answer yet. It has to wait aside if that may take long.
    #[cold]
    pub(super) fn hold_up(
        &mut self,
        outcome: Outcome,
        connection: &Rc<Connection>,
        row: &Row,
        asked: (&Decoded, &link::Ask),
        end: usize,
    ) -> Outcome {
        self.output.truncate(end);
        let Outcome::Full(ticket) = outcome else { return Outcome::Busy };
        self.wait_aside(connection, row, asked, ticket);
        Outcome::Done
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
        let context = context_of(&connection.session, row, ask);
        let (began, own) = (self.watch.begin(row), self.output.len());
        let request = self.batch.request(decoded, row, decoded.dialect);
        let mut reply = Reply::new(&mut self.output, decoded.dialect);
        let outcome = self.data.execute(&request, prepared, &context, &mut reply);
        self.see_to(connection, row, decoded, outcome, (began, own))
    }

    /// Does what there is to do when a request has been executed: it may have been timed since it `began`, and its reply begins
    /// at `own`.
    #[inline(always)]
    pub(super) fn see_to(
        &mut self,
        connection: &Connection,
        row: &'static Row,
        decoded: &Decoded,
        outcome: Outcome,
        (began, own): (Option<Instant>, usize),
    ) -> Outcome {
        let session = &connection.session;
        publish_events(&mut self.data, &self.intake.shared, self.intake.index);
        if self.data.has_stale() {
            // Of what all shards are asked together the gateway tells its clients when all have answered.
            let asks_all = row.route == Route::Every;
            let spared = if asks_all { session.of_link().process.get() } else { None };
            self.intake.publish_all_stale(self.data.take_stale(), spared);
        }
        match outcome {
            Outcome::Done => {}
            Outcome::Failed => {
                let counters = self.intake.counters();
                counters.failed(counters.command(row.verb), &self.output[own..]);
            }
            Outcome::Busy | Outcome::Later(_) | Outcome::Full(_) => return outcome,
        }
        match began.or_else(|| self.watch.suspect(decoded.is_large(), self.output.len() - own)) {
            None => self.watch.share(row, 1),
            Some(began) => {
                let request = self.batch.request(decoded, row, decoded.dialect);
                let scope =
                    Scope { session, shared: &self.intake.shared, intake: &self.intake, now_ms: self.now_ms };
                self.watch.record(began, &request, &scope, self.intake.counters());
            }
        }
        outcome
    }

    /// Whether the gateway goes by a topology that this shard has not heard of, or has done so before on this link and
    /// does not know yet what was refused for that: nothing may be executed before it.
    #[inline]
    fn is_behind(&self, connection: &Connection, row: &Row, ask: &link::Ask) -> bool {
        let ahead = &connection.session.of_link().ahead;
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

    /// The others of the frame that begins with the request that is executed now.
    #[inline]
    pub(super) fn rest_of_frame(&self, ask: &link::Ask) -> impl Iterator<Item = &link::Ask> {
        let next = self.at.request + 1;
        let end = if ask.left == 0 { next } else { self.batch.sources()[self.at.source].end };
        self.batch.rest_of_frame(next..end)
    }

    /// Whether this shard has a slot.
    #[inline(always)]
    pub(super) fn has_slot(&self, slot: u16) -> bool {
        self.holding.as_ref().is_some_and(|holding| holding.slots.has(slot))
    }

    /// Whether all keys of a request belong to this shard at the epoch by which it was chosen. Of several requests in a
    /// frame none is executed if one should not be: so the first is asked for all.
    #[inline(always)]
    fn has_keys_of(&self, row: &Row, decoded: &Decoded, prepared: Prepared, ask: &link::Ask) -> bool {
        let Some(holding) = &self.holding else { return false };
        if holding.epoch != ask.epoch {
            return false;
        }
        if row.only_key().is_none() {
            return holding.has_keys_of(row, &self.batch.args(decoded));
        }
        let is_own = |slot| holding.slots.has(slot);
        let is_first_own = !prepared.keyed || is_own(prepared.slot);
        is_first_own && (ask.left == 0 || self.rest_of_frame(ask).all(|ask| ask.slot.is_some_and(is_own)))
    }
}

/// For whom a request is executed that says this.
#[inline(always)]
pub(super) fn context_of(session: &Session, row: &Row, ask: &link::Ask) -> Context {
    let &link::Ask { database, no_touch, in_cluster, .. } = ask;
    let (client_id, gateway) = match ask.client {
        0 => (session.client.id, 0),
        client => (client, session.of_link().process.get().unwrap_or(0)),
    };
    // What has no number of its client must not wait for keys, but may for whatever holds them.
    let may_wait = ask.client != 0 || !row.flags.has(Flags::BLOCKING);
    let tracker = tracker(session, ask);
    Context { gateway, client_id, tracker, database, no_touch, in_cluster, may_wait, ..Context::default() }
}

/// Who of a gateway's clients is told of what a request reads, or has made what it changes.
#[inline]
pub(super) fn tracker(session: &Session, ask: &link::Ask) -> Tracker {
    if ask.tracker == 0 {
        return Tracker::default();
    }
    session.client.tracks_for_gateway(session.of_link().process.get());
    Tracker { link: session.client.id, client: ask.tracker }
}

/// Whether it matters which topology a request was sent by. Shards tell of themselves by any.
#[inline]
fn goes_by_topology(row: &Row) -> bool {
    match row.verb {
        Verb::Link(verb) => matches!(verb, Link::Transact | Link::Watch),
        _ => true,
    }
}
