//! How long commands take, at the price of about one look at the clock per stretch.
//!
//! Commands that take constant or logarithmic time share the time of their stretch equally; the others are
//! timed one by one. If the slow log wants to know of commands faster than a millisecond, all are.
//!
//! A quick command can be slow all the same, with a very long value. It is timed where it is alone in its stretch,
//! is large itself or has a large reply; what others of its stretch took before it is nothing beside that. And when
//! those that share have taken longer together than one may alone, all are timed one by one for a while.

use std::iter;
use std::time::{Duration, Instant};

use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::table::Flags;
use tidegate_protocols::table::connection::Connection as Verbs;
use tidegate_protocols::table::link::Link;
use tidegate_protocols::table::server::Server;
use tidegate_protocols::table::users::Users;
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Request, Row, Verb, Words};

use crate::commands::Scope;
use crate::counters::WorkerCounters;
use crate::slow_log::{SlowEntry, trimmed};

/// Threshold of the slow log, in µs, below which a share of a stretch's time is not exact enough.
const EXACT_BELOW_US: i64 = 1000;

/// Bytes of a reply from which it takes so long to write that its request is timed by itself.
pub(crate) const LARGE_REPLY_BYTES: usize = 64 * 1024;

/// Stretches in which all are timed, after one that was slow and nobody knows why.
const WATCHFUL_STRETCHES: u32 = 1000;

/// Times the requests of one stretch after the other.
pub(crate) struct Stopwatch {
    began: Instant,
    /// The last look at the clock.
    looked: Instant,
    /// Whether the stretch is one request.
    alone: bool,
    /// Stretches in which all are timed from now on.
    watchful: u32,
    /// Part of the time since `began` that belongs to requests timed one by one.
    apart_nanos: u64,
    /// Who shares the time of the stretch: how many of a command one after the other.
    sharing: Vec<(Verb, u32)>,
    slower_than_us: i64,
    spike_ms: i64,
    /// How long the last request took that was slow.
    slow: Option<u64>,
}

