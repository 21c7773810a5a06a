//! What each side says first, and what has to agree.
//!
//! ```text
//! "TGLINK" | version u16 | print of the command table u64 | epoch u32 | name length u8 | name
//! ```

use std::sync::LazyLock;

use super::{Malformed, VERSION, number};
use crate::limits::LINK_NAME_BYTES_MAX;
use crate::table::rows;

const MAGIC: [u8; 6] = *b"TGLINK";

/// What one side says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The version of the frames it speaks.
    pub version: u16,
    /// Print of its command table: rows have the same numbers on both sides only if these agree.
    pub table: u64,
    /// The epoch of the topology it knows.
    pub epoch: u32,
    /// Its name, for people.
    pub name: String,
}

impl Greeting {
    /// Bytes of a greeting before the name; the last of them counts those of the name.
    pub const HEAD_BYTES: usize = MAGIC.len() + 2 + 8 + 4 + 1;

    /// What this build says.
    pub fn new(name: &str, epoch: u32) -> Self {
        Self { version: VERSION, table: table_print(), epoch, name: name.to_owned() }
    }

    /// Whether a peer that says this is of the same kind.
    ///
    /// # Errors
    /// Why it is not, for people.
    pub fn check(&self) -> Result<(), String> {
        let Self { version, table, name, .. } = self;
        if *version != VERSION {
            return Err(format!("{name} speaks version {version} of the link, this is version {VERSION}"));
        }
        if *table != table_print() {
            return Err(format!("{name} has another command table: both have to be of the same release"));
        }
        Ok(())
    }

    /// Adds the greeting to the end of `out`; the name is cut where it is too long.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let name = &self.name[..self.name.floor_char_boundary(LINK_NAME_BYTES_MAX)];
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.table.to_le_bytes());
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.push(name.len() as u8);
        out.extend_from_slice(name.as_bytes());
    }

    /// The greeting that `input` begins with and its length; `None` if there is not all of it yet.
    ///
    /// # Errors
    /// This is something else.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        if !input.iter().zip(&MAGIC).all(|(got, expected)| got == expected) {
            return Err(Malformed::Unknown(u32::from(input[0]), "beginning of a link"));
        }
        let mut rest = input.get(MAGIC.len()..).unwrap_or_default();
        let greeting = (|| {
            let version = u16::from_le_bytes(number(&mut rest)?);
            let table = u64::from_le_bytes(number(&mut rest)?);
            let epoch = u32::from_le_bytes(number(&mut rest)?);
            let [length] = number(&mut rest)?;
            let name = rest.get(..usize::from(length))?;
            rest = &rest[name.len()..];
            Some(Self { version, table, epoch, name: String::from_utf8_lossy(name).into_owned() })
        })();
        Ok(greeting.map(|greeting| (greeting, input.len() - rest.len())))
    }
}

/// A number that differs, but for one in 2^64 cases, between builds whose rows have other names, arguments or
/// numbers. FNV-1a over them.
pub fn table_print() -> u64 {
    static PRINT: LazyLock<u64> = LazyLock::new(|| {
        let texts = rows().flat_map(|row| [row.name, "\0", row.syntax, "\0"]);
        texts.flat_map(str::bytes).fold(0xcbf2_9ce4_8422_2325, |print: u64, byte| {
            (print ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    });
    *PRINT
}
