//! What is counted of the links to one shard. Each worker has its own page, so that counting is not shared.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::ShardReport;
use crate::counters::Counter;

/// Times in a [`Page::latency`]: up to 2^31 µs.
const LATENCY_BUCKETS: usize = 32;

/// What one worker counts of its link to one shard.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) requests: Counter,
    pub(super) batches: Counter,
    pub(super) bytes_out: Counter,
    pub(super) bytes_in: Counter,
    pub(super) held: Counter,
    pub(super) retried: Counter,
    pub(super) in_doubt: Counter,
    pub(super) refused: Counter,
    pub(super) connects: Counter,
    latency_us: Counter,
    latency: [Counter; LATENCY_BUCKETS],
    /// As they stand now.
    pub(super) waiting: AtomicU64,
    pub(super) waiting_bytes: AtomicU64,
    pub(super) up: AtomicU64,
    pub(super) reason: Mutex<String>,
}

impl Page {
    /// So many requests have been answered, after so long.
    #[inline]
    pub(super) fn answered_after(&self, nanos: u64, requests: u64) {
        let micros = nanos / 1000;
        self.latency_us.add(micros * requests);
        let bucket = (u64::BITS - micros.leading_zeros()) as usize;
        self.latency[bucket.min(LATENCY_BUCKETS - 1)].add(requests);
    }

    /// Adds this page to what is told of the shard.
    pub(super) fn add_to(&self, report: &mut ShardReport) {
        let counters = [
            (&self.requests, &mut report.requests),
            (&self.batches, &mut report.batches),
            (&self.bytes_out, &mut report.bytes_out),
            (&self.bytes_in, &mut report.bytes_in),
            (&self.held, &mut report.held),
            (&self.retried, &mut report.retried),
            (&self.in_doubt, &mut report.in_doubt),
            (&self.refused, &mut report.refused),
            (&self.connects, &mut report.connects),
            (&self.latency_us, &mut report.latency_us),
        ];
        for (counter, sum) in counters {
            *sum += counter.get();
        }
        for (bucket, sum) in self.latency.iter().zip(&mut report.latency) {
            *sum += bucket.get();
        }
        report.links += 1;
        report.links_up += self.up.load(Relaxed);
        report.waiting += self.waiting.load(Relaxed);
        report.waiting_bytes += self.waiting_bytes.load(Relaxed);
        if report.reason.is_empty() {
            report.reason.clone_from(&self.reason.lock());
        }
    }
}
