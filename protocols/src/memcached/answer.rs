//! Answers to Memcached clients, written in the dialect they asked in; nothing is allocated.

use super::{Item, Options, Status, base64};
use crate::error::Error;
use crate::reply::{Dialect, Reply};
use crate::request::Request;
use crate::table::Verb;
use crate::table::memcached::Memcached;

/// What may be told of an item.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found<'a> {
    /// The value.
    pub value: &'a [u8],
    /// Client flags.
    pub flags: u32,
    /// CAS value; 0 if nobody asked for it.
    pub cas: u64,
    /// Seconds left to live, begun ones counted; `None` is for ever.
    pub ttl_s: Option<u64>,
    /// Seconds since the last access before this one.
    pub idle_s: u64,
    /// Whether it had been read before.
    pub fetched: bool,
    /// Whether this client is the one to recache it.
    pub won: bool,
    /// Whether another client is.
    pub sent: bool,
    /// Whether it has been marked as stale.
    pub stale: bool,
}

/// The writer of one answer.
pub struct Answer<'r, 'o> {
    request: &'r Request<'r>,
    reply: &'r mut Reply<'o>,
}

impl<'r, 'o> Answer<'r, 'o> {
    /// A writer of the answer to `request`.
    #[inline]
    pub fn new(request: &'r Request<'r>, reply: &'r mut Reply<'o>) -> Self {
        Self { request, reply }
    }

    /// An item that was asked for: `VALUE …`, `VA …` or `HD …`, or a binary value.
    #[inline]
    pub fn item(&mut self, found: &Found<'_>) {
        match self.request.dialect {
            Dialect::MemcachedMeta => self.meta_item(found),
            Dialect::MemcachedBinary => self.binary_item(found),
            _ => self.text_item(found),
        }
    }

    /// The item that was asked for is not there.
    #[inline]
    pub fn miss(&mut self) {
        let item = self.request.item;
        match self.request.dialect {
            Dialect::MemcachedBinary if item.quiet => {}
            Dialect::MemcachedBinary if item.has(Options::KEY) => {
                let key = self.request.args.at(1);
                self.packet(Status::End.binary().0, 0, &[], key, &[]);
            }
            Dialect::MemcachedBinary | Dialect::MemcachedMeta => self.status(Status::End, 0),
            _ => self.end_of_keys(),
        }
    }

    /// Something was done or refused; `cas` is the CAS value the item has now, 0 if it was not stored.
    #[inline]
    pub fn status(&mut self, status: Status, cas: u64) {
        let Item { quiet, .. } = *self.request.item;
        match self.request.dialect {
            Dialect::MemcachedMeta if !status.has_code() => self.line(status.line().as_bytes()),
            Dialect::MemcachedMeta if quiet && matches!(status.code(), "HD" | "EN") => {}
            Dialect::MemcachedMeta => self.meta_status(status, cas),
            Dialect::MemcachedBinary => self.binary_status(status, cas),
            _ if quiet => {}
            _ => self.line(status.line().as_bytes()),
        }
    }

    /// The answer to a touch that found its item.
    pub fn touched(&mut self, flags: u32, cas: u64) {
        if self.request.dialect == Dialect::MemcachedBinary {
            self.packet(0, cas, &flags.to_be_bytes(), &[], &[]);
        } else {
            self.status(Status::Touched, cas);
        }
    }

    /// The new value of a counter, `found.value` in digits; `created` if it was missing before.
    pub fn number(&mut self, value: u64, found: &Found<'_>, created: bool) {
        let Item { quiet, .. } = *self.request.item;
        match self.request.dialect {
            Dialect::MemcachedBinary if quiet => {}
            Dialect::MemcachedBinary => self.packet(0, found.cas, &[], &[], &value.to_be_bytes()),
            Dialect::MemcachedMeta if quiet && !created => {}
            Dialect::MemcachedMeta => self.meta_number(found),
            _ if quiet => {}
            _ => self.line(found.value),
        }
    }

    /// What `me` tells of an item of `bytes` in memory.
    pub fn debug(&mut self, found: &Found<'_>, bytes: usize) {
        self.put(b"ME ");
        self.key_of_line();
        self.put(b" exp=");
        match found.ttl_s {
            None => self.put(b"-1"),
            Some(0) => self.put(b"0"),
            Some(seconds) => {
                self.put(b"-");
                self.decimal(seconds);
            }
        }
        self.put(b" la=");
        self.decimal(found.idle_s);
        self.put(b" cas=");
        self.decimal(found.cas);
        self.put(if found.fetched { b" fetch=yes" } else { b" fetch=no" });
        self.put(b" cls=1 size=");
        self.decimal(bytes as u64);
        self.put(b"\r\n");
    }

    /// `EN` of `me`, which repeats nothing.
    pub fn debug_miss(&mut self) {
        self.line(b"EN");
    }

