//! Random requests on hashes.

use std::fmt::Write as _;

use super::{Generator, Keys, Real, integer as number, one};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: usize = 2_000;

/// Hashes that stay packed, so that the order of their fields can be compared.
const PACKED: [&str; 2] = ["packed:1", "packed:2"];
/// Hashes that become tables, and come and go.
const ANY: [&str; 3] = ["any:1", "any:2", "any:3"];

/// A few thousand of them.
pub const GENERATOR: Generator =
    Generator { name: "hashes", family: Family::Redis, keys: Keys::Anywhere, rounds: 5, round };

fn round(dice: &mut fastrand::Rng, real: Real) -> String {
    // Tables begin early in some rounds and late in others.
    let entries = [8, 128, 512][dice.usize(..3)];
    let mut text = format!("> CONFIG SET hash-max-listpack-entries {entries}\n");
    for _ in 0..REQUESTS {
        let on_fields = real.is_8 && dice.bool();
        let request = if on_fields { on_expiring(dice) } else { request(dice, real) };
        writeln!(text, "{request}").expect("a string");
    }
    text
}

/// Fields that expire, at times that are far away or past. `SEED=7 PATH=/where/redis-8/is:$PATH` compares them.
fn on_expiring(dice: &mut fastrand::Rng) -> String {
    let packed = dice.bool();
    let key =
        if packed { one(dice, &["expiring:1", "expiring:2"]) } else { one(dice, &["timed:1", "timed:2"]) };
    let field = |dice: &mut fastrand::Rng| match (packed, dice.u8(..8)) {
        (true, _) => one(dice, &["a", "b", "1", "-5000", "007", "f", "g", "h"]).to_owned(),
        (_, 0) => "f".repeat(dice.usize(60..70)),
        _ => format!("f{}", dice.u8(..40)),
    };
    let fields: Vec<_> = (0..dice.usize(1..5)).map(|_| field(dice)).collect();
    let (count, words) = (fields.len(), fields.join(" "));
    let pairs: Vec<_> = fields.iter().map(|field| format!("{field} {}", dice.u8(..))).collect();
    let pairs = pairs.join(" ");
    let at = one(dice, &["60000000000001", "60000000000002", "65000000000000", "70000000000000", "1"]);
    let condition = one(dice, &["", "", "NX", "XX", "GT", "LT"]);
    let told = if packed { ">" } else { "sorted>" };
    match dice.u8(..24) {
        0..=4 => format!("> HPEXPIREAT {key} {at} {condition} FIELDS {count} {words}"),
        5 | 6 => {
            format!("> HSETEX {key} {} PXAT {at} FIELDS {count} {pairs}", one(dice, &["", "FNX", "FXX"]))
        }
        7 => format!("> HSETEX {key} KEEPTTL FIELDS {count} {pairs}"),
        8 => format!("> HSETEX {key} FIELDS {count} {pairs}"),
        9 => format!("> HGETEX {key} PXAT {at} FIELDS {count} {words}"),
        10 => format!("> HGETEX {key} {} FIELDS {count} {words}", one(dice, &["PERSIST", ""])),
        11 => format!("> HPERSIST {key} FIELDS {count} {words}"),
        12 | 13 => format!("> HPEXPIRETIME {key} FIELDS {count} {words}"),
        14..=16 => format!("> HSET {key} {pairs}"),
        17 => format!("> HINCRBY {key} {} 1", fields[0]),
        18 => format!("> HDEL {key} {words}"),
        19 if dice.u8(..4) == 0 => format!("> HGETDEL {key} FIELDS {count} {words}"),
        20 => format!("> OBJECT ENCODING {key}"),
        21 if dice.u8(..8) == 0 => format!("> DEL {key}"),
        22 => format!("> HLEN {key}"),
        _ => format!("{told} HGETALL {key}"),
    }
}

fn request(dice: &mut fastrand::Rng, real: Real) -> String {
    if dice.u8(..4) == 0 { on_packed(dice, real) } else { on_any(dice) }
}

