//! The command table: one row per command, one file per family, and everything that follows from a row.
//!
//! Adding a command is one row here, one function in the crate that answers it, and one transcript in
//! `compat-tests/scripts`. A family is an enum of verbs ([`strings::Strings`], …), so the `match` that
//! answers a family does not compile until a new row has its function.
//!
//! # The notation of arguments
//!
//! A row writes its arguments as the documentation of Redis does. Arity, `COMMAND DOCS` and `COMMANDS.md`
//! follow from it.
//!
//! ```text
//! key value              words in small letters are arguments
//! [GET]                  words in capitals are tokens, brackets what may be left out
//! [EX seconds]           a token takes the arguments up to the next token or bracket
//! <ON | OFF>             one of these; [NX | XX] one of these or none
//! key [key ...]          one or more; [key [key ...]] none or more; x ... one or more, for a group x
//! (x y)                  arguments that belong together
//! ```
//!
//! What the words do not say is added to them, and not shown to people:
//!
//! ```text
//! value:integer          the type: string integer double key pattern key-pattern unix-time; usual names imply theirs
//! '~approximately        a sign that is a token, and its name
//! [condition=NX | XX]    the name of a group, first in its brackets; else its members' names joined by _
//! [change:CH]            the name of a token; else its own in small letters
//! [GET]@6.2.0            the version that brought it, where it is younger than the command
//! ip:port!2.8.12         the version that advised against it
//! ```
//!
//! Keys are counted: the first key argument is found by the row's first key specification, and so on; the
//! last specification finds all the rest.

use std::sync::LazyLock;

mod absent;
mod acl;
pub mod differences;
mod docs;
mod document;
mod help;
mod index;
mod info;
mod keys;
mod redis_commands;
mod resolve;
mod row;
mod syntax;
mod tips;

pub mod bitmaps;
pub mod cluster;
pub mod connection;
pub mod geo;
pub mod hashes;
pub mod hyperloglog;
pub mod keyspace;
pub mod link;
pub mod lists;
pub mod memcached;
pub mod memcached_server;
pub mod pubsub;
pub mod scripting;
pub mod server;
pub mod sets;
pub mod sorted_sets;
pub mod streams;
pub mod strings;
pub mod transactions;
pub mod users;

pub use docs::{docs_of, docs_of_all};
pub use document::commands_md;
pub use help::help;
pub use index::lookup;
pub use info::{count, get_keys, get_keys_and_flags, info_of, info_of_all, list};
pub use keys::{Key, KeyRange, Keys};
pub(crate) use redis_commands::is_of_redis;
pub use resolve::{Unresolved, is_in_one_slot, resolve};
pub use row::{Access, Begin, Categories, Deprecated, Find, Flags, Gather, KeySpec, Route, Row};
pub use syntax::{Argument, Kind};

/// Declares a family: an enum of verbs and its rows, in the same order.
macro_rules! family {
    ($(#[$doc:meta])* $family:ident $group:literal $($verb:ident = $name:literal $syntax:literal
        $(.$setter:ident($($argument:expr),* $(,)?))*;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each verb is documented by its row")]
        pub enum $family { $($verb),* }

        /// The rows of this family.
        pub static ROWS: &[$crate::table::Row] = &[$(
            $crate::table::Row::new(
                $crate::table::Verb::$family($family::$verb), $group, $name, $syntax,
            )$(.$setter($($argument),*))*
        ),*];
    };
}
pub(crate) use family;

/// Lists the families, in the order of [`rows`].
macro_rules! families {
    ($($(#[$doc:meta])* $family:ident $module:ident;)*) => {
        /// What a request asks for: the family and the verb within it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Verb { $($(#[$doc])* $family($module::$family)),* }

        /// All rows, family by family. Rows of subcommands (`CONFIG|GET`) stand among them.
        pub fn rows() -> impl Iterator<Item = &'static Row> + Clone {
            [$($module::ROWS),*].into_iter().flatten()
        }

        impl Verb {
            /// The number of its row among [`rows`].
            #[inline]
            pub fn index(self) -> usize {
                let mut start = 0;
                $(
                    if let Self::$family(verb) = self {
                        return start + verb as usize;
                    }
                    start += $module::ROWS.len();
                )*
                start
            }
        }
    };
}

families! {
    /// Strings; answered by the store.
    Strings strings;
    /// Bits of strings; answered by the store.
    Bitmaps bitmaps;
    /// Hashes; answered by the store.
    Hashes hashes;
    /// Lists; answered by the store.
    Lists lists;
    /// Sets; answered by the store.
    Sets sets;
    /// HyperLogLogs; answered by the store.
    Hyperloglog hyperloglog;
    /// Streams; answered by the store.
    Streams streams;
    /// Sorted sets; answered by the store.
    SortedSets sorted_sets;
    /// Places; answered by the store.
    Geo geo;
    /// Keys of any type; answered by the store.
    Keyspace keyspace;
    /// Memcached items; answered by the store.
    Memcached memcached;
    /// A Memcached client's connection and the server; answered by the gateway.
    MemcachedServer memcached_server;
    /// The client's own connection; answered by the gateway.
    Connection connection;
    /// The server; answered by the gateway.
    Server server;
    /// Users and what they may do; answered by the gateway.
    Users users;
    /// Several requests as one; the gateway queues them, the store executes them.
    Transactions transactions;
    /// Messages to whoever listens; answered by the gateway.
    Pubsub pubsub;
    /// Scripts; answered by the store.
    Scripting scripting;
    /// The cluster; answered by the gateway.
    Cluster cluster;
    /// What gateways ask of shards for themselves.
    Link link;
}

/// The row with this [`Verb::index`].
#[inline]
pub fn row_at(index: usize) -> Option<&'static Row> {
    static ROWS: LazyLock<Box<[&Row]>> = LazyLock::new(|| rows().collect());
    ROWS.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_the_number_of_its_place() {
        for (position, row) in rows().enumerate() {
            assert_eq!(row.verb.index(), position, "{}", row.name);
            assert!(std::ptr::eq(row_at(position).unwrap(), row));
        }
        assert!(row_at(rows().count()).is_none());
    }
}
