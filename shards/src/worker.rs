//! One worker's way to the store: finds, fetches, locks, executes.

mod locks;
mod transactions;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tidegate_protocols::data::{Answers, Asides, Context, Outcome, Prepared, Ticket, Unblock, Wakes, Worker};
use tidegate_protocols::limits::REPLY_BYTES_MAX;
use tidegate_protocols::messages::{Classes, KeyEvent};
use tidegate_protocols::settings::{Key, Policy, Settings};
use tidegate_protocols::slot::SLOTS;
use tidegate_protocols::stale::{Stale, Tracker};
use tidegate_protocols::table::{Flags, Route};
use tidegate_protocols::transaction::{Entered, Transaction, WatchedKey, Watches};
use tidegate_protocols::{Args, Error, Reply, Request, Row, Slots, Verb};

use self::transactions::Within;
use crate::allocator::ThreadCounter;
use crate::counts::Counts;
use crate::db::{Db, FirstKey};
use crate::diary;
use crate::evict::{self, Room};
use crate::execute::{execute, refuse};
use crate::held::Held;
use crate::log::effects::{self, Effects, Unit};
use crate::memcached;
use crate::partition::{Keyspace, Spot};
use crate::saving::Refusal;
use crate::scripting::{OwnScripts, Silent};
use crate::store::Shared;
use crate::sweep::Sweep;
use crate::table::{Root, prefetch_bucket, prefetch_entry};
use crate::waiting::{Delivery, End, OwnWaiting, Parked, Wait};
use crate::walk::{self, Free, Walk};
use crate::word::AccessClock;

/// After how many milliseconds it is looked again whether what is to be tried again can be, if nobody has said so.
const PARKED_LOOK_MS: u64 = 5;

/// What belongs to one worker alone.
pub(crate) struct Local {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    pub(crate) now_ms: u64,
    pub(crate) clock: AccessClock,
    pub(crate) counts: Counts,
    pub(crate) random: fastrand::Rng,
    /// Bytes from which a reply of many values is refused.
    pub(crate) reply_bytes_max: usize,
    /// Keys of the fullest partition this worker has sampled.
    pub(crate) partition_keys_max: u64,
    /// The slots whose keys may be told of; `None` is all.
    pub(crate) own: Option<Arc<Slots>>,
    /// What the command that is executed would wait for.
    pub(crate) wait: Option<Box<Wait>>,
    /// What it may do of what goes through many keys.
    pub(crate) walk: Walk,
    /// It executes what a log says: what others once did, whatever the time is now, and what would be refused otherwise.
    pub(crate) obeys: bool,
    /// Events of keys that somebody wants to be told.
    pub(crate) events_wanted: Classes,
    /// Why requests are not executed in this tick.
    refusal: Option<Refusal>,
    thread: ThreadCounter,
}

impl Local {
    /// Bytes in use, with all that this thread has done.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.publish_memory();
        self.shared.memory.used()
    }

    fn publish_memory(&self) {
        self.shared.memory.publish(self.index, self.thread.net());
    }
}

/// One worker's way to the store.
pub struct StoreWorker {
    pub(crate) held: Held,
    pub(crate) local: Local,
    pub(crate) waiting: OwnWaiting,
    /// Answers to requests that have waited, for the workers that asked.
    pub(crate) outgoing: Vec<(usize, Delivery)>,
    /// Events of keys that are to be told.
    pub(crate) events: Vec<KeyEvent>,
    /// What is to be told to clients that keep what they have read.
    pub(crate) stale: Vec<Stale>,
    pub(crate) scripts: OwnScripts,
    pub(crate) within: Within,
    /// Keys that clients watch no more, and that could not be forgotten yet.
    unwatched: Vec<WatchedKey>,
    wakes: Option<Wakes>,
    sweep: Sweep,
    page: Arc<Mutex<Counts>>,
}

