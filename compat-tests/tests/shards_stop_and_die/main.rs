//! 200 clients check every answer while shards are stopped, killed and started again.
//!
//! Each client has keys of its own and knows what may be in them: a value read must be one that it has written and
//! that no acknowledged later write and no known death of a shard has replaced. Errors may come only while a shard of the
//! keys asked for is in trouble, and only those that say what became of the request. Who is stopped or killed
//! when comes from a seed: `SEED=7 SECONDS_OF_TROUBLE=300 cargo test -p tidegate-compat-tests --test shards_stop_and_die`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod key;
mod memcached;
mod programs;
mod talk;
mod transactions;
mod world;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::shard::ShardPlan;
use tidegate_compat_tests::wire::Wire;
use tidegate_protocols::slot::SLOTS;

use key::{Key, first_slot};
use memcached::Items;
use programs::{Pipelined, Spread};
use talk::Talk;
use transactions::{Pair, Watched};
use world::{SHARDS, World};

/// How long trouble is made, unless `SECONDS_OF_TROUBLE` says otherwise.
const TROUBLE: Duration = Duration::from_secs(30);
/// How long a gateway waits for a shard: longer than one that is well does not run on a machine with much else to do.
const LINK_TIMEOUT: Duration = Duration::from_secs(3);
/// How much longer than that an answer may take: what waited for a shard may wait once more, on such a machine.
const ANSWER_SLACK: Duration = Duration::from_secs(20);
/// How long anything else may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Rounds that clients of other shards must have had while one is stopped.
const ROUNDS_ELSEWHERE: u64 = 3;
/// What a stop may cost clients of other shards, as a part of how long it lasts. Who has to wait for it waits for nearly
/// all of it; on a machine with much else to do, nobody is fast.
const DELAY_SHARE_MAX: f64 = 0.75;
/// What the gateway may have grown by when all is over.
const GROWTH_MAX: u64 = 32 << 20;
/// Connections that look whether a shard is reached again: more than there are workers, each of which has links of
/// its own.
const PROBES: usize = 8;

#[test]
fn every_answer_is_right_while_shards_are_stopped_killed_and_restarted() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..10_000));
    let trouble = number("SECONDS_OF_TROUBLE").map_or(TROUBLE, Duration::from_secs);
    println!("SEED={seed}");
    let mut server = start();
    let kinds: Vec<_> = (0..200).map(Kind::of).collect();
    let homes = kinds.iter().map(Kind::home).collect();
    let world = World::new(server.redis(), server.memcached(), LINK_TIMEOUT + ANSWER_SLACK, homes);
    let admin = server.admin();
    let _report = OnPanic(|| eprintln!("{}{}", page(admin), client_list(world.redis)));
    thread::scope(|scope| {
        for (client, &kind) in kinds.iter().enumerate() {
            let world = &world;
            scope.spawn(move || {
                if let Err(failure) = kind.live(world, client) {
                    world.fail(format!("client {client}, {kind:?}: {failure}"));
                }
            });
        }
        // Whatever goes wrong here, the clients end.
        let _end = AtTheEnd(|| world.end());
        let everybody = |rounds| world.clients.iter().all(|client| client.rounds.load(SeqCst) >= rounds);
        world.until("every client is served", PATIENCE, || everybody(3));
        // What is kept for the next time is there once everything has happened.
        torment(&mut server, &world, seed, Duration::ZERO);
        let before = server.process().resident_bytes().unwrap();
        torment(&mut server, &world, seed.wrapping_add(1), trouble);
        let rounds: Vec<_> = world.clients.iter().map(|client| client.rounds.load(SeqCst)).collect();
        world.until("every client is served again", PATIENCE, || {
            world.clients.iter().zip(&rounds).all(|(client, was)| client.rounds.load(SeqCst) >= was + 3)
        });
        world.end();
        world.until("no client waits", PATIENCE, || {
            waiting(server.admin()).iter().all(|&waiting| waiting == 0.0)
        });
        world.until("the gateway has given back what it took", PATIENCE, || {
            server.process().resident_bytes().unwrap() <= before + GROWTH_MAX
        });
        let after = server.process().resident_bytes().unwrap();
        println!("resident: {} KiB before, {} KiB after", before >> 10, after >> 10);
    });
    if let Some(failure) = world.failure() {
        panic!("SEED={seed}: {failure}");
    }
    let sum = |of: fn(&world::Progress) -> u64| world.clients.iter().map(of).sum::<u64>();
    let rounds = sum(|client| client.rounds.load(SeqCst));
    let errors = sum(|client| client.errors.load(SeqCst));
    println!("{rounds} rounds, {errors} errors that had to be");
}

