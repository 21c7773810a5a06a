//! A gateway in front of shards: two gateways of the same build, one with data and one with links.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use fake::{Client, NEVER_LOST_MS, Server, array, eventually, free_place, lost_after};
use tidegate_gateway::{Config, Gateway, Holding, LinkPlace, Membership, Remote, Running, Seat};
use tidegate_protocols::Topology;
use tidegate_protocols::link::{self as frames, Greeting, Tail};
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::topology::{GatewayNode, ShardNode};
use tokio::sync::watch;

const EPOCH: u32 = 7;

/// `link-timeout-ms` while a link is to be lost.
const LOST_MS: &str = "500";

/// A gateway, and the shards behind it.
struct Behind {
    front: Running,
    remote: Arc<Remote>,
    shards: Vec<Server>,
    topology: watch::Sender<Arc<Topology>>,
}

fn shard(name: &str, slots: &str, epoch: u32) -> Server {
    shard_at(name, slots, epoch, free_place())
}

fn shard_at(name: &str, slots: &str, epoch: u32, address: SocketAddr) -> Server {
    let links = vec![LinkPlace::Tcp(address)];
    let membership = Some(Membership::fixed(name, Holding { epoch, slots: slots.parse().unwrap() }, links));
    Server::start_as(&Config { membership, workers: 4, ..Config::default() }, &[])
}

fn topology(epoch: u32, shards: &[(&str, SocketAddr)]) -> Arc<Topology> {
    let gateways = vec![GatewayNode { name: "front".to_owned(), ..GatewayNode::default() }];
    let shards = shards.iter().enumerate().map(|(place, (slots, address))| ShardNode {
        name: format!("shard-{place}"),
        slots: slots.parse().unwrap(),
        link: LinkPlace::Tcp(*address),
        gateway: 0,
    });
    Arc::new(Topology::new(epoch, gateways, shards.collect()).unwrap())
}

impl Behind {
    fn start(slots: &[&str]) -> Self {
        let shards: Vec<_> = slots
            .iter()
            .enumerate()
            .map(|(place, slots)| shard(&format!("shard-{place}"), slots, EPOCH))
            .collect();
        let places: Vec<_> =
            slots.iter().zip(&shards).map(|(slots, shard)| (*slots, shard.running.links()[0])).collect();
        Self::over(topology(EPOCH, &places), shards)
    }

    fn over(topology: Arc<Topology>, shards: Vec<Server>) -> Self {
        let topology = watch::Sender::new(topology);
        let seat = Seat::new("front", topology.subscribe());
        let settings = Arc::new(Settings::default());
        settings.set(Key::LinkTimeout, NEVER_LOST_MS).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (redis, memcached) = (vec![any], vec![any]);
        let config = Config { redis, memcached, workers: 2, seat: Some(seat.clone()), ..Config::default() };
        let remote = Arc::new(Remote::new(&seat, Arc::clone(&settings)));
        let front = Gateway::start(&config, Arc::clone(&remote), settings).unwrap();
        Self { front, remote, shards, topology }
    }

    fn client(&self) -> Client {
        Client::connect(self.front.redis()[0])
    }

    /// Waits until a request has found the key `busy` held, at the second shard.
    fn await_busy(&self) {
        eventually("it is asked", || self.shards[1].fake.busy.load(SeqCst) != usize::MAX);
    }
}

#[test]
fn requests_are_answered_by_the_shards_that_have_their_keys_in_the_order_they_were_sent() {
    let behind = Behind::start(&["0-8191", "8192-16383"]);
    let mut client = behind.client();
    let mut expected = String::new();
    for number in 0..500 {
        client.send(format!("SET key:{number} {number}\r\nGET key:{number}\r\nECHO {number}\r\n").as_bytes());
        let text = number.to_string();
        write!(expected, "+OK\r\n${0}\r\n{text}\r\n${0}\r\n{text}\r\n", text.len()).unwrap();
    }
    client.expect(expected.as_bytes());
}

