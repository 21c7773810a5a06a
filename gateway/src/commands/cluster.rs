//! What clients of a cluster ask: who has which slots, and where that is. Answers follow from the topology
//! alone; nothing a client says changes it.

use std::fmt::Write as _;

use tidegate_protocols::reply::Collection;
use tidegate_protocols::settings::{Endpoint, Key};
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::cluster::Cluster;
use tidegate_protocols::table::help;
use tidegate_protocols::topology::ClientPlace;
use tidegate_protocols::{Error, Reply, Request};

use super::Scope;
use crate::directions::preferred;
use crate::nodes::{Node, View};
use crate::registry::Address;

pub(super) fn execute(
    verb: Cluster,
    request: &Request<'_>,
    scope: &Scope<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    use Cluster::*;
    if !scope.shared.is_cluster() {
        return Err(Error::NoCluster);
    }
    let args = &request.args;
    match verb {
        // There is no slot that moves and no replica.
        Asking | ReadOnly | ReadWrite => reply.ok(),
        CountFailureReports => {
            known(args.at(2), &view(scope))?;
            reply.integer(0);
        }
        Help => help(request.row, reply),
        Info => info(&view(scope), reply),
        KeySlot => reply.integer(slot_of(args.at(2)).into()),
        Links => reply.array(0),
        MyId => reply.bulk(scope.shared.node.node.as_bytes()),
        MyShardId => reply.bulk(scope.shared.node.shard.as_bytes()),
        Nodes => nodes(&view(scope), reply),
        Replicas | Slaves => {
            known(args.at(2), &view(scope))?;
            reply.array(0);
        }
        Shards => shards(&view(scope), scope.shared.settings.endpoint(), reply),
        Slots => slots(&view(scope), scope.shared.settings.endpoint(), reply),
        AddSlots | AddSlotsRange | BumpEpoch | DelSlots | DelSlotsRange | Failover | FlushSlots | Forget
        | Meet | Replicate | Reset | SaveConfig | SetConfigEpoch | SetSlot => {
            return Err(given(request.row.name));
        }
        Container => unreachable!("a container resolves to one of its subcommands"),
    }
    Ok(())
}

/// The error of what would change a cluster of Redis's own kind.
fn given(name: &str) -> Error {
    let name = name.replace('|', " ");
    let text = format!("ERR {name} changes nothing here: the server is told at start who has which slots");
    Error::Composed(text.into_bytes().into())
}

/// The cluster as the client that asks may see it.
fn view(scope: &Scope<'_>) -> View {
    let name = &scope.shared.node;
    let mut view = match &scope.shared.seat {
        Some(seat) => View::of(&seat.topology.borrow(), &seat.gateway),
        None => View::alone(name.clone(), ClientPlace::default()),
    };
    let asked = &mut view.nodes[view.asked];
    asked.place = place(scope, &asked.place);
    view
}

/// Where clients reach this process: as the settings say, or else the topology, or else as the one that asks has
/// reached it.
fn place(scope: &Scope<'_>, known: &ClientPlace) -> ClientPlace {
    let settings = &scope.shared.settings;
    let reached = match scope.client().local_address {
        Address::Tcp(address) => Some(address),
        Address::Unix(_) => None,
    };
    let stated = |key: Key, known: &str| match settings.text(key) {
        text if text.is_empty() => known.to_owned(),
        text => text.to_string(),
    };
    ClientPlace {
        ip: match stated(Key::ClusterAnnounceIp, &known.ip) {
            ip if ip.is_empty() => reached.map_or(ip, |address| address.ip().to_string()),
            ip => ip,
        },
        port: match (settings.number(Key::ClusterAnnouncePort) as u16, known.port) {
            (0, 0) => reached.or(scope.shared.redis.first().copied()).map_or(0, |address| address.port()),
            (0, port) | (port, _) => port,
        },
        hostname: stated(Key::ClusterAnnounceHostname, &known.hostname),
    }
}

/// The node of this name.
fn known<'a>(name: &[u8], view: &'a View) -> Result<&'a Node, Error> {
    view.named(name).ok_or_else(|| Error::quoting("ERR Unknown node ", name, ""))
}

