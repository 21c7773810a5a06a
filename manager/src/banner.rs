//! What a person sees at the start: what listens where, within which limits, and how to try it.

use std::fmt::Write as _;
use std::net::SocketAddr;

use tidegate_protocols::settings::{Key, Settings};

/// Where the parts listen; empty is off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) redis: Vec<SocketAddr>,
    pub(crate) memcached: Vec<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
}

/// The text printed once everything listens.
pub(crate) fn text(settings: &Settings, addresses: &Addresses) -> String {
    let mut text = format!("Tidegate {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<11}{value}");
    };
    line("Redis", &listeners(&addresses.redis, "--redis-port"));
    line("Memcached", &listeners(&addresses.memcached, "--memcached-port"));
    match addresses.admin {
        Some(admin) => line("Metrics", &format!("http://{admin}/metrics, http://{admin}/healthz")),
        None => line("Metrics", "off (--admin-port)"),
    }
    line("Threads", &settings.show(Key::Threads));
    line("Memory", &memory(settings));
    for example in examples(addresses) {
        line("Try", &example);
    }
    text
}

/// What is worth a warning in how it is reached from outside.
pub(crate) fn warning(settings: &Settings, addresses: &Addresses) -> Option<String> {
    let open: Vec<_> = addresses.redis.iter().chain(&addresses.memcached).collect();
    let open: Vec<_> = open.into_iter().filter(|address| !address.ip().is_loopback()).collect();
    if open.is_empty() || !settings.text(Key::RequirePass).is_empty() {
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
        _ => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn memory(settings: &Settings) -> String {
    match settings.number(Key::MaxMemory) {
        0 => "no limit (--memory)".into(),
        limit => {
            let policy = settings.show(Key::MaxMemoryPolicy);
            format!("{} MiB, then {policy}", limit >> 20)
        }
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
    use super::*;

    fn addresses() -> Addresses {
        Addresses {
            redis: vec!["127.0.0.1:6379".parse().unwrap(), "[::1]:6379".parse().unwrap()],
            memcached: vec!["0.0.0.0:11211".parse().unwrap()],
            admin: None,
        }
    }

    #[test]
    fn the_banner_names_every_port_limit_and_policy() {
        let settings = Settings::default();
        settings.set(Key::MaxMemory, "1gb").unwrap();
        settings.set(Key::Threads, "2").unwrap();
        let text = text(&settings, &addresses());
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
        let settings = Settings::default();
        assert!(warning(&settings, &addresses()).unwrap().contains("protected mode refuses"));
        settings.set(Key::ProtectedMode, "no").unwrap();
        assert!(warning(&settings, &addresses()).unwrap().contains("protected mode is off"));
        settings.set(Key::RequirePass, "secret").unwrap();
        assert_eq!(warning(&settings, &addresses()), None);
        let local = Addresses { redis: vec!["[::1]:1".parse().unwrap()], ..Addresses::default() };
        assert_eq!(warning(&Settings::default(), &local), None);
    }
}
