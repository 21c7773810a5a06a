//! What becomes of an answer that has come, or of a part of one.

use std::rc::Rc;

use tidegate_protocols::data::{Answered, Outcome, Piece, Ticket};
use tidegate_protocols::link::{self, Tail};
use tidegate_protocols::table::keyspace::Keyspace;
use tidegate_protocols::table::memcached::Memcached;
use tidegate_protocols::table::row_at;
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Error, Reply, Row, Verb};

use super::super::refuse;
use super::{Ended, Later, Pending, Special};
use crate::commands::{self, Scope};
use crate::counters::WorkerCounters;
use crate::intake::Intake;
use crate::timing::Stopwatch;

/// An answer that has come to its end.
#[derive(Clone, Copy)]
struct Came<'a> {
    bytes: &'a [u8],
    has_failed: bool,
}

impl Later {
    /// Takes an answer, or a part of one.
    #[inline]
    pub(super) fn take(&mut self, intake: &Intake, watch: &mut Stopwatch, now_ms: u64, came: &Answered<'_>) {
        let &Answered { ticket, piece, frame, nanos } = came;
        let place = ticket.0 as usize;
        if !self.special.is_empty() && matches!(self.special.get(&ticket.0), Some(Special::PassedOn)) {
            return self.pass_back(intake, watch, now_ms, came);
        }
        if !matches!(piece, Piece::Part(_) | Piece::Fault(_) | Piece::Slow(..) | Piece::Waits) {
            self.long_scripts.end(ticket.0, &intake.shared.long_scripts, intake.index);
        }
        let (bytes, has_failed) = match piece {
            Piece::Done(bytes) => (bytes, false),
            Piece::Failed(bytes) => (bytes, true),
            Piece::Broken(bytes) if self.can_say_instead(ticket) => (bytes, true),
            Piece::Broken(_) => return,
            Piece::Part(bytes) => return self.take_part(ticket, bytes),
            Piece::Fault(_) | Piece::Slow(..) => return self.take_note(intake, watch, now_ms, came),
            Piece::Clear => {
                self.asides.remove(&ticket.0);
                if let Some(Special::HeldBack) = self.special.remove(&ticket.0) {
                    self.pending[place] = None;
                    return self.ended_aside.0.push(ticket.0);
                }
                if let Some(pending) = self.pending.get_mut(place).and_then(Option::take) {
                    pending.connection.clear();
                }
                return;
            }
            Piece::Waits => {
                if let Some(Some(pending)) = self.pending.get(place) {
                    if pending.blocks {
                        pending.connection.count_as_blocked();
                    }
                    if let Some(row) = self.script_of(ticket, pending.command) {
                        let all = (&intake.shared.long_scripts, intake.index);
                        self.long_scripts.begin(ticket.0, row, now_ms, all);
                    }
                }
                return;
            }
            Piece::Moved => (&b""[..], false),
        };
        let Some(pending) = self.pending.get_mut(place).and_then(Option::take) else { return };
        let scope = Scope { session: &pending.connection.session, shared: &intake.shared, intake, now_ms };
        let refused = if pending.blocks {
            self.log_waited(ticket, &scope);
            pending.connection.unblock()
        } else {
            None
        };
        if let Some(error) = refused.filter(|_| bytes.starts_with(b"-UNBLOCKED")) {
            return self.refuse(&pending, &error, intake.counters());
        }
        let counters = intake.counters();
        // Before it is delivered: what has come for those behind it would leave with it.
        if has_failed && is_within_line(frame) {
            pending.connection.end_after(pending.number);
        }
        // What shards only hear of was counted when it was executed.
        let mut is_counted = false;
        if pending.is_special
            && let Some(special) = self.special.remove(&ticket.0)
        {
            if let Special::Transaction { queue, kept, is_skipped, word } = special {
                let Pending { connection, number, is_silent, .. } = pending;
                let mut answer = kept;
                answer.extend_from_slice(bytes);
                let ended = Ended { connection, number, is_silent, is_skipped, queue, answer, word, nanos };
                return self.ended.push(ended);
            }
            let came = Came { bytes, has_failed };
            is_counted = matches!(special, Special::After(_) | Special::AfterAll(_));
            let reply = reply_to(special, &pending, came, &scope, counters);
            self.touch(&pending.connection);
            pending.connection.pipeline.borrow_mut().done_with(pending.number, reply);
        } else {
            let reply = if pending.is_silent { &[] } else { bytes };
            self.deliver(&pending.connection, pending.number, reply, pending.requests);
            if has_failed {
                let command = counters.command_at(pending.command);
                for _ in 0..pending.requests {
                    is_counted = !counters.failed(command, bytes);
                }
            }
        }
        if !is_counted {
            counters.command_at(pending.command).called_often(nanos, pending.requests.into());
        }
        if is_flush(pending.command) {
            self.has_flushed = true;
        }
    }

