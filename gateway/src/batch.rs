//! What the connections of a worker have decoded since the last tick.

use std::ops::Range;
use std::rc::Rc;

use tidegate_protocols::data::Context;
use tidegate_protocols::link;
use tidegate_protocols::memcached::Item;
use tidegate_protocols::resp::Openings;
use tidegate_protocols::table::Unresolved;
use tidegate_protocols::{Args, Dialect, Fault, Request, Row, Span};

use crate::connection::Connection;
use crate::directions::Astray;
use crate::limits::{ARENA_BYTES, ARENA_BYTES_FIRST, KEPT_BYTES, LARGE_BYTES, READ_BYTES};

/// Requests in the order they arrived, and the bytes they lie in.
pub(crate) struct Batch {
    /// What was read; decoded up to `used`.
    pub(crate) arena: Vec<u8>,
    pub(crate) used: usize,
    /// Arguments of all requests, relative to where each request begins.
    pub(crate) spans: Vec<Span>,
    /// Buffers of requests too large for the arena.
    large: Vec<Vec<u8>>,
    items: Vec<Item>,
    /// What gateways said of the requests they sent on.
    passed_on: Vec<link::Ask>,
    requests: Vec<Decoded>,
    sources: Vec<Source>,
    /// How requests of RESP have begun.
    pub(crate) openings: Openings,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoded {
    pub(crate) ask: Ask,
    /// For RESP the version is the session's at the time of the reply.
    pub(crate) dialect: Dialect,
    /// Its buffer: one of `large`, or [`ARENA`].
    large: u32,
    /// Where in its buffer it begins.
    begin: u32,
    spans: (u32, u32),
    item: u32,
    /// Which of `passed_on` is of this request, if it came from a gateway.
    passed_on: u32,
}

impl Decoded {
    /// Whether it came in a buffer of its own.
    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        self.large != ARENA
    }

    /// Whether a gateway has sent it, for one of its clients.
    #[inline]
    pub(crate) fn is_passed_on(&self) -> bool {
        self.passed_on != NO_ITEM
    }
}

/// What a request says besides its arguments; most say neither.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Aside {
    /// What a Memcached client says.
    pub(crate) item: Option<Item>,
    /// What the gateway says that passed it on.
    pub(crate) link: Option<link::Ask>,
    /// It is the first of several in its frame.
    pub(crate) run: Option<link::Outline>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// The function of this row.
    Row(&'static Row),
    /// Something that is not there; the answer is an error.
    Unresolved(Unresolved),
    /// The function of this row, but with keys that are not for this node of a cluster.
    Astray(&'static Row, Astray),
    /// Whatever its words say; a request in the batch has been resolved to one of the others.
    Words,
    /// Nothing: these bytes are not the protocol. The answer is an error, and the end.
    Fault(Fault),
    /// Nothing, and the end without an answer.
    Close,
}

/// Consecutive requests of one connection.
pub(crate) struct Source {
    pub(crate) connection: Rc<Connection>,
    /// One past its last request.
    pub(crate) end: usize,
}

/// Where the next request lies.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// In the arena, from here.
    Arena(usize),
    /// In the buffer that was last moved in.
    Large,
}

/// The item, or the words of a gateway, of a request that says nothing there.
const NO_ITEM: u32 = 0;

/// The buffer of a request that is in the arena.
const ARENA: u32 = u32::MAX;

impl Batch {
    /// An empty batch with an arena of `arena_bytes`.
    fn with_arena(arena_bytes: usize) -> Self {
        Self {
            arena: vec![0; arena_bytes],
            used: 0,
            spans: Vec::new(),
            large: Vec::new(),
            items: vec![Item::NONE],
            passed_on: vec![link::Ask::default()],
            requests: Vec::new(),
            sources: Vec::new(),
            openings: Openings::default(),
        }
    }

    /// An empty batch of a worker.
    pub(crate) fn new() -> Self {
        Self::with_arena(ARENA_BYTES_FIRST)
    }

    /// Whether another connection may read and decode into it.
    #[inline]
    pub(crate) fn has_room(&mut self) -> bool {
        self.arena.len() - self.used >= LARGE_BYTES + READ_BYTES || self.grow()
    }

