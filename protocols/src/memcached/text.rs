//! Lines of text: classic commands. Source: memcached `doc/protocol.txt` and the behaviour of 1.6.18.

use memchr::memchr;
use nom::bytes::complete::{take_till1, take_while};
use nom::{IResult, Parser as _};

use super::{
    Authentication, Decoder, Dialect, Item, Options, Parsed, Rules, Status, base64, item_bytes, meta, number,
};
use crate::limits::{MEMCACHED_GET_LINE_BYTES_MAX, MEMCACHED_KEY_BYTES_MAX, MEMCACHED_LINE_BYTES_MAX};
use crate::request::Span;
use crate::table::Row;
use crate::table::memcached::Memcached;
use crate::table::memcached_server::MemcachedServer;

/// What remains of a line of keys, with what was said before them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    /// Bytes of the line that remain, its end included.
    bytes: u32,
    touch: bool,
    exptime: i32,
    options: Options,
}

/// What a line asks for.
pub(super) enum Asked {
    /// The line is the whole request.
    Line(&'static Row),
    /// A value of so many bytes and a line end follow; then come the flags, at this position of the line.
    Value { row: &'static Row, bytes: usize, flags_at: usize },
    /// A value follows that has to be thrown away.
    Refused(Status, usize),
    /// The words from this position on are keys.
    Keys { at: usize, touch: bool },
    /// Another protocol that happens to have lines.
    Close,
}

/// The next word of `line`: words are separated by blanks, and a zero byte ends the line.
fn word(line: &[u8]) -> IResult<&[u8], &[u8]> {
    let (line, _) = take_while(|byte| byte == b' ').parse(line)?;
    take_till1(|byte| byte == b' ' || byte == 0).parse(line)
}

/// Where the next word of `line` at or after `at` lies.
#[inline]
pub(super) fn next_word(line: &[u8], at: usize) -> Option<Span> {
    let (rest, word) = word(&line[at..]).ok()?;
    let end = line.len() - rest.len();
    Some(Span::new(end - word.len(), end))
}

/// The first `N` words of a line; more are only counted.
pub(super) struct Words<'a, const N: usize> {
    line: &'a [u8],
    spans: [Span; N],
    /// How many words the line has.
    pub(super) count: usize,
}

impl<'a, const N: usize> Words<'a, N> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        let mut words = Self { line, spans: [Span::new(0, 0); N], count: 0 };
        let mut at = 0;
        while let Some(span) = next_word(line, at) {
            if let Some(place) = words.spans.get_mut(words.count) {
                *place = span;
            }
            words.count += 1;
            at = span.end as usize;
        }
        words
    }

    /// Word `index`, empty if there are fewer.
    pub(super) fn at(&self, index: usize) -> &'a [u8] {
        let Span { start, end } = self.span(index);
        &self.line[start as usize..end as usize]
    }

    pub(super) fn span(&self, index: usize) -> Span {
        self.spans[index]
    }

    /// The last of the words, be it one too many to have been kept.
    fn says_noreply(&self) -> bool {
        self.count > 0 && self.count <= N && self.at(self.count - 1) == b"noreply"
    }
}

/// A request whose line has been read and whose value follows.
struct Value {
    row: &'static Row,
    dialect: Dialect,
    /// Which of the spans is the key.
    key: usize,
    /// Bytes of the value, without its line end.
    bytes: usize,
    /// Bytes of the line with and without its end.
    line_bytes: usize,
    line_end: usize,
    /// Where in the line the flags of a meta command begin.
    flags_at: usize,
}

