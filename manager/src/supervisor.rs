//! The shard processes of `--shard-processes`: started, watched over, started again when one dies, and ended.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_protocols::Slots;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::slot::SLOTS;
use tidegate_protocols::topology::{ClientPlace, GatewayNode, LinkPlace, ShardNode, Topology};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::child::{Child, Plan};
use crate::log;
use crate::socket_directory::SocketDirectory;

/// The epoch of the topology, which never changes.
const EPOCH: u32 = 1;

/// The name of the one gateway.
const GATEWAY: &str = "gateway-1";

/// How long to wait before a shard is started again, the first time.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);

/// How long to wait at most; the time doubles with each attempt.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// For how long a shard has to have lived for the next wait to be the first again.
const LIVED: Duration = Duration::from_secs(10);

/// All shard processes. Dropped, they are killed and the directory of their sockets is removed.
pub(crate) struct Supervisor {
    topology: Arc<Topology>,
    wards: Wards,
    tasks: JoinSet<()>,
    end: watch::Sender<bool>,
    // Last: the processes go first.
    _directory: SocketDirectory,
}

/// What is known of each of them, in the order of the topology.
pub(crate) type Wards = Arc<[Ward]>;

/// What is known of a shard process.
#[derive(Debug)]
pub(crate) struct Ward {
    /// Its name in the topology.
    pub(crate) name: String,
    state: Mutex<State>,
}

/// How a shard process fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Its number while it runs.
    pub(crate) process: Option<u32>,
    /// How often it has been started again.
    pub(crate) restarts: u64,
    /// When its data was lost the last time.
    pub(crate) lost: Option<Lost>,
}

/// A moment: in Unix seconds, and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) unix_s: u64,
    pub(crate) text: String,
}

