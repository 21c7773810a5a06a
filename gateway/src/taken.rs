//! An address that cannot be listened on, in words for who starts the server.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

/// An address that cannot be listened on.
#[derive(Debug, Error)]
#[error("{}", self.text())]
pub struct Taken {
    /// The address.
    pub address: SocketAddr,
    /// The flag that changes its port.
    pub port_flag: &'static str,
    /// The flag that changes where to listen.
    pub address_flag: &'static str,
    /// What the system says.
    #[source]
    pub error: io::Error,
}

impl Taken {
    fn text(&self) -> String {
        let Self { address, port_flag, address_flag, error } = self;
        match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "{address} is taken by another program: choose another port with {port_flag}, or 0 to do without"
            ),
            io::ErrorKind::PermissionDenied => {
                format!("{address} needs privileges: choose a port above 1023 with {port_flag}")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("{address} is no address of this machine: choose another with {address_flag}")
            }
            _ => format!("cannot listen on {address} ({port_flag}): {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_the_flag_that_changes_it() {
        let taken = |kind: io::ErrorKind| {
            let address = "127.0.0.1:6379".parse().unwrap();
            let error = kind.into();
            Taken { address, port_flag: "--redis-port", address_flag: "--bind", error }.to_string()
        };
        assert_eq!(
            taken(io::ErrorKind::AddrInUse),
            "127.0.0.1:6379 is taken by another program: choose another port with --redis-port, or 0 to do without"
        );
        assert!(taken(io::ErrorKind::PermissionDenied).contains("above 1023 with --redis-port"));
        assert!(taken(io::ErrorKind::AddrNotAvailable).ends_with("choose another with --bind"));
        assert!(
            taken(io::ErrorKind::OutOfMemory).starts_with("cannot listen on 127.0.0.1:6379 (--redis-port): ")
        );
    }
}
