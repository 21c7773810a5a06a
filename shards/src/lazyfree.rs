//! What no key leads to any more, freed step by step: tables that were flushed in the background, and large values.
//!
//! Taking a table out of its root is a matter of nanoseconds, freeing ten million entries one of a second.
//! So a flush leaves its tables here, and whoever removes a large value what is in it. Every worker's maintenance frees
//! some of that, and so does a command that finds memory full, before anything is evicted or refused.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_epoch::Guard;
use parking_lot::Mutex;

use crate::entry::Entry;
use crate::large::{Large, Remains};
use crate::table::Detached;

/// Entries freed in one step: some tens of microseconds. A step ends with a segment, at most 448 entries later.
const STEP_ENTRIES: u64 = 256;

/// What is still to be freed.
#[derive(Default)]
pub(crate) struct LazyFree {
    waste: Mutex<Vec<Waste>>,
    /// Whether there is any waste; goes from false to true before it is put there, so nobody need look in vain.
    waiting: AtomicU64,
    pending: AtomicU64,
    freed: AtomicU64,
}

/// One table or value on its way.
struct Waste {
    remains: Remains,
    counts: Counts,
}

/// What of a table is counted as freed objects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// Each entry: keys.
    Entries,
    /// All of it together: a value.
    Once,
    /// Nothing: a value whose key has been counted.
    Nothing,
}

impl LazyFree {
    /// Takes over `tables`, which hold `keys` entries.
    pub(crate) fn add(&self, tables: Vec<Detached>, keys: u64) {
        self.pending.fetch_add(keys, Relaxed);
        for table in tables {
            self.push(Waste { remains: Remains::Table(table), counts: Counts::Entries });
        }
    }

    /// Frees an entry: at once, or later if that takes long.
    #[inline]
    pub(crate) fn discard(&self, entry: Entry) {
        if entry.view().as_large().is_some() {
            self.discard_large(entry, Counts::Once);
        }
    }

    /// Frees what no key has led to: at once, or later if that takes long.
    pub(crate) fn discard_result(&self, large: Large) {
        if large.takes_long_to_free() {
            self.push(Waste { remains: large.detach(), counts: Counts::Nothing });
        }
    }

    #[cold]
    fn discard_large(&self, entry: Entry, counts: Counts) {
        let Some(large) = entry.into_large().filter(|large| large.takes_long_to_free()) else { return };
        self.pending.fetch_add(u64::from(counts == Counts::Once), Relaxed);
        self.push(Waste { remains: Large::detach(*large), counts });
    }

    fn push(&self, waste: Waste) {
        self.waiting.fetch_add(1, Relaxed);
        self.waste.lock().push(waste);
    }

    /// Objects still to be freed: keys that were flushed, and large values.
    pub(crate) fn pending(&self) -> u64 {
        self.pending.load(Relaxed)
    }

    /// Objects freed since the start or the last [`LazyFree::reset`].
    pub(crate) fn freed(&self) -> u64 {
        self.freed.load(Relaxed)
    }

    /// Counts what is freed from zero again.
    pub(crate) fn reset(&self) {
        self.freed.store(0, Relaxed);
    }

    /// Whether there is anything to free.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }

    /// Frees [`STEP_ENTRIES`] or what is left of one table. Says whether there was anything to free.
    pub(crate) fn free_some(&self, guard: &Guard) -> bool {
        if !self.is_waiting() {
            return false;
        }
        let Some(mut waste) = self.waste.lock().pop() else { return false };
        let entries = waste.remains.free_some(STEP_ENTRIES, guard, |entry| {
            if entry.view().as_large().is_some() {
                self.discard_large(entry, Counts::Nothing);
            }
        });
        let is_left = !waste.remains.is_empty();
        let freed = match waste.counts {
            Counts::Entries => entries,
            Counts::Once => u64::from(!is_left),
            Counts::Nothing => 0,
        };
        self.pending.fetch_sub(freed, Relaxed);
        self.freed.fetch_add(freed, Relaxed);
        if is_left {
            self.waste.lock().push(waste);
        } else {
            self.waiting.fetch_sub(1, Relaxed);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidegate_protocols::data::{Data as _, Worker as _};

    use crate::testing::Client;

    /// Keys of many slots, and many keys of one.
    fn filled() -> Client {
        let mut client = Client::new();
        for n in 0..2000 {
            client.run(&format!("SET key:{n} v"));
            client.run(&format!("SET {{slot}}:{n} v"));
        }
        client
    }

    #[test]
    fn a_flush_in_the_background_is_freed_in_steps_and_says_how_much_is_left() {
        let mut client = filled();
        assert_eq!(client.run("FLUSHALL ASYNC"), "+OK\\r\\n");
        assert_eq!(client.run("DBSIZE"), ":0\\r\\n");
        client.run("SET new v");
        let (mut before, mut steps) = (client.store.figures().lazyfree_pending, 0);
        assert_eq!(before, 4000);
        while before > 0 {
            client.worker.maintain(client.now_ms, Duration::ZERO);
            let figures = client.store.figures();
            let freed = before - figures.lazyfree_pending;
            assert!((1..super::STEP_ENTRIES + 448).contains(&freed), "{freed} in one step");
            assert_eq!(figures.lazyfree_pending + figures.lazyfreed, 4000);
            (before, steps) = (figures.lazyfree_pending, steps + 1);
        }
        assert!(steps > 8);
        assert_eq!(client.run("GET new"), "$1\\r\\nv\\r\\n");
    }

    #[test]
    fn who_waits_for_a_flush_is_told_by_its_word_or_by_the_setting() {
        use tidegate_protocols::settings::Key;
        for (setting, flush, later) in [
            ("no", "FLUSHALL", 0),
            ("no", "FLUSHDB ASYNC", 4000),
            ("yes", "FLUSHALL", 4000),
            ("yes", "FLUSHDB", 4000),
            ("yes", "FLUSHALL SYNC", 0),
        ] {
            let mut client = filled();
            client.settings.set(Key::LazyfreeLazyUserFlush, setting).unwrap();
            assert_eq!(client.run(flush), "+OK\\r\\n");
            assert_eq!(client.store.figures().lazyfree_pending, later, "{setting} {flush}");
        }
    }
}