impl StoreWorker {
    /// Worker `index` of `count`, on the thread that uses it.
    pub(crate) fn new(shared: Arc<Shared>, index: usize, count: usize) -> Self {
        let thread = ThreadCounter::new();
        shared.memory.begin(index, thread.net());
        Self {
            held: Held::new(Arc::clone(&shared.keyspace), index),
            waiting: OwnWaiting::default(),
            outgoing: Vec::new(),
            events: Vec::new(),
            stale: Vec::new(),
            scripts: OwnScripts::default(),
            within: Within::default(),
            unwatched: Vec::new(),
            wakes: None,
            sweep: Sweep::new(index, count, shared.keyspace.partitions()),
            page: shared.ledger.page(),
            local: Local {
                index,
                now_ms: 0,
                clock: AccessClock::new(0, &shared.settings),
                counts: Counts::default(),
                random: fastrand::Rng::new(),
                reply_bytes_max: REPLY_BYTES_MAX,
                partition_keys_max: 0,
                own: None,
                wait: None,
                walk: Walk::ToTheEnd,
                obeys: false,
                events_wanted: Classes::default(),
                refusal: None,
                thread,
                shared,
            },
        }
    }

    /// A worker that reads logs, before others use the store. To it no time is past: what has expired is deleted by the log.
    pub(crate) fn loading(shared: Arc<Shared>) -> Self {
        let index = shared.apart.first_index();
        let mut worker = Self::new(shared, index, 1);
        worker.scripts.run_beside(Arc::new(|_| Box::new(Silent)));
        worker.local.obeys = true;
        diary::keep_log(false);
        worker.local.clock = AccessClock::new(now_ms(), &worker.local.shared.settings);
        worker
    }

    /// Asks for a tick.
    pub(crate) fn wake(&self) {
        if let Some(wakes) = &self.wakes {
            (wakes.here)();
        }
    }

    /// Makes room for a command that may need memory.
    #[inline]
    pub(crate) fn room_for(&mut self, request: &Request<'_>, context: &Context) -> Room {
        let limit = self.local.shared.settings.number(Key::MaxMemory) as u64;
        let adds = request.row.flags.has(Flags::DENYOOM);
        let needs = limit != 0 && (adds || context.tracker.client != 0) && !self.held.is_entered();
        if !needs || self.local.used_bytes() <= limit {
            return Room::Enough;
        }
        let of_memcached = matches!(request.row.verb, Verb::Memcached(_));
        let policy = policy(&self.local.shared.settings, of_memcached);
        let room = evict::make_room(&mut self.held, &mut self.local, limit, policy);
        if context.tracker.client != 0 && diary::has_stale() {
            // Who tracks is told of what is taken out before the reply, as by Redis, which makes room for reads, too.
            self.keep_stale(Tracker::default(), true);
        }
        if adds { room } else { Room::Enough }
    }

    /// What becomes of a request that cannot be executed now, whatever it is about.
    #[inline]
    fn refuse_or_put_off(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Option<Outcome> {
        if self.held.is_entered() {
            return None;
        }
        if let Some(error) = self.local.refusal.and_then(|refusal| refusal.of(request.row)) {
            return Some(refuse(request, &error, reply));
        }
        if self.local.shared.snapshots.is_full() && request.row.may_write() && context.may_wait {
            return Some(Outcome::Full(self.park(Parked::Unwritten)));
        }
        None
    }

    #[cfg(test)]
    pub(crate) fn evict_one(&mut self, policy: tidegate_protocols::settings::Policy) -> evict::Eviction {
        evict::evict_one(&mut self.held, &mut self.local, policy)
    }

    #[cfg(test)]
    pub(crate) fn has_waste(&self) -> bool {
        self.local.shared.lazyfree.is_waiting()
    }

    #[cfg(test)]
    pub(crate) fn limit_replies(&mut self, bytes_max: usize) {
        self.local.reply_bytes_max = bytes_max;
    }

    /// Finds out what is to be told of what has happened.
    #[cold]
    pub(crate) fn read_diary(&mut self, request: Option<&Request<'_>>, by: Tracker) {
        if diary::has_stale() {
            self.keep_stale(by, false);
        }
        if diary::is_kept() {
            self.keep_events(request);
        }
    }

    pub(crate) fn publish(&mut self) {
        self.local.publish_memory();
        *self.page.lock() = self.local.counts;
    }
}

/// The time, in Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64)
}

