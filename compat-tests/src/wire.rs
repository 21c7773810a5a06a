//! A client's socket with a deadline on every wait.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::machine::Deadline;

/// How long a reply may take: far longer than any does, because machines may be slow or stand still.
pub const REPLY_WAIT: Duration = Duration::from_mins(1);

/// Bytes that are kept though they have been read.
const KEPT_BYTES: usize = 64 * 1024;

/// Why there is nothing (more) to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The server closed the connection.
    Closed,
    /// Nothing came in time.
    Late,
}

/// A connection to the server under test.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    position: usize,
    deadline: Deadline,
}

impl Wire {
    /// Connects; the error names the address.
    pub fn connect(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect_timeout(&address, REPLY_WAIT)
            .map_err(|error| format!("{address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.set_write_timeout(Some(REPLY_WAIT)).map_err(|error| error.to_string())?;
        Ok(Self { stream, buffer: Vec::new(), position: 0, deadline: Deadline::after(Duration::ZERO) })
    }

    /// Where this end of it is.
    ///
    /// # Panics
    /// If the system does not say.
    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Writes all of `bytes`. A server that closes meanwhile is noticed when its reply is read.
    pub fn send(&mut self, bytes: &[u8]) {
        // What went wrong is told by the read that follows.
        let _ = self.try_send(bytes);
    }

    /// Writes all of `bytes`; fails when the server has closed or takes nothing for [`REPLY_WAIT`].
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub fn end_sending(&self) -> std::io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// From now on reads end after `wait`, if the machine does not stand still.
    pub fn wait_at_most(&mut self, wait: Duration) {
        self.deadline = Deadline::after(wait);
    }

    /// The next line without its line end, which is CRLF everywhere in these protocols.
    pub fn line(&mut self) -> Result<Vec<u8>, Silence> {
        self.let_go();
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
    pub fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Silence> {
        self.let_go();
        while self.buffer.len() - self.position < count {
            self.more()?;
        }
        let bytes = self.buffer[self.position..self.position + count].to_vec();
        self.position += count;
        Ok(bytes)
    }

    /// Sends `request` and insists on `reply`.
    pub fn ask(&mut self, request: &[u8], reply: &[u8]) {
        self.send(request);
        self.expect(reply);
    }

    /// Insists that `reply` comes next.
    pub fn expect(&mut self, reply: &[u8]) {
        self.wait_at_most(REPLY_WAIT);
        let got = self.bytes(reply.len());
        let so_far = || String::from_utf8_lossy(self.unread()).into_owned();
        match got {
            Ok(got) => assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(reply)),
            Err(why) => panic!("{:?} expected, {why:?} after {:?}", String::from_utf8_lossy(reply), so_far()),
        }
    }

    /// Insists that the server closes the connection, whatever it says before.
    pub fn expect_close(&mut self) {
        self.position = self.buffer.len();
        loop {
            match self.has_more(REPLY_WAIT) {
                Ok(true) => self.position = self.buffer.len(),
                Ok(false) => panic!("the connection stays open"),
                Err(_) => return,
            }
        }
    }

    /// Whether anything comes within `wait`: bytes (true), or nothing (false), or the end.
    pub fn has_more(&mut self, wait: Duration) -> Result<bool, Silence> {
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
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.position..]
    }

    /// Forgets what has been read, if it is much.
    fn let_go(&mut self) {
        if self.position >= KEPT_BYTES {
            self.buffer.drain(..self.position);
            self.position = 0;
        }
    }

    /// Waits for more bytes. As often as need be, with one chunk: on a busy machine the deadline moves again and again.
    fn more(&mut self) -> Result<(), Silence> {
        let mut chunk = [0; 16 * 1024];
        loop {
            let left = self.deadline.left();
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return Err(Silence::Late);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Silence::Closed),
                Ok(count) => {
                    self.buffer.extend_from_slice(&chunk[..count]);
                    return Ok(());
                }
                Err(error) if is_to_be_tried_again(error.kind()) => {}
                Err(_) => return Err(Silence::Closed),
            }
        }
    }
}

fn is_to_be_tried_again(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