/// `CLUSTER INFO`. No messages are sent: nodes are told what they have to know.
fn info(view: &View, reply: &mut Reply<'_>) {
    let assigned = view.assigned();
    let sharing = view.nodes.iter().filter(|node| !node.slots.is_empty()).count();
    let text = format!(
        "cluster_state:{}\r\n\
         cluster_slots_assigned:{assigned}\r\n\
         cluster_slots_ok:{assigned}\r\n\
         cluster_slots_pfail:0\r\n\
         cluster_slots_fail:0\r\n\
         cluster_known_nodes:{}\r\n\
         cluster_size:{sharing}\r\n\
         cluster_current_epoch:{epoch}\r\n\
         cluster_my_epoch:{epoch}\r\n\
         cluster_stats_messages_sent:0\r\n\
         cluster_stats_messages_received:0\r\n\
         total_cluster_links_buffer_limit_exceeded:0\r\n",
        if view.is_whole() { "ok" } else { "fail" },
        view.nodes.len(),
        epoch = view.epoch,
    );
    reply.verbatim(*b"txt", text.as_bytes());
}

/// `CLUSTER NODES`: a line for each. Port 0 after the `@`: there is no bus.
fn nodes(view: &View, reply: &mut Reply<'_>) {
    let mut text = String::new();
    for (index, node) in view.nodes.iter().enumerate() {
        let ClientPlace { ip, port, hostname } = &node.place;
        let comma = if hostname.is_empty() { "" } else { "," };
        let flags = if index == view.asked { "myself,master" } else { "master" };
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "{} {ip}:{port}@0{comma}{hostname} {flags} - 0 0 {} connected",
            node.name.node, view.epoch
        );
        for (first, last) in node.slots.ranges() {
            let _ = if first == last { write!(text, " {first}") } else { write!(text, " {first}-{last}") };
        }
        text.push('\n');
    }
    reply.verbatim(*b"txt", text.as_bytes());
}

/// `CLUSTER SLOTS`: each range with the node that has it.
fn slots(view: &View, endpoint: Endpoint, reply: &mut Reply<'_>) {
    let ranges = view.ranges();
    reply.array(ranges.len());
    for (first, last, Node { name, place, .. }) in ranges {
        reply.array(3);
        reply.integer(first.into());
        reply.integer(last.into());
        reply.array(4);
        match endpoint {
            Endpoint::Unknown => reply.null(),
            Endpoint::Ip | Endpoint::Hostname => reply.bulk(preferred(place, endpoint).as_bytes()),
        }
        reply.integer(place.port.into());
        reply.bulk(name.node.as_bytes());
        let others = [
            ("ip", &place.ip, endpoint != Endpoint::Ip),
            ("hostname", &place.hostname, endpoint != Endpoint::Hostname && !place.hostname.is_empty()),
        ];
        let (map, mut count) = (reply.deferred(Collection::Map), 0);
        for (field, value, _) in others.into_iter().filter(|(.., shown)| *shown) {
            reply.bulk(field.as_bytes());
            reply.bulk(value.as_bytes());
            count += 1;
        }
        reply.finish(map, count);
    }
}

