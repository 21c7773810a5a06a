//! The keys of one partition that clients watch or wait for. Each has a version that every change raises, and a queue of
//! who is to be told of the change.
//!
//! Nothing of this is kept in entries, and a key may be watched that is not there. Where nobody watches or waits for
//! anything, a change costs one look at an empty map. Versions come from one counter of the partition and never
//! come again, so one that was forgotten in between is not mistaken for the same.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::hash::KeyHasher;
use crate::partition::DatabaseId;
use crate::waiting::{Queue, Waiter};

/// What is kept of each key.
type Keys = HashMap<Box<[u8]>, Vec<Mark>, KeyHasher>;

/// Keys there is room for while there are none.
const KEPT: usize = 64;

/// See the module.
#[derive(Default)]
pub(crate) struct Watched {
    keys: Keys,
    last_version: u64,
    /// Keys that somebody waits for and that have changed.
    ready: Vec<Ready>,
}

/// A watched key in one database.
struct Mark {
    database: DatabaseId,
    version: u64,
    watchers: u64,
    queue: Queue,
    /// Whether it is among those that are ready.
    is_ready: bool,
}

impl Mark {
    fn is_idle(&self) -> bool {
        self.watchers == 0 && self.queue.is_empty()
    }
}

/// A key that somebody waits for and that has changed.
pub(crate) struct Ready {
    /// It changed before those with a higher number that the same thread has changed.
    pub(crate) order: u64,
    pub(crate) partition: usize,
    pub(crate) database: DatabaseId,
    pub(crate) key: Box<[u8]>,
}

impl Ready {
    fn is(&self, database: DatabaseId, key: &[u8]) -> bool {
        self.database == database && *self.key == *key
    }
}

thread_local! {
    static LAST_ORDER: Cell<u64> = const { Cell::new(0) };
}

impl Watched {
    /// Whether nobody watches or waits for anything.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// A key has changed.
    #[inline]
    pub(crate) fn touch(&mut self, database: DatabaseId, key: &[u8]) {
        if !self.is_empty() {
            self.raise(database, key);
        }
    }

    #[cold]
    fn raise(&mut self, database: DatabaseId, key: &[u8]) {
        if let Some(mark) = mark(&mut self.keys, database, key) {
            self.last_version += 1;
            mark.version = self.last_version;
            if !mark.queue.is_empty() {
                make_ready(mark, &mut self.ready, key);
            }
        }
    }

    /// Who waits for a key is to look at it again, although it has not changed for those who watch it.
    #[cold]
    pub(crate) fn wake(&mut self, database: DatabaseId, key: &[u8]) {
        if let Some(mark) = mark(&mut self.keys, database, key).filter(|mark| !mark.queue.is_empty()) {
            make_ready(mark, &mut self.ready, key);
        }
    }

    /// One more client watches a key. Returns the version it has.
    pub(crate) fn add(&mut self, database: DatabaseId, key: &[u8]) -> u64 {
        if let Some(mark) = mark(&mut self.keys, database, key) {
            mark.watchers += 1;
            return mark.version;
        }
        let version = self.last_version;
        self.insert(database, key).watchers = 1;
        version
    }

    fn insert(&mut self, database: DatabaseId, key: &[u8]) -> &mut Mark {
        let marks = self.keys.entry(key.into()).or_insert_with(|| Vec::with_capacity(1));
        marks.push(Mark {
            database,
            version: self.last_version,
            watchers: 0,
            queue: Queue::default(),
            is_ready: false,
        });
        marks.last_mut().expect("it has just been pushed")
    }

    /// One client less watches a key. Returns the version it has.
    pub(crate) fn remove(&mut self, database: DatabaseId, key: &[u8]) -> Option<u64> {
        let mark = mark(&mut self.keys, database, key)?;
        let version = mark.version;
        mark.watchers -= 1;
        if mark.is_idle() {
            self.forget_idle(key);
        }
        Some(version)
    }

    fn forget_idle(&mut self, key: &[u8]) {
        let Some(marks) = self.keys.get_mut(key) else { return };
        marks.retain(|mark| !mark.is_idle());
        if marks.is_empty() {
            self.keys.remove(key);
        }
        if self.is_empty() && self.keys.capacity() > KEPT {
            self.keys = Keys::default();
        }
    }

    /// A request waits for a key, behind those that do already.
    pub(crate) fn wait(&mut self, database: DatabaseId, key: &[u8], waiter: &Arc<Waiter>) {
        match mark(&mut self.keys, database, key) {
            Some(mark) => mark.queue.add(waiter),
            None => self.insert(database, key).queue.add(waiter),
        }
    }

