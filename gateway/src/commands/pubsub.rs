//! Commands that listen, that send to who listens, and that ask who does.

use std::rc::Rc;

use tidegate_protocols::limits::REPLY_BYTES_MAX;
use tidegate_protocols::link::Said;
use tidegate_protocols::table::connection::Connection;
use tidegate_protocols::table::help;
use tidegate_protocols::table::pubsub::Pubsub;
use tidegate_protocols::{Args, Dialect, Error, Reply, Request, Row, Verb};

use super::Scope;
use crate::pubsub::Kind;
use crate::session::{Attention, Session};

pub(super) fn execute(
    verb: Pubsub,
    request: &Request<'_>,
    scope: &Scope<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = &request.args;
    match verb {
        Pubsub::Subscribe => subscribe(Kind::Channel, args, scope, reply),
        Pubsub::Psubscribe => subscribe(Kind::Pattern, args, scope, reply),
        Pubsub::Ssubscribe => subscribe(Kind::Shard, args, scope, reply),
        Pubsub::Unsubscribe => unsubscribe(Kind::Channel, args, scope, reply)?,
        Pubsub::Punsubscribe => unsubscribe(Kind::Pattern, args, scope, reply)?,
        Pubsub::Sunsubscribe => unsubscribe(Kind::Shard, args, scope, reply)?,
        Pubsub::Publish => publish(Kind::Channel, args.fixed(), scope, reply),
        Pubsub::Spublish => publish(Kind::Shard, args.fixed(), scope, reply),
        Pubsub::Container => unreachable!("a container resolves to one of its subcommands"),
        Pubsub::Help => help(request.row, reply),
        Pubsub::Channels => channels(Kind::Channel, args, scope, reply)?,
        Pubsub::Shardchannels => channels(Kind::Shard, args, scope, reply)?,
        Pubsub::Numpat => reply.integer(scope.shared.pubsub.pattern_count() as i64),
        Pubsub::Numsub => listeners(Kind::Channel, &args.from(2), scope, reply)?,
        Pubsub::Shardnumsub => listeners(Kind::Shard, &args.from(2), scope, reply)?,
    }
    Ok(())
}

/// Words of the messages that answer, by kind.
const fn words(kind: Kind) -> [&'static [u8]; 2] {
    match kind {
        Kind::Channel => [b"subscribe", b"unsubscribe"],
        Kind::Pattern => [b"psubscribe", b"punsubscribe"],
        Kind::Shard => [b"ssubscribe", b"sunsubscribe"],
        // Only gateways listen to those, and are told nothing of it.
        Kind::Scripts => [b"", b""],
    }
}

fn subscribe(kind: Kind, args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let [word, _] = words(kind);
    for name in args.iter().skip(1) {
        scope.intake.subscribe(scope.session, kind, name);
        tell(word, Some(name), kind, scope, reply);
    }
}

fn unsubscribe(kind: Kind, args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (begin, [_, word]) = (reply.mark(), words(kind));
    for name in args.iter().skip(1) {
        scope.intake.unsubscribe(scope.session, kind, name);
        tell(word, Some(name), kind, scope, reply);
        reply.check_since(begin, REPLY_BYTES_MAX)?;
    }
    if args.len() > 1 {
        return Ok(());
    }
    let all: Vec<Rc<[u8]>> = scope.session.subscriptions.borrow().of(kind).map(Rc::clone).collect();
    for name in &all {
        scope.intake.unsubscribe(scope.session, kind, name);
        tell(word, Some(name), kind, scope, reply);
    }
    if all.is_empty() {
        tell(word, None, kind, scope, reply);
    }
    Ok(())
}

/// Says what the client listens to, or does no more, and to how many things it listens now.
fn tell(word: &[u8], name: Option<&[u8]>, kind: Kind, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(scope.session.subscriptions.borrow().count(kind) as i64);
}

fn publish(kind: Kind, [channel, message]: [&[u8]; 2], scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let said = Said { kind, channel, payload: message };
    let receivers = scope.shared.pubsub.publish(&said, scope.intake.index, None);
    reply.integer(receivers as i64);
}

fn channels(kind: Kind, args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::wrong_subcommand("PUBSUB", args.at(1)));
    }
    let (begin, names) = (reply.mark(), scope.shared.pubsub.channels(kind, args.get(2)));
    reply.array(names.len());
    for name in names {
        reply.bulk(&name);
        reply.check_since(begin, REPLY_BYTES_MAX)?;
    }
    Ok(())
}

fn listeners(kind: Kind, names: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let begin = reply.mark();
    reply.array(names.len() * 2);
    for name in names.iter() {
        reply.bulk(name);
        reply.integer(scope.shared.pubsub.listeners(kind, name) as i64);
        reply.check_since(begin, REPLY_BYTES_MAX)?;
    }
    Ok(())
}

/// Whether a client that listens may send this while it speaks RESP2. Source: Redis `server.c`, `processCommand`.
pub(crate) fn is_allowed_while_listening(row: &Row) -> bool {
    match row.verb {
        Verb::Pubsub(verb) => verb.changes_subscriptions(),
        Verb::Connection(verb) => {
            matches!(verb, Connection::Ping | Connection::Quit | Connection::Reset)
        }
        _ => false,
    }
}

/// What it is told if not.
pub(crate) fn listening(row: &Row) -> Error {
    let after = "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    Error::quoting("ERR Can't execute '", row.name.to_ascii_lowercase().as_bytes(), after)
}

/// Whether a client listens to anything and speaks RESP2, so that all it is told should be messages.
pub(crate) fn is_listening_only(session: &Session) -> bool {
    session.has(Attention::Listens)
        && session.dialect() == Dialect::Resp2
        && !session.subscriptions.borrow().is_empty()
}
