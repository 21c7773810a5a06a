//! The tick: executes what all connections have decoded and writes every output once.
//!
//! Connection tasks decode whatever has arrived into the worker's batch and wake this task. Being woken by
//! the first of them, it runs after all that were ready. It takes the batch and goes through it in
//! stretches: every request is prepared, then fetched, then executed, so that the cache misses of one
//! stretch overlap. Requests of one connection are executed in the order they arrived.

mod chores;
mod errands;
mod later;
mod passed_on;
mod transactions;

use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tidegate_protocols::data::{Outcome, Prepared, Worker};
use tidegate_protocols::memcached::Options;
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::connection::Connection as Connections;
use tidegate_protocols::table::memcached::Memcached;
use tidegate_protocols::table::transactions::Transactions;
use tidegate_protocols::table::{Flags, Route, Unresolved};
use tidegate_protocols::{Dialect, Error, Reply, Request, Row, Verb};

use self::later::{Later, Special};
use self::transactions::Executor;
use crate::batch::{Ask, Batch, Decoded};
use crate::commands::{self, Scope};
use crate::connection::Connection;
use crate::decoder::Family;
use crate::followed::Followed;
use crate::intake::Intake;
use crate::limits::{KEPT_BYTES, MAINTAIN_SHARE, MAINTAIN_SLICE, OUTPUT_FLUSH_BYTES, STRETCH};
use crate::membership::Holding;
use crate::queue::Queue;
use crate::session::Attention;
use crate::shared::{PauseKind, now_ms};
use crate::timing::Stopwatch;

/// What executes what is queued.
const EXEC: Verb = Verb::Transactions(Transactions::Exec);

/// The tick of one worker.
pub(crate) struct Tick<W> {
    intake: Rc<Intake>,
    data: W,
    batch: Batch,
    /// What it has as a shard.
    holding: Option<Followed<Holding>>,
    /// What was found out about the requests of this stretch.
    prepared: Vec<Prepared>,
    /// Replies, in the order of the requests.
    output: Vec<u8>,
    /// Which connection gets which part of `output`.
    parts: Vec<Part>,
    at: Position,
    now_ms: u64,
    pause: Option<PauseKind>,
    later: Later,
    watch: Stopwatch,
    /// Times the requests within one transaction.
    watch_within: Stopwatch,
    maintenance_left: Duration,
}

/// Output of the connection of a source: what follows the previous part, up to `end`.
struct Part {
    source: usize,
    end: usize,
}

/// How far the batch has been executed.
#[derive(Clone, Copy, Default)]
struct Position {
    request: usize,
    source: usize,
}

/// Whether the tick can go on at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    GoesOn,
    /// What the next request needs is held by another worker.
    Waits,
}

