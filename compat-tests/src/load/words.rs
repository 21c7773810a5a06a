//! Requests of RESP for any command, written from a pattern of words, and the ends of their replies.
//!
//! In a word `%k` is the key, and each further one of a request the next key; `%v` is a value and `%n` a number below
//! 1000. `%v*5` is five values, `%z*5` five pairs of a score and a member, `%f*5` five of a field and a value, and
//! `%g*5` five times a longitude, a latitude and a member.

use memchr::memchr;

use super::dialect::{Requests, Verdict, key_name};

/// Numbers that `%n` stands for.
const NUMBERS: u64 = 1000;

/// Writes one request.
pub(super) fn write(requests: &mut Requests, pattern: &[&str], mut key: u64, out: &mut Vec<u8>) {
    let words: usize =
        pattern.iter().map(|word| repeated(word).map_or(1, |(kind, times)| times * width(kind))).sum();
    out.extend_from_slice(format!("*{words}\r\n").as_bytes());
    let mut scratch = Vec::new();
    for word in pattern {
        match (*word, repeated(word)) {
            ("%k", _) => {
                bulk(&key_name(key), out);
                key += 1;
            }
            ("%v", _) => requests.value(out),
            (_, Some((kind, times))) => {
                for index in 0..times {
                    match kind {
                        'z' => {
                            bulk(index.to_string().as_bytes(), out);
                            bulk(format!("member:{index}").as_bytes(), out);
                        }
                        'g' => {
                            bulk(format!("13.{index:03}").as_bytes(), out);
                            bulk(format!("38.{:03}", index * 7 % 1000).as_bytes(), out);
                            bulk(format!("member:{index}").as_bytes(), out);
                        }
                        'f' => {
                            bulk(format!("field:{index}").as_bytes(), out);
                            requests.value(out);
                        }
                        _ => requests.value(out),
                    }
                }
            }
            (word, None) => {
                scratch.clear();
                let mut parts = word.split("%n");
                scratch.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
                for part in parts {
                    scratch.extend_from_slice(requests.random(NUMBERS).to_string().as_bytes());
                    scratch.extend_from_slice(part.as_bytes());
                }
                bulk(&scratch, out);
            }
        }
    }
}

/// What a word stands for several times, and how often.
fn repeated(word: &str) -> Option<(char, usize)> {
    let (kind, times) = word.strip_prefix('%')?.split_once('*')?;
    Some((kind.chars().next()?, times.parse().ok()?))
}

/// Words for each of those.
fn width(kind: char) -> usize {
    match kind {
        'v' => 1,
        'g' => 3,
        _ => 2,
    }
}

/// Adds one word.
pub(super) fn bulk(word: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

/// The length of the first reply in `input` and what it says; `None` while it is not whole.
pub(super) fn reply(input: &[u8]) -> Option<(usize, Verdict)> {
    let verdict = match *input.first()? {
        b'$' | b'*' if input.get(1) == Some(&b'-') => Verdict::Miss,
        b'-' => Verdict::Error,
        _ => Verdict::Done,
    };
    Some((end(input)?, verdict))
}

/// Where the value that `input` begins with ends.
fn end(input: &[u8]) -> Option<usize> {
    let line = memchr(b'\n', input)? + 1;
    let number = std::str::from_utf8(&input[1..line - 2]).ok().and_then(|text| text.parse::<i64>().ok());
    match (input[0], number) {
        (b'$', Some(bytes)) if bytes >= 0 => {
            let end = line + bytes as usize + 2;
            (end <= input.len()).then_some(end)
        }
        (b'*', Some(values)) => (0..values).try_fold(line, |at, _| Some(at + end(&input[at..])?)),
        _ => Some(line),
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::{Dialect, Operation};
    use super::*;

    #[test]
    fn a_pattern_becomes_a_request() {
        let written = |pattern: &'static [&'static str]| {
            let mut requests = Requests::new(Dialect::Resp, Operation::Words(pattern), 2);
            let mut out = Vec::new();
            requests.write(7, &mut out);
            String::from_utf8(out).unwrap()
        };
        let keys = "$16\r\nkey:000000000007\r\n$16\r\nkey:000000000008\r\n";
        assert_eq!(written(&["DEL", "%k", "%k"]), format!("*3\r\n$3\r\nDEL\r\n{keys}"));
        let pairs = "$1\r\n0\r\n$8\r\nmember:0\r\n$1\r\n1\r\n$8\r\nmember:1\r\n";
        assert_eq!(written(&["ZADD", "z", "%z*2"]), format!("*6\r\n$4\r\nZADD\r\n$1\r\nz\r\n{pairs}"));
        assert!(
            written(&["RPUSH", "%k", "%v*3"])
                .starts_with("*5\r\n$5\r\nRPUSH\r\n$16\r\nkey:000000000007\r\n$2\r\n")
        );
        let place = "$6\r\n13.000\r\n$6\r\n38.000\r\n$8\r\nmember:0\r\n";
        assert_eq!(written(&["GEOADD", "g", "%g*1"]), format!("*5\r\n$6\r\nGEOADD\r\n$1\r\ng\r\n{place}"));
        let number = written(&["GET", "a%nb"]);
        let number = number.rsplit("\r\n").nth(1).unwrap();
        assert!(number[1..number.len() - 1].parse::<u64>().unwrap() < NUMBERS, "{number}");
    }

    #[test]
    fn a_reply_of_any_kind_is_found_when_it_is_whole_and_not_before() {
        for (text, verdict) in [
            (":1\r\n", Verdict::Done),
            ("*0\r\n", Verdict::Done),
            ("*-1\r\n", Verdict::Miss),
            ("$-1\r\n", Verdict::Miss),
            ("*2\r\n$3\r\na\nb\r\n*2\r\n:1\r\n$-1\r\n", Verdict::Done),
            ("-ERR no\r\n", Verdict::Error),
        ] {
            for cut in 0..text.len() {
                assert_eq!(reply(&text.as_bytes()[..cut]), None, "{text} cut at {cut}");
            }
            assert_eq!(reply(text.repeat(2).as_bytes()), Some((text.len(), verdict)), "{text}");
        }
    }
}
