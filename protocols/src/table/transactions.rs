//! Commands that make several requests one.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, KeySpec};

const TRANSACTION: Categories = Categories::TRANSACTION;
const ANY_TIME: Flags = Flags::LOADING.and(Flags::STALE).and(Flags::NOSCRIPT);
const ANY_TIME_FAST: Flags = ANY_TIME.and(Flags::FAST).and(Flags::ALLOW_BUSY);
const ALL_KEYS: &[KeySpec] = &[KeySpec {
    begin: Begin::Index(1),
    find: Find::Range { last: -1, step: 1, limit: 0 },
    access: Access::RO,
}];

family! {
    /// Commands that make several requests one.
    Transactions "transactions"

    Multi = "MULTI" ""
        .summary("Begins a transaction: what follows is queued.")
        .since("1.2.0").flags(ANY_TIME_FAST).categories(TRANSACTION);

    Exec = "EXEC" ""
        .summary("Executes what is queued as one, unless a watched key has changed.")
        .cost("That of the commands queued.")
        .since("1.2.0").flags(ANY_TIME.and(Flags::SKIP_SLOWLOG)).categories(TRANSACTION);

    Discard = "DISCARD" ""
        .summary("Ends a transaction and forgets what is queued.")
        .cost("O(N), N the number of commands queued.")
        .since("2.0.0").flags(ANY_TIME_FAST).categories(TRANSACTION);

    Watch = "WATCH" "key [key ...]"
        .summary("Lets the next transaction take place only if the keys are not changed before it.")
        .cost("O(1) for each key.")
        .since("2.2.0").keys(ALL_KEYS).gateway().flags(ANY_TIME_FAST).categories(TRANSACTION);

    Unwatch = "UNWATCH" ""
        .summary("Forgets which keys are watched.")
        .since("2.2.0").flags(ANY_TIME_FAST).categories(TRANSACTION);
}
