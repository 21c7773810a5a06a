//! The latency monitor: spikes of at least `latency-monitor-threshold` ms, by event.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

/// Spikes kept of an event. Source: Redis `LATENCY_TS_LEN`.
const SPIKES_MAX: usize = 160;

/// What may be slow.
pub type Event = &'static str;

/// The spikes of one event, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// When, in Unix seconds, and how long, in ms; one a second, the longest of it.
    pub spikes: VecDeque<(u64, u64)>,
    /// The longest ever, in ms.
    pub longest_ms: u64,
}

/// The spikes of all events.
#[derive(Debug, Default)]
pub struct LatencyMonitor {
    events: Mutex<BTreeMap<Event, History>>,
}

impl LatencyMonitor {
    /// Adds a spike; the caller has compared it with the threshold.
    pub fn record(&self, event: Event, unix_s: u64, ms: u64) {
        let mut events = self.events.lock();
        let history = events.entry(event).or_default();
        history.longest_ms = history.longest_ms.max(ms);
        match history.spikes.back_mut() {
            Some((when, longest)) if *when == unix_s => *longest = ms.max(*longest),
            _ => {
                if history.spikes.len() == SPIKES_MAX {
                    history.spikes.pop_front();
                }
                history.spikes.push_back((unix_s, ms));
            }
        }
    }

    /// Every event with its spikes, by name.
    pub fn events(&self) -> BTreeMap<Event, History> {
        self.events.lock().clone()
    }

    /// Forgets events: all, or those `which` picks. Returns how many there were.
    pub fn reset(&self, which: impl Fn(&str) -> bool) -> usize {
        let mut events = self.events.lock();
        let before = events.len();
        events.retain(|event, _| !which(event));
        before - events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spike_a_second_is_kept_the_longest() {
        let monitor = LatencyMonitor::default();
        for (second, ms) in [(1, 5), (1, 9), (1, 7), (2, 3)] {
            monitor.record("command", second, ms);
        }
        let history = &monitor.events()["command"];
        assert_eq!(history.spikes, [(1, 9), (2, 3)]);
        assert_eq!(history.longest_ms, 9);
        assert_eq!(monitor.reset(|event| event == "other"), 0);
        assert_eq!(monitor.reset(|_| true), 1);
    }
}
