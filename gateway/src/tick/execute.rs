//! One request executed here: the gateway's own and, where the data is in this process, those of the store.

use tidegate_protocols::data::{Outcome, Prepared, Worker};
use tidegate_protocols::table::connection::Connection as Connections;
use tidegate_protocols::table::pubsub::Pubsub;
use tidegate_protocols::table::{Flags, Route};
use tidegate_protocols::{Reply, Request, Row, Verb};

use super::later::Special;
use super::refuse::is_within_line;
use super::transactions::Executor;
use super::{EXEC, Pace, Tick, blocked, chores, idle, transactions};
use crate::batch::Decoded;
use crate::commands::{self, FOR_EVER, Scope};
use crate::decoder::Family;
use crate::pubsub::publish_events;
use crate::session::Attention;
use crate::tracking::{follow_here, is_tracking};

impl<W: Worker> Tick<W> {
    /// Answers one request in the way of whoever asks, and goes on to the next.
    #[inline]
    pub(super) fn serve(&mut self, row: &'static Row, decoded: &Decoded, prepared: Prepared) -> Pace {
        if self.is_monitored && row.runs_scripts() {
            self.tell_monitors_of_run(row, decoded);
        }
        let outcome = if decoded.is_passed_on() {
            self.execute_passed_on(row, decoded)
        } else if !W::ANSWERS_LATER {
            self.execute(row, decoded, prepared)
        } else if row.route == Route::Gateway {
            self.execute_with_chores(row, decoded)
        } else {
            self.execute_elsewhere(row, decoded)
        };
        match outcome {
            Outcome::Busy => return Pace::Waits,
            Outcome::Full(ticket) => {
                self.await_way(ticket, row);
                return Pace::GoesOn;
            }
            Outcome::Done | Outcome::Failed | Outcome::Later(_) => {}
        }
        // A transaction that is elsewhere is told of when it is known what has come of it.
        if self.is_monitored && (row.verb != EXEC || !matches!(outcome, Outcome::Later(_))) {
            self.tell_monitors(row, decoded);
        }
        self.at.request += 1;
        if row.route == Route::Gateway {
            self.look_at_pause();
            self.look_at_users();
        }
        Pace::GoesOn
    }

    /// Executes one request.
    #[inline]
    pub(super) fn execute(&mut self, row: &'static Row, decoded: &Decoded, prepared: Prepared) -> Outcome {
        let connection = &self.batch.sources()[self.at.source].connection;
        let session = &connection.session;
        let dialect = connection.dialect_of(decoded.dialect);
        session.client.heard_of(self.now_ms, row);
        let request = self.batch.request(decoded, row, dialect);
        let mark = self.output.len();
        let mut reply = Reply::new(&mut self.output, dialect);
        let began = self.watch.begin(row);
        let scope = Scope { session, shared: &self.intake.shared, intake: &self.intake, now_ms: self.now_ms };
        let mut sent = None;
        let outcome = if row.route == Route::Gateway {
            let (data, counters) = (&mut self.data, self.intake.counters());
            let (watch, sent) = (&mut self.watch_within, &mut sent);
            execute_own(Executor { scope: &scope, data, counters, watch, sent }, &request, &mut reply)
        } else {
            self.data.execute(&request, prepared, &self.batch.context(decoded, connection), &mut reply)
        };
        publish_events(&mut self.data, &self.intake.shared, self.intake.index);
        let early = if self.data.has_stale() {
            self.intake.take_early(self.data.take_stale(), session)
        } else {
            Vec::new()
        };
        let counters = self.intake.counters();
        match outcome {
            Outcome::Busy | Outcome::Full(_) => return outcome,
            Outcome::Later(idle::IDLE) => {
                let until_ms = idle::until_of(&request, self.now_ms).unwrap_or(FOR_EVER);
                self.await_nothing(until_ms, row, mark);
                return outcome;
            }
            Outcome::Later(ticket) => {
                let mut runs_scripts = row.runs_scripts();
                if row.flags.has(Flags::BLOCKING) {
                    session.client.waiting.begin(row, &request.args);
                    let aside = self.watch.set_aside(began, &request);
                    self.await_keys(ticket, row, aside);
                } else {
                    runs_scripts |= sent.as_ref().is_some_and(|queue| queue.script.is_some());
                    let special =
                        sent.take().map(|queue| Special::transaction(queue, session, request.args.at(0)));
                    if W::ANSWERS_LATER {
                        self.await_answer(ticket, row, special);
                    } else {
                        self.await_apart(ticket, row, special);
                    }
                }
                if runs_scripts {
                    // What it publishes comes behind its reply, even to the client itself.
                    self.connection().pipeline.borrow_mut().bar();
                }
                return outcome;
            }
            Outcome::Failed => {
                let was_called = counters.failed(counters.command(row.verb), &self.output[mark..]);
                if connection.family == Family::Memcached && is_within_line(&request) {
                    // What follows would be taken for the next reply.
                    session.put(Attention::Closing, true);
                }
                if !was_called {
                    return outcome;
                }
            }
            Outcome::Done => {}
        }
        match began.or_else(|| self.watch.suspect(decoded.is_large(), self.output.len() - mark)) {
            None => self.watch.share(row, 1),
            Some(began) => self.watch.record(began, &request, &scope, counters),
        }
        if !early.is_empty() {
            self.output.splice(mark..mark, early);
        }
        outcome
    }
}

/// Executes one of the gateway's own commands.
fn execute_own<W: Worker>(
    mut executor: Executor<'_, W>,
    request: &Request<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let (row, scope, data) = (request.row, executor.scope, &mut *executor.data);
    if !row.flags.has(Flags::FAST) && row.verb != EXEC {
        // It may ask for the store's figures, which look into partitions that are held here.
        data.finish();
        data.begin(scope.now_ms);
    }
    match row.verb {
        Verb::Transactions(verb) => executor.execute(verb, request, reply),
        Verb::Pubsub(Pubsub::Publish | Pubsub::Spublish) if scope.shared.pubsub.is_crowded() => Outcome::Busy,
        Verb::Connection(Connections::ClientUnblock) => blocked::unblock(request, scope, data, reply),
        Verb::Connection(Connections::Wait | Connections::Waitaof) => idle::execute(request, scope, reply),
        Verb::Pubsub(verb) if let full @ Outcome::Full(_) = chores::say(data, verb, request, false) => full,
        verb => {
            if verb == Verb::Connection(Connections::Reset) {
                transactions::discard(scope.session, data);
            }
            let outcome = commands::execute(request, scope, reply);
            if is_tracking(verb) {
                follow_here(data, scope.intake);
            }
            outcome
        }
    }
}
