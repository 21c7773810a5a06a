//! Commands on lists.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, KeySpec};

/// One key, argument `index`.
const fn key_at(index: u16, access: Access) -> KeySpec {
    KeySpec { begin: Begin::Index(index), find: Find::Range { last: 0, step: 1, limit: 0 }, access }
}

const READ: &[KeySpec] = &[key_at(1, Access::RO.and(Access::ACCESS))];
const ASK: &[KeySpec] = &[key_at(1, Access::RO)];
const PUSH: &[KeySpec] = &[key_at(1, Access::RW.and(Access::INSERT))];
const POP: &[KeySpec] = &[key_at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE))];

const CHANGE: &[KeySpec] = &[key_at(1, Access::RW.and(Access::UPDATE))];
const REMOVE: &[KeySpec] = &[key_at(1, Access::RW.and(Access::DELETE))];
const MOVE: &[KeySpec] = &[
    key_at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE)),
    key_at(2, Access::RW.and(Access::INSERT)),
];
const POP_FIRST: &[KeySpec] = &[KeySpec {
    begin: Begin::Index(1),
    find: Find::Count { count: 0, first: 1, step: 1 },
    access: Access::RW.and(Access::ACCESS).and(Access::DELETE),
}];

/// All arguments but the last.
const BLOCKING_POP: &[KeySpec] = &[KeySpec {
    begin: Begin::Index(1),
    find: Find::Range { last: -2, step: 1, limit: 0 },
    access: Access::RW.and(Access::ACCESS).and(Access::DELETE),
}];

const BLOCKING_POP_FIRST: &[KeySpec] = &[KeySpec {
    begin: Begin::Index(2),
    find: Find::Count { count: 0, first: 1, step: 1 },
    access: Access::RW.and(Access::ACCESS).and(Access::DELETE),
}];

const WRITES: Flags = Flags::WRITE.and(Flags::DENYOOM);
const WRITES_FAST: Flags = WRITES.and(Flags::FAST);
const REMOVES: Flags = Flags::WRITE;
const REMOVES_FAST: Flags = REMOVES.and(Flags::FAST);
const WAITS: Flags = REMOVES.and(Flags::BLOCKING);
const READS: Flags = Flags::READONLY;
const READS_FAST: Flags = READS.and(Flags::FAST);

const LIST: Categories = Categories::LIST;