#[test]
fn a_client_that_quits_gets_what_it_has_asked_for_first() {
    let behind = Behind::start(&["0-16383"]);
    let mut client = behind.client();
    client.send(b"SET a 1\r\nGET a\r\nQUIT\r\nGET a\r\n");
    client.expect(b"+OK\r\n$1\r\n1\r\n+OK\r\n");
    client.expect_end();
}

/// Keys of the first and of the second of two shards that share the slots evenly.
const KEYS: [&str; 2] = ["b", "a"];

fn on_two() -> Behind {
    Behind::start(&["0-8191", "8192-16383"])
}

#[test]
fn a_shard_that_does_not_answer_holds_up_its_own_keys_alone_and_the_write_is_in_doubt() {
    let behind = on_two();
    // Slot 8363.
    behind.shards[1].fake.busy.store(usize::MAX, SeqCst);
    let (mut stuck, mut other) = (behind.client(), behind.client());
    stuck.send(b"SET busy 1\r\nECHO after\r\n");
    for number in 0..100 {
        other.ask(format!("SET {} {number}\r\n", KEYS[0]).as_bytes(), b"+OK\r\n");
    }
    behind.await_busy();
    lost_after(&behind.front, LOST_MS);
    stuck.expect(
        b"-INDOUBT shard shard-1 was lost before it answered: it is not known whether this was executed\r\n",
    );
    stuck.expect(b"$5\r\nafter\r\n");
    lost_after(&behind.front, NEVER_LOST_MS);
    behind.shards[1].fake.busy.store(0, SeqCst);
    stuck.ask(b"SET busy 2\r\nGET busy\r\n", b"+OK\r\n$1\r\n2\r\n");
}

#[test]
fn a_client_that_waits_for_a_shard_is_not_idle() {
    let behind = on_two();
    behind.shards[1].fake.busy.store(usize::MAX, SeqCst);
    let mut client = behind.client();
    lost_after(&behind.front, "2000");
    // It does not have to be fast: it has said everything when its time begins.
    client.send(b"CONFIG SET timeout 1\r\nGET busy\r\nPING\r\n");
    client.expect(b"+OK\r\n");
    let line = client.line();
    assert!(line.starts_with("-CLUSTERDOWN shard shard-1"), "{line}");
    client.expect(b"+PONG\r\n");
    behind.shards[1].fake.busy.store(0, SeqCst);
}

#[test]
fn a_write_in_doubt_is_never_executed_after_a_later_one_whoever_sends_that() {
    for later in [0, 1] {
        let behind = on_two();
        let shard = &behind.shards[1];
        // Clients are handed out evenly to the two workers.
        let mut clients = [behind.client(), behind.client()];
        for client in &mut clients {
            client.ask(format!("SET {} 0\r\n", KEYS[1]).as_bytes(), b"+OK\r\n");
        }
        shard.fake.stuck.store(true, SeqCst);
        clients[0].send(format!("SET {} stuck\r\n", KEYS[1]).as_bytes());
        eventually("the write is stuck", || shard.fake.found_stuck.load(SeqCst) > 0);
        lost_after(&behind.front, LOST_MS);
        let line = clients[0].line();
        lost_after(&behind.front, NEVER_LOST_MS);
        assert!(line.starts_with("-INDOUBT shard shard-1 "), "{line}");
        clients[later].ask(format!("SET {} 2\r\n", KEYS[1]).as_bytes(), b"+OK\r\n");
        shard.fake.stuck.store(false, SeqCst);
        eventually("only the links of both workers are left", || shard.running.shared().registry.len() == 2);
        clients[later].ask(format!("GET {}\r\n", KEYS[1]).as_bytes(), b"$1\r\n2\r\n");
    }
}

#[test]
fn what_a_lost_shard_was_not_sent_is_answered_by_the_one_that_takes_its_place() {
    let mut behind = on_two();
    let mut client = behind.client();
    let set = format!("SET {} 1\r\n", KEYS[1]);
    client.ask(set.as_bytes(), b"+OK\r\n");
    let lost = behind.shards.remove(1);
    let address = lost.running.links()[0];
    lost.running.shutdown(Duration::ZERO);
    client.ask(format!("SET {} 1\r\n", KEYS[0]).as_bytes(), b"+OK\r\n");
    client.send(format!("{set}GET {}\r\n", KEYS[1]).as_bytes());
    behind.shards.push(shard_at("shard-1", "8192-16383", EPOCH, address));
    client.expect(b"+OK\r\n$1\r\n1\r\n");
    assert!(behind.remote.report()[1].held >= 2);
}

