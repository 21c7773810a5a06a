//! The tick of a shard: requests of gateways that something keeps from being executed which takes long.
//!
//! A link speaks for many clients, so it is not parked as a client is: the frame alone is put aside, and tried again when
//! the store says so. The gateway is told that it waits, so its time does not run out. What comes later over the link for
//! the same slots is put aside behind it, and so is what comes behind a request that is executed apart: what a client asks
//! for a key is executed in its order. With what it asks for others it is as with several shards.

use std::collections::VecDeque;
use std::rc::Rc;

use tidegate_protocols::data::{Ticket, Worker};
use tidegate_protocols::link::{self, Ask, Errand, Tail};
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::{Flags, Route};
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Args, Request, Row, Verb};

use super::Tick;
use crate::batch::{Batch, Decoded};
use crate::connection::Connection;
use crate::session::Attention;

/// What is to be executed before what comes later for the same slots.
struct Frame {
    connection: Rc<Connection>,
    claim: Claim,
    state: State,
}

enum State {
    /// It is executed apart.
    Runs(Ticket),
    /// It is tried again when this ticket is cleared.
    Waits(Ticket, Batch),
    /// It is tried again when nothing is before it.
    Ready(Batch),
}

/// The slots of a request.
enum Claim {
    All,
    Slots(Vec<u16>),
}

impl Claim {
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Slots(one), Self::Slots(other)) => one.iter().any(|slot| other.contains(slot)),
            (Self::All, Self::Slots(slots)) | (Self::Slots(slots), Self::All) => !slots.is_empty(),
            (Self::All, Self::All) => true,
        }
    }
}

impl Claim {
    /// Adds those of a request. What changes all keys has all; what only looks at them has none.
    fn add(&mut self, row: &Row, args: &Args<'_>) {
        if row.route == Route::Every && row.flags.has(Flags::WRITE) {
            *self = Self::All;
        }
        self.add_slots(row.keys_of(args).map(|key| slot_of(args.at(key.index))));
    }

