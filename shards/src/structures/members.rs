//! The members of a large collection: the fields of a hash with their values, or members with nothing beside them.
//!
//! It is the table that holds keys ([`crate::table`]) with a root of its own: a field and its value lie in one
//! allocation with three bytes before them, and take 12 bytes of the table. So it grows by one segment at a time, and
//! a scan needs nothing but the hash it has reached. Nobody prefetches here, so what is replaced is freed at once.
#![expect(unsafe_code, reason = "entries are known by their addresses; each block has its proof")]

use std::collections::HashSet;

use crossbeam_epoch::Guard;
use tidegate_protocols::cursor::HASH_BITS;

use crate::allocator;
use crate::entry::{Encoding, Entry, EntryPtr, Metadata};
use crate::hash::KeyHasher;
use crate::table::{self, Detached, Root, Seat, Table};

/// Of fewer than one in so many members each is looked for by chance, so that not all have to be visited.
const SEARCHED_PART: usize = 3;

/// Members by their bytes, each with some bytes beside it.
#[derive(Default)]
pub(crate) struct Members {
    root: Root,
    len: usize,
    /// See [`Members::due`]; kept inverted, so that 0 says "never".
    not_due: u64,
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

    /// A time, in Unix milliseconds, before which no member expires. Who has expired stays until [`Members::expire`].
    pub(crate) fn due(&self) -> u64 {
        !self.not_due
    }

    /// What stands beside a member, and when it expires, if it is there.
    pub(crate) fn look(&self, member: &[u8]) -> Option<(&[u8], Option<u64>)> {
        let found = self.table().into_found(KeyHasher::new().hash(member), member)?;
        Some((found.entry().value(), found.entry().expire_at()))
    }

    /// What stands beside a member, if it is there.
    pub(crate) fn get(&self, member: &[u8]) -> Option<&[u8]> {
        let found = self.table().into_found(KeyHasher::new().hash(member), member)?;
        Some(found.entry().value())
    }

    /// Puts in a member, or gives it other bytes; it does not expire. Says whether it is new.
    pub(crate) fn set(&mut self, member: &[u8], value: &[u8]) -> bool {
        self.set_until(member, value, None)
    }

    /// The same for one that may expire.
    pub(crate) fn set_until(&mut self, member: &[u8], value: &[u8], expire_at: Option<u64>) -> bool {
        self.is_due_by(expire_at);
        let mut place = self.place(member);
        let is_new = place.value().is_none();
        place.set_until(value, expire_at);
        is_new
    }

    /// A member's place, looked up once, whether it is there or not.
    pub(crate) fn place<'a>(&'a mut self, member: &'a [u8]) -> MemberPlace<'a> {
        let hasher = KeyHasher::new();
        // SAFETY: `self` is borrowed alone for as long.
        let table = unsafe { Table::new(&self.root, at_once(), hasher) };
        MemberPlace { seat: Seat::new(table, hasher.hash(member), member), member, len: &mut self.len }
    }

    /// Has a member that is there expire, or not expire any more.
    pub(crate) fn set_expiry(&mut self, member: &[u8], expire_at: Option<u64>) {
        self.is_due_by(expire_at);
        let metadata = Metadata { expire_at, ..Metadata::default() };
        self.seat(member).replace(|entry, word| (entry.with_metadata(&metadata), word));
    }

    fn is_due_by(&mut self, expire_at: Option<u64>) {
        let at = expire_at.unwrap_or(u64::MAX);
        self.not_due = self.not_due.max(!at);
    }

    /// Takes out who has expired before `now_ms`, until at least `count` have been, and shows them. Returns how many were.
    pub(crate) fn expire(&mut self, now_ms: u64, count: usize, mut each: impl FnMut(&[u8])) -> usize {
        let (mut expired, mut due, mut prefix) = (0, u64::MAX, (self.len > 0).then_some(0));
        while let Some(at) = prefix.filter(|_| expired < count.min(self.len)) {
            // SAFETY: `self` is borrowed alone.
            let mut table = unsafe { Table::new(&self.root, at_once(), KeyHasher::new()) };
            let (mut first, next) = table.walk(at, |segment| segment.min_expire());
            if first < now_ms {
                expired += table.expire_segment(at, now_ms, |member, _| each(member.view().key())) as usize;
                first = if expired < self.len {
                    table.walk(at, |segment| segment.min_expire()).0
                } else {
                    u64::MAX
                };
            }
            due = due.min(first);
            prefix = next;
        }
        self.len -= expired;
        if prefix.is_none() || self.len == 0 {
            self.not_due = !due;
        }
        expired
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
        self.while_each(|member, value| {
            each(member, value);
            true
        });
    }

