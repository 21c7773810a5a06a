//! One row per setting.

use super::value::{
    Kind, client_output_buffer_limit, file_name, hostname, percentiles, permissions, save_points,
};

/// Whether `CONFIG SET` may change a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// At any time.
    Live,
    /// Only at start.
    Start,
    /// Never: it says what this server does not do. Its one value may be set again, as scripts for Redis do.
    Fixed,
    /// By commands of its own: it is a state of the process, and no setting. Nobody is shown it, sets it or finds it in a
    /// file, but shards are told of it as of settings.
    State,
}

/// One row: everything that is true of a setting.
#[derive(Debug)]
pub struct Setting {
    /// The name in `CONFIG GET`.
    pub name: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// When it may change.
    pub change: Change,
    /// The value at start, as text.
    pub default: &'static str,
    /// One sentence, for people.
    pub summary: &'static str,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $key:ident = $name:literal, $kind:expr, $change:ident, $default:literal;)*) => {
        /// The settings by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(usize)]
        pub enum Key { $($(#[doc = $doc])+ $key),* }

        /// The rows, in the order of [`Key`].
        pub static ROWS: &[Setting] = &[$(Setting {
            name: $name, kind: $kind, change: Change::$change, default: $default,
            summary: concat!($($doc),+),
        }),*];
        pub(super) const KEYS: &[Key] = &[$(Key::$key),*];
    };
}

const NATURAL: Kind = Kind::Number(0, i32::MAX as i64);
const PORT: Kind = Kind::Number(0, u16::MAX as i64);

/// The words of `cluster-preferred-endpoint-type`, in the order of [`Endpoint`].
const ENDPOINTS: &[&str] = &["ip", "hostname", "unknown-endpoint"];

/// Where clients of a cluster are told to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// To the address.
    Ip,
    /// To the host name.
    Hostname,
    /// To where they have reached the node that says so.
    Unknown,
}

impl Endpoint {
    pub(super) const ALL: [Self; 3] = [Self::Ip, Self::Hostname, Self::Unknown];
}

/// The words of `acl-pubsub-default`: all, none.
const CHANNELS: &[&str] = &["allchannels", "resetchannels"];

/// The words of `maxmemory-policy`, in Redis's order and that of [`Policy`].
const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];

/// What is removed when memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of Redis's `maxmemory-policy`")]
pub enum Policy {
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
    AllKeysLru,
    AllKeysLfu,
    AllKeysRandom,
    NoEviction,
}

impl Policy {
    pub(super) const ALL: [Self; 8] = [
        Self::VolatileLru,
        Self::VolatileLfu,
        Self::VolatileRandom,
        Self::VolatileTtl,
        Self::AllKeysLru,
        Self::AllKeysLfu,
        Self::AllKeysRandom,
        Self::NoEviction,
    ];

    /// Whether the longest unused goes first.
    pub fn is_lru(self) -> bool {
        matches!(self, Self::VolatileLru | Self::AllKeysLru)
    }

    /// Whether the least often used goes first; accesses are counted then rather than dated.
    pub fn is_lfu(self) -> bool {
        matches!(self, Self::VolatileLfu | Self::AllKeysLfu)
    }
}

