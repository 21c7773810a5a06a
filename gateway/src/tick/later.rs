//! Replies that come later: from other processes, over links.
//!
//! A request whose answer is not there when it is executed leaves a ticket and a place in its client's pipeline. What
//! comes under the ticket goes to that place.

mod answers;
mod elsewhere;

use std::collections::HashMap;
use std::rc::Rc;

use tidegate_protocols::Row;
use tidegate_protocols::data::{Ticket, Worker};
use tidegate_protocols::link::LongAnswer;

use super::{Position, Tick};
use crate::connection::Connection;
use crate::overdue::OwnLongScripts;
use crate::queue::Queue;
use crate::session::{Attention, Session};
use crate::spare::Spare;
use crate::timing::Aside;

/// A request that is answered later, or several of one client that are answered together. There may be thousands, so
/// they are small.
struct Pending {
    connection: Rc<Connection>,
    /// Its place in the pipeline.
    number: u32,
    /// The number of its row.
    command: u16,
    /// How many there are.
    requests: u8,
    /// Whether nobody is to read the answer.
    is_silent: bool,
    /// Whether there is more to do than to pass the answer on.
    is_special: bool,
    /// Whether nothing else of its client is executed until it is answered.
    blocks: bool,
}

/// The request that was last given a ticket, if the next may be answered with it.
#[derive(Clone, Copy)]
pub(super) struct Last {
    ticket: Ticket,
    row: &'static Row,
    /// Where the one behind it would be in the batch.
    next: Position,
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
        /// How the client has written `EXEC`.
        word: Box<[u8]>,
    },
    /// When it has come, this request of the gateway's own is executed.
    Before(Vec<u8>),
    /// When it has come, this is the reply.
    After(Vec<u8>),
    /// The same, whatever has come of it.
    AfterAll(Vec<u8>),
    /// Requests wait until it comes.
    Way,
    /// It goes to a gateway, whose number of the request is that of the place.
    PassedOn,
    /// A request of a gateway waits aside until it comes.
    HeldBack,
}

impl Special {
    pub(super) fn transaction(queue: Box<Queue>, session: &Session, word: &[u8]) -> Self {
        let is_skipped = session.has(Attention::Skip);
        Self::Transaction { queue, kept: Vec::new(), is_skipped, word: word.into() }
    }
}

/// A transaction that was executed elsewhere, or apart, and has been answered.
pub(super) struct Ended {
    pub(super) connection: Rc<Connection>,
    /// Its place in the pipeline.
    pub(super) number: u32,
    /// Whether nobody was to read the answer when it was sent.
    pub(super) is_silent: bool,
    pub(super) is_skipped: bool,
    pub(super) queue: Box<Queue>,
    pub(super) answer: Vec<u8>,
    pub(super) word: Box<[u8]>,
    pub(super) nanos: u64,
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
    /// What the slow log is to be told of those that wait for keys, by ticket.
    asides: HashMap<u32, Aside>,
    /// All shards have been asked to flush, and have answered.
    has_flushed: bool,
    /// Requests of gateways that need not wait aside any more, and those that have been answered after a while.
    ended_aside: (Vec<u32>, Vec<u32>),
    /// Transactions that have been answered, and whose replies are to be completed.
    ended: Vec<Ended>,
    long_scripts: OwnLongScripts,
    touched: Vec<Rc<Connection>>,
    /// Long answers for gateways, sent behind what is short.
    long: Vec<(Rc<Connection>, LongAnswer)>,
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

    /// Nothing else of the client is executed until this ticket is answered; then the slow log is told of it, if it
    /// has waited.
    pub(super) fn blocks(&mut self, Ticket(number): Ticket, aside: Option<Aside>) {
        if let Some(aside) = aside {
            self.asides.insert(number, aside);
        }
        if let Some(Some(pending)) = self.pending.get_mut(number as usize) {
            pending.blocks = true;
        }
    }

