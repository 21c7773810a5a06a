//! Values as bytes, as Redis writes them into `DUMP` payloads and RDB files.
//!
//! ```text
//! type u8 | value … | version u16 | checksum u64        little-endian; the last two of a payload
//! ```
//!
//! What is read may come from anybody: all of it is looked at before anything is made a key, so that what this store
//! does with its values never meets one that cannot be. Source: Redis 7.2 `src/rdb.c`.

mod checksum;
pub(crate) mod file;
mod lzf;
mod read;
mod stream;
mod values;
mod write;

use tidegate_protocols::Error;
use tidegate_protocols::settings::Settings;

use crate::large::Built;
use crate::view::EntryRef;
use checksum::checksum;
use read::Reader;
pub(crate) use write::Writer;

/// The version of RDB that Redis 7.2 writes. Those before are read as well.
const VERSION: u16 = 11;
/// That of Redis 7.4, which is the first in which fields of hashes expire.
const VERSION_OF_EXPIRING_FIELDS: u16 = 12;
/// Bytes of the version and of the checksum.
const FOOTER_BYTES: usize = 10;

/// What a value is written as.
mod kind {
    pub(super) const STRING: u8 = 0;
    pub(super) const LIST: u8 = 1;
    pub(super) const SET: u8 = 2;
    pub(super) const SORTED_SET: u8 = 3;
    pub(super) const HASH: u8 = 4;
    pub(super) const SORTED_SET_2: u8 = 5;
    pub(super) const ZIPMAP: u8 = 9;
    pub(super) const ZIPLIST: u8 = 10;
    pub(super) const INTSET: u8 = 11;
    pub(super) const ZIPLIST_SORTED_SET: u8 = 12;
    pub(super) const ZIPLIST_HASH: u8 = 13;
    pub(super) const ZIPLISTS: u8 = 14;
    pub(super) const STREAM: u8 = 15;
    pub(super) const PACKED_HASH: u8 = 16;
    pub(super) const PACKED_SORTED_SET: u8 = 17;
    pub(super) const NODES: u8 = 18;
    pub(super) const STREAM_2: u8 = 19;
    pub(super) const PACKED_SET: u8 = 20;
    pub(super) const STREAM_3: u8 = 21;
    /// As release candidates of 7.4 wrote it; in files of Valkey another form of the same.
    pub(super) const EXPIRING_HASH_EARLY: u8 = 22;
    pub(super) const PACKED_EXPIRING_HASH_EARLY: u8 = 23;
    pub(super) const EXPIRING_HASH: u8 = 24;
    pub(super) const PACKED_EXPIRING_HASH: u8 = 25;

    /// Whether it is one of those above.
    pub(super) fn is_known(kind: u8) -> bool {
        matches!(kind, STRING..=SORTED_SET_2 | ZIPMAP..=PACKED_EXPIRING_HASH)
    }
}

/// A value that has been read.
pub(crate) enum Restored {
    /// A string.
    Text(Vec<u8>),
    /// Anything else.
    Collection(Built),
}

/// The payload of `DUMP`.
pub(crate) fn dump(entry: &EntryRef<'_>, compresses: bool) -> Vec<u8> {
    let mut writer = Writer::new(compresses);
    values::write(entry, None, &mut writer);
    let mut payload = writer.into_bytes();
    seal(&mut payload);
    payload
}

/// Adds version and checksum.
fn seal(payload: &mut Vec<u8>) {
    let version = match payload.first() {
        Some(&(kind::EXPIRING_HASH | kind::PACKED_EXPIRING_HASH)) => VERSION_OF_EXPIRING_FIELDS,
        _ => VERSION,
    };
    seal_as(payload, version);
}

fn seal_as(payload: &mut Vec<u8>, version: u16) {
    payload.extend_from_slice(&version.to_le_bytes());
    let sum = checksum(payload);
    payload.extend_from_slice(&sum.to_le_bytes());
}

/// Bytes of a value, without compression, and without what says its type.
pub(crate) fn value_bytes(entry: &EntryRef<'_>) -> usize {
    let mut writer = Writer::new(false);
    values::write(entry, None, &mut writer);
    writer.into_bytes().len() - 1
}

/// Whether a payload is as it was written, by a version that is known.
pub(crate) fn is_sealed(payload: &[u8]) -> bool {
    let Some((rest, sum)) = payload.split_last_chunk() else { return false };
    let Some((_, version)) = rest.split_last_chunk() else { return false };
    u16::from_le_bytes(*version) <= VERSION_OF_EXPIRING_FIELDS && u64::from_le_bytes(*sum) == checksum(rest)
}

/// The value of a payload that [is sealed](is_sealed).
pub(crate) fn restore(payload: &[u8], settings: &Settings) -> Option<Restored> {
    let value = &payload[..payload.len().checked_sub(FOOTER_BYTES)?];
    let mut reader = Reader::new(value);
    let kind = reader.byte()?;
    values::read(kind, &mut reader, settings).filter(|_| reader.is_at_end())
}

/// Says that the text of a library of functions follows.
const LIBRARY: u8 = 245;

/// The payload of `FUNCTION DUMP`.
pub(crate) fn dump_libraries<'a>(texts: impl Iterator<Item = &'a [u8]>, compresses: bool) -> Vec<u8> {
    let mut writer = Writer::new(compresses);
    for text in texts {
        writer.raw(&[LIBRARY]);
        writer.string(text);
    }
    let mut payload = writer.into_bytes();
    seal_as(&mut payload, VERSION);
    payload
}

/// The texts of the libraries in a payload that [is sealed](is_sealed).
///
/// # Errors
/// Redis's texts for what is something else. Source: Redis `functions.c`, `functionRestoreCommand`.
pub(crate) fn libraries(payload: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    /// As versions before 7.0 was released wrote it.
    const UNRELEASED: u8 = 246;
    let mut reader = Reader::new(&payload[..payload.len().saturating_sub(FOOTER_BYTES)]);
    let mut texts = Vec::new();
    while let Some(kind) = reader.byte() {
        match kind {
            LIBRARY => {}
            UNRELEASED => return Err(Error::Text("ERR Pre-GA function format not supported")),
            _ => return Err(Error::Text("ERR given type is not a function")),
        }
        let text = reader.string().ok_or(Error::Text("ERR Failed loading library code"))?;
        texts.push(text.into_owned());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests;
