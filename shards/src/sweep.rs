//! The sweep: what is done to data that nobody asks for.
//!
//! It removes what has expired and keeps old access times from wrapping around. A segment knows a time
//! before which nothing in it expires, so a sweep reads one line of most segments and no entry. Each worker
//! sweeps its own share of the partitions, a few segments under a lock at a time, and passes over a
//! partition that is locked.

use std::time::Instant;

use tidegate_protocols::limits::DATABASES;
use tidegate_protocols::settings::Key;
use tidegate_protocols::slot::SLOTS;

use crate::held::Held;
use crate::locked::Locked;
use crate::partition::{DatabaseId, Place, Tally};
use crate::table::{Found, Table};
use crate::worker::Local;

/// Segments looked at under one lock, and entries removed: tens of microseconds.
const SEGMENTS_MAX: usize = 64;
const REMOVED_MAX: u64 = 128;
/// Seconds in which every place is tended to once: less than a quarter of the shorter cycle of access times, so
/// that their ages are clamped in time although some places are found locked.
const ROUND_S: u64 = 7200;

/// Where the sweep of one worker has come to.
pub(crate) struct Sweep {
    /// The partitions of this worker: every `step`th from the first.
    first: usize,
    step: usize,
    partitions: usize,
    expiry: Position,
    /// What the tally said of expiring hashes when the sweep came to this partition and database; 0 if it has found
    /// something that expires since.
    expiring_hashes: u64,
    access: Position,
}

/// A segment: partition, stored database, place within the partition, and hash prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    partition: usize,
    database: u8,
    place: usize,
    prefix: u64,
}

impl Sweep {
    /// The sweep of worker `index` of `count`.
    pub(crate) fn new(index: usize, count: usize, partitions: usize) -> Self {
        let position = Position { partition: index % partitions, ..Position::default() };
        let step = count.clamp(1, partitions);
        Self {
            first: position.partition,
            step,
            partitions,
            expiry: position,
            expiring_hashes: 0,
            access: position,
        }
    }

    /// Removes what has expired until `end`, or until all of this worker's share was looked at once; then
    /// tends to the access times of some places.
    pub(crate) fn run(&mut self, held: &mut Held, local: &mut Local, end: Instant) {
        let expires = local.shared.settings.is_on(Key::ActiveExpire) && local.clock.takes_out;
        let share = self.share() * DATABASES;
        let mut databases = 0;
        while expires && databases <= share {
            self.expire_some(held, local);
            held.release();
            databases += usize::from(self.expiry.place == 0 && self.expiry.prefix == 0);
            if Instant::now() >= end {
                break;
            }
        }
        for _ in 0..self.tending_steps(local.shared.settings.number(Key::Hz) as u64) {
            self.tend_some(held, local);
            held.release();
        }
    }

    /// Partitions of this worker.
    fn share(&self) -> usize {
        (self.partitions - self.first).div_ceil(self.step)
    }

    /// How often a run tends to some segments, so that at `hz` runs a second a round takes [`ROUND_S`].
    fn tending_steps(&self, hz: u64) -> u64 {
        let places = self.share() * DATABASES * (usize::from(SLOTS) / self.partitions);
        (places as u64).div_ceil(ROUND_S * hz.max(1))
    }

