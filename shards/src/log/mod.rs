//! The log: what has changed the data, command by command, as Redis would write it into its append-only file and send it to
//! its replicas.
//!
//! A position in it counts the bytes that came before: it is what readers go on from and what replies wait for. It is
//! appended to while the partitions are locked that the effects are of ([`effects`]), so for each key its order is that
//! of execution. Readers keep what they have not read; what all of them have read is forgotten.

pub(crate) mod effects;
pub(crate) mod words;

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Bytes that may wait for a reader before writes wait.
pub(crate) const LOG_BYTES_MAX: u64 = 64 << 20;

/// The log of a store.
#[derive(Default)]
pub(crate) struct Log {
    /// Somebody reads it.
    is_on: AtomicBool,
    /// Bytes appended and not read yet; for those who may not look under the lock.
    waiting: AtomicU64,
    /// The position behind everything.
    end: AtomicU64,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    /// What has not been read.
    bytes: VecDeque<u8>,
    /// The position of the first of them.
    start: u64,
    /// The database that the last command was about.
    database: Option<u8>,
    /// The reader is to look, even if there is nothing new.
    is_urged: bool,
}

/// What one thread has to append: whole units.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    /// Where `SELECT` belongs if the log is about another database, and which one this begins with.
    pub(crate) first: Option<(usize, u8)>,
    /// The database it ends with.
    pub(crate) database: u8,
}

impl Log {
    /// Whether effects are to be noted.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// Begins to keep effects.
    pub(crate) fn open(&self) {
        self.is_on.store(true, Release);
    }

    /// Whether so much waits for a reader that writes have to wait.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.load(Relaxed) >= LOG_BYTES_MAX
    }

    /// Appends what a thread has put together, and empties it.
    pub(crate) fn append(&self, batch: &mut Batch) {
        let mut state = self.state.lock();
        if self.is_on.load(Acquire) {
            let mut rest = batch.bytes.as_slice();
            if let Some((at, database)) = batch.first
                && state.database != Some(database)
            {
                state.bytes.extend(&rest[..at]);
                let mut select = Vec::new();
                words::select(&mut select, database);
                state.bytes.extend(&select);
                rest = &rest[at..];
            }
            state.bytes.extend(rest);
            state.database = Some(batch.database);
            self.waiting.store(state.bytes.len() as u64, Relaxed);
            self.end.store(state.start + state.bytes.len() as u64, Release);
            self.news.notify_one();
        }
        batch.bytes.clear();
        batch.first = None;
    }

    /// The position behind everything.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Acquire)
    }

    /// Has the next command say which database it is about, for readers who begin there. Returns its position.
    pub(crate) fn cut(&self) -> u64 {
        let mut state = self.state.lock();
        state.database = None;
        state.start + state.bytes.len() as u64
    }

    /// Moves what has come since the reader looked last to the end of `out`, as much as there is but no more than to `until`.
    /// Waits for something for `patience`. Returns the position that has been reached.
    pub(crate) fn read(&self, out: &mut Vec<u8>, until: u64, patience: Duration) -> u64 {
        let mut state = self.state.lock();
        if state.bytes.is_empty() && !std::mem::take(&mut state.is_urged) {
            self.news.wait_for(&mut state, patience);
            state.is_urged = false;
        }
        let count = usize::try_from(until.saturating_sub(state.start)).unwrap_or(usize::MAX);
        let count = count.min(state.bytes.len());
        let (first, second) = state.bytes.as_slices();
        let of_first = count.min(first.len());
        out.extend_from_slice(&first[..of_first]);
        out.extend_from_slice(&second[..count - of_first]);
        state.bytes.drain(..count);
        state.start += count as u64;
        self.waiting.store(state.bytes.len() as u64, Relaxed);
        state.start
    }

    /// Has the reader look.
    pub(crate) fn urge(&self) {
        self.state.lock().is_urged = true;
        self.news.notify_all();
    }
}
