//! A set of commands.

use crate::table::rows;

const BITS: usize = u64::BITS as usize;

/// See the module. Commands are told by [`crate::Verb::index`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits(Box<[u64]>);

impl Bits {
    /// None, or all there are.
    pub(super) fn filled(all: bool) -> Self {
        let words = rows().count().div_ceil(BITS);
        Self(vec![if all { u64::MAX } else { 0 }; words].into())
    }

    pub(super) fn has(&self, index: usize) -> bool {
        self.0.get(index / BITS).is_some_and(|word| word & (1 << (index % BITS)) != 0)
    }

    pub(super) fn put(&mut self, index: usize, on: bool) {
        if let Some(word) = self.0.get_mut(index / BITS) {
            let bit = 1 << (index % BITS);
            *word = if on { *word | bit } else { *word & !bit };
        }
    }
}
