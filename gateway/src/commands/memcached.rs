//! Commands of Memcached clients that the gateway answers itself.

use tidegate_protocols::table::memcached_server::MemcachedServer;
use tidegate_protocols::{Error, Reply, Request};

use super::Scope;

pub(super) fn execute(
    _verb: MemcachedServer,
    request: &Request<'_>,
    _scope: &Scope<'_>,
    _reply: &mut Reply<'_>,
) -> Result<(), Error> {
    Err(Error::Composed(format!("ERR '{}' is not served", request.row.name).into()))
}
