//! How a gateway reaches data, wherever it lives.
//!
//! The gateway's tick knows keys only through these traits. `tidegate-shards` implements them for keys in
//! this process. A link to a shard process implements the same: it sends in [`Worker::finish`] what
//! [`Worker::execute`] gathered.

use crate::Error;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::link::Said;
use crate::messages::{KeyEvent, Kind};
use crate::reply::Reply;
use crate::request::{Args, Request};
use crate::settings::Key;
use crate::slots::Slots;
use crate::stale::{Stale, Tracker};
use crate::table::Row;
use crate::transaction::{Entered, Transaction, Watches};

/// A store shared by the gateway's workers.
pub trait Data: Send + Sync + 'static {
    /// What one worker thread uses to reach the store.
    type Worker: Worker;

    /// The handle of worker `index` of `count`; made on the thread that uses it.
    fn worker(&self, index: usize, count: usize) -> Self::Worker;

    /// Figures for INFO, metrics and Memcached `stats`.
    fn figures(&self) -> Figures;

    /// Sets the figures that count events back to zero (`CONFIG RESETSTAT`, `stats reset`).
    fn reset_figures(&self);

    /// Saves everything, and returns when it is on the disk (`SHUTDOWN`).
    ///
    /// # Errors
    /// Why that cannot be, for people.
    fn save(&self) -> Result<(), String> {
        Ok(())
    }

    /// Gives memory that is not in use back to the system (`MEMORY PURGE`), where that is possible.
    fn purge(&self) {}

    /// What the allocator says of itself, for people (`MEMORY MALLOC-STATS`).
    fn allocator_report(&self) -> String {
        "Stats not supported for the current allocator".into()
    }
}

