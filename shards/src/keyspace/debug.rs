//! `DEBUG DIGEST`, `DEBUG DIGEST-VALUE` and `DEBUG RELOAD`: whether values are what they should be.

use tidegate_protocols::cursor::Cursor;
use tidegate_protocols::data::Context;
use tidegate_protocols::settings::Key;
use tidegate_protocols::{Args, Error, Reply};

use crate::db::{Db, FirstKey, Kind, Look};
use crate::digest::Digest;
use crate::rdb::{self, Restored};

/// Keys that are made anew before the next are looked for.
const PAGE: usize = 1000;

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

/// `DEBUG RELOAD`. Strings stay: there is only one way to keep them, and `DUMP` does not tell what Memcached clients
/// have said of them.
pub(super) fn reload(db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    in_each_database(db, |_, db| {
        let mut cursor = Cursor::ZERO;
        loop {
            let mut keys = Vec::new();
            cursor = db.scan(cursor, PAGE, |entry| {
                if entry.kind() != Kind::String {
                    keys.push(entry.key().to_vec());
                }
            });
            for key in keys {
                make_anew(db, &key)?;
            }
            if cursor == Cursor::ZERO {
                return Ok(());
            }
        }
    })?;
    reply.ok();
    Ok(())
}

fn make_anew(db: &mut Db<'_>, key: &[u8]) -> Result<(), Error> {
    db.lock_key(key);
    let compresses = db.settings().is_on(Key::RdbCompression);
    let Some(entry) = db.peek(key) else { return Ok(()) };
    let (payload, expire_at) = (rdb::dump(&entry, compresses), entry.expire_at());
    match rdb::restore(&payload, db.settings()) {
        Some(Restored::Collection(built)) => {
            let mut entry = db.open(key, Look::Peek);
            entry.set_built(built);
            if expire_at.is_some() {
                entry.set_expire_at(expire_at);
            }
            Ok(())
        }
        // It has become a string meanwhile.
        Some(Restored::Text(_)) => Ok(()),
        None => Err(Error::Text("ERR Error trying to load the RDB dump, check server logs.")),
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

#[cfg(test)]
mod tests {
    use super::super::tests::replay;
    use crate::testing::Client;

    #[test]
    fn values_are_the_same_after_they_were_made_anew() {
        let mut client = Client::with_workers(4);
        replay(
            &mut client,
            "RPUSH list a b 3 -> :3
             SADD set 1 2 3 -> :3
             HSET hash f v g w -> :2
             ZADD zset 1 a 2.5 b -> :2
             XADD stream 1-1 f v -> $3|1-1
             SET string s EX 100 -> +OK
             PEXPIRE hash 100000 -> :1",
        );
        let before = client.run("DEBUG DIGEST");
        assert_eq!(client.run("DEBUG RELOAD"), "+OK\\r\\n");
        assert_eq!(client.run("DEBUG DIGEST"), before);
        client.run("RPUSH list c");
        assert_ne!(client.run("DEBUG DIGEST"), before);
    }
}
