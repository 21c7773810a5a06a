//! The decoders of all families behind one face, and what bounds their requests.

use std::rc::Rc;

use tidegate_protocols::memcached::{self, Authentication, Item};
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::{is_in_one_slot, resolve};
use tidegate_protocols::{Args, Dialect, Row, Span, Verb, link, resp};

use crate::batch::{Aside, Ask, Batch};
use crate::connection::Connection;
use crate::directions::{Astray, Directions, Known};
use crate::seldom::{CLOSED_LINKS, warn_seldom};
use crate::session::Attention;

/// Which family of protocols a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// RESP.
    Redis,
    /// Memcached text, meta or binary, by the first byte.
    Memcached,
    /// Gateways, which speak for their clients.
    Link,
}

impl Family {
    /// What a connection speaks before it has said anything.
    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::Redis | Self::Link => Dialect::Resp2,
            Self::Memcached => Dialect::MemcachedText,
        }
    }
}

/// The decoder of one connection.
pub(crate) enum Decoder {
    Redis(resp::Decoder),
    Memcached(Box<memcached::Decoder>),
    /// Of a gateway that has greeted.
    Link,
}

/// What bounds requests, as it stands now.
pub(crate) enum Rules {
    Redis(resp::Limits),
    Memcached(memcached::Rules),
    /// Bytes of the longest frame.
    Link(u64),
}

/// What one look at the input found.
pub(crate) enum Found {
    /// A request of so many bytes. What it says besides its arguments is in the `aside`.
    Request(Ask, Dialect, usize),
    Empty(usize),
    More(usize),
    /// Nothing after this is looked at.
    End(Ask),
}

/// Where the keys of one request may lie.
pub(crate) enum Spread {
    /// Anywhere.
    Any,
    /// In one slot: clients see a cluster.
    OneSlot,
    /// In one slot, and that beside this gateway.
    Here(Rc<Known>),
}

impl Spread {
    pub(crate) fn of(connection: &Connection) -> Self {
        let intake = &connection.intake;
        match intake.directions.as_ref().map(Directions::known) {
            Some(known) if !known.has_all => Self::Here(known),
            None if !intake.shared.is_cluster() => Self::Any,
            _ => Self::OneSlot,
        }
    }

    #[inline]
    pub(crate) fn allow(&self, row: &'static Row, args: &Args<'_>) -> Ask {
        let looked = match self {
            Self::Any => Ok(()),
            Self::OneSlot if is_in_one_slot(row, args) => Ok(()),
            Self::OneSlot => Err(Astray::Spread),
            Self::Here(known) => known.look(row, args),
        };
        looked.map_or_else(|astray| Ask::Astray(row, astray), |()| Ask::Row(row))
    }
}

/// A request of RESP gets its row only when its arguments are known; how it begins is remembered.
#[inline]
pub(crate) fn resolved(
    ask: Ask,
    input: &[u8],
    spans: &[Span],
    spread: &Spread,
    openings: &mut resp::Openings,
) -> Ask {
    match ask {
        Ask::Words => {
            let args = Args::new(input, spans);
            match resolve(&args) {
                Ok(row) => {
                    openings.remember(input, spans, row);
                    spread.allow(row, &args)
                }
                Err(_) if is_http(&args) => Ask::Close,
                Err(unresolved) => Ask::Unresolved(unresolved),
            }
        }
        ask => ask,
    }
}