/// `CLUSTER SHARDS`: each shard with its slots and its nodes, of which it has one.
fn shards(view: &View, endpoint: Endpoint, reply: &mut Reply<'_>) {
    reply.array(view.nodes.len());
    for Node { name, place, slots } in &view.nodes {
        reply.map(2);
        reply.bulk(b"slots");
        reply.array(2 * slots.ranges().count());
        for (first, last) in slots.ranges() {
            reply.integer(first.into());
            reply.integer(last.into());
        }
        reply.bulk(b"nodes");
        reply.array(1);
        let texts = [
            ("ip", &*place.ip),
            ("endpoint", preferred(place, endpoint)),
            ("hostname", &*place.hostname),
            ("role", "master"),
        ];
        let texts = texts.into_iter().filter(|(field, text)| *field != "hostname" || !text.is_empty());
        reply.map(4 + texts.clone().count());
        reply.bulk(b"id");
        reply.bulk(name.node.as_bytes());
        reply.bulk(b"port");
        reply.integer(place.port.into());
        for (field, text) in texts {
            reply.bulk(field.as_bytes());
            reply.bulk(text.as_bytes());
        }
        reply.bulk(b"replication-offset");
        reply.integer(0);
        reply.bulk(b"health");
        reply.bulk(b"online");
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::{Dialect, Slots};

    use super::*;
    use crate::nodes::NodeName;

    /// Two nodes with the slots they are given, the second asked; the first has a host name.
    fn two([one, other]: [&str; 2]) -> View {
        let node = |digit: &str, port, hostname: &str, slots: &str| Node {
            name: NodeName { node: digit.repeat(40), shard: digit.repeat(40) },
            place: ClientPlace { ip: "10.0.0.1".into(), port, hostname: hostname.into() },
            slots: slots.parse::<Slots>().unwrap(),
        };
        View {
            epoch: 7,
            nodes: vec![node("a", 7001, "one.example", one), node("b", 7002, "", other)],
            asked: 1,
        }
    }

    fn written(write: impl FnOnce(&mut Reply<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Reply::new(&mut out, Dialect::Resp2));
        let text = String::from_utf8(out).unwrap();
        text.replace("\r\n", " ").replace(&"a".repeat(40), "A").replace(&"b".repeat(40), "B")
    }

    #[test]
    fn nodes_are_lines_with_their_slots() {
        assert_eq!(
            written(|reply| nodes(&two(["0-5,9", "6-8,10-16383"]), reply)),
            "$202 A 10.0.0.1:7001@0,one.example master - 0 0 7 connected 0-5 9\n\
             B 10.0.0.1:7002@0 myself,master - 0 0 7 connected 6-8 10-16383\n "
        );
    }

    #[test]
    fn ranges_are_listed_in_ascending_order_with_who_has_them() {
        let view = two(["0-5,9", "6-8"]);
        assert_eq!(
            written(|reply| slots(&view, Endpoint::Ip, reply)),
            "*3 *3 :0 :5 *4 $8 10.0.0.1 :7001 $40 A *2 $8 hostname $11 one.example \
             *3 :6 :8 *4 $8 10.0.0.1 :7002 $40 B *0 \
             *3 :9 :9 *4 $8 10.0.0.1 :7001 $40 A *2 $8 hostname $11 one.example "
        );
        let by_name = written(|reply| slots(&view, Endpoint::Hostname, reply));
        assert!(by_name.contains("*4 $11 one.example :7001 $40 A *2 $2 ip $8 10.0.0.1 "), "{by_name}");
        assert!(by_name.contains("*4 $1 ? :7002 $40 B *2 $2 ip $8 10.0.0.1 "), "{by_name}");
        let unknown = written(|reply| slots(&view, Endpoint::Unknown, reply));
        assert!(unknown.contains("*4 $-1 :7002 $40 B *2 $2 ip $8 10.0.0.1 "), "{unknown}");
    }

    #[test]
    fn shards_are_listed_with_their_nodes() {
        let reply = written(|reply| shards(&two(["0-5,9", "6-8"]), Endpoint::Hostname, reply));
        assert_eq!(
            reply.split("*4 $5 slots").nth(1).unwrap(),
            " *4 :0 :5 :9 :9 $5 nodes *1 *16 $2 id $40 A $4 port :7001 $2 ip $8 10.0.0.1 \
             $8 endpoint $11 one.example $8 hostname $11 one.example $4 role $6 master \
             $18 replication-offset :0 $6 health $6 online "
        );
    }

    #[test]
    fn a_cluster_is_well_only_if_every_slot_has_its_node() {
        let part = written(|reply| info(&two(["0-5,9", "6-8"]), reply));
        assert!(part.contains("cluster_state:fail cluster_slots_assigned:10 cluster_slots_ok:10 "), "{part}");
        let whole = written(|reply| info(&two(["0-16383", "0"]), reply));
        assert!(whole.contains("cluster_size:2 cluster_current_epoch:7 "), "{whole}");
        assert!(written(|reply| info(&two(["0-8191", "8192-16383"]), reply)).contains("cluster_state:ok "));
    }
}
