//! Log lines that others can cause as often as they like.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How long no other line of the kind is logged after one, in milliseconds.
const REST_MS: u64 = 60_000;

/// Lets one line of a kind through a minute, and counts the others.
#[derive(Debug)]
pub(crate) struct Seldom {
    /// When the last was let through, in Unix milliseconds; 0 is never.
    last_ms: AtomicU64,
    left_out: AtomicU64,
}

impl Seldom {
    pub(crate) const fn new() -> Self {
        Self { last_ms: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// Whether a line is to be logged now; if it is, how many have been left out since the last.
    pub(crate) fn lets_through(&self, now_ms: u64) -> Option<u64> {
        let last_ms = self.last_ms.load(Relaxed);
        let is_due = last_ms == 0 || now_ms.abs_diff(last_ms) >= REST_MS;
        if is_due && self.last_ms.compare_exchange(last_ms, now_ms, Relaxed, Relaxed).is_ok() {
            return Some(self.left_out.swap(0, Relaxed));
        }
        self.left_out.fetch_add(1, Relaxed);
        None
    }
}

/// Logs a warning, or, if there has just been one of its kind, a line for those who want to see everything.
macro_rules! warn_seldom {
    ($seldom:expr, $($line:tt)+) => {
        match $crate::seldom::Seldom::lets_through(&$seldom, $crate::shared::now_ms()) {
            Some(0) => tracing::warn!($($line)+),
            Some(left_out) => tracing::warn!(left_out, $($line)+),
            None => tracing::debug!($($line)+),
        }
    };
}
pub(crate) use warn_seldom;

/// Links that are closed because of what the other end says, or does not say: it may be anybody.
pub(crate) static CLOSED_LINKS: Seldom = Seldom::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_says_how_many_there_were_besides() {
        let seldom = Seldom::new();
        let now_ms = 1_700_000_000_000;
        assert_eq!(seldom.lets_through(now_ms), Some(0));
        assert_eq!([now_ms, now_ms + REST_MS - 1].map(|at| seldom.lets_through(at)), [None; 2]);
        assert_eq!(seldom.lets_through(now_ms + REST_MS), Some(2));
        assert_eq!(seldom.lets_through(now_ms + 2 * REST_MS), Some(0));
        assert_eq!(seldom.lets_through(now_ms), Some(0), "a clock that is set back mutes nothing");
    }
}
