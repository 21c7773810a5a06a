//! A value too large to lie within its entry: the entry has its address, and owns it.

use crate::entry::Encoding;
use crate::structures::members::Members;
use crate::table::Detached;

/// A value of more elements than this is freed in the background. Source: Redis `lazyfree.c`, `LAZYFREE_THRESHOLD`.
const LAZY_ELEMENTS: usize = 64;

/// What there is of large values.
pub(crate) enum Large {
    /// Fields of a hash and their values.
    Hash(Members),
}

impl Large {
    /// How an entry of it is kept.
    pub(crate) fn encoding(&self) -> Encoding {
        match self {
            Self::Hash(_) => Encoding::TableHash,
        }
    }

    /// A copy of all of it.
    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Hash(members) => Self::Hash(members.duplicate()),
        }
    }

    /// Bytes it takes, by far most of them at least.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Hash(members) => members.bytes(),
            }
    }

    /// Whether freeing it takes so long that others should not have to wait.
    pub(crate) fn takes_long_to_free(&self) -> bool {
        match self {
            Self::Hash(members) => members.len() > LAZY_ELEMENTS,
        }
    }

    /// What is to be freed of it, step by step.
    pub(crate) fn detach(self) -> Detached {
        match self {
            Self::Hash(members) => members.detach(),
        }
    }
}
