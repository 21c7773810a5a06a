//! `LCS`: the longest common subsequence of two strings.
//!
//! The table of lengths L(i, j), of the first `i` bytes of the one and the first `j` of the other string,
//! grows along a row by at most one from cell to cell. So a row is a bit vector: bit `j` is clear where
//! L(i, j+1) is one more than L(i, j). A row follows from the one before in a few operations on 64 cells at
//! once: with `matches` marking where the other string has byte `i`,
//! `row = (row + (row & matches)) | (row & !matches)`.
//!
//! The bits are all that is needed to walk back from the last cell: where the two bytes differ, L(i-1, j) is
//! larger than L(i, j-1) exactly if bit `j-1` of row `i` is clear. Redis keeps four bytes for each cell;
//! this keeps a bit, and goes the same way.
//!
//! Source: Crochemore, Iliopoulos, Pinzon, Reid, "A fast and practical bit-vector algorithm for the longest
//! common subsequence problem" (2001); Redis 7.0 `t_string.c`, `lcsCommand`, for the order of the ranges.

use std::ops::Range;

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::settings::Key;
use tidegate_protocols::{Args, Error, Reply};

use crate::db::Db;

#[derive(Clone, Copy, Debug, Default)]
struct Options {
    indexes: bool,
    length: bool,
    match_lengths: bool,
    /// Shorter matches are left out of the indexes.
    match_bytes_min: u64,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, Error> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(option) = args.next() {
            match option {
                _ if option.eq_ignore_ascii_case(b"IDX") => options.indexes = true,
                _ if option.eq_ignore_ascii_case(b"LEN") => options.length = true,
                _ if option.eq_ignore_ascii_case(b"WITHMATCHLEN") => options.match_lengths = true,
                _ if option.eq_ignore_ascii_case(b"MINMATCHLEN") => {
                    let bytes = args.next().ok_or(Error::Syntax)?;
                    let bytes = integer_argument(bytes)?;
                    options.match_bytes_min = bytes.max(0).unsigned_abs();
                }
                _ => return Err(Error::Syntax),
            }
        }
        if options.indexes && options.length {
            return Err(Error::Text("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(options)
    }
}

/// `LCS`
pub(super) fn lcs(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [one, other] = args.fixed();
    let lengths = [bytes_of(db, one)?, bytes_of(db, other)?];
    let options = Options::parse(args.from(3))?;
    check_size(lengths[0], lengths[1], db.settings().number(Key::ProtoMaxBulkLen) as u64)?;
    let [one, other] = [copied(db, one)?, copied(db, other)?];
    if options.length {
        reply.integer(length(&one, &other) as i64);
    } else if options.indexes {
        indexes(&one, &other, options, reply);
    } else {
        let mut common = Vec::new();
        let table = Table::new(&one, &other);
        table.walk_back(&one, &other, |at, _| common.extend(one[at].iter().rev()));
        common.reverse();
        reply.bulk(&common);
    }
    Ok(())
}

/// The length of the string at `key`, which counts as read.
fn bytes_of(db: &mut Db<'_>, key: &[u8]) -> Result<u64, Error> {
    match db.string(key) {
        Ok(text) => Ok(text.map_or(0, |text| text.len() as u64)),
        Err(_) => Err(Error::Text("ERR The specified keys must contain string values")),
    }
}

/// The string at `key`, once it is known to be short enough for that.
fn copied(db: &mut Db<'_>, key: &[u8]) -> Result<Vec<u8>, Error> {
    let text = db.peek(key).map(|entry| entry.text()).transpose()?;
    Ok(text.map_or(Vec::new(), |mut text| text.bytes().to_vec()))
}

/// Redis refuses what its own table of four bytes a cell would not fit in `bytes_max`.
fn check_size(one: u64, other: u64, bytes_max: u64) -> Result<(), Error> {
    const BYTES_MAX: u64 = u32::MAX as u64 - 1;
    if one >= BYTES_MAX || other >= BYTES_MAX {
        return Err(Error::Text("ERR String too long for LCS"));
    }
    if u128::from(one + 1) * u128::from(other + 1) * 4 > u128::from(bytes_max) {
        return Err(Error::Text(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    Ok(())
}

fn indexes(one: &[u8], other: &[u8], options: Options, reply: &mut Reply<'_>) {
    reply.map(2);
    reply.bulk(b"matches");
    let matches = reply.deferred(Collection::Array);
    let mut count = 0;
    let mut total = 0;
    Table::new(one, other).walk_back(one, other, |in_one, in_other| {
        let bytes = in_one.len() as u64;
        total += bytes;
        if bytes < options.match_bytes_min {
            return;
        }
        count += 1;
        reply.array(2 + usize::from(options.match_lengths));
        for range in [in_one, in_other] {
            reply.array(2);
            reply.integer(range.start as i64);
            reply.integer(range.end as i64 - 1);
        }
        if options.match_lengths {
            reply.integer(bytes as i64);
        }
    });
    reply.finish(matches, count);
    reply.bulk(b"len");
    reply.integer(total as i64);
}

/// For each byte value that `one` has, a bit vector of where `other` has it.
struct Matches {
    /// Which vector belongs to a byte.
    index: [u8; 256],
    words: usize,
    vectors: Vec<u64>,
}

impl Matches {
    fn new(one: &[u8], other: &[u8]) -> Self {
        let words = other.len().div_ceil(64);
        let mut present = [false; 256];
        for &byte in one {
            present[usize::from(byte)] = true;
        }
        let (mut index, mut count) = ([0; 256], 0_usize);
        for byte in (0..256).filter(|&byte| present[byte]) {
            index[byte] = count as u8;
            count += 1;
        }
        let mut vectors = vec![0; words * count];
        for (at, &byte) in other.iter().enumerate().filter(|&(_, &byte)| present[usize::from(byte)]) {
            vectors[usize::from(index[usize::from(byte)]) * words + at / 64] |= 1 << (at % 64);
        }
        Self { index, words, vectors }
    }

    fn of(&self, byte: u8) -> &[u64] {
        let start = usize::from(self.index[usize::from(byte)]) * self.words;
        &self.vectors[start..start + self.words]
    }
}

/// Makes the row after `row`; see the module's documentation.
fn step(row: &mut [u64], matches: &[u64]) {
    let mut carry = false;
    for (word, matches) in row.iter_mut().zip(matches) {
        let hit = *word & matches;
        let (sum, first) = word.overflowing_add(hit);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        carry = first || second;
        *word = sum | (*word & !matches);
    }
}

/// Only the length: one row is enough.
fn length(one: &[u8], other: &[u8]) -> u64 {
    let matches = Matches::new(one, other);
    let mut row = vec![u64::MAX; matches.words];
    for &byte in one {
        step(&mut row, matches.of(byte));
    }
    // Bits past the end of `other` match nothing and stay set.
    row.iter().map(|word| u64::from(word.count_zeros())).sum()
}

/// All rows, one after the other.
struct Table {
    words: usize,
    rows: Vec<u64>,
}

impl Table {
    fn new(one: &[u8], other: &[u8]) -> Self {
        let matches = Matches::new(one, other);
        let words = matches.words;
        let mut row = vec![u64::MAX; words];
        let mut rows = Vec::with_capacity(words * one.len());
        for &byte in one {
            step(&mut row, matches.of(byte));
            rows.extend_from_slice(&row);
        }
        Self { words, rows }
    }

    /// Whether L(i, j-1) is smaller than L(i-1, j), where bytes i-1 and j-1 differ.
    fn upwards(&self, i: usize, j: usize) -> bool {
        self.rows[(i - 1) * self.words + (j - 1) / 64] >> ((j - 1) % 64) & 1 == 0
    }

    /// Calls `each` with the ranges of matching bytes in both strings, from the last to the first.
    fn walk_back(&self, one: &[u8], other: &[u8], mut each: impl FnMut(Range<usize>, Range<usize>)) {
        let (mut i, mut j) = (one.len(), other.len());
        while i > 0 && j > 0 {
            let len = one[..i].iter().rev().zip(other[..j].iter().rev()).take_while(|(a, b)| a == b).count();
            if len > 0 {
                each(i - len..i, j - len..j);
                (i, j) = (i - len, j - len);
            } else if self.upwards(i, j) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, length};

    /// L(i, j) of all cells, as the textbook has it.
    fn textbook(one: &[u8], other: &[u8]) -> Vec<Vec<u64>> {
        let mut lengths = vec![vec![0; other.len() + 1]; one.len() + 1];
        for i in 1..=one.len() {
            for j in 1..=other.len() {
                lengths[i][j] = if one[i - 1] == other[j - 1] {
                    lengths[i - 1][j - 1] + 1
                } else {
                    lengths[i - 1][j].max(lengths[i][j - 1])
                };
            }
        }
        lengths
    }

    #[test]
    fn bit_vectors_walk_the_way_of_the_textbook() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for letters in [1, 2, 4, 26, 256] {
            for _ in 0..40 {
                let mut string = |len| (0..random(len)).map(|_| random(letters) as u8).collect::<Vec<_>>();
                let (one, other) = (string(150), string(300));
                let (lengths, table) = (textbook(&one, &other), Table::new(&one, &other));
                assert_eq!(length(&one, &other), lengths[one.len()][other.len()]);
                for i in 1..=one.len() {
                    for j in (1..=other.len()).filter(|j| one[i - 1] != other[j - 1]) {
                        assert_eq!(table.upwards(i, j), lengths[i - 1][j] > lengths[i][j - 1], "{i} {j}");
                    }
                }
            }
        }
    }
}
