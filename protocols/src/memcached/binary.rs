//! The binary protocol. Source: memcached's wiki, "Binary protocol", and the behaviour of 1.6.18.

use nom::number::streaming::{be_u8, be_u16, be_u32, be_u64};
use nom::{IResult, Parser as _};

use super::{Authentication, Item, Options, Parsed, Rules, Status, item_bytes};
use crate::limits::{MEMCACHED_KEY_BYTES_MAX, MEMCACHED_SASL_BYTES_MAX};
use crate::reply::Dialect;
use crate::request::Span;
use crate::table::Row;
use crate::table::memcached::Memcached;
use crate::table::memcached_server::MemcachedServer;

/// First byte of every request.
pub(super) const MAGIC: u8 = 0x80;

/// Bytes of the header.
const HEADER_BYTES: usize = 24;

/// The expiration time of an increment that must not create its counter.
const NO_VIVIFY: u32 = u32::MAX;

struct Header {
    magic: u8,
    opcode: u8,
    key_bytes: usize,
    extras_bytes: usize,
    /// Extras, key and value together.
    body_bytes: usize,
    opaque: u32,
    cas: u64,
}

fn header(input: &[u8]) -> IResult<&[u8], Header> {
    let fields = (be_u8, be_u8, be_u16, be_u8, be_u8, be_u16, be_u32, be_u32, be_u64);
    fields
        .map(|(magic, opcode, key, extras, _data_type, _vbucket, body, opaque, cas)| Header {
            magic,
            opcode,
            key_bytes: key.into(),
            extras_bytes: extras.into(),
            body_bytes: body as usize,
            opaque,
            cas,
        })
        .parse(input)
}

/// What the body of an operation consists of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Empty,
    Key,
    /// A key or nothing.
    MaybeKey,
    /// 4 bytes of expiration time, or nothing.
    MaybeExptime,
    /// 4 bytes of expiration time and a key.
    ExptimeKey,
    /// 20 bytes of delta, initial value and expiration time, and a key.
    DeltaKey,
    /// 8 bytes of flags and expiration time, a key and a value.
    FlagsKeyValue,
    KeyValue,
    /// A mechanism and its data.
    Sasl,
}

impl Body {
    fn allows(self, header: &Header) -> bool {
        let Header { key_bytes, extras_bytes, body_bytes, .. } = *header;
        let exact = body_bytes == key_bytes + extras_bytes;
        match self {
            Self::Empty => body_bytes == 0,
            Self::Key => key_bytes > 0 && extras_bytes == 0 && exact,
            Self::MaybeKey => extras_bytes == 0 && exact,
            Self::MaybeExptime => key_bytes == 0 && matches!(extras_bytes, 0 | 4) && exact,
            Self::ExptimeKey => key_bytes > 0 && extras_bytes == 4 && exact,
            Self::DeltaKey => key_bytes > 0 && extras_bytes == 20 && exact,
            Self::FlagsKeyValue => key_bytes > 0 && extras_bytes == 8,
            Self::KeyValue | Self::Sasl => key_bytes > 0 && extras_bytes == 0,
        }
    }
}

/// The row, the body and whether it is a quiet form of an opcode.
fn operation(opcode: u8) -> Option<(&'static Row, Body, bool)> {
    let (verb, body, quiet) = match opcode {
        0x00 | 0x0c => (Memcached::Get, Body::Key, false),
        0x09 | 0x0d => (Memcached::Get, Body::Key, true),
        0x01 => (Memcached::Set, Body::FlagsKeyValue, false),
        0x11 => (Memcached::Set, Body::FlagsKeyValue, true),
        0x02 => (Memcached::Add, Body::FlagsKeyValue, false),
        0x12 => (Memcached::Add, Body::FlagsKeyValue, true),
        0x03 => (Memcached::Replace, Body::FlagsKeyValue, false),
        0x13 => (Memcached::Replace, Body::FlagsKeyValue, true),
        0x04 => (Memcached::Delete, Body::Key, false),
        0x14 => (Memcached::Delete, Body::Key, true),
        0x05 => (Memcached::Incr, Body::DeltaKey, false),
        0x15 => (Memcached::Incr, Body::DeltaKey, true),
        0x06 => (Memcached::Decr, Body::DeltaKey, false),
        0x16 => (Memcached::Decr, Body::DeltaKey, true),
        0x08 => (Memcached::FlushAll, Body::MaybeExptime, false),
        0x18 => (Memcached::FlushAll, Body::MaybeExptime, true),
        0x0e => (Memcached::Append, Body::KeyValue, false),
        0x19 => (Memcached::Append, Body::KeyValue, true),
        0x0f => (Memcached::Prepend, Body::KeyValue, false),
        0x1a => (Memcached::Prepend, Body::KeyValue, true),
        0x1c => (Memcached::Touch, Body::ExptimeKey, false),
        0x1d | 0x23 => (Memcached::Gat, Body::ExptimeKey, false),
        0x1e | 0x24 => (Memcached::Gat, Body::ExptimeKey, true),
        _ => return server_operation(opcode),
    };
    Some((verb.row(), body, quiet))
}

fn server_operation(opcode: u8) -> Option<(&'static Row, Body, bool)> {
    let (verb, body, quiet) = match opcode {
        0x07 => (MemcachedServer::Quit, Body::Empty, false),
        0x17 => (MemcachedServer::Quit, Body::Empty, true),
        0x0a => (MemcachedServer::Noop, Body::Empty, false),
        0x0b => (MemcachedServer::Version, Body::Empty, false),
        0x10 => (MemcachedServer::Stats, Body::MaybeKey, false),
        0x20 => (MemcachedServer::SaslMechanisms, Body::Empty, false),
        0x21 | 0x22 => (MemcachedServer::SaslAuthenticate, Body::Sasl, false),
        _ => return None,
    };
    Some((verb.row(), body, quiet))
}

