//! How many different elements there have been, about, in 12 KiB or less: byte for byte as Redis keeps it in a string.
//!
//! ```text
//! "HYLL" | encoding u8 | 3 unused | cached count, 8 bytes little-endian | registers
//! ```
//!
//! An element is hashed; the lower 14 bits say its register, which holds the longest run of zeros (with the one that ends
//! it) that the other bits of any of its elements begin with. Dense (encoding 0), the 16384 registers are six bits each.
//! While most of them are zero they are [sparse](sparse) (encoding 1). The highest bit of the cached count says that it is
//! not true any more. Source: Redis `src/hyperloglog.c`.

mod sparse;

use std::f64::consts::LN_2;

use crate::structures::buffer::Buffer;
use sparse::Run;

/// Registers.
pub(crate) const REGISTERS: usize = 1 << REGISTER_BITS;
const REGISTER_BITS: u32 = 14;
/// Bits of a hash that a run of zeros may take.
const RUN_BITS: u32 = 64 - REGISTER_BITS;

const HEADER_BYTES: usize = 16;
const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;
/// The most that six bits hold.
const REGISTER_MAX: u8 = 63;

const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// Where the encoding stands.
const ENCODING: usize = 4;
/// Where the cached count stands.
const CACHED: usize = 8;
/// The byte of it whose highest bit says that it is not true.
const STALE: usize = 15;

/// One that has seen nothing: sparse, one run of all registers.
pub(crate) const EMPTY: [u8; HEADER_BYTES + 2] =
    [b'H', b'Y', b'L', b'L', SPARSE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff];

/// Its bytes say what cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// All registers, a byte each.
pub(crate) type Registers = [u8; REGISTERS];

/// The register of an element, and what it would be for that element alone.
pub(crate) fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    let run = (hash >> REGISTER_BITS | 1 << RUN_BITS).trailing_zeros() as u8 + 1;
    (hash as usize % REGISTERS, run)
}

/// `MurmurHash2` of 64 bits, with Redis's seed.
fn murmur(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SEED: u64 = 0xadc8_3b19;
    let mix = |word: u64| {
        let word = word.wrapping_mul(FACTOR);
        (word ^ word >> 47).wrapping_mul(FACTOR)
    };
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = (hash ^ mix(u64::from_le_bytes(*word))).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(FACTOR);
    hash ^ hash >> 47
}

/// How many different elements there have been, by how many registers have each value.
///
/// Source: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284.
pub(crate) fn estimate(times: &[u32; 64]) -> u64 {
    const ALL: f64 = REGISTERS as f64;
    let times = times.map(f64::from);
    let longest = RUN_BITS as usize;
    let mut sum = ALL * tau((ALL - times[longest + 1]) / ALL);
    for times in times[1..=longest].iter().rev() {
        sum = (sum + times) * 0.5;
    }
    sum += ALL * sigma(times[0] / ALL);
    (0.5 / LN_2 * ALL * ALL / sum).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * y;
        y += y;
        if sum <= before {
            return sum;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        y *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * y;
        if sum >= before {
            return sum / 3.0;
        }
    }
}

/// One to be read.
#[derive(Clone, Copy)]
pub(crate) struct HyperLogLog<'a>(&'a [u8]);

impl<'a> HyperLogLog<'a> {
    /// The one that `bytes` are, if their header says so. Whether runs of registers are right is seen where they are
    /// read.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER_BYTES>()?;
        let is_one = header.starts_with(b"HYLL")
            && (header[ENCODING] == SPARSE || header[ENCODING] == DENSE && bytes.len() == DENSE_BYTES);
        is_one.then_some(Self(bytes))
    }

    /// Whether it is sparse.
    pub(crate) fn is_sparse(self) -> bool {
        self.0[ENCODING] == SPARSE
    }

    /// The count that is known, if it is still true.
    pub(crate) fn cached(self) -> Option<u64> {
        let bytes = self.0[CACHED..].first_chunk().expect("it has a header");
        (self.0[STALE] & 0x80 == 0).then(|| u64::from_le_bytes(*bytes))
    }

    /// The count by its registers.
    ///
    /// # Errors
    /// [`Corrupt`] if it is sparse and its runs are not as many registers as there are.
    pub(crate) fn count(self) -> Result<u64, Corrupt> {
        let mut times = [0; 64];
        self.for_each(|value, len| times[usize::from(value)] += len as u32)?;
        Ok(estimate(&times))
    }

    /// Raises `registers` to those that are higher here.
    ///
    /// # Errors
    /// As [`HyperLogLog::count`].
    pub(crate) fn merge_into(self, registers: &mut Registers) -> Result<(), Corrupt> {
        let mut at = 0;
        self.for_each(|value, len| {
            for register in &mut registers[at..at + len] {
                *register = value.max(*register);
            }
            at += len;
        })
    }

    /// Its runs, if it is sparse: what they say, not whether that can be.
    pub(crate) fn runs(self) -> impl Iterator<Item = Run> + use<'a> {
        sparse::runs(self.0)
    }

    /// Visits all registers in order, as values and how many there are of them.
    fn for_each(self, mut each: impl FnMut(u8, usize)) -> Result<(), Corrupt> {
        if !self.is_sparse() {
            let (fours, _) = self.0[HEADER_BYTES..].as_chunks::<3>();
            for &[low, middle, high] in fours {
                let four = u32::from_le_bytes([low, middle, high, 0]);
                (0..4).for_each(|nth| each((four >> (6 * nth)) as u8 & REGISTER_MAX, 1));
            }
            return Ok(());
        }
        let mut visited = 0;
        for run in self.runs() {
            visited += run.len;
            if visited > REGISTERS {
                return Err(Corrupt);
            }
            each(run.value, run.len);
        }
        if visited == REGISTERS { Ok(()) } else { Err(Corrupt) }
    }
}

