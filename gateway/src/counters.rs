//! What the workers count, without sharing a cache line on the way.
//!
//! Every counter has one writer, its worker, so counting is a plain load and store; readers add the
//! workers up. Counters of commands never go back: `CONFIG RESETSTAT` remembers where they stood.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tidegate_protocols::limits::SCRIPT_THREADS;
use tidegate_protocols::table::{Flags, rows};
use tidegate_protocols::{Dialect, Verb};

/// Buckets of a latency histogram: bucket `n` counts durations below 2^n ns and not below 2^(n-1) ns;
/// the last one takes all that are longer, from 2^38 ns (275 s).
pub const LATENCY_BUCKETS: usize = 40;

/// Different error codes that are counted by name; the rest count as `other`. They come from our own
/// replies, so they are few, but for what `DEBUG ERROR` is told to say.
const ERROR_CODES_MAX: usize = 128;

/// Bytes of such a code.
const ERROR_CODE_BYTES_MAX: usize = 32;

/// A number that one thread counts up and all may read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Counts up. Only the owner calls this.
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// Counts down. Only the owner calls this.
    pub(crate) fn sub(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(count), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The languages bytes and commands are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2 and RESP3.
    Redis,
    /// Memcached classic and meta.
    MemcachedText,
    /// Memcached binary.
    MemcachedBinary,
    /// What gateways say to shards.
    Link,
}

impl Protocol {
    /// All of them, in the order of [`Totals::protocols`].
    pub const ALL: [Self; 4] = [Self::Redis, Self::MemcachedText, Self::MemcachedBinary, Self::Link];

    /// Name for a metrics label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::MemcachedText => "memcached_text",
            Self::MemcachedBinary => "memcached_binary",
            Self::Link => "link",
        }
    }
}

impl From<Dialect> for Protocol {
    #[inline]
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Resp2 | Dialect::Resp3 => Self::Redis,
            Dialect::MemcachedText | Dialect::MemcachedMeta => Self::MemcachedText,
            Dialect::MemcachedBinary => Self::MemcachedBinary,
        }
    }
}

/// What one worker counts.
#[derive(Debug)]
pub(crate) struct WorkerCounters {
    commands: Box<[CommandCounters]>,
    pub(crate) protocols: [ProtocolCounters; Protocol::ALL.len()],
    pub(crate) reads: Counter,
    pub(crate) writes: Counter,
    pub(crate) ticks: Counter,
    pub(crate) output_limit_disconnections: Counter,
    pub(crate) evicted_clients: Counter,
    pub(crate) moved: Counter,
    /// By code. Others lock it only to add up.
    errors: Mutex<BTreeMap<Box<str>, u64>>,
}

#[derive(Debug)]
pub(crate) struct CommandCounters {
    /// For want of memory it is refused before it is called. A script is called, and may fail for that.
    may_need_memory: bool,
    pub(crate) calls: Counter,
    pub(crate) nanos: Counter,
    pub(crate) rejected: Counter,
    pub(crate) failed: Counter,
    latency: [Counter; LATENCY_BUCKETS],
}

#[derive(Debug, Default)]
pub(crate) struct ProtocolCounters {
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) connections: Counter,
}

impl WorkerCounters {
    fn new() -> Self {
        Self {
            commands: rows().map(|row| CommandCounters::new(row.flags.has(Flags::DENYOOM))).collect(),
            protocols: Default::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            ticks: Counter::default(),
            output_limit_disconnections: Counter::default(),
            evicted_clients: Counter::default(),
            moved: Counter::default(),
            errors: Mutex::default(),
        }
    }

    #[inline]
    pub(crate) fn command(&self, verb: Verb) -> &CommandCounters {
        &self.commands[verb.index()]
    }

    /// That of the row with this number.
    #[inline]
    pub(crate) fn command_at(&self, index: u16) -> &CommandCounters {
        &self.commands[usize::from(index)]
    }

    /// Counts a command whose `reply` is an error. `false` if that was for want of memory: then it was rejected, and
    /// is no call. Source: Redis `server.c`, `processCommand`.
    pub(crate) fn failed(&self, command: &CommandCounters, reply: &[u8]) -> bool {
        let was_called = !(command.may_need_memory && reply.starts_with(b"-OOM "));
        if was_called { &command.failed } else { &command.rejected }.add(1);
        self.error(reply);
        was_called
    }

