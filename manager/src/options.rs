//! What `tidegate` is started with: flags over the configuration file over defaults.
//!
//! Every setting is a flag and a key of the file under the same name, both made from the rows of
//! [`tidegate_protocols::settings`], so neither can say what the other cannot.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, process};

use clap::builder::styling::Styles;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use tidegate_gateway::{Holding, LinkPlace, Membership, UnixPlace, Users};
use tidegate_protocols::Slots;
use tidegate_protocols::settings::{Change, Key, Kind, Settings};
use tidegate_protocols::topology::check_name;

use crate::shard::ShardFile;
use crate::user::User;
use crate::{file, memcached, redis};

/// Everything the start of a server depends on.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// The settings as given, defaults elsewhere.
    pub(crate) settings: Arc<Settings>,
    /// What was accepted without effect, and why.
    pub(crate) notes: Vec<String>,
    /// The file some of them came from.
    pub(crate) config_file: Option<PathBuf>,
    /// Whether memory must never be swapped out.
    pub(crate) lock_memory: bool,
    /// In whose place it was started.
    pub(crate) manner: Manner,
    /// Where memcached's `-l` has it listen; empty is as `bind` says.
    pub(crate) listen: Vec<Place>,
    /// The file where Memcached clients are listened to.
    pub(crate) memcached_socket: Option<UnixPlace>,
    /// Whom Memcached clients may be.
    pub(crate) users: Users,
    /// The file that says so.
    pub(crate) users_file: Option<PathBuf>,
    /// Who to become once what only root may do is done.
    pub(crate) user: Option<User>,
    /// What it is as a shard of several.
    pub(crate) membership: Option<Membership>,
    /// The file that says so, if one does.
    pub(crate) shard_file: Option<ShardFile>,
    /// Whether it is a shard that another Tidegate has started, with which it ends.
    pub(crate) is_supervised: bool,
    /// What it is as a gateway in front of shards that others start.
    pub(crate) place: Option<GatewayPlace>,
}

/// Whose flags, defaults and ways a start has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Our own.
    #[default]
    Own,
    /// Those of memcached.
    Memcached,
    /// Those of redis-server.
    Redis,
}

/// Why nothing is started.
#[derive(Debug)]
pub(crate) enum NoStart {
    /// What clap says: a mistake, or what `--help` and `--version` ask for.
    Clap(clap::Error),
    /// A mistake, in the words of the program in whose place this was started.
    Refused(String),
    /// What was asked for instead.
    Told(String),
}

impl NoStart {
    /// Says so, and ends the process.
    pub(crate) fn exit(&self) -> ! {
        let code = match self {
            Self::Clap(error) => error.exit(),
            Self::Refused(text) => {
                eprint!("{text}");
                1
            }
            Self::Told(text) => {
                print!("{text}");
                0
            }
        };
        process::exit(code)
    }
}

impl From<clap::Error> for NoStart {
    fn from(error: clap::Error) -> Self {
        Self::Clap(error)
    }
}

impl fmt::Display for NoStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clap(error) => error.fmt(f),
            Self::Refused(text) | Self::Told(text) => f.write_str(text),
        }
    }
}

/// A gateway of a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GatewayPlace {
    /// The file with the topology.
    pub(crate) topology: PathBuf,
    /// Its name there; the first gateway's unless it is said.
    pub(crate) name: Option<String>,
}

/// An address as a word of `bind`, and its own port if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: String,
    pub(crate) port: Option<u16>,
}

/// The settings of a first look, in the order of `--help`; the others follow under their own names.
const MAIN: &[(Key, &str, &str)] = &[
    (Key::Bind, "bind", "ADDRESS"),
    (Key::Port, "redis-port", "PORT"),
    (Key::MemcachedPort, "memcached-port", "PORT"),
    (Key::AdminPort, "admin-port", "PORT"),
    (Key::Threads, "threads", "N"),
    (Key::ShardProcesses, "shard-processes", "N"),
    (Key::MaxMemory, "memory", "BYTES"),
    (Key::MaxMemoryPolicy, "maxmemory-policy", "POLICY"),
    (Key::RequirePass, "requirepass", "PASSWORD"),
    (Key::MaxClients, "maxclients", "N"),
    (Key::Dir, "data-dir", "DIR"),
    (Key::LogFormat, "log-format", "FORMAT"),
    (Key::LogLevel, "loglevel", "LEVEL"),
];