/// Whether nothing comes of it if the slot of the request's key is said wrong: what only reads finds no key in a
/// slot that is not the key's own, as writing has put none there.
#[inline]
fn may_be_told(row: &Row) -> bool {
    row.flags.has(Flags::READONLY) && row.only_key().is_some() && row.is_redis()
}

/// What a request finds expired of keys that it does not name is no part of what it does.
fn unit_of(row: &Row) -> Unit {
    if row.route == Route::Every && row.flags.has(Flags::READONLY) { Unit::Loose } else { Unit::Whole }
}

/// What may be removed to make room: nothing, where Memcached clients are to get an error instead.
fn policy(settings: &Settings, for_memcached: bool) -> Policy {
    let refuses = for_memcached && settings.is_on(Key::MemcachedErrorOnFull);
    if refuses { Policy::NoEviction } else { settings.policy() }
}

/// The roots and hashes of those that have a key, where there is a table.
#[inline]
fn roots_of<'a>(keyspace: &'a Keyspace, prepared: &'a [Prepared]) -> impl Iterator<Item = (&'a Root, u64)> {
    prepared.iter().filter(|prepared| prepared.keyed).filter_map(|prepared| {
        let roots = keyspace.roots(keyspace.database(prepared.database))?;
        Some((&roots[usize::from(keyspace.place_of(prepared.slot).0)], prepared.hash))
    })
}

impl Worker for StoreWorker {
    fn own(&mut self, epoch: u32, slots: &Slots) {
        let own = (slots.len() < usize::from(SLOTS)).then(|| Arc::new(slots.clone()));
        self.local.own.clone_from(&own);
        self.local.shared.own.replace(epoch, own);
        self.wait_only_for(slots);
    }

    fn begin(&mut self, now_ms: u64) {
        let local = &mut self.local;
        local.now_ms = now_ms;
        // Anew even within a millisecond: the policy may be another.
        local.clock = AccessClock::new(now_ms, &local.shared.settings);
        let wanted = local.shared.settings.classes(Key::NotifyKeyspaceEvents);
        local.events_wanted = wanted;
        diary::keep(wanted.tell());
        effects::begin(&local.shared);
        local.refusal = local.shared.saving.refusal(&local.shared.settings);
        if !self.held.is_entered()
            && let Some(database) = local.shared.flush.take(now_ms)
        {
            Effects::of(database).says(&[b"FLUSHDB"]);
            walk::flush(&mut self.held, local, Some(database), Free::Later);
            effects::forget_command();
        }
    }

    #[inline]
    fn prepare(&mut self, row: &Row, args: &Args<'_>, database: u8, slot: Option<u16>) -> Prepared {
        let index = row.first_key(args);
        let Some(key) = args.get(index).filter(|_| index != 0) else { return Prepared::default() };
        let keyspace = self.held.keyspace();
        let Spot { hash, slot } = match slot {
            Some(slot) if may_be_told(row) => keyspace.spot_in(slot, key),
            _ => keyspace.spot(key),
        };
        Prepared { hash, slot, database, keyed: true }
    }

    /// Nothing but prefetches in tight loops: a prefetch whose address the processor has to translate first
    /// holds up what comes after it, unless that is another prefetch.
    fn fetch(&mut self, prepared: &[Prepared]) {
        let keyspace = &*self.local.shared.keyspace;
        let epoch = self.held.epoch();
        for (root, hash) in roots_of(keyspace, prepared) {
            prefetch_bucket(root, hash, epoch);
        }
        for (root, hash) in roots_of(keyspace, prepared) {
            prefetch_entry(root, hash, epoch);
        }
    }

