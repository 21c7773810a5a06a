//! A gateway and shards that hear of a new topology at different moments.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use fake::{Client, Server};
use tidegate_gateway::{Config, Gateway, Holding, LinkPlace, Membership, Remote, Running, Seat};
use tidegate_protocols::Topology;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::topology::{GatewayNode, ShardNode};
use tokio::sync::watch;

/// Two shards and a gateway, each told of topologies by the test.
struct Trio {
    shards: Vec<(Server, watch::Sender<Arc<Holding>>)>,
    front: Running,
    topology: watch::Sender<Arc<Topology>>,
}

/// Slots of the first shard and of the second; they take turns with those in the middle.
const SLOTS: [[&str; 2]; 2] = [["0-5999", "6000-16383"], ["0-9999", "10000-16383"]];

/// Keys whose slots never move, in the first shard and in the second: 3300 and 15495. One in the middle: 7365.
const KEYS: [&str; 2] = ["b", "a"];
const MIDDLE: &str = "c";

fn topology(epoch: u32, links: &[SocketAddr]) -> Topology {
    let gateways = vec![GatewayNode { name: "front".to_owned(), ..GatewayNode::default() }];
    let slots = SLOTS[epoch as usize % 2];
    let shards = links.iter().enumerate().map(|(place, link)| ShardNode {
        name: format!("shard-{place}"),
        slots: slots[place].parse().unwrap(),
        link: LinkPlace::Tcp(*link),
        gateway: 0,
    });
    Topology::new(epoch, gateways, shards.collect()).unwrap()
}

impl Trio {
    /// With these settings of the gateway's link-timeout-ms; all at epoch 1.
    fn start(timeout_ms: &str) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let shard = |place: usize| {
            let holding = Holding { epoch: 1, slots: SLOTS[1][place].parse().unwrap() };
            let holding = watch::Sender::new(Arc::new(holding));
            let (name, links) = (format!("shard-{place}"), vec![LinkPlace::Tcp(any)]);
            let membership = Some(Membership { name, holding: holding.subscribe(), links });
            (Server::start_as(&Config { membership, workers: 2, ..Config::default() }, &[]), holding)
        };
        let shards: Vec<_> = (0..2).map(shard).collect();
        let links: Vec<_> = shards.iter().map(|(shard, _)| shard.running.links()[0]).collect();
        let topology = watch::Sender::new(Arc::new(topology(1, &links)));
        let seat = Seat { gateway: "front".to_owned(), topology: topology.subscribe() };
        let settings = Arc::new(Settings::default());
        settings.set(Key::LinkTimeout, timeout_ms).unwrap();
        let config = Config { redis: vec![any], workers: 2, seat: Some(seat.clone()), ..Config::default() };
        let remote = Arc::new(Remote::new(&seat, Arc::clone(&settings)));
        let front = Gateway::start(&config, remote, settings).unwrap();
        Self { shards, front, topology }
    }

    fn client(&self) -> Client {
        Client::connect(self.front.redis()[0])
    }

    /// Tells one of the three: the shards, by their places, or the gateway.
    fn tell(&self, who: usize, epoch: u32) {
        let links: Vec<_> = self.shards.iter().map(|(shard, _)| shard.running.links()[0]).collect();
        let topology = topology(epoch, &links);
        match self.shards.get(who) {
            Some((_, holding)) => {
                holding.send_replace(Arc::new(Holding::of(&topology, &format!("shard-{who}"))));
            }
            None => {
                self.topology.send_replace(Arc::new(topology));
            }
        }
    }

    fn refused(&self) -> u64 {
        self.shards.iter().map(|(shard, _)| shard.running.shared().counters.totals().moved).sum()
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_shard_that_hears_of_it_later_is_asked_again_until_it_has() {
    let trio = Trio::start("10000");
    let mut client = trio.client();
    trio.tell(2, 2);
    for key in KEYS {
        client.send(format!("SET {key} 1\r\nGET {key}\r\nSET {key} 2\r\nGET {key}\r\n").as_bytes());
    }
    client.send(b"ECHO after\r\n");
    eventually("asked again", || trio.refused() > 30);
    trio.tell(0, 2);
    trio.tell(1, 2);
    for _ in KEYS {
        client.expect(b"+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n");
    }
    client.expect(b"$5\r\nafter\r\n");
}

#[test]
fn a_shard_that_never_hears_of_it_is_told_of_and_has_executed_nothing() {
    let trio = Trio::start("300");
    let mut client = trio.client();
    trio.tell(2, 2);
    trio.tell(1, 2);
    let refused = "-CLUSTERDOWN shard shard-0 does not answer (it has not heard of the topology): nothing was executed\r\n";
    for _ in 0..2 {
        client.ask(b"SET b 1\r\n", refused.as_bytes());
    }
    client.ask(b"SET a 1\r\n", b"+OK\r\n");
    trio.tell(0, 2);
    eventually("it is asked again", || {
        client.send(b"GET b\r\n");
        let line = client.line();
        assert!(line == "$-1" || line.starts_with("-CLUSTERDOWN"), "{line}");
        line == "$-1"
    });
}

#[test]
fn every_client_s_requests_are_executed_in_its_order_whoever_hears_of_it_first() {
    let trio = Trio::start("10000");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (mut client, is_over) = (trio.client(), &is_over);
            scope.spawn(move || {
                let mut round = 0;
                while !is_over.load(SeqCst) {
                    let mut requests = String::new();
                    for key in KEYS {
                        let key = format!("{{{key}}}{number}");
                        for step in 0..20 {
                            write!(requests, "SET {key} {round}.{step}\r\nGET {key}\r\n").unwrap();
                        }
                    }
                    let middle = format!("{{{MIDDLE}}}{number}");
                    write!(requests, "SET {middle} {round}\r\nECHO {round}\r\n").unwrap();
                    client.send(requests.as_bytes());
                    for _ in KEYS {
                        for step in 0..20 {
                            let value = format!("{round}.{step}");
                            client.expect(format!("+OK\r\n${}\r\n{value}\r\n", value.len()).as_bytes());
                        }
                    }
                    let text = round.to_string();
                    client.expect(format!("+OK\r\n${}\r\n{text}\r\n", text.len()).as_bytes());
                    round += 1;
                }
            });
        }
        let random = &mut fastrand::Rng::with_seed(7);
        for epoch in 2..200 {
            let mut order = [0, 1, 2];
            random.shuffle(&mut order);
            for who in order {
                trio.tell(who, epoch);
                let refused = trio.refused();
                if random.bool() {
                    let begin = Instant::now();
                    while trio.refused() == refused && begin.elapsed() < Duration::from_millis(10) {
                        std::thread::yield_now();
                    }
                }
            }
        }
        is_over.store(true, SeqCst);
    });
    assert!(trio.refused() > 100, "{}", trio.refused());
}

