//! What could not be written to a client, or not be executed for it, yet.
//!
//! Output waits for a client that does not take it; requests wait behind that output, or for the end of a
//! pause. While there is a backlog nothing more is read from the client, so what it costs is bounded.
//!
//! A gateway speaks for many clients on its link, who shall not wait for each other: while answers wait, more
//! requests are read and executed, until too much waits.

use std::rc::Rc;
use std::time::Duration;

use tidegate_protocols::link::LongAnswer;
use tidegate_protocols::settings::{Key, OutputLimit};
use tokio::time::{Instant, timeout};

use crate::batch::Batch;
use crate::connection::Connection;
use crate::decoder::Family;
use crate::gate::Output;
use crate::limits::{HANG_UP_LOOK, LONG_ANSWERS_MAX, OUTPUT_BYTES_MAX, OUTPUT_BYTES_SOFT, OUTPUT_STALL};
use crate::outbox::Outbox;
use crate::pieces::Pieces;
use crate::seldom::{Seldom, warn_seldom};
use crate::session::Attention;
use crate::shared::now_ms;

/// See the module.
#[derive(Default)]
pub(crate) struct Backlog {
    outbox: Outbox,
    /// Requests to execute after that.
    parked: Option<Batch>,
    /// Whether [`relieve`] runs.
    relieving: bool,
}

impl Connection {
    /// Writes `output`, or has it wait behind what waits already.
    pub(crate) fn send(self: &Rc<Self>, output: &[u8]) {
        if output.is_empty() {
            return;
        }
        if self.intake.gate.holds(self) {
            return self.intake.gate.hold(self, Output::Bytes(output.to_vec()));
        }
        let written = if self.has_to_wait() { Some(0) } else { self.write(output) };
        match written {
            Some(bytes) if bytes == output.len() => {}
            Some(bytes) => self.wait_with(&output[bytes..]),
            None => self.end(),
        }
    }

    /// Writes messages that are no reply: at once, but not into the middle of one, nor before what they follow.
    pub(crate) fn tell(self: &Rc<Self>, messages: &[u8]) {
        let waits = self.is_touched.get();
        if self.tells_behind() && !self.pipeline.borrow().is_empty() {
            self.pipeline.borrow_mut().say(messages);
            return self.check_pending();
        }
        if !self.pipeline.borrow_mut().lets_by(messages, waits) {
            return self.check_pending();
        }
        self.send(messages);
        self.settle();
    }

    /// The same of output that may be much: little is written now, lest others wait for it, and nothing is copied.
    #[cold]
    pub(crate) fn send_pieces(self: &Rc<Self>, mut output: Pieces) {
        if self.intake.gate.holds(self) {
            return self.intake.gate.hold(self, Output::Pieces(output));
        }
        let mut written = 0;
        if !self.has_to_wait()
            && let Some(piece) = output.pop()
        {
            match self.write(&piece) {
                Some(bytes) if bytes == piece.len() => {}
                Some(bytes) => {
                    written = bytes;
                    output.put_back(piece);
                }
                None => return self.end(),
            }
        }
        if !output.is_empty() {
            self.wait_for(|outbox| outbox.append(output, written));
        }
    }

    /// Whether what is sent has to wait behind something.
    fn has_to_wait(&self) -> bool {
        self.session.has(Attention::Held)
            || self.backlog.borrow().as_ref().is_some_and(|backlog| backlog.outbox.is_writing())
    }

    /// Writes a long answer, on a link, in turn with others. If there is too much of them the requests that follow
    /// wait.
    pub(crate) fn send_long(self: &Rc<Self>, answer: LongAnswer) {
        if self.intake.gate.holds(self) {
            return self.intake.gate.hold(self, Output::Long(answer));
        }
        self.backlog.borrow_mut().get_or_insert_default().outbox.add_long(answer);
        if self.is_slow() {
            self.session.put(Attention::Parked, true);
        }
    }

    /// Whether a part of the long answer to this request of a gateway waits.
    pub(crate) fn has_long(self: &Rc<Self>, id: u32) -> bool {
        self.backlog.borrow().as_ref().is_some_and(|backlog| backlog.outbox.has_long(id))
            || self.intake.gate.has_long(self, id)
    }

    /// Whether so much output waits that nothing more should be executed for this client.
    pub(crate) fn is_slow(&self) -> bool {
        self.gated_bytes.get() > OUTPUT_BYTES_SOFT
            || self.backlog.borrow().as_ref().is_some_and(|backlog| self.is_too_much(&backlog.outbox))
    }

    fn is_too_much(&self, outbox: &Outbox) -> bool {
        let value_bytes_max = self.intake.shared.settings.number(Key::ProtoMaxBulkLen) as usize;
        outbox.output_bytes() > OUTPUT_BYTES_SOFT
            || outbox.long_bytes() > value_bytes_max.saturating_mul(LONG_ANSWERS_MAX)
    }

