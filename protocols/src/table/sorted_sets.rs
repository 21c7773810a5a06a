//! Commands on sorted sets.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, KeySpec};
use super::tips;

/// One key, argument `index`.
const fn key_at(index: u16, access: Access) -> KeySpec {
    KeySpec { begin: Begin::Index(index), find: Find::Range { last: 0, step: 1, limit: 0 }, access }
}

/// As many keys as argument `index` says, after it.
const fn keys_from(index: u16, access: Access) -> KeySpec {
    KeySpec { begin: Begin::Index(index), find: Find::Count { count: 0, first: 1, step: 1 }, access }
}

const READ: Access = Access::RO.and(Access::ACCESS);
const REPLACE: Access = Access::OW.and(Access::UPDATE);
const TAKE: Access = Access::RW.and(Access::ACCESS).and(Access::DELETE);

const ASK_ONE: &[KeySpec] = &[key_at(1, Access::RO)];
const READ_ONE: &[KeySpec] = &[key_at(1, READ)];
const READ_MANY: &[KeySpec] = &[keys_from(1, READ)];
const STORE_ONE: &[KeySpec] = &[key_at(1, REPLACE), key_at(2, READ)];
const STORE_MANY: &[KeySpec] = &[key_at(1, REPLACE), keys_from(2, READ)];
const CHANGE: &[KeySpec] = &[key_at(1, Access::RW.and(Access::UPDATE))];
const INCREMENT: &[KeySpec] = &[key_at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))];
const REMOVE: &[KeySpec] = &[key_at(1, Access::RW.and(Access::DELETE))];
const TAKE_ONE: &[KeySpec] = &[key_at(1, TAKE)];
const TAKE_MANY: &[KeySpec] = &[keys_from(1, TAKE)];

const TAKE_MANY_AFTER_TIMEOUT: &[KeySpec] = &[keys_from(2, TAKE)];
const TAKE_ALL_BUT_LAST: &[KeySpec] =
    &[KeySpec { begin: Begin::Index(1), find: Find::Range { last: -2, step: 1, limit: 0 }, access: TAKE }];

const WRITES: Flags = Flags::WRITE.and(Flags::DENYOOM);
const WRITES_FAST: Flags = WRITES.and(Flags::FAST);
const REMOVES: Flags = Flags::WRITE;
const REMOVES_FAST: Flags = REMOVES.and(Flags::FAST);
const READS: Flags = Flags::READONLY;
const READS_FAST: Flags = READS.and(Flags::FAST);

const SORTED: Categories = Categories::SORTEDSET;

