//! The scripts a store knows, shared by its workers. Each worker compiles them for itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::time::Duration;

use parking_lot::RwLock;

use tidegate_protocols::Sha;

use crate::lua::Flags;

/// Scripts that are kept of those nobody has asked to be kept (`SCRIPT LOAD`): the one that was used least lately makes
/// room. Source: Redis 7.4 `eval.c`, `LRU_LIST_LENGTH`.
const UNLOADED_MAX: usize = 500;

/// So many runs in which a script uses nothing but the keys it has been given make it one that does so.
const RUNS_TO_TRUST: u32 = 16;

/// A run that takes no longer is short.
const SHORT: Duration = Duration::from_millis(1);

/// So many of them in a row make a script one that runs on the thread of whoever is asked.
const RUNS_TO_BE_SHORT: u32 = 2;

/// A script.
pub(crate) struct Script {
    pub(crate) sha: Sha,
    pub(crate) body: Box<[u8]>,
    pub(crate) flags: Flags,
    /// Whether `SCRIPT LOAD` was asked to keep it.
    is_loaded: AtomicBool,
    /// When it was used last, in uses of any.
    used_at: AtomicU64,
    pub(super) habits: Habits,
}

/// Which keys something uses that runs, as far as it has shown.
#[derive(Default)]
pub(super) struct Habits {
    /// It has used keys that it was not given.
    wanders: AtomicBool,
    /// Runs in which it has not.
    stayed: AtomicU32,
    /// Runs one after the other, up to now, that were short.
    short: AtomicU32,
}

impl Script {
    fn new(sha: Sha, body: &[u8], flags: Flags) -> Self {
        Self {
            sha,
            body: body.into(),
            flags,
            is_loaded: AtomicBool::new(false),
            used_at: AtomicU64::new(0),
            habits: Habits::default(),
        }
    }
}

impl Habits {
    /// What is known of which keys it uses.
    pub(super) fn habit(&self) -> Habit {
        if self.wanders.load(Relaxed) {
            Habit::Wanders
        } else if self.stayed.load(Relaxed) >= RUNS_TO_TRUST {
            Habit::Stays
        } else {
            Habit::Unknown
        }
    }

    /// Whether it is known to be short.
    #[inline]
    pub(super) fn is_short(&self) -> bool {
        self.short.load(Relaxed) >= RUNS_TO_BE_SHORT
    }

    /// It has run to its end, for this long, and used other keys than those it was given, or not.
    pub(super) fn has_run(&self, took: Duration, wandered: bool) {
        if took > SHORT {
            self.short.store(0, Relaxed);
        } else if !self.is_short() {
            self.short.fetch_add(1, Relaxed);
        }
        if wandered {
            self.wanders.store(true, Relaxed);
        } else if self.stayed.load(Relaxed) < RUNS_TO_TRUST {
            self.stayed.fetch_add(1, Relaxed);
        }
    }
}

/// Which keys a script uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// It has not run often enough to say.
    Unknown,
    /// Those that it is given.
    Stays,
    /// Others, too.
    Wanders,
}

/// The scripts of a store.
#[derive(Default)]
pub(crate) struct Known {
    scripts: RwLock<HashMap<Sha, Arc<Script>>>,
    /// Raised whenever all are forgotten: so are then the workers' own copies.
    epoch: AtomicU64,
    uses: AtomicU64,
    evicted: AtomicU64,
    bytes: AtomicU64,
}

/// Bytes that a script takes besides its text.
const SCRIPT_BYTES: u64 = (size_of::<Script>() + 2 * size_of::<Sha>()) as u64;

impl Known {
    /// How often all have been forgotten.
    #[inline]
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Relaxed)
    }

    /// The script with this digest, which is about to be used.
    pub(super) fn get(&self, sha: &Sha) -> Option<Arc<Script>> {
        let script = self.scripts.read().get(sha).cloned()?;
        self.use_now(&script);
        Some(script)
    }

    /// Notes that a script is used.
    pub(super) fn use_now(&self, script: &Script) {
        script.used_at.store(self.uses.fetch_add(1, Relaxed), Relaxed);
    }

    /// Whether it is known.
    pub(super) fn has(&self, sha: &Sha) -> bool {
        self.scripts.read().contains_key(sha)
    }

    /// Keeps a script that has been compiled; `is_loaded` until it is forgotten with all others.
    pub(super) fn add(&self, sha: Sha, body: &[u8], flags: Flags, is_loaded: bool) -> Arc<Script> {
        let mut scripts = self.scripts.write();
        let script = Arc::clone(scripts.entry(sha).or_insert_with(|| {
            self.bytes.fetch_add(body.len() as u64 + SCRIPT_BYTES, Relaxed);
            Arc::new(Script::new(sha, body, flags))
        }));
        if is_loaded {
            script.is_loaded.store(true, Relaxed);
        }
        self.use_now(&script);
        let unloaded = || scripts.values().filter(|script| !script.is_loaded.load(Relaxed));
        if scripts.len() > UNLOADED_MAX && unloaded().count() > UNLOADED_MAX {
            let oldest =
                unloaded().min_by_key(|script| script.used_at.load(Relaxed)).map(|script| script.sha);
            if let Some(script) = oldest.and_then(|sha| scripts.remove(&sha)) {
                self.bytes.fetch_sub(script.body.len() as u64 + SCRIPT_BYTES, Relaxed);
                self.evicted.fetch_add(1, Relaxed);
            }
        }
        script
    }

    /// Forgets all.
    pub(super) fn flush(&self) {
        let mut scripts = self.scripts.write();
        scripts.clear();
        self.bytes.store(0, Relaxed);
        self.epoch.fetch_add(1, Relaxed);
    }

    /// How many there are, the bytes they take, and how many have made room for others.
    pub(crate) fn figures(&self) -> (u64, u64, u64) {
        (self.scripts.read().len() as u64, self.bytes.load(Relaxed), self.evicted.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(known: &Known, body: &str, is_loaded: bool) -> Sha {
        let sha = Sha::of(body.as_bytes());
        known.add(sha, body.as_bytes(), Flags::default(), is_loaded);
        sha
    }

    #[test]
    fn the_script_used_least_lately_makes_room_unless_it_was_to_be_kept() {
        let known = Known::default();
        let kept = add(&known, "return 'kept'", true);
        let first = add(&known, "return 'first'", false);
        let second = add(&known, "return 'second'", false);
        for number in 2..UNLOADED_MAX {
            add(&known, &format!("return {number}"), false);
        }
        assert!(known.get(&first).is_some());
        add(&known, "return 'one more'", false);
        assert!(known.has(&first) && known.has(&kept) && !known.has(&second));
        let (count, bytes, evicted) = known.figures();
        assert_eq!((count, evicted), (UNLOADED_MAX as u64 + 1, 1));
        assert!(bytes > 0);
        known.flush();
        assert_eq!(known.figures(), (0, 0, 1));
    }
}
