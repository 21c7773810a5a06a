//! Where memcached's `-l` has it listen: addresses and host names, each with its own port if it has one.

use std::net::{IpAddr, ToSocketAddrs as _};

use crate::options::Place;

/// Every address there is, as words of `bind`; the machine may lack IPv6.
const EVERYWHERE: [&str; 2] = ["*", "-::*"];

/// The places that a list names, separated by `,` or `;`. Source: memcached `memcached.c`, `server_sockets`.
///
/// # Errors
/// What is no address and no host, or no port.
pub(super) fn places(list: &str) -> Result<Vec<Place>, String> {
    let mut places = Vec::new();
    for text in list.split([',', ';']).map(str::trim).filter(|text| !text.is_empty()) {
        let (host, port) = host_and_port(text);
        let port = port.map(|port| port.parse().map_err(|_| format!("'{text}' has no valid port")));
        let port = port.transpose()?;
        let words = words(host).map_err(|reason| format!("'{text}' is no address of a host: {reason}"))?;
        places.extend(words.into_iter().map(|address| Place { address, port }));
    }
    if places.is_empty() { Err(format!("'{list}' names no address")) } else { Ok(places) }
}

/// `host`, `host:port`, `[IPv6]:port`; what has more than one colon outside of brackets is an IPv6 address.
fn host_and_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

/// The words of `bind` for a host. Of the addresses of a name the machine may lack some.
fn words(host: &str) -> Result<Vec<String>, String> {
    if host == "*" {
        return Ok(EVERYWHERE.map(str::to_owned).into());
    }
    if host.parse::<IpAddr>().is_ok() {
        return Ok(vec![host.to_owned()]);
    }
    let found = (host, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    Ok(found.map(|address| format!("-{}", address.ip())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(list: &str) -> String {
        let shown = |place: &Place| match place.port {
            Some(port) => format!("{}/{port}", place.address),
            None => place.address.clone(),
        };
        places(list).unwrap().iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_list_is_read_as_memcached_reads_it() {
        for (list, expected) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1,::1;10.0.0.1", "127.0.0.1 ::1 10.0.0.1"),
            ("127.0.0.1:11311, [::1]:11312", "127.0.0.1/11311 ::1/11312"),
            ("[::1],fe80::1", "::1 fe80::1"),
            ("*", "* -::*"),
            ("*:5", "*/5 -::*/5"),
        ] {
            assert_eq!(shown(list), expected, "{list}");
        }
        assert!(shown("localhost:7").contains("-127.0.0.1/7"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (list, reason) in [
            ("", "names no address"),
            (",", "names no address"),
            ("127.0.0.1:http", "no valid port"),
            ("127.0.0.1:70000", "no valid port"),
            ("[::1]:", "no valid port"),
            ("no such host", "is no address of a host"),
        ] {
            let error = places(list).unwrap_err();
            assert!(error.contains(reason), "{list}: {error}");
        }
    }
}
