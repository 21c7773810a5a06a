//! Replies that come later: from other processes, over links.
//!
//! A request whose answer is not there when it is executed leaves a ticket and a place in its client's pipeline. What
//! comes under the ticket goes to that place.

use std::collections::HashMap;
use std::rc::Rc;

use tidegate_protocols::data::{Answered, Outcome, Piece, Prepared, Ticket, Worker};
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Reply, Row};

use super::{Tick, chores, transactions};
use crate::batch::Decoded;
use crate::commands::{self, Scope};
use crate::connection::Connection;
use crate::counters::WorkerCounters;
use crate::intake::Intake;
use crate::queue::Queue;
use crate::session::{Attention, Session};
use crate::spare::Spare;
use crate::timing::Stopwatch;

/// A request that is answered later. There may be thousands, so they are small.
struct Pending {
    connection: Rc<Connection>,
    /// Its place in the pipeline.
    number: u32,
    /// The number of its row.
    command: u16,
    /// Whether nobody is to read the answer.
    is_silent: bool,
    /// Whether there is more to do than to pass the answer on.
    is_special: bool,
}

/// What becomes of an answer that is not the reply itself.
pub(super) enum Special {
    /// It is the replies of the shard to these requests; the gateway adds its own.
    Transaction {
        queue: Box<Queue>,
        /// What has come of it.
        kept: Vec<u8>,
        /// Whether nobody is to read the replies, as it stood when it was sent.
        is_skipped: bool,
    },
    /// When it has come, this request of the gateway's own is executed.
    Before(Vec<u8>),
    /// When it has come, this is the reply.
    After(Vec<u8>),
    /// Requests wait until it comes.
    Way,
}

impl Special {
    pub(super) fn transaction(queue: Box<Queue>, session: &Session) -> Self {
        Self::Transaction { queue, kept: Vec::new(), is_skipped: session.has(Attention::Skip) }
    }
}

/// An answer that has come to its end.
#[derive(Clone, Copy)]
struct Came<'a> {
    bytes: &'a [u8],
    has_failed: bool,
    nanos: u64,
}

/// A ticket has been given out twice. Whose answer cannot be told from another's any more is closed.
#[cold]
fn displaced(ticket: u32, before: &Pending) {
    let client = before.connection.session.client.id;
    tracing::error!(client, ticket, "closed: a ticket is of one request until it is answered, and is of two");
    debug_assert!(false, "a ticket of two requests");
    before.connection.end();
}

/// All pending requests of a worker, by ticket, and the connections that have something to send.
#[derive(Default)]
pub(super) struct Later {
    pending: Vec<Option<Pending>>,
    /// What more there is to do, by ticket.
    special: HashMap<u32, Special>,
    /// Transactions that have taken place and had requests of the gateway's own.
    with_own: Vec<Queue>,
    touched: Vec<Rc<Connection>>,
    /// Buffers for what is sent.
    spare: Spare,
}

impl Later {
    fn insert(&mut self, Ticket(number): Ticket, pending: Pending) {
        let place = number as usize;
        if place >= self.pending.len() {
            self.pending.resize_with(place + 1, || None);
        }
        if let Some(before) = self.pending[place].replace(pending) {
            displaced(number, &before);
        }
    }

    fn insert_special(&mut self, ticket: Ticket, pending: Pending, special: Special) {
        self.special.insert(ticket.0, special);
        self.insert(ticket, pending);
    }

