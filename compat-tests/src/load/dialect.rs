//! Requests and replies of the four languages, as far as a load needs them.

use memchr::memchr;

use super::words;

/// A language spoken to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// RESP2.
    Resp,
    /// Memcached classic text.
    Text,
    /// Memcached meta commands.
    Meta,
    /// Memcached binary protocol.
    Binary,
}

/// What is asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Read one key.
    Get,
    /// Store one key.
    Set,
    /// Any other command of RESP, by a pattern; see [`super::words`].
    Words(&'static [&'static str]),
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Stored, or found.
    Done,
    /// There is no such key.
    Miss,
    /// Refused.
    Error,
}

/// Bytes values are cut from, so that they differ without being made anew each time.
const VARIETY_BYTES: usize = 4096;

/// A writer of requests and reader of replies of one kind.
pub struct Requests {
    dialect: Dialect,
    operation: Operation,
    value_bytes: usize,
    /// What follows the key, up to the value.
    after_key: Vec<u8>,
    before_key: Vec<u8>,
    values: Vec<u8>,
    random: u64,
}

impl Requests {
    /// Requests for `operation` with values of `value_bytes`.
    pub fn new(dialect: Dialect, operation: Operation, value_bytes: usize) -> Self {
        let (before_key, after_key) = frame(dialect, operation, value_bytes);
        let mut requests = Self {
            dialect,
            operation,
            value_bytes,
            before_key,
            after_key,
            values: Vec::new(),
            random: 0x9E37_79B9_7F4A_7C15,
        };
        requests.values =
            (0..value_bytes + VARIETY_BYTES).map(|_| b'A' + requests.random(57) as u8).collect();
        requests
    }

    /// A number below `limit`, from the same sequence in every run.
    pub fn random(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        ((u128::from(self.random) * u128::from(limit)) >> 64) as u64
    }