    /// The command of a request that runs a script: its own, or that of the first of a transaction.
    fn script_of(&self, Ticket(number): Ticket, command: u16) -> Option<&'static Row> {
        match self.special.get(&number) {
            Some(Special::Transaction { queue, .. }) => queue.script,
            _ => row_at(command.into()).filter(|row| row.runs_scripts()),
        }
    }

    /// Takes what is said of a request before it is answered.
    #[cold]
    fn take_note(&mut self, intake: &Intake, watch: &mut Stopwatch, now_ms: u64, came: &Answered<'_>) {
        let Some(Some(pending)) = self.pending.get(came.ticket.0 as usize) else { return };
        let counters = intake.counters();
        match came.piece {
            Piece::Fault(error) => {
                counters.failed(counters.command_at(pending.command), error);
            }
            Piece::Slow(nanos, index) => {
                let session = &pending.connection.session;
                let scope = Scope { session, shared: &intake.shared, intake, now_ms };
                watch.record_elsewhere(nanos, (came.frame, index), &scope);
            }
            _ => {}
        }
    }

    #[cold]
    fn take_part(&mut self, Ticket(number): Ticket, bytes: &[u8]) {
        let Some(Some(pending)) = self.pending.get_mut(number as usize) else { return };
        match self.special.get_mut(&number) {
            Some(Special::Transaction { kept, .. }) => kept.extend_from_slice(bytes),
            Some(
                Special::Before(_)
                | Special::After(_)
                | Special::AfterAll(_)
                | Special::Way
                | Special::PassedOn
                | Special::HeldBack,
            ) => {}
            None if pending.is_silent => {}
            None => {
                let (connection, number) = (Rc::clone(&pending.connection), pending.number);
                let requests = pending.requests.into();
                self.touch(&connection);
                connection.pipeline.borrow_mut().part(number, bytes, requests);
                connection.check_pending();
            }
        }
    }

    /// An answer will not come. Returns whether an error can be said in its place. If a part of it has been sent, the
    /// client is closed: whatever followed would be taken for the rest.
    #[cold]
    fn can_say_instead(&mut self, Ticket(number): Ticket) -> bool {
        let Some(Some(pending)) = self.pending.get_mut(number as usize) else { return false };
        if let Some(Special::Transaction { kept, .. }) = self.special.get_mut(&number) {
            kept.clear();
        }
        let connection = Rc::clone(&pending.connection);
        let can = connection.pipeline.borrow_mut().forget(pending.number);
        if !can {
            tracing::warn!(client = connection.session.client.id, "closed: the rest of a reply is lost");
            if pending.blocks {
                connection.unblock();
                self.asides.remove(&number);
            }
            self.pending[number as usize] = None;
            self.special.remove(&number);
            connection.end();
        }
        can
    }

    /// A client has waited for what it may not ask for any more.
    #[cold]
    fn refuse(&mut self, pending: &Pending, error: &Error, counters: &WorkerCounters) {
        let mut text = Vec::new();
        Reply::new(&mut text, pending.connection.session.dialect()).refuse(error);
        counters.command_at(pending.command).rejected.add(1);
        counters.error(&text);
        let reply = if pending.is_silent { &[][..] } else { &text };
        self.deliver(&pending.connection, pending.number, reply, pending.requests);
    }

    /// The slow log is told of who has waited until now, if it wants to be.
    fn log_waited(&mut self, ticket: Ticket, scope: &Scope<'_>) {
        let aside = if self.asides.is_empty() { None } else { self.asides.remove(&ticket.0) };
        if let Some(aside) = aside
            && scope.client().is_blocked()
        {
            Stopwatch::tell_of(aside, scope);
        }
    }

    /// Answers a gateway.
    #[cold]
    fn pass_back(&mut self, intake: &Intake, watch: &mut Stopwatch, now_ms: u64, came: &Answered<'_>) {
        let &Answered { ticket: Ticket(number), piece, .. } = came;
        let Some(Some(pending)) = self.pending.get(number as usize) else { return };
        let (connection, command, id) = (Rc::clone(&pending.connection), pending.command, pending.number);
        let counters = intake.counters();
        let mut took = [0; 9];
        let (bytes, tail) = match piece {
            Piece::Failed(bytes) => (bytes, Tail::Failed),
            Piece::Done(bytes) | Piece::Broken(bytes) => (bytes, Tail::Done),
            Piece::Part(bytes) => (bytes, Tail::Part),
            Piece::Moved | Piece::Clear => (&b""[..], Tail::Moved),
            Piece::Slow(nanos, _) => {
                counters.command_at(command).called(nanos);
                let session = &connection.session;
                let scope = Scope { session, shared: &intake.shared, intake, now_ms };
                watch.record_elsewhere(nanos, (came.frame, 0), &scope);
                let Some(nanos) = watch.take_slow() else { return };
                took[..8].copy_from_slice(&nanos.to_le_bytes());
                (&took[..], Tail::Took)
            }
            Piece::Fault(_) | Piece::Waits => unreachable!("a store says neither of what has waited"),
        };
        if !matches!(tail, Tail::Part | Tail::Took) {
            self.special.remove(&number);
            self.pending[number as usize] = None;
            self.ended_aside.1.push(number);
            let waiting = &connection.session.of_link().waiting;
            waiting.set(waiting.get() - 1);
        }
        if tail == Tail::Failed {
            counters.failed(counters.command_at(command), bytes);
        }
        let mut frame = Vec::new();
        link::begin(&mut frame);
        frame.extend_from_slice(bytes);
        self.touch(&connection);
        // More of an answer waits behind what there is of it.
        let has_long = connection.has_long(id)
            || self.long.iter().any(|(other, long)| Rc::ptr_eq(other, &connection) && long.id() == id);
        let long = if has_long && tail != Tail::Took {
            Some(link::seal_apart(&mut frame, 0, id, tail))
        } else {
            link::seal(&mut frame, 0, id, tail)
        };
        match long {
            Some(long) => self.long.push((connection, long)),
            None => connection.pipeline.borrow_mut().say(&frame),
        }
    }
}