    #[inline]
    fn execute(
        &mut self,
        request: &Request<'_>,
        prepared: Prepared,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        if let Some(outcome) = self.refuse_or_put_off(request, context, reply) {
            return outcome;
        }
        if let Verb::Scripting(verb) = request.row.verb {
            return self.execute_scripting(verb, request, context, reply);
        }
        let full = matches!(self.room_for(request, context), Room::None);
        let of_memcached = matches!(request.row.verb, Verb::Memcached(_));
        if full && !of_memcached {
            return refuse(request, &Error::OutOfMemory, reply);
        }
        if self.local.shared.log.is_full() && request.row.may_write() && self.may_park(context) {
            return Outcome::Full(self.park(Parked::LogFull));
        }
        let walks = request.row.route == Route::Every;
        if walks
            && let Some(outcome) = self
                .look_before_walking(request, context, reply)
                .or_else(|| self.execute_saving(request, context, reply))
        {
            return outcome;
        }
        if self.lock(request, prepared).is_err() {
            return self.held_up_by(request, context, reply);
        }
        let has_waiters = self.held.keyspace().has_waiters();
        if has_waiters && self.lock_for_waiters(request).is_err() {
            return self.held_up_by(request, context, reply);
        }
        let first = if prepared.keyed {
            FirstKey::new(request.args.at(request.row.first_key(&request.args)), prepared)
        } else {
            FirstKey::NONE
        };
        let mut db = Db::new(&mut self.held, &mut self.local, context, first);
        if full {
            memcached::no_memory(request, &mut db);
            return refuse(request, &Error::OutOfMemory, reply);
        }
        let mark = reply.mark();
        let outcome = execute(request, &mut db, reply);
        if walks && let Some(outcome) = self.has_walked(request, context, (reply, mark)) {
            return outcome;
        }
        if context.tracker.client != 0 {
            self.remember(request, context);
        }
        if diary::is_open() {
            if !self.held.is_entered() {
                effects::end_unit(unit_of(request.row));
            }
            self.read_diary(Some(request), context.tracker);
        }
        if has_waiters || self.local.wait.is_some() {
            return self.see_to_waiters(request, context, outcome, (reply, mark));
        }
        outcome
    }

    fn run_scripts_beside(&mut self, asides: Asides) {
        self.scripts.run_beside(asides);
    }

    fn learn(&mut self, script: &[u8]) {
        // What is no script is unknown to whoever runs it.
        let _ = self.script_of(script, false);
    }

    fn overdue(&self) -> Option<Error> {
        let is_loading = self.local.refusal == Some(Refusal::Loading);
        if is_loading { Some(Error::LOADING) } else { self.overdue_error(None) }
    }

    fn exchange_libraries(&mut self, changes: u64, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.exchange_libraries_with(changes, payload, out)
    }

    fn writes(&self, request: &Request<'_>) -> bool {
        self.script_writes(request).unwrap_or(request.row.may_write())
    }

    fn make_room(&mut self) -> bool {
        let settings = &self.local.shared.settings;
        let (limit, policy) = (settings.number(Key::MaxMemory) as u64, settings.policy());
        limit == 0
            || self.local.used_bytes() <= limit
            || evict::make_room(&mut self.held, &mut self.local, limit, policy) == Room::Enough
    }

    fn watch(
        &mut self,
        watches: &mut Watches,
        _before: &Watches,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let set = self.partitions_of(watches);
        if self.held.lock_set(&set).is_err() {
            return match self.overdue_error(Some(&set)) {
                Some(error) => {
                    reply.refuse(&error);
                    Outcome::Failed
                }
                None => self.held_up(Some(&set), context),
            };
        }
        for (watched, version) in watches.iter_mut() {
            let (database, all) = self.look_at_watched(watched);
            *version = all.add(database, &watched.key);
        }
        reply.ok();
        Outcome::Done
    }

    fn unwatch(&mut self, _client_id: u64, watches: &Watches) {
        self.unwatched.extend(watches.iter().map(|(watched, _)| watched.clone()));
        self.forget_unwatched();
    }

    fn enter(&mut self, transaction: &Transaction<'_>) -> Entered {
        if self.local.shared.snapshots.is_full() && transaction.context.may_wait {
            return Entered::Full(self.park(Parked::Unwritten));
        }
        self.begin_transaction(transaction)
    }

