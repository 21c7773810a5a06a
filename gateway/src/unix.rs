//! Clients on this machine, by a file instead of a port.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use rustix::fs::Mode;
use rustix::process::umask;
use socket2::{Domain, SockAddr, Socket, Type};

/// A file to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixPlace {
    /// Where it is made.
    pub path: PathBuf,
    /// Who may connect, as the permissions of the file, `0o700` for its owner alone; `None` is as the process makes files.
    pub mode: Option<u32>,
}

impl UnixPlace {
    /// Listens. What an earlier server has left there is removed. Source: memcached `server_socket_unix`.
    ///
    /// Files that other threads make meanwhile have these permissions too: it belongs to the start.
    pub(crate) fn listen(&self, backlog: i32) -> io::Result<UnixListener> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        let address = SockAddr::unix(&self.path)?;
        if fs::symlink_metadata(&self.path).is_ok_and(|left| left.file_type().is_socket()) {
            fs::remove_file(&self.path)?;
        }
        let before = self.mode.map(|mode| umask(!Mode::from_raw_mode(mode) & Mode::from_raw_mode(0o777)));
        let bound = socket.bind(&address);
        before.map(umask);
        bound?;
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
        Ok(OwnedFd::from(socket).into())
    }
}

/// The stream as one of TCP, so that connections are of one type: what is done with them, waiting, reading, sending
/// and shutting down, the system does for all streams alike. What is TCP's own, the worker leaves out.
pub(crate) fn as_tcp(stream: UnixStream) -> TcpStream {
    OwnedFd::from(stream).into()
}
