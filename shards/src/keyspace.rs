//! The family of [`Keyspace`].

use tidegate_protocols::table::keyspace::Keyspace;
use tidegate_protocols::{Error, Reply, Request};

use crate::db::Db;

/// Answers a command of this family.
pub(crate) fn execute(
    verb: Keyspace,
    _request: &Request<'_>,
    _db: &mut Db<'_>,
    _reply: &mut Reply<'_>,
) -> Result<(), Error> {
    match verb {
        _ => Err(Error::Text("ERR unknown command")),
    }
}
