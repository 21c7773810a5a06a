//! Values of fields as numbers.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::{Error, Reply};

use super::hash::{HashMut, Limits, Until};
use crate::db::Db;
use crate::strings::long_double::{LongDouble, Parsed};

/// `HINCRBY`
pub(super) fn hincrby(
    db: &mut Db<'_>,
    [key, field, by]: [&[u8]; 3],
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let by = integer_argument(by)?;
    let (limits, now_ms) = (Limits::of(db.settings()), db.now_ms());
    let mut entry = db.change(key);
    let mut hash = HashMut::new(&mut entry, limits, now_ms)?;
    let value = match hash.get(field) {
        Some(value) => value.int().ok_or(Error::Text("ERR hash value is not an integer"))?,
        None => 0,
    };
    let sum = value.checked_add(by).ok_or(Error::Overflow)?;
    hash.set(field, itoa::Buffer::new().format(sum).as_bytes(), Until::AsBefore);
    hash.has_changed();
    reply.integer(sum);
    Ok(())
}

/// `HINCRBYFLOAT`
pub(super) fn hincrbyfloat(
    db: &mut Db<'_>,
    [key, field, by]: [&[u8]; 3],
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    const NOT_FINITE: Error = Error::Text("ERR value is NaN or Infinity");
    let by = match LongDouble::parse(by).ok_or(Error::NotFloat)? {
        Parsed::Finite(by) => by,
        Parsed::Infinite => return Err(NOT_FINITE),
    };
    let (limits, now_ms) = (Limits::of(db.settings()), db.now_ms());
    let mut entry = db.change(key);
    let mut hash = HashMut::new(&mut entry, limits, now_ms)?;
    let value = match hash.get(field) {
        Some(value) => LongDouble::parse(value.text(&mut itoa::Buffer::new()))
            .ok_or(Error::Text("ERR hash value is not a float"))?,
        None => Parsed::Finite(LongDouble::from(0)),
    };
    let sum = match value {
        Parsed::Finite(value) => value.plus(by),
        Parsed::Infinite => None,
    };
    let sum = sum.ok_or(Error::Text("ERR increment would produce NaN or Infinity"))?;
    let mut text = Vec::new();
    sum.write(&mut text);
    hash.set(field, &text, Until::AsBefore);
    hash.has_changed();
    db.effects().says(&[b"HSET", key, field, &text]);
    reply.bulk(&text);
    Ok(())
}
