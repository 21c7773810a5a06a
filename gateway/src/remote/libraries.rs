//! Libraries of functions in front of shards.
//!
//! All shards have the same: what changes them goes to all. But one that is started again, or joins, has none. So a gateway
//! asks for them whenever a link has been made and whenever a client has changed them, keeps those that have changed most
//! often, and begins every link with them. Who has some that have changed as often, or more often, keeps those.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use tidegate_protocols::data::{Context, Outcome};
use tidegate_protocols::link::{self as frames, Ask};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::table::link::Link as Verbs;
use tidegate_protocols::{Dialect, Request, Words};

use super::gather::How;
use super::link::Link;
use super::unanswered::Owner;
use super::worker::RemoteWorker;

/// Those that have changed most often, of all that are known of.
#[derive(Default)]
pub(super) struct Libraries {
    /// How often, as in `now`: each tick looks, without the lock.
    changes: AtomicU64,
    /// How often they have changed, and what they are.
    now: Mutex<(u64, Arc<[u8]>)>,
}

impl Libraries {
    /// A shard has said how often its own have changed and, if that was more often than was known, what they are.
    pub(super) fn keep(&self, told: &[u8]) {
        let Some((changes, payload)) = told.split_first_chunk() else { return };
        let (changes, mut now) = (u64::from_le_bytes(*changes), self.now.lock());
        if changes > now.0 && !payload.is_empty() {
            *now = (changes, payload.into());
            self.changes.store(changes, Relaxed);
        }
    }

    /// The words that say what they are; `None` if none are known.
    fn words(&self) -> Option<Words> {
        let (changes, payload) = self.now.lock().clone();
        let words =
            || Words::new(&[Verbs::Libraries.row().name.as_bytes(), &changes.to_le_bytes(), &payload]);
        (changes > 0).then(words)
    }

    /// Tells a shard before anything else.
    pub(super) fn send_first(&self, link: &Link) {
        let Some(words) = self.words() else { return };
        let row = Verbs::Libraries.row();
        let request = Request { row, dialect: Dialect::Resp2, args: words.args(), item: &Item::NONE };
        let sent = link.push(Owner::NOBODY, false, std::time::Instant::now(), |out, id| {
            frames::encode(out, &request, &Ask { id, ..Ask::default() })
        });
        debug_assert!(sent.is_ok(), "a shard has sent as much in one frame");
    }
}

/// What a worker is to do about libraries.
#[derive(Default)]
pub(super) struct Errands {
    /// Shards may have others than those that are known.
    pub(super) ask: bool,
    /// How often those had changed that all shards were told of last.
    told: u64,
}

impl RemoteWorker {
    /// Asks for libraries where they may have changed, and tells of them where they may not be known.
    #[inline]
    pub(super) fn see_to_libraries(&mut self) {
        let changes = self.common.libraries.changes.load(Relaxed);
        if self.libraries.ask || changes != self.libraries.told {
            self.exchange_libraries(changes);
        }
    }

    #[cold]
    fn exchange_libraries(&mut self, changes: u64) {
        let asked = self.beside.as_ref().unwrap_or(self.topology.owners()).asked();
        let asked: Vec<_> = asked.iter().map(|&shard| usize::from(shard)).collect();
        let places: Vec<_> = asked.into_iter().filter(|&place| !self.links[place].is_lost()).collect();
        let (row, name) = (Verbs::Libraries.row(), Verbs::Libraries.row().name.as_bytes());
        // One worker is enough.
        if std::mem::replace(&mut self.libraries.told, changes) != changes
            && self.is_first()
            && let Some(words) = self.common.libraries.words()
        {
            let words: Vec<&[u8]> = words.args().iter().collect();
            for &place in &places {
                self.tell_words(Verbs::Libraries, place, &words);
            }
        }
        if std::mem::take(&mut self.libraries.ask) && !places.is_empty() {
            let words = Words::new(&[name, &changes.to_le_bytes(), b""]);
            let request = Request { row, dialect: Dialect::Resp2, args: words.args(), item: &Item::NONE };
            let asked = self.ask_them(&request, &Context::default(), How::Libraries, &places, None);
            debug_assert!(matches!(asked, Outcome::Later(_)), "nobody waits for the answer");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_are_kept_that_have_changed_most_often() {
        let libraries = Libraries::default();
        let told = |changes: u64, payload: &str| [&changes.to_le_bytes()[..], payload.as_bytes()].concat();
        let known = || libraries.words().map(|words| words.args().at(2).escape_ascii().to_string());
        libraries.keep(&told(0, ""));
        libraries.keep(b"short");
        assert_eq!(known(), None);
        for (changes, payload, known_then) in
            [(2, "two", "two"), (1, "one", "two"), (2, "other", "two"), (3, "", "two"), (3, "three", "three")]
        {
            libraries.keep(&told(changes, payload));
            assert_eq!(known().as_deref(), Some(known_then), "{changes} {payload}");
        }
    }
}
