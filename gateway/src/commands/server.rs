//! Commands on the server: the dispatch of the family, and those that need no file of their own.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_protocols::limits::DOCS_BYTES_MAX;
use tidegate_protocols::number::integer_argument;
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::server::Server;
use tidegate_protocols::table::{Row, Verb};
use tidegate_protocols::{Args, Error, Reply, Request, table};

use super::hello::REDIS_VERSION;
use super::{Scope, config, debug, info, latency, memory, replicas, slowlog};

/// The error for what loads or unloads modules, also where commands are queued.
pub(crate) fn refusal_of_modules(row: &Row) -> Option<Error> {
    let is_refused =
        matches!(row.verb, Verb::Server(Server::ModuleLoad | Server::ModuleLoadex | Server::ModuleUnload));
    is_refused.then_some(Error::Text(NO_MODULES))
}

/// What a Redis says whose `enable-module-command` is `no`, which it is here for good.
const NO_MODULES: &str = "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can \
    run it from a local connection, otherwise you need to set this option in the configuration file, and then restart \
    the server.";

pub(super) fn execute(
    verb: Server,
    request: &Request<'_>,
    scope: &Scope<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    use Server::*;
    let args = &request.args;
    match verb {
        Command => table::info_of_all(reply),
        CommandCount => table::count(reply),
        CommandDocs if args.len() == 2 => table::docs_of_all(reply),
        CommandDocs => table::docs_of(&args.from(2), DOCS_BYTES_MAX, reply)?,
        CommandGetkeys => table::get_keys(&args.from(2), reply)?,
        CommandGetkeysandflags => table::get_keys_and_flags(&args.from(2), reply)?,
        CommandInfo if args.len() == 2 => table::info_of_all(reply),
        CommandInfo => table::info_of(&args.from(2), DOCS_BYTES_MAX, reply)?,
        CommandList => table::list(&args.from(2), reply)?,
        ConfigGet => config::get(args, scope, reply),
        ConfigSet => config::set(args, scope, reply)?,
        ConfigResetstat => {
            scope.shared.reset_statistics();
            reply.ok();
        }
        ConfigRewrite => config::rewrite(scope, reply)?,
        DebugError => return Err(Error::Composed(args.at(2).into())),
        Failover => replicas::failover(args, scope)?,
        DebugLog => debug::log(args, reply),
        DebugProtocol => debug::protocol(args, reply)?,
        DebugPauseCron => reply.ok(),
        DebugQuicklistPackedThreshold => debug::packed_threshold(args, reply)?,
        DebugSetActiveExpire => debug::set_active_expire(args, scope, reply),
        DebugSetDisableDenyScripts => debug::set_disable_deny_scripts(args, scope, reply),
        DebugSleep => debug::sleep(args, scope, reply),
        Info => info::info(args, scope, reply),
        Lastsave => reply.integer(last_save_s(scope)),
        LatencyDoctor => latency::doctor(scope, reply),
        LatencyGraph => latency::graph(args, scope, reply)?,
        LatencyHistogram => latency::histogram(args, scope, reply),
        LatencyHistory => latency::history(args, scope, reply),
        LatencyLatest => latency::latest(scope, reply),
        LatencyReset => latency::reset(args, scope, reply),
        Monitor => super::monitor::monitor(scope, reply)?,
        Lolwut => lolwut(args, reply)?,
        MemoryDoctor => memory::doctor(scope, reply),
        MemoryMallocStats => memory::malloc_stats(scope, reply),
        MemoryPurge => memory::purge(scope, reply),
        MemoryStats => memory::stats(scope, reply),
        ModuleList => reply.array(0),
        ModuleLoad | ModuleLoadex | ModuleUnload => return Err(Error::Text(NO_MODULES)),
        Replicaof | Slaveof => replicas::replicate(args, scope, reply)?,
        Role => role(reply),
        Shutdown => shutdown(args, scope)?,
        SlowlogGet => slowlog::get(args, scope, reply)?,
        SlowlogLen => reply.integer(scope.shared.slow_log.len() as i64),
        SlowlogReset => {
            scope.shared.slow_log.reset();
            reply.ok();
        }
        Time => time(reply),
        CommandHelp | ConfigHelp | DebugHelp | LatencyHelp | MemoryHelp | ModuleHelp | ObjectHelp
        | SlowlogHelp | XgroupHelp | XinfoHelp => {
            table::help(request.row, reply);
        }
        Config | Debug | Latency | Memory | Module | Slowlog => {
            unreachable!("a container resolves to one of its subcommands")
        }
    }
    Ok(())
}

/// `LOLWUT [VERSION version]`: a picture of the sea at rest, and who drew it.
fn lolwut(args: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if args.len() > 2 && args.at(1).eq_ignore_ascii_case(b"version") {
        integer_argument(args.at(2))?;
    }
    let picture = concat!("~ ~~ ~~~~ ~~ ~\n ~~~ ~~ ~~ ~~~\nTidegate ", env!("CARGO_PKG_VERSION"));
    let picture = format!("{picture}, as Redis ver. {REDIS_VERSION}\n");
    reply.verbatim(*b"txt", picture.as_bytes());
    Ok(())
}

/// When the data was saved last, in Unix seconds, or the start.
pub(super) fn last_save_s(scope: &Scope<'_>) -> i64 {
    match scope.shared.figures().persistence.last_save_s {
        0 => (scope.shared.started_ms / 1000) as i64,
        saved_s => saved_s as i64,
    }
}

/// `ROLE`: a primary at offset 0 without replicas.
fn role(reply: &mut Reply<'_>) {
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(0);
    reply.array(0);
}

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]`: everything is saved if it is to be, and if it can be, then the gateway
/// drains and ends; there is no answer.
fn shutdown(args: &Args<'_>, scope: &Scope<'_>) -> Result<(), Error> {
    let (mut save, mut no_save, mut abort, mut now, mut force) = (false, false, false, false, false);
    for word in args.iter().skip(1) {
        match word.to_ascii_lowercase().as_slice() {
            b"save" => save = true,
            b"nosave" => no_save = true,
            b"abort" => abort = true,
            b"now" => now = true,
            b"force" => force = true,
            _ => return Err(Error::Syntax),
        }
    }
    if (save && no_save) || (abort && (save || no_save || now || force)) {
        return Err(Error::Syntax);
    }
    if abort {
        return Err(Error::Text("ERR No shutdown in progress."));
    }
    tracing::info!(client = scope.client().id, "a client asks for the end");
    let shared = scope.shared;
    let is_loading = shared.figures().persistence.loading > 0;
    let saves = !is_loading && !no_save && (save || !shared.settings.save_points().is_empty());
    if saves && let Err(reason) = shared.save() {
        tracing::warn!("cannot save before the end: {reason}");
        if !force {
            return Err(Error::Text("ERR Errors trying to SHUTDOWN. Check logs."));
        }
    }
    if no_save {
        // Not the shards either, which are told of it.
        shared.settings.set(Key::Save, "").map_err(|reason| Error::Composed(reason.into_bytes().into()))?;
    }
    shared.request_shutdown(saves);
    Ok(())
}

/// `TIME`: Unix seconds and the microseconds within.
fn time(reply: &mut Reply<'_>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    reply.array(2);
    reply.bulk_integer(now.as_secs() as i64);
    reply.bulk_integer(now.subsec_micros().into());
}