/// When it is saved if a directory for the data is given and nothing else is said. Source: Redis `config.c`,
/// `initServerConfig`.
pub(crate) const SAVE: &str = "3600 1 300 100 60 10000";

/// What only a process that holds data has a use for.
const OF_SHARDS: &[Key] = &[
    Key::MaxMemory,
    Key::MaxMemoryPolicy,
    Key::MaxMemorySamples,
    Key::LazyfreeLazyUserFlush,
    Key::LfuLogFactor,
    Key::LfuDecayTime,
    Key::ShardProcesses,
];

/// What only a process that serves clients itself has a use for.
const OF_CLIENTS: &[Key] = &[Key::Port, Key::MemcachedPort, Key::ShardProcesses];

const ABOUT: &str = "An in-memory data store that stock Redis and Memcached clients use over one keyspace.";

const LONG_ABOUT: &str = "\
An in-memory data store that stock Redis and Memcached clients use over one keyspace.

Without a subcommand everything runs in this process on this machine: a port for Redis clients (RESP2 and \
RESP3), a port for Memcached clients (text, meta and binary, told apart by their first byte) and a port for \
metrics and health checks. With --shard-processes the data is in processes of its own, which this one starts, \
watches over and restarts. Gateways and shards of several machines are started one by one, by the subcommands.";

const EXAMPLES: &str = "\
Examples:
  tidegate                                    Redis on 6379, Memcached on 11211, metrics on 8474
  tidegate --memory 1gb --maxmemory-policy allkeys-lru
                                              a cache for both families
  tidegate --redis-port 0 --memory 512mb      Memcached only; evicts by LRU unless told otherwise
  tidegate --memcached-port 0 --threads 2     Redis only, two workers
  tidegate --bind 0.0.0.0 --requirepass SECRET
                                              for other machines
  tidegate --shard-processes 3 --memory 3gb   the data in three processes of 1 GiB each, behind the same ports
  tidegate --config tidegate.toml             the same settings from a file; flags win over it
  tidegate shard --id shard-1 --slots 0-16383 --listen unix:/run/tidegate/shard-1.sock
  tidegate gateway --topology topology.toml   shards and gateways started one by one, as a file says
  tidegate memcached -m 64 -l 127.0.0.1       in memcached's place, with its own flags and defaults
  tidegate redis-server /etc/redis/redis.conf --port 7777
                                              in redis-server's place, with its file, options and defaults

A link to this program named `memcached` does as `tidegate memcached`, one named `redis-server` as `tidegate redis-server`.

Memory: without --memory nothing is limited. When the limit is reached, `noeviction` refuses writes, as in
Redis; it is the default. Only a Memcached-only start (--redis-port 0) without a --maxmemory-policy evicts by
`allkeys-lru`, as memcached does. Sizes: 64mb, 1gb (powers of 1024), 1g (of 1000), or plain bytes.

Shard processes: with --shard-processes N the slots and --memory are divided evenly among N processes, which end \
with this one. One that dies is started again with what it had saved: /healthz, the metrics and the log say so.

File: each flag is a key of the TOML file, e.g.  memory = \"1gb\"  threads = 2  redis-port = 6380";

const SHARD_EXAMPLES: &str = "\
Examples:
  tidegate shard --id shard-1 --topology topology.toml --memory 1gb
  tidegate shard --id shard-1 --slots 0-5460 --listen unix:/run/tidegate/shard-1.sock --memory 1gb
  tidegate shard --id shard-2 --slots 5461-16383 --listen 127.0.0.1:7002

