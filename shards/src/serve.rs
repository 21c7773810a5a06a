//! Requests that wait for keys: how they come to wait, and how they are answered.
//!
//! Who changes a key that somebody waits for executes the waiting requests as soon as his own command or transaction is
//! through, in the order of their waiting and with all locks still held: nobody else can come in between. A waiter may need
//! more partitions than the change itself (the destination of `BLMOVE`, the other keys of `BLPOP`). So before anything is
//! executed, it is looked at who waits for the keys that may change, and what they need is locked together with the rest,
//! in ascending order like everything.
//!
//! What changes keys that it does not name (expiry, eviction, a flush) has not looked. It can only take away what waiters
//! wait for, which is nothing to most of them, so it may tell them after it has given its locks back.

use std::sync::Arc;

use tidegate_protocols::data::{Answered, Answers, Context, Outcome, Piece, Ticket, Unblock};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::Flags;
use tidegate_protocols::transaction::Transaction;
use tidegate_protocols::{Error, Reply, Request, Slots, Words};

use crate::db::{Db, FirstKey};
use crate::diary;
use crate::entry::Kind;
use crate::execute::execute;
use crate::held::Busy;
use crate::log::effects::{self, Unit};
use crate::partition::DatabaseId;
use crate::partition_set::PartitionSet;
use crate::waiting::{Delivery, End, KEPT, PART_BYTES, Wait, Waiter};
use crate::watched::Ready;
use crate::worker::StoreWorker;

/// What a client is told that does not wait any longer by `CLIENT UNBLOCK … ERROR`.
const UNBLOCKED: Error = Error::Text("UNBLOCKED client unblocked via CLIENT UNBLOCK");

/// Bytes there is room for in an answer before anything is said: more than most take.
const ANSWER_BYTES: usize = 128;

impl StoreWorker {
    /// Locks, together with what a request needs, what those need who wait for its keys. Its own are locked.
    #[cold]
    pub(crate) fn lock_for_waiters(&mut self, request: &Request<'_>) -> Result<(), Busy> {
        if !request.row.flags.has(Flags::WRITE) || self.held.is_entered() || self.held.has_all() {
            return Ok(());
        }
        let keys: Vec<_> = request.row.keys_of(&request.args).map(|key| request.args.at(key.index)).collect();
        let mut set = *self.held.set();
        loop {
            let needs = self.needs_of_waiters(&keys);
            if self.held.set().covers(&needs) {
                return Ok(());
            }
            set.add(&needs);
            self.held.lock_set(&set)?;
        }
    }

    /// Begins a transaction that needs `set`, and locks what those need who wait for keys it may change.
    pub(crate) fn enter_with_waiters(
        &mut self,
        set: PartitionSet,
        transaction: &Transaction<'_>,
    ) -> Result<(), Busy> {
        self.enter_with_waiters_of(set, |worker| {
            let keys = keys_changed_by(transaction);
            let keys: Vec<_> = keys.iter().map(|key| &**key).collect();
            worker.needs_of_waiters(&keys)
        })
    }

    /// The same where `needs_of` says, of what is locked, what those need who wait.
    pub(crate) fn enter_with_waiters_of(
        &mut self,
        mut set: PartitionSet,
        needs_of: impl Fn(&mut Self) -> PartitionSet,
    ) -> Result<(), Busy> {
        loop {
            self.held.enter(&set)?;
            if !self.held.keyspace().has_waiters() || self.held.has_all() {
                return Ok(());
            }
            let needs = needs_of(self);
            if self.held.set().covers(&needs) {
                return Ok(());
            }
            set.add(&needs);
            self.held.leave();
        }
    }

    /// The partitions of `keys`, and those that all need who wait for them, or for what those may change in turn: as far
    /// as can be seen with the locks that are held.
    pub(crate) fn needs_of_waiters(&mut self, keys: &[&[u8]]) -> PartitionSet {
        let keyspace = Arc::clone(self.held.keyspace());
        let mut needs = PartitionSet::default();
        let mut seen: Vec<Box<[u8]>> = keys.iter().map(|key| (*key).into()).collect();
        let mut at = 0;
        while at < seen.len() {
            let partition = keyspace.partition_of_key(&seen[at]);
            needs.insert(partition);
            if self.held.set().has(partition) {
                let far: Vec<_> =
                    self.held.locked(partition).partition.watched.far(&seen[at]).cloned().collect();
                for waiter in far {
                    needs.add(&waiter.needs);
                    let args = waiter.words.args();
                    let others = waiter.row.keys_of(&args).map(|key| args.at(key.index));
                    for key in others {
                        if !seen.iter().any(|other| **other == *key) {
                            seen.push(key.into());
                        }
                    }
                }
            }
            at += 1;
        }
        needs
    }

