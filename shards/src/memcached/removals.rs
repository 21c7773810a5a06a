//! Removing items: `delete`, `md`, `flush_all` and their binary forms.

use tidegate_protocols::memcached::{Answer, Options, Status, deadline_ms};
use tidegate_protocols::{Error, Request};

use super::differs;
use crate::db::{Db, Metadata};
use crate::walk::Free;

/// Deletes an item, or with meta `I` marks it as stale.
pub(super) fn delete(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    let (key, item) = (request.args.at(1), request.item);
    let Some(metadata) = db.peek(key).map(|entry| entry.metadata()) else {
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
        invalidate(request, db, metadata)?;
    } else {
        db.remove(key);
        db.memcached().delete_hits += 1;
    }
    answer.status(Status::Deleted, 0);
    Ok(())
}

/// The item stays, marked as stale, with a new CAS value; the next client that reads it may recache it.
fn invalidate(request: &Request<'_>, db: &mut Db<'_>, metadata: Metadata) -> Result<(), Error> {
    let (key, item) = (request.args.at(1), request.item);
    let expire_at =
        if item.has(Options::EXPTIME) { deadline_ms(item.exptime, db.now_ms()) } else { metadata.expire_at };
    // Rare enough to copy the value.
    let Some(value) = db.peek(key).map(|entry| entry.text().map(|mut text| text.bytes().to_vec())) else {
        return Ok(());
    };
    db.store(key, &value?, Metadata { expire_at, cas: 0, stale: true, won: false, ..metadata });
    Ok(())
}

/// Removes everything now, or what there will be after a delay.
pub(super) fn flush_all(
    request: &Request<'_>,
    db: &mut Db<'_>,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Error> {
    db.memcached().cmd_flush += 1;
    if request.item.exptime > 0 {
        let at = deadline_ms(request.item.exptime, db.now_ms());
        db.flush_at(at);
    } else {
        db.flush_at(None);
        let database = db.database();
        db.flush(Some(database), Free::Later);
    }
    answer.status(Status::Ok, 0);
    Ok(())
}
