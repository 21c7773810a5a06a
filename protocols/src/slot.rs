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

fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr(b'{', key)?;
    let rest = &key[open + 1..];
    match memchr::memchr(b'}', rest)? {
        0 => None,
        close => Some(&rest[..close]),
    }
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
