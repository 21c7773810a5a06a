//! A gateway and shards that hear of a new topology at different moments.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use fake::{Client, NEVER_LOST_MS, PATIENCE, Server, eventually, free_place, lost_after};
use tidegate_gateway::{Config, Gateway, Holding, LinkPlace, Membership, Remote, Running, Seat};
use tidegate_protocols::link::{self, Ask, Decoded, Greeting, Outline, Tail};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::topology::{GatewayNode, ShardNode};
use tidegate_protocols::{Slots, Topology, Verb};
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

/// A gateway that is told of this topology and loses no link.
fn front(topology: &watch::Sender<Arc<Topology>>) -> Running {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let seat = Seat::new("front", topology.subscribe());
    let settings = Arc::new(Settings::default());
    settings.set(Key::LinkTimeout, NEVER_LOST_MS).unwrap();
    let config = Config { redis: vec![any], workers: 2, seat: Some(seat.clone()), ..Config::default() };
    let remote = Arc::new(Remote::new(&seat, Arc::clone(&settings)));
    Gateway::start(&config, remote, settings).unwrap()
}

/// What a client is answered, while one topology follows the other.
fn line_under_changes(
    client: &mut Client,
    topologies: &watch::Sender<Arc<Topology>>,
    links: &[SocketAddr],
) -> String {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let answered = scope.spawn(|| {
            let line = client.line();
            is_over.store(true, SeqCst);
            line
        });
        for epoch in 2.. {
            let began = Instant::now();
            topologies.send_replace(Arc::new(topology(epoch, links)));
            eventually("time passes", || began.elapsed() > Duration::from_millis(20));
            if is_over.load(SeqCst) || answered.is_finished() {
                break;
            }
        }
        answered.join().unwrap()
    })
}

impl Trio {
    /// All at epoch 1.
    fn start() -> Self {
        let shard = |place: usize| {
            let holding = Holding { epoch: 1, slots: SLOTS[1][place].parse().unwrap() };
            let holding = watch::Sender::new(Arc::new(holding));
            let (name, links) = (format!("shard-{place}"), vec![LinkPlace::Tcp(free_place())]);
            let membership = Some(Membership { name, holding: holding.subscribe(), links });
            (Server::start_as(&Config { membership, workers: 2, ..Config::default() }, &[]), holding)
        };
        let shards: Vec<_> = (0..2).map(shard).collect();
        let links: Vec<_> = shards.iter().map(|(shard, _)| shard.running.links()[0]).collect();
        let topology = watch::Sender::new(Arc::new(topology(1, &links)));
        let front = front(&topology);
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

/// A gateway in front of a shard that the test itself is; and two clients of it.
struct Puppet {
    listener: TcpListener,
    /// The only link.
    link: TcpStream,
    topology: watch::Sender<Arc<Topology>>,
    clients: [Client; 2],
    front: Running,
    /// What the gateway has asked for itself.
    told: Vec<&'static str>,
}

impl Puppet {
    fn start() -> Self {
        Self::start_with(NEVER_LOST_MS)
    }

    /// With this `link-timeout-ms`.
    fn start_with(timeout_ms: &str) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listener = TcpListener::bind(any).unwrap();
        let topology = watch::Sender::new(Self::topology(1, listener.local_addr().unwrap()));
        let seat = Seat::new("front", topology.subscribe());
        let settings = Arc::new(Settings::default());
        settings.set(Key::LinkTimeout, timeout_ms).unwrap();
        let (redis, memcached, workers) = (vec![any], vec![any], 1);
        let config = Config { redis, memcached, workers, seat: Some(seat.clone()), ..Config::default() };
        let remote = Arc::new(Remote::new(&seat, Arc::clone(&settings)));
        let front = Gateway::start(&config, remote, settings).unwrap();
        let link = Self::accept(&listener);
        let clients = [(); 2].map(|()| Client::connect(front.redis()[0]));
        Self { listener, link, topology, clients, front, told: Vec::new() }
    }

    /// The next link that the gateway makes.
    fn accept(listener: &TcpListener) -> TcpStream {
        let (mut link, _) = listener.accept().unwrap();
        link.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut greeting = Vec::new();
        Greeting::new("shard-0", 1).encode(&mut greeting);
        link.write_all(&greeting).unwrap();
        let mut heard = vec![0; Greeting::HEAD_BYTES + "front".len()];
        link.read_exact(&mut heard).unwrap();
        link
    }

    fn topology(epoch: u32, address: SocketAddr) -> Arc<Topology> {
        let gateways = vec![GatewayNode { name: "front".to_owned(), ..GatewayNode::default() }];
        let (name, slots, link) = ("shard-0".to_owned(), Slots::all(), LinkPlace::Tcp(address));
        let shards = vec![ShardNode { name, slots, link, gateway: 0 }];
        Arc::new(Topology::new(epoch, gateways, shards).unwrap())
    }

    /// Goes on when the gateway has seen everything that was done before.
    fn await_tick(&mut self) {
        for _ in 0..3 {
            self.clients[1].ask(b"ECHO x\r\n", b"$1\r\nx\r\n");
        }
    }

    /// The next request of a client: its name, and what else its frame says. What gateways ask for themselves gets an
    /// empty answer.
    fn next(&mut self) -> (&'static str, Ask) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "no client's request comes");
            let mut frame = vec![0; 4];
            self.link.read_exact(&mut frame).unwrap();
            frame.resize(u32::from_le_bytes(frame[..4].try_into().unwrap()) as usize, 0);
            self.link.read_exact(&mut frame[4..]).unwrap();
            let found = link::decode(&frame, u64::MAX, &mut Vec::new(), &mut Item::default()).unwrap();
            let Decoded::Request(Outline { row, ask, .. }) = found else { panic!("{found:?}") };
            if !matches!(row.verb, Verb::Link(_)) {
                return (row.name, ask);
            }
            self.told.push(row.name);
            self.answer(ask, Tail::Done, b"");
        }
    }