impl Decoder {
    #[inline]
    pub(super) fn parse_text(
        &mut self,
        input: &mut [u8],
        rules: &Rules,
        spans: &mut Vec<Span>,
        item: &mut Item,
    ) -> Parsed {
        if let Some(keys) = self.keys.take() {
            return self.further_key(&input[..keys.bytes as usize], keys, spans, item);
        }
        let Some(found) = memchr(b'\n', &input[self.searched..]) else {
            self.searched = input.len();
            return if may_go_on(input) { Parsed::Whole(input.len() + 1) } else { Parsed::Close };
        };
        let bytes = self.searched + found + 1;
        let line = without_end(&input[..bytes]);
        if rules.authentication == Authentication::Needed {
            let line_end = line.len();
            return authenticate(input, line_end, bytes, spans);
        }
        let name = next_word(line, 0).unwrap_or(Span::new(0, 0));
        let begin = spans.len();
        spans.push(name);
        let (dialect, asked) = match line[name.start as usize..name.end as usize] {
            [b'm', verb] => (Dialect::MemcachedMeta, meta::line(verb, line, name, spans, item)),
            _ => (Dialect::MemcachedText, command(line, name, spans, item)),
        };
        match asked {
            Ok(Asked::Line(row)) => {
                decode_key(input, spans.get_mut(begin + 1), item);
                Parsed::Request(row, dialect, bytes)
            }
            Ok(Asked::Keys { at, touch }) => {
                let keys = Keys { bytes: 0, touch, exptime: item.exptime as i32, options: item.options };
                self.first_key(&input[..bytes], at, keys, spans, item)
            }
            Ok(Asked::Value { row, bytes: value_bytes, flags_at }) => {
                let line_end = line.len();
                let value = Value {
                    row,
                    dialect,
                    key: begin + 1,
                    bytes: value_bytes,
                    line_bytes: bytes,
                    line_end,
                    flags_at,
                };
                self.value(input, &value, rules.item_bytes_max, spans, item)
            }
            Ok(Asked::Refused(status, refused)) => Parsed::Answer { status, dialect, bytes, refused },
            Err(status) => Parsed::Answer { status, dialect, bytes, refused: 0 },
            Ok(Asked::Close) => Parsed::Close,
        }
    }

    /// The first of the keys of a line, after all of them were found to be short enough.
    #[inline]
    fn first_key(
        &mut self,
        line: &[u8],
        at: usize,
        keys: Keys,
        spans: &mut Vec<Span>,
        item: &mut Item,
    ) -> Parsed {
        let words = without_end(line);
        let (mut at_word, mut count) = (at, 0);
        while let Some(key) = next_word(words, at_word) {
            if key.len() > MEMCACHED_KEY_BYTES_MAX {
                return answer(Status::BadFormat, line.len());
            }
            at_word = key.end as usize;
            count += 1;
        }
        if count == 0 {
            return answer(Status::End, line.len());
        }
        self.key(line, at, keys, spans, item)
    }

    /// One more key of a line; its name is the empty word.
    fn further_key(&mut self, line: &[u8], keys: Keys, spans: &mut Vec<Span>, item: &mut Item) -> Parsed {
        spans.push(Span::new(0, 0));
        self.key(line, 0, keys, spans, item)
    }

    /// The key that is the next word at or after `at`.
    #[inline]
    fn key(&mut self, line: &[u8], at: usize, keys: Keys, spans: &mut Vec<Span>, item: &mut Item) -> Parsed {
        let words = without_end(line);
        let key = next_word(words, at).expect("the key was seen before");
        spans.push(key);
        item.exptime = i64::from(keys.exptime);
        item.options = keys.options;
        let bytes = if let Some(next) = next_word(words, key.end as usize) {
            let bytes = next.start as usize;
            self.keys = Some(Keys { bytes: (line.len() - bytes) as u32, ..keys });
            bytes
        } else {
            item.options.add(Options::LAST);
            line.len()
        };
        let verb = if keys.touch { Memcached::Gat } else { Memcached::Get };
        Parsed::Request(verb.row(), Dialect::MemcachedText, bytes)
    }

    /// The value after a line, once all of it is there.
    #[inline]
    fn value(
        &mut self,
        input: &mut [u8],
        value: &Value,
        item_bytes_max: usize,
        spans: &mut Vec<Span>,
        item: &Item,
    ) -> Parsed {
        let &Value { row, dialect, key: key_index, bytes, line_bytes, line_end, flags_at } = value;
        let key = spans[key_index];
        let key_bytes = if item.has(Options::BASE64) {
            base64::decoded_bytes(key.of(input)).unwrap_or(0)
        } else {
            key.len()
        };
        if item_bytes(key_bytes, item.flags, bytes) > item_bytes_max {
            let refused = bytes + 2;
            if dialect == Dialect::MemcachedText && row.verb != Memcached::Set.row().verb {
                return Parsed::Answer { status: Status::TooLarge, dialect, bytes: line_bytes, refused };
            }
            self.refused = refused;
            decode_key(input, spans.get_mut(key_index), item);
            return Parsed::Request(Memcached::TooLarge.row(), dialect, line_bytes);
        }
        let whole = line_bytes + bytes + 2;
        if input.len() < whole {
            return Parsed::Whole(whole);
        }
        if input[whole - 2..whole] != *b"\r\n" {
            return Parsed::Answer { status: Status::BadDataChunk, dialect, bytes: whole, refused: 0 };
        }
        spans.push(Span::new(line_bytes, line_bytes + bytes));
        push_words(&input[..line_end], flags_at, spans);
        decode_key(input, spans.get_mut(key_index), item);
        Parsed::Request(row, dialect, whole)
    }
}

