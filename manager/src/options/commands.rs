//! What `tidegate` and its subcommands take, made from the rows of the settings, and what `--help` says of it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::Styles;
use clap::{Arg, ArgAction, Command, value_parser};
use tidegate_gateway::LinkPlace;
use tidegate_protocols::Slots;
use tidegate_protocols::settings::{Change, Key, Kind};
use tidegate_protocols::topology::check_name;

use super::name;

/// The settings of a first look, in the order of `--help`; the others follow under their own names.
pub(super) const MAIN: &[(Key, &str, &str)] = &[
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

/// What only a process that holds data has a use for.
pub(super) const OF_SHARDS: &[Key] = &[
    Key::MaxMemory,
    Key::MaxMemoryPolicy,
    Key::MaxMemorySamples,
    Key::LazyfreeLazyUserFlush,
    Key::LfuLogFactor,
    Key::LfuDecayTime,
    Key::ShardProcesses,
];

/// What only a process that serves clients itself has a use for.
pub(super) const OF_CLIENTS: &[Key] = &[Key::Port, Key::MemcachedPort, Key::ShardProcesses];

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
pub(super) fn shard_command() -> Command {
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
pub(super) fn gateway_command() -> Command {
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

pub(super) fn command() -> Command {
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
