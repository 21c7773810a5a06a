//! Commands on sets.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, KeySpec};
use super::tips;

/// Keys from argument `first` to `last` after it.
const fn keys(first: u16, last: i16, access: Access) -> KeySpec {
    KeySpec { begin: Begin::Index(first), find: Find::Range { last, step: 1, limit: 0 }, access }
}

/// The first argument is the key, and there is no other.
const fn key(access: Access) -> [KeySpec; 1] {
    [keys(1, 0, access)]
}

/// All arguments are keys.
const SOURCES: [KeySpec; 1] = [keys(1, -1, READ)];

/// The first argument is where the result goes, all others are keys.
const fn stored(access: Access) -> [KeySpec; 2] {
    [keys(1, 0, access.and(Access::UPDATE)), keys(2, -1, READ)]
}

const READ: Access = Access::RO.and(Access::ACCESS);
const TAKE: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);

const WRITES: Flags = Flags::WRITE.and(Flags::DENYOOM);
const TAKES: Flags = Flags::WRITE.and(Flags::FAST);
const READS: Flags = Flags::READONLY;
const READS_FAST: Flags = READS.and(Flags::FAST);

const SET: Categories = Categories::SET;

family! {
    /// Commands on sets: different members under one key.
    Sets "set"

    Sadd = "SADD" "key member ..."
        .summary("Adds members to a set and returns how many are new.")
        .cost("O(N) where N is the number of members added")
        .keys(&key(Access::RW.and(Access::INSERT))).flags(WRITES.and(Flags::FAST))
        .categories(SET).since("1.0.0").history(&[("2.4.0", "Several members at once.")]);

    Srem = "SREM" "key member ..."
        .summary("Takes members out of a set, and the key away with the last of them; returns how many there were.")
        .cost("O(N) where N is the number of members taken out")
        .keys(&key(Access::RW.and(Access::DELETE))).flags(TAKES)
        .categories(SET).since("1.0.0").history(&[("2.4.0", "Several members at once.")]);

    Smove = "SMOVE" "source:key destination:key member"
        .summary("Moves a member from one set to another.")
        .keys(&[keys(1, 0, TAKE), keys(2, 0, Access::RW.and(Access::INSERT))]).flags(TAKES)
        .categories(SET).since("1.0.0");

    Scard = "SCARD" "key"
        .summary("Returns how many members a set has.")
        .keys(&key(Access::RO)).flags(READS_FAST).categories(SET).since("1.0.0");

    Sismember = "SISMEMBER" "key member"
        .summary("Tells whether a set has a member.")
        .keys(&key(Access::RO)).flags(READS_FAST).categories(SET).since("1.0.0");

    Smismember = "SMISMEMBER" "key member ..."
        .summary("Tells of each of several whether it is a member of a set.")
        .cost("O(N) where N is the number of members asked for")
        .keys(&key(READ)).flags(READS_FAST).categories(SET).since("6.2.0");

    Smembers = "SMEMBERS" "key"
        .summary("Returns all members of a set.")
        .cost("O(N) where N is the number of members")
        .keys(&key(READ)).flags(READS).categories(SET).since("1.0.0").tips(tips::ANY_ORDER);

    Spop = "SPOP" "key [count]@3.2.0"
        .summary("Takes members out of a set by chance, one or as many as asked for, and returns them.")
        .cost("O(N) where N is the number of members taken out")
        .keys(&key(TAKE)).flags(TAKES).categories(SET).since("1.0.0")
        .history(&[("3.2.0", "The count.")]).tips(tips::VARIES);

    Srandmember = "SRANDMEMBER" "key [count]@2.6.0"
        .summary("Returns members of a set by chance, different ones or, for a count below 0, any.")
        .cost("O(N) where N is the number of members returned")
        .keys(&key(READ)).flags(READS).categories(SET).since("1.0.0")
        .history(&[("2.6.0", "The count.")]).tips(tips::VARIES);

    Sscan = "SSCAN" "key cursor [MATCH pattern] [COUNT count]"
        .summary("Goes through the members of a set in steps.")
        .cost("O(1) a step, O(N) for all steps, N the number of members.")
        .keys(&key(READ)).flags(READS).categories(SET).since("2.8.0").tips(tips::VARIES);

    Sinter = "SINTER" "key ..."
        .summary("Returns the members that several sets have in common.")
        .cost("O(N*M) where N is the size of the smallest set and M the number of sets")
        .keys(&SOURCES).flags(READS).categories(SET).since("1.0.0").tips(tips::ANY_ORDER);

    Sintercard = "SINTERCARD" "numkeys:integer key ... [LIMIT limit:integer]"
        .summary("Counts the members that several sets have in common, up to a limit.")
        .cost("O(N*M) where N is the size of the smallest set and M the number of sets")
        .keys(&[KeySpec {
            begin: Begin::Index(1),
            find: Find::Count { count: 0, first: 1, step: 1 },
            access: READ,
        }])
        .flags(READS).categories(SET).since("7.0.0");

    Sinterstore = "SINTERSTORE" "destination:key key ..."
        .summary("Stores the members that several sets have in common and returns how many there are.")
        .cost("O(N*M) where N is the size of the smallest set and M the number of sets")
        .keys(&stored(Access::RW)).flags(WRITES).categories(SET).since("1.0.0");

    Sunion = "SUNION" "key ..."
        .summary("Returns the members of all of several sets.")
        .cost("O(N) where N is the number of members of all sets")
        .keys(&SOURCES).flags(READS).categories(SET).since("1.0.0").tips(tips::ANY_ORDER);

    Sunionstore = "SUNIONSTORE" "destination:key key ..."
        .summary("Stores the members of all of several sets and returns how many there are.")
        .cost("O(N) where N is the number of members of all sets")
        .keys(&stored(Access::OW)).flags(WRITES).categories(SET).since("1.0.0");

    Sdiff = "SDIFF" "key ..."
        .summary("Returns the members of a set that others do not have.")
        .cost("O(N) where N is the number of members of all sets")
        .keys(&SOURCES).flags(READS).categories(SET).since("1.0.0").tips(tips::ANY_ORDER);

    Sdiffstore = "SDIFFSTORE" "destination:key key ..."
        .summary("Stores the members of a set that others do not have and returns how many there are.")
        .cost("O(N) where N is the number of members of all sets")
        .keys(&stored(Access::OW)).flags(WRITES).categories(SET).since("1.0.0");
}
