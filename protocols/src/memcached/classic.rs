//! Classic commands. Source: memcached `doc/protocol.txt` and the behaviour of 1.6.18.

use super::text::Asked;
use super::words::{Words, next_word};
use super::{Item, Options, Status, number};
use crate::limits::MEMCACHED_KEY_BYTES_MAX;
use crate::request::Span;
use crate::table::memcached::Memcached;
use crate::table::memcached_server::MemcachedServer;

/// What a line of a classic command asks for.
#[inline]
pub(super) fn command(
    line: &[u8],
    name: Span,
    spans: &mut Vec<Span>,
    item: &mut Item,
) -> Result<Asked, Status> {
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
            let dump = words.at(1) == b"cachedump";
            Ok(Asked::Line(if dump { Memcached::Cachedump.row() } else { MemcachedServer::Stats.row() }))
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
