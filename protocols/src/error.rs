//! Everything that can be wrong with a request, with the exact text a client sees.

use thiserror::Error;

/// A request that was understood and refused: a reply, and the connection goes on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The key holds another type.
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    /// An option that is not one, or options that exclude each other.
    #[error("ERR syntax error")]
    Syntax,
    /// An argument or a stored value that should be a 64-bit integer.
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    /// An argument or a stored value that should be a number.
    #[error("ERR value is not a valid float")]
    NotFloat,
    /// The result of an increment would not fit.
    #[error("ERR increment or decrement would overflow")]
    Overflow,
    /// The key that must exist does not.
    #[error("ERR no such key")]
    NoSuchKey,
    /// A database index out of range.
    #[error("ERR DB index is out of range")]
    DatabaseIndex,
    /// A write was refused because memory is full and nothing may be evicted.
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    /// A write where `min-replicas-to-write` wants replicas.
    #[error("NOREPLICAS Not enough good replicas to write.")]
    NoReplicas,
    /// A cursor that is not a number.
    #[error("ERR invalid cursor")]
    Cursor,
    /// An expire time that cannot be represented.
    #[error("ERR invalid expire time in '{0}' command")]
    ExpireTime(&'static str),
    /// Too few or too many arguments.
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(&'static str),
    /// A string would grow past its limit.
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    StringTooLong,
    /// The client has to authenticate first.
    #[error("NOAUTH Authentication required.")]
    NoAuth,
    /// A transaction ended without being executed; the reason, without a code where it is `ERR`.
    #[error("EXECABORT Transaction discarded because of: {0}")]
    Discarded(Box<str>),
    /// Keys of several slots in one request, or in one transaction, of a client that sees a cluster.
    #[error("CROSSSLOT Keys in request don't hash to the same slot")]
    CrossSlot,
    /// Keys of a slot that another node has: which slot, and where that node is reached.
    #[error("MOVED {0} {1}")]
    Moved(u16, Box<str>),
    /// Keys of a slot that nobody has.
    #[error("CLUSTERDOWN Hash slot not served")]
    Unserved,
    /// A question about the cluster where there is none.
    #[error("ERR This instance has cluster support disabled")]
    NoCluster,
    /// What needs more than the one database of a cluster; names the command.
    #[error("ERR {0} is not allowed in cluster mode")]
    NotInCluster(&'static str),
    /// Any other exact text, error code first.
    #[error("{0}")]
    Text(&'static str),
    /// Any other exact text that had to be composed, error code first; see [`Error::quoting`].
    #[error("{}", String::from_utf8_lossy(.0))]
    Composed(Box<[u8]>),
    /// A short request asks for a reply longer than [`crate::limits::REPLY_BYTES_MAX`] or, about
    /// commands, [`crate::limits::DOCS_BYTES_MAX`].
    #[error("ERR the reply would be longer than a reply may be")]
    ReplyTooLong,
}

impl Error {
    /// A script has run for too long.
    pub const BUSY: Self =
        Self::Text("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.");

    /// The file of the data is being loaded.
    pub const LOADING: Self = Self::Text("LOADING Redis is loading the dataset in memory");

    /// The data cannot be saved, and is to be.
    pub const NOT_SAVED: Self = Self::Text(
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands \
         that may modify the data set are disabled, because this instance is configured to report errors during \
         writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for \
         details about the RDB error.",
    );

    /// The same of a function.
    pub const BUSY_FUNCTION: Self = Self::Text(
        "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
    );

    /// That a subcommand is given other arguments than it takes.
    ///
    /// Source: Redis `networking.c`, `addReplySubcommandSyntaxError`.
    pub fn wrong_subcommand(container: &str, subcommand: &[u8]) -> Self {
        let before = "ERR unknown subcommand or wrong number of arguments for '";
        Self::quoting(before, subcommand, &format!("'. Try {container} HELP."))
    }

    /// An error that repeats `word`, which need not be text, as C prints it: up to a zero byte.
    pub fn quoting(before: &str, word: &[u8], after: &str) -> Self {
        Self::composed(&[before.as_bytes(), word, after.as_bytes()])
    }

    /// An error of these parts, each as C prints it.
    pub fn composed(parts: &[&[u8]]) -> Self {
        let parts = parts.iter().map(|part| &part[..memchr::memchr(0, part).unwrap_or(part.len())]);
        Self::Composed(parts.collect::<Vec<_>>().concat().into())
    }
}

/// Bytes that are not the protocol: a reply, and the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// A line that announces a bulk string does not start with `$`.
    #[error("ERR Protocol error: expected '$', got '{}'", *.0 as char)]
    ExpectedBulk(u8),
    /// A bulk length that is no number, negative, or over the limit.
    #[error("ERR Protocol error: invalid bulk length")]
    BulkLength,
    /// An array length that is no number or over the limit.
    #[error("ERR Protocol error: invalid multibulk length")]
    ArrayLength,
    /// A length line without end.
    #[error("ERR Protocol error: too big mbulk count string")]
    ArrayLengthLine,
    /// A bulk length line without end.
    #[error("ERR Protocol error: too big bulk count string")]
    BulkLengthLine,
    /// An inline command without end.
    #[error("ERR Protocol error: too big inline request")]
    InlineTooLong,
    /// An inline command with an open quote.
    #[error("ERR Protocol error: unbalanced quotes in request")]
    InlineQuotes,
    /// A client that has not authenticated sends more than a login needs.
    #[error("ERR Protocol error: unauthenticated multibulk length")]
    UnauthenticatedArray,
    /// See [`Fault::UnauthenticatedArray`].
    #[error("ERR Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulk,
    /// A request of more bytes than a client may send at once. Redis closes without a reply, and so do we.
    #[error("request exceeds client-query-buffer-limit")]
    RequestTooLong,
    /// A Memcached line without end; the text comes from [`crate::memcached`].
    #[error("ERROR Too large request")]
    MemcachedLine,
    /// A Memcached binary header that is none.
    #[error("ERROR bad magic")]
    MemcachedMagic,
}
