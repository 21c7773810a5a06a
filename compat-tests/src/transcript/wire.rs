//! A client's socket with a deadline on every wait.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a reply may take.
pub(crate) const REPLY_WAIT: Duration = Duration::from_secs(10);

/// Why there is nothing (more) to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The server closed the connection.
    Closed,
    /// Nothing came in time.
    Late,
}

/// A connection to the server under test.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    position: usize,
    deadline: Instant,
}

impl Wire {
    /// Connects; the error names the address.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect_timeout(&address, REPLY_WAIT)
            .map_err(|error| format!("{address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.set_write_timeout(Some(REPLY_WAIT)).map_err(|error| error.to_string())?;
        Ok(Self { stream, buffer: Vec::new(), position: 0, deadline: Instant::now() })
    }

    /// Writes all of `bytes`. A server that closes meanwhile is noticed when its reply is read.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        // What went wrong is told by the read that follows.
        let _ = self.stream.write_all(bytes);
    }

    /// From now on reads end after `wait`.
    pub(crate) fn wait_at_most(&mut self, wait: Duration) {
        self.deadline = Instant::now() + wait;
    }

    /// The next line without its line end, which is CRLF everywhere in these protocols.
    pub(crate) fn line(&mut self) -> Result<Vec<u8>, Silence> {
        let mut searched = self.position;
        loop {
            if let Some(end) =
                self.buffer[searched..].iter().position(|byte| *byte == b'\n').map(|at| searched + at)
            {
                let line = &self.buffer[self.position..end];
                let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
                self.position = end + 1;
                return Ok(line);
            }
            searched = self.buffer.len();
            self.more()?;
        }
    }

    /// The next `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Silence> {
        while self.buffer.len() - self.position < count {
            self.more()?;
        }
        let bytes = self.buffer[self.position..self.position + count].to_vec();
        self.position += count;
        Ok(bytes)
    }

    /// Whether anything comes within `wait`: bytes (true), or nothing (false), or the end.
    pub(crate) fn has_more(&mut self, wait: Duration) -> Result<bool, Silence> {
        if self.position < self.buffer.len() {
            return Ok(true);
        }
        self.wait_at_most(wait);
        match self.more() {
            Ok(()) => Ok(true),
            Err(Silence::Late) => Ok(false),
            Err(Silence::Closed) => Err(Silence::Closed),
        }
    }

    /// What was received and not read as a reply.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer[self.position..]
    }

    fn more(&mut self) -> Result<(), Silence> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
            return Err(Silence::Late);
        }
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(Silence::Closed),
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(Silence::Late)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => self.more(),
            Err(_) => Err(Silence::Closed),
        }
    }
}
