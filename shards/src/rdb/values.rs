//! One value of each type.

use std::collections::HashSet;

use tidegate_protocols::number::double;
use tidegate_protocols::settings::Settings;

use super::read::{Reader, Text};
use super::write::Writer;
use super::{Restored, kind, stream};
use crate::db::Encoding;
use crate::large::{Built, Large};
use crate::structures::intset::Intset;
use crate::structures::listpack::Listpack;
use crate::structures::members::Members;
use crate::structures::quicklist::{Contents, Quicklist};
use crate::structures::{ziplist, zipmap};
use crate::view::{EntryRef, Value};
use crate::{hashes, lists, sets, sorted_sets};

/// How a node of a list says that it is one element as it is.
const PLAIN: u64 = 1;
/// The same for a listpack.
const PACKED: u64 = 2;

/// Writes type and value, and the key in between if it is given.
pub(super) fn write(entry: &EntryRef<'_>, key: Option<&[u8]>, to: &mut Writer) {
    if let Ok(mut text) = entry.text() {
        to.head(kind::STRING, key);
        return to.string(text.bytes());
    }
    let value = entry.value(entry.kind()).expect("it is of its own type");
    match value {
        Value::Packed(bytes) => match entry.encoding() {
            Encoding::PackedList => {
                to.head(kind::NODES, key);
                to.len(1);
                to.len(PACKED);
                to.string(bytes);
            }
            Encoding::PackedHash => packed(kind::PACKED_HASH, key, bytes, to),
            Encoding::ExpiringHash => {
                let due = entry.fields_due();
                to.head(kind::PACKED_EXPIRING_HASH, key);
                to.raw(&(if due == u64::MAX { 0 } else { due }).to_le_bytes());
                to.string(bytes);
            }
            Encoding::PackedSet => packed(kind::PACKED_SET, key, bytes, to),
            Encoding::PackedSortedSet => packed(kind::PACKED_SORTED_SET, key, bytes, to),
            Encoding::IntegerSet => packed(kind::INTSET, key, bytes, to),
            _ => unreachable!("no other is packed"),
        },
        Value::Large(Large::List(list)) => nodes(list, key, to),
        Value::Large(Large::Set(members)) => {
            to.head(kind::SET, key);
            to.len(members.len() as u64);
            members.for_each(|member, _| to.string(member));
        }
        Value::Large(Large::Hash(members)) => table(members, key, to),
        Value::Large(Large::SortedSet(scored)) => {
            to.head(kind::SORTED_SET_2, key);
            to.len(scored.len() as u64);
            for (score, member) in scored.range(0..scored.len()).rev() {
                to.string(member);
                to.raw(&score.to_le_bytes());
            }
        }
        Value::Large(Large::Stream(stream)) => {
            to.head(kind::STREAM_3, key);
            stream::write(stream, to);
        }
    }
}

fn table(members: &Members, key: Option<&[u8]>, to: &mut Writer) {
    let mut due = u64::MAX;
    let expire_at = |field: &[u8]| members.look(field).and_then(|(_, at)| at);
    if members.due() < u64::MAX {
        members.for_each(|field, _| due = due.min(expire_at(field).unwrap_or(u64::MAX)));
    }
    if due == u64::MAX {
        to.head(kind::HASH, key);
    } else {
        to.head(kind::EXPIRING_HASH, key);
        to.raw(&due.to_le_bytes());
    }
    to.len(members.len() as u64);
    members.for_each(|field, value| {
        if due < u64::MAX {
            to.len(expire_at(field).map_or(0, |at| at - due + 1));
        }
        to.string(field);
        to.string(value);
    });
}

fn packed(kind: u8, key: Option<&[u8]>, bytes: &[u8], to: &mut Writer) {
    to.head(kind, key);
    to.string(bytes);
}