#[test]
fn a_shard_that_takes_a_long_request_bit_by_bit_is_not_taken_for_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // What the system takes for a shard, the shard has not taken.
    socket2::SockRef::from(&listener).set_recv_buffer_size(64 * 1024).unwrap();
    let slow = topology(EPOCH, &[("0-16383", listener.local_addr().unwrap())]);
    std::thread::spawn(move || {
        for link in listener.incoming() {
            std::thread::spawn(move || takes_its_time(link.unwrap()));
        }
    });
    let behind = Behind::over(slow, Vec::new());
    // Less than all of it takes, and far more than any part.
    lost_after(&behind.front, "3000");
    let mut client = behind.client();
    client.send(&array(&[b"SET", b"long", &vec![b'x'; 24 * 1024 * 1024]]));
    client.expect(b"+OK\r\n");
}

/// Greets a gateway as a shard does, after it.
fn greets(link: &mut TcpStream) {
    let mut greeting = [0; Greeting::HEAD_BYTES];
    link.read_exact(&mut greeting).unwrap();
    link.read_exact(&mut vec![0; greeting[Greeting::HEAD_BYTES - 1].into()]).unwrap();
    let mut own = Vec::new();
    Greeting::new("shard-0", EPOCH).encode(&mut own);
    link.write_all(&own).unwrap();
}

/// A shard that takes 64 KiB every 10 ms, and answers each request when it has all of it.
fn takes_its_time(mut link: TcpStream) {
    greets(&mut link);
    let mut head = [0; 8];
    // Until the gateway has ended.
    while link.read_exact(&mut head).is_ok() {
        let [length, id] = [0, 4].map(|at| u32::from_le_bytes(head[at..at + 4].try_into().unwrap()));
        let mut left = length as usize - head.len();
        while left > 0 {
            let mut some = vec![0; left.min(64 * 1024)];
            if link.read_exact(&mut some).is_err() {
                return;
            }
            left -= some.len();
            if length > 64 * 1024 {
                std::thread::park_timeout(Duration::from_millis(10));
            }
        }
        let mut answer = Vec::new();
        frames::begin(&mut answer);
        answer.extend_from_slice(b"+OK\r\n");
        assert!(frames::seal(&mut answer, 0, id, Tail::Done).is_none());
        if link.write_all(&answer).is_err() {
            return;
        }
    }
}

#[test]
fn who_waits_for_keys_of_a_shard_that_vanishes_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let places = topology(EPOCH, &[("0-16383", listener.local_addr().unwrap())]);
    std::thread::spawn(move || {
        let mut links = Vec::new();
        for link in listener.incoming() {
            let mut link = link.unwrap();
            greets(&mut link);
            links.push(std::thread::spawn(move || lets_wait(link)));
        }
    });
    let behind = Behind::over(places, Vec::new());
    lost_after(&behind.front, "2000");
    // One of them is on the worker that asks for figures now and then, and the other is not.
    let mut clients = [behind.client(), behind.client()];
    for client in &mut clients {
        client.ask(b"ECHO x\r\n", b"$1\r\nx\r\n");
    }
    for client in &mut clients {
        client.send(b"BLPOP k 0\r\n");
    }
    for client in &mut clients {
        let line = client.line();
        assert!(line.starts_with("-INDOUBT shard shard-0 was lost before it answered"), "{line}");
    }
}

/// A shard that lets the first request wait for its keys, and takes no notice of anything that follows.
fn lets_wait(mut link: TcpStream) -> TcpStream {
    let mut head = [0; 8];
    if link.read_exact(&mut head).is_ok() {
        let id = u32::from_le_bytes(head[4..].try_into().unwrap());
        let mut answer = Vec::new();
        frames::begin(&mut answer);
        assert!(frames::seal(&mut answer, 0, id, Tail::Waits).is_none());
        link.write_all(&answer).unwrap();
    }
    link
}

