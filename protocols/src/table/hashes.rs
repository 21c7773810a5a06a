//! Commands on hashes.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, KeySpec};
use super::tips;

/// The first argument is the key, and there is no other.
const fn key(access: Access) -> [KeySpec; 1] {
    [KeySpec { begin: Begin::Index(1), find: Find::Range { last: 0, step: 1, limit: 0 }, access }]
}

const READ: Access = Access::RO.and(Access::ACCESS);
const UPDATE: Access = Access::RW.and(Access::UPDATE);
const READ_AND_UPDATE: Access = UPDATE.and(Access::ACCESS);

const WRITES: Flags = Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST);
const READS: Flags = Flags::READONLY;
const READS_FAST: Flags = READS.and(Flags::FAST);

const HASH: Categories = Categories::HASH;

const PER_FIELD: &str = "O(N) where N is the number of fields named";

family! {
    /// Commands on hashes: fields with values under one key.
    Hashes "hash"

    Hset = "HSET" "key (field value) ..."
        .summary("Sets the values of fields of a hash and returns how many fields are new.")
        .cost("O(N) where N is the number of fields set")
        .keys(&key(UPDATE)).flags(WRITES).categories(HASH).since("2.0.0")
        .history(&[("4.0.0", "Several fields at once.")]);

    Hsetnx = "HSETNX" "key field value"
        .summary("Sets the value of a field of a hash that has no such field yet.")
        .keys(&key(Access::RW.and(Access::INSERT))).flags(WRITES).categories(HASH).since("2.0.0");

    Hmset = "HMSET" "key (field value) ..."
        .summary("Sets the values of fields of a hash.")
        .cost("O(N) where N is the number of fields set")
        .keys(&key(UPDATE)).flags(WRITES).categories(HASH).since("2.0.0")
        .deprecated("4.0.0", "`HSET` with multiple field-value pairs");

    Hget = "HGET" "key field"
        .summary("Returns the value of a field of a hash.")
        .keys(&key(READ)).flags(READS_FAST).categories(HASH).since("2.0.0");

    Hmget = "HMGET" "key field ..."
        .summary("Returns the values of several fields of a hash, null for those it does not have.")
        .cost("O(N) where N is the number of fields asked for")
        .keys(&key(READ)).flags(READS_FAST).categories(HASH).since("2.0.0");

    Hgetall = "HGETALL" "key"
        .summary("Returns all fields of a hash with their values.")
        .cost("O(N) where N is the number of fields")
        .keys(&key(READ)).flags(READS).categories(HASH).since("2.0.0").tips(tips::ANY_ORDER);

    Hkeys = "HKEYS" "key"
        .summary("Returns all fields of a hash.")
        .cost("O(N) where N is the number of fields")
        .keys(&key(READ)).flags(READS).categories(HASH).since("2.0.0").tips(tips::ANY_ORDER);

    Hvals = "HVALS" "key"
        .summary("Returns the values of all fields of a hash.")
        .cost("O(N) where N is the number of fields")
        .keys(&key(READ)).flags(READS).categories(HASH).since("2.0.0").tips(tips::ANY_ORDER);

    Hlen = "HLEN" "key"
        .summary("Returns how many fields a hash has.")
        .keys(&key(Access::RO)).flags(READS_FAST).categories(HASH).since("2.0.0");

    Hdel = "HDEL" "key field ..."
        .summary("Deletes fields of a hash, and the key with the last of them; returns how many there were.")
        .cost("O(N) where N is the number of fields deleted")
        .keys(&key(Access::RW.and(Access::DELETE)))
        .flags(Flags::WRITE.and(Flags::FAST)).categories(HASH).since("2.0.0")
        .history(&[("2.4.0", "Several fields at once.")]);

    Hexists = "HEXISTS" "key field"
        .summary("Tells whether a hash has a field.")
        .keys(&key(Access::RO)).flags(READS_FAST).categories(HASH).since("2.0.0");

    Hincrby = "HINCRBY" "key field increment"
        .summary("Adds to the integer that a field of a hash is; one that is missing counts as 0.")
        .keys(&key(READ_AND_UPDATE)).flags(WRITES).categories(HASH).since("2.0.0");

    Hincrbyfloat = "HINCRBYFLOAT" "key field increment:double"
        .summary("Adds to the number that a field of a hash is; one that is missing counts as 0.")
        .keys(&key(READ_AND_UPDATE)).flags(WRITES).categories(HASH).since("2.6.0");

    Hstrlen = "HSTRLEN" "key field"
        .summary("Returns the length of the value of a field in bytes.")
        .keys(&key(Access::RO)).flags(READS_FAST).categories(HASH).since("3.2.0");

    Hscan = "HSCAN" "key cursor [MATCH pattern] [COUNT count]"
        .summary("Goes through the fields of a hash and their values in steps.")
        .cost("O(1) a step, O(N) for all steps, N the number of fields.")
        .keys(&key(READ)).flags(READS).categories(HASH).since("2.8.0").tips(tips::VARIES);

    Hrandfield = "HRANDFIELD" "key [options=count [WITHVALUES]]"
        .summary("Returns fields of a hash by chance, different ones or, for a count below 0, any.")
        .cost("O(N) where N is the number of fields returned")
        .keys(&key(READ)).flags(READS).categories(HASH).since("6.2.0").tips(tips::VARIES);

    Hexpire = "HEXPIRE" "key seconds [condition=NX | XX | GT | LT] FIELDS numfields:integer field ..."
        .summary("Has fields of a hash expire after seconds; says of each whether it will.")
        .cost(PER_FIELD).keys(&key(UPDATE)).flags(WRITES).categories(HASH).since("7.4.0");

    Hpexpire = "HPEXPIRE" "key milliseconds [condition=NX | XX | GT | LT] FIELDS numfields:integer field ..."
        .summary("Has fields of a hash expire after milliseconds; says of each whether it will.")
        .cost(PER_FIELD).keys(&key(UPDATE)).flags(WRITES).categories(HASH).since("7.4.0");

    Hexpireat = "HEXPIREAT" "key unix-time-seconds [condition=NX | XX | GT | LT] FIELDS numfields:integer field ..."
        .summary("Has fields of a hash expire at a Unix time in seconds; says of each whether it will.")
        .cost(PER_FIELD).keys(&key(UPDATE)).flags(WRITES).categories(HASH).since("7.4.0");

    Hpexpireat = "HPEXPIREAT" "key unix-time-milliseconds [condition=NX | XX | GT | LT] FIELDS numfields:integer \
        field ..."
        .summary("Has fields of a hash expire at a Unix time in milliseconds; says of each whether it will.")
        .cost(PER_FIELD).keys(&key(UPDATE)).flags(WRITES).categories(HASH).since("7.4.0");

    Httl = "HTTL" "key FIELDS numfields:integer field ..."
        .summary("Returns the seconds until fields of a hash expire.")
        .cost(PER_FIELD).keys(&key(READ)).flags(READS_FAST).categories(HASH).since("7.4.0").tips(tips::VARIES);

    Hpttl = "HPTTL" "key FIELDS numfields:integer field ..."
        .summary("Returns the milliseconds until fields of a hash expire.")
        .cost(PER_FIELD).keys(&key(READ)).flags(READS_FAST).categories(HASH).since("7.4.0").tips(tips::VARIES);

    Hexpiretime = "HEXPIRETIME" "key FIELDS numfields:integer field ..."
        .summary("Returns the Unix times in seconds at which fields of a hash expire.")
        .cost(PER_FIELD).keys(&key(READ)).flags(READS_FAST).categories(HASH).since("7.4.0");

    Hpexpiretime = "HPEXPIRETIME" "key FIELDS numfields:integer field ..."
        .summary("Returns the Unix times in milliseconds at which fields of a hash expire.")
        .cost(PER_FIELD).keys(&key(READ)).flags(READS_FAST).categories(HASH).since("7.4.0");

    Hpersist = "HPERSIST" "key FIELDS numfields:integer field ..."
        .summary("Has fields of a hash not expire any more.")
        .cost(PER_FIELD).keys(&key(UPDATE)).flags(Flags::WRITE.and(Flags::FAST)).categories(HASH).since("7.4.0");

    Hgetex = "HGETEX" "key [expiration=EX seconds | PX milliseconds | EXAT unix-time-seconds | \
        PXAT unix-time-milliseconds | PERSIST] FIELDS numfields:integer field ..."
        .summary("Returns the values of fields of a hash, and has these fields expire, or not any more.")
        .cost(PER_FIELD).keys(&key(READ_AND_UPDATE)).flags(Flags::WRITE.and(Flags::FAST))
        .categories(HASH).since("8.0.0");

    Hgetdel = "HGETDEL" "key FIELDS numfields:integer field ..."
        .summary("Returns the values of fields of a hash and deletes these fields.")
        .cost(PER_FIELD).keys(&key(Access::RW.and(Access::ACCESS).and(Access::DELETE)))
        .flags(Flags::WRITE.and(Flags::FAST)).categories(HASH).since("8.0.0");

    Hsetex = "HSETEX" "key [condition=FNX | FXX] [expiration=EX seconds | PX milliseconds | EXAT unix-time-seconds | \
        PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields:integer (field value) ..."
        .summary("Sets the values of fields of a hash, and when these fields expire, if all of them or none is there.")
        .cost(PER_FIELD).keys(&key(UPDATE)).flags(WRITES).categories(HASH).since("8.0.0");
}
