//! What a person sees at the start: what listens where, within which limits, and how to try it.

use std::fmt::Write as _;
use std::net::SocketAddr;

use tidegate_gateway::{Holding, LinkPlace, Seat};
use tidegate_protocols::settings::{Key, Settings};

use crate::options::{Manner, Start};

/// Where the parts listen; empty is off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) redis: Vec<SocketAddr>,
    pub(crate) memcached: Vec<SocketAddr>,
    pub(crate) links: Vec<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
}

/// The text printed once everything listens; `seat` is what a gateway in front of shards is.
pub(crate) fn text(start: &Start, addresses: &Addresses, seat: Option<&Seat>) -> String {
    let settings = &start.settings;
    let mut text = format!("Tidegate {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<11}{value}");
    };
    if let Some(membership) = &start.membership {
        let sockets = membership.links.iter().filter(|place| matches!(place, LinkPlace::Unix(_)));
        let places = sockets.map(ToString::to_string).chain(addresses.links.iter().map(ToString::to_string));
        let Holding { epoch, slots } = &**membership.holding.borrow();
        line("Shard", &format!("{}, epoch {epoch}", membership.name));
        line("Slots", &format!("{slots} ({})", slots.len()));
        line("Links", &places.collect::<Vec<_>>().join(", "));
    } else {
        client_lines(start, addresses, &mut line);
    }
    match addresses.admin {
        Some(admin) => line("Metrics", &format!("http://{admin}/metrics, http://{admin}/healthz")),
        None if start.manner == Manner::Memcached => {}
        None => line("Metrics", "off (--admin-port)"),
    }
    line("Threads", &settings.show(Key::Threads));
    match (seat, settings.number(Key::ShardProcesses)) {
        (None, _) => line("Memory", &memory(settings)),
        (Some(seat), 0) => topology_lines(seat, &mut line),
        (Some(_), processes) => {
            line("Memory", &memory(settings));
            line(
                "Shards",
                &if processes == 1 {
                    "1 shard process".into()
                } else {
                    format!("{processes} shard processes")
                },
            );
        }
    }
    for example in examples(addresses) {
        line("Try", &example);
    }
    if let Some(place) = &start.memcached_socket {
        line("Try", &format!("printf 'get greeting\\r\\nquit\\r\\n' | nc -U {}", place.path.display()));
    }
    text
}

/// Where clients are listened to.
fn client_lines(start: &Start, addresses: &Addresses, line: &mut dyn FnMut(&str, &str)) {
    // What memcached does not have it does not miss.
    if start.manner != Manner::Memcached {
        line("Redis", &listeners(&addresses.redis, "--redis-port"));
    }
    match &start.memcached_socket {
        Some(place) => line("Memcached", &place.path.to_string_lossy()),
        None => line("Memcached", &listeners(&addresses.memcached, "--memcached-port")),
    }
}

/// What a gateway is in a topology that comes from a file.
fn topology_lines(seat: &Seat, line: &mut dyn FnMut(&str, &str)) {
    let topology = seat.topology.borrow();
    line("Gateway", &format!("{}, epoch {}", seat.gateway, topology.epoch));
    for shard in topology.shards() {
        line("Shard", &format!("{}: slots {} at {}", shard.name, shard.slots, shard.link));
    }
}

/// What is worth a warning in how it is reached from outside.
pub(crate) fn warning(start: &Start, addresses: &Addresses) -> Option<String> {
    let settings = &start.settings;
    let open: Vec<_> = addresses.redis.iter().chain(&addresses.memcached).collect();
    let open: Vec<_> = open.into_iter().filter(|address| !address.ip().is_loopback()).collect();
    if open.is_empty() || !settings.text(Key::RequirePass).is_empty() || !start.users.is_empty() {
        return None;
    }
    let consequence = if settings.is_on(Key::ProtectedMode) {
        "protected mode refuses clients from other machines until --requirepass sets one"
    } else {
        "and protected mode is off: whoever reaches this port can read and write everything"
    };
    Some(format!("listening on {} without a password; {consequence}", open[0]))
}