The topology file is that of its gateways (`tidegate gateway --help`). SIGHUP reads it again, in whatever order shards \
and gateways are told: requests wait meanwhile, at most link-timeout-ms. Keys in slots that a shard loses are not moved: \
they stay where they are, and nobody gets them, until the shard has the slots again or is started again. Without a file \
--slots and --epoch say the same, for as long as the process runs.

A link asks for no password: a socket belongs to its owner, and protected mode keeps other machines out.";

const GATEWAY_EXAMPLES: &str = "\
Examples:
  tidegate gateway --topology topology.toml
  tidegate gateway --topology topology.toml --name gateway-2 --bind 10.0.0.2 --redis-port 7002
  tidegate gateway --topology topology.toml --cluster-enabled yes
                                       clients of Redis Cluster are sent to the gateway beside the shard

The topology file is TOML:

  epoch = 1                            # grows with every change; shards without the file have it as --epoch
  [[gateways]]                         # optional: without any there is one, gateway-1
  name = \"gateway-1\"
  ip = \"10.0.0.1\"                      # where clients reach it; optional, as are port and hostname
  port = 6379
  [[shards]]                           # as many as there are
  name = \"shard-1\"                     # the shard's --id
  slots = \"0-16383\"                    # without the file, the shard's --slots
  link = \"unix:/run/tidegate/shard-1.sock\"
  gateway = \"gateway-1\"                # the one beside it; the first unless it says so

SIGHUP reads it again, here and at shards that have it. A file with a mistake in it, or whose epoch has not grown, changes nothing and is logged.

Settings of the store (--memory, --maxmemory-policy and their like) are given to the shards; here they are refused. \
CONFIG SET is passed on to all shards.";

impl Start {
    /// Reads the arguments of the process.
    ///
    /// # Errors
    /// What cannot be understood, and `--help` or `--version`, which clap treats alike.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, NoStart> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        if memcached::is_meant_by(arguments.first()) {
            return Ok(memcached::parse(arguments)?);
        }
        if redis::is_meant_by(arguments.first()) {
            return redis::parse(arguments);
        }
        let mut command = command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        let rest = |name: &str, inner: &ArgMatches| {
            let rest: Vec<OsString> = inner.get_many("").into_iter().flatten().cloned().collect();
            std::iter::once(OsString::from(format!("tidegate {name}"))).chain(rest)
        };
        if let Some((name @ "memcached", inner)) = matches.subcommand() {
            return Ok(memcached::parse(rest(name, inner))?);
        }
        if let Some((name @ "redis-server", inner)) = matches.subcommand() {
            return redis::parse(rest(name, inner));
        }
        if let Some(("shard", inner)) = matches.subcommand() {
            let mut start = Self::of(&mut shard_command(), inner, &[])?;
            for &key in OF_CLIENTS {
                start.settings.set(key, "0").expect("0 is off");
            }
            if inner.value_source(name(Key::AdminPort)) != Some(ValueSource::CommandLine) {
                start.settings.set(Key::AdminPort, "0").expect("0 is off");
            }
            let (membership, file) = membership(inner)
                .map_err(|reason| shard_command().error(ErrorKind::ValueValidation, reason))?;
            (start.membership, start.shard_file) = (Some(membership), file);
            start.is_supervised = inner.get_flag("supervised");
            return Ok(start);
        }
        if let Some(("gateway", inner)) = matches.subcommand() {
            let mut start = Self::of(&mut gateway_command(), inner, OF_SHARDS)?;
            let topology = inner.get_one::<PathBuf>("topology").expect("clap has asked for it").clone();
            start.place = Some(GatewayPlace { topology, name: inner.get_one("name").cloned() });
            return Ok(start);
        }
        Ok(Self::of(&mut command, &matches, &[])?)
    }

    /// What flags and the file they name say, which must not be about any of `foreign`.
    fn of(command: &mut Command, matches: &ArgMatches, foreign: &[Key]) -> Result<Self, clap::Error> {
        let settings = Settings::default();
        let (mut policy_given, mut dir_given, mut save_given) = (false, false, false);
        let mut set = |key: Key, text: &str| {
            if foreign.contains(&key) {
                return Err(format!("{} concerns the data: give it to the shards", name(key)));
            }
            policy_given |= key == Key::MaxMemoryPolicy;
            dir_given |= key == Key::Dir;
            save_given |= key == Key::Save;
            settings.set(key, text)
        };
        if let Some(path) = matches.get_one::<PathBuf>("config") {
            file::read(path, &mut set).map_err(|reason| {
                command.error(ErrorKind::Io, format!("configuration file {}: {reason}", path.display()))
            })?;
        }
        for assignment in matches.get_many::<String>("set").into_iter().flatten() {
            assign(assignment, &mut set).map_err(|reason| {
                command.error(
                    ErrorKind::ValueValidation,
                    format!("invalid value '{assignment}' for '--set': {reason}"),
                )
            })?;
        }
        for (key, text) in flags(matches) {
            set(key, text).map_err(|reason| {
                let text = format!("invalid value '{text}' for '--{}': {reason}", name(key));
                command.error(ErrorKind::ValueValidation, text)
            })?;
        }
        if !policy_given && settings.number(Key::Port) == 0 && settings.number(Key::MemcachedPort) != 0 {
            settings.set(Key::MaxMemoryPolicy, "allkeys-lru").expect("it is one of the policies");
        }
        // Who says where data is to be kept wants it kept. A shard that we start is told whether it is.
        let is_supervised = matches.try_get_one("supervised").ok().flatten() == Some(&true);
        if dir_given && !save_given && !is_supervised && foreign.is_empty() {
            settings.set(Key::Save, SAVE).expect("pairs of numbers");
        }
        let config_file = matches.get_one("config").cloned();
        Ok(Self { settings: Arc::new(settings), config_file, ..Self::default() })
    }
}

