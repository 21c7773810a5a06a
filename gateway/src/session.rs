//! What the gateway remembers of a client between requests; only its own worker touches it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use tidegate_protocols::Dialect;
use tidegate_protocols::data::Context;
use tidegate_protocols::stale::Tracker;
use tidegate_protocols::transaction::Watches;

use crate::acl::User;
use crate::decoder::Family;
use crate::of_link::OfLink;
use crate::pubsub::Subscriptions;
use crate::queue::Queue;
use crate::registry::Client;
use crate::tracking::Tracking;

/// The state of one client.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Arc<Client>,
    /// Whether a password was set when it connected.
    pub(crate) guarded: bool,
    id: u64,
    database: Cell<u8>,
    no_touch: Cell<bool>,
    in_cluster: bool,
    /// It is told of what the next request reads, and has made what it changes.
    is_tracker: Cell<bool>,
    dialect: Cell<Dialect>,
    attention: Cell<u16>,
    held_until_ms: Cell<u64>,
    /// What is queued since `MULTI`; none in the ordinary case.
    queue: RefCell<Option<Box<Queue>>>,
    /// Keys it watches.
    pub(crate) watches: RefCell<Watches>,
    /// It watches all commands (`MONITOR`).
    pub(crate) is_monitor: Cell<bool>,
    /// What it listens to.
    pub(crate) subscriptions: RefCell<Subscriptions>,
    /// What it has asked to be told of keys; most have not.
    pub(crate) tracking: RefCell<Option<Box<Tracking>>>,
    /// If a gateway has made the connection.
    of_link: Option<Box<OfLink>>,
}

/// Why requests of a client need a closer look before they are executed; none is the ordinary case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attention {
    /// It has not proved who it is.
    Anonymous = 1,
    /// `CLIENT REPLY OFF`.
    Silent = 2,
    /// `CLIENT REPLY SKIP` was the last command: the next one is not answered.
    SkipNext = 4,
    /// The reply to this command is skipped.
    Skip = 8,
    /// It is closed as soon as its output is written; what it has sent after that is not looked at.
    Closing = 16,
    /// Its replies and further requests are held back until a certain time.
    Held = 32,
    /// Requests of it wait in its backlog; later ones wait behind them.
    Parked = 64,
    /// Its requests are queued since `MULTI`.
    Queueing = 128,
    /// Its requests wait until answers to those before them have come.
    Waits = 256,
    /// It listens to something: messages may have to go before its replies.
    Listens = 512,
    /// Its user may not do everything.
    Restricted = 1024,
    /// It keeps what it reads, and is told when that is stale.
    Tracks = 2048,
}

impl Session {
    /// What is kept of the connection if a gateway has made it.
    pub(crate) fn made_by_gateway(&self) -> Option<&OfLink> {
        self.of_link.as_deref()
    }

    /// The same where it is known that one has.
    #[inline]
    pub(crate) fn of_link(&self) -> &OfLink {
        self.of_link.as_deref().unwrap_or_else(|| unreachable!("only a gateway says this"))
    }

    pub(crate) fn new(client: Arc<Client>, family: Family, anonymous: bool, in_cluster: bool) -> Self {
        let session = Self {
            id: client.id,
            client,
            guarded: anonymous,
            database: Cell::new(0),
            no_touch: Cell::new(false),
            in_cluster,
            is_tracker: Cell::new(false),
            dialect: Cell::new(family.dialect()),
            attention: Cell::new(0),
            held_until_ms: Cell::new(0),
            queue: RefCell::new(None),
            watches: RefCell::default(),
            is_monitor: Cell::new(false),
            subscriptions: RefCell::default(),
            tracking: RefCell::default(),
            of_link: (family == Family::Link).then(Box::default),
        };
        session.put(Attention::Anonymous, anonymous);
        session.put(Attention::Restricted, family != Family::Link && !session.client.user().is_free());
        session
    }

    /// It is this user from now on, who has said the password.
    pub(crate) fn become_user(&self, user: &User) {
        self.put(Attention::Anonymous, false);
        self.put(Attention::Restricted, !user.is_free());
    }