    /// Whether nothing more should be read.
    pub(crate) fn is_held_up(&self) -> bool {
        match (&*self.backlog.borrow(), self.family) {
            _ if self.gated_bytes.get() > OUTPUT_BYTES_SOFT => true,
            (None, _) => false,
            (Some(backlog), Family::Link) => {
                self.session.has(Attention::Parked) || self.is_too_much(&backlog.outbox)
            }
            (Some(_), Family::Redis | Family::Memcached) => true,
        }
    }

    /// Has requests of `batch` wait until the backlog is gone.
    pub(crate) fn park(self: &Rc<Self>, batch: &mut Batch, requests: std::ops::Range<usize>) {
        let mut backlog = self.backlog.borrow_mut();
        let backlog = backlog.get_or_insert_default();
        batch.take(requests, self, backlog.parked.get_or_insert_with(Batch::parked));
        self.session.put(Attention::Parked, true);
    }

    fn wait_with(self: &Rc<Self>, output: &[u8]) {
        self.wait_for(|outbox| outbox.add(output));
    }

    /// Has what `add` adds wait. Too much of it closes the client.
    fn wait_for(&self, add: impl FnOnce(&mut Outbox)) {
        let mut backlog = self.backlog.borrow_mut();
        let waiting = backlog.get_or_insert_default();
        add(&mut waiting.outbox);
        let bytes = waiting.outbox.output_bytes();
        self.session.client.set_pending_bytes(bytes);
        if bytes as u64 > hard_bytes(self.output_limit()) {
            drop(backlog);
            self.give_up();
            self.end();
        }
    }

    /// `client-output-buffer-limit` of `normal` clients or, if it listens to something, of `pubsub`.
    fn output_limit(&self) -> OutputLimit {
        let [normal, _, listening] = self.intake.shared.settings.output_limits();
        if self.session.has(Attention::Listens) { listening } else { normal }
    }

    /// Closes a client for which more waits than may, counting what has come and is not its turn.
    pub(crate) fn check_pending(&self) {
        let held = self.pipeline.borrow().held();
        if held <= OUTPUT_BYTES_SOFT {
            return;
        }
        let output = self.backlog.borrow().as_ref().map_or(0, |backlog| backlog.outbox.output_bytes());
        if (held + output) as u64 > hard_bytes(self.output_limit()) {
            self.give_up();
            self.end();
        }
    }

    fn give_up(&self) {
        static SLOW: Seldom = Seldom::new();
        self.intake.counters().output_limit_disconnections.add(1);
        warn_seldom!(SLOW, client = self.session.client.id, "closed: takes its output too slowly");
    }

    /// Starts the task that works the backlog off, if there is one and it does not run yet. A connection
    /// that is to be closed and has none is closed.
    pub(crate) fn settle(self: &Rc<Self>) {
        let start = match self.backlog.borrow_mut().as_mut() {
            Some(backlog) => !std::mem::replace(&mut backlog.relieving, true),
            None => false,
        };
        if start {
            tokio::task::spawn_local(relieve(Rc::clone(self)));
        } else if self.session.has(Attention::Closing)
            && self.backlog.borrow().is_none()
            && self.gated_bytes.get() == 0
            && !self.has_replies_before()
        {
            self.end();
        }
    }
}

/// How much output may wait for a client.
fn hard_bytes(limit: OutputLimit) -> u64 {
    match limit.hard_bytes {
        0 => OUTPUT_BYTES_MAX,
        hard => hard.min(OUTPUT_BYTES_MAX),
    }
}

/// Works a backlog off: waits out what holds the client, writes what waits, gives the parked requests back
/// to the batch.
async fn relieve(connection: Rc<Connection>) {
    loop {
        if !wait_out(&connection).await || !drain(&connection).await {
            return connection.end();
        }
        let intake = &connection.intake;
        if connection.session.has(Attention::Parked) {
            if !connection.is_clear().await || !wait_for_pause(&connection).await {
                return connection.end();
            }
            intake.has_room().await;
            if intake.is_busy_with(&connection) {
                // What is on its way came later: it has to park behind, before this is given back.
                tokio::task::yield_now().await;
                continue;
            }
        }
        // Nothing runs between this look and the batch, so the order of requests stays.
        let parked = {
            let mut waiting = connection.backlog.borrow_mut();
            let Some(backlog) = waiting.as_mut() else { return };
            let has_to_write = match connection.family {
                Family::Link => connection.is_too_much(&backlog.outbox),
                Family::Redis | Family::Memcached => !backlog.outbox.is_empty(),
            };
            if has_to_write || connection.session.has(Attention::Held) {
                continue;
            }
            let parked = backlog.parked.take();
            if backlog.outbox.is_empty() {
                *waiting = None;
            }
            parked
        };
        connection.session.put(Attention::Parked, false);
        if let Some(mut parked) = parked {
            let all = 0..parked.len();
            parked.take(all, &connection, &mut intake.filling.borrow_mut());
            intake.work.wake();
        }
        connection.relieved();
        if connection.backlog.borrow().is_none() {
            connection.session.client.set_pending_bytes(0);
            return connection.settle();
        }
    }
}

