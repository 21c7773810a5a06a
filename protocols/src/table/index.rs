//! From a command's name to its row, in a few nanoseconds.

use std::sync::LazyLock;

use super::row::Row;
use super::rows;

/// The row of a command by the name a RESP client sends, in any case. Rows of subcommands are found by
/// their full name, `config|get`; Memcached's rows are not found at all.
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static Row> {
    INDEX.find(name)
}

static INDEX: LazyLock<Index> = LazyLock::new(Index::new);

/// Open addressing, at most a quarter full.
struct Index {
    places: Box<[Place]>,
    /// The upper bits of a hash are the home.
    shift: u32,
}

#[derive(Clone, Copy)]
struct Place {
    print: Print,
    row: Option<&'static Row>,
}

/// A name in small letters: all of it up to sixteen bytes, else its two ends and its length.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Print {
    first: u64,
    last: u64,
    bytes: usize,
}

/// Names up to here are told apart by their prints.
const PRINT_BYTES: usize = 16;

impl Index {
    fn new() -> Self {
        let size = (rows().count() * 4).next_power_of_two();
        let empty = Place { print: Print::default(), row: None };
        let mut index =
            Self { places: vec![empty; size].into_boxed_slice(), shift: u64::BITS - size.ilog2() };
        for row in rows().filter(|row| row.is_redis()) {
            let print = Print::of(row.name.as_bytes());
            let mut at = index.home(print);
            while index.places[at].row.is_some() {
                at = (at + 1) & (size - 1);
            }
            index.places[at] = Place { print, row: Some(row) };
        }
        index
    }

    #[inline]
    fn home(&self, print: Print) -> usize {
        let mixed = print.first ^ print.last.rotate_left(29) ^ print.bytes as u64;
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    #[inline]
    fn find(&self, name: &[u8]) -> Option<&'static Row> {
        let print = Print::of(name);
        let mut at = self.home(print);
        loop {
            let place = &self.places[at];
            let row = place.row?;
            if place.print == print
                && (name.len() <= PRINT_BYTES || row.name.as_bytes().eq_ignore_ascii_case(name))
            {
                return Some(row);
            }
            at = (at + 1) & (self.places.len() - 1);
        }
    }
}

impl Print {
    #[inline]
    fn of(name: &[u8]) -> Self {
        let bytes = name.len();
        let (first, last) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => (short(name), 0),
        };
        Self { first: in_small_letters(first), last: in_small_letters(last), bytes }
    }
}

/// Less than eight bytes as a number; different ones give different numbers if they are as long.
#[inline]
fn short(name: &[u8]) -> u64 {
    match (name.first_chunk::<4>(), name.last_chunk::<4>(), name) {
        (Some(first), Some(last), _) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        (.., [first, .., last]) => {
            u64::from(*first) | u64::from(name[name.len() / 2]) << 8 | u64::from(*last) << 16
        }
        (.., [only]) => u64::from(*only),
        _ => 0,
    }
}

/// Eight bytes with `A` to `Z` turned to `a` to `z`, all at once: the high bit of each byte of `capital`
/// says whether it is one.
#[inline]
fn in_small_letters(bytes: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let seven_bits = bytes & (EACH * 0x7f);
    let from_a = seven_bits + EACH * (0x80 - b'A' as u64);
    let beyond_z = seven_bits + EACH * (0x7f - b'Z' as u64);
    let capital = from_a & !beyond_z & !bytes & (EACH * 0x80);
    bytes | capital >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_no_other_is() {
        for row in rows() {
            let found = lookup(row.name.as_bytes());
            assert_eq!(found.is_some_and(|found| std::ptr::eq(found, row)), row.is_redis(), "{}", row.name);
            if !row.is_redis() {
                continue;
            }
            let small = row.name.to_ascii_lowercase().into_bytes();
            assert!(lookup(&small).is_some_and(|found| std::ptr::eq(found, row)));
            for at in 0..small.len() {
                for bit in 0..8 {
                    let mut other = small.clone();
                    other[at] ^= 1 << bit;
                    let found = lookup(&other).is_some_and(|found| std::ptr::eq(found, row));
                    assert_eq!(found, other.eq_ignore_ascii_case(&small), "{}", other.escape_ascii());
                }
            }
        }
        assert!(lookup(b"").is_none());
        assert!(lookup(&[b'x'; 10_000]).is_none());
    }

    #[test]
    fn capitals_become_small_and_nothing_else_changes() {
        for byte in 0..=u8::MAX {
            let bytes = in_small_letters(u64::from_le_bytes([byte; 8])).to_le_bytes();
            assert_eq!(bytes, [byte.to_ascii_lowercase(); 8], "{byte:#x}");
        }
    }
}
