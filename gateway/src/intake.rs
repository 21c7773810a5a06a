//! Where the connections of one worker and its tick meet.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;

use tidegate_protocols::Error;
use tidegate_protocols::acl::Rules;
use tidegate_protocols::data::Unblock;
use tidegate_protocols::stale::Tracker;
use tidegate_protocols::transaction::Watches;

use crate::batch::Batch;
use crate::connection::Connection;
use crate::counters::WorkerCounters;
use crate::decoder::Family;
use crate::directions::{Astray, Directions};
use crate::gate::Gate;
use crate::pubsub::{Audience, Kind};
use crate::session::{Attention, Session};
use crate::shared::Shared;
use crate::wake::{Wake, WakeAll};

/// The batch being filled, the connections that fill it, and the wakes between them and the tick.
pub(crate) struct Intake {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    /// Whose keys requests are about, where that matters.
    pub(crate) directions: Option<Directions>,
    /// Decoded requests the tick has not taken yet. Not borrowed across awaits.
    pub(crate) filling: RefCell<Batch>,
    /// There is something for the tick.
    pub(crate) work: Wake,
    /// The tick has emptied the batch.
    pub(crate) room: WakeAll,
    /// The tick is between its first request and its last.
    pub(crate) ticking: Cell<bool>,
    /// Background work is due.
    pub(crate) maintenance_due: Cell<bool>,
    /// A connection is gone.
    pub(crate) gone: Wake,
    /// What connections that are gone had watched, with their numbers.
    pub(crate) abandoned: RefCell<Vec<(u64, Watches)>>,
    /// Who listens to what.
    pub(crate) audience: RefCell<Audience>,
    /// Clients that are gone while they waited for keys.
    pub(crate) called_off: RefCell<Vec<u64>>,
    /// Clients that wait for replicas no longer, and how they are told.
    pub(crate) unblocked: RefCell<Vec<(u64, Unblock)>>,
    /// Beginnings of keys that clients have begun to follow.
    pub(crate) followed: RefCell<Vec<Rc<[u8]>>>,
    /// The same that some follow no more.
    pub(crate) unfollowed: RefCell<Vec<Rc<[u8]>>>,
    /// Keys that have changed in this tick, and who was last to change each.
    pub(crate) changed: RefCell<BTreeMap<Box<[u8]>, Tracker>>,
    /// What may not be sent yet.
    pub(crate) gate: Gate,
    connections: RefCell<HashMap<u64, Weak<Connection>>>,
}

impl Intake {
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> Self {
        Self {
            directions: Directions::new(&shared),
            shared,
            index,
            filling: RefCell::new(Batch::new()),
            work: Wake::default(),
            room: WakeAll::default(),
            ticking: Cell::new(false),
            maintenance_due: Cell::new(false),
            gone: Wake::default(),
            abandoned: RefCell::default(),
            audience: RefCell::default(),
            called_off: RefCell::default(),
            unblocked: RefCell::default(),
            followed: RefCell::default(),
            unfollowed: RefCell::default(),
            changed: RefCell::default(),
            gate: Gate::default(),
            connections: RefCell::default(),
        }
    }

    #[inline]
    pub(crate) fn counters(&self) -> &WorkerCounters {
        self.shared.counters.worker(self.index)
    }

    /// Whether keys of which the first is in `slot`, and the others too if `is_one`, are for this node of a cluster.
    pub(crate) fn look_at(&self, slot: u16, is_one: bool) -> Result<(), Astray> {
        match &self.directions {
            Some(directions) => directions.known().look_at(slot, is_one),
            None if is_one => Ok(()),
            None => Err(Astray::Spread),
        }
    }

    /// What a client is told whose keys are not for this node of a cluster.
    pub(crate) fn error(&self, astray: Astray) -> Error {
        let endpoint = self.shared.settings.endpoint();
        self.directions
            .as_ref()
            .map_or(Error::CrossSlot, |directions| directions.known().error(astray, endpoint))
    }

    /// Waits until the batch has room for what one connection may read.
    pub(crate) async fn has_room(&self) {
        poll_fn(|context| {
            if self.filling.borrow_mut().has_room() {
                return Poll::Ready(());
            }
            self.room.register(context);
            Poll::Pending
        })
        .await;
    }

    /// Whether requests of `connection` may be on their way to be executed.
    pub(crate) fn is_busy_with(&self, connection: &Rc<Connection>) -> bool {
        self.ticking.get() || self.filling.borrow().has_any_of(connection)
    }

