//! Commands on strings.

use tidegate_protocols::table::strings::Strings;
use tidegate_protocols::{Error, Reply, Request};

use crate::db::{Db, Expiry};

/// Answers a command of this family.
pub(crate) fn execute(
    verb: Strings,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    match verb {
        Strings::Get => get(db, request.args.fixed(), reply),
        Strings::Set => {
            let [key, value] = request.args.fixed();
            db.set_string(key, value, Expiry::Clear);
            reply.ok();
            Ok(())
        }
        _ => Err(Error::Text("ERR unknown command")),
    }
}

fn get(db: &mut Db<'_>, [key]: [&[u8]; 1], reply: &mut Reply<'_>) -> Result<(), Error> {
    match db.string(key)? {
        Some(mut value) => reply.bulk(value.bytes()),
        None => reply.null(),
    }
    Ok(())
}
