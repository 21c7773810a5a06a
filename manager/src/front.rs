//! A gateway in front of shards: where its topology comes from, and the shard processes if they are its own.

use std::sync::Arc;
use std::time::Duration;

use tidegate_gateway::{Remote, Seat, ShardReport, open_files};
use tidegate_protocols::Slots;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::topology::Topology;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::options::{GatewayPlace, Start};
use crate::supervisor::{Supervisor, Wards};
use crate::topology_file::{self, TopologyFile};

/// How long the start waits for links to the shards it has started. Whoever comes earlier is held until there are some.
const REACHED_MAX: Duration = Duration::from_secs(2);

/// How often it looks.
const REACHED_LOOK: Duration = Duration::from_millis(2);

/// What a gateway in front of shards has besides the gateway itself.
pub(crate) struct Front {
    /// Its name in the topology.
    name: String,
    topology: watch::Sender<Arc<Topology>>,
    source: Source,
}

/// Where the topology comes from.
enum Source {
    /// A file, which may be read again.
    File(TopologyFile),
    /// We start the shards ourselves.
    Own(Box<Supervisor>),
}

impl Front {
    /// Reads the topology or starts the shards, if there are to be any besides this process.
    ///
    /// # Errors
    /// What is wrong with the file, or why a shard cannot start.
    pub(crate) async fn start(start: &Start) -> Result<Option<Self>, String> {
        if let Some(GatewayPlace { topology: path, name }) = &start.place {
            let file = TopologyFile::at(path);
            let topology = file.read(|topology| match name {
                Some(name) => has_gateway(topology, name),
                None => Ok(()),
            })?;
            let name = name.clone().unwrap_or_else(|| topology.gateways()[0].name.clone());
            return Ok(Some(Self::of(name, Arc::new(topology), Source::File(file))));
        }
        if start.settings.number(Key::ShardProcesses) == 0 {
            return Ok(None);
        }
        let supervisor = Supervisor::start(&start.settings).await?;
        let topology = Arc::clone(supervisor.topology());
        let name = topology.gateways()[0].name.clone();
        Ok(Some(Self::of(name, topology, Source::Own(Box::new(supervisor)))))
    }

    fn of(name: String, topology: Arc<Topology>, source: Source) -> Self {
        warn_of_unserved(&topology);
        Self { name, topology: watch::Sender::new(topology), source }
    }

    /// What the gateway is told.
    pub(crate) fn seat(&self) -> Seat {
        Seat::new(&self.name, self.topology.subscribe())
    }

    /// What there is to be seen of the shards that `remote` reaches.
    pub(crate) fn shards(&self, remote: Arc<Remote>) -> Shards {
        let wards = match &self.source {
            Source::File(_) => None,
            Source::Own(supervisor) => Some(Arc::clone(supervisor.wards())),
        };
        Shards { remote, topology: self.topology.subscribe(), wards }
    }

    /// Reads the file again, if the topology comes from one; a mistake in it changes nothing.
    pub(crate) fn read_again(&self, settings: &Settings) {
        let Source::File(file) = &self.source else { return };
        let epoch = self.topology.borrow().epoch;
        if let Some(topology) = file.read_again(epoch, |topology| has_gateway(topology, &self.name)) {
            warn_of_unserved(&topology);
            if let Some(warning) = open_files::make_room(settings, topology.shards().len()) {
                tracing::warn!("{warning}");
            }
            self.topology.send_replace(Arc::new(topology));
        }
    }

    /// Ends the shards that are its own.
    pub(crate) async fn end(self) {
        if let Source::Own(supervisor) = self.source {
            supervisor.end().await;
        }
    }
}

/// To how many shards there will be links. A mistake in the file is told when it is read to go by it.
pub(crate) fn shards_at_start(start: &Start) -> usize {
    let topology =
        start.place.as_ref().and_then(|place| TopologyFile::at(&place.topology).read(|_| Ok(())).ok());
    topology.map_or(start.settings.number(Key::ShardProcesses) as usize, |topology| topology.shards().len())
}

fn has_gateway(topology: &Topology, name: &str) -> Result<(), String> {
    if topology.gateway_named(name).is_some() {
        return Ok(());
    }
    let names: Vec<_> = topology.gateways().iter().map(|gateway| &*gateway.name).collect();
    Err(format!("there is no gateway '{name}' in it, but {} (--name)", names.join(", ")))
}

