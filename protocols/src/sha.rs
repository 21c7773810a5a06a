//! Names of scripts: the SHA1 digests of their texts.

use std::fmt;

use sha1::{Digest as _, Sha1};

/// The SHA1 digest of a text, as 40 hexadecimal digits in small letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha([u8; Self::DIGITS]);

impl Sha {
    /// Hexadecimal digits of a digest.
    pub const DIGITS: usize = 40;

    /// That of a text.
    pub fn of(text: &[u8]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; Self::DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(Sha1::digest(text)) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        Self(digits)
    }

    /// The digest that a client names, in small letters or capitals. `None` if it is none.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let mut digits: [u8; Self::DIGITS] = digits.try_into().ok()?;
        digits.make_ascii_lowercase();
        digits.iter().all(u8::is_ascii_hexdigit).then_some(Self(digits))
    }

    /// The digits.
    pub fn as_bytes(&self) -> &[u8; Self::DIGITS] {
        &self.0
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_told_in_small_letters_and_read_in_any() {
        let sha = Sha::of(b"return 1");
        assert_eq!(sha.to_string(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        assert_eq!(Sha::parse(b"E0E1F9FABFC9D4800C877A703B823AC0578FF8DB"), Some(sha));
        for none in [&b""[..], b"e0e1", b"e0e1f9fabfc9d4800c877a703b823ac0578ff8dx", &[b'0'; 41]] {
            assert_eq!(Sha::parse(none), None);
        }
    }
}
