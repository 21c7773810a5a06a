//! Finding entries by chance, for eviction and `RANDOMKEY`.
//!
//! Chance is weighted with keys on every level: the partition by rejection, then the database and the group
//! of places by their counts, the place by the size of its table, the segment by a random hash.

use std::ops::ControlFlow;

use crate::held::{Busy, Held};
use crate::locked::Locked;
use crate::partition::{DatabaseId, GROUP, Partition, Place};
use crate::table::{Found, Table};
use crate::worker::Local;

/// Attempts to find a partition before the last one is taken as it is.
const PARTITION_TRIES: usize = 64;

/// Locks a partition by chance, weighted with what `weight` says of it. `None` if all have none.
///
/// # Errors
/// [`Busy`] if none was found, and other workers held some.
pub(crate) fn lock_partition(
    held: &mut Held,
    local: &mut Local,
    weight: impl Fn(&Partition) -> u64,
) -> Result<Option<usize>, Busy> {
    let partitions = held.keyspace().partitions();
    // What was the most is forgotten slowly, since keys go as well as come.
    local.partition_keys_max -= local.partition_keys_max / 64;
    for _ in 0..PARTITION_TRIES {
        let index = local.random.usize(..partitions);
        if held.lock_if_free(index).is_err() {
            continue;
        }
        let weight = weight(held.locked(index).partition);
        local.partition_keys_max = local.partition_keys_max.max(weight);
        if weight > 0 && local.random.u64(..local.partition_keys_max) < weight {
            return Ok(Some(index));
        }
    }
    // Keys are in few partitions, or few have what is looked for: the first that has any.
    let start = local.random.usize(..partitions);
    let mut result = Ok(None);
    for index in (0..partitions).map(|step| (start + step) % partitions) {
        if held.lock_if_free(index).is_err() {
            result = Err(Busy);
        } else if weight(held.locked(index).partition) > 0 {
            return Ok(Some(index));
        }
    }
    result
}

/// A place of a database by chance, weighted with its keys. The partition has keys of that database.
pub(crate) fn place(locked: &Locked<'_>, database: DatabaseId, random: &mut fastrand::Rng) -> Option<Place> {
    let tally = locked.partition.tally(database);
    let counts = tally.groups.iter().map(|&count| count as usize);
    let group = weighted(counts, tally.keys as usize, random)?;
    let (keyspace, partition) = (locked.keyspace(), locked.partition.index());
    let roots = keyspace.roots(database)?;
    let first = group * GROUP;
    let weights = (first..keyspace.places_of_each().min(first + GROUP))
        .map(|nth| Table::weight(&roots[usize::from(keyspace.nth_place(partition, nth).0)]));
    let sum = weights.clone().sum();
    Some(keyspace.nth_place(partition, first + weighted(weights, sum, random)?))
}

/// The index of one of `weights`, which add up to `sum`.
fn weighted(weights: impl Iterator<Item = usize>, sum: usize, random: &mut fastrand::Rng) -> Option<usize> {
    let mut at = if sum == 0 { return None } else { random.usize(..sum) };
    for (index, weight) in weights.enumerate() {
        match at.checked_sub(weight) {
            Some(left) => at = left,
            None => return Some(index),
        }
    }
    None
}

/// Calls `each` for the entries in `buckets` neighbouring buckets of a table somewhere in the database, and
/// of as many tables after that as hold not enough: until `each` breaks.
pub(crate) fn buckets(
    mut locked: Locked<'_>,
    database: DatabaseId,
    buckets: usize,
    random: &mut fastrand::Rng,
    mut each: impl FnMut(Place, Found<'_>) -> ControlFlow<()>,
) {
    let Some(Place(first)) = place(&locked, database, random) else { return };
    // Around the whole group, which lies in one partition: were it only to its end, keys at its beginning would
    // hardly ever be seen.
    let begin = first - first % GROUP as u16;
    for place in (first..begin + GROUP as u16).chain(begin..first).map(Place) {
        let Some(table) = locked.again().into_table(database, place) else { continue };
        let Some(segment) = table.random_segment(random.u64(..)) else { continue };
        for (at, word) in segment.sample(random.usize(..1 << 16), buckets) {
            if each(place, Found::at(&table, segment, at, word)).is_break() {
                return;
            }
        }
    }
}
