//! Putting an element in the middle of a list: which node takes it, and what becomes of a full one.

use super::{End, Node, Quicklist};
use crate::structures::listpack::{Listpack, ListpackMut};

/// Where an element is put, seen from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Its index is that of the other, which has the next.
    Before,
    /// Its index is the one after that of the other.
    After,
}

impl Quicklist {
    /// Puts an element beside the one at `index`. Says whether there is one.
    pub(crate) fn insert(&mut self, index: usize, side: Side, text: &[u8]) -> bool {
        let Some((place, within)) = self.locate(index) else { return false };
        // Where in the node it belongs, and at which end of it, if any.
        let cut = within + usize::from(side == Side::After);
        let node = &self.nodes[place];
        let edge = match side {
            Side::Before if cut == 0 => Some(End::Head),
            Side::After if cut == node.count() => Some(End::Tail),
            _ => None,
        };
        let is_plain = text.len() >= self.plain_bytes;
        self.len += 1;
        if !is_plain && self.limit.admits_into(node, text) {
            let pack = Listpack::new(&node.bytes);
            let at = pack.seek(cut as isize).unwrap_or(pack.end());
            self.nodes[place].insert(at, text);
        } else if let Some(end) = edge {
            self.insert_outside(place, end, is_plain, text);
        } else {
            self.insert_inside(place, cut, side, is_plain, text);
        }
        true
    }

    /// Into the neighbour of a full node, or between the two.
    fn insert_outside(&mut self, place: usize, end: End, is_plain: bool, text: &[u8]) {
        let (neighbour, facing, new) = match end {
            End::Head => (place.checked_sub(1), End::Tail, place),
            End::Tail => (Some(place + 1), End::Head, place + 1),
        };
        let limit = self.limit;
        let neighbour = neighbour.and_then(|place| self.nodes.get_mut(place));
        if let Some(node) = neighbour.filter(|node| !is_plain && limit.admits_into(node, text)) {
            return node.push(facing, text);
        }
        self.nodes.insert(new, self.node_of(text));
    }

    /// Between the halves of a full node.
    fn insert_inside(&mut self, place: usize, cut: usize, side: Side, is_plain: bool, text: &[u8]) {
        let tail = self.nodes[place].split_off(cut);
        self.nodes.insert(place + 1, tail);
        if is_plain {
            return self.nodes.insert(place + 1, Node::plain(text));
        }
        // The half that is without the other element takes it.
        match side {
            Side::Before => {
                self.nodes[place].push(End::Tail, text);
                self.merge_around(place + 1);
            }
            Side::After => {
                self.nodes[place + 1].push(End::Head, text);
                self.merge_around(place);
            }
        }
    }

    /// Merges the two nodes before `center` and the two after it, then what is next to it with it; each only if the
    /// limit admits.
    fn merge_around(&mut self, mut center: usize) {
        if center >= 2 && self.merge(center - 2) {
            center -= 1;
        }
        self.merge(center + 1);
        if center >= 1 && self.merge(center - 1) {
            center -= 1;
        }
        self.merge(center);
    }

    /// Makes one of the nodes at `place` and after it, if there are two and the limit admits. Says whether it did.
    fn merge(&mut self, place: usize) -> bool {
        let (Some(node), Some(next)) = (self.nodes.get(place), self.nodes.get(place + 1)) else {
            return false;
        };
        if !self.limit.admits_both(node, next) {
            return false;
        }
        let Some(next) = self.nodes.remove(place + 1) else { return false };
        let node = &mut self.nodes[place];
        ListpackMut::new(&mut node.bytes).extend(Listpack::new(&next.bytes));
        node.count += next.count;
        true
    }
}
