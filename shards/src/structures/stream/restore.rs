//! The entries of a stream as somebody else has packed them, who may be wrong or mean harm.
//!
//! All that the rest of this module takes for granted is looked at once: each listpack to its last element, the numbers
//! that stand in it, and how the nodes follow each other. Entries that are deleted may have any ID: before Redis 7.2 `XSETID`
//! could go back behind them.

use super::node::{DELETED, EntryHead, Node, SAME_FIELDS};
use super::{Id, Log};
use crate::structures::listpack::{Element, Listpack};

/// What is kept of a stream's entries beside them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters {
    /// Entries that are there.
    pub(crate) len: u64,
    /// The ID that the next entry has to be above.
    pub(crate) last_id: Id,
    /// The highest ID that was ever deleted.
    pub(crate) max_deleted_id: Id,
    /// Entries that were ever added.
    pub(crate) entries_added: u64,
}

impl Log {
    /// The entries of these listpacks, each with the ID that those of its entries are counted from. `None` if they are no
    /// such, or the counters are wrong.
    pub(crate) fn restored(
        nodes: impl IntoIterator<Item = (Id, Vec<u8>)>,
        counters: Counters,
    ) -> Option<Self> {
        let mut log = Self::default();
        let mut last = None;
        for (id, bytes) in nodes {
            let node = Node::restored(bytes)?;
            if last.is_some_and(|last| last >= id) {
                return None;
            }
            last = Some(last_live(&node, id)?.max(id));
            log.len += node.live().unsigned_abs();
            log.nodes.insert(id, node);
        }
        let is_right = log.len == counters.len && last.is_none_or(|last| last <= counters.last_id);
        log.set_counters(counters.last_id, Some(counters.entries_added), Some(counters.max_deleted_id));
        log.find_first();
        is_right.then_some(log)
    }
}

/// The ID of the last entry of a node that is not deleted, or that of the node. `None` if they are not in order.
fn last_live(node: &Node, master_id: Id) -> Option<Id> {
    let (pack, head) = (node.pack(), node.head());
    let (mut at, mut last) = (head.first_entry(pack), None);
    while at < pack.end() {
        let entry = EntryHead::of(pack, at, master_id, head.fields);
        if !entry.is_deleted() {
            if entry.id < master_id || last.is_some_and(|last| last >= entry.id) {
                return None;
            }
            last = Some(entry.id);
        }
        at = entry.end(pack);
    }
    Some(last.unwrap_or(master_id))
}

impl Node {
    /// A node of these bytes, if they are one.
    fn restored(bytes: Vec<u8>) -> Option<Self> {
        is_node(Listpack::checked(&bytes)?)?.then(|| Self::of(bytes))
    }
}

/// Whether a listpack is a node to its end; `None` if something is missing in it.
///
/// Source: Redis `t_stream.c`, `streamValidateListpackIntegrity`.
fn is_node(pack: Listpack<'_>) -> Option<bool> {
    let mut elements = pack.iter();
    let [live, deleted, fields] =
        [count(elements.next()?)?, count(elements.next()?)?, count(elements.next()?)?];
    skip(&mut elements, fields)?;
    let mut is_right = count(elements.next()?)? == 0;
    let mut found = [0, 0];
    while let Some(flags) = elements.next() {
        let flags = flags.int()?;
        elements.next()?.int()?;
        elements.next()?.int()?;
        let (words, frame) = if flags & SAME_FIELDS != 0 {
            (fields, 3)
        } else {
            (count(elements.next()?)?.checked_mul(2)?, 4)
        };
        skip(&mut elements, words)?;
        is_right &= elements.next()?.int() == Some(words + frame);
        found[usize::from(flags & DELETED != 0)] += 1;
    }
    Some(is_right && found == [live, deleted])
}

/// A number of something.
fn count(element: Element<'_>) -> Option<i64> {
    element.int().filter(|&number| number >= 0)
}

fn skip<'a>(elements: &mut impl Iterator<Item = Element<'a>>, count: i64) -> Option<()> {
    (0..count).try_for_each(|_| elements.next().map(drop))
}
