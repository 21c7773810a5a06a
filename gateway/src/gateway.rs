//! Starting a gateway, and ending it.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tidegate_protocols::data::Data;
use tidegate_protocols::settings::{Key, Settings};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use crate::acceptor::{Acceptor, Listener};
use crate::acl::Acl;
use crate::decoder::Family;
use crate::membership::{self, Membership, Seat};
use crate::registry::Registry;
use crate::shared::Shared;
use crate::taken::Taken;
use crate::unix::UnixPlace;
use crate::users::Users;
use crate::worker::{self, Message};

/// Where a gateway listens and how many threads it has.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where Redis clients are listened to; port 0 lets the system choose.
    pub redis: Vec<SocketAddr>,
    /// Where Memcached clients are listened to; see `redis`.
    pub memcached: Vec<SocketAddr>,
    /// The file where Redis clients of this machine are listened to.
    pub redis_socket: Option<UnixPlace>,
    /// The file where Memcached clients of this machine are listened to.
    pub memcached_socket: Option<UnixPlace>,
    /// What it is as a shard that gateways reach by links; `None` for a server on its own.
    pub membership: Option<Membership>,
    /// What it is as a gateway in front of shards; `None` for a server on its own.
    pub seat: Option<Seat>,
    /// Worker threads; 0 is 1.
    pub workers: usize,
    /// Whom Memcached clients may be.
    pub users: Users,
}

/// Why a gateway could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened to.
    #[error(transparent)]
    Listen(#[from] Taken),
    /// A file cannot be listened to.
    #[error("cannot listen on the socket {}: {error}", path.display())]
    Socket {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The users that are named cannot be.
    #[error("cannot read the users: {0}")]
    Users(String),
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// Makes gateways.
pub struct Gateway;

/// A gateway that runs. Dropping it leaves it running; [`Running::shutdown`] ends it.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
    workers: Vec<JoinHandle<()>>,
    messages: Vec<UnboundedSender<Message>>,
    end: watch::Sender<bool>,
}

impl Gateway {
    /// Listens, and serves `data` to whoever comes.
    ///
    /// # Errors
    /// [`StartError`], in words for the person who starts the server.
    pub fn start<D: Data>(
        config: &Config,
        data: Arc<D>,
        settings: Arc<Settings>,
    ) -> Result<Running, StartError> {
        let backlog = settings.number(Key::TcpBacklog) as i32;
        let redis = listen(&config.redis, backlog, "--redis-port")?;
        let memcached = listen(&config.memcached, backlog, "--memcached-port")?;
        let links = config.membership.iter().flat_map(|membership| &membership.links);
        let link_addresses: Vec<_> = links.clone().filter_map(membership::tcp).collect();
        let links_by_port = listen(&link_addresses, backlog, "--listen")?;
        let sockets = [(&config.redis_socket, Family::Redis), (&config.memcached_socket, Family::Memcached)];
        let sockets =
            sockets.into_iter().filter_map(|(place, family)| place.clone().map(|place| (place, family)));
        let sockets = sockets.chain(links.filter_map(membership::unix).map(|place| (place, Family::Link)));
        let sockets = sockets.map(|(place, family)| {
            let socket = place.listen(backlog);
            let socket = socket.map_err(|error| StartError::Socket { path: place.path.clone(), error })?;
            Ok((Listener::Unix(socket), family))
        });
        let sockets = sockets.collect::<Result<Vec<_>, StartError>>()?;
        let addresses = [&redis, &memcached, &links_by_port]
            .map(|listeners| listeners.iter().map(|(_, address)| *address).collect());
        let workers = config.workers.max(1);
        let (messages, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| unbounded_channel()).unzip();
        let acl = Arc::new(Acl::new(&settings).map_err(StartError::Users)?);
        if let Some(seat) = &config.seat {
            // Nobody else starts with this seat.
            let _ = seat.users.set(Arc::clone(&acl));
        }
        let registry = Registry::new(messages.clone(), acl.default_user());
        let handles: Vec<_> = receivers.into_iter().map(|receiver| (receiver, Arc::clone(&data))).collect();
        let shared = Arc::new(Shared::new(data, settings, (registry, acl), config, addresses));
        let workers = handles
            .into_iter()
            .enumerate()
            .map(|(index, (receiver, data))| {
                let shared = Arc::clone(&shared);
                spawn(&format!("worker-{index}"), move || worker::run(index, &*data, &shared, receiver))
            })
            .collect::<Result<_, _>>()?;
        let (end, ended) = watch::channel(false);
        let families =
            [(redis, Family::Redis), (memcached, Family::Memcached), (links_by_port, Family::Link)];
        let listeners = families
            .into_iter()
            .flat_map(|(listeners, family)| {
                listeners.into_iter().map(move |(listener, _)| (Listener::Tcp(listener), family))
            })
            .chain(sockets)
            .collect();
        let acceptor = Acceptor { shared: Arc::clone(&shared), workers: messages.clone() };
        let acceptor = spawn("acceptor", move || acceptor.run(listeners, ended))?;
        Ok(Running { shared, acceptor, workers, messages, end })
    }
}

impl Running {
    /// What the gateway knows and has counted.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Where Redis clients are listened to.
    pub fn redis(&self) -> &[SocketAddr] {
        &self.shared.redis
    }

    /// Where Memcached clients are listened to.
    pub fn memcached(&self) -> &[SocketAddr] {
        &self.shared.memcached
    }

    /// Where gateways reach it by network.
    pub fn links(&self) -> &[SocketAddr] {
        &self.shared.links
    }

    /// Becomes true when a client has asked for the end (`SHUTDOWN`).
    pub fn shutdown_requested(&self) -> watch::Receiver<bool> {
        self.shared.shutdown_requested()
    }

    /// Accepts no more connections, answers what has arrived, closes all clients, and returns when that is
    /// done or `limit` has passed. Returns how many clients had to be cut off.
    pub fn shutdown(self, limit: Duration) -> usize {
        let deadline = Instant::now() + limit;
        self.end.send_replace(true);
        // A thread that panicked has said so already.
        let _ = self.acceptor.join();
        let links = self.shared.membership.iter().flat_map(|membership| &membership.links);
        let sockets =
            [&self.shared.redis_socket, &self.shared.memcached_socket].into_iter().flatten().cloned();
        let sockets = sockets.chain(links.filter_map(membership::unix));
        for place in sockets {
            // Who gave up root may have lost the right to.
            let _ = fs::remove_file(&place.path);
        }
        for worker in &self.messages {
            let _ = worker.send(Message::End(deadline.saturating_duration_since(Instant::now())));
        }
        for worker in self.workers {
            let _ = worker.join();
        }
        self.shared.cut_off.load(Relaxed)
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(StartError::Thread)
}

fn listen(
    addresses: &[SocketAddr],
    backlog: i32,
    port_flag: &'static str,
) -> Result<Vec<(TcpListener, SocketAddr)>, Taken> {
    let listener = |&address: &SocketAddr| {
        let listener = bind(address, backlog).and_then(|listener| {
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        listener.map_err(|error| Taken { address, port_flag, address_flag: "--bind", error })
    };
    addresses.iter().map(listener).collect()
}

fn bind(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that restarts finds its port in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
