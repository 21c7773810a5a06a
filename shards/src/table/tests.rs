//! The table against a map that cannot be wrong.

use std::collections::{HashMap, HashSet};

use crossbeam_epoch::Collector;
use proptest::prelude::*;

use super::*;
use crate::entry::{Encoding, Metadata};

/// A table with a hasher that a test can make bad.
struct Model {
    root: Root,
    guard: Guard,
    _collector: Collector,
    map: HashMap<u32, Vec<u8>>,
}

impl Model {
    fn new() -> Self {
        let collector = Collector::new();
        let guard = collector.register().pin();
        Self { root: Root::new(0), guard, _collector: collector, map: HashMap::new() }
    }

    fn table(&self) -> Table<'_> {
        // SAFETY: each table is used up before the next is made.
        unsafe { Table::new(&self.root, &self.guard, KeyHasher::new()) }
    }

    fn set(&mut self, key: u32, value: &[u8]) {
        let bytes = key.to_be_bytes();
        let hash = KeyHasher::new().hash(&bytes);
        let mut seat = Seat::new(self.table(), hash, &bytes);
        assert_eq!(seat.entry().is_some(), self.map.contains_key(&key));
        if seat.entry().is_some() {
            seat.replace(|entry, word| {
                (Entry::new(Encoding::Raw, &entry.view().metadata(), &bytes, value), word)
            });
        } else {
            seat.insert(Entry::new(Encoding::Raw, &Metadata::default(), &bytes, value), 0);
        }
        assert_eq!(seat.entry().map(EntryPtr::value), Some(value));
        self.map.insert(key, value.to_vec());
    }

    fn remove(&mut self, key: u32) {
        let bytes = key.to_be_bytes();
        let removed = Seat::new(self.table(), KeyHasher::new().hash(&bytes), &bytes).take();
        let value = removed.map(|entry| entry.view().value().to_vec());
        assert_eq!(value, self.map.remove(&key));
    }

    fn check(&self) {
        for (key, value) in &self.map {
            let bytes = key.to_be_bytes();
            let found = self.table().into_found(KeyHasher::new().hash(&bytes), &bytes);
            assert_eq!(found.map(|found| found.entry().value()), Some(&value[..]), "{key}");
        }
        let mut cursor = Some(0);
        let mut seen = HashSet::new();
        while let Some(prefix) = cursor {
            cursor = self.step(prefix, &mut seen);
        }
        assert_eq!(seen.len(), self.map.len());
    }

    /// One step of a scan; a key seen twice fails.
    fn step(&self, prefix: u64, seen: &mut HashSet<u32>) -> Option<u64> {
        self.table().scan(prefix, |found| {
            let key = u32::from_be_bytes(found.entry().key().try_into().unwrap());
            assert!(seen.insert(key), "{key} seen twice");
        })
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        free_owned(&mut self.root);
    }
}

#[derive(Clone, Debug)]
enum Act {
    Set(u32, usize),
    Remove(u32),
    /// Many at once, so that tables grow and shrink.
    SetRange(u32, u32),
    RemoveRange(u32, u32),
    /// Some steps of the scan under way.
    Scan(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..4000_u32, 0..200_usize).prop_map(|(key, len)| Act::Set(key, len)),
        4 => (0..4000_u32).prop_map(Act::Remove),
        2 => (0..4000_u32, 0..1500_u32).prop_map(|(from, count)| Act::SetRange(from, count)),
        2 => (0..4000_u32, 0..2500_u32).prop_map(|(from, count)| Act::RemoveRange(from, count)),
        4 => (1..40_usize).prop_map(Act::Scan),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_table_is_a_map_and_a_scan_sees_what_stays_exactly_once(acts in prop::collection::vec(act(), 1..40)) {
        let mut model = Model::new();
        let (mut cursor, mut seen) = (Some(0), HashSet::new());
        // Keys there from the beginning of the scan on, without a break.
        let mut stay: HashSet<u32> = HashSet::new();
        for act in acts {
            match act {
                Act::Set(key, len) => model.set(key, &vec![b'v'; len]),
                Act::Remove(key) => { model.remove(key); stay.remove(&key); }
                Act::SetRange(from, count) => (from..from + count).for_each(|key| model.set(key, b"")),
                Act::RemoveRange(from, count) => (from..from + count).for_each(|key| {
                    model.remove(key);
                    stay.remove(&key);
                }),
                Act::Scan(steps) => for _ in 0..steps {
                    if cursor == Some(0) {
                        stay = model.map.keys().copied().collect();
                        seen.clear();
                    }
                    cursor = cursor.and_then(|prefix| model.step(prefix, &mut seen));
                    if cursor.is_none() {
                        prop_assert!(stay.is_subset(&seen));
                        cursor = Some(0);
                    }
                },
            }
        }
        model.check();
    }
}

#[test]
fn a_table_grows_to_many_segments_and_gives_everything_back() {
    let mut model = Model::new();
    for key in 0..50_000 {
        model.set(key, b"value");
    }
    model.check();
    let full = Table::bytes(&model.root, &model.guard);
    assert!(full < 50_000 * 14, "{} bytes of table an entry", full as f64 / 50_000.0);
    for key in 0..49_000 {
        model.remove(key);
    }
    model.check();
    let small = Table::bytes(&model.root, &model.guard);
    assert!(small < full / 20, "{small} of {full}");
    for key in 49_000..50_000 {
        model.remove(key);
    }
    assert!(model.table().is_empty());
}

#[test]
fn expired_entries_leave_their_segment_and_the_rest_stays() {
    let model = Model::new();
    for key in 0..2000_u32 {
        let expire_at = (key % 4 != 0).then_some(u64::from(key));
        let metadata = Metadata { expire_at, ..Metadata::default() };
        let entry = Entry::new(Encoding::Raw, &metadata, &key.to_be_bytes(), b"");
        model.table().insert(KeyHasher::new().hash(&key.to_be_bytes()), entry, 0);
    }
    let (mut removed, mut next) = (0, Some(0));
    while let Some(prefix) = next {
        let (due, after) = model.table().walk(prefix, |segment| segment.min_expire() < 1001);
        assert!(due);
        removed += model.table().expire_segment(prefix, 1001, |_, _| {});
        next = after;
    }
    assert_eq!(removed, 750);
    let (mut left, mut next) = (0, Some(0));
    while let Some(prefix) = next {
        let ((count, due), after) =
            model.table().walk(prefix, |segment| (segment.len(), segment.min_expire() < 1001));
        assert!(!due);
        left += count;
        next = after;
    }
    assert_eq!(left, 1250);
}