/// Whether the words are from an HTTP request: a web page that has its visitor's browser send commands to
/// a server on the visitor's machine. Source: Redis `processCommand`.
#[cold]
fn is_http(args: &Args<'_>) -> bool {
    let name = args.at(0);
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

impl Decoder {
    pub(crate) fn new(family: Family) -> Self {
        match family {
            Family::Redis => Self::Redis(resp::Decoder::default()),
            Family::Memcached => Self::Memcached(Box::default()),
            Family::Link => Self::Link,
        }
    }

    /// Whether what has been decoded is Memcached's binary protocol.
    pub(crate) fn is_binary(&self) -> bool {
        matches!(self, Self::Memcached(decoder) if decoder.is_binary())
    }

    /// What bounds requests of this connection now.
    pub(crate) fn rules(&self, connection: &Connection) -> Rules {
        let session = &connection.session;
        let settings = &connection.intake.shared.settings;
        let anonymous = session.has(Attention::Anonymous);
        match self {
            Self::Redis(_) => Rules::Redis(resp::Limits {
                bulk_bytes_max: settings.number(Key::ProtoMaxBulkLen) as usize,
                request_bytes_max: settings.number(Key::ClientQueryBufferLimit) as usize,
                authenticated: !anonymous || connection.intake.shared.acl.is_open(),
            }),
            Self::Link => {
                let request_bytes_max = settings.number(Key::ClientQueryBufferLimit) as usize;
                Rules::Link(link::frame_bytes_max(request_bytes_max))
            }
            Self::Memcached(_) => Rules::Memcached(memcached::Rules {
                item_bytes_max: settings.number(Key::MemcachedItemSizeMax) as usize,
                authentication: match (session.guarded, anonymous) {
                    (false, _) => Authentication::Off,
                    (true, true) => Authentication::Needed,
                    (true, false) => Authentication::Done,
                },
            }),
        }
    }

    /// Whether the next request may begin as others of RESP did, and what bounds it then.
    #[inline]
    pub(crate) fn alike<'a>(&self, rules: &'a Rules) -> Option<&'a resp::Limits> {
        match (self, rules) {
            (Self::Redis(decoder), Rules::Redis(limits)) if !decoder.is_halfway() => Some(limits),
            _ => None,
        }
    }

    /// Decodes the request that `input` begins with. A connection uses one `aside`, which is none at first, for all of
    /// its requests.
    #[inline]
    pub(crate) fn look(
        &mut self,
        input: &mut [u8],
        rules: &Rules,
        spans: &mut Vec<Span>,
        aside: &mut Aside,
    ) -> Found {
        match (self, rules) {
            (Self::Redis(decoder), Rules::Redis(limits)) => match decoder.decode(input, limits, spans) {
                Ok(resp::Decoded::Request(bytes)) => Found::Request(Ask::Words, Dialect::Resp2, bytes),
                Ok(resp::Decoded::Empty(bytes)) => Found::Empty(bytes),
                Ok(resp::Decoded::More(missing)) => Found::More(missing),
                Err(fault) => Found::End(Ask::Fault(fault)),
            },
            (Self::Memcached(decoder), Rules::Memcached(rules)) => {
                match decoder.decode(input, rules, spans, aside.item.insert(Item::NONE)) {
                    memcached::Decoded::Request { row, dialect, bytes } => {
                        Found::Request(Ask::Row(row), dialect, bytes)
                    }
                    memcached::Decoded::Empty(bytes) => Found::Empty(bytes),
                    memcached::Decoded::More(missing) => Found::More(missing),
                    memcached::Decoded::Close => Found::End(Ask::Close),
                }
            }
            (Self::Link, &Rules::Link(frame_bytes_max)) => frame(input, frame_bytes_max, spans, aside),
            _ => unreachable!("the rules are made for the decoder"),
        }
    }
}

/// The next frame of a gateway. If it holds several requests this is the first; [`push_run`] adds the others.
#[inline(always)]
pub(crate) fn frame(input: &[u8], frame_bytes_max: u64, spans: &mut Vec<Span>, aside: &mut Aside) -> Found {
    let begin = spans.len();
    aside.item = None;
    let outline = match link::decode_with(input, frame_bytes_max, spans, |item| aside.item = Some(item)) {
        Ok(link::Decoded::Request(outline)) => outline,
        Ok(link::Decoded::More(missing)) => return Found::More(missing),
        Err(malformed) => return Found::End(distrusted(&malformed)),
    };
    let checked = match outline.row.verb {
        Verb::Link(verb) => link::Errand::check(verb, &Args::new(input, &spans[begin..])),
        _ => outline.check_for_shard(),
    };
    if let Err(malformed) = checked {
        spans.truncate(begin);
        return Found::End(distrusted(&malformed));
    }
    aside.link = Some(outline.ask);
    aside.run = (outline.ask.left > 0).then_some(outline);
    Found::Request(Ask::Row(outline.row), outline.dialect, outline.bytes + outline.rest)
}

/// Adds the other requests of a frame, which lies in the arena from `begin` on; the first is the last in the batch.
///
/// # Errors
/// The link is not to be believed.
pub(crate) fn push_run(batch: &mut Batch, mut outline: link::Outline, begin: usize) -> Result<(), Ask> {
    let mut at = begin + outline.bytes;
    while outline.ask.left > 0 {
        let first_span = batch.spans.len();
        outline.advance(&batch.arena[at..], &mut batch.spans).map_err(|malformed| distrusted(&malformed))?;
        batch.push_next(&outline, at, first_span);
        at += outline.bytes;
    }
    match outline.rest {
        0 => Ok(()),
        rest => Err(distrusted(&link::Malformed::TooLong((at + rest - begin) as u64, (at - begin) as u64))),
    }
}

/// The end of a link whose other end is not what it should be.
#[cold]
fn distrusted(reason: &link::Malformed) -> Ask {
    warn_seldom!(CLOSED_LINKS, "closed a link: {reason}");
    Ask::Close
}
