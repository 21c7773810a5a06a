//! All keys in one file: when it is written and read, and what is told of that.

mod beside;
mod commands;
mod load;
mod save;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tidegate_protocols::data::PersistenceFigures;
use tidegate_protocols::settings::{Key, SavePoint, Settings};
use tidegate_protocols::table::Flags;
use tidegate_protocols::{Error, Row};

/// How long after a failure it is not tried again of its own accord. Source: Redis `CONFIG_BGSAVE_RETRY_DELAY`.
const RETRY: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Saving {
    is_loading: AtomicBool,
    /// The last time that it was saved in the background.
    has_failed: AtomicBool,
    loaded_bytes: AtomicU64,
    saved_keys: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// The last time it went well.
    last_s: u64,
    last_took: Option<Duration>,
    last_try: Option<Instant>,
    /// Changes there had been when it was saved last.
    changes: u64,
    saves: u64,
    /// It is to be saved when that can be.
    is_scheduled: bool,
    background: Option<Background>,
    loading: Loading,
}

/// What is being saved in the background.
struct Background {
    began: Instant,
    began_s: u64,
    keys: u64,
}

/// What is being loaded, or was.
#[derive(Clone, Copy, Default)]
struct Loading {
    since_s: u64,
    bytes: u64,
    used_bytes: u64,
    keys: u64,
    expired: u64,
}

impl Saving {
    pub(crate) fn new() -> Self {
        let state = State {
            last_s: now_s(),
            last_took: None,
            last_try: None,
            changes: 0,
            saves: 0,
            is_scheduled: false,
            background: None,
            loading: Loading::default(),
        };
        let (loaded_bytes, saved_keys) = (AtomicU64::new(0), AtomicU64::new(0));
        let (is_loading, has_failed) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { is_loading, has_failed, loaded_bytes, saved_keys, state: Mutex::new(state) }
    }

    /// Whether a file is being loaded.
    pub(crate) fn is_loading(&self) -> bool {
        self.is_loading.load(Acquire)
    }

    /// What keeps requests from being executed, whatever they are about.
    pub(crate) fn refusal(&self, settings: &Settings) -> Option<Refusal> {
        if self.is_loading() {
            return Some(Refusal::Loading);
        }
        let stops = self.has_failed.load(Relaxed) && settings.is_on(Key::StopWritesOnBgsaveError);
        let is_failing = stops && !settings.save_points().is_empty();
        is_failing.then_some(Refusal::NotSaved)
    }

    /// Whether it is time to save, of its own accord or because somebody has asked for it.
    fn is_due(&self, changes: u64, points: &[SavePoint]) -> bool {
        let state = self.state.lock();
        let may_try =
            !self.has_failed.load(Relaxed) || state.last_try.is_none_or(|last| last.elapsed() > RETRY);
        let (unsaved, elapsed_s) =
            (changes.saturating_sub(state.changes), now_s().saturating_sub(state.last_s));
        let is_reached = |point: &SavePoint| unsaved >= point.changes && elapsed_s > point.seconds;
        may_try && (state.is_scheduled || points.iter().any(is_reached))
    }

    /// Has it saved as soon as it can be.
    fn schedule(&self) {
        self.state.lock().is_scheduled = true;
    }

    /// What is told of it, when there have been so many changes.
    pub(crate) fn figures(&self, changes: u64) -> PersistenceFigures {
        let state = self.state.lock();
        let background = state.background.as_ref();
        PersistenceFigures {
            loading: self.is_loading().into(),
            loading_since_s: state.loading.since_s,
            loading_bytes: state.loading.bytes,
            loaded_bytes: self.loaded_bytes.load(Relaxed),
            loading_used_bytes: state.loading.used_bytes,
            loaded_keys: state.loading.keys,
            loaded_expired: state.loading.expired,
            changes_unsaved: changes.saturating_sub(state.changes),
            saving: background.is_some().into(),
            saving_since_s: background.map_or(0, |background| background.began_s),
            saving_keys: if background.is_some() { self.saved_keys.load(Relaxed) } else { 0 },
            saving_keys_all: background.map_or(0, |background| background.keys),
            last_save_s: state.last_s,
            last_save_failed: self.has_failed.load(Relaxed).into(),
            last_save_seconds_and_one: state.last_took.map_or(0, |took| took.as_secs() + 1),
            saves: state.saves,
        }
    }

    fn set_loading(&self, is_loading: bool) {
        self.is_loading.store(is_loading, Release);
    }
}

/// Why requests are not executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is not everything yet.
    Loading,
    /// What would be changed could not be saved.
    NotSaved,
}

impl Refusal {
    /// The error for a request, unless it may be executed all the same.
    pub(crate) fn of(self, row: &Row) -> Option<Error> {
        match self {
            Self::Loading => (!row.flags.has(Flags::LOADING)).then_some(Error::LOADING),
            Self::NotSaved => row.flags.has(Flags::WRITE).then_some(Error::NOT_SAVED),
        }
    }
}

/// The file of the data.
fn path(settings: &Settings) -> PathBuf {
    PathBuf::from(&*settings.text(Key::Dir)).join(&*settings.text(Key::DbFilename))
}

/// What it is called until it is whole. Source: Redis `rdb.c`, `rdbSave`.
fn draft_path(settings: &Settings) -> PathBuf {
    PathBuf::from(&*settings.text(Key::Dir)).join(format!("temp-{}.rdb", process::id()))
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

fn now_s() -> u64 {
    now_ms() / 1000
}
