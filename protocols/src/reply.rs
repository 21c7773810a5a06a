//! The reply, written straight into the client's output buffer.
//!
//! A [`Reply`] never allocates and never looks back except to fill in the length of a collection whose
//! size was not known when it began ([`Reply::deferred`]). Memcached answers are written by
//! [`crate::memcached::answer`].

use std::io::Write as _;

use crate::error::{Error, Fault};

/// The language a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// RESP version 2.
    Resp2,
    /// RESP version 3 (after `HELLO 3`).
    Resp3,
    /// Memcached classic text commands.
    MemcachedText,
    /// Memcached meta commands.
    MemcachedMeta,
    /// Memcached binary protocol.
    MemcachedBinary,
}

impl Dialect {
    /// All of them, each at the place of its discriminant: how they are numbered where they have to be numbers.
    pub const ALL: [Self; 5] =
        [Self::Resp2, Self::Resp3, Self::MemcachedText, Self::MemcachedMeta, Self::MemcachedBinary];
}

/// A writer of replies onto the end of a client's output.
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    dialect: Dialect,
}

/// Where the length of a collection begun with [`Reply::deferred`] belongs.
#[must_use = "a deferred collection needs its length"]
pub struct Deferred {
    at: usize,
    kind: Collection,
}

/// The collections of RESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// `*`: elements in order.
    Array,
    /// `%` in RESP3, an array of twice the length in RESP2; the length counts pairs.
    Map,
    /// `~` in RESP3, an array in RESP2.
    Set,
    /// `>` in RESP3, an array in RESP2.
    Push,
}

