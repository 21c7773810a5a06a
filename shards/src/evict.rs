//! Making room when memory is full.
//!
//! A victim is the best of the entries in a few neighbouring buckets, 14 or `maxmemory-samples` if that is
//! more. Time or frequency of access stand in the table's own words, so looking for a victim touches two
//! cache lines and no entry, except for `volatile-ttl`. Samples this large need no pool of good victims
//! between evictions, as Redis with its five samples has.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tidegate_protocols::settings::{Key, Policy};

use crate::hash::KeyHasher;
use crate::held::{Busy, Held};
use crate::locked::Locked;
use crate::partition::{DatabaseId, Partition, Place};
use crate::sample;
use crate::segment::WAYS;
use crate::table::Found;
use crate::word::AccessClock;
use crate::worker::Local;

/// Longest time one command makes room for itself.
const TIME_MAX: Duration = Duration::from_millis(2);
/// Samples taken for enough candidates, where tables are small or few entries expire.
const SAMPLES_MAX: usize = 8;

/// Whether a command may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is room, or time was too short to make all of it.
    Enough,
    /// Nothing may be removed.
    None,
}

/// An entry that could be removed.
struct Victim {
    place: Place,
    hash: u64,
    address: u64,
    score: u64,
}

/// Frees what was flushed, then removes entries by `policy`, until no more than `limit` bytes are used, for a
/// limited time. While clients are paused nothing is removed, and nobody is refused for that.
///
/// Source: Redis `evict.c`, `isSafeToPerformEvictions`.
#[cold]
pub(crate) fn make_room(held: &mut Held, local: &mut Local, limit: u64, policy: Policy) -> Room {
    let start = Instant::now();
    while local.clock.takes_out && local.used_bytes() > limit {
        let eviction = if local.shared.lazyfree.free_some(held.epoch()) {
            Eviction::Done
        } else {
            evict_one(held, local, policy)
        };
        match eviction {
            Eviction::Done if start.elapsed() <= TIME_MAX => {}
            Eviction::Done | Eviction::Busy => break,
            Eviction::NothingLeft => return Room::None,
        }
    }
    Room::Enough
}

/// What became of an eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// An entry was removed.
    Done,
    /// Other workers hold every partition that has entries to remove.
    Busy,
    /// There is no entry that may be removed.
    NothingLeft,
}

/// Removes the best victim of a sample.
pub(crate) fn evict_one(held: &mut Held, local: &mut Local, policy: Policy) -> Eviction {
    if policy == Policy::NoEviction {
        return Eviction::NothingLeft;
    }
    let volatile = is_volatile(policy);
    let weight = |partition: &Partition| DatabaseId::all().map(|id| weight(partition, id, volatile)).sum();
    let partition = match sample::lock_partition(held, local, weight) {
        Ok(Some(partition)) => partition,
        Ok(None) => return Eviction::NothingLeft,
        Err(Busy) => return Eviction::Busy,
    };
    let mut locked = held.locked(partition);
    let Some(database) = database(&locked, local, volatile) else { return Eviction::NothingLeft };
    let Some(victim) = victim(&mut locked, local, database, policy) else { return Eviction::NothingLeft };
    locked.remove_address(database, victim.place, victim.hash, victim.address);
    local.counts.evicted += 1;
    Eviction::Done
}

fn is_volatile(policy: Policy) -> bool {
    matches!(policy, Policy::VolatileLru | Policy::VolatileLfu | Policy::VolatileRandom | Policy::VolatileTtl)
}

fn weight(partition: &Partition, database: DatabaseId, volatile: bool) -> u64 {
    let tally = partition.tally(database);
    if volatile { tally.expires } else { tally.keys }
}

/// A database by chance, weighted with the keys that may be removed.
fn database(locked: &Locked<'_>, local: &mut Local, volatile: bool) -> Option<DatabaseId> {
    let sum: u64 = DatabaseId::all().map(|id| weight(locked.partition, id, volatile)).sum();
    let mut at = if sum == 0 { return None } else { local.random.u64(..sum) };
    DatabaseId::all().find(|&id| {
        let weight = weight(locked.partition, id, volatile);
        let here = at < weight;
        at = at.saturating_sub(weight);
        here
    })
}

