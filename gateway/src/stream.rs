//! The two halves of a connection's or a link's socket.
//!
//! A Unix socket says that it can be written to whenever its other end has read something, and whoever waits for that is
//! woken each time. So of one of these only reading is waited for, and writing while it takes no more.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream as StdStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::buffer::spare_capacity;
use socket2::SockRef;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt as _, Interest, ReadBuf, Ready};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// What comes.
pub(crate) enum Reader {
    Tcp(OwnedReadHalf),
    Unix(Rc<AsyncFd<StdStream>>),
}

/// What is sent. The other end hears that nothing more comes when this is dropped.
pub(crate) enum Writer {
    Tcp(OwnedWriteHalf),
    Unix(Rc<AsyncFd<StdStream>>),
}

/// The halves of a socket that does not block.
pub(crate) fn split(stream: StdStream, is_unix: bool) -> io::Result<(Reader, Writer)> {
    if is_unix {
        let socket = Rc::new(watch(stream, Interest::READABLE)?);
        return Ok((Reader::Unix(Rc::clone(&socket)), Writer::Unix(socket)));
    }
    let (reader, writer) = TcpStream::from_std(stream)?.into_split();
    Ok((Reader::Tcp(reader), Writer::Tcp(writer)))
}

/// Has the runtime look after a socket.
#[expect(
    deprecated,
    reason = "it trusts a type to keep to its descriptor, as this one does; the other way is unsafe"
)]
fn watch(stream: StdStream, interest: Interest) -> io::Result<AsyncFd<StdStream>> {
    AsyncFd::with_interest(stream, interest)
}

impl Reader {
    /// Reads what fits behind what is there, without making room. 0 is the end.
    pub(crate) fn poll_append(
        &mut self,
        context: &mut Context<'_>,
        into: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(into.len() < into.capacity(), "what reads nothing finds no end");
        match self {
            Self::Tcp(reader) => pin!(reader.read_buf(into)).poll(context),
            Self::Unix(socket) => {
                let room = into.capacity() - into.len();
                poll_read(socket, context, room, |socket| Ok(rustix::io::read(socket, spare_capacity(into))?))
            }
        }
    }

    /// The same, when there is something.
    pub(crate) async fn append(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        poll_fn(|context| self.poll_append(context, into)).await
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(reader) => Pin::new(reader).poll_read(context, buffer),
            Self::Unix(socket) => {
                let room = buffer.initialize_unfilled();
                let bytes = ready!(poll_read(socket, context, room.len(), |mut socket| socket.read(room)))?;
                buffer.advance(bytes);
                Poll::Ready(Ok(()))
            }
        }
    }
}

/// Reads, when there is something, into `room` bytes.
fn poll_read(
    socket: &AsyncFd<StdStream>,
    context: &mut Context<'_>,
    room: usize,
    mut read: impl FnMut(&StdStream) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        let mut ready = ready!(socket.poll_read_ready(context))?;
        if let Ok(result) = ready.try_io(|socket| read(socket.get_ref())) {
            if matches!(result, Ok(bytes) if 0 < bytes && bytes < room) {
                // That was all: no need to hear so from the system.
                ready.clear_ready();
            }
            return Poll::Ready(result);
        }
    }
}

impl Writer {
    /// Writes what the socket takes.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if that is nothing now, or others if it is broken.
    #[inline]
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(writer) => writer.try_write(bytes),
            Self::Unix(socket) => socket.get_ref().write(bytes),
        }
    }

    /// Waits until it takes something, or is found to be broken.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(writer) => writer.writable().await,
            Self::Unix(socket) => {
                let again = watch(socket.get_ref().try_clone()?, Interest::WRITABLE)?;
                again.writable().await.map(drop)
            }
        }
    }

    /// Writes all of it.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.writable().await?;
            match self.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until there is something to read, and says what is known of the reading side.
    pub(crate) async fn readable(&self) -> io::Result<Ready> {
        match self {
            Self::Tcp(writer) => writer.ready(Interest::READABLE).await,
            Self::Unix(socket) => Ok(socket.ready(Interest::READABLE).await?.ready()),
        }
    }
}

impl AsFd for Writer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(writer) => writer.as_ref().as_fd(),
            Self::Unix(socket) => socket.get_ref().as_fd(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Self::Unix(socket) = self {
            // An error means that the other end was faster. The other kind does this by itself.
            let _ = SockRef::from(socket.get_ref()).shutdown(Shutdown::Write);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::unix::as_tcp;

    /// Both halves of one end, and the other end.
    fn pair() -> ((Reader, Writer), UnixStream) {
        let (one, other) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        (split(as_tcp(one), true).unwrap(), other)
    }

    #[tokio::test]
    async fn what_comes_over_a_unix_socket_is_read_up_to_its_end() {
        let ((mut reader, _writer), mut other) = pair();
        let mut read = Vec::with_capacity(4);
        for piece in ["ab", "cdef"] {
            other.write_all(piece.as_bytes()).unwrap();
            reader.append(&mut read).await.unwrap();
        }
        assert_eq!((&read[..], read.capacity()), (&b"abcd"[..], 4));
        drop(other);
        let mut rest = [0; 8];
        assert_eq!(reader.read(&mut rest).await.unwrap(), 2);
        assert_eq!(reader.read(&mut rest).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_unix_socket_that_takes_no_more_says_when_it_does_again() {
        let ((_reader, writer), mut other) = pair();
        let piece = vec![b'x'; 64 * 1024];
        let mut written = 0;
        while let Ok(bytes) = writer.try_write(&piece) {
            written += bytes;
        }
        assert!(
            timeout(Duration::ZERO, writer.writable()).await.is_err(),
            "it is full after {written} bytes"
        );
        let mut read = vec![0; written];
        other.read_exact(&mut read).unwrap();
        writer.writable().await.unwrap();
        writer.try_write(b"y").unwrap();
        drop(writer);
        assert_eq!(
            (other.read(&mut read).unwrap(), other.read(&mut read).unwrap()),
            (1, 0),
            "and then its end"
        );
    }
}
