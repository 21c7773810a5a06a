//! What gateways ask of shards besides the requests of their clients. No client can name these.
//!
//! Numbers in arguments are little-endian, of the width that is said.

use super::family;
use super::row::{Access, Begin, Find, Flags, KeySpec, Row};

const QUICK: Flags = Flags::FAST.and(Flags::LOADING).and(Flags::STALE);

/// The keys that follow the client's number.
const KEYS: &[KeySpec] = &[KeySpec {
    begin: Begin::Index(2),
    find: Find::Range { last: -1, step: 1, limit: 0 },
    access: Access::RO,
}];

family! {
    /// What gateways ask of shards besides the requests of their clients.
    Link "link"

    Transact = "transact" "client watched frames"
        .summary("Executes requests as one, unless a key that the client watches has changed: the client's number (u64), how many keys it watches (u32), and the requests as frames.")
        .cost("That of the requests.").flags(Flags::SKIP_SLOWLOG);

    Watch = "watch" "client key [key ...]"
        .summary("Watches keys for a client, by its number (u64), until its transaction, `unwatch`, or the end of the link.")
        .cost("O(1) for each key.").keys(KEYS).gateway().flags(QUICK);

    Unwatch = "unwatch" "client"
        .summary("Forgets which keys a client watches, by its number (u64).")
        .flags(QUICK);

    Figures = "figures" ""
        .summary("Tells the figures of the store.").flags(QUICK.and(Flags::READONLY));

    ResetFigures = "reset-figures" ""
        .summary("Sets the figures that count events back to zero.").flags(QUICK);

    Purge = "purge" ""
        .summary("Gives memory that is not in use back to the system.").flags(QUICK);

    Configure = "configure" "(name value) ..."
        .summary("Changes settings that concern the store.").flags(QUICK.and(Flags::ADMIN));
}

impl Link {
    /// The row of this verb.
    #[inline]
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}