fn nodes(list: &Quicklist, key: Option<&[u8]>, to: &mut Writer) {
    to.head(kind::NODES, key);
    to.len(list.nodes().len() as u64);
    for node in list.nodes() {
        let (kind, bytes) = match node {
            Contents::Plain(text) => (PLAIN, text),
            Contents::Packed(pack) => (PACKED, pack.bytes()),
        };
        to.len(kind);
        to.string(bytes);
    }
}

/// Reads a value of this type. No collection is empty but a stream.
pub(super) fn read(kind: u8, from: &mut Reader<'_>, settings: &Settings) -> Option<Restored> {
    Some(Restored::Collection(match kind {
        kind::STRING => return from.string().map(|text| Restored::Text(text.into_owned())),
        kind::LIST | kind::ZIPLIST | kind::NODES | kind::ZIPLISTS => read_list(kind, from, settings)?,
        kind::SET | kind::INTSET | kind::PACKED_SET => read_set(kind, from, settings)?,
        kind::HASH | kind::PACKED_HASH | kind::ZIPLIST_HASH | kind::ZIPMAP => {
            read_hash(kind, from, settings)?
        }
        kind::EXPIRING_HASH | kind::EXPIRING_HASH_EARLY => read_expiring_hash(kind, from, settings)?,
        kind::PACKED_EXPIRING_HASH | kind::PACKED_EXPIRING_HASH_EARLY => {
            if kind == kind::PACKED_EXPIRING_HASH {
                from.take(size_of::<u64>())?;
            }
            let bytes = from.string()?;
            hashes::Building::packed_with_times(settings, all_different(&bytes, 3)?)?
        }
        kind::SORTED_SET | kind::SORTED_SET_2 => read_sorted_set(kind, from, settings)?,
        kind::PACKED_SORTED_SET => {
            let bytes = from.string()?;
            sorted_sets::restored_pack(settings, all_different(&bytes, 2)?)?
        }
        kind::ZIPLIST_SORTED_SET => {
            let bytes = ziplist::to_listpack(&from.string()?)?;
            sorted_sets::restored_pack(settings, all_different(&bytes, 2)?)?
        }
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => {
            Built::Large(Large::Stream(Box::new(stream::read(kind, from)?)))
        }
        _ => return None,
    }))
}

fn read_list(kind: u8, from: &mut Reader<'_>, settings: &Settings) -> Option<Built> {
    let mut list = lists::Building::new(settings);
    match kind {
        kind::LIST => {
            for _ in 0..from.len()? {
                list.push(&from.string()?);
            }
        }
        kind::ZIPLIST => {
            let pack = ziplist::to_listpack(&from.string()?)?;
            let mut digits = itoa::Buffer::new();
            Listpack::new(&pack).iter().for_each(|element| list.push(element.text(&mut digits)));
        }
        kind::NODES => {
            for _ in 0..from.len()? {
                read_node(&mut list, from)?;
            }
        }
        _ => {
            for _ in 0..from.len()? {
                list.push_packed(ziplist::to_listpack(&from.string()?)?);
            }
        }
    }
    is(!list.is_empty())?;
    Some(list.finish())
}

fn read_node(list: &mut lists::Building, from: &mut Reader<'_>) -> Option<()> {
    let kind = from.len()?;
    let bytes: Text<'_> = from.string()?;
    match kind {
        PLAIN => {
            is(!bytes.is_empty())?;
            list.push_plain(&bytes);
        }
        PACKED => {
            Listpack::checked(&bytes)?;
            list.push_packed(bytes.into_owned());
        }
        _ => return None,
    }
    Some(())
}

fn read_set(kind: u8, from: &mut Reader<'_>, settings: &Settings) -> Option<Built> {
    if kind == kind::SET {
        let count = some(from.len()?)?;
        let mut set = sets::Building::new(settings, count);
        for _ in 0..count {
            is(set.add(&from.string()?))?;
        }
        return Some(set.finish());
    }
    let bytes = from.string()?;
    let encoding = if kind == kind::INTSET {
        is(Intset::checked(&bytes)?.len() > 0)?;
        Encoding::IntegerSet
    } else {
        all_different(&bytes, 1)?;
        Encoding::PackedSet
    };
    Some(sets::Building::packed(settings, encoding, &bytes).finish())
}

