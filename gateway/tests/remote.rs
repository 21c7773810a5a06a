//! A gateway in front of shards: two gateways of the same build, one with data and one with links.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::net::SocketAddr;
use std::sync::Arc;

use fake::{Client, Server};
use tidegate_gateway::{Config, Gateway, LinkPlace, Membership, Remote, Running, Seat};
use tidegate_protocols::Topology;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::topology::{GatewayNode, ShardNode};
use tokio::sync::watch;

const EPOCH: u32 = 7;

/// A gateway, and the shards behind it.
struct Behind {
    front: Running,
    shards: Vec<Server>,
    topology: watch::Sender<Arc<Topology>>,
}

fn shard(name: &str, slots: &str, epoch: u32) -> Server {
    let links = vec!["127.0.0.1:0".parse().unwrap()];
    let membership = Some(Membership { name: name.to_owned(), epoch, slots: slots.parse().unwrap(), links });
    Server::start_as(&Config { membership, ..Config::default() }, &[])
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
        let seat = Seat { gateway: "front".to_owned(), topology: topology.subscribe() };
        let settings = Arc::new(Settings::default());
        settings.set(Key::LinkTimeout, "1000").unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (redis, memcached) = (vec![any], vec![any]);
        let config = Config { redis, memcached, workers: 2, seat: Some(seat.clone()), ..Config::default() };
        let remote = Arc::new(Remote::new(&seat, Arc::clone(&settings)));
        let front = Gateway::start(&config, remote, settings).unwrap();
        Self { front, shards, topology }
    }

    fn client(&self) -> Client {
        Client::connect(self.front.redis()[0])
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
        expected += &format!("+OK\r\n${0}\r\n{text}\r\n${0}\r\n{text}\r\n", text.len());
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
