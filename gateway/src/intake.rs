//! Where the connections of one worker and its tick meet.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;

use tidegate_protocols::Error;
use tidegate_protocols::transaction::Watches;

use crate::batch::Batch;
use crate::connection::Connection;
use crate::counters::WorkerCounters;
use crate::directions::{Astray, Directions};
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
