//! What it costs to understand a request and to write a reply: `cargo bench -p tidegate-protocols`.
//!
//! Each line is the best of several rounds over a pipeline of 64 requests, in nanoseconds per request.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::hint::black_box;
use std::time::Instant;

use tidegate_protocols::memcached::{self, Item};
use tidegate_protocols::request::{Args, Span};
use tidegate_protocols::{Dialect, Reply, resp, table};

const PIPELINE: usize = 64;
const ROUNDS: usize = 50;
const PIPELINES_PER_ROUND: usize = 500;

fn main() {
    let value = "v".repeat(64);
    let get = "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n";
    let set = format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n$64\r\n{value}\r\n");
    resp("resp GET", get);
    resp("resp SET, 64 B", &set);
    resp("inline GET", "GET key:000000000042\r\n");
    resp_row("resp GET, with its row", get);
    resp_row("resp SET, with its row", &set);
    memcached("text get", b"get key:000000000042\r\n");
    memcached("text set, 64 B", format!("set key:000000000042 0 0 64\r\n{value}\r\n").as_bytes());
    memcached("meta get", b"mg key:000000000042 v\r\n");
    memcached("meta set, 64 B", format!("ms key:000000000042 64\r\n{value}\r\n").as_bytes());
    memcached("binary get", &binary(0x00, 0, b"key:000000000042", b""));
    memcached("binary set, 64 B", &binary(0x01, 8, b"key:000000000042", value.as_bytes()));
    for name in ["GET", "set", "incrby", "MGET", "EXPIREAT", "no-such-command"] {
        report(&format!("row of {name}"), || {
            for _ in 0..PIPELINE {
                black_box(table::lookup(black_box(name.as_bytes())));
            }
        });
    }
    let words = b"GETkey:000000000042";
    let spans = [Span::new(0, 3), Span::new(3, words.len())];
    let row = table::lookup(b"GET").unwrap();
    report("first key of GET", || {
        for _ in 0..PIPELINE {
            black_box(row.first_key(black_box(&Args::new(words, &spans))));
        }
    });
    report("all keys of GET", || {
        for _ in 0..PIPELINE {
            black_box(row.keys_of(black_box(&Args::new(words, &spans))).count());
        }
    });
    reply("reply OK", |reply| {
        reply.ok();
    });
    reply("reply of an integer", |reply| reply.integer(black_box(12)));
    reply("reply of 64 B", |reply| reply.bulk(black_box(value.as_bytes())));
    reply("reply of null", |reply| {
        reply.null();
    });
    report("slot of a key", || {
        for _ in 0..PIPELINE {
            black_box(tidegate_protocols::slot::slot_of(black_box(b"key:000000000042")));
        }
    });
}

fn reply(name: &str, write: impl Fn(&mut Reply<'_>)) {
    let mut out = Vec::new();
    report(name, || {
        out.clear();
        for _ in 0..PIPELINE {
            write(black_box(&mut Reply::new(&mut out, Dialect::Resp2)));
        }
        black_box(&out);
    });
}

fn resp(name: &str, request: &str) {
    let mut input = request.repeat(PIPELINE).into_bytes();
    let (mut spans, limits) = (Vec::new(), resp::Limits::default());
    let mut decoder = resp::Decoder::default();
    report(name, || {
        spans.clear();
        let mut rest = &mut input[..];
        while let Ok(resp::Decoded::Request(bytes)) = decoder.decode(rest, &limits, &mut spans) {
            rest = &mut rest[bytes..];
        }
        assert!(rest.is_empty());
        black_box(&spans);
    });
}

fn resp_row(name: &str, request: &str) {
    let mut input = request.repeat(PIPELINE).into_bytes();
    let (mut spans, limits) = (Vec::new(), resp::Limits::default());
    let mut decoder = resp::Decoder::default();
    report(name, || {
        spans.clear();
        let mut at = 0;
        let mut begin = 0;
        while let Ok(resp::Decoded::Request(bytes)) = decoder.decode(&mut input[at..], &limits, &mut spans) {
            let args = Args::new(&input[at..], &spans[begin..]);
            black_box(table::resolve(&args).is_ok());
            (at, begin) = (at + bytes, spans.len());
        }
    });
}

fn memcached(name: &str, request: &[u8]) {
    let mut input = request.repeat(PIPELINE);
    let (mut spans, mut item) = (Vec::<Span>::new(), Item::NONE);
    let rules = memcached::Rules::default();
    let mut decoder = memcached::Decoder::default();
    report(name, || {
        spans.clear();
        let mut rest = &mut input[..];
        while let memcached::Decoded::Request { bytes, .. } =
            decoder.decode(rest, &rules, &mut spans, &mut item)
        {
            rest = &mut rest[bytes..];
        }
        assert!(rest.is_empty());
        black_box(&spans);
    });
}

fn binary(opcode: u8, extras_bytes: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    let body = usize::from(extras_bytes) + key.len() + value.len();
    let mut request = vec![0x80, opcode, 0, u8::try_from(key.len()).unwrap(), extras_bytes, 0, 0, 0];
    request.extend_from_slice(&u32::try_from(body).unwrap().to_be_bytes());
    request.resize(24 + usize::from(extras_bytes), 0);
    request.extend_from_slice(key);
    request.extend_from_slice(value);
    request
}

fn report(name: &str, mut pipeline: impl FnMut()) {
    let best = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..PIPELINES_PER_ROUND).for_each(|_| pipeline());
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    println!("{name:28} {:7.1} ns", best.as_nanos() as f64 / (PIPELINES_PER_ROUND * PIPELINE) as f64);
}
