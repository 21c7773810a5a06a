//! Commands on the client's own connection.

use super::family;

family! {
    /// Commands on the client's own connection.
    Connection "connection"
}