/// One worker's way to the data. Calls come in ticks: `begin`, then for each stretch of requests
/// `prepare` for each, `fetch` for all, `execute` for all in order, then `finish`.
pub trait Worker: 'static {
    /// Whether anything is ever [`Outcome::Later`]. Then nothing is prepared or fetched before it is executed.
    const ANSWERS_LATER: bool = false;

    /// Called once, before everything else, on the thread and in the runtime of the worker. `wakes` ask for a tick:
    /// there are answers to [`Worker::collect`].
    fn attach(&mut self, wakes: Wakes) {
        let _ = wakes;
    }

    /// From now on these slots are this shard's own, by the topology of this epoch. The keys of others stay where they
    /// are, but nobody is told of them or gets them. Without a call all slots are. Called between ticks.
    fn own(&mut self, epoch: u32, slots: &Slots) {
        let _ = (epoch, slots);
    }

    /// A tick begins; `now_ms` is the time, in Unix milliseconds, for everything in it.
    fn begin(&mut self, now_ms: u64);

    /// First look at a request: computes where its first key belongs, in the logical `database` that is selected. `slot`
    /// is what a gateway says of that key; it may be wrong.
    fn prepare(&mut self, row: &Row, args: &Args<'_>, database: u8, slot: Option<u16>) -> Prepared;

    /// Second look, at a whole stretch: starts all that its requests will read on its way into the cache.
    /// All together, because the processor overlaps only what lies close to each other in time.
    fn fetch(&mut self, prepared: &[Prepared]);

    /// Executes the request and writes its whole reply, or says why it cannot be done now.
    fn execute(
        &mut self,
        request: &Request<'_>,
        prepared: Prepared,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome;

    /// Has requests answered together with the one that was given this ticket last, behind it: they are of the same client
    /// and for the same command of one key, and nothing has come in between. Returns how many of them are, from the first
    /// on; the others, if any, have to be executed.
    fn join<'a>(
        &mut self,
        ticket: Ticket,
        row: &'static Row,
        requests: impl Iterator<Item = Args<'a>>,
    ) -> usize {
        let _ = (ticket, row, requests);
        0
    }

    /// Whether [`Worker::finish`] would send something elsewhere, but so little that each piece costs less if more goes
    /// with it.
    #[inline]
    fn sends_little(&self) -> bool {
        false
    }

    /// Says who answers, for scripts, what is not the store's. Called once, before any script runs.
    fn run_scripts_beside(&mut self, asides: Asides) {
        let _ = asides;
    }

    /// Makes a script known, if it is one.
    fn learn(&mut self, script: &[u8]) {
        let _ = script;
    }

    /// What clients are told, whatever they ask for, while a script has run for too long.
    fn overdue(&self) -> Option<Error> {
        None
    }

    /// The next request may run scripts for a client whose user may not do everything: what these rules, as `ACL LIST` tells
    /// them, allow.
    fn act_under(&mut self, client_id: u64, user: &[u8], rules: &[u8]) {
        let _ = (client_id, user, rules);
    }

    /// Makes the libraries of functions those of `payload`, if they have changed more often than those that are here. Adds
    /// to `out` how often these have changed (u64), and what they are if that is more often than `changes`.
    ///
    /// # Errors
    /// Why those given can be none here.
    fn exchange_libraries(&mut self, changes: u64, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let _ = (changes, payload, out);
        Ok(())
    }

    /// Whether a request may change data, or say what others have to hear; a script says of itself whether it may.
    fn writes(&self, request: &Request<'_>) -> bool {
        request.row.may_write()
    }

    /// Makes room, if memory is full, for what is not asked of the store itself. Returns whether there is some.
    fn make_room(&mut self) -> bool;

    /// Begins to watch keys and fills in their versions, for a client that watches `before` already. Writes the reply
    /// as [`Worker::execute`] does. Every call that has not failed is answered, in the end, by [`Worker::enter`] or
    /// [`Worker::unwatch`] with the same keys.
    fn watch(
        &mut self,
        watches: &mut Watches,
        before: &Watches,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome;

    /// Watches keys no more, all that the client of this number watches.
    fn unwatch(&mut self, client_id: u64, watches: &Watches);

    /// Begins a transaction if it may take place. If so, its requests, and no others, are prepared and executed
    /// from now to [`Worker::leave`]; none is refused for lack of memory. Unless this is
    /// [`Entered::Busy`] or [`Entered::Full`], its keys are not watched any more.
    ///
    /// If one of its requests is [`Outcome::Busy`], that is a script which takes long: nothing has been changed, and the
    /// transaction is to be left and to be entered again, when it will be executed on another thread.
    ///
    /// Where the data is elsewhere it is sent there as a whole, and this is [`Entered::Later`]; so it is if it takes long,
    /// and is executed on another thread.
    fn enter(&mut self, transaction: &Transaction<'_>) -> Entered;

    /// The transaction has ended.
    fn leave(&mut self);

    /// The tick ends: everything held is let go, and figures are up to date. Within a transaction only the latter.
    fn finish(&mut self);

    /// Does what concerns the stores of all shards, where there are any; `Done` if [`Data`] itself is to be asked.
    fn see_to(&mut self, chore: Chore<'_>) -> Outcome {
        let _ = chore;
        Outcome::Done
    }

    /// Gives out the answers that have come since, to what was [`Outcome::Later`]. Called as a tick begins, and when it
    /// is due.
    fn collect(&mut self, answers: &mut Answers<'_>) {
        let _ = answers;
    }

    /// When [`Worker::collect`] has something to do even if no tick is asked for, in Unix milliseconds; 0 is now.
    #[inline]
    fn due_ms(&self) -> Option<u64> {
        None
    }

    /// Nobody waits for the answer of a ticket any more, which is to be given all the same: whatever waits for keys
    /// waits no longer.
    fn call_off(&mut self, ticket: Ticket) {
        let _ = ticket;
    }

    /// Answers a request that waits for keys before they are there, and writes whether there was one: 1 or 0. Its client
    /// is the one of this number, of that gateway process (0 is this one).
    fn unblock(&mut self, gateway: u64, client_id: u64, answer: Unblock, reply: &mut Reply<'_>) -> Outcome {
        let _ = (gateway, client_id, answer);
        reply.integer(0);
        Outcome::Done
    }

    /// Has what is said elsewhere to these channels, or to those that match, come here: see [`Worker::hear`]. What is said
    /// after the answer does. `Done` if there is no elsewhere.
    fn listen(&mut self, kind: Kind, names: &Args<'_>) -> Outcome {
        let _ = (kind, names);
        Outcome::Done
    }

    /// Nobody here listens to this any more.
    fn unlisten(&mut self, kind: Kind, name: &[u8]) {
        let _ = (kind, name);
    }

    /// Has others hear what has been said here. Nothing is answered: this is `Done`, or [`Outcome::Full`], unless
    /// `at_once` it is to be said whatever waits.
    fn say(&mut self, said: &Said<'_>, at_once: bool) -> Outcome {
        let _ = (said, at_once);
        Outcome::Done
    }

    /// Gives out what has been said elsewhere since.
    fn hear(&mut self, hears: &mut Hears<'_>) {
        let _ = hears;
    }

    /// Whether there are events of keys to be told.
    #[inline]
    fn has_events(&self) -> bool {
        false
    }

    /// Takes the events of keys, in the order in which they have happened.
    fn take_events(&mut self) -> Vec<KeyEvent> {
        Vec::new()
    }

    /// Whether there are keys of which those have to be told who keep them for themselves.
    #[inline]
    fn has_stale(&self) -> bool {
        false
    }

    /// Takes them, in the order in which they have changed.
    fn take_stale(&mut self) -> Vec<Stale> {
        Vec::new()
    }

    /// Has every change of a key be told with [`Worker::take_stale`], whoever has read it, while `is_wanted` says so.
    /// What changes after this call is told. Within a transaction it is told from its end on.
    fn tell_changes(&mut self, is_wanted: &dyn Fn() -> bool) {
        let _ = is_wanted;
    }

    /// Has changes of keys that begin so come here, whoever has read them, of elsewhere: see [`Worker::take_stale`]. What
    /// changes after the answer does. `Done` if there is no elsewhere.
    fn follow(&mut self, prefixes: &[&[u8]]) -> Outcome {
        let _ = prefixes;
        Outcome::Done
    }

    /// Nobody here follows keys that begin so any more.
    fn unfollow(&mut self, prefix: &[u8]) {
        let _ = prefix;
    }

    /// The position of the log that has to be reached ([`Worker::reached`]) before replies to what has been executed may be
    /// sent; `None` if they may at once.
    #[inline]
    fn gate(&self) -> Option<u64> {
        None
    }

    /// The position up to which replies may be sent. A tick is asked for whenever it has grown.
    #[inline]
    fn reached(&self) -> u64 {
        u64::MAX
    }

    /// Why nothing may be changed, if so: it could not be written to disk.
    #[inline]
    fn disk_error(&self) -> Option<Error> {
        None
    }

    /// Background work of this worker's share of the data (expiry, eviction), for about `budget`.
    fn maintain(&mut self, now_ms: u64, budget: Duration);
}

/// Answers, for scripts, the commands that are not the store's, and is told of all that they execute. One for each thread
/// that runs scripts.
pub trait Aside {
    /// Executes a request of the route `Gateway`. Afterwards the context may say another database.
    fn execute(&mut self, request: &Request<'_>, context: &mut Context, reply: &mut Reply<'_>) -> Outcome;

    /// A script begins, for this client.
    fn begins_for(&mut self, context: &Context);

    /// Why the client may not make a request, if it may not. It is noted.
    fn refusal(&mut self, row: &'static Row, args: &Args<'_>) -> Option<Error>;

    /// Whether the client may make a request.
    fn allows(&mut self, row: &'static Row, args: &Args<'_>) -> bool;

    /// What is told of requests from now on, until it is settled, may never have been: the script may have to begin again.
    fn may_be_taken_back(&mut self);

    /// It has been, or it has not. What is told from now on has been.
    fn settle(&mut self, has_been: bool);

    /// A request is about to be executed.
    fn begins(&mut self, request: &Request<'_>, context: &Context);

    /// One has been executed: this is the reply, and how long it took.
    fn ends(&mut self, row: &'static Row, outcome: Outcome, nanos: u64, reply: &[u8]);

    /// One was not allowed, for this reason.
    fn refused(&mut self, row: Option<&'static Row>, reply: &[u8]);

    /// The script ends with the error of one of them, which whoever has asked for the script counts as well.
    fn relays(&mut self, reply: &[u8]);

    /// A transaction of this client begins that is executed on this thread.
    fn transaction_begins(&mut self, context: &Context);

    /// A request of it is about to be executed.
    fn step_begins(&mut self, request: &Request<'_>, context: &Context);

    /// Executes one of the route `Gateway` among them. `None` if it is about the client alone: the gateway executes it when
    /// it has the replies to the others.
    fn execute_step(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Option<Outcome>;

    /// One has been executed since then, with this reply; or will be by the gateway, if there is no outcome.
    fn step_ends(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        outcome: Option<Outcome>,
        began: Instant,
        reply: &[u8],
    );

    /// Keys have changed, and somebody wants to be told.
    fn tell(&mut self, events: &[KeyEvent]);

    /// Clients have read what has changed since.
    fn tell_stale(&mut self, stale: Vec<Stale>);

    /// A script says this for the log, at a level from 0 (of little interest) to 3 (a warning).
    fn log(&mut self, level: u8, text: &[u8]);
}

/// Makes them, on the thread that uses it: that of the worker of this number, or if it is beyond those, one for scripts
/// alone.
pub type Asides = Arc<dyn Fn(usize) -> Box<dyn Aside> + Send + Sync>;

/// The ways to ask for a tick.
#[derive(Clone)]
pub struct Wakes {
    /// From the worker's own thread.
    pub here: Rc<dyn Fn()>,
    /// From any thread.
    pub anywhere: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakes").finish_non_exhaustive()
    }
}

/// How a request that waits for keys is answered before they are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblock {
    /// As if its time were over.
    Timeout,
    /// With the error for that.
    Error,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The reply is written.
    Done,
    /// The reply is written and is an error (for `failed_calls`).
    Failed,
    /// Another worker holds what the request needs for longer than is worth spinning. Nothing is written;
    /// execute it again after letting other tasks run.
    Busy,
    /// Nothing is written; the answer comes with this ticket through [`Worker::collect`].
    Later(Ticket),
    /// Too much is on its way to where the request belongs. Nothing is written; execute it again when this ticket is
    /// answered with [`Piece::Clear`].
    Full(Ticket),
}

/// The number of a request whose answer comes later, and of no other until then. Numbers are small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u32);

/// An answer that has come, or a part of it, in the language of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The answer goes on.
    Part(&'a [u8]),
    /// This is the rest of it.
    Done(&'a [u8]),
    /// This is the rest of it, and it is an error.
    Failed(&'a [u8]),
    /// None yet: where its keys are, the request has begun to wait for them.
    Waits,
    /// The keys it has waited for are another shard's now. It has not been executed.
    Moved,
    /// There will be no answer, whatever has come of it: this is an error instead.
    Broken(&'a [u8]),
    /// Nothing of it yet. Of several requests with one ticket, one is answered with this error.
    Fault(&'a [u8]),
    /// Nothing of it yet. Where it was executed it took long: so many ns, the request of this place among those with the
    /// ticket.
    Slow(u64, u8),
    /// What was [`Outcome::Full`] may be tried again.
    Clear,
}

/// An answer as [`Worker::collect`] gives it out.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// What was given for the request.
    pub ticket: Ticket,
    /// What has come.
    pub piece: Piece<'a>,
    /// The request, as it was sent; empty if it is not known any more, or simply answered.
    pub frame: &'a [u8],
    /// How long it took, with the way there and back.
    pub nanos: u64,
}

/// What [`Worker::collect`] gives answers to.
pub type Answers<'a> = dyn FnMut(&Answered<'_>) + 'a;

/// What [`Worker::hear`] gives messages to.
pub type Hears<'a> = dyn FnMut(&Said<'_>) + 'a;

/// What concerns the stores of all shards.
#[derive(Clone, Copy, Debug)]
pub enum Chore<'a> {
    /// [`Data::figures`] is asked next and must be exact.
    Figures,
    /// See [`Data::reset_figures`].
    ResetFigures,
    /// See [`Data::purge`].
    Purge,
    /// These settings have changed.
    Configure(&'a [Key]),
}

/// What `prepare` found out about a request, kept with it until it executes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Hash of the first key.
    pub hash: u64,
    /// Slot of the first key.
    pub slot: u16,
    /// The logical database that was selected.
    pub database: u8,
    /// Whether the request has a key at all.
    pub keyed: bool,
}

/// What the store needs to know of the client that asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The gateway process that speaks for it; 0 is this one.
    pub gateway: u64,
    /// The client's number, unique in that process.
    pub client_id: u64,
    /// Who is told of keys that this request reads, and who has made the changes it makes.
    pub tracker: Tracker,
    /// It is a script that asks, for this client.
    pub in_script: bool,
    /// Its user may not do everything: so scripts that run for it may not, either.
    pub is_restricted: bool,
    /// The selected logical database.
    pub database: u8,
    /// `CLIENT NO-TOUCH ON`: reads leave no trace in LRU and LFU.
    pub no_touch: bool,
    /// The client sees a cluster, which has one database.
    pub in_cluster: bool,
    /// A request may wait for keys, with [`Outcome::Later`]. If not it says at once what it would say when its time is
    /// over.
    pub may_wait: bool,
}

/// Figures of a store.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Keys, keys with an expiry and their mean time to live in ms, per logical database.
    pub databases: [DatabaseFigures; crate::limits::DATABASES],
    /// Bytes the allocator has handed out.
    pub allocated_bytes: u64,
    /// Bytes of pages the allocator has handed-out memory in.
    pub active_bytes: u64,
    /// Bytes of physical memory the allocator holds.
    pub resident_bytes: u64,
    /// Most bytes ever handed out.
    pub allocated_bytes_peak: u64,
    /// Bytes of the tables themselves, without entries.
    pub table_bytes: u64,
    /// Keys found by reads.
    pub hits: u64,
    /// Keys not found by reads.
    pub misses: u64,
    /// Keys removed because their time had come.
    pub expired: u64,
    /// Keys removed to make room.
    pub evicted: u64,
    /// Commands that have changed something.
    pub changes: u64,
    /// Keys flushed whose memory is still to be freed.
    pub lazyfree_pending: u64,
    /// Keys whose memory was freed after their flush had been answered.
    pub lazyfreed: u64,
    /// Keys that somebody waits for.
    pub waited_for: u64,
    /// Those whose removal is waited for as well.
    pub waited_for_removal: u64,
    /// Keys of which somebody is told when they change, because he has read them.
    pub tracked_keys: u64,
    /// How many are told of these, all together.
    pub tracked_items: u64,
    /// Counters of the Memcached family, for `stats`.
    pub memcached: MemcachedFigures,
    /// What is known of scripts and functions.
    pub scripts: ScriptFigures,
    /// What is known of the append-only file.
    pub aof: AofFigures,
    /// What is known of saving and loading.
    pub persistence: PersistenceFigures,
}

/// See [`Figures::aof`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AofFigures {
    /// How many stores have one: 1 or 0 of one alone.
    pub open: u64,
    /// How many of them cannot be written to.
    pub failing: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Bytes of its base.
    pub base_bytes: u64,
    /// Bytes that wait to be written.
    pub waiting_bytes: u64,
}

/// See [`Figures::persistence`]. Times are Unix seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct PersistenceFigures {
    /// 1 while a file is loaded.
    pub loading: u64,
    /// When that began.
    pub loading_since_s: u64,
    /// Bytes of the file.
    pub loading_bytes: u64,
    /// Those that are loaded.
    pub loaded_bytes: u64,
    /// Bytes that were in use where it was written.
    pub loading_used_bytes: u64,
    /// Keys of the last file.
    pub loaded_keys: u64,
    /// Those that had expired.
    pub loaded_expired: u64,
    /// Changes since the data was saved last.
    pub changes_unsaved: u64,
    /// 1 while it is saved in the background.
    pub saving: u64,
    /// When that began.
    pub saving_since_s: u64,
    /// Keys that are saved so far.
    pub saving_keys: u64,
    /// Keys that are to be saved.
    pub saving_keys_all: u64,
    /// When it was saved last, or the server was started.
    pub last_save_s: u64,
    /// 1 if saving in the background has failed the last time.
    pub last_save_failed: u64,
    /// How long that took, and one second: 0 if there was none.
    pub last_save_seconds_and_one: u64,
    /// How often it was saved.
    pub saves: u64,
}

/// See [`Figures::scripts`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ScriptFigures {
    /// Scripts that are known.
    pub scripts: u64,
    /// Bytes of them.
    pub script_bytes: u64,
    /// Scripts that have made room for others.
    pub evicted: u64,
    /// Functions that can be called.
    pub functions: u64,
    /// Libraries that have them.
    pub libraries: u64,
    /// Bytes of these.
    pub function_bytes: u64,
    /// Bytes of what runs them.
    pub engine_bytes: u64,
}

/// See [`Figures::databases`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DatabaseFigures {
    /// Keys.
    pub keys: u64,
    /// Keys that will expire.
    pub expires: u64,
    /// Mean time to live of those, in ms; 0 if unknown.
    pub ttl_ms_mean: u64,
}

/// What memcached's `stats` counts beyond hits and misses of all reads.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the names are those of memcached's `stats`, documented in its protocol.txt")]
pub struct MemcachedFigures {
    pub cmd_get: u64,
    pub cmd_set: u64,
    pub cmd_flush: u64,
    pub cmd_touch: u64,
    pub cmd_meta: u64,
    pub get_hits: u64,
    pub get_misses: u64,
    pub get_expired: u64,
    pub get_flushed: u64,
    pub delete_misses: u64,
    pub delete_hits: u64,
    pub incr_misses: u64,
    pub incr_hits: u64,
    pub decr_misses: u64,
    pub decr_hits: u64,
    pub cas_misses: u64,
    pub cas_hits: u64,
    pub cas_badval: u64,
    pub touch_hits: u64,
    pub touch_misses: u64,
    pub total_items: u64,
    pub store_too_large: u64,
    pub store_no_memory: u64,
}
