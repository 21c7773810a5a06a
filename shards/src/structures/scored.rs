//! Members with scores: a large sorted set. A member's bytes and its score are one entry of the
//! [members](crate::structures::members), and the [tree](crate::structures::btree) that keeps the order knows only
//! where that lies.
#![expect(unsafe_code, reason = "entries are known by their addresses; each block has its proof")]

use std::ops::Range;

use crossbeam_epoch::Guard;

use crate::entry::{Entry, EntryPtr};
use crate::structures::btree::{BTree, Member};
use crate::structures::members::Members;
use crate::table::Detached;

/// Members by name and by score.
pub(crate) struct Scored {
    // First, so that it is dropped before what it leads to; it does not look at it then, but let it be plain.
    order: BTree<At>,
    members: Members,
}

/// The address of an entry of the same sorted set.
#[derive(Clone, Copy)]
struct At(u64);

impl At {
    /// The entry, for as long as the caller keeps it in its set.
    fn entry<'a>(self) -> EntryPtr<'a> {
        // SAFETY: entries neither move nor are freed before they are taken out of `Scored::members`, and every
        // function that does so takes them out of `Scored::order` first. Whoever gets one from a `Scored` borrows it.
        unsafe { EntryPtr::from_bits(self.0) }
    }
}

impl Member for At {
    fn bytes(&self) -> &[u8] {
        self.entry().key()
    }
}

/// The score that stands beside a member.
fn score_of(value: &[u8]) -> f64 {
    f64::from_ne_bytes(*value.first_chunk().expect("a score is eight bytes"))
}

impl Scored {
    /// Nobody.
    pub(crate) fn new() -> Self {
        Self { order: BTree::new(), members: Members::default() }
    }

    /// Members in it.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// The score of a member.
    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        self.members.get(member).map(score_of)
    }

    /// Gives a member the score that `decide` makes of the one it has, if it is there. `None`, and one that is equal,
    /// change nothing: neither does another sign of zero.
    #[inline]
    pub(crate) fn change(&mut self, member: &[u8], decide: impl FnOnce(Option<f64>) -> Option<f64>) {
        let mut place = self.members.place(member);
        let old = place.value().map(score_of);
        let Some(new) = decide(old).filter(|&new| old != Some(new)) else { return };
        assert!(!new.is_nan(), "commands refuse what is no number");
        if let Some(old) = old {
            self.order.remove(old, member);
        }
        // As long as the old one, so it is written in place.
        let address = place.set(&new.to_ne_bytes());
        self.order.insert(new, At(address));
    }

    /// Takes out a member. Returns its score.
    pub(crate) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.score(member)?;
        self.order.remove(score, member);
        self.members.remove(member);
        Some(score)
    }

    /// The rank of a member, from 0 for the lowest, with its score.
    pub(crate) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        self.order.rank(score, member).map(|rank| (rank, score))
    }

    /// How many come first for whom `is_before` holds, who are the first of all: the rank at which a range begins or
    /// ends.
    pub(crate) fn count_while(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        self.order.count_while(is_before)
    }

    /// Those of the ranks that are there with their scores, from both ends.
    pub(crate) fn range(
        &self,
        ranks: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = (f64, &[u8])> + ExactSizeIterator {
        self.order.range(ranks).map(|(score, at)| (score, at.entry().key()))
    }

    /// Takes out all of these ranks, in order, each shown to `each` before it is freed.
    pub(crate) fn remove_ranks(&mut self, ranks: Range<usize>, mut each: impl FnMut(f64, &[u8])) {
        let members = &mut self.members;
        self.order.remove_ranks(ranks, |score, at| {
            let entry = members.take(at.entry().key()).expect("who is in order is a member");
            each(score, entry.view().key());
        });
    }

    /// Visits members with their scores; see [`Members::scan`].
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut each: impl FnMut(f64, &[u8])) -> u64 {
        self.members.scan(cursor, count, |member, score| each(score_of(score), member))
    }

    /// One of them with its score, each with the same chance. There is one.
    pub(crate) fn random(&self, random: &mut fastrand::Rng) -> (f64, &[u8]) {
        let (member, score) = self.members.random(random);
        (score_of(score), member)
    }

    /// Visits some of them; see [`Members::sample`].
    pub(crate) fn sample<'a>(
        &'a self,
        count: usize,
        random: &mut fastrand::Rng,
        mut each: impl FnMut(f64, &'a [u8]),
    ) {
        self.members.sample(count, random, |member, score| each(score_of(score), member));
    }

    /// A copy of all of them.
    pub(crate) fn duplicate(&self) -> Self {
        let mut copy = Self::new();
        self.range(0..self.len()).for_each(|(score, member)| copy.change(member, |_| Some(score)));
        copy
    }

    /// Takes everything out, to be freed step by step.
    pub(crate) fn detach(self) -> Rest {
        Rest { order: self.order, members: self.members.detach() }
    }

    /// Bytes of it, as far as the mean of some members tells.
    pub(crate) fn bytes(&self) -> usize {
        self.members.bytes() + self.order.bytes()
    }
}

