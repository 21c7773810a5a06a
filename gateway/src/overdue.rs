//! Scripts that run at shards for clients of this gateway, and have for too long. It matters where there is one shard: of
//! several each tells those who need what a script holds, and nobody else.
//!
//! Each worker says since when the oldest of its own runs; all look at what all say. A script that a shard executes at once is
//! never noted: only one of which the shard has said that its answer takes longer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tidegate_protocols::table::scripting::Scripting;
use tidegate_protocols::{Error, Row, Verb};

/// What all workers look at: per worker since when (Unix milliseconds) its oldest runs, doubled, and one if that is a
/// function; 0 if there is none.
#[derive(Debug)]
pub(crate) struct LongScripts(Box<[AtomicU64]>);

impl LongScripts {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| AtomicU64::new(0)).collect())
    }

    /// What clients are told if one runs since before `until_ms`.
    #[inline]
    pub(crate) fn overdue(&self, until_ms: u64) -> Option<Error> {
        let oldest = self.0.iter().map(|worker| worker.load(Relaxed)).filter(|oldest| *oldest != 0).min()?;
        (oldest >> 1 < until_ms).then_some(if oldest & 1 == 1 { Error::BUSY_FUNCTION } else { Error::BUSY })
    }
}

/// Those of one worker, by ticket.
#[derive(Debug, Default)]
pub(crate) struct OwnLongScripts(HashMap<u32, u64>);

impl OwnLongScripts {
    /// One takes longer, from now on.
    pub(crate) fn begin(&mut self, ticket: u32, row: &Row, now_ms: u64, (all, own): (&LongScripts, usize)) {
        let is_function = matches!(row.verb, Verb::Scripting(Scripting::Fcall | Scripting::FcallRo));
        self.0.entry(ticket).or_insert(now_ms << 1 | u64::from(is_function));
        self.tell(all, own);
    }

    /// It has been answered, if it was one.
    #[inline]
    pub(crate) fn end(&mut self, ticket: u32, all: &LongScripts, own: usize) {
        if !self.0.is_empty() && self.0.remove(&ticket).is_some() {
            self.tell(all, own);
        }
    }

    fn tell(&self, all: &LongScripts, own: usize) {
        all.0[own].store(self.0.values().min().copied().unwrap_or(0), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::table::lookup;

    use super::*;

    #[test]
    fn the_oldest_of_all_workers_says_what_clients_are_told() {
        let all = LongScripts::new(2);
        let (mut first, mut second) = (OwnLongScripts::default(), OwnLongScripts::default());
        let [eval, fcall] = [b"eval".as_slice(), b"fcall"].map(|name| lookup(name).unwrap());
        assert_eq!(all.overdue(1000), None);
        first.begin(7, eval, 100, (&all, 0));
        second.begin(7, fcall, 50, (&all, 1));
        // Told once more that it takes longer.
        second.begin(7, fcall, 500, (&all, 1));
        assert_eq!(all.overdue(50), None);
        assert_eq!(all.overdue(51), Some(Error::BUSY_FUNCTION));
        second.end(6, &all, 1);
        second.end(7, &all, 1);
        assert_eq!(all.overdue(100), None);
        assert_eq!(all.overdue(101), Some(Error::BUSY));
        first.end(7, &all, 0);
        assert_eq!(all.overdue(1000), None);
    }
}