    /// Takes an answer, or a part of one.
    #[inline]
    fn take(&mut self, intake: &Intake, watch: &mut Stopwatch, now_ms: u64, came: &Answered<'_>) {
        let &Answered { ticket, piece, frame, nanos, slow_nanos } = came;
        let place = ticket.0 as usize;
        let (bytes, has_failed) = match piece {
            Piece::Done(bytes) => (bytes, false),
            Piece::Failed(bytes) => (bytes, true),
            Piece::Broken(bytes) if self.can_say_instead(ticket) => (bytes, true),
            Piece::Broken(_) => return,
            Piece::Part(bytes) => return self.take_part(ticket, bytes),
            Piece::Clear => {
                self.special.remove(&ticket.0);
                if let Some(pending) = self.pending.get_mut(place).and_then(Option::take) {
                    pending.connection.clear();
                }
                return;
            }
        };
        let Some(pending) = self.pending.get_mut(place).and_then(Option::take) else { return };
        let scope = Scope { session: &pending.connection.session, shared: &intake.shared, now_ms };
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
            let came = Came { bytes, has_failed, nanos };
            is_counted = matches!(special, Special::After(_));
            let reply = self.special_reply(special, &pending, came, &scope, counters);
            self.touch(&pending.connection);
            pending.connection.pipeline.borrow_mut().done_with(pending.number, reply);
        } else {
            let reply = if pending.is_silent { &[] } else { bytes };
            self.deliver(&pending.connection, pending.number, reply);
            if has_failed {
                counters.failed(counters.command_at(pending.command), bytes);
            }
        }
        if !is_counted {
            counters.command_at(pending.command).called(nanos);
        }
        if slow_nanos > 0 {
            watch.record_elsewhere(slow_nanos, frame, &scope);
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
            self.pending[number as usize] = None;
            self.special.remove(&number);
            connection.end();
        }
        can
    }

    #[cold]
    fn take_part(&mut self, Ticket(number): Ticket, bytes: &[u8]) {
        let Some(Some(pending)) = self.pending.get_mut(number as usize) else { return };
        match self.special.get_mut(&number) {
            Some(Special::Transaction { kept, .. }) => kept.extend_from_slice(bytes),
            Some(Special::Before(_) | Special::After(_) | Special::Way) => {}
            None if pending.is_silent => {}
            None => {
                let (connection, number) = (Rc::clone(&pending.connection), pending.number);
                self.touch(&connection);
                connection.pipeline.borrow_mut().part(number, bytes);
                connection.check_pending();
            }
        }
    }

    #[inline(always)]
    fn deliver(&mut self, connection: &Rc<Connection>, number: u32, bytes: &[u8]) {
        self.touch(connection);
        connection.pipeline.borrow_mut().done(number, bytes);
    }

    /// Has what is ready for a client sent at the end of the tick.
    #[inline]
    fn touch(&mut self, connection: &Rc<Connection>) {
        if !connection.is_touched.replace(true) {
            connection.pipeline.borrow_mut().lend(self.spare.take());
            self.touched.push(Rc::clone(connection));
        }
    }

    /// Sends what is ready.
    pub(super) fn flush(&mut self) {
        for connection in self.touched.drain(..) {
            connection.is_touched.set(false);
            let (ready, more) = {
                let mut pipeline = connection.pipeline.borrow_mut();
                (pipeline.take_ready(), pipeline.take_more())
            };
            connection.send(&ready);
            if let Some(more) = more {
                connection.send_pieces(more);
            }
            if connection.waits_for_room.get() && connection.pipeline.borrow().has_room() {
                connection.waits_for_room.set(false);
                connection.clear();
            }
            connection.settle();
            self.spare.give_back(ready);
        }
    }
}

impl Later {
    /// The reply, now that the answer has come.
    #[cold]
    fn special_reply(
        &mut self,
        special: Special,
        pending: &Pending,
        came: Came<'_>,
        scope: &Scope<'_>,
        counters: &WorkerCounters,
    ) -> Vec<u8> {
        match special {
            Special::Way => Vec::new(),
            Special::After(_) if pending.is_silent => Vec::new(),
            Special::After(_) if came.has_failed => came.bytes.to_vec(),
            Special::After(reply) => reply,
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
            Special::Transaction { queue, mut kept, is_skipped } => {
                kept.extend_from_slice(came.bytes);
                let session = scope.session;
                // As things stood when it was sent. What follows a transaction that may change them waits for it.
                let was_silent = session.has(Attention::Silent);
                if !queue.has_own {
                    session.put(Attention::Silent, pending.is_silent);
                }
                session.put(Attention::Skip, is_skipped);
                let has_taken_place = transactions::has_taken_place(&kept);
                let reply = transactions::complete(&queue, kept, scope, counters, came.nanos);
                session.put(Attention::Skip, false);
                if queue.has_own {
                    if has_taken_place {
                        self.with_own.push(*queue);
                    }
                    // Only of such a one: of another, what waits may wait for something else.
                    pending.connection.clear();
                } else {
                    session.put(Attention::Silent, was_silent);
                }
                reply
            }
        }
    }
}

