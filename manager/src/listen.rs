//! Where to listen: the addresses of `bind` with a port, and listeners for them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use tidegate_protocols::settings::{Key, Settings};

/// Addresses `bind` may name at most. Source: Redis `CONFIG_BINDADDR_MAX`.
const ADDRESSES_MAX: usize = 16;

/// The addresses to listen on for the port that `key` sets; none if that is 0.
///
/// As in Redis, `*` is every IPv4 address and `::*` every IPv6 address, and a `-` before an address means
/// that the machine may lack it. `localhost` is 127.0.0.1.
///
/// # Errors
/// What is wrong with `bind`.
pub(crate) fn addresses(settings: &Settings, key: Key) -> Result<Vec<SocketAddr>, String> {
    let port = settings.number(key) as u16;
    if port == 0 {
        return Ok(Vec::new());
    }
    let text = settings.text(Key::Bind);
    all(text.split_whitespace().map(|word| (word, port))).map_err(|reason| format!("--bind: {reason}"))
}

/// The addresses of words and ports, each address once.
///
/// # Errors
/// The first word that is no address, or none or too many of them.
pub(crate) fn all<'a>(places: impl Iterator<Item = (&'a str, u16)>) -> Result<Vec<SocketAddr>, String> {
    let mut addresses = Vec::new();
    for (word, port) in places {
        let (optional, word) = word.strip_prefix('-').map_or((false, word), |rest| (true, rest));
        let ip = match word {
            "*" => Ipv4Addr::UNSPECIFIED.into(),
            "::*" => Ipv6Addr::UNSPECIFIED.into(),
            "localhost" => Ipv4Addr::LOCALHOST.into(),
            _ => word.parse::<IpAddr>().map_err(|_| format!("'{word}' is no IP address"))?,
        };
        let address = SocketAddr::new(ip, port);
        let lacking = optional && TcpListener::bind((ip, 0)).is_err();
        if !lacking && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.len() {
        1..=ADDRESSES_MAX => Ok(addresses),
        count => Err(format!("1 to {ADDRESSES_MAX} addresses are expected, not {count}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bind: &str, port: &str) -> Result<Vec<SocketAddr>, String> {
        let settings = Settings::default();
        settings.set(Key::Bind, bind).unwrap();
        settings.set(Key::Port, port).unwrap();
        addresses(&settings, Key::Port)
    }

    #[test]
    fn bind_is_read_as_redis_reads_it() {
        let shown =
            |bind| of(bind, "7").unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(shown("127.0.0.1"), "127.0.0.1:7");
        assert_eq!(shown("127.0.0.1 localhost 10.0.0.1"), "127.0.0.1:7 10.0.0.1:7");
        assert_eq!(shown("* ::*"), "0.0.0.0:7 [::]:7");
        assert_eq!(shown("127.0.0.1 -203.0.113.1"), "127.0.0.1:7");
        assert_eq!(of("127.0.0.1", "0"), Ok(Vec::new()));
        assert!(of("nowhere", "7").unwrap_err().contains("'nowhere' is no IP address"));
        assert!(of("", "7").unwrap_err().contains("1 to 16 addresses"));
    }
}