settings! {
    /// Addresses to listen on, separated by blanks.
    Bind = "bind", Kind::Text, Start, "127.0.0.1";
    /// TCP port for Redis clients; 0 is off.
    Port = "port", PORT, Start, "6379";
    /// TCP port for Memcached clients; 0 is off.
    MemcachedPort = "memcached-port", PORT, Start, "11211";
    /// TCP port for metrics and health checks; 0 is off.
    AdminPort = "admin-port", PORT, Start, "8474";
    /// Connections the system may hold that have not been accepted yet.
    TcpBacklog = "tcp-backlog", NATURAL, Start, "511";
    /// Worker threads; 0 is one for each processor.
    Threads = "threads", Kind::Number(0, 256), Start, "0";
    /// Shard processes that hold the data, started and restarted by this one; 0 keeps it in this process.
    ShardProcesses = "shard-processes", Kind::Number(0, 128), Start, "0";
    /// Logical databases.
    Databases = "databases", Kind::Number(16, 16), Start, "16";
    /// Directory for whatever is kept on disk.
    Dir = "dir", Kind::Text, Start, ".";
    /// Form of the log lines.
    LogFormat = "log-format", Kind::Choice(&["text", "json", "redis"]), Start, "text";
    /// How much is logged.
    LogLevel = "loglevel", Kind::Choice(&["debug", "verbose", "notice", "warning"]), Start, "notice";
    /// Bytes of memory to stay under; 0 is no limit.
    MaxMemory = "maxmemory", Kind::Bytes(0, i64::MAX), Live, "0";
    /// Bytes that all clients together may take before those that take most are closed, or percent of `maxmemory`; 0 is no limit.
    MaxMemoryClients = "maxmemory-clients", Kind::BytesOrShare, Live, "0";
    /// What is removed when memory is full.
    MaxMemoryPolicy = "maxmemory-policy", Kind::Choice(POLICIES), Live, "noeviction";
    /// Keys looked at to find the best one to evict.
    MaxMemorySamples = "maxmemory-samples", Kind::Number(1, i32::MAX as i64), Live, "5";
    /// Whether memory is freed after `FLUSHALL` and `FLUSHDB` have been answered unless they say `SYNC`.
    LazyfreeLazyUserFlush = "lazyfree-lazy-user-flush", Kind::YesNo, Live, "no";
    /// Fields from which on a hash is kept in a table.
    HashMaxListpackEntries = "hash-max-listpack-entries", Kind::Number(0, i64::MAX), Live, "512";
    /// Bytes of a field or value from which on a hash is kept in a table.
    HashMaxListpackValue = "hash-max-listpack-value", Kind::Bytes(0, i64::MAX), Live, "64";
    /// Elements of each listpack of a list, or below 0 its bytes: from -1 to -5 these are 4, 8, 16, 32 and 64 KiB.
    ListMaxListpackSize = "list-max-listpack-size", Kind::Number(i32::MIN as i64, i32::MAX as i64), Live, "-2";
    /// Listpacks at either end of a list that Redis does not compress; here none is compressed.
    ListCompressDepth = "list-compress-depth", NATURAL, Live, "0";
    /// Members from which on a set of integers is kept in a table.
    SetMaxIntsetEntries = "set-max-intset-entries", Kind::Number(0, i64::MAX), Live, "512";
    /// Members from which on a set is kept in a table.
    SetMaxListpackEntries = "set-max-listpack-entries", Kind::Number(0, i64::MAX), Live, "128";
    /// Bytes of a member from which on a set is kept in a table.
    SetMaxListpackValue = "set-max-listpack-value", Kind::Number(0, i64::MAX), Live, "64";
    /// Bytes from which on a HyperLogLog is dense.
    HllSparseMaxBytes = "hll-sparse-max-bytes", Kind::Bytes(0, i64::MAX), Live, "3000";
    /// Bytes of each listpack of a stream; 0 is no limit.
    StreamNodeMaxBytes = "stream-node-max-bytes", Kind::Bytes(0, i64::MAX), Live, "4096";
    /// Entries of each listpack of a stream; 0 is no limit.
    StreamNodeMaxEntries = "stream-node-max-entries", Kind::Number(0, i64::MAX), Live, "100";
    /// Members from which on a sorted set is kept in a tree and a table.
    ZsetMaxListpackEntries = "zset-max-listpack-entries", Kind::Number(0, i64::MAX), Live, "128";
    /// Bytes of a member from which on a sorted set is kept in a tree and a table.
    ZsetMaxListpackValue = "zset-max-listpack-value", Kind::Bytes(0, i64::MAX), Live, "64";
    /// Name of the file in `dir` that all keys are saved to and loaded from.
    DbFilename = "dbfilename", Kind::Composed(file_name), Start, "dump.rdb";
    /// After how many seconds all keys are saved if how many changes have been made since: pairs of both; empty is never.
    /// With a `dir` that is given and nothing else said, it is `3600 1 300 100 60 10000`.
    Save = "save", Kind::Composed(save_points), Live, "";
    /// Whether `DUMP` and saved files compress strings.
    RdbCompression = "rdbcompression", Kind::YesNo, Live, "yes";
    /// Whether saved files end with a checksum, and that of others is looked at.
    RdbChecksum = "rdbchecksum", Kind::YesNo, Start, "yes";
    /// Whether what is saved is brought to the disk while it is written, and not all at the end.
    RdbSaveIncrementalFsync = "rdb-save-incremental-fsync", Kind::YesNo, Live, "yes";
    /// Whether writes are refused after saving has failed, while there is a `save`.
    StopWritesOnBgsaveError = "stop-writes-on-bgsave-error", Kind::YesNo, Live, "yes";
    /// Which payloads of `RESTORE` Redis looks through; here that is all, whatever this says.
    SanitizeDumpPayload = "sanitize-dump-payload", Kind::Choice(&["no", "yes", "clients"]), Live, "no";
    /// How far a key's LFU counter lies from its accesses.
    LfuLogFactor = "lfu-log-factor", NATURAL, Live, "10";
    /// Minutes after which a key's LFU counter is lowered by one.
    LfuDecayTime = "lfu-decay-time", NATURAL, Live, "1";
    /// Clients held at once.
    MaxClients = "maxclients", Kind::Number(1, u32::MAX as i64), Live, "10000";
    /// Seconds after which an idle client is closed; 0 is never.
    Timeout = "timeout", NATURAL, Live, "0";
    /// Seconds between TCP keep-alive probes; 0 is off.
    TcpKeepalive = "tcp-keepalive", NATURAL, Live, "300";
    /// Password of the default user; empty is none.
    RequirePass = "requirepass", Kind::Text, Live, "";
    /// Users besides the default one, and what they may do: a line for each, as `ACL LIST` tells them without the word `user`.
    User = "user", Kind::Text, Start, "";
    /// File of users, in the place of `user`; read at start and by `ACL LOAD`, written by `ACL SAVE`.
    AclFile = "aclfile", Kind::Text, Start, "";
    /// Whether new users may listen to every channel.
    AclPubsubDefault = "acl-pubsub-default", Kind::Choice(CHANNELS), Live, "resetchannels";
    /// Entries that `ACL LOG` keeps.
    AclLogMaxLen = "acllog-max-len", Kind::Number(0, i64::MAX), Live, "128";
    /// Whether clients from other machines are refused while no password is set.
    ProtectedMode = "protected-mode", Kind::YesNo, Live, "yes";
    /// Bytes of the largest bulk string.
    ProtoMaxBulkLen = "proto-max-bulk-len", Kind::Bytes(1024 * 1024, i64::MAX), Live, "536870912";
    /// Bytes one client may have sent without the request being complete.
    ClientQueryBufferLimit = "client-query-buffer-limit", Kind::Bytes(1024 * 1024, i64::MAX), Live, "1073741824";
    /// Bytes of output that may wait for a client, by class: hard limit, soft limit, seconds over the soft one.
    ClientOutputBufferLimit = "client-output-buffer-limit", Kind::Composed(client_output_buffer_limit), Live,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
    /// Microseconds from which a command is logged as slow; 0 logs all, -1 none.
    SlowlogLogSlowerThan = "slowlog-log-slower-than", Kind::Number(-1, i64::MAX), Live, "10000";
    /// Milliseconds a script may run before requests are refused because of it (`BUSY`), and it can be ended.
    BusyReplyThreshold = "busy-reply-threshold", Kind::Number(0, i64::MAX), Live, "5000";
    /// Entries the slow log keeps.
    SlowlogMaxLen = "slowlog-max-len", Kind::Number(0, i64::MAX), Live, "128";
    /// Milliseconds from which an event enters the latency history; 0 is off.
    LatencyMonitorThreshold = "latency-monitor-threshold", Kind::Number(0, i64::MAX), Live, "0";
    /// Whether INFO shows how long commands take.
    LatencyTracking = "latency-tracking", Kind::YesNo, Live, "yes";
    /// Percentiles of the times of commands that INFO shows.
    LatencyTrackingInfoPercentiles = "latency-tracking-info-percentiles", Kind::Composed(percentiles), Live,
        "50 99 99.9";
    /// Milliseconds for which a shard may say nothing while a gateway waits for its answers; a command that takes longer
    /// than that holds up all, and is in doubt.
    LinkTimeout = "link-timeout-ms", Kind::Number(10, 3_600_000), Live, "5000";
    /// Background rounds a second.
    Hz = "hz", Kind::Clamped(1, 500), Live, "10";
    /// Whether keys whose time has come are removed before they are asked for (`DEBUG SET-ACTIVE-EXPIRE`).
    ActiveExpire = "active-expire", Kind::YesNo, State, "yes";
    /// Until when, in Unix milliseconds, nothing is taken out because it has expired or to make room (`CLIENT PAUSE`).
    PausedUntil = "paused-until-ms", Kind::Number(0, i64::MAX), State, "0";
    /// Whether scripts may not ask for `DEBUG`, as for other commands that are not for them (`DEBUG SET-DISABLE-DENY-SCRIPTS`).
    DenyInScripts = "deny-in-scripts", Kind::YesNo, State, "yes";
    /// Whether DEBUG is allowed; what it can do here harms nobody.
    EnableDebugCommand = "enable-debug-command", Kind::Choice(&["yes"]), Fixed, "yes";
    /// Whether modules may be loaded: there are none.
    EnableModuleCommand = "enable-module-command", Kind::Choice(&["no"]), Fixed, "no";
    /// Whether settings that reach files may be changed while the server runs.
    EnableProtectedConfigs = "enable-protected-configs", Kind::Choice(&["no"]), Fixed, "no";
    /// Whether the server goes to the background by itself, once it knows what it is to do.
    Daemonize = "daemonize", Kind::YesNo, Start, "no";
    /// File for the log, which may be moved away while the server runs; empty is standard error.
    Logfile = "logfile", Kind::Text, Start, "";
    /// File for the number of the process while it runs; empty is none.
    Pidfile = "pidfile", Kind::Text, Start, "";
    /// Socket of this machine for Redis clients; empty is none.
    UnixSocket = "unixsocket", Kind::Text, Start, "";
    /// Who may connect to that socket, in octal; 0 is as the process makes files.
    UnixSocketPerm = "unixsocketperm", Kind::Composed(permissions), Start, "0";
    /// TCP port for clients with TLS.
    TlsPort = "tls-port", Kind::Choice(&["0"]), Fixed, "0";
    /// Replicas that have to be there for writes to be accepted: there are none, so above 0 none is.
    MinReplicasToWrite = "min-replicas-to-write", NATURAL, Live, "0";
    /// Seconds for which such a replica may say nothing; 0 asks for none.
    MinReplicasMaxLag = "min-replicas-max-lag", NATURAL, Live, "10";
    /// The server this one copies, and by its former name `slaveof`.
    Replicaof = "replicaof", Kind::Choice(&[""]), Fixed, "";
    /// Whether keys are refused because others, of other slots, cannot be reached.
    ClusterRequireFullCoverage = "cluster-require-full-coverage", Kind::Choice(&["no"]), Fixed, "no";
    /// Whether reads of slots that are served go on while others are not.
    ClusterAllowReadsWhenDown = "cluster-allow-reads-when-down", Kind::Choice(&["yes"]), Fixed, "yes";
    /// Whether messages to sharded channels go on while some slots are not served.
    ClusterAllowPubsubshardWhenDown = "cluster-allow-pubsubshard-when-down", Kind::Choice(&["yes"]), Fixed, "yes";
    /// Whether what eviction removes is freed step by step.
    LazyfreeLazyEviction = "lazyfree-lazy-eviction", Kind::Choice(&["yes"]), Fixed, "yes";
    /// Whether what has expired is freed step by step.
    LazyfreeLazyExpire = "lazyfree-lazy-expire", Kind::Choice(&["yes"]), Fixed, "yes";
    /// Whether what a command overwrites is freed step by step.
    LazyfreeLazyServerDel = "lazyfree-lazy-server-del", Kind::Choice(&["yes"]), Fixed, "yes";
    /// Whether `DEL` frees step by step, as `UNLINK` does.
    LazyfreeLazyUserDel = "lazyfree-lazy-user-del", Kind::Choice(&["yes"]), Fixed, "yes";
    /// Whether what changes the data is logged to disk, and read from there at start.
    AppendOnly = "appendonly", Kind::YesNo, Start, "no";
    /// What the names of the files of that log begin with.
    AppendFilename = "appendfilename", Kind::Text, Start, "appendonly.aof";
    /// Directory of these files, in `dir`.
    AppendDirName = "appenddirname", Kind::Text, Start, "appendonlydir";
    /// When the disk is to have kept what is logged: before it is answered, within a second, or when the system likes.
    AppendFsync = "appendfsync", Kind::Choice(&["everysec", "always", "no"]), Live, "everysec";
    /// Whether the disk is left alone while the log is rewritten; it is asked all the same, as nothing is rewritten yet.
    NoAppendFsyncOnRewrite = "no-appendfsync-on-rewrite", Kind::YesNo, Live, "no";
    /// Percent by which the log has to grow before it is rewritten; not yet.
    AutoAofRewritePercentage = "auto-aof-rewrite-percentage", NATURAL, Live, "100";
    /// Bytes below which the log is not rewritten; not yet.
    AutoAofRewriteMinSize = "auto-aof-rewrite-min-size", Kind::Bytes(0, i64::MAX), Live, "67108864";
    /// Whether a log that ends in the middle of a command is read up to there.
    AofLoadTruncated = "aof-load-truncated", Kind::YesNo, Live, "yes";
    /// Whether the base of the log is an RDB file.
    AofUseRdbPreamble = "aof-use-rdb-preamble", Kind::YesNo, Live, "yes";
    /// Whether the log notes the time.
    AofTimestampEnabled = "aof-timestamp-enabled", Kind::YesNo, Live, "no";
    /// Whether the disk is asked to keep a base piece by piece.
    AofRewriteIncrementalFsync = "aof-rewrite-incremental-fsync", Kind::YesNo, Live, "yes";
    /// Whether clients see a cluster: slots, one database, no command on keys of several slots.
    ClusterEnabled = "cluster-enabled", Kind::YesNo, Start, "no";
    /// Address that clients of the cluster are told; empty is the one they have reached.
    ClusterAnnounceIp = "cluster-announce-ip", Kind::Text, Live, "";
    /// Port that clients of the cluster are told; 0 is the one they have reached.
    ClusterAnnouncePort = "cluster-announce-port", PORT, Live, "0";
    /// Host name that clients of the cluster are told; empty is none.
    ClusterAnnounceHostname = "cluster-announce-hostname", Kind::Composed(hostname), Live, "";
    /// Where clients of the cluster are told to connect.
    ClusterPreferredEndpointType = "cluster-preferred-endpoint-type", Kind::Choice(ENDPOINTS), Live, "ip";
    /// Which key events are published.
    NotifyKeyspaceEvents = "notify-keyspace-events", Kind::Classes, Live, "";
    /// Keys of which clients are told that have read them; the longest known are told of when there are more. 0 is no limit.
    TrackingTableMaxKeys = "tracking-table-max-keys", Kind::Number(0, i64::MAX), Live, "1000000";
    /// Bytes of the largest Memcached item.
    MemcachedItemSizeMax = "memcached-item-size-max", Kind::Bytes(1024, 1024 * 1024 * 1024), Start, "1048576";
    /// Whether Memcached writes return an error when memory is full instead of evicting.
    MemcachedErrorOnFull = "memcached-error-on-full", Kind::YesNo, Start, "no";
    /// Whether Memcached clients may remove all items (`flush_all`).
    MemcachedFlush = "memcached-flush-all", Kind::YesNo, Start, "yes";
    /// Whether Memcached clients may list items (`stats cachedump`).
    MemcachedDump = "memcached-dump", Kind::YesNo, Start, "yes";
}

