//! Removing items: `delete`, `md`, `flush_all` and their binary forms.

use tidegate_protocols::memcached::{Answer, Options, Status, deadline_ms};
use tidegate_protocols::settings::Key;
use tidegate_protocols::{Error, Request};

use super::differs;
use crate::db::{Db, Look, Metadata};
use crate::entry_mut::EntryMut;
use crate::walk::Free;

/// Deletes an item, or with meta `I` marks it as stale.
pub(super) fn delete(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let (item, now_ms) = (request.item, db.now_ms());
    let mut entry = db.open(request.args.at(1), Look::Peek);
    let Some(metadata) = entry.entry().map(|entry| entry.metadata()) else {
        db.memcached().delete_misses += 1;
        answer.status(Status::NotFound, 0);
        return Ok(());
    };
    if differs(item, &metadata) {
        db.memcached().delete_misses += 1;
        answer.status(Status::Exists, 0);
        return Ok(());
    }
    if item.has(Options::INVALIDATE) {
        invalidate(request, &mut entry, metadata, now_ms)?;
    } else {
        entry.remove();
        db.memcached().delete_hits += 1;
    }
    answer.status(Status::Deleted, 0);
    Ok(())
}

/// The item stays, marked as stale, with a new CAS value; the next client that reads it may recache it.
fn invalidate(
    request: &Request<'_>,
    entry: &mut EntryMut<'_>,
    metadata: Metadata,
    now_ms: u64,
) -> Result<(), Error> {
    let item = request.item;
    let expire_at =
        if item.has(Options::EXPTIME) { deadline_ms(item.exptime, now_ms) } else { metadata.expire_at };
    if entry.text()?.is_some() {
        entry.invalidate(expire_at);
    }
    Ok(())
}

/// Removes everything now, or what there will be after a delay.
pub(super) fn flush_all(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    // In text it counts even where it is not allowed.
    db.memcached().cmd_flush += 1;
    if !db.settings().is_on(Key::MemcachedFlush) {
        answer.status(Status::FlushDisabled, 0);
        return Ok(());
    }
    if request.item.exptime > 0 {
        let at = deadline_ms(request.item.exptime, db.now_ms());
        db.flush_at(at);
    } else {
        db.flush_at(None);
        let database = db.database();
        db.effects().says(&[b"FLUSHDB"]);
        db.flush(Some(database), Free::Later);
    }
    answer.status(Status::Ok, 0);
    Ok(())
}
