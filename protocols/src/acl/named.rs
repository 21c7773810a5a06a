//! What rules name: commands, subcommands and categories.

use crate::table::connection::Connection;
use crate::table::keyspace::Keyspace;
use crate::table::memcached::Memcached;
use crate::table::memcached_server::MemcachedServer;
use crate::table::server::Server;
use crate::table::strings::Strings;
use crate::table::{Categories, is_of_redis, lookup, rows};
use crate::{Row, Verb};

/// In Redis it has arguments, here subcommands.
const DEBUG: &str = "DEBUG";

/// A command as a rule names it.
pub(super) struct Named {
    /// In small letters, a subcommand with its container: `config|get`.
    pub(super) name: String,
    /// Its row; none of a command of Redis that is not here, and may still be spoken of.
    pub(super) row: Option<&'static Row>,
}

impl Named {
    /// The command of this name, in any case.
    pub(super) fn find(text: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(text).ok().filter(|name| name.is_ascii())?.to_ascii_lowercase();
        let row = lookup(text).filter(|row| !is_first_word(row));
        (row.is_some() || is_of_redis(&name)).then_some(Self { name, row })
    }

    /// Whether it stands under a container.
    pub(super) fn is_subcommand(&self) -> bool {
        self.name.contains('|')
    }

    /// Whether other commands stand under it.
    pub(super) fn is_container(&self) -> bool {
        self.row.map_or_else(|| is_of_redis(&format!("{}|help", self.name)), has_subcommands)
    }
}

/// Whether rules see commands of their own under this one.
fn has_subcommands(row: &Row) -> bool {
    row.container && row.name != DEBUG
}

/// Whether what is a subcommand here is an argument in Redis: those of `DEBUG`.
fn is_first_word(row: &Row) -> bool {
    row.subcommand && row.name.starts_with(DEBUG)
}

/// The command whose rules count for a request of this row.
pub fn command_of(row: &'static Row) -> &'static Row {
    if is_first_word(row) { lookup(DEBUG.as_bytes()).unwrap_or(row) } else { row }
}

/// The command whose rules count for a request of a Memcached client: the one of Redis that does the same; `None` for what
/// anybody may.
pub fn like(row: &'static Row) -> Option<&'static Row> {
    let verb = match row.verb {
        Verb::Memcached(verb) => match verb {
            Memcached::Get => Verb::Strings(Strings::Get),
            Memcached::Gat => Verb::Strings(Strings::Getex),
            Memcached::Set | Memcached::Add | Memcached::Replace | Memcached::Cas | Memcached::TooLarge => {
                Verb::Strings(Strings::Set)
            }
            Memcached::Append | Memcached::Prepend => Verb::Strings(Strings::Append),
            Memcached::Incr => Verb::Strings(Strings::Incrby),
            Memcached::Decr => Verb::Strings(Strings::Decrby),
            Memcached::Touch => Verb::Keyspace(Keyspace::Expire),
            Memcached::Delete => Verb::Keyspace(Keyspace::Del),
            Memcached::Debug => Verb::Keyspace(Keyspace::Ttl),
            Memcached::Cachedump => Verb::Keyspace(Keyspace::Scan),
            Memcached::FlushAll => Verb::Keyspace(Keyspace::Flushall),
        },
        Verb::MemcachedServer(verb) => match verb {
            MemcachedServer::Stats => Verb::Server(Server::Info),
            MemcachedServer::CacheMemlimit => Verb::Server(Server::ConfigSet),
            MemcachedServer::Noop => Verb::Connection(Connection::Ping),
            MemcachedServer::Answer
            | MemcachedServer::Version
            | MemcachedServer::Verbosity
            | MemcachedServer::Quit
            | MemcachedServer::SaslMechanisms
            | MemcachedServer::SaslAuthenticate
            | MemcachedServer::Authenticate => return None,
        },
        _ => return Some(row),
    };
    crate::table::row_at(verb.index())
}

/// All commands that rules may allow or not, subcommands too.
pub(super) fn commands() -> impl Iterator<Item = &'static Row> {
    rows().filter(|row| row.is_redis() && !is_first_word(row))
}

/// The subcommands that stand under a command.
pub(super) fn subcommands(container: &Row) -> impl Iterator<Item = &'static Row> {
    let is_under =
        move |row: &&Row| row.name.strip_prefix(container.name).is_some_and(|rest| rest.starts_with('|'));
    commands().filter(is_under)
}

/// The names of all categories, without their `@`.
pub fn categories() -> impl Iterator<Item = &'static str> {
    Categories::NAMES.iter().map(|(_, name)| &name[1..])
}

/// The commands of a category, subcommands too; `None` if there is no such category.
pub fn commands_of(name: &[u8]) -> Option<impl Iterator<Item = &'static Row>> {
    let category = category(name)?;
    Some(commands().filter(move |row| row.all_categories().has(category)))
}

/// The category of this name, in any case, without its `@`.
pub(super) fn category(name: &[u8]) -> Option<Categories> {
    let is = |known: &str| known.as_bytes()[1..].eq_ignore_ascii_case(name);
    Categories::NAMES.iter().find(|(_, known)| is(known)).map(|&(category, _)| category)
}
