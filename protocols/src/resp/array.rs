//! The leaves of the array grammar: length lines and bulk strings.
//!
//! They are nom parsers written by hand, because a request is a handful of them and each has to cost about
//! a nanosecond per byte of header and nothing per byte of data.

use nom::{Err, IResult, Needed};

use super::Limits;
use crate::error::Fault;
use crate::limits;
use crate::request::Span;

/// `*<count>\r\n`: how many arguments follow; 0 for an empty or null array.
#[inline(always)]
pub(super) fn header<'a>(
    input: &'a [u8],
    searched: usize,
    limits: &Limits,
) -> IResult<&'a [u8], usize, Fault> {
    let (rest, count) = length_line(input, searched, Fault::ArrayLengthLine)?;
    match count {
        Some(..=0) => Ok((rest, 0)),
        Some(count) if count as u64 > limits::ARGUMENTS_MAX as u64 => Err(Err::Failure(Fault::ArrayLength)),
        Some(count) if !limits.authenticated && count as usize > limits::UNAUTHENTICATED_ARGUMENTS_MAX => {
            Err(Err::Failure(Fault::UnauthenticatedArray))
        }
        Some(count) => Ok((rest, count as usize)),
        None => Err(Err::Failure(Fault::ArrayLength)),
    }
}

/// `$<bytes>\r\n<data>\r\n`: where the data lies, if `input` is at `position` of the request and no line end
/// is before `searched` of it.
#[inline(always)]
pub(super) fn bulk<'a>(
    input: &'a [u8],
    position: usize,
    searched: usize,
    limits: &Limits,
) -> IResult<&'a [u8], Span, Fault> {
    let (rest, bytes) = length_line(input, searched.saturating_sub(position), Fault::BulkLengthLine)?;
    if input[0] != b'$' {
        return Err(Err::Failure(Fault::ExpectedBulk(input[0])));
    }
    let bytes = match bytes {
        Some(bytes @ 0..) if bytes as u64 <= limits.bulk_bytes_max as u64 => bytes as usize,
        _ => return Err(Err::Failure(Fault::BulkLength)),
    };
    if !limits.authenticated && bytes > limits::UNAUTHENTICATED_BULK_BYTES_MAX {
        return Err(Err::Failure(Fault::UnauthenticatedBulk));
    }
    let start = position + (input.len() - rest.len());
    let end = start + bytes;
    if end + 2 > limits.request_bytes_max.min(u32::MAX as usize) {
        return Err(Err::Failure(Fault::RequestTooLong));
    }
    match rest.get(bytes + 2..) {
        Some(rest) => Ok((rest, Span::new(start, end))),
        None => Err(Err::Incomplete(Needed::new(bytes + 2 - rest.len()))),
    }
}

/// One mark, a number and a line end. `None` is a line that is no number; `overlong` is the fault of a line
/// without end.
#[inline(always)]
fn length_line(input: &[u8], searched: usize, overlong: Fault) -> IResult<&[u8], Option<i64>, Fault> {
    // Nearly every line is one of these two; the rest, valid or not, goes the slow way.
    match input {
        [_, digit @ b'0'..=b'9', b'\r', _, rest @ ..] => return Ok((rest, Some(i64::from(digit - b'0')))),
        [_, tens @ b'1'..=b'9', ones @ b'0'..=b'9', b'\r', _, rest @ ..] => {
            let value = i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
            return Ok((rest, Some(value)));
        }
        _ => {}
    }
    any_length_line(input, searched, overlong)
}

#[inline(never)]
fn any_length_line(input: &[u8], searched: usize, overlong: Fault) -> IResult<&[u8], Option<i64>, Fault> {
    let window = &input[..input.len().min(limits::INLINE_BYTES_MAX + 1)];
    let searched = searched.min(window.len());
    let Some(end) = memchr::memchr(b'\r', &window[searched..]).map(|at| at + searched) else {
        return Err(if window.len() > limits::INLINE_BYTES_MAX {
            Err::Failure(overlong)
        } else {
            Err::Incomplete(Needed::Unknown)
        });
    };
    match input.get(end + 2..) {
        // A line that lacks even its mark: the caller sees the `\r` in its place.
        Some(rest) => Ok((rest, input.get(1..end).and_then(crate::number::integer))),
        None => Err(Err::Incomplete(Needed::new(end + 2 - input.len()))),
    }
}