/// Few short fields and values: never more than eight.
fn on_packed(dice: &mut fastrand::Rng, real: Real) -> String {
    let key = PACKED[dice.usize(..PACKED.len())];
    let field = ["a", "b", "1", "128", "-5000", "007", "long-name-of-a-field", "\"\""][dice.usize(..8)];
    let number = number(dice);
    match dice.u8(..11) {
        0..=2 => format!("> HSET {key} {field} {number}"),
        3 => format!("> HSET {key} {field} {} a {number}", "v".repeat(dice.usize(..65)) + "\"\""),
        4 => format!("> HDEL {key} {field} b"),
        5 => format!("> HKEYS {key}"),
        6 => format!("> HSCAN {key} 0"),
        7 => format!("> HINCRBY {key} {field} {number}"),
        8 => format!("> HVALS {key}"),
        9 if real.is_7_2 => format!("> DUMP {key}"),
        _ => format!("> HGETALL {key}"),
    }
}

fn on_any(dice: &mut fastrand::Rng) -> String {
    let key = ANY[dice.usize(..ANY.len())];
    let (one, several, number) = (field(dice), fields(dice), number(dice));
    match dice.u8(..32) {
        0..=5 => {
            // More than the limit at once make a table since Redis 7.2, be they all the same; so no field twice.
            let mut fields: Vec<_> = several.split(' ').collect();
            fields.sort_unstable();
            fields.dedup();
            let pairs: Vec<_> = fields.iter().map(|field| format!("{field} {}", value(dice))).collect();
            format!("> {} {key} {}", ["HSET", "HMSET"][dice.usize(..2)], pairs.join(" "))
        }
        6 => format!("> HSETNX {key} {one} {}", value(dice)),
        7 | 8 => format!("> HDEL {key} {several}"),
        9 | 10 => format!("> HINCRBY {key} {one} {number}"),
        11 | 12 => format!("> HINCRBYFLOAT {key} {one} {number}.{}", dice.u8(..)),
        13 | 14 => format!("> HGET {key} {one}"),
        15 | 16 => format!("> HMGET {key} {several}"),
        17 => format!("> HEXISTS {key} {one}"),
        18 => format!("> HSTRLEN {key} {one}"),
        19 => format!("> HLEN {key}"),
        20 => format!("sorted> HGETALL {key}"),
        21 => format!("sorted> HKEYS {key}"),
        22 => format!("sorted> HVALS {key}"),
        23 => format!("sorted> HRANDFIELD {key} 10000 WITHVALUES"),
        24 | 25 => format!("> OBJECT ENCODING {key}"),
        26 => format!("> TYPE {key}"),
        27 => format!("> {} {key}", ["DEL", "UNLINK", "GET", "PERSIST", "EXPIRETIME"][dice.usize(..5)]),
        28 => format!("> EXPIREAT {key} 33177117420"),
        29 => format!("> SET {key} {number}"),
        30 => format!("> HSET {key} {one}"),
        _ => format!("> DEL {key}"),
    }
}

fn field(dice: &mut fastrand::Rng) -> String {
    match dice.u8(..8) {
        0 => "f".repeat(dice.usize(60..70)),
        1 => format!("-{}", dice.u32(1..300)),
        _ => dice.u32(..300).to_string(),
    }
}

/// Several fields, some of them twice.
fn fields(dice: &mut fastrand::Rng) -> String {
    let count = if dice.u8(..8) == 0 { dice.usize(1..200) } else { dice.usize(1..5) };
    (0..count).map(|_| field(dice)).collect::<Vec<_>>().join(" ")
}

fn value(dice: &mut fastrand::Rng) -> String {
    match dice.u8(..6) {
        0 => "v".repeat(dice.usize(1..60)),
        1 if dice.u8(..20) == 0 => "v".repeat(dice.usize(60..5000)),
        2 => format!("{}.5", dice.i8(..)),
        _ => number(dice).to_string(),
    }
}
