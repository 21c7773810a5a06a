//! What was refused lately: `ACL LOG`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// Milliseconds within which the same is one entry. Source: Redis `acl.c`, `ACL_LOG_GROUPING_MAX_TIME_DELTA`.
const GROUPED_MS: u64 = 60_000;

/// Entries that are looked at for the same. Source: Redis `addACLLogEntry`.
const LOOKED_AT: usize = 10;

/// Bytes of a key, channel or name that are kept. Redis keeps all of them.
const OBJECT_BYTES_MAX: usize = 1024;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Auth,
    Command,
    Key,
    Channel,
}

impl Reason {
    /// As Redis names it.
    pub(crate) fn name(self) -> &'static str {
        ["auth", "command", "key", "channel"][self as usize]
    }
}

/// Something that was refused, once or several times.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) count: u64,
    pub(crate) reason: Reason,
    /// `toplevel`, `multi` or `lua`.
    pub(crate) context: &'static str,
    /// The command, key or channel.
    pub(crate) object: Box<[u8]>,
    pub(crate) user: Box<[u8]>,
    /// The line of `CLIENT LIST` of who tried it last.
    pub(crate) client: String,
    pub(crate) id: u64,
    /// In Unix milliseconds.
    pub(crate) made_ms: u64,
    pub(crate) changed_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Log {
    state: Mutex<State>,
    refused: [AtomicU64; 4],
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    /// The newest first.
    entries: VecDeque<Entry>,
}

impl Log {
    /// Adds an entry, or counts one that says the same; at most `entries_max` are kept.
    pub(crate) fn record(
        &self,
        (reason, context): (Reason, &'static str),
        object: &[u8],
        user: &[u8],
        client: String,
        (now_ms, entries_max): (u64, usize),
    ) {
        self.refused[reason as usize].fetch_add(1, Relaxed);
        let object = &object[..object.len().min(OBJECT_BYTES_MAX)];
        let user = &user[..user.len().min(OBJECT_BYTES_MAX)];
        let mut state = self.state.lock();
        let is_same = |entry: &Entry| {
            entry.reason == reason
                && entry.context == context
                && entry.changed_ms.abs_diff(now_ms) <= GROUPED_MS
                && *entry.object == *object
                && *entry.user == *user
        };
        let known = state.entries.iter().take(LOOKED_AT).position(is_same);
        if let Some(mut entry) = known.and_then(|at| state.entries.remove(at)) {
            entry.count += 1;
            entry.changed_ms = now_ms;
            entry.client = client;
            state.entries.push_front(entry);
            return;
        }
        let (id, object, user) = (state.next_id, object.into(), user.into());
        let (made_ms, changed_ms) = (now_ms, now_ms);
        state.next_id += 1;
        state.entries.push_front(Entry {
            count: 1,
            reason,
            context,
            object,
            user,
            client,
            id,
            made_ms,
            changed_ms,
        });
        state.entries.truncate(entries_max);
    }

    /// The newest `count` entries, the newest first.
    pub(crate) fn newest(&self, count: usize) -> Vec<Entry> {
        self.state.lock().entries.iter().take(count).cloned().collect()
    }

    /// Forgets all entries.
    pub(crate) fn reset(&self) {
        self.state.lock().entries.clear();
    }

    /// How often something was refused for this reason.
    pub(crate) fn refused(&self, reason: Reason) -> u64 {
        self.refused[reason as usize].load(Relaxed)
    }

    /// Counts from 0 again (`CONFIG RESETSTAT`).
    pub(crate) fn reset_counts(&self) {
        for count in &self.refused {
            count.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_within_a_minute_is_one_entry_and_old_ones_go() {
        let log = Log::default();
        let record = |object: &[u8], now_ms| {
            log.record((Reason::Key, "toplevel"), object, b"u", format!("id={now_ms}"), (now_ms, 2));
        };
        record(b"a", 1000);
        record(b"b", 1001);
        record(b"a", 61_000);
        let told = |log: &Log| -> Vec<(u64, u64, String)> {
            log.newest(9).into_iter().map(|entry| (entry.id, entry.count, entry.client)).collect()
        };
        assert_eq!(told(&log), [(0, 2, "id=61000".to_owned()), (1, 1, "id=1001".to_owned())]);
        record(b"a", 121_001);
        assert_eq!(told(&log), [(2, 1, "id=121001".to_owned()), (0, 2, "id=61000".to_owned())]);
        record(&[b'x'; 9000], 130_000);
        assert_eq!(log.newest(1)[0].object.len(), OBJECT_BYTES_MAX);
        assert_eq!(log.refused(Reason::Key), 5);
        log.reset();
        assert!(log.newest(9).is_empty());
    }
}
