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
}