#[test]
fn a_shard_that_is_gone_for_too_long_is_told_of_at_once() {
    let mut behind = on_two();
    let mut client = behind.client();
    behind.shards.remove(1).running.shutdown(Duration::ZERO);
    lost_after(&behind.front, LOST_MS);
    let get = format!("GET {}\r\n", KEYS[1]);
    for _ in 0..2 {
        client.send(get.as_bytes());
        let line = client.line();
        assert!(line.starts_with("-CLUSTERDOWN shard shard-1 does not answer"), "{line}");
    }
    lost_after(&behind.front, NEVER_LOST_MS);
    client.ask(format!("GET {}\r\n", KEYS[0]).as_bytes(), b"$-1\r\n");
}

#[test]
fn requests_follow_their_slot_when_a_shard_says_that_it_is_not_its_own() {
    let places = |shards: &[Server]| -> Vec<_> {
        let links = shards.iter().map(|shard| shard.running.links()[0]);
        ["0-8191", "8192-16383"].into_iter().zip(links).collect()
    };
    let shards = vec![shard("shard-0", "0-8191", EPOCH + 1), shard("shard-1", "8192-16383", EPOCH + 1)];
    let places = places(&shards);
    let behind = Behind::over(topology(EPOCH, &places), shards);
    let mut client = behind.client();
    client.send(format!("SET {} 1\r\nGET {0}\r\n", KEYS[0]).as_bytes());
    client.send(b"ECHO x\r\n");
    behind.topology.send_replace(topology(EPOCH + 1, &places));
    client.expect(b"+OK\r\n$1\r\n1\r\n$1\r\nx\r\n");
}

#[test]
fn what_is_on_its_way_to_a_shard_that_leaves_the_topology_is_answered() {
    let behind = on_two();
    let shard = behind.shards[0].running.links()[0];
    behind.shards[1].fake.busy.store(usize::MAX, SeqCst);
    let mut stuck = behind.client();
    stuck.ask(format!("SET {} 1\r\n", KEYS[1]).as_bytes(), b"+OK\r\n");
    stuck.send(b"SET busy 1\r\n");
    behind.await_busy();
    lost_after(&behind.front, LOST_MS);
    behind.topology.send_replace(topology(EPOCH + 1, &[("0-16383", shard)]));
    let line = stuck.line();
    assert!(line.starts_with("-INDOUBT shard shard-1 "), "{line}");
}