impl Ward {
    /// How it fares now.
    pub(crate) fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Supervisor {
    /// Starts as many as `shard-processes` says, all at once, and waits until they listen. To be called on the thread
    /// that will see the end of this process: the system ends them with the thread that started them.
    ///
    /// # Errors
    /// Why one of them cannot start; the others are ended then.
    pub(crate) async fn start(settings: &Arc<Settings>) -> Result<Self, String> {
        let count = settings.number(Key::ShardProcesses) as usize;
        let directory = SocketDirectory::new(&format!("{}.sock", name(count)))?;
        let plans: Vec<Plan> = split_evenly(count)
            .zip(1..)
            .map(|(slots, number)| {
                let socket = directory.path().join(format!("{}.sock", name(number)));
                Plan { name: name(number), slots, socket, epoch: EPOCH, of: count }
            })
            .collect();
        let topology = Arc::new(topology(&plans)?);
        let mut starts = JoinSet::new();
        for (place, plan) in plans.iter().cloned().enumerate() {
            let settings = Arc::clone(settings);
            starts.spawn(async move { (place, Child::start(&plan, &settings).await) });
        }
        let mut children: Vec<Option<Child>> = plans.iter().map(|_| None).collect();
        while let Some(started) = starts.join_next().await {
            let (place, child) = started.map_err(|error| error.to_string())?;
            let child = child.map_err(|reason| format!("{} cannot start: {reason}", plans[place].name))?;
            children[place] = Some(child);
        }
        let wards = plans.iter().map(|plan| Ward { name: plan.name.clone(), state: Mutex::default() });
        let wards: Wards = wards.collect();
        let (end, ended) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (place, (plan, child)) in plans.into_iter().zip(children.into_iter().flatten()).enumerate() {
            let keeper = Keeper { plan, place, wards: Arc::clone(&wards), settings: Arc::clone(settings) };
            keeper.runs(&child);
            let mut ended = ended.clone();
            tasks.spawn(async move { keeper.keep(child, &mut ended).await });
        }
        Ok(Self { topology, wards, tasks, end, _directory: directory })
    }

    /// Who has what.
    pub(crate) fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// How each of them fares.
    pub(crate) fn wards(&self) -> &Wards {
        &self.wards
    }

    /// Ends them all, and waits for that.
    pub(crate) async fn end(mut self) {
        self.end.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Looks after one shard.
struct Keeper {
    plan: Plan,
    place: usize,
    wards: Wards,
    settings: Arc<Settings>,
}

impl Keeper {
    /// Starts it again whenever it has died, until all is to end.
    async fn keep(&self, child: Child, end: &mut watch::Receiver<bool>) {
        let (mut child, mut backoff) = (child, Backoff::default());
        loop {
            tokio::select! {
                how = child.ended() => self.died(&child, &how, &mut backoff),
                () = asked(end) => {
                    let how = child.stop(&self.settings).await;
                    tracing::debug!("{} has ended: {how}", self.plan.name);
                    return;
                }
            }
            // Dropped while it starts, it is killed.
            child = tokio::select! {
                child = self.start_again(&mut backoff) => child,
                () = asked(end) => return,
            };
        }
    }

    fn died(&self, child: &Child, how: &str, backoff: &mut Backoff) {
        backoff.died_after(child.age());
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let lost = Some(Lost { unix_s, text: log::time() });
        self.ward().change(|state| *state = State { process: None, lost, ..state.clone() });
        let Plan { name, slots, .. } = &self.plan;
        tracing::error!(
            "{name} has died ({how}): what it held of the slots {slots} and had not saved is lost; it is started again in {} ms",
            backoff.wait.as_millis()
        );
    }

    /// Starts it until it runs.
    async fn start_again(&self, backoff: &mut Backoff) -> Child {
        loop {
            sleep(backoff.wait).await;
            backoff.tried();
            match Child::start(&self.plan, &self.settings).await {
                Ok(child) => {
                    self.ward().change(|state| state.restarts += 1);
                    self.runs(&child);
                    let process = child.id().unwrap_or_default();
                    tracing::warn!(
                        "{} runs again, with what it has saved, as process {process}",
                        self.plan.name
                    );
                    return child;
                }
                Err(reason) => tracing::error!(
                    "{} cannot start: {reason}; tried again in {} ms",
                    self.plan.name,
                    backoff.wait.as_millis()
                ),
            }
        }
    }

    fn runs(&self, child: &Child) {
        self.ward().change(|state| state.process = child.id());
    }

    fn ward(&self) -> &Ward {
        &self.wards[self.place]
    }
}

/// How long to wait before a shard is started again.
struct Backoff {
    wait: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { wait: BACKOFF_FIRST }
    }
}

impl Backoff {
    /// It has been tried, with whatever success.
    fn tried(&mut self) {
        self.wait = (self.wait * 2).min(BACKOFF_MAX);
    }

    /// What was started has died at this age.
    fn died_after(&mut self, age: Duration) {
        if age >= LIVED {
            *self = Self::default();
        }
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("wards", &self.wards).finish_non_exhaustive()
    }
}

/// Waits until the end is asked for, or nobody is left to ask.
async fn asked(end: &mut watch::Receiver<bool>) {
    let _ = end.wait_for(|end| *end).await;
}

/// The name of a shard, from 1.
fn name(number: usize) -> String {
    format!("shard-{number}")
}

/// The slots of each of `count` shards. Source: `redis-cli --cluster create`, `clusterManagerCommandCreate`.
fn split_evenly(count: usize) -> impl Iterator<Item = Slots> {
    let begin = move |place: usize| {
        let slots = usize::from(SLOTS);
        // Rounded to the nearest.
        (((2 * place * slots) + count) / (2 * count)) as u16
    };
    (0..count).map(move |place| {
        let mut slots = Slots::none();
        (begin(place)..begin(place + 1)).for_each(|slot| slots.insert(slot));
        slots
    })
}

fn topology(plans: &[Plan]) -> Result<Topology, String> {
    let gateway = GatewayNode { name: GATEWAY.into(), place: ClientPlace::default() };
    let shards = plans.iter().map(|plan| ShardNode {
        name: plan.name.clone(),
        slots: plan.slots.clone(),
        link: LinkPlace::Unix(plan.socket.clone()),
        gateway: 0,
    });
    Topology::new(EPOCH, vec![gateway], shards.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_begin_anew_after_a_long_life() {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            waits.push(backoff.wait.as_millis());
            backoff.tried();
            backoff.died_after(LIVED / 2);
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.died_after(LIVED);
        assert_eq!(backoff.wait, BACKOFF_FIRST);
    }

    #[test]
    fn slots_are_divided_as_redis_cli_divides_them() {
        let ranges = |count| split_evenly(count).map(|slots| slots.to_string()).collect::<Vec<_>>();
        assert_eq!(ranges(1), ["0-16383"]);
        assert_eq!(ranges(3), ["0-5460", "5461-10922", "10923-16383"]);
        assert_eq!(ranges(5), ["0-3276", "3277-6553", "6554-9829", "9830-13106", "13107-16383"]);
        for count in 1..=128 {
            assert_eq!(split_evenly(count).map(|slots| slots.len()).sum::<usize>(), usize::from(SLOTS));
        }
    }
}
