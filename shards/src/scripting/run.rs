//! A script that runs: what it asks of the store, and the locks for that.
//!
//! It begins with the partitions of the keys it is given. In a script that has shown often enough that it uses no others,
//! that is all. For any other somebody has to be able to lock more in the middle of it. One script at a time may, the
//! wanderer ([`crate::partition::Wanderer`]): it waits for locks while it holds some, and no other that waits does.
//! Who has changed nothing yet can always give everything back and begin again, and so
//!
//! * a script of which little is known becomes the wanderer before it changes anything, or begins again until it can;
//! * one that is known to wander begins as the wanderer;
//! * one that was trusted, and after a change asks for another key, waits a while for the wanderer to end. If that takes too
//!   long, most likely because the wanderer waits for what this one holds, its command fails with an error. So it is with
//!   one in a transaction, which is the wanderer from its beginning unless all its scripts are trusted.
//!
//! Who has everything locked has nothing of this to do: the only worker of a store, unless something is executed apart.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_protocols::data::{Aside, Context, Outcome, Worker as _};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::settings::Key;
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::streams::Streams;
use tidegate_protocols::table::{Flags, Route, Unresolved, help, resolve};
use tidegate_protocols::{Args, Dialect, Error, Reply, Request, Row, Span, Verb, Words};

use super::known::Habit;
use crate::db::{Db, FirstKey};
use crate::diary;
use crate::execute::execute;
use crate::lua::{Called, Flags as ScriptFlags, Host};
use crate::partition_set::PartitionSet;
use crate::worker::StoreWorker;

/// How long a script that was trusted waits for its turn to lock what it was not given.
const WANDERER_PATIENCE: Duration = Duration::from_secs(1);

const UNKNOWN: Error = Error::Text("ERR Unknown Redis command called from script");
const ARITY: Error = Error::Text("ERR Wrong number of args calling Redis command from script");
const NOT_IN_SCRIPTS: Error = Error::Text("ERR This Redis command is not allowed from script");
const READ_ONLY: Error = Error::Text("ERR Write commands are not allowed from read-only scripts.");
const ELSEWHERE: Error = Error::Text("ERR Script attempted to access a non local key in a cluster node");
const OTHER_SLOT: Error =
    Error::Text("ERR Script attempted to access keys that do not hash to the same slot");
const IN_THE_WAY: Error =
    Error::Text("ERR Script asks for a key it was not given, which another such script holds");

/// Why a command cannot have the locks it needs.
enum Hindrance {
    /// It is answered with this error.
    Refused(Error),
    /// The script is to begin again, as the wanderer.
    BeginsAgain,
    /// The script has been ended while it waited, or has waited for long where it holds others up.
    Ended,
}

/// What a script may do.
#[derive(Clone, Copy)]
pub(super) struct May {
    /// Change something.
    pub(super) write: bool,
    /// Take memory where it is full.
    pub(super) exceed_memory: bool,
    /// Use keys of several slots, where clients see a cluster.
    pub(super) cross_slots: bool,
}

impl May {
    /// As the flags of a script say, and whether the command that runs it may only read.
    pub(super) fn as_said(flags: ScriptFlags, is_reader: bool) -> Self {
        Self {
            write: !is_reader && !flags.has(ScriptFlags::NO_WRITES),
            exceed_memory: flags.has(ScriptFlags::ALLOW_OOM),
            cross_slots: flags.has(ScriptFlags::COMPATIBLE) || flags.has(ScriptFlags::ALLOW_CROSS_SLOT_KEYS),
        }
    }
}

