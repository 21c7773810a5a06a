//! The scripts that run, one at most for each worker: seen, and ended, from any thread.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};

use std::sync::Arc;

use parking_lot::Mutex;
use tidegate_protocols::limits::SCRIPT_THREADS;
use tidegate_protocols::{Args, Error, Reply};

use crate::partition::PARTITIONS_MAX;
use crate::partition_set::PartitionSet;

const NOT_BUSY: Error = Error::Text("NOTBUSY No scripts in execution right now.");
const UNKILLABLE: Error = Error::Text(
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the \
     script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
);

/// The words of a request.
type Said = Arc<[Box<[u8]>]>;

/// What a worker runs.
#[derive(Default)]
struct Place {
    /// When it began, in Unix milliseconds; 0 while nothing runs.
    since_ms: AtomicU64,
    /// How many have begun before it.
    number: AtomicU64,
    /// The number of the one that is to end, and one.
    killed: AtomicU64,
    is_function: AtomicBool,
    /// Bytes of what runs scripts there.
    engine_bytes: AtomicU64,
    has_written: AtomicBool,
    /// The request it runs for, once it has run for a while.
    said: Mutex<Option<Said>>,
    /// The partitions that are locked for it.
    holds: [AtomicU64; PARTITIONS_MAX / 64],
}

impl Place {
    fn holds_any(&self, set: &PartitionSet) -> bool {
        self.holds.iter().zip(set.words()).any(|(held, wanted)| held.load(Relaxed) & wanted != 0)
    }
}

/// What all workers run: last those that are threads for what may take long.
pub(crate) struct Running {
    places: Box<[Place]>,
}

impl Running {
    pub(crate) fn new(workers: usize) -> Self {
        Self { places: (0..workers.max(1)).map(|_| Place::default()).collect() }
    }

    /// A script begins.
    pub(super) fn begin(&self, worker: usize, now_ms: u64, is_function: bool) {
        let place = &self.places[worker];
        place.number.fetch_add(1, AcqRel);
        place.is_function.store(is_function, Relaxed);
        place.has_written.store(false, Relaxed);
        place.since_ms.store(now_ms, Release);
    }

    /// It has not ended at once.
    pub(super) fn goes_on(&self, worker: usize, args: &Args<'_>) {
        *self.places[worker].said.lock() = Some(args.iter().map(Box::from).collect());
    }

    /// It is about to change something.
    pub(super) fn writes(&self, worker: usize) {
        self.places[worker].has_written.store(true, Release);
    }

    /// What is locked for it now.
    pub(super) fn holds(&self, worker: usize, set: &PartitionSet) {
        for (word, bits) in self.places[worker].holds.iter().zip(set.words()) {
            word.store(*bits, Relaxed);
        }
    }

    /// Bytes of what runs scripts on all workers.
    pub(super) fn engine_bytes(&self) -> u64 {
        self.places.iter().map(|place| place.engine_bytes.load(Relaxed)).sum()
    }

    /// What runs scripts is given back by all workers, as soon as each can.
    pub(super) fn forget_engines(&self) {
        for place in &self.places {
            place.engine_bytes.store(0, Relaxed);
        }
    }

    /// It has ended, and what runs scripts there takes so many bytes.
    pub(super) fn end(&self, worker: usize, engine_bytes: u64) {
        self.places[worker].engine_bytes.store(engine_bytes, Relaxed);
        self.places[worker].since_ms.store(0, Release);
        self.places[worker].said.lock().take();
    }

    /// What `FUNCTION STATS` says of what runs. Source: Redis `functions.c`, `functionStatsCommand`.
    pub(super) fn tell(&self, now_ms: u64, reply: &mut Reply<'_>) {
        let functions = self.overdue(now_ms, 1).filter(|place| place.is_function.load(Relaxed));
        let longest = functions.min_by_key(|place| place.since_ms.load(Relaxed));
        let Some((place, said)) = longest.and_then(|place| Some((place, place.said.lock().clone()?))) else {
            return reply.null();
        };
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(&said[1]);
        reply.bulk(b"command");
        reply.array(said.len());
        for word in &said[..] {
            reply.bulk(word);
        }
        reply.bulk(b"duration_ms");
        reply.integer(now_ms.saturating_sub(place.since_ms.load(Relaxed)) as i64);
    }

    /// # Errors
    /// That a script has run for so long, and no function.
    pub(super) fn only_scripts_in_the_way(&self, now_ms: u64, threshold_ms: u64) -> Result<(), Error> {
        let mut overdue = self.overdue(now_ms, threshold_ms).peekable();
        let is_script = overdue.peek().is_some() && overdue.all(|place| !place.is_function.load(Relaxed));
        if is_script { Err(Error::BUSY) } else { Ok(()) }
    }

