//! The keys of one partition that clients have read and keep for themselves (`CLIENT TRACKING`): who is to be told when one
//! changes.
//!
//! A key is remembered under the lock under which it was read, so nothing changes in between, and it is remembered until it
//! changes: whoever is told of it is told once, and reads it again. It is its name that is remembered, in whichever
//! database, as in Redis. Who is gone meanwhile is found out when he is told.
//!
//! Where nobody keeps anything a change costs one look at a flag.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use tidegate_protocols::data::Context;
use tidegate_protocols::settings::Key;
use tidegate_protocols::stale::{Stale, Tracker};
use tidegate_protocols::table::Flags;
use tidegate_protocols::{Request, Verb};

use crate::diary::{self, StaleNote};
use crate::worker::StoreWorker;

/// Keys that are forgotten in one go when there are too many.
const FORGOTTEN_AT_ONCE: usize = 100;

/// See the module.
pub(crate) struct Tracked {
    readers: BTreeMap<Box<[u8]>, Vec<Tracker>>,
    /// The key that was forgotten last because there were too many.
    hand: Box<[u8]>,
    /// Whether every change is told, whoever has read the key.
    tells_changes: bool,
    /// Whether anybody is told of anything.
    is_used: bool,
    totals: Arc<Totals>,
}

/// What is remembered in all partitions.
#[derive(Default)]
pub(crate) struct Totals {
    keys: AtomicU64,
    readers: AtomicU64,
}

impl Totals {
    /// Keys that are remembered.
    pub(crate) fn keys(&self) -> u64 {
        self.keys.load(Relaxed)
    }

    /// Their readers, all together.
    pub(crate) fn readers(&self) -> u64 {
        self.readers.load(Relaxed)
    }

    fn forget(&self, readers: usize) {
        self.keys.fetch_sub(1, Relaxed);
        self.readers.fetch_sub(readers as u64, Relaxed);
    }
}

impl Tracked {
    pub(crate) fn new(totals: Arc<Totals>) -> Self {
        let (readers, hand) = (BTreeMap::new(), Box::default());
        Self { readers, hand, tells_changes: false, is_used: false, totals }
    }

    /// Whether anybody is told of anything.
    #[inline]
    pub(crate) fn is_used(&self) -> bool {
        self.is_used
    }

    /// A key has changed.
    #[inline]
    pub(crate) fn touch(&mut self, key: &[u8]) {
        if self.is_used {
            self.tell(key);
        }
    }

    #[cold]
    fn tell(&mut self, key: &[u8]) {
        let readers = self.readers.remove(key);
        if readers.is_some() || self.tells_changes {
            let readers = readers.unwrap_or_default();
            if !readers.is_empty() {
                self.totals.forget(readers.len());
            }
            diary::note_stale(StaleNote::Key { key: key.into(), readers, has_changed: true });
            self.look();
        }
    }

    /// A client has read a key.
    fn remember(&mut self, key: &[u8], reader: Tracker) {
        let readers = if let Some(readers) = self.readers.get_mut(key) {
            readers
        } else {
            self.totals.keys.fetch_add(1, Relaxed);
            self.readers.entry(key.into()).or_default()
        };
        if !readers.contains(&reader) {
            readers.push(reader);
            self.totals.readers.fetch_add(1, Relaxed);
        }
        self.look();
    }

    /// Forgets keys, and has their readers told of them, while more than `keys_max` are remembered anywhere. Returns
    /// whether there may still be too many.
    pub(crate) fn forget_some(&mut self, keys_max: u64) -> bool {
        for _ in 0..FORGOTTEN_AT_ONCE {
            if self.totals.keys() <= keys_max {
                return false;
            }
            let after = (Excluded(&*self.hand), Unbounded);
            let next = self.readers.range::<[u8], _>(after).next().or_else(|| self.readers.iter().next());
            let Some((key, _)) = next else { break };
            let key = key.clone();
            let readers = self.readers.remove(&key).unwrap_or_default();
            self.totals.forget(readers.len());
            self.hand.clone_from(&key);
            diary::note_stale(StaleNote::Key { key, readers, has_changed: false });
        }
        self.look();
        !self.readers.is_empty()
    }

    /// Everybody is told that everything has changed.
    pub(crate) fn forget_all(&mut self) {
        for readers in std::mem::take(&mut self.readers).into_values() {
            self.totals.forget(readers.len());
        }
        self.look();
    }

    /// Has every change told, or only those of keys that somebody has read.
    pub(crate) fn tell_changes(&mut self, are_told: bool) {
        self.tells_changes = are_told;
        self.look();
    }

    fn look(&mut self) {
        self.is_used = self.tells_changes || !self.readers.is_empty();
    }
}

impl StoreWorker {
    /// Remembers who has read the keys of a request, which are locked.
    #[cold]
    pub(crate) fn remember(&mut self, request: &Request<'_>, context: &Context) {
        if !request.row.flags.has(Flags::READONLY) || matches!(request.row.verb, Verb::Memcached(_)) {
            return;
        }
        let keys_max = self.local.shared.settings.number(Key::TrackingTableMaxKeys) as u64;
        for key in request.row.keys_of(&request.args) {
            let key = request.args.at(key.index);
            let slot = self.held.keyspace().spot(key).slot;
            let tracked = &mut self.held.at(slot).into_partition().tracked;
            tracked.remember(key, context.tracker);
            if keys_max > 0 {
                tracked.forget_some(keys_max);
            }
        }
    }

    /// Takes out of the diary what has to be told to those who keep what they have read, changed by `by`.
    #[cold]
    pub(crate) fn keep_stale(&mut self, by: Tracker, is_early: bool) {
        self.stale.extend(diary::take_stale().into_iter().map(|note| match note {
            StaleNote::All => Stale::All,
            StaleNote::Key { key, readers, has_changed } => {
                Stale::Key { key, readers, by, has_changed, is_early }
            }
        }));
    }

    /// Forgets some of the keys that are too many, wherever they are.
    pub(crate) fn forget_tracked(&mut self) {
        let keys_max = self.local.shared.settings.number(Key::TrackingTableMaxKeys) as u64;
        let keyspace = Arc::clone(self.held.keyspace());
        for partition in 0..keyspace.partitions() {
            if keys_max == 0 || keyspace.tracked().keys() <= keys_max {
                return;
            }
            if self.held.lock_if_free(partition).is_ok() {
                while self.held.locked(partition).into_partition().tracked.forget_some(keys_max) {}
            }
        }
    }

    /// Has every change told while it `is_wanted`, partition by partition.
    pub(crate) fn tell_all_changes(&mut self, is_wanted: &dyn Fn() -> bool) {
        for partition in 0..self.held.keyspace().partitions() {
            self.held.lock_patiently(partition);
            self.held.locked(partition).into_partition().tracked.tell_changes(is_wanted());
        }
    }
}