    /// Looks at some segments from where the sweep has come to.
    fn expire_some(&mut self, held: &mut Held, local: &mut Local) {
        let Position { partition, database, mut place, mut prefix } = self.expiry;
        let database = DatabaseId(database);
        let free = held.lock_if_free(partition).is_ok();
        if !free {
            self.expiry = self.next_database(self.expiry);
            return;
        }
        let mut locked = held.locked(partition);
        let Tally { expires, expiring_hashes, .. } = *locked.partition.tally(database);
        if expires == 0 && expiring_hashes == 0 {
            self.expiry = self.next_database(self.expiry);
            return;
        }
        if (place, prefix) == (0, 0) {
            self.expiring_hashes = expiring_hashes;
        }
        let places = locked.keyspace().places_of_each();
        let (mut segments, mut removed, mut fields) = (0, 0, 0);
        while place < places && segments < SEGMENTS_MAX && removed + fields < REMOVED_MAX {
            let at = locked.keyspace().nth_place(partition, place);
            let (due, next) = match locked.again().into_table(database, at) {
                Some(table) => {
                    segments += 1;
                    table.walk(prefix, |segment| segment.min_expire())
                }
                None => (u64::MAX, None),
            };
            if due != u64::MAX {
                // Something will expire here, maybe a field.
                self.expiring_hashes = 0;
            }
            if due < local.now_ms {
                removed += locked.expire_segment(database, at, prefix, local.now_ms);
                if expiring_hashes > 0 {
                    fields += locked.expire_fields(database, at, prefix, local.now_ms, &local.clock);
                }
            }
            (place, prefix) = next.map_or((place + 1, 0), |next| (place, next));
        }
        local.counts.expired += removed;
        let here = Position { place, prefix, ..self.expiry };
        if place < places {
            self.expiry = here;
            return;
        }
        self.expiry = self.next_database(here);
        // Nothing was found that will expire, and no hash was given such fields since this began.
        let tally = locked.partition.tally_mut(database);
        if tally.expiring_hashes == self.expiring_hashes {
            tally.expiring_hashes = 0;
        }
    }

    /// Tends to some segments of the next place that has any, unless its partition is locked.
    fn tend_some(&mut self, held: &mut Held, local: &mut Local) {
        let mut at = self.access;
        let database = DatabaseId(at.database);
        if held.lock_if_free(at.partition).is_err() {
            return;
        }
        self.access = self.next_database(at);
        let mut locked = held.locked(at.partition);
        let keyspace = locked.keyspace();
        let Some(roots) = keyspace.roots(database) else { return };
        let is_used = |place: &usize| {
            let root = &roots[usize::from(keyspace.nth_place(at.partition, *place).0)];
            Table::weight(root) > 0
        };
        let Some(place) = (at.place..keyspace.places_of_each()).find(is_used) else { return };
        at.prefix = if place == at.place { at.prefix } else { 0 };
        let next = tend(&mut locked, database, keyspace.nth_place(at.partition, place), at.prefix, local);
        self.access = match next {
            Some(prefix) => Position { place, prefix, ..at },
            None => Position { place: place + 1, prefix: 0, ..at },
        };
    }

    /// The first position of the next database, of this partition or the worker's next.
    fn next_database(&self, at: Position) -> Position {
        let database = (at.database + 1) % DATABASES as u8;
        let partition = if database == 0 { at.partition + self.step } else { at.partition };
        let partition = if partition < self.partitions { partition } else { self.first };
        Position { partition, database, place: 0, prefix: 0 }
    }
}

