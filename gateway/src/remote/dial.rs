//! The task of a link: makes it, reads from it, and makes it again when it is lost.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use socket2::SockRef;
use tidegate_protocols::link::Greeting;
use tidegate_protocols::topology::LinkPlace;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use super::link::Link;
use crate::greeting::hear;
use crate::limits::{LINK_GREETING_TIME, LINK_INBOX_BYTES, LINK_REST};
use crate::stream::{Reader, Writer, split};
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
                let (reader, writer) = (stream.0, Rc::new(stream.1));
                tracing::debug!(shard = link.name, place = %link.place, "linked");
                link.up(Rc::clone(&writer), generation, &first);
                wake();
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
async fn dial(link: &Link, greeting: &Greeting) -> Result<(Reader, Writer), String> {
    let (mut reader, writer) = connect(&link.place).await.map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    greeting.encode(&mut bytes);
    writer.write_all(&bytes).await.map_err(|error| error.to_string())?;
    let greeting = hear(&mut reader).await?;
    if greeting.name != link.name {
        return Err(format!("{} answers there, not {}", greeting.name, link.name));
    }
    Ok((reader, writer))
}

async fn connect(place: &LinkPlace) -> io::Result<(Reader, Writer)> {
    match place {
        LinkPlace::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            split(stream.into_std()?, false)
        }
        LinkPlace::Unix(path) => {
            let stream = UnixStream::connect(path).await?.into_std()?;
            split(unix::as_tcp(stream), true)
        }
    }
}

/// Reads what comes, and writes what the tick could not, until there is no link any more. Returns why.
async fn read_all(link: &Link, mut reader: Reader, writer: &Rc<Writer>, wake: &dyn Fn()) -> String {
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
            writable = writer.writable(), if link.is_blocked() => {
                // A socket that is broken is writable as well, before anybody has heard of its end.
                if let Err(error) = writable.and_then(|()| link.flush()) {
                    return error.to_string();
                }
            }
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
pub(super) fn shut(stream: &Writer) {
    // An error means that the other end was faster.
    let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixListener;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::super::unanswered::Owner;
    use super::*;
    use crate::limits::READ_BYTES;

    /// A link to a shard that listens at `path`, which is kept up.
    fn link_to(path: &std::path::Path) -> Rc<Link> {
        let place = LinkPlace::Unix(path.into());
        let link = Rc::new(Link::new("shard".into(), place, (Arc::default(), Arc::default())));
        let greet = |generation| Greeting::new("gateway", 0).of(1, generation);
        spawn_local(keep_up(Rc::clone(&link), greet, |_| (), Rc::new(|| ())));
        link
    }

    /// Accepts a link as that shard.
    async fn accept(listener: &UnixListener) -> UnixStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        hear(&mut stream).await.unwrap();
        let mut greeting = Vec::new();
        Greeting::new("shard", 0).encode(&mut greeting);
        stream.write_all(&greeting).await.unwrap();
        stream
    }

    /// Has a link made to a shard, something happen to it, and made again.
    fn is_made_again_after(name: &str, what: impl AsyncFn(&Link, UnixStream) + Send + 'static) {
        let path = std::env::temp_dir().join(format!("tidegate-{name}-{}", std::process::id()));
        let (tells, told) = mpsc::channel();
        let socket = path.clone();
        // A task that goes round and round would let nobody else on its thread tell.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async {
                let listener = UnixListener::bind(&socket).unwrap();
                let link = link_to(&socket);
                let stream = accept(&listener).await;
                while link.down_for(Instant::now()).is_some() {
                    yield_now().await;
                }
                what(&link, stream).await;
                accept(&listener).await;
                tells.send(()).unwrap();
            });
        });
        let told = told.recv_timeout(Duration::from_secs(20));
        std::fs::remove_file(path).unwrap();
        told.expect("nobody comes");
    }

    #[test]
    fn a_link_that_breaks_while_something_waits_to_be_written_is_made_again() {
        is_made_again_after("breaks", async |link, stream| {
            drop(stream);
            let pushed: Result<(), ()> = link.push(Owner::NOBODY, true, Instant::now(), |out, _| {
                out.push(0);
                Ok(())
            });
            pushed.unwrap();
            assert!(link.flush().is_err());
            // Its task looks before it has heard of the end: as far as it knows there is nothing to read, and room to write.
            link.kick.wake();
            yield_now().await;
        });
    }

    #[test]
    fn a_link_that_is_cut_while_much_of_it_waits_to_be_looked_at_is_made_again() {
        is_made_again_after("cut", async |link, mut stream| {
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
        });
    }
}