/// What is to be done with a request of a client that needs attention.
enum Verdict {
    Execute(&'static Row),
    /// It is executed later, with all others of its transaction.
    Queue(&'static Row),
    /// It is answered with this error.
    Reject(&'static Row, Error),
    /// It is none, and answered with an error.
    Refuse,
    /// It waits, with all that follow it.
    Park,
    /// The client is being closed.
    Drop,
}

impl<W: Worker> Tick<W> {
    pub(crate) fn new(intake: Rc<Intake>, data: W) -> Self {
        let membership = intake.shared.membership.as_ref();
        Self {
            holding: membership.map(|membership| Followed::new(&membership.holding)),
            intake,
            data,
            batch: Batch::new(),
            prepared: Vec::new(),
            output: Vec::new(),
            parts: Vec::new(),
            at: Position::default(),
            now_ms: 0,
            pause: None,
            later: Later::default(),
            watch: Stopwatch::new(),
            watch_within: Stopwatch::new(),
            maintenance_left: Duration::ZERO,
        }
    }

    /// Runs for as long as the worker does.
    pub(crate) async fn run(mut self) {
        let intake = Rc::clone(&self.intake);
        self.data.attach(Rc::new(move || intake.work.wake()));
        self.own_slots();
        loop {
            self.intake.work.woken().await;
            if self.holding.as_mut().and_then(Followed::catch_up).is_some() {
                self.own_slots();
            }
            std::mem::swap(&mut self.batch, &mut self.intake.filling.borrow_mut());
            self.intake.room.wake();
            if W::ANSWERS_LATER {
                // For what has come and for what is asked: both were there before.
                self.begin();
                self.collect();
            }
            self.unwatch_abandoned();
            if self.batch.is_empty() {
                // What was thrown away took room all the same.
                self.batch.clear();
                if W::ANSWERS_LATER {
                    self.data.finish();
                    self.later.flush();
                }
            } else {
                self.execute_batch().await;
            }
            self.maintain().await;
        }
    }

    /// Says what this shard has to whoever keeps it.
    fn own_slots(&mut self) {
        if let Some(holding) = &self.holding {
            self.data.own(holding.epoch, &holding.slots);
        }
    }

    async fn execute_batch(&mut self) {
        self.intake.ticking.set(true);
        if !W::ANSWERS_LATER {
            self.begin();
        }
        while self.at.request < self.batch.len() {
            if self.stretch() == Pace::Waits {
                self.data.finish();
                self.flush();
                tokio::task::yield_now().await;
                self.begin();
            }
        }
        self.data.finish();
        self.flush();
        self.batch.clear();
        self.at = Position::default();
        self.output.shrink_to(KEPT_BYTES);
        self.intake.counters().ticks.add(1);
        self.intake.ticking.set(false);
    }

    fn begin(&mut self) {
        self.now_ms = now_ms();
        self.look_at_pause();
        self.data.begin(self.now_ms);
    }

    fn look_at_pause(&mut self) {
        self.pause = self.intake.shared.pause.now(self.now_ms).map(|(kind, _)| kind);
    }

    /// Executes the next stretch of requests.
    fn stretch(&mut self) -> Pace {
        let begin = self.at.request;
        let end = self.batch.len().min(begin + STRETCH);
        self.prepare(begin..end);
        self.watch.start(&self.intake.shared.settings, end - begin);
        let mut pace = Pace::GoesOn;
        while self.at.request < end && pace == Pace::GoesOn {
            while self.at.request >= self.batch.sources()[self.at.source].end {
                self.end_part();
                self.at.source += 1;
            }
            let plain = self.connection().session.is_plain() && self.pause.is_none();
            let decoded = *self.batch.decoded(self.at.request);
            let prepared =
                if W::ANSWERS_LATER { Prepared::default() } else { self.prepared[self.at.request - begin] };
            pace = match decoded.ask {
                Ask::Row(_) if plain && decoded.is_passed_on() => self.execute_all_passed_on(begin, end),
                Ask::Row(row) if plain => self.serve(row, &decoded, prepared),
                _ => self.attend(&decoded, prepared),
            };
            if self.output.len() > OUTPUT_FLUSH_BYTES {
                self.flush_early();
            }
        }
        self.watch.stop(self.intake.counters());
        pace
    }

    /// Starts what requests will touch on its way into the cache. Should one of them select another database
    /// before the next, that one's data is merely not there yet.
    fn prepare(&mut self, requests: Range<usize>) {
        if W::ANSWERS_LATER {
            // Nothing that could be fetched is here.
            return;
        }
        let Self { batch, data, prepared, at, .. } = self;
        prepared.clear();
        for (decoded, connection) in batch.of_sources(requests, at.source) {
            prepared.push(match decoded.ask {
                Ask::Row(row) if row.route != Route::Gateway => {
                    let (database, slot) = batch.told(decoded, connection);
                    data.prepare(row, &batch.args(decoded), database, slot)
                }
                _ => Prepared::default(),
            });
        }
        data.fetch(prepared);
    }

    fn connection(&self) -> &Rc<Connection> {
        &self.batch.sources()[self.at.source].connection
    }

    /// Answers one request in the way of whoever asks, and goes on to the next.
    #[inline]
    fn serve(&mut self, row: &'static Row, decoded: &Decoded, prepared: Prepared) -> Pace {
        let outcome = if decoded.is_passed_on() {
            self.execute_passed_on(row, decoded, prepared)
        } else if !W::ANSWERS_LATER {
            self.execute(row, decoded, prepared)
        } else if row.route == Route::Gateway {
            self.execute_with_chores(row, decoded)
        } else {
            self.execute_elsewhere(row, decoded)
        };
        match outcome {
            Outcome::Busy => return Pace::Waits,
            Outcome::Full(ticket) => {
                self.await_way(ticket, row);
                return Pace::GoesOn;
            }
            Outcome::Done | Outcome::Failed | Outcome::Later(_) => {}
        }
        self.at.request += 1;
        if row.route == Route::Gateway {
            self.look_at_pause();
        }
        Pace::GoesOn
    }

    /// Executes one request.
    #[inline]
    fn execute(&mut self, row: &'static Row, decoded: &Decoded, prepared: Prepared) -> Outcome {
        let connection = &self.batch.sources()[self.at.source].connection;
        let session = &connection.session;
        let dialect = connection.dialect_of(decoded.dialect);
        session.client.heard_of(self.now_ms, row);
        let request = self.batch.request(decoded, row, dialect);
        let mark = self.output.len();
        let mut reply = Reply::new(&mut self.output, dialect);
        let began = self.watch.begin(row);
        let scope = Scope { session, shared: &self.intake.shared, now_ms: self.now_ms };
        let mut sent = None;
        let outcome = if row.route == Route::Gateway {
            if !row.flags.has(Flags::FAST) && row.verb != EXEC {
                // It may ask for the store's figures, which look into partitions that are held here.
                self.data.finish();
                self.data.begin(self.now_ms);
            }
            match row.verb {
                Verb::Transactions(verb) => {
                    let (data, counters) = (&mut self.data, self.intake.counters());
                    let watch = &mut self.watch_within;
                    let sent = &mut sent;
                    Executor { scope: &scope, data, counters, watch, sent }
                        .execute(verb, &request, &mut reply)
                }
                verb => {
                    if verb == Verb::Connection(Connections::Reset) {
                        transactions::discard(session, &mut self.data);
                    }
                    commands::execute(&request, &scope, &mut reply)
                }
            }
        } else {
            self.data.execute(&request, prepared, &self.batch.context(decoded, connection), &mut reply)
        };
        let counters = self.intake.counters();
        match outcome {
            Outcome::Busy | Outcome::Full(_) => return outcome,
            Outcome::Later(ticket) => {
                let special = sent.take().map(|queue| Special::transaction(queue, session));
                self.await_answer(ticket, row, special);
                return outcome;
            }
            Outcome::Failed => {
                counters.failed(counters.command(row.verb), &self.output[mark..]);
                if connection.family == Family::Memcached && is_within_line(&request) {
                    // What follows would be taken for the next reply.
                    session.put(Attention::Closing, true);
                }
            }
            Outcome::Done => {}
        }
        match began.or_else(|| self.watch.suspect(decoded.is_large(), self.output.len() - mark)) {
            None => self.watch.share(row),
            Some(began) => self.watch.record(began, &request, &scope, counters),
        }
        outcome
    }

    /// Executes, refuses, parks or drops a request of which it is not clear that it may be executed.
    #[cold]
    fn attend(&mut self, decoded: &Decoded, prepared: Prepared) -> Pace {
        let connection = Rc::clone(self.connection());
        let session = &connection.session;
        let mark = self.output.len();
        let verdict = self.verdict(&connection, decoded);
        let is_answered = !matches!(verdict, Verdict::Park | Verdict::Drop);
        if is_answered && session.has(Attention::SkipNext) {
            session.put(Attention::SkipNext, false);
            session.put(Attention::Skip, true);
        }
        match verdict {
            Verdict::Execute(row) => {
                let is_transaction =
                    row.verb == EXEC && session.with_queue(|queue| !queue.is_spoiled) == Some(true);
                if self.serve(row, decoded, prepared) == Pace::Waits {
                    // The next try finds it as this one did.
                    session.put(Attention::SkipNext, session.has(Attention::Skip));
                    return Pace::Waits;
                }
                if is_transaction {
                    // Each of its replies was written or not, as things stood then.
                    session.put(Attention::Skip, false);
                    return Pace::GoesOn;
                }
            }
            Verdict::Queue(row) => {
                self.queue(&connection, row, decoded);
                self.at.request += 1;
            }
            Verdict::Reject(row, error) => {
                self.reject(&connection, row, &error);
                self.at.request += 1;
            }
            Verdict::Refuse => {
                self.refuse(&connection, decoded);
                self.at.request += 1;
            }
            Verdict::Park => {
                self.park_rest();
                return Pace::GoesOn;
            }
            Verdict::Drop => {
                self.at.request += 1;
                return Pace::GoesOn;
            }
        }
        if session.has(Attention::Silent) || session.has(Attention::Skip) {
            self.output.truncate(mark);
        }
        session.put(Attention::Skip, false);
        Pace::GoesOn
    }

    fn verdict(&mut self, connection: &Connection, decoded: &Decoded) -> Verdict {
        let session = &connection.session;
        if session.has(Attention::Closing) {
            return Verdict::Drop;
        }
        if session.has(Attention::Held) || session.has(Attention::Parked) || session.has(Attention::Waits) {
            return Verdict::Park;
        }
        let row = match decoded.ask {
            Ask::Row(row) => Some(row),
            Ask::Astray(..) | Ask::Unresolved(_) | Ask::Words | Ask::Fault(_) | Ask::Close => None,
        };
        let writes = row.is_some_and(|row| {
            row.flags.0 & (Flags::WRITE.and(Flags::MAY_REPLICATE)).0 != 0
                || row.verb == EXEC && session.with_queue(Queue::writes) == Some(true)
        });
        match self.pause {
            Some(PauseKind::All) => return Verdict::Park,
            Some(PauseKind::Writes) if writes => return Verdict::Park,
            _ => {}
        }
        match row {
            None => match decoded.ask {
                Ask::Astray(row, _) if self.lacks_password(connection) => Verdict::Reject(row, Error::NoAuth),
                Ask::Astray(row, astray) => Verdict::Reject(row, self.intake.error(astray)),
                _ => Verdict::Refuse,
            },
            Some(row) if self.lacks_password(connection) && !row.flags.has(Flags::NO_AUTH) => {
                Verdict::Reject(row, Error::NoAuth)
            }
            Some(row) if session.has(Attention::Queueing) => self.verdict_queueing(session, row),
            Some(row) => Verdict::Execute(row),
        }
    }

    /// Whether a Redis client has to log in first. The decoder sees to Memcached clients.
    fn lacks_password(&self, connection: &Connection) -> bool {
        connection.family == Family::Redis
            && connection.session.has(Attention::Anonymous)
            && !self.intake.shared.settings.text(Key::RequirePass).is_empty()
    }

    /// Answers a request with an error instead of executing it.
    fn reject(&mut self, connection: &Connection, row: &'static Row, error: &Error) {
        let mark = self.output.len();
        Reply::new(&mut self.output, connection.session.dialect()).refuse(error);
        match error {
            // Of a transaction as a whole: told as it is, and the end of it.
            Error::CrossSlot | Error::Moved(..) | Error::Unserved if row.verb == EXEC => {
                transactions::discard(&connection.session, &mut self.data);
            }
            _ => self.refuse_in_transaction(&connection.session, Some(row), mark),
        }
        self.intake.counters().command(row.verb).rejected.add(1);
        self.intake.counters().error(&self.output[mark..]);
    }

    /// Answers what cannot be executed.
    fn refuse(&mut self, connection: &Connection, decoded: &Decoded) {
        let mark = self.output.len();
        let mut reply = Reply::new(&mut self.output, connection.session.dialect());
        let args = self.batch.args(decoded);
        match decoded.ask {
            Ask::Unresolved(unresolved) => {
                unresolved.answer(&args, &mut reply);
                let row = match unresolved {
                    Unresolved::Arity(row) => Some(row),
                    Unresolved::Command | Unresolved::Subcommand(_) => None,
                };
                if let Some(row) = row {
                    self.intake.counters().command(row.verb).rejected.add(1);
                }
                self.refuse_in_transaction(&connection.session, row, mark);
            }
            Ask::Fault(fault) => {
                reply.fault(fault);
                tracing::debug!(client = connection.session.client.id, %fault, "closed");
                connection.session.put(Attention::Closing, true);
            }
            Ask::Row(_) | Ask::Astray(..) | Ask::Close | Ask::Words => {
                connection.session.put(Attention::Closing, true);
            }
        }
        if self.output.len() > mark {
            self.intake.counters().error(&self.output[mark..]);
        }
    }

    /// Has the rest of this source's requests wait.
    fn park_rest(&mut self) {
        let connection = Rc::clone(self.connection());
        let end = self.batch.sources()[self.at.source].end;
        connection.park(&mut self.batch, self.at.request..end);
        self.at.request = end;
    }

    fn end_part(&mut self) {
        if W::ANSWERS_LATER {
            let connection = Rc::clone(self.connection());
            if connection.has_replies_before() {
                self.say_before(&connection);
            }
        }
        self.parts.push(Part { source: self.at.source, end: self.output.len() });
    }

    /// Writes all output there is.
    fn flush(&mut self) {
        if !self.batch.is_empty() {
            self.end_part();
        }
        let mut begin = 0;
        for Part { source, end } in self.parts.drain(..) {
            let connection = &self.batch.sources()[source].connection;
            connection.send(&self.output[begin..end]);
            connection.settle();
            begin = end;
        }
        self.output.clear();
        if W::ANSWERS_LATER {
            self.later.flush();
        }
    }

    /// Writes before the tick has ended, so that its buffer stays small; others need not wait for that. A
    /// client that does not take what it asked for is not served further until it does.
    fn flush_early(&mut self) {
        self.data.finish();
        self.flush();
        self.data.begin(self.now_ms);
        if self.connection().is_slow() {
            self.park_rest();
        }
        self.output.shrink_to(KEPT_BYTES);
    }

    /// A slice of background work, if it is due; more slices follow as long as there is work for them.
    async fn maintain(&mut self) {
        if self.intake.maintenance_due.take() {
            self.intake.shared.sample_rates(now_ms());
            let hz = self.intake.shared.settings.number(Key::Hz).max(1) as u32;
            self.maintenance_left = Duration::from_secs(1) / hz / MAINTAIN_SHARE;
        }
        if self.maintenance_left.is_zero() {
            return;
        }
        let began = Instant::now();
        self.data.maintain(now_ms(), MAINTAIN_SLICE);
        let spent = began.elapsed();
        if spent < MAINTAIN_SLICE {
            self.maintenance_left = Duration::ZERO;
            return;
        }
        self.maintenance_left = self.maintenance_left.saturating_sub(spent);
        self.intake.work.wake();
        tokio::task::yield_now().await;
    }
}

/// Whether a request is one key, and not the last, of a line of keys that a Memcached client asks for.
fn is_within_line(request: &Request<'_>) -> bool {
    matches!(request.row.verb, Verb::Memcached(Memcached::Get | Memcached::Gat))
        && request.dialect == Dialect::MemcachedText
        && !request.item.has(Options::LAST)
}
