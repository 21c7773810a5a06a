//! The nodes of a cluster, as clients see them: the gateways of a topology, each with the slots of the shards beside
//! it; or this process alone.

use tidegate_protocols::Slots;
use tidegate_protocols::slot::SLOTS;
use tidegate_protocols::topology::{ClientPlace, Topology, node_id, shard_id};

/// The nodes, and which of them is asked.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Grows with every change of who has what.
    pub(crate) epoch: u32,
    /// None of their slots is another's.
    pub(crate) nodes: Vec<Node>,
    /// The place among them of the one that is asked.
    pub(crate) asked: usize,
}

/// One of the nodes: a gateway, and the shards beside it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: NodeName,
    pub(crate) place: ClientPlace,
    pub(crate) slots: Slots,
}

/// What tells a node and its shard from all others: forty hexadecimal digits each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeName {
    pub(crate) node: String,
    pub(crate) shard: String,
}

impl NodeName {
    /// What every gateway calls the gateway of this name.
    pub(crate) fn of(gateway: &str) -> Self {
        Self { node: node_id(gateway), shard: shard_id(gateway) }
    }
}

impl View {
    /// One node that has every slot.
    pub(crate) fn alone(name: NodeName, place: ClientPlace) -> Self {
        Self { epoch: 0, nodes: vec![Node { name, place, slots: Slots::all() }], asked: 0 }
    }

    /// The gateways of `topology`, of which `asked` is asked. One that is not in it, or no longer, stands there as
    /// well, without slots.
    pub(crate) fn of(topology: &Topology, asked: &str) -> Self {
        let gateways = topology.gateways().iter().enumerate();
        let mut nodes: Vec<_> = gateways
            .map(|(at, gateway)| Node {
                name: NodeName::of(&gateway.name),
                place: gateway.place.clone(),
                slots: topology.slots_beside(at),
            })
            .collect();
        let known = topology.gateway_named(asked);
        if known.is_none() {
            let place = ClientPlace::default();
            nodes.push(Node { name: NodeName::of(asked), place, slots: Slots::none() });
        }
        Self { epoch: topology.epoch, asked: known.unwrap_or(nodes.len() - 1), nodes }
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
