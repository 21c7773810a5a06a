//! Requests that wait for keys: what is known of each, who can find it, and where its answer goes.
//!
//! A waiter stands in the queue of every key it waits for ([`crate::watched`]) and needs a set of partitions: those of all
//! keys of its request. It is put into its queues, and taken out of all of them, by whoever has locked that whole set. So
//! with these locks it either stands in all of its queues or has been answered, and no more than one worker answers it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tidegate_protocols::data::{Context, Ticket};
use tidegate_protocols::{Dialect, Error, Row, Words};

use crate::entry::Kind;
use crate::hash::KeyHasher;
use crate::partition_set::PartitionSet;
use crate::strings::long_double::{LongDouble, Parsed};

/// Until when a request waits that says `seconds`, in Unix milliseconds; `None` is for ever. The number of seconds may have
/// a fraction, and is rounded up to milliseconds.
///
/// Source: Redis `timeout.c`, `getTimeoutFromObjectOrReply`.
///
/// # Errors
/// Redis's texts for what is no number, negative, or too large.
pub(crate) fn until_ms(seconds: &[u8], now_ms: u64) -> Result<Option<u64>, Error> {
    let ms = match LongDouble::parse(seconds) {
        None => return Err(Error::Text("ERR timeout is not a float or out of range")),
        Some(Parsed::Infinite) if seconds.starts_with(b"-") => i64::MIN,
        Some(Parsed::Infinite) => i64::MAX,
        Some(Parsed::Finite(seconds)) => seconds.thousandfold_up(),
    };
    after_ms(ms, now_ms)
}

/// The time so many milliseconds after now; `None`, for 0, is never.
///
/// # Errors
/// As [`until_ms`].
pub(crate) fn after_ms(ms: i64, now_ms: u64) -> Result<Option<u64>, Error> {
    match u64::try_from(ms) {
        Err(_) => Err(Error::Text("ERR timeout is negative")),
        Ok(0) => Ok(None),
        Ok(ms) if ms > i64::MAX as u64 - now_ms => Err(Error::Text("ERR timeout is out of range")),
        Ok(ms) => Ok(Some(now_ms + ms)),
    }
}

/// What a command would wait for that has found nothing.
pub(crate) struct Wait {
    /// The type that keys have to have.
    pub(crate) kind: Kind,
    /// The arguments that are those keys.
    pub(crate) keys: Range<usize>,
    /// Until when, in Unix milliseconds; `None` is for ever.
    pub(crate) until_ms: Option<u64>,
    /// Whether it also waits for a key to be removed, or to become something else.
    pub(crate) on_removal: bool,
    /// The request as it is to be executed again, if not as it was asked.
    pub(crate) words: Option<Words>,
}

/// A request that waits.
pub(crate) struct Waiter {
    /// Its place among all that wait: who waits longer has the smaller number.
    pub(crate) serial: u64,
    /// The worker that asked, and what for.
    pub(crate) worker: usize,
    pub(crate) ticket: Ticket,
    pub(crate) row: &'static Row,
    pub(crate) dialect: Dialect,
    pub(crate) words: Words,
    pub(crate) context: Context,
    pub(crate) kind: Kind,
    /// The arguments that are the keys it waits for.
    pub(crate) keys: Range<usize>,
    pub(crate) until_ms: Option<u64>,
    pub(crate) on_removal: bool,
    /// The partitions of all its keys.
    pub(crate) needs: PartitionSet,
}

impl Waiter {
    /// The keys it waits for, each once.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let args = self.words.args();
        self.keys.clone().map(move |index| args.at(index)).enumerate().filter_map(move |(nth, key)| {
            let is_first = !(self.keys.start..self.keys.start + nth).any(|before| args.at(before) == key);
            is_first.then_some(key)
        })
    }

    /// Whether it concerns nothing but the keys of one partition, and changes none but one it waits for.
    fn is_near(&self) -> bool {
        self.keys.len() == 1 && self.row.keys_of(&self.words.args()).count() == 1
    }
}

/// Who waits for one key, in the order of their waiting.
#[derive(Default)]
pub(crate) struct Queue {
    waiters: BTreeMap<u64, Arc<Waiter>>,
    /// Those among them with other keys, too.
    far: BTreeMap<u64, Arc<Waiter>>,
    /// How many wait for its removal as well.
    on_removal: usize,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(crate) fn add(&mut self, waiter: &Arc<Waiter>) {
        self.waiters.insert(waiter.serial, Arc::clone(waiter));
        if !waiter.is_near() {
            self.far.insert(waiter.serial, Arc::clone(waiter));
        }
        self.on_removal += usize::from(waiter.on_removal);
    }