    fn leave(&mut self) {
        effects::end_unit(Unit::Whole);
        if self.held.keyspace().has_waiters() {
            self.serve();
        }
        self.end_transaction();
    }

    fn finish(&mut self) {
        if self.held.keyspace().tracked().keys() > 0 && !self.held.is_entered() {
            // There may be fewer allowed since.
            self.forget_tracked();
        }
        if diary::is_open() {
            self.read_diary(None, Tracker::default());
        }
        self.held.finish();
        self.tell_waiters();
        self.publish();
    }

    #[inline]
    fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    fn take_events(&mut self) -> Vec<KeyEvent> {
        std::mem::take(&mut self.events)
    }

    #[inline]
    fn has_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    fn take_stale(&mut self) -> Vec<Stale> {
        std::mem::take(&mut self.stale)
    }

    fn tell_changes(&mut self, is_wanted: &dyn Fn() -> bool) {
        self.tell_all_changes(is_wanted);
    }

    fn attach(&mut self, wakes: Wakes) {
        self.local.shared.waiting.inbox(self.local.index).attach(Arc::clone(&wakes.anywhere));
        self.local.shared.aof.attach(Arc::clone(&wakes.anywhere));
        self.wakes = Some(wakes);
    }

    fn collect(&mut self, answers: &mut Answers<'_>) {
        self.give_out(answers);
    }

    #[inline]
    fn due_ms(&self) -> Option<u64> {
        let is_due = self.waiting.tries_again
            || !self.waiting.ended.is_empty()
            || self.waiting.is_giving_out()
            || !self.waiting.arrived.is_empty()
            || self.local.shared.waiting.inbox(self.local.index).is_filled();
        if is_due {
            Some(0)
        } else if self.waiting.has_parked() {
            Some(self.local.now_ms + PARKED_LOOK_MS)
        } else {
            self.waiting.due_ms()
        }
    }

    #[inline]
    fn gate(&self) -> Option<u64> {
        let shared = &self.local.shared;
        if shared.aof.is_on() { shared.aof.holds(shared.log.end(), &shared.settings) } else { None }
    }

    fn reached(&self) -> u64 {
        self.local.shared.aof.reached()
    }

    fn disk_error(&self) -> Option<Error> {
        if self.local.refusal == Some(Refusal::NotSaved) {
            return Some(Error::NOT_SAVED);
        }
        let reason = self.local.shared.aof.failure()?;
        Some(Error::Composed(format!("MISCONF Errors writing to the AOF file: {reason}").into_bytes().into()))
    }

    fn call_off(&mut self, ticket: Ticket) {
        self.waiting.ended.push((ticket, End::CalledOff));
    }

    fn unblock(&mut self, gateway: u64, client_id: u64, answer: Unblock, reply: &mut Reply<'_>) -> Outcome {
        self.answer_early((gateway, client_id), answer, reply)
    }

    fn maintain(&mut self, now_ms: u64, budget: Duration) {
        self.begin(now_ms);
        let start = Instant::now();
        if self.local.index == 0 {
            self.local.shared.memory.refresh();
            self.save_if_due();
        }
        self.forget_unwatched();
        self.scripts.forget_old(&self.local.shared.scripting.known);
        let flushed = self.local.shared.lazyfree.is_waiting();
        let sweep = if flushed { budget / 2 } else { budget };
        self.sweep.run(&mut self.held, &mut self.local, start + sweep);
        self.forget_tracked();
        while self.local.shared.lazyfree.free_some(self.held.epoch()) && start.elapsed() < budget {}
        // A limit that was lowered, and what commands had no time for.
        let settings = &self.local.shared.settings;
        let limit = settings.number(Key::MaxMemory) as u64;
        if limit != 0 && self.local.used_bytes() > limit {
            let policy = policy(settings, true);
            evict::make_room(&mut self.held, &mut self.local, limit, policy);
        }
        if diary::is_open() {
            self.read_diary(None, Tracker::default());
        }
        self.held.collect();
        self.tell_waiters();
        self.publish();
    }
}
