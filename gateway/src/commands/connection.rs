//! Commands on the client's own connection.

use tidegate_protocols::number::integer;
use tidegate_protocols::table::connection::Connection;
use tidegate_protocols::{Error, Reply, Request, limits};

use super::{Scope, client, hello};

pub(super) fn execute(
    verb: Connection,
    request: &Request<'_>,
    scope: &Scope<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = &request.args;
    match verb {
        Connection::Auth => hello::auth(args, scope, reply),
        Connection::Hello => hello::hello(args, scope, reply),
        Connection::Ping => ping(request, reply),
        Connection::Echo => {
            let [message] = args.fixed();
            reply.bulk(message);
            Ok(())
        }
        Connection::Quit => {
            scope.close();
            reply.ok();
            Ok(())
        }
        Connection::Reset => {
            scope.session.reset(hello::needs_password(scope));
            reply.simple("RESET");
            Ok(())
        }
        Connection::Select => select(args.fixed(), scope, reply),
        Connection::Client => super::no_subcommand("client"),
        Connection::ClientCaching => client::caching(args, reply),
        Connection::ClientGetname => client::getname(scope, reply),
        Connection::ClientGetredir => {
            reply.integer(-1);
            Ok(())
        }
        Connection::ClientHelp => client::help(reply),
        Connection::ClientId => {
            reply.integer(scope.client().id as i64);
            Ok(())
        }
        Connection::ClientInfo => client::info(scope, reply),
        Connection::ClientKill => client::kill(args, scope, reply),
        Connection::ClientList => client::list(args, scope, reply),
        Connection::ClientNoEvict => client::no_evict(args.at(2), scope, reply),
        Connection::ClientNoTouch => client::no_touch(args.at(2), scope, reply),
        Connection::ClientPause => client::pause(args, scope, reply),
        Connection::ClientReply => client::reply(args.at(2), scope, reply),
        Connection::ClientSetinfo => client::setinfo(args, scope, reply),
        Connection::ClientSetname => client::setname(args.at(2), scope, reply),
        Connection::ClientTracking => client::tracking(args, reply),
        Connection::ClientTrackinginfo => client::trackinginfo(reply),
        Connection::ClientUnblock => client::unblock(args, reply),
        Connection::ClientUnpause => {
            scope.shared.pause.end();
            reply.ok();
            Ok(())
        }
    }
}

fn ping(request: &Request<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    match (request.args.len(), request.args.get(1)) {
        (1, _) => reply.simple("PONG"),
        (2, Some(message)) => reply.bulk(message),
        _ => return Err(Error::Arity("ping")),
    }
    Ok(())
}

fn select([index]: [&[u8]; 1], scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let index = integer(index).ok_or(Error::NotInteger)?;
    if !(0..limits::DATABASES as i64).contains(&index) {
        return Err(Error::DatabaseIndex);
    }
    scope.session.select(index as u8);
    reply.ok();
    Ok(())
}
