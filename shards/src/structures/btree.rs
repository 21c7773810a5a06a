//! Members in the order of their scores, and of their bytes where those are equal: a B+tree that counts.
//!
//! Leaves hold scores with members and fill a size class of 256 bytes; inner nodes know of each child how
//! many are in it and which comes first. So a rank is found in one descent, and so is whatever a rank names. Two small
//! neighbours become one after a removal, but nothing is moved to keep nodes half full, and an end that only
//! grows leaves full nodes behind.
//!
//! Members are handles ([`Member`]): their bytes lie elsewhere, once.

mod iter;

use std::cmp::Ordering;
use std::ops::Range;

use arrayvec::ArrayVec;

pub(crate) use iter::Ranked;

/// Somebody whose bytes can be looked at.
pub(crate) trait Member: Copy {
    /// What it is compared by.
    fn bytes(&self) -> &[u8];
}

/// Elements of a leaf: 248 bytes with their number.
const LEAF_LEN: usize = 15;
/// Children of an inner node: 488 bytes with their number.
const CHILDREN: usize = 12;

type Leaf<M> = ArrayVec<(f64, M), LEAF_LEN>;
type Inner<M> = ArrayVec<Child<M>, CHILDREN>;

/// What an inner node knows of a child, which is never empty.
struct Child<M> {
    /// Elements in it.
    count: usize,
    /// The first of them.
    first: (f64, M),
    node: Node<M>,
}

enum Node<M> {
    Leaf(Box<Leaf<M>>),
    Inner(Box<Inner<M>>),
}

/// The order of two elements. No score is NaN; both zeros are one.
#[inline]
fn order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    if a.0 < b.0 {
        Ordering::Less
    } else if a.0 > b.0 {
        Ordering::Greater
    } else {
        a.1.cmp(b.1)
    }
}

impl<M: Member> Child<M> {
    fn new(node: Node<M>) -> Self {
        Self { count: node.count(), first: node.first(), node }
    }
}

impl<M: Member> Node<M> {
    /// Elements below it, counted from what its children say.
    fn count(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.len(),
            Self::Inner(inner) => inner.iter().map(|child| child.count).sum(),
        }
    }

    /// The first element; there is one.
    fn first(&self) -> (f64, M) {
        match self {
            Self::Leaf(leaf) => leaf[0],
            Self::Inner(inner) => inner[0].first,
        }
    }

    /// Puts in an element that is not there. If the node was full, returns the new one after it. `is_last` says that
    /// nothing comes after this node.
    fn insert(&mut self, score: f64, member: M, is_last: bool) -> Option<Self> {
        let before = |other: &(f64, M)| order((other.0, other.1.bytes()), (score, member.bytes())).is_lt();
        match self {
            Self::Leaf(leaf) => {
                let at = leaf.partition_point(before);
                insert_into(leaf, at, (score, member), is_last).map(|leaf| Self::Leaf(Box::new(leaf)))
            }
            Self::Inner(inner) => {
                let at = inner.partition_point(|child| before(&child.first)).saturating_sub(1);
                let is_last = is_last && at + 1 == inner.len();
                let child = &mut inner[at];
                let new = child.node.insert(score, member, is_last).map(Child::new);
                child.count = child.count + 1 - new.as_ref().map_or(0, |new| new.count);
                child.first = child.node.first();
                let full = insert_into(inner, at + 1, new?, is_last)?;
                Some(Self::Inner(Box::new(full)))
            }
        }
    }

    /// Takes out up to `count` elements from the one of this rank on, as far as they are in one leaf.
    fn remove(&mut self, rank: usize, count: usize) -> Leaf<M> {
        match self {
            Self::Leaf(leaf) => {
                let to = leaf.len().min(rank + count);
                leaf.drain(rank..to).collect()
            }
            Self::Inner(inner) => {
                let (at, within) = child_of_rank(inner, rank);
                let child = &mut inner[at];
                let removed = child.node.remove(within, count);
                child.count -= removed.len();
                if child.count == 0 {
                    inner.remove(at);
                } else {
                    child.first = child.node.first();
                    merge_with_next(inner, at);
                    if let Some(before) = at.checked_sub(1) {
                        merge_with_next(inner, before);
                    }
                }
                removed
            }
        }
    }

    /// Takes over all of the node after it, if both together are small.
    fn take_over(&mut self, next: &mut Self) -> bool {
        match (self, next) {
            (Self::Leaf(a), Self::Leaf(b)) => append(a, b),
            (Self::Inner(a), Self::Inner(b)) => append(a, b),
            _ => unreachable!("all leaves are at one depth"),
        }
    }

    /// Bytes of all nodes below it and of itself.
    fn bytes(&self) -> usize {
        match self {
            Self::Leaf(_) => size_of::<Leaf<M>>().next_multiple_of(64),
            Self::Inner(inner) => {
                let below: usize = inner.iter().map(|child| child.node.bytes()).sum();
                below + size_of::<Inner<M>>().next_multiple_of(64)
            }
        }
    }
}

