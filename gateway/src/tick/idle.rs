//! Clients that wait for replicas, which never come: `WAIT` and `WAITAOF`.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use tidegate_protocols::data::{Outcome, Ticket, Unblock, Worker};
use tidegate_protocols::table::connection::Connection as Connections;
use tidegate_protocols::{Reply, Request, Row, Verb};

use super::Tick;
use crate::commands::{self, FOR_EVER};
use crate::connection::Connection;
use crate::session::Attention;

/// What is given for a request that waits for no keys: the number of none.
pub(super) const IDLE: Ticket = Ticket(u32::MAX);

/// What a client is told that does not wait any longer by `CLIENT UNBLOCK … ERROR`.
const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";

/// The clients of one worker that wait so.
#[derive(Default)]
pub(super) struct Idle {
    clients: HashMap<u64, IdleClient>,
    until: BTreeSet<(u64, u64)>,
}

struct IdleClient {
    connection: Rc<Connection>,
    /// The place of the reply in its pipeline.
    number: u32,
    /// In Unix milliseconds.
    until_ms: u64,
    /// The reply.
    reply: Vec<u8>,
    is_silent: bool,
}

impl Idle {
    /// When the first of them waits no longer.
    #[inline]
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.until.first().map(|(until_ms, _)| until_ms.saturating_add(1))
    }

    fn add(&mut self, id: u64, client: IdleClient) {
        if client.until_ms != FOR_EVER {
            self.until.insert((client.until_ms, id));
        }
        self.clients.insert(id, client);
    }

    fn remove(&mut self, id: u64) -> Option<IdleClient> {
        let client = self.clients.remove(&id)?;
        self.until.remove(&(client.until_ms, id));
        Some(client)
    }

    fn overdue(&self, now_ms: u64) -> Option<u64> {
        self.until.first().filter(|(until_ms, _)| *until_ms < now_ms).map(|(_, id)| *id)
    }
}

/// Executes `WAIT` or `WAITAOF`: writes the reply, and says [`IDLE`] if it is to wait.
pub(super) fn execute(request: &Request<'_>, scope: &commands::Scope<'_>, reply: &mut Reply<'_>) -> Outcome {
    let outcome = commands::execute(request, scope, reply);
    match until_of(request, scope.now_ms) {
        Some(_) if outcome == Outcome::Done => Outcome::Later(IDLE),
        _ => outcome,
    }
}

/// Until when a request waits, if it does.
pub(super) fn until_of(request: &Request<'_>, now_ms: u64) -> Option<u64> {
    let Verb::Connection(verb @ (Connections::Wait | Connections::Waitaof)) = request.row.verb else {
        return None;
    };
    commands::waits_until(verb, &request.args, now_ms)
}

impl<W: Worker> Tick<W> {
    /// The reply that has been written since `mark` comes when the client has waited, until `until_ms`.
    #[cold]
    pub(super) fn await_nothing(&mut self, until_ms: u64, row: &Row, mark: usize) {
        let connection = Rc::clone(self.connection());
        let reply = self.output.split_off(mark);
        self.say_before(&connection);
        let session = &connection.session;
        let is_silent = session.has(Attention::Silent) || session.has(Attention::Skip);
        let number = connection.pipeline.borrow_mut().wait();
        connection.block(None);
        connection.count_as_blocked();
        session.client.set_idle(true);
        self.intake.counters().command(row.verb).called(0);
        let id = session.client.id;
        if connection.has_hung_up.get() {
            connection.end();
        }
        self.idle.add(id, IdleClient { connection, number, until_ms, reply, is_silent });
    }

    /// Answers those who have waited long enough, or as somebody has told them to.
    pub(super) fn end_idle(&mut self) {
        for (id, answer) in self.intake.unblocked.take() {
            self.end_idle_client(id, answer);
        }
        while let Some(id) = self.idle.overdue(self.now_ms) {
            self.end_idle_client(id, Unblock::Timeout);
        }
    }

    pub(super) fn end_idle_client(&mut self, id: u64, answer: Unblock) {
        let Some(IdleClient { connection, number, mut reply, is_silent, .. }) = self.idle.remove(id) else {
            return;
        };
        if answer == Unblock::Error {
            reply.clear();
            Reply::new(&mut reply, connection.session.dialect()).error(UNBLOCKED);
        }
        if is_silent {
            reply.clear();
        }
        connection.session.client.set_idle(false);
        connection.unblock();
        self.later.deliver(&connection, number, &reply, 1);
    }
}
