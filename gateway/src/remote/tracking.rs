//! Keys that clients of this worker keep: what shards say of them.
//!
//! A read goes to its shard with the number of the client that is to be told, and the shard remembers both with the link.
//! Which keys are followed by their beginnings every shard is told.

use tidegate_protocols::data::Outcome;
use tidegate_protocols::link::Malformed;
use tidegate_protocols::stale::{Stale, Told, Tracker};
use tidegate_protocols::table::Gather;
use tidegate_protocols::table::link::Link as Verbs;

use super::gather::How;
use super::worker::RemoteWorker;
use crate::limits::NAMES_TOLD;

impl RemoteWorker {
    /// Asks all shards to tell of keys that begin so.
    pub(super) fn send_follow(&mut self, prefixes: &[&[u8]]) -> Outcome {
        let fresh: Vec<&[u8]> =
            prefixes.iter().copied().filter(|prefix| self.followed.insert((*prefix).into())).collect();
        if fresh.is_empty() {
            return Outcome::Done;
        }
        let mut words = vec![Verbs::Follow.row().name.as_bytes(), &[0]];
        words.extend(fresh);
        self.ask_all(Verbs::Follow.row(), &words, How::Every(Gather::Agree))
    }

    /// Nobody here follows keys that begin so any more.
    pub(super) fn send_unfollow(&mut self, prefix: &[u8]) {
        if self.followed.remove(prefix) {
            for place in 0..self.links.len() {
                self.tell_words(Verbs::Unfollow, place, &[Verbs::Unfollow.row().name.as_bytes(), prefix]);
            }
        }
    }

    /// Tells over a link that has just been made which keys are followed. What has changed before the shard has heard of
    /// that it does not know: it says that everything has.
    pub(super) fn follow_again(&mut self, place: usize) {
        let followed: Vec<_> = self.followed.iter().cloned().collect();
        for prefixes in followed.chunks(NAMES_TOLD) {
            let mut words = vec![Verbs::Follow.row().name.as_bytes(), &[1]];
            words.extend(prefixes.iter().map(|prefix| &**prefix));
            self.tell_words(Verbs::Follow, place, &words);
        }
    }

    /// Takes what a shard says is stale.
    pub(super) fn take_told(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let client = |client| Tracker { link: 0, client };
        match Told::decode(bytes)? {
            Told::All => self.stale.push(Stale::All),
            Told::Read { key, readers, by } => {
                let readers = readers.into_iter().map(client).collect();
                self.stale.push(Stale::Key {
                    key: key.into(),
                    readers,
                    by: client(by),
                    has_changed: false,
                    is_early: false,
                });
            }
            Told::Changed(keys) => self.stale.extend(keys.into_iter().map(|(key, by)| Stale::Key {
                key: key.into(),
                readers: Vec::new(),
                by: client(by),
                has_changed: true,
                is_early: false,
            })),
        }
        Ok(())
    }
}