/// A script that runs.
pub(super) struct Run<'a> {
    /// The request it runs for.
    pub(super) args: &'a Args<'a>,
    /// It has not ended at once.
    pub(super) goes_on: Cell<bool>,
    pub(super) worker: &'a mut StoreWorker,
    pub(super) aside: &'a mut dyn Aside,
    pub(super) context: Context,
    pub(super) may: May,
    pub(super) habit: Habit,
    /// Memory was full when it began.
    pub(super) is_full: bool,
    /// It began within a transaction, which has locked its keys, and cannot begin again alone.
    pub(super) is_within: bool,
    pub(super) is_wanderer: bool,
    pub(super) has_written: bool,
    /// It has used keys it was not given.
    pub(super) wandered: bool,
    /// It is to begin again, as the wanderer.
    pub(super) begins_again: bool,
    /// Until when it may run on the thread of the worker that is asked, if it could go on elsewhere.
    pub(super) here_until: Option<Instant>,
    /// It has changed something, or told others something: it cannot begin again as if nothing had been.
    pub(super) has_acted: bool,
    /// It is to begin again, apart.
    pub(super) moves: bool,
    /// It cannot begin again any more, and who counts what it does knows that.
    pub(super) is_settled: bool,
    /// The slot of the keys it has used.
    pub(super) slot: Option<u16>,
    /// The request that is executed.
    pub(super) words: (Vec<u8>, Vec<Span>),
}

