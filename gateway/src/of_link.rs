//! What is kept of a connection that a gateway has made, for the clients it speaks for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use tidegate_protocols::transaction::Watches;

/// See the module. Connections of clients have none.
#[derive(Debug, Default)]
pub(crate) struct OfLink {
    /// The process of the gateway, once it has said so.
    pub(crate) process: Cell<Option<u64>>,
    /// One more than the number of the last message told.
    pub(crate) heard: Cell<u64>,
    /// How many requests wait for keys.
    pub(crate) waiting: Cell<u32>,
    /// Keys that are watched, by the gateway's numbers of its clients.
    pub(crate) watches: RefCell<BTreeMap<u64, Watches>>,
    /// The epoch of what the gateway was refused because it was ahead of this shard, until it asks again.
    pub(crate) ahead: Cell<Option<u32>>,
}