    /// Takes the next topology, over the same link.
    fn follow(&mut self, epoch: u32) {
        let address = self.listener.local_addr().unwrap();
        self.topology.send_replace(Self::topology(epoch, address));
    }

    /// Lets time pass in which the shard answers whatever it is asked.
    fn serve_for(&mut self, time: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.clients[1].send(b"GET other\r\n");
            let (name, ask) = self.next();
            assert_eq!(name, "GET");
            self.answer(ask, Tail::Done, b"$-1\r\n");
            self.clients[1].expect(b"$-1\r\n");
        }
    }

    /// The next request is this one of a client; it begins to wait for its keys.
    fn begin_to_wait(&mut self, epoch: u32) -> Ask {
        let (name, ask) = self.next();
        assert_eq!((name, ask.epoch), ("BLPOP", epoch));
        self.answer(ask, Tail::Waits, b"");
        ask
    }

    fn answer(&mut self, ask: Ask, tail: Tail, bytes: &[u8]) {
        let mut frame = Vec::new();
        link::begin(&mut frame);
        frame.extend_from_slice(bytes);
        assert!(link::seal(&mut frame, 0, ask.id, tail).is_none());
        self.link.write_all(&frame).unwrap();
    }

    /// Executes a SET and a GET, which come in this order.
    fn execute(&mut self, epoch: u32) {
        for (name, reply) in [("SET", &b"+OK\r\n"[..]), ("GET", b"$1\r\n1\r\n")] {
            let (row, ask) = self.next();
            assert_eq!((row, ask.epoch), (name, epoch));
            self.answer(ask, Tail::Done, reply);
        }
        self.clients[0].expect(b"+OK\r\n$1\r\n1\r\n");
    }
}

#[test]
fn nothing_new_is_sent_to_a_shard_that_is_behind_before_what_it_has_refused() {
    let mut puppet = Puppet::start();
    puppet.clients[0].send(b"SET k 1\r\n");
    for round in 0..3 {
        let (name, ask) = puppet.next();
        assert_eq!((name, ask.again), ("SET", round > 0));
        puppet.answer(ask, Tail::Behind, b"");
    }
    puppet.await_tick();
    puppet.clients[0].send(b"GET k\r\n");
    puppet.execute(1);
}

#[test]
fn nothing_new_is_sent_by_a_new_topology_before_what_the_old_one_has_sent_astray() {
    let mut puppet = Puppet::start();
    puppet.clients[0].send(b"SET k 1\r\n");
    let (_, ask) = puppet.next();
    let address = puppet.link.local_addr().unwrap();
    puppet.topology.send_replace(Puppet::topology(2, address));
    puppet.await_tick();
    puppet.clients[0].send(b"GET k\r\n");
    puppet.await_tick();
    puppet.answer(ask, Tail::Moved, b"");
    puppet.execute(2);
    // Nothing was refused that is answered now.
    puppet.clients[0].send(b"SET k 1\r\nGET k\r\n");
    puppet.execute(2);
}

