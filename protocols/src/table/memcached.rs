//! Requests of Memcached clients, one row for what its three dialects say alike.

use super::family;

family! {
    /// Requests of Memcached clients, one row for what its three dialects say alike.
    Memcached "memcached"
}
