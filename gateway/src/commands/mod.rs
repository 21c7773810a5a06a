//! The commands the gateway answers itself: those on connections and on the server.

mod client;
mod cluster;
mod config;
mod connection;
mod hello;
mod info;
mod latency;
mod memcached;
mod memcached_stats;
mod memory;
mod server;
mod slowlog;
mod sparkline;

use std::time::Duration;

use tidegate_protocols::data::Outcome;
use tidegate_protocols::memcached::Answer;
use tidegate_protocols::{Dialect, Error, Reply, Request, Verb};

pub(crate) use self::client::on_or_off;
pub(crate) use self::hello::foreseen as dialect_after_hello;
use crate::registry::Client;
use crate::session::{Attention, Session};
use crate::shared::Shared;

/// What a command of the gateway may see and change besides its arguments and its reply.
pub(crate) struct Scope<'a> {
    /// The client that asks.
    pub(crate) session: &'a Session,
    /// Settings, clients, counters, logs, figures of the store.
    pub(crate) shared: &'a Shared,
    /// The time in Unix milliseconds, as of this tick.
    pub(crate) now_ms: u64,
}

impl Scope<'_> {
    /// The client that asks, as others see it.
    pub(crate) fn client(&self) -> &Client {
        &self.session.client
    }

    /// Closes the connection once what has been written is on its way; later requests are not looked at.
    pub(crate) fn close(&self) {
        self.session.put(Attention::Closing, true);
    }

    /// Holds back this reply and whatever the client has sent after this request; others go on.
    pub(crate) fn hold(&self, time: Duration) {
        self.session.hold_until(self.now_ms.saturating_add(time.as_millis() as u64));
    }
}

/// Answers a request whose row has the route `Gateway`.
pub(crate) fn execute(request: &Request<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Outcome {
    let begin = reply.mark();
    let result = match request.row.verb {
        Verb::Connection(verb) => connection::execute(verb, request, scope, reply),
        Verb::Server(verb) => server::execute(verb, request, scope, reply),
        Verb::Cluster(verb) => cluster::execute(verb, request, scope, reply),
        Verb::MemcachedServer(verb) => memcached::execute(verb, request, scope, reply),
        Verb::Transactions(_)
        | Verb::Strings(_)
        | Verb::Bitmaps(_)
        | Verb::Hashes(_)
        | Verb::Keyspace(_)
        | Verb::Memcached(_)
        | Verb::Link(_) => {
            unreachable!("{} needs the store", request.row.name)
        }
    };
    match result {
        Ok(()) => Outcome::Done,
        Err(error) => {
            reply.rewind(begin);
            match request.dialect {
                Dialect::Resp2 | Dialect::Resp3 => reply.refuse(&error),
                _ => Answer::new(request, reply).error(&error),
            }
            Outcome::Failed
        }
    }
}

/// The error of a command whose subcommand is none; only the container's row gets here.
fn no_subcommand(name: &'static str) -> Result<(), Error> {
    Err(Error::Arity(name))
}
