//! Random transactions of three clients at once.

use std::fmt::Write as _;

use super::{Generator, Keys, Real, one};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: usize = 2_000;

/// What can be part of a transaction wherever keys are.
pub const TRANSACTIONS: Generator = Generator {
    name: "transactions",
    family: Family::Redis,
    keys: Keys::InOneShard,
    rounds: 4,
    round: on_some_keys,
};

/// The same, and what is about all keys, which cannot be part of a transaction where there are several shards.
pub const TRANSACTIONS_ON_ALL_KEYS: Generator =
    Generator { name: "transactions-on-all-keys", round: on_all_keys, ..TRANSACTIONS };

fn on_some_keys(dice: &mut fastrand::Rng, _: Real) -> String {
    let mut requests = std::iter::repeat_with(|| request(dice)).filter(|request| !is_about_all_keys(request));
    let requests: Vec<_> = requests.by_ref().take(REQUESTS).collect();
    of_three_clients(dice, requests.into_iter())
}

fn on_all_keys(dice: &mut fastrand::Rng, _: Real) -> String {
    let requests: Vec<_> = (0..REQUESTS).map(|_| request(dice)).collect();
    of_three_clients(dice, requests.into_iter())
}

fn of_three_clients(dice: &mut fastrand::Rng, requests: impl Iterator<Item = String>) -> String {
    requests.fold(String::new(), |mut text, request| {
        writeln!(text, "{}> {request}", one(dice, &["", "b", "c"])).expect("a string");
        text
    })
}

fn is_about_all_keys(request: &str) -> bool {
    ["FLUSH", "DBSIZE", "SWAPDB"].iter().any(|name| request.starts_with(name))
}

/// What concerns transactions comes often, and few keys and databases make changes meet watches.
fn request(dice: &mut fastrand::Rng) -> String {
    let [key, other] = [(); 2].map(|()| one(dice, &["a", "b", "{a}c", "d"]));
    let number = dice.i32(-3..300);
    match dice.u8(..48) {
        0..=4 => "MULTI".into(),
        5..=9 => "EXEC".into(),
        10 => "DISCARD".into(),
        11..=14 => format!("WATCH {key}"),
        15 => format!("WATCH {key} {other} missing"),
        16 => "UNWATCH".into(),
        17 => "RESET".into(),
        18 | 19 => format!("SELECT {}", one(dice, &["0", "0", "1", "2", "16"])),
        20 => format!("SWAPDB {} {}", dice.u8(..3), dice.u8(..3)),
        21 => one(dice, &["FLUSHDB", "FLUSHALL", "FLUSHDB ASYNC", "DBSIZE", "DBSIZE"]).into(),
        22 => one(dice, &["GET", "NOSUCH x", "CONFIG NOSUCH", "SET a", "EXEC x"]).into(),
        23..=25 => format!("SET {key} {number}"),
        26 => format!(
            "SET {key} {number} {}",
            one(dice, &["NX", "XX", "GET", "KEEPTTL", "PX -1", "EXAT 33177117420"])
        ),
        27 => format!("SETBIT {key} {} {}", dice.u8(..20), dice.u8(..2)),
        28 => format!("BITFIELD {key} OVERFLOW FAIL INCRBY u4 {} {number}", dice.u8(..20)),
        29 => format!("BITOP {} {key} {other} missing", one(dice, &["AND", "OR"])),
        30 => format!("APPEND {key} {}", one(dice, &["x", "\"\""])),
        31 => format!("SETRANGE {key} {} {}", dice.u8(..4), one(dice, &["x", "\"\""])),
        32 => {
            format!("{} {key} {other}", one(dice, &["RENAME", "RENAMENX", "COPY", "DEL", "UNLINK", "MGET"]))
        }
        33 => format!("COPY {key} {other} DB {} REPLACE", dice.u8(..3)),
        34 => format!("MOVE {key} {}", dice.u8(..3)),
        35 => format!(
            "EXPIREAT {key} {} {}",
            one(dice, &["33177117420", "33177117421", "-1"]),
            one(dice, &["NX", "XX", "GT", "LT"])
        ),
        36 => format!("GETEX {key} {}", one(dice, &["PERSIST", "EXAT 33177117420"])),
        37 => format!("MSETNX {key} {number} {other} {number}"),
        38 => format!("INCRBY {key} {number}"),
        39 => format!("{} {key}", one(dice, &["GETDEL", "PERSIST", "EXISTS", "TYPE", "STRLEN", "INCR"])),
        40 => format!("EVAL \"return redis.call('get', KEYS[1])\" 1 {key}"),
        41 => format!(
            "EVAL \"redis.call('set', KEYS[1], ARGV[1]) return redis.call('get', KEYS[2])\" 2 {key} {other} {number}"
        ),
        42 => format!("EVAL \"return redis.call('append', '{key}', '{number}')\" 0"),
        43 => format!("EVAL \"redis.call('select', 1) return redis.pcall('incr', KEYS[1])\" 1 {key}"),
        _ => format!("GET {key}"),
    }
}
