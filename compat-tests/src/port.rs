//! Ports of loopback for the servers that are started here.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that the system gives to connections, which could take one before its server does.
const PORTS: Range<u16> = 10_000..32_000;
/// Runs at the same time, whose process numbers are near each other, begin this far apart.
const STRIDE: u32 = 997;

/// A port nobody listens at now; nobody else in this process is told of it until all have been told.
///
/// # Panics
/// If all are taken.
pub fn free_port() -> u16 {
    static TOLD: AtomicU32 = AtomicU32::new(0);
    let ports = u32::from(PORTS.end - PORTS.start);
    for _ in PORTS {
        let told = TOLD.fetch_add(1, Ordering::Relaxed);
        let offset = process::id().wrapping_mul(STRIDE).wrapping_add(told) % ports;
        let port = PORTS.start + u16::try_from(offset).expect("less than there are ports");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("every port of {PORTS:?} is taken")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{PORTS, free_port};

    #[test]
    fn nobody_is_told_of_a_port_another_was_told_of() {
        let ports: HashSet<u16> = (0..100).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 100);
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }

    #[test]
    fn a_port_somebody_listens_at_is_not_free() {
        let taken = std::net::TcpListener::bind(("127.0.0.1", free_port())).expect("it is free");
        let taken = taken.local_addr().expect("bound").port();
        assert!((0..100).all(|_| free_port() != taken));
    }
}