#[test]
fn what_takes_the_number_of_a_request_that_was_split_has_a_time_of_its_own() {
    let trio = Trio::start("500");
    let [mut client, _, mut other] = [trio.client(), trio.client(), trio.client()];
    let mut ask_before_the_gateway_knows = |request: &str, epoch| {
        trio.tell(0, epoch);
        trio.tell(1, epoch);
        let refused = trio.refused();
        client.send(request.as_bytes());
        eventually("it is refused", || trio.refused() > refused);
        // The worker hears of it before it answers all of these.
        (0..20).for_each(|_| other.ask(b"ECHO x\r\n", b"$1\r\nx\r\n"));
        trio.tell(2, epoch);
        client.line()
    };
    assert_eq!(ask_before_the_gateway_knows("EXISTS b c\r\n", 2), "-ERR not by the fake");
    let begin = Instant::now();
    eventually("time passes", || begin.elapsed() > Duration::from_millis(600));
    assert_eq!(ask_before_the_gateway_knows("SET b 1\r\n", 3), "+OK");
}

#[test]
fn what_waits_for_a_shard_that_is_gone_goes_to_its_successor_at_once() {
    let mut trio = Trio::start("10000");
    let links: Vec<_> = trio.shards.iter().map(|(shard, _)| shard.running.links()[0]).collect();
    let mut client = trio.client();
    client.ask(b"SET b 1\r\n", b"+OK\r\n");
    trio.shards.remove(0).0.running.shutdown(Duration::ZERO);
    let (shard, holding) = &trio.shards[0];
    client.send(b"SET c 1\r\nSET a 1\r\nGET c\r\n");
    eventually("they are on their way", || shard.fake.begun.load(SeqCst) == 1);
    let begin = Instant::now();
    let next = topology(2, &links);
    holding.send_replace(Arc::new(Holding::of(&next, "shard-1")));
    trio.topology.send_replace(Arc::new(next));
    client.expect(b"+OK\r\n+OK\r\n$1\r\n1\r\n");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}
