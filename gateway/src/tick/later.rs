//! Replies that come later: from other processes, over links.
//!
//! A request whose answer is not there when it is executed leaves a ticket and a place in its client's pipeline. What
//! comes under the ticket goes to that place.

use std::rc::Rc;
use std::time::Instant;

use tidegate_protocols::data::{Outcome, Piece, Ticket, Worker};
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Reply, Row};

use super::Tick;
use crate::commands::{self, Scope};
use crate::connection::Connection;
use crate::intake::Intake;
use crate::limits::KEPT_BYTES;
use crate::queue::Queue;
use crate::session::Attention;
use crate::timing::Stopwatch;

/// A request that is answered later.
pub(super) struct Pending {
    connection: Rc<Connection>,
    /// Its place in the pipeline.
    number: u32,
    row: &'static Row,
    began: Instant,
    what: What,
}

/// What becomes of an answer.
pub(super) enum What {
    /// It is the reply.
    Reply,
    /// Nobody is to read it.
    Silence,
    /// It is the replies of the shard to these requests; the gateway adds its own. What has come of it is kept.
    Transaction(Box<Queue>, Vec<u8>),
    /// When it has come, this request of the gateway's own is executed.
    Before(Vec<u8>),
    /// When it has come, this is the reply.
    After(Vec<u8>),
    /// Requests wait until it comes.
    Way,
}

/// All pending requests of a worker, by ticket, and the connections that have something to send.
#[derive(Default)]
pub(super) struct Later {
    pending: Vec<Option<Pending>>,
    touched: Vec<Rc<Connection>>,
    /// Buffers for what is sent.
    buffers: Vec<Vec<u8>>,
}

impl Later {
    fn insert(&mut self, Ticket(number): Ticket, pending: Pending) {
        let place = number as usize;
        if place >= self.pending.len() {
            self.pending.resize_with(place + 1, || None);
        }
        self.pending[place] = Some(pending);
    }

    /// Takes an answer, or a part of one.
    #[inline]
    fn take(&mut self, intake: &Intake, watch: &mut Stopwatch, now_ms: u64, came: Came<'_>) {
        let Some(slot) = self.pending.get_mut(came.ticket.0 as usize) else { return };
        if let Piece::Part(bytes) = came.piece {
            let Some(pending) = slot else { return };
            match &mut pending.what {
                What::Reply => self.deliver_part(came.ticket, bytes),
                What::Transaction(_, kept) => kept.extend_from_slice(bytes),
                What::Silence | What::Before(_) | What::After(_) | What::Way => {}
            }
            return;
        }
        let Some(pending) = slot.take() else { return };
        let scope = Scope { session: &pending.connection.session, shared: &intake.shared, now_ms };
        let nanos = came.now.saturating_duration_since(pending.began).as_nanos() as u64;
        let (Piece::Done(bytes) | Piece::Failed(bytes)) = came.piece else {
            return pending.connection.clear();
        };
        let has_failed = matches!(came.piece, Piece::Failed(_));
        match pending.what {
            What::Way => {}
            What::Reply | What::Silence => {
                let reply = if matches!(pending.what, What::Reply) { bytes } else { &[] };
                self.deliver(&pending.connection, pending.number, reply);
                if has_failed {
                    intake.counters().command(pending.row.verb).failed.add(1);
                    intake.counters().error(bytes);
                }
                watch.record_later(nanos, pending.row, came.frame, &scope, intake.counters());
            }
            What::After(_) if has_failed => self.deliver(&pending.connection, pending.number, bytes),
            What::After(reply) => self.deliver(&pending.connection, pending.number, &reply),
            What::Before(frame) => {
                let mut reply = Vec::new();
                let mut requests = Requests::new(&frame);
                if let Some(request) = requests.next_request() {
                    let outcome =
                        commands::execute(&request, &scope, &mut Reply::new(&mut reply, request.dialect));
                    if outcome == Outcome::Failed {
                        intake.counters().command(pending.row.verb).failed.add(1);
                        intake.counters().error(&reply);
                    }
                }
                watch.record_later(nanos, pending.row, &frame, &scope, intake.counters());
                self.deliver(&pending.connection, pending.number, &reply);
            }
            What::Transaction(queue, mut kept) => {
                kept.extend_from_slice(bytes);
                let reply = super::transactions::complete(&queue, kept, &scope, intake.counters(), nanos);
                self.deliver(&pending.connection, pending.number, &reply);
                pending.connection.clear();
                watch.record_later(nanos, pending.row, came.frame, &scope, intake.counters());
            }
        }
    }

