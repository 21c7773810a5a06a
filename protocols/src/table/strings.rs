//! Commands on strings.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, Gather, KeySpec};
use super::tips;
use crate::request::Args;

/// Keys from the first argument to `last` after it, `step` apart.
const fn keys(last: i16, step: u16, access: Access) -> [KeySpec; 1] {
    [KeySpec { begin: Begin::Index(1), find: Find::Range { last, step, limit: 0 }, access }]
}

/// One key, the first argument.
const fn one_key(access: Access) -> [KeySpec; 1] {
    keys(0, 1, access)
}

const READ: Access = Access::RO.and(Access::ACCESS);
const READ_AND_WRITE: Access = Access::RW.and(Access::ACCESS).and(Access::UPDATE);
const OVERWRITE: Access = Access::OW.and(Access::UPDATE);
const CREATE: Access = Access::OW.and(Access::INSERT);

const WRITES: Flags = Flags::WRITE.and(Flags::DENYOOM);
const WRITES_FAST: Flags = WRITES.and(Flags::FAST);
const READS: Flags = Flags::READONLY;
const READS_FAST: Flags = READS.and(Flags::FAST);

const STRING: Categories = Categories::STRING;

/// `SET` reads the old value only if it is asked to return it. Source: Redis `db.c`, `setGetKeys`.
fn access_of_set(args: &Args<'_>) -> Access {
    let gets = args.from(3).iter().any(|option| option.eq_ignore_ascii_case(b"GET"));
    if gets { READ_AND_WRITE } else { OVERWRITE }
}