    fn add_slots(&mut self, slots: impl Iterator<Item = u16>) {
        if let Self::Slots(own) = self {
            own.extend(slots);
        }
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct HeldBack {
    frames: VecDeque<Frame>,
    /// The place of the one that is tried now.
    trying: Option<usize>,
}

impl HeldBack {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether something is before what comes over this link.
    fn is_before(&self, connection: &Rc<Connection>, claim: &Claim, end: usize) -> bool {
        self.frames
            .iter()
            .take(end)
            .any(|frame| Rc::ptr_eq(&frame.connection, connection) && frame.claim.meets(claim))
    }

    fn insert(&mut self, frame: Frame) {
        let place = self.trying.take().unwrap_or(self.frames.len());
        self.frames.insert(place, frame);
    }

    /// The first that can be tried again, which stands there no more.
    fn take_next(&mut self) -> Option<Batch> {
        let is_next = |place: &usize| {
            let Frame { connection, claim, state } = &self.frames[*place];
            matches!(state, State::Ready(_)) && !self.is_before(connection, claim, *place)
        };
        let place = (0..self.frames.len()).find(is_next)?;
        let frame = self.frames.remove(place)?;
        self.trying = Some(place);
        let waiting = &frame.connection.session.of_link().waiting;
        waiting.set(waiting.get() - 1);
        match frame.state {
            State::Ready(batch) => Some(batch),
            State::Runs(_) | State::Waits(..) => None,
        }
    }
}

impl<W: Worker> Tick<W> {
    /// Has a request that a gateway has passed on wait, with the rest of its frame, if something is before it.
    #[cold]
    pub(super) fn stays_behind(
        &mut self,
        connection: &Rc<Connection>,
        row: &Row,
        decoded: &Decoded,
        ask: &Ask,
    ) -> bool {
        let claim = self.claim_of(row, decoded, ask);
        let end = self.held_back.trying.unwrap_or(self.held_back.frames.len());
        let stays = self.held_back.is_before(connection, &claim, end);
        if stays {
            self.hold_back(connection, claim, ask, State::Ready);
        }
        stays
    }

    /// Has one wait until this ticket is cleared.
    #[cold]
    pub(super) fn wait_aside(
        &mut self,
        connection: &Rc<Connection>,
        row: &Row,
        (decoded, ask): (&Decoded, &Ask),
        ticket: Ticket,
    ) {
        let claim = self.claim_of(row, decoded, ask);
        self.later.insert_held_back(ticket, connection, row);
        self.hold_back(connection, claim, ask, |batch| State::Waits(ticket, batch));
    }

    /// One is executed apart, or waits for keys: in the former case what comes behind it for its slots waits. Returns
    /// whether the gateway knows that it waits.
    #[cold]
    pub(super) fn goes_before(
        &mut self,
        connection: &Rc<Connection>,
        row: &Row,
        (decoded, ask): (&Decoded, &Ask),
        ticket: Ticket,
    ) -> bool {
        let is_known = self.held_back.trying.is_some();
        if row.flags.has(Flags::BLOCKING) {
            return is_known;
        }
        let claim = self.claim_of(row, decoded, ask);
        self.held_back.insert(Frame { connection: Rc::clone(connection), claim, state: State::Runs(ticket) });
        is_known
    }

    fn hold_back(
        &mut self,
        connection: &Rc<Connection>,
        claim: Claim,
        ask: &Ask,
        state: impl FnOnce(Batch) -> State,
    ) {
        if self.open.is_some() {
            self.seal_open();
        }
        let count = 1 + self.rest_of_frame(ask).count();
        let mut batch = Batch::parked();
        let first = self.at.request;
        self.batch.take(first..first + count, connection, &mut batch);
        // Who calls goes on behind the first.
        self.at.request += count - 1;
        if self.held_back.trying.is_none() {
            let mark = self.output.len();
            link::begin(&mut self.output);
            let long = link::seal(&mut self.output, mark, ask.id, Tail::Waits);
            debug_assert!(long.is_none(), "it says nothing");
        }
        let waiting = &connection.session.of_link().waiting;
        waiting.set(waiting.get() + 1);
        self.held_back.insert(Frame { connection: Rc::clone(connection), claim, state: state(batch) });
    }

    /// The slots of a request and of those behind it in its frame.
    fn claim_of(&self, row: &Row, decoded: &Decoded, ask: &Ask) -> Claim {
        let args = self.batch.args(decoded);
        let Verb::Link(verb) = row.verb else {
            let mut claim = Claim::Slots(Vec::new());
            claim.add(row, &args);
            claim.add_slots(self.rest_of_frame(ask).filter_map(|ask| ask.slot));
            return claim;
        };
        let mut claim = Claim::Slots(Vec::new());
        match Errand::of(verb, &args) {
            Ok(Errand::Transact { frames, .. }) => {
                let mut requests = Requests::new(frames);
                while let Some(Request { row, args, .. }) = requests.next_request() {
                    claim.add(row, &args);
                }
            }
            Ok(Errand::Watch { keys, .. }) => claim.add_slots(keys.iter().map(slot_of)),
            _ => {}
        }
        claim
    }

    /// Whether something may be tried again.
    #[inline]
    pub(super) fn has_held_back_to_try(&self) -> bool {
        self.later.has_ended_aside() && !self.held_back.is_empty()
    }

    /// Tries again what can be. Nothing else is being executed.
    pub(super) async fn try_held_back(&mut self) {
        let (cleared, answered) = self.later.take_ended_aside();
        if self.held_back.is_empty() {
            return;
        }
        let frames = &mut self.held_back.frames;
        frames.retain(|frame| match &frame.state {
            State::Runs(ticket) => !answered.contains(&ticket.0),
            _ if frame.connection.session.has(Attention::Closing) => false,
            State::Waits(..) | State::Ready(_) => true,
        });
        for frame in frames.iter_mut() {
            if let State::Waits(ticket, batch) = &mut frame.state
                && cleared.contains(&ticket.0)
            {
                frame.state = State::Ready(std::mem::replace(batch, Batch::parked()));
            }
        }
        while let Some(batch) = self.held_back.take_next() {
            let others = std::mem::replace(&mut self.batch, batch);
            self.execute_batch().await;
            self.held_back.trying = None;
            self.batch = others;
        }
    }
}