impl Run<'_> {
    /// The row of a request, if a script may ask for it.
    ///
    /// Source: Redis `script.c`, `scriptCall`, with what it calls in its order.
    fn allowed(&mut self, args: &Args<'_>) -> Result<&'static Row, (Option<&'static Row>, Error)> {
        let row = match resolve(args) {
            Ok(row) => row,
            Err(Unresolved::Arity(row)) => return Err((Some(row), ARITY)),
            Err(Unresolved::Command | Unresolved::Subcommand(_)) => return Err((None, UNKNOWN)),
        };
        let is_write = row.flags.has(Flags::WRITE);
        let is_denied = || {
            let may_debug = row.route == Route::Gateway && row.name.starts_with("DEBUG|");
            !may_debug || self.worker.local.shared.settings.is_on(Key::DenyInScripts)
        };
        let refused = if row.flags.has(Flags::NOSCRIPT) && is_denied() {
            NOT_IN_SCRIPTS
        } else if let Some(error) = self.aside.refusal(row, args) {
            error
        } else if !self.may.write && (is_write || row.flags.has(Flags::MAY_REPLICATE)) {
            READ_ONLY
        } else if let Some(error) = self.worker.disk_error().filter(|_| is_write) {
            error
        } else if is_write && self.worker.local.shared.settings.wants_replicas() {
            Error::NoReplicas
        } else if self.is_full
            && !self.may.exceed_memory
            && !self.has_written
            && row.flags.has(Flags::DENYOOM)
        {
            Error::OutOfMemory
        } else {
            return Ok(row);
        };
        Err((Some(row), refused))
    }

    /// Whether the keys of a request are here, and may be used together with those before.
    fn look_at_slots(&mut self, row: &Row, args: &Args<'_>) -> Result<(), Error> {
        if self.worker.local.own.is_none() && !self.context.in_cluster {
            return Ok(());
        }
        let mut first = None;
        for key in row.keys_of(args) {
            let slot = slot_of(args.at(key.index));
            let is_elsewhere = self.worker.local.own.as_ref().is_some_and(|own| !own.has(slot));
            if is_elsewhere || self.context.in_cluster && *first.get_or_insert(slot) != slot {
                return Err(ELSEWHERE);
            }
            if self.context.in_cluster && !self.may.cross_slots && *self.slot.get_or_insert(slot) != slot {
                return Err(OTHER_SLOT);
            }
        }
        Ok(())
    }

    /// What a request needs besides what is locked: the partitions of its keys, and of all that those need who wait for
    /// them. `None` if nothing.
    fn lacks(&mut self, row: &Row, args: &Args<'_>) -> Option<PartitionSet> {
        if self.worker.held.has_all() {
            return None;
        }
        let keyspace = Arc::clone(self.worker.held.keyspace());
        let is_about_all = row.route == Route::Every
            || row.needs_all_keys(args)
            || row.route == Route::Gateway && !row.flags.has(Flags::FAST);
        if is_about_all {
            return Some(PartitionSet::first(keyspace.partitions()));
        }
        if row.route == Route::Gateway {
            return None;
        }
        let mut set = keyspace.partitions_of_request(row, args);
        if keyspace.has_waiters() && row.flags.has(Flags::WRITE) && self.worker.held.set().covers(&set) {
            let keys: Vec<_> = row.keys_of(args).map(|key| args.at(key.index)).collect();
            set.add(&self.worker.needs_of_waiters(&keys));
        }
        (!self.worker.held.set().covers(&set)).then_some(set)
    }

    /// Locks what a request needs that is not locked.
    fn lock(&mut self, row: &Row, args: &Args<'_>) -> Result<(), Hindrance> {
        let changes = row.flags.0 & (Flags::WRITE.and(Flags::MAY_REPLICATE)).0 != 0;
        while let Some(set) = self.lacks(row, args) {
            self.wandered = true;
            self.become_wanderer()?;
            let (shared, index) = (Arc::clone(&self.worker.local.shared), self.worker.local.index);
            let running = &shared.scripting.running;
            let (moves, may_end) = (self.moves_when_late(), !self.has_written);
            if self.worker.held.extend(&set, || may_end && running.is_killed(index) || moves()).is_err() {
                self.moves = moves();
                return Err(Hindrance::Ended);
            }
            running.holds(index, self.worker.held.set());
        }
        if changes && self.habit == Habit::Unknown && !self.worker.held.has_all() {
            self.become_wanderer()?;
        }
        Ok(())
    }

    /// Whether it has been for too long where it holds others up. If so, nobody will know that it has run, but by what it has
    /// logged and what is counted.
    fn moves_when_late(&self) -> impl Fn() -> bool + use<> {
        let until = self.here_until.filter(|_| !self.has_acted);
        move || until.is_some_and(|until| Instant::now() > until)
    }

    /// Whether it can still come to that, or to begin again as the wanderer.
    fn may_begin_again(&self) -> bool {
        let may_move = self.here_until.is_some() && !self.has_acted;
        let may_wander = !self.is_wanderer && !self.has_written && !self.is_within;
        may_move || may_wander && !self.worker.held.has_all()
    }

    /// Gets the right to lock more.
    fn become_wanderer(&mut self) -> Result<(), Hindrance> {
        let wanderer = &self.worker.held.keyspace().wanderer;
        if self.is_wanderer || wanderer.take() {
            self.is_wanderer = true;
            return Ok(());
        }
        if !self.has_written && !self.is_within {
            self.begins_again = true;
            return Err(Hindrance::BeginsAgain);
        }
        let began = Instant::now();
        while began.elapsed() < WANDERER_PATIENCE {
            std::thread::sleep(Duration::from_micros(50));
            if wanderer.take() {
                self.is_wanderer = true;
                return Ok(());
            }
        }
        Err(Hindrance::Refused(IN_THE_WAY))
    }

    /// Executes a request that is allowed, its keys locked.
    fn execute(&mut self, request: &Request<'_>, out: &mut Vec<u8>) {
        let mark = out.len();
        self.has_acted |= request.row.may_write() || request.row.flags.has(Flags::ADMIN);
        let tells_counts = request.row.route == Route::Gateway && !request.row.flags.has(Flags::FAST);
        if !self.is_settled && (tells_counts || !self.may_begin_again()) {
            self.is_settled = true;
            self.aside.settle(true);
        }
        self.aside.begins(request, &self.context);
        let began = Instant::now();
        let mut reply = Reply::new(out, request.dialect);
        let outcome = if let Verb::Scripting(_) = request.row.verb {
            // The only ones that scripts may ask for.
            help(request.row, &mut reply);
            Outcome::Done
        } else if request.row.route == Route::Gateway {
            self.tell_events();
            if !request.row.flags.has(Flags::FAST) {
                self.worker.publish();
            }
            self.aside.execute(request, &mut self.context, &mut reply)
        } else {
            let worker = &mut *self.worker;
            let mut db = Db::new(&mut worker.held, &mut worker.local, &self.context, FirstKey::NONE);
            let outcome = execute(request, &mut db, &mut reply);
            // Nothing waits in a script.
            worker.local.wait = None;
            if self.context.tracker.client != 0 && request.row.flags.has(Flags::READONLY) {
                worker.remember(request, &self.context);
            }
            if diary::is_open() {
                worker.read_diary(Some(request), self.context.tracker);
            }
            outcome
        };
        self.aside.ends(request.row, outcome, began.elapsed().as_nanos() as u64, &out[mark..]);
    }

    /// Tells of what has happened to keys so far.
    pub(super) fn tell_events(&mut self) {
        if !self.worker.events.is_empty() {
            self.aside.tell(&std::mem::take(&mut self.worker.events));
        }
    }

    fn refuse(&mut self, row: Option<&'static Row>, error: &Error, out: &mut Vec<u8>) -> Called {
        let mark = out.len();
        Reply::new(out, Dialect::Resp2).refuse(error);
        self.aside.refused(row, &out[mark..]);
        Called::Done
    }

    fn call_words(&mut self, args: &Args<'_>, dialect: Dialect, out: &mut Vec<u8>) -> Called {
        let row = match self.allowed(args) {
            Ok(row) => row,
            Err((row, error)) => return self.refuse(row, &error, out),
        };
        match self.lock(row, args) {
            Ok(()) => {}
            Err(Hindrance::Refused(error)) => return self.refuse(Some(row), &error, out),
            Err(Hindrance::BeginsAgain) => return Called::Abort,
            Err(Hindrance::Ended) => return Called::Killed,
        }
        if row.flags.has(Flags::WRITE) && !self.has_written {
            self.has_written = true;
            self.worker.local.shared.scripting.running.writes(self.worker.local.index);
        }
        if let Err(error) = self.look_at_slots(row, args).and_then(|()| wants_not_to_wait(row, args)) {
            return self.refuse(Some(row), &error, out);
        }
        self.execute(&Request { row, dialect, args: *args, item: &Item::NONE }, out);
        Called::Done
    }
}