/// The name of a setting as a flag and in the file.
pub(crate) fn name(key: Key) -> &'static str {
    MAIN.iter().find(|(main, ..)| *main == key).map_or(key.row().name, |(_, name, _)| name)
}

/// The setting that a flag or a key of the file means: by its own name, or by the one Redis has for it.
pub(crate) fn named(name: &str) -> Option<Key> {
    Key::all().find(|&key| self::name(key) == name || key.row().name == name)
}

/// Gives the setting of `name=value` to `set`.
fn assign(assignment: &str, set: impl FnOnce(Key, &str) -> Result<(), String>) -> Result<(), String> {
    let (name, text) = assignment.split_once('=').ok_or("name=value is expected")?;
    set(named(name).ok_or("there is no such setting")?, text)
}

/// The settings given as flags.
fn flags(matches: &ArgMatches) -> impl Iterator<Item = (Key, &String)> {
    Key::all().filter_map(|key| Some((key, matches.try_get_one(name(key)).ok()??)))
}

/// What a shard is by its flags, or by the file they name.
fn membership(matches: &ArgMatches) -> Result<(Membership, Option<ShardFile>), String> {
    let given = "clap has asked for it";
    let name = matches.get_one::<String>("id").expect(given);
    let links = matches.get_many("listen").into_iter().flatten().cloned().collect();
    if let Some(path) = matches.get_one::<PathBuf>("topology") {
        let (file, membership) = ShardFile::read(path, name, links)?;
        return Ok((membership, Some(file)));
    }
    let epoch = *matches.get_one("epoch").expect(given);
    let slots = matches.get_one::<Slots>("slots").expect(given).clone();
    Ok((Membership::fixed(name, Holding { epoch, slots }, links), None))
}

/// The flags of all settings.
fn settings_flags() -> impl Iterator<Item = Arg> {
    let main = MAIN.iter().enumerate().map(|(place, &(key, _, value))| flag(key, value).display_order(place));
    let others = Key::all().filter(|key| !MAIN.iter().any(|(main, ..)| main == key));
    let others = others.map(|key| {
        let value = value_name(key.row().kind);
        flag(key, value)
            .help_heading("Further settings, as in Redis")
            .hide_short_help(true)
            .hide(key.row().change == Change::Fixed)
    });
    let config = Arg::new("config").long("config").value_name("FILE").value_parser(value_parser!(PathBuf));
    let config = config.help("TOML file with the same names as these flags, which win over it");
    let set = Arg::new("set").long("set").value_name("NAME=VALUE").action(ArgAction::Append);
    let set = set.help("Any setting by its name, as often as needed; --help lists them");
    let files = [config.display_order(MAIN.len()), set.display_order(MAIN.len() + 1)];
    main.chain(files).chain(others)
}

