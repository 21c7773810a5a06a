//! Commands on keys of any type.

use super::family;

family! {
    /// Commands on keys of any type.
    Keyspace "generic"
}
