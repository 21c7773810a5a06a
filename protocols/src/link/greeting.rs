//! What each side says first, and what has to agree.
//!
//! ```text
//! "TGLINK" | version u16 | print of the command table u64 | epoch u32 | process u64 | generation u32 | name length u8 | name
//! ```
//!
//! The gateway speaks first, and sends nothing more until the shard has greeted: the shard does so when all that the
//! same process may have sent it over links of earlier generations is executed or thrown away. A process goes on to
//! the next generation when it gives up a link whose requests may still be executed.

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
    /// A number of the gateway's process that no other has; of a shard 0.
    pub process: u64,
    /// The generation of that process's links to this shard; of a shard 0.
    pub generation: u32,
    /// Its name, for people.
    pub name: String,
}

impl Greeting {
    /// Bytes of a greeting before the name; the last of them counts those of the name.
    pub const HEAD_BYTES: usize = MAGIC.len() + 2 + 8 + 4 + 8 + 4 + 1;

    /// What this build says.
    pub fn new(name: &str, epoch: u32) -> Self {
        let (process, generation) = (0, 0);
        Self { version: VERSION, table: table_print(), epoch, process, generation, name: name.to_owned() }
    }

    /// The same, of a gateway's process and of one generation of its links.
    #[must_use]
    pub fn of(self, process: u64, generation: u32) -> Self {
        Self { process, generation, ..self }
    }

    /// Whether a peer that says this is of the same kind.
    ///
    /// # Errors
    /// Why it is not, for people.
    pub fn check(&self) -> Result<(), String> {
        let Self { table, name, .. } = self;
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
        out.extend_from_slice(&self.process.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.push(name.len() as u8);
        out.extend_from_slice(name.as_bytes());
    }

    /// The greeting that `input` begins with and its length; `None` if there is not all of it yet.
    ///
    /// # Errors
    /// This is something else, or of another version, whose greetings may be longer or shorter.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        if !input.iter().zip(&MAGIC).all(|(got, expected)| got == expected) {
            return Err(Malformed::Unknown(u32::from(input[0]), "beginning of a link"));
        }
        let mut rest = input.get(MAGIC.len()..).unwrap_or_default();
        let Some(version) = number(&mut rest).map(u16::from_le_bytes) else { return Ok(None) };
        if version != VERSION {
            return Err(Malformed::Version(version));
        }
        let greeting = (|| {
            let table = u64::from_le_bytes(number(&mut rest)?);
            let epoch = u32::from_le_bytes(number(&mut rest)?);
            let process = u64::from_le_bytes(number(&mut rest)?);
            let generation = u32::from_le_bytes(number(&mut rest)?);
            let [length] = number(&mut rest)?;
            let name = rest.get(..usize::from(length))?;
            rest = &rest[name.len()..];
            let name = String::from_utf8_lossy(name).into_owned();
            Some(Self { version, table, epoch, process, generation, name })
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