/// A process that holds some of the slots and serves gateways, not clients.
fn shard_command() -> Command {
    let listen = Arg::new("listen").long("listen").value_name("PLACE").action(ArgAction::Append);
    let listen = listen.value_parser(str::parse::<LinkPlace>).required_unless_present("topology");
    let id = Arg::new("id").long("id").value_name("NAME").value_parser(node_name).required(true);
    let slots = Arg::new("slots").long("slots").value_name("SLOTS").value_parser(str::parse::<Slots>);
    let epoch = Arg::new("epoch").long("epoch").value_name("N").value_parser(value_parser!(u32));
    let topology = Arg::new("topology").long("topology").value_name("FILE");
    let topology = topology.value_parser(value_parser!(PathBuf)).conflicts_with_all(["slots", "epoch"]);
    let own = [
        id.help("Its name in the topology"),
        topology.help("The file that says which slots it has and where it listens, read again at SIGHUP"),
        listen.help("Where gateways reach it: unix:/PATH or ADDRESS:PORT; may be repeated"),
        slots.default_value("0-16383").help("The hash slots it holds, e.g. 0-5460,7000"),
        epoch
            .default_value("1")
            .help("Epoch of the topology that says so; requests by any other are refused"),
    ];
    let supervised = Arg::new("supervised").long("supervised").action(ArgAction::SetTrue).hide(true);
    Command::new("shard")
        .bin_name("tidegate shard")
        .about("Hold some of the hash slots and serve gateways over links (one shard process)")
        .after_help(
            "A link asks for no password: a socket belongs to its owner, and protected mode keeps other machines out.",
        )
        .after_long_help(SHARD_EXAMPLES)
        .args(own.into_iter().enumerate().map(|(place, arg)| arg.display_order(place)))
        .arg(supervised.help("Said by who starts it: it ends with its standard input, and says when it is ready"))
        .args(settings_flags_but(OF_CLIENTS))
        .mut_arg(name(Key::AdminPort), |arg| arg.help("TCP port for metrics and health checks [default: 0, off]"))
}

/// A process that serves clients and holds no data.
fn gateway_command() -> Command {
    let topology = Arg::new("topology").long("topology").value_name("FILE").required(true);
    let topology = topology.value_parser(value_parser!(PathBuf));
    let name = Arg::new("name").long("name").value_name("NAME").value_parser(node_name);
    let own = [
        topology.help("Who has which slots and where everybody is: TOML, read again at SIGHUP"),
        name.help("Its name in the topology [default: the first gateway there]"),
    ];
    Command::new("gateway")
        .bin_name("tidegate gateway")
        .about("Serve clients of both families in front of shards, as a topology file says (no data here)")
        .after_help(
            "Settings of the store (--memory and its like) are given to the shards. See --help for the topology file.",
        )
        .after_long_help(GATEWAY_EXAMPLES)
        .args(own.into_iter().enumerate().map(|(place, arg)| arg.display_order(place)))
        // Hidden, they are refused with the reason.
        .args(settings_flags_but(&[]).map(|arg| if is_one_of(&arg, OF_SHARDS) { arg.hide(true) } else { arg }))
}

/// The flags of all settings but some, for a subcommand.
fn settings_flags_but(some: &'static [Key]) -> impl Iterator<Item = Arg> {
    settings_flags().filter(|arg| !is_one_of(arg, some)).map(|arg| arg.help_heading("Settings"))
}

fn is_one_of(flag: &Arg, keys: &[Key]) -> bool {
    keys.iter().any(|&key| name(key) == flag.get_id().as_str())
}

