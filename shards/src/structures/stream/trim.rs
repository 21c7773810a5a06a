//! Taking out the entries at the beginning of a stream.

use super::node::EntryHead;
use super::{Id, Log};

/// What is to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// So many entries.
    Len(u64),
    /// Entries from this ID on.
    Id(Id),
}

/// How a stream is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trim {
    /// What is to be left.
    pub(crate) bound: Bound,
    /// Only whole nodes are taken out; what is left may be more.
    pub(crate) approximate: bool,
    /// Entries taken out at most; 0 is any number.
    pub(crate) limit: u64,
}

impl Log {
    /// Takes out entries from the beginning, and returns how many.
    pub(crate) fn trim(&mut self, trim: Trim) -> u64 {
        let before = self.len;
        while let Some((&master_id, node)) = self.nodes.first_key_value() {
            let live = node.live().unsigned_abs();
            if trim.limit > 0 && before - self.len + live > trim.limit {
                break;
            }
            let goes_whole = match trim.bound {
                Bound::Len(len) if self.len <= len => break,
                Bound::Len(len) => self.len - live >= len,
                Bound::Id(id) => node.last_id(master_id).unwrap_or(Id::MIN) < id,
            };
            if goes_whole {
                self.nodes.pop_first();
                self.len -= live;
                continue;
            }
            if !trim.approximate {
                self.trim_first_node(trim.bound);
            }
            break;
        }
        if self.len < before {
            self.find_first();
        }
        before - self.len
    }

    /// Marks entries at the beginning of the first node as deleted.
    fn trim_first_node(&mut self, bound: Bound) {
        let Some(mut first) = self.nodes.first_entry() else { return };
        let (master_id, node) = (*first.key(), first.get());
        let (pack, head) = (node.pack(), node.head());
        let (mut at, mut places) = (head.first_entry(pack), Vec::new());
        while at < pack.end() {
            let entry = EntryHead::of(pack, at, master_id, head.fields);
            let stays = match bound {
                Bound::Len(len) => self.len - places.len() as u64 <= len,
                Bound::Id(id) => entry.id >= id,
            };
            if stays {
                break;
            }
            if !entry.is_deleted() {
                places.push(at);
            }
            at = entry.end(pack);
        }
        self.len -= places.len() as u64;
        first.get_mut().mark_deleted(&places);
    }
}
