//! The tick: executes what all connections have decoded and writes every output once.
//!
//! Connection tasks decode whatever has arrived into the worker's batch and wake this task. Being woken by
//! the first of them, it runs after all that were ready. It takes the batch and goes through it in
//! stretches: every request is prepared, then fetched, then executed, so that the cache misses of one
//! stretch overlap. Requests of one connection are executed in the order they arrived.

mod attend;
mod blocked;
mod chores;
mod deliver;
mod errands;
mod execute;
mod held_back;
mod idle;
mod later;
mod passed_on;
mod refuse;
mod runs;
mod transactions;

use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tidegate_protocols::data::{Prepared, Worker};
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::Route;
use tidegate_protocols::table::transactions::Transactions;
use tidegate_protocols::{Error, Verb};

use self::held_back::HeldBack;
use self::idle::Idle;
use self::later::{Last, Later};
use self::runs::Open;
use crate::batch::{Ask, Batch};
use crate::connection::Connection;
use crate::followed::Followed;
use crate::intake::Intake;
use crate::limits::{KEPT_BYTES, MAINTAIN_SHARE, MAINTAIN_SLICE, OUTPUT_FLUSH_BYTES, STRETCH};
use crate::membership::Holding;
use crate::pubsub::publish_events;
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
    /// The requests that are looked at together.
    stretch: Range<usize>,
    /// What was found out about them.
    prepared: Vec<Prepared>,
    /// Replies, in the order of the requests.
    output: Vec<u8>,
    /// Which connection gets which part of `output`.
    parts: Vec<Part>,
    at: Position,
    /// The answer that is being put together for several requests of a gateway.
    open: Option<Open>,
    /// Requests of gateways that wait aside.
    held_back: HeldBack,
    /// The last request whose answer comes later.
    last: Option<Last>,
    /// What is to be sent to shards waits until the sockets have been looked at once more.
    is_corked: bool,
    now_ms: u64,
    /// What Redis clients are told while a script has run for too long.
    overdue: Option<Error>,
    pause: Option<PauseKind>,
    /// Why writes are refused, if the disk does not take them.
    disk_error: Option<Error>,
    /// Writes are refused, for want of replicas.
    lacks_replicas: bool,
    /// The change of users that has been looked at.
    users_seen: u64,
    /// Whether somebody watches all commands.
    is_monitored: bool,
    /// The last request of which those were told before it was executed.
    told: Option<usize>,
    later: Later,
    idle: Idle,
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
#[derive(Clone, Copy, Default, PartialEq, Eq)]
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

impl<W: Worker> Tick<W> {
    pub(crate) fn new(intake: Rc<Intake>, data: W) -> Self {
        let membership = intake.shared.membership.as_ref();
        Self {
            holding: membership.map(|membership| Followed::new(&membership.holding)),
            intake,
            data,
            batch: Batch::new(),
            stretch: 0..0,
            prepared: Vec::new(),
            output: Vec::new(),
            parts: Vec::new(),
            at: Position::default(),
            open: None,
            held_back: HeldBack::default(),
            last: None,
            is_corked: false,
            now_ms: 0,
            overdue: None,
            pause: None,
            disk_error: None,
            lacks_replicas: false,
            users_seen: 0,
            is_monitored: false,
            told: None,
            later: Later::default(),
            idle: Idle::default(),
            watch: Stopwatch::new(),
            watch_within: Stopwatch::new(),
            maintenance_left: Duration::ZERO,
        }
    }