fn answer(status: Status, bytes: usize) -> Parsed {
    Parsed::Answer { status, dialect: Dialect::MemcachedText, bytes, refused: 0 }
}

/// A line without its `\n` or `\r\n`. A lone `\r` stays, as in memcached.
#[inline]
fn without_end(line: &[u8]) -> &[u8] {
    match line {
        [.., _, b'\r', b'\n'] => &line[..line.len() - 2],
        [.., b'\n'] => &line[..line.len() - 1],
        _ => line,
    }
}

/// Adds the words of `line` from `at` on.
pub(super) fn push_words(line: &[u8], mut at: usize, spans: &mut Vec<Span>) {
    while let Some(word) = next_word(line, at) {
        spans.push(word);
        at = word.end as usize;
    }
}

/// Decodes a key that came in base64 in its place.
#[inline]
fn decode_key(input: &mut [u8], key: Option<&mut Span>, item: &Item) {
    if let (true, Some(key)) = (item.has(Options::BASE64), key) {
        let bytes = base64::decode_in_place(&mut input[key.start as usize..key.end as usize]);
        key.end = key.start + bytes as u32;
    }
}

/// Whether a line that has not ended yet may still become one: a short one, or one of many keys.
fn may_go_on(input: &[u8]) -> bool {
    if input.len() <= MEMCACHED_LINE_BYTES_MAX {
        return true;
    }
    let blanks = input.iter().take_while(|byte| **byte == b' ').count();
    let line = &input[blanks..];
    blanks <= 100
        && input.len() <= MEMCACHED_GET_LINE_BYTES_MAX
        && (line.starts_with(b"get ") || line.starts_with(b"gets "))
}

/// A classic command.
#[inline]
fn command(line: &[u8], name: Span, spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    let at = name.end as usize;
    match name.of(line) {
        b"get" | b"bget" => keys(line, at),
        b"gets" => {
            item.options.add(Options::CAS);
            keys(line, at)
        }
        b"set" => store(Memcached::Set, line, spans, item),
        b"gat" => touch_keys(line, at, item),
        b"gats" => {
            item.options.add(Options::CAS);
            touch_keys(line, at, item)
        }
        b"add" => store(Memcached::Add, line, spans, item),
        b"replace" => store(Memcached::Replace, line, spans, item),
        b"append" => store(Memcached::Append, line, spans, item),
        b"prepend" => store(Memcached::Prepend, line, spans, item),
        b"cas" => store(Memcached::Cas, line, spans, item),
        b"incr" => arithmetic(Memcached::Incr, line, spans, item),
        b"decr" => arithmetic(Memcached::Decr, line, spans, item),
        b"touch" => touch(line, spans, item),
        b"delete" => delete(line, spans, item),
        _ => administration(line, name, spans, item),
    }
}

fn keys(line: &[u8], at: usize) -> Result<Asked, Status> {
    next_word(line, at).ok_or(Status::Error)?;
    Ok(Asked::Keys { at, touch: false })
}

fn touch_keys(line: &[u8], at: usize, item: &mut Item) -> Result<Asked, Status> {
    let exptime = next_word(line, at).ok_or(Status::Error)?;
    item.exptime = number::i32(exptime.of(line)).ok_or(Status::BadExptime)?.into();
    item.options.add(Options::EXPTIME);
    Ok(Asked::Keys { at: exptime.end as usize, touch: true })
}

