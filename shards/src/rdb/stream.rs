//! A stream: its nodes as they are, what is counted of them, and its groups.

use std::collections::BTreeMap;

use super::kind;
use super::read::Reader;
use super::values::is;
use super::write::Writer;
use crate::structures::stream::{Counters, Group, Id, Log, Pending, Stream};

/// What stands for a number of entries read, or a time, that is not known.
const UNKNOWN: u64 = u64::MAX;
/// Entries that can be counted.
const ENTRIES_MAX: u64 = i64::MAX as u64;

pub(super) fn write(Stream { log, groups }: &Stream, to: &mut Writer) {
    to.len(log.nodes().len() as u64);
    for (id, pack) in log.nodes() {
        to.string(&id.to_bytes());
        to.string(pack.bytes());
    }
    to.len(log.len());
    for id in [log.last_id(), log.first_id(), log.max_deleted_id()] {
        write_id(id, to);
    }
    to.len(log.entries_added());
    to.len(groups.len() as u64);
    for (name, group) in groups {
        to.string(name);
        write_id(group.last_id, to);
        to.len(group.entries_read.unwrap_or(UNKNOWN));
        to.len(group.pending_len() as u64);
        for (id, pending) in group.pending(Id::MIN, Id::MAX) {
            to.raw(&id.to_bytes());
            to.raw(&pending.delivered_at.to_le_bytes());
            to.len(pending.deliveries);
        }
        to.len(group.consumers().len() as u64);
        for (number, consumer) in group.consumers() {
            to.string(&consumer.name);
            to.raw(&consumer.seen_at.to_le_bytes());
            to.raw(&consumer.active_at.unwrap_or(UNKNOWN).to_le_bytes());
            to.len(consumer.pending_len() as u64);
            group.pending_of(number, Id::MIN, Id::MAX).for_each(|(id, _)| to.raw(&id.to_bytes()));
        }
    }
}

fn write_id(id: Id, to: &mut Writer) {
    to.len(id.ms);
    to.len(id.seq);
}

/// `kind` says which of its numbers are there.
pub(super) fn read(kind: u8, from: &mut Reader<'_>) -> Option<Stream> {
    let mut nodes = Vec::new();
    for _ in 0..from.len()? {
        let id = Id::from_bytes(from.string()?.as_ref().try_into().ok()?);
        nodes.push((id, from.string()?.into_owned()));
    }
    let (len, last_id) = (from.len()?, read_id(from)?);
    let (max_deleted_id, entries_added) = if kind == kind::STREAM {
        (Id::MIN, len)
    } else {
        // The first entry tells its ID itself.
        read_id(from)?;
        (read_id(from)?, from.len()?)
    };
    is(entries_added <= ENTRIES_MAX)?;
    let log = Log::restored(nodes, Counters { len, last_id, max_deleted_id, entries_added })?;
    let mut groups = BTreeMap::new();
    for _ in 0..from.len()? {
        let name = from.string()?;
        let group = read_group(kind, &log, from)?;
        is(groups.insert(name.into_owned().into_boxed_slice(), group).is_none())?;
    }
    Some(Stream { log, groups })
}

fn read_id(from: &mut Reader<'_>) -> Option<Id> {
    Some(Id { ms: from.len()?, seq: from.len()? })
}

fn read_group(kind: u8, log: &Log, from: &mut Reader<'_>) -> Option<Group> {
    let last_id = read_id(from)?;
    let entries_read = match kind {
        kind::STREAM => log.reads_up_to(last_id),
        _ => Some(from.len()?).filter(|&count| count != UNKNOWN),
    };
    is(entries_read.is_none_or(|count| count <= ENTRIES_MAX))?;
    let (mut group, mut unowned) = (Group::new(last_id, entries_read), BTreeMap::new());
    for _ in 0..from.len()? {
        let id = Id::from_bytes(from.chunk()?);
        let (delivered_at, deliveries) = (u64::from_le_bytes(from.chunk()?), from.len()?);
        is(unowned.insert(id, (delivered_at, deliveries)).is_none())?;
    }
    for _ in 0..from.len()? {
        let name = from.string()?;
        is(group.find(&name).is_none())?;
        let consumer = group.add(&name, u64::from_le_bytes(from.chunk()?));
        let seen_at = group.consumer(consumer).seen_at;
        let active_at = if kind >= kind::STREAM_3 { u64::from_le_bytes(from.chunk()?) } else { seen_at };
        group.consumer_mut(consumer).active_at = Some(active_at).filter(|&at| at != UNKNOWN);
        for _ in 0..from.len()? {
            let id = Id::from_bytes(from.chunk()?);
            let (delivered_at, deliveries) = unowned.remove(&id)?;
            group.set(id, Pending { consumer, delivered_at, deliveries });
        }
    }
    is(unowned.is_empty())?;
    Some(group)
}
