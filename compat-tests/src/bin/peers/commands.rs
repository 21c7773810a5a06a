//! The table of commands: some of each family, beside redis-server, and how long an element takes to who waits for it.

use std::time::Duration;

use tidegate_compat_tests::load::dialect::{Dialect, Operation};
use tidegate_compat_tests::load::{Extent, Figures, Load, hand_off};
use tidegate_compat_tests::server::Server;

use crate::Options;
use crate::contender::Contender;
use crate::contest::{WARM, median, run_load};
use crate::report::{Cell, Report};

/// Bytes of a value.
const VALUE_BYTES: usize = 16;

/// Requests a connection sends before it awaits their replies.
const PIPELINE: usize = 16;

/// What is measured: words as [`tidegate_compat_tests::load::words`] has them.
struct Row {
    name: &'static str,
    /// Keys, of which each request has one by chance.
    keys: u64,
    /// What is done first, once for each key.
    before: &'static [&'static str],
    words: &'static [&'static str],
}

const ROWS: [Row; 21] = [
    Row { name: "INCR", keys: 100_000, before: &[], words: &["INCR", "%k"] },
    Row { name: "MSET10", keys: 1_000_000, before: &[], words: MSET10 },
    Row { name: "LPUSH", keys: 10_000, before: &[], words: &["LPUSH", "%k", "%v"] },
    Row { name: "LPOP", keys: 10_000, before: &["LPUSH", "%k", "%v*500"], words: &["LPOP", "%k"] },
    Row {
        name: "LRANGE_100",
        keys: 1000,
        before: &["RPUSH", "%k", "%v*300"],
        words: &["LRANGE", "%k", "0", "99"],
    },
    Row { name: "SADD", keys: 10_000, before: &[], words: &["SADD", "%k", "member:%n"] },
    Row {
        name: "SISMEMBER",
        keys: 10_000,
        before: &["SADD", "%k", "%v*100"],
        words: &["SISMEMBER", "%k", "no"],
    },
    Row { name: "HSET", keys: 10_000, before: &[], words: &["HSET", "%k", "field:%n", "%v"] },
    Row { name: "HGET", keys: 100_000, before: &["HSET", "%k", "%f*5"], words: &["HGET", "%k", "field:3"] },
    Row { name: "HGETALL", keys: 100_000, before: &["HSET", "%k", "%f*5"], words: &["HGETALL", "%k"] },
    Row { name: "ZADD", keys: 1000, before: &[], words: &["ZADD", "%k", "%n", "member:%n%n"] },
    Row { name: "ZRANGEBYSCORE", keys: 1000, before: &["ZADD", "%k", "%z*1000"], words: ZRANGEBYSCORE },
    Row {
        name: "ZRANK",
        keys: 1000,
        before: &["ZADD", "%k", "%z*1000"],
        words: &["ZRANK", "%k", "member:%n"],
    },
    Row { name: "XADD", keys: 1000, before: &[], words: XADD },
    Row { name: "PFADD", keys: 1000, before: &[], words: &["PFADD", "%k", "element:%n%n"] },
    Row { name: "GEOADD", keys: 1000, before: &[], words: &["GEOADD", "%k", "13.%n", "38.%n", "member:%n"] },
    Row { name: "GEOSEARCH", keys: 100, before: &["GEOADD", "%k", "%g*1000"], words: GEOSEARCH },
    Row { name: "BITCOUNT", keys: 1000, before: BITMAP, words: &["BITCOUNT", "%k"] },
    Row { name: "BITOP", keys: 1000, before: BITMAP, words: &["BITOP", "XOR", "%k", "%k", "%k"] },
    Row { name: "EVAL", keys: 100_000, before: &["SET", "%k", "%v"], words: EVAL },
    Row { name: "PUBLISH", keys: 1000, before: &[], words: &["PUBLISH", "%k", "%v"] },
];

const MSET10: &[&str] = &[
    "MSET", "%k", "%v", "%k", "%v", "%k", "%v", "%k", "%v", "%k", "%v", "%k", "%v", "%k", "%v", "%k", "%v",
    "%k", "%v", "%k", "%v",
];
const ZRANGEBYSCORE: &[&str] = &["ZRANGEBYSCORE", "%k", "500", "509", "WITHSCORES"];
const GEOSEARCH: &[&str] =
    &["GEOSEARCH", "%k", "FROMLONLAT", "13.5", "38.5", "BYRADIUS", "5", "km", "ASC", "WITHDIST"];
const BITMAP: &[&str] = &["SETRANGE", "%k", "1008", "%v"];
const EVAL: &[&str] = &["EVAL", "return redis.call('GET', KEYS[1])", "1", "%k"];
const XADD: &[&str] = &["XADD", "%k", "MAXLEN", "~", "1000", "*", "field", "%v"];

/// The row that is no load of requests: an element that goes from who pushes it to who waits for it.
const HAND_OFF: &str = "BLPOP";

/// Whether a row is asked for by its name.
pub(crate) fn is_row(word: &str) -> bool {
    ROWS.iter().map(|row| row.name).chain([HAND_OFF]).any(|name| name.eq_ignore_ascii_case(word))
}

/// Measures every row that is wanted.
pub(crate) fn measure(options: &Options, entrants: &[&Contender], report: &mut Report) -> Result<(), String> {
    let servers = entrants.iter().map(|one| one.start()).collect::<Result<Vec<_>, String>>()?;
    let names: Vec<_> = entrants.iter().map(|one| one.name.as_str()).collect();
    report.commands(VALUE_BYTES);
    let measure = |name: &str, pipeline: usize, run: &dyn Fn(&Server) -> Result<Figures, String>| {
        let mut runs = vec![Vec::new(); servers.len()];
        for _ in 0..options.repeat() {
            for (server, runs) in servers.iter().zip(&mut runs) {
                runs.push(run(server)?);
            }
        }
        let medians: Vec<_> = runs.iter().map(|runs| median(runs)).collect();
        let (dialect, operation) = (Dialect::Resp, Operation::Get);
        report.row(name, Cell { dialect, operation, pipeline, value_bytes: VALUE_BYTES }, &names, &medians);
        Ok::<(), String>(())
    };
    for row in ROWS.iter().filter(|row| options.wants_command(row.name)) {
        measure(row.name, PIPELINE, &|server| run(options, server, row))?;
    }
    if options.wants_command(HAND_OFF) {
        measure(HAND_OFF, 1, &|server| run_hand_off(options, server))?;
    }
    Ok(())
}

/// One measurement, with nothing else in the store.
fn run(options: &Options, server: &Server, row: &Row) -> Result<Figures, String> {
    let load = |words, keys, extent| Load {
        address: server.redis(),
        dialect: Dialect::Resp,
        operation: Operation::Words(words),
        connections: options.connections.into(),
        pipeline: PIPELINE,
        keys,
        value_bytes: VALUE_BYTES,
        extent,
    };
    run_load(&load(&["FLUSHALL"], 1, Extent::EachKeyOnce), server)?;
    if !row.before.is_empty() {
        run_load(&load(row.before, row.keys, Extent::EachKeyOnce), server)?;
    }
    let extent = Extent::Random { warm: WARM, counted: Duration::from_secs_f64(options.seconds()) };
    run_load(&load(row.words, row.keys, extent), server)
}

/// The same of the hand-off.
fn run_hand_off(options: &Options, server: &Server) -> Result<Figures, String> {
    let counted = Duration::from_secs_f64(options.seconds());
    hand_off::run(server.redis(), VALUE_BYTES, WARM, counted, &server.processes())
        .map_err(|error| format!("{error}\n{}", server.log()))
}