family! {
    /// Commands on strings.
    Strings "string"

    Get = "GET" "key"
        .summary("Returns the string value of a key.")
        .keys(&one_key(READ)).flags(READS_FAST).categories(STRING);

    Set = "SET" "key value [condition=NX | XX]@2.6.12 [GET]@6.2.0 [expiration=EX seconds@2.6.12 | \
        PX milliseconds@2.6.12 | EXAT unix-time-seconds@6.2.0 | PXAT unix-time-milliseconds@6.2.0 | \
        KEEPTTL@6.0.0]"
        .summary("Sets the string value of a key, whatever it held before, and its time to live.")
        .keys(&one_key(READ_AND_WRITE.and(Access::VARIABLE_FLAGS)))
        .flags(WRITES).categories(STRING)
        .variable_access(access_of_set)
        .history(&[
            ("2.6.12", "The options EX, PX, NX and XX."),
            ("6.0.0", "The option KEEPTTL."),
            ("6.2.0", "The options GET, EXAT and PXAT."),
            ("7.0.0", "NX and GET together."),
        ]);

    Setnx = "SETNX" "key value"
        .summary("Sets the string value of a key that does not exist yet.")
        .keys(&one_key(CREATE)).flags(WRITES_FAST).categories(STRING)
        .deprecated("2.6.12", "`SET` with the `NX` argument");

    Setex = "SETEX" "key seconds value"
        .summary("Sets the string value of a key and the seconds it has to live.")
        .keys(&one_key(OVERWRITE)).flags(WRITES).categories(STRING).since("2.0.0")
        .deprecated("2.6.12", "`SET` with the `EX` argument");

    Psetex = "PSETEX" "key milliseconds value"
        .summary("Sets the string value of a key and the milliseconds it has to live.")
        .keys(&one_key(OVERWRITE)).flags(WRITES).categories(STRING).since("2.6.0")
        .deprecated("2.6.12", "`SET` with the `PX` argument");

    Getset = "GETSET" "key value"
        .summary("Sets the string value of a key and returns the one it had.")
        .keys(&one_key(READ_AND_WRITE)).flags(WRITES_FAST).categories(STRING)
        .deprecated("6.2.0", "`SET` with the `!GET` argument");

    Getdel = "GETDEL" "key"
        .summary("Returns the string value of a key and deletes the key.")
        .keys(&one_key(Access::RW.and(Access::ACCESS).and(Access::DELETE)))
        .flags(Flags::WRITE.and(Flags::FAST)).categories(STRING).since("6.2.0");

    Getex = "GETEX" "key [expiration=EX seconds | PX milliseconds | EXAT unix-time-seconds | \
        PXAT unix-time-milliseconds | PERSIST]"
        .summary("Returns the string value of a key and changes its time to live if asked to.")
        .keys(&one_key(READ_AND_WRITE))
        .flags(Flags::WRITE.and(Flags::FAST)).categories(STRING).since("6.2.0");

    Mget = "MGET" "key [key ...]"
        .summary("Returns the string values of several keys, null for those that hold none.")
        .cost("O(N) where N is the number of keys")
        .keys(&keys(-1, 1, READ)).flags(READS_FAST).categories(STRING).split(Gather::ByKey)
        .tips(tips::SPLIT);

    Mset = "MSET" "key value [key value ...]"
        .summary("Sets the string values of several keys at once.")
        .cost("O(N) where N is the number of keys")
        .keys(&keys(-1, 2, OVERWRITE)).flags(WRITES).categories(STRING).since("1.0.1")
        .split(Gather::Agree)
        .tips(tips::SPLIT_ALL);

    Msetnx = "MSETNX" "key value [key value ...]"
        .summary("Sets the string values of several keys at once, if none of them exists.")
        .cost("O(N) where N is the number of keys")
        .keys(&keys(-1, 2, CREATE)).flags(WRITES).categories(STRING).since("1.0.1");

    Append = "APPEND" "key value"
        .summary("Adds bytes to the end of a string, creating it where there is none.")
        .cost("O(N) where N is the length of the value")
        .keys(&one_key(Access::RW.and(Access::INSERT)))
        .flags(WRITES_FAST).categories(STRING).since("2.0.0");

    Strlen = "STRLEN" "key"
        .summary("Returns the length of a string in bytes.")
        .keys(&one_key(Access::RO)).flags(READS_FAST).categories(STRING).since("2.2.0");

    Getrange = "GETRANGE" "key start end"
        .summary("Returns the bytes of a string from one index to another, both included.")
        .cost("O(N) where N is the number of bytes returned")
        .keys(&one_key(READ)).flags(READS).categories(STRING).since("2.4.0");

    Substr = "SUBSTR" "key start end"
        .summary("Returns the bytes of a string from one index to another; an old name of GETRANGE.")
        .cost("O(N) where N is the number of bytes returned")
        .keys(&one_key(READ)).flags(READS).categories(STRING)
        .deprecated("2.0.0", "`GETRANGE`");

    Setrange = "SETRANGE" "key offset value"
        .summary("Overwrites a string from an offset on, padding it with zero bytes up to there.")
        .cost("O(N) where N is the length of the value and of the padding")
        .keys(&one_key(Access::RW.and(Access::UPDATE))).flags(WRITES).categories(STRING).since("2.2.0");

    Incr = "INCR" "key"
        .summary("Adds one to the integer a key holds; a missing key counts as 0.")
        .keys(&one_key(READ_AND_WRITE)).flags(WRITES_FAST).categories(STRING);

    Decr = "DECR" "key"
        .summary("Takes one from the integer a key holds; a missing key counts as 0.")
        .keys(&one_key(READ_AND_WRITE)).flags(WRITES_FAST).categories(STRING);

    Incrby = "INCRBY" "key increment"
        .summary("Adds a number to the integer a key holds; a missing key counts as 0.")
        .keys(&one_key(READ_AND_WRITE)).flags(WRITES_FAST).categories(STRING);

    Decrby = "DECRBY" "key decrement"
        .summary("Takes a number from the integer a key holds; a missing key counts as 0.")
        .keys(&one_key(READ_AND_WRITE)).flags(WRITES_FAST).categories(STRING);

    Incrbyfloat = "INCRBYFLOAT" "key increment:double"
        .summary("Adds a decimal fraction to the number a key holds; a missing key counts as 0.")
        .keys(&one_key(READ_AND_WRITE)).flags(WRITES_FAST).categories(STRING).since("2.6.0");

    Lcs = "LCS" "key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]"
        .summary("Finds the longest common subsequence of two strings.")
        .cost("O(N*M) where N and M are the lengths of the strings")
        .keys(&keys(1, 1, READ)).flags(READS).categories(STRING).since("7.0.0");
}
