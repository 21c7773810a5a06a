//! Requests of Memcached clients for items, one row for what its three dialects say alike.
//!
//! Arguments are laid out the same whatever the dialect: the name (empty for the further keys of a `get`
//! line, the opcode's byte in binary), the key, the value where there is one, and the flags of a meta
//! command as the client wrote them. Everything else is in [`crate::memcached::Item`].

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, Gather, KeySpec, Row};

/// One key, the first argument.
const fn key(access: Access) -> [KeySpec; 1] {
    [KeySpec { begin: Begin::Index(1), find: Find::Range { last: 0, step: 1, limit: 0 }, access }]
}

const READ: Access = Access::RO.and(Access::ACCESS);
const UPDATE: Access = Access::RW.and(Access::ACCESS).and(Access::UPDATE);
const STORE: Flags = Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST);

family! {
    /// Requests of Memcached clients for items.
    Memcached "memcached"

    Get = "get" "key [flag ...]"
        .summary("Returns an item: get, gets, mg, binary Get.")
        .keys(&key(READ)).flags(Flags::READONLY.and(Flags::FAST)).categories(Categories::STRING);

    Gat = "gat" "key [flag ...]"
        .summary("Returns an item and changes when it expires, or creates it: gat, gats, mg with N, R or T, binary GAT.")
        .keys(&key(UPDATE)).flags(Flags::WRITE.and(Flags::FAST)).categories(Categories::STRING);

    Set = "set" "key value [flag ...]"
        .summary("Stores an item: set, ms, binary Set.")
        .keys(&key(Access::OW.and(Access::UPDATE))).flags(STORE).categories(Categories::STRING);

    Add = "add" "key value [flag ...]"
        .summary("Stores an item unless there is one: add, ms in mode E, binary Add.")
        .keys(&key(Access::OW.and(Access::INSERT))).flags(STORE).categories(Categories::STRING);

    Replace = "replace" "key value [flag ...]"
        .summary("Stores an item if there is one: replace, ms in mode R, binary Replace.")
        .keys(&key(Access::OW.and(Access::UPDATE))).flags(STORE).categories(Categories::STRING);

    Append = "append" "key value [flag ...]"
        .summary("Adds to the end of an item: append, ms in mode A, binary Append.")
        .keys(&key(Access::RW.and(Access::INSERT))).flags(STORE).categories(Categories::STRING);

    Prepend = "prepend" "key value [flag ...]"
        .summary("Adds to the beginning of an item: prepend, ms in mode P, binary Prepend.")
        .keys(&key(Access::RW.and(Access::INSERT))).flags(STORE).categories(Categories::STRING);

    Cas = "cas" "key value [flag ...]"
        .summary("Stores an item if nobody changed it since it was read: cas, ms with C, binary stores with a CAS value.")
        .keys(&key(UPDATE)).flags(STORE).categories(Categories::STRING);

    TooLarge = "too-large" "key"
        .summary("Refuses an item over the size limit and removes the one it would have replaced.")
        .keys(&key(Access::RM.and(Access::DELETE))).flags(Flags::WRITE.and(Flags::FAST)).categories(Categories::STRING);

    Incr = "incr" "key [flag ...]"
        .summary("Adds to a counter, modulo 2^64: incr, ma, binary Increment.")
        .keys(&key(UPDATE)).flags(STORE).categories(Categories::STRING);

    Decr = "decr" "key [flag ...]"
        .summary("Subtracts from a counter, down to 0: decr, ma in mode D, binary Decrement.")
        .keys(&key(UPDATE)).flags(STORE).categories(Categories::STRING);

    Touch = "touch" "key"
        .summary("Changes when an item expires: touch, binary Touch.")
        .keys(&key(Access::RW.and(Access::UPDATE))).flags(Flags::WRITE.and(Flags::FAST)).categories(Categories::KEYSPACE);

    Delete = "delete" "key [flag ...]"
        .summary("Deletes an item or marks it as stale: delete, md, binary Delete.")
        .keys(&key(Access::RM.and(Access::DELETE))).flags(Flags::WRITE.and(Flags::FAST)).categories(Categories::KEYSPACE);

    Debug = "me" "key [flag ...]"
        .summary("Tells what is known of an item: me.")
        .keys(&key(Access::RO)).flags(Flags::READONLY.and(Flags::FAST)).categories(Categories::KEYSPACE);

    Cachedump = "cachedump" "[argument ...]"
        .summary("Lists some items with their sizes and expiry: stats cachedump.")
        .every(Gather::Join).flags(Flags::READONLY).cost("O(N), at most 100,000 keys")
        .categories(Categories::KEYSPACE.and(Categories::DANGEROUS));

    FlushAll = "flush_all" "[delay] [noreply]"
        .summary("Removes all items now or after a delay: flush_all, binary Flush.")
        .every(Gather::Agree).flags(Flags::WRITE).cost("O(N)").categories(Categories::KEYSPACE.and(Categories::DANGEROUS));
}

impl Memcached {
    /// The row of this verb.
    #[inline]
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}