family! {
    /// Commands on lists: elements in a row under one key.
    Lists "list"

    Lpush = "LPUSH" "key element ..."
        .summary("Puts elements before the first of a list, one after the other, and returns how many it has then.")
        .cost("O(N) where N is the number of elements put in")
        .keys(PUSH).flags(WRITES_FAST).categories(LIST).since("1.0.0")
        .history(&[("2.4.0", "Several elements at once.")]);

    Rpush = "RPUSH" "key element ..."
        .summary("Puts elements behind the last of a list and returns how many it has then.")
        .cost("O(N) where N is the number of elements put in")
        .keys(PUSH).flags(WRITES_FAST).categories(LIST).since("1.0.0")
        .history(&[("2.4.0", "Several elements at once.")]);

    Lpop = "LPOP" "key [count]@6.2.0"
        .summary("Takes elements out at the beginning of a list, and the key with the last of them.")
        .cost("O(N) where N is the number of elements returned")
        .keys(POP).flags(REMOVES_FAST).categories(LIST).since("1.0.0")
        .history(&[("6.2.0", "The argument `count`.")]);

    Rpop = "RPOP" "key [count]@6.2.0"
        .summary("Takes elements out at the end of a list, and the key with the last of them.")
        .cost("O(N) where N is the number of elements returned")
        .keys(POP).flags(REMOVES_FAST).categories(LIST).since("1.0.0")
        .history(&[("6.2.0", "The argument `count`.")]);

    Llen = "LLEN" "key"
        .summary("Returns how many elements a list has.")
        .keys(ASK).flags(READS_FAST).categories(LIST).since("1.0.0");

    Lrange = "LRANGE" "key start stop:integer"
        .summary("Returns the elements of a list from one index to another; below 0 they count from its end.")
        .cost("O(S+N) where S is the distance from the nearer end and N the number of elements returned")
        .keys(READ).flags(READS).categories(LIST).since("1.0.0");

    Lpushx = "LPUSHX" "key element ..."
        .summary("Puts elements before the first of a list that is there and returns how many it has then.")
        .cost("O(N) where N is the number of elements put in")
        .keys(PUSH).flags(WRITES_FAST).categories(LIST).since("2.2.0")
        .history(&[("4.0.0", "Several elements at once.")]);

    Rpushx = "RPUSHX" "key element ..."
        .summary("Puts elements behind the last of a list that is there and returns how many it has then.")
        .cost("O(N) where N is the number of elements put in")
        .keys(PUSH).flags(WRITES_FAST).categories(LIST).since("2.2.0")
        .history(&[("4.0.0", "Several elements at once.")]);

    Lindex = "LINDEX" "key index"
        .summary("Returns the element of a list at an index, which below 0 counts from the end.")
        .cost("O(N) where N is the distance from the nearer end")
        .keys(READ).flags(READS).categories(LIST).since("1.0.0");

    Lset = "LSET" "key index element"
        .summary("Puts another element in the place of the one at an index of a list.")
        .cost("O(N) where N is the distance from the nearer end")
        .keys(CHANGE).flags(WRITES).categories(LIST).since("1.0.0");

    Linsert = "LINSERT" "key <where=BEFORE | AFTER> pivot element"
        .summary("Puts an element beside the first one of a list that is equal to another, and returns how many it has then.")
        .cost("O(N) where N is the number of elements before that one")
        .keys(PUSH).flags(WRITES).categories(LIST).since("2.2.0");

    Lrem = "LREM" "key count element"
        .summary("Takes equal elements out of a list, some from either end or all, and returns how many there were.")
        .cost("O(N+M) where N is the number of elements and M that of those taken out")
        .keys(REMOVE).flags(REMOVES).categories(LIST).since("1.0.0");

    Ltrim = "LTRIM" "key start stop:integer"
        .summary("Takes all elements out of a list but those from one index to another.")
        .cost("O(N) where N is the number of elements taken out")
        .keys(REMOVE).flags(REMOVES).categories(LIST).since("1.0.0");

    Lpos = "LPOS" "key element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]"
        .summary("Returns where in a list an element is.")
        .cost("O(N) where N is the number of elements looked at")
        .keys(READ).flags(READS).categories(LIST).since("6.0.6");

    Lmove = "LMOVE" "source:key destination:key <wherefrom=LEFT | RIGHT> <whereto=LEFT | RIGHT>"
        .summary("Takes an element out at one end of a list, puts it in at one end of another and returns it.")
        .keys(MOVE).flags(WRITES).categories(LIST).since("6.2.0");

    Rpoplpush = "RPOPLPUSH" "source:key destination:key"
        .summary("Takes out the last element of a list, puts it before the first of another and returns it.")
        .keys(MOVE).flags(WRITES).categories(LIST).since("1.2.0")
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments");

    Lmpop = "LMPOP" "numkeys:integer key ... <where=LEFT | RIGHT> [COUNT count]"
        .summary("Takes elements out at one end of the first of several lists that is there, and returns them with its key.")
        .cost("O(N+M) where N is the number of keys and M that of elements returned")
        .keys(POP_FIRST).flags(REMOVES).categories(LIST).since("7.0.0");

    Blpop = "BLPOP" "key ... timeout:double"
        .summary("Takes out the first element of the first of several lists that is there, and waits for one if none is.")
        .cost("O(N) where N is the number of keys")
        .keys(BLOCKING_POP).flags(WAITS).categories(LIST).since("2.0.0")
        .history(&[("6.0.0", "`timeout` is a double, not an integer.")]);

    Brpop = "BRPOP" "key ... timeout:double"
        .summary("Takes out the last element of the first of several lists that is there, and waits for one if none is.")
        .cost("O(N) where N is the number of keys")
        .keys(BLOCKING_POP).flags(WAITS).categories(LIST).since("2.0.0")
        .history(&[("6.0.0", "`timeout` is a double, not an integer.")]);

    Blmove = "BLMOVE" "source:key destination:key <wherefrom=LEFT | RIGHT> <whereto=LEFT | RIGHT> timeout:double"
        .summary("Takes an element out at one end of a list, waiting for one, puts it in at one end of another and returns it.")
        .keys(MOVE).flags(WRITES.and(Flags::BLOCKING)).categories(LIST).since("6.2.0");

    Brpoplpush = "BRPOPLPUSH" "source:key destination:key timeout:double"
        .summary("Takes out the last element of a list, waiting for one, puts it before the first of another and returns it.")
        .keys(MOVE).flags(WRITES.and(Flags::BLOCKING)).categories(LIST).since("2.2.0")
        .history(&[("6.0.0", "`timeout` is a double, not an integer.")])
        .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments");

    Blmpop = "BLMPOP" "timeout:double numkeys:integer key ... <where=LEFT | RIGHT> [COUNT count]"
        .summary("Takes elements out at one end of the first of several lists that is there, and waits for one if none is.")
        .cost("O(N+M) where N is the number of keys and M that of elements returned")
        .keys(BLOCKING_POP_FIRST).flags(WAITS).categories(LIST).since("7.0.0");
}