struct AtTheEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtTheEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Tells more of what went wrong.
struct OnPanic<F: Fn()>(F);

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.0)();
        }
    }
}

/// A gateway of two workers in front of three shards with equal parts of the slots.
fn start() -> Server {
    let plan = |shard| ShardPlan {
        slots: format!("{}-{}", first_slot(shard), first_slot(shard + 1) - 1),
        flags: ["--threads", "1"].map(str::to_owned).into(),
    };
    let timeout = format!("link-timeout-ms={}", LINK_TIMEOUT.as_millis());
    let flags = ["--threads", "2", "--set", &timeout].map(str::to_owned);
    assert_eq!(first_slot(SHARDS), usize::from(SLOTS));
    Server::gateway(&(0..SHARDS).map(plan).collect::<Vec<_>>(), &flags).unwrap()
}

/// What a client does.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Pipelined(usize),
    Spread,
    Pair(usize),
    Watched(usize),
    Items(Option<usize>),
}

impl Kind {
    fn of(client: usize) -> Self {
        let shard = client % SHARDS;
        match client {
            0..80 => Self::Pipelined(shard),
            80..120 => Self::Spread,
            120..145 => Self::Pair(shard),
            145..165 => Self::Watched(shard),
            165..185 => Self::Items(Some(shard)),
            _ => Self::Items(None),
        }
    }

    /// The shard that has all its keys.
    fn home(&self) -> Option<usize> {
        match *self {
            Self::Pipelined(shard) | Self::Pair(shard) | Self::Watched(shard) => Some(shard),
            Self::Items(shard) => shard,
            Self::Spread => None,
        }
    }

    fn live(self, world: &World, client: usize) -> Result<(), String> {
        let redis = |wires| Talk::connect(world, client, world.redis, wires);
        match self {
            Self::Pipelined(shard) => redis(1)?.live(&mut Pipelined::new(client, shard)),
            Self::Spread => redis(1)?.live(&mut Spread::new(client)),
            Self::Pair(shard) => redis(1)?.live(&mut Pair::new(client, shard)),
            Self::Watched(shard) => redis(2)?.live(&mut Watched::new(client, shard)),
            Self::Items(shard) => {
                let talk = Talk::connect(world, client, world.memcached, 1)?;
                talk.live(&mut Items::new(client, shard, SHARDS))
            }
        }
    }
}

/// Stops, kills and restarts shards in an order that `seed` says, for about `time`.
fn torment(server: &mut Server, world: &World, seed: u64, time: Duration) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let probes: Vec<_> = (0..PROBES).map(|_| Wire::connect(world.redis).unwrap()).collect();
    let mut probes = Probes { wires: probes, world };
    let began = Instant::now();
    // Each at least once.
    let mut acts = vec![Act::Pause, Act::Stop, Act::Kill, Act::StopAndKill];
    dice.shuffle(&mut acts);
    let mut done = 0;
    while done < acts.len() || began.elapsed() < time {
        let act = acts[if done < acts.len() { done } else { dice.usize(..acts.len()) }];
        let shard = dice.usize(..SHARDS);
        println!("{:>6.1?}: {act:?} shard-{}", began.elapsed(), shard + 1);
        act.on(server, world, shard);
        probes.until_reached(shard);
        world.shards[shard].trouble_has_ended();
        done += 1;
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// It is stopped for a moment.
    Pause,
    /// It is stopped until its clients are told that it does not answer.
    Stop,
    /// It is killed, and restarted when its clients have been told.
    Kill,
    /// It is stopped, and killed before anybody has been told.
    StopAndKill,
}

