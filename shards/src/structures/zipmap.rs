//! What small hashes were packed into before Redis 2.6, to be read from its files.
//!
//! ```text
//! entries u8 | length | field | length | free u8 | value | free bytes … | 0xff
//! ```
//!
//! A length is one byte below 254, or 254 and four bytes, little-endian. The number of entries is not to be relied on:
//! 254 and more are not told.
//!
//! Source: Redis `src/zipmap.c`.

/// Stands before a length of four bytes.
const LONG: u8 = 254;
const END: u8 = 255;

/// The fields with their values in foreign bytes, if they are a zipmap to the last byte.
pub(crate) fn pairs(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let (mut rest, mut pairs) = (bytes.get(1..)?, Vec::new());
    while rest.first()? != &END {
        let field_bytes = length(&mut rest)?;
        let field = take(&mut rest, field_bytes)?;
        let value_bytes = length(&mut rest)?;
        let free = usize::from(take(&mut rest, 1)?[0]);
        pairs.push((field, take(&mut rest, value_bytes)?));
        take(&mut rest, free)?;
    }
    (rest.len() == 1).then_some(pairs)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    Some(taken)
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    match take(rest, 1)?[0] {
        END => None,
        LONG => Some(u32::from_le_bytes(*take(rest, 4)?.first_chunk()?) as usize),
        len => Some(len.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn a_zipmap_tells_its_pairs_and_nothing_else_does() {
        let map = b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world!!\xff";
        let expected: Vec<(&[u8], &[u8])> = vec![(b"foo", b"bar"), (b"hello", b"world")];
        assert_eq!(pairs(map), Some(expected));
        assert_eq!(pairs(b"\x00\xff"), Some(Vec::new()));
        for cut in 0..map.len() {
            assert_eq!(pairs(&map[..cut]), None, "cut at {cut}");
        }
        assert_eq!(pairs(b"\x01\xfe\xff\xff\xff\xfffoo\x03\x00bar\xff"), None);
        assert_eq!(pairs(b"\x00\xffmore"), None);
    }
}
