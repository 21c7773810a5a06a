//! How many nodes a radix tree of IDs has: what `XINFO STREAM` tells of Redis's.
//!
//! There the 16 bytes of an ID lead from the root to an empty node. On the way there is a node wherever IDs part, and one
//! for all the bytes before such a place, if there are any. Source: Redis `src/rax.c`.

use super::Id;

/// Nodes of the tree with these keys, which come in order.
pub(super) fn nodes<'a>(ids: impl Iterator<Item = &'a Id>) -> usize {
    let keys: Vec<_> = ids.map(|id| id.to_bytes()).collect();
    // The root is there even if nothing else is.
    if keys.is_empty() { 1 } else { nodes_from(&keys, 0) }
}

/// Nodes below the place that the first `depth` bytes of all these keys lead to.
fn nodes_from<const N: usize>(keys: &[[u8; N]], depth: usize) -> usize {
    let [first, .., last] = keys else { return 1 + usize::from(depth < N) };
    let parting = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let below = keys.chunk_by(|a, b| a[parting] == b[parting]).map(|keys| nodes_from(keys, parting + 1));
    1 + usize::from(depth < parting) + below.sum::<usize>()
}
