//! Sets of partitions.

use crate::partition::PARTITIONS_MAX;

/// A set of partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartitionSet([u64; PARTITIONS_MAX / 64]);

impl PartitionSet {
    /// Adds one.
    #[inline]
    pub(crate) fn insert(&mut self, partition: usize) {
        self.0[partition / 64] |= 1 << (partition % 64);
    }

    /// Whether one is in it.
    #[inline]
    pub(crate) fn has(&self, partition: usize) -> bool {
        self.0[partition / 64] & 1 << (partition % 64) != 0
    }

    /// The first `count`.
    pub(crate) fn first(count: usize) -> Self {
        let mut set = Self::default();
        (0..count).for_each(|partition| set.insert(partition));
        set
    }

    /// Adds all of another set.
    pub(crate) fn add(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own |= other;
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; PARTITIONS_MAX / 64]
    }

    /// Whether all of another set are in it.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(own, other)| other & !own == 0)
    }

    /// The same as bits, 64 to a word.
    pub(crate) fn words(&self) -> &[u64; PARTITIONS_MAX / 64] {
        &self.0
    }

    /// From the lowest to the highest.
    pub(crate) fn iter(mut self) -> impl Iterator<Item = usize> {
        let mut word = 0;
        std::iter::from_fn(move || {
            while *self.0.get(word)? == 0 {
                word += 1;
            }
            let bit = self.0[word].trailing_zeros() as usize;
            self.0[word] &= self.0[word] - 1;
            Some(word * 64 + bit)
        })
    }
}
