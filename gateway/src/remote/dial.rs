//! The task of a link: makes it, reads from it, and makes it again when it is lost.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use socket2::SockRef;
use tidegate_protocols::link::Greeting;
use tidegate_protocols::topology::LinkPlace;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use super::link::Link;
use crate::greeting::hear;
use crate::limits::{LINK_GREETING_TIME, LINK_INBOX_BYTES, LINK_REST};
use crate::unix;

/// Keeps a link up until it is retired. `greet` makes a greeting for a generation; `first` adds what is to be sent before anything else; `wake` asks for a tick.
pub(super) async fn keep_up(
    link: Rc<Link>,
    greet: impl Fn(u32) -> Greeting,
    first: impl Fn(&Link),
    wake: Rc<dyn Fn()>,
) {
    let [mut rest, rest_max] = LINK_REST;
    while !link.is_retired() {
        let generation = link.generation.now();
        match timeout(LINK_GREETING_TIME, dial(&link, &greet(generation))).await {
            // Another worker has given up its link meanwhile, and the shard need not know it yet.
            Ok(Ok(_)) if link.generation.now() != generation => continue,
            Ok(Ok(stream)) => {
                let since = Instant::now();
                let (reader, writer) = stream.into_split();
                let writer = Rc::new(writer);
                tracing::debug!(shard = link.name, place = %link.place, "linked");
                link.up(Rc::clone(&writer), generation, &first);
                let reason = read_all(&link, reader, &writer, &*wake).await;
                // One that was cut has ended before.
                if link.down_for(Instant::now()).is_none() && !link.is_done() {
                    tracing::warn!(shard = link.name, place = %link.place, "lost a link: {reason}");
                    link.down(&reason, Instant::now());
                }
                if since.elapsed() > rest_max {
                    [rest, _] = LINK_REST;
                }
            }
            Ok(Err(reason)) => link.down(&reason, Instant::now()),
            Err(_) => link.down("it accepts a link and says nothing", Instant::now()),
        }
        wake();
        sleep(rest).await;
        rest = (rest * 2).min(rest_max);
    }
}

/// Connects, and exchanges greetings.
async fn dial(link: &Link, greeting: &Greeting) -> Result<TcpStream, String> {
    let mut stream = connect(&link.place).await.map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    greeting.encode(&mut bytes);
    stream.write_all(&bytes).await.map_err(|error| error.to_string())?;
    let greeting = hear(&mut stream).await?;
    if greeting.name != link.name {
        return Err(format!("{} answers there, not {}", greeting.name, link.name));
    }
    Ok(stream)
}

async fn connect(place: &LinkPlace) -> io::Result<TcpStream> {
    match place {
        LinkPlace::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        }
        LinkPlace::Unix(path) => {
            let stream = UnixStream::connect(path).await?.into_std()?;
            TcpStream::from_std(unix::as_tcp(stream))
        }
    }
}

/// Reads what comes, and writes what the tick could not, until there is no link any more. Returns why.
async fn read_all(
    link: &Link,
    mut reader: OwnedReadHalf,
    writer: &Rc<OwnedWriteHalf>,
    wake: &dyn Fn(),
) -> String {
    loop {
        tokio::select! {
            biased;
            read = poll_fn(|context| {
                if link.is_over(writer) { link.poll_read(context, &mut reader) } else { Poll::Ready(Ok(0)) }
            }) => match read {
                Ok(0) => return "the shard has closed it".into(),
                Ok(_) => wake(),
                Err(error) => return error.to_string(),
            },
            writable = writer.writable(), if link.has_unwritten() => match writable {
                Ok(()) => link.flush(),
                Err(error) => return error.to_string(),
            },
            () = link.kick.woken() => {
                if link.is_done() {
                    return "it is not needed any more".into();
                }
            }
        }
        while link.received() > LINK_INBOX_BYTES {
            link.taken.woken().await;
        }
    }
}

/// Ends a link: its task finds the end.
pub(super) fn shut(stream: &TcpStream) {
    // An error means that the other end was faster.
    let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::net::TcpListener;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;
    use crate::limits::READ_BYTES;

    /// Accepts a link as a shard of this name.
    async fn accept(listener: &TcpListener, name: &str) -> TcpStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        hear(&mut stream).await.unwrap();
        let mut greeting = Vec::new();
        Greeting::new(name, 0).encode(&mut greeting);
        stream.write_all(&greeting).await.unwrap();
        stream
    }

    #[test]
    fn a_link_that_is_cut_while_much_of_it_waits_to_be_looked_at_is_made_again() {
        let shard = async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let place = LinkPlace::Tcp(listener.local_addr().unwrap());
            let link = Rc::new(Link::new("shard".into(), place, (Arc::default(), Arc::default())));
            let greet = |generation| Greeting::new("gateway", 0).of(1, generation);
            spawn_local(keep_up(Rc::clone(&link), greet, |_| (), Rc::new(|| ())));
            let mut stream = accept(&listener, "shard").await;
            let much = vec![0; READ_BYTES];
            let sends = async { while stream.write_all(&much).await.is_ok() {} };
            let arrives = async {
                while link.received() <= LINK_INBOX_BYTES {
                    yield_now().await;
                }
            };
            tokio::select! {
                () = sends => panic!("the link has ended"),
                () = arrives => {}
            }
            // Its task has nothing to do but to wait for room.
            yield_now().await;
            link.cut("of a test", Instant::now());
            accept(&listener, "shard").await;
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            assert!(timeout(Duration::from_secs(20), shard).await.is_ok(), "nobody comes");
        });
    }
}
