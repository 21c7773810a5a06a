//! Walking over members in their order.

use std::ops::Range;

use super::{BTree, Leaf, Member};

/// Some members with their scores, from the lowest rank and from the highest. Every leaf is found by a descent of its
/// own: there are no links between leaves to be kept right.
pub(crate) struct Ranked<'a, M> {
    tree: &'a BTree<M>,
    /// Ranks that are left.
    left: Range<usize>,
    /// The leaf at each end, with the place of what was last seen.
    front: Option<(&'a Leaf<M>, usize)>,
    back: Option<(&'a Leaf<M>, usize)>,
}

impl<'a, M: Member> Ranked<'a, M> {
    pub(super) fn new(tree: &'a BTree<M>, ranks: Range<usize>) -> Self {
        let end = ranks.end.min(tree.len());
        Self { tree, left: ranks.start.min(end)..end, front: None, back: None }
    }
}

impl<M: Member> Iterator for Ranked<'_, M> {
    type Item = (f64, M);

    #[inline]
    fn next(&mut self) -> Option<(f64, M)> {
        let rank = self.left.next()?;
        let (leaf, at) = match self.front {
            Some((leaf, at)) if at + 1 < leaf.len() => (leaf, at + 1),
            _ => self.tree.leaf_of(rank),
        };
        self.front = Some((leaf, at));
        Some(leaf[at])
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl<M: Member> DoubleEndedIterator for Ranked<'_, M> {
    #[inline]
    fn next_back(&mut self) -> Option<(f64, M)> {
        let rank = self.left.next_back()?;
        let (leaf, at) = match self.back {
            Some((leaf, at)) if at > 0 => (leaf, at - 1),
            _ => self.tree.leaf_of(rank),
        };
        self.back = Some((leaf, at));
        Some(leaf[at])
    }
}

impl<M: Member> ExactSizeIterator for Ranked<'_, M> {}