/// Names that settings had before they have the one of their row. Both go on being shown and understood.
const FORMER_NAMES: &[(&str, Key)] = &[
    ("hash-max-ziplist-entries", Key::HashMaxListpackEntries),
    ("hash-max-ziplist-value", Key::HashMaxListpackValue),
    ("list-max-ziplist-size", Key::ListMaxListpackSize),
    ("lua-time-limit", Key::BusyReplyThreshold),
    ("zset-max-ziplist-entries", Key::ZsetMaxListpackEntries),
    ("min-slaves-max-lag", Key::MinReplicasMaxLag),
    ("min-slaves-to-write", Key::MinReplicasToWrite),
    ("slaveof", Key::Replicaof),
    ("zset-max-ziplist-value", Key::ZsetMaxListpackValue),
];

impl Key {
    /// The row of this setting.
    pub fn row(self) -> &'static Setting {
        &ROWS[self as usize]
    }

    /// The setting of this name, in any case, or that once had it.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::names().find(|(own, _)| own.as_bytes().eq_ignore_ascii_case(name)).map(|(_, key)| key)
    }

    /// What a gateway tells its shards by this name: a setting, or a state of the process.
    pub fn told(name: &[u8]) -> Option<Self> {
        let is_state = |key: &Self| key.row().change == Change::State && key.row().name.as_bytes() == name;
        Self::named(name).or_else(|| KEYS.iter().copied().find(is_state))
    }

    /// All settings by name, and by those they had before.
    pub fn names() -> impl Iterator<Item = (&'static str, Self)> {
        let names = Self::all().map(|key| (key.row().name, key));
        names.chain(FORMER_NAMES.iter().copied())
    }

    /// All settings; states of the process are none.
    pub fn all() -> impl Iterator<Item = Self> {
        KEYS.iter().copied().filter(|key| key.row().change != Change::State)
    }

    /// Whether a setting is about the data, wherever that is, and not about those who ask for it: a gateway tells its
    /// shards of every change.
    pub fn concerns_store(self) -> bool {
        match self {
            Self::MaxMemory
            | Self::AppendOnly
            | Self::AppendFilename
            | Self::AppendDirName
            | Self::AppendFsync
            | Self::NoAppendFsyncOnRewrite
            | Self::AutoAofRewritePercentage
            | Self::AutoAofRewriteMinSize
            | Self::AofLoadTruncated
            | Self::AofUseRdbPreamble
            | Self::AofTimestampEnabled
            | Self::AofRewriteIncrementalFsync
            | Self::MaxMemoryPolicy
            | Self::MaxMemorySamples
            | Self::LazyfreeLazyUserFlush
            | Self::HashMaxListpackEntries
            | Self::HashMaxListpackValue
            | Self::ListMaxListpackSize
            | Self::ListCompressDepth
            | Self::Save
            | Self::DbFilename
            | Self::RdbCompression
            | Self::RdbChecksum
            | Self::RdbSaveIncrementalFsync
            | Self::StopWritesOnBgsaveError
            | Self::SanitizeDumpPayload
            | Self::SetMaxIntsetEntries
            | Self::SetMaxListpackEntries
            | Self::SetMaxListpackValue
            | Self::HllSparseMaxBytes
            | Self::StreamNodeMaxBytes
            | Self::StreamNodeMaxEntries
            | Self::ZsetMaxListpackEntries
            | Self::ZsetMaxListpackValue
            | Self::LfuLogFactor
            | Self::LfuDecayTime
            | Self::ProtoMaxBulkLen
            | Self::ClientQueryBufferLimit
            | Self::Hz
            | Self::ActiveExpire
            | Self::PausedUntil
            | Self::MemcachedItemSizeMax
            | Self::MemcachedErrorOnFull
            | Self::MemcachedFlush
            | Self::SlowlogLogSlowerThan
            | Self::LatencyMonitorThreshold
            | Self::BusyReplyThreshold
            | Self::DenyInScripts
            | Self::MinReplicasToWrite
            | Self::MinReplicasMaxLag
            | Self::NotifyKeyspaceEvents
            | Self::TrackingTableMaxKeys
            | Self::MemcachedDump => true,
            Self::Bind
            | Self::Port
            | Self::MemcachedPort
            | Self::AdminPort
            | Self::TcpBacklog
            | Self::Threads
            | Self::ShardProcesses
            | Self::Databases
            | Self::Dir
            | Self::LogFormat
            | Self::LogLevel
            | Self::MaxClients
            | Self::MaxMemoryClients
            | Self::User
            | Self::AclFile
            | Self::AclPubsubDefault
            | Self::AclLogMaxLen
            | Self::Timeout
            | Self::LinkTimeout
            | Self::TcpKeepalive
            | Self::ClusterEnabled
            | Self::RequirePass
            | Self::ProtectedMode
            | Self::ClientOutputBufferLimit
            | Self::SlowlogMaxLen
            | Self::LatencyTracking
            | Self::LatencyTrackingInfoPercentiles
            | Self::EnableDebugCommand
            | Self::EnableModuleCommand
            | Self::EnableProtectedConfigs
            | Self::Daemonize
            | Self::Logfile
            | Self::Pidfile
            | Self::UnixSocket
            | Self::UnixSocketPerm
            | Self::TlsPort
            | Self::Replicaof
            | Self::ClusterRequireFullCoverage
            | Self::ClusterAllowReadsWhenDown
            | Self::ClusterAllowPubsubshardWhenDown
            | Self::LazyfreeLazyEviction
            | Self::LazyfreeLazyExpire
            | Self::LazyfreeLazyServerDel
            | Self::LazyfreeLazyUserDel
            | Self::ClusterAnnounceIp
            | Self::ClusterAnnouncePort
            | Self::ClusterAnnounceHostname
            | Self::ClusterPreferredEndpointType => false,
        }
    }
}
