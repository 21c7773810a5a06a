//! Parts of strings.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::settings::Key;
use tidegate_protocols::{Error, Reply};

use crate::db::{Db, Expiry};

/// `APPEND`
pub(super) fn append(db: &mut Db<'_>, [key, value]: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    let limit = Limit::of(db);
    let mut entry = db.change(key);
    let old = entry.text()?.map(|text| text.len());
    let len = limit.end(old.unwrap_or(0) as u64, value)?;
    match old {
        Some(old) => entry.string_mut(len)?[old..].copy_from_slice(value),
        None => entry.set_string(value, Expiry::Clear),
    }
    reply.integer(len as i64);
    Ok(())
}

/// `STRLEN`
pub(super) fn strlen(db: &mut Db<'_>, [key]: [&[u8]; 1], reply: &mut Reply<'_>) -> Result<(), Error> {
    reply.integer(db.string(key)?.map_or(0, |text| text.len() as i64));
    Ok(())
}

/// `GETRANGE` and `SUBSTR`
pub(super) fn getrange(
    db: &mut Db<'_>,
    [key, start, end]: [&[u8]; 3],
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let start = integer_argument(start)?;
    let end = integer_argument(end)?;
    match db.string(key)? {
        Some(mut text) => {
            let bytes = text.bytes();
            reply.bulk(indexes(start, end, bytes.len() as u64).map_or(&[], |range| &bytes[range]));
        }
        None => reply.bulk(b""),
    }
    Ok(())
}

/// The indexes from `start` to `end`, both included, of a string of `len` elements, as a half-open range;
/// `None` if there are none. Negative ones count from the end, those beyond it mean the last one.
pub(crate) fn indexes(start: i64, end: i64, len: u64) -> Option<std::ops::Range<usize>> {
    // Both before the beginning would otherwise name the first element.
    if start < 0 && end < 0 && start > end {
        return None;
    }
    let from_end = |index: i64| if index < 0 { (len as i64).saturating_add(index).max(0) } else { index };
    let (start, end) = (from_end(start), from_end(end).min(len as i64 - 1));
    (start <= end).then(|| start as usize..end as usize + 1)
}

/// `SETRANGE`
pub(super) fn setrange(
    db: &mut Db<'_>,
    [key, offset, value]: [&[u8]; 3],
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let offset = integer_argument(offset)?;
    let offset = u64::try_from(offset).map_err(|_| Error::Text("ERR offset is out of range"))?;
    let limit = Limit::of(db);
    let mut entry = db.change(key);
    let old = entry.text()?.map_or(0, |text| text.len());
    if value.is_empty() {
        reply.integer(old as i64);
        return Ok(());
    }
    let end = limit.end(offset, value)?;
    let string = entry.string_mut(end)?;
    string[offset as usize..end].copy_from_slice(value);
    reply.integer(string.len() as i64);
    Ok(())
}

/// The setting `proto-max-bulk-len`.
struct Limit(u64);

impl Limit {
    fn of(db: &Db<'_>) -> Self {
        Self(db.settings().number(Key::ProtoMaxBulkLen) as u64)
    }

    /// Bytes up to the end of `value` at `offset`.
    ///
    /// # Errors
    /// [`Error::StringTooLong`] past the limit.
    fn end(&self, offset: u64, value: &[u8]) -> Result<usize, Error> {
        let end = offset + value.len() as u64;
        if end > self.0 { Err(Error::StringTooLong) } else { Ok(end as usize) }
    }
}