    /// Writes the request for key number `key`.
    pub fn write(&mut self, key: u64, out: &mut Vec<u8>) {
        if let Operation::Words(pattern) = self.operation {
            return words::write(self, pattern, key, out);
        }
        out.extend_from_slice(&self.before_key);
        out.extend_from_slice(&key_name(key));
        out.extend_from_slice(&self.after_key);
        if self.operation == Operation::Set {
            let start = self.random(VARIETY_BYTES as u64) as usize;
            out.extend_from_slice(&self.values[start..start + self.value_bytes]);
            if self.dialect != Dialect::Binary {
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Writes a value as a word of RESP.
    pub(super) fn value(&mut self, out: &mut Vec<u8>) {
        let start = self.random(VARIETY_BYTES as u64) as usize;
        words::bulk(&self.values[start..start + self.value_bytes], out);
    }

    /// The length of the first reply in `input` and what it says; `None` while it is not whole.
    pub fn reply(&self, input: &[u8]) -> Option<(usize, Verdict)> {
        if let Operation::Words(_) = self.operation {
            return words::reply(input);
        }
        let (length, verdict) = match self.dialect {
            Dialect::Resp => resp_reply(input),
            Dialect::Text => text_reply(input),
            Dialect::Meta => meta_reply(input),
            Dialect::Binary => binary_reply(input),
        }?;
        (length <= input.len()).then_some((length, verdict))
    }
}

/// A key of 16 bytes.
pub(super) fn key_name(mut number: u64) -> [u8; 16] {
    let mut name = *b"key:000000000000";
    for digit in name[4..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    name
}

/// What stands before and after the key of a request.
fn frame(dialect: Dialect, operation: Operation, value_bytes: usize) -> (Vec<u8>, Vec<u8>) {
    use Operation::{Get, Set};
    let (before, after) = match (dialect, operation) {
        (_, Operation::Words(_)) => ("", String::new()),
        (Dialect::Resp, Get) => ("*2\r\n$3\r\nGET\r\n$16\r\n", "\r\n".into()),
        (Dialect::Resp, Set) => ("*3\r\n$3\r\nSET\r\n$16\r\n", format!("\r\n${value_bytes}\r\n")),
        (Dialect::Text, Get) => ("get ", "\r\n".into()),
        (Dialect::Text, Set) => ("set ", format!(" 0 0 {value_bytes}\r\n")),
        (Dialect::Meta, Get) => ("mg ", " v\r\n".into()),
        (Dialect::Meta, Set) => ("ms ", format!(" {value_bytes}\r\n")),
        (Dialect::Binary, Get) => return (binary_header(0, 0, 16), Vec::new()),
        (Dialect::Binary, Set) => {
            let mut header = binary_header(1, 8, 24 + value_bytes);
            header.extend_from_slice(&[0; 8]);
            return (header, Vec::new());
        }
    };
    (before.into(), after.into())
}

fn binary_header(opcode: u8, extras_bytes: u8, body_bytes: usize) -> Vec<u8> {
    let mut header = vec![0; 24];
    header[..5].copy_from_slice(&[0x80, opcode, 0, 16, extras_bytes]);
    header[8..12].copy_from_slice(&(body_bytes as u32).to_be_bytes());
    header
}

fn resp_reply(input: &[u8]) -> Option<(usize, Verdict)> {
    let line = line_end(input)?;
    Some(match input[0] {
        b'$' if input[1] == b'-' => (line, Verdict::Miss),
        b'$' => (line + number(&input[1..line]) + 2, Verdict::Done),
        b'+' => (line, Verdict::Done),
        _ => (line, Verdict::Error),
    })
}

fn text_reply(input: &[u8]) -> Option<(usize, Verdict)> {
    let line = line_end(input)?;
    Some(match &input[..2] {
        b"VA" => {
            let length = memchr::memrchr(b' ', &input[..line])?;
            (line + number(&input[length + 1..line]) + b"\r\nEND\r\n".len(), Verdict::Done)
        }
        b"ST" => (line, Verdict::Done),
        b"EN" => (line, Verdict::Miss),
        _ => (line, Verdict::Error),
    })
}

fn meta_reply(input: &[u8]) -> Option<(usize, Verdict)> {
    let line = line_end(input)?;
    Some(match &input[..2] {
        b"VA" => (line + number(&input[3..line]) + 2, Verdict::Done),
        b"HD" => (line, Verdict::Done),
        b"EN" => (line, Verdict::Miss),
        _ => (line, Verdict::Error),
    })
}

fn binary_reply(input: &[u8]) -> Option<(usize, Verdict)> {
    let header = input.first_chunk::<24>()?;
    let body = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
    let verdict = match u16::from_be_bytes([header[6], header[7]]) {
        0 => Verdict::Done,
        1 => Verdict::Miss,
        _ => Verdict::Error,
    };
    Some((24 + body, verdict))
}

/// One past the first line end of `input`.
fn line_end(input: &[u8]) -> Option<usize> {
    memchr(b'\n', input).map(|at| at + 1)
}

/// The decimal number `input` begins with.
fn number(input: &[u8]) -> usize {
    input
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |sum, byte| sum * 10 + usize::from(byte - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_form_of_its_dialect() {
        let written = |dialect, operation| {
            let mut requests = Requests::new(dialect, operation, 3);
            requests.values.fill(b'v');
            let mut out = Vec::new();
            requests.write(42, &mut out);
            out
        };
        let resp: &[u8] = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n$3\r\nvvv\r\n";
        assert_eq!(written(Dialect::Resp, Operation::Set), resp);
        assert_eq!(written(Dialect::Text, Operation::Set), b"set key:000000000042 0 0 3\r\nvvv\r\n");
        assert_eq!(written(Dialect::Meta, Operation::Get), b"mg key:000000000042 v\r\n");
        let binary = written(Dialect::Binary, Operation::Set);
        assert_eq!((binary.len(), &binary[..5]), (24 + 8 + 16 + 3, &[0x80, 1, 0, 16, 8][..]));
    }

    #[test]
    fn a_reply_is_found_when_it_is_whole_and_not_before() {
        let mut found = [0; 28];
        (found[0], found[11]) = (0x81, 4);
        let mut missing = [0; 24];
        missing[7] = 1;
        let cases: [(Dialect, &[u8], Verdict); 12] = [
            (Dialect::Resp, b"+OK\r\n", Verdict::Done),
            (Dialect::Resp, b"$3\r\na\nb\r\n", Verdict::Done),
            (Dialect::Resp, b"$-1\r\n", Verdict::Miss),
            (Dialect::Resp, b"-ERR no\r\n", Verdict::Error),
            (Dialect::Text, b"VALUE k 0 3\r\na\nb\r\nEND\r\n", Verdict::Done),
            (Dialect::Text, b"END\r\n", Verdict::Miss),
            (Dialect::Text, b"SERVER_ERROR out of memory\r\n", Verdict::Error),
            (Dialect::Meta, b"VA 3\r\na\nb\r\n", Verdict::Done),
            (Dialect::Meta, b"HD\r\n", Verdict::Done),
            (Dialect::Meta, b"EN\r\n", Verdict::Miss),
            (Dialect::Binary, &found, Verdict::Done),
            (Dialect::Binary, &missing, Verdict::Miss),
        ];
        for (dialect, reply, verdict) in cases {
            let requests = Requests::new(dialect, Operation::Get, 3);
            for cut in 0..reply.len() {
                assert_eq!(requests.reply(&reply[..cut]), None, "{} cut at {cut}", reply.escape_ascii());
            }
            let followed = [reply, reply].concat();
            assert_eq!(requests.reply(&followed), Some((reply.len(), verdict)), "{}", reply.escape_ascii());
        }
    }
}
