//! What may not be sent before the log has got somewhere: replies to writes that the disk, or later a replica, has to have.
//!
//! When a tick ends, the store says whether what was executed has to wait, and for which position of the log. From then on
//! everything a worker sends stands in one queue, in its order, until the store has reached what each entry waits for:
//! so nothing overtakes anything, and a read of what is not kept yet waits as well, as in Redis, which answers nobody before
//! it has asked the disk. Where nothing has to wait this is a look at a flag.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use tidegate_protocols::link::LongAnswer;

use crate::connection::Connection;
use crate::pieces::Pieces;

/// See the module.
#[derive(Default)]
pub(crate) struct Gate {
    /// What is sent now waits for this position; `None` if it does not wait.
    position: Cell<Option<u64>>,
    held: RefCell<VecDeque<(u64, Rc<Connection>, Output)>>,
    /// The disk takes nothing, so what was executed has changed nothing: whoever has nothing waiting is answered meanwhile.
    lets_readers_by: Cell<bool>,
    /// Whether it is given out what was held: that is sent as ever.
    is_opening: Cell<bool>,
}

/// What waits.
pub(crate) enum Output {
    Bytes(Vec<u8>),
    Pieces(Pieces),
    Long(LongAnswer),
}

impl Output {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Pieces(pieces) => pieces.bytes(),
            Self::Long(answer) => answer.bytes(),
        }
    }
}

impl Gate {
    /// What is sent from now on waits for this.
    #[inline]
    pub(crate) fn wait_for(&self, position: Option<u64>) {
        if position.is_some() || self.position.get().is_some() {
            self.position.set(position.max(self.position.get()));
        }
    }

    /// Whether what is sent from now on tells of no change, because none was accepted.
    #[inline]
    pub(crate) fn let_readers_by(&self, yes: bool) {
        self.lets_readers_by.set(yes);
    }

    /// Whether something may have to wait.
    #[inline]
    fn is_closed(&self) -> bool {
        self.position.get().is_some() && !self.is_opening.get()
    }

    /// Whether what is sent to a client has to wait.
    #[inline]
    pub(crate) fn holds(&self, connection: &Connection) -> bool {
        self.is_closed() && (!self.lets_readers_by.get() || connection.gated_bytes.get() > 0)
    }

    /// Has output wait. It is closed.
    pub(crate) fn hold(&self, connection: &Rc<Connection>, output: Output) {
        let position = self.position.get().unwrap_or(0);
        connection.gated_bytes.set(connection.gated_bytes.get() + output.bytes());
        self.held.borrow_mut().push_back((position, Rc::clone(connection), output));
    }

    /// Whether a part of the long answer to this request of a gateway waits here.
    pub(crate) fn has_long(&self, connection: &Rc<Connection>, id: u32) -> bool {
        let is_it = |output: &Output| matches!(output, Output::Long(answer) if answer.id() == id);
        connection.gated_bytes.get() > 0
            && self
                .held
                .borrow()
                .iter()
                .any(|(_, other, output)| Rc::ptr_eq(other, connection) && is_it(output))
    }

    /// The log has reached a position: what has waited for no more is sent.
    #[inline]
    pub(crate) fn has_reached(&self, reached: impl FnOnce() -> u64) {
        if self.is_closed() {
            self.open(reached());
        }
    }

    #[cold]
    fn open(&self, reached: u64) {
        if self.position.get().is_some_and(|position| position <= reached) {
            self.position.set(None);
        }
        self.is_opening.set(true);
        while let Some((_, connection, output)) =
            self.held.borrow_mut().pop_front_if(|(position, ..)| *position <= reached)
        {
            connection.gated_bytes.set(connection.gated_bytes.get() - output.bytes());
            match output {
                Output::Bytes(bytes) => connection.send(&bytes),
                Output::Pieces(pieces) => connection.send_pieces(pieces),
                Output::Long(answer) => connection.send_long(answer),
            }
            connection.settle();
            connection.relieved();
        }
        self.is_opening.set(false);
    }
}
