//! A stream: entries of fields and values in the order of their IDs, and the groups of consumers that read it.
//!
//! Entries lie in listpacks of some kilobytes, *nodes*, found by the ID each begins with; byte for byte as in Redis,
//! because `DUMP` and RDB show them. An entry that is deleted is only marked so, until nothing else is left in its node.
//! Source: Redis 7.2 `src/t_stream.c`.

mod entries;
mod group;
mod id;
mod log;
mod node;
mod radix;
mod restore;
mod trim;

use std::collections::BTreeMap;

pub(crate) use entries::{Direction, Entries, Entry};
pub(crate) use group::{Consumer, ConsumerNumber, Group, Pending};
pub(crate) use id::Id;
pub(crate) use log::{Limits, Log};
pub(crate) use restore::Counters;
pub(crate) use trim::{Bound, Trim};

/// A stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// Its entries.
    pub(crate) log: Log,
    /// Who reads them, by name.
    pub(crate) groups: BTreeMap<Box<[u8]>, Group>,
}

impl Stream {
    /// Bytes it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let groups: usize = self.groups.iter().map(|(name, group)| name.len() + group.bytes()).sum();
        size_of::<Self>() + self.log.bytes() + groups
    }

    /// Pieces of memory to be freed, roughly.
    pub(crate) fn pieces(&self) -> usize {
        self.log.nodes.len() + self.groups.values().map(Group::pieces).sum::<usize>()
    }

    /// Whether all of its pieces are freed.
    pub(crate) fn is_freed(&self) -> bool {
        self.log.nodes.is_empty() && self.groups.is_empty()
    }

    /// Frees about `pieces` of its pieces, and returns how many it has freed: none once there are none left. It is good
    /// for nothing else any more.
    pub(crate) fn free_some(&mut self, pieces: u64) -> u64 {
        let mut freed = 0;
        while freed < pieces {
            if self.log.nodes.pop_first().is_none() {
                let Some(mut group) = self.groups.first_entry() else { break };
                if !group.get_mut().free_one() {
                    group.remove();
                }
            }
            freed += 1;
        }
        freed
    }
}

#[cfg(test)]
mod tests;