/// # Errors
/// Redis's text for `XREAD` and `XREADGROUP` that say how long they would wait.
///
/// Source: Redis `t_stream.c`, `xreadCommand`.
fn wants_not_to_wait(row: &Row, args: &Args<'_>) -> Result<(), Error> {
    if !matches!(row.verb, Verb::Streams(Streams::Xread | Streams::Xreadgroup)) {
        return Ok(());
    }
    let mut words = args.from(1).iter();
    while let Some(word) = words.next() {
        let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
        if is("BLOCK") && words.len() > 0 {
            return Err(Error::quoting(
                "ERR ",
                args.at(0),
                " command is not allowed with BLOCK option from scripts",
            ));
        } else if is("STREAMS") {
            break;
        }
        let values = if is("COUNT") {
            1
        } else if is("GROUP") {
            2
        } else {
            0
        };
        words.by_ref().take(values).for_each(drop);
    }
    Ok(())
}

impl Host for Run<'_> {
    fn call(&mut self, words: &[&[u8]], resp3: bool, out: &mut Vec<u8>) -> Called {
        let (mut bytes, mut spans) = std::mem::take(&mut self.words);
        bytes.clear();
        spans.clear();
        for word in words {
            spans.push(Span::new(bytes.len(), bytes.len() + word.len()));
            bytes.extend_from_slice(word);
        }
        let dialect = if resp3 { Dialect::Resp3 } else { Dialect::Resp2 };
        let called = self.call_words(&Args::new(&bytes, &spans), dialect, out);
        if bytes.capacity() <= KEPT_BYTES {
            self.words = (bytes, spans);
        }
        called
    }

    fn acl_check(&mut self, words: &[&[u8]]) -> Option<bool> {
        let words = Words::new(words);
        let row = match resolve(&words.args()) {
            Ok(row) | Err(Unresolved::Arity(row)) => row,
            Err(Unresolved::Command | Unresolved::Subcommand(_)) => return None,
        };
        Some(self.aside.allows(row, &words.args()))
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        self.aside.log(level, text);
    }

    fn is_killed(&mut self) -> bool {
        if !self.goes_on.replace(true) {
            self.worker.local.shared.scripting.running.goes_on(self.worker.local.index, self.args);
        }
        // Whoever asks for its end may not have seen that it has just written.
        if !self.has_written && self.worker.local.shared.scripting.running.is_killed(self.worker.local.index)
        {
            return true;
        }
        self.moves = self.moves_when_late()();
        self.moves
    }
}

/// What is kept of the place where requests are put together, from one to the next.
const KEPT_BYTES: usize = 64 << 10;
