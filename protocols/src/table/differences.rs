//! What is deliberately not as in Redis 7.0 or memcached 1.6.18. `COMMANDS.md` lists it; transcripts mark it.

/// One deliberate difference.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The commands it is about, as people write them.
    pub command: &'static str,
    /// What a client sees.
    pub difference: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// All of them, by command. Whoever answers a command adds what differs.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        command: "CLIENT TRACKING",
        difference: "ON is refused with `ERR Client tracking is not available`; OFF and the questions about it \
            are answered as for a client that does not track.",
        reason: "Invalidation is not here yet, and a client that believed in it would read stale values.",
    },
    Difference {
        command: "CONFIG SET client-output-buffer-limit",
        difference: "A client that takes nothing of its output for 60 seconds is closed, whatever the limits say.",
        reason: "Its memory is wanted by others, and nothing else tells a dead reader from a slow one.",
    },
    Difference {
        command: "OBJECT IDLETIME, meta `l` and `me`",
        difference: "Idle times are told up to 98,304 seconds; longer ones look the same, to eviction too. With \
            `lfu-decay-time` above 256 counters do not decay.",
        reason: "An entry spends 17 bits on its last access, where Redis spends 24 of a larger entry.",
    },
    Difference {
        command: "CLUSTER ADDSLOTS, ADDSLOTSRANGE, BUMPEPOCH, DELSLOTS, DELSLOTSRANGE, FAILOVER, FLUSHSLOTS, FORGET, \
            MEET, REPLICATE, RESET, SAVECONFIG, SET-CONFIG-EPOCH, SETSLOT",
        difference: "Refused with `ERR CLUSTER ... changes nothing here: the server is told at start who has which \
            slots`.",
        reason: "Clients see a cluster; they do not make it.",
    },
    Difference {
        command: "CLUSTER GETKEYSINSLOT",
        difference: "Keys come in the order of their hashes, in Redis the youngest first.",
        reason: "It is a walk over the table of the slot.",
    },
    Difference {
        command: "CLUSTER NODES, CLUSTER SHARDS, CLUSTER SLOTS",
        difference: "Unless `cluster-announce-ip` says otherwise, the address is the one the client has reached; a Redis \
            node that has met no other leaves it empty. The port of the bus is 0.",
        reason: "Some clients cannot do without an address. There is no bus.",
    },
    Difference {
        command: "get, gets, gat, gats of several keys",
        difference: "Where a later key is too long, none of the keys is touched; memcached has touched those before it.",
        reason: "A line that is refused has no effect.",
    },
    Difference {
        command: "incr, decr",
        difference: "A zero byte behind the digits of a value makes it no number. For memcached the value ends there.",
        reason: "What is counted is the whole value.",
    },
    Difference {
        command: "COMMAND DOCS, COMMAND INFO",
        difference: "Summaries and complexities are worded differently, and key specifications have no notes; arguments, versions, flags, \
            keys and tips are those of Redis 7.0.",
        reason: "The texts are our own.",
    },
    Difference {
        command: "COMMAND DOCS name …, COMMAND INFO name …",
        difference: "A reply of more than 8 MiB is refused: names that are repeated thousands of times.",
        reason: "One short request must not take all memory.",
    },
    Difference {
        command: "COMMAND, COMMAND COUNT, COMMAND LIST",
        difference: "Only commands that are here are listed, in the order of this page.",
        reason: "Clients switch features on by asking.",
    },
    Difference {
        command: "HELP of CLIENT, COMMAND, CONFIG, OBJECT, …",
        difference: "The frame is that of Redis, the sentences are not.",
        reason: "They are made from the command table.",
    },
    Difference {
        command: "BITFIELD, BITFIELD_RO",
        difference: "An offset `#n` for which `n` times the width does not fit 64 bits is refused. In Redis the \
            product wraps around to some other offset.",
        reason: "A write never goes to a place nobody named.",
    },
    Difference {
        command: "APPEND, BITFIELD, SETBIT, SETRANGE",
        difference: "No string grows to 4 GiB, even where `proto-max-bulk-len` allows it; the error is the one for \
            that setting.",
        reason: "No request can be that long, and lengths take little space.",
    },
    Difference {
        command: "Any inline command",
        difference: "A line longer than 64 KiB is always refused. Redis takes it if its end happens to arrive \
            in the same read.",
        reason: "What a request means does not depend on how the network cuts it.",
    },
    Difference {
        command: "Any request",
        difference: "A zero byte in a length line or an inline command is an ordinary byte. Redis does not see \
            the end of such a line and waits.",
        reason: "An error helps more than silence.",
    },
    Difference {
        command: "SCAN",
        difference: "A cursor with a zero byte is invalid. For Redis it ends there.",
        reason: "A cursor is the whole argument.",
    },
    Difference {
        command: "CONFIG GET, CONFIG SET",
        difference: "Only settings that mean something here are shown. `save`, `appendonly` \
            and `notify-keyspace-events` have one value, which may be set again; others are refused as immutable.",
        reason: "An answer is true, and scripts that switch persistence off go on working.",
    },
    Difference {
        command: "DEBUG",
        difference: "Allowed at once, with the subcommands SLEEP, OBJECT, SET-ACTIVE-EXPIRE, ERROR and HELP, which are found \
            and counted as those of any container. SLEEP holds the client that asks and no other; OBJECT shows \
            no address and the serialized length without compression.",
        reason: "Nothing in it can harm others.",
    },
    Difference {
        command: "INFO",
        difference: "Fields of what is not here are left out or have the value of a Redis that does not use it; \
            `tidegate_version`, `memcached_port` and `worker_threads` are added. Statistics of Memcached's \
            commands are named `memcached|get` and so on.",
        reason: "What reads INFO finds what it looks for.",
    },
    Difference {
        command: "INFO latencystats, LATENCY HISTOGRAM",
        difference: "Times are counted in powers of two; percentiles are interpolated within.",
        reason: "A histogram per command and thread has to stay small.",
    },
    Difference {
        command: "LATENCY DOCTOR, MEMORY DOCTOR, LOLWUT",
        difference: "Other words, another picture.",
        reason: "The texts are our own.",
    },
    Difference {
        command: "EXEC",
        difference: "Where its replies are more than 1 GiB together, all is executed and the client is closed.",
        reason: "Queued requests are short; their replies must not take all memory.",
    },
    Difference {
        command: "MGET, HMGET, HRANDFIELD",
        difference: "Values of more than 1 GiB together are refused. Redis builds the reply whatever that takes.",
        reason: "One short request must not take all memory.",
    },
    Difference {
        command: "OBJECT REFCOUNT",
        difference: "Nothing is shared between keys; what Redis would answer is answered.",
        reason: "Clients that look at it expect that.",
    },
    Difference {
        command: "SLOWLOG, LATENCY, INFO commandstats",
        difference: "Commands of constant time that are executed together, with short requests and replies, are told \
            the mean of their times, and one among them that is slow may be missed by SLOWLOG and LATENCY. After such \
            a batch all are timed one by one for a while. `slowlog-log-slower-than` below 1000 always does that.",
        reason: "A look at the clock for each costs time, and nearly all of them are quick.",
    },
    Difference {
        command: "SHUTDOWN",
        difference: "The server always finishes what it has begun and waits for clients to take their output, \
            within a limit; SAVE is refused.",
        reason: "There is nothing to save to yet.",
    },
    Difference {
        command: "Memcached: any command",
        difference: "Items are string keys of database 0. A Redis string has client flags 0; a value of another \
            type is answered `SERVER_ERROR the key holds a value that is not a string`, except where it is \
            overwritten, touched or deleted.",
        reason: "Both families see the same keys.",
    },
    Difference {
        command: "Memcached: expiration times",
        difference: "Items expire to the millisecond; memcached counts in whole seconds and may be one early. \
            Remaining times are rounded up.",
        reason: "Both families see the same time to live.",
    },
    Difference {
        command: "Memcached: mg, me with k or b",
        difference: "A key is repeated in base64 if it was asked for in base64; memcached repeats it as it was \
            stored.",
        reason: "The client that asks knows which form it understands.",
    },
    Difference {
        command: "Memcached: me",
        difference: "`cls` is always 1 and `size` is what the item takes here.",
        reason: "There are no slab classes.",
    },
    Difference {
        command: "Memcached: flags of meta commands",
        difference: "An opaque that is too long refuses the command before it is executed; memcached notices while \
            it writes the answer.",
        reason: "A command that was refused has done nothing.",
    },
    Difference {
        command: "Memcached: binary operations that are unknown",
        difference: "Exactly their body is thrown away. memcached throws away as many bytes of what follows as \
            well. Bodies that do not fit their operation close the connection.",
        reason: "The next request is read from its beginning.",
    },
    Difference {
        command: "Memcached: stats",
        difference: "Only figures that mean something here. `detail` is accepted and keeps nothing, all \
            items are of class 1, and `cachedump` lists them in the order of the table, not that of their last use.",
        reason: "There are no slabs and no statistics by prefix.",
    },
    Difference {
        command: "Memcached: slabs, lru, lru_crawler, watch, extstore, shutdown",
        difference: "Answered as memcached answers them when they are switched off.",
        reason: "They are about parts of memcached.",
    },
    Difference {
        command: "Memcached: verbosity",
        difference: "Accepted, without effect.",
        reason: "Logging is configured at start.",
    },
    Difference {
        command: "Memcached: cache_memlimit",
        difference: "Sets `maxmemory`, which counts all that is allocated.",
        reason: "There is one limit for both families.",
    },
    Difference {
        command: "Memcached: authentication",
        difference: "Binary clients use SASL PLAIN and text clients a first `set` whose value is user and password, \
            on one port, whether `requirepass` is set, for the user `default`, or users are named by `-Y` or `-S`.",
        reason: "Protocol is chosen by the first byte.",
    },
    Difference {
        command: "In front of several shards: commands on several keys",
        difference: "MGET, MSET, DEL, UNLINK, EXISTS and TOUCH are atomic within each shard, not across them. All others \
            (BITOP, COPY, LCS, MSETNX, RENAME, RENAMENX …) are refused with CROSSSLOT unless all their keys are \
            in one shard, as `{tags}` see to.",
        reason: "No lock is held across shards.",
    },
    Difference {
        command: "In front of several shards: DBSIZE, FLUSHALL, FLUSHDB, KEYS, RANDOMKEY",
        difference: "Every shard does its part in its own moment. RANDOMKEY picks a shard first, and then one of its \
            keys.",
        reason: "No lock is held across shards.",
    },
    Difference {
        command: "In front of several shards: SCAN",
        difference: "A step is answered by one shard; the last of each shard may have no keys and a cursor that is not 0, \
            and no step has keys of two shards. A full scan finds what it finds in one process.",
        reason: "A scan goes from shard to shard.",
    },
    Difference {
        command: "In front of several shards: EXEC, WATCH",
        difference: "All keys of a transaction, watched ones included, have to be in one shard, or it is refused with \
            CROSSSLOT. So is one with a command about the whole keyspace (DBSIZE, FLUSHALL, FLUSHDB, KEYS, \
            RANDOMKEY, SCAN), whose error says so.",
        reason: "A transaction takes place in one shard, under its locks.",
    },
    Difference {
        command: "In front of shards: EXEC, MULTI, WATCH",
        difference: "While memory is full MULTI, WATCH and requests that are queued are answered as if it were not; EXEC \
            is refused with EXECABORT if it would need more.",
        reason: "Whether a shard's memory is full is known there, and a transaction is sent there as a whole.",
    },
    Difference {
        command: "In front of shards: WATCH, EXEC",
        difference: "A transaction whose watched keys were lost with a link (the shard was started again, or did not \
            answer for too long) is answered as if one of them had changed.",
        reason: "Who knows whether one has.",
    },
    Difference {
        command: "In front of shards: SLOWLOG, LATENCY, INFO commandstats and latencystats",
        difference: "SLOWLOG and LATENCY tell how long a shard took, the others what the client has waited for, with the way \
            there and back. What a transaction consists of is not timed one by one: each has its share of the whole, and \
            SLOWLOG does not tell of it.",
        reason: "Both are worth knowing. A shard executes a transaction as one.",
    },
    Difference {
        command: "In front of shards: CONFIG SET maxmemory, cache_memlimit",
        difference: "Each shard has an equal share of it, and one that is full refuses writes or evicts even if others \
            have room.",
        reason: "Each process counts its own memory.",
    },
    Difference {
        command: "In front of shards: INFO, MEMORY STATS, stats",
        difference: "Figures of the store are sums over shards, the peak of memory too; a shard that does not answer is \
            in them as it last was. `tidegate shard` has figures of its own on its admin port.",
        reason: "There is one store for the client.",
    },
    Difference {
        command: "In front of several shards: gets, gats, ms, mg … CAS values",
        difference: "Each shard counts CAS values of its own: those of two keys may be equal, and do not tell which was \
            written later.",
        reason: "They only have to differ for one key.",
    },
    Difference {
        command: "In front of shards: any request",
        difference: "Where a shard does not answer within `link-timeout-ms`: `CLUSTERDOWN … nothing was executed`, \
            `CLUSTERDOWN …` for a read, or `INDOUBT …` for a write of which it is not known whether it was \
            executed (Memcached: `SERVER_ERROR` and the same). If the beginning of the reply has been sent \
            already, the client is closed.",
        reason: "A client that knows what is known can do the right thing.",
    },
    Difference {
        command: "In front of shards: get, gets, gat, gats of several keys",
        difference: "If a shard fails to answer for one of the keys, the items before it are followed by one SERVER_ERROR \
            line, and the client is closed.",
        reason: "An error ends the reply; what followed would be taken for the reply to the next line.",
    },
    Difference {
        command: "In front of shards: CLUSTER INFO, CLUSTER NODES, CLUSTER SHARDS",
        difference: "Epochs are that of the topology, and of a server without shards 0.",
        reason: "The topology is given to the server.",
    },
];
