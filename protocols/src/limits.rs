//! Every limit of the wire, each checked before memory is spent.

/// Bytes of one RESP bulk string, and so of one string value, unless the setting says otherwise. Source: Redis `proto-max-bulk-len`.
pub const BULK_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Arguments of one RESP array. Source: Redis `networking.c`, "invalid multibulk length" (`INT_MAX`).
pub const ARGUMENTS_MAX: usize = i32::MAX as usize;

/// Bytes of one inline command and of a RESP length line. Source: Redis `PROTO_INLINE_MAX_SIZE`.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;

/// Arguments and bulk bytes a client may send before it has authenticated. Source: Redis 7 `networking.c`.
pub const UNAUTHENTICATED_ARGUMENTS_MAX: usize = 10;
/// See [`UNAUTHENTICATED_ARGUMENTS_MAX`].
pub const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16 * 1024;

/// Bytes one client may have sent without the request being complete. Source: Redis
/// `client-query-buffer-limit`.
pub const QUERY_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Bytes of the reply to one command of many keys, or about many clients or commands, from which it is refused.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Bytes of the reply to one `COMMAND DOCS` or `COMMAND INFO` with names, which may be named again and again: several
/// times what all commands take together.
pub const DOCS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of a Memcached key. Source: memcached `KEY_MAX_LENGTH`.
pub const MEMCACHED_KEY_BYTES_MAX: usize = 250;

/// Bytes of a Memcached command line without its end before the client is told off. Source: memcached
/// `proto_text.c`, `try_read_command_ascii`.
pub const MEMCACHED_LINE_BYTES_MAX: usize = 2048;

/// Bytes of a line of keys (`get`, `gets`) without its end; some clients ask for thousands at once.
pub const MEMCACHED_GET_LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of an opaque of a Memcached meta command, its letter included. Source: memcached
/// `MFLAG_MAX_OPAQUE_LENGTH`.
pub const MEMCACHED_OPAQUE_BYTES_MAX: usize = 32;

/// Words of a Memcached meta command. Source: memcached `MFLAG_MAX_OPT_LENGTH`.
pub const MEMCACHED_META_WORDS_MAX: usize = 19;

/// Bytes of the mechanism and the data of a Memcached SASL request.
pub const MEMCACHED_SASL_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a Memcached item (header, key and value) unless `-I` says otherwise. Source: memcached
/// `item_size_max`.
pub const MEMCACHED_ITEM_BYTES_MAX: usize = 1024 * 1024;

/// Threads that run scripts which may take long, besides those of the workers.
pub const SCRIPT_THREADS: usize = 4;

/// Requests that wait for these threads.
pub const APART_JOBS_MAX: usize = 4096;

/// Bytes of keys that wait to be written to a snapshot because they are about to change; with more, what may change
/// others waits.
pub const SNAPSHOT_QUEUE_BYTES_MAX: usize = 32 << 20;

/// Logical databases (`SELECT 0` to `SELECT 15`). Source: Redis `databases`.
pub const DATABASES: usize = 16;

/// Bytes for clients in one frame of a link; longer answers come in several, with those of others between them.
pub const LINK_PART_BYTES_MAX: usize = 64 * 1024;

/// Requests of one client that go to a shard in one frame, and are answered in one.
pub const LINK_RUN_REQUESTS_MAX: u8 = 64;

/// Bytes of such a frame.
pub const LINK_RUN_BYTES_MAX: usize = 32 * 1024;

/// Bytes of the name of a gateway or shard, which one byte counts.
pub const LINK_NAME_BYTES_MAX: usize = u8::MAX as usize;

/// Users that access control knows. Redis has no limit; each new connection may be any of them.
pub const ACL_USERS_MAX: usize = 64 * 1024;

/// Passwords, patterns of keys, of channels, selectors or rules about commands that one user or selector may have of each. Redis has
/// no limit; the time to add one, and to look at a request, grows with them.
pub const ACL_LISTED_MAX: usize = 4096;
