//! The 16,384 hash slots: CRC16 of the key, or of its hash tag.

/// Slots of the key space. Source: Redis Cluster specification.
pub const SLOTS: u16 = 16_384;

/// CRC16-CCITT (XModem): polynomial 0x1021, initial value 0.
#[inline]
pub fn crc16(bytes: &[u8]) -> u16 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let crc = eights.iter().fold(0, |crc: u16, &[a, b, c, d, e, f, g, h]| {
        let [high, low] = crc.to_be_bytes();
        // Each byte's share by itself, so that the eight look-ups do not wait for one another.
        let shares = [a ^ high, b ^ low, c, d, e, f, g, h];
        shares.iter().zip(&TABLES).fold(0, |crc, (&byte, table)| crc ^ table[usize::from(byte)])
    });
    rest.iter().fold(crc, |crc, &byte| (crc << 8) ^ TABLES[7][usize::from((crc >> 8) as u8 ^ byte)])
}

/// The slot of `key`: that of the text between the first `{` and the next `}` if there is any, else of
/// the whole key. Source: Redis Cluster specification, "Hash tags".
#[inline]
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(hash_tag(key).unwrap_or(key)) % SLOTS
}

/// Bytes up to which a key is looked through without preparation: that takes longer than the look.
const SHORT_BYTES: usize = 32;

#[inline]
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    if key.len() <= SHORT_BYTES && !has_brace(key) {
        return None;
    }
    let open = memchr::memchr(b'{', key)?;
    let rest = &key[open + 1..];
    match memchr::memchr(b'}', rest)? {
        0 => None,
        close => Some(&rest[..close]),
    }
}

/// Whether there is a `{`, eight bytes at a time.
#[inline]
fn has_brace(key: &[u8]) -> bool {
    let (eights, rest) = key.as_chunks::<8>();
    let has = |word: u64| {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        // A byte that is `{` is 0 here, and the only one that borrows without having had its highest bit.
        let zeroed = word ^ u64::from_ne_bytes([b'{'; 8]);
        zeroed.wrapping_sub(ONES) & !zeroed & (ONES << 7) != 0
    };
    eights.iter().any(|eight| has(u64::from_ne_bytes(*eight))) || rest.contains(&b'{')
}

/// `TABLES[i][b]` is the CRC of the byte `b` followed by `7 - i` zero bytes.
static TABLES: [[u16; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut table = 8;
        while table > 0 {
            table -= 1;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
                bit += 1;
            }
            tables[table][byte] = crc;
        }
        byte += 1;
    }
    tables
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc16_of_the_check_string_is_that_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn tags_are_found_in_keys_of_any_length() {
        for length in 0..80 {
            for at in 0..length {
                let mut key = vec![b'|'; length];
                key[at] = b'{';
                assert!(has_brace(&key), "{at} of {length}");
                key.extend_from_slice(b"a}b");
                let tag = &key[at + 1..key.len() - 2];
                assert_eq!(slot_of(&key), crc16(tag) % SLOTS, "{at} of {length}");
                key[at] = b'z';
                assert!(!has_brace(&key));
                assert_eq!(slot_of(&key), crc16(&key) % SLOTS);
            }
        }
    }

    #[test]
    fn crc16_of_any_length_is_the_remainder_bit_by_bit() {
        let bytes: Vec<u8> = (0..100_u8).map(|index| index.wrapping_mul(151) ^ 0x5a).collect();
        for length in 0..bytes.len() {
            let expected = bytes[..length].iter().fold(0_u16, |crc, &byte| {
                (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
                    if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
                })
            });
            assert_eq!(crc16(&bytes[..length]), expected, "{length} bytes");
        }
    }

    #[test]
    fn keys_with_one_hash_tag_share_a_slot() {
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
        assert_eq!(slot_of(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot_of(b"foo{{bar}}zap"), crc16(b"{bar") % SLOTS);
        assert_eq!(slot_of(b"foo{bar}{zap}"), crc16(b"bar") % SLOTS);
        assert_eq!(slot_of(b"foo{bar"), crc16(b"foo{bar") % SLOTS);
    }
}
