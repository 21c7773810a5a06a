//! The keys of one partition that clients watch, each with a version that every change raises.
//!
//! Nothing of this is kept in entries, and a key may be watched that is not there. Where nobody watches
//! anything, a change costs one look at an empty map. Versions come from one counter of the partition and never
//! come again, so one that was forgotten in between is not mistaken for the same.

use std::collections::HashMap;

use crate::partition::DatabaseId;

/// See the module.
#[derive(Default)]
pub(crate) struct Watched {
    keys: HashMap<Box<[u8]>, Vec<Mark>>,
    last_version: u64,
}

/// A watched key in one database.
struct Mark {
    database: DatabaseId,
    version: u64,
    watchers: u64,
}

impl Watched {
    /// Whether nobody watches anything.
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
        }
    }

    /// One more client watches a key. Returns the version it has.
    pub(crate) fn add(&mut self, database: DatabaseId, key: &[u8]) -> u64 {
        if let Some(mark) = mark(&mut self.keys, database, key) {
            mark.watchers += 1;
            return mark.version;
        }
        let version = self.last_version;
        self.keys.entry(key.into()).or_default().push(Mark { database, version, watchers: 1 });
        version
    }

    /// One client less watches a key. Returns the version it has.
    pub(crate) fn remove(&mut self, database: DatabaseId, key: &[u8]) -> Option<u64> {
        let mark = mark(&mut self.keys, database, key)?;
        let version = mark.version;
        mark.watchers -= 1;
        if mark.watchers == 0 {
            let marks = self.keys.get_mut(key)?;
            marks.retain(|mark| mark.watchers > 0);
            if marks.is_empty() {
                self.keys.remove(key);
            }
        }
        if self.is_empty() {
            self.keys = HashMap::new();
        }
        Some(version)
    }

    /// The keys that are watched in a database.
    pub(crate) fn keys_of(&self, database: DatabaseId) -> Vec<Box<[u8]>> {
        let is_watched = |marks: &[Mark]| marks.iter().any(|mark| mark.database == database);
        self.keys.iter().filter(|(_, marks)| is_watched(marks)).map(|(key, _)| key.clone()).collect()
    }

    /// Two databases exchange their numbers. Who watches a key watches it under the number, as it will be stored.
    pub(crate) fn swap(&mut self, one: DatabaseId, other: DatabaseId) {
        for mark in self.keys.values_mut().flatten() {
            if mark.database == one {
                mark.database = other;
            } else if mark.database == other {
                mark.database = one;
            }
        }
    }
}

fn mark<'a>(
    keys: &'a mut HashMap<Box<[u8]>, Vec<Mark>>,
    database: DatabaseId,
    key: &[u8],
) -> Option<&'a mut Mark> {
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
