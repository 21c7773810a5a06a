//! Commands on keys of any type, and on the keyspace as a whole.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, Gather, KeySpec};
use super::tips;
use crate::request::Args;

/// One key, argument `index`.
const fn key_at(index: u16, access: Access) -> KeySpec {
    KeySpec { begin: Begin::Index(index), find: Find::Range { last: 0, step: 1, limit: 0 }, access }
}

/// Every argument after the name is a key.
const fn all_keys(access: Access) -> [KeySpec; 1] {
    [KeySpec { begin: Begin::Index(1), find: Find::Range { last: -1, step: 1, limit: 0 }, access }]
}

const READ: Flags = Flags::READONLY;
const READ_FAST: Flags = Flags::READONLY.and(Flags::FAST);
const WRITE: Flags = Flags::WRITE;
const WRITE_FAST: Flags = Flags::WRITE.and(Flags::FAST);
const SAVING: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_ASYNC_LOADING);
const DEBUG: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);
const KEYSPACE: Categories = Categories::KEYSPACE;
const KEYSPACE_DANGEROUS: Categories = Categories::KEYSPACE.and(Categories::DANGEROUS);
const SORTABLE: Categories =
    Categories::SET.and(Categories::SORTEDSET).and(Categories::LIST).and(Categories::DANGEROUS);
const READ_ONE: &[KeySpec] = &[key_at(1, Access::RO)];
const LOOK_AT_ONE: &[KeySpec] = &[key_at(1, Access::RO.and(Access::ACCESS))];
const CHANGE_ONE: &[KeySpec] = &[key_at(1, Access::RW.and(Access::UPDATE))];
const OVERWRITE_ONE: &[KeySpec] = &[key_at(1, Access::OW.and(Access::UPDATE))];
const READ_SECOND: &[KeySpec] = &[key_at(2, Access::RO)];
const READ_FROM_SECOND: &[KeySpec] = &[KeySpec {
    begin: Begin::Index(2),
    find: Find::Range { last: -1, step: 1, limit: 0 },
    access: Access::RO,
}];
const REMOVE_ALL: &[KeySpec] = &all_keys(Access::RM.and(Access::DELETE));
const READ_ALL: &[KeySpec] = &all_keys(Access::RO);
const MOVE_ONTO: &[KeySpec] = &[
    key_at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE)),
    key_at(2, Access::OW.and(Access::UPDATE)),
];
const MOVE_INTO: &[KeySpec] = &[
    key_at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE)),
    key_at(2, Access::OW.and(Access::INSERT)),
];
const COPY_ONTO: &[KeySpec] =
    &[key_at(1, Access::RO.and(Access::ACCESS)), key_at(2, Access::OW.and(Access::UPDATE))];
const MOVE_OUT: &[KeySpec] = &[key_at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))];