fn listeners(addresses: &[SocketAddr], flag: &str) -> String {
    match addresses {
        [] => format!("off ({flag})"),
        _ => list(addresses),
    }
}

/// Addresses one after the other; nothing is off.
pub(crate) fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn memory(settings: &Settings) -> String {
    match settings.number(Key::MaxMemory) {
        0 => "no limit (--memory)".into(),
        limit => {
            let policy = settings.show(Key::MaxMemoryPolicy);
            format!("{}, then {policy}", size(limit))
        }
    }
}

/// Bytes in the largest unit of which there is at least one, rounded down.
fn size(bytes: i64) -> String {
    match bytes {
        ..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

fn examples(addresses: &Addresses) -> impl Iterator<Item = String> {
    let host = |address: &SocketAddr| match address.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        ip => ip.to_string(),
    };
    let redis = addresses.redis.first().map(|address| {
        let port = address.port();
        format!("redis-cli -h {} -p {port} set greeting hello", host(address))
    });
    let memcached = addresses.memcached.first().map(|address| {
        let port = address.port();
        format!("printf 'get greeting\\r\\nquit\\r\\n' | nc {} {port}", host(address))
    });
    redis.into_iter().chain(memcached)
}

#[cfg(test)]
mod tests {
    use tidegate_gateway::Users;

    use super::*;

    fn addresses() -> Addresses {
        Addresses {
            redis: vec!["127.0.0.1:6379".parse().unwrap(), "[::1]:6379".parse().unwrap()],
            memcached: vec!["0.0.0.0:11211".parse().unwrap()],
            links: Vec::new(),
            admin: None,
        }
    }

    #[test]
    fn the_banner_names_every_port_limit_and_policy() {
        let start = Start::default();
        start.settings.set(Key::MaxMemory, "1gb").unwrap();
        start.settings.set(Key::Threads, "2").unwrap();
        let text = text(&start, &addresses(), None);
        for part in [
            "  Redis      127.0.0.1:6379, [::1]:6379\n",
            "  Memcached  0.0.0.0:11211\n",
            "  Metrics    off (--admin-port)\n",
            "  Threads    2\n",
            "  Memory     1024 MiB, then noeviction\n",
            "redis-cli -h 127.0.0.1 -p 6379",
            "nc 127.0.0.1 11211",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn an_open_port_without_a_password_is_warned_about() {
        let start = Start::default();
        assert!(warning(&start, &addresses()).unwrap().contains("protected mode refuses"));
        start.settings.set(Key::ProtectedMode, "no").unwrap();
        assert!(warning(&start, &addresses()).unwrap().contains("protected mode is off"));
        start.settings.set(Key::RequirePass, "secret").unwrap();
        assert_eq!(warning(&start, &addresses()), None);
        let local = Addresses { redis: vec!["[::1]:1".parse().unwrap()], ..Addresses::default() };
        assert_eq!(warning(&Start::default(), &local), None);
        let users = Users::of(b"ann:secret").unwrap();
        assert_eq!(warning(&Start { users, ..Start::default() }, &addresses()), None);
    }

    #[test]
    fn in_memcached_s_place_it_names_only_what_memcached_has() {
        let memcached = vec!["127.0.0.1:11211".parse().unwrap()];
        let addresses = Addresses { memcached, ..Addresses::default() };
        let text = text(&Start { manner: Manner::Memcached, ..Start::default() }, &addresses, None);
        assert!(text.contains("  Memcached  127.0.0.1:11211\n") && !text.contains("off"), "{text}");
    }

    #[test]
    fn a_limit_is_told_in_a_unit_of_which_there_is_one() {
        let shown = [2, 1023, 1024, 1 << 20, (1 << 20) - 1, 100_000_000].map(size);
        assert_eq!(shown, ["2 bytes", "1023 bytes", "1 KiB", "1 MiB", "1023 KiB", "95 MiB"]);
    }
}
