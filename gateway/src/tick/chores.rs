//! The gateway's own commands that concern the stores of shards: some need what shards tell first, others are passed on
//! to all of them.

use tidegate_protocols::data::{Chore, Outcome, Prepared, Worker};
use tidegate_protocols::link::{self, Ask, Said};
use tidegate_protocols::messages::Kind;
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::Route;
use tidegate_protocols::table::connection::Connection;
use tidegate_protocols::table::memcached_server::MemcachedServer;
use tidegate_protocols::table::pubsub::Pubsub;
use tidegate_protocols::table::server::Server;
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Reply, Request, Row, Verb, Words};

use super::later::Special;
use super::{Tick, blocked};
use crate::batch::Decoded;
use crate::decoder::Family;
use crate::intake::Intake;

impl<W: Worker> Tick<W> {
    /// Executes one of the gateway's own commands, where the stores are elsewhere.
    #[cold]
    pub(super) fn execute_with_chores(&mut self, row: &'static Row, decoded: &Decoded) -> Outcome {
        let dialect = match self.connection().family {
            Family::Redis => self.connection().session.dialect(),
            Family::Memcached | Family::Link => decoded.dialect,
        };
        if tells_figures(row.verb)
            && let Outcome::Later(ticket) = self.data.see_to(Chore::Figures)
        {
            let mut frame = Vec::new();
            let request = self.batch.request(decoded, row, dialect);
            let encoded = link::encode(&mut frame, &request, &Ask::default());
            debug_assert!(encoded.is_ok(), "a few words fit in a frame");
            self.await_answer(ticket, row, Some(Special::Before(frame)));
            return Outcome::Later(ticket);
        }
        let mark = self.output.len();
        let outcome = self.execute(row, decoded, Prepared::default());
        if outcome == Outcome::Done
            && let Outcome::Later(ticket) = listen(&mut self.data, &self.batch.request(decoded, row, dialect))
        {
            let reply = self.output.split_off(mark);
            self.await_answer(ticket, row, Some(Special::AfterAll(reply)));
            // Messages follow it.
            self.connection().pipeline.borrow_mut().bar();
            return Outcome::Later(ticket);
        }
        if outcome == Outcome::Done
            && let Outcome::Later(ticket) = follow(&mut self.data, &self.intake)
        {
            let reply = self.output.split_off(mark);
            self.await_answer(ticket, row, Some(Special::AfterAll(reply)));
            return Outcome::Later(ticket);
        }
        if outcome == Outcome::Done
            && let Outcome::Later(ticket) =
                pass_on_changes(&mut self.data, &self.batch.request(decoded, row, dialect))
        {
            let reply = self.output.split_off(mark);
            self.await_answer(ticket, row, Some(Special::After(reply)));
            return Outcome::Later(ticket);
        }
        outcome
    }
}

/// Has what is said elsewhere come here, if this request is to listen to it.
fn listen<W: Worker>(data: &mut W, request: &Request<'_>) -> Outcome {
    match request.row.verb {
        Verb::Pubsub(Pubsub::Subscribe) => data.listen(Kind::Channel, &request.args.from(1)),
        Verb::Pubsub(Pubsub::Psubscribe) => data.listen(Kind::Pattern, &request.args.from(1)),
        Verb::Pubsub(Pubsub::Ssubscribe) => data.listen(Kind::Shard, &request.args.from(1)),
        Verb::Server(Server::Monitor) => data.listen(Kind::Scripts, &Words::new(&[b""]).args()),
        _ => Outcome::Done,
    }
}

/// Has changes of keys told that clients have begun to follow.
pub(super) fn follow<W: Worker>(data: &mut W, intake: &Intake) -> Outcome {
    if intake.followed.borrow().is_empty() {
        return Outcome::Done;
    }
    let prefixes = intake.followed.take();
    data.follow(&prefixes.iter().map(|prefix| &**prefix).collect::<Vec<_>>())
}

/// Has clients of other gateways hear what is published.
pub(super) fn say<W: Worker>(data: &mut W, verb: Pubsub, request: &Request<'_>, at_once: bool) -> Outcome {
    let kind = match verb {
        Pubsub::Publish => Kind::Channel,
        Pubsub::Spublish => Kind::Shard,
        _ => return Outcome::Done,
    };
    let [channel, payload] = request.args.fixed();
    data.say(&Said { kind, channel, payload }, at_once)
}

/// Tells shards what a request has changed that concerns them.
fn pass_on_changes<W: Worker>(data: &mut W, request: &Request<'_>) -> Outcome {
    let keys = changed_settings(request);
    match request.row.verb {
        Verb::Server(Server::ConfigResetstat) => data.see_to(Chore::ResetFigures),
        Verb::MemcachedServer(MemcachedServer::Stats) if request.args.get(1) == Some(b"reset") => {
            data.see_to(Chore::ResetFigures)
        }
        Verb::Server(Server::MemoryPurge) => data.see_to(Chore::Purge),
        _ if keys.is_empty() => Outcome::Done,
        _ => data.see_to(Chore::Configure(&keys)),
    }
}

/// The same for all requests of the gateway's own among these frames, which have been executed. Nobody waits for what
/// shards say.
pub(super) fn pass_on_all<W: Worker>(data: &mut W, frames: &[u8]) {
    let mut requests = Requests::new(frames);
    while let Some(request) = requests.next_request() {
        if request.row.verb == Verb::Connection(Connection::ClientUnblock) {
            let _ =
                blocked::unblock_elsewhere(&request, data, &mut Reply::new(&mut Vec::new(), request.dialect));
        } else if request.row.route == Route::Gateway {
            let _ = match request.row.verb {
                Verb::Pubsub(verb) => {
                    let _ = say(data, verb, &request, true);
                    listen(data, &request)
                }
                _ => pass_on_changes(data, &request),
            };
        }
    }
}

/// Whether the reply has figures of the store in it.
fn tells_figures(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Server(Server::Info | Server::Lastsave | Server::MemoryStats | Server::MemoryDoctor)
            | Verb::MemcachedServer(MemcachedServer::Stats)
    )
}

fn has_word(request: &Request<'_>, word: &[u8]) -> bool {
    request.args.iter().skip(1).any(|other| other.eq_ignore_ascii_case(word))
}

/// The settings that a request has changed.
fn changed_settings(request: &Request<'_>) -> Vec<Key> {
    match request.row.verb {
        Verb::Server(Server::ConfigSet) => {
            request.args.iter().skip(2).step_by(2).filter_map(Key::named).collect()
        }
        Verb::Server(Server::Shutdown) if has_word(request, b"nosave") => vec![Key::Save],
        Verb::Server(Server::DebugSetActiveExpire) => vec![Key::ActiveExpire],
        Verb::Server(Server::DebugSetDisableDenyScripts) => vec![Key::DenyInScripts],
        Verb::Connection(Connection::ClientPause | Connection::ClientUnpause) => vec![Key::PausedUntil],
        Verb::MemcachedServer(MemcachedServer::CacheMemlimit) => vec![Key::MaxMemory],
        _ => Vec::new(),
    }
}