    /// One figure of `stats`.
    pub fn stat(&mut self, name: &str, value: &str) {
        if self.request.dialect == Dialect::MemcachedBinary {
            return self.packet(0, 0, &[], name.as_bytes(), value.as_bytes());
        }
        for part in ["STAT ", name, " ", value, "\r\n"] {
            self.put(part.as_bytes());
        }
    }

    /// One item of `stats cachedump`; it expires at `exptime` Unix seconds, 0 is never.
    pub fn dumped(&mut self, key: &[u8], value_bytes: usize, exptime: u64) {
        self.put(b"ITEM ");
        self.put(key);
        self.put(b" [");
        self.decimal(value_bytes as u64);
        self.put(b" b; ");
        self.decimal(exptime);
        self.put(b" s]\r\n");
    }

    /// Bytes written so far.
    pub fn written(&self) -> usize {
        self.reply.mark()
    }

    /// The end of `stats`.
    pub fn stats_end(&mut self) {
        if self.request.dialect == Dialect::MemcachedBinary {
            self.packet(0, 0, &[], &[], &[]);
        } else {
            self.line(b"END");
        }
    }

    /// A text as the answer: a line, or the body of a binary answer.
    pub fn text(&mut self, text: &str) {
        match self.request.dialect {
            Dialect::MemcachedBinary if self.request.item.quiet => {}
            Dialect::MemcachedBinary => self.packet(0, 0, &[], &[], text.as_bytes()),
            _ => self.line(text.as_bytes()),
        }
    }

    /// Why a request failed, in words a Memcached client can read.
    pub fn error(&mut self, error: &Error) {
        let verb = self.request.row.verb;
        let status = match error {
            Error::WrongType => Status::WrongType,
            Error::OutOfMemory if counts(verb) => Status::OutOfMemory,
            Error::OutOfMemory => Status::OutOfMemoryStoring,
            Error::StringTooLong => Status::TooLarge,
            Error::NoAuth => Status::Unauthenticated,
            other => return self.other_error(other),
        };
        self.status(status, 0);
    }

    fn other_error(&mut self, error: &Error) {
        use std::io::Write as _;
        if self.request.dialect == Dialect::MemcachedBinary {
            let text = error.to_string();
            // Whoever tries again what failed for the time being must not do so with what is in doubt.
            let is_unavailable = matches!(error, Error::Unserved) || text.starts_with("CLUSTERDOWN");
            let status = if is_unavailable { Status::TemporaryFailure } else { Status::Internal };
            return self.packet(status.binary().0, 0, &[], &[], text.as_bytes());
        }
        // Writing into a Vec cannot fail.
        let _ = write!(self.reply.out(), "SERVER_ERROR {error}\r\n");
    }

    // Classic text.

