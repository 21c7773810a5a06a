//! What the gateway remembers of a client between requests; only its own worker touches it.

use std::cell::Cell;
use std::sync::Arc;

use tidegate_protocols::Dialect;
use tidegate_protocols::data::Context;

use crate::registry::Client;

/// The state of one client.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Arc<Client>,
    /// Whether a password was set when it connected.
    pub(crate) guarded: bool,
    context: Cell<Context>,
    dialect: Cell<Dialect>,
    attention: Cell<u8>,
    held_until_ms: Cell<u64>,
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
}

impl Session {
    pub(crate) fn new(client: Arc<Client>, dialect: Dialect, anonymous: bool) -> Self {
        let context = Context { client_id: client.id, ..Context::default() };
        let session = Self {
            client,
            guarded: anonymous,
            context: Cell::new(context),
            dialect: Cell::new(dialect),
            attention: Cell::new(0),
            held_until_ms: Cell::new(0),
        };
        session.put(Attention::Anonymous, anonymous);
        session
    }

    #[inline]
    pub(crate) fn context(&self) -> Context {
        self.context.get()
    }

    pub(crate) fn select(&self, database: u8) {
        self.context.set(Context { database, ..self.context.get() });
        self.client.set_database(database);
    }

    pub(crate) fn set_no_touch(&self, no_touch: bool) {
        self.context.set(Context { no_touch, ..self.context.get() });
        self.client.set_no_touch(no_touch);
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
        self.attention.get() & attention as u8 != 0
    }

    /// Whether its next request may decide what the one after that is allowed.
    #[inline]
    pub(crate) fn may_log_in(&self) -> bool {
        self.guarded && self.has(Attention::Anonymous)
    }

    pub(crate) fn put(&self, attention: Attention, on: bool) {
        let others = self.attention.get() & !(attention as u8);
        self.attention.set(if on { others | attention as u8 } else { others });
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

    /// Back to how it began (`RESET`).
    pub(crate) fn reset(&self, anonymous: bool) {
        self.select(0);
        self.set_no_touch(false);
        self.client.set_no_evict(false);
        self.set_dialect(Dialect::Resp2);
        self.client.edit_texts(|texts| texts.name = "".into());
        self.put(Attention::Silent, false);
        self.put(Attention::SkipNext, false);
        self.put(Attention::Skip, false);
        self.put(Attention::Anonymous, anonymous);
    }
}