/// A register of a dense one.
fn dense_register(bytes: &[u8], index: usize) -> u8 {
    let (at, shift) = (HEADER_BYTES + index * 6 / 8, index * 6 % 8);
    let next = bytes.get(at + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([bytes[at], next]) >> shift) as u8 & REGISTER_MAX
}

fn set_dense_register(bytes: &mut [u8], index: usize, value: u8) {
    let (at, shift) = (HEADER_BYTES + index * 6 / 8, index * 6 % 8);
    let next = bytes.get(at + 1).copied().unwrap_or(0);
    let both = u16::from_le_bytes([bytes[at], next]);
    let both = both & !(u16::from(REGISTER_MAX) << shift) | u16::from(value) << shift;
    let [low, high] = both.to_le_bytes();
    bytes[at] = low;
    if let Some(next) = bytes.get_mut(at + 1) {
        *next = high;
    }
}

/// One to be changed in the bytes it lies in.
pub(crate) struct HyperLogLogMut<'a, B> {
    buffer: &'a mut B,
    /// Bytes from which on it is dense.
    sparse_bytes_max: usize,
}

impl<'a, B: Buffer> HyperLogLogMut<'a, B> {
    /// The one that `buffer` holds; see [`HyperLogLog::of`].
    pub(crate) fn new(buffer: &'a mut B, sparse_bytes_max: usize) -> Self {
        Self { buffer, sparse_bytes_max }
    }

    /// To be read.
    pub(crate) fn view(&self) -> HyperLogLog<'_> {
        HyperLogLog(self.buffer.bytes())
    }

    /// Raises a register to `value`, which is not 0, if it is lower. Says whether it was; the cached count is stale then.
    ///
    /// # Errors
    /// [`Corrupt`] if its runs show to be wrong on the way there.
    pub(crate) fn raise(&mut self, index: usize, value: u8) -> Result<bool, Corrupt> {
        let is_raised = if self.view().is_sparse() {
            self.raise_sparse(index, value)?
        } else {
            self.raise_dense(index, value)
        };
        if is_raised {
            self.forget_count();
        }
        Ok(is_raised)
    }

    fn raise_dense(&mut self, index: usize, value: u8) -> bool {
        let is_lower = dense_register(self.buffer.bytes(), index) < value;
        if is_lower {
            set_dense_register(self.buffer.bytes_mut(), index, value);
        }
        is_lower
    }

    /// Makes it dense. Says whether it was not.
    ///
    /// # Errors
    /// As [`HyperLogLog::count`].
    pub(crate) fn make_dense(&mut self) -> Result<bool, Corrupt> {
        let view = self.view();
        if !view.is_sparse() {
            return Ok(false);
        }
        let (mut dense, mut at) = (vec![0; DENSE_BYTES], 0);
        dense[..HEADER_BYTES].copy_from_slice(&view.0[..HEADER_BYTES]);
        dense[ENCODING] = DENSE;
        view.for_each(|value, len| {
            if value > 0 {
                (at..at + len).for_each(|index| set_dense_register(&mut dense, index, value));
            }
            at += len;
        })?;
        let all = 0..self.buffer.bytes().len();
        self.buffer.splice(all, DENSE_BYTES).copy_from_slice(&dense);
        Ok(true)
    }

    /// Remembers its count.
    pub(crate) fn remember_count(&mut self, count: u64) {
        self.buffer.bytes_mut()[CACHED..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
    }

    /// What was remembered is not true any more.
    pub(crate) fn forget_count(&mut self) {
        self.buffer.bytes_mut()[STALE] |= 0x80;
    }
}

#[cfg(test)]
mod tests;
