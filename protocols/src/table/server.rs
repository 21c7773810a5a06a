//! Commands on the server.

use super::family;

family! {
    /// Commands on the server.
    Server "server"
}
