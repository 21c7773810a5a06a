//! What workers count: each for itself, published once a tick.

use std::ops::{Add, Sub};
use std::sync::Arc;

use parking_lot::Mutex;
use tidegate_protocols::data::MemcachedFigures;

/// The counts of one worker, or of all together.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Keys found by reads.
    pub(crate) hits: u64,
    /// Keys not found by reads.
    pub(crate) misses: u64,
    /// Keys removed because their time had come.
    pub(crate) expired: u64,
    /// Keys removed to make room.
    pub(crate) evicted: u64,
    /// Commands that have changed something.
    pub(crate) changes: u64,
    /// What memcached's `stats` counts.
    pub(crate) memcached: MemcachedFigures,
}

macro_rules! by_field {
    ($trait:ident $method:ident $($field:ident)* / $($memcached:ident)*) => {
        impl $trait for Counts {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Self {
                    $($field: self.$field.$method(other.$field),)*
                    memcached: MemcachedFigures {
                        $($memcached: self.memcached.$memcached.$method(other.memcached.$memcached),)*
                    },
                }
            }
        }
    };
}

macro_rules! by_all_fields {
    ($($trait:ident $method:ident),*) => {
        $(by_field! { $trait $method hits misses expired evicted changes / cmd_get cmd_set cmd_flush cmd_touch cmd_meta
            get_hits get_misses get_expired get_flushed delete_misses delete_hits incr_misses incr_hits
            decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses total_items store_too_large
            store_no_memory })*
    };
}

by_all_fields!(Add add, Sub sub);

/// The published counts of all workers.
#[derive(Default)]
pub(crate) struct Ledger {
    workers: Mutex<Vec<Arc<Mutex<Counts>>>>,
    /// What had been counted when the counters were last set back.
    forgotten: Mutex<Counts>,
}

impl Ledger {
    /// A page for one more worker.
    pub(crate) fn page(&self) -> Arc<Mutex<Counts>> {
        let page = Arc::default();
        self.workers.lock().push(Arc::clone(&page));
        page
    }

    /// Everything counted since the last [`Ledger::reset`].
    pub(crate) fn sum(&self) -> Counts {
        // Held while the sum is taken: what is forgotten later may be above it.
        let forgotten = self.forgotten.lock();
        self.all() - *forgotten
    }

    /// Counts from zero again, all but changes: those are what a snapshot would have to keep.
    pub(crate) fn reset(&self) {
        let mut forgotten = self.forgotten.lock();
        *forgotten = Counts { changes: 0, ..self.all() };
    }

    fn all(&self) -> Counts {
        self.workers.lock().iter().fold(Counts::default(), |sum, page| sum + *page.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_forgets_what_all_workers_had_counted() {
        let ledger = Ledger::default();
        let pages = [ledger.page(), ledger.page()];
        pages[0].lock().hits = 3;
        pages[1].lock().memcached.cmd_get = 2;
        assert_eq!((ledger.sum().hits, ledger.sum().memcached.cmd_get), (3, 2));
        pages[0].lock().changes = 5;
        ledger.reset();
        assert_eq!(ledger.sum().changes, 5);
        pages[1].lock().hits = 4;
        assert_eq!((ledger.sum().hits, ledger.sum().memcached.cmd_get), (4, 0));
    }
}
