//! One row of the command table and the types of its columns.

use super::Verb;
use super::scripting::Scripting;
use super::syntax::{arity, words};
use crate::request::Args;

/// Everything that is true of a command.
#[derive(Debug)]
pub struct Row {
    /// Which function answers it.
    pub verb: Verb,
    /// Group in the documentation, as Redis names it (`string`, `generic`, …).
    pub group: &'static str,
    /// Name as clients write it, in capitals; subcommands with their container, `CONFIG|GET`.
    pub name: &'static str,
    /// Arguments in the notation of [`crate::table`]'s documentation; arity follows from it.
    pub syntax: &'static str,
    /// Number of arguments with the name (and the subcommand's) counted; negative for "at least".
    pub arity: i16,
    /// One sentence, for people.
    pub summary: &'static str,
    /// Redis version that brought it.
    pub since: &'static str,
    /// Complexity, as Redis gives it.
    pub cost: &'static str,
    /// Properties, as in `COMMAND INFO`.
    pub flags: Flags,
    /// ACL categories that do not follow from the flags.
    pub categories: Categories,
    /// Where the keys are.
    pub keys: &'static [KeySpec],
    /// Who answers.
    pub route: Route,
    /// How answers of several shards become one.
    pub gather: Gather,
    /// Whether this is only the name its subcommands stand under (`CLIENT`).
    pub container: bool,
    /// Whether it stands under a container (`CLIENT|LIST`).
    pub subcommand: bool,
    /// What routers and caches of clients should know; words of Redis, "Command tips".
    pub tips: &'static [&'static str],
    /// What changed in which Redis version.
    pub history: &'static [(&'static str, &'static str)],
    /// Since when it is advised against, and what to use instead.
    pub deprecated: Option<Deprecated>,
    /// Not for applications (`doc_flags` says `syscmd`).
    pub system: bool,
    /// Where the specifications say [`Access::VARIABLE_FLAGS`]: what these arguments do with the key.
    pub variable_access: Option<fn(&Args<'_>) -> Access>,
    /// Whether these arguments make it look at keys that only values name: it needs them all.
    pub looks_anywhere: Option<fn(&Args<'_>) -> bool>,
}

/// See [`Row::deprecated`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprecated {
    /// The Redis version that said so.
    pub since: &'static str,
    /// What to use instead.
    pub instead: &'static str,
}

/// A set of properties, named as Redis names them in `COMMAND INFO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

/// A set of ACL categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Categories(pub u32);

