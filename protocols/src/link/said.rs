//! What a shard says to a gateway without being asked: messages for those who listen.
//!
//! ```text
//! kind u8 | length of the channel u32 | channel | message
//! ```
//!
//! It travels in frames of [`super::Answer`], one after the other if it is long.

use super::Malformed;
use super::answer::{ANSWER_HEAD_BYTES, Tail, fill_head};
use crate::limits::LINK_PART_BYTES_MAX;
use crate::messages::Kind;

/// A message to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// Any but [`Kind::Pattern`].
    pub kind: Kind,
    /// The channel.
    pub channel: &'a [u8],
    /// The message.
    pub payload: &'a [u8],
}

impl<'a> Said<'a> {
    /// Reads what came in frames up to one of [`Tail::Said`].
    ///
    /// # Errors
    /// It is no message: the peer is not to be believed.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let too_short = Malformed::TooShort(bytes.len() as u32);
        let (&[kind, ref length @ ..], rest) = bytes.split_first_chunk::<5>().ok_or(too_short)?;
        let kind = match Kind::ALL.get(usize::from(kind)) {
            Some(kind @ (Kind::Channel | Kind::Shard | Kind::Scripts)) => *kind,
            Some(Kind::Pattern) | None => return Err(Malformed::Unknown(u32::from(kind), "kind of channel")),
        };
        let (channel, payload) =
            rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(too_short)?;
        Ok(Self { kind, channel, payload })
    }

    fn head(&self) -> [u8; 5] {
        let [a, b, c, d] = (self.channel.len() as u32).to_le_bytes();
        [self.kind as u8, a, b, c, d]
    }
}

/// Adds the frames of a message to the end of `out`.
pub fn say(out: &mut Vec<u8>, said: &Said<'_>) {
    tell(out, [&said.head()[..], said.channel, said.payload]);
}

/// Adds the frames of what is said without being asked, in parts, to the end of `out`.
pub(crate) fn tell<const N: usize>(out: &mut Vec<u8>, mut parts: [&[u8]; N]) {
    let mut left: usize = parts.iter().map(|part| part.len()).sum();
    loop {
        let bytes = left.min(LINK_PART_BYTES_MAX);
        left -= bytes;
        let tail = if left == 0 { Tail::Said } else { Tail::SaidPart };
        let mut frame = [0; ANSWER_HEAD_BYTES];
        fill_head(&mut frame, bytes, 0, tail);
        out.extend_from_slice(&frame);
        let mut room = bytes;
        for part in &mut parts {
            let (now, then) = part.split_at(part.len().min(room));
            out.extend_from_slice(now);
            room -= now.len();
            *part = then;
        }
        if left == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Answer;

    #[test]
    fn a_message_of_any_length_comes_back_as_it_was() {
        for bytes in [0, 1, LINK_PART_BYTES_MAX - 7, LINK_PART_BYTES_MAX - 6, 3 * LINK_PART_BYTES_MAX] {
            let payload: Vec<u8> = (0..=255).cycle().take(bytes).collect();
            let said = Said { kind: Kind::Shard, channel: b"ch", payload: &payload };
            let (mut wire, mut joined) = (Vec::new(), Vec::new());
            say(&mut wire, &said);
            let mut rest = &wire[..];
            while !rest.is_empty() {
                let (answer, used) = Answer::decode(rest).unwrap().unwrap();
                joined.extend_from_slice(answer.bytes);
                rest = &rest[used..];
                assert_eq!(answer.tail == Tail::Said, rest.is_empty(), "{bytes} bytes");
            }
            assert_eq!(Said::decode(&joined), Ok(said));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for wrong in [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\0", b"\x04\0\0\0\0", b"\0\x03\0\0\0ch"] {
            assert!(Said::decode(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