/// Puts an item in; a full node is split, and what comes after returned. At the end of everything it is not halved:
/// who adds in order would leave half of all nodes unused.
fn insert_into<T, const N: usize>(
    items: &mut ArrayVec<T, N>,
    at: usize,
    item: T,
    is_last: bool,
) -> Option<ArrayVec<T, N>> {
    if !items.is_full() {
        items.insert(at, item);
        return None;
    }
    let middle = if is_last && at == N { N } else { N.div_ceil(2) };
    let mut after: ArrayVec<T, N> = items.drain(middle..).collect();
    if at > middle || after.is_empty() {
        after.insert(at - middle, item);
    } else {
        items.insert(at, item);
    }
    Some(after)
}

/// Moves all items of `b` behind those of `a` if they fill no more than three quarters. Says whether it did.
fn append<T, const N: usize>(a: &mut ArrayVec<T, N>, b: &mut ArrayVec<T, N>) -> bool {
    let fits = (a.len() + b.len()) * 4 <= N * 3;
    if fits {
        a.extend(b.drain(..));
    }
    fits
}

/// Makes one of the child at `at` and the next, if there is one and both are small.
fn merge_with_next<M: Member>(inner: &mut Inner<M>, at: usize) {
    let [child, next, ..] = &mut inner[at..] else { return };
    if child.node.take_over(&mut next.node) {
        child.count += next.count;
        inner.remove(at + 1);
    }
}

/// The child that holds the element of this rank, and its rank in there.
#[inline]
fn child_of_rank<M>(inner: &Inner<M>, rank: usize) -> (usize, usize) {
    let mut within = rank;
    for (at, child) in inner.iter().enumerate() {
        if within < child.count {
            return (at, within);
        }
        within -= child.count;
    }
    unreachable!("ranks are below the number of elements")
}

/// Members by score.
pub(crate) struct BTree<M> {
    root: Node<M>,
    len: usize,
}

impl<M: Member> BTree<M> {
    /// Nobody.
    pub(crate) fn new() -> Self {
        Self { root: Node::Leaf(Box::default()), len: 0 }
    }

    /// Members in it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts in a member that is not there.
    pub(crate) fn insert(&mut self, score: f64, member: M) {
        debug_assert!(!score.is_nan());
        self.len += 1;
        let Some(new) = self.root.insert(score, member, true) else { return };
        let old = std::mem::replace(&mut self.root, Node::Inner(Box::default()));
        if let Node::Inner(root) = &mut self.root {
            root.extend([old, new].map(Child::new));
        }
    }

    /// How many come first for whom `is_before` holds. It must hold for none after one for whom it does not.
    #[inline]
    pub(crate) fn count_while(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let holds = |element: &(f64, M)| is_before(element.0, element.1.bytes());
        let (mut node, mut before) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(leaf) => return before + leaf.partition_point(holds),
                Node::Inner(inner) => {
                    let Some(last) = inner.partition_point(|child| holds(&child.first)).checked_sub(1) else {
                        return before;
                    };
                    before += inner[..last].iter().map(|child| child.count).sum::<usize>();
                    node = &inner[last].node;
                }
            }
        }
    }

    /// The rank of a member with this score, from 0 for the lowest.
    pub(crate) fn rank(&self, score: f64, member: &[u8]) -> Option<usize> {
        let rank = self.count_while(|s, m| order((s, m), (score, member)).is_lt());
        let (found, there) = self.get(rank)?;
        order((found, there.bytes()), (score, member)).is_eq().then_some(rank)
    }

    /// Who has this rank.
    pub(crate) fn get(&self, rank: usize) -> Option<(f64, M)> {
        (rank < self.len).then(|| {
            let (leaf, within) = self.leaf_of(rank);
            leaf[within]
        })
    }

    /// The leaf with the element of this rank, and which of its elements that is.
    fn leaf_of(&self, rank: usize) -> (&Leaf<M>, usize) {
        let (mut node, mut rank) = (&self.root, rank);
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, rank),
                Node::Inner(inner) => {
                    let (at, within) = child_of_rank(inner, rank);
                    (node, rank) = (&inner[at].node, within);
                }
            }
        }
    }

    /// Takes out the member with this score, if it is there.
    pub(crate) fn remove(&mut self, score: f64, member: &[u8]) -> Option<M> {
        let rank = self.rank(score, member)?;
        let mut removed = None;
        self.remove_ranks(rank..rank + 1, |_, member| removed = Some(member));
        removed
    }

    /// Takes out all of these ranks, shown to `each` in order. Nobody's bytes are looked at on the way, so `each` may
    /// free them.
    pub(crate) fn remove_ranks(&mut self, ranks: Range<usize>, mut each: impl FnMut(f64, M)) {
        let mut left = ranks.end.min(self.len).saturating_sub(ranks.start);
        while left > 0 {
            let removed = self.root.remove(ranks.start, left);
            left -= removed.len();
            self.len -= removed.len();
            self.lower_root();
            removed.into_iter().for_each(|(score, member)| each(score, member));
        }
    }

    /// Takes away levels with nothing to choose from.
    fn lower_root(&mut self) {
        while let Node::Inner(inner) = &mut self.root
            && inner.len() < 2
        {
            self.root = inner.pop().map_or_else(|| Node::Leaf(Box::default()), |child| child.node);
        }
    }

    /// Those of the ranks that are there, from both ends.
    pub(crate) fn range(&self, ranks: Range<usize>) -> Ranked<'_, M> {
        Ranked::new(self, ranks)
    }

    /// Bytes of it without its members'.
    pub(crate) fn bytes(&self) -> usize {
        self.root.bytes()
    }
}

#[cfg(test)]
mod tests;
