//! Commands on the server.

use tidegate_protocols::table::server::Server;
use tidegate_protocols::{Error, Reply, Request};

use super::Scope;

pub(super) fn execute(
    _verb: Server,
    request: &Request<'_>,
    _scope: &Scope<'_>,
    _reply: &mut Reply<'_>,
) -> Result<(), Error> {
    Err(Error::Composed(format!("ERR '{}' is not served", request.row.name.to_ascii_lowercase()).into()))
}