/// Where what follows it is a key whose name an argument does not say as it is.
const fn unknown(find: fn(&Args<'_>) -> Option<usize>, access: Access) -> KeySpec {
    KeySpec { begin: Begin::Unknown(find), find: Find::Range { last: 0, step: 1, limit: 0 }, access }
}

const SORTED: KeySpec = key_at(1, Access::RO.and(Access::ACCESS));
/// What `BY` and `GET` name are patterns.
const BY_PATTERN: KeySpec = unknown(|_| None, Access::RO.and(Access::ACCESS));
const SORT: &[KeySpec] =
    &[SORTED, BY_PATTERN, unknown(|args| options_of_sort(args).0, Access::OW.and(Access::UPDATE))];

/// Where the key is that a sorted list is stored at, the last of them, and whether weights or results are other keys'
/// values. Source: Redis `db.c`, `sortGetKeys`.
fn options_of_sort(args: &Args<'_>) -> (Option<usize>, bool) {
    let (mut at, mut stored, mut looks) = (2, None, false);
    while let Some(word) = args.get(at) {
        let is = |option: &str| word.eq_ignore_ascii_case(option.as_bytes());
        if is("limit") {
            at += 2;
        } else if is("by") || is("get") {
            at += 1;
            looks |= args.get(at).is_some_and(|pattern| pattern.contains(&b'*'));
        } else if is("store") && at + 1 < args.len() {
            at += 1;
            stored = Some(at);
        }
        at += 1;
    }
    (stored, looks)
}

family! {
    /// Commands on keys of any type.
    Keyspace "generic"

    Del = "DEL" "key [key ...]"
        .summary("Deletes keys and counts those that existed.")
        .cost("O(N), N the number of keys; plus the elements of each that is a collection.")
        .keys(REMOVE_ALL).split(Gather::Sum).flags(WRITE).categories(KEYSPACE)
        .tips(tips::SPLIT_SUM);

    Unlink = "UNLINK" "key [key ...]"
        .summary("Deletes keys as DEL does, and frees large values later.")
        .cost("O(1) for each key; large values are freed elsewhere.")
        .since("4.0.0").keys(REMOVE_ALL).split(Gather::Sum).flags(WRITE_FAST).categories(KEYSPACE)
        .tips(tips::SPLIT_SUM);

    Exists = "EXISTS" "key [key ...]"
        .summary("Counts which of the keys exist; a key named twice counts twice.")
        .cost("O(N), N the number of keys.")
        .keys(READ_ALL).split(Gather::Sum).flags(READ_FAST).categories(KEYSPACE)
        .tips(tips::SPLIT_SUM)
        .history(&[("3.0.3", "Several keys in one request.")]);

    Touch = "TOUCH" "key [key ...]"
        .summary("Marks keys as used just now and counts those that exist.")
        .cost("O(N), N the number of keys.")
        .since("3.2.1").keys(READ_ALL).split(Gather::Sum).flags(READ_FAST).categories(KEYSPACE)
        .tips(tips::SPLIT_SUM);

    Type = "TYPE" "key"
        .summary("Names the type of the value of a key.")
        .keys(READ_ONE).flags(READ_FAST).categories(KEYSPACE);

    Ttl = "TTL" "key"
        .summary("Returns the time to live of a key in seconds.")
        .keys(LOOK_AT_ONE).flags(READ_FAST).categories(KEYSPACE)
        .tips(tips::VARIES)
        .history(&[("2.8.0", "The answer -2.")]);

    Pttl = "PTTL" "key"
        .summary("Returns the time to live of a key in milliseconds.")
        .since("2.6.0").keys(LOOK_AT_ONE).flags(READ_FAST).categories(KEYSPACE)
        .tips(tips::VARIES)
        .history(&[("2.8.0", "The answer -2.")]);

    Expiretime = "EXPIRETIME" "key"
        .summary("Returns when a key expires, in Unix seconds.")
        .since("7.0.0").keys(LOOK_AT_ONE).flags(READ_FAST).categories(KEYSPACE);

    Pexpiretime = "PEXPIRETIME" "key"
        .summary("Returns when a key expires, in Unix milliseconds.")
        .since("7.0.0").keys(LOOK_AT_ONE).flags(READ_FAST).categories(KEYSPACE);

    Expire = "EXPIRE" "key seconds [condition=NX | XX | GT | LT]@7.0.0"
        .summary("Lets a key expire in some seconds.")
        .keys(CHANGE_ONE).flags(WRITE_FAST).categories(KEYSPACE)
        .history(&[("7.0.0", "The conditions NX, XX, GT and LT.")]);

    Pexpire = "PEXPIRE" "key milliseconds [condition=NX | XX | GT | LT]@7.0.0"
        .summary("Lets a key expire in some milliseconds.")
        .since("2.6.0").keys(CHANGE_ONE).flags(WRITE_FAST).categories(KEYSPACE)
        .history(&[("7.0.0", "The conditions NX, XX, GT and LT.")]);

    Expireat = "EXPIREAT" "key unix-time-seconds [condition=NX | XX | GT | LT]@7.0.0"
        .summary("Lets a key expire at a Unix time in seconds.")
        .since("1.2.0").keys(CHANGE_ONE).flags(WRITE_FAST).categories(KEYSPACE)
        .history(&[("7.0.0", "The conditions NX, XX, GT and LT.")]);

    Pexpireat = "PEXPIREAT" "key unix-time-milliseconds [condition=NX | XX | GT | LT]@7.0.0"
        .summary("Lets a key expire at a Unix time in milliseconds.")
        .since("2.6.0").keys(CHANGE_ONE).flags(WRITE_FAST).categories(KEYSPACE)
        .history(&[("7.0.0", "The conditions NX, XX, GT and LT.")]);

    Persist = "PERSIST" "key"
        .summary("Takes the time to live away from a key.")
        .since("2.2.0").keys(CHANGE_ONE).flags(WRITE_FAST).categories(KEYSPACE);

    Rename = "RENAME" "key newkey"
        .summary("Gives a key another name, over whatever had it.")
        .keys(MOVE_ONTO).flags(WRITE).categories(KEYSPACE);

    Renamenx = "RENAMENX" "key newkey"
        .summary("Gives a key another name unless it is taken.")
        .keys(MOVE_INTO).flags(WRITE_FAST).categories(KEYSPACE)
        .history(&[("3.2.0", "Both names may be the same.")]);

    Copy = "COPY" "source destination [DB destination-db] [REPLACE]"
        .summary("Copies a value and its time to live to another key or database.")
        .cost("O(1) for strings, O(N) for N elements of a collection.")
        .since("6.2.0").keys(COPY_ONTO).flags(Flags::WRITE.and(Flags::DENYOOM)).categories(KEYSPACE);

    Move = "MOVE" "key db"
        .summary("Moves a key to another database unless it is taken there.")
        .keys(MOVE_OUT).flags(WRITE_FAST).categories(KEYSPACE);

    Keys = "KEYS" "pattern"
        .summary("Lists the keys whose names match a pattern.")
        .cost("O(N), N the number of keys in the database.")
        .every(Gather::Join).flags(READ).categories(KEYSPACE_DANGEROUS)
        .tips(tips::SHARDS_ANY_ORDER);

    Scan = "SCAN" "cursor [MATCH pattern] [COUNT count] [TYPE type]@6.0.0"
        .summary("Goes through the keys of a database in steps.")
        .cost("O(1) a step, O(N) for all steps, N the number of keys in the database.")
        .since("2.8.0").every(Gather::Cursor).flags(READ).categories(KEYSPACE)
        .tips(tips::SHARD_BY_SHARD)
        .history(&[("6.0.0", "The filter TYPE.")]);

    Randomkey = "RANDOMKEY" ""
        .summary("Returns some key of the database.")
        .every(Gather::Any).flags(READ).categories(KEYSPACE)
        .tips(tips::SHARDS_CHOICE);

    Dbsize = "DBSIZE" "" .group("server")
        .summary("Counts the keys of the database.")
        .every(Gather::Sum).flags(READ_FAST).categories(KEYSPACE)
        .tips(tips::SHARDS_SUM);

    Flushdb = "FLUSHDB" "[async=ASYNC@4.0.0 | SYNC@6.2.0]" .group("server")
        .summary("Removes every key of the database.")
        .cost("O(N), N the number of keys in the database.")
        .every(Gather::Agree).flags(WRITE).categories(KEYSPACE_DANGEROUS)
        .tips(tips::SHARDS_ALL)
        .history(&[
            ("4.0.0", "The word ASYNC."),
            ("6.2.0", "The word SYNC."),
        ]);

    Flushall = "FLUSHALL" "[async=ASYNC@4.0.0 | SYNC@6.2.0]" .group("server")
        .summary("Removes every key of every database.")
        .cost("O(N), N the number of keys in all databases.")
        .every(Gather::Agree).flags(WRITE).categories(KEYSPACE_DANGEROUS)
        .tips(tips::SHARDS_ALL)
        .history(&[
            ("4.0.0", "The word ASYNC."),
            ("6.2.0", "The word SYNC."),
        ]);

    Swapdb = "SWAPDB" "index1 index2" .group("server")
        .summary("Exchanges two databases for all clients at once.")
        .cost("O(N), N the number of clients that watch or wait for keys of the two.")
        .since("4.0.0").every(Gather::Agree).flags(WRITE_FAST).categories(KEYSPACE_DANGEROUS);

    Object = "OBJECT" ""
        .summary("Holds the commands that look into values.")
        .cost("Depends on the subcommand.").container().since("2.2.3");

    ObjectEncoding = "OBJECT|ENCODING" "key"
        .summary("Names how the value of a key is kept in memory.")
        .since("2.2.3").keys(READ_SECOND).flags(READ).categories(KEYSPACE)
        .tips(tips::VARIES);

    ObjectFreq = "OBJECT|FREQ" "key"
        .summary("Returns the logarithmic access counter of a key.")
        .since("4.0.0").keys(READ_SECOND).flags(READ).categories(KEYSPACE)
        .tips(tips::VARIES);

    ObjectIdletime = "OBJECT|IDLETIME" "key"
        .summary("Returns the seconds since a key was used.")
        .since("2.2.3").keys(READ_SECOND).flags(READ).categories(KEYSPACE)
        .tips(tips::VARIES);

    ObjectRefcount = "OBJECT|REFCOUNT" "key"
        .summary("Returns how many references the value of a key has.")
        .since("2.2.3").keys(READ_SECOND).flags(READ).categories(KEYSPACE)
        .tips(tips::VARIES);

    ClusterCountkeysinslot = "CLUSTER|COUNTKEYSINSLOT" "slot:integer" .group("cluster")
        .summary("Counts the keys of a slot.")
        .cost("O(N), N the number of keys in the slot.")
        .since("3.0.0").every(Gather::Sum).flags(Flags::STALE);

    ClusterGetkeysinslot = "CLUSTER|GETKEYSINSLOT" "slot:integer count:integer" .group("cluster")
        .summary("Lists keys of a slot, at most so many.")
        .cost("O(N), N the number of keys asked for.")
        .since("3.0.0").every(Gather::Join).flags(Flags::STALE)
        .tips(tips::VARIES);

    MemoryUsage = "MEMORY|USAGE" "key [SAMPLES count]" .group("server")
        .summary("Returns the bytes a key and its value take.")
        .cost("O(N), N the number of samples.")
        .since("4.0.0").keys(READ_SECOND).flags(READ);

    DebugObject = "DEBUG|OBJECT" "key" .group("server")
        .summary("Describes how the value of a key is kept in memory.")
        .keys(READ_SECOND)
        .flags(DEBUG);

    DebugDigest = "DEBUG|DIGEST" "" .group("server")
        .summary("Returns a hash of all keys and values.")
        .cost("O(N), N the bytes of all of them.")
        .every(Gather::Digest)
        .flags(DEBUG);

    DebugDigestValue = "DEBUG|DIGEST-VALUE" "[key ...]" .group("server")
        .summary("Returns a hash of the value of each key, zeros for those that do not exist.")
        .cost("O(N), N the bytes of the values.")
        .keys(READ_FROM_SECOND).split(Gather::ByKey)
        .flags(DEBUG);

    DebugReload = "DEBUG|RELOAD" "[NOSAVE] [NOFLUSH] [MERGE]" .group("server")
        .summary("Saves all keys, removes them and loads them again.")
        .cost("O(N), N the bytes of all values.")
        .every(Gather::Agree)
        .flags(DEBUG);

    Save = "SAVE" "" .group("server")
        .summary("Saves all keys as they are at this moment, and answers when they are on the disk.")
        .cost("O(N), N the number of keys in all databases.")
        .every(Gather::Agree)
        .flags(SAVING.and(Flags::NO_MULTI));

    Bgsave = "BGSAVE" "[SCHEDULE]@3.2.2" .group("server")
        .summary("Saves all keys as they are at this moment, and answers when that has begun.")
        .cost("O(1), but for a moment in which nothing else happens.")
        .every(Gather::Agree)
        .flags(SAVING)
        .history(&[("3.2.2", "The word SCHEDULE.")]);

    Dump = "DUMP" "key"
        .summary("Returns the value of a key as bytes from which RESTORE makes it again, on any server.")
        .cost("O(N) where N is the number of bytes returned")
        .since("2.6.0").keys(LOOK_AT_ONE).flags(READ).categories(KEYSPACE).tips(tips::VARIES);

    Restore = "RESTORE" "key ttl:integer serialized-value [REPLACE]@3.0.0 [ABSTTL]@5.0.0 [IDLETIME seconds]@5.0.0 [FREQ frequency:integer]@5.0.0"
        .summary("Sets a key to the value that DUMP has told, if it is whole and sound in every part.")
        .cost("O(N) where N is the number of bytes given, O(N*log(N)) for large sorted sets")
        .since("2.6.0").keys(OVERWRITE_ONE).flags(WRITE.and(Flags::DENYOOM)).categories(KEYSPACE_DANGEROUS)
        .history(&[
            ("3.0.0", "The option REPLACE."),
            ("5.0.0", "The option ABSTTL."),
            ("5.0.0", "The options IDLETIME and FREQ."),
        ]);

    RestoreAsking = "RESTORE-ASKING" "key ttl:integer serialized-value [REPLACE]@3.0.0 [ABSTTL]@5.0.0 [IDLETIME seconds]@5.0.0 [FREQ frequency:integer]@5.0.0"
        .group("server").system()
        .summary("RESTORE as servers of a cluster ask each other for it.")
        .cost("O(N) where N is the number of bytes given, O(N*log(N)) for large sorted sets")
        .since("3.0.0").keys(OVERWRITE_ONE).flags(WRITE.and(Flags::DENYOOM).and(Flags::ASKING)).categories(KEYSPACE_DANGEROUS)
        .history(&[
            ("3.0.0", "The option REPLACE."),
            ("5.0.0", "The option ABSTTL."),
            ("5.0.0", "The options IDLETIME and FREQ."),
        ]);

    Sort = "SORT" "key [BY pattern:key-pattern] [LIMIT offset count] [GET pattern:key-pattern [GET pattern:key-pattern ...]] [order=ASC | DESC] [sorting=ALPHA] [STORE destination]"
        .summary("Sorts the elements of a list, a set or a sorted set, by themselves or by other keys, and returns or stores them or values of other keys.")
        .cost("O(N+M*log(M)) where N is the number of elements and M that of elements returned; O(N) if nothing is sorted")
        .keys(SORT).flags(WRITE.and(Flags::DENYOOM)).categories(SORTABLE)
        .looks_anywhere(|args| options_of_sort(args).1);

    SortRo = "SORT_RO" "key [BY pattern:key-pattern] [LIMIT offset count] [GET pattern:key-pattern [GET pattern:key-pattern ...]] [order=ASC | DESC] [sorting=ALPHA]"
        .summary("Sorts as SORT does, and never stores.")
        .cost("O(N+M*log(M)) where N is the number of elements and M that of elements returned; O(N) if nothing is sorted")
        .since("7.0.0").keys(&[SORTED, BY_PATTERN]).flags(READ).categories(SORTABLE)
        .looks_anywhere(|args| options_of_sort(args).1);
}