    /// Returns whether it stood there.
    pub(crate) fn remove(&mut self, waiter: &Waiter) -> bool {
        let was_there = self.waiters.remove(&waiter.serial).is_some();
        if was_there {
            self.far.remove(&waiter.serial);
            self.on_removal -= usize::from(waiter.on_removal);
        }
        was_there
    }

    /// The first of those that stand behind this number.
    pub(crate) fn after(&self, serial: u64) -> Option<&Arc<Waiter>> {
        self.waiters.range(serial + 1..).next().map(|(_, waiter)| waiter)
    }

    /// Those that concern more than this key.
    pub(crate) fn far(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        self.far.values()
    }

    /// Whether anybody waits for its removal.
    pub(crate) fn awaits_removal(&self) -> bool {
        self.on_removal > 0
    }
}

/// The answer to a request that has waited.
pub(crate) struct Delivery {
    pub(crate) ticket: Ticket,
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
    /// If it was executed apart: for how many ns, and the request as a frame.
    pub(crate) took: Option<Box<(u64, Vec<u8>)>>,
}

impl Delivery {
    /// The answer to a request that was not executed apart.
    pub(crate) fn new(ticket: Ticket, bytes: Vec<u8>, end: End) -> Self {
        Self { ticket, bytes, end, took: None }
    }

    /// How many ns it took, and the request as a frame, if it was executed apart.
    pub(crate) fn took(&self) -> (u64, &[u8]) {
        self.took.as_deref().map_or((0, &[]), |(nanos, frame)| (*nanos, frame))
    }
}

/// What a request waits for that is to be tried again.
pub(crate) enum Parked {
    /// That no script holds these partitions, or any, that takes its time.
    Behind(Option<PartitionSet>),
    /// That fewer requests wait to be executed apart.
    Crowded,
    /// That what reads the log has caught up.
    LogFull,
    /// That less of a snapshot is still to be written.
    Unwritten,
}

/// How waiting ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With an answer.
    Answered,
    /// With an answer that is an error.
    Failed,
    /// With none: the keys are another shard's now.
    Moved,
    /// With none, as nobody waits for it.
    CalledOff,
}

/// Asks for a tick of a worker, from any thread.
pub(crate) type WakeAnywhere = Arc<dyn Fn() + Send + Sync>;

/// What others have answered for one worker.
#[derive(Default)]
pub(crate) struct Inbox {
    deliveries: Mutex<Vec<Delivery>>,
    is_filled: AtomicBool,
    wake: OnceLock<WakeAnywhere>,
}

impl Inbox {
    pub(crate) fn attach(&self, wake: WakeAnywhere) {
        // A worker is attached once.
        let _ = self.wake.set(wake);
    }

    #[inline]
    pub(crate) fn is_filled(&self) -> bool {
        self.is_filled.load(Relaxed)
    }

    pub(crate) fn put(&self, delivery: Delivery) {
        self.deliveries.lock().push(delivery);
        if !self.is_filled.swap(true, AcqRel) {
            self.wake();
        }
    }

    /// Asks for a tick.
    fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    pub(crate) fn take(&self) -> Vec<Delivery> {
        self.is_filled.swap(false, Acquire);
        std::mem::take(&mut *self.deliveries.lock())
    }
}

/// All that wait in one store, as its workers share it.
pub(crate) struct Waiting {
    last_serial: AtomicU64,
    by_client: Mutex<HashMap<(u64, u64), Arc<Waiter>, KeyHasher>>,
    inboxes: Box<[Inbox]>,
    /// How many requests are to be tried again, of all workers.
    parked: AtomicUsize,
}