/// Waits until the client is not held any more (`DEBUG SLEEP`). `false` if it has been ended meanwhile, or has
/// hung up and for as long as a client may take no output.
async fn wait_out(connection: &Connection) -> bool {
    let session = &connection.session;
    let mut hung_up: Option<Instant> = None;
    while session.has(Attention::Held) {
        let left = Duration::from_millis(session.held_until_ms().saturating_sub(now_ms()));
        if left.is_zero() {
            session.put(Attention::Held, false);
            break;
        }
        // Who has sent all there was to send may still read.
        if connection.sees_hang_up().await
            && hung_up.get_or_insert_with(Instant::now).elapsed() >= OUTPUT_STALL
        {
            return false;
        }
        if !connection.stays_for(left.min(HANG_UP_LOOK)).await {
            return false;
        }
    }
    true
}

/// Waits until a pause may have changed or be over. `false` if the client is gone or has been ended meanwhile.
async fn wait_for_pause(connection: &Connection) -> bool {
    let (shared, client) = (&connection.intake.shared, &connection.session.client);
    if shared.pause.now(now_ms()).is_none() {
        return true;
    }
    // Whoever is held back counts as one who waits. Source: Redis `blockPostponeClient`.
    shared.registry.set_blocked(client, true);
    let stays = outlasts_pause(connection).await;
    shared.registry.set_blocked(client, connection.blocked.get().is_some());
    stays
}

async fn outlasts_pause(connection: &Connection) -> bool {
    let pause = &connection.intake.shared.pause;
    while pause.now(now_ms()).is_some() {
        if connection.sees_hang_up().await {
            return false;
        }
        tokio::select! {
            biased;
            () = pause.over() => return true,
            stays = connection.stays_for(HANG_UP_LOOK) => if !stays { return false },
        }
    }
    true
}

/// Writes all output that waits, or, on a link, as much of it as requests that are parked have to wait for. `false` if
/// the client is gone, or is over its limits for too long.
async fn drain(connection: &Rc<Connection>) -> bool {
    let mut over_since: Option<Instant> = None;
    loop {
        let (written, left) = {
            let mut backlog = connection.backlog.borrow_mut();
            let Some(outbox) = backlog.as_mut().map(|backlog| &mut backlog.outbox) else { return true };
            let parks = connection.family == Family::Link && connection.session.has(Attention::Parked);
            if outbox.is_empty() || parks && !connection.is_too_much(outbox) {
                return true;
            }
            let written = connection.write(outbox.next());
            outbox.wrote(written.unwrap_or(0));
            connection.session.client.set_pending_bytes(outbox.output_bytes() + outbox.long_bytes());
            (written, outbox.output_bytes())
        };
        if !connection.is_held_up() {
            connection.relieved();
        }
        let limit = connection.output_limit();
        let patience = if limit.soft_bytes > 0 && left as u64 > limit.soft_bytes {
            let over = over_since.get_or_insert_with(Instant::now).elapsed();
            Duration::from_secs(limit.soft_s).saturating_sub(over).min(OUTPUT_STALL)
        } else {
            over_since = None;
            OUTPUT_STALL
        };
        let goes_on = match written {
            None => return false,
            Some(0) => match timeout(patience, connection.socket().writable()).await {
                Ok(Ok(())) => true,
                Ok(Err(_)) => return false,
                Err(_) => false,
            },
            Some(_) => {
                connection.session.client.is_active(now_ms());
                tokio::task::yield_now().await;
                !patience.is_zero()
            }
        };
        if !goes_on {
            connection.give_up();
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::settings::{Key, Kind, Settings};

    use super::*;

    #[test]
    fn without_a_limit_a_client_can_be_told_whatever_can_be_stored() {
        let Kind::Bytes(_, longest) = Key::ProtoMaxBulkLen.row().kind else { panic!("it counts bytes") };
        let value_bytes_max = (longest as u64).min(u32::MAX.into());
        let [normal, ..] = Settings::default().output_limits();
        assert!(hard_bytes(normal) > value_bytes_max + OUTPUT_BYTES_SOFT as u64);
        assert_eq!(hard_bytes(OutputLimit { hard_bytes: 1000, ..normal }), 1000);
    }
}
