//! Base64 as meta commands carry binary keys: the standard alphabet with padding, decoded leniently.
//!
//! Source: memcached `base64.c`: bytes outside of the alphabet are skipped, the number of the others must
//! be a multiple of four, and the first padded group is the last one read.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of a letter; padding counts as 0.
fn value(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        b'=' => 0,
        _ => return None,
    })
}

/// Calls `put` with the place and value of each decoded byte and returns how many there are; `None` if
/// `encoded` is empty or malformed.
fn decode(at: impl Fn(usize) -> u8, length: usize, mut put: impl FnMut(usize, u8)) -> Option<usize> {
    let (mut group, mut letters, mut padding, mut decoded) = (0_u32, 0, 0, 0);
    for index in 0..length {
        let letter = at(index);
        let Some(value) = value(letter) else { continue };
        padding += usize::from(letter == b'=');
        group = group << 6 | u32::from(value);
        letters += 1;
        if letters % 4 == 0 {
            let bytes = 3_usize.checked_sub(padding).filter(|bytes| *bytes > 0)?;
            for byte in &group.to_be_bytes()[1..=bytes] {
                put(decoded, *byte);
                decoded += 1;
            }
            if padding > 0 {
                break;
            }
            group = 0;
        }
    }
    (decoded > 0).then_some(decoded)
}

/// How many bytes `encoded` stands for; `None` if it is malformed.
pub(super) fn decoded_bytes(encoded: &[u8]) -> Option<usize> {
    let letters = encoded.iter().filter(|letter| value(**letter).is_some()).count();
    if letters % 4 != 0 {
        return None;
    }
    decode(|index| encoded[index], encoded.len(), |_, _| {})
}

/// Decodes `key` onto its own beginning and returns the length; it has passed [`decoded_bytes`].
pub(super) fn decode_in_place(key: &mut [u8]) -> usize {
    let key = std::cell::Cell::from_mut(key).as_slice_of_cells();
    // A decoded byte is never written past the letters that were read for it.
    decode(|index| key[index].get(), key.len(), |index, byte| key[index].set(byte)).unwrap_or(0)
}

/// Appends `bytes` in base64.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let word =
            group.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for letter in 0..4 {
            out.push(if letter <= group.len() {
                ALPHABET[(word >> (18 - 6 * letter)) as usize & 63]
            } else {
                b'='
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded_again() {
        for length in 1..=187 {
            let bytes: Vec<u8> = (0..length).map(|index| (index * 37 + length) as u8).collect();
            let mut encoded = Vec::new();
            encode(&bytes, &mut encoded);
            assert_eq!(decoded_bytes(&encoded), Some(bytes.len()));
            let decoded = decode_in_place(&mut encoded);
            assert_eq!(encoded[..decoded], bytes);
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for encoded in [&b""[..], b"A", b"Zm9", b"A===", b"====", b"!!!!"] {
            assert_eq!(decoded_bytes(encoded), None, "{}", encoded.escape_ascii());
        }
        assert_eq!(decoded_bytes(b"Zm9v"), Some(3));
        assert_eq!(decoded_bytes(b"Zg=="), Some(1));
    }
}
