//! A worker: a thread with its own runtime, its own connections and its own tick.

use std::net::TcpStream as StdStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tidegate_protocols::data::{Data, Unblock};
use tidegate_protocols::settings::Key;
use tokio::runtime::Builder;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, sleep, timeout_at};

use crate::connection::{Connection, serve};
use crate::decoder::Family;
use crate::followed::wake_at_changes;
use crate::intake::Intake;
use crate::registry::Address;
use crate::session::{Attention, Session};
use crate::shared::{Shared, now_ms};
use crate::stream::split;
use crate::tick::Tick;

/// Tasks the runtime runs between two looks at its sockets. Source: measured: 3 % less processor time a request
/// at pipeline 1 than with tokio's own 61, none at depth.
const EVENT_INTERVAL: u32 = 256;

/// What a worker is told by other threads.
#[derive(Debug)]
pub(crate) enum Message {
    /// A client has connected and has been given this number.
    Admit(u64, StdStream, Family),
    /// There is something for its clients in [`crate::pubsub`].
    Look,
    /// A client has to be closed.
    Kill(u64),
    /// A client waits for replicas no longer.
    Unblock(u64, Unblock),
    /// Answer what has arrived, then end; at the latest after this time.
    End(Duration),
}

/// The life of worker `index`.
pub(crate) fn run<D: Data>(
    index: usize,
    data: &D,
    shared: &Arc<Shared>,
    mut messages: UnboundedReceiver<Message>,
) {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .event_interval(EVENT_INTERVAL)
        .build()
        .expect("a runtime needs a few descriptors, and the process has just begun");
    let worker = data.worker(index, shared.workers);
    let intake = Rc::new(Intake::new(Arc::clone(shared), index));
    LocalSet::new().block_on(&runtime, async move {
        spawn_local(Tick::new(Rc::clone(&intake), worker).run());
        spawn_local(keep_time(Rc::clone(&intake)));
        if let Some(seat) = &intake.shared.seat {
            spawn_local(wake_at_changes(seat.topology.clone(), Rc::clone(&intake)));
        }
        if let Some(membership) = &intake.shared.membership {
            spawn_local(wake_at_changes(membership.holding.clone(), Rc::clone(&intake)));
        }
        let mut limit = Duration::ZERO;
        while let Some(message) = messages.recv().await {
            match message {
                Message::Admit(id, stream, family) => admit(&intake, id, stream, family),
                Message::Look => intake.work.wake(),
                Message::Kill(id) => {
                    if let Some(connection) = intake.get(id) {
                        connection.end();
                    }
                }
                Message::Unblock(id, answer) => {
                    intake.unblocked.borrow_mut().push((id, answer));
                    intake.work.wake();
                }
                Message::End(within) => {
                    limit = within;
                    break;
                }
            }
        }
        drain(&intake, limit).await;
    });
}

/// Makes a connection of a socket.
fn admit(intake: &Rc<Intake>, id: u64, stream: StdStream, family: Family) {
    if let Err(error) = try_admit(intake, id, stream, family) {
        tracing::debug!(%error, "a client was gone before it was served");
        intake.shared.load[intake.index].fetch_sub(1, Relaxed);
    }
}

fn try_admit(intake: &Rc<Intake>, id: u64, stream: StdStream, family: Family) -> std::io::Result<()> {
    let shared = &intake.shared;
    let addresses = [Address::of_peer(&stream)?, Address::of_ours(&stream)?];
    let is_unix = !matches!(addresses[0], Address::Tcp(_));
    if !is_unix {
        probe(&stream, shared.settings.number(Key::TcpKeepalive) as u64)?;
        stream.set_nodelay(true)?;
    }
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&stream) as usize;
    let (reader, writer) = split(stream, is_unix)?;
    let client = shared.registry.add(id, [intake.index, descriptor], addresses, family.dialect(), now_ms());
    let anonymous = shared.needs_login(family);
    let in_cluster = family == Family::Redis && shared.is_cluster();
    let session = Session::new(client, family, anonymous, in_cluster);
    let connection = Rc::new(Connection::new(session, Rc::clone(intake), family, writer));
    intake.add(&connection);
    spawn_local(serve(connection, reader));
    Ok(())
}

