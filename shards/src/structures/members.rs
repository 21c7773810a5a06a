//! The members of a large collection: the fields of a hash with their values, or members with nothing beside them.
//!
//! It is the table that holds keys ([`crate::table`]) with a root of its own: a field and its value lie in one
//! allocation with three bytes before them, and take 12 bytes of the table. So it grows by one segment at a time, and
//! a scan needs nothing but the hash it has reached. Nobody prefetches here, so what is replaced is freed at once.
#![allow(unsafe_code)]

use crossbeam_epoch::Guard;
use tidegate_protocols::cursor::HASH_BITS;

use crate::allocator;
use crate::entry::{Encoding, Entry, EntryPtr, Metadata};
use crate::hash::KeyHasher;
use crate::table::{self, Detached, Root, Seat, Table};

/// Members by their bytes, each with some bytes beside it.
#[derive(Default)]
pub(crate) struct Members {
    root: Root,
    len: usize,
}

/// Frees at once what is given to it.
fn at_once() -> &'static Guard {
    // SAFETY: nothing looks at the nodes of these tables but their owner, who is borrowed alone for every change; and no
    // method of a table looks at a node it has retired.
    unsafe { crossbeam_epoch::unprotected() }
}

impl Members {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The table, to be looked at.
    fn table(&self) -> Table<'_> {
        // SAFETY: what this file does with a table it has by a shared loan changes nothing, so there may be several.
        unsafe { Table::new(&self.root, at_once(), KeyHasher::new()) }
    }

    /// The place of a member, to be changed.
    fn seat(&mut self, member: &[u8]) -> Seat<'_> {
        let hasher = KeyHasher::new();
        // SAFETY: `self` is borrowed alone for as long.
        let table = unsafe { Table::new(&self.root, at_once(), hasher) };
        Seat::new(table, hasher.hash(member), member)
    }

    /// What stands beside a member, if it is there.
    pub(crate) fn get(&self, member: &[u8]) -> Option<&[u8]> {
        let found = self.table().into_found(KeyHasher::new().hash(member), member)?;
        Some(found.entry().value())
    }

    /// The address of the entry that a member is: the same until the member is taken out or is given a value of
    /// another length.
    pub(crate) fn address(&self, member: &[u8]) -> Option<u64> {
        let found = self.table().into_found(KeyHasher::new().hash(member), member)?;
        Some(found.word.address())
    }

    /// Puts in a member, or gives it other bytes. Says whether it is new.
    pub(crate) fn set(&mut self, member: &[u8], value: &[u8]) -> bool {
        let metadata = Metadata::default();
        let mut seat = self.seat(member);
        let is_new = seat.entry().is_none();
        if is_new {
            seat.insert(Entry::new(Encoding::Raw, &metadata, member, value), 0);
            self.len += 1;
        } else {
            seat.replace(|mut entry, word| {
                if !entry.overwrite(Encoding::Raw, &metadata, value) {
                    entry = Entry::new(Encoding::Raw, &metadata, member, value);
                }
                (entry, word)
            });
        }
        is_new
    }

    /// Takes out a member. Says whether it was there.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        self.take(member).is_some()
    }

    /// Takes out a member as the entry it is. `member` may lie in there.
    pub(crate) fn take(&mut self, member: &[u8]) -> Option<Entry> {
        let taken = self.seat(member).take()?;
        self.len -= 1;
        Some(taken)
    }

    /// Visits all of them, in no order that means anything.
    pub(crate) fn for_each<'a>(&'a self, mut each: impl FnMut(&'a [u8], &'a [u8])) {
        let mut prefix = (self.len > 0).then_some(0);
        while let Some(from) = prefix {
            prefix = self.step(from, &mut |entry| each(entry.key(), entry.value()));
        }
    }

    /// Visits the segment at `prefix`, and returns the prefix of the next. There is a member.
    fn step<'a>(&'a self, prefix: u64, each: &mut dyn FnMut(EntryPtr<'a>)) -> Option<u64> {
        let (words, next) =
            self.table().walk(prefix, |segment| segment.entries().map(|(_, word)| word).collect::<Vec<_>>());
        for word in words {
            // SAFETY: the table owns the entry, and `self` is borrowed for as long.
            each(unsafe { EntryPtr::from_bits(word.address()) });
        }
        next
    }

    /// Visits members from `cursor` on until at least `count` were visited, and returns the cursor to go on with, 0 at
    /// the end. Who is there from the first to the last call is visited, whatever happens to others.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut each: impl FnMut(&[u8], &[u8])) -> u64 {
        let mut prefix = (cursor < 1 << HASH_BITS).then_some(cursor);
        let mut visited = 0;
        while let Some(from) = prefix.filter(|_| visited < count) {
            prefix = self.table().scan(from, |found| {
                visited += 1;
                each(found.entry().key(), found.entry().value());
            });
        }
        prefix.unwrap_or(0)
    }

    /// One of them, each with the same chance. There is one.
    pub(crate) fn random(&self, random: &mut fastrand::Rng) -> (&[u8], &[u8]) {
        let table = self.table();
        loop {
            let segment = table.random_segment(random.u64(..)).expect("there is a member");
            // A segment is found by its share of the hashes. So that what is in it counts instead, it is taken with a chance
            // that grows with how many members it has for that share: one half if they are as many as they should be.
            let expected = self.len as f64 / (1_u64 << segment.depth()) as f64;
            if random.f64() * 2.0 * expected >= segment.len() as f64 {
                continue;
            }
            let nth = random.usize(..segment.len());
            let (_, word) = segment.entries().nth(nth).expect("a segment has as many entries as it says");
            // SAFETY: the table owns the entry, and `self` is borrowed for as long.
            let entry = unsafe { EntryPtr::from_bits(word.address()) };
            return (entry.key(), entry.value());
        }
    }

    /// A copy of all of them.
    pub(crate) fn duplicate(&self) -> Self {
        let mut copy = Self::default();
        self.for_each(|member, value| {
            copy.set(member, value);
        });
        copy
    }

    /// Bytes of the table and of its members, as far as the mean of some of these tells.
    pub(crate) fn bytes(&self) -> usize {
        let (mut bytes, mut seen) = (0, 0);
        let mut prefix = (self.len > 0).then_some(0);
        while let Some(from) = prefix.filter(|_| seen == 0) {
            prefix = self.step(from, &mut |entry| {
                bytes += allocator::class_bytes(entry.len());
                seen += 1;
            });
        }
        Table::bytes(&self.root, at_once()) + bytes * self.len / seen.max(1)
    }

    /// Takes everything out, to be freed step by step.
    pub(crate) fn detach(mut self) -> Detached {
        self.len = 0;
        // SAFETY: `self` is owned.
        unsafe { Table::new(&self.root, at_once(), KeyHasher::new()) }.detach()
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        table::free_owned(&mut self.root);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn member() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (0..400_u32).prop_map(|number| format!("member:{number}").into_bytes()),
            Just(Vec::new()),
            Just(vec![b'm'; 200]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn members_are_as_in_a_map(changes in proptest::collection::vec((member(), 0..3_u8, 0..300_usize), 0..3000)) {
            let (mut members, mut map) = (Members::default(), HashMap::new());
            for (member, change, len) in changes {
                if change == 0 {
                    prop_assert_eq!(members.remove(&member), map.remove(&member).is_some());
                } else {
                    let value = vec![b'v'; len];
                    prop_assert_eq!(members.set(&member, &value), map.insert(member.clone(), value).is_none());
                }
                prop_assert_eq!(members.get(&member), map.get(&member).map(Vec::as_slice));
                prop_assert_eq!(members.len(), map.len());
            }
            let copy = members.duplicate();
            drop(members);
            let mut seen = HashMap::new();
            copy.for_each(|member, value| assert!(seen.insert(member.to_vec(), value.to_vec()).is_none()));
            prop_assert_eq!(seen, map);
        }
    }

    #[test]
    fn a_scan_visits_who_is_there_all_the_time_once() {
        let mut members = Members::default();
        let name = |number: u32| number.to_be_bytes();
        (0..1000).for_each(|number| assert!(members.set(&name(number), b"")));
        let (mut cursor, mut seen, mut step) = (0, HashMap::new(), 0);
        loop {
            cursor = members.scan(cursor, 10, |member, _| *seen.entry(member.to_vec()).or_insert(0) += 1);
            if cursor == 0 {
                break;
            }
            step += 1;
            // It grows, and shrinks to less than it was.
            for new in 0..9 {
                members.set(&name(10_000 + step * 9 + new), b"");
            }
            if step < 400 {
                members.remove(&name(999 - step));
            }
        }
        for number in 0..500 {
            assert_eq!(seen.get(&name(number)[..]), Some(&1), "{number}");
        }
        assert_eq!(members.scan(1 << HASH_BITS, 10, |_, _| panic!("behind the end")), 0);
        assert_eq!(Members::default().scan(5, 10, |_, _| panic!("nobody is there")), 0);
    }

    #[test]
    fn everybody_is_taken_by_chance_as_often_as_everybody_else() {
        for count in [1, 100, 3000] {
            let mut members = Members::default();
            (0..count as u32).for_each(|number| assert!(members.set(&number.to_be_bytes(), b"")));
            let (mut random, mut times) = (fastrand::Rng::with_seed(7), vec![0_i64; count]);
            let each = 100;
            for _ in 0..count * each {
                let (member, _) = members.random(&mut random);
                times[u32::from_be_bytes(member.try_into().unwrap()) as usize] += 1;
            }
            // The mean of `(times - each)²/each` is 1 for chance that is fair, with a deviation of √(2/count).
            let squares: i64 = times.iter().map(|times| (times - each as i64).pow(2)).sum();
            let measure = squares as f64 / (count * each) as f64;
            assert!(measure < 1.0 + 5.0 * (2.0 / count as f64).sqrt(), "{measure} of {count}");
        }
    }
}