impl Stopwatch {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            looked: now,
            alone: false,
            watchful: 0,
            apart_nanos: 0,
            sharing: Vec::new(),
            slower_than_us: -1,
            spike_ms: 0,
            slow: None,
        }
    }

    /// A stretch of so many requests begins.
    #[inline]
    pub(crate) fn start(&mut self, settings: &Settings, requests: usize) {
        self.alone = requests == 1;
        self.watchful = self.watchful.saturating_sub(1);
        self.look_at(settings);
        self.began = Instant::now();
        self.looked = self.began;
    }

    #[inline]
    fn look_at(&mut self, settings: &Settings) {
        self.slower_than_us = settings.number(Key::SlowlogLogSlowerThan);
        self.spike_ms = settings.number(Key::LatencyMonitorThreshold);
    }

    /// When a request began, if it is one that is timed by itself.
    #[inline]
    pub(crate) fn begin(&self, row: &Row) -> Option<Instant> {
        let quick = row.flags.has(Flags::FAST) || row.cost == "O(1)";
        let exact = (0..EXACT_BELOW_US).contains(&self.slower_than_us);
        if quick && !exact && self.watchful == 0 {
            return self.alone.then_some(self.began);
        }
        Some(Instant::now())
    }

    /// When a request began at the earliest that would share the time of its stretch, were it not large itself or
    /// had it not a reply of so many bytes.
    #[inline]
    pub(crate) fn suspect(&self, large: bool, reply_bytes: usize) -> Option<Instant> {
        (large || reply_bytes >= LARGE_REPLY_BYTES).then_some(self.looked)
    }

    /// So many requests have been executed that share the time of their stretch.
    #[inline]
    pub(crate) fn share(&mut self, row: &Row, requests: u32) {
        match self.sharing.last_mut() {
            Some((verb, count)) if *verb == row.verb => *count += requests,
            _ => self.sharing.push((row.verb, requests)),
        }
    }

    /// A request that is timed by itself has been executed.
    #[inline(never)]
    pub(crate) fn record(
        &mut self,
        began: Instant,
        request: &Request<'_>,
        scope: &Scope<'_>,
        counters: &WorkerCounters,
    ) {
        let mut nanos = began.elapsed().as_nanos() as u64;
        self.looked = began + Duration::from_nanos(nanos);
        self.apart_nanos += nanos;
        if request.row.verb == Verb::Server(Server::DebugSleep) {
            // It is held from now on, and has taken that long when it is answered.
            nanos += scope.session.held_until_ms().saturating_sub(scope.now_ms) * 1_000_000;
        }
        counters.command(request.row.verb).called(nanos);
        self.tell_slow(nanos, request, scope);
    }

    /// What the slow log is told of a request that waits, when it is answered; nothing if it took too little time until
    /// now.
    pub(crate) fn set_aside(&self, began: Option<Instant>, request: &Request<'_>) -> Option<Aside> {
        let nanos = began.map_or(0, |began| began.elapsed().as_nanos() as u64);
        let is_told = self.is_logged(nanos) && !request.row.flags.has(Flags::SKIP_SLOWLOG);
        is_told.then(|| Aside { nanos, arguments: loggable(request) })
    }

    /// A request that was set aside has been answered.
    #[cold]
    pub(crate) fn tell_of(aside: Aside, scope: &Scope<'_>) {
        log(aside.nanos / 1000, aside.arguments, scope);
    }

    /// Tells the slow log and the latency monitor of a request, if they want to know of it.
    fn tell_slow(&mut self, nanos: u64, request: &Request<'_>, scope: &Scope<'_>) {
        if !self.is_slow(nanos) {
            return;
        }
        self.slow = Some(nanos);
        let Scope { shared, now_ms, .. } = *scope;
        let ms = nanos / 1_000_000;
        if self.spike_ms > 0 && ms >= self.spike_ms as u64 {
            let fast = request.row.flags.has(Flags::FAST);
            shared.latency.record(if fast { "fast-command" } else { "command" }, now_ms / 1000, ms);
        }
        if self.is_logged(nanos) && !request.row.flags.has(Flags::SKIP_SLOWLOG) {
            log(nanos / 1000, loggable(request), scope);
        }
    }

    /// A request is answered elsewhere, where it was slow: it took `nanos`. It was sent in `frame`, after `index` others.
    #[cold]
    pub(crate) fn record_elsewhere(&mut self, nanos: u64, (frame, index): (&[u8], u8), scope: &Scope<'_>) {
        self.look_at(&scope.shared.settings);
        let mut requests = Requests::new(frame);
        for _ in 0..index {
            requests.next_request();
        }
        if let Some(request) = requests.next_request() {
            let words = said(&request);
            self.tell_slow(nanos, &Request { args: Words::new(&words).args(), ..request }, scope);
        } else if self.is_slow(nanos) {
            // Of which request it is nobody says, as for a transaction whose requests have been told of by themselves.
            self.slow = Some(nanos);
        }
    }

    /// How long the last request took, if it was slow; once.
    pub(crate) fn take_slow(&mut self) -> Option<u64> {
        self.slow.take()
    }

    /// The stretch has ended: everyone who shares gets the same.
    #[inline]
    pub(crate) fn stop(&mut self, counters: &WorkerCounters) {
        if !self.sharing.is_empty() {
            let nanos = self.began.elapsed().as_nanos() as u64;
            let shared = nanos.saturating_sub(self.apart_nanos);
            if self.is_slow(shared) {
                self.watchful = WATCHFUL_STRETCHES;
            }
            let share = shared / self.sharing.iter().map(|(_, count)| u64::from(*count)).sum::<u64>();
            for (verb, count) in self.sharing.drain(..) {
                counters.command(verb).called_often(share, u64::from(count));
            }
        }
        self.apart_nanos = 0;
    }

    /// Whether a single command that took so long would be told of.
    fn is_slow(&self, nanos: u64) -> bool {
        self.is_logged(nanos) || self.spike_ms > 0 && nanos / 1_000_000 >= self.spike_ms as u64
    }

    /// Whether the slow log wants to know of a command that took so long.
    fn is_logged(&self, nanos: u64) -> bool {
        self.slower_than_us >= 0 && nanos / 1000 >= self.slower_than_us as u64
    }
}

/// What is kept of a request that waits for the slow log.
pub(crate) struct Aside {
    nanos: u64,
    arguments: Vec<Box<[u8]>>,
}

/// Adds an entry to the slow log.
fn log(micros: u64, arguments: Vec<Box<[u8]>>, scope: &Scope<'_>) {
    let Scope { shared, now_ms, .. } = *scope;
    let entry = SlowEntry {
        id: 0,
        unix_s: now_ms / 1000,
        micros,
        arguments,
        address: scope.client().address.to_string(),
        name: scope.client().texts().name.into(),
    };
    shared.slow_log.record(entry, shared.settings.number(Key::SlowlogMaxLen) as usize);
}