/// The best victim of enough candidates, if there are any.
fn victim(
    locked: &mut Locked<'_>,
    local: &mut Local,
    database: DatabaseId,
    policy: Policy,
) -> Option<Victim> {
    let enough = (local.shared.settings.number(Key::MaxMemorySamples) as usize).max(2 * WAYS);
    let mut choice = Choice::new(policy, local, locked.keyspace().hasher());
    for _ in 0..SAMPLES_MAX {
        let buckets = (enough - choice.seen).div_ceil(WAYS).max(2);
        sample::buckets(locked.again(), database, buckets, &mut local.random, |place, found| {
            choice.consider(place, &found);
            if choice.seen < enough { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if choice.seen >= enough {
            break;
        }
    }
    if choice.best.is_none() {
        look_for_any(locked, database, &mut local.random, &mut choice);
    }
    choice.best
}

/// Goes through the partition from somewhere on to the first segment with an entry that may be removed.
fn look_for_any(
    locked: &mut Locked<'_>,
    database: DatabaseId,
    random: &mut fastrand::Rng,
    choice: &mut Choice,
) {
    let places: Vec<Place> = locked.keyspace().places(locked.partition.index()).collect();
    let start = random.usize(..places.len());
    for place in (0..places.len()).map(|step| places[(start + step) % places.len()]) {
        let Some(table) = locked.again().into_table(database, place) else { continue };
        let mut next = Some(0);
        while let Some(prefix) = next {
            ((), next) = table.walk(prefix, |segment| {
                if !choice.volatile || segment.min_expire() != u64::MAX {
                    segment
                        .entries()
                        .for_each(|(at, word)| choice.consider(place, &Found::at(&table, segment, at, word)));
                }
            });
            if choice.best.is_some() {
                return;
            }
        }
    }
}

/// The best of the entries considered so far.
struct Choice {
    policy: Policy,
    volatile: bool,
    clock: AccessClock,
    hasher: KeyHasher,
    seen: usize,
    best: Option<Victim>,
}

impl Choice {
    fn new(policy: Policy, local: &Local, hasher: KeyHasher) -> Self {
        let volatile = is_volatile(policy);
        Self { policy, volatile, clock: local.clock, hasher, seen: 0, best: None }
    }

    fn consider(&mut self, place: Place, found: &Found<'_>) {
        if self.volatile && !found.word.expires() {
            return;
        }
        self.seen += 1;
        let score = match self.policy {
            Policy::VolatileTtl => !found.entry().expire_at().unwrap_or(u64::MAX),
            // The place was random, so the first will do.
            Policy::AllKeysRandom | Policy::VolatileRandom | Policy::NoEviction => 0,
            _ => self.clock.staleness(found.word),
        };
        if self.best.as_ref().is_none_or(|best| score > best.score) {
            let hash = self.hasher.hash(found.entry().key());
            self.best = Some(Victim { place, hash, address: found.word.address(), score });
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::data::Worker as _;

    use super::*;
    use crate::testing::Client;

    /// A client with `count` keys `key:N`, each last read at second N and expiring in reverse order.
    fn filled(policy: &str, count: u64) -> Client {
        let mut client = Client::new();
        client.settings.set(Key::MaxMemoryPolicy, policy).unwrap();
        let start = client.now_ms;
        for n in 0..count {
            client.now_ms = start + n * 1000;
            client.run(&format!("SET key:{n} v"));
            if n % 2 == 0 {
                client.run(&format!("PEXPIREAT key:{n} {}", start + 1_000_000_000 - n * 1000));
            }
        }
        client
    }

    fn evict(client: &mut Client, count: usize) {
        let policy = client.settings.policy();
        for _ in 0..count {
            assert_eq!(client.evict_one(policy), Eviction::Done);
        }
    }

    fn left(client: &mut Client, keys: impl Iterator<Item = u64>) -> usize {
        keys.filter(|n| client.run(&format!("EXISTS key:{n}")).starts_with(":1")).count()
    }

    #[test]
    fn lru_evicts_the_old_and_keeps_the_new() {
        let mut client = filled("allkeys-lru", 10_000);
        evict(&mut client, 5000);
        let old = left(&mut client, 0..2500);
        let new = left(&mut client, 7500..10_000);
        assert!(old < 50, "{old} of the 2500 oldest are left");
        assert!(new > 2450, "{new} of the 2500 newest are left");
    }

    #[test]
    fn volatile_policies_touch_only_keys_that_expire_and_find_the_last_of_them() {
        for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
            let mut client = filled(policy, 1000);
            evict(&mut client, 500);
            assert_eq!(left(&mut client, (0..1000).filter(|n| n % 2 == 1)), 500, "{policy}");
            assert_eq!(client.evict_one(client.settings.policy()), Eviction::NothingLeft, "{policy}");
        }
    }

    #[test]
    fn the_nearest_expiry_goes_first_under_volatile_ttl() {
        let mut client = filled("volatile-ttl", 10_000);
        evict(&mut client, 2500);
        let (late, soon) = (left(&mut client, 0..2500), left(&mut client, 7500..10_000));
        // Half of them have no expiry and stay.
        assert!(late > 2400 && soon < 1250 + 125, "{late} late, {soon} soon");
    }

    #[test]
    fn lfu_keeps_what_is_read_often() {
        let mut client = filled("allkeys-lfu", 2000);
        for _ in 0..50 {
            for n in 0..200 {
                client.run(&format!("GET key:{n}"));
            }
        }
        evict(&mut client, 1500);
        assert!(left(&mut client, 0..200) > 190);
    }

    #[test]
    fn nothing_is_evicted_while_clients_are_paused_and_nobody_is_refused() {
        let mut client = filled("allkeys-lru", 1000);
        client.settings.set(Key::MaxMemory, "1").unwrap();
        client.settings.set(Key::PausedUntil, &(client.now_ms + 1000).to_string()).unwrap();
        client.context.tracker.client = 1;
        assert_eq!(client.run("SET more v") + &client.run("GET more"), "+OK\\r\\n$1\\r\\nv\\r\\n");
        assert!(client.worker.make_room());
        client.worker.maintain(client.now_ms, Duration::from_secs(1));
        assert_eq!(client.run("DBSIZE"), ":1001\\r\\n");
        client.now_ms += 1000;
        client.worker.maintain(client.now_ms, Duration::from_secs(1));
        assert_ne!(client.run("DBSIZE"), ":1001\\r\\n");
    }

    #[test]
    fn random_eviction_spares_nobody_and_ends_when_all_is_gone() {
        let mut client = filled("allkeys-random", 1000);
        evict(&mut client, 1000);
        assert_eq!(client.run("DBSIZE"), ":0\\r\\n");
        assert_eq!(client.evict_one(Policy::AllKeysRandom), Eviction::NothingLeft);
    }
}