/// The name of a shard or a gateway.
fn node_name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned())
}

/// A subcommand that reads its flags by itself.
fn stand_in(name: &'static str, about: &'static str) -> Command {
    let flags = Arg::new("").value_name("FLAGS").num_args(0..).trailing_var_arg(true);
    let flags = flags.allow_hyphen_values(true).value_parser(value_parser!(OsString));
    Command::new(name).about(about).disable_help_flag(true).arg(flags)
}

fn command() -> Command {
    let memcached =
        stand_in("memcached", "Stand in for memcached, with its own flags and defaults (-h lists them)");
    let redis = stand_in(
        "redis-server",
        "Stand in for redis-server, with its configuration file, options and defaults (-h tells of them)",
    );
    Command::new("tidegate")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .long_about(LONG_ABOUT)
        .after_help("See --help for examples and all settings.")
        .after_long_help(EXAMPLES)
        .styles(Styles::plain())
        .term_width(110)
        .disable_help_subcommand(true)
        .args_conflicts_with_subcommands(true)
        .args(settings_flags())
        .subcommands([gateway_command(), shard_command(), memcached, redis])
}

fn flag(key: Key, value: &'static str) -> Arg {
    let row = key.row();
    let flag = Arg::new(name(key)).long(name(key)).value_name(value).help(help(key));
    let flag = flag.allow_hyphen_values(matches!(row.kind, Kind::Number(low, _) if low < 0));
    if name(key) == row.name { flag } else { flag.alias(row.name) }
}

/// The row's sentence, without its full stop, with choices and default.
fn help(key: Key) -> String {
    let row = key.row();
    let mut help = row.summary.trim().trim_end_matches('.').to_owned();
    if let Kind::Choice(words) = row.kind {
        help = format!("{help}: {}", words.join(", "));
    }
    match (key, row.default) {
        (Key::MaxMemoryPolicy, _) => help + " [default: noeviction; Memcached only: allkeys-lru]",
        (_, "") => help,
        (_, default) => format!("{help} [default: {default}]"),
    }
}

