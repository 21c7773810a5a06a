//! A client without a connection, on a thread of its own.
#![allow(unreachable_pub, reason = "shared by several test programs")]

use tidegate_protocols::data::{Context, Data as _, Outcome, Worker as _};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::{Args, Dialect, Reply, Request, Span, table};
use tidegate_shards::{Store, StoreWorker};

/// One worker and its clock.
pub struct Client {
    pub worker: StoreWorker,
    pub now_ms: u64,
}

impl Client {
    /// Worker `index` of `count`, made on the thread that uses it.
    pub fn new(store: &Store, index: usize, count: usize) -> Self {
        Self { worker: store.worker(index, count), now_ms: 1_700_000_000_000 }
    }

    /// The reply to a request.
    pub fn send(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let bytes = words.concat();
        let mut end = 0;
        let spans = words.iter().map(|word| {
            end += word.len();
            Span::new(end - word.len(), end)
        });
        let spans: Vec<Span> = spans.collect();
        let args = Args::new(&bytes, &spans);
        let Ok(row) = table::resolve(&args) else { panic!("no such command") };
        let request = Request { row, dialect: Dialect::Resp2, args, item: &Item::NONE };
        let (context, mut out) = (Context::default(), Vec::new());
        loop {
            self.worker.begin(self.now_ms);
            let prepared = self.worker.prepare(&request, &context);
            self.worker.fetch(prepared, &context);
            let outcome =
                self.worker.execute(&request, prepared, &context, &mut Reply::new(&mut out, Dialect::Resp2));
            self.worker.finish();
            if outcome != Outcome::Busy {
                return out;
            }
            std::thread::yield_now();
        }
    }

    /// The same, from words in one line.
    pub fn run(&mut self, line: &str) -> String {
        let words: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        String::from_utf8(self.send(&words)).expect("replies of these tests are text")
    }
}
