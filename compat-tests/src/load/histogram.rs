//! Latencies, counted in steps of less than one percent.

use std::time::Duration;

/// Steps in each doubling of the time.
const STEPS: u64 = 128;
const STEPS_BITS: u32 = STEPS.ilog2();

/// How many operations took how long: log-linear, from 128 ns up, within 0.8 %.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; (64 - STEPS_BITS as usize) * STEPS as usize], total: 0 }
    }
}

impl Histogram {
    /// Counts `operations` that took `time` each.
    pub fn add(&mut self, time: Duration, operations: u64) {
        let nanos = (time.as_nanos() as u64).max(STEPS);
        let doubling = nanos.ilog2() - STEPS_BITS;
        let step = (nanos >> doubling) - STEPS;
        self.counts[(u64::from(doubling) * STEPS + step) as usize] += operations;
        self.total += operations;
    }

    /// Adds everything that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The time, in µs, that `share` (0 to 1) of the operations did not exceed.
    pub fn quantile_us(&self, share: f64) -> f64 {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in (0u64..).zip(&self.counts) {
            seen += count;
            if seen >= wanted {
                return ((STEPS + index % STEPS) << (index / STEPS)) as f64 / 1000.0;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_percent() {
        let mut histogram = Histogram::default();
        for micros in 1..=1000 {
            histogram.add(Duration::from_micros(micros), 1);
        }
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let found = histogram.quantile_us(share);
            assert!((found - expected).abs() / expected < 0.01, "{share}: {found}");
        }
    }

    #[test]
    fn nothing_counted_takes_no_time() {
        assert!(Histogram::default().quantile_us(0.5).abs() < f64::EPSILON);
    }
}