impl Waiting {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            last_serial: AtomicU64::new(0),
            by_client: Mutex::default(),
            inboxes: (0..workers.max(1)).map(|_| Inbox::default()).collect(),
            parked: AtomicUsize::new(0),
        }
    }

    /// The number of the next waiter. The locks of its partitions are held, so in each queue they only grow.
    pub(crate) fn next_serial(&self) -> u64 {
        self.last_serial.fetch_add(1, Relaxed) + 1
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.inboxes.len()
    }

    pub(crate) fn inbox(&self, worker: usize) -> &Inbox {
        &self.inboxes[worker]
    }

    /// One more request is to be tried again, or one less.
    pub(crate) fn count_parked(&self, is_parked: bool) {
        if is_parked {
            self.parked.fetch_add(1, Relaxed);
        } else {
            self.parked.fetch_sub(1, Relaxed);
        }
    }

    /// Whether there are any.
    pub(crate) fn has_parked(&self) -> bool {
        self.parked.load(Relaxed) > 0
    }

    /// Has all workers look whether what is to be tried again can be. One that parks a request at this moment may miss it,
    /// and looks of its own accord a little later.
    #[inline]
    pub(crate) fn wake_parked(&self) {
        if self.has_parked() {
            self.inboxes.iter().for_each(Inbox::wake);
        }
    }

    /// `CLIENT UNBLOCK` can find it.
    pub(crate) fn add(&self, waiter: &Arc<Waiter>) {
        self.by_client.lock().insert(name_of(&waiter.context), Arc::clone(waiter));
    }

    pub(crate) fn remove(&self, waiter: &Waiter) {
        let mut all = self.by_client.lock();
        let name = name_of(&waiter.context);
        if all.get(&name).is_some_and(|other| other.serial == waiter.serial) {
            all.remove(&name);
        }
    }

    /// What the client of this gateway and number waits for.
    pub(crate) fn of_client(&self, gateway: u64, client_id: u64) -> Option<Arc<Waiter>> {
        self.by_client.lock().get(&(gateway, client_id)).cloned()
    }
}

fn name_of(context: &Context) -> (u64, u64) {
    (context.gateway, context.client_id)
}

/// What one worker's clients wait for.
#[derive(Default)]
pub(crate) struct OwnWaiting {
    /// What waits, by ticket.
    places: Vec<Place>,
    /// Tickets that nothing waits with.
    free: Vec<u32>,
    until: BTreeSet<(u64, u32)>,
    /// Those that are to be tried again.
    parked: Vec<(Ticket, Parked)>,
    /// Answers that have come.
    pub(crate) arrived: Vec<Delivery>,
    /// Long answers, and how much of each has been given out.
    giving_out: VecDeque<(Delivery, usize)>,
    /// What is to wait no longer, and why.
    pub(crate) ended: Vec<(Ticket, End)>,
    /// Another worker held what the last attempt needed.
    pub(crate) tries_again: bool,
}

/// What waits with a ticket.
enum Place {
    Nothing,
    Waiter(Arc<Waiter>),
    /// A request that waits for no keys: it is executed apart, or to be tried again.
    Other,
}

impl OwnWaiting {
    /// A number that no other request has until it is answered.
    pub(crate) fn ticket(&mut self) -> Ticket {
        Ticket(self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::Nothing);
            self.places.len() as u32 - 1
        }))
    }

    /// The same for one that waits for no keys.
    pub(crate) fn ticket_of_other(&mut self) -> Ticket {
        let ticket = self.ticket();
        self.places[ticket.0 as usize] = Place::Other;
        ticket
    }

    /// The same for one that is to be tried again later.
    pub(crate) fn park(&mut self, parked: Parked) -> Ticket {
        let ticket = self.ticket_of_other();
        self.parked.push((ticket, parked));
        ticket
    }

    /// Those that are to be tried again.
    pub(crate) fn take_parked(&mut self) -> Vec<(Ticket, Parked)> {
        std::mem::take(&mut self.parked)
    }

    /// It is too early for this one.
    pub(crate) fn keep_parked(&mut self, ticket: Ticket, parked: Parked) {
        self.parked.push((ticket, parked));
    }

    /// Whether there is more of a long answer to be given out.
    #[inline]
    pub(crate) fn is_giving_out(&self) -> bool {
        !self.giving_out.is_empty()
    }

    /// A long answer is to be given out piece by piece.
    pub(crate) fn give_out(&mut self, delivery: Delivery) {
        self.giving_out.push_back((delivery, 0));
    }

    /// Gives something more of the long answer that is given out next, and whether it goes on.
    pub(crate) fn next_part(&mut self, give: impl FnOnce(&Delivery, &[u8], bool)) {
        let Some((delivery, given)) = self.giving_out.front_mut() else { return };
        let rest = &delivery.bytes[*given..];
        let part = &rest[..rest.len().min(PART_BYTES)];
        let goes_on = part.len() < rest.len();
        give(delivery, part, goes_on);
        *given += part.len();
        if !goes_on {
            self.giving_out.pop_front();
        }
    }

    /// Whether there are any.
    #[inline]
    pub(crate) fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    pub(crate) fn add(&mut self, waiter: &Arc<Waiter>) {
        let number = waiter.ticket.0;
        if let Some(until_ms) = waiter.until_ms {
            self.until.insert((until_ms, number));
        }
        self.places[number as usize] = Place::Waiter(Arc::clone(waiter));
    }

    /// All that wait for keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        self.places.iter().filter_map(Place::waiter)
    }

    pub(crate) fn get(&self, Ticket(number): Ticket) -> Option<&Arc<Waiter>> {
        self.places.get(number as usize)?.waiter()
    }

    /// Whether it has not been answered.
    pub(crate) fn is_awaited(&self, Ticket(number): Ticket) -> bool {
        self.places.get(number as usize).is_some_and(|place| !matches!(place, Place::Nothing))
    }

    /// It is answered. Returns whether it was not before.
    pub(crate) fn end(&mut self, ticket: Ticket) -> bool {
        let Some(place) = self.places.get_mut(ticket.0 as usize) else { return false };
        match std::mem::replace(place, Place::Nothing) {
            Place::Waiter(waiter) => self.forget_time(&waiter),
            Place::Other => {}
            Place::Nothing => return false,
        }
        // Its ticket is somebody else's next.
        self.ended.retain(|(ended, _)| *ended != ticket);
        self.free.push(ticket.0);
        if self.free.len() == self.places.len() && self.free.len() > KEPT {
            (self.free, self.places) = Default::default();
        }
        true
    }

    /// Its time is over.
    pub(crate) fn forget_time(&mut self, waiter: &Waiter) {
        if let Some(until_ms) = waiter.until_ms {
            self.until.remove(&(until_ms, waiter.ticket.0));
        }
    }

    /// The first whose time is over. Source: Redis `handleBlockedClientsTimeout`: the whole millisecond has to be.
    pub(crate) fn overdue(&self, now_ms: u64) -> Option<&Arc<Waiter>> {
        let &(until_ms, number) = self.until.first()?;
        self.get(Ticket(number)).filter(|_| until_ms < now_ms)
    }

    /// When there will be one.
    #[inline]
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.until.first().map(|(until_ms, _)| until_ms.saturating_add(1))
    }
}

