//! What a transaction is besides its requests: keys that must not have changed.

use std::collections::BTreeMap;

use crate::data::{Context, Ticket};
use crate::link::{self, Ask, Decoded, Outline};
use crate::memcached::Item;
use crate::reply::Dialect;
use crate::request::{Args, Request, Span};
use crate::stale::Tracker;

/// Keys a client watches, each with the version it had; only the store knows what versions mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watches(BTreeMap<WatchedKey, u64>);

/// A key of a logical database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchedKey {
    /// The number of the database, as clients count.
    pub database: u8,
    /// The key.
    pub key: Box<[u8]>,
}

impl Watches {
    /// Adds a key, its version still unknown. Returns whether it was not there yet.
    pub fn insert(&mut self, key: WatchedKey) -> bool {
        let vacant = !self.contains(&key);
        if vacant {
            self.0.insert(key, 0);
        }
        vacant
    }

    /// Whether a key is watched.
    pub fn contains(&self, key: &WatchedKey) -> bool {
        self.0.contains_key(key)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All keys with their versions.
    pub fn iter(&self) -> impl Iterator<Item = (&WatchedKey, u64)> {
        self.0.iter().map(|(key, version)| (key, *version))
    }

    /// All keys with their versions, to be filled in.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&WatchedKey, &mut u64)> {
        self.0.iter_mut()
    }

    /// Takes over what `other` has.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Requests to be executed as one.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    /// The requests in order, as frames of [`crate::link::encode`] one after the other. If they run scripts, each says how it
    /// is to be executed, as those before it will have left things.
    pub requests: &'a [u8],
    /// What must not have changed.
    pub watches: &'a Watches,
    /// Whose it is. If a gateway speaks for the client, that is of this number, and its requests are the gateway's, but
    /// those whose frames say otherwise: [`Transaction::context_of`].
    pub context: Context,
    /// The language of the client when it begins.
    pub dialect: Dialect,
}

impl<'a> Transaction<'a> {
    /// The requests from the first to the last.
    pub fn requests(&self) -> Requests<'a> {
        Requests::new(self.requests)
    }

    /// How many requests it has.
    pub fn count(&self) -> usize {
        let (mut requests, mut count) = (self.requests(), 0);
        while requests.next_request().is_some() {
            count += 1;
        }
        count
    }

    /// For whom, and how, a request is executed whose frame says this besides.
    pub fn context_of(&self, ask: &Ask) -> Context {
        let Ask { database, no_touch, in_cluster, client, tracker, .. } = *ask;
        let Context { gateway, client_id, tracker: of_all, .. } = self.context;
        let (gateway, client_id) = if client == 0 { (0, client_id) } else { (gateway, client) };
        let tracker = if tracker == 0 { of_all } else { Tracker { link: 0, client: tracker } };
        Context {
            gateway,
            client_id,
            tracker,
            database,
            no_touch,
            in_cluster,
            may_wait: false,
            ..self.context
        }
    }
}

/// Goes through requests that are kept as frames.
#[derive(Debug)]
pub struct Requests<'a> {
    rest: &'a [u8],
    /// The last request, if others follow in its frame.
    run: Option<Outline>,
    spans: Vec<Span>,
    item: Item,
}

impl<'a> Requests<'a> {
    /// The requests of these frames.
    pub fn new(frames: &'a [u8]) -> Self {
        Self { rest: frames, run: None, spans: Vec::new(), item: Item::NONE }
    }

    /// The next request, in the language it was queued in.
    ///
    /// # Panics
    /// If what follows is no frame: whoever keeps frames has made them, or checked them.
    pub fn next_request(&mut self) -> Option<Request<'_>> {
        self.next_with_ask().map(|(request, _)| request)
    }

    /// The next request, and what its frame says besides.
    ///
    /// # Panics
    /// As [`Requests::next_request`].
    pub fn next_with_ask(&mut self) -> Option<(Request<'_>, Ask)> {
        if self.rest.is_empty() {
            return None;
        }
        self.spans.clear();
        let outline = if let Some(mut run) = self.run.take() {
            let advanced = run.advance(self.rest, &mut self.spans);
            assert!(advanced.is_ok(), "a run is kept as it was made: {advanced:?}");
            run
        } else {
            let decoded = link::decode(self.rest, u64::MAX, &mut self.spans, &mut self.item);
            let Ok(Decoded::Request(outline)) = decoded else {
                panic!("a request is kept as a frame: {decoded:?}")
            };
            outline
        };
        self.run = (outline.ask.left > 0).then_some(outline);
        let (frame, rest) = self.rest.split_at(outline.bytes);
        self.rest = rest;
        let args = Args::new(frame, &self.spans);
        Some((Request { row: outline.row, dialect: outline.dialect, args, item: &self.item }, outline.ask))
    }
}

/// Whether a transaction takes place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Entered {
    /// It does: until it ends, nobody else sees or changes what it needs.
    Yes,
    /// A watched key has changed.
    Stale,
    /// Another worker holds what it needs. Ask again after letting other tasks run.
    Busy,
    /// It has been sent to where it belongs, with all its requests that are answered there, or is executed on another
    /// thread. The answer comes with this ticket: their replies as one array, or the null of [`Entered::Stale`]. What the
    /// gateway answers itself it adds then.
    Later(Ticket),
    /// See [`crate::data::Outcome::Full`].
    Full(Ticket),
    /// Its keys, watched ones too, do not belong together, or one of its requests would need all shards. Nothing is
    /// done, and nothing is watched any more.
    Apart,
    /// Where it belongs does not answer: this is the error for the client. Nothing is done.
    Refused(Vec<u8>),
    /// Nobody has one of its slots. Nothing is done, and nothing is watched any more.
    Unserved,
}