    /// A request that a gateway has passed on is answered later.
    pub(super) fn insert_passed_on(
        &mut self,
        ticket: Ticket,
        connection: &Rc<Connection>,
        id: u32,
        row: &Row,
    ) {
        let (connection, command) = (Rc::clone(connection), row.verb.index() as u16);
        let (number, requests, is_silent, is_special, blocks) = (id, 1, false, true, false);
        let pending = Pending { connection, number, command, requests, is_silent, is_special, blocks };
        self.insert_special(ticket, pending, Special::PassedOn);
    }

    /// A request that a gateway has passed on waits aside.
    pub(super) fn insert_held_back(&mut self, ticket: Ticket, connection: &Rc<Connection>, row: &Row) {
        let (connection, command) = (Rc::clone(connection), row.verb.index() as u16);
        let (number, requests, is_silent, is_special, blocks) = (0, 1, false, true, false);
        let pending = Pending { connection, number, command, requests, is_silent, is_special, blocks };
        self.insert_special(ticket, pending, Special::HeldBack);
    }

    /// Whether there are any.
    #[inline]
    pub(super) fn has_ended_aside(&self) -> bool {
        !self.ended_aside.0.is_empty() || !self.ended_aside.1.is_empty()
    }

    /// Which of those need not wait any more, and which that have been executed apart are answered.
    pub(super) fn take_ended_aside(&mut self) -> (Vec<u32>, Vec<u32>) {
        std::mem::take(&mut self.ended_aside)
    }

    /// The tickets of what a gateway has passed on over a link.
    pub(super) fn tickets_of(&self, connection: &Rc<Connection>) -> Vec<Ticket> {
        let is_its = |pending: &Option<Pending>| {
            pending.as_ref().is_some_and(|pending| Rc::ptr_eq(&pending.connection, connection))
        };
        let places = self.pending.iter().enumerate().filter(|(_, pending)| is_its(pending));
        places.map(|(place, _)| Ticket(place as u32)).collect()
    }

    /// Whether there is nothing to be sent.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.touched.is_empty()
    }

    fn insert_special(&mut self, ticket: Ticket, pending: Pending, special: Special) {
        self.special.insert(ticket.0, special);
        self.insert(ticket, pending);
    }

    #[inline(always)]
    pub(super) fn deliver(&mut self, connection: &Rc<Connection>, number: u32, bytes: &[u8], requests: u8) {
        self.touch(connection);
        connection.pipeline.borrow_mut().done(number, bytes, requests.into());
    }

    /// Has what is ready for a client sent at the end of the tick.
    #[inline]
    fn touch(&mut self, connection: &Rc<Connection>) {
        if !connection.is_touched.replace(true) {
            connection.pipeline.borrow_mut().lend(self.spare.take());
            self.touched.push(Rc::clone(connection));
        }
    }

    /// How many connections have something to send.
    pub(super) fn touched(&self) -> usize {
        self.touched.len()
    }

    /// What is ready for those that came behind the first `count` is sent before theirs.
    pub(super) fn send_last(&mut self, count: usize) {
        self.touched.rotate_left(count);
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
        for (connection, long) in self.long.drain(..) {
            connection.send_long(long);
            connection.settle();
        }
    }
}

impl<W: Worker> Tick<W> {
    /// Takes the answers that have come.
    pub(super) fn collect(&mut self) {
        let Self { data, later, intake, watch, now_ms, .. } = self;
        data.collect(&mut |answered| later.take(intake, watch, *now_ms, answered));
        for ended in std::mem::take(&mut self.later.ended) {
            self.complete(ended);
        }
        if std::mem::take(&mut self.later.has_flushed) && W::ANSWERS_LATER {
            self.intake.tell_of_flush();
        }
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
        let pending =
            Pending { connection, number, command, requests: 1, is_silent, is_special, blocks: false };
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
        let pending = Pending {
            connection,
            number,
            command,
            requests: 1,
            is_silent: false,
            is_special: true,
            blocks: false,
        };
        self.later.insert_special(ticket, pending, Special::Way);
        self.park_rest();
    }

    /// The whole reply to a request has come.
    pub(super) fn deliver_later(&mut self, connection: &Rc<Connection>, number: u32, reply: Vec<u8>) {
        self.later.touch(connection);
        connection.pipeline.borrow_mut().done_with(number, reply);
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
