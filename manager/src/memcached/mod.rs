//! In memcached's place: its own flags, accepted, mapped to settings or refused with the reason.
//!
//! One table says of every flag of memcached 1.6.18 what becomes of it; `-h` is printed from it.

mod places;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::styling::Styles;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};
use tidegate_gateway::UnixPlace;
use tidegate_protocols::settings::{Key, Settings};

use crate::options::{Manner, Start};
use crate::{user, users};
use places::places;

/// The variable that names a file of users for `-S`. Source: memcached `sasl_defs.c`.
const SASL_USERS: &str = "MEMCACHED_SASL_PWDB";

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
        "address or host name to listen on, with :port if not -p's; several by commas or repeated (default: all)",
    ),
    Flag('s', "unix-socket", "file", Maps(socket), "file to listen on instead of a port"),
    Flag(
        'a',
        "unix-mask",
        "mask",
        Maps(socket_mode),
        "who may connect to that file, in octal (default: 0700)",
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
    Flag(
        'P',
        "pidfile",
        "file",
        Maps(|start, text| start.settings.set(Key::Pidfile, text)),
        "write the process's number to this file while it runs",
    ),
    Flag(
        'o',
        "extended",
        "list",
        Maps(extended),
        "comma-separated options; idle_timeout=<seconds> has an effect here",
    ),
    Flag('u', "user", "user", Maps(user), "become this user when started as root"),
    Flag(
        'Y',
        "auth-file",
        "file",
        Maps(users_file),
        "at most 8 lines user:password; clients have to say who they are, text ones by a first set, binary ones \
         by SASL PLAIN; read again on SIGHUP",
    ),
    Flag('S', "enable-sasl", "", Maps(sasl), "the same with the file that MEMCACHED_SASL_PWDB names"),
    Flag('B', "protocol", "name", Maps(protocol), "auto, ascii or binary; all of them are always served"),
    Flag('U', "udp-port", "num", Maps(udp_port), "only 0: there is no UDP"),
    Flag(
        'F',
        "disable-flush-all",
        "",
        Maps(|start, _| start.settings.set(Key::MemcachedFlush, "no")),
        "refuse flush_all",
    ),
    Flag(
        'X',
        "disable-dumping",
        "",
        Maps(|start, _| start.settings.set(Key::MemcachedDump, "no")),
        "refuse stats cachedump; there is no metadump",
    ),
    Flag('k', "lock-memory", "", Maps(lock_memory), "keep all memory from being swapped out"),
    Flag('R', "max-reqs-per-event", "num", Idle("workers always take turns among connections"), ""),
    Flag('f', "slab-growth-factor", "num", Idle("there are no slabs"), ""),
    Flag('n', "slab-min-size", "bytes", Idle("there are no slabs"), ""),
    Flag('L', "enable-largepages", "", Idle("the kernel gives huge pages by its own settings"), ""),
    Flag('C', "disable-cas", "", Idle("an item has a CAS number only once one is asked for"), ""),
    Flag('r', "enable-coredumps", "", Idle("the limit for core files is the shell's or systemd's"), ""),
    Flag('W', "disable-watch", "", Idle("there is no watch command"), ""),
    Flag('N', "napi_ids", "num", Idle("connections go to the least loaded worker"), ""),
    Flag(
        'd',
        "daemon",
        "",
        Maps(|start, _| start.settings.set(Key::Daemonize, "yes")),
        "go to the background",
    ),
    Flag('A', "enable-shutdown", "", Refused("clients cannot shut it down; end it with SIGTERM"), ""),
    Flag('D', "stat-delimiter", "char", Refused("there are no statistics by key prefix"), ""),
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

const NOTES: &str = "`tidegate --help` tells what else it can do.";

/// Whether the program was started through a link named `memcached`.
pub(crate) fn is_meant_by(program: Option<&OsString>) -> bool {
    program.and_then(|path| Path::new(path).file_name()).is_some_and(|name| name == "memcached")
}

/// Reads memcached's flags; `arguments` begins with the name of the program.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Start, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    let mut start = Start { settings: Arc::new(defaults()), manner: Manner::Memcached, ..Start::default() };
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
    if start.user.is_none() && user::is_root() {
        start.notes.push("it runs as root, and goes on to: -u USER would give that up".into());
    }
    if !start.listen.is_empty() {
        let words: Vec<_> = start.listen.iter().map(|place| &*place.address).collect();
        start.settings.set(Key::Bind, &words.join(" ")).expect("any text will do");
    }
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

/// One or more addresses or host names, each with a port of its own if it has one.
fn listen(start: &mut Start, list: &str) -> Result<(), String> {
    start.listen.extend(places(list)?);
    Ok(())
}

/// As for memcached, who listens on a file does not on a port.
fn socket(start: &mut Start, path: &str) -> Result<(), String> {
    start.memcached_socket = Some(UnixPlace { path: path.into(), mode: Some(0o700) });
    start.settings.set(Key::MemcachedPort, "0")
}

fn socket_mode(start: &mut Start, text: &str) -> Result<(), String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    let mode = mode.ok_or("permissions in octal are expected, up to 777")?;
    match &mut start.memcached_socket {
        Some(place) => place.mode = Some(mode),
        None => start.notes.push(format!("-a {text} has no effect: there is no -s")),
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

/// Whom to become. As for memcached, only root has anything to give up.
fn user(start: &mut Start, name: &str) -> Result<(), String> {
    if user::is_root() {
        let user = user::named(name).ok_or_else(|| format!("can't find the user {name} to switch to"))?;
        start.user = Some(user);
    } else {
        start.notes.push(format!("-u {name} has no effect: only root can become another user"));
    }
    Ok(())
}

/// The users whom text clients name in their first `set`, and binary ones by SASL.
fn users_file(start: &mut Start, path: &str) -> Result<(), String> {
    let path = PathBuf::from(path);
    start.users = users::read(&path)?;
    start.users_file = Some(path);
    Ok(())
}

/// memcached asks the SASL library, or the file that this variable names where it was built for that.
fn sasl(start: &mut Start, _: &str) -> Result<(), String> {
    match env::var(SASL_USERS) {
        Ok(path) => users_file(start, &path).map_err(|reason| format!("{SASL_USERS}={path}: {reason}")),
        Err(_) if !start.users.is_empty() => Ok(()),
        Err(_) => Err(format!("a file of user:password lines is expected in {SASL_USERS}, or by -Y")),
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
        assert_eq!(&*start.settings.text(Key::Pidfile), "/tmp/x.pid");
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
        let told =
            start.notes.iter().filter(|note| note.contains("no effect") || note.contains("-B")).count();
        assert_eq!(told, 6, "{:?}", start.notes);
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_the_reason() {
        for (line, reason) in [
            ("memcached -s /tmp/s -a 999", "-a 999: permissions in octal"),
            ("memcached -U 11211", "-U 11211: there is no UDP"),
            ("memcached -m lots", "a number of megabytes"),
            ("memcached -m 0", "without memory"),
            ("memcached -t 0", "greater than 0"),
            ("memcached -l 127.0.0.1:http", "no valid port"),
            ("memcached -Y /no/such/file", "-Y /no/such/file: No such file"),
            ("memcached -S", "-S: a file of user:password lines is expected in MEMCACHED_SASL_PWDB"),
            ("memcached -o ext_path=/x:1G", "no external storage"),
            ("memcached -o nonsense", "unknown option 'nonsense'"),
            ("memcached -B telepathy", "auto, ascii or binary"),
            ("memcached -I 10", "between 1024"),
            ("memcached -Q", "-Q"),
        ] {
            let message = refusal(line);
            assert!(message.contains(reason), "{line}: {message}");
        }
    }

    #[test]
    fn the_user_to_become_is_looked_up_by_root_alone() {
        let start = parse("memcached -u no-such-user");
        if user::is_root() {
            assert!(start.unwrap_err().to_string().contains("can't find the user no-such-user to switch to"));
            assert_eq!(parse("memcached -u root").unwrap().user.unwrap().uid.as_raw(), 0);
            assert!(parse("memcached").unwrap().notes[0].contains("-u USER"));
        } else {
            let start = start.unwrap();
            assert!(start.user.is_none() && start.notes[0].contains("no effect"), "{:?}", start.notes);
        }
    }

    #[test]
    fn a_link_named_memcached_is_recognised() {
        assert!(is_meant_by(Some(&"/usr/bin/memcached".into())));
        assert!(!is_meant_by(Some(&"/opt/memcached/tidegate".into())));
        assert!(!is_meant_by(None));
    }
}