family! {
    /// Commands on sorted sets: members with scores, in the order of these, under one key.
    SortedSets "sorted-set"

    Zadd = "ZADD" "key [condition=NX | XX]@3.0.2 [comparison=GT | LT]@6.2.0 [change:CH]@3.0.2 [increment:INCR]@3.0.2 (data=score:double member) ..."
        .summary("Gives members of a sorted set their scores and returns how many of them are new.")
        .cost("O(log(N)) a member, N the number of members there are.")
        .keys(CHANGE).flags(WRITES_FAST).categories(SORTED).since("1.2.0")
        .history(&[
            ("2.4.0", "Several members at once."),
            ("3.0.2", "The options XX, NX, CH and INCR."),
            ("6.2.0", "The options GT and LT."),
        ]);

    Zincrby = "ZINCRBY" "key increment:integer member"
        .summary("Adds to the score of a member; one that is missing has the score 0.")
        .cost("O(log(N)), N the number of members there are.")
        .keys(INCREMENT).flags(WRITES_FAST).categories(SORTED).since("1.2.0");

    Zrem = "ZREM" "key member [member ...]"
        .summary("Takes members out of a sorted set, and the key with the last of them; returns how many there were.")
        .cost("O(M*log(N)), N the number of members there are and M of those taken out.")
        .keys(REMOVE).flags(REMOVES_FAST).categories(SORTED).since("1.2.0")
        .history(&[("2.4.0", "Several members at once.")]);

    Zcard = "ZCARD" "key"
        .summary("Returns how many members a sorted set has.")
        .keys(ASK_ONE).flags(READS_FAST).categories(SORTED).since("1.2.0");

    Zscore = "ZSCORE" "key member"
        .summary("Returns the score of a member.")
        .keys(READ_ONE).flags(READS_FAST).categories(SORTED).since("1.2.0");

    Zmscore = "ZMSCORE" "key member [member ...]"
        .summary("Returns the scores of several members, null for those who are none.")
        .cost("O(N), N the number of members asked for.")
        .keys(READ_ONE).flags(READS_FAST).categories(SORTED).since("6.2.0");

    Zrank = "ZRANK" "key member [WITHSCORE]"
        .summary("Returns how many members come before this one, counted from the lowest score.")
        .cost("O(log(N))")
        .keys(READ_ONE).flags(READS_FAST).categories(SORTED).since("2.0.0")
        .history(&[("7.2.0", "The option WITHSCORE.")]);

    Zrevrank = "ZREVRANK" "key member [WITHSCORE]"
        .summary("Returns how many members come before this one, counted from the highest score.")
        .cost("O(log(N))")
        .keys(READ_ONE).flags(READS_FAST).categories(SORTED).since("2.0.0")
        .history(&[("7.2.0", "The option WITHSCORE.")]);

    Zcount = "ZCOUNT" "key min:double max:double"
        .summary("Counts the members whose scores lie in a range.")
        .cost("O(log(N)), N the number of members there are.")
        .keys(READ_ONE).flags(READS_FAST).categories(SORTED).since("2.0.0");

    Zlexcount = "ZLEXCOUNT" "key min max"
        .summary("Counts the members whose names lie in a range, all scores being equal.")
        .cost("O(log(N)), N the number of members there are.")
        .keys(READ_ONE).flags(READS_FAST).categories(SORTED).since("2.8.9");

    Zrange = "ZRANGE" "key start:string stop [sortby=BYSCORE | BYLEX]@6.2.0 [REV]@6.2.0 [LIMIT (limit=offset count)]@6.2.0 [WITHSCORES]"
        .summary("Returns the members in a range of ranks, of scores or of names.")
        .cost("O(log(N)+M), N the number of members there are and M of those returned.")
        .keys(READ_ONE).flags(READS).categories(SORTED).since("1.2.0")
        .history(&[("6.2.0", "The options REV, BYSCORE, BYLEX and LIMIT.")]);

    Zrangestore = "ZRANGESTORE" "dst:key src:key min max [sortby=BYSCORE | BYLEX] [REV] [LIMIT (limit=offset count)]"
        .summary("Keeps the members in a range of ranks, of scores or of names as another sorted set.")
        .cost("O(log(N)+M), N the number of members there are and M of those kept.")
        .keys(STORE_ONE).flags(WRITES).categories(SORTED).since("6.2.0");

    Zrevrange = "ZREVRANGE" "key start stop:integer [WITHSCORES]"
        .summary("Returns the members in a range of ranks, the highest score first.")
        .cost("O(log(N)+M), N the number of members there are and M of those returned.")
        .keys(READ_ONE).flags(READS).categories(SORTED).since("1.2.0")
        .deprecated("6.2.0", "`ZRANGE` with the `REV` argument");

    Zrangebyscore = "ZRANGEBYSCORE" "key min:double max:double [WITHSCORES]@2.0.0 [LIMIT (limit=offset count)]"
        .summary("Returns the members whose scores lie in a range.")
        .cost("O(log(N)+M), N the number of members there are and M of those returned.")
        .keys(READ_ONE).flags(READS).categories(SORTED).since("1.0.5")
        .history(&[("2.0.0", "The option WITHSCORES.")])
        .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument");

    Zrevrangebyscore = "ZREVRANGEBYSCORE" "key max:double min:double [WITHSCORES] [LIMIT (limit=offset count)]"
        .summary("Returns the members whose scores lie in a range, the highest first.")
        .cost("O(log(N)+M), N the number of members there are and M of those returned.")
        .keys(READ_ONE).flags(READS).categories(SORTED).since("2.2.0")
        .history(&[("2.1.6", "Ends that do not belong to the range.")])
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments");

    Zrangebylex = "ZRANGEBYLEX" "key min max [LIMIT (limit=offset count)]"
        .summary("Returns the members whose names lie in a range, all scores being equal.")
        .cost("O(log(N)+M), N the number of members there are and M of those returned.")
        .keys(READ_ONE).flags(READS).categories(SORTED).since("2.8.9")
        .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument");

    Zrevrangebylex = "ZREVRANGEBYLEX" "key max min [LIMIT (limit=offset count)]"
        .summary("Returns the members whose names lie in a range, the last first, all scores being equal.")
        .cost("O(log(N)+M), N the number of members there are and M of those returned.")
        .keys(READ_ONE).flags(READS).categories(SORTED).since("2.8.9")
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments");

    Zremrangebyrank = "ZREMRANGEBYRANK" "key start stop:integer"
        .summary("Takes out the members in a range of ranks, and the key with the last of them.")
        .cost("O(log(N)+M), N the number of members there are and M of those taken out.")
        .keys(REMOVE).flags(REMOVES).categories(SORTED).since("2.0.0");

    Zremrangebyscore = "ZREMRANGEBYSCORE" "key min:double max:double"
        .summary("Takes out the members whose scores lie in a range, and the key with the last of them.")
        .cost("O(log(N)+M), N the number of members there are and M of those taken out.")
        .keys(REMOVE).flags(REMOVES).categories(SORTED).since("1.2.0");

    Zremrangebylex = "ZREMRANGEBYLEX" "key min max"
        .summary("Takes out the members whose names lie in a range, and the key with the last of them.")
        .cost("O(log(N)+M), N the number of members there are and M of those taken out.")
        .keys(REMOVE).flags(REMOVES).categories(SORTED).since("2.8.9");

    Zpopmin = "ZPOPMIN" "key [count]"
        .summary("Takes out the members with the lowest scores, and the key with the last of them.")
        .cost("O(log(N)*M), N the number of members there are and M of those taken out.")
        .keys(TAKE_ONE).flags(REMOVES_FAST).categories(SORTED).since("5.0.0");

    Zpopmax = "ZPOPMAX" "key [count]"
        .summary("Takes out the members with the highest scores, and the key with the last of them.")
        .cost("O(log(N)*M), N the number of members there are and M of those taken out.")
        .keys(TAKE_ONE).flags(REMOVES_FAST).categories(SORTED).since("5.0.0");

    Zmpop = "ZMPOP" "numkeys:integer key [key ...] <where=MIN | MAX> [COUNT count]"
        .summary("Takes members with the lowest or highest scores out of the first of several sorted sets that is there.")
        .cost("O(K) + O(M*log(N)), K the number of keys, N of members there are and M of those taken out.")
        .keys(TAKE_MANY).flags(REMOVES).categories(SORTED).since("7.0.0");

    Bzpopmin = "BZPOPMIN" "key [key ...] timeout:double"
        .summary("Takes the member with the lowest score out of the first of several sorted sets that is there, and waits for one if none is.")
        .cost("O(log(N)), N the number of members there are.")
        .keys(TAKE_ALL_BUT_LAST).flags(REMOVES_FAST.and(Flags::BLOCKING)).categories(SORTED).since("5.0.0")
        .history(&[("6.0.0", "`timeout` is a double, not an integer.")]);

    Bzpopmax = "BZPOPMAX" "key [key ...] timeout:double"
        .summary("Takes the member with the highest score out of the first of several sorted sets that is there, and waits for one if none is.")
        .cost("O(log(N)), N the number of members there are.")
        .keys(TAKE_ALL_BUT_LAST).flags(REMOVES_FAST.and(Flags::BLOCKING)).categories(SORTED).since("5.0.0")
        .history(&[("6.0.0", "`timeout` is a double, not an integer.")]);

    Bzmpop = "BZMPOP" "timeout:double numkeys:integer key [key ...] <where=MIN | MAX> [COUNT count]"
        .summary("Takes members with the lowest or highest scores out of the first of several sorted sets that is there, and waits for one if none is.")
        .cost("O(K) + O(M*log(N)), K the number of keys, N of members there are and M of those taken out.")
        .keys(TAKE_MANY_AFTER_TIMEOUT).flags(REMOVES.and(Flags::BLOCKING)).categories(SORTED).since("7.0.0");

    Zrandmember = "ZRANDMEMBER" "key [options=count [WITHSCORES]]"
        .summary("Returns members of a sorted set by chance, different ones or, for a count below 0, any.")
        .cost("O(N), N the number of members returned.")
        .keys(READ_ONE).flags(READS).categories(SORTED).since("6.2.0").tips(tips::VARIES);

    Zscan = "ZSCAN" "key cursor [MATCH pattern] [COUNT count]"
        .summary("Goes through the members of a sorted set and their scores in steps.")
        .cost("O(1) a step, O(N) for all steps, N the number of members.")
        .keys(READ_ONE).flags(READS).categories(SORTED).since("2.8.0").tips(tips::VARIES);

    Zunion = "ZUNION" "numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer ...]] [AGGREGATE <aggregate=SUM | MIN | MAX>] [WITHSCORES]"
        .summary("Returns who is a member of any of several sorted sets, with scores made of theirs.")
        .cost("O(N)+O(M*log(M)), N the number of members of all of them and M of those returned.")
        .keys(READ_MANY).flags(READS).categories(SORTED).since("6.2.0");

    Zunionstore = "ZUNIONSTORE" "destination numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer ...]] [AGGREGATE <aggregate=SUM | MIN | MAX>]"
        .summary("Keeps who is a member of any of several sorted sets as another.")
        .cost("O(N)+O(M*log(M)), N the number of members of all of them and M of those kept.")
        .keys(STORE_MANY).flags(WRITES).categories(SORTED).since("2.0.0");

    Zinter = "ZINTER" "numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer ...]] [AGGREGATE <aggregate=SUM | MIN | MAX>] [WITHSCORES]"
        .summary("Returns who is a member of all of several sorted sets, with scores made of theirs.")
        .cost("O(N*K)+O(M*log(M)), N the number of members of the smallest, K of sorted sets and M of members returned.")
        .keys(READ_MANY).flags(READS).categories(SORTED).since("6.2.0");

    Zinterstore = "ZINTERSTORE" "destination numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer ...]] [AGGREGATE <aggregate=SUM | MIN | MAX>]"
        .summary("Keeps who is a member of all of several sorted sets as another.")
        .cost("O(N*K)+O(M*log(M)), N the number of members of the smallest, K of sorted sets and M of members kept.")
        .keys(STORE_MANY).flags(WRITES).categories(SORTED).since("2.0.0");

    Zintercard = "ZINTERCARD" "numkeys:integer key [key ...] [LIMIT limit:integer]"
        .summary("Counts who is a member of all of several sorted sets.")
        .cost("O(N*K), N the number of members of the smallest and K of sorted sets.")
        .keys(READ_MANY).flags(READS).categories(SORTED).since("7.0.0");

    Zdiff = "ZDIFF" "numkeys:integer key [key ...] [WITHSCORES]"
        .summary("Returns who is a member of the first of several sorted sets and of no other.")
        .cost("O(L + (N-K)log(N)), L the number of members of all, N of the first and K of those returned.")
        .keys(READ_MANY).flags(READS).categories(SORTED).since("6.2.0");

    Zdiffstore = "ZDIFFSTORE" "destination numkeys:integer key [key ...]"
        .summary("Keeps who is a member of the first of several sorted sets and of no other as another.")
        .cost("O(L + (N-K)log(N)), L the number of members of all, N of the first and K of those kept.")
        .keys(STORE_MANY).flags(WRITES).categories(SORTED).since("6.2.0");
}