impl<'a> Reply<'a> {
    /// A writer of `dialect` onto the end of `out`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, dialect: Dialect) -> Self {
        Self { out, dialect }
    }

    /// The language being written.
    #[inline]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The raw output, for the writers of other dialects.
    #[inline]
    pub fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Bytes written to this output so far; with [`Reply::rewind`] a way to take a reply back.
    #[inline]
    pub fn mark(&self) -> usize {
        self.out.len()
    }

    /// Takes back everything written since `mark`.
    pub fn rewind(&mut self, mark: usize) {
        self.out.truncate(mark);
    }

    fn resp3(&self) -> bool {
        self.dialect == Dialect::Resp3
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string; `text` holds no line end.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error, with line ends in it turned to spaces as Redis does.
    pub fn error(&mut self, error: impl std::fmt::Display) {
        let start = self.out.len();
        // Writing into a Vec cannot fail.
        let _ = write!(self.out, "-{error}");
        self.end_error(start);
    }

    /// The reply to a request that is refused.
    pub fn refuse(&mut self, error: &Error) {
        match error {
            Error::Composed(text) => self.error_of(&[text]),
            _ => self.error(error),
        }
    }

    /// Refuses to go on with a reply, begun at `mark`, that has become longer than `bytes_max`: a short request
    /// can ask for one long part of it a million times.
    ///
    /// # Errors
    /// [`Error::ReplyTooLong`].
    #[inline]
    pub fn check_since(&self, mark: usize, bytes_max: usize) -> Result<(), Error> {
        if self.out.len() - mark > bytes_max { Err(Error::ReplyTooLong) } else { Ok(()) }
    }

    /// An error that repeats what the client sent, which need not be text.
    pub fn error_of(&mut self, parts: &[&[u8]]) {
        let start = self.out.len();
        self.out.push(b'-');
        for part in parts {
            self.out.extend_from_slice(part);
        }
        self.end_error(start);
    }

    fn end_error(&mut self, start: usize) {
        for byte in &mut self.out[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// The last reply of a connection that does not speak RESP; nothing where Redis says nothing.
    pub fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::RequestTooLong => {}
            // Not text: the byte is repeated as it came.
            Fault::ExpectedBulk(got) => {
                self.error_of(&[b"ERR Protocol error: expected '$', got '", &[got], b"'"]);
            }
            _ => self.error(fault),
        }
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        self.out.push(b':');
        self.decimal(value);
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.out.push(b'$');
        self.decimal(bytes.len() as i64);
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// An integer as a bulk string.
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A floating-point number: `,` in RESP3, a bulk string in RESP2; with the fewest digits that tell it
    /// from its neighbours, as Redis writes it since 7.2.
    pub fn double(&mut self, value: f64) {
        let text = crate::number::Decimal::of(value);
        self.bulk_or_line(b',', text.as_bytes());
    }

    /// An integer of any size, given by its digits: `(` in RESP3, a bulk string in RESP2.
    pub fn big_number(&mut self, digits: impl AsRef<[u8]>) {
        self.bulk_or_line(b'(', digits.as_ref());
    }

    fn bulk_or_line(&mut self, mark: u8, text: &[u8]) {
        if self.resp3() { self.line(mark, text) } else { self.bulk(text) }
    }

    /// The null of this version: `$-1` or `_`.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(if self.resp3() { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// The null where an array was expected: `*-1` or `_`.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(if self.resp3() { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// A boolean: `#t` in RESP3, `:1` in RESP2.
    pub fn boolean(&mut self, value: bool) {
        let text: &[u8] = match (self.resp3(), value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        };
        self.out.extend_from_slice(text);
    }

    /// A verbatim string with its three-letter format in RESP3, a bulk string in RESP2.
    pub fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        if !self.resp3() {
            return self.bulk(text);
        }
        self.out.push(b'=');
        self.decimal(text.len() as i64 + 4);
        self.out.extend_from_slice(&format);
        self.out.push(b':');
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Opens an array of `count` elements.
    pub fn array(&mut self, count: usize) {
        self.collection(Collection::Array, count);
    }

    /// Opens a map of `pairs` key-value pairs.
    pub fn map(&mut self, pairs: usize) {
        self.collection(Collection::Map, pairs);
    }

    /// Opens a set of `count` elements.
    pub fn set(&mut self, count: usize) {
        self.collection(Collection::Set, count);
    }

    /// Opens a push of `count` elements: what the client did not ask for.
    pub fn push(&mut self, count: usize) {
        self.collection(Collection::Push, count);
    }

    /// Opens `pairs` attributes of what follows, which is a reply by itself. Only for RESP3.
    pub fn attribute(&mut self, pairs: usize) {
        self.out.push(b'|');
        self.decimal(pairs as i64);
    }

    /// Opens any collection of known size.
    pub fn collection(&mut self, kind: Collection, count: usize) {
        let (mark, count) = self.header(kind, count);
        self.out.push(mark);
        self.decimal(count as i64);
    }

    /// Opens a collection whose size is known only at its end; give it to [`Reply::finish`].
    pub fn deferred(&mut self, kind: Collection) -> Deferred {
        Deferred { at: self.out.len(), kind }
    }

    /// Writes the header of a deferred collection of `count` elements (pairs, for a map).
    #[expect(clippy::needless_pass_by_value, reason = "a length is filled in once")]
    pub fn finish(&mut self, deferred: Deferred, count: usize) {
        let (mark, count) = self.header(deferred.kind, count);
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(count).as_bytes();
        let mut header = [0; 24];
        header[0] = mark;
        header[1..=digits.len()].copy_from_slice(digits);
        header[digits.len() + 1..digits.len() + 3].copy_from_slice(b"\r\n");
        let header = &header[..digits.len() + 3];
        self.out.splice(deferred.at..deferred.at, header.iter().copied());
    }

    fn header(&self, kind: Collection, count: usize) -> (u8, usize) {
        match (self.resp3(), kind) {
            (_, Collection::Array) | (false, Collection::Set | Collection::Push) => (b'*', count),
            (false, Collection::Map) => (b'*', count * 2),
            (true, Collection::Map) => (b'%', count),
            (true, Collection::Set) => (b'~', count),
            (true, Collection::Push) => (b'>', count),
        }
    }

    fn line(&mut self, mark: u8, text: &[u8]) {
        self.out.push(mark);
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn decimal(&mut self, value: i64) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(dialect: Dialect, write: impl Fn(&mut Reply<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Reply::new(&mut out, dialect));
        String::from_utf8(out).unwrap()
    }

    /// What a reply is, how to write it, and what the client of each version gets.
    type Case = (&'static str, fn(&mut Reply<'_>), &'static str, &'static str);

    const CASES: &[Case] = &[
        ("ok", |reply| reply.ok(), "+OK\r\n", "+OK\r\n"),
        ("simple", |reply| reply.simple("PONG"), "+PONG\r\n", "+PONG\r\n"),
        ("error", |reply| reply.error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"),
        (
            "integer",
            |reply| reply.integer(i64::MIN),
            ":-9223372036854775808\r\n",
            ":-9223372036854775808\r\n",
        ),
        ("bulk", |reply| reply.bulk(b"a\r\n"), "$3\r\na\r\n\r\n", "$3\r\na\r\n\r\n"),
        ("empty bulk", |reply| reply.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n"),
        ("bulk integer", |reply| reply.bulk_integer(-12), "$3\r\n-12\r\n", "$3\r\n-12\r\n"),
        ("double", |reply| reply.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"),
        ("big number", |reply| reply.big_number("12"), "$2\r\n12\r\n", "(12\r\n"),
        ("null", |reply| reply.null(), "$-1\r\n", "_\r\n"),
        ("null array", |reply| reply.null_array(), "*-1\r\n", "_\r\n"),
        ("true", |reply| reply.boolean(true), ":1\r\n", "#t\r\n"),
        ("false", |reply| reply.boolean(false), ":0\r\n", "#f\r\n"),
        ("verbatim", |reply| reply.verbatim(*b"txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
        ("array", |reply| reply.array(2), "*2\r\n", "*2\r\n"),
        ("map", |reply| reply.map(2), "*4\r\n", "%2\r\n"),
        ("set", |reply| reply.set(2), "*2\r\n", "~2\r\n"),
        ("push", |reply| reply.push(2), "*2\r\n", ">2\r\n"),
    ];

    #[test]
    fn every_dialect_stands_at_its_number() {
        for (place, dialect) in Dialect::ALL.into_iter().enumerate() {
            assert_eq!(dialect as usize, place);
        }
    }

    #[test]
    fn every_type_is_written_as_its_version_has_it() {
        for (name, write, resp2, resp3) in CASES {
            assert_eq!(written(Dialect::Resp2, write), *resp2, "{name} in RESP2");
            assert_eq!(written(Dialect::Resp3, write), *resp3, "{name} in RESP3");
        }
    }

    #[test]
    fn a_collection_can_learn_its_length_at_its_end() {
        for (kind, resp2, resp3) in
            [(Collection::Array, '*', '*'), (Collection::Set, '*', '~'), (Collection::Push, '*', '>')]
        {
            for (dialect, mark) in [(Dialect::Resp2, resp2), (Dialect::Resp3, resp3)] {
                let text = written(dialect, |reply| {
                    reply.simple("before");
                    let outer = reply.deferred(kind);
                    let inner = reply.deferred(Collection::Array);
                    (0..10).for_each(|_| reply.integer(7));
                    reply.finish(inner, 10);
                    reply.finish(outer, 1);
                });
                assert_eq!(text, format!("+before\r\n{mark}1\r\n*10\r\n{}", ":7\r\n".repeat(10)));
            }
        }
        let map = |reply: &mut Reply<'_>| {
            let map = reply.deferred(Collection::Map);
            reply.finish(map, 0);
        };
        assert_eq!(written(Dialect::Resp2, map), "*0\r\n");
        assert_eq!(written(Dialect::Resp3, map), "%0\r\n");
    }

    #[test]
    fn a_reply_can_be_taken_back() {
        let text = written(Dialect::Resp2, |reply| {
            reply.ok();
            let mark = reply.mark();
            reply.bulk(b"wrong");
            reply.rewind(mark);
            reply.null();
        });
        assert_eq!(text, "+OK\r\n$-1\r\n");
    }

    #[test]
    fn an_error_repeats_what_need_not_be_text_up_to_a_zero_byte() {
        for (word, expected) in [
            (&b"\xff\r\n"[..], &b"-ERR no 'x\xff  ' here\r\n"[..]),
            (b"\xfe\0\xff", b"-ERR no 'x\xfe' here\r\n"),
        ] {
            let mut out = Vec::new();
            let error = Error::quoting("ERR no 'x", word, "' here");
            Reply::new(&mut out, Dialect::Resp2).refuse(&error);
            assert_eq!(out, expected, "{}", out.escape_ascii());
        }
    }

    #[test]
    fn a_fault_repeats_the_byte_it_is_about() {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, Dialect::Resp2);
        reply.fault(Fault::ExpectedBulk(0xff));
        reply.fault(Fault::ExpectedBulk(b'\r'));
        reply.fault(Fault::RequestTooLong);
        reply.fault(Fault::BulkLength);
        let expected = b"-ERR Protocol error: expected '$', got '\xff'\r\n\
            -ERR Protocol error: expected '$', got ' '\r\n\
            -ERR Protocol error: invalid bulk length\r\n";
        assert_eq!(out, expected);
    }
}