/// The reply, now that the answer has come.
#[cold]
fn reply_to(
    special: Special,
    pending: &Pending,
    came: Came<'_>,
    scope: &Scope<'_>,
    counters: &WorkerCounters,
) -> Vec<u8> {
    match special {
        Special::Way | Special::PassedOn | Special::HeldBack => Vec::new(),
        Special::After(_) if pending.is_silent => Vec::new(),
        Special::After(_) if came.has_failed => came.bytes.to_vec(),
        Special::After(reply) | Special::AfterAll(reply) => reply,
        Special::Before(frame) => {
            let mut reply = Vec::new();
            if let Some(request) = Requests::new(&frame).next_request() {
                let outcome =
                    commands::execute(&request, scope, &mut Reply::new(&mut reply, request.dialect));
                if outcome == Outcome::Failed {
                    counters.failed(counters.command_at(pending.command), &reply);
                }
            }
            if pending.is_silent { Vec::new() } else { reply }
        }
        Special::Transaction { .. } => {
            unreachable!("its reply is completed when all answers have been taken")
        }
    }
}

/// Whether the row of this number takes all keys away.
#[inline]
fn is_flush(command: u16) -> bool {
    let flushes = [
        Verb::Keyspace(Keyspace::Flushall),
        Verb::Keyspace(Keyspace::Flushdb),
        Verb::Memcached(Memcached::FlushAll),
    ];
    flushes.iter().any(|verb| verb.index() == usize::from(command))
}

/// Whether a request is one key, and not the last, of a line of keys: an error ends the whole reply, so what comes for
/// the other keys must not be taken for the next.
#[cold]
fn is_within_line(frame: &[u8]) -> bool {
    let mut requests = Requests::new(frame);
    requests.next_request().is_some_and(|request| refuse::is_within_line(&request))
}