    /// A request waits for a key no longer. Returns whether it did.
    pub(crate) fn wait_no_more(&mut self, database: DatabaseId, key: &[u8], waiter: &Waiter) -> bool {
        let Some(mark) = mark(&mut self.keys, database, key) else { return false };
        let did = mark.queue.remove(waiter);
        if mark.is_ready
            && mark.queue.is_empty()
            && self.ready.last().is_some_and(|last| last.is(database, key))
        {
            // Nobody waits who is to be told.
            mark.is_ready = false;
            self.ready.pop();
        }
        if mark.is_idle() {
            self.forget_idle(key);
        }
        did
    }

    /// Who waits for a key.
    pub(crate) fn queue(&self, database: DatabaseId, key: &[u8]) -> Option<&Queue> {
        self.keys.get(key)?.iter().find(|mark| mark.database == database).map(|mark| &mark.queue)
    }

    /// Who waits for a key of whichever database, and concerns more than it.
    pub(crate) fn far(&self, key: &[u8]) -> impl Iterator<Item = &Arc<Waiter>> {
        self.keys.get(key).into_iter().flatten().flat_map(|mark| mark.queue.far())
    }

    /// How many keys are waited for, and how many of them for their removal, too.
    pub(crate) fn count_queues(&self) -> (u64, u64) {
        let queues =
            || self.keys.values().flatten().map(|mark| &mark.queue).filter(|queue| !queue.is_empty());
        (queues().count() as u64, queues().filter(|queue| queue.awaits_removal()).count() as u64)
    }

    /// Whether any of the keys that somebody waits for has changed.
    #[inline]
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes out the keys that somebody waits for and that have changed.
    pub(crate) fn take_ready(&mut self, partition: usize) -> Vec<Ready> {
        let mut all = std::mem::take(&mut self.ready);
        for ready in &mut all {
            ready.partition = partition;
            if let Some(mark) = mark(&mut self.keys, ready.database, &ready.key) {
                mark.is_ready = false;
            }
        }
        all
    }

    /// The keys that are watched or waited for in a database.
    pub(crate) fn keys_of(&self, database: DatabaseId) -> Vec<Box<[u8]>> {
        let is_watched = |marks: &[Mark]| marks.iter().any(|mark| mark.database == database);
        self.keys.iter().filter(|(_, marks)| is_watched(marks)).map(|(key, _)| key.clone()).collect()
    }

    /// Two databases exchange their numbers. Who watches a key watches it under the number, as it will be stored.
    pub(crate) fn swap(&mut self, one: DatabaseId, other: DatabaseId) {
        for ready in &mut self.ready {
            ready.database = swapped(ready.database, one, other);
        }
        for (key, marks) in &mut self.keys {
            for mark in marks {
                let before = mark.database;
                mark.database = swapped(before, one, other);
                if mark.database != before && !mark.queue.is_empty() {
                    make_ready(mark, &mut self.ready, key);
                }
            }
        }
    }
}

fn swapped(database: DatabaseId, one: DatabaseId, other: DatabaseId) -> DatabaseId {
    match database {
        _ if database == one => other,
        _ if database == other => one,
        _ => database,
    }
}

fn make_ready(mark: &mut Mark, all: &mut Vec<Ready>, key: &[u8]) {
    if !std::mem::replace(&mut mark.is_ready, true) {
        let order = LAST_ORDER.get();
        LAST_ORDER.set(order + 1);
        all.push(Ready { order, partition: 0, database: mark.database, key: key.into() });
    }
}

fn mark<'a>(keys: &'a mut Keys, database: DatabaseId, key: &[u8]) -> Option<&'a mut Mark> {
    keys.get_mut(key)?.iter_mut().find(|mark| mark.database == database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_changes_with_its_key_alone_and_never_comes_again() {
        let mut watched = Watched::default();
        let (one, other) = (DatabaseId(0), DatabaseId(1));
        let first = watched.add(one, b"k");
        assert_eq!(watched.add(one, b"k"), first);
        watched.touch(other, b"k");
        watched.touch(one, b"l");
        assert_eq!(watched.remove(one, b"k"), Some(first));
        watched.touch(one, b"k");
        assert_ne!(watched.remove(one, b"k"), Some(first));
        assert!(watched.is_empty());
        let again = watched.add(one, b"k");
        watched.touch(one, b"k");
        assert!(watched.remove(one, b"k").is_some_and(|version| version > again));
        assert_eq!(watched.remove(one, b"k"), None);
    }

    #[test]
    fn a_watch_follows_the_number_of_its_database() {
        let mut watched = Watched::default();
        let (one, other) = (DatabaseId(0), DatabaseId(1));
        let version = watched.add(one, b"k");
        watched.swap(one, other);
        assert_eq!((watched.keys_of(one).len(), watched.keys_of(other).len()), (0, 1));
        watched.touch(one, b"k");
        assert_eq!(watched.remove(other, b"k"), Some(version));
    }
}
