//! A hash that is being made of fields and values as they were written.

use std::collections::HashSet;

use tidegate_protocols::settings::Settings;

use super::due;
use super::hash::{Hash, Limits};
use crate::db::Encoding;
use crate::large::{Built, Large};
use crate::structures::listpack::{self, Element, Listpack, ListpackMut};
use crate::structures::members::Members;

/// The latest time at which a field expires. Source: Redis 7.4 `ebuckets.h`, `EB_EXPIRE_TIME_MAX`.
const EXPIRE_AT_MAX: u64 = (1 << 48) - 2;

/// See above. It becomes a table where Redis makes it one when it reads RDB.
pub(crate) struct Building {
    limits: Limits,
    kept: Kept,
}

enum Kept {
    Packed(Vec<u8>, HashSet<Box<[u8]>>),
    Table(Members),
}

impl Building {
    /// No field yet; there are to be `count`, as somebody says.
    pub(crate) fn new(settings: &Settings, count: u64) -> Self {
        let limits = Limits::of(settings);
        let kept = match usize::try_from(count) {
            Ok(count) if count <= limits.fields => Kept::Packed(listpack::EMPTY.to_vec(), HashSet::new()),
            _ => Kept::Table(Members::default()),
        };
        Self { limits, kept }
    }

    /// Fields and values in turn that are packed already, and different.
    pub(crate) fn packed(settings: &Settings, pack: Listpack<'_>) -> Built {
        Self::keep(Limits::of(settings), Hash::Packed(pack), Encoding::PackedHash, pack)
    }

    /// The same with times behind the values; `None` unless they are in their order.
    pub(crate) fn packed_with_times(settings: &Settings, pack: Listpack<'_>) -> Option<Built> {
        let times = pack.iter().skip(due::ELEMENTS - 1).step_by(due::ELEMENTS).map(|time| match time {
            Element::Int(0) => Some(u64::MAX),
            Element::Int(at) => u64::try_from(at).ok().filter(|&at| at <= EXPIRE_AT_MAX),
            Element::Text(_) => None,
        });
        let times: Vec<_> = times.collect::<Option<_>>()?;
        let is_right = times.is_sorted();
        is_right
            .then(|| Self::keep(Limits::of(settings), Hash::Expiring(pack, 0), Encoding::ExpiringHash, pack))
    }

    fn keep(limits: Limits, hash: Hash<'_>, encoding: Encoding, pack: Listpack<'_>) -> Built {
        if hash.len() <= limits.fields {
            return Built::Packed(encoding, pack.bytes().to_vec());
        }
        Built::Large(Large::Hash(table_of(hash)))
    }

    /// Fields of which some expire, each with its time in Unix milliseconds, if that can be.
    pub(crate) fn with_times(settings: &Settings) -> Self {
        Self { limits: Limits::of(settings), kept: Kept::Table(Members::default()) }
    }

    /// Puts in one of these. Says whether it is new and its time one that can be.
    pub(crate) fn add_until(&mut self, field: &[u8], value: &[u8], expire_at: Option<u64>) -> bool {
        match &mut self.kept {
            Kept::Table(members) => {
                expire_at.is_none_or(|at| (1..=EXPIRE_AT_MAX).contains(&at))
                    && members.set_until(field, value, expire_at)
            }
            Kept::Packed(..) => expire_at.is_none() && self.add(field, value),
        }
    }

    /// Puts in a field with its value. Says whether it is new.
    pub(crate) fn add(&mut self, field: &[u8], value: &[u8]) -> bool {
        if let Kept::Packed(bytes, known) = &mut self.kept {
            let mut pack = ListpackMut::new(bytes);
            let is_short = field.len().max(value.len()) <= self.limits.bytes;
            if is_short && pack.view().has_room_for(field.len() + value.len()) {
                pack.insert(pack.view().end(), [Element::of(field), Element::of(value)]);
                return known.insert(field.into());
            }
            self.kept = Kept::Table(table_of(Hash::Packed(pack.view())));
        }
        match &mut self.kept {
            Kept::Table(members) => members.set(field, value),
            Kept::Packed(..) => unreachable!("it was made a table above"),
        }
    }

    /// The hash.
    pub(crate) fn finish(self) -> Built {
        match self.kept {
            Kept::Packed(bytes, _) => Built::Packed(Encoding::PackedHash, bytes),
            Kept::Table(members) => Built::Large(Large::Hash(members)),
        }
    }
}

fn table_of(hash: Hash<'_>) -> Members {
    let (mut members, mut one, mut other) = (Members::default(), itoa::Buffer::new(), itoa::Buffer::new());
    hash.for_each_packed(|field, value, at| {
        members.set_until(field.text(&mut one), value.text(&mut other), at);
    });
    members
}
