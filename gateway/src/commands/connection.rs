//! Commands on the client's own connection.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::table::connection::Connection;
use tidegate_protocols::table::help;
use tidegate_protocols::{Args, Error, Reply, Request, limits};

use super::{Scope, client, hello, replicas, tracking};

pub(super) fn execute(
    verb: Connection,
    request: &Request<'_>,
    scope: &Scope<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = &request.args;
    match verb {
        Connection::Auth => hello::auth(args, scope, reply)?,
        Connection::Hello => hello::hello(args, scope, reply)?,
        Connection::Ping => ping(args, scope, reply)?,
        Connection::Echo => reply.bulk(args.at(1)),
        Connection::Quit => {
            scope.close();
            reply.ok();
        }
        Connection::Reset => {
            scope.intake.unsubscribe_from_all(scope.session);
            scope.intake.untrack(scope.session);
            scope.session.reset(hello::needs_password(scope), scope.shared.acl.default_user());
            reply.simple("RESET");
        }
        Connection::Select => select(args.fixed(), scope, reply)?,
        Connection::Wait | Connection::Waitaof => replicas::acknowledged(verb, args, scope.now_ms, reply)?,
        Connection::Client => unreachable!("a container resolves to one of its subcommands"),
        Connection::ClientCaching => tracking::caching(args.at(2), scope, reply)?,
        Connection::ClientGetname => client::getname(scope, reply),
        Connection::ClientGetredir => reply.integer(tracking::redirect(scope)),
        Connection::ClientHelp => help(request.row, reply),
        Connection::ClientId => reply.integer(scope.client().id as i64),
        Connection::ClientInfo => client::info(args, scope, reply),
        Connection::ClientKill => client::kill(args, scope, reply)?,
        Connection::ClientList => client::list(args, scope, reply)?,
        Connection::ClientNoEvict => client::no_evict(args.at(2), scope, reply)?,
        Connection::ClientNoTouch => client::no_touch(args.at(2), scope, reply)?,
        Connection::ClientPause => client::pause(args, scope, reply)?,
        Connection::ClientReply => client::reply(args.at(2), scope, reply)?,
        Connection::ClientSetinfo => client::setinfo(args, scope, reply)?,
        Connection::ClientSetname => client::setname(args.at(2), scope, reply)?,
        Connection::ClientTracking => tracking::tracking(args, scope, reply)?,
        Connection::ClientTrackinginfo => tracking::info(scope, reply),
        Connection::ClientUnblock => client::unblock(args, scope, reply)?,
        Connection::ClientUnpause => {
            scope.shared.let_go_on();
            reply.ok();
        }
    }
    Ok(())
}

fn ping(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    match (args.len(), args.get(1)) {
        (1 | 2, message) if super::is_listening_only(scope.session) => {
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(message.unwrap_or_default());
        }
        (1, _) => reply.simple("PONG"),
        (2, Some(message)) => reply.bulk(message),
        _ => return Err(Error::Arity("ping")),
    }
    Ok(())
}

fn select([index]: [&[u8]; 1], scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let index = integer_argument(index)?;
    if i32::try_from(index).is_err() {
        return Err(Error::Text("ERR value is out of range, value must between -2147483648 and 2147483647"));
    }
    if index != 0 && scope.shared.is_cluster() {
        return Err(Error::NotInCluster("SELECT"));
    }
    if !(0..limits::DATABASES as i64).contains(&index) {
        return Err(Error::DatabaseIndex);
    }
    scope.session.select(index as u8);
    reply.ok();
    Ok(())
}