impl Place {
    fn waiter(&self) -> Option<&Arc<Waiter>> {
        match self {
            Self::Waiter(waiter) => Some(waiter),
            Self::Nothing | Self::Other => None,
        }
    }
}

/// Bytes of an answer that are given out at once: others wait for what becomes of them.
pub(crate) const PART_BYTES: usize = 256 << 10;

/// Numbers, and answers, there is room for when none is in use.
pub(crate) const KEPT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_to_end_with_a_ticket_does_not_end_who_has_it_next() {
        let mut own = OwnWaiting::default();
        let waiter = |ticket| {
            Arc::new(Waiter {
                serial: 1,
                worker: 0,
                ticket,
                row: tidegate_protocols::table::lookup(b"BLPOP").unwrap(),
                dialect: Dialect::Resp2,
                words: Words::new(&[&b"BLPOP"[..], b"k", b"0"]),
                context: Context::default(),
                kind: Kind::List,
                keys: 1..2,
                until_ms: None,
                on_removal: false,
                needs: PartitionSet::default(),
            })
        };
        let [other, first] = [own.ticket(), own.ticket()];
        own.add(&waiter(other));
        own.add(&waiter(first));
        // Its client is gone, but another worker holds its key, and answers it.
        own.ended.push((first, End::CalledOff));
        assert!(own.end(first));
        assert_eq!(own.ticket(), first);
        assert!(own.ended.is_empty());
    }

    #[test]
    fn a_time_to_wait_is_read_as_redis_reads_it() {
        let now_ms = 1000;
        for (text, expected) in [
            ("0", Ok(None)),
            ("-0.0001", Ok(None)),
            ("-0.001", Ok(None)),
            ("0.001", Ok(Some(1001))),
            ("0.0011", Ok(Some(1002))),
            ("0x1p-4", Ok(Some(1063))),
            ("1", Ok(Some(2000))),
            ("1e3", Ok(Some(1_001_000))),
            ("9223372036854775", Err("ERR timeout is out of range")),
            ("1e300", Err("ERR timeout is out of range")),
            ("inf", Err("ERR timeout is out of range")),
            ("-inf", Err("ERR timeout is negative")),
            ("-1", Err("ERR timeout is negative")),
            ("-1e300", Err("ERR timeout is negative")),
            ("x", Err("ERR timeout is not a float or out of range")),
            ("", Err("ERR timeout is not a float or out of range")),
            ("1e5000", Err("ERR timeout is not a float or out of range")),
        ] {
            let until = until_ms(text.as_bytes(), now_ms);
            assert_eq!(until.map_err(|error| error.to_string()), expected.map_err(String::from), "{text}");
        }
    }
}
