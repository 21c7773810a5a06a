//! The random numbers of scripts: the same after the same seed on every machine, and as those of Redis.
//! Source: Redis `rand.c`, which is POSIX `lrand48`.

/// Where the sequence is.
pub(super) struct Random(u64);

impl Random {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const INCREMENT: u64 = 0xB;
    const BITS: u64 = (1 << 48) - 1;

    /// The sequence of a process whose scripts have not called `math.randomseed`.
    pub(super) fn new() -> Self {
        Self(0x1234_ABCD_330E)
    }

    /// Begins the sequence of `seed`.
    pub(super) fn seed(&mut self, seed: i32) {
        self.0 = u64::from(seed as u32) << 16 | 0x330E;
    }

    /// The next number, at least 0 and below 1.
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(Self::MULTIPLIER).wrapping_add(Self::INCREMENT) & Self::BITS;
        let number = (self.0 >> 17) as i32;
        f64::from(number % i32::MAX) / f64::from(i32::MAX)
    }
}
