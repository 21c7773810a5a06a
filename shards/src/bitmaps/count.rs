//! `BITCOUNT`

use std::ops::Range;

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::{Args, Error, Reply};

use super::Unit;
use crate::db::Db;
use crate::strings::indexes;

/// `BITCOUNT`. As in Redis 7.0, arguments are looked at only if there is a key.
pub(super) fn bitcount(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [key] = args.fixed();
    let bits = match db.string(key)? {
        Some(mut text) => {
            let bytes = text.bytes();
            range(args.from(2), bytes.len())?.map_or(0, |range| count(bytes, range))
        }
        None => 0,
    };
    reply.integer(bits as i64);
    Ok(())
}

/// The bits that `[start end [BYTE | BIT]]` means in a string of `len` bytes; `None` if there are none.
fn range(args: Args<'_>, len: usize) -> Result<Option<Range<usize>>, Error> {
    if args.is_empty() {
        return Ok(Some(0..len * 8));
    }
    if !(2..=3).contains(&args.len()) {
        return Err(Error::Syntax);
    }
    let start = integer_argument(args.at(0))?;
    let end = integer_argument(args.at(1))?;
    if start < 0 && end < 0 && start > end {
        return Ok(None);
    }
    let unit = args.get(2).map_or(Ok(Unit::Byte), Unit::parse)?;
    let units = len * 8 / unit.bits();
    Ok(indexes(start, end, units as u64).map(|range| range.start * unit.bits()..range.end * unit.bits()))
}

/// How many of the bits `range` are set. The range is within `bytes`.
fn count(bytes: &[u8], range: Range<usize>) -> u64 {
    let bytes = &bytes[range.start / 8..range.end.div_ceil(8)];
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return 0;
    };
    let before = (u16::from(*first) >> (8 - range.start % 8)).count_ones();
    let after = (last & !(0xff_u8 << (7 - (range.end - 1) % 8))).count_ones();
    count_all(bytes) - u64::from(before) - u64::from(after)
}

/// How many bits are set. Over whole words the compiler makes vector code of this.
fn count_all(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let words = words.iter().map(|&word| u64::from(u64::from_ne_bytes(word).count_ones())).sum::<u64>();
    words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn every_range_counts_its_own_bits() {
        let bytes: Vec<u8> = (0..700_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        let bit = |at: usize| u64::from(bytes[at / 8] >> (7 - at % 8) & 1);
        for start in [0, 1, 7, 8, 9, 63, 64, 1000, 1023, 1024] {
            let mut expected = 0;
            for end in start + 1..=bytes.len() * 8 {
                expected += bit(end - 1);
                assert_eq!(count(&bytes, start..end), expected, "{start}..{end}");
            }
        }
        assert_eq!(count(&[], 0..0), 0);
    }
}
