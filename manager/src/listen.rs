//! Where to listen: the addresses of `bind` with a port, and listeners for them.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use tidegate_protocols::settings::{Key, Settings};

/// Addresses `bind` may name at most. Source: Redis `CONFIG_BINDADDR_MAX`.
const ADDRESSES_MAX: usize = 16;

/// A port that cannot be listened on.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) address: SocketAddr,
    /// The flag that changes the port.
    pub(crate) flag: &'static str,
    pub(crate) error: io::Error,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, flag, error } = self;
        match error.kind() {
            io::ErrorKind::AddrInUse => write!(
                f,
                "{address} is taken by another program: choose another port with {flag}, or 0 to do without"
            ),
            io::ErrorKind::PermissionDenied => {
                write!(f, "{address} needs privileges: choose a port above 1023 with {flag}")
            }
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "{address} is no address of this machine: choose another with --bind")
            }
            _ => write!(f, "cannot listen on {address} ({flag}): {error}"),
        }
    }
}

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
    let mut addresses = Vec::new();
    for word in text.split_whitespace() {
        let (optional, word) = word.strip_prefix('-').map_or((false, word), |rest| (true, rest));
        let ip = match word {
            "*" => Ipv4Addr::UNSPECIFIED.into(),
            "::*" => Ipv6Addr::UNSPECIFIED.into(),
            "localhost" => Ipv4Addr::LOCALHOST.into(),
            _ => word.parse::<IpAddr>().map_err(|_| format!("--bind: '{word}' is no IP address"))?,
        };
        let address = SocketAddr::new(ip, port);
        let lacking = optional && TcpListener::bind((ip, 0)).is_err();
        if !lacking && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() || addresses.len() > ADDRESSES_MAX {
        return Err(format!("--bind: 1 to {ADDRESSES_MAX} addresses are expected, not '{text}'"));
    }
    Ok(addresses)
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

    #[test]
    fn a_taken_port_is_named_with_the_flag_that_changes_it() {
        let taken = |kind: io::ErrorKind| {
            Taken { address: "127.0.0.1:6379".parse().unwrap(), flag: "--redis-port", error: kind.into() }
                .to_string()
        };
        assert_eq!(
            taken(io::ErrorKind::AddrInUse),
            "127.0.0.1:6379 is taken by another program: choose another port with --redis-port, or 0 to do without"
        );
        assert!(taken(io::ErrorKind::PermissionDenied).contains("above 1023"));
        assert!(taken(io::ErrorKind::AddrNotAvailable).contains("--bind"));
    }
}