    #[inline]
    pub(crate) fn context(&self) -> Context {
        let tracker = Tracker { link: 0, client: if self.is_tracker.get() { self.id } else { 0 } };
        Context {
            client_id: self.id,
            tracker,
            database: self.database.get(),
            no_touch: self.no_touch.get(),
            in_cluster: self.in_cluster,
            may_wait: true,
            is_restricted: self.has(Attention::Restricted),
            ..Context::default()
        }
    }

    pub(crate) fn select(&self, database: u8) {
        self.database.set(database);
        self.client.set_database(database);
    }

    pub(crate) fn set_no_touch(&self, no_touch: bool) {
        self.no_touch.set(no_touch);
        self.client.set_no_touch(no_touch);
    }

    /// Says whether it is told of what the next request reads, and has made what it changes.
    pub(crate) fn set_tracker(&self, is_tracker: bool) {
        self.is_tracker.set(is_tracker);
    }

    /// The language replies are written in.
    #[inline]
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect.get()
    }

    pub(crate) fn set_dialect(&self, dialect: Dialect) {
        if self.dialect.replace(dialect) != dialect {
            self.client.set_dialect(dialect);
        }
    }

    /// Whether nothing needs attention.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.attention.get() == 0
    }

    #[inline]
    pub(crate) fn has(&self, attention: Attention) -> bool {
        self.attention.get() & attention as u16 != 0
    }

    /// Whether its next request may decide what the one after that is allowed.
    #[inline]
    pub(crate) fn may_log_in(&self) -> bool {
        self.guarded && self.has(Attention::Anonymous)
    }

    pub(crate) fn put(&self, attention: Attention, on: bool) {
        let others = self.attention.get() & !(attention as u16);
        self.attention.set(if on { others | attention as u16 } else { others });
    }

    /// Until when the output and the further requests of this client are held back, in Unix milliseconds.
    pub(crate) fn held_until_ms(&self) -> u64 {
        self.held_until_ms.get()
    }

    /// Holds back the output and the further requests of this client (`DEBUG SLEEP`).
    pub(crate) fn hold_until(&self, until_ms: u64) {
        self.held_until_ms.set(until_ms);
        self.put(Attention::Held, true);
    }

    /// Begins to queue requests.
    pub(crate) fn begin_queue(&self) {
        self.set_queue(Some(Box::default()));
    }

    /// Takes out what is queued, which goes on until [`Session::set_queue`] ends it.
    pub(crate) fn take_queue(&self) -> Option<Box<Queue>> {
        self.queue.take()
    }

    /// Puts the queue back, or ends queueing.
    pub(crate) fn set_queue(&self, queue: Option<Box<Queue>>) {
        self.put(Attention::Queueing, queue.is_some());
        self.client.set_queue(queue.as_deref());
        self.queue.replace(queue);
    }

    /// A look at what is queued.
    pub(crate) fn with_queue<T>(&self, look: impl FnOnce(&Queue) -> T) -> Option<T> {
        self.queue.borrow().as_deref().map(look)
    }

    /// Adds to what is queued, or spoils it.
    pub(crate) fn edit_queue(&self, edit: impl FnOnce(&mut Queue)) {
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            edit(queue);
            self.client.set_queue(Some(queue));
        }
    }

    /// Back to how it began (`RESET`).
    pub(crate) fn reset(&self, anonymous: bool, user: &Arc<User>) {
        self.client.set_user(Arc::clone(user));
        self.become_user(user);
        self.select(0);
        self.set_no_touch(false);
        self.client.set_no_evict(false);
        self.set_dialect(Dialect::Resp2);
        if !self.client.texts().name.is_empty() {
            self.client.edit_texts(|texts| texts.name = "".into());
        }
        self.put(Attention::Silent, false);
        self.put(Attention::SkipNext, false);
        self.put(Attention::Skip, false);
        self.put(Attention::Anonymous, anonymous);
    }
}