#[test]
fn a_shard_that_hears_of_it_later_is_asked_again_until_it_has() {
    let trio = Trio::start();
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
    let trio = Trio::start();
    // It is told of for being behind, and not for saying nothing for a moment.
    lost_after(&trio.front, "3000");
    let mut client = trio.client();
    trio.tell(2, 2);
    trio.tell(1, 2);
    let refused = "-CLUSTERDOWN shard shard-0 does not answer (it has not heard of the topology): nothing was executed\r\n";
    for _ in 0..2 {
        client.ask(b"SET b 1\r\n", refused.as_bytes());
    }
    lost_after(&trio.front, NEVER_LOST_MS);
    client.ask(b"SET a 1\r\n", b"+OK\r\n");
    trio.tell(0, 2);
    eventually("it is asked again", || {
        client.send(b"GET b\r\n");
        let line = client.line();
        assert!(line == "$-1" || line.starts_with("-CLUSTERDOWN"), "{line}");
        line == "$-1"
    });
}

/// Sets a key to one number after the other and gets each, without waiting for answers but for those of long ago, until
/// it is over.
fn stream(client: &Client, key: &str, is_over: &AtomicBool) {
    const AHEAD: u64 = 200;
    let (answered, sent) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let [mut reader, mut writer] = [(); 2].map(|()| Client(client.0.try_clone().unwrap()));
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            for number in 0.. {
                if number == sent.load(SeqCst) {
                    return;
                }
                let text = number.to_string();
                reader.expect(format!("+OK\r\n${}\r\n{text}\r\n", text.len()).as_bytes());
                answered.store(number + 1, SeqCst);
            }
        });
        let mut number = 0;
        while !is_over.load(SeqCst) && !reading.is_finished() {
            if number - answered.load(SeqCst) < AHEAD {
                writer.send(format!("SET {key} {number}\r\nGET {key}\r\n").as_bytes());
                number += 1;
            } else {
                std::thread::yield_now();
            }
        }
        // The last, which the reader may wait for already: it has to know that it is the last before it can have its answer.
        sent.store(number + 1, SeqCst);
        writer.send(format!("SET {key} {number}\r\nGET {key}\r\n").as_bytes());
    });
}

#[test]
fn every_client_s_requests_are_executed_in_its_order_whoever_hears_of_it_first() {
    let trio = Trio::start();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (number, key) in KEYS.into_iter().cycle().take(4).enumerate() {
            let (client, is_over) = (trio.client(), &is_over);
            scope.spawn(move || stream(&client, &format!("{{{key}}}{number}"), is_over));
        }
        let (mut moving, is_over) = (trio.client(), &is_over);
        scope.spawn(move || {
            while !is_over.load(SeqCst) {
                moving.ask(format!("SET {MIDDLE} 1\r\n").repeat(10).as_bytes(), &b"+OK\r\n".repeat(10));
            }
        });
        let random = &mut fastrand::Rng::with_seed(7);
        let deadline = Instant::now() + PATIENCE;
        // More of them where clients get on slowly: as few would meet none of it.
        for epoch in 2.. {
            if epoch >= 120 && (trio.refused() > 100 || Instant::now() > deadline) {
                break;
            }
            let mut order = [0, 1, 2];
            random.shuffle(&mut order);
            for who in order {
                trio.tell(who, epoch);
                let (refused, begin) = (trio.refused(), Instant::now());
                let (count, time) = (random.u64(0..20), Duration::from_millis(random.u64(0..10)));
                while trio.refused() < refused + count && begin.elapsed() < time {
                    std::thread::yield_now();
                }
            }
        }
        is_over.store(true, SeqCst);
    });
    assert!(trio.refused() > 100, "{}", trio.refused());
}

#[test]
fn what_takes_the_number_of_a_request_that_was_split_has_a_time_of_its_own() {
    const TIMEOUT_MS: &str = "3000";
    let trio = Trio::start();
    lost_after(&trio.front, TIMEOUT_MS);
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
    let timeout = Duration::from_millis(TIMEOUT_MS.parse().unwrap());
    eventually("time passes", || begin.elapsed() > timeout);
    assert_eq!(ask_before_the_gateway_knows("SET b 1\r\n", 3), "+OK");
}

