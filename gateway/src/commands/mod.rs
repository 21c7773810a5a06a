//! The commands the gateway answers itself: those on connections and on the server.

mod client;
mod cluster;
mod config;
mod connection;
mod debug;
mod hello;
mod info;
mod latency;
mod memcached;
mod memcached_stats;
mod memory;
mod monitor;
mod pubsub;
mod replicas;
mod server;
mod slowlog;
mod sparkline;
mod tracking;
mod users;

use std::time::Duration;

use tidegate_protocols::data::Outcome;
use tidegate_protocols::memcached::Answer;
use tidegate_protocols::table::server::Server;
use tidegate_protocols::table::users::Users;
use tidegate_protocols::{Dialect, Reply, Request, Verb};

pub(crate) use self::client::{describe_client, on_or_off, whom_to_unblock};
pub use self::hello::REDIS_VERSION;
pub(crate) use self::hello::foreseen as dialect_after_hello;
pub(crate) use self::monitor::{NO_MONITOR, line_of_script, tell_monitors, tell_monitors_of_run};
pub(crate) use self::pubsub::{is_allowed_while_listening, is_listening_only, listening};
pub(crate) use self::replicas::{FOR_EVER, waits_until};
pub(crate) use self::server::refusal_of_modules;
use crate::intake::Intake;
use crate::registry::Client;
use crate::session::{Attention, Session};
use crate::shared::Shared;

/// What a command of the gateway may see and change besides its arguments and its reply.
pub(crate) struct Scope<'a> {
    /// The client that asks.
    pub(crate) session: &'a Session,
    /// Settings, clients, counters, logs, figures of the store.
    pub(crate) shared: &'a Shared,
    /// The worker that serves the client.
    pub(crate) intake: &'a Intake,
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

/// Whether a command of the route `Gateway` concerns the client that asks, and so can be executed by its worker alone.
pub(crate) fn is_about_client(verb: Verb) -> bool {
    match verb {
        Verb::Connection(_) | Verb::Transactions(_) | Verb::Cluster(_) => true,
        Verb::Pubsub(verb) => verb.changes_subscriptions(),
        Verb::Server(verb) => matches!(verb, Server::Monitor | Server::DebugSleep),
        Verb::Users(verb) => verb == Users::Whoami,
        _ => false,
    }
}

/// Answers a request whose row has the route `Gateway`.
pub(crate) fn execute(request: &Request<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Outcome {
    let begin = reply.mark();
    let result = match request.row.verb {
        Verb::Connection(verb) => connection::execute(verb, request, scope, reply),
        Verb::Server(verb) => server::execute(verb, request, scope, reply),
        Verb::Pubsub(verb) => pubsub::execute(verb, request, scope, reply),
        Verb::Users(verb) => users::execute(verb, request, scope, reply),
        Verb::Cluster(verb) => cluster::execute(verb, request, scope, reply),
        Verb::MemcachedServer(verb) => memcached::execute(verb, request, scope, reply),
        Verb::Transactions(_)
        | Verb::Strings(_)
        | Verb::Bitmaps(_)
        | Verb::Hashes(_)
        | Verb::Lists(_)
        | Verb::Sets(_)
        | Verb::Hyperloglog(_)
        | Verb::Streams(_)
        | Verb::SortedSets(_)
        | Verb::Geo(_)
        | Verb::Keyspace(_)
        | Verb::Memcached(_)
        | Verb::Scripting(_)
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
