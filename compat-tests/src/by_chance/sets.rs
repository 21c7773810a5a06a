//! Random requests on sets.

use std::fmt::Write as _;

use super::{Generator, Keys, Real, integer, one};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: usize = 2_000;

/// Sets of integers, which stay so, and are told in order.
const INTEGERS: [&str; 2] = ["integers:1", "integers:2"];
/// Sets of a few members, in the order in which they came since Redis 7.2.
const FEW: [&str; 3] = ["few:1", "few:2", "few:3"];
/// Sets of any size.
const ANY: [&str; 3] = ["any:1", "any:2", "any:3"];
/// What is stored of these. How it is kept depends on the order of their members, which is nobody's business.
const RESULT: &str = "result";

/// A few thousand of them.
pub const GENERATOR: Generator =
    Generator { name: "sets", family: Family::Redis, keys: Keys::InOneShard, rounds: 5, round };

fn round(dice: &mut fastrand::Rng, real: Real) -> String {
    let mut text = String::new();
    let integers = one(dice, &["4", "64", "512"]);
    writeln!(text, "> CONFIG SET set-max-intset-entries {integers}").expect("a string");
    for _ in 0..REQUESTS {
        let request = match dice.u8(..8) {
            0 => on_integers(dice, real),
            1 | 2 => on_few(dice, real),
            _ => on_any(dice, real),
        };
        text += &request;
        text.push('\n');
    }
    text
}

/// Never more than four different ones.
fn on_integers(dice: &mut fastrand::Rng, real: Real) -> String {
    let (key, other) = (one(dice, &INTEGERS), one(dice, &INTEGERS));
    let member = one(dice, &["5", "-70000", "9223372036854775807", "0"]);
    match dice.u8(..11) {
        0..=2 => format!("> SADD {key} {member}"),
        3 => format!("> SREM {key} {member} x"),
        4 => format!("> SMEMBERS {key}"),
        5 => format!("> SSCAN {key} 0"),
        6 => format!("> {} {key} {other}", one(dice, &["SINTER", "SUNION", "SDIFF"])),
        7 => format!("> {} {key} {key} {other}", one(dice, &["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])),
        8 => format!("> SRANDMEMBER {key} 10"),
        9 if real.is_7_2 => format!("> DUMP {key}"),
        _ => format!("> OBJECT ENCODING {key}"),
    }
}

/// Never more than eight different ones.
fn on_few(dice: &mut fastrand::Rng, real: Real) -> String {
    let (key, other, third) = (one(dice, &FEW), one(dice, &FEW), one(dice, &FEW));
    let all = ["a", "b", "7", "-300", "007", "70000", "long-name-of-a-member", "\"\""];
    let (member, another) = (one(dice, &all), one(dice, &all));
    let told = if real.is_7_2 { ">" } else { "sorted>" };
    match dice.u8(..11) {
        0..=2 => format!("> SADD {key} {member} {another}"),
        3 => format!("> SREM {key} {member} {another}"),
        4 => format!("> SMOVE {key} {other} {member}"),
        5 => format!("{told} SMEMBERS {key}"),
        6 => format!("{told} {} {key} {other} {third}", one(dice, &["SINTER", "SUNION", "SDIFF"])),
        7 => format!("> {} {key} {other} {third}", one(dice, &["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])),
        8 if real.is_7_2 => format!("> OBJECT ENCODING {key}"),
        9 if real.is_7_2 => format!("> DUMP {key}"),
        _ => format!("{told} SRANDMEMBER {key} 10"),
    }
}

fn on_any(dice: &mut fastrand::Rng, real: Real) -> String {
    let (key, other, third) = (one(dice, &ANY), one(dice, &ANY), one(dice, &ANY));
    let (member, several) = (member(dice), members(dice));
    match dice.u8(..32) {
        0..=6 => format!("> SADD {key} {several}"),
        7..=9 => format!("> SREM {key} {several}"),
        10 => format!("> SISMEMBER {key} {member}"),
        11 => format!("> SMISMEMBER {key} {several}"),
        12 => format!("> SCARD {key}"),
        13 => format!("sorted> SMEMBERS {key}"),
        14 | 15 => format!("> SMOVE {key} {other} {member}"),
        16 => format!("sorted> SINTER {key} {other} {third}"),
        17 => format!("sorted> SUNION {key} {other} none {third}"),
        18 => format!("sorted> SDIFF {key} {other} {third}"),
        19 => format!("> SINTERCARD 2 {key} {other} LIMIT {}", dice.u8(..20)),
        20 => format!("> SINTERSTORE {RESULT} {other} {third}"),
        21 => format!("> SUNIONSTORE {RESULT} {RESULT} {third} none"),
        22 => format!("> SDIFFSTORE {RESULT} {other} {third}"),
        23 => format!("sorted> SPOP {key} 10000"),
        24 => format!("sorted> SRANDMEMBER {key} 10000"),
        25 | 26 if real.is_7_2 => format!("> OBJECT ENCODING {key}"),
        27 => format!("> TYPE {key}"),
        28 => format!("> {} {key}", one(dice, &["DEL", "UNLINK", "GET", "PERSIST", "EXPIRETIME"])),
        29 => format!("> EXPIREAT {key} 33177117420"),
        30 if dice.u8(..4) == 0 => format!("> SET {key} {member}"),
        31 => format!("sorted> SMEMBERS {RESULT}"),
        _ => format!("> DEL {key}"),
    }
}

fn member(dice: &mut fastrand::Rng) -> String {
    match dice.u8(..12) {
        0 => "m".repeat(dice.usize(60..70)),
        1 => integer(dice).to_string(),
        2 => format!("m{}", dice.u32(..50)),
        _ => dice.u32(..300).to_string(),
    }
}

/// Several members, some of them twice.
fn members(dice: &mut fastrand::Rng) -> String {
    let count = if dice.u8(..8) == 0 { dice.usize(1..200) } else { dice.usize(1..5) };
    if dice.bool() {
        // All of them integers.
        return (0..count).map(|_| dice.u32(..300).to_string()).collect::<Vec<_>>().join(" ");
    }
    (0..count).map(|_| member(dice)).collect::<Vec<_>>().join(" ")
}
