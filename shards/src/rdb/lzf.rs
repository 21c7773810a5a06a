//! Compression of strings in RDB: LZF, as Redis's copy of liblzf 3.6 writes it in its `VERY_FAST` way.
//!
//! ```text
//! 000lllll              l + 1 bytes follow as they are
//! lllooooo oooooooo     l + 2 bytes, l from 1 to 6, are those o + 1 bytes back
//! 111ooooo l oooooooo   the same for l + 9 bytes
//! ```

/// Bytes that are written as they are at one go, at most.
const LITERALS_MAX: usize = 1 << 5;
/// How far back the same bytes may lie.
const DISTANCE_MAX: usize = 1 << 13;
/// Bytes that are told by one reference, about.
const REFERENCE_MAX: usize = (1 << 8) + (1 << 3);
/// Bits of the hash of three bytes.
const HASH_BITS: u32 = 16;
/// The most bytes that come out of one.
pub(super) const GROWTH_MAX: usize = REFERENCE_MAX / 3 + 1;

/// Where three bytes of some hash were seen last. What is left in it of other strings does no harm: bytes are compared.
pub(super) struct Compressor {
    seen: Box<[u32]>,
}

impl Compressor {
    pub(super) fn new() -> Self {
        Self { seen: vec![0; 1 << HASH_BITS].into() }
    }

    /// The hash of the three bytes at `at`.
    fn slot(input: &[u8], at: usize) -> usize {
        let bytes = u32::from(input[at]) << 16 | u32::from(input[at + 1]) << 8 | u32::from(input[at + 2]);
        ((bytes >> (24 - HASH_BITS)).wrapping_sub(bytes.wrapping_mul(5)) & ((1 << HASH_BITS) - 1)) as usize
    }

    /// Where the three bytes at `at` were seen before, if they still can be told of; they have been seen at `at` now.
    fn look(&mut self, input: &[u8], at: usize) -> Option<usize> {
        let slot = &mut self.seen[Self::slot(input, at)];
        let before = std::mem::replace(slot, at as u32) as usize;
        let is_near = before > 0 && before < at && at - before <= DISTANCE_MAX;
        (is_near && input[before..before + 3] == input[at..at + 3]).then_some(before)
    }

    /// `input` in less than `bytes_max` bytes, if it can be said so shortly.
    pub(super) fn compress(&mut self, input: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
        let (mut out, mut literals, mut at) = (vec![0], 0, 0);
        if input.len() < 3 || u32::try_from(input.len()).is_err() {
            return None;
        }
        let last = input.len() - 2;
        while at < last {
            let Some(before) = self.look(input, at) else {
                if out.len() >= bytes_max {
                    return None;
                }
                literal(&mut out, &mut literals, input[at]);
                at += 1;
                continue;
            };
            if out.len() - usize::from(literals == 0) + 4 >= bytes_max {
                return None;
            }
            end_literals(&mut out, literals);
            let len = common(input, before, at);
            reference(&mut out, at - before - 1, len - 2);
            out.push(0);
            literals = 0;
            at += len;
            if at >= last {
                break;
            }
            self.look(input, at - 2);
            self.look(input, at - 1);
        }
        if out.len() + 3 > bytes_max {
            return None;
        }
        input[at..].iter().for_each(|&byte| literal(&mut out, &mut literals, byte));
        end_literals(&mut out, literals);
        Some(out)
    }
}

/// How many bytes at `at` are as those at `before`; looks a little less far before the end, as liblzf does.
fn common(input: &[u8], before: usize, at: usize) -> usize {
    let max = (input.len() - at - 2).min(REFERENCE_MAX);
    let is_same = |len: usize| input[before + len] == input[at + len];
    let mut len = 3;
    if max > 16 {
        while len <= 18 && is_same(len) {
            len += 1;
        }
        if len <= 18 {
            return len;
        }
    }
    while len < max && is_same(len) {
        len += 1;
    }
    len
}

/// Adds a byte as it is; `literals` are those since the place that is to say how many they are.
fn literal(out: &mut Vec<u8>, literals: &mut usize, byte: u8) {
    out.push(byte);
    *literals += 1;
    if *literals == LITERALS_MAX {
        end_literals(out, *literals);
        out.push(0);
        *literals = 0;
    }
}

/// Says before them how many there are, or takes that place away if there are none.
fn end_literals(out: &mut Vec<u8>, literals: usize) {
    if literals == 0 {
        out.pop();
    } else {
        let place = out.len() - literals - 1;
        out[place] = (literals - 1) as u8;
    }
}

/// Says that `len` + 2 bytes are those `distance` + 1 back.
fn reference(out: &mut Vec<u8>, distance: usize, len: usize) {
    let [low, high, ..] = distance.to_le_bytes();
    if len < 7 {
        out.push(high + ((len as u8) << 5));
    } else {
        out.extend([high + (7 << 5), (len - 7) as u8]);
    }
    out.push(low);
}

/// The string of `len` bytes that `input` says, if it says one of just that length.
pub(super) fn decompress(input: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > input.len().saturating_mul(GROWTH_MAX) {
        return None;
    }
    let (mut out, mut at) = (Vec::with_capacity(len.min(4 * input.len())), 0);
    while let Some(&control) = input.get(at) {
        let (high, short) = (usize::from(control & 0x1f), usize::from(control >> 5));
        at += 1;
        if short == 0 {
            let literals = input.get(at..at + high + 1)?;
            out.extend_from_slice(literals);
            at += literals.len();
        } else {
            let mut count = short + 2;
            if short == 7 {
                count += usize::from(*input.get(at)?);
                at += 1;
            }
            let distance = (high << 8 | usize::from(*input.get(at)?)) + 1;
            at += 1;
            let from = out.len().checked_sub(distance)?;
            // Bytes that this adds may be among those it repeats.
            (from..from + count).for_each(|place| out.push(out[place]));
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_repeats_is_said_once() {
        let mut compressor = Compressor::new();
        assert_eq!(
            compressor.compress(&[b'a'; 100], 96).unwrap(),
            [1, b'a', b'a', 0xe0, 87, 0, 1, b'a', b'a']
        );
        assert_eq!(compressor.compress(b"0123456789abcdefghijklmnopqrst", 26), None);
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(
            pieces in prop::collection::vec((0..6_u8, 0..40_usize), 0..60), seed in any::<u64>(),
        ) {
            let mut dice = fastrand::Rng::with_seed(seed);
            let mut input = Vec::new();
            for (kind, len) in pieces {
                match kind {
                    0 => input.extend((0..len).map(|_| dice.u8(..))),
                    1 => input.extend(vec![dice.u8(..); len * 10]),
                    _ => input.extend(b"some words that come again and again".iter().take(len)),
                }
            }
            let mut compressor = Compressor::new();
            for _ in 0..2 {
                if let Some(short) = compressor.compress(&input, input.len().saturating_sub(4)) {
                    prop_assert!(short.len() < input.len());
                    prop_assert_eq!(decompress(&short, input.len()), Some(input.clone()));
                    prop_assert_eq!(decompress(&short, input.len() + 1), None);
                }
            }
        }

        #[test]
        fn any_bytes_are_taken_or_refused(input in prop::collection::vec(any::<u8>(), 0..60), len in 0..9000_usize) {
            if let Some(out) = decompress(&input, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
