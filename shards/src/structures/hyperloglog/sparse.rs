//! Registers most of which are zero, as runs of equal ones.
//!
//! ```text
//! 00nnnnnn             n + 1 registers are 0, up to 64
//! 01nnnnnn nnnnnnnn    n + 1 registers are 0, up to 16384
//! 1vvvvvnn             n + 1 registers are v + 1: up to 4 of them, and 32
//! ```

use std::fmt;

use super::{Corrupt, HEADER_BYTES, HyperLogLogMut, SPARSE};
use crate::structures::buffer::Buffer;

/// The highest value of a register that a run can say.
const VALUE_MAX: u8 = 32;
/// The most registers that a run of one value can say.
const SAME_MAX: usize = 4;
/// The most registers that one byte can say to be zero.
const ZEROS_MAX: usize = 64;
/// How many runs are looked at for neighbours that can be one.
const LOOKED_AT: usize = 5;

/// Equal registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// What they are.
    pub(crate) value: u8,
    /// How many.
    pub(crate) len: usize,
    /// Bytes that say it.
    pub(crate) bytes: usize,
}

impl Run {
    /// The one that begins at `at`; `None` at the end, or if half of it is missing.
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let head = *bytes.get(at)?;
        let low = usize::from(head & 0x3f);
        Some(match head >> 6 {
            0 => Self { value: 0, len: low + 1, bytes: 1 },
            1 => Self { value: 0, len: (low << 8 | usize::from(*bytes.get(at + 1)?)) + 1, bytes: 2 },
            _ => Self { value: (head >> 2 & 0x1f) + 1, len: usize::from(head & 3) + 1, bytes: 1 },
        })
    }
}

/// As `PFDEBUG DECODE` tells it.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.value, self.bytes) {
            (0, 1) => write!(f, "z:{}", self.len),
            (0, _) => write!(f, "Z:{}", self.len),
            (value, _) => write!(f, "v:{value},{}", self.len),
        }
    }
}

/// All runs of a sparse one.
pub(super) fn runs(bytes: &[u8]) -> impl Iterator<Item = Run> {
    let mut at = HEADER_BYTES;
    std::iter::from_fn(move || {
        let run = Run::at(bytes, at)?;
        at += run.bytes;
        Some(run)
    })
}

/// Where the run of a register is.
#[derive(Clone, Copy)]
struct Found {
    /// The beginning of the run before it; its own if there is none.
    before: usize,
    /// Its beginning.
    at: usize,
    /// Its first register.
    first: usize,
}

impl Found {
    /// The next run, this being one of `len` registers that `bytes` bytes say.
    fn next(self, len: usize, bytes: usize) -> Self {
        Self { before: self.at, at: self.at + bytes, first: self.first + len }
    }
}

/// Goes through the runs up to that of a register.
fn find(bytes: &[u8], index: usize) -> Result<Found, Corrupt> {
    let mut found = pass_by_eights(bytes, index);
    loop {
        let run = Run::at(bytes, found.at).ok_or(Corrupt)?;
        if index < found.first + run.len {
            return Ok(found);
        }
        found = found.next(run.len, run.bytes);
    }
}

/// Passes runs that are all before a register, as long as a word of bytes can be looked at. There may be thousands, and
/// of which kind each is nobody can guess, a processor neither: to add up what the bytes of a word say costs less.
fn pass_by_eights(bytes: &[u8], index: usize) -> Found {
    let mut found = Found { before: HEADER_BYTES, at: HEADER_BYTES, first: 0 };
    while let Some(word) = bytes.get(found.at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        let (short, len) = short_runs(word);
        if index < found.first + len {
            return found;
        }
        if short > 0 {
            // Each of them is one byte.
            let last = found.at + short - 1;
            found = Found { before: last, at: last + 1, first: found.first + len };
        }
        if short < 8 {
            let Some(run) = Run::at(bytes, found.at).filter(|run| index >= found.first + run.len) else {
                return found;
            };
            found = found.next(run.len, run.bytes);
        }
    }
    found
}

/// How many bytes of a word, from the first on, say a run each, and how many registers these are together.
fn short_runs(word: u64) -> (usize, usize) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Runs of two bytes begin with 01.
    let long = word & !(word >> 1) & (EACH * 0x40);
    // How many there are, less one, are two bits of a value and six of zeros.
    let is_value = word >> 7 & EACH;
    let less_one = word & ((EACH * 0x3f) ^ (is_value * 0x3c));
    if long == 0 {
        return (8, sum(less_one) + 8);
    }
    let short = long.trailing_zeros() / 8;
    (short as usize, sum(less_one & ((1 << (short * 8)) - 1)) + short as usize)
}

