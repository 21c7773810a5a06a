//! In memcached's place: its own flags, accepted, mapped to settings or refused with the reason.
//!
//! One table says of every flag of memcached 1.6.18 what becomes of it; `-h` is printed from it.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::styling::Styles;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};
use tidegate_protocols::settings::{Key, Settings};

use crate::options::Start;

/// What becomes of a flag.
#[derive(Clone, Copy)]
enum Fate {
    /// It changes how the server starts, or says why its value cannot.
    Maps(fn(&mut Start, &str) -> Result<(), String>),
    /// It is accepted; nothing follows from it, for this reason.
    Idle(&'static str),
    /// It cannot be had, for this reason.
    Refused(&'static str),
}

/// One flag: letter, long name, name of its value (empty for none), fate, help.
struct Flag(char, &'static str, &'static str, Fate, &'static str);

use Fate::{Idle, Maps, Refused};

static FLAGS: &[Flag] = &[
    Flag(
        'p',
        "port",
        "num",
        Maps(|start, text| start.settings.set(Key::MemcachedPort, text)),
        "TCP port (default: 11211)",
    ),
    Flag(
        'l',
        "listen",
        "addr",
        Maps(listen),
        "address or host name to listen on; several by commas or repeated (default: all)",
    ),
    Flag('m', "memory-limit", "num", Maps(memory), "memory in megabytes (default: 64)"),
    Flag(
        'M',
        "disable-evictions",
        "",
        Maps(no_evictions),
        "answer an error when memory is full instead of evicting",
    ),
    Flag(
        'c',
        "conn-limit",
        "num",
        Maps(|start, text| start.settings.set(Key::MaxClients, text)),
        "connections (default: 1024)",
    ),
    Flag('t', "threads", "num", Maps(threads), "worker threads (default: 4)"),
    Flag(
        'I',
        "max-item-size",
        "num",
        Maps(item_size),
        "bytes of the largest item, 1k to 1024m (default: 1m)",
    ),
    Flag(
        'b',
        "listen-backlog",
        "num",
        Maps(|start, text| start.settings.set(Key::TcpBacklog, text)),
        "connections that may wait to be accepted (default: 1024)",
    ),
    Flag('v', "verbose", "", Maps(more_verbose), "log more; twice for still more"),
    Flag('P', "pidfile", "file", Maps(pid_file), "write the process's number to this file while it runs"),
    Flag(
        'o',
        "extended",
        "list",
        Maps(extended),
        "comma-separated options; idle_timeout=<seconds> has an effect here",
    ),
    Flag('u', "user", "user", Maps(user), "accepted for the user it is started as"),
    Flag('B', "protocol", "name", Maps(protocol), "auto, ascii or binary; all of them are always served"),
    Flag('U', "udp-port", "num", Maps(udp_port), "only 0: there is no UDP"),
    Flag('k', "lock-memory", "", Maps(lock_memory), "keep all memory from being swapped out"),
    Flag('R', "max-reqs-per-event", "num", Idle("workers always take turns among connections"), ""),
    Flag('f', "slab-growth-factor", "num", Idle("there are no slabs"), ""),
    Flag('n', "slab-min-size", "bytes", Idle("there are no slabs"), ""),
    Flag('L', "enable-largepages", "", Idle("the kernel gives huge pages by its own settings"), ""),
    Flag('C', "disable-cas", "", Idle("an item has a CAS number only once one is asked for"), ""),
    Flag('r', "enable-coredumps", "", Idle("the limit for core files is the shell's or systemd's"), ""),
    Flag('X', "disable-dumping", "", Idle("there is no cachedump or metadump"), ""),
    Flag('W', "disable-watch", "", Idle("there is no watch command"), ""),
    Flag('N', "napi_ids", "num", Idle("connections go to the least loaded worker"), ""),
    Flag(
        'd',
        "daemon",
        "",
        Refused("it stays in the foreground; let systemd or another supervisor keep it"),
        "",
    ),
    Flag('s', "unix-socket", "file", Refused("it listens on TCP only"), ""),
    Flag('a', "unix-mask", "mask", Refused("it listens on TCP only"), ""),
    Flag('A', "enable-shutdown", "", Refused("clients cannot shut it down; end it with SIGTERM"), ""),
    Flag('F', "disable-flush-all", "", Refused("flush_all cannot be disabled yet"), ""),
    Flag('D', "stat-delimiter", "char", Refused("there are no statistics by key prefix"), ""),
    Flag('S', "enable-sasl", "", Refused("start `tidegate --requirepass` for a password"), ""),
    Flag('Y', "auth-file", "file", Refused("start `tidegate --requirepass` for a password"), ""),
    Flag('e', "memory-file", "file", Refused("there is no restartable cache yet"), ""),
    Flag('Z', "enable-ssl", "", Refused("there is no TLS yet"), ""),
    Flag('i', "license", "", Refused("see the file LICENSE: Apache License, version 2.0"), ""),
];

/// Options of `-o` that concern the inside of memcached and have no meaning here; `no_` may stand before each.
const EXTENDED_IDLE: &[&str] = &[
    "maxconns_fast",
    "hashpower",
    "hash_algorithm",
    "hashexpand",
    "tail_repair_time",
    "lru_crawler",
    "lru_crawler_sleep",
    "lru_crawler_tocrawl",
    "lru_maintainer",
    "hot_lru_pct",
    "warm_lru_pct",
    "hot_max_factor",
    "warm_max_factor",
    "temporary_ttl",
    "read_buf_mem_limit",
    "resp_obj_mem_limit",
    "slab_reassign",
    "slab_automove",
    "slab_automove_freeratio",
    "slab_chunk_max",
    "watcher_logbuf_size",
    "worker_logbuf_size",
    "track_sizes",
    "modern",
    "drop_privileges",
];

const NOTES: &str = "\
Unlike memcached it stays in the foreground. `tidegate --help` tells what else it can do.";

/// Whether the program was started through a link named `memcached`.
pub(crate) fn is_meant_by(program: Option<&OsString>) -> bool {
    program.and_then(|path| Path::new(path).file_name()).is_some_and(|name| name == "memcached")
}

/// Reads memcached's flags; `arguments` begins with the name of the program.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Start, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    let mut start = Start { settings: Arc::new(defaults()), is_memcached: true, ..Start::default() };
    for &Flag(letter, long, value, fate, _) in FLAGS {
        let texts: Vec<String> = match value {
            "" => std::iter::repeat_n(String::new(), usize::from(matches.get_count(long))).collect(),
            _ => matches.get_many(long).into_iter().flatten().cloned().collect(),
        };
        for text in &texts {
            let applied = match fate {
                Maps(map) => map(&mut start, text),
                Refused(reason) => Err(reason.into()),
                Idle(reason) => {
                    start.notes.push(format!("-{letter} has no effect: {reason}"));
                    Ok(())
                }
            };
            applied.map_err(|reason| {
                let flag = format!("-{letter} {text}");
                command.error(ErrorKind::ValueValidation, format!("{}: {reason}", flag.trim_end()))
            })?;
        }
    }
    if start.listen.is_empty() {
        return Ok(start);
    }
    start
        .settings
        .set(Key::Bind, &start.listen.join(" "))
        .map_err(|reason| command.error(ErrorKind::ValueValidation, reason))?;
    Ok(start)
}

/// What memcached does when told nothing.
fn defaults() -> Settings {
    let settings = Settings::default();
    for (key, text) in [
        (Key::Port, "0"),
        (Key::AdminPort, "0"),
        (Key::Bind, "* -::*"),
        (Key::ProtectedMode, "no"),
        (Key::MaxMemory, "64mb"),
        (Key::MaxMemoryPolicy, "allkeys-lru"),
        (Key::Threads, "4"),
        (Key::MaxClients, "1024"),
        (Key::TcpBacklog, "1024"),
    ] {
        settings.set(key, text).expect("memcached's defaults are within our ranges");
    }
    settings
}

fn command() -> Command {
    let version = concat!("1.6.18 (tidegate ", env!("CARGO_PKG_VERSION"), ")");
    let mut command = Command::new("memcached")
        .about("Tidegate in memcached's place: memcached's flags, ports and defaults.")
        .version(version)
        .after_help(NOTES)
        .styles(Styles::plain())
        .term_width(110);
    for (place, &Flag(letter, long, value, fate, help)) in FLAGS.iter().enumerate() {
        let help = match fate {
            Maps(_) => help.to_owned(),
            Idle(reason) => format!("without effect: {reason}"),
            Refused(reason) => format!("refused: {reason}"),
        };
        let arg = Arg::new(long).short(letter).long(long).help(help).display_order(place);
        command = command.arg(match value {
            "" => arg.action(ArgAction::Count),
            _ => arg.value_name(value).action(ArgAction::Append).allow_hyphen_values(true),
        });
    }
    command
}

/// One or more addresses or host names by commas; memcached also takes `address:port`, here one port
/// serves all.
fn listen(start: &mut Start, text: &str) -> Result<(), String> {
    for address in text.split(',').map(str::trim) {
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        if bare == "*" || bare == "localhost" || bare.parse::<IpAddr>().is_ok() {
            start.listen.push(bare.into());
        } else if bare.is_empty() || bare.contains(':') {
            return Err(format!("'{address}' is no address (a port is given by -p)"));
        } else {
            let found = (bare, 0).to_socket_addrs();
            let found = found.map_err(|error| format!("'{address}' is no address of a host: {error}"))?;
            start.listen.extend(found.map(|address| address.ip().to_string()));
        }
    }
    Ok(())
}

/// Megabytes, as a plain number.
fn memory(start: &mut Start, text: &str) -> Result<(), String> {
    match text.parse::<u32>() {
        Ok(0) => Err("a cache without memory stores nothing".into()),
        Ok(mib) => start.settings.set(Key::MaxMemory, &format!("{mib}mb")),
        Err(_) => Err("a number of megabytes is expected".into()),
    }
}

fn threads(start: &mut Start, text: &str) -> Result<(), String> {
    if text == "0" {
        return Err("number of threads must be greater than 0".into());
    }
    start.settings.set(Key::Threads, text)
}

fn no_evictions(start: &mut Start, _: &str) -> Result<(), String> {
    start.settings.set(Key::MemcachedErrorOnFull, "yes")?;
    start.settings.set(Key::MaxMemoryPolicy, "noeviction")
}

/// Bytes, with `k` or `m` for powers of 1024 (unlike the sizes of Redis).
fn item_size(start: &mut Start, text: &str) -> Result<(), String> {
    let binary = match text.to_ascii_lowercase() {
        text if text.ends_with(['k', 'm', 'g']) => text + "b",
        text => text,
    };
    start.settings.set(Key::MemcachedItemSizeMax, &binary)
}

/// Once `verbose`, twice `debug`.
fn more_verbose(start: &mut Start, _: &str) -> Result<(), String> {
    let next = if start.settings.show(Key::LogLevel) == "notice" { "verbose" } else { "debug" };
    start.settings.set(Key::LogLevel, next)
}

#[expect(clippy::unnecessary_wraps, reason = "the form of every flag that maps")]
fn pid_file(start: &mut Start, path: &str) -> Result<(), String> {
    start.pid_file = Some(PathBuf::from(path));
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the form of every flag that maps")]
fn lock_memory(start: &mut Start, _: &str) -> Result<(), String> {
    start.lock_memory = true;
    Ok(())
}

fn extended(start: &mut Start, options: &str) -> Result<(), String> {
    for option in options.split(',') {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let idle = EXTENDED_IDLE.contains(&name.strip_prefix("no_").unwrap_or(name));
        match name {
            "idle_timeout" => start.settings.set(Key::Timeout, value)?,
            _ if idle => {
                start.notes.push(format!("-o {name} has no effect: it concerns the inside of memcached"));
            }
            _ if name.starts_with("ext_") => return Err("there is no external storage".into()),
            _ if name.starts_with("ssl_") => return Err("there is no TLS yet".into()),
            _ => return Err(format!("unknown option '{name}'")),
        }
    }
    Ok(())
}

/// memcached gives up root for this user; here the user must be the right one from the start.
fn user(_: &mut Start, wanted: &str) -> Result<(), String> {
    let own = rustix::process::geteuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let known =
        fields.filter(|fields| fields.len() > 2).find(|fields| fields[0] == wanted || fields[2] == wanted);
    match known {
        None => Err(format!("can't find the user {wanted} to switch to")),
        Some(fields) if fields[2] == own => Ok(()),
        Some(_) => Err("it does not change its user; start it as that one (systemd: User=)".into()),
    }
}

fn protocol(start: &mut Start, name: &str) -> Result<(), String> {
    match name {
        "auto" | "negotiating" => Ok(()),
        "ascii" | "binary" => {
            start.notes.push(format!("-B {name}: the port serves text, meta and binary alike"));
            Ok(())
        }
        _ => Err("auto, ascii or binary is expected".into()),
    }
}

fn udp_port(_: &mut Start, port: &str) -> Result<(), String> {
    if port == "0" { Ok(()) } else { Err("there is no UDP; only 0 is accepted".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Start, clap::Error> {
        super::parse(line.split_whitespace().map(OsString::from))
    }

    fn refusal(line: &str) -> String {
        parse(line).unwrap_err().to_string()
    }

    #[test]
    fn the_definition_of_the_flags_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn without_flags_it_starts_as_memcached_does() {
        let start = parse("memcached").unwrap();
        let show = |key| start.settings.show(key);
        assert_eq!(show(Key::MemcachedPort), "11211");
        assert_eq!(show(Key::Port), "0");
        assert_eq!(show(Key::Bind), "* -::*");
        assert_eq!(show(Key::MaxMemory), (64 << 20).to_string());
        assert_eq!(show(Key::MaxMemoryPolicy), "allkeys-lru");
        assert_eq!((show(Key::Threads), show(Key::MaxClients)), ("4".into(), "1024".into()));
    }

    #[test]
    fn the_flags_of_a_distribution_are_understood() {
        let start =
            parse("memcached -vv -m128 -p 11311 -c 99 -t 2 -I 2m -l 127.0.0.1 -l ::1 -U 0 -P /tmp/x.pid")
                .unwrap();
        let show = |key| start.settings.show(key);
        assert_eq!(show(Key::LogLevel), "debug");
        assert_eq!(show(Key::MaxMemory), (128 << 20).to_string());
        assert_eq!((show(Key::MemcachedPort), show(Key::MaxClients)), ("11311".into(), "99".into()));
        assert_eq!(show(Key::MemcachedItemSizeMax), (2 << 20).to_string());
        assert_eq!(show(Key::Bind), "127.0.0.1 ::1");
        assert_eq!(start.pid_file, Some(PathBuf::from("/tmp/x.pid")));
    }

    #[test]
    fn long_names_do_as_letters_do() {
        let start = parse("memcached --port=1 --memory-limit 8 --disable-evictions --lock-memory").unwrap();
        assert_eq!(start.settings.show(Key::MemcachedPort), "1");
        assert_eq!(start.settings.show(Key::MaxMemoryPolicy), "noeviction");
        assert_eq!(start.settings.show(Key::MemcachedErrorOnFull), "yes");
        assert!(start.lock_memory);
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let start =
            parse("memcached -o modern,no_lru_crawler,hashpower=20,idle_timeout=5 -R 40 -C -B binary")
                .unwrap();
        assert_eq!(start.settings.show(Key::Timeout), "5");
        assert_eq!(start.notes.len(), 6, "{:?}", start.notes);
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_the_reason() {
        for (line, reason) in [
            ("memcached -d", "-d: it stays in the foreground"),
            ("memcached -s /tmp/s", "-s /tmp/s: it listens on TCP only"),
            ("memcached -U 11211", "-U 11211: there is no UDP"),
            ("memcached -m lots", "a number of megabytes"),
            ("memcached -m 0", "without memory"),
            ("memcached -t 0", "greater than 0"),
            ("memcached -l 127.0.0.1:5", "a port is given by -p"),
            ("memcached -o ext_path=/x:1G", "no external storage"),
            ("memcached -o nonsense", "unknown option 'nonsense'"),
            ("memcached -u no-such-user", "can't find the user no-such-user"),
            ("memcached -B telepathy", "auto, ascii or binary"),
            ("memcached -I 10", "between 1024"),
            ("memcached -Q", "-Q"),
        ] {
            let message = refusal(line);
            assert!(message.contains(reason), "{line}: {message}");
        }
    }

    #[test]
    fn a_link_named_memcached_is_recognised() {
        assert!(is_meant_by(Some(&"/usr/bin/memcached".into())));
        assert!(!is_meant_by(Some(&"/opt/memcached/tidegate".into())));
        assert!(!is_meant_by(None));
    }
}