    /// Makes the arena larger, if it is not as large as it may be.
    #[cold]
    fn grow(&mut self) -> bool {
        let bytes = (self.arena.len() * 2).min(ARENA_BYTES);
        if bytes <= self.arena.len() {
            return false;
        }
        self.arena.resize(bytes, 0);
        self.has_room()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// How many requests there are.
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(crate) fn has_any_of(&self, connection: &Rc<Connection>) -> bool {
        self.sources.iter().any(|source| Rc::ptr_eq(&source.connection, connection))
    }

    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    #[inline]
    pub(crate) fn decoded(&self, index: usize) -> &Decoded {
        &self.requests[index]
    }

    /// The requests of a range, each with its connection; the first is one of `source` or a later one.
    #[inline]
    pub(crate) fn of_sources(
        &self,
        range: Range<usize>,
        mut source: usize,
    ) -> impl Iterator<Item = (&Decoded, &Rc<Connection>)> {
        let begin = range.start;
        self.requests[range].iter().enumerate().map(move |(index, decoded)| {
            while begin + index >= self.sources[source].end {
                source += 1;
            }
            (decoded, &self.sources[source].connection)
        })
    }

    /// Adds the request whose arguments are the spans from `first_span` on.
    #[inline(always)]
    pub(crate) fn push(
        &mut self,
        connection: &Rc<Connection>,
        (ask, dialect): (Ask, Dialect),
        place: Place,
        first_span: usize,
        aside: &Aside,
    ) {
        let passed_on = aside.link.map_or(NO_ITEM, |ask| {
            self.passed_on.push(ask);
            self.passed_on.len() as u32 - 1
        });
        let item = aside.item.as_ref().map_or(NO_ITEM, |item| {
            self.items.push(*item);
            self.items.len() as u32 - 1
        });
        let (large, begin) = match place {
            Place::Arena(begin) => (ARENA, begin as u32),
            Place::Large => (self.large.len() as u32 - 1, 0),
        };
        let spans = (first_span as u32, self.spans.len() as u32);
        self.requests.push(Decoded { ask, dialect, large, begin, spans, item, passed_on });
        let end = self.requests.len();
        match self.sources.last_mut() {
            Some(source) if Rc::ptr_eq(&source.connection, connection) => source.end = end,
            _ => self.begin_source(connection),
        }
    }

    /// Adds another request of the frame of the one that was added last, of the same connection.
    #[inline(always)]
    pub(crate) fn push_next(&mut self, outline: &link::Outline, begin: usize, first_span: usize) {
        let link::Outline { row, dialect, ask, .. } = *outline;
        self.passed_on.push(ask);
        let (spans, passed_on) =
            ((first_span as u32, self.spans.len() as u32), self.passed_on.len() as u32 - 1);
        let (ask, large, begin, item) = (Ask::Row(row), ARENA, begin as u32, NO_ITEM);
        self.requests.push(Decoded { ask, dialect, large, begin, spans, item, passed_on });
        if let Some(source) = self.sources.last_mut() {
            source.end += 1;
        }
    }

    /// The last request is the first of another connection than the one before.
    #[inline(never)]
    fn begin_source(&mut self, connection: &Rc<Connection>) {
        self.sources.push(Source { connection: Rc::clone(connection), end: self.requests.len() });
    }

    /// Moves a buffer in that holds one request, which is pushed next with [`Place::Large`].
    pub(crate) fn take_large(&mut self, buffer: Vec<u8>) {
        self.large.push(buffer);
    }

    /// The arguments of a request.
    #[inline]
    pub(crate) fn args(&self, decoded: &Decoded) -> Args<'_> {
        let spans = &self.spans[decoded.spans.0 as usize..decoded.spans.1 as usize];
        if decoded.is_large() {
            Args::new(&self.large[decoded.large as usize], spans)
        } else {
            Args::new(&self.arena[decoded.begin as usize..], spans)
        }
    }

