//! Telling systemd that it serves, where that waits for it (`Type=notify`).

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Names the socket of whoever waits. Source: `sd_notify(3)`.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Says that clients are served.
pub(crate) fn ready() {
    say("READY=1\nSTATUS=Ready to accept connections\n");
}

/// Says that it ends.
pub(crate) fn stopping() {
    say("STOPPING=1\n");
}

fn say(text: &str) {
    let Some(place) = env::var_os(SOCKET).filter(|place| !place.is_empty()) else { return };
    if let Err(error) = send(&place, text) {
        tracing::warn!("cannot tell systemd ({SOCKET}={}): {error}", place.display());
    }
}

fn send(place: &OsStr, text: &str) -> io::Result<()> {
    let address = match place.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(place),
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address?).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_by_a_file_or_by_a_name() {
        let folder = env::temp_dir().join(format!("tidegate-notify-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("socket");
        let name = format!("tidegate-notify-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let sockets = [UnixDatagram::bind(&path).unwrap(), UnixDatagram::bind_addr(&by_name).unwrap()];
        for (socket, place) in sockets.iter().zip([path.into_os_string(), format!("@{name}").into()]) {
            send(&place, "READY=1\n").unwrap();
            let mut told = [0; 64];
            let bytes = socket.recv(&mut told).unwrap();
            assert_eq!(&told[..bytes], b"READY=1\n");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