/// What is to be freed of a sorted set: the tree, then the members.
#[must_use = "to be freed"]
pub(crate) struct Rest {
    order: BTree<At>,
    members: Detached,
}

/// Places in the tree that take no longer to free than one entry.
const PLACES: usize = 8;

impl Rest {
    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.len() == 0 && self.members.is_empty()
    }

    /// Frees about as many entries as `pieces` says, or as much of the tree, and returns how many; entries are given to
    /// `free`. Needs no lock.
    pub(crate) fn free_some(&mut self, pieces: u64, guard: &Guard, free: impl FnMut(Entry)) -> u64 {
        let places = self.order.len();
        if places == 0 {
            return self.members.free_some(pieces, guard, free);
        }
        self.order.remove_ranks(places.saturating_sub(PLACES * pieces as usize)..places, |_, _| {});
        pieces
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Act {
        Set(u32, i32),
        SetMany(u32, u32),
        Remove(u32),
        RemoveRanks(usize, usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => (0..1000_u32, -9..9_i32).prop_map(|(member, score)| Act::Set(member, score)),
            2 => (0..1000_u32, 0..400_u32).prop_map(|(from, count)| Act::SetMany(from, count)),
            3 => (0..1000_u32).prop_map(Act::Remove),
            1 => (any::<usize>(), 0..200_usize).prop_map(|(rank, count)| Act::RemoveRanks(rank, count)),
        ]
    }

    /// Gives a member a score and returns the one it had.
    fn set(scored: &mut Scored, member: &[u8], score: f64) -> Option<f64> {
        let mut before = None;
        scored.change(member, |old| {
            before = old;
            Some(score)
        });
        before
    }

    fn sorted(model: &HashMap<u32, f64>) -> Vec<(f64, u32)> {
        let mut sorted: Vec<_> = model.iter().map(|(&member, &score)| (score, member)).collect();
        sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
        sorted
    }

    fn number(member: &[u8]) -> u32 {
        u32::from_be_bytes(member.try_into().unwrap())
    }

    fn apply(act: &Act, scored: &mut Scored, model: &mut HashMap<u32, f64>) {
        match *act {
            Act::Set(member, score) => {
                assert_eq!(
                    set(scored, &member.to_be_bytes(), score.into()),
                    model.insert(member, score.into())
                );
            }
            Act::SetMany(from, count) => {
                for member in from..from + count {
                    let score = f64::from(member % 7);
                    assert_eq!(set(scored, &member.to_be_bytes(), score), model.insert(member, score));
                }
            }
            Act::Remove(member) => {
                assert_eq!(scored.remove(&member.to_be_bytes()), model.remove(&member));
            }
            Act::RemoveRanks(rank, count) => {
                let rank = rank % (model.len() + 1);
                let mut gone = Vec::new();
                scored.remove_ranks(rank..rank + count, |score, member| gone.push((score, number(member))));
                assert_eq!(gone, sorted(model)[rank..(rank + count).min(model.len())]);
                for (_, member) in gone {
                    model.remove(&member);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn members_are_found_by_name_by_rank_and_by_score(acts in prop::collection::vec(act(), 1..40)) {
            let (mut scored, mut model) = (Scored::new(), HashMap::new());
            for act in acts {
                apply(&act, &mut scored, &mut model);
                prop_assert_eq!(scored.len(), model.len());
            }
            let sorted = sorted(&model);
            let all: Vec<_> = scored.range(0..usize::MAX).map(|(score, member)| (score, number(member))).collect();
            prop_assert_eq!(&all, &sorted);
            for (rank, &(score, member)) in sorted.iter().enumerate() {
                prop_assert_eq!(scored.rank(&member.to_be_bytes()), Some((rank, score)));
            }
            let below = sorted.iter().filter(|&&(score, _)| score < 3.0).count();
            prop_assert_eq!(scored.count_while(|score, _| score < 3.0), below);
            let mut scanned = HashMap::new();
            let mut cursor = 0;
            loop {
                cursor = scored.scan(cursor, 10, |score, member| _ = scanned.insert(number(member), score));
                if cursor == 0 {
                    break;
                }
            }
            prop_assert_eq!(&scanned, &model);
            let copy = scored.duplicate();
            drop(scored);
            prop_assert!(copy.range(0..sorted.len()).map(|(score, member)| (score, number(member))).eq(sorted));
        }
    }

    #[test]
    fn a_member_of_16_bytes_takes_less_than_80() {
        let (mut scored, mut random) = (Scored::new(), fastrand::Rng::with_seed(7));
        for number in 0..100_000 {
            set(&mut scored, format!("member:{number:09}").as_bytes(), random.f64());
        }
        let bytes = scored.bytes() as f64 / 100_000.0;
        assert!((60.0..80.0).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_zero_keeps_its_sign() {
        let mut scored = Scored::new();
        set(&mut scored, b"a", -0.0);
        assert_eq!(set(&mut scored, b"a", 0.0), Some(0.0));
        assert!(scored.score(b"a").is_some_and(f64::is_sign_negative));
        assert_eq!(scored.rank(b"a").map(|(rank, _)| rank), Some(0));
    }
}
