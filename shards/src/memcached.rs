//! The family of [`Memcached`].

use tidegate_protocols::table::memcached::Memcached;
use tidegate_protocols::{Error, Reply, Request};

use crate::db::Db;

/// Answers a command of this family.
pub(crate) fn execute(
    verb: Memcached,
    _request: &Request<'_>,
    _db: &mut Db<'_>,
    _reply: &mut Reply<'_>,
) -> Result<(), Error> {
    match verb {
        _ => Err(Error::Text("ERR unknown command")),
    }
}
