//! Data that lives in shard processes, reached by links.
//!
//! Each worker has a link of its own to each shard ([`link::Link`], kept up by [`dial`]). A request goes as a frame to
//! the shard that has its keys, or as several to several ([`gather`]); all frames of a tick are written at once. The
//! answers are what clients get; only those that have to be merged are looked at.

mod astray;
mod collecting;
mod dial;
mod gather;
mod generation;
mod ledger;
mod libraries;
mod link;
mod listening;
mod lost;
mod report;
mod scripts;
mod sending;
mod tickets;
mod tracking;
mod transact;
mod unanswered;
mod unblocking;
mod upkeep;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;
use tidegate_protocols::Topology;
use tidegate_protocols::data::{Data, Figures};
use tidegate_protocols::route::Owners;
use tidegate_protocols::settings::{Key, Settings};

use self::generation::Generation;
use self::ledger::Page;
use self::libraries::Libraries;
pub use self::report::ShardReport;
use self::scripts::Seen;
use self::worker::RemoteWorker;
use crate::membership::Seat;

/// The data of a database, as a gateway reaches it.
pub struct Remote {
    common: Arc<Common>,
}

/// What all workers share.
struct Common {
    seat: Seat,
    /// A number that no other process has.
    process: u64,
    settings: Arc<Settings>,
    shards: Mutex<Shards>,
    /// Settings of the stores that have been changed here; every new link begins with them.
    changed: Mutex<BTreeSet<Key>>,
    scripts: Seen,
    /// The libraries of functions that have changed most often; every new link begins with them.
    libraries: Libraries,
}

/// The shards to which there are links.
#[derive(Default)]
struct Shards {
    known: BTreeMap<String, Known>,
    /// The latest generation of links to any shard that is not known any more: should it be again, it has not forgotten.
    generation: u32,
}

/// What is known of a shard.
struct Known {
    /// Of the links to it.
    generation: Arc<Generation>,
    /// What it last said of itself.
    figures: Figures,
    /// What each worker counts, in no order.
    pages: Vec<Arc<Page>>,
}

impl Remote {
    /// The data behind a gateway that has this seat.
    pub fn new(seat: &Seat, settings: Arc<Settings>) -> Self {
        // What is slow is said by those who ask.
        let of_gateways = [Key::SlowlogLogSlowerThan, Key::LatencyMonitorThreshold];
        let is_set = |key: &Key| settings.show(*key) != key.row().default;
        let changed = Mutex::new(of_gateways.into_iter().filter(is_set).collect());
        let shards = Mutex::default();
        let process = RandomState::new().hash_one(&seat.gateway);
        Self {
            common: Arc::new(Common {
                seat: seat.clone(),
                process,
                settings,
                shards,
                changed,
                scripts: Seen::default(),
                libraries: Libraries::default(),
            }),
        }
    }

    /// What can be told of each shard of the topology.
    pub fn report(&self) -> Vec<ShardReport> {
        let topology = Arc::clone(&self.common.seat.topology.borrow());
        let shards = self.common.shards.lock();
        let reports = topology.shards().iter().map(|shard| {
            let (name, place) = (shard.name.clone(), shard.link.to_string());
            let mut report = ShardReport { name, place, ..ShardReport::default() };
            if let Some(known) = shards.known.get(&shard.name) {
                known.pages.iter().for_each(|page| page.add_to(&mut report));
            }
            report
        });
        reports.collect()
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("seat", &self.common.seat).finish_non_exhaustive()
    }
}

impl Common {
    /// Who has each slot, and who is asked about all of them, as a node of a cluster has it; `None` if this is none.
    fn beside(&self, topology: &Topology) -> Option<Owners> {
        let here = topology.gateway_named(&self.seat.gateway)?;
        self.settings.is_on(Key::ClusterEnabled).then(|| topology.owners_beside(here))
    }

    /// Whether a shard has said that it has more than its part of so many bytes.
    fn is_above(&self, bytes_max: u64) -> bool {
        let part = bytes_max.div_ceil(self.seat.topology.borrow().shards().len().max(1) as u64);
        self.shards.lock().known.values().any(|known| known.figures.allocated_bytes > part)
    }

    /// A page for the link of a worker to a shard, and what all workers know of their links to it.
    fn page(&self, name: &str) -> (Arc<Page>, Arc<Generation>) {
        let page = Arc::new(Page::default());
        let mut shards = self.shards.lock();
        let generation = shards.generation;
        let known = shards.known.entry(name.to_owned()).or_insert_with(|| Known {
            generation: Arc::new(Generation::beginning_at(generation)),
            figures: Figures::default(),
            pages: Vec::new(),
        });
        known.pages.push(Arc::clone(&page));
        (page, Arc::clone(&known.generation))
    }

    /// A link is gone for good, and what it counted with it.
    fn forget(&self, name: &str, page: &Arc<Page>) {
        let shards = &mut *self.shards.lock();
        let Some(known) = shards.known.get_mut(name) else { return };
        known.pages.retain(|other| !Arc::ptr_eq(other, page));
        if known.pages.is_empty() {
            shards.generation = shards.generation.max(known.generation.now());
            shards.known.remove(name);
        }
    }

    /// Keeps what a shard says of itself.
    fn keep_figures(&self, name: &str, figures: Figures) {
        if let Some(known) = self.shards.lock().known.get_mut(name) {
            known.figures = figures;
        }
    }
}

impl Data for Remote {
    type Worker = RemoteWorker;

    fn worker(&self, index: usize, _count: usize) -> RemoteWorker {
        RemoteWorker::new(Arc::clone(&self.common), index)
    }

    /// The sum of what all shards, or those beside a node of a cluster, last said of themselves.
    fn figures(&self) -> Figures {
        let topology = Arc::clone(&self.common.seat.topology.borrow());
        let beside = self.common.beside(&topology);
        let asked = beside.as_ref().unwrap_or(topology.owners()).asked();
        let (shards, mut sum) = (self.common.shards.lock(), Figures::default());
        for &shard in asked {
            if let Some(known) = shards.known.get(&topology.shard(shard).name) {
                sum.add(&known.figures);
            }
        }
        sum
    }

    /// Shards do that when they are told; see [`tidegate_protocols::data::Chore`].
    fn reset_figures(&self) {}

    /// Shards save when they end, if they save at all.
    fn save(&self) -> Result<(), String> {
        if self.common.settings.save_points().is_empty() {
            return Err("shards save as they end only if there are save points: ask for SAVE before".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::Slots;
    use tidegate_protocols::topology::{GatewayNode, ShardNode};
    use tokio::sync::watch;

    use super::*;

    #[test]
    fn a_shard_that_nobody_has_a_link_to_is_forgotten_but_not_how_many_links_there_were() {
        let gateways = vec![GatewayNode { name: "front".into(), ..GatewayNode::default() }];
        let (name, slots, link) = ("a".into(), Slots::all(), "127.0.0.1:1".parse().expect("a place"));
        let shards = vec![ShardNode { name, slots, link, gateway: 0 }];
        let topology = Topology::new(1, gateways, shards).expect("one of each");
        let seat = Seat::new("front", watch::Sender::new(Arc::new(topology)).subscribe());
        let common = Remote::new(&seat, Arc::default()).common;
        let [(one, generation), (other, same)] = [common.page("a"), common.page("a")];
        assert!(Arc::ptr_eq(&generation, &same));
        generation.end(6);
        common.forget("a", &one);
        assert_eq!(common.shards.lock().known.len(), 1);
        common.forget("a", &other);
        assert!(common.shards.lock().known.is_empty());
        assert_eq!(common.page("a").1.now(), 7);
    }
}