    pub(crate) fn add(&self, connection: &Rc<Connection>) {
        self.connections.borrow_mut().insert(connection.session.client.id, Rc::downgrade(connection));
    }

    /// A connection has ended, and with it what it watched.
    pub(crate) fn bury(&self, id: u64, watches: Watches) {
        self.abandon(id, watches);
        self.connections.borrow_mut().remove(&id);
        self.gone.wake();
    }

    /// Nobody watches these keys any more.
    pub(crate) fn abandon(&self, id: u64, watches: Watches) {
        if !watches.is_empty() {
            self.abandoned.borrow_mut().push((id, watches));
            self.work.wake();
        }
    }

    /// A client of this worker listens to something from now on.
    pub(crate) fn subscribe(&self, session: &Session, kind: Kind, name: &[u8]) {
        let mut subscriptions = session.subscriptions.borrow_mut();
        if subscriptions.has(kind, name) {
            return;
        }
        let Some(connection) = self.get(session.client.id) else { return };
        let name: Rc<[u8]> = name.into();
        let since = self.shared.pubsub.join(kind, &name, self.index);
        self.audience.borrow_mut().add(kind, &name, &connection, since);
        subscriptions.insert(kind, name);
        session.client.set_subscriptions(&subscriptions);
        // Answers and messages on a link are in no order.
        session.put(Attention::Listens, connection.family != Family::Link);
    }

    /// A client listens to something no more.
    pub(crate) fn unsubscribe(&self, session: &Session, kind: Kind, name: &[u8]) {
        let mut subscriptions = session.subscriptions.borrow_mut();
        if !subscriptions.remove(kind, name) {
            return;
        }
        self.shared.pubsub.leave(kind, name, self.index);
        self.audience.borrow_mut().remove(kind, name, session.client.id);
        session.client.set_subscriptions(&subscriptions);
        if subscriptions.is_empty() && !session.is_monitor.get() {
            session.put(Attention::Listens, false);
        }
    }

    /// A client of this worker watches all commands from now on.
    pub(crate) fn monitor(&self, session: &Session) {
        let Some(connection) = self.get(session.client.id) else { return };
        if !session.is_monitor.replace(true) {
            let since = self.shared.pubsub.join_monitors(self.index);
            self.audience.borrow_mut().add_monitor(&connection, since);
            session.client.set_monitor(true);
            session.put(Attention::Listens, true);
        }
    }

    /// A client listens to nothing any more.
    pub(crate) fn unsubscribe_from_all(&self, session: &Session) {
        let all = session.subscriptions.take();
        for kind in Kind::ALL {
            for name in all.of(kind) {
                self.shared.pubsub.leave(kind, name, self.index);
                self.audience.borrow_mut().remove(kind, name, session.client.id);
            }
        }
        if session.is_monitor.take() {
            self.shared.pubsub.leave_monitors(self.index);
            self.audience.borrow_mut().remove_monitor(session.client.id);
            session.client.set_monitor(false);
        }
        session.client.set_subscriptions(&session.subscriptions.borrow());
        session.put(Attention::Listens, false);
    }

    /// Users have changed: looks at what its clients may do now. Those that listen to what they may not since the
    /// change that it has looked at `before` are closed.
    #[cold]
    pub(crate) fn follow_users(&self, before: u64) {
        for connection in self.all().iter().filter(|connection| connection.family != Family::Link) {
            let (session, user) = (&connection.session, connection.session.client.user());
            session.put(Attention::Restricted, !user.is_free());
            if session.has(Attention::Listens) && user.is_narrowed_since(before) {
                let subscriptions = session.subscriptions.borrow();
                let is_allowed = |rules: &Rules| {
                    Kind::ALL.into_iter().all(|kind| {
                        subscriptions.of(kind).all(|name| rules.allows_channel(name, kind == Kind::Pattern))
                    })
                };
                if !user.with_rules(is_allowed) {
                    session.put(Attention::Closing, true);
                    self.shared.registry.kill(&session.client);
                }
            }
        }
    }

    /// How many connections have not ended.
    pub(crate) fn alive(&self) -> usize {
        self.connections.borrow().len()
    }

    pub(crate) fn get(&self, id: u64) -> Option<Rc<Connection>> {
        self.connections.borrow().get(&id)?.upgrade()
    }

    pub(crate) fn all(&self) -> Vec<Rc<Connection>> {
        self.connections.borrow().values().filter_map(Weak::upgrade).collect()
    }
}
