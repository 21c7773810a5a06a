//! What clients see of a gateway that is one of two nodes of a cluster: what is its own, and where the rest is. The
//! texts are those of redis-server, as two of its nodes say them to the same requests.
#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod fake;

use std::sync::Arc;

use fake::{Client, Server};
use tidegate_gateway::{Config, Seat};
use tidegate_protocols::Topology;
use tidegate_protocols::settings::Key;
use tidegate_protocols::topology::{ClientPlace, GatewayNode, ShardNode, node_id, shard_id};
use tokio::sync::watch;

/// Two gateways, of which the second is at 10.0.0.2:7002, with one shard beside each.
fn topology(epoch: u32, slots: [&str; 2]) -> Arc<Topology> {
    let place = ClientPlace { ip: "10.0.0.2".into(), port: 7002, hostname: String::new() };
    let gateways = [("one", ClientPlace::default()), ("two", place)];
    let gateways = gateways.map(|(name, place)| GatewayNode { name: name.into(), place });
    let shards = [0, 1].map(|gateway| ShardNode {
        name: format!("shard-{gateway}"),
        slots: slots[gateway].parse().unwrap(),
        link: "127.0.0.1:1".parse().unwrap(),
        gateway,
    });
    Arc::new(Topology::new(epoch, gateways.into(), shards.into()).unwrap())
}

/// The first of the two gateways, and who says what the topology is.
fn first(slots: [&str; 2], settings: &[(Key, &str)]) -> (Server, watch::Sender<Arc<Topology>>) {
    let sender = watch::Sender::new(topology(1, slots));
    let seat = Some(Seat::new("one", sender.subscribe()));
    let redis = vec!["127.0.0.1:0".parse().unwrap()];
    let server = Server::start_as(&Config { redis, workers: 1, seat, ..Config::default() }, settings);
    (server, sender)
}

fn cluster(slots: [&str; 2]) -> (Server, watch::Sender<Arc<Topology>>) {
    first(slots, &[(Key::ClusterEnabled, "yes")])
}

/// Asks line by line, and expects the line after `->`.
#[track_caller]
fn replay(client: &mut Client, script: &str) {
    for line in script.lines() {
        let (request, reply) = line.trim().split_once(" -> ").unwrap();
        client.ask(format!("{request}\r\n").as_bytes(), format!("{reply}\r\n").as_bytes());
    }
}

// Slots of a, b and c: 15495, 3300, 7365; of u50: 16331.
const HALVES: [&str; 2] = ["0-8191", "8192-16000"];

#[test]
fn keys_of_another_node_are_not_taken() {
    let (server, _sender) = cluster(HALVES);
    replay(
        &mut server.client(),
        "SET b 1 -> +OK
         GET a -> -MOVED 15495 10.0.0.2:7002
         SET u50 1 -> -CLUSTERDOWN Hash slot not served
         MGET a a -> -MOVED 15495 10.0.0.2:7002
         MGET a b -> -CROSSSLOT Keys in request don't hash to the same slot
         MGET b a -> -CROSSSLOT Keys in request don't hash to the same slot
         MGET u50 a -> -CLUSTERDOWN Hash slot not served
         MGET a u50 -> -CROSSSLOT Keys in request don't hash to the same slot
         READONLY -> +OK
         GET a -> -MOVED 15495 10.0.0.2:7002
         ASKING -> +OK
         GET a -> -MOVED 15495 10.0.0.2:7002
         WATCH a -> -MOVED 15495 10.0.0.2:7002
         OBJECT ENCODING a -> -MOVED 15495 10.0.0.2:7002
         GET a b -> -ERR wrong number of arguments for 'get' command
         PING -> +PONG",
    );
}

#[test]
fn keys_of_another_node_spoil_a_transaction() {
    let (server, sender) = cluster(HALVES);
    let mut client = server.client();
    replay(
        &mut client,
        "MULTI -> +OK
         SET b 1 -> +QUEUED
         SET a 1 -> -MOVED 15495 10.0.0.2:7002
         EXEC -> -EXECABORT Transaction discarded because of previous errors.
         EXEC -> -ERR EXEC without MULTI
         MULTI -> +OK
         SET u50 1 -> -CLUSTERDOWN Hash slot not served
         EXEC -> -EXECABORT Transaction discarded because of previous errors.
         MULTI -> +OK
         GET b -> +QUEUED
         GET c -> +QUEUED
         EXEC -> -CROSSSLOT Keys in request don't hash to the same slot
         MULTI -> +OK
         GET b -> +QUEUED",
    );
    // What was queued belongs to another when it is to be executed.
    sender.send_replace(topology(2, ["0-3299,3301-8191", "3300,8192-16000"]));
    replay(&mut client, "EXEC -> -MOVED 3300 10.0.0.2:7002\n EXEC -> -ERR EXEC without MULTI");
    replay(&mut client, "MULTI -> +OK\n GET c -> +QUEUED");
    sender.send_replace(topology(3, ["0-3299,3301-7364,7366-8191", "3300,8192-16000"]));
    replay(&mut client, "EXEC -> -CLUSTERDOWN Hash slot not served\n EXEC -> -ERR EXEC without MULTI");
}

