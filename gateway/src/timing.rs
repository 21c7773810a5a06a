//! How long commands take, at the price of about one look at the clock per stretch.
//!
//! Commands that take constant or logarithmic time share the time of their stretch equally; the others are
//! timed one by one. If the slow log wants to know of commands faster than a millisecond, all are.

use std::time::Instant;

use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::table::Flags;
use tidegate_protocols::table::connection::Connection as Verbs;
use tidegate_protocols::table::server::Server;
use tidegate_protocols::{Request, Row, Verb};

use crate::commands::Scope;
use crate::counters::WorkerCounters;
use crate::slow_log::{SlowEntry, trimmed};

/// Threshold of the slow log, in µs, below which a share of a stretch's time is not exact enough.
const EXACT_BELOW_US: i64 = 1000;

/// Times the requests of one stretch after the other.
pub(crate) struct Stopwatch {
    began: Instant,
    /// Part of the time since `began` that belongs to requests timed one by one.
    apart_nanos: u64,
    sharing: Vec<Verb>,
    slower_than_us: i64,
    spike_ms: i64,
}

impl Stopwatch {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), apart_nanos: 0, sharing: Vec::new(), slower_than_us: -1, spike_ms: 0 }
    }

    /// A stretch begins.
    #[inline]
    pub(crate) fn start(&mut self, settings: &Settings) {
        self.slower_than_us = settings.number(Key::SlowlogLogSlowerThan);
        self.spike_ms = settings.number(Key::LatencyMonitorThreshold);
        self.began = Instant::now();
    }

    /// When a request began, if it is one that is timed by itself.
    #[inline]
    pub(crate) fn begin(&self, row: &Row) -> Option<Instant> {
        let quick = row.flags.has(Flags::FAST) || row.cost == "O(1)";
        let exact = (0..EXACT_BELOW_US).contains(&self.slower_than_us);
        if quick && !exact { None } else { Some(Instant::now()) }
    }

    /// A request has been executed that shares the time of its stretch.
    #[inline]
    pub(crate) fn share(&mut self, row: &Row) {
        self.sharing.push(row.verb);
    }

    /// A request that is timed by itself has been executed.
    #[cold]
    pub(crate) fn record(
        &mut self,
        began: Instant,
        request: &Request<'_>,
        scope: &Scope<'_>,
        counters: &WorkerCounters,
    ) {
        let Scope { shared, now_ms, .. } = *scope;
        let nanos = began.elapsed().as_nanos() as u64;
        self.apart_nanos += nanos;
        counters.command(request.row.verb).called(nanos);
        let (micros, ms) = (nanos / 1000, nanos / 1_000_000);
        if self.spike_ms > 0 && ms >= self.spike_ms as u64 {
            let fast = request.row.flags.has(Flags::FAST);
            shared.latency.record(if fast { "fast-command" } else { "command" }, now_ms / 1000, ms);
        }
        let logged = self.slower_than_us >= 0 && micros >= self.slower_than_us as u64;
        if logged && !request.row.flags.has(Flags::SKIP_SLOWLOG) {
            let entry = SlowEntry {
                id: 0,
                unix_s: now_ms / 1000,
                micros,
                arguments: loggable(request),
                address: scope.client().address.to_string(),
                name: scope.client().texts().name.into(),
            };
            shared.slow_log.record(entry, shared.settings.number(Key::SlowlogMaxLen) as usize);
        }
    }

    /// The stretch has ended: everyone who shares gets the same.
    #[inline]
    pub(crate) fn stop(&mut self, counters: &WorkerCounters) {
        if !self.sharing.is_empty() {
            let nanos = self.began.elapsed().as_nanos() as u64;
            let share = nanos.saturating_sub(self.apart_nanos) / self.sharing.len() as u64;
            for verb in self.sharing.drain(..) {
                counters.command(verb).called(share);
            }
        }
        self.apart_nanos = 0;
    }
}

/// The arguments for the slow log, without passwords.
fn loggable(request: &Request<'_>) -> Vec<Box<[u8]>> {
    let mut arguments = trimmed(&request.args);
    let secret = match request.row.verb {
        Verb::Connection(Verbs::Auth) | Verb::MemcachedServer(_) => 1,
        Verb::Connection(Verbs::Hello) => 2,
        Verb::Server(Server::ConfigSet) => 3,
        _ => return arguments,
    };
    for argument in arguments.iter_mut().skip(secret) {
        *argument = (*b"(redacted)").into();
    }
    arguments
}
