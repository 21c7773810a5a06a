//! `MONITOR`: every command, as it is executed, a line each.

use std::fmt::Display;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_protocols::resp::quote;
use tidegate_protocols::table::Flags;
use tidegate_protocols::{Error, Reply, Request};

use super::Scope;
use crate::registry::{Address, Client};
use crate::session::Attention;
use crate::timing::is_secret;

/// What it is told within a transaction.
pub(crate) const NO_MONITOR: Error = Error::Text("ERR MONITOR isn't allowed for DENY BLOCKING client");

pub(super) fn monitor(scope: &Scope<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if scope.session.has(Attention::Queueing) {
        return Err(NO_MONITOR);
    }
    if !scope.session.is_monitor.get() {
        scope.intake.monitor(scope.session);
        reply.ok();
    }
    Ok(())
}

/// Tells those who watch of a request that has been executed.
///
/// Source: Redis `replication.c`, `replicationFeedMonitors`; what is for administrators is left out.
#[cold]
pub(crate) fn tell_monitors(request: &Request<'_>, scope: &Scope<'_>) {
    let row = request.row;
    if row.is_redis() && !row.flags.has(Flags::ADMIN) && !row.flags.has(Flags::SKIP_MONITOR) {
        let line = line(request, &shown(scope.client()), scope.session.context().database);
        scope.shared.pubsub.tell_monitors(line, scope.intake.index);
    }
}

/// What those who watch are told of one that a script executes, if they are.
#[cold]
pub(crate) fn line_of_script(request: &Request<'_>, database: u8) -> Option<Vec<u8>> {
    let flags = request.row.flags;
    (!flags.has(Flags::ADMIN) && !flags.has(Flags::SKIP_MONITOR)).then(|| line(request, &"lua", database))
}

/// The same of one that runs a script: before all that this executes.
#[cold]
pub(crate) fn tell_monitors_of_run(request: &Request<'_>, scope: &Scope<'_>) {
    let line = line(request, &shown(scope.client()), scope.session.context().database);
    scope.shared.pubsub.tell_monitors(line, scope.intake.index);
}

fn shown(client: &Client) -> String {
    match &client.address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn line(request: &Request<'_>, client: &dyn Display, database: u8) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let mut line = Vec::with_capacity(64 + request.args.bytes());
    let (seconds, micros) = (now.as_secs(), now.subsec_micros());
    // Writing into a Vec cannot fail.
    let _ = write!(line, "+{seconds}.{micros:06} [{database} {client}]");
    for (at, arg) in request.args.iter().enumerate() {
        line.push(b' ');
        quote(if is_secret(request, at) { b"(redacted)" } else { arg }, &mut line);
    }
    line.extend_from_slice(b"\r\n");
    line
}