    /// Whether it is to end.
    #[inline]
    pub(super) fn is_killed(&self, worker: usize) -> bool {
        let place = &self.places[worker];
        place.killed.load(Relaxed) == place.number.load(Relaxed) + 1
    }

    /// Those that have run for longer than `threshold_ms`.
    fn overdue(&self, now_ms: u64, threshold_ms: u64) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(move |place| {
            let since_ms = place.since_ms.load(Acquire);
            since_ms != 0 && now_ms.saturating_sub(since_ms) >= threshold_ms
        })
    }

    /// Whether one that runs apart, and so may take long, holds any of these partitions, or one at all.
    pub(crate) fn is_held_apart(&self, set: Option<&PartitionSet>) -> bool {
        let apart = self.places.len().saturating_sub(SCRIPT_THREADS);
        self.places[apart..]
            .iter()
            .any(|place| place.since_ms.load(Acquire) != 0 && set.is_none_or(|set| place.holds_any(set)))
    }

    /// What the one is told who needs any of these partitions, or all, if a script has held it for long.
    pub(crate) fn in_the_way(
        &self,
        set: Option<&PartitionSet>,
        now_ms: u64,
        threshold_ms: u64,
    ) -> Option<Error> {
        let holds = |place: &&Place| set.is_none_or(|set| place.holds_any(set));
        let place = self.overdue(now_ms, threshold_ms).find(holds)?;
        Some(if place.is_function.load(Relaxed) { Error::BUSY_FUNCTION } else { Error::BUSY })
    }

    /// Ends those that have run for long and have not changed anything.
    ///
    /// # Errors
    /// Redis's texts if there is none. Source: Redis `script.c`, `scriptKill`.
    pub(super) fn kill(&self, is_function: bool, now_ms: u64, threshold_ms: u64) -> Result<(), Error> {
        let mut result = Err(NOT_BUSY);
        for place in self.overdue(now_ms, threshold_ms) {
            let number = place.number.load(Acquire);
            let refused = if place.has_written.load(Acquire) {
                UNKILLABLE
            } else if place.is_function.load(Relaxed) == is_function {
                place.killed.store(number + 1, Release);
                result = Ok(());
                continue;
            } else if is_function {
                Error::BUSY
            } else {
                Error::BUSY_FUNCTION
            };
            if result.is_err() {
                result = Err(refused);
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_ended_once_it_has_run_for_long_unless_it_has_written() {
        let running = Running::new(2);
        let text = |result: Result<(), Error>| result.map_err(|error| error.to_string()[..8].to_string());
        assert_eq!(text(running.kill(false, 9000, 5000)), Err("NOTBUSY ".into()));
        running.begin(1, 5000, false);
        assert_eq!(text(running.kill(false, 9000, 5000)), Err("NOTBUSY ".into()));
        assert_eq!(text(running.kill(true, 10_000, 5000)), Err("BUSY Red".into()));
        assert!(!running.is_killed(1));
        assert_eq!(running.kill(false, 10_000, 5000), Ok(()));
        assert!(running.is_killed(1) && !running.is_killed(0));
        running.end(1, 0);
        running.begin(1, 10_000, false);
        assert!(!running.is_killed(1));
        running.writes(1);
        assert_eq!(text(running.kill(false, 20_000, 5000)), Err("UNKILLAB".into()));
        running.begin(0, 10_000, false);
        assert_eq!(running.kill(false, 20_000, 5000), Ok(()));
        assert!(running.is_killed(0) && !running.is_killed(1));
    }

    #[test]
    fn who_needs_nothing_that_a_long_script_holds_is_not_told_of_it() {
        let running = Running::new(1);
        let (held, other) = (PartitionSet::first(2), {
            let mut set = PartitionSet::default();
            set.insert(2);
            set
        });
        running.begin(0, 1000, false);
        running.holds(0, &held);
        assert_eq!(running.in_the_way(Some(&held), 1004, 5), None);
        assert_eq!(running.in_the_way(Some(&held), 1005, 5), Some(Error::BUSY));
        assert_eq!(running.in_the_way(Some(&other), 1005, 5), None);
        assert_eq!(running.in_the_way(None, 1005, 5), Some(Error::BUSY));
        running.end(0, 7);
        assert_eq!(running.engine_bytes(), 7);
        assert_eq!(running.in_the_way(None, 1005, 5), None);
    }
}