    fn deliver_part(&mut self, ticket: Ticket, bytes: &[u8]) {
        let Some(Some(pending)) = self.pending.get(ticket.0 as usize) else { return };
        let (connection, number) = (Rc::clone(&pending.connection), pending.number);
        self.touch(&connection);
        connection.pipeline.borrow_mut().part(number, bytes);
    }

    #[inline]
    fn deliver(&mut self, connection: &Rc<Connection>, number: u32, bytes: &[u8]) {
        self.touch(connection);
        connection.pipeline.borrow_mut().done(number, bytes);
    }

    /// Has what is ready for a client sent at the end of the tick.
    #[inline]
    fn touch(&mut self, connection: &Rc<Connection>) {
        if !connection.is_touched.replace(true) {
            let buffer = self.buffers.pop().unwrap_or_default();
            connection.pipeline.borrow_mut().lend(buffer);
            self.touched.push(Rc::clone(connection));
        }
    }

    /// Sends what is ready.
    pub(super) fn flush(&mut self) {
        for connection in self.touched.drain(..) {
            connection.is_touched.set(false);
            let mut ready = connection.pipeline.borrow_mut().take_ready();
            connection.send(&ready);
            if connection.waits_for_room.get() && connection.pipeline.borrow().has_room() {
                connection.waits_for_room.set(false);
                connection.clear();
            }
            connection.settle();
            if ready.capacity() <= KEPT_BYTES / 16 {
                ready.clear();
                self.buffers.push(ready);
            }
        }
    }
}

/// An answer as it has come.
struct Came<'a> {
    ticket: Ticket,
    piece: Piece<'a>,
    /// The request.
    frame: &'a [u8],
    now: Instant,
}

impl<W: Worker> Tick<W> {
    /// Takes the answers that have come.
    pub(super) fn collect(&mut self) {
        let Self { data, later, intake, watch, now_ms, .. } = self;
        let now = Instant::now();
        watch.look_at(&intake.shared.settings);
        data.collect(&mut |ticket, piece, frame| {
            later.take(intake, watch, *now_ms, Came { ticket, piece, frame, now });
        });
    }

    /// The request that is executed now is answered later.
    pub(super) fn await_answer(&mut self, ticket: Ticket, row: &'static Row, what: What) {
        let connection = Rc::clone(self.connection());
        let what = match what {
            What::Reply if is_silent(&connection) => What::Silence,
            what => what,
        };
        self.say_before(&connection);
        let mut pipeline = connection.pipeline.borrow_mut();
        let number = pipeline.wait();
        if pipeline.is_full() && !connection.session.has(Attention::Waits) {
            connection.waits_for_room.set(true);
            connection.session.put(Attention::Waits, true);
        }
        drop(pipeline);
        if matches!(&what, What::Transaction(queue, _) if queue.has_own) {
            // What follows is executed as those of its requests leave things.
            connection.waits_for_room.set(false);
            connection.session.put(Attention::Waits, true);
        }
        self.later.insert(ticket, Pending { connection, number, row, began: self.began, what });
    }

    /// The request that would be executed now, and all that follow it, wait until this ticket is answered.
    pub(super) fn await_way(&mut self, ticket: Ticket, row: &'static Row) {
        let connection = Rc::clone(self.connection());
        connection.session.put(Attention::Waits, true);
        let (began, what) = (self.began, What::Way);
        self.later.insert(ticket, Pending { connection, number: 0, row, began, what });
        self.park_rest();
    }

    /// Puts what has been said since the last part into the pipeline, if replies before it are still to come.
    #[inline]
    pub(super) fn say_before(&mut self, connection: &Rc<Connection>) {
        let begin = self.parts.last().map_or(0, |part| part.end);
        if self.output.len() > begin {
            connection.say(&self.output[begin..]);
            self.output.truncate(begin);
        }
    }
}

fn is_silent(connection: &Connection) -> bool {
    connection.session.has(Attention::Silent) || connection.session.has(Attention::Skip)
}