macro_rules! bits {
    ($type:ident $($(#[$doc:meta])* $name:ident = $bit:literal $text:literal;)*) => {
        impl $type {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
            /// None of them.
            pub const NONE: Self = Self(0);
            /// Each with the name Redis gives it, in Redis's order.
            pub const NAMES: &[(Self, &str)] = &[$((Self::$name, $text)),*];

            /// Both together.
            #[must_use]
            pub const fn and(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Whether all of `other` are in here.
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The names of those in here, in Redis's order.
            pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
                Self::NAMES.iter().filter(move |(bit, _)| self.has(*bit)).map(|&(_, name)| name)
            }
        }
    };
}

bits! { Flags
    /// May change data.
    WRITE = 0 "write";
    /// Reads data only.
    READONLY = 1 "readonly";
    /// Refused when memory is full.
    DENYOOM = 2 "denyoom";
    /// For administrators.
    ADMIN = 4 "admin";
    /// About publish and subscribe.
    PUBSUB = 5 "pubsub";
    /// Not in scripts.
    NOSCRIPT = 6 "noscript";
    /// May wait for data.
    BLOCKING = 8 "blocking";
    /// Answered while a data set is loading.
    LOADING = 9 "loading";
    /// Answered by a replica with stale data.
    STALE = 10 "stale";
    /// Not shown to `MONITOR`.
    SKIP_MONITOR = 11 "skip_monitor";
    /// Not shown in `SLOWLOG`.
    SKIP_SLOWLOG = 12 "skip_slowlog";
    /// For keys of a slot that is on its way here, without `ASKING` before it.
    ASKING = 13 "asking";
    /// Constant or logarithmic time.
    FAST = 14 "fast";
    /// Answered before authentication.
    NO_AUTH = 15 "no_auth";
    /// May go to a replica although it is not read only.
    MAY_REPLICATE = 16 "may_replicate";
    /// It need not have keys, wherever its specification says that they are.
    NO_MANDATORY_KEYS = 21 "no_mandatory_keys";
    /// Not for clients.
    NO_ASYNC_LOADING = 17 "no_async_loading";
    /// Not inside `MULTI`.
    NO_MULTI = 18 "no_multi";
    /// Keys cannot be told from the specification alone.
    MOVABLEKEYS = 19 "movablekeys";
    /// A container or command that may be called with keys that are only touched in part.
    ALLOW_BUSY = 20 "allow_busy";
}

bits! { Categories
    /// `@keyspace`
    KEYSPACE = 0 "@keyspace";
    /// `@read`
    READ = 1 "@read";
    /// `@write`
    WRITE = 2 "@write";
    /// `@set`
    SET = 3 "@set";
    /// `@sortedset`
    SORTEDSET = 4 "@sortedset";
    /// `@list`
    LIST = 5 "@list";
    /// `@hash`
    HASH = 6 "@hash";
    /// `@string`
    STRING = 7 "@string";
    /// `@bitmap`
    BITMAP = 8 "@bitmap";
    /// `@hyperloglog`
    HYPERLOGLOG = 9 "@hyperloglog";
    /// `@geo`
    GEO = 10 "@geo";
    /// `@stream`
    STREAM = 11 "@stream";
    /// `@pubsub`
    PUBSUB = 12 "@pubsub";
    /// `@admin`
    ADMIN = 13 "@admin";
    /// `@fast`
    FAST = 14 "@fast";
    /// `@slow`
    SLOW = 15 "@slow";
    /// `@blocking`
    BLOCKING = 16 "@blocking";
    /// `@dangerous`
    DANGEROUS = 17 "@dangerous";
    /// `@connection`
    CONNECTION = 18 "@connection";
    /// `@transaction`
    TRANSACTION = 19 "@transaction";
    /// `@scripting`
    SCRIPTING = 20 "@scripting";
}

bits! { Access
    /// Read and write.
    RW = 0 "RW";
    /// Read only.
    RO = 1 "RO";
    /// Overwritten without being read.
    OW = 2 "OW";
    /// Removed.
    RM = 3 "RM";
    /// The value is returned or copied.
    ACCESS = 4 "access";
    /// The value is changed in part.
    UPDATE = 5 "update";
    /// A value is added without a look at the old one.
    INSERT = 6 "insert";
    /// The value is deleted.
    DELETE = 7 "delete";
    /// Not a key of this keyspace.
    NOT_KEY = 8 "not_key";
    /// The specification names some keys only.
    INCOMPLETE = 9 "incomplete";
    /// The flags depend on the arguments.
    VARIABLE_FLAGS = 10 "variable_flags";
}

/// What a command does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(pub u32);

/// Where keys of a command are. Source: Redis, "Command key specifications".
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// Where the search begins.
    pub begin: Begin,
    /// How the keys go on from there.
    pub find: Find,
    /// What is done with them.
    pub access: Access,
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// At this argument; the name is 0.
    Index(u16),
    /// After this word, searched from argument `from` (negative: from the end, backwards).
    Keyword(&'static str, i16),
    /// At the argument this function finds, if there is one, and nowhere else. Clients are told `unknown`.
    Unknown(fn(&Args<'_>) -> Option<usize>),
}

/// How keys go on from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Every `step`th argument up to `last` after the beginning; negative `last` counts from the end
    /// (-1 is the last argument). `limit` 2 means up to half of what is left.
    Range {
        /// Last key, relative to the beginning.
        last: i16,
        /// Distance of two keys.
        step: u16,
        /// Part of the arguments that are keys: 0 all, 2 half, …
        limit: u16,
    },
    /// The number of keys is given by the argument at `count`, relative to the beginning.
    Count {
        /// Position of the number.
        count: u16,
        /// Position of the first key.
        first: u16,
        /// Distance of two keys.
        step: u16,
    },
}

/// Who answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The gateway itself.
    Gateway,
    /// The one shard that owns all its keys; keys of several shards are refused.
    Keys,
    /// The shards that own its keys, each its part.
    Split,
    /// Every shard.
    Every,
}

/// How answers of several shards become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gather {
    /// There is only one answer.
    One,
    /// Integers are added.
    Sum,
    /// Elements are put in the order of the keys asked for.
    ByKey,
    /// Arrays are joined.
    Join,
    /// All must say the same; the first error wins.
    Agree,
    /// Of arrays of integers, the greatest at each place: whether anybody has it.
    Most,
    /// One that is no error, if there is one; else the first error that is not only about who is asked.
    AnyDone,
    /// Maps whose first value is null if nothing is going on: one where something is, if there is one.
    Running,
    /// Shard after shard, the cursor says which.
    Cursor,
    /// One of them that is not null, by chance.
    Any,
    /// Hashes in hexadecimal digits are exclusive-ored.
    Digest,
}

impl Row {
    /// A row with nothing but its name and arguments; the setters below say the rest.
    pub(super) const fn new(
        verb: Verb,
        group: &'static str,
        name: &'static str,
        syntax: &'static str,
    ) -> Self {
        Self {
            verb,
            group,
            name,
            syntax,
            arity: arity(name, syntax),
            summary: "",
            since: "1.0.0",
            cost: "O(1)",
            flags: Flags::NONE,
            categories: Categories::NONE,
            keys: &[],
            route: Route::Gateway,
            gather: Gather::One,
            container: false,
            subcommand: words(name) > 1,
            tips: &[],
            history: &[],
            deprecated: None,
            system: false,
            variable_access: None,
            looks_anywhere: None,
        }
    }

    /// Group, where it is not that of its family.
    pub(super) const fn group(mut self, name: &'static str) -> Self {
        self.group = name;
        self
    }

    /// One sentence, for people.
    pub(super) const fn summary(mut self, text: &'static str) -> Self {
        self.summary = text;
        self
    }

    /// Redis version that brought it.
    pub(super) const fn since(mut self, version: &'static str) -> Self {
        self.since = version;
        self
    }

    /// Complexity.
    pub(super) const fn cost(mut self, text: &'static str) -> Self {
        self.cost = text;
        self
    }

    /// Properties.
    pub(super) const fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// ACL categories beyond those that follow from the flags.
    pub(super) const fn categories(mut self, categories: Categories) -> Self {
        self.categories = categories;
        self
    }

    /// Where the keys are. A row with keys is answered by the shard that owns them.
    pub(super) const fn keys(mut self, keys: &'static [KeySpec]) -> Self {
        self.keys = keys;
        self.route = Route::Keys;
        self
    }

    /// Answered by the shards that own its keys, each its part.
    pub(super) const fn split(mut self, gather: Gather) -> Self {
        self.route = Route::Split;
        self.gather = gather;
        self
    }

    /// Answered by every shard.
    pub(super) const fn every(mut self, gather: Gather) -> Self {
        self.route = Route::Every;
        self.gather = gather;
        self
    }

    /// Answered by the gateway, which asks the shards that own the keys.
    pub(super) const fn gateway(mut self) -> Self {
        self.route = Route::Gateway;
        self
    }

    /// Only the name its subcommands stand under.
    pub(super) const fn container(mut self) -> Self {
        self.container = true;
        if self.arity > 0 {
            self.arity = -2;
        }
        self
    }

    /// See [`Row::tips`].
    pub(super) const fn tips(mut self, tips: &'static [&'static str]) -> Self {
        self.tips = tips;
        self
    }

    /// See [`Row::history`].
    pub(super) const fn history(mut self, history: &'static [(&'static str, &'static str)]) -> Self {
        self.history = history;
        self
    }

    /// See [`Row::deprecated`].
    pub(super) const fn deprecated(mut self, since: &'static str, instead: &'static str) -> Self {
        self.deprecated = Some(Deprecated { since, instead });
        self
    }

    /// See [`Row::system`].
    pub(super) const fn system(mut self) -> Self {
        self.system = true;
        self
    }

    /// See [`Row::variable_access`].
    pub(super) const fn variable_access(mut self, access: fn(&Args<'_>) -> Access) -> Self {
        self.variable_access = Some(access);
        self
    }

    /// See [`Row::looks_anywhere`].
    pub(super) const fn looks_anywhere(mut self, looks: fn(&Args<'_>) -> bool) -> Self {
        self.looks_anywhere = Some(looks);
        self
    }

    /// Where the syntax does not say it.
    pub(super) const fn arity(mut self, arity: i16) -> Self {
        self.arity = arity;
        self
    }

    /// Whether it may change data, or say what others have to hear.
    pub const fn may_write(&self) -> bool {
        self.flags.0 & Flags::WRITE.and(Flags::MAY_REPLICATE).0 != 0
    }

    /// Whether it runs a script, which executes other commands.
    pub const fn runs_scripts(&self) -> bool {
        matches!(
            self.verb,
            Verb::Scripting(
                Scripting::Eval
                    | Scripting::Evalsha
                    | Scripting::EvalRo
                    | Scripting::EvalshaRo
                    | Scripting::Fcall
                    | Scripting::FcallRo
            )
        )
    }

    /// Whether Redis clients ask for it by its name.
    pub const fn is_redis(&self) -> bool {
        matches!(self.family().as_bytes(), b"redis")
    }

    /// Who asks for it: clients of `redis` or `memcached`, or gateways (`link`).
    pub const fn family(&self) -> &'static str {
        match self.verb {
            Verb::Memcached(_) | Verb::MemcachedServer(_) => "memcached",
            Verb::Link(_) => "link",
            _ => "redis",
        }
    }

    /// Whether `count` arguments (the name included) are allowed.
    #[inline]
    pub fn takes(&self, count: usize) -> bool {
        let arity = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 { count >= arity } else { count == arity }
    }
}
