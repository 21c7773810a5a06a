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
use tidegate_protocols::{Args, Dialect, Reply, Request, Row, Span, table};
use tidegate_shards::{Allocator, Store, StoreWorker, allocator};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Requests prefetched together, as the gateway does.
const STRETCH: usize = 64;
const VALUE: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";

/// Processor time of this thread, in nanoseconds: what it costs, however busy the machine is.
fn now() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn key(number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
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
}

/// One request laid out as a connection would have read it.
struct Laid {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Laid {
    fn new(words: &[&[u8]]) -> Self {
        let mut end = 0;
        let spans = words.iter().map(|word| {
            end += word.len();
            Span::new(end - word.len(), end)
        });
        Self { spans: spans.collect(), bytes: words.concat() }
    }

    fn request(&self, row: &'static Row) -> Request<'_> {
        let args = Args::new(&self.bytes, &self.spans);
        Request { row, dialect: Dialect::Resp2, args, item: &Item::NONE }
    }
}

impl Bench {
    /// Runs one stretch as the gateway's tick does.
    fn stretch(&mut self, row: &'static Row, stretch: &[Laid]) {
        let mut prepared = [Prepared::default(); STRETCH];
        for (laid, prepared) in stretch.iter().zip(&mut prepared) {
            *prepared = self.worker.prepare(&laid.request(row), &self.context);
        }
        for prepared in &prepared[..stretch.len()] {
            self.worker.fetch(*prepared, &self.context);
        }
        for (laid, prepared) in stretch.iter().zip(&prepared) {
            let mut reply = Reply::new(&mut self.out, Dialect::Resp2);
            let outcome = self.worker.execute(&laid.request(row), *prepared, &self.context, &mut reply);
            assert_eq!(outcome, Outcome::Done);
        }
        self.out.clear();
    }

    /// Mean nanoseconds of one request, `stretch` at a time.
    fn mean_ns(&mut self, row: &'static Row, requests: &[Laid], stretch: usize) -> f64 {
        let start = now();
        for (tick, stretch) in requests.chunks(stretch).enumerate() {
            self.worker.begin(1_700_000_000_000 + tick as u64 / 100);
            self.stretch(row, stretch);
            self.worker.finish();
        }
        (now() - start) as f64 / requests.len() as f64
    }
}

fn requests(keys: u64, value: Option<&[u8]>) -> Vec<Laid> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    (0..1_000_000)
        .map(|_| {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let key = key((random >> 20) % keys);
            match value {
                Some(value) => Laid::new(&[b"SET", &key, value]),
                None => Laid::new(&[b"GET", &key]),
            }
        })
        .collect()
}

fn main() {
    let keys = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let (get, set) = (table::lookup(b"GET").expect("a row"), table::lookup(b"SET").expect("a row"));
    // With one worker there is one partition; with several, each request takes a lock.
    for workers in [1, 8] {
        println!("-- {keys} keys, as one of {workers} workers");
        let before = allocator::figures();
        let store = Store::new(Arc::new(Settings::default()), workers);
        let worker = store.worker(0, workers);
        let mut bench = Bench { worker, context: Context::default(), out: Vec::with_capacity(1 << 16) };
        fill(&mut bench, set, keys);
        let after = allocator::figures();
        let figures = store.figures();
        let per_item = |bytes: u64| bytes as f64 / keys as f64;
        println!(
            "bytes per item: {:.1} allocated, {:.1} resident, of which {:.1} are table",
            per_item(after.allocated - before.allocated),
            per_item(after.resident.saturating_sub(before.resident)),
            per_item(figures.table_bytes),
        );
        let (gets, sets, longer) =
            (requests(keys, None), requests(keys, Some(VALUE)), requests(keys, Some(b"another length")));
        for (name, row, requests) in
            [("GET", get, &gets), ("SET", set, &sets), ("SET, new size", set, &longer)]
        {
            let batched = bench.mean_ns(row, requests, STRETCH);
            let single = bench.mean_ns(row, requests, 1);
            println!("{name}: {batched:.0} ns in stretches of {STRETCH}, {single:.0} ns one by one");
        }
    }
    slots();
}

/// Puts all keys in, and prints the slowest insert.
fn fill(bench: &mut Bench, set: &'static Row, keys: u64) {
    let mut slowest = (0, 0);
    let start = now();
    for number in 0..keys {
        let laid = [Laid::new(&[b"SET", &key(number), VALUE])];
        bench.worker.begin(1_700_000_000_000);
        let insert = now();
        bench.stretch(set, &laid);
        slowest = slowest.max((now() - insert, number));
        bench.worker.finish();
    }
    let mean = (now() - start) as f64 / keys as f64;
    println!("fill: {mean:.0} ns an insert; the slowest {} µs, number {}", slowest.0 / 1000, slowest.1);
}

/// What finding the slot costs.
fn slots() {
    let start = now();
    let mut sum = 0_u64;
    for number in 0..10_000_000 {
        sum += u64::from(crc16(black_box(&key(number))));
    }
    let with = now() - start;
    let start = now();
    for number in 0..10_000_000 {
        sum += u64::from(black_box(&key(number))[15]);
    }
    println!("CRC16 of 16 bytes: {:.1} ns", with.saturating_sub(now() - start) as f64 / 1e7);
    black_box(sum);
}
