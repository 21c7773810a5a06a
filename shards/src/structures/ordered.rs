//! A map in the order of its keys, in runs of some dozens of them.
//!
//! Keys that come in order, as most do, leave full runs behind: a million of them take little more than their own
//! bytes. Who takes them out from the beginning frees run after run; small neighbours become one.

use std::collections::VecDeque;

use crate::allocator;

/// Keys in a run, at most.
const RUN_LEN: usize = 64;

/// A map.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<K, V> {
    /// None is empty, and each comes before the next.
    runs: VecDeque<Run<K, V>>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Run<K, V> {
    /// The first key, where it is found without a look at the others.
    first: K,
    items: Vec<(K, V)>,
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self { runs: VecDeque::new(), len: 0 }
    }
}

impl<K: Ord + Copy, V> Run<K, V> {
    fn new(items: Vec<(K, V)>) -> Option<Self> {
        let &(first, _) = items.first()?;
        Some(Self { first, items })
    }

    fn find(&self, key: K) -> Result<usize, usize> {
        self.items.binary_search_by(|(other, _)| other.cmp(&key))
    }
}

impl<K: Ord + Copy, V> Ordered<K, V> {
    /// Keys in it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The run that has a key, if any has.
    fn run_of(&self, key: K) -> usize {
        self.runs.partition_point(|run| run.first <= key).saturating_sub(1)
    }

    /// What stands beside a key.
    pub(crate) fn get(&self, key: K) -> Option<&V> {
        let run = self.runs.get(self.run_of(key))?;
        run.find(key).ok().map(|at| &run.items[at].1)
    }

    /// Puts in a key, or gives it another value. Returns the one it had.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let nth = self.run_of(key);
        let Some(run) = self.runs.get_mut(nth) else {
            self.runs.extend(Run::new(vec![(key, value)]));
            self.len = 1;
            return None;
        };
        let at = match run.find(key) {
            Ok(at) => return Some(std::mem::replace(&mut run.items[at].1, value)),
            Err(at) => at,
        };
        self.len += 1;
        if run.items.len() == RUN_LEN {
            // At the end nothing is halved: who adds in order would leave half of all runs unused.
            let kept = if at == RUN_LEN { RUN_LEN } else { RUN_LEN / 2 };
            let mut rest = run.items.split_off(kept);
            if at > kept || kept == RUN_LEN {
                rest.insert(at - kept, (key, value));
            } else {
                run.items.insert(at, (key, value));
                run.first = run.items[0].0;
            }
            if let Some(rest) = Run::new(rest) {
                self.runs.insert(nth + 1, rest);
            }
            return None;
        }
        run.items.insert(at, (key, value));
        run.first = run.items[0].0;
        None
    }

    /// Takes out a key with its value.
    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let nth = self.run_of(key);
        let run = self.runs.get_mut(nth)?;
        let at = run.find(key).ok()?;
        let (_, value) = run.items.remove(at);
        self.len -= 1;
        if let Some(&(first, _)) = run.items.first() {
            run.first = first;
            self.merge_with_next(nth);
        } else {
            self.runs.remove(nth);
        }
        if self.runs.capacity() > 4 * self.runs.len() + RUN_LEN {
            self.runs.shrink_to(2 * self.runs.len());
        }
        Some(value)
    }

    /// Makes one of a run and the next, if both are small.
    fn merge_with_next(&mut self, nth: usize) {
        let Some(next) = self.runs.get(nth + 1) else { return };
        if self.runs[nth].items.len() + next.items.len() <= RUN_LEN / 2
            && let Some(next) = self.runs.remove(nth + 1)
        {
            self.runs[nth].items.extend(next.items);
        }
    }

    /// All keys from one to another, both included, with their values, from both ends.
    pub(crate) fn range(&self, from: K, to: K) -> impl DoubleEndedIterator<Item = (K, &V)> {
        let runs = if from <= to && self.len > 0 { self.run_of(from)..self.run_of(to) + 1 } else { 0..0 };
        self.runs.range(runs).flat_map(move |run| {
            let begin = run.items.partition_point(|(key, _)| *key < from);
            let end = run.items.partition_point(|(key, _)| *key <= to);
            run.items[begin..end].iter().map(|(key, value)| (*key, value))
        })
    }

    /// All keys with their values.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> {
        self.runs.iter().flat_map(|run| run.items.iter().map(|(key, value)| (*key, value)))
    }

    /// Pieces of memory it has.
    pub(crate) fn pieces(&self) -> usize {
        self.runs.len()
    }

    /// Frees one of them; false if there is none left.
    pub(crate) fn free_one(&mut self) -> bool {
        let Some(run) = self.runs.pop_front() else { return false };
        self.len -= run.items.len();
        true
    }

    /// Bytes it takes, as far as the first runs tell.
    pub(crate) fn bytes(&self) -> usize {
        let seen = self.runs.len().min(SAMPLE);
        let class = |run: &Run<K, V>| allocator::class_bytes(run.items.capacity() * size_of::<(K, V)>());
        let sampled: usize = self.runs.iter().take(SAMPLE).map(class).sum();
        self.runs.capacity() * size_of::<Run<K, V>>() + sampled * self.runs.len() / seen.max(1)
    }
}

/// Runs that are looked at to tell the size of all.
const SAMPLE: usize = 16;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_in_order_take_little_more_than_their_own_bytes() {
        let mut map = Ordered::default();
        for key in 0..100_000_u64 {
            map.insert(key, key);
        }
        assert!(map.bytes() < 100_000 * 18, "{}", map.bytes());
        for key in 0..99_999 {
            map.remove(key);
        }
        assert!(map.bytes() < 10_000, "{}", map.bytes());
        assert!(map.free_one() && !map.free_one());
        assert_eq!(map.len(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_as_any_map_in_order(
            changes in proptest::collection::vec((0..5_u8, 0..600_u32, 0..600_u32), 1..900),
        ) {
            let (mut map, mut expected) = (Ordered::default(), BTreeMap::new());
            for (number, (change, one, other)) in changes.into_iter().enumerate() {
                let late = 300 + number as u32;
                match change {
                    0 => prop_assert_eq!(map.remove(one), expected.remove(&one)),
                    1 => prop_assert_eq!(map.insert(one, other), expected.insert(one, other)),
                    2 | 3 => prop_assert_eq!(map.insert(late, other), expected.insert(late, other)),
                    _ => {
                        let first = expected.keys().next().copied().unwrap_or(0);
                        prop_assert_eq!(map.remove(first), expected.remove(&first));
                    }
                }
                prop_assert_eq!(map.get(other), expected.get(&other));
                prop_assert_eq!(map.len(), expected.len());
                let some: Vec<_> = map.range(one, other).map(|(key, value)| (key, *value)).collect();
                let wanted = expected.iter().filter(|&(&key, _)| one <= key && key <= other);
                prop_assert_eq!(some, wanted.map(|(key, value)| (*key, *value)).collect::<Vec<_>>());
            }
            prop_assert!(map.iter().rev().map(|(key, value)| (key, *value)).eq(expected.into_iter().rev()));
        }
    }
}
