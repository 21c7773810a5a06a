//! Clients that wait for keys: `BLPOP` and its like.
//!
//! The store answers later what has to wait. Until it does, nothing else of the client is executed; it is only noticed
//! that it hangs up.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tidegate_protocols::data::{Outcome, Ticket, Unblock, Wakes, Worker};
use tidegate_protocols::{Dialect, Error, Reply, Request, Row};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::Tick;
use super::later::Special;
use crate::acl::refuse_waiting;
use crate::beside_scripts::asides;
use crate::commands::{self, Scope};
use crate::connection::Connection;
use crate::intake::Intake;
use crate::session::Attention;
use crate::shared::now_ms;
use crate::timing::Aside;

impl<W: Worker> Tick<W> {
    /// Tells the worker how to ask for a tick.
    pub(super) fn attach(&mut self) {
        let (afar, intake) = (Arc::new(Notify::new()), Rc::clone(&self.intake));
        let heard = Arc::clone(&afar);
        let of_heard = Rc::clone(&intake);
        spawn_local(async move {
            loop {
                heard.notified().await;
                of_heard.work.wake();
            }
        });
        self.data.run_scripts_beside(asides(&self.intake.shared));
        self.data.attach(Wakes {
            here: Rc::new(move || intake.work.wake()),
            anywhere: Arc::new(move || afar.notify_one()),
        });
    }

    /// Waits until there is something to do.
    pub(super) async fn wait_for_work(&self) {
        let work = self.intake.work.woken();
        match self.due_ms() {
            None => work.await,
            Some(due_ms) => {
                let time = Duration::from_millis(due_ms.saturating_sub(now_ms()));
                // Either is reason enough.
                let _ = timeout(time, work).await;
            }
        }
    }

    /// Whether the worker has something to give out.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.due_ms().is_some_and(|due_ms| due_ms == 0 || due_ms <= now_ms())
    }

    /// When there is something to do, even if nobody asks for a tick; 0 is now.
    #[inline]
    fn due_ms(&self) -> Option<u64> {
        if !self.intake.unblocked.borrow().is_empty() || self.has_held_back_to_try() {
            return Some(0);
        }
        match (self.data.due_ms(), self.idle.due_ms()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// What clients waited for that are gone is waited for no more.
    pub(super) fn call_off_abandoned(&mut self) {
        for id in self.intake.called_off.take() {
            let Some(connection) = self.intake.get(id) else { continue };
            if let Some(ticket) = connection.blocked.get() {
                self.data.call_off(ticket);
            }
            self.end_idle_client(id, Unblock::Timeout);
            if connection.session.made_by_gateway().is_some_and(|link| link.waiting.get() > 0) {
                for ticket in self.later.tickets_of(&connection) {
                    self.data.call_off(ticket);
                }
            }
        }
    }

    /// Ends the waiting of those who may not ask any more for what they wait for.
    #[cold]
    pub(super) fn refuse_waiting(&mut self) {
        let mut ignored = Vec::new();
        let shared = Arc::clone(&self.intake.shared);
        for id in refuse_waiting(&shared, self.now_ms) {
            // They are answered as by CLIENT UNBLOCK, unless what they waited for has come; how many did wait is of
            // no interest, whenever it is told.
            let _ = self.data.unblock(0, id, Unblock::Error, &mut Reply::new(&mut ignored, Dialect::Resp2));
        }
    }

    /// A request that a gateway has passed on waits for keys.
    #[cold]
    pub(super) fn await_keys_for(&mut self, connection: &Rc<Connection>, id: u32, ticket: Ticket, row: &Row) {
        let waiting = &connection.session.of_link().waiting;
        waiting.set(waiting.get() + 1);
        self.later.insert_passed_on(ticket, connection, id, row);
        if connection.has_hung_up.get() {
            connection.end();
        }
    }

    /// The request that is executed now takes long, and is executed apart.
    #[cold]
    pub(super) fn await_apart(&mut self, ticket: Ticket, row: &'static Row, special: Option<Special>) {
        self.await_answer(ticket, row, special);
        let connection = self.connection();
        connection.block(Some(ticket));
        if connection.has_hung_up.get() {
            connection.end();
        }
        self.later.blocks(ticket, None);
    }

    /// The request that is executed now waits for keys.
    #[cold]
    pub(super) fn await_keys(&mut self, ticket: Ticket, row: &'static Row, aside: Option<Aside>) {
        self.await_answer(ticket, row, None);
        let connection = self.connection();
        connection.block(Some(ticket));
        if !W::ANSWERS_LATER {
            // Elsewhere it is told when it has come there.
            connection.count_as_blocked();
        }
        if connection.has_hung_up.get() {
            connection.end();
        }
        self.later.blocks(ticket, aside);
    }
}

impl Connection {
    /// Nothing more is executed for the client until what it waits for is there.
    pub(super) fn block(&self, ticket: Option<Ticket>) {
        self.waits_for_room.set(false);
        self.session.put(Attention::Waits, true);
        self.blocked.set(ticket);
    }

    /// Others may see that it waits.
    pub(super) fn count_as_blocked(&self) {
        self.intake.shared.registry.set_blocked(&self.session.client, true);
    }

    /// What it waited for is there. Returns why it would have waited in vain, if it was found out that it would.
    pub(crate) fn unblock(&self) -> Option<Error> {
        self.blocked.set(None);
        self.intake.shared.registry.set_blocked(&self.session.client, false);
        self.clear();
        self.session.client.waiting.end()
    }

    /// Nobody is there any more to wait for anything.
    pub(crate) fn call_off(&self) {
        if self.waits_for_keys() {
            self.intake.call_off(self.session.client.id);
        }
    }

    /// Whether it, or a client it speaks for, waits for keys.
    fn waits_for_keys(&self) -> bool {
        self.blocked.get().is_some()
            || self.session.client.is_blocked()
            || self.session.made_by_gateway().is_some_and(|link| link.waiting.get() > 0)
    }

    /// Nothing more will be read from it: then nobody is there who could wait.
    pub(crate) fn hung_up(&self) {
        self.has_hung_up.set(true);
        if self.waits_for_keys() {
            self.end();
        }
    }
}

impl Intake {
    /// What a client waits for is waited for no more.
    fn call_off(&self, id: u64) {
        self.called_off.borrow_mut().push(id);
        self.work.wake();
    }
}

/// `CLIENT UNBLOCK`
pub(super) fn unblock<W: Worker>(
    request: &Request<'_>,
    scope: &Scope<'_>,
    data: &mut W,
    reply: &mut Reply<'_>,
) -> Outcome {
    if let Ok((id, answer)) = commands::whom_to_unblock(&request.args)
        && scope.shared.registry.unblock(id, answer)
    {
        reply.integer(1);
        return Outcome::Done;
    }
    unblock_elsewhere(request, data, reply)
}

/// The same for those who wait for keys.
pub(super) fn unblock_elsewhere<W: Worker>(
    request: &Request<'_>,
    data: &mut W,
    reply: &mut Reply<'_>,
) -> Outcome {
    match commands::whom_to_unblock(&request.args) {
        Ok((id, answer)) => data.unblock(0, id, answer, reply),
        Err(error) => {
            reply.refuse(&error);
            Outcome::Failed
        }
    }
}