/// The sum of the bytes of a word.
fn sum(word: u64) -> usize {
    const EVERY_OTHER: u64 = 0x00ff_00ff_00ff_00ff;
    let pairs = (word & EVERY_OTHER) + (word >> 8 & EVERY_OTHER);
    (pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as usize
}

/// Bytes of up to three runs.
struct Sequence {
    bytes: [u8; 5],
    len: usize,
}

impl Sequence {
    /// Adds `len` registers that are `value`, if there are any.
    fn push(&mut self, value: u8, len: usize) {
        let Some(less_one) = len.checked_sub(1) else { return };
        let mut push = |byte| {
            self.bytes[self.len] = byte;
            self.len += 1;
        };
        if value > 0 {
            push(same(value, len));
        } else if len <= ZEROS_MAX {
            push(less_one as u8);
        } else {
            push((less_one >> 8) as u8 | 0x40);
            push(less_one as u8);
        }
    }
}

/// The byte that says that up to [`SAME_MAX`] registers are `value`.
fn same(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

impl<B: Buffer> HyperLogLogMut<'_, B> {
    /// Raises a register of a sparse one, which may become dense by that.
    pub(super) fn raise_sparse(&mut self, index: usize, value: u8) -> Result<bool, Corrupt> {
        debug_assert_eq!(self.buffer.bytes()[super::ENCODING], SPARSE);
        if value > VALUE_MAX {
            return self.raise_as_dense(index, value);
        }
        let Found { before, at, first } = find(self.buffer.bytes(), index)?;
        let run = Run::at(self.buffer.bytes(), at).ok_or(Corrupt)?;
        if run.value >= value {
            return Ok(false);
        }
        // The run becomes what is before the register, the register, and what is behind it.
        let mut new = Sequence { bytes: [0; 5], len: 0 };
        new.push(run.value, index - first);
        new.push(value, 1);
        new.push(run.value, first + run.len - 1 - index);
        let more = new.len.saturating_sub(run.bytes);
        if more > 0 && self.buffer.bytes().len() + more > self.sparse_bytes_max {
            return self.raise_as_dense(index, value);
        }
        self.buffer.splice(at..at + run.bytes, new.len).copy_from_slice(&new.bytes[..new.len]);
        self.join(before);
        Ok(true)
    }

    fn raise_as_dense(&mut self, index: usize, value: u8) -> Result<bool, Corrupt> {
        self.make_dense()?;
        Ok(self.raise_dense(index, value))
    }

    /// Makes neighbours of the same value one run, as far as Redis would.
    fn join(&mut self, mut at: usize) {
        for _ in 0..LOOKED_AT {
            let bytes = self.buffer.bytes();
            let Some(run) = Run::at(bytes, at) else { return };
            let next = Run::at(bytes, at + 1).filter(|next| run.value > 0 && next.value == run.value);
            match next {
                Some(next) if run.len + next.len <= SAME_MAX => {
                    self.buffer.splice(at..at + 2, 1)[0] = same(run.value, run.len + next.len);
                }
                _ => at += run.bytes,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_found_as_by_going_from_run_to_run() {
        let mut random = fastrand::Rng::with_seed(1);
        for values in [0, 1, 30, 300, 3000, 16000] {
            let mut bytes = vec![0; HEADER_BYTES];
            let (mut runs, mut left) = (Vec::new(), super::super::REGISTERS);
            while left > 0 {
                let zeros = random.usize(0..=2 * super::super::REGISTERS / (values + 1)).min(left);
                let same = random.usize(1..=SAME_MAX).min(left - zeros);
                let mut sequence = Sequence { bytes: [0; 5], len: 0 };
                sequence.push(0, zeros);
                sequence.push(random.u8(1..=VALUE_MAX), same);
                bytes.extend_from_slice(&sequence.bytes[..sequence.len]);
                left -= zeros + same;
            }
            runs.extend(super::runs(&bytes));
            let (mut before, mut at, mut first) = (HEADER_BYTES, HEADER_BYTES, 0);
            for run in runs {
                for index in [first, first + run.len - 1] {
                    let found = find(&bytes, index).expect("it is there");
                    assert_eq!((found.before, found.at, found.first), (before, at, first), "{index}");
                }
                (before, at, first) = (at, at + run.bytes, first + run.len);
            }
            assert!(find(&bytes, first).is_err(), "there are no more");
        }
    }
}
