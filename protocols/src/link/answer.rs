//! Frames from a shard to a gateway: an answer, or a part of one.
//!
//! ```text
//! length u32 | id u32 | tail u8 | bytes for the client
//! ```

use super::Malformed;
use crate::limits::LINK_PART_BYTES_MAX;

/// Bytes of a frame before those for the client.
const HEAD_BYTES: usize = 9;

/// What comes after this frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// The answer goes on in another frame.
    Part,
    /// Nothing: this was all of it.
    Done,
    /// Nothing: this was all of it, and it is an error.
    Failed,
    /// The request was not executed, because the shard does not have its keys at this epoch; the bytes are empty.
    Moved,
}

impl Tail {
    const ALL: [Self; 4] = [Self::Part, Self::Done, Self::Failed, Self::Moved];
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The number of the request.
    pub id: u32,
    /// What comes after it.
    pub tail: Tail,
    /// What the client is to get.
    pub bytes: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Decodes the frame that `input` begins with, and says how long it is.
    ///
    /// # Errors
    /// What is wrong with it: the peer is not to be believed from then on. `Ok(Err(missing))` is the beginning of a
    /// frame, of which at least so many bytes (never 0) are missing.
    #[inline]
    pub fn decode(input: &'a [u8]) -> Result<Result<(Self, usize), usize>, Malformed> {
        const LENGTH_MAX: u64 = (HEAD_BYTES + LINK_PART_BYTES_MAX) as u64;
        let Some(&length) = input.first_chunk() else { return Ok(Err(HEAD_BYTES - input.len())) };
        let length = u32::from_le_bytes(length);
        if u64::from(length) > LENGTH_MAX {
            return Err(Malformed::TooLong(u64::from(length), LENGTH_MAX));
        }
        if (length as usize) < HEAD_BYTES {
            return Err(Malformed::TooShort(length));
        }
        let Some(frame) = input.get(..length as usize) else { return Ok(Err(length as usize - input.len())) };
        let id = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]);
        let tail = *Tail::ALL
            .get(usize::from(frame[8]))
            .ok_or(Malformed::Unknown(u32::from(frame[8]), "kind of answer"))?;
        Ok(Ok((Self { id, tail, bytes: &frame[HEAD_BYTES..] }, frame.len())))
    }
}

/// Begins a frame at the end of `out`; what is added after it belongs to the answer, until [`seal`].
#[inline]
pub fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; HEAD_BYTES]);
}

/// Ends the answer begun at `mark`. One that is too long for one frame becomes several.
#[inline]
pub fn seal(out: &mut Vec<u8>, mark: usize, id: u32, tail: Tail) {
    let bytes = out.len() - mark - HEAD_BYTES;
    if bytes > LINK_PART_BYTES_MAX {
        return seal_parts(out, mark, id, tail);
    }
    fill_head(&mut out[mark..], bytes, id, tail);
}

/// Makes room for the heads of the further parts, from the last to the first, so that each byte moves once.
#[cold]
fn seal_parts(out: &mut Vec<u8>, mark: usize, id: u32, tail: Tail) {
    let bytes = out.len() - mark - HEAD_BYTES;
    let parts = bytes.div_ceil(LINK_PART_BYTES_MAX);
    out.resize(out.len() + (parts - 1) * HEAD_BYTES, 0);
    for part in (0..parts).rev() {
        let begin = part * LINK_PART_BYTES_MAX;
        let end = bytes.min(begin + LINK_PART_BYTES_MAX);
        let from = mark + HEAD_BYTES;
        let head = mark + begin + part * HEAD_BYTES;
        out.copy_within(from + begin..from + end, head + HEAD_BYTES);
        let tail = if part + 1 == parts { tail } else { Tail::Part };
        fill_head(&mut out[head..], end - begin, id, tail);
    }
}

#[inline]
fn fill_head(frame: &mut [u8], bytes: usize, id: u32, tail: Tail) {
    frame[..4].copy_from_slice(&((HEAD_BYTES + bytes) as u32).to_le_bytes());
    frame[4..8].copy_from_slice(&id.to_le_bytes());
    frame[8] = tail as u8;
}
