//! What the table keeps of an entry in its own 8 bytes: where it lies, and what must be known without
//! looking at it.
//!
//! ```text
//! bits  0..44  address / 8      44 has an expiry    45 lies in the bucket after its home
//!          46  read since it was stored             47..64 access
//! ```
//!
//! Access is, under an LRU policy, the second of the last access modulo 2^17 (36 hours; the sweep keeps
//! ages below that). Under an LFU policy it is a logarithmic counter of accesses (8 bits) and the minute
//! of its last decay modulo 2^9.

use tidegate_protocols::settings::{Key, Policy, Settings};

const ADDRESS_BITS: u32 = 44;
const ADDRESS: u64 = (1 << ADDRESS_BITS) - 1;
const EXPIRES: u64 = 1 << 44;
const DISPLACED: u64 = 1 << 45;
const FETCHED: u64 = 1 << 46;
const ACCESS_SHIFT: u32 = 47;

/// Seconds after which an LRU clock begins anew.
pub(crate) const LRU_CYCLE_S: u64 = 1 << 17;
/// Ages are kept below this, so that they never reach the cycle between two sweeps.
pub(crate) const LRU_AGE_MAX_S: u64 = LRU_CYCLE_S / 4 * 3;
const LFU_CYCLE_MIN: u64 = 1 << 9;
/// Where a new key's counter starts, so that it is not evicted at once. Source: Redis `LFU_INIT_VAL`.
const LFU_NEW: u64 = 5;

/// One slot of a bucket; 0 is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    /// The entry at `address`, a multiple of 8 below 2^47.
    pub(crate) fn new(address: u64, expires: bool, access: u64) -> Self {
        debug_assert!(address >> 3 & !ADDRESS == 0);
        Self(address >> 3 | if expires { EXPIRES } else { 0 } | access << ACCESS_SHIFT)
    }

    /// Where the entry lies.
    #[inline]
    pub(crate) fn address(self) -> u64 {
        (self.0 & ADDRESS) << 3
    }

    /// Whether the entry has an expiry.
    #[inline]
    pub(crate) fn expires(self) -> bool {
        self.0 & EXPIRES != 0
    }

    /// Whether it lies in the bucket after its home.
    #[inline]
    pub(crate) fn displaced(self) -> bool {
        self.0 & DISPLACED != 0
    }

    /// Whether it has been read since it was stored.
    #[inline]
    pub(crate) fn fetched(self) -> bool {
        self.0 & FETCHED != 0
    }

    /// The access bits.
    #[inline]
    pub(crate) fn access(self) -> u64 {
        self.0 >> ACCESS_SHIFT
    }

    /// The same entry somewhere else in the table.
    #[must_use]
    #[inline]
    pub(crate) fn with_displaced(self, displaced: bool) -> Self {
        Self(self.0 & !DISPLACED | if displaced { DISPLACED } else { 0 })
    }

    /// The same entry, moved in memory or with an expiry or without.
    #[must_use]
    pub(crate) fn with_entry(self, address: u64, expires: bool) -> Self {
        let kept = self.0 & !(ADDRESS | EXPIRES);
        Self(kept | Self::new(address, expires, 0).0)
    }

    /// The same entry with other access bits.
    #[must_use]
    #[inline]
    pub(crate) fn with_access(self, access: u64) -> Self {
        Self(self.0 << (64 - ACCESS_SHIFT) >> (64 - ACCESS_SHIFT) | access << ACCESS_SHIFT)
    }

    /// The same entry, read or not.
    #[must_use]
    #[inline]
    pub(crate) fn with_fetched(self, fetched: bool) -> Self {
        Self(self.0 & !FETCHED | if fetched { FETCHED } else { 0 })
    }
}

/// How accesses are recorded, at one moment and under one policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccessClock {
    /// What has expired is taken out, and other entries to make room. While clients are paused what has expired is merely
    /// not found, and room is not made.
    pub(crate) takes_out: bool,
    lfu: bool,
    now_s: u64,
    log_factor: u32,
    decay_min: u64,
}

impl AccessClock {
    /// The clock at `now_ms` (Unix milliseconds).
    pub(crate) fn new(now_ms: u64, settings: &Settings) -> Self {
        let lfu = matches!(settings.policy(), Policy::AllKeysLfu | Policy::VolatileLfu);
        Self {
            takes_out: settings.number(Key::PausedUntil) as u64 <= now_ms,
            lfu,
            now_s: now_ms / 1000,
            log_factor: settings.number(Key::LfuLogFactor) as u32,
            decay_min: settings.number(Key::LfuDecayTime) as u64,
        }
    }

    /// Access bits of a new entry.
    #[inline]
    pub(crate) fn fresh(&self) -> u64 {
        if self.lfu { LFU_NEW << 9 | self.minute() } else { self.now_s % LRU_CYCLE_S }
    }

