//! A client without a connection, for the tests of commands.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_protocols::data::{Context, Data, Worker};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::reply::{Dialect, Reply};
use tidegate_protocols::settings::{Policy, Settings};
use tidegate_protocols::{Request, Words, table};

use crate::evict::Eviction;
use crate::store::Store;
use crate::worker::StoreWorker;

/// A store with one client whose clock the test sets.
pub(crate) struct Client {
    pub(crate) settings: Arc<Settings>,
    pub(crate) store: Arc<Store>,
    pub(crate) worker: StoreWorker,
    pub(crate) context: Context,
    pub(crate) dialect: Dialect,
    /// What a gateway says of the keys.
    pub(crate) slot: Option<u16>,
    pub(crate) now_ms: u64,
}

impl Client {
    /// A client of a new store of several partitions, at a fixed time.
    pub(crate) fn new() -> Self {
        Self::with_workers(2)
    }

    /// A client of the first of some workers.
    pub(crate) fn with_workers(count: usize) -> Self {
        let settings = Arc::new(Settings::default());
        let store = Arc::new(Store::new(Arc::clone(&settings), count));
        Self::of(&store, &settings, 0, 1_700_000_000_000)
    }

    /// A client of the worker of this number.
    pub(crate) fn of(store: &Arc<Store>, settings: &Arc<Settings>, index: usize, now_ms: u64) -> Self {
        let worker = store.worker(index, store.workers());
        let (context, dialect) = (Context::default(), Dialect::Resp2);
        let (store, settings) = (Arc::clone(store), Arc::clone(settings));
        Self { settings, store, worker, context, dialect, slot: None, now_ms }
    }

    /// The reply to a line of words, as text; words in single quotes are not needed: use [`Client::send`].
    pub(crate) fn run(&mut self, line: &str) -> String {
        let words: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        self.send(&words)
    }

    /// The reply to a RESP request, escaped as ASCII.
    pub(crate) fn send(&mut self, words: &[&[u8]]) -> String {
        self.bytes(words).escape_ascii().to_string()
    }

    /// The reply to a RESP request.
    pub(crate) fn bytes(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let row = table::resolve(&Words::new(words).args()).expect("a command of the table");
        self.request(row, words, &Item::NONE)
    }

    /// What a scan tells, from its beginning to its end, that begins like this; `scan` is all words before the cursor.
    pub(crate) fn scanned(&mut self, scan: &str, beginning: &str) -> BTreeSet<String> {
        let (mut cursor, mut seen) = ("0".to_owned(), BTreeSet::new());
        loop {
            let reply = self.run(&format!("{scan} {cursor} COUNT 20 MATCH {beginning}*"));
            let mut parts = reply.split("\\r\\n");
            cursor = parts.nth(2).expect("a cursor").to_owned();
            seen.extend(parts.filter(|part| part.starts_with(beginning)).map(str::to_owned));
            if cursor == "0" {
                return seen;
            }
        }
    }

    /// Removes one key as if memory were full.
    pub(crate) fn evict_one(&mut self, policy: Policy) -> Eviction {
        self.worker.begin(self.now_ms);
        let evicted = self.worker.evict_one(policy);
        self.worker.finish();
        evicted
    }

    /// The reply to any request.
    pub(crate) fn request(&mut self, row: &'static table::Row, words: &[&[u8]], item: &Item) -> Vec<u8> {
        let words = Words::new(words);
        let request = Request { row, dialect: self.dialect, args: words.args(), item };
        let mut out = Vec::new();
        self.worker.begin(self.now_ms);
        let prepared = self.worker.prepare(request.row, &request.args, self.context.database, self.slot);
        self.worker.fetch(&[prepared]);
        let mut reply = Reply::new(&mut out, self.dialect);
        let _ = self.worker.execute(&request, prepared, &self.context, &mut reply);
        self.worker.finish();
        out
    }
}

#[test]
fn a_slot_that_is_said_wrong_is_no_place_for_a_key() {
    let mut client = Client::with_workers(2);
    client.run("SET k v");
    client.slot = Some(0);
    assert_eq!(client.run("GET k"), "$-1\\r\\n");
    client.run("SET k w");
    client.run("SET l x");
    client.slot = None;
    assert_eq!(client.run("GET k") + &client.run("GET l"), "$1\\r\\nw\\r\\n$1\\r\\nx\\r\\n");
}

#[test]
fn what_was_set_is_got() {
    let mut client = Client::new();
    assert_eq!(client.run("SET k v"), "+OK\\r\\n");
    assert_eq!(client.run("GET k"), "$1\\r\\nv\\r\\n");
    assert_eq!(client.run("GET none"), "$-1\\r\\n");
}