/// What a client has said for `request` to be sent to a shard.
fn said<'a>(request: &'a Request<'a>) -> Vec<&'a [u8]> {
    match request.row.verb {
        // It names the client, who has named nobody.
        Verb::Link(Link::Watch) => iter::once(&b"WATCH"[..]).chain(request.args.iter().skip(2)).collect(),
        _ => request.args.iter().collect(),
    }
}

/// The arguments for the slow log, without passwords.
fn loggable(request: &Request<'_>) -> Vec<Box<[u8]>> {
    let mut arguments = trimmed(&request.args);
    for (at, argument) in arguments.iter_mut().enumerate() {
        if is_secret(request, at) {
            *argument = (*b"(redacted)").into();
        }
    }
    arguments
}

/// Whether an argument may be a password or the name that goes with it. Source: Redis
/// `redactClientCommandArgument` and who calls it.
pub(crate) fn is_secret(request: &Request<'_>, at: usize) -> bool {
    let follows =
        |by: usize, word: &str| at > by && request.args.at(at - by).eq_ignore_ascii_case(word.as_bytes());
    match request.row.verb {
        Verb::Connection(Verbs::Auth) | Verb::MemcachedServer(_) => at >= 1,
        Verb::Connection(Verbs::Hello) => follows(1, "AUTH") || follows(2, "AUTH"),
        Verb::Server(Server::ConfigSet) => at % 2 == 1 && follows(1, Key::RequirePass.row().name),
        Verb::Users(Users::Setuser) => at >= 2,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::memcached::Item;
    use tidegate_protocols::{Dialect, table};

    use super::*;
    use crate::counters::Counters;

    /// What the slow log keeps of a request.
    fn logged(line: &str) -> String {
        let words = Words::new(&line.split(' ').collect::<Vec<_>>());
        let args = words.args();
        let Ok(row) = table::resolve(&args) else { panic!("no such command: {line}") };
        let kept = loggable(&Request { row, dialect: Dialect::Resp2, args, item: &Item::NONE });
        String::from_utf8(kept.join(&b' ')).unwrap()
    }

    #[test]
    fn a_quick_command_is_timed_by_itself_where_it_may_be_slow() {
        let (settings, counters, mut watch) = (Settings::default(), Counters::new(1), Stopwatch::new());
        let Ok(get) = table::resolve(&Words::new(&["GET", "k"]).args()) else { panic!("it is there") };
        watch.start(&settings, 1);
        assert_eq!(watch.begin(get), Some(watch.began), "alone");
        watch.start(&settings, 2);
        assert_eq!(watch.begin(get), None);
        assert_eq!(watch.suspect(false, 100), None);
        assert_eq!(watch.suspect(false, 1_000_000), Some(watch.looked));
        assert_eq!(watch.suspect(true, 5), Some(watch.looked));
        watch.share(get, 1);
        watch.began -= Duration::from_millis(20);
        watch.stop(counters.worker(0));
        for _ in 1..WATCHFUL_STRETCHES {
            watch.start(&settings, 2);
            assert!(watch.begin(get).is_some(), "after a stretch of 20 ms");
        }
        watch.start(&settings, 2);
        assert_eq!(watch.begin(get), None);
    }

    #[test]
    fn what_a_shard_was_asked_is_told_as_the_client_has_said_it() {
        let words = Words::new(&[b"watch", &7_u64.to_le_bytes()[..], b"k", b"l"]);
        let (row, dialect) = (Link::Watch.row(), Dialect::Resp2);
        let request = Request { row, dialect, args: words.args(), item: &Item::NONE };
        assert_eq!(said(&request), [&b"WATCH"[..], b"k", b"l"]);
    }

    #[test]
    fn passwords_are_kept_out_of_the_slow_log_and_nothing_else() {
        for (line, kept) in [
            ("AUTH secret", "AUTH (redacted)"),
            ("AUTH default secret", "AUTH (redacted) (redacted)"),
            ("HELLO 2 SETNAME foo", "HELLO 2 SETNAME foo"),
            ("HELLO 3 auth default secret SETNAME foo", "HELLO 3 auth (redacted) (redacted) SETNAME foo"),
            ("CONFIG SET timeout 0", "CONFIG SET timeout 0"),
            ("CONFIG SET timeout 0 RequirePass secret", "CONFIG SET timeout 0 RequirePass (redacted)"),
        ] {
            assert_eq!(logged(line), kept);
        }
    }
}