impl Act {
    fn on(self, server: &mut Server, world: &World, place: usize) {
        let state = &world.shards[place];
        let shard = &mut server.shards_mut()[place];
        let errors = world.errors_of(place);
        let are_told = || world.errors_of(place) > errors;
        let deadline = LINK_TIMEOUT + ANSWER_SLACK;
        state.trouble_begins();
        match self {
            Self::Pause | Self::Stop => {
                shard.stop();
                let stopped = Instant::now();
                world.clients.iter().for_each(|client| client.slowest_us.store(0, SeqCst));
                others_go_on(world, place);
                if let Self::Stop = self {
                    world.until("clients of a stopped shard are told", deadline, are_told);
                    others_go_on(world, place);
                    let slowest = world.elsewhere(place).map(|client| client.slowest_us.load(SeqCst)).max();
                    let slowest = Duration::from_micros(slowest.unwrap());
                    let time = stopped.elapsed();
                    println!("        stopped for {time:.1?}, slowest batch of others {slowest:.1?}");
                    assert!(
                        slowest < time.mul_f64(DELAY_SHARE_MAX),
                        "a batch for other shards took {slowest:?}"
                    );
                }
                shard.go_on();
            }
            Self::Kill | Self::StopAndKill => {
                if let Self::StopAndKill = self {
                    shard.stop();
                    others_go_on(world, place);
                }
                state.death_begins();
                shard.kill();
                world.until("clients of a killed shard are told", deadline, are_told);
                others_go_on(world, place);
                shard.restart().unwrap();
                state.death_has_ended();
            }
        }
    }
}

/// Clients that have nothing to do with this shard are answered.
fn others_go_on(world: &World, shard: usize) {
    let before: Vec<_> = world.elsewhere(shard).map(|client| client.rounds.load(SeqCst)).collect();
    world.until("clients of other shards are answered", PATIENCE, || {
        world
            .elsewhere(shard)
            .zip(&before)
            .all(|(client, was)| client.rounds.load(SeqCst) >= was + ROUNDS_ELSEWHERE)
    });
}

/// Connections that only look.
struct Probes<'w> {
    wires: Vec<Wire>,
    world: &'w World,
}

impl Probes<'_> {
    /// Asks for a key of the shard until all have an answer.
    fn until_reached(&mut self, shard: usize) {
        let key = Key::new(usize::MAX, 0, shard);
        let request = format!("GET {}\r\n", key.name);
        let deadline = Instant::now() + PATIENCE;
        for wire in &mut self.wires {
            loop {
                wire.send(request.as_bytes());
                wire.wait_at_most(PATIENCE);
                let line = wire.line().unwrap();
                if line == b"$-1" {
                    break;
                }
                assert!(line.starts_with(b"-"), "{}", line.escape_ascii());
                assert!(Instant::now() < deadline, "shard {shard}: {}", line.escape_ascii());
                self.world.rest();
            }
        }
    }
}

/// The gateway's page of metrics, or why there is none.
fn page(admin: SocketAddr) -> String {
    said(admin, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

/// What the gateway says of its clients, or why it says nothing.
fn client_list(redis: SocketAddr) -> String {
    said(redis, b"CLIENT LIST\r\nQUIT\r\n")
}

/// All that somebody says to this, or why they say nothing.
fn said(address: SocketAddr, request: &[u8]) -> String {
    let mut said = String::new();
    let all = TcpStream::connect(address).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request)?;
        stream.read_to_string(&mut said)
    });
    all.map_or_else(|error| format!("{address} says nothing: {error}"), |_| said)
}

/// `tidegate_link_waiting` of every shard.
fn waiting(admin: SocketAddr) -> Vec<f64> {
    let page = page(admin);
    let lines = page.lines().filter(|line| line.starts_with("tidegate_link_waiting{"));
    let waiting: Vec<_> = lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(waiting.len(), SHARDS, "{page}");
    waiting
}
