//! A client without a connection, on a thread of its own.
#![allow(unreachable_pub, dead_code, reason = "shared by several test programs")]

use std::sync::Arc;
use std::thread;

use tidegate_protocols::data::{Context, Data as _, Outcome, Piece, Prepared, Ticket, Worker as _};
use tidegate_protocols::link::{self, Ask};
use tidegate_protocols::memcached::{Decoded, Decoder, Item, Rules};
use tidegate_protocols::settings::Settings;
use tidegate_protocols::transaction::{Entered, Transaction, WatchedKey, Watches};
use tidegate_protocols::{Args, Dialect, Reply, Request, Words, table};
use tidegate_shards::{Store, StoreWorker};

/// Workers of a [`store`].
pub const WORKERS: usize = 4;

/// A store of several workers.
pub fn store() -> Store {
    Store::new(Arc::new(Settings::default()), WORKERS)
}

/// Runs `work` as each worker of a [`store`] at the same time.
pub fn together(store: &Store, work: impl Fn(Client, usize) + Sync) {
    thread::scope(|scope| {
        for index in 0..WORKERS {
            let work = &work;
            scope.spawn(move || work(Client::new(store, index, WORKERS), index));
        }
    });
}

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
        with_request(words, |request| self.request(request))
    }

    /// Watches keys, separated by blanks.
    pub fn watch(&mut self, keys: &str) -> Watches {
        let mut watches = Watches::default();
        for key in keys.split_whitespace() {
            watches.insert(WatchedKey { database: 0, key: key.as_bytes().into() });
        }
        self.worker.begin(self.now_ms);
        let (before, context, mut out) = (Watches::default(), Context::default(), Vec::new());
        let mut reply = Reply::new(&mut out, Dialect::Resp2);
        while self.worker.watch(&mut watches, &before, &context, &mut reply) == Outcome::Busy {
            std::thread::yield_now();
        }
        self.worker.finish();
        watches
    }

    /// Executes lines as one transaction; `None` if what is watched has changed. `between` is called before each.
    pub fn transact(
        &mut self,
        watches: &Watches,
        lines: &[&str],
        mut between: impl FnMut(),
    ) -> Option<Vec<String>> {
        let mut requests = Vec::new();
        for line in lines {
            let words: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
            with_request(&words, |request| link::encode(&mut requests, request, &Ask::default()).unwrap());
        }
        let transaction = Transaction {
            requests: &requests,
            watches,
            context: Context::default(),
            dialect: Dialect::Resp2,
        };
        self.worker.begin(self.now_ms);
        let entered = loop {
            match self.worker.enter(&transaction) {
                Entered::Busy => std::thread::yield_now(),
                entered => break entered,
            }
        };
        let replies = (entered == Entered::Yes).then(|| {
            let (context, mut replies) = (Context::default(), Vec::new());
            let mut requests = transaction.requests();
            while let Some(request) = requests.next_request() {
                between();
                let (prepared, mut out) =
                    (self.worker.prepare(request.row, &request.args, context.database, None), Vec::new());
                let mut reply = Reply::new(&mut out, request.dialect);
                let outcome = self.worker.execute(&request, prepared, &context, &mut reply);
                assert_ne!(outcome, Outcome::Busy);
                replies.push(String::from_utf8(out).expect("replies of these tests are text"));
            }
            self.worker.leave();
            replies
        });
        self.worker.finish();
        replies
    }

    /// The reply to a request of a Memcached text client.
    pub fn memcached(&mut self, wire: &str) -> String {
        let (mut input, mut spans, mut item) = (wire.as_bytes().to_vec(), Vec::new(), Item::NONE);
        let decoded = Decoder::default().decode(&mut input, &Rules::default(), &mut spans, &mut item);
        let Decoded::Request { row, dialect, .. } = decoded else { panic!("no request: {wire:?}") };
        let out = self.request(&Request { row, dialect, args: Args::new(&input, &spans), item: &item });
        String::from_utf8(out).expect("replies of these tests are text")
    }

    fn request(&mut self, request: &Request<'_>) -> Vec<u8> {
        let (context, mut out) = (Context::default(), Vec::new());
        loop {
            self.worker.begin(self.now_ms);
            let prepared = self.worker.prepare(request.row, &request.args, context.database, None);
            self.worker.fetch(&[prepared]);
            let mut reply = Reply::new(&mut out, request.dialect);
            let outcome = self.worker.execute(request, prepared, &context, &mut reply);
            self.worker.finish();
            if outcome != Outcome::Busy {
                return out;
            }
            std::thread::yield_now();
        }
    }

    /// Asks for something that may have to wait: the reply, or under which ticket it comes.
    pub fn ask(&mut self, client_id: u64, line: &str) -> Result<String, Ticket> {
        let words: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        let context = Context { client_id, may_wait: true, ..Context::default() };
        with_request(&words, |request| {
            loop {
                let mut out = Vec::new();
                self.worker.begin(self.now_ms);
                let mut reply = Reply::new(&mut out, request.dialect);
                let outcome = self.worker.execute(request, Prepared::default(), &context, &mut reply);
                self.worker.finish();
                match outcome {
                    Outcome::Later(ticket) => return Err(ticket),
                    Outcome::Busy => std::thread::yield_now(),
                    _ => return Ok(String::from_utf8(out).expect("replies of these tests are text")),
                }
            }
        })
    }

    /// The answers that have come to what had to wait.
    pub fn collect(&mut self) -> Vec<(Ticket, String)> {
        let mut all = Vec::new();
        self.worker.begin(self.now_ms);
        self.worker.collect(&mut |answered| {
            let (Piece::Done(bytes) | Piece::Failed(bytes)) = answered.piece else { panic!("{answered:?}") };
            all.push((answered.ticket, String::from_utf8(bytes.to_vec()).expect("text")));
        });
        self.worker.finish();
        all
    }

    /// The same, from words in one line.
    pub fn run(&mut self, line: &str) -> String {
        let words: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        String::from_utf8(self.send(&words)).expect("replies of these tests are text")
    }
}

/// A RESP request of these words.
fn with_request<T>(words: &[&[u8]], then: impl FnOnce(&Request<'_>) -> T) -> T {
    let words = Words::new(words);
    let args = words.args();
    let Ok(row) = table::resolve(&args) else { panic!("no such command") };
    then(&Request { row, dialect: Dialect::Resp2, args, item: &Item::NONE })
}
