//! What a process is in its database: a shard with its slots, or a gateway with its name.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tidegate_protocols::link::Greeting;
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::topology::{LinkPlace, Topology};
use tidegate_protocols::{Args, Row, Slots};
use tokio::sync::watch;

use crate::acl::Acl;
use crate::unix::UnixPlace;

/// Who may connect to a shard's socket: its owner alone. The link asks for no password.
const SOCKET_MODE: u32 = 0o600;

/// A process as one shard of several.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Its name, as topologies have it.
    pub name: String,
    /// What it has, as it stands now.
    pub holding: watch::Receiver<Arc<Holding>>,
    /// Where gateways reach it.
    pub links: Vec<LinkPlace>,
}

/// What a shard has by one topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The epoch of that topology. Requests by any other are refused.
    pub epoch: u32,
    /// The slots it has.
    pub slots: Slots,
}

impl Membership {
    /// A shard whose slots never change.
    pub fn fixed(name: &str, holding: Holding, links: Vec<LinkPlace>) -> Self {
        Self { name: name.to_owned(), holding: watch::Sender::new(Arc::new(holding)).subscribe(), links }
    }

    /// What a gateway hears first.
    pub(crate) fn greeting(&self) -> Vec<u8> {
        let mut greeting = Vec::new();
        Greeting::new(&self.name, self.holding.borrow().epoch).encode(&mut greeting);
        greeting
    }
}

impl Holding {
    /// What the shard of this name has: nothing, if the topology does not know it.
    pub fn of(topology: &Topology, name: &str) -> Self {
        let shard = topology.shards().iter().find(|shard| shard.name == name);
        let slots = shard.map_or_else(Slots::none, |shard| shard.slots.clone());
        Self { epoch: topology.epoch, slots }
    }

    /// Whether all keys of a request are in its slots.
    pub(crate) fn has_keys_of(&self, row: &Row, args: &Args<'_>) -> bool {
        row.keys_of(args).all(|key| self.slots.has(slot_of(args.at(key.index))))
    }
}

/// A process as one gateway of several.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Its name, as topologies have it.
    pub gateway: String,
    /// Who has what, as it stands now.
    pub topology: watch::Receiver<Arc<Topology>>,
    /// Who its clients may be, once it runs.
    pub(crate) users: Arc<OnceLock<Arc<Acl>>>,
}

impl Seat {
    /// The gateway of this name.
    pub fn new(gateway: &str, topology: watch::Receiver<Arc<Topology>>) -> Self {
        Self { gateway: gateway.to_owned(), topology, users: Arc::default() }
    }
}

/// The file and its permissions, if a place is one.
pub(crate) fn unix(place: &LinkPlace) -> Option<UnixPlace> {
    match place {
        LinkPlace::Unix(path) => Some(UnixPlace { path: path.clone(), mode: Some(SOCKET_MODE) }),
        LinkPlace::Tcp(_) => None,
    }
}

/// The address, if a place is one.
pub(crate) fn tcp(place: &LinkPlace) -> Option<SocketAddr> {
    match place {
        LinkPlace::Unix(_) => None,
        LinkPlace::Tcp(address) => Some(*address),
    }
}