    /// Counts an error reply by its code.
    pub(crate) fn error(&self, reply: &[u8]) {
        let code = code_of(reply);
        let mut errors = self.errors.lock();
        let is_counted =
            errors.contains_key(code) || errors.len() < ERROR_CODES_MAX && code.len() <= ERROR_CODE_BYTES_MAX;
        let code = if is_counted { code } else { "other" };
        match errors.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                errors.insert(code.into(), 1);
            }
        }
    }

    /// Takes back that an error reply was counted: it is about to be counted once more, elsewhere.
    pub(crate) fn forget_error(&self, reply: &[u8]) {
        let mut errors = self.errors.lock();
        let code = code_of(reply);
        let code = if errors.contains_key(code) { code } else { "other" };
        if let Some(count) = errors.get_mut(code) {
            *count = count.saturating_sub(1);
        }
    }
}

impl CommandCounters {
    fn new(may_need_memory: bool) -> Self {
        Self {
            may_need_memory,
            calls: Counter::default(),
            nanos: Counter::default(),
            rejected: Counter::default(),
            failed: Counter::default(),
            latency: std::array::from_fn(|_| Counter::default()),
        }
    }

    /// One call that took `nanos`.
    #[inline]
    pub(crate) fn called(&self, nanos: u64) {
        self.called_often(nanos, 1);
    }

    /// So many calls that took `nanos` each.
    #[inline]
    pub(crate) fn called_often(&self, nanos: u64, calls: u64) {
        self.calls.add(calls);
        self.nanos.add(nanos * calls);
        self.latency[bucket_of(nanos)].add(calls);
    }
}

/// The first word of an error reply after the `-`.
fn code_of(reply: &[u8]) -> &str {
    let code = reply.strip_prefix(b"-").unwrap_or(reply);
    let end = code.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(code.len());
    std::str::from_utf8(&code[..end]).unwrap_or("ERR")
}

#[inline]
fn bucket_of(nanos: u64) -> usize {
    ((u64::BITS - nanos.leading_zeros()) as usize).min(LATENCY_BUCKETS - 1)
}

/// The counters of all workers and what is counted beside them.
#[derive(Debug)]
pub struct Counters {
    workers: Box<[WorkerCounters]>,
    /// Those of the threads that run scripts alone, made when they are needed.
    of_scripts: [OnceLock<WorkerCounters>; SCRIPT_THREADS],
    accepted: AtomicU64,
    refused: AtomicU64,
    baseline: Mutex<Totals>,
}

/// Sums over all workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// One for each row of `protocols::table::rows()`, in that order.
    pub commands: Vec<CommandTotals>,
    /// By protocol, in the order of [`Protocol::ALL`].
    pub protocols: [ProtocolTotals; Protocol::ALL.len()],
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused because there were too many, or by protected mode.
    pub refused: u64,
    /// Reads from sockets that brought something.
    pub reads: u64,
    /// Writes to sockets.
    pub writes: u64,
    /// Ticks of the workers.
    pub ticks: u64,
    /// Clients closed because too much output waited for them.
    pub output_limit_disconnections: u64,
    /// Clients closed because all together took too much memory.
    pub evicted_clients: u64,
    /// Requests of gateways for keys that are not here.
    pub moved: u64,
    /// Error replies by code (`WRONGTYPE`, `ERR`).
    pub errors: BTreeMap<Box<str>, u64>,
}

/// Sums of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandTotals {
    /// Times it was executed.
    pub calls: u64,
    /// Time that took, in ns.
    pub nanos: u64,
    /// Times it was refused before it was executed.
    pub rejected: u64,
    /// Times it answered an error.
    pub failed: u64,
    /// Calls by duration; see [`LATENCY_BUCKETS`]. Empty for a command never called.
    pub latency: Vec<u64>,
}

/// Sums of one protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProtocolTotals {
    /// Bytes read from sockets.
    pub bytes_in: u64,
    /// Bytes written to sockets.
    pub bytes_out: u64,
    /// Connections open now.
    pub connections: u64,
}

impl Totals {
    /// Commands executed.
    pub fn calls(&self) -> u64 {
        self.commands.iter().map(|command| command.calls).sum()
    }
}

