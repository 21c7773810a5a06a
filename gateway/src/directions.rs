//! Whose keys a request is about, where clients see a cluster of several nodes: a node answers for its own, and says
//! where the others are.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::followed::Followed;
use crate::membership::Seat;
use crate::shared::Shared;
use tidegate_protocols::settings::Endpoint;
use tidegate_protocols::slot::{SLOTS, slot_of};
use tidegate_protocols::topology::{ClientPlace, Topology};
use tidegate_protocols::{Args, Error, Row};

/// What one worker knows of who has which slots.
pub(crate) struct Directions {
    gateway: String,
    topology: RefCell<Followed<Topology>>,
    known: RefCell<Rc<Known>>,
}

/// Who has which slots, and which are this gateway's.
pub(crate) struct Known {
    topology: Arc<Topology>,
    /// This gateway, by its place among the gateways; none if it is not among them.
    here: Option<usize>,
    /// Every slot is this gateway's.
    pub(crate) has_all: bool,
}

/// Why the keys of a request, or of a transaction, are not for this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Astray {
    /// They are in several slots.
    Spread,
    /// This slot is another node's, or nobody's.
    Elsewhere(u16),
}

impl Directions {
    /// For a worker of `shared`; `None` where all keys are here, or wherever they are.
    pub(crate) fn new(shared: &Shared) -> Option<Self> {
        let Seat { gateway, topology, .. } = shared.seat.as_ref().filter(|_| shared.is_cluster())?;
        let topology = Followed::new(topology);
        let known = Known::new(gateway, topology.get());
        Some(Self {
            gateway: gateway.clone(),
            topology: topology.into(),
            known: RefCell::new(Rc::new(known)),
        })
    }

    /// How things stand now.
    pub(crate) fn known(&self) -> Rc<Known> {
        let mut topology = self.topology.borrow_mut();
        if topology.catch_up().is_some() {
            let known = Known::new(&self.gateway, topology.get());
            *self.known.borrow_mut() = Rc::new(known);
        }
        Rc::clone(&self.known.borrow())
    }
}

impl Known {
    fn new(gateway: &str, topology: &Arc<Topology>) -> Self {
        let here = topology.gateway_named(gateway);
        let has_all = here.is_some_and(|here| topology.slots_beside(here).len() == usize::from(SLOTS));
        Self { topology: Arc::clone(topology), here, has_all }
    }

    /// Whether the keys of a request are for this node. Source: Redis `cluster.c`, `getNodeByQuery`.
    #[inline]
    pub(crate) fn look(&self, row: &Row, args: &Args<'_>) -> Result<(), Astray> {
        if row.keys.is_empty() {
            return Ok(());
        }
        if let Some(key) = row.only_key() {
            return self.look_at(slot_of(args.at(key)), true);
        }
        let mut slots = row.keys_of(args).map(|key| slot_of(args.at(key.index)));
        let Some(first) = slots.next() else { return Ok(()) };
        self.look_at(first, slots.all(|slot| slot == first))
    }

    /// The same for keys of which the first is in this slot, and the others too if `is_one`.
    #[inline]
    pub(crate) fn look_at(&self, slot: u16, is_one: bool) -> Result<(), Astray> {
        match self.topology.gateway_of(slot) {
            None => Err(Astray::Elsewhere(slot)),
            Some(_) if !is_one => Err(Astray::Spread),
            gateway if gateway == self.here => Ok(()),
            Some(_) => Err(Astray::Elsewhere(slot)),
        }
    }

    /// What the client is told.
    pub(crate) fn error(&self, astray: Astray, endpoint: Endpoint) -> Error {
        let Astray::Elsewhere(slot) = astray else { return Error::CrossSlot };
        let Some(gateway) = self.topology.gateway_of(slot) else { return Error::Unserved };
        let place = &self.topology.gateways()[gateway].place;
        Error::Moved(slot, format!("{}:{}", preferred(place, endpoint), place.port).into())
    }
}

/// Where clients are to connect to. Source: Redis `cluster.c`, `getPreferredEndpoint`.
pub(crate) fn preferred(place: &ClientPlace, endpoint: Endpoint) -> &str {
    match endpoint {
        Endpoint::Ip => &place.ip,
        Endpoint::Hostname if place.hostname.is_empty() => "?",
        Endpoint::Hostname => &place.hostname,
        Endpoint::Unknown => "",
    }
}
