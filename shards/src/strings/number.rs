//! Strings as numbers.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::{Error, Reply};

use super::long_double::{LongDouble, Parsed};
use crate::db::{Db, Expiry, Text};

/// `INCRBY`
pub(super) fn incrby(db: &mut Db<'_>, [key, by]: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    let by = integer_argument(by)?;
    add(db, [key], by, reply)
}

/// `DECRBY`
pub(super) fn decrby(db: &mut Db<'_>, [key, by]: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    let by = integer_argument(by)?;
    let by = by.checked_neg().ok_or(Error::Text("ERR decrement would overflow"))?;
    add(db, [key], by, reply)
}

/// Adds `by` to the integer at `key` and replies with the sum.
pub(super) fn add(db: &mut Db<'_>, [key]: [&[u8]; 1], by: i64, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut entry = db.change(key);
    let value = match entry.text()? {
        None => 0,
        Some(Text::Int(value, _)) => value,
        Some(Text::Bytes(bytes)) => integer_argument(bytes)?,
    };
    let sum = value.checked_add(by).ok_or(Error::Overflow)?;
    entry.set_integer(sum, Expiry::Keep);
    reply.integer(sum);
    Ok(())
}

/// `INCRBYFLOAT`. The sum is kept as text even where it is an integer, as `OBJECT ENCODING` shows in Redis.
pub(super) fn incrbyfloat(
    db: &mut Db<'_>,
    [key, by]: [&[u8]; 2],
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let mut entry = db.change(key);
    let value = match entry.text()? {
        None => Parsed::Finite(LongDouble::from(0)),
        Some(Text::Int(value, _)) => Parsed::Finite(LongDouble::from(value)),
        Some(Text::Bytes(bytes)) => LongDouble::parse(bytes).ok_or(Error::NotFloat)?,
    };
    let by = LongDouble::parse(by).ok_or(Error::NotFloat)?;
    let sum = match (value, by) {
        (Parsed::Finite(value), Parsed::Finite(by)) => value.plus(by),
        _ => None,
    };
    let sum = sum.ok_or(Error::Text("ERR increment would produce NaN or Infinity"))?;
    let mut text = Vec::new();
    sum.write(&mut text);
    entry.set_text(&text, Expiry::Keep);
    db.effects().says(&[b"SET", key, &text, b"KEEPTTL"]);
    reply.bulk(&text);
    Ok(())
}
