//! How busy the server is at the moment: means over the last samples, as Redis's `instantaneous_*`.

use parking_lot::Mutex;

use crate::counters::Totals;

/// Samples a mean is taken over. Source: Redis `STATS_METRIC_SAMPLES`.
const SAMPLES: usize = 16;

/// Milliseconds between two samples, at least; workers look ten times a second unless `hz` says otherwise,
/// and not to the millisecond.
const SAMPLE_MS: u64 = 90;

/// Something a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Commands executed.
    pub commands: u64,
    /// Bytes read from sockets.
    pub bytes_in: u64,
    /// Bytes written to sockets.
    pub bytes_out: u64,
}

/// The latest samples.
#[derive(Debug, Default)]
pub struct Rates {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When sums were taken last, in Unix milliseconds, and what they were.
    last: Option<(u64, Rate)>,
    samples: [Rate; SAMPLES],
    next: usize,
}

impl State {
    fn is_due(&self, now_ms: u64) -> bool {
        self.last.is_none_or(|(then_ms, _)| now_ms >= then_ms + SAMPLE_MS)
    }
}

impl Rates {
    /// Whether it is time for another sample.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        self.state.lock().is_due(now_ms)
    }

    /// Takes a sample: what happened since the one before, by the second. Of two workers at the same moment
    /// one does.
    pub(crate) fn sample(&self, now_ms: u64, totals: &Totals) {
        let bytes = |of: fn(&crate::counters::ProtocolTotals) -> u64| totals.protocols.iter().map(of).sum();
        let sums = Rate {
            commands: totals.calls(),
            bytes_in: bytes(|protocol| protocol.bytes_in),
            bytes_out: bytes(|protocol| protocol.bytes_out),
        };
        let mut state = self.state.lock();
        if !state.is_due(now_ms) {
            return;
        }
        if let Some((then_ms, before)) = state.last.replace((now_ms, sums)) {
            let ms = now_ms - then_ms;
            let per_s = |now: u64, before: u64| now.saturating_sub(before) * 1000 / ms;
            let place = state.next % SAMPLES;
            state.samples[place] = Rate {
                commands: per_s(sums.commands, before.commands),
                bytes_in: per_s(sums.bytes_in, before.bytes_in),
                bytes_out: per_s(sums.bytes_out, before.bytes_out),
            };
            state.next += 1;
        }
    }

    /// The mean of the latest samples.
    pub fn now(&self) -> Rate {
        let samples = self.state.lock().samples;
        let mean = |of: fn(&Rate) -> u64| samples.iter().map(of).sum::<u64>() / SAMPLES as u64;
        Rate {
            commands: mean(|sample| sample.commands),
            bytes_in: mean(|sample| sample.bytes_in),
            bytes_out: mean(|sample| sample.bytes_out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_means_over_the_latest_samples() {
        let (rates, mut totals) = (Rates::default(), Totals::default());
        assert!(rates.is_due(0));
        for round in 0..=SAMPLES as u64 {
            totals.protocols[0].bytes_in = round * SAMPLE_MS;
            rates.sample(1000 + round * SAMPLE_MS, &totals);
        }
        assert!(!rates.is_due(1000 + SAMPLES as u64 * SAMPLE_MS));
        totals.protocols[0].bytes_in *= 1000;
        rates.sample(1000 + SAMPLES as u64 * SAMPLE_MS, &totals);
        assert_eq!(rates.now(), Rate { bytes_in: 1000, ..Rate::default() });
    }
}