#[test]
fn what_waits_for_a_shard_that_is_gone_goes_to_its_successor_at_once() {
    let mut trio = Trio::start();
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
    let given_up = Duration::from_millis(NEVER_LOST_MS.parse().unwrap());
    assert!(begin.elapsed() < given_up, "{:?}", begin.elapsed());
}

#[test]
fn changes_of_the_topology_give_no_more_time_to_what_waits_for_a_shard_that_is_gone() {
    let mut trio = Trio::start();
    let links: Vec<_> = trio.shards.iter().map(|(shard, _)| shard.running.links()[0]).collect();
    let mut client = trio.client();
    client.ask(b"SET b 1\r\n", b"+OK\r\n");
    trio.shards.remove(0).0.running.shutdown(Duration::ZERO);
    lost_after(&trio.front, "1000");
    client.send(b"GET b\r\n");
    let line = line_under_changes(&mut client, &trio.topology, &links);
    assert!(line.starts_with("-CLUSTERDOWN shard shard-0 does not answer"), "{line}");
}

#[test]
fn what_all_shards_are_told_is_not_taken_for_a_request_with_keys_when_it_is_sent_again() {
    let nobody = [(); 2].map(|()| SocketAddr::new(free_place().ip(), 1));
    let topologies = watch::Sender::new(Arc::new(topology(1, &nobody)));
    let front = front(&topologies);
    lost_after(&front, "1000");
    let mut client = Client::connect(front.redis()[0]);
    client.send(b"CONFIG SET maxmemory 100mb\r\n");
    let line = line_under_changes(&mut client, &topologies, &nobody);
    assert!(line.starts_with("-CLUSTERDOWN shard shard-0 does not answer"), "{line}");
}

#[test]
fn who_has_waited_for_keys_for_long_is_given_the_time_of_any_other_when_they_move_once_more() {
    let timeout = Duration::from_secs(4);
    let mut puppet = Puppet::start_with("4000");
    puppet.clients[0].send(b"BLPOP k 0\r\n");
    for epoch in [1, 2] {
        let ask = puppet.begin_to_wait(epoch);
        puppet.serve_for(if epoch == 2 { timeout } else { Duration::ZERO });
        puppet.answer(ask, Tail::Moved, b"");
        puppet.serve_for(Duration::from_millis(1));
        puppet.follow(epoch + 1);
    }
    let ask = puppet.begin_to_wait(3);
    puppet.answer(ask, Tail::Done, b"*2\r\n$1\r\nk\r\n$1\r\nx\r\n");
    puppet.clients[0].expect(b"*2\r\n$1\r\nk\r\n$1\r\nx\r\n");
}

#[test]
fn a_client_that_goes_while_its_keys_are_nobody_s_ends_the_waiting_of_no_other() {
    let mut puppet = Puppet::start_with("3000");
    let mut clients = [(); 4].map(|()| Client::connect(puppet.front.redis()[0]));
    for client in &mut clients {
        client.send(b"BLPOP k 0\r\n");
    }
    let asks = clients.each_ref().map(|_| puppet.begin_to_wait(1));
    for ask in asks {
        puppet.answer(ask, Tail::Moved, b"");
    }
    puppet.serve_for(Duration::from_millis(1));
    drop(clients);
    puppet.serve_for(Duration::from_millis(4500));
    let mut clients = [(); 4].map(|()| Client::connect(puppet.front.redis()[0]));
    for client in &mut clients {
        client.send(b"BLPOP k 0\r\n");
    }
    let _ = clients.each_ref().map(|_| puppet.begin_to_wait(1));
    puppet.serve_for(Duration::from_millis(100));
    assert!(!puppet.told.contains(&"unblock"), "{:?}", puppet.told);
}

#[test]
fn mg_is_not_sent_again_because_its_answer_may_have_named_who_makes_the_item_anew() {
    let mut puppet = Puppet::start();
    let mut client = Client::connect(puppet.front.memcached()[0]);
    client.send(b"mg k v\r\nget k\r\n");
    for _ in 0..2 {
        assert_eq!(puppet.next().0, "get");
    }
    puppet.link.shutdown(std::net::Shutdown::Both).unwrap();
    client.expect(b"SERVER_ERROR INDOUBT shard shard-0 was lost before it answered");
    client.line();
    puppet.link = Puppet::accept(&puppet.listener);
    let (name, ask) = puppet.next();
    assert_eq!(name, "get");
    puppet.answer(ask, Tail::Done, b"END\r\n");
    client.expect(b"END\r\n");
}
