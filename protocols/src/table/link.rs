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

    Unblock = "unblock" "client answer"
        .summary("Answers a client's request that waits for keys before they are there, by its number (u64): as if its time were over (0, u8) or with an error (1). Tells whether there was one.")
        .flags(QUICK);

    Figures = "figures" ""
        .summary("Tells the figures of the store.").flags(QUICK.and(Flags::READONLY));

    ResetFigures = "reset-figures" ""
        .summary("Sets the figures that count events back to zero.").flags(QUICK);

    Purge = "purge" ""
        .summary("Gives memory that is not in use back to the system.").flags(QUICK);

    Listen = "listen" "kind name [name ...]"
        .summary("Has what is published to channels, or to those that match patterns, told over this link: a kind (u8) and names.")
        .cost("O(1) for each name.").flags(QUICK.and(Flags::READONLY));

    Unlisten = "unlisten" "kind name [name ...]"
        .summary("Has no more told of them.")
        .cost("O(1) for each name.").flags(QUICK.and(Flags::READONLY));

    Say = "say" "kind channel message"
        .summary("Publishes a message to those who listen by other gateways.")
        .cost("O(N), N the number of links that listen.").flags(QUICK.and(Flags::READONLY));

    Follow = "follow" "again prefix [prefix ...]"
        .summary("Has told of keys that begin so when they change, whoever has read them; and that everything has changed, if it was so over an earlier link (1, u8).")
        .cost("O(N), N the number of partitions.").flags(QUICK.and(Flags::READONLY));

    Unfollow = "unfollow" "prefix [prefix ...]"
        .summary("Has no more told of them.")
        .cost("O(1) for each prefix.").flags(QUICK.and(Flags::READONLY));

    Learn = "learn" "script"
        .summary("Makes a script known that a client is about to run by its name.")
        .cost("O(N), N the bytes of the script.").flags(QUICK);

    Rules = "rules" "client user rules"
        .summary("Says what scripts may do that run for a client whose number (u64) their frames say: its user's name and rules, as ACL LIST tells them.")
        .cost("O(N), N the bytes of the rules.").flags(QUICK);

    Libraries = "libraries" "changes payload"
        .summary("Tells how often the libraries of functions have changed (u64) and, if that is more often than so many times (u64), what they are, as FUNCTION DUMP does. If it is less often they become those given, unless none are.")
        .cost("O(N), N the bytes of the libraries.").flags(QUICK);

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