    /// After a command: if it would wait, it does; if not, those are answered who have waited for what it has changed.
    #[cold]
    pub(crate) fn see_to_waiters(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        outcome: Outcome,
        (reply, mark): (&mut Reply<'_>, usize),
    ) -> Outcome {
        let may_wait = context.may_wait && !self.held.is_entered();
        if let Some(wait) = self.local.wait.take()
            && may_wait
        {
            reply.rewind(mark);
            return Outcome::Later(self.begin_to_wait(request, context, *wait));
        }
        if !self.held.is_entered() {
            self.serve();
        }
        outcome
    }

    fn begin_to_wait(&mut self, request: &Request<'_>, context: &Context, wait: Wait) -> Ticket {
        let Wait { kind, keys, until_ms, on_removal, words } = wait;
        let keyspace = self.held.keyspace();
        keyspace.count_waiter(true);
        let database = keyspace.database(context.database);
        let needs = keyspace.partitions_of_request(request.row, &request.args);
        let words = words.unwrap_or_else(|| Words::copied(request.args.iter()));
        let waiter = Arc::new(Waiter {
            serial: self.local.shared.waiting.next_serial(),
            worker: self.local.index,
            ticket: self.waiting.ticket(),
            row: request.row,
            dialect: request.dialect,
            words,
            context: *context,
            kind,
            keys,
            until_ms,
            on_removal,
            needs,
        });
        for key in waiter.keys() {
            let partition = self.held.keyspace().partition_of_key(key);
            self.held.locked(partition).into_partition().watched.wait(database, key, &waiter);
        }
        self.local.shared.waiting.add(&waiter);
        self.waiting.add(&waiter);
        waiter.ticket
    }

    /// Takes a waiter out of its queues. All it needs is locked. Returns whether it was in them.
    fn end_waiting(&mut self, waiter: &Waiter) -> bool {
        let database = self.held.keyspace().database(waiter.context.database);
        let mut did_wait = false;
        for key in waiter.keys() {
            let partition = self.held.keyspace().partition_of_key(key);
            did_wait |=
                self.held.locked(partition).into_partition().watched.wait_no_more(database, key, waiter);
        }
        if did_wait {
            self.held.keyspace().count_waiter(false);
            self.local.shared.waiting.remove(waiter);
        }
        did_wait
    }

    /// Answers those who have waited for what has changed in the locked partitions.
    pub(crate) fn serve(&mut self) {
        effects::end_unit(Unit::Whole);
        loop {
            let all = self.held.take_ready();
            if all.is_empty() {
                return;
            }
            for ready in all {
                if !self.serve_key(&ready) {
                    self.held.missed().push(ready);
                }
            }
        }
    }

    /// Answers those who wait for one key. `false` if one of them needs more than is locked.
    fn serve_key(&mut self, Ready { partition, database, key, .. }: &Ready) -> bool {
        let mut last = 0;
        loop {
            let queue = self.held.locked(*partition).into_partition().watched.queue(*database, key);
            let Some(queue) = queue else { return true };
            let Some(waiter) = queue.after(last) else { return true };
            let (waiter, awaits_removal) = (Arc::clone(waiter), queue.awaits_removal());
            last = waiter.serial;
            let kind = self.kind_of(*database, key);
            if kind.is_none() && !awaits_removal {
                return true;
            }
            if kind != Some(waiter.kind) && !waiter.on_removal {
                continue;
            }
            if !self.held.set().covers(&waiter.needs) {
                return false;
            }
            if let Some(delivery) = self.execute_waiter(&waiter) {
                self.end_waiting(&waiter);
                self.deliver(&waiter, delivery);
            }
        }
    }

    /// The type of a key, if it is there.
    fn kind_of(&mut self, database: DatabaseId, key: &[u8]) -> Option<Kind> {
        let spot = self.held.keyspace().spot(key);
        let (found, expired) =
            self.held.at(spot.slot).find(database, spot, key, self.local.now_ms, &self.local.clock);
        self.local.counts.expired += u64::from(expired);
        found.map(|found| found.entry().kind())
    }

    /// Executes a request once more that waits. `None` if it would still wait.
    fn execute_waiter(&mut self, waiter: &Waiter) -> Option<Delivery> {
        let mut bytes = Vec::with_capacity(ANSWER_BYTES);
        let Waiter { row, dialect, .. } = *waiter;
        let request = Request { row, dialect, args: waiter.words.args(), item: &Item::NONE };
        let mut db = Db::new(&mut self.held, &mut self.local, &waiter.context, FirstKey::NONE);
        let outcome = execute(&request, &mut db, &mut Reply::new(&mut bytes, dialect));
        if waiter.context.tracker.client != 0 {
            self.remember(&request, &waiter.context);
        }
        if diary::is_open() {
            effects::end_unit(Unit::Whole);
            self.read_diary(Some(&request), waiter.context.tracker);
        }
        if self.local.wait.take().is_some() {
            return None;
        }
        Some(Delivery::new(waiter.ticket, bytes, end_of(outcome)))
    }

    /// Hands an answer to the worker that waits for it; to another when the locks have been given back: to wake it takes
    /// a while.
    fn deliver(&mut self, waiter: &Waiter, delivery: Delivery) {
        if waiter.worker == self.local.index {
            self.waiting.arrived.push(delivery);
            self.wake();
        } else {
            self.outgoing.push((waiter.worker, delivery));
        }
    }

    #[cold]
    fn send_outgoing(&mut self) {
        for (worker, delivery) in self.outgoing.drain(..) {
            self.local.shared.waiting.inbox(worker).put(delivery);
        }
    }

    /// Answers those who were to be told of changes and have not been, and hands out all answers.
    pub(crate) fn tell_waiters(&mut self) {
        if !self.held.missed().is_empty() && !self.held.is_entered() {
            self.serve_all_missed();
        }
        if !self.outgoing.is_empty() {
            self.send_outgoing();
        }
    }

    #[cold]
    fn serve_all_missed(&mut self) {
        for ready in std::mem::take(self.held.missed()) {
            let mut set = PartitionSet::default();
            set.insert(ready.partition);
            let is_served = loop {
                if self.held.lock_set(&set).is_err() {
                    break false;
                }
                let needs = self.needs_of_waiters(&[&ready.key]);
                if self.held.set().covers(&needs) {
                    self.serve_key(&ready);
                    self.serve();
                    break true;
                }
                set.add(&needs);
            };
            if !is_served {
                self.held.missed().push(ready);
                self.waiting.tries_again = true;
            }
        }
        self.held.release();
        if self.waiting.tries_again {
            self.wake();
        }
    }

    /// Gives out the answers that have come to requests of this worker's clients, those among them whose time is over, and
    /// those that nobody waits for any more.
    pub(crate) fn give_out(&mut self, answers: &mut Answers<'_>) {
        self.waiting.tries_again = false;
        self.tell_waiters();
        for (ticket, end) in std::mem::take(&mut self.waiting.ended) {
            let Some(waiter) = self.waiting.get(ticket).cloned() else { continue };
            match self.end_waiting_alone(&waiter) {
                Ok(true) => self.deliver(&waiter, Delivery::new(ticket, Vec::new(), end)),
                Ok(false) => {}
                Err(Busy) => {
                    self.waiting.ended.push((ticket, end));
                    self.waiting.tries_again = true;
                }
            }
        }
        while let Some(waiter) = self.waiting.overdue(self.local.now_ms).cloned() {
            match self.end_waiting_alone(&waiter) {
                Ok(true) => self.deliver(&waiter, timed_out(&waiter)),
                Ok(false) => {}
                Err(Busy) => {
                    self.waiting.tries_again = true;
                    break;
                }
            }
            self.waiting.forget_time(&waiter);
        }
        self.held.release();
        if !self.outgoing.is_empty() {
            self.send_outgoing();
        }
        self.give_out_arrived(answers);
        if self.waiting.has_parked() {
            self.give_way(answers);
        }
    }

    fn give_out_arrived(&mut self, answers: &mut Answers<'_>) {
        let inbox = self.local.shared.waiting.inbox(self.local.index);
        if inbox.is_filled() {
            self.waiting.arrived.append(&mut inbox.take());
        }
        let mut arrived = std::mem::take(&mut self.waiting.arrived);
        for delivery in arrived.drain(..) {
            let ticket = delivery.ticket;
            let (nanos, frame) = delivery.took();
            let piece = Piece::Slow(nanos, 0);
            if !self.waiting.is_awaited(ticket) {
                continue;
            }
            if delivery.took.is_some() {
                answers(&Answered { ticket, piece, frame, nanos });
            }
            if delivery.bytes.len() > PART_BYTES {
                self.waiting.give_out(delivery);
            } else {
                self.waiting.end(ticket);
                let piece = piece_of(delivery.end, &delivery.bytes);
                answers(&Answered { ticket, piece, frame: &[], nanos });
            }
        }
        if arrived.capacity() <= KEPT {
            self.waiting.arrived = arrived;
        }
        self.give_out_part(answers);
    }

    /// Gives out some of the first long answer.
    fn give_out_part(&mut self, answers: &mut Answers<'_>) {
        let mut ended = None;
        self.waiting.next_part(|delivery, bytes, goes_on| {
            let (ticket, (nanos, _)) = (delivery.ticket, delivery.took());
            let piece = if goes_on { Piece::Part(bytes) } else { piece_of(delivery.end, bytes) };
            ended = (!goes_on).then_some(ticket);
            answers(&Answered { ticket, piece, frame: &[], nanos });
        });
        if let Some(ticket) = ended {
            self.waiting.end(ticket);
        }
    }

    /// What waits for keys in other slots than these waits here no longer.
    pub(crate) fn wait_only_for(&mut self, slots: &Slots) {
        let is_elsewhere = |waiter: &Waiter| waiter.keys().any(|key| !slots.has(slot_of(key)));
        let elsewhere: Vec<_> =
            self.waiting.iter().filter(|waiter| is_elsewhere(waiter)).map(|waiter| waiter.ticket).collect();
        self.waiting.ended.extend(elsewhere.into_iter().map(|ticket| (ticket, End::Moved)));
    }

    /// Takes a waiter out of its queues, having locked what it needs.
    fn end_waiting_alone(&mut self, waiter: &Waiter) -> Result<bool, Busy> {
        self.held.lock_set(&waiter.needs)?;
        Ok(self.end_waiting(waiter))
    }

    /// Answers a request of the client of some gateway before what it waits for is there; says whether there was one.
    pub(crate) fn answer_early(
        &mut self,
        (gateway, client_id): (u64, u64),
        answer: Unblock,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let waiter = self.local.shared.waiting.of_client(gateway, client_id);
        let did_wait = match waiter.as_ref().map(|waiter| self.end_waiting_alone(waiter)) {
            Some(Err(Busy)) => return Outcome::Busy,
            Some(Ok(did_wait)) => did_wait,
            None => false,
        };
        if let Some(waiter) = waiter.filter(|_| did_wait) {
            let delivery = match answer {
                Unblock::Timeout => timed_out(&waiter),
                Unblock::Error => {
                    let mut bytes = Vec::new();
                    Reply::new(&mut bytes, waiter.dialect).refuse(&UNBLOCKED);
                    Delivery::new(waiter.ticket, bytes, End::Failed)
                }
            };
            self.deliver(&waiter, delivery);
        }
        reply.integer(i64::from(did_wait));
        Outcome::Done
    }
}

/// The end of an answer.
fn piece_of(end: End, bytes: &[u8]) -> Piece<'_> {
    match end {
        End::Answered | End::CalledOff => Piece::Done(bytes),
        End::Failed => Piece::Failed(bytes),
        End::Moved => Piece::Moved,
    }
}

fn end_of(outcome: Outcome) -> End {
    if outcome == Outcome::Failed { End::Failed } else { End::Answered }
}

/// What is said when the time is over. Source: Redis `blocked.c`, `replyToBlockedClientTimedOut`.
fn timed_out(waiter: &Waiter) -> Delivery {
    let mut bytes = Vec::new();
    Reply::new(&mut bytes, waiter.dialect).null_array();
    Delivery::new(waiter.ticket, bytes, End::Answered)
}

/// The keys that a transaction may change.
fn keys_changed_by(transaction: &Transaction<'_>) -> Vec<Box<[u8]>> {
    let mut keys = Vec::new();
    let mut requests = transaction.requests();
    while let Some(Request { row, args, .. }) = requests.next_request() {
        if row.flags.has(Flags::WRITE) || row.runs_scripts() {
            keys.extend(row.keys_of(&args).map(|key| Box::from(args.at(key.index))));
        }
    }
    keys
}
