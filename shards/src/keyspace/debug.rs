//! `DEBUG DIGEST` and `DEBUG DIGEST-VALUE`: whether values are what they should be.

use tidegate_protocols::data::Context;
use tidegate_protocols::settings::Key;
use tidegate_protocols::{Args, Error, Reply};

use crate::db::{Db, FirstKey};
use crate::digest::Digest;

/// `DEBUG DIGEST`. What others do meanwhile may be in it or not.
pub(super) fn digest(db: &mut Db<'_>, reply: &mut Reply<'_>) {
    let mut whole = Digest::default();
    let _ = in_each_database(db, |database, db| -> Result<(), Error> {
        let keys = db.len();
        if keys > 0 {
            whole.mix(&u32::from(database).to_be_bytes());
        }
        db.for_each(|entry| whole.add(Digest::of_key(entry)));
        Ok(())
    });
    reply.simple(&whole.text());
}

/// `DEBUG DIGEST-VALUE key …`
pub(super) fn digest_values(args: &Args<'_>, db: &mut Db<'_>, reply: &mut Reply<'_>) {
    let keys = args.from(2);
    reply.array(keys.len());
    for key in keys.iter() {
        let digest = db.peek(key).map(|entry| Digest::of(&entry)).unwrap_or_default();
        reply.simple(&digest.text());
    }
}

/// Does something with one database after the other.
fn in_each_database(
    db: &mut Db<'_>,
    mut each: impl FnMut(u8, &mut Db<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    for database in 0..db.settings().number(Key::Databases) as u8 {
        let context = Context { database, ..*db.context() };
        each(database, &mut Db::new(db.held, db.local, &context, FirstKey::NONE))?;
    }
    Ok(())
}
