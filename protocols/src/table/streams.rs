//! Commands on streams.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, KeySpec};
use super::tips;

/// One key, argument `index`.
const fn key_at(index: u16, access: Access) -> [KeySpec; 1] {
    [KeySpec { begin: Begin::Index(index), find: Find::Range { last: 0, step: 1, limit: 0 }, access }]
}

/// The first half of what follows the word STREAMS, which is looked for from argument `from` on.
const fn keys_after_streams(from: i16) -> [KeySpec; 1] {
    let find = Find::Range { last: -1, step: 1, limit: 2 };
    [KeySpec { begin: Begin::Keyword("STREAMS", from), find, access: READ }]
}

const READ: Access = Access::RO.and(Access::ACCESS);
const INSERT: Access = Access::RW.and(Access::INSERT);
const UPDATE: Access = Access::RW.and(Access::UPDATE);
const DELETE: Access = Access::RW.and(Access::DELETE);

const WRITES: Flags = Flags::WRITE;
const WRITES_FAST: Flags = WRITES.and(Flags::FAST);
const ADDS: Flags = WRITES.and(Flags::DENYOOM);
const ADDS_FAST: Flags = ADDS.and(Flags::FAST);
const READS: Flags = Flags::READONLY;

const STREAM: Categories = Categories::STREAM;

const BY_SUBCOMMAND: &str = "Depends on the subcommand.";
const EACH_RETURNED: &str = "O(N) where N is the number of entries returned";

