//! Requests on their way to where their data is.

use std::rc::Rc;

use tidegate_protocols::data::{Outcome, Prepared, Worker};
use tidegate_protocols::table::{Flags, Route};
use tidegate_protocols::{Reply, Row};

use super::super::{Pace, Position, Tick, refuse};
use super::Last;
use crate::batch::{Ask, Decoded};
use crate::connection::Connection;
use crate::limits::OUTPUT_FLUSH_BYTES;
use crate::session::Attention;

impl<W: Worker> Tick<W> {
    /// Sends one request to where its data is.
    #[inline]
    pub(in crate::tick) fn execute_elsewhere(&mut self, row: &'static Row, decoded: &Decoded) -> Outcome {
        let connection = Rc::clone(self.connection());
        connection.session.client.heard_of(self.now_ms, row);
        self.send_elsewhere(&connection, row, decoded)
    }

    /// The same for all requests of one client, from the next on and before `end`, up to the first that needs attention.
    pub(in crate::tick) fn execute_all_elsewhere(&mut self, end: usize) -> Pace {
        let connection = Rc::clone(self.connection());
        let end = end.min(self.batch.sources()[self.at.source].end);
        let mut last = None;
        while self.at.request < end && connection.session.is_plain() {
            if self.join(&connection, end) {
                continue;
            }
            let decoded = *self.batch.decoded(self.at.request);
            let Ask::Row(row) = decoded.ask else { break };
            if row.route == Route::Gateway {
                break;
            }
            last = Some(row);
            match self.send_elsewhere(&connection, row, &decoded) {
                Outcome::Busy => return Pace::Waits,
                Outcome::Full(ticket) => {
                    self.await_way(ticket, row);
                    break;
                }
                Outcome::Done | Outcome::Failed | Outcome::Later(_) => self.at.request += 1,
            }
            if self.output.len() > OUTPUT_FLUSH_BYTES {
                break;
            }
        }
        if let Some(row) = last {
            connection.session.client.heard_of(self.now_ms, row);
        }
        Pace::GoesOn
    }

    #[inline(always)]
    fn send_elsewhere(
        &mut self,
        connection: &Rc<Connection>,
        row: &'static Row,
        decoded: &Decoded,
    ) -> Outcome {
        let session = &connection.session;
        let dialect = connection.dialect_of(decoded.dialect);
        let request = self.batch.request(decoded, row, dialect);
        let mark = self.output.len();
        let mut reply = Reply::new(&mut self.output, dialect);
        self.last = None;
        let outcome = self.data.execute(&request, Prepared::default(), &session.context(), &mut reply);
        match outcome {
            Outcome::Later(ticket) if row.flags.has(Flags::BLOCKING) => {
                session.client.waiting.begin(row, &request.args);
                let aside = self.watch.set_aside(None, &request);
                self.await_keys(ticket, row, aside);
            }
            Outcome::Later(ticket) => {
                if row.is_redis() && row.only_key().is_some() && session.is_plain() {
                    let next = Position { request: self.at.request + 1, ..self.at };
                    self.last = Some(Last { ticket, row, next });
                }
                self.await_answer(ticket, row, None);
                if self.last.is_none() && row.runs_scripts() {
                    // What it publishes comes behind its reply.
                    connection.pipeline.borrow_mut().bar();
                }
            }
            Outcome::Busy | Outcome::Full(_) => {}
            Outcome::Failed => {
                let counters = self.intake.counters();
                counters.failed(counters.command(row.verb), &self.output[mark..]);
                if refuse::is_within_line(&request) {
                    session.put(Attention::Closing, true);
                }
                self.watch.share(row, 1);
            }
            Outcome::Done => self.watch.share(row, 1),
        }
        outcome
    }

    /// Sends the next requests, before `end`, of a client with the one before them, if they are like it: they are answered
    /// together. Returns whether there were any.
    #[inline(always)]
    fn join(&mut self, connection: &Rc<Connection>, end: usize) -> bool {
        let Some(last) = self.last.filter(|last| last.next == self.at) else { return false };
        let mut pipeline = connection.pipeline.borrow_mut();
        let requests = self.batch.args_of(self.at.request..end, last.row).take(pipeline.room());
        let joined = self.data.join(last.ticket, last.row, requests);
        if joined == 0 {
            return false;
        }
        if let Some(Some(pending)) = self.later.pending.get_mut(last.ticket.0 as usize) {
            pending.requests += joined as u8;
        }
        pipeline.wait_for_more(joined);
        if pipeline.is_full() {
            drop(pipeline);
            connection.wait_for_room();
        }
        self.at.request += joined;
        self.last = Some(Last { next: self.at, ..last });
        true
    }
}
