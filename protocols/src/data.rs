//! How a gateway reaches data, wherever it lives.
//!
//! The gateway's tick knows keys only through these traits. `tidegate-shards` implements them for keys in
//! this process. A link to a shard process implements the same: it sends in [`Worker::finish`] what
//! [`Worker::execute`] gathered.

use std::rc::Rc;
use std::time::Duration;

use crate::reply::Reply;
use crate::request::{Args, Request};
use crate::settings::Key;
use crate::slots::Slots;
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

    /// Called once, before everything else, on the thread and in the runtime of the worker. `wake` asks for a tick:
    /// there are answers to [`Worker::collect`].
    fn attach(&mut self, wake: Rc<dyn Fn()>) {
        let _ = wake;
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
    /// from now to [`Worker::leave`]; none is [`Outcome::Busy`] or refused for lack of memory. Unless this is
    /// [`Entered::Busy`], its keys are not watched any more.
    ///
    /// Where the data is elsewhere it is sent there as a whole, and this is [`Entered::Later`].
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

    /// Gives out the answers that have come since, to what was [`Outcome::Later`]. Called as a tick begins.
    fn collect(&mut self, answers: &mut Answers<'_>) {
        let _ = answers;
    }

    /// Background work of this worker's share of the data (expiry, eviction), for about `budget`.
    fn maintain(&mut self, now_ms: u64, budget: Duration);
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
    /// There will be no answer, whatever has come of it: this is an error instead.
    Broken(&'a [u8]),
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
    /// How long it took where it was executed, if that was long; else 0.
    pub slow_nanos: u64,
}

/// What [`Worker::collect`] gives answers to.
pub type Answers<'a> = dyn FnMut(&Answered<'_>) + 'a;

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
    /// The client's number, unique in this process.
    pub client_id: u64,
    /// The selected logical database.
    pub database: u8,
    /// `CLIENT NO-TOUCH ON`: reads leave no trace in LRU and LFU.
    pub no_touch: bool,
    /// The client sees a cluster, which has one database.
    pub in_cluster: bool,
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
    /// Keys flushed whose memory is still to be freed.
    pub lazyfree_pending: u64,
    /// Keys whose memory was freed after their flush had been answered.
    pub lazyfreed: u64,
    /// Counters of the Memcached family, for `stats`.
    pub memcached: MemcachedFigures,
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
