//! What a shard process is in its database: which slots it has, and where gateways reach it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use tidegate_protocols::Slots;
use tidegate_protocols::link::Greeting;

use crate::unix::UnixPlace;

/// Who may connect to a shard's socket: its owner alone. The link asks for no password.
const SOCKET_MODE: u32 = 0o600;

/// A process as one shard of several.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Its name, as topologies have it.
    pub name: String,
    /// The topology by which it has its slots. Requests by any other are refused.
    pub epoch: u32,
    /// The slots it has.
    pub slots: Slots,
    /// Where gateways reach it.
    pub links: Vec<LinkPlace>,
}

impl Membership {
    /// What a gateway hears first.
    pub(crate) fn greeting(&self) -> Vec<u8> {
        let mut greeting = Vec::new();
        Greeting::new(&self.name, self.epoch).encode(&mut greeting);
        greeting
    }
}

/// Where a shard is reached: `unix:/path` or `ADDRESS:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkPlace {
    /// By a file of this machine.
    Unix(PathBuf),
    /// By network; port 0 lets the system choose.
    Tcp(SocketAddr),
}

impl LinkPlace {
    /// The file and its permissions, if it is one.
    pub(crate) fn unix(&self) -> Option<UnixPlace> {
        match self {
            Self::Unix(path) => Some(UnixPlace { path: path.clone(), mode: SOCKET_MODE }),
            Self::Tcp(_) => None,
        }
    }

    /// The address, if it is one.
    pub(crate) fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(address) => Some(*address),
        }
    }
}

impl FromStr for LinkPlace {
    type Err = String;

    /// # Errors
    /// What is expected instead.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("a path is expected after unix:".into()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => {
                let address = text.parse().map(Self::Tcp);
                address.map_err(|_| format!("'{text}' is neither unix:/PATH nor ADDRESS:PORT"))
            }
        }
    }
}

impl fmt::Display for LinkPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_it_is_read() {
        for text in ["unix:/run/shard.sock", "127.0.0.1:7000", "[::1]:7000"] {
            assert_eq!(text.parse::<LinkPlace>().unwrap().to_string(), text);
        }
        for text in ["unix:", "7000", "localhost", "127.0.0.1"] {
            assert!(text.parse::<LinkPlace>().is_err(), "{text}");
        }
    }
}