fn value_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Number(..) | Kind::Clamped(..) => "N",
        Kind::Bytes(..) => "BYTES",
        Kind::BytesOrShare => "BYTES|N%",
        Kind::YesNo => "yes|no",
        Kind::Choice(_) => "WORD",
        Kind::Classes => "LETTERS",
        Kind::Text | Kind::Composed(_) => "TEXT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Start, NoStart> {
        Start::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_definition_of_the_flags_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_setting_is_a_flag_under_its_own_name_and_redis_s() {
        for key in Key::all() {
            let default = key.row().default;
            for name in [name(key), key.row().name] {
                let start = Start::parse(["tidegate".into(), format!("--{name}={default}").into()]).unwrap();
                assert_eq!(start.settings.show(key), default, "--{name}");
            }
        }
    }

    #[test]
    fn flags_are_read_in_the_units_of_redis() {
        let start =
            parse("tidegate --memory 1gb --maxclients 7 --requirepass s --slowlog-max-len 5").unwrap();
        assert_eq!(start.settings.number(Key::MaxMemory), 1 << 30);
        assert_eq!(start.settings.number(Key::MaxClients), 7);
        assert_eq!(start.settings.number(Key::SlowlogMaxLen), 5);
        assert_eq!(&*start.settings.text(Key::RequirePass), "s");
    }

    #[test]
    fn set_gives_any_setting_and_flags_win_over_it() {
        let start = parse("tidegate --set hz=20 --set redis-port=1 --set memory=2kb --redis-port 2").unwrap();
        assert_eq!(start.settings.number(Key::Hz), 20);
        assert_eq!(start.settings.number(Key::MaxMemory), 2048);
        assert_eq!(start.settings.number(Key::Port), 2);
    }

    #[test]
    fn only_a_memcached_only_start_without_a_policy_evicts() {
        let policy = |line| parse(line).unwrap().settings.show(Key::MaxMemoryPolicy);
        assert_eq!(policy("tidegate"), "noeviction");
        assert_eq!(policy("tidegate --memcached-port 0"), "noeviction");
        assert_eq!(policy("tidegate --redis-port 0"), "allkeys-lru");
        assert_eq!(policy("tidegate --redis-port 0 --maxmemory-policy noeviction"), "noeviction");
        assert_eq!(policy("tidegate --maxmemory-policy volatile-ttl"), "volatile-ttl");
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_the_flag_and_the_reason() {
        let error = parse("tidegate --redis-port 70000").unwrap_err().to_string();
        assert!(error.contains("invalid value '70000' for '--redis-port'"), "{error}");
        assert!(error.contains("between 0 and 65535"), "{error}");
        for line in [
            "--threads many",
            "--set threads=many",
            "--set threads",
            "--set no-such-setting=1",
            // Clients are paused by CLIENT PAUSE alone.
            "--set paused-until-ms=1",
            "--paused-until-ms 1",
        ] {
            assert!(parse(&format!("tidegate {line}")).is_err(), "{line}");
        }
        assert!(parse("tidegate --no-such-flag").is_err());
    }

    #[test]
    fn a_shard_says_what_it_holds_and_where_it_is_reached() {
        let start = parse(
            "tidegate shard --id s1 --slots 0-5460,7000 --epoch 4 --listen unix:/s --listen 127.0.0.1:7 --memory 1gb",
        );
        let start = start.unwrap();
        let membership = start.membership.unwrap();
        let places: Vec<_> = membership.links.iter().map(ToString::to_string).collect();
        let holding = membership.holding.borrow();
        assert_eq!((membership.name.as_str(), holding.epoch), ("s1", 4));
        assert_eq!(
            (holding.slots.to_string().as_str(), places),
            ("0-5460,7000", vec!["unix:/s".into(), "127.0.0.1:7".into()])
        );
        let ports = [Key::Port, Key::MemcachedPort, Key::AdminPort].map(|key| start.settings.number(key));
        assert_eq!((ports, start.settings.number(Key::MaxMemory)), ([0; 3], 1 << 30));
        assert_eq!(start.settings.show(Key::MaxMemoryPolicy), "noeviction");
        for wrong in [
            "",
            "--id s1",
            "--listen unix:/s",
            "--id s1 --listen s",
            "--id s1 --listen unix:/s --slots 16384",
            "--id s1 --listen unix:/s --redis-port 1",
            "--id s1 --topology t --slots 0",
            "--id s1 --topology /nowhere/t.toml",
        ] {
            assert!(parse(&format!("tidegate shard {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_gateway_says_where_its_topology_is_and_leaves_the_store_to_its_shards() {
        let start = parse("tidegate gateway --topology t.toml --name g2 --redis-port 7002").unwrap();
        assert_eq!(start.settings.number(Key::Port), 7002);
        assert_eq!(start.settings.number(Key::MemcachedPort), 11211);
        assert_eq!(start.place, Some(GatewayPlace { topology: "t.toml".into(), name: Some("g2".into()) }));
        for wrong in
            ["", "--topology t --memory 1gb", "--topology t --shard-processes 2", "--topology t --name a\tb"]
        {
            let words =
                ["tidegate", "gateway"].into_iter().chain(wrong.split(' ').filter(|word| !word.is_empty()));
            assert!(Start::parse(words.map(OsString::from)).is_err(), "{wrong}");
        }
        for flag in ["--memory 1gb", "--set maxmemory=1gb"] {
            let error = parse(&format!("tidegate gateway --topology t {flag}")).unwrap_err().to_string();
            assert!(error.contains("memory concerns the data: give it to the shards"), "{error}");
        }
    }

    #[test]
    fn the_subcommand_memcached_reads_memcached_s_flags() {
        let start = parse("tidegate memcached -p 12345 -m 100").unwrap();
        assert_eq!(start.settings.number(Key::MemcachedPort), 12345);
        assert_eq!(start.settings.number(Key::MaxMemory), 100 << 20);
        assert_eq!(start.settings.number(Key::Port), 0);
    }
}
