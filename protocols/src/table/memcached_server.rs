//! Requests of Memcached clients that concern the connection or the server; answered by the gateway.

use super::family;
use super::row::{Categories, Flags, Row};

const QUICK: Flags = Flags::FAST.and(Flags::LOADING).and(Flags::STALE);

family! {
    /// Requests of Memcached clients that concern the connection or the server.
    MemcachedServer "memcached-server"

    Answer = "answer" ""
        .summary("Gives an answer the decoder already knew, most often an error.")
        .flags(QUICK.and(Flags::NO_AUTH)).categories(Categories::CONNECTION);

    Noop = "mn" ""
        .summary("Answers, so that a client knows that everything before was answered: mn, binary No-op.")
        .flags(QUICK).categories(Categories::CONNECTION);

    Version = "version" ""
        .summary("Tells the version of memcached whose behaviour this is.")
        .flags(QUICK.and(Flags::NO_AUTH)).categories(Categories::CONNECTION);

    Verbosity = "verbosity" "level [noreply]"
        .summary("Accepted and without effect: logging is set up at start.")
        .flags(QUICK.and(Flags::ADMIN)).categories(Categories::CONNECTION);

    Stats = "stats" "[argument ...]"
        .summary("Tells figures of the server: all, settings, items, slabs, sizes, conns; reset.")
        .flags(Flags::LOADING.and(Flags::STALE)).cost("O(1), O(N) connections for conns");

    CacheMemlimit = "cache_memlimit" "megabytes [noreply]"
        .summary("Changes maxmemory.")
        .flags(QUICK.and(Flags::ADMIN)).categories(Categories::DANGEROUS);

    Quit = "quit" ""
        .summary("Closes the connection.")
        .flags(QUICK.and(Flags::NO_AUTH)).categories(Categories::CONNECTION);

    SaslMechanisms = "sasl-mechanisms" ""
        .summary("Lists the mechanisms of authentication: binary SASL list.")
        .flags(QUICK.and(Flags::NO_AUTH)).categories(Categories::CONNECTION);

    SaslAuthenticate = "sasl-authenticate" "mechanism data"
        .summary("Authenticates a binary client: binary SASL auth and step.")
        .flags(QUICK.and(Flags::NO_AUTH)).categories(Categories::CONNECTION);

    Authenticate = "authenticate" "credentials"
        .summary("Authenticates a text client, whose first set carries user and password.")
        .flags(QUICK.and(Flags::NO_AUTH)).categories(Categories::CONNECTION);
}

impl MemcachedServer {
    /// The row of this verb.
    #[inline]
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}
