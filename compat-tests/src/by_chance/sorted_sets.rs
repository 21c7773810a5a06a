//! Random requests on sorted sets.

use std::fmt::Write as _;

use super::{Generator, Keys, Real, one};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: usize = 2_000;

/// Sorted sets with any scores, and a set.
const ANY: [&str; 5] = ["a", "b", "c", "d", "set"];
/// Sorted sets whose scores are all the same.
const NAMED: [&str; 2] = ["n", "m"];

/// A few thousand of them.
pub const GENERATOR: Generator =
    Generator { name: "sorted-sets", family: Family::Redis, keys: Keys::InOneShard, rounds: 5, round };

fn round(dice: &mut fastrand::Rng, real: Real) -> String {
    // Trees begin early in some rounds and late in others.
    let entries = [3, 20, 128, 512][dice.usize(..4)];
    let mut text = format!("> CONFIG SET zset-max-listpack-entries {entries}\n");
    for number in 0..REQUESTS {
        if number % 100 == 0 {
            text += if dice.bool() { "@resp2\n" } else { "@resp3\n" };
        }
        let request = if dice.u8(..5) == 0 { on_named(dice) } else { on_any(dice, real) };
        writeln!(text, "> {request}").expect("a string");
    }
    text
}

/// Names are compared, so all scores are 0.
fn on_named(dice: &mut fastrand::Rng) -> String {
    let key = one(dice, &NAMED);
    let (from, to) = (name_bound(dice), name_bound(dice));
    let limit = limit(dice);
    match dice.u8(..12) {
        0..=4 => {
            format!("ZADD {key} 0 {}", members(dice).collect::<Vec<_>>().join(" 0 "))
        }
        5 => format!("ZLEXCOUNT {key} {from} {to}"),
        6 => format!("ZRANGEBYLEX {key} {from} {to}{limit}"),
        7 => format!("ZREVRANGEBYLEX {key} {to} {from}{limit}"),
        8 => format!("ZRANGE {key} {from} {to} BYLEX{limit}"),
        9 => format!("ZRANGE {key} {to} {from} BYLEX REV{limit}"),
        10 if dice.u8(..4) == 0 => format!("ZREMRANGEBYLEX {key} {from} {to}"),
        10 => format!("ZRANGESTORE {key} n {from} {to} BYLEX{limit}"),
        _ => format!("ZRANGE {key} 0 -1"),
    }
}

fn on_any(dice: &mut fastrand::Rng, real: Real) -> String {
    let (key, other) = (one(dice, &ANY[..4]), one(dice, &ANY));
    let (member, by) = (member(dice), score(dice, real));
    let (from, to) = (bound(dice, real), bound(dice, real));
    let (start, stop) = (dice.i16(-30..30), dice.i16(-30..30));
    let (scores, limit) = (one(dice, &["", " WITHSCORES"]), limit(dice));
    let options = one(dice, &["", "", " NX", " XX", " GT", " LT", " CH", " XX GT", " CH LT", " XX CH"]);
    match dice.u8(..49) {
        0..=11 => {
            let pairs = pairs(dice, real);
            format!("ZADD {key}{options} {pairs}")
        }
        12 => format!("ZADD {key}{} INCR {by} {member}", options.replace(" CH", "")),
        13 | 14 => format!("ZINCRBY {key} {by} {member}"),
        15 | 16 => format!("ZREM {key} {}", members(dice).collect::<Vec<_>>().join(" ")),
        17 => format!("ZSCORE {key} {member}"),
        18 => format!("ZMSCORE {key} {}", members(dice).collect::<Vec<_>>().join(" ")),
        19 | 20 => format!("{} {key} {member}", one(dice, &["ZRANK", "ZREVRANK"])),
        21 => format!("ZCOUNT {key} {from} {to}"),
        22 | 23 => format!("ZRANGE {key} {start} {stop}{}{scores}", one(dice, &["", " REV"])),
        24 => format!("ZREVRANGE {key} {start} {stop}{scores}"),
        25 | 26 => format!("ZRANGEBYSCORE {key} {from} {to}{scores}{limit}"),
        27 | 28 => format!("ZREVRANGEBYSCORE {key} {to} {from}{limit}{scores}"),
        29 => format!("ZRANGE {key} {to} {from} BYSCORE REV{scores}{limit}"),
        30 => format!("ZRANGESTORE {key} {} {start} {stop}", one(dice, &ANY[..4])),
        31 => format!("ZRANGESTORE {key} {} {from} {to} BYSCORE{limit}", one(dice, &ANY[..4])),
        32 if dice.u8(..4) == 0 => format!("ZREMRANGEBYRANK {key} {start} {stop}"),
        33 => format!("ZREMRANGEBYSCORE {key} {from} {}", score(dice, real)),
        34 => format!("{} {key}", one(dice, &["ZPOPMIN", "ZPOPMAX"])),
        35 => format!("{} {key} {}", one(dice, &["ZPOPMIN", "ZPOPMAX"]), dice.u8(..20)),
        36 => format!(
            "ZMPOP 2 {key} {} {} COUNT {}",
            one(dice, &ANY[..4]),
            one(dice, &["MIN", "MAX"]),
            dice.u8(1..9)
        ),
        37..=40 => {
            let (command, weights) = (one(dice, &["ZUNION", "ZINTER", "ZDIFF"]), weights(dice, real));
            let weights = if command == "ZDIFF" { String::new() } else { weights };
            if dice.bool() {
                format!("{command} 3 {key} {other} a{weights}{scores}")
            } else {
                format!("{command}STORE {} 3 {key} {other} a{weights}", one(dice, &ANY[..4]))
            }
        }
        41 => format!("ZINTERCARD 2 {key} {other} LIMIT {}", dice.u8(..5)),
        42 => format!("SADD set {}", members(dice).collect::<Vec<_>>().join(" ")),
        43 if dice.u8(..4) == 0 => {
            one(dice, &["DEL a", "RENAME b c", "COPY c d REPLACE", "DEL set"]).to_owned()
        }
        44 if real.is_7_2 => format!("OBJECT ENCODING {key}"),
        48 if real.is_7_2 => format!("DUMP {key}"),
        45 => format!("ZRANGE {key} 0 -1 WITHSCORES"),
        _ => format!("ZCARD {key}"),
    }
}