#[test]
fn transactions_go_to_one_shard_with_the_gateway_s_own_commands_in_their_places() {
    let behind = on_two();
    let mut client = behind.client();
    let key = KEYS[0];
    client.send(format!("WATCH {key}\r\nMULTI\r\nSET {key} 1\r\nPING\r\nSELECT 3\r\nSET {key} 3\r\nGET {key}\r\nEXEC\r\nGET {key}\r\n").as_bytes());
    client.expect(b"+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
    client.expect(b"*5\r\n+OK\r\n+PONG\r\n+OK\r\n+OK\r\n$1\r\n3\r\n$1\r\n3\r\n");
    client.ask(b"SELECT 0\r\n", b"+OK\r\n");
    client.ask(format!("GET {key}\r\n").as_bytes(), b"$1\r\n1\r\n");
    let apart = format!("MULTI\r\nSET {} 1\r\nSET {} 1\r\nEXEC\r\n", KEYS[0], KEYS[1]);
    client.send(apart.as_bytes());
    client.expect(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    assert_eq!(behind.shards[0].fake.watched.load(SeqCst), 0);
}

#[test]
fn what_follows_a_transaction_that_selects_another_database_waits_for_it_alone() {
    let behind = on_two();
    let mut client = behind.client();
    client.ask(b"SET b 0\r\nSELECT 1\r\nSET b 1\r\nSELECT 0\r\n", &b"+OK\r\n".repeat(4));
    let held = behind.shards[1].fake.hold();
    client.send(b"MULTI\r\nGET b\r\nEXEC\r\nMULTI\r\nSELECT 1\r\nGET a\r\nEXEC\r\nGET b\r\n");
    client.expect(b"+OK\r\n+QUEUED\r\n*1\r\n$1\r\n0\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    // Whatever the first has set free has had its turn after these.
    let mut others = [behind.client(), behind.client()];
    for _ in 0..20 {
        for other in &mut others {
            other.ask(b"GET b\r\n", b"$1\r\n0\r\n");
        }
    }
    drop(held);
    client.expect(b"*2\r\n+OK\r\n$-1\r\n$1\r\n1\r\n");
}

#[test]
fn shards_hear_of_nothing_in_a_transaction_that_has_not_taken_place() {
    let behind = on_two();
    let (mut client, mut other) = (behind.client(), behind.client());
    let resets = || behind.shards.iter().map(|shard| shard.fake.reset.load(SeqCst)).sum::<usize>();
    client.ask(b"WATCH b\r\nMULTI\r\nCONFIG RESETSTAT\r\nGET b\r\n", b"+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    other.ask(b"SET b 1\r\n", b"+OK\r\n");
    // What follows comes by the same links as what shards were told.
    client.ask(b"EXEC\r\nGET a\r\nGET b\r\n", b"*-1\r\n$-1\r\n$1\r\n1\r\n");
    assert_eq!(resets(), 0);
    client.send(b"MULTI\r\nCONFIG RESETSTAT\r\nGET b\r\nEXEC\r\nGET a\r\nGET b\r\n");
    client.expect(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n1\r\n$-1\r\n$1\r\n1\r\n");
    assert_eq!(resets(), 2);
}

#[test]
fn what_was_watched_over_a_lost_link_counts_as_changed() {
    let mut behind = on_two();
    let mut client = behind.client();
    let key = KEYS[1];
    client.ask(format!("WATCH {key}\r\n").as_bytes(), b"+OK\r\n");
    let lost = behind.shards.remove(1);
    let address = lost.running.links()[0];
    lost.running.shutdown(Duration::ZERO);
    behind.shards.push(shard_at("shard-1", "8192-16383", EPOCH, address));
    client.send(format!("MULTI\r\nSET {key} 1\r\nEXEC\r\nGET {key}\r\n").as_bytes());
    client.expect(b"+OK\r\n+QUEUED\r\n*-1\r\n$-1\r\n");
}

#[test]
fn what_a_client_that_is_gone_has_watched_is_watched_no_more() {
    let behind = on_two();
    let mut client = behind.client();
    client.ask(format!("WATCH {}\r\n", KEYS[0]).as_bytes(), b"+OK\r\n");
    assert_eq!(behind.shards[0].fake.watched.load(SeqCst), 1);
    drop(client);
    eventually("nothing is watched", || behind.shards[0].fake.watched.load(SeqCst) == 0);
}

#[test]
fn more_requests_than_may_be_on_their_way_are_all_answered_in_order() {
    let behind = on_two();
    let mut client = behind.client();
    let value = "x".repeat(20_000);
    let (mut request, mut expected) = (String::new(), String::new());
    for number in 0..3000 {
        let key = KEYS[number % 2];
        write!(request, "SET {key} {value}{number}\r\nGET {key}\r\n").unwrap();
        let bytes = value.len() + number.to_string().len();
        write!(expected, "+OK\r\n${bytes}\r\n{value}{number}\r\n").unwrap();
    }
    let reader = std::thread::spawn({
        let mut reader = Client(client.0.try_clone().unwrap());
        move || reader.expect(expected.as_bytes())
    });
    client.send(request.as_bytes());
    reader.join().unwrap();
}

#[test]
fn a_request_that_shards_hear_of_counts_once() {
    let behind = on_two();
    let mut client = behind.client();
    client.ask(b"CONFIG RESETSTAT\r\nCONFIG SET maxmemory 1gb\r\nMEMORY PURGE\r\n", b"+OK\r\n+OK\r\n+OK\r\n");
    client.send(b"INFO commandstats\r\nINFO commandstats\r\n");
    client.bulk();
    let told = client.bulk();
    for name in ["config|set", "memory|purge", "info"] {
        assert!(told.contains(&format!("cmdstat_{name}:calls=1,")), "{name} in {told}");
    }
}