/// Operations that return the key.
const WITH_KEY: [u8; 4] = [0x0c, 0x0d, 0x23, 0x24];
/// Operations of authentication.
const SASL: std::ops::RangeInclusive<u8> = 0x20..=0x22;
const VERSION: u8 = 0x0b;

/// One request.
#[inline]
pub(super) fn parse(
    input: &[u8],
    rules: &Rules,
    spans: &mut Vec<Span>,
    item: &mut Item,
    refused: &mut usize,
) -> Parsed {
    let Ok((_, header)) = header(input) else { return Parsed::Whole(HEADER_BYTES) };
    if header.magic != MAGIC {
        return Parsed::Close;
    }
    (item.opcode, item.opaque) = (header.opcode, header.opaque);
    let asked = match admit(&header, rules) {
        Ok(asked) => asked,
        Err(Refused::Close(status)) => {
            item.options.add(Options::CLOSE);
            return answer(status, HEADER_BYTES, 0);
        }
        Err(Refused::Skip(status)) => return answer(status, HEADER_BYTES, header.body_bytes),
    };
    let (row, body, quiet) = asked;
    item.quiet = quiet;
    let key_at = HEADER_BYTES + header.extras_bytes;
    let value_at = key_at + header.key_bytes;
    if input.len() < value_at {
        return Parsed::Whole(value_at);
    }
    extras(body, &input[HEADER_BYTES..key_at], item);
    let whole = HEADER_BYTES + header.body_bytes;
    spans.push(Span::new(1, 2));
    if header.key_bytes > 0 {
        spans.push(Span::new(key_at, value_at));
    }
    if matches!(body, Body::FlagsKeyValue | Body::KeyValue) {
        let too_large = item_bytes(header.key_bytes, item.flags, whole - value_at) > rules.item_bytes_max;
        if too_large && row.verb != Memcached::Set.row().verb {
            return answer(Status::TooLarge, value_at, whole - value_at);
        }
        if too_large {
            *refused = whole - value_at;
            return Parsed::Request(Memcached::TooLarge.row(), Dialect::MemcachedBinary, value_at);
        }
    }
    if input.len() < whole {
        return Parsed::Whole(whole);
    }
    if matches!(body, Body::FlagsKeyValue | Body::KeyValue | Body::Sasl) {
        spans.push(Span::new(value_at, whole));
    }
    Parsed::Request(compared(row, &header, item), Dialect::MemcachedBinary, whole)
}

/// Why a header is refused.
enum Refused {
    /// The connection is closed.
    Close(Status),
    /// The body is thrown away and the connection goes on.
    Skip(Status),
}

/// Checks a header before anything of its body is waited for.
#[inline]
fn admit(header: &Header, rules: &Rules) -> Result<(&'static Row, Body, bool), Refused> {
    if header.key_bytes + header.extras_bytes > header.body_bytes {
        return Err(Refused::Close(Status::Error));
    }
    let open = SASL.contains(&header.opcode) || header.opcode == VERSION;
    if rules.authentication == Authentication::Needed && !open {
        return Err(Refused::Close(Status::Unauthenticated));
    }
    if header.key_bytes > MEMCACHED_KEY_BYTES_MAX {
        return Err(Refused::Close(Status::BadFormat));
    }
    let asked = operation(header.opcode).ok_or(Refused::Skip(Status::Error))?;
    if !asked.1.allows(header) {
        return Err(Refused::Close(Status::BadFormat));
    }
    if rules.authentication == Authentication::Off && SASL.contains(&header.opcode) {
        return Err(Refused::Skip(Status::Error));
    }
    if asked.1 == Body::Sasl && header.body_bytes > MEMCACHED_SASL_BYTES_MAX {
        return Err(Refused::Skip(Status::TooLarge));
    }
    Ok(asked)
}

/// Takes note of the extras, whose length fits the body.
fn extras(body: Body, extras: &[u8], item: &mut Item) {
    let number = |at: usize| extras[at..at + 4].iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    let long = |at: usize| u64::from(number(at)) << 32 | u64::from(number(at + 4));
    match body {
        Body::FlagsKeyValue => {
            item.flags = number(0);
            item.exptime = number(4).into();
        }
        Body::ExptimeKey => {
            item.exptime = number(0).into();
            item.options.add(Options::EXPTIME);
        }
        Body::MaybeExptime if !extras.is_empty() => item.exptime = number(0).into(),
        Body::DeltaKey => {
            (item.delta, item.initial) = (long(0), long(8));
            item.vivify_exptime = number(16).into();
            if number(16) != NO_VIVIFY {
                item.options.add(Options::VIVIFY);
            }
        }
        Body::Empty | Body::Key | Body::MaybeKey | Body::MaybeExptime | Body::KeyValue | Body::Sasl => {}
    }
}

/// Stores with a CAS value are all the same operation; others look at it where they have a meaning for it.
fn compared(row: &'static Row, header: &Header, item: &mut Item) -> &'static Row {
    if WITH_KEY.contains(&header.opcode) {
        item.options.add(Options::KEY);
    }
    if row.verb == MemcachedServer::Quit.row().verb {
        item.options.add(Options::CLOSE);
    }
    if header.cas == 0 {
        return row;
    }
    item.cas = header.cas;
    item.options.add(Options::HAS_CAS);
    let stores = [Memcached::Set, Memcached::Add, Memcached::Replace];
    if stores.iter().any(|verb| verb.row().verb == row.verb) { Memcached::Cas.row() } else { row }
}

fn answer(status: Status, bytes: usize, refused: usize) -> Parsed {
    Parsed::Answer { status, dialect: Dialect::MemcachedBinary, bytes, refused }
}