fn read_hash(kind: u8, from: &mut Reader<'_>, settings: &Settings) -> Option<Built> {
    if kind == kind::HASH {
        let count = some(from.len()?)?;
        let mut hash = hashes::Building::new(settings, count);
        for _ in 0..count {
            let field = from.string()?;
            is(hash.add(&field, &from.string()?))?;
        }
        return Some(hash.finish());
    }
    let mut bytes = from.string()?;
    if kind == kind::ZIPLIST_HASH {
        bytes = ziplist::to_listpack(&bytes)?.into();
    }
    if kind == kind::ZIPMAP {
        let pairs = zipmap::pairs(&bytes)?;
        let mut hash = hashes::Building::new(settings, some(pairs.len() as u64)?);
        return pairs.iter().all(|(field, value)| hash.add(field, value)).then(|| hash.finish());
    }
    Some(hashes::Building::packed(settings, all_different(&bytes, 2)?))
}

/// A hash of fields that expire as Valkey 9 writes it: the time behind each value, or -1.
pub(super) fn read_hash_of_valkey(from: &mut Reader<'_>, settings: &Settings) -> Option<Restored> {
    let (count, mut hash) = (some(from.len()?)?, hashes::Building::with_times(settings));
    for _ in 0..count {
        let (field, value) = (from.string()?, from.string()?);
        let expire_at = match i64::from_le_bytes(from.chunk()?) {
            -1 => None,
            at => Some(u64::try_from(at).ok()?),
        };
        is(hash.add_until(&field, &value, expire_at))?;
    }
    Some(Restored::Collection(hash.finish()))
}

/// A hash of fields that expire: times are told from the first of them on, or, before 7.4 was released, as they are.
fn read_expiring_hash(kind: u8, from: &mut Reader<'_>, settings: &Settings) -> Option<Built> {
    let due = if kind == kind::EXPIRING_HASH { u64::from_le_bytes(from.chunk()?) } else { 1 };
    let (count, mut hash) = (some(from.len()?)?, hashes::Building::with_times(settings));
    for _ in 0..count {
        let expire_at = match from.len()? {
            0 => None,
            beyond => Some(due.checked_add(beyond - 1)?),
        };
        let field = from.string()?;
        is(hash.add_until(&field, &from.string()?, expire_at))?;
    }
    Some(hash.finish())
}

fn read_sorted_set(kind: u8, from: &mut Reader<'_>, settings: &Settings) -> Option<Built> {
    let mut members = Vec::new();
    for _ in 0..from.len()? {
        let member = from.string()?.into_owned();
        let score = if kind == kind::SORTED_SET { spelled(from)? } else { f64::from_le_bytes(from.chunk()?) };
        members.push((score, member));
    }
    sorted_sets::restored(settings, members)
}

/// A score in digits.
fn spelled(from: &mut Reader<'_>) -> Option<f64> {
    match from.byte()? {
        255 => Some(f64::NEG_INFINITY),
        254 => Some(f64::INFINITY),
        253 => None,
        len => double(from.take(len.into())?),
    }
}

/// `None` if it is not so.
pub(super) fn is(so: bool) -> Option<()> {
    so.then_some(())
}

/// At least one.
fn some(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}

/// The listpack that these bytes are, if it has elements and every `step`th is another; all come in groups of `step`.
fn all_different(bytes: &[u8], step: usize) -> Option<Listpack<'_>> {
    let pack = Listpack::checked(bytes)?;
    let (mut known, mut count) = (HashSet::new(), 0);
    for element in pack.iter() {
        if count % step == 0 {
            is(known.insert(element.text(&mut itoa::Buffer::new()).to_vec()))?;
        }
        count += 1;
    }
    (count > 0 && count % step == 0).then_some(pack)
}