/// Takes note of `noreply` and of the key, the word after the name.
fn noreply_and_key<const N: usize>(
    words: &Words<'_, N>,
    spans: &mut Vec<Span>,
    item: &mut Item,
) -> Result<(), Status> {
    item.quiet = words.says_noreply();
    let key = words.span(1);
    spans.push(key);
    if key.len() > MEMCACHED_KEY_BYTES_MAX { Err(Status::BadFormat) } else { Ok(()) }
}

/// `set <key> <flags> <exptime> <bytes> [<cas>] [noreply]`.
#[inline]
fn store(verb: Memcached, line: &[u8], spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    let words = Words::<7>::of(line);
    let count = if verb == Memcached::Cas { 6 } else { 5 };
    if words.count != count && words.count != count + 1 {
        return Err(Status::Error);
    }
    noreply_and_key(&words, spans, item)?;
    item.flags = number::u32(words.at(2)).ok_or(Status::BadFormat)?;
    item.exptime = number::i32(words.at(3)).ok_or(Status::BadFormat)?.into();
    let bytes = number::i32(words.at(4)).ok_or(Status::BadFormat)?;
    if verb == Memcached::Cas {
        item.cas = number::u64(words.at(5)).ok_or(Status::BadFormat)?;
        item.options.add(Options::HAS_CAS);
    }
    Ok(Asked::Value { row: verb.row(), bytes: value_bytes(bytes)?, flags_at: line.len() })
}

/// The length of a value; with its line end it still is a positive 32-bit number.
pub(super) fn value_bytes(bytes: i32) -> Result<usize, Status> {
    if (0..=i32::MAX - 2).contains(&bytes) { Ok(bytes as usize) } else { Err(Status::BadFormat) }
}

/// `incr <key> <delta> [noreply]`.
fn arithmetic(verb: Memcached, line: &[u8], spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    let words = Words::<4>::of(line);
    if !(3..=4).contains(&words.count) {
        return Err(Status::Error);
    }
    noreply_and_key(&words, spans, item)?;
    item.delta = number::u64(words.at(2)).ok_or(Status::BadDelta)?;
    Ok(Asked::Line(verb.row()))
}

/// `touch <key> <exptime> [noreply]`.
fn touch(line: &[u8], spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    let words = Words::<4>::of(line);
    if !(3..=4).contains(&words.count) {
        return Err(Status::Error);
    }
    noreply_and_key(&words, spans, item)?;
    item.exptime = number::i32(words.at(2)).ok_or(Status::BadExptime)?.into();
    Ok(Asked::Line(Memcached::Touch.row()))
}

/// `delete <key> [0] [noreply]`; the 0 is what is left of a time that deletions once could be given.
fn delete(line: &[u8], spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    let words = Words::<4>::of(line);
    if !(2..=4).contains(&words.count) {
        return Err(Status::Error);
    }
    if words.count > 2 {
        item.quiet = words.says_noreply();
        let zero = words.at(2) == b"0";
        let valid = if words.count == 3 { zero || item.quiet } else { zero && item.quiet };
        if !valid {
            return Err(Status::BadDelete);
        }
    }
    noreply_and_key(&words, spans, item)?;
    item.quiet &= words.count > 2;
    Ok(Asked::Line(Memcached::Delete.row()))
}

/// Commands about the server.
fn administration(line: &[u8], name: Span, spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    let words = Words::<8>::of(line);
    match name.of(line) {
        b"version" => Ok(Asked::Line(MemcachedServer::Version.row())),
        b"quit" => {
            item.options.add(Options::CLOSE);
            Ok(Asked::Line(MemcachedServer::Quit.row()))
        }
        b"stats" => {
            (1..words.count.min(8)).for_each(|index| spans.push(words.span(index)));
            Ok(Asked::Line(MemcachedServer::Stats.row()))
        }
        b"flush_all" => flush_all(&words, item),
        b"verbosity" => verbosity(&words, spans, item),
        b"cache_memlimit" => cache_memlimit(&words, spans, item),
        b"shutdown" => Err(Status::ShutdownDisabled),
        b"slabs" => slabs(&words, item),
        b"lru_crawler" => lru_crawler(&words),
        b"watch" => {
            item.quiet = words.says_noreply();
            Err(Status::WatchDisabled)
        }
        _ => unknown(line, name),
    }
}

