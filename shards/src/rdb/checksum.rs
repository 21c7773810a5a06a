//! The checksum of RDB files and `DUMP` payloads. Source: Redis `src/crc64.c`, the polynomial of Jones.

/// The polynomial with its bits in reverse order.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// What each byte adds, and what it adds when up to seven others follow it.
const TABLES: [[u64; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u64, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut later = 1;
    while later < 8 {
        byte = 0;
        while byte < 256 {
            let sum = tables[later - 1][byte];
            tables[later][byte] = sum >> 8 ^ tables[0][(sum & 0xff) as usize];
            byte += 1;
        }
        later += 1;
    }
    tables
};

/// The checksum of all of `bytes`.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    extended(0, bytes)
}

/// The checksum of what `sum` is that of, and of `bytes` behind it.
pub(super) fn extended(sum: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(sum, |sum, word| {
        let mixed = (sum ^ u64::from_le_bytes(*word)).to_le_bytes();
        mixed.iter().zip(TABLES.iter().rev()).fold(0, |sum, (&byte, table)| sum ^ table[usize::from(byte)])
    });
    rest.iter().fold(sum, |sum, byte| sum >> 8 ^ TABLES[0][usize::from(sum as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::{checksum, extended};

    #[test]
    fn sums_are_those_of_redis() {
        assert_eq!(checksum(b""), 0);
        assert_eq!(checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        for cut in 0..=9 {
            let (before, after) = b"123456789".split_at(cut);
            assert_eq!(extended(checksum(before), after), 0xe9c6_d914_c4b8_d9ca, "cut at {cut}");
        }
    }
}
