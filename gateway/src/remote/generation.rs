//! The generations of a process's links to one shard.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// Which of its links to one shard this process uses, whichever worker has them: those of the present generation.
///
/// A worker that gives up a link whose requests may still be executed goes on to the next before any client hears of
/// it. A client that has heard of it may come back by any other worker, and is not to be overtaken there by what it
/// sent before: so the others give their links up as well before they look at another request. See
/// [`crate::generations`] for the other end.
#[derive(Debug, Default)]
pub(super) struct Generation(AtomicU32);

impl Generation {
    /// The first is this one.
    pub(super) fn beginning_at(first: u32) -> Self {
        Self(AtomicU32::new(first))
    }

    /// The present one.
    #[inline]
    pub(super) fn now(&self) -> u32 {
        self.0.load(SeqCst)
    }

    /// A link of this generation is given up, and so are all others of it.
    pub(super) fn end(&self, generation: u32) {
        self.0.fetch_max(generation.saturating_add(1), SeqCst);
    }
}
