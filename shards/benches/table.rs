//! What one operation costs the store, without sockets and parsing.
//!
//! `cargo bench -p tidegate-shards -- [KEYS]` fills a store with KEYS (default 1,000,000) items of a 16-byte
//! key and a 32-byte value, and prints bytes per item, the slowest insert, and the mean time of GET and SET
//! in stretches of 64 prefetched requests and one by one.

use std::hint::black_box;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use tidegate_protocols::data::{Context, Data as _, Outcome, Prepared, Worker as _};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::settings::Settings;
use tidegate_protocols::slot::crc16;
use tidegate_protocols::{Dialect, Reply, Request, Row, Words, table};
use tidegate_shards::{Allocator, Store, StoreWorker, allocator};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Requests prefetched together, as the gateway does.
const STRETCH: usize = 64;
/// Requests each mean is taken of.
const REQUESTS: usize = 1 << 20;
const VALUE: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";

/// Processor time of this thread, in nanoseconds: what it costs, however busy the machine is.
fn now() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The `number`th key. Keys that begin with `{t}` have a hash tag and so lie all in one slot.
fn key(prefix: [u8; 4], number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&prefix);
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// A worker and buffers that are used again and again.
struct Bench {
    worker: StoreWorker,
    context: Context,
    out: Vec<u8>,
    clock_ns: f64,
    prefix: [u8; 4],
    keys: u64,
}

/// A request of these words.
fn request<'a>(words: &'a Words, row: &'static Row) -> Request<'a> {
    Request { row, dialect: Dialect::Resp2, args: words.args(), item: &Item::NONE }
}

impl Bench {
    /// Runs one stretch as the gateway's tick does.
    fn stretch(&mut self, row: &'static Row, stretch: &[Words]) {
        let mut prepared = [Prepared::default(); STRETCH];
        for (laid, prepared) in stretch.iter().zip(&mut prepared) {
            *prepared = {
                let request = request(laid, row);
                self.worker.prepare(request.row, &request.args, self.context.database, None)
            };
        }
        self.worker.fetch(&prepared[..stretch.len()]);
        for (laid, prepared) in stretch.iter().zip(&prepared) {
            let mut reply = Reply::new(&mut self.out, Dialect::Resp2);
            let outcome = self.worker.execute(&request(laid, row), *prepared, &self.context, &mut reply);
            assert_eq!(outcome, Outcome::Done);
        }
        self.out.clear();
    }

    /// Mean nanoseconds of one request for one of the keys by chance, `stretch` at a time.
    fn mean_ns(&mut self, row: &'static Row, value: Option<&[u8]>, stretch: usize) -> f64 {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut spent = 0;
        for tick in 0..REQUESTS / stretch {
            let requests: Vec<Words> = (0..stretch)
                .map(|_| {
                    random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                    let key = key(self.prefix, (random >> 20) % self.keys);
                    match value {
                        Some(value) => Words::new(&[&b"SET"[..], &key, value]),
                        None => Words::new(&[&b"GET"[..], &key]),
                    }
                })
                .collect();
            let start = now();
            self.worker.begin(1_700_000_000_000 + tick as u64 / 100);
            self.stretch(row, &requests);
            self.worker.finish();
            spent += now() - start;
        }
        (spent as f64 - self.clock_ns * (REQUESTS / stretch) as f64) / REQUESTS as f64
    }
}

impl Bench {
    /// Puts all keys in, and prints the slowest insert.
    fn fill(&mut self) {
        let set = table::lookup(b"SET").expect("a row");
        let (mut slowest, start) = ((0, 0), now());
        for number in 0..self.keys {
            let requests = [Words::new(&[&b"SET"[..], &key(self.prefix, number), VALUE])];
            self.worker.begin(1_700_000_000_000);
            let insert = now();
            self.stretch(set, &requests);
            slowest = slowest.max((now() - insert, number));
            self.worker.finish();
        }
        let mean = (now() - start) as f64 / self.keys as f64 - 2.0 * self.clock_ns;
        println!("fill: {mean:.0} ns an insert; the slowest {} µs, number {}", slowest.0 / 1000, slowest.1);
    }
}

/// What reading the clock itself costs, in nanoseconds.
fn clock_ns() -> f64 {
    let start = now();
    for _ in 0..100_000 {
        black_box(now());
    }
    (now() - start) as f64 / 100_000.0
}

fn main() {
    let keys = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    // One worker keeps the locks it takes until it has finished; with several, each request takes one. One slot alone is
    // what a single table over the whole hash would be.
    measure("one worker, a table per slot", 1, *b"key:", keys);
    measure("one worker, one table", 1, *b"{t}:", keys);
    measure("one of eight workers, a table per slot", 8, *b"key:", keys);
    slots();
}

fn measure(what: &str, workers: usize, prefix: [u8; 4], keys: u64) {
    println!("-- {keys} keys, {what}");
    let before = allocator::figures();
    let store = Store::new(Arc::new(Settings::default()), workers);
    let (worker, context) = (store.worker(0, workers), Context::default());
    let out = Vec::with_capacity(1 << 16);
    let mut bench = Bench { worker, context, out, clock_ns: clock_ns(), prefix, keys };
    bench.fill();
    let (after, figures) = (allocator::figures(), store.figures());
    let per_item = |bytes: u64| bytes as f64 / keys as f64;
    println!(
        "bytes per item: {:.1} allocated, {:.1} resident, of which {:.1} are table",
        per_item(after.allocated - before.allocated),
        per_item(after.resident.saturating_sub(before.resident)),
        per_item(figures.table_bytes),
    );
    let (get, set) = (table::lookup(b"GET").expect("a row"), table::lookup(b"SET").expect("a row"));
    for (name, row, value) in
        [("GET", get, None), ("SET", set, Some(&VALUE[..])), ("SET, new size", set, Some(b"another length"))]
    {
        let batched = bench.mean_ns(row, value, STRETCH);
        let single = bench.mean_ns(row, value, 1);
        println!("{name}: {batched:.0} ns in stretches of {STRETCH}, {single:.0} ns one by one");
    }
    drop((bench, store));
    allocator::purge();
}

/// What finding the slot costs.
fn slots() {
    let start = now();
    let mut sum = 0_u64;
    for number in 0..10_000_000 {
        sum += u64::from(crc16(black_box(&key(*b"key:", number))));
    }
    let with = now() - start;
    let start = now();
    for number in 0..10_000_000 {
        sum += u64::from(black_box(&key(*b"key:", number))[15]);
    }
    println!("CRC16 of 16 bytes: {:.1} ns", with.saturating_sub(now() - start) as f64 / 1e7);
    black_box(sum);
}
