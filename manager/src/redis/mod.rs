//! In the place of redis-server: its command line and its configuration file.
//!
//! Options are lines of the file in another form, which come after it. What a line says is a setting of ours under the same
//! name ([`directives`]); what has no meaning here is accepted and told of, what cannot be had is refused by name.

mod arguments;
mod directives;
mod rewrite;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;

use tidegate_gateway::REDIS_VERSION;
use tidegate_protocols::settings::{Key, Settings};

use crate::banner::{Addresses, list};
use crate::options::{Manner, NoStart, SAVE, Start};
use arguments::Asked;
use directives::{Directives, Mistake};

pub(crate) use rewrite::rewrite;

/// Bytes of the largest configuration that is read.
const CONFIGURATION_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Where a process in the background writes its number. Source: Redis `CONFIG_DEFAULT_PID_FILE`.
const PIDFILE: &str = "/var/run/redis.pid";

const HELP: &str = "\
Tidegate in the place of redis-server: its configuration file, options and defaults.

Usage: redis-server [/path/to/redis.conf] [options] [-]
       redis-server - (read config from stdin)
       redis-server -v or --version
       redis-server -h or --help

Examples:
       redis-server (run the server with default conf)
       echo 'maxmemory 128mb' | redis-server -
       redis-server /etc/redis/6379.conf
       redis-server --port 7777
       redis-server /etc/myredis.conf --loglevel verbose -
       redis-server /etc/myredis.conf --loglevel verbose
       redis-server --memcached-port 11211 --threads 4 (settings of Tidegate are options, too)

What a directive of Redis does here is what CONFIG GET shows. One that has no meaning here is named in the log and
ignored; one that cannot be had (tls-port, loadmodule, rename-command, sentinel) is refused with the reason.
`tidegate --help` tells what else this program can do.
";

/// Whether the program was started through a link named as a server that it stands in for.
pub(crate) fn is_meant_by(program: Option<&OsString>) -> bool {
    let name = program.and_then(|path| Path::new(path).file_name());
    name.is_some_and(|name| name == "redis-server" || name == "valkey-server")
}

/// Reads redis-server's command line; `arguments` begins with the name of the program.
///
/// # Errors
/// What cannot be understood, in Redis's words, and what `--help` and `--version` ask for.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Start, NoStart> {
    let (file, from_stdin, options) = match arguments::read(arguments)? {
        Asked::Help => return Err(NoStart::Told(HELP.into())),
        Asked::Version => return Err(NoStart::Told(version())),
        Asked::Start { file, from_stdin, options } => (file, from_stdin, options),
    };
    let mut text = String::new();
    if let Some(path) = &file {
        text += &read_file(path)
            .map_err(|reason| fatal(&format!("can't open config file '{}': {reason}", path.display())))?;
    }
    if from_stdin {
        text +=
            &read_all(io::stdin()).map_err(|reason| fatal(&format!("can't read the config: {reason}")))?;
    }
    if let Some(options) = options {
        text.push('\n');
        text += &options;
    }
    let mut start = Start {
        settings: defaults().into(),
        config_file: file.map(|path| fs::canonicalize(&path).unwrap_or(path)),
        manner: Manner::Redis,
        ..Start::default()
    };
    let mut directives = Directives::new(&mut start);
    directives.apply(&text).map_err(|mistake| refusal(&mistake))?;
    directives.finish();
    let settings = &start.settings;
    if settings.is_on(Key::Daemonize) && settings.text(Key::Pidfile).is_empty() {
        settings.set(Key::Pidfile, PIDFILE).expect("any text will do");
    }
    Ok(start)
}

/// What redis-server does when told nothing, but that keys are where `threads` workers reach them.
fn defaults() -> Settings {
    let settings = Settings::default();
    for (key, text) in [
        (Key::MemcachedPort, "0"),
        (Key::AdminPort, "0"),
        (Key::Bind, "* -::*"),
        (Key::LogFormat, "redis"),
        (Key::Save, SAVE),
    ] {
        settings.set(key, text).expect("Redis's defaults are within our ranges");
    }
    settings
}

/// Tells, in lines that tools look for in the log of redis-server, that it serves.
pub(crate) fn announce(settings: &Settings, addresses: &Addresses) {
    let (version, mode) = (env!("CARGO_PKG_VERSION"), settings.is_on(Key::ClusterEnabled));
    let mode = if mode { "cluster" } else { "standalone" };
    let (port, pid) = (addresses.redis.first().map_or(0, SocketAddr::port), process::id());
    tracing::info!(
        "Tidegate {version} in the place of Redis {REDIS_VERSION}: Running in {mode} mode, Port: {port}, PID: {pid}"
    );
    for (name, addresses) in
        [("Memcached", &addresses.memcached[..]), ("Metrics", addresses.admin.as_slice())]
    {
        if !addresses.is_empty() {
            tracing::info!("{name} at {}", list(addresses));
        }
    }
    tracing::info!("Server initialized");
    if !addresses.redis.is_empty() {
        tracing::info!("Ready to accept connections tcp");
    }
    if !settings.text(Key::UnixSocket).is_empty() {
        tracing::info!("Ready to accept connections unix");
    }
}

fn version() -> String {
    format!(
        "Redis server v={REDIS_VERSION} sha=00000000:0 malloc=jemalloc bits={} build=tidegate-{}\n",
        usize::BITS,
        env!("CARGO_PKG_VERSION")
    )
}

fn fatal(reason: &str) -> NoStart {
    NoStart::Refused(format!("Fatal error, {reason}\n"))
}

/// Source: Redis `config.c`, `loadServerConfigFromString`.
fn refusal(Mistake { line_number, line, reason }: &Mistake) -> NoStart {
    NoStart::Refused(format!(
        "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\n\
         Reading the configuration file, at line {line_number}\n>>> '{line}'\n{reason}\n"
    ))
}

/// The whole of a configuration file.
///
/// # Errors
/// Why it cannot be read.
fn read_file(path: &Path) -> Result<String, String> {
    read_all(fs::File::open(path).map_err(|error| arguments::words_of_c(&error))?)
}

fn read_all(from: impl io::Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    from.take(CONFIGURATION_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > CONFIGURATION_BYTES_MAX {
        return Err(format!("it is longer than {CONFIGURATION_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8".into())
}

/// The files that an `include` names: one, or those of a folder that a pattern matches, in their order.
fn included(pattern: &str) -> Vec<PathBuf> {
    let path = Path::new(pattern);
    let name = path.file_name().unwrap_or_default();
    if !name.as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte)) {
        return vec![path.to_owned()];
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_meant = |file: &OsString| {
        use tidegate_protocols::glob::{Case, matches};
        matches(name.as_encoded_bytes(), file.as_encoded_bytes(), Case::Sensitive)
    };
    let names = entries.map(|entry| entry.file_name()).filter(is_meant);
    let mut files: Vec<_> = names.map(|name| folder.join(name)).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests;