/// `flush_all [<delay>] [noreply]`.
fn flush_all(words: &Words<'_, 8>, item: &mut Item) -> Result<Asked, Status> {
    if words.count > 3 {
        return Err(Status::Error);
    }
    item.quiet = words.says_noreply();
    if words.count != 1 + usize::from(item.quiet) {
        item.exptime = number::i32(words.at(1)).ok_or(Status::BadExptime)?.into();
    }
    Ok(Asked::Line(Memcached::FlushAll.row()))
}

/// `verbosity <level> [noreply]`.
fn verbosity(words: &Words<'_, 8>, spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    if !(2..=3).contains(&words.count) {
        return Err(Status::Error);
    }
    item.quiet = words.says_noreply();
    number::u32(words.at(1)).ok_or(Status::BadFormat)?;
    spans.push(words.span(1));
    Ok(Asked::Line(MemcachedServer::Verbosity.row()))
}

/// `cache_memlimit <megabytes> [noreply]`.
fn cache_memlimit(words: &Words<'_, 8>, spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    if !(2..=3).contains(&words.count) {
        return Err(Status::Error);
    }
    item.quiet = words.says_noreply();
    item.delta = number::u32(words.at(1)).ok_or(Status::Error)?.into();
    spans.push(words.span(1));
    match item.delta {
        ..8 => Err(Status::MemlimitTooSmall),
        8..=1_000_000_000 => Ok(Asked::Line(MemcachedServer::CacheMemlimit.row())),
        _ => Err(Status::MemlimitNotBytes),
    }
}

/// There are no slabs; what memcached answers with `slab_reassign` off.
fn slabs(words: &Words<'_, 8>, item: &mut Item) -> Result<Asked, Status> {
    match words.at(1) {
        b"reassign" if words.count == 4 => Err(Status::ReassignDisabled),
        b"automove" if words.count >= 3 => {
            item.quiet = words.says_noreply();
            match number::u32(words.at(2)).ok_or(Status::BadFormat)? {
                0 => Err(Status::Ok),
                1 | 2 => Err(Status::ReassignDisabled),
                _ => Err(Status::Error),
            }
        }
        _ => Err(Status::Error),
    }
}

/// There is no crawler of LRU lists; what memcached answers with `no_lru_crawler`.
fn lru_crawler(words: &Words<'_, 8>) -> Result<Asked, Status> {
    match (words.at(1), words.count) {
        (b"crawl" | b"metadump", 3) => Err(Status::CrawlerDisabled),
        (b"enable", 2) => Err(Status::CrawlerFailed),
        _ => Err(Status::Error),
    }
}

/// No command. A request of HTTP is no mistake of a client but a misuse of this port.
fn unknown(line: &[u8], name: Span) -> Result<Asked, Status> {
    let mut last = name;
    while let Some(word) = next_word(line, last.end as usize) {
        last = word;
    }
    let resembles_command =
        matches!(name.of(line).first(), Some(b'g' | b's' | b'a' | b'c' | b'i' | b'd' | b't'));
    if name.len() >= 2 && !resembles_command && last.of(line).starts_with(b"HTTP/") {
        return Ok(Asked::Close);
    }
    Err(Status::Error)
}

/// What a client that has not authenticated may send: `set <any> <any> <any> <bytes>` with user and
/// password, separated by a blank, as the value. Source: memcached `-Y`.
fn authenticate(input: &[u8], line_end: usize, line_bytes: usize, spans: &mut Vec<Span>) -> Parsed {
    let words = Words::<5>::of(&input[..line_end]);
    let bytes = number::u32(words.at(4)).filter(|_| words.count >= 5 && words.at(0) == b"set");
    let Some(bytes) = bytes.map(|bytes| bytes as usize) else {
        return answer(Status::Unauthenticated, line_bytes);
    };
    if bytes > MEMCACHED_LINE_BYTES_MAX {
        return Parsed::Close;
    }
    let whole = line_bytes + bytes + 2;
    if input.len() < whole {
        return Parsed::Whole(whole);
    }
    if input[whole - 2..whole] != *b"\r\n" {
        return answer(Status::AuthenticationTermination, whole);
    }
    spans.push(words.span(0));
    spans.push(Span::new(line_bytes, line_bytes + bytes));
    Parsed::Request(MemcachedServer::Authenticate.row(), Dialect::MemcachedText, whole)
}
