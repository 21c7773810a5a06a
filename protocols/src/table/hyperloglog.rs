//! Commands on HyperLogLogs.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, Gather, KeySpec};

/// Keys from argument `first` to `last` after it.
const fn keys(first: u16, last: i16, access: Access) -> KeySpec {
    KeySpec { begin: Begin::Index(first), find: Find::Range { last, step: 1, limit: 0 }, access }
}

const READ_AND_WRITE: Access = Access::RW.and(Access::ACCESS);
const WRITES: Flags = Flags::WRITE.and(Flags::DENYOOM);
const HYPERLOGLOG: Categories = Categories::HYPERLOGLOG;

family! {
    /// Commands on HyperLogLogs: strings that say about how many different elements there have been.
    Hyperloglog "hyperloglog"

    Pfadd = "PFADD" "key [element ...]"
        .summary("Has a HyperLogLog see elements, and tells whether its count may have changed.")
        .cost("O(1) to see an element")
        .keys(&[keys(1, 0, Access::RW.and(Access::INSERT))]).flags(WRITES.and(Flags::FAST))
        .categories(HYPERLOGLOG).since("2.8.9");

    Pfcount = "PFCOUNT" "key ..."
        .summary("Returns about how many different elements HyperLogLogs have seen together.")
        .cost("O(1) for one key whose count is remembered, O(N) for N keys, and slow")
        .keys(&[keys(1, -1, READ_AND_WRITE)]).flags(Flags::READONLY.and(Flags::MAY_REPLICATE))
        .categories(HYPERLOGLOG).since("2.8.9");

    Pfmerge = "PFMERGE" "destkey:key [sourcekey:key ...]"
        .summary("Has a HyperLogLog see all that others have seen.")
        .cost("O(N) for N HyperLogLogs, and slow")
        .keys(&[
            keys(1, 0, READ_AND_WRITE.and(Access::INSERT)),
            keys(2, -1, Access::RO.and(Access::ACCESS)),
        ])
        .flags(WRITES).categories(HYPERLOGLOG).since("2.8.9");

    Pfdebug = "PFDEBUG" "subcommand key"
        .summary("Shows how a HyperLogLog is kept (GETREG, DECODE, ENCODING) or makes it dense (TODENSE).")
        .cost("N/A")
        .keys(&[keys(2, 0, READ_AND_WRITE)]).flags(WRITES.and(Flags::ADMIN))
        .categories(HYPERLOGLOG).since("2.8.9").system();

    Pfselftest = "PFSELFTEST" ""
        .summary("Tests whether HyperLogLogs count rightly.")
        .cost("N/A")
        .every(Gather::Agree).flags(Flags::ADMIN).categories(HYPERLOGLOG).since("2.8.9").system();
}
