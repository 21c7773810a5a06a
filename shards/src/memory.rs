//! How much memory is used, exactly enough to keep below `maxmemory`.
//!
//! jemalloc's own figure is right but costs microseconds, so it is read some times a second. In between,
//! what each worker's thread has allocated and freed since then is added.

use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use crate::allocator::{self, MemoryFigures};

/// Used bytes, shared by all workers.
pub(crate) struct Memory {
    /// The allocator's figure at the last refresh, less the workers' counters then.
    base: AtomicI64,
    peak: AtomicI64,
    /// What each worker's thread has allocated and not freed.
    workers: Box<[Counter]>,
}

/// A counter in cache lines of its own.
#[repr(align(128))]
#[derive(Default)]
struct Counter(AtomicI64);

impl Memory {
    /// For `workers` workers.
    pub(crate) fn new(workers: usize) -> Self {
        let workers = (0..workers.max(1)).map(|_| Counter::default()).collect();
        let memory = Self { base: AtomicI64::new(0), peak: AtomicI64::new(0), workers };
        memory.refresh();
        memory
    }

    /// Worker `index` begins on a thread that has allocated and not freed `net` bytes so far. They are in
    /// the allocator's figure already.
    pub(crate) fn begin(&self, index: usize, net: i64) {
        let counter = &self.workers[index % self.workers.len()].0;
        self.base.fetch_sub(net - counter.swap(net, Relaxed), Relaxed);
    }

    /// Says what the thread of worker `index` has allocated and not freed so far.
    #[inline]
    pub(crate) fn publish(&self, index: usize, net: i64) {
        self.workers[index % self.workers.len()].0.store(net, Relaxed);
    }

    /// Bytes in use.
    #[inline]
    pub(crate) fn used(&self) -> u64 {
        (self.base.load(Relaxed) + self.by_workers()).max(0) as u64
    }

    /// Most bytes in use at any refresh.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Relaxed) as u64
    }

    /// Asks the allocator.
    pub(crate) fn refresh(&self) -> MemoryFigures {
        let figures = allocator::figures();
        let allocated = figures.allocated as i64;
        self.base.store(allocated - self.by_workers(), Relaxed);
        self.peak.fetch_max(allocated, Relaxed);
        figures
    }

    fn by_workers(&self) -> i64 {
        self.workers.iter().map(|counter| counter.0.load(Relaxed)).sum()
    }
}
