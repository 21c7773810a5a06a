//! What small collections were packed into before listpacks, to be read from dumps of Redis up to 6.2.
//!
//! ```text
//! bytes u32 | offset of the last u32 | elements u16 | element … | 0xff      element: length of the one before | head | text
//! ```
//!
//! The length before is one byte, or 0xfe and four. A head is one of
//!
//! ```text
//! 00xxxxxx, 01xxxxxx x, 0x80 x x x x        text of that many bytes, big-endian
//! 0xfe, 0xc0, 0xf0, 0xd0, 0xe0              integer of 1, 2, 3, 4, 8 bytes
//! 0xf1 to 0xfd                              integer 0 to 12
//! ```
//!
//! Source: Redis `src/ziplist.c`.

use crate::structures::listpack::{self, Element, ListpackMut, Position};

const HEADER_BYTES: usize = 10;
const END: u8 = 0xff;
/// The number of elements that says that there are too many to say.
const MANY: usize = u16::MAX as usize;

/// The elements of foreign bytes, packed as a listpack, if they are a ziplist to the last byte.
pub(crate) fn to_listpack(bytes: &[u8]) -> Option<Vec<u8>> {
    let elements = elements(bytes)?;
    // Heads of listpacks are never more than five bytes longer.
    if bytes.len() + 6 * elements.len() > listpack::BYTES_MAX {
        return None;
    }
    let mut pack = listpack::EMPTY.to_vec();
    ListpackMut::new(&mut pack).insert_all(Position::START, elements.into_iter());
    Some(pack)
}

fn elements(bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let word = |at: usize| bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word) as usize);
    let stated = usize::from(u16::from_le_bytes(*bytes.get(8..)?.first_chunk()?));
    let (mut at, mut last, mut elements) = (HEADER_BYTES, HEADER_BYTES, Vec::new());
    while *bytes.get(at)? != END {
        let (before, head) = match bytes[at] {
            0xfe => (word(at + 1)?, at + 5),
            before => (usize::from(before), at + 1),
        };
        let expected = if elements.is_empty() { 0 } else { at - last };
        let (element, next) = element(bytes, head)?;
        if before != expected {
            return None;
        }
        elements.push(element);
        (last, at) = (at, next);
    }
    let is_whole = word(0)? == bytes.len() && at + 1 == bytes.len();
    let is_right = word(4)? == last && (stated == MANY || stated == elements.len());
    (is_whole && is_right).then_some(elements)
}

/// The element whose head is at `at`, and where the next begins.
fn element(bytes: &[u8], at: usize) -> Option<(Element<'_>, usize)> {
    let head = *bytes.get(at)?;
    let text = |from: usize, len: usize| {
        let end = from.checked_add(len)?;
        Some((Element::of(bytes.get(from..end)?), end))
    };
    let int = |width: usize| {
        let (from, mut whole) = (at + 1, [0; 8]);
        whole[8 - width..].copy_from_slice(bytes.get(from..from + width)?);
        Some((Element::Int(i64::from_le_bytes(whole) >> (64 - 8 * width)), from + width))
    };
    match head {
        0..0x40 => text(at + 1, head.into()),
        0x40..0x80 => text(at + 2, usize::from(head & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?)),
        0x80 => text(at + 5, u32::from_be_bytes(*bytes.get(at + 1..)?.first_chunk()?) as usize),
        0xfe => int(1),
        0xc0 => int(2),
        0xf0 => int(3),
        0xd0 => int(4),
        0xe0 => int(8),
        0xf1..=0xfd => Some((Element::Int(i64::from(head - 0xf1)), at + 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::listpack::Listpack;

    #[test]
    fn a_ziplist_is_read_to_its_last_byte_or_not_at_all() {
        let bytes = b"\x17\0\0\0\x14\0\0\0\x04\0\x00\x01a\x03\xfe\x9c\x03\xc0\xe8\x03\x04\xf6\xff";
        let pack = to_listpack(bytes).unwrap();
        let elements: Vec<_> = Listpack::new(&pack).iter().collect();
        assert_eq!(elements, [Element::Text(b"a"), Element::Int(-100), Element::Int(1000), Element::Int(5)]);
        for cut in 0..bytes.len() {
            assert_eq!(to_listpack(&bytes[..cut]), None, "{cut}");
        }
        for place in [0, 4, 8, 10, 13, 16, 20, 22] {
            let mut other = bytes.to_vec();
            other[place] ^= 1;
            assert_eq!(to_listpack(&other), None, "{place}");
        }
    }
}
