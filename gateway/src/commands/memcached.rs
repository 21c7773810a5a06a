//! Commands of Memcached clients that the gateway answers itself.
//!
//! With a password or users configured, clients have to say who they are: Redis's user `default` or one of the
//! users, binary clients by SASL PLAIN, text ones by a `set` whose value is user and password (memcached's `-Y`).
//! memcached itself offers only one of the two on a port; here the first byte decides, as it does for the protocol.

use tidegate_protocols::acl::DEFAULT_USER;
use tidegate_protocols::memcached::{Answer, Options, Status, VERSION};
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::memcached_server::MemcachedServer;
use tidegate_protocols::{Dialect, Error, Reply, Request};

use super::{Scope, hello, memcached_stats};
use crate::session::Attention;

/// The one mechanism of SASL that is offered.
const MECHANISM: &str = "PLAIN";
/// Opcode of the further steps of a mechanism; PLAIN has none.
const SASL_STEP: u8 = 0x22;

const BYTES_PER_MEGABYTE: u64 = 1024 * 1024;

#[expect(clippy::unnecessary_wraps, reason = "all families have one shape")]
pub(super) fn execute(
    verb: MemcachedServer,
    request: &Request<'_>,
    scope: &Scope<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let mut answer = Answer::new(request, reply);
    match verb {
        MemcachedServer::Answer => answer.status(request.item.status, 0),
        MemcachedServer::Noop => answer.status(Status::MetaNoop, 0),
        MemcachedServer::Version => version(request, &mut answer),
        MemcachedServer::Verbosity => answer.status(Status::Ok, 0),
        MemcachedServer::Stats => memcached_stats::stats(request, scope, &mut answer),
        MemcachedServer::CacheMemlimit => cache_memlimit(request, scope, &mut answer),
        MemcachedServer::Quit if request.dialect == Dialect::MemcachedBinary => answer.status(Status::Ok, 0),
        MemcachedServer::Quit => {}
        MemcachedServer::SaslMechanisms => answer.text(MECHANISM),
        MemcachedServer::SaslAuthenticate => sasl_authenticate(request, scope, &mut answer),
        MemcachedServer::Authenticate => authenticate(request, scope, &mut answer),
    }
    if request.item.has(Options::CLOSE) {
        scope.close();
    }
    Ok(())
}

fn version(request: &Request<'_>, answer: &mut Answer<'_, '_>) {
    if request.dialect == Dialect::MemcachedBinary {
        answer.text(VERSION);
    } else {
        answer.text(&format!("VERSION {VERSION}"));
    }
}

/// `cache_memlimit <megabytes>`: `maxmemory`, which counts all that is allocated.
fn cache_memlimit(request: &Request<'_>, scope: &Scope<'_>, answer: &mut Answer<'_, '_>) {
    let bytes = request.item.delta * BYTES_PER_MEGABYTE;
    let set = scope.shared.settings.set(Key::MaxMemory, &bytes.to_string());
    answer.status(if set.is_ok() { Status::Ok } else { Status::MemlimitNotBytes }, 0);
}

/// PLAIN: whom to act as, who it is and the password, separated by zero bytes. Source: RFC 4616.
fn sasl_authenticate(request: &Request<'_>, scope: &Scope<'_>, answer: &mut Answer<'_, '_>) {
    let mut parts = request.args.at(2).split(|byte| *byte == 0).skip(1);
    let known = request.item.opcode != SASL_STEP
        && request.args.at(1) == MECHANISM.as_bytes()
        && match (parts.next(), parts.next(), parts.next()) {
            (Some(user), Some(password), None) => log_in(request, user, password, scope),
            _ => false,
        };
    if known {
        answer.text("Authenticated");
    } else {
        answer.status(Status::AuthenticationFailure, 0);
    }
}

/// Whether the client is one of the users that memcached's flags name, for whom the rules of `default` hold, or one of
/// those that Redis clients may be.
fn log_in(request: &Request<'_>, user: &[u8], password: &[u8], scope: &Scope<'_>) -> bool {
    let shared = scope.shared;
    if shared.knows_user(user, password) {
        scope.session.put(Attention::Anonymous, false);
        return true;
    }
    // Who names users by memcached's flags does not mean that anybody is the default one.
    let counts = !shared.has_users() || user != DEFAULT_USER || !shared.acl.is_open();
    counts && hello::log_in(&request.args, user, password, scope).is_ok()
}

/// The value of the first `set` of a text client: user and password with blanks between.
fn authenticate(request: &Request<'_>, scope: &Scope<'_>, answer: &mut Answer<'_, '_>) {
    let mut words = request.args.at(1).split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    answer.status(
        match (words.next(), words.next()) {
            (Some(user), Some(password)) if log_in(request, user, password, scope) => Status::Stored,
            (Some(_), Some(_)) => Status::AuthenticationFailure,
            _ => Status::AuthenticationFormat,
        },
        0,
    );
}
