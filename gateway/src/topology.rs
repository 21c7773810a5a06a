//! Who has which slots, and where clients reach the gateway beside it.

use tidegate_protocols::Slots;
use tidegate_protocols::slot::SLOTS;

/// The nodes of a cluster as clients see it, and which of them is asked.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    /// Grows with every change of who has what.
    pub(crate) epoch: u64,
    /// In no particular order; none of their slots is another's.
    pub(crate) nodes: Vec<Node>,
    /// The place among them of the one that is asked.
    pub(crate) asked: usize,
}

/// One of the nodes: a gateway, and the shard beside it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: NodeName,
    pub(crate) place: Place,
    pub(crate) slots: Slots,
}

/// What tells a node and its shard from all others: forty hexadecimal digits each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeName {
    pub(crate) node: String,
    pub(crate) shard: String,
}

/// Where clients reach a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Empty if it is not known.
    pub(crate) ip: String,
    pub(crate) port: u16,
    /// Empty if it has none.
    pub(crate) hostname: String,
}

impl Topology {
    /// One node that has every slot.
    pub(crate) fn alone(name: NodeName, place: Place) -> Self {
        Self { epoch: 0, nodes: vec![Node { name, place, slots: Slots::all() }], asked: 0 }
    }

    /// The node of this name.
    pub(crate) fn named(&self, name: &[u8]) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name.node.as_bytes() == name)
    }

    /// The first and the last slot of each range with the node that has it, in ascending order.
    pub(crate) fn ranges(&self) -> Vec<(u16, u16, &Node)> {
        let mut ranges = Vec::new();
        for node in &self.nodes {
            ranges.extend(node.slots.ranges().map(|(first, last)| (first, last, node)));
        }
        ranges.sort_by_key(|&(first, ..)| first);
        ranges
    }

    /// How many slots somebody has.
    pub(crate) fn assigned(&self) -> usize {
        self.nodes.iter().map(|node| node.slots.len()).sum()
    }

    /// Whether every slot has its node.
    pub(crate) fn is_whole(&self) -> bool {
        self.assigned() == usize::from(SLOTS)
    }
}
