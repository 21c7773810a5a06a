//! Whole files: all keys of a moment, as `SAVE` writes them and a server reads them when it starts.
//!
//! ```text
//! REDIS0011 | AUX … | FUNCTION … | (SELECTDB RESIZEDB? | key …)… | EOF | checksum u64
//! key:  (EXPIRETIME_MS u64)? (IDLE len | FREQ u8)? type u8 | key | value
//! ```
//!
//! What Memcached clients know of an item stands before its key in an AUX field of ours, [`ITEM`], and how far their CAS
//! values have come in [`CAS`]. Redis passes over fields that it does not know, wherever they stand, so our files are
//! files of Redis all the same.
//!
//! Source: Redis 7.2 `src/rdb.c`, `rdbSaveRio` and `rdbLoadRioWithLoadingCtx`.

mod reading;
#[cfg(test)]
mod tests;
mod writing;

pub(crate) use reading::{Aside, FileReader, Item, Record};
pub(crate) use writing::{Accesses, FileWriter, Header, write_database, write_record};

use crate::entry::Metadata;

/// What a file begins with, before its version in digits.
const MAGIC: &[u8] = b"REDIS";
/// The same of Valkey, from its version 9 on.
const MAGIC_OF_VALKEY: &[u8] = b"VALKEY";
/// Bytes of either with the version.
const MAGIC_BYTES: usize = 9;
/// The last version of RDB whose files are read: that of Redis 8.8. What was new in it and in the one before are types of values
/// that are refused where they come.
const VERSION_MAX: u32 = 14;
/// The same for Valkey: that of its version 9.
const VERSION_OF_VALKEY_MAX: u32 = 80;
/// The first version with a checksum at the end.
const VERSION_WITH_CHECKSUM: u32 = 5;

/// What may stand where the type of a value is expected.
mod opcode {
    pub(super) const SLOT: u8 = 244;
    pub(super) const LIBRARY: u8 = 245;
    pub(super) const LIBRARY_UNRELEASED: u8 = 246;
    pub(super) const MODULE: u8 = 247;
    pub(super) const IDLE: u8 = 248;
    pub(super) const FREQUENCY: u8 = 249;
    pub(super) const AUX: u8 = 250;
    pub(super) const SIZES: u8 = 251;
    pub(super) const EXPIRE_MS: u8 = 252;
    pub(super) const EXPIRE_S: u8 = 253;
    pub(super) const DATABASE: u8 = 254;
    pub(super) const END: u8 = 255;
}

/// The AUX field with what Memcached clients know of the key that follows: flags, CAS value, and the words of its marks.
const ITEM: &[u8] = b"mc-item";
/// The AUX field with a number that no CAS value given so far exceeds.
pub(crate) const CAS: &[u8] = b"mc-cas";

/// What [`ITEM`] says of an item; `None` if there is nothing to say.
fn item_text(metadata: &Metadata) -> Option<String> {
    let Metadata { flags, cas, stale, won, .. } = *metadata;
    if (flags, cas, stale, won) == (0, 0, false, false) {
        return None;
    }
    let marks = [(stale, " stale"), (won, " won")];
    let marks = marks.iter().filter(|(is_marked, _)| *is_marked).map(|(_, word)| *word);
    Some(format!("{flags} {cas}{}", marks.collect::<String>()))
}

/// What it says, read.
fn item_of(text: &[u8]) -> Option<Metadata> {
    let mut words = str::from_utf8(text).ok()?.split(' ');
    let mut metadata = Metadata {
        flags: words.next()?.parse().ok()?,
        cas: words.next()?.parse().ok()?,
        ..Metadata::default()
    };
    for word in words {
        match word {
            "stale" => metadata.stale = true,
            "won" => metadata.won = true,
            _ => return None,
        }
    }
    (metadata.cas < 1 << 62).then_some(metadata)
}