impl<W: Worker> Tick<W> {
    /// Takes the answers that have come.
    pub(super) fn collect(&mut self) {
        let Self { data, later, intake, watch, now_ms, .. } = self;
        data.collect(&mut |answered| later.take(intake, watch, *now_ms, answered));
        for queue in later.with_own.drain(..) {
            chores::pass_on_all(data, &queue.frames);
        }
    }

    /// Sends one request to where its data is.
    #[inline]
    pub(super) fn execute_elsewhere(&mut self, row: &'static Row, decoded: &Decoded) -> Outcome {
        let connection = &self.batch.sources()[self.at.source].connection;
        let session = &connection.session;
        let dialect = connection.dialect_of(decoded.dialect);
        session.client.heard_of(self.now_ms, row);
        let request = self.batch.request(decoded, row, dialect);
        let mark = self.output.len();
        let mut reply = Reply::new(&mut self.output, dialect);
        let outcome = self.data.execute(&request, Prepared::default(), &session.context(), &mut reply);
        match outcome {
            Outcome::Later(ticket) => self.await_answer(ticket, row, None),
            Outcome::Busy | Outcome::Full(_) => {}
            Outcome::Failed => {
                let counters = self.intake.counters();
                counters.failed(counters.command(row.verb), &self.output[mark..]);
                if super::is_within_line(&request) {
                    session.put(Attention::Closing, true);
                }
                self.watch.share(row);
            }
            Outcome::Done => self.watch.share(row),
        }
        outcome
    }

    /// The request that is executed now is answered later.
    #[inline(always)]
    pub(super) fn await_answer(&mut self, ticket: Ticket, row: &'static Row, special: Option<Special>) {
        let connection = Rc::clone(self.connection());
        if !self.output.is_empty() {
            self.say_before(&connection);
        }
        let session = &connection.session;
        let is_silent =
            !session.is_plain() && (session.has(Attention::Silent) || session.has(Attention::Skip));
        let mut pipeline = connection.pipeline.borrow_mut();
        let number = pipeline.wait();
        let is_full = pipeline.is_full();
        drop(pipeline);
        if is_full {
            connection.wait_for_room();
        }
        if matches!(&special, Some(Special::Transaction { queue, .. }) if queue.has_own) {
            // What follows is executed as those of its requests leave things.
            connection.waits_for_room.set(false);
            session.put(Attention::Waits, true);
        }
        let (command, is_special) = (row.verb.index() as u16, special.is_some());
        let pending = Pending { connection, number, command, is_silent, is_special };
        match special {
            None => self.later.insert(ticket, pending),
            Some(special) => self.later.insert_special(ticket, pending, special),
        }
    }

    /// The request that would be executed now, and all that follow it, wait until this ticket is answered.
    pub(super) fn await_way(&mut self, ticket: Ticket, row: &'static Row) {
        let connection = Rc::clone(self.connection());
        connection.session.put(Attention::Waits, true);
        // The next try finds it as this one did.
        connection.session.put(Attention::SkipNext, connection.session.has(Attention::Skip));
        let (command, number) = (row.verb.index() as u16, 0);
        let pending = Pending { connection, number, command, is_silent: false, is_special: true };
        self.later.insert_special(ticket, pending, Special::Way);
        self.park_rest();
    }

    /// Puts what has been said since the last part into the pipeline, if replies before it are still to come.
    #[inline]
    pub(super) fn say_before(&mut self, connection: &Rc<Connection>) {
        let begin = self.parts.last().map_or(0, |part| part.end);
        if self.output.len() > begin {
            self.later.touch(connection);
            let mut pipeline = connection.pipeline.borrow_mut();
            pipeline.say(&self.output[begin..]);
            let is_full = pipeline.is_full();
            drop(pipeline);
            if is_full {
                connection.wait_for_room();
            }
            self.output.truncate(begin);
        }
    }
}

/// Whether a request is one key, and not the last, of a line of keys: an error ends the whole reply, so what comes for
/// the other keys must not be taken for the next.
#[cold]
fn is_within_line(frame: &[u8]) -> bool {
    let mut requests = Requests::new(frame);
    requests.next_request().is_some_and(|request| super::is_within_line(&request))
}
