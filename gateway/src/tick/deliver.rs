//! What clients are told without having asked: messages, what is stale, and all commands for those who watch them.

use std::sync::Arc;

use tidegate_protocols::Row;
use tidegate_protocols::data::Worker;

use super::Tick;
use crate::batch::Decoded;
use crate::commands::{self, Scope};
use crate::pubsub::{Delivery, Kind, Message, publish_events};
use crate::tracking::{publish_changed, publish_stale};

impl<W: Worker> Tick<W> {
    /// Whether something was published for clients of this worker.
    #[inline]
    pub(super) fn has_messages(&self) -> bool {
        self.intake.shared.pubsub.has_for(self.intake.index)
    }

    /// Sends what was published to those who listen. Nothing waits in the buffer of replies.
    pub(super) fn deliver(&mut self) {
        publish_events(&mut self.data, &self.intake.shared, self.intake.index);
        publish_stale(&mut self.data, &self.intake);
        if W::ANSWERS_LATER {
            self.deliver_heard();
        }
        if self.has_messages() {
            let delivery = self.intake.shared.pubsub.take(self.intake.index);
            self.intake.audience.borrow_mut().deliver(&delivery, &self.intake);
        }
    }

    /// The same when a tick has ended, or rests.
    pub(super) fn deliver_last(&mut self) {
        self.deliver();
        if !self.intake.changed.borrow().is_empty() {
            publish_changed(&mut self.data, &self.intake);
            self.data.finish();
            self.deliver();
        }
    }

    /// The same for what has been said elsewhere.
    fn deliver_heard(&mut self) {
        let mut messages = Vec::new();
        self.data.hear(&mut |said| {
            messages.push(Arc::new(match said.kind {
                Kind::Scripts => Message::for_monitors(said.payload.to_vec()),
                _ => Message::new(said, None),
            }));
        });
        if !messages.is_empty() {
            let delivery = Delivery { before: Delivery::FOR_ALL, messages };
            self.intake.audience.borrow_mut().deliver(&delivery, &self.intake);
        }
    }

    /// Says elsewhere what nobody here listens to any more.
    pub(super) fn leave_forsaken(&mut self) {
        if W::ANSWERS_LATER {
            for (kind, name) in self.intake.audience.borrow_mut().take_forsaken() {
                self.data.unlisten(kind, &name);
            }
            if !self.intake.unfollowed.borrow().is_empty() {
                for prefix in self.intake.take_unfollowed() {
                    self.data.unfollow(&prefix);
                }
            }
        }
    }

    /// Tells those who watch all commands of one that has been executed.
    #[cold]
    pub(super) fn tell_monitors(&self, row: &'static Row, decoded: &Decoded) {
        if !decoded.is_passed_on() {
            let session = &self.connection().session;
            let request = self.batch.request(decoded, row, session.dialect());
            let scope =
                Scope { session, shared: &self.intake.shared, intake: &self.intake, now_ms: self.now_ms };
            commands::tell_monitors(&request, &scope);
        }
    }

    /// Tells those who watch all commands, once, of one that runs a script, before all that this executes.
    #[cold]
    pub(super) fn tell_monitors_of_run(&mut self, row: &'static Row, decoded: &Decoded) {
        if !decoded.is_passed_on() && self.told < Some(self.at.request) {
            let session = &self.connection().session;
            let request = self.batch.request(decoded, row, session.dialect());
            let scope =
                Scope { session, shared: &self.intake.shared, intake: &self.intake, now_ms: self.now_ms };
            commands::tell_monitors_of_run(&request, &scope);
            self.told = Some(self.at.request);
        }
    }
}
