//! `BITPOS`

use std::ops::Range;

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::{Args, Error, Reply};

use super::Unit;
use crate::db::Db;
use crate::strings::indexes;

/// `BITPOS`. As in Redis 7.0, the range is looked at only if there is a key.
pub(super) fn bitpos(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let [key, bit] = args.fixed();
    let bit = match integer_argument(bit)? {
        0 => false,
        1 => true,
        _ => return Err(Error::Text("ERR The bit argument must be 1 or 0.")),
    };
    let position = match db.string(key)? {
        Some(mut text) => {
            let bytes = text.bytes();
            let window = Window::parse(args.from(3), bytes.len())?;
            window.range.and_then(|range| {
                // Without an end, zeros follow the string.
                let beyond = (!bit && !window.ends).then_some(bytes.len() * 8);
                find(bytes, bit, range).or(beyond)
            })
        }
        // No key is a string of zeros without end.
        None => (!bit).then_some(0),
    };
    reply.integer(position.map_or(-1, |position| position as i64));
    Ok(())
}

/// Where to look.
struct Window {
    /// The bits; `None` if there are none.
    range: Option<Range<usize>>,
    /// Whether the request names an end.
    ends: bool,
}

impl Window {
    /// `[start [end [BYTE | BIT]]]` in a string of `len` bytes.
    fn parse(args: Args<'_>, len: usize) -> Result<Self, Error> {
        let number = |index: usize| args.get(index).map(integer_argument);
        if args.len() > 3 {
            return Err(Error::Syntax);
        }
        let start = number(0).transpose()?.unwrap_or(0);
        let unit = args.get(2).map_or(Ok(Unit::Byte), Unit::parse)?;
        let end = number(1).transpose()?;
        let units = (len * 8 / unit.bits()) as u64;
        let range = within(start, end.unwrap_or(units as i64 - 1), units);
        let range = range.map(|range| range.start * unit.bits()..range.end * unit.bits());
        Ok(Self { range, ends: end.is_some() })
    }
}

/// As [`indexes`], except that two indexes before the beginning name the first element.
fn within(start: i64, end: i64, len: u64) -> Option<Range<usize>> {
    if start < 0 && end < 0 {
        let first = |index: i64| index.saturating_add(len as i64).max(0);
        return indexes(first(start), first(end), len);
    }
    indexes(start, end, len)
}

/// The first bit of `range` that is as `bit` says. The range is within `bytes` and not empty.
fn find(bytes: &[u8], bit: bool, range: Range<usize>) -> Option<usize> {
    let skipped = if bit { 0x00 } else { 0xff };
    let (first, last) = (range.start / 8, range.end.div_ceil(8));
    let head = (bytes[first] ^ skipped) & (0xff >> (range.start % 8));
    let position = if head == 0 {
        let at = first + 1 + find_other(&bytes[first + 1..last], skipped)?;
        at * 8 + (bytes[at] ^ skipped).leading_zeros() as usize
    } else {
        first * 8 + head.leading_zeros() as usize
    };
    (position < range.end).then_some(position)
}

/// Index of the first byte that is not `skipped`; eight are compared at once.
fn find_other(bytes: &[u8], skipped: u8) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let equal = words.iter().take_while(|word| **word == [skipped; 8]).count() * 8;
    bytes[equal..].iter().position(|&byte| byte != skipped).map(|at| equal + at)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_first_bit_of_every_range_is_found() {
        for (filler, other) in [(0x00, 0x01), (0xff, 0x80), (0x00, 0x10), (0xff, 0xfe)] {
            for changed in [0, 1, 7, 8, 15, 16, 30, 31] {
                let mut bytes = [filler; 32];
                bytes[changed] = other;
                for bit in [false, true] {
                    let is = |at: &usize| (bytes[at / 8] >> (7 - at % 8) & 1 == 1) == bit;
                    for start in 0..256 {
                        for end in [start + 1, start + 9, 255, 256] {
                            let range = start..end.clamp(start + 1, 256);
                            assert_eq!(find(&bytes, bit, range.clone()), range.clone().find(is), "{range:?}");
                        }
                    }
                }
            }
        }
    }
}