    #[inline]
    fn text_item(&mut self, found: &Found<'_>) {
        let key = self.request.args.at(1);
        let with_cas = self.request.item.has(Options::CAS);
        let out = self.reply.out();
        out.reserve(key.len() + found.value.len() + 64);
        out.extend_from_slice(b"VALUE ");
        out.extend_from_slice(key);
        out.push(b' ');
        out.extend_from_slice(itoa::Buffer::new().format(found.flags).as_bytes());
        out.push(b' ');
        out.extend_from_slice(itoa::Buffer::new().format(found.value.len()).as_bytes());
        if with_cas {
            out.push(b' ');
            out.extend_from_slice(itoa::Buffer::new().format(found.cas).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(found.value);
        out.extend_from_slice(b"\r\n");
        self.end_of_keys();
    }

    #[inline]
    fn end_of_keys(&mut self) {
        if self.request.item.has(Options::LAST) {
            self.put(b"END\r\n");
        }
    }

    // Meta.

    #[inline]
    fn meta_item(&mut self, found: &Found<'_>) {
        let valued = self.request.item.has(Options::VALUE);
        self.meta_head(valued, found.value.len());
        for flag in flags(self.request) {
            self.meta_flag(flag, found);
            match flag[0] {
                b's' => self.number_flag(b" s", found.value.len() as u64),
                b'f' => self.number_flag(b" f", found.flags.into()),
                b'l' => self.number_flag(b" l", found.idle_s),
                b'h' => self.number_flag(b" h", found.fetched.into()),
                _ => {}
            }
        }
        for (mark, set) in [(b" Z", found.sent), (b" X", found.stale), (b" W", found.won)] {
            if set {
                self.put(mark);
            }
        }
        self.meta_value(valued, found.value);
    }

    fn meta_number(&mut self, found: &Found<'_>) {
        let valued = self.request.item.has(Options::VALUE);
        self.meta_head(valued, found.value.len());
        flags(self.request).for_each(|flag| self.meta_flag(flag, found));
        self.meta_value(valued, found.value);
    }

    fn meta_head(&mut self, valued: bool, value_bytes: usize) {
        if valued {
            self.number_flag(b"VA ", value_bytes as u64);
        } else {
            self.put(b"HD");
        }
    }

    fn meta_value(&mut self, valued: bool, value: &[u8]) {
        self.put(b"\r\n");
        if valued {
            self.put(value);
            self.put(b"\r\n");
        }
    }

    /// Flags that mean the same in the answers of `mg` and `ma`.
    fn meta_flag(&mut self, flag: &[u8], found: &Found<'_>) {
        match (flag[0], found.ttl_s) {
            (b't', None) => self.put(b" t-1"),
            (b't', Some(seconds)) => self.number_flag(b" t", seconds),
            (b'c', _) => self.number_flag(b" c", found.cas),
            _ => self.echo(flag),
        }
    }

    fn meta_status(&mut self, status: Status, cas: u64) {
        self.put(status.code().as_bytes());
        let stores = stores(self.request.row.verb);
        for flag in flags(self.request) {
            if flag[0] == b'c' && stores {
                self.number_flag(b" c", cas);
            } else {
                self.echo(flag);
            }
        }
        self.put(b"\r\n");
    }

    /// The opaque and the key are repeated.
    fn echo(&mut self, flag: &[u8]) {
        match flag[0] {
            b'O' => {
                self.put(b" ");
                self.put(flag);
            }
            b'k' => {
                self.put(b" k");
                self.key_of_line();
                if self.request.item.has(Options::BASE64) {
                    self.put(b" b");
                }
            }
            _ => {}
        }
    }

    /// The key as it came.
    fn key_of_line(&mut self) {
        let key = self.request.args.at(1);
        if self.request.item.has(Options::BASE64) {
            base64::encode(key, self.reply.out());
        } else {
            self.put(key);
        }
    }

    // Binary.

    #[inline]
    fn binary_item(&mut self, found: &Found<'_>) {
        let key: &[u8] = if self.request.item.has(Options::KEY) { self.request.args.at(1) } else { &[] };
        self.packet(0, found.cas, &found.flags.to_be_bytes(), key, found.value);
    }

    fn binary_status(&mut self, status: Status, cas: u64) {
        let status = match (status, self.request.row.verb) {
            (Status::NotStored, Verb::Memcached(Memcached::Add)) => Status::Exists,
            (Status::NotStored, Verb::Memcached(Memcached::Replace)) => Status::NotFound,
            _ => status,
        };
        match status.binary() {
            (0, _) if self.request.item.quiet => {}
            (0, _) => self.packet(0, cas, &[], &[], &[]),
            (code, text) => self.packet(code, 0, &[], &[], text.as_bytes()),
        }
    }

    /// A binary answer: header, extras, key and value.
    fn packet(&mut self, status: u16, cas: u64, extras: &[u8], key: &[u8], value: &[u8]) {
        let Item { opcode, opaque, .. } = *self.request.item;
        let body = (extras.len() + key.len() + value.len()) as u32;
        let mut header = [0; 24];
        header[..2].copy_from_slice(&[0x81, opcode]);
        header[2..4].copy_from_slice(&(key.len() as u16).to_be_bytes());
        header[4] = extras.len() as u8;
        header[6..8].copy_from_slice(&status.to_be_bytes());
        header[8..12].copy_from_slice(&body.to_be_bytes());
        header[12..16].copy_from_slice(&opaque.to_be_bytes());
        header[16..].copy_from_slice(&cas.to_be_bytes());
        let out = self.reply.out();
        for part in [&header[..], extras, key, value] {
            out.extend_from_slice(part);
        }
    }

    // Pieces.

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.reply.out().extend_from_slice(bytes);
    }

    fn line(&mut self, text: &[u8]) {
        self.put(text);
        self.put(b"\r\n");
    }

    fn decimal(&mut self, value: u64) {
        self.put(itoa::Buffer::new().format(value).as_bytes());
    }

    fn number_flag(&mut self, flag: &[u8], value: u64) {
        self.put(flag);
        self.decimal(value);
    }
}

/// The flags of a meta command: everything after the key, or after the value where there is one.
fn flags<'r>(request: &Request<'r>) -> impl Iterator<Item = &'r [u8]> + use<'r> {
    let words = request.args.from(if stores(request.row.verb) { 3 } else { 2 });
    // A client's words have a letter at least; those of a link are as its other end has sent them.
    words.iter().filter(|flag| !flag.is_empty())
}

/// Whether a verb comes with a value.
fn stores(verb: Verb) -> bool {
    use Memcached::{Add, Append, Cas, Prepend, Replace, Set};
    matches!(verb, Verb::Memcached(Set | Add | Replace | Append | Prepend | Cas))
}

/// Whether a verb changes a counter.
fn counts(verb: Verb) -> bool {
    matches!(verb, Verb::Memcached(Memcached::Incr | Memcached::Decr))
}