fn warn_of_unserved(topology: &Topology) {
    let unserved = topology_file::unserved(topology);
    if !unserved.is_empty() {
        tracing::warn!("no shard has the slots {unserved}: requests for keys in them fail");
    }
}

/// What there is to be seen of the shards behind a gateway.
pub(crate) struct Shards {
    remote: Arc<Remote>,
    topology: watch::Receiver<Arc<Topology>>,
    /// How their processes fare, if they are ours.
    wards: Option<Wards>,
}

impl Shards {
    /// The links to each, as of now.
    pub(crate) fn reports(&self) -> Vec<ShardReport> {
        self.remote.report()
    }

    /// How the processes fare that are ours.
    pub(crate) fn wards(&self) -> &[crate::supervisor::Ward] {
        self.wards.as_deref().unwrap_or_default()
    }

    /// Waits until the shards that are ours are reached, which takes but a moment; not for ever if it does not come.
    pub(crate) async fn reached(&self) {
        if self.wards.is_none() {
            return;
        }
        let deadline = Instant::now() + REACHED_MAX;
        while Instant::now() < deadline && !self.unanswered(&self.reports()).is_empty() {
            sleep(REACHED_LOOK).await;
        }
    }

    /// The slots that nobody answers for: no shard has them, or one that is not reached.
    pub(crate) fn unanswered(&self, reports: &[ShardReport]) -> Slots {
        unanswered(&self.topology.borrow(), reports)
    }
}

/// Whether all links to a shard are up. Each serves the clients of one worker, so with one down some get no answer.
pub(crate) fn is_reached(report: &ShardReport) -> bool {
    report.links > 0 && report.links_up == report.links
}

fn unanswered(topology: &Topology, reports: &[ShardReport]) -> Slots {
    let mut slots = topology_file::unserved(topology);
    let answers = |name: &str| reports.iter().any(|report| report.name == name && is_reached(report));
    for shard in topology.shards().iter().filter(|shard| !answers(&shard.name)) {
        shard.slots.ranges().flat_map(|(first, last)| first..=last).for_each(|slot| slots.insert(slot));
    }
    slots
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    const ONE: &str = "epoch = 1\nshards = [{name = 's', slots = '0-16382', link = '127.0.0.1:1'}]\n";

    #[test]
    fn a_file_read_again_takes_effect_as_a_whole_or_not_at_all() {
        let path = env::temp_dir().join(format!("tidegate-topology-{}.toml", process::id()));
        fs::write(&path, ONE).unwrap();
        let file = TopologyFile::at(&path);
        let topology = file.read(|_| Ok(())).unwrap();
        let front = Front::of("gateway-1".into(), Arc::new(topology), Source::File(file));
        let seat = front.seat();
        for text in [
            ONE.to_owned(),
            ONE.replace("epoch = 1", "epoch = 0"),
            ONE.replace("epoch = 1", "epoch = 2\ngateways = [{name = 'g'}]"),
            ONE.replace("epoch = 1", "epoch = 2").replace("16382", "16384"),
        ] {
            fs::write(&path, &text).unwrap();
            front.read_again(&Settings::default());
            assert_eq!(seat.topology.borrow().epoch, 1);
        }
        fs::write(&path, ONE.replace("epoch = 1", "epoch = 2").replace("16382", "16383")).unwrap();
        front.read_again(&Settings::default());
        assert_eq!(seat.topology.borrow().epoch, 2);
        assert!(topology_file::unserved(&seat.topology.borrow()).is_empty());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn slots_are_unanswered_where_no_link_is_up_or_nobody_has_them() {
        let text = "epoch = 1\nshards = [{name = 'a', slots = '0-9', link = '127.0.0.1:1'}, \
                    {name = 'b', slots = '10-16382', link = '127.0.0.1:2'}]\n";
        let topology = topology_file::parse(text).unwrap();
        let report = |name: &str, links_up| ShardReport {
            name: name.into(),
            links_up,
            links: 2,
            ..Default::default()
        };
        let slots = |a, b| unanswered(&topology, &[report("a", a), report("b", b)]).to_string();
        assert_eq!(slots(2, 2), "16383");
        assert_eq!(slots(0, 2), "0-9,16383");
        assert_eq!(slots(2, 1), "10-16383");
        assert_eq!(unanswered(&topology, &[]).to_string(), "0-16383");
    }
}
