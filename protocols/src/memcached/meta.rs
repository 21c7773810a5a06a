//! Lines of text: meta commands. Source: memcached `doc/protocol.txt`, "Meta Commands", as of 1.6.18.
//!
//! The flags of a command are checked and understood here and stay arguments, because the answer repeats
//! some of them in the order of the request.

use super::classic::value_bytes;
use super::text::Asked;
use super::words::Words;
use super::{Item, Options, Status, base64, number};
use crate::limits::{MEMCACHED_KEY_BYTES_MAX, MEMCACHED_META_WORDS_MAX, MEMCACHED_OPAQUE_BYTES_MAX};
use crate::request::Span;
use crate::table::memcached::Memcached;
use crate::table::memcached_server::MemcachedServer;

/// Words of a meta command that are looked at: the name, the key, and all flags allowed.
const WORDS: usize = MEMCACHED_META_WORDS_MAX;

/// A command `m<verb>`.
#[inline]
pub(super) fn line(
    verb: u8,
    line: &[u8],
    name: Span,
    spans: &mut Vec<Span>,
    item: &mut Item,
) -> Result<Asked, Status> {
    if verb == b'n' {
        return Ok(Asked::Line(MemcachedServer::Noop.row()));
    }
    let words = Words::<WORDS>::of(line);
    debug_assert_eq!(words.span(0), name);
    match verb {
        b'g' => get(&words, spans, item),
        b's' => set(&words, line.len(), spans, item),
        b'd' => delete(&words, spans, item),
        b'a' => arithmetic(&words, spans, item),
        b'e' => debug(&words, spans, item),
        _ => Err(Status::Error),
    }
}

/// The key, the word after the name.
fn key(words: &Words<'_, WORDS>, too_many: Status) -> Result<Span, Status> {
    if words.count < 2 {
        return Err(Status::Error);
    }
    let key = words.span(1);
    if key.len() > MEMCACHED_KEY_BYTES_MAX {
        return Err(Status::BadFormat);
    }
    if words.count > MEMCACHED_META_WORDS_MAX {
        return Err(too_many);
    }
    Ok(key)
}

/// `mg <key> <flags>*`.
#[inline]
fn get(words: &Words<'_, WORDS>, spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    let key = key(words, Status::FlagsAreTooLong)?;
    flags(words, 2, item)?;
    opaque(words, 2)?;
    push(key, words, spans);
    let changes = [Options::EXPTIME, Options::VIVIFY, Options::RECACHE];
    let verb = if changes.iter().any(|option| item.has(*option)) { Memcached::Gat } else { Memcached::Get };
    Ok(Asked::Line(verb.row()))
}

/// `ms <key> <bytes> <flags>*` and a value.
fn set(
    words: &Words<'_, WORDS>,
    line_end: usize,
    spans: &mut Vec<Span>,
    item: &mut Item,
) -> Result<Asked, Status> {
    if words.count == 2 {
        return Err(Status::BadFormat);
    }
    spans.push(key(words, Status::FlagsTooLong)?);
    let bytes = value_bytes(number::i32(words.at(2)).ok_or(Status::BadFormat)?)?;
    let verb = flags(words, 3, item).and_then(|mode| {
        let verb = match mode {
            None | Some(b'S') => Memcached::Set,
            Some(b'E') => Memcached::Add,
            Some(b'A') => Memcached::Append,
            Some(b'P') => Memcached::Prepend,
            Some(b'R') => Memcached::Replace,
            Some(_) => return Err(Status::SetModeInvalid),
        };
        opaque(words, 3).map(|()| verb)
    });
    let compared = item.has(Options::HAS_CAS);
    match verb {
        Err(status) => Ok(Asked::Refused(status, bytes + 2)),
        Ok(verb) => {
            let verb = if compared && matches!(verb, Memcached::Set | Memcached::Replace) {
                Memcached::Cas
            } else {
                verb
            };
            let flags_at = if words.count > 3 { words.span(3).start as usize } else { line_end };
            Ok(Asked::Value { row: verb.row(), bytes, flags_at })
        }
    }
}

/// `md <key> <flags>*`.
fn delete(words: &Words<'_, WORDS>, spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    let key = key(words, Status::FlagsTooLong)?;
    flags(words, 2, item).map_err(|_| Status::FlagInvalidOrDuplicate)?;
    opaque(words, 2)?;
    push(key, words, spans);
    Ok(Asked::Line(Memcached::Delete.row()))
}

