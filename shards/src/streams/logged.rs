//! What the log says of groups: what consumers were given, in words that leave nothing to time or chance.
//!
//! Source: Redis `t_stream.c`, `streamPropagateXCLAIM`, `streamPropagateGroupID`, `streamPropagateConsumerCreation`.

use crate::log::effects::Effects;
use crate::structures::stream::{Group, Id, Pending};

/// A group of a stream, as the log names it.
#[derive(Clone, Copy)]
pub(super) struct Logged<'a> {
    effects: Effects,
    key: &'a [u8],
    name: &'a [u8],
}

impl<'a> Logged<'a> {
    /// The group of this name. Whatever is asked for it, only what is said of it is logged.
    pub(super) fn new(effects: Effects, key: &'a [u8], name: &'a [u8]) -> Self {
        effects.says_nothing();
        Self { effects, key, name }
    }

    /// An entry was given to a consumer, or is to be taken from it, as it is not there any more.
    pub(super) fn claims(self, group: &Group, id: Id, pending: Pending) {
        if !self.effects.is_on() {
            return;
        }
        let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
        let [time, count] = &mut digits;
        self.effects.says(&[
            b"XCLAIM",
            self.key,
            self.name,
            &group.consumer(pending.consumer).name,
            b"0",
            &id.text(),
            b"TIME",
            time.format(pending.delivered_at as i64).as_bytes(),
            b"RETRYCOUNT",
            count.format(pending.deliveries as i64).as_bytes(),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            &group.last_id.text(),
        ]);
    }

    /// The group was given entries up to its last ID.
    pub(super) fn sets_id(self, group: &Group) {
        if !self.effects.is_on() {
            return;
        }
        let entries_read = group.entries_read.map_or(-1, |read| read as i64);
        self.effects.says(&[
            b"XGROUP",
            b"SETID",
            self.key,
            self.name,
            &group.last_id.text(),
            b"ENTRIESREAD",
            itoa::Buffer::new().format(entries_read).as_bytes(),
        ]);
    }

    /// A consumer came to the group that is not named otherwise.
    pub(super) fn creates(self, consumer: &[u8]) {
        self.effects.says(&[b"XGROUP", b"CREATECONSUMER", self.key, self.name, consumer]);
    }
}