    /// Access bits after one more access.
    #[inline]
    pub(crate) fn accessed(&self, word: Word, random: &mut fastrand::Rng) -> u64 {
        if !self.lfu {
            return self.now_s % LRU_CYCLE_S;
        }
        let counter = self.frequency(word);
        let over = f64::from(counter.saturating_sub(LFU_NEW as u8));
        let grows = counter < 255 && random.f64() < 1.0 / (over * f64::from(self.log_factor) + 1.0);
        (u64::from(counter) + u64::from(grows)) << 9 | self.minute()
    }

    /// Access bits of an entry that gets another value: now, or the counter as it is.
    #[inline]
    pub(crate) fn stored(&self, word: Word) -> u64 {
        if self.lfu { word.access() } else { self.fresh() }
    }

    /// Access bits of an entry that was not accessed for so long; as fresh under an LFU policy.
    pub(crate) fn idle(&self, idle_s: u64) -> u64 {
        if self.lfu { self.fresh() } else { self.now_s.wrapping_sub(idle_s.min(LRU_AGE_MAX_S)) % LRU_CYCLE_S }
    }

    /// Access bits of an entry with this counter; as fresh under an LRU policy.
    pub(crate) fn counted(&self, frequency: u8) -> u64 {
        if self.lfu { u64::from(frequency) << 9 | self.minute() } else { self.fresh() }
    }

    /// Whole seconds since the last access; 0 under an LFU policy.
    pub(crate) fn idle_s(&self, word: Word) -> u64 {
        if self.lfu { 0 } else { (self.now_s.wrapping_sub(word.access())) % LRU_CYCLE_S }
    }

    /// The counter of accesses as it has decayed until now; 0 under an LRU policy.
    pub(crate) fn frequency(&self, word: Word) -> u8 {
        if !self.lfu {
            return 0;
        }
        let elapsed = (self.minute().wrapping_sub(word.access())) % LFU_CYCLE_MIN;
        let decay = elapsed.checked_div(self.decay_min).unwrap_or(0);
        (word.access() >> 9).saturating_sub(decay) as u8
    }

    /// Access bits that keep the age of an untouched entry from wrapping around, if they must change.
    pub(crate) fn clamped(&self, word: Word) -> Option<u64> {
        if self.lfu {
            let elapsed = (self.minute().wrapping_sub(word.access())) % LFU_CYCLE_MIN;
            return (elapsed > LFU_CYCLE_MIN / 2)
                .then(|| u64::from(self.frequency(word)) << 9 | self.minute());
        }
        (self.idle_s(word) > LRU_AGE_MAX_S).then(|| self.now_s.wrapping_sub(LRU_AGE_MAX_S) % LRU_CYCLE_S)
    }

    /// How good a victim this is: the larger, the better.
    pub(crate) fn staleness(&self, word: Word) -> u64 {
        if self.lfu { 255 - u64::from(self.frequency(word)) } else { self.idle_s(word) }
    }

    fn minute(&self) -> u64 {
        self.now_s / 60 % LFU_CYCLE_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(now_s: u64, policy: &str) -> AccessClock {
        let settings = Settings::default();
        settings.set(Key::MaxMemoryPolicy, policy).unwrap();
        AccessClock::new(now_s * 1000, &settings)
    }

    #[test]
    fn ages_survive_the_wrap_of_the_clock_and_are_kept_below_it() {
        let start = 5 * LRU_CYCLE_S - 10;
        let word = Word::new(64, false, clock(start, "allkeys-lru").fresh());
        for age in [0, 1, 20, 40_000, LRU_AGE_MAX_S] {
            assert_eq!(clock(start + age, "allkeys-lru").idle_s(word), age);
            assert_eq!(clock(start + age, "allkeys-lru").clamped(word), None);
        }
        let late = clock(start + LRU_AGE_MAX_S + 9, "allkeys-lru");
        let clamped = word.with_access(late.clamped(word).unwrap());
        assert_eq!(late.idle_s(clamped), LRU_AGE_MAX_S);
        assert_eq!(clamped.address(), 64);
    }

    #[test]
    fn a_frequency_grows_with_accesses_and_decays_with_minutes() {
        let mut random = fastrand::Rng::with_seed(1);
        let now = clock(600_000, "allkeys-lfu");
        let mut word = Word::new(64, true, now.fresh());
        assert_eq!(now.frequency(word), 5);
        for _ in 0..1000 {
            word = word.with_access(now.accessed(word, &mut random));
        }
        let busy = now.frequency(word);
        assert!((10..60).contains(&busy), "{busy}");
        assert_eq!(clock(600_000 + 180, "allkeys-lfu").frequency(word), busy - 3);
        assert!(word.expires() && !word.fetched() && word.with_fetched(true).fetched());
    }
}