/// `ma <key> <flags>*`.
fn arithmetic(words: &Words<'_, WORDS>, spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    let key = key(words, Status::FlagsTooLong)?;
    item.delta = 1;
    let mode = flags(words, 2, item).map_err(|_| Status::FlagInvalidOrDuplicate)?;
    let verb = match mode {
        None | Some(b'I' | b'+') => Memcached::Incr,
        Some(b'D' | b'-') => Memcached::Decr,
        Some(_) => return Err(Status::ArithmeticModeInvalid),
    };
    opaque(words, 2)?;
    push(key, words, spans);
    Ok(Asked::Line(verb.row()))
}

/// `me <key> [b]`.
fn debug(words: &Words<'_, WORDS>, spans: &mut Vec<Span>, item: &mut Item) -> Result<Asked, Status> {
    if words.count < 2 || words.span(1).len() > MEMCACHED_KEY_BYTES_MAX {
        return Err(Status::BadFormat);
    }
    if words.count >= 3 && words.at(2) == b"b" {
        base64::decoded_bytes(words.at(1)).ok_or(Status::BadFormat)?;
        item.options.add(Options::BASE64);
    }
    spans.push(words.span(1));
    Ok(Asked::Line(Memcached::Debug.row()))
}

/// Adds the key and the flags as they came.
fn push(key: Span, words: &Words<'_, WORDS>, spans: &mut Vec<Span>) {
    spans.push(key);
    spans.extend((2..words.count).map(|index| words.span(index)));
}

/// An opaque that is not echoed cannot be relied on, so one that is too long refuses the command.
fn opaque(words: &Words<'_, WORDS>, from: usize) -> Result<(), Status> {
    let too_long = |index| {
        let word = words.at(index);
        word[0] == b'O' && word.len() > MEMCACHED_OPAQUE_BYTES_MAX
    };
    if (from..words.count).any(too_long) { Err(Status::OpaqueTooLong) } else { Ok(()) }
}

/// Understands the flags from word `from` on; returns the mode, `M`. Of several mistakes the last counts,
/// but an unknown or repeated flag ends the search.
fn flags(words: &Words<'_, WORDS>, from: usize, item: &mut Item) -> Result<Option<u8>, Status> {
    let (mut seen, mut mode, mut mistake) = (0_u128, None, None);
    for index in from..words.count {
        let [flag, argument @ ..] = words.at(index) else { unreachable!("a word has a letter") };
        if *flag >= 127 || seen & (1 << flag) != 0 {
            return Err(Status::FlagDuplicate);
        }
        seen |= 1 << flag;
        match one_flag(*flag, argument, words.at(1), &mut mode, item) {
            Ok(()) => {}
            Err(Status::FlagInvalid) => return Err(Status::FlagInvalid),
            // Client flags that are no number have no text of their own and leave another's.
            Err(Status::BadFormat) => mistake = mistake.or(Some(Status::BadFormat)),
            Err(status) => mistake = Some(status),
        }
    }
    mistake.map_or(Ok(mode), Err)
}

fn one_flag(
    flag: u8,
    argument: &[u8],
    key: &[u8],
    mode: &mut Option<u8>,
    item: &mut Item,
) -> Result<(), Status> {
    let exptime = || number::i32(argument).ok_or(Status::TokenBad);
    match flag {
        b'b' => {
            item.options.add(Options::BASE64);
            base64::decoded_bytes(key).ok_or(Status::KeyUndecodable)?;
        }
        b'N' => {
            item.options.add(Options::VIVIFY);
            item.vivify_exptime = exptime()?.into();
        }
        b'T' => {
            item.exptime = exptime()?.into();
            item.options.add(Options::EXPTIME);
        }
        b'R' => {
            item.recache_exptime = exptime()?;
            item.options.add(Options::RECACHE);
        }
        b'F' => item.flags = number::u32(argument).ok_or(Status::BadFormat)?,
        b'C' => {
            item.cas = number::u64(argument).ok_or(Status::TokenBad)?;
            item.options.add(Options::HAS_CAS);
        }
        b'M' => match argument {
            [letter] => *mode = Some(*letter),
            _ => return Err(Status::ModeLength),
        },
        b'J' => item.initial = number::u64(argument).ok_or(Status::InitialInvalid)?,
        b'D' => item.delta = number::u64(argument).ok_or(Status::DeltaInvalid)?,
        b'I' => item.options.add(Options::INVALIDATE),
        b'u' => item.options.add(Options::NO_UPDATE),
        b'v' => item.options.add(Options::VALUE),
        b'q' => item.quiet = true,
        b'O' | b'P' | b'L' | b'k' | b's' | b't' | b'c' | b'f' | b'l' | b'h' => {}
        _ => return Err(Status::FlagInvalid),
    }
    Ok(())
}
