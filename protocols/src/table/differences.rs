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
        difference: "Prefixes of one request that overlap are refused, wherever among them they are. What is told of a \
            key goes behind all replies that are still to come. With several shards keys of one request may be told one \
            after the other; and where a link is lost, or slots move, clients are told that everything is stale. \
            In front of shards a client that is told by way of another (`REDIRECT`) or of prefixes (`BCAST`) may be told after an \
            answer that came later.",
        reason: "Redis answers such prefixes twice, with the error and with OK, unless the first of them overlaps. What \
            comes behind a stale value cannot be taken for older than it. Nobody else knows what a shard has told that is gone.",
    },
    Difference {
        command: "EVAL, EVALSHA, FCALL and their like",
        difference: "A script holds the keys it is given, and those it asks for besides; while it runs other keys are \
            served (but see BUSY). Two that ask at the same time for keys they were not given, and both have changed something, may meet; then \
            one is told `ERR Script asks for a key it was not given, which another such script holds`. Of scripts that nobody \
            has loaded 500 are kept, those used last.",
        reason: "Who needs none of its keys need not wait for a script. A script that is given all its keys never meets another.",
    },
    Difference {
        command: "EVAL, FCALL: tables and errors",
        difference: "Keys of tables that are 32 bytes or longer come in another order (`pairs`, `cjson.encode`). Line ends in an \
            error are told as blanks.",
        reason: "Redis changes how its Lua hashes strings. It sends line ends as they are, which no client can read.",
    },
    Difference {
        command: "TIME in scripts and transactions",
        difference: "Tells the time that it is. In Redis 7.2 it stands still, in a script until that has run for \
            `busy-reply-threshold`.",
        reason: "As in Redis 7.0: a script can tell how long it takes.",
    },
    Difference {
        command: "BUSY, SCRIPT KILL, FUNCTION KILL",
        difference: "Several scripts may run for longer than `busy-reply-threshold`; all are killed that have changed nothing. \
            In one process, and in front of one shard, clients of Redis are told `BUSY` whatever they ask for, as by Redis. In \
            front of several shards they are told so only if they need what such a script holds; so are clients of other \
            gateways than the one that was asked for the script, and those of Memcached always.",
        reason: "Not only one may run at a time. One process or one shard stands for one redis-server, whose clients \
            may wait for the error; where there are several shards the others go on, as the nodes of a Redis Cluster do.",
    },
    Difference {
        command: "KEYS, SCAN with a large COUNT",
        difference: "Others are served while it goes through more than 4096 keys. It tells of every key that is there from its \
            beginning to its end, once; a key that comes, goes or moves meanwhile may be told of or not, as by SCAN. Within a \
            transaction or a script nobody comes in between. In front of shards it may tell of what the same client has \
            changed right behind it without awaiting the answer.",
        reason: "Nobody who touches one key should wait for somebody who looks at all.",
    },
    Difference {
        command: "SCRIPT DEBUG",
        difference: "YES and SYNC are refused.",
        reason: "Nothing runs step by step where others wait for it.",
    },
    Difference {
        command: "FUNCTION DUMP, FUNCTION LIST",
        difference: "Libraries come in the order of their names.",
        reason: "In Redis in any.",
    },
    Difference {
        command: "FCALL, FCALL_RO, EVAL: what lasts from call to call",
        difference: "Local variables that functions of a library share, and how `cjson` and `cmsgpack` were configured, last within \
            one thread only; each thread that executes scripts has its own, and may begin with new ones at any time.",
        reason: "Scripts run on all threads. What has to last belongs in keys, which are also what is copied and stored.",
    },
    Difference {
        command: "EVAL: newproxy, the metatable of strings",
        difference: "There is no `newproxy`, and the metatable of strings cannot be changed, as in Redis 7.2.11.",
        reason: "Both have been ways out of the sandbox.",
    },
    Difference {
        command: "DUMP, CONFIG GET",
        difference: "Members of sets and hashes that are tables, and settings asked for by a pattern, come in another order.",
        reason: "In Redis in that of its hash tables, whose seed is by chance.",
    },
    Difference {
        command: "SUBSCRIBE, PUBLISH and UNSUBSCRIBE in one transaction",
        difference: "What a client publishes to itself does not reach it if it no longer listens when the transaction ends.",
        reason: "Messages are delivered behind the replies of the transaction.",
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
        command: "GEORADIUS, GEORADIUSBYMEMBER",
        difference: "With STORE or STOREDIST said twice only the first destination can be the one that counts, which is the \
            last; otherwise it is a syntax error.",
        reason: "The specification of its keys finds no other, so nobody would know whose key it is.",
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
            keys and tips are those of Redis 7.2, but for some names of arguments that are those of 7.0.",
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
        command: "LSET",
        difference: "An index of more than 32 bits is out of range. Redis 7.2 takes its lower 32 bits.",
        reason: "A write never goes to a place nobody named.",
    },
    Difference {
        command: "CONFIG SET list-compress-depth",
        difference: "Taken and shown, but no node of a list is compressed.",
        reason: "It would be work at every access in the middle of a list.",
    },
    Difference {
        command: "SCAN, commands on streams",
        difference: "A cursor, or the ID of an entry, with a zero byte is invalid. For Redis it ends there.",
        reason: "It is the whole argument.",
    },
    Difference {
        command: "XREADGROUP",
        difference: "A consumer called `STREAMS` is refused with `ERR syntax error` if NOACK, COUNT or BLOCK stand before \
            GROUP.",
        reason: "Keys are what stands behind the first STREAMS from the fourth argument on, as COMMAND INFO tells; Redis \
            finds others when it routes a request than when it executes it.",
    },
    Difference {
        command: "XREADGROUP, XCLAIM, XAUTOCLAIM",
        difference: "A reply that has become longer than a reply may be ends there, as if COUNT were less.",
        reason: "What has been given to a consumer cannot be refused any more.",
    },
    Difference {
        command: "RESTORE",
        difference: "A payload is looked through to its last byte before it is taken, whatever `sanitize-dump-payload` says, and \
            has nothing behind its value. Values of modules, and hashes as Redis before 2.6 wrote them, are refused. What is \
            compressed in one payload may have 4 GiB.",
        reason: "Nobody can bring in a value that cannot be.",
    },
    Difference {
        command: "SORT, SORT_RO",
        difference: "Values that `GET` or `BY … ALPHA` lead to are taken up to 1 GiB together. Elements whose texts by `BY … \
            ALPHA` are equal keep their order, with `LIMIT` too.",
        reason: "Every element may lead to the same large value.",
    },
    Difference {
        command: "CONFIG GET, CONFIG SET",
        difference: "Only settings that mean something here are shown; those that are not are listed below. Those that say what is \
            never done here, or always (`replicaof`, `lazyfree-lazy-expire` …), have one value, which may \
            be set again; others are refused as immutable. What is chosen at start (`port`, `bind`, `loglevel` …) is not \
            changed later.",
        reason: "An answer is true, and scripts that switch persistence off go on working.",
    },
    Difference {
        command: "DEBUG",
        difference: "Allowed at once, with the subcommands SLEEP, OBJECT, DIGEST, DIGEST-VALUE, RELOAD, PROTOCOL, LOG, \
            SET-ACTIVE-EXPIRE, SET-DISABLE-DENY-SCRIPTS, QUICKLIST-PACKED-THRESHOLD, PAUSE-CRON, ERROR and HELP, which are found and counted as those of any \
            container. SLEEP holds the client that asks and no other, and has taken that long; OBJECT shows \
            no address and the serialized length without compression; RELOAD refuses a file that has a key that is there already, \
            where Redis ends; where there are several shards, DIGEST is another number if several databases are used.",
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
        command: "MGET, HMGET, HRANDFIELD, SRANDMEMBER, ZRANDMEMBER",
        difference: "Values of more than 1 GiB together are refused. Redis builds the reply whatever that takes.",
        reason: "One short request must not take all memory.",
    },
    Difference {
        command: "HEXPIRE, HGETDEL, HGETEX, HSETEX, HTTL, …",
        difference: "They are here as Redis 7.4 and 8.0 brought them, although INFO says 7.2. Fields whose time is past are \
            taken out by whatever looks at their hash; HLEN counts what is left of more than a thousand.",
        reason: "They can be had for nothing.",
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
        command: "MONITOR",
        difference: "Requests of Memcached clients are not shown, nor what others send straight to a shard. In front of \
            shards what scripts ask for may be shown behind what was executed after it. Who watches has the output limits \
            of subscribers.",
        reason: "They are no commands of Redis. A shard tells its gateways what they have asked it. What a slow reader leaves \
            waiting is bounded.",
    },
    Difference {
        command: "REPLICAOF, SLAVEOF",
        difference: "`NO ONE` is answered; to become a replica is refused.",
        reason: "There are no replicas yet.",
    },
    Difference {
        command: "SHUTDOWN",
        difference: "The server always finishes what it has begun and waits for clients to take their output, \
            within a limit, and saves what has changed meanwhile. In front of shards SAVE is refused unless there are save \
            points (`save`): each shard saves its own keys as it ends.",
        reason: "Who was answered finds what he has written when the server comes back.",
    },
    Difference {
        command: "SAVE, BGSAVE",
        difference: "SAVE holds up the client that asks and no other; what is saved is all keys as they were when it was asked for. \
            Files are of version 11, and of version 12 where fields of hashes expire: Redis from 7.2 and from 7.4 on reads them. In \
            front of shards each shard saves its own keys, at a moment of its own, to a directory of its own.",
        reason: "There is no fork: what is about to change is written first.",
    },
    Difference {
        command: "CONFIG GET save",
        difference: "Empty unless `dir` was given (`--data-dir`) or the server stands in for redis-server: then it is Redis's \
            `3600 1 300 100 60 10000`.",
        reason: "Nothing is written where nobody has said that it may be.",
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
            on one port, whether `requirepass` is set, for the user `default`, or for any user of ACL, or users are named by `-Y` or `-S`.",
        reason: "Protocol is chosen by the first byte.",
    },
    Difference {
        command: "Memcached: what users may do",
        difference: "The rules of ACL hold: of the user that has logged in, else of `default`, which those of `-Y` and `-S` \
            are to them. A request is allowed as the command of Redis that does the same, on the same key: get as GET, \
            gat and mg with changes as GETEX, set, add, replace and cas as SET, append and prepend as APPEND, incr as \
            INCRBY, decr as DECRBY, touch as EXPIRE, delete as DEL, me as TTL, cachedump as SCAN, flush_all as \
            FLUSHALL, stats as INFO, cache_memlimit as CONFIG SET, mn as PING. What is refused is answered with \
            `SERVER_ERROR NOPERM …`.",
        reason: "Both families reach the same keys, so neither may be a way around the other's rules.",
    },
    Difference {
        command: "ACL",
        difference: "Each gateway has users of its own. A user has at most 4096 passwords, patterns, selectors or rules of a \
            kind, a server 65536 users. `%~pattern`, first arguments with quotes in them and quotes that nobody \
            closes within a selector are refused. ACL LOG keeps 1 KiB of a name. A transaction that logs in as \
            somebody else is checked before it begins.",
        reason: "Everything has a limit; Redis ends itself, or reads it differently, when it is asked for the former.",
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
        difference: "Whether memory is too full for MULTI, WATCH and requests that are queued is known from what shards have \
                     told up to a second ago, and only with the policy noeviction; EXEC is refused with EXECABORT if it would \
                     need more.",
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
        command: "In front of shards: PUBLISH, SPUBLISH, PUBSUB",
        difference: "Messages reach the clients of all gateways in front of the same shards; those of the same gateway are \
            counted, and asked about by PUBSUB. What other gateways' clients say while a link is lost is missed: so much as \
            a shard has in hand when it dies, and all that is said by a gateway without any link.",
        reason: "As between nodes of Redis Cluster. A message is told once, or not at all.",
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
        command: "In front of several shards: SORT, SORT_RO",
        difference: "`BY` and `GET` with a pattern of keys are refused as in a cluster.",
        reason: "What they lead to is in any shard.",
    },
    Difference {
        command: "In front of shards: ACL LOG",
        difference: "What scripts were refused is not there.",
        reason: "Shards know what the user of a script may do, but nobody else.",
    },
    Difference {
        command: "In front of shards: CLUSTER INFO, CLUSTER NODES, CLUSTER SHARDS",
        difference: "Epochs are that of the topology, and of a server without shards 0.",
        reason: "The topology is given to the server.",
    },
];
