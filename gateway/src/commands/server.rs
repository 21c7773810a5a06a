//! Commands on the server: the dispatch of the family, and those that need no file of their own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_protocols::limits::DOCS_BYTES_MAX;
use tidegate_protocols::number::integer;
use tidegate_protocols::settings::{Key, Value};
use tidegate_protocols::table::server::Server;
use tidegate_protocols::{Args, Error, Reply, Request, table};

use super::hello::REDIS_VERSION;
use super::{Scope, config, info, latency, memory, no_subcommand, slowlog};

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
        DebugSleep => debug_sleep(args, scope, reply),
        DebugSetActiveExpire => debug_set_active_expire(args, scope, reply),
        Info => info::info(args, scope, reply),
        LatencyDoctor => latency::doctor(scope, reply),
        LatencyGraph => latency::graph(args, scope, reply)?,
        LatencyHistogram => latency::histogram(args, scope, reply),
        LatencyHistory => latency::history(args, scope, reply),
        LatencyLatest => latency::latest(scope, reply),
        LatencyReset => latency::reset(args, scope, reply),
        Lolwut => lolwut(args, reply)?,
        MemoryDoctor => memory::doctor(scope, reply),
        MemoryMallocStats => memory::malloc_stats(scope, reply),
        MemoryPurge => memory::purge(scope, reply),
        MemoryStats => memory::stats(scope, reply),
        Role => role(reply),
        Shutdown => shutdown(args, scope)?,
        SlowlogGet => slowlog::get(args, scope, reply)?,
        SlowlogLen => reply.integer(scope.shared.slow_log.len() as i64),
        SlowlogReset => {
            scope.shared.slow_log.reset();
            reply.ok();
        }
        Time => time(reply),
        CommandHelp | ConfigHelp | DebugHelp | LatencyHelp | MemoryHelp | ObjectHelp | SlowlogHelp => {
            table::help(request.row, reply);
        }
        Config => no_subcommand("config")?,
        Debug => no_subcommand("debug")?,
        Latency => no_subcommand("latency")?,
        Memory => no_subcommand("memory")?,
        Slowlog => no_subcommand("slowlog")?,
    }
    Ok(())
}

/// `DEBUG SLEEP seconds`: holds back this client alone, where Redis stops for everybody. What is no number
/// is 0, as C's `strtod` has it.
fn debug_sleep(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let seconds = std::str::from_utf8(args.at(2)).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    scope.hold(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    reply.ok();
}

/// `DEBUG SET-ACTIVE-EXPIRE 0|1`; what is no number is 0, as C's `atoi` has it.
fn debug_set_active_expire(args: &Args<'_>, scope: &Scope<'_>, reply: &mut Reply<'_>) {
    let on = integer(args.at(2)).is_some_and(|number| number != 0);
    scope.shared.settings.store(Key::ActiveExpire, Value::Number(on.into()));
    reply.ok();
}

/// `LOLWUT [VERSION version]`: a picture of the sea at rest, and who drew it.
fn lolwut(args: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    if args.len() > 2 && args.at(1).eq_ignore_ascii_case(b"version") {
        integer(args.at(2)).ok_or(Error::NotInteger)?;
    }
    let picture = concat!("~ ~~ ~~~~ ~~ ~\n ~~~ ~~ ~~ ~~~\nTidegate ", env!("CARGO_PKG_VERSION"));
    let picture = format!("{picture}, as Redis ver. {REDIS_VERSION}\n");
    reply.verbatim(*b"txt", picture.as_bytes());
    Ok(())
}

/// `ROLE`: a primary at offset 0 without replicas.
fn role(reply: &mut Reply<'_>) {
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(0);
    reply.array(0);
}

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]`: the gateway drains and ends; there is no answer.
fn shutdown(args: &Args<'_>, scope: &Scope<'_>) -> Result<(), Error> {
    let (mut save, mut no_save, mut abort, mut others) = (false, false, false, false);
    for word in args.iter().skip(1) {
        match word.to_ascii_lowercase().as_slice() {
            b"save" => save = true,
            b"nosave" => no_save = true,
            b"abort" => abort = true,
            b"now" | b"force" => others = true,
            _ => return Err(Error::Syntax),
        }
    }
    if (save && no_save) || (abort && (save || no_save || others)) {
        return Err(Error::Syntax);
    }
    if abort {
        return Err(Error::Text("ERR No shutdown in progress."));
    }
    if save {
        return Err(Error::Text("ERR There is nowhere to save to; SHUTDOWN NOSAVE ends the server."));
    }
    tracing::info!(client = scope.client().id, "a client asks for the end");
    scope.shared.request_shutdown();
    Ok(())
}

/// `TIME`: Unix seconds and the microseconds within.
fn time(reply: &mut Reply<'_>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    reply.array(2);
    reply.bulk_integer(now.as_secs() as i64);
    reply.bulk_integer(now.subsec_micros().into());
}
