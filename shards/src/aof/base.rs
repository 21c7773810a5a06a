//! An RDB file without keys: what an append-only file begins with that was begun by an empty server.
//!
//! Source: Redis `rdb.c`, `rdbLoadLenByRef`, `rdbGenericLoadStringObject`.

use std::io::{self, Read};

use super::load::Wrong;

/// Bytes of its name and version.
const MAGIC_BYTES: usize = 9;
/// Bytes of the longest text it says of itself.
const TEXT_BYTES_MAX: u64 = 1 << 20;

const AUX: u8 = 0xfa;
const SIZES: u8 = 0xfb;
const DATABASE: u8 = 0xfe;
const END: u8 = 0xff;

/// Reads one to its end. Returns how many bytes it has.
pub(super) fn skip(input: &mut impl Read) -> Result<u64, Wrong> {
    let mut input = Counted { input, bytes: 0 };
    input.take(MAGIC_BYTES)?;
    loop {
        match input.byte()? {
            AUX => {
                input.text()?;
                input.text()?;
            }
            SIZES => {
                input.length()?;
                input.length()?;
            }
            DATABASE => {
                input.length()?;
            }
            END => {
                input.take(8)?;
                return Ok(input.bytes);
            }
            _ => return Err(Wrong::Keys),
        }
    }
}

struct Counted<'r, R> {
    input: &'r mut R,
    bytes: u64,
}

/// A length, or that a text is a number or packed.
enum Length {
    Bytes(u64),
    Special(u8),
}

impl<R: Read> Counted<'_, R> {
    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.input.read_exact(&mut bytes)?;
        self.bytes += count as u64;
        Ok(bytes)
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn length(&mut self) -> Result<Length, Wrong> {
        let first = self.byte()?;
        let number = |bytes: Vec<u8>| bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        Ok(match first >> 6 {
            0 => Length::Bytes(u64::from(first & 0x3f)),
            1 => Length::Bytes(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)),
            2 if first == 0x80 => Length::Bytes(number(self.take(4)?)),
            2 if first == 0x81 => Length::Bytes(number(self.take(8)?)),
            2 => return Err(Wrong::Format),
            _ => Length::Special(first & 0x3f),
        })
    }

    fn text(&mut self) -> Result<(), Wrong> {
        let bytes = match self.length()? {
            Length::Bytes(bytes) => bytes,
            Length::Special(kind @ 0..=2) => 1 << kind,
            Length::Special(3) => match (self.length()?, self.length()?) {
                (Length::Bytes(packed), Length::Bytes(_)) => packed,
                _ => return Err(Wrong::Format),
            },
            Length::Special(_) => return Err(Wrong::Format),
        };
        if bytes > TEXT_BYTES_MAX {
            return Err(Wrong::Format);
        }
        self.take(bytes as usize)?;
        Ok(())
    }
}