/// Has the system ask after a client that has said nothing for so many seconds; 0 is never. Source: Redis
/// `anetKeepAlive`: three probes, a third of the time apart.
fn probe(stream: &StdStream, keepalive_s: u64) -> std::io::Result<()> {
    if keepalive_s == 0 {
        return Ok(());
    }
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(keepalive_s))
        .with_interval(Duration::from_secs((keepalive_s / 3).max(1)))
        .with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Background work and idle clients, `hz` times a second.
async fn keep_time(intake: Rc<Intake>) {
    loop {
        let settings = &intake.shared.settings;
        sleep(Duration::from_secs(1) / settings.number(Key::Hz).max(1) as u32).await;
        intake.maintenance_due.set(true);
        intake.work.wake();
        let idle_ms = settings.number(Key::Timeout) as u64 * 1000;
        if idle_ms > 0 {
            // This worker may have stood still: what has come meanwhile is read, and then executed, before anybody is idle.
            yield_now().await;
            yield_now().await;
            end_idle(&intake, idle_ms);
        }
        if intake.index == 0
            && let Some(bytes_max) = settings.client_bytes_max()
        {
            evict_clients(&intake, bytes_max);
        }
    }
}

/// Closes the clients that take most memory until all together take no more than this. Source: Redis `evictClients`.
fn evict_clients(intake: &Intake, bytes_max: u64) {
    let mut clients = intake.shared.registry.list();
    let mut bytes: u64 = clients.iter().map(|client| client.total_bytes()).sum();
    if bytes <= bytes_max {
        return;
    }
    clients.retain(|client| !client.no_evict());
    clients.sort_unstable_by_key(|client| client.total_bytes());
    for client in clients.iter().rev() {
        let its = client.total_bytes();
        if bytes <= bytes_max || its == 0 {
            return;
        }
        tracing::info!(
            client = client.id,
            bytes = its,
            "closed: all clients together exceed maxmemory-clients"
        );
        if intake.shared.registry.kill(client) {
            intake.counters().evicted_clients.add(1);
        }
        bytes = bytes.saturating_sub(its);
    }
}

/// Ends the clients of which nothing has been heard for so long.
fn end_idle(intake: &Intake, idle_ms: u64) {
    let now_ms = now_ms();
    for connection in intake.all() {
        let client = &connection.session.client;
        if !connection.pipeline.borrow().is_empty() {
            // Who waits for an answer is not idle: that a shard is slow is no fault of its client.
            client.is_active(now_ms);
        } else if connection.session.has(Attention::Listens) {
            // Nor is who listens.
        } else if connection.family != Family::Link && client.last_ms() < now_ms.saturating_sub(idle_ms) {
            connection.end();
        }
    }
}

/// Answers what has arrived, then ends; at the latest after `limit`.
async fn drain(intake: &Intake, limit: Duration) {
    let deadline = Instant::now() + limit;
    for connection in intake.all() {
        connection.end_input();
    }
    while intake.alive() > 0 && timeout_at(deadline, intake.gone.woken()).await.is_ok() {}
    intake.shared.cut_off.fetch_add(intake.alive(), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_told_to_ask_after_silent_clients_as_redis_tells_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for (seconds, expected) in [(0, None), (1, Some([1, 1, 3])), (300, Some([300, 100, 3]))] {
            let _client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            probe(&stream, seconds).unwrap();
            let socket = SockRef::from(&stream);
            let told = socket.keepalive().unwrap().then(|| {
                let times = [socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap()];
                let [time, interval] = times.map(|time| time.as_secs());
                [time, interval, u64::from(socket.tcp_keepalive_retries().unwrap())]
            });
            assert_eq!(told, expected, "tcp-keepalive {seconds}");
        }
    }
}
