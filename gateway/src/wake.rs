//! Waking tasks of the same thread, without the atomics of a wake across threads.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// Wakes one waiting task; a wake nobody waits for is kept for the next who does.
#[derive(Default)]
pub(crate) struct Wake {
    woken: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

impl Wake {
    /// Wakes the task, once.
    #[inline]
    pub(crate) fn wake(&self) {
        if !self.woken.replace(true)
            && let Some(waker) = self.waiting.take()
        {
            waker.wake();
        }
    }

    /// Forgets a wake that was kept.
    pub(crate) fn clear(&self) {
        self.woken.set(false);
    }

    /// Waits for a wake.
    pub(crate) async fn woken(&self) {
        poll_fn(|context| {
            if self.woken.replace(false) {
                return Poll::Ready(());
            }
            self.waiting.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// Wakes all tasks that wait; nothing is kept.
#[derive(Default)]
pub(crate) struct WakeAll {
    waiting: RefCell<Vec<Waker>>,
}

impl WakeAll {
    /// Has the task of `context` woken by the next [`WakeAll::wake`].
    pub(crate) fn register(&self, context: &Context<'_>) {
        self.waiting.borrow_mut().push(context.waker().clone());
    }

    #[inline]
    pub(crate) fn wake(&self) {
        for waker in self.waiting.borrow_mut().drain(..) {
            waker.wake();
        }
    }
}