impl Counters {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| WorkerCounters::new()).collect(),
            of_scripts: Default::default(),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            baseline: Mutex::default(),
        }
    }

    pub(crate) fn worker(&self, index: usize) -> &WorkerCounters {
        match self.workers.get(index) {
            Some(worker) => worker,
            None => self.of_scripts[index - self.workers.len()].get_or_init(WorkerCounters::new),
        }
    }

    pub(crate) fn accept(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// The sums since the process began.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals {
            commands: vec![CommandTotals::default(); rows().count()],
            accepted: self.accepted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            ..Totals::default()
        };
        for worker in self.workers.iter().chain(self.of_scripts.iter().filter_map(OnceLock::get)) {
            worker.add_to(&mut totals);
        }
        totals
    }

    /// The sums since the last [`Counters::reset`]; connections are those open now.
    pub fn since_reset(&self) -> Totals {
        // The baseline is held while the sums are taken: one that is newer than they are would be above them.
        let baseline = self.baseline.lock();
        let mut totals = self.totals();
        totals.subtract(&baseline);
        totals
    }

    /// Begins the count of [`Counters::since_reset`] anew.
    pub fn reset(&self) {
        let mut baseline = self.baseline.lock();
        *baseline = self.totals();
    }
}

impl WorkerCounters {
    fn add_to(&self, totals: &mut Totals) {
        for (sum, command) in totals.commands.iter_mut().zip(&self.commands) {
            let calls = command.calls.get();
            sum.calls += calls;
            sum.nanos += command.nanos.get();
            sum.rejected += command.rejected.get();
            sum.failed += command.failed.get();
            if calls > 0 {
                sum.latency.resize(LATENCY_BUCKETS, 0);
                for (sum, bucket) in sum.latency.iter_mut().zip(&command.latency) {
                    *sum += bucket.get();
                }
            }
        }
        for (sum, protocol) in totals.protocols.iter_mut().zip(&self.protocols) {
            sum.bytes_in += protocol.bytes_in.get();
            sum.bytes_out += protocol.bytes_out.get();
            sum.connections += protocol.connections.get();
        }
        totals.reads += self.reads.get();
        totals.writes += self.writes.get();
        totals.ticks += self.ticks.get();
        totals.output_limit_disconnections += self.output_limit_disconnections.get();
        totals.evicted_clients += self.evicted_clients.get();
        totals.moved += self.moved.get();
        for (code, count) in &*self.errors.lock() {
            *totals.errors.entry(code.clone()).or_default() += count;
        }
    }
}

impl Totals {
    fn subtract(&mut self, base: &Totals) {
        for (sum, base) in self.commands.iter_mut().zip(&base.commands) {
            sum.calls -= base.calls;
            sum.nanos -= base.nanos;
            sum.rejected -= base.rejected;
            sum.failed -= base.failed;
            for (sum, base) in sum.latency.iter_mut().zip(&base.latency) {
                *sum -= base;
            }
        }
        for (sum, base) in self.protocols.iter_mut().zip(&base.protocols) {
            sum.bytes_in -= base.bytes_in;
            sum.bytes_out -= base.bytes_out;
        }
        self.accepted -= base.accepted;
        self.refused -= base.refused;
        self.reads -= base.reads;
        self.writes -= base.writes;
        self.ticks -= base.ticks;
        self.output_limit_disconnections -= base.output_limit_disconnections;
        self.evicted_clients -= base.evicted_clients;
        self.moved -= base.moved;
        for (code, base) in &base.errors {
            if let Some(count) = self.errors.get_mut(code) {
                *count = count.saturating_sub(*base);
            }
        }
        self.errors.retain(|_, count| *count > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_begins_the_count_anew_and_keeps_the_totals() {
        let counters = Counters::new(2);
        let verb = rows().next().unwrap().verb;
        counters.worker(0).command(verb).called(3);
        counters.worker(1).command(verb).called(1000);
        counters.worker(0).error(b"-WRONGTYPE not that\r\n");
        counters.reset();
        counters.worker(1).command(verb).called(5);
        assert_eq!(counters.totals().commands[0].nanos, 1008);
        let since = counters.since_reset();
        assert_eq!((since.calls(), since.commands[0].nanos), (1, 5));
        assert_eq!(since.commands[0].latency.iter().sum::<u64>(), 1);
        assert!(since.errors.is_empty());
        counters.worker(1).error(b"-WRONGTYPE not that\r\n");
        assert_eq!(counters.totals().errors["WRONGTYPE"], 2);
        assert_eq!(counters.since_reset().errors["WRONGTYPE"], 1);
    }

    #[test]
    fn a_reset_between_the_sums_of_a_reader_leaves_nothing_below_zero() {
        let counters = Counters::new(1);
        let verb = rows().next().unwrap().verb;
        std::thread::scope(|scope| {
            let resets = scope.spawn(|| (0..2000).for_each(|_| counters.reset()));
            while !resets.is_finished() {
                counters.worker(0).command(verb).called(1);
                assert!(counters.since_reset().calls() < u64::MAX / 2);
            }
        });
    }
}