    /// The arguments of the requests of a range up to the first that is not for this row.
    #[inline]
    pub(crate) fn args_of(&self, range: Range<usize>, row: &'static Row) -> impl Iterator<Item = Args<'_>> {
        let is_one = move |decoded: &&Decoded| matches!(decoded.ask, Ask::Row(its) if std::ptr::eq(its, row));
        self.requests[range].iter().take_while(is_one).map(|decoded| self.args(decoded))
    }

    /// What the gateway said that has sent this request.
    #[inline]
    pub(crate) fn passed_on(&self, decoded: &Decoded) -> link::Ask {
        self.passed_on[decoded.passed_on as usize]
    }

    /// What a gateway said of the requests that follow in the same frame the one before `range`.
    #[inline]
    pub(crate) fn rest_of_frame(&self, range: Range<usize>) -> impl Iterator<Item = &link::Ask> {
        let asks = self.requests[range].iter().map(|decoded| &self.passed_on[decoded.passed_on as usize]);
        asks.take_while(|ask| ask.index > 0)
    }

    /// The logical database a request is for, and which slot its key is said to have.
    #[inline]
    pub(crate) fn told(&self, decoded: &Decoded, connection: &Connection) -> (u8, Option<u16>) {
        if decoded.is_passed_on() {
            let ask = &self.passed_on[decoded.passed_on as usize];
            (ask.database, ask.slot)
        } else {
            (connection.session.context().database, None)
        }
    }

    /// For whom a request is executed.
    #[inline]
    pub(crate) fn context(&self, decoded: &Decoded, connection: &Connection) -> Context {
        let context = connection.session.context();
        if !decoded.is_passed_on() {
            return context;
        }
        let link::Ask { database, no_touch, in_cluster, .. } = self.passed_on(decoded);
        Context { database, no_touch, in_cluster, ..context }
    }

    /// A request as it is executed.
    #[inline]
    pub(crate) fn request(&self, decoded: &Decoded, row: &'static Row, dialect: Dialect) -> Request<'_> {
        Request { row, dialect, args: self.args(decoded), item: &self.items[decoded.item as usize] }
    }

    /// Takes requests out that cannot be executed now, in order; they keep nothing else alive.
    pub(crate) fn take(&mut self, range: Range<usize>, connection: &Rc<Connection>, into: &mut Self) {
        for index in range {
            let decoded = self.requests[index];
            let first_span = into.spans.len();
            let place = if decoded.is_large() {
                into.take_large(std::mem::take(&mut self.large[decoded.large as usize]));
                let spans = &self.spans[decoded.spans.0 as usize..decoded.spans.1 as usize];
                into.spans.extend_from_slice(spans);
                Place::Large
            } else {
                let begin = into.used;
                for arg in self.args(&decoded).iter() {
                    let at = into.used - begin;
                    into.write(arg);
                    into.spans.push(Span::new(at, at + arg.len()));
                }
                Place::Arena(begin)
            };
            let item = (decoded.item != NO_ITEM).then(|| self.items[decoded.item as usize]);
            let link = decoded.is_passed_on().then(|| self.passed_on(&decoded));
            into.push(
                connection,
                (decoded.ask, decoded.dialect),
                place,
                first_span,
                &Aside { item, link, run: None },
            );
        }
    }

    /// An empty batch to [`Batch::take`] into; its arena grows with what it is given.
    pub(crate) fn parked() -> Self {
        Self::with_arena(0)
    }

    fn write(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        if end > self.arena.len() {
            self.arena.resize(end, 0);
        }
        self.arena[self.used..end].copy_from_slice(bytes);
        self.used = end;
    }

    /// Forgets everything; keeps the memory a tick ordinarily needs.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
        self.spans.clear();
        self.large.clear();
        self.items.truncate(1);
        self.passed_on.truncate(1);
        self.requests.clear();
        self.sources.clear();
        self.arena.truncate(ARENA_BYTES);
        self.arena.shrink_to(ARENA_BYTES);
        self.spans.shrink_to(KEPT_BYTES / size_of::<Span>());
        self.items.shrink_to(KEPT_BYTES / size_of::<Item>());
        self.passed_on.shrink_to(KEPT_BYTES / size_of::<link::Ask>());
        self.requests.shrink_to(KEPT_BYTES / size_of::<Decoded>());
    }
}
