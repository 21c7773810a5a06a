//! The link between a gateway and a shard: frames that need no parsing, only lengths to be believed.
//!
//! A gateway sends requests it has decoded, each as one frame with a number of its choice, or several of one client in one. The shard answers in
//! any order, with the bytes the client is to get, which the gateway copies. Long answers come in parts, so
//! that short ones of others may overtake them. Each side begins with a greeting ([`Greeting`]); what the two
//! must have in common is the version of the protocol and the command table.
//!
//! Numbers are little-endian. A frame begins with its own length, so half-received frames are not looked at.

mod answer;
mod errand;
mod figures;
mod greeting;
mod item;
mod request;
mod said;
#[cfg(test)]
mod tests;

pub use answer::{ANSWER_HEAD_BYTES, Answer, LongAnswer, Tail, begin, say_before, seal, seal_apart};
pub use errand::Errand;
pub use greeting::{Greeting, table_print};
pub use request::{Ask, Decoded, Outline, decode, decode_with, encode, extend, frame_bytes_max};
pub(crate) use said::tell;
pub use said::{Said, say};

use thiserror::Error;

/// Version of the frames; both sides must have the same.
pub const VERSION: u16 = 8;

/// Why a peer on a link is not believed any more. The link is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// It speaks another version of the link.
    #[error("version {0} of the link, where this is version {VERSION}")]
    Version(u16),
    /// A frame says of itself that it is longer than any may be.
    #[error("a frame of {0} bytes, where {1} are the most")]
    TooLong(u64, u64),
    /// A frame is shorter than what it holds.
    #[error("a frame of {0} bytes ends before what it holds does")]
    TooShort(u32),
    /// There is no such command in the table both should have.
    #[error("no command has the number {0}")]
    Row(u16),
    /// The command is not for shards.
    #[error("{0} is answered by gateways")]
    Misdirected(&'static str),
    /// The command does not take so many arguments.
    #[error("{0} does not take {1} arguments")]
    Arity(&'static str, u32),
    /// The arguments are not what the command takes.
    #[error("the arguments of {0} are not what it takes")]
    Arguments(&'static str),
    /// There is no such dialect, database, slot, or kind of answer.
    #[error("{0} is no {1}")]
    Unknown(u32, &'static str),
}

/// The number at the beginning of `bytes`.
#[inline]
fn number<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*number)
}
