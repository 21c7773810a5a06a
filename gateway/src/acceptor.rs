//! The acceptor: takes connections in and hands each to the worker with the fewest.

use std::io::{self, Write as _};
use std::net::{TcpListener as StdListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tidegate_protocols::settings::Key;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::decoder::Family;
use crate::limits::ACCEPT_REST;
use crate::registry::Address;
use crate::seldom::{Seldom, warn_seldom};
use crate::shared::Shared;
use crate::unix::as_tcp;
use crate::worker::Message;

/// What a client beyond `maxclients` is told, by family. Source: Redis `acceptCommonHandler`; memcached
/// `maxconns_fast`.
const TOO_MANY: [&[u8]; 3] =
    [b"-ERR max number of clients reached\r\n", b"ERROR Too many open connections\r\n", b""];

/// What a client from another machine is told while there is no password, by port. Source: Redis
/// `acceptCommonHandler`; memcached has no such mode.
const PROTECTED: [&[u8]; 3] = [PROTECTED_REDIS, PROTECTED_MEMCACHED, b""];

const PROTECTED_MEMCACHED: &[u8] =
    b"SERVER_ERROR protected mode: set a password with --requirepass or start with --protected-mode no\r\n";

const PROTECTED_REDIS: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled \
and no password is set for the default user. In this mode connections are only accepted from the loopback \
interface. If you want to connect from external computers to Redis you may adopt one of the following \
solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback \
interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not \
publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) \
Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the \
protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for \
testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password for the \
default user. NOTE: You only need to do one of the above things in order for the server to start accepting \
connections from the outside.\r\n";

/// Where connections come from.
pub(crate) enum Listener {
    Tcp(StdListener),
    Unix(UnixListener),
}

/// Takes connections in.
pub(crate) struct Acceptor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) workers: Vec<UnboundedSender<Message>>,
}

impl Acceptor {
    /// Runs until `end` becomes true, then closes the listeners.
    pub(crate) fn run(self, listeners: Vec<(Listener, Family)>, mut end: watch::Receiver<bool>) {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .expect("a runtime needs a few descriptors, and the process has just begun");
        let acceptor = Rc::new(self);
        let tasks = LocalSet::new();
        for (listener, family) in listeners {
            let acceptor = Rc::clone(&acceptor);
            match listener {
                Listener::Tcp(listener) => tasks.spawn_local(acceptor.listen(listener, family)),
                Listener::Unix(listener) => tasks.spawn_local(acceptor.listen_here(listener, family)),
            };
        }
        tasks.block_on(&runtime, async {
            // An error is a gateway that is gone, which is an end too.
            let _ = end.wait_for(|end| *end).await;
        });
    }

    async fn listen(self: Rc<Self>, listener: StdListener, family: Family) {
        let listener =
            TcpListener::from_std(listener).expect("a listener that does not block can be waited for");
        loop {
            let stream = listener.accept().await.and_then(|(stream, _)| stream.into_std());
            self.admit(stream, family).await;
        }
    }

    async fn listen_here(self: Rc<Self>, listener: UnixListener, family: Family) {
        let listener = tokio::net::UnixListener::from_std(listener)
            .expect("a listener that does not block can be waited for");
        loop {
            let stream = listener.accept().await.and_then(|(stream, _)| stream.into_std());
            self.admit(stream.map(as_tcp), family).await;
        }
    }

    async fn admit(&self, accepted: io::Result<TcpStream>, family: Family) {
        static REFUSED: Seldom = Seldom::new();
        match accepted {
            Ok(stream) => self.take_in(stream, family),
            Err(error) => {
                // A client that gave up, or no descriptors: those that are left serve the others.
                warn_seldom!(REFUSED, %error, "cannot accept a connection");
                sleep(ACCEPT_REST).await;
            }
        }
    }

    fn take_in(&self, stream: TcpStream, family: Family) {
        if let Some(refusal) = self.refusal(&stream, family) {
            self.shared.counters.refuse();
            // Whether the client still hears it is its own affair.
            let _ = (&stream).write(refusal);
            return;
        }
        self.shared.counters.accept();
        let loads = self.shared.load.iter().map(|load| load.load(Relaxed)).enumerate();
        let (worker, _) = loads.min_by_key(|(_, load)| *load).expect("there is a worker");
        self.shared.load[worker].fetch_add(1, Relaxed);
        // A worker that is gone is one that has been told to end, as we have.
        let _ = self.workers[worker].send(Message::Admit(self.shared.registry.next_id(), stream, family));
    }

    fn refusal(&self, stream: &TcpStream, family: Family) -> Option<&'static [u8]> {
        let settings = &self.shared.settings;
        let clients: usize = self.shared.load.iter().map(|load| load.load(Relaxed)).sum();
        if clients >= settings.number(Key::MaxClients) as usize {
            return Some(TOO_MANY[family as usize]);
        }
        // Both families reach the same keys, so neither may be a way around the other's protection.
        if !settings.is_on(Key::ProtectedMode) || self.shared.needs_login(family) {
            return None;
        }
        let near = Address::of_peer(stream).is_ok_and(|peer| peer.is_on_this_machine());
        (!near).then_some(PROTECTED[family as usize])
    }
}
