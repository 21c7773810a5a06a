//! What a Memcached request says besides its arguments, in a frame.

use super::{Malformed, number};
use crate::memcached::{Item, Options, Status};

/// Bytes of an item in a frame.
pub(super) const BYTES: usize = 4 + 8 * 5 + 4 + 4 + 2 + 1 + 1 + 1;

/// The item as bytes.
pub(super) fn encode(item: &Item) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let mut rest = &mut bytes[..];
    let mut put = |number: &[u8]| {
        let (place, after) = std::mem::take(&mut rest).split_at_mut(number.len());
        place.copy_from_slice(number);
        rest = after;
    };
    put(&item.flags.to_le_bytes());
    put(&item.exptime.to_le_bytes());
    put(&item.cas.to_le_bytes());
    put(&item.delta.to_le_bytes());
    put(&item.initial.to_le_bytes());
    put(&item.vivify_exptime.to_le_bytes());
    put(&item.recache_exptime.to_le_bytes());
    put(&item.opaque.to_le_bytes());
    put(&item.options.0.to_le_bytes());
    put(&[item.opcode, u8::from(item.quiet), item.status as u8]);
    bytes
}

/// The item in `bytes`.
pub(super) fn decode(bytes: &[u8; BYTES]) -> Result<Item, Malformed> {
    let mut rest = &bytes[..];
    let item = (|| {
        Some(Item {
            flags: u32::from_le_bytes(number(&mut rest)?),
            exptime: i64::from_le_bytes(number(&mut rest)?),
            cas: u64::from_le_bytes(number(&mut rest)?),
            delta: u64::from_le_bytes(number(&mut rest)?),
            initial: u64::from_le_bytes(number(&mut rest)?),
            vivify_exptime: i64::from_le_bytes(number(&mut rest)?),
            recache_exptime: i32::from_le_bytes(number(&mut rest)?),
            opaque: u32::from_le_bytes(number(&mut rest)?),
            options: Options(u16::from_le_bytes(number(&mut rest)?)),
            opcode: u8::from_le_bytes(number(&mut rest)?),
            quiet: u8::from_le_bytes(number(&mut rest)?) != 0,
            status: Status::Ok,
        })
    })();
    let (Some(item), &[status]) = (item, rest) else { return Err(Malformed::TooShort(BYTES as u32)) };
    let status = *Status::ALL
        .get(usize::from(status))
        .ok_or(Malformed::Unknown(u32::from(status), "answer of memcached"))?;
    check_seconds(item.exptime)?;
    check_seconds(item.vivify_exptime)?;
    Ok(Item { status, ..item })
}

/// Refuses what no client can say: text has 32 bits with a sign, binary 32 without.
fn check_seconds(exptime: i64) -> Result<(), Malformed> {
    let can_be_said = (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&exptime);
    if can_be_said { Ok(()) } else { Err(Malformed::Unknown(exptime as u32, "number of seconds")) }
}
