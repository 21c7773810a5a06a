//! What `tidegate` is started with: flags over the configuration file over defaults.
//!
//! Every setting is a flag and a key of the file under the same name, both made from the rows of
//! [`tidegate_protocols::settings`], so neither can say what the other cannot.

mod commands;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, process};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use tidegate_gateway::{Holding, Membership, UnixPlace, Users};
use tidegate_protocols::Slots;
use tidegate_protocols::settings::{Key, Settings};

use crate::shard::ShardFile;
use crate::user::User;
use crate::{file, memcached, redis};
use commands::{MAIN, OF_CLIENTS, OF_SHARDS, command, gateway_command, shard_command};

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
/// When it is saved if a directory for the data is given and nothing else is said. Source: Redis `config.c`,
/// `initServerConfig`.
pub(crate) const SAVE: &str = "3600 1 300 100 60 10000";

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

#[cfg(test)]
mod tests;