fn member(dice: &mut fastrand::Rng) -> String {
    match dice.u8(..8) {
        0 => "m".repeat(dice.usize(60..70)),
        1 => one(dice, &["\"\"", "-1", "007", "\"\\xff\"", "4096", "long-name-of-a-member"]).to_owned(),
        _ => dice.u32(..150).to_string(),
    }
}

/// Several members, some of them twice.
fn members(dice: &mut fastrand::Rng) -> impl Iterator<Item = String> {
    let count = if dice.u8(..10) == 0 { dice.usize(1..60) } else { dice.usize(1..4) };
    (0..count).map(|_| member(dice)).collect::<Vec<_>>().into_iter()
}

/// Scores and members. More than the limit at once make a tree since Redis 7.2, be they all the same; so nobody twice.
fn pairs(dice: &mut fastrand::Rng, real: Real) -> String {
    let mut members: Vec<_> = members(dice).collect();
    members.sort_unstable();
    members.dedup();
    let pairs: Vec<_> = members.iter().map(|member| score(dice, real) + " " + member).collect();
    pairs.join(" ")
}

/// Few binary digits, which Redis 7.0 writes as 7.2 does; others only if it is one.
fn score(dice: &mut fastrand::Rng, real: Real) -> String {
    match dice.u8(..20) {
        0 => one(dice, &["inf", "-inf"]).to_owned(),
        1 => (1_i64 << dice.u32(..if real.is_7_2 { 62 } else { 20 })).to_string(),
        2 if real.is_7_2 => format!("{:e}", dice.f64() - 0.5),
        3 if real.is_7_2 => format!("{}e{}", dice.i64(..), dice.i32(-320..280)),
        2..8 => (f64::from(dice.i16(-200..200)) / 4.0).to_string(),
        _ => dice.i16(-20..20).to_string(),
    }
}

fn bound(dice: &mut fastrand::Rng, real: Real) -> String {
    one(dice, &["", "("]).to_owned() + &score(dice, real)
}

fn name_bound(dice: &mut fastrand::Rng) -> String {
    match dice.u8(..6) {
        0 => "-".to_owned(),
        1 => "+".to_owned(),
        _ => one(dice, &["[", "("]).to_owned() + &dice.u32(..150).to_string(),
    }
}

fn limit(dice: &mut fastrand::Rng) -> String {
    if dice.bool() { String::new() } else { format!(" LIMIT {} {}", dice.i8(-1..9), dice.i8(-2..9)) }
}

fn weights(dice: &mut fastrand::Rng, real: Real) -> String {
    let mut options = String::new();
    if dice.bool() {
        let last = if real.is_7_2 { score(dice, real) } else { one(dice, &["1", "inf", "2"]).to_owned() };
        // Redis 7.0 packs what 7.2 does not, and so loses the sign of a zero.
        let from = if real.is_7_2 { -1 } else { 1 };
        write!(options, " WEIGHTS {} {} {last}", dice.i8(from..3), dice.i8(from..2)).expect("a string");
    }
    if dice.bool() {
        options += " AGGREGATE ";
        options += one(dice, &["SUM", "MIN", "MAX"]);
    }
    options
}