    /// Runs for as long as the worker does.
    pub(crate) async fn run(mut self) {
        self.attach();
        self.own_slots();
        if W::ANSWERS_LATER {
            self.intake.audience.borrow_mut().keep_forsaken();
        }
        loop {
            if self.is_corked {
                tokio::task::yield_now().await;
                self.intake.work.clear();
            } else {
                self.wait_for_work().await;
            }
            if self.holding.as_mut().and_then(Followed::catch_up).is_some() {
                self.own_slots();
            }
            std::mem::swap(&mut self.batch, &mut self.intake.filling.borrow_mut());
            self.intake.room.wake();
            self.intake.gate.has_reached(|| self.data.reached());
            self.call_off_abandoned();
            let collects = W::ANSWERS_LATER || self.is_due() || !self.later.is_idle();
            if collects {
                // For what has come and for what is asked: both were there before.
                self.begin();
                self.collect();
                self.end_idle();
            }
            self.unwatch_abandoned();
            self.leave_forsaken();
            self.deliver_last();
            if collects && !W::ANSWERS_LATER {
                self.try_held_back().await;
            }
            if self.batch.is_empty() {
                // What was thrown away took room all the same.
                self.batch.clear();
                if collects {
                    self.is_corked = false;
                    self.data.finish();
                    self.intake.gate.wait_for(self.data.gate());
                    self.flush_later();
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
                self.deliver_last();
                tokio::task::yield_now().await;
                self.begin();
            }
        }
        // Who is answered now will ask again at once: that goes together with what is to be sent, if this is little.
        self.is_corked = !self.is_corked && !self.later.is_idle() && self.data.sends_little();
        if !self.is_corked {
            self.data.finish();
        }
        if !W::ANSWERS_LATER && self.is_due() {
            // For clients of this worker: no other tick is needed. It comes behind what has been said.
            self.end_part();
            let before = self.later.touched();
            self.collect();
            // Who has waited does something with it while the others are written to.
            self.later.send_last(before);
            self.data.finish();
        }
        self.flush();
        self.deliver_last();
        self.batch.clear();
        self.at = Position::default();
        self.last = None;
        self.told = None;
        self.output.shrink_to(KEPT_BYTES);
        self.intake.counters().ticks.add(1);
        self.intake.ticking.set(false);
    }

    fn begin(&mut self) {
        self.now_ms = now_ms();
        self.look_at_pause();
        self.look_at_disk();
        self.data.begin(self.now_ms);
        self.overdue = if W::ANSWERS_LATER { self.overdue_elsewhere() } else { self.data.overdue() };
        self.look_at_users();
    }

    /// What Redis clients are told while a script has run for too long at the only shard, which then is to them what
    /// redis-server would be. Of several each tells those alone who need what the script holds.
    fn overdue_elsewhere(&self) -> Option<Error> {
        let shared = &self.intake.shared;
        let after_ms = shared.settings.number(Key::BusyReplyThreshold) as u64;
        let overdue = shared.long_scripts.overdue(self.now_ms.saturating_sub(after_ms))?;
        let is_only = shared.seat.as_ref().is_some_and(|seat| seat.topology.borrow().shards().len() == 1);
        is_only.then_some(overdue)
    }

    fn look_at_pause(&mut self) {
        self.is_monitored = self.intake.shared.pubsub.has_monitors();
        self.pause = self.intake.shared.pause.now(self.now_ms).map(|(kind, _)| kind);
        self.lacks_replicas = self.intake.shared.settings.wants_replicas();
    }

    /// Whether the disk takes what is changed: not looked at again before what follows is written, as that goes by it.
    #[inline]
    fn look_at_disk(&mut self) {
        self.disk_error = self.data.disk_error();
        self.intake.gate.let_readers_by(self.disk_error.is_some());
    }

    /// Takes note of what clients may do by now.
    #[inline]
    fn look_at_users(&mut self) {
        let changes = self.intake.shared.acl.changes();
        if changes != self.users_seen {
            self.intake.follow_users(self.users_seen);
            self.users_seen = changes;
            self.refuse_waiting();
        }
    }

    /// Executes the next stretch of requests.
    fn stretch(&mut self) -> Pace {
        let begin = self.at.request;
        let end = self.batch.len().min(begin + STRETCH);
        self.stretch = begin..end;
        self.prepare(begin..end);
        self.watch.start(&self.intake.shared.settings, end - begin);
        let mut pace = Pace::GoesOn;
        while self.at.request < end && pace == Pace::GoesOn {
            while self.at.request >= self.batch.sources()[self.at.source].end {
                self.end_part();
                self.at.source += 1;
            }
            let is_open = self.pause.is_none()
                && !self.lacks_replicas
                && self.disk_error.is_none()
                && self.overdue.is_none();
            let plain = self.connection().session.is_plain() && is_open;
            let decoded = *self.batch.decoded(self.at.request);
            let prepared =
                if W::ANSWERS_LATER { Prepared::default() } else { self.prepared[self.at.request - begin] };
            pace = match decoded.ask {
                Ask::Row(_) if plain && decoded.is_passed_on() => self.execute_all_passed_on(),
                Ask::Row(row)
                    if plain && W::ANSWERS_LATER && row.route != Route::Gateway && !self.is_monitored =>
                {
                    self.execute_all_elsewhere(end)
                }
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

    /// Has the rest of this source's requests wait.
    fn park_rest(&mut self) {
        let connection = Rc::clone(self.connection());
        let end = self.batch.sources()[self.at.source].end;
        connection.park(&mut self.batch, self.at.request..end);
        self.at.request = end;
    }

    fn end_part(&mut self) {
        if self.open.is_some() {
            self.seal_open();
        }
        if W::ANSWERS_LATER || !self.later.is_idle() {
            let connection = Rc::clone(self.connection());
            if connection.has_replies_before() {
                self.say_before(&connection);
            }
        }
        self.parts.push(Part { source: self.at.source, end: self.output.len() });
    }

    /// Writes all output there is; what may not be sent yet waits.
    fn flush(&mut self) {
        self.intake.gate.wait_for(self.data.gate());
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
        self.flush_later();
    }

    /// Writes what has been answered elsewhere, which may have changed something before the disk failed.
    fn flush_later(&mut self) {
        self.intake.gate.let_readers_by(false);
        self.later.flush();
        self.intake.gate.let_readers_by(self.disk_error.is_some());
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
        publish_events(&mut self.data, &self.intake.shared, self.intake.index);
        self.deliver_last();
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
