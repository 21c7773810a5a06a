//! Keys that have changed, for clients that keep what they have read (`CLIENT TRACKING`).

use crate::link::Malformed;
use crate::link::tell;

/// A client that is told of keys, or has changed some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tracker {
    /// The number of the link, in this process, over which it is reached; 0 if it is a client of this process.
    pub link: u64,
    /// Its number there; 0 is nobody.
    pub client: u64,
}

/// What is not any more what somebody may have read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Everything.
    All,
    /// One key.
    Key {
        /// Which.
        key: Box<[u8]>,
        /// Who has read it since it was told of last.
        readers: Vec<Tracker>,
        /// Who has changed it.
        by: Tracker,
        /// Whether it has: if not, its readers are told because they are not remembered any longer.
        has_changed: bool,
        /// Whether that was before the request was executed that is executed now, to make room for it: its client is told
        /// before its reply.
        is_early: bool,
    },
}

/// The same as a shard tells it to a gateway, among what it says without being asked ([`crate::link::Tail::Said`]).
///
/// ```text
/// 8
/// 9 | by u64 | number of readers u32 | readers u64 … | key
/// 10 | for each key: by u64 | length u32 | key
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// Everything is stale.
    All,
    /// A key is, for clients that have read it.
    Read {
        /// Which.
        key: &'a [u8],
        /// Numbers of the gateway's clients.
        readers: Vec<u64>,
        /// Which of them has changed it; 0 is none.
        by: u64,
    },
    /// Keys have changed of which the gateway wants to be told in any case, and by which of its clients.
    Changed(Vec<(&'a [u8], u64)>),
}

const ALL: u8 = 8;
const READ: u8 = 9;
const CHANGED: u8 = 10;

impl<'a> Told<'a> {
    /// Whether this is one, and not a message.
    pub fn is_one(bytes: &[u8]) -> bool {
        matches!(bytes.first(), Some(&(ALL | READ | CHANGED)))
    }

    /// Adds the frames of it to the end of `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut head = Vec::new();
        match self {
            Self::All => tell(out, [&[ALL][..]]),
            Self::Read { key, readers, by } => {
                head.push(READ);
                head.extend_from_slice(&by.to_le_bytes());
                head.extend_from_slice(&(readers.len() as u32).to_le_bytes());
                head.extend(readers.iter().flat_map(|reader| reader.to_le_bytes()));
                tell(out, [&head, *key]);
            }
            Self::Changed(keys) => {
                head.push(CHANGED);
                for (key, by) in keys {
                    head.extend_from_slice(&by.to_le_bytes());
                    head.extend_from_slice(&(key.len() as u32).to_le_bytes());
                    head.extend_from_slice(key);
                }
                tell(out, [&head[..]]);
            }
        }
    }

    /// Reads what came in frames up to one of [`crate::link::Tail::Said`].
    ///
    /// # Errors
    /// It is none: the peer is not to be believed.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let too_short = Malformed::TooShort(bytes.len() as u32);
        let (&kind, mut rest) = bytes.split_first().ok_or(too_short)?;
        match kind {
            ALL if rest.is_empty() => Ok(Self::All),
            READ => {
                let by = long(&mut rest).ok_or(too_short)?;
                let count = short(&mut rest).ok_or(too_short)?;
                let (readers, key) = (count as usize)
                    .checked_mul(8)
                    .and_then(|bytes| rest.split_at_checked(bytes))
                    .ok_or(too_short)?;
                let readers =
                    readers.as_chunks().0.iter().map(|reader| u64::from_le_bytes(*reader)).collect();
                Ok(Self::Read { key, readers, by })
            }
            CHANGED => {
                let mut keys = Vec::new();
                while !rest.is_empty() {
                    let by = long(&mut rest).ok_or(too_short)?;
                    let length = short(&mut rest).ok_or(too_short)?;
                    let (key, others) = rest.split_at_checked(length as usize).ok_or(too_short)?;
                    keys.push((key, by));
                    rest = others;
                }
                Ok(Self::Changed(keys))
            }
            kind => Err(Malformed::Unknown(u32::from(kind), "kind of what is stale")),
        }
    }
}

fn long(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

fn short(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Answer, Said, Tail};
    use crate::messages::Kind;

    fn wire(told: &Told<'_>) -> Vec<u8> {
        let (mut wire, mut joined) = (Vec::new(), Vec::new());
        told.encode(&mut wire);
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let (answer, used) = Answer::decode(rest).unwrap().unwrap();
            joined.extend_from_slice(answer.bytes);
            rest = &rest[used..];
            assert_eq!(answer.tail == Tail::Said, rest.is_empty());
        }
        joined
    }

    #[test]
    fn what_is_stale_comes_back_as_it_was() {
        let long = vec![b'k'; 200_000];
        for told in [
            Told::All,
            Told::Read { key: b"", readers: vec![], by: 0 },
            Told::Read { key: &long, readers: vec![1, u64::MAX], by: 7 },
            Told::Changed(vec![]),
            Told::Changed(vec![(b"", 0), (&long, 9), (b"k", u64::MAX)]),
        ] {
            let wire = wire(&told);
            assert!(Told::is_one(&wire));
            assert_eq!(Told::decode(&wire), Ok(told));
        }
        let mut message = Vec::new();
        crate::link::say(&mut message, &Said { kind: Kind::Shard, channel: b"", payload: b"" });
        assert!(!Told::is_one(&message[crate::link::ANSWER_HEAD_BYTES..]));
    }

    #[test]
    fn what_ends_too_early_is_refused_wherever_it_does() {
        for told in [Told::Read { key: b"", readers: vec![1, 2], by: 7 }, Told::Changed(vec![(b"key", 9)])] {
            let wire = wire(&told);
            for end in 2..wire.len() {
                assert!(Told::decode(&wire[..end]).is_err(), "{told:?} up to {end}");
            }
        }
        for wrong in [&b""[..], b"\x03x", b"\x06"] {
            assert!(Told::decode(wrong).is_err());
        }
    }
}