family! {
    /// Commands on streams: entries in the order in which they were added, and groups of consumers that read them.
    Streams "stream"

    Xadd = "XADD" "key [NOMKSTREAM]@6.2.0 \
            [trim=<strategy=MAXLEN | MINID@6.2.0> [operator='=equal | '~approximately] threshold [LIMIT count]@6.2.0] \
            <id_or_auto='*auto_id | id> (field value) ..."
        .summary("Adds an entry to a stream and returns its ID.")
        .cost("O(1), and O(N) where N is the number of entries trimmed")
        .keys(&key_at(1, UPDATE)).flags(ADDS_FAST).categories(STREAM).since("5.0.0").tips(tips::VARIES)
        .history(&[
            ("6.2.0", "NOMKSTREAM, MINID and LIMIT."),
            ("7.0.0", "IDs of which only the time is given, `ms-*`."),
        ]);

    Xlen = "XLEN" "key"
        .summary("Returns how many entries a stream has.")
        .keys(&key_at(1, Access::RO)).flags(READS.and(Flags::FAST)).categories(STREAM).since("5.0.0");

    Xrange = "XRANGE" "key start:string end:string [COUNT count]"
        .summary("Returns the entries of a stream with IDs of a range.")
        .cost(EACH_RETURNED)
        .keys(&key_at(1, READ)).flags(READS).categories(STREAM).since("5.0.0")
        .history(&[("6.2.0", "Ranges without their ends.")]);

    Xrevrange = "XREVRANGE" "key end:string start:string [COUNT count]"
        .summary("Returns the entries of a stream with IDs of a range, the highest first.")
        .cost(EACH_RETURNED)
        .keys(&key_at(1, READ)).flags(READS).categories(STREAM).since("5.0.0")
        .history(&[("6.2.0", "Ranges without their ends.")]);

    Xdel = "XDEL" "key id ..."
        .summary("Deletes entries of a stream and returns how many there were.")
        .cost("O(1) for each entry")
        .keys(&key_at(1, DELETE)).flags(WRITES_FAST).categories(STREAM).since("5.0.0");

    Xtrim = "XTRIM" "key \
            (trim=<strategy=MAXLEN | MINID@6.2.0> [operator='=equal | '~approximately] threshold [LIMIT count]@6.2.0)"
        .summary("Deletes the oldest entries of a stream until it has a length, or up to an ID.")
        .cost("O(N) where N is the number of entries trimmed")
        .keys(&key_at(1, DELETE)).flags(WRITES).categories(STREAM).since("5.0.0").tips(tips::VARIES)
        .history(&[("6.2.0", "MINID and LIMIT.")]);

    Xsetid = "XSETID" "key last-id [ENTRIESADDED entries_added:integer]@7.0.0 \
            [MAXDELETEDID max_deleted_entry_id]@7.0.0"
        .summary("Sets the ID that the next entry of a stream has to be above.")
        .keys(&key_at(1, UPDATE)).flags(ADDS_FAST).categories(STREAM).since("5.0.0")
        .history(&[("7.0.0", "ENTRIESADDED and MAXDELETEDID.")]);

    Xread = "XREAD" "[COUNT count] [BLOCK milliseconds] STREAMS (streams=key ... id ...)"
        .summary("Returns the entries of streams after IDs. It may wait for one.")
        .cost(EACH_RETURNED)
        .keys(&keys_after_streams(1)).flags(READS.and(Flags::BLOCKING)).categories(STREAM).since("5.0.0");

    Xreadgroup = "XREADGROUP" "GROUP (group consumer) [COUNT count] [BLOCK milliseconds] [NOACK] \
            STREAMS (streams=key ... id ...)"
        .summary("Gives a consumer of a group entries that no other has been given, or those it has not acknowledged. It may \
            wait for one.")
        .cost(EACH_RETURNED)
        .keys(&keys_after_streams(4)).flags(WRITES.and(Flags::BLOCKING)).categories(STREAM).since("5.0.0");

    Xgroup = "XGROUP" ""
        .summary("Holds the commands about groups of consumers.")
        .cost(BY_SUBCOMMAND).container().since("5.0.0");

    XgroupCreate = "XGROUP|CREATE" "key groupname <id=id | '$new_id> [MKSTREAM] [ENTRIESREAD entries_read:integer]"
        .summary("Adds a group that reads a stream from an ID on.")
        .keys(&key_at(2, INSERT)).flags(ADDS).categories(STREAM).since("5.0.0")
        .history(&[("7.0.0", "ENTRIESREAD.")]);

    XgroupSetid = "XGROUP|SETID" "key groupname <id=id | '$new_id> [ENTRIESREAD entries_read:integer]"
        .summary("Sets the ID after which a group goes on.")
        .keys(&key_at(2, UPDATE)).flags(WRITES).categories(STREAM).since("5.0.0")
        .history(&[("7.0.0", "ENTRIESREAD.")]);

    XgroupDestroy = "XGROUP|DESTROY" "key groupname"
        .summary("Removes a group.")
        .cost("O(N) where N is the number of its entries that are not acknowledged")
        .keys(&key_at(2, DELETE)).flags(WRITES).categories(STREAM).since("5.0.0");

    XgroupCreateconsumer = "XGROUP|CREATECONSUMER" "key groupname consumername"
        .summary("Adds a consumer to a group.")
        .keys(&key_at(2, INSERT)).flags(ADDS).categories(STREAM).since("6.2.0");

    XgroupDelconsumer = "XGROUP|DELCONSUMER" "key groupname consumername"
        .summary("Removes a consumer and returns how many entries it had not acknowledged.")
        .keys(&key_at(2, DELETE)).flags(WRITES).categories(STREAM).since("5.0.0");

    Xack = "XACK" "key group id ..."
        .summary("Takes note that entries have been worked on, and returns how many of them had not been acknowledged.")
        .cost("O(1) for each ID")
        .keys(&key_at(1, UPDATE)).flags(WRITES_FAST).categories(STREAM).since("5.0.0");

    Xpending = "XPENDING" "key group \
            [filters=[IDLE min-idle-time:integer]@6.2.0 start:string end:string count [consumer]]"
        .summary("Tells what a group has not acknowledged, all of it in numbers or entry by entry.")
        .cost("O(N) where N is the number of entries looked at, or of consumers")
        .keys(&key_at(1, READ)).flags(READS).categories(STREAM).since("5.0.0").tips(tips::VARIES)
        .history(&[("6.2.0", "IDLE, and ranges without their ends.")]);

    Xclaim = "XCLAIM" "key group consumer min-idle-time id ... [IDLE ms:integer] [TIME unix-time-milliseconds] \
            [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]"
        .summary("Gives a consumer entries that another has not acknowledged for some time.")
        .cost("O(log N) where N is the number of entries of the group that are not acknowledged")
        .keys(&key_at(1, UPDATE)).flags(WRITES_FAST).categories(STREAM).since("5.0.0").tips(tips::VARIES);

    Xautoclaim = "XAUTOCLAIM" "key group consumer min-idle-time start:string [COUNT count] [JUSTID]"
        .summary("Gives a consumer entries that have not been acknowledged for some time, whoever has them.")
        .cost("O(N) where N is COUNT")
        .keys(&key_at(1, DELETE)).flags(WRITES_FAST).categories(STREAM).since("6.2.0").tips(tips::VARIES)
        .history(&[("7.0.0", "The IDs of entries that are not there any more.")]);

    Xinfo = "XINFO" ""
        .summary("Holds the commands that look into streams.")
        .cost(BY_SUBCOMMAND).container().since("5.0.0");

    XinfoStream = "XINFO|STREAM" "key [FULL (full=[COUNT count])]"
        .summary("Describes a stream.")
        .keys(&key_at(2, READ)).flags(READS).categories(STREAM).since("5.0.0")
        .history(&[
            ("6.0.0", "FULL."),
            ("7.0.0", "What is known of deleted entries, and how far groups have come."),
            ("7.2.0", "When consumers were active last."),
        ]);

    XinfoGroups = "XINFO|GROUPS" "key"
        .summary("Describes the groups of a stream.")
        .keys(&key_at(2, READ)).flags(READS).categories(STREAM).since("5.0.0")
        .history(&[("7.0.0", "How far groups have come.")]);

    XinfoConsumers = "XINFO|CONSUMERS" "key groupname"
        .summary("Describes the consumers of a group.")
        .keys(&key_at(2, READ)).flags(READS).categories(STREAM).since("5.0.0").tips(tips::VARIES)
        .history(&[("7.2.0", "How long ago a consumer was active.")]);
}
