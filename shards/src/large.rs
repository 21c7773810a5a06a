//! A value too large to lie within its entry: the entry has its address, and owns it.

use crossbeam_epoch::Guard;

use crate::entry::{Encoding, Entry};
use crate::structures::members::Members;
use crate::structures::quicklist::Quicklist;
use crate::structures::scored::{Rest, Scored};
use crate::structures::stream::Stream;
use crate::table::Detached;

/// A value of more elements than this, or a list of more nodes, is freed in the background. Source: Redis `lazyfree.c`, `LAZYFREE_THRESHOLD`.
const LAZY_ELEMENTS: usize = 64;

/// A collection that is not in an entry yet.
pub(crate) enum Built {
    /// Small, kept as this says.
    Packed(Encoding, Vec<u8>),
    /// Large.
    Large(Large),
}

/// What there is of large values.
pub(crate) enum Large {
    /// Members of a set, with nothing beside them.
    Set(Members),
    /// Fields of a hash and their values.
    Hash(Members),
    /// A list.
    List(Quicklist),
    /// A stream.
    Stream(Box<Stream>),
    /// A sorted set.
    SortedSet(Scored),
}

impl Large {
    /// How an entry of it is kept.
    pub(crate) fn encoding(&self) -> Encoding {
        match self {
            Self::Set(_) => Encoding::TableSet,
            Self::Hash(_) => Encoding::TableHash,
            Self::List(_) => Encoding::Quicklist,
            Self::Stream(_) => Encoding::Stream,
            Self::SortedSet(_) => Encoding::ScoredSet,
        }
    }

    /// A copy of all of it.
    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Set(members) => Self::Set(members.duplicate()),
            Self::Hash(members) => Self::Hash(members.duplicate()),
            Self::List(list) => Self::List(list.clone()),
            Self::Stream(stream) => Self::Stream(stream.clone()),
            Self::SortedSet(scored) => Self::SortedSet(scored.duplicate()),
        }
    }

    /// Bytes it takes, by far most of them at least.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Set(members) | Self::Hash(members) => members.bytes(),
                Self::List(list) => list.bytes(),
                Self::Stream(stream) => stream.bytes(),
                Self::SortedSet(scored) => scored.bytes(),
            }
    }

    /// Whether freeing it takes so long that others should not have to wait.
    pub(crate) fn takes_long_to_free(&self) -> bool {
        match self {
            Self::Set(members) | Self::Hash(members) => members.len() > LAZY_ELEMENTS,
            Self::List(list) => list.nodes().len() > LAZY_ELEMENTS,
            Self::Stream(stream) => stream.pieces() > LAZY_ELEMENTS,
            Self::SortedSet(scored) => scored.len() > LAZY_ELEMENTS,
        }
    }

    /// What is to be freed of it, step by step.
    pub(crate) fn detach(self) -> Remains {
        match self {
            Self::Set(members) | Self::Hash(members) => Remains::Table(members.detach()),
            Self::List(list) => Remains::List(list),
            Self::Stream(stream) => Remains::Stream(stream),
            Self::SortedSet(scored) => Remains::SortedSet(scored.detach()),
        }
    }
}

/// What is still to be freed: of a large value, or of a whole table of them.
#[must_use = "to be freed"]
pub(crate) enum Remains {
    /// A table with its entries.
    Table(Detached),
    /// The nodes of a list.
    List(Quicklist),
    /// The nodes of a stream and what its groups have not acknowledged.
    Stream(Box<Stream>),
    /// The order and the members of a sorted set.
    SortedSet(Rest),
}

impl Remains {
    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Table(table) => table.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Stream(stream) => stream.is_freed(),
            Self::SortedSet(rest) => rest.is_empty(),
        }
    }

    /// Frees about `pieces` pieces and returns how many: entries, which are given to `free`, or nodes. Needs no lock.
    pub(crate) fn free_some(&mut self, pieces: u64, guard: &Guard, free: impl FnMut(Entry)) -> u64 {
        match self {
            Self::Table(table) => table.free_some(pieces, guard, free),
            Self::List(list) => list.free_some(pieces as usize) as u64,
            Self::Stream(stream) => stream.free_some(pieces),
            Self::SortedSet(rest) => rest.free_some(pieces, guard, free),
        }
    }
}
