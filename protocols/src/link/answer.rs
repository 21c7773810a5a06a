//! Frames from a shard to a gateway: an answer, or a part of one.
//!
//! ```text
//! length u32 | id u32 | tail u8 | bytes for the client
//! ```

use std::ops::Range;

use super::Malformed;
use crate::limits::LINK_PART_BYTES_MAX;

/// Bytes of the frame of an answer before those for the client.
pub const ANSWER_HEAD_BYTES: usize = 9;

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
    /// The answer. To execute the request took long: so many ns as the bytes say (u64), and which of its frame it is (u8).
    Took,
    /// The request was not executed, because the shard has not heard of this epoch yet; the bytes are empty. Neither is
    /// anything else of this epoch that comes over the same link, until [`super::Ask::again`].
    Behind,
    /// This is no answer, and its number is none: it is the beginning of what the shard says without being asked.
    SaidPart,
    /// The same, or the rest of it: see [`super::Said`].
    Said,
    /// The request waits for keys, or what is not answered yet of its frame for what takes long; the bytes are empty. The
    /// answer comes by the same number in the end, and may be [`Tail::Moved`], or [`Tail::Behind`], if none of it has come.
    Waits,
    /// The answer, in which one of several requests of a frame is answered with this error.
    Fault,
}

impl Tail {
    const ALL: [Self; 10] = [
        Self::Part,
        Self::Done,
        Self::Failed,
        Self::Moved,
        Self::Took,
        Self::Behind,
        Self::SaidPart,
        Self::Said,
        Self::Waits,
        Self::Fault,
    ];
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
        const LENGTH_MAX: u64 = (ANSWER_HEAD_BYTES + LINK_PART_BYTES_MAX) as u64;
        let Some(&length) = input.first_chunk() else { return Ok(Err(ANSWER_HEAD_BYTES - input.len())) };
        let length = u32::from_le_bytes(length);
        if u64::from(length) > LENGTH_MAX {
            return Err(Malformed::TooLong(u64::from(length), LENGTH_MAX));
        }
        if (length as usize) < ANSWER_HEAD_BYTES {
            return Err(Malformed::TooShort(length));
        }
        let Some(frame) = input.get(..length as usize) else { return Ok(Err(length as usize - input.len())) };
        let id = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]);
        let tail = *Tail::ALL
            .get(usize::from(frame[8]))
            .ok_or(Malformed::Unknown(u32::from(frame[8]), "kind of answer"))?;
        Ok(Ok((Self { id, tail, bytes: &frame[ANSWER_HEAD_BYTES..] }, frame.len())))
    }
}

/// Begins a frame at the end of `out`; what is added after it belongs to the answer, until [`seal`].
#[inline]
pub fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; ANSWER_HEAD_BYTES]);
}

/// Ends the answer begun at `mark`. One that is too long for one frame is taken out of `out`.
#[inline]
#[must_use]
pub fn seal(out: &mut Vec<u8>, mark: usize, id: u32, tail: Tail) -> Option<LongAnswer> {
    let bytes = out.len() - mark - ANSWER_HEAD_BYTES;
    if bytes > LINK_PART_BYTES_MAX {
        return Some(LongAnswer::take(out, mark, id, tail));
    }
    fill_head(&mut out[mark..], bytes, id, tail);
    None
}

/// As [`seal`], for what has to wait behind a long answer to the same frame.
#[cold]
#[must_use]
pub fn seal_apart(out: &mut Vec<u8>, mark: usize, id: u32, tail: Tail) -> LongAnswer {
    LongAnswer::take(out, mark, id, tail)
}

/// Adds a frame at `mark`, where one begins that answers the same requests, to say something of them before. Returns how
/// long it is.
#[cold]
pub fn say_before(out: &mut Vec<u8>, mark: usize, id: u32, tail: Tail, bytes: &[u8]) -> usize {
    let mut frame = vec![0; ANSWER_HEAD_BYTES];
    frame.extend_from_slice(bytes);
    fill_head(&mut frame, bytes.len(), id, tail);
    let length = frame.len();
    out.splice(mark..mark, frame);
    length
}

/// An answer too long for one frame. It gives one frame after the other, each in the place where it was written: the
/// head of a frame goes where the end of the one before was.
#[derive(Debug)]
pub struct LongAnswer {
    id: u32,
    tail: Tail,
    bytes: Vec<u8>,
    /// The frame to be sent now.
    frame: Range<usize>,
}

impl LongAnswer {
    /// Takes the answer begun at `mark` out of `out`; the lesser part of the two is copied.
    #[cold]
    fn take(out: &mut Vec<u8>, mark: usize, id: u32, tail: Tail) -> Self {
        let (bytes, begin) = if out.capacity() / 2 > out.len() - mark {
            (out.split_off(mark), 0)
        } else {
            let before = out[..mark].to_vec();
            (std::mem::replace(out, before), mark)
        };
        let mut answer = Self { id, tail, bytes, frame: begin..begin };
        answer.begin_frame(begin);
        answer
    }

    /// The number of the request.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The frame to be sent now.
    #[inline]
    pub fn frame(&self) -> &[u8] {
        &self.bytes[self.frame.clone()]
    }

    /// Goes on to the next frame. `false` if there is none.
    pub fn advance(&mut self) -> bool {
        let goes_on = self.frame.end < self.bytes.len();
        if goes_on {
            self.begin_frame(self.frame.end - ANSWER_HEAD_BYTES);
        }
        goes_on
    }

    /// Bytes of memory it takes until its last frame is sent.
    pub fn bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Writes the head of the frame that begins at `at`, over what has been sent.
    fn begin_frame(&mut self, at: usize) {
        let end = self.bytes.len().min(at + ANSWER_HEAD_BYTES + LINK_PART_BYTES_MAX);
        let tail = if end == self.bytes.len() { self.tail } else { Tail::Part };
        self.frame = at..end;
        fill_head(&mut self.bytes[at..], end - at - ANSWER_HEAD_BYTES, self.id, tail);
    }
}

#[inline]
pub(super) fn fill_head(frame: &mut [u8], bytes: usize, id: u32, tail: Tail) {
    frame[..4].copy_from_slice(&((ANSWER_HEAD_BYTES + bytes) as u32).to_le_bytes());
    frame[4..8].copy_from_slice(&id.to_le_bytes());
    frame[8] = tail as u8;
}