#[test]
fn clients_are_sent_where_the_setting_says() {
    let (server, _sender) = cluster(HALVES);
    let mut client = server.client();
    for (kind, place) in [("hostname", "?:7002"), ("unknown-endpoint", ":7002"), ("ip", "10.0.0.2:7002")] {
        replay(&mut client, &format!("CONFIG SET cluster-preferred-endpoint-type {kind} -> +OK"));
        replay(&mut client, &format!("GET a -> -MOVED 15495 {place}"));
    }
}

#[test]
fn who_has_not_logged_in_is_not_told_where_keys_are() {
    let (server, _sender) = first(HALVES, &[(Key::ClusterEnabled, "yes"), (Key::RequirePass, "secret")]);
    let mut client = server.client();
    replay(&mut client, "GET a -> -NOAUTH Authentication required.\n AUTH secret -> +OK");
    replay(&mut client, "GET a -> -MOVED 15495 10.0.0.2:7002");
}

#[test]
fn a_gateway_that_is_no_node_of_a_cluster_takes_every_key() {
    let (server, _sender) = first(HALVES, &[]);
    replay(
        &mut server.client(),
        "SET a 1 -> +OK
         CLUSTER SLOTS -> -ERR This instance has cluster support disabled",
    );
}

#[test]
fn nodes_are_the_gateways_with_the_slots_beside_them() {
    let (server, sender) = cluster(["0-8191", "8192-16383"]);
    let mut client = server.client();
    let here = server.running.redis()[0].port();
    let (one, two) = (node_id("one"), node_id("two"));
    client.send(b"CLUSTER NODES\r\n");
    assert_eq!(
        client.bulk(),
        format!(
            "{one} 127.0.0.1:{here}@0 myself,master - 0 0 1 connected 0-8191\n\
             {two} 10.0.0.2:7002@0 master - 0 0 1 connected 8192-16383\n"
        )
    );
    client.send(b"CLUSTER MYID\r\nCLUSTER MYSHARDID\r\nCLUSTER INFO\r\n");
    assert_eq!([client.bulk(), client.bulk()], [one.clone(), shard_id("one")]);
    let info = client.bulk();
    assert!(info.contains("cluster_state:ok\r\n") && info.contains("cluster_known_nodes:2\r\n"), "{info}");
    let node = |ip: &str, port: u16, id: &str| {
        format!("*4\r\n${}\r\n{ip}\r\n:{port}\r\n$40\r\n{id}\r\n*0\r\n", ip.len())
    };
    let slots = format!(
        "*2\r\n*3\r\n:0\r\n:8191\r\n{}*3\r\n:8192\r\n:16383\r\n{}",
        node("127.0.0.1", here, &one),
        node("10.0.0.2", 7002, &two)
    );
    client.ask(b"CLUSTER SLOTS\r\n", slots.as_bytes());
    // The settings say it better than the connection.
    replay(&mut client, "CONFIG SET cluster-announce-ip 10.0.0.1 -> +OK");
    client.ask(b"CLUSTER SLOTS\r\n", slots.replace("$9\r\n127.0.0.1", "$8\r\n10.0.0.1").as_bytes());
    // One that is not, or no longer, in the topology has no slots.
    let alone = GatewayNode { name: "two".into(), ..GatewayNode::default() };
    let shard = ShardNode {
        name: "shard".into(),
        slots: "0-16383".parse().unwrap(),
        link: "127.0.0.1:1".parse().unwrap(),
        gateway: 0,
    };
    sender.send_replace(Arc::new(Topology::new(2, vec![alone], vec![shard]).unwrap()));
    client.send(b"CLUSTER NODES\r\n");
    assert_eq!(
        client.bulk(),
        format!(
            "{two} :0@0 master - 0 0 2 connected 0-16383\n\
             {one} 10.0.0.1:{here}@0 myself,master - 0 0 2 connected\n"
        )
    );
}
