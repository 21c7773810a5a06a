//! The answers of RESP, as far as who merges them has to know: where each ends, and what it begins with.

use crate::number::integer;

/// Collections within collections up to which an answer is understood. Ours nest five deep at the most.
const DEPTH_MAX: usize = 32;

/// What an answer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// `:`
    Integer(i64),
    /// `*`, and how many elements follow.
    Array(usize),
    /// Anything else.
    Other,
}

/// The first line of an answer, and what follows it; `None` if that is no line of an answer.
pub fn head(answer: &[u8]) -> Option<(Head, &[u8])> {
    let (mark, line, rest) = first_line(answer)?;
    let head = match mark {
        b':' => Head::Integer(integer(line)?),
        b'*' => match integer(line)? {
            count @ 0.. => Head::Array(usize::try_from(count).ok()?),
            _ => Head::Other,
        },
        _ => Head::Other,
    };
    Some((head, rest))
}

/// The bulk string that `input` begins with, and what follows it.
pub fn bulk(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (b'$', line, rest) = first_line(input)? else { return None };
    let (bulk, rest) = rest.split_at_checked(usize::try_from(integer(line)?).ok()?)?;
    Some((bulk, rest.strip_prefix(b"\r\n")?))
}

/// Bytes of the whole answer that `input` begins with; `None` if it does not hold one.
pub fn whole(input: &[u8]) -> Option<usize> {
    let mut rest = input;
    // Answers still to come, on each level.
    let mut levels = [0_u64; DEPTH_MAX];
    levels[0] = 1;
    let mut depth = 0;
    loop {
        while levels[depth] == 0 {
            if depth == 0 {
                return Some(input.len() - rest.len());
            }
            depth -= 1;
        }
        levels[depth] -= 1;
        let (mark, line, after) = first_line(rest)?;
        rest = after;
        let elements = match mark {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => 0,
            b'$' | b'=' | b'!' => {
                if let Ok(bytes) = usize::try_from(integer(line)?) {
                    rest = rest.get(bytes.checked_add(2)?..)?;
                }
                0
            }
            b'*' | b'~' | b'>' => u64::try_from(integer(line)?).unwrap_or(0),
            b'%' => u64::try_from(integer(line)?).unwrap_or(0).checked_mul(2)?,
            // An attribute, and then what it is about.
            b'|' => u64::try_from(integer(line)?).unwrap_or(0).checked_mul(2)?.checked_add(1)?,
            _ => return None,
        };
        if elements > 0 {
            depth += 1;
            *levels.get_mut(depth)? = elements;
        }
    }
}

fn first_line(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&mark, line) = input.split_first()?;
    let end = memchr::memchr(b'\r', line)?;
    let rest = line[end..].strip_prefix(b"\r\n")?;
    Some((mark, &line[..end], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_last_part_does() {
        for answer in [
            &b"+OK\r\n"[..],
            b"-ERR no\r\n",
            b":-5\r\n",
            b"$-1\r\n",
            b"$0\r\n\r\n",
            b"$4\r\na\r\nb\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
            b"%1\r\n+k\r\n~2\r\n_\r\n#t\r\n",
            b"|1\r\n+a\r\n+b\r\n,1.5\r\n",
            b"=7\r\ntxt:abc\r\n",
        ] {
            let input = [answer, b"+next\r\n"].concat();
            assert_eq!(whole(&input), Some(answer.len()), "{}", answer.escape_ascii());
            for cut in 0..answer.len() {
                assert_eq!(whole(&answer[..cut]), None, "{} cut at {cut}", answer.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        for input in [
            &b"GET k\r\n"[..],
            b"*a\r\n",
            b"$9999999999999999999\r\n",
            b"$5\r\nab\r\n",
            b"\r\n",
            b"+a\rb\r\n",
        ] {
            assert_eq!(whole(input), None, "{}", input.escape_ascii());
        }
        assert_eq!(whole(&b"*1\r\n".repeat(DEPTH_MAX + 1)), None);
        assert_eq!(whole(b"*9223372036854775807\r\n:1\r\n"), None);
    }

    #[test]
    fn a_head_is_told_from_what_follows() {
        assert_eq!(head(b":12\r\n"), Some((Head::Integer(12), &b""[..])));
        assert_eq!(head(b"*2\r\n:1\r\n"), Some((Head::Array(2), &b":1\r\n"[..])));
        assert_eq!(head(b"*-1\r\n"), Some((Head::Other, &b""[..])));
        assert_eq!(head(b"$1\r\nx\r\n"), Some((Head::Other, &b"x\r\n"[..])));
        assert_eq!(head(b":x\r\n"), None);
        assert_eq!(bulk(b"$2\r\nab\r\n:1\r\n"), Some((&b"ab"[..], &b":1\r\n"[..])));
        for input in [&b"$-1\r\n"[..], b"$2\r\nab", b"$2\r\nabc\r\n", b"+ab\r\n", b"$2\r\n"] {
            assert_eq!(bulk(input), None, "{}", input.escape_ascii());
        }
        assert_eq!(head(b""), None);
    }
}