/// Keeps access times in some segments of a table from wrapping around, and looks how long its keys have to
/// live. Returns the prefix to go on with.
fn tend(
    locked: &mut Locked<'_>,
    database: DatabaseId,
    place: Place,
    prefix: u64,
    local: &Local,
) -> Option<u64> {
    let (mut ttl_ms, mut next) = (None, Some(prefix));
    let table = locked.again().into_table(database, place)?;
    for _ in 0..SEGMENTS_MAX {
        let Some(prefix) = next else { break };
        ((), next) = table.walk(prefix, |segment| {
            for (at, word) in segment.entries() {
                if let Some(access) = local.clock.clamped(word) {
                    segment.set_word(at, word.with_access(access));
                }
                if ttl_ms.is_none() && word.expires() {
                    let expire_at = Found::at(&table, segment, at, word).entry().expire_at();
                    ttl_ms = expire_at.map(|at| at.saturating_sub(local.now_ms));
                }
            }
        });
    }
    if let Some(ttl_ms) = ttl_ms {
        // A running mean over some fifty samples. Source: Redis, `activeExpireCycle`.
        let mean = &mut locked.partition.tally_mut(database).ttl_ms_mean;
        *mean = if *mean == 0 { ttl_ms } else { *mean / 50 * 49 + ttl_ms / 50 };
    }
    next
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidegate_protocols::data::{Data as _, Worker as _};
    use tidegate_protocols::settings::Key;

    use crate::testing::Client;

    #[test]
    fn what_has_expired_goes_although_nobody_asks_for_it() {
        let mut client = Client::new();
        for database in [0, 7] {
            client.context.database = database;
            for n in 0..2000 {
                client.run(&format!("SET short:{n} v PX {}", 1000 + n % 100));
                client.run(&format!("SET long:{n} v EX 1000"));
                client.run(&format!("SET ever:{n} v"));
            }
        }
        client.now_ms += 1050;
        // Both workers have their share.
        let mut other = client.store.worker(1, 2);
        for _ in 0..2 {
            client.worker.maintain(client.now_ms, Duration::from_mins(1));
            other.maintain(client.now_ms, Duration::from_mins(1));
        }
        let figures = client.store.figures();
        assert_eq!(figures.expired, 2 * 2000 / 100 * 50);
        assert_eq!((figures.databases[7].keys, figures.databases[7].expires), (5000, 3000));
    }

    #[test]
    fn nothing_goes_unasked_while_active_expiry_is_off() {
        let mut client = Client::new();
        let mut other = client.store.worker(1, 2);
        client.run("SET k v PX 5");
        client.now_ms += 10;
        for (active, keys) in [("no", 1), ("yes", 0)] {
            client.settings.set(Key::ActiveExpire, active).unwrap();
            client.worker.maintain(client.now_ms, Duration::from_mins(1));
            other.maintain(client.now_ms, Duration::from_mins(1));
            assert_eq!(client.store.figures().databases[0].keys, keys, "active-expire {active}");
        }
    }

    #[test]
    fn a_sweep_without_time_goes_on_where_it_stopped() {
        let mut client = Client::new();
        for n in 0..3000 {
            client.run(&format!("SET key:{n} v PX 5"));
        }
        client.now_ms += 10;
        let mut other = client.store.worker(1, 2);
        let mut rounds = 0;
        while client.store.figures().databases[0].keys > 0 {
            client.worker.maintain(client.now_ms, Duration::ZERO);
            other.maintain(client.now_ms, Duration::ZERO);
            rounds += 1;
            assert!(rounds < 10_000, "{} left", client.store.figures().databases[0].keys);
        }
        assert!(rounds > 10);
    }

    #[test]
    fn every_place_is_tended_to_in_one_round_at_the_lowest_hz() {
        let mut client = Client::new();
        client.settings.set(Key::MaxMemoryPolicy, "allkeys-lfu").unwrap();
        client.settings.set(Key::Hz, "1").unwrap();
        let mut other = client.store.worker(1, 2);
        for database in 0..16 {
            client.context.database = database;
            for n in 0..1500 {
                client.run(&format!("SET key:{n} v"));
            }
        }
        let start = client.now_ms;
        client.now_ms = start + 300 * 60_000;
        for _ in 0..super::ROUND_S {
            client.worker.maintain(client.now_ms, Duration::ZERO);
            other.maintain(client.now_ms, Duration::ZERO);
        }
        // The minute of the last access would seem to be this one again.
        client.now_ms = start + 512 * 60_000;
        for n in 0..1500 {
            assert_eq!(client.run(&format!("OBJECT FREQ key:{n}")), ":0\\r\\n", "key:{n}");
        }
    }

    #[test]
    fn an_untouched_key_stays_old_when_the_clock_of_accesses_wraps() {
        let mut client = Client::new();
        client.run("SET untouched v");
        let mut other = client.store.worker(1, 2);
        let start = client.now_ms;
        for hour in 1..100 {
            client.now_ms = start + hour * 3_600_000;
            for _ in 0..200 {
                client.worker.maintain(client.now_ms, Duration::ZERO);
                other.maintain(client.now_ms, Duration::ZERO);
            }
            let reply = client.run("OBJECT IDLETIME untouched");
            let idle_s: u64 = reply.trim_start_matches(':').trim_end_matches("\\r\\n").parse().unwrap();
            assert!(idle_s >= (hour * 3600).min(95_000), "{idle_s} after {hour} hours");
        }
    }
}
