//! Commands on the bits of strings. Bit 0 is the highest bit of the first byte.

mod combine;
mod count;
mod field;
mod position;

use tidegate_protocols::number::integer;
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::bitmaps::Bitmaps;
use tidegate_protocols::{Error, Reply, Request};

use crate::db::Db;

/// Answers a command of this family.
pub(crate) fn execute(
    verb: Bitmaps,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = request.args;
    match verb {
        Bitmaps::Setbit => setbit(db, args.fixed(), reply),
        Bitmaps::Getbit => getbit(db, args.fixed(), reply),
        Bitmaps::Bitcount => count::bitcount(db, args, reply),
        Bitmaps::Bitpos => position::bitpos(db, args, reply),
        Bitmaps::Bitop => combine::bitop(db, args, reply),
        Bitmaps::Bitfield => field::bitfield(db, args, reply),
        Bitmaps::BitfieldRo => field::bitfield_ro(db, args, reply),
    }
}

fn setbit(db: &mut Db<'_>, [key, offset, bit]: [&[u8]; 3], reply: &mut Reply<'_>) -> Result<(), Error> {
    let offset = Offset::parse(db, offset)?;
    let bit = match integer(bit) {
        Some(0) => 0,
        Some(1) => offset.mask,
        _ => return Err(Error::Text("ERR bit is not an integer or out of range")),
    };
    let mut entry = db.change(key);
    let grows = entry.text()?.is_none_or(|text| text.len() <= offset.byte);
    let byte = &mut entry.string_mut_unseen(offset.byte + 1)?[offset.byte];
    let before = *byte & offset.mask;
    reply.integer(i64::from(before != 0));
    *byte = *byte & !offset.mask | bit;
    if grows || before != bit {
        entry.has_changed();
    }
    Ok(())
}

fn getbit(db: &mut Db<'_>, [key, offset]: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    let offset = Offset::parse(db, offset)?;
    let bit = db
        .string(key)?
        .is_some_and(|mut text| text.bytes().get(offset.byte).is_some_and(|byte| byte & offset.mask != 0));
    reply.integer(i64::from(bit));
    Ok(())
}

/// Where a bit is.
#[derive(Clone, Copy, Debug)]
struct Offset {
    byte: usize,
    /// The bit within its byte.
    mask: u8,
}

impl Offset {
    fn parse(db: &Db<'_>, text: &[u8]) -> Result<Self, Error> {
        let bit = checked_offset(db, integer(text))?;
        Ok(Self { byte: bit / 8, mask: 0x80 >> (bit % 8) })
    }
}

/// `bit`, if it lies in a string that may be as long as the setting `proto-max-bulk-len` allows.
fn checked_offset(db: &Db<'_>, bit: Option<i64>) -> Result<usize, Error> {
    bit.filter(|bit| (0..db.settings().number(Key::ProtoMaxBulkLen)).contains(&(bit >> 3)))
        .map(|bit| bit as usize)
        .ok_or(Error::Text("ERR bit offset is not an integer or out of range"))
}

/// What the numbers of a range count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Byte,
    Bit,
}

impl Unit {
    fn parse(word: &[u8]) -> Result<Self, Error> {
        match word {
            _ if word.eq_ignore_ascii_case(b"BYTE") => Ok(Self::Byte),
            _ if word.eq_ignore_ascii_case(b"BIT") => Ok(Self::Bit),
            _ => Err(Error::Syntax),
        }
    }

    fn bits(self) -> usize {
        match self {
            Self::Byte => 8,
            Self::Bit => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::settings::Key;

    use crate::testing::Client;

    #[test]
    fn strings_grow_as_far_as_the_setting_says_and_no_further() {
        let mut client = Client::new();
        let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\\r\\n";
        let out_of_range = "-ERR bit offset is not an integer or out of range\\r\\n";
        for mib in [1, 513] {
            client.settings.set(Key::ProtoMaxBulkLen, &format!("{mib}mb")).unwrap();
            let bytes: u64 = mib << 20;
            assert_eq!(client.run(&format!("SETBIT k {} 0", bytes * 8)), out_of_range);
            assert_eq!(client.run(&format!("BITFIELD k SET u8 {} 0", bytes * 8)), out_of_range);
            assert_eq!(client.run(&format!("SETRANGE k {bytes} v")), too_long);
            assert_eq!(client.run(&format!("SETBIT k {} 0", bytes * 8 - 1)), ":0\\r\\n");
            assert_eq!(client.run("STRLEN k"), format!(":{bytes}\\r\\n"));
            assert_eq!(client.run("APPEND k v"), too_long);
            client.run("DEL k");
        }
    }
}