    /// The same, as long as `each` says so.
    pub(crate) fn while_each<'a>(&'a self, mut each: impl FnMut(&'a [u8], &'a [u8]) -> bool) {
        let (mut prefix, mut goes_on) = ((self.len > 0).then_some(0), true);
        while let Some(from) = prefix.filter(|_| goes_on) {
            prefix = self.step(from, &mut |entry| {
                goes_on = goes_on && each(entry.key(), entry.value());
            });
        }
    }

    /// `count` different ones, or all if they are fewer, any of them with the same chance; in no order that means
    /// anything.
    pub(crate) fn sample<'a>(
        &'a self,
        count: usize,
        random: &mut fastrand::Rng,
        mut each: impl FnMut(&'a [u8], &'a [u8]),
    ) {
        if count > self.len / SEARCHED_PART {
            // Each of those that are left is taken with the chance that as many of them are wanted as are.
            let (mut left, mut wanted) = (self.len, count.min(self.len));
            return self.while_each(|member, value| {
                if random.usize(..left) < wanted {
                    wanted -= 1;
                    each(member, value);
                }
                left -= 1;
                wanted > 0
            });
        }
        let mut seen = HashSet::with_capacity(count);
        while seen.len() < count {
            let (member, value) = self.random(random);
            if seen.insert(member.as_ptr()) {
                each(member, value);
            }
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
        let (mut copy, mut prefix) = (Self::default(), (self.len > 0).then_some(0));
        while let Some(from) = prefix {
            prefix = self.step(from, &mut |entry| {
                copy.set_until(entry.key(), entry.value(), entry.expire_at());
            });
        }
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

/// Where a member is, or would be.
pub(crate) struct MemberPlace<'a> {
    seat: Seat<'a>,
    member: &'a [u8],
    len: &'a mut usize,
}

impl MemberPlace<'_> {
    /// What stands beside the member, if it is there.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.seat.entry().map(EntryPtr::value)
    }

    /// Puts in the member, or gives it other bytes. Returns the address of the entry that it is: the same until the member
    /// is taken out or is given a value of another length.
    pub(crate) fn set(&mut self, value: &[u8]) -> u64 {
        self.set_until(value, None)
    }

    /// The same for one that may expire.
    fn set_until(&mut self, value: &[u8], expire_at: Option<u64>) -> u64 {
        let (metadata, member) = (Metadata { expire_at, ..Metadata::default() }, self.member);
        if self.seat.entry().is_none() {
            self.seat.insert(Entry::new(Encoding::Raw, &metadata, member, value), 0);
            *self.len += 1;
        } else {
            self.seat.replace(|mut entry, word| {
                if !entry.overwrite(Encoding::Raw, &metadata, value) {
                    entry = Entry::new(Encoding::Raw, &metadata, member, value);
                }
                (entry, word)
            });
        }
        self.seat.word().expect("it was put there above").address()
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
    fn members_expire_some_at_a_time_and_never_too_early() {
        let mut members = Members::default();
        assert_eq!((members.due(), members.expire(1_000_000, 10, |_| ())), (u64::MAX, 0));
        for number in 0..2000_u32 {
            let expire_at = (number % 2 == 0).then_some(1000 + u64::from(number));
            members.set_until(&number.to_be_bytes(), b"v", expire_at);
        }
        assert_eq!(members.due(), 1000);
        assert_eq!(members.expire(1000, usize::MAX, |_| ()), 0);
        let copy = members.duplicate();
        assert_eq!(copy.due(), 1000);
        let (mut expired, mut steps) = (0, 0);
        while members.due() < 2001 {
            let some = members.expire(2001, 10, |_| ());
            (expired, steps) = (expired + some, steps + 1);
        }
        assert_eq!((expired, members.len(), members.due()), (501, 1499, 2002));
        assert!(steps > 1, "each step visits some segments");
        assert_eq!(members.look(&1001_u32.to_be_bytes()), Some((&b"v"[..], None)));
        assert_eq!(members.look(&1002_u32.to_be_bytes()), Some((&b"v"[..], Some(2002))));
        assert_eq!(members.look(&1000_u32.to_be_bytes()), None);
        // Who is given new bytes stays, and so does who does not expire any more.
        members.set(&1002_u32.to_be_bytes(), b"w");
        members.set_expiry(&1004_u32.to_be_bytes(), None);
        members.set_expiry(&1_u32.to_be_bytes(), Some(5));
        assert_eq!(members.due(), 5);
        assert_eq!(members.expire(u64::MAX, usize::MAX, |_| ()), 499 - 2 + 1);
        for number in [1002_u32, 1004] {
            assert_eq!(members.look(&number.to_be_bytes()).map(|(_, at)| at), Some(None));
        }
        assert_eq!(members.due(), u64::MAX);
        assert_eq!(copy.len(), 2000);
    }

    #[test]
    fn members_are_taken_out_in_the_order_of_their_hashes() {
        for is_reversed in [false, true] {
            let mut members = Members::default();
            (0..20_000_u32).for_each(|number| assert!(members.set(&number.to_be_bytes(), b"")));
            let mut order = Vec::new();
            members.for_each(|member, _| order.push(member.to_vec()));
            if is_reversed {
                order.reverse();
            }
            for (taken, member) in order.iter().enumerate() {
                assert!(members.remove(member));
                assert_eq!(members.len(), 20_000 - taken - 1);
            }
        }
    }

    #[test]
    fn a_sample_is_of_different_members() {
        let mut members = Members::default();
        (0..1000_u32).for_each(|number| assert!(members.set(&number.to_be_bytes(), b"")));
        let mut random = fastrand::Rng::with_seed(7);
        for count in [0, 1, 10, 300, 400, 999, 1000, 1001] {
            let mut seen = HashSet::new();
            members.sample(count, &mut random, |member, _| assert!(seen.insert(member)));
            assert_eq!(seen.len(), count.min(1000));
        }
        Members::default().sample(5, &mut random, |_, _| panic!("nobody is there"));
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
