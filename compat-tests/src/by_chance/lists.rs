//! Random requests on lists.

use std::fmt::Write as _;

use super::{Generator, Keys, Real, integer, one};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: usize = 2_000;

/// Lists that come and go.
const LISTS: [&str; 4] = ["a", "b", "c", "d"];

/// A few thousand of them.
pub const GENERATOR: Generator =
    Generator { name: "lists", family: Family::Redis, keys: Keys::InOneShard, rounds: 5, round };

fn round(dice: &mut fastrand::Rng, real: Real) -> String {
    // Listpacks of a few elements, or of some kilobytes.
    let size = dice.choice([-2, -1, 3, 8, 100]).expect("one of them");
    let mut text = format!("> CONFIG SET list-max-listpack-size {size}\n");
    for _ in 0..REQUESTS {
        writeln!(text, "> {}", request(dice, real)).expect("a string");
    }
    text
}

fn request(dice: &mut fastrand::Rng, real: Real) -> String {
    let (key, other) = (one(dice, &LISTS), one(dice, &LISTS));
    let (left, right) = (one(dice, &["LEFT", "RIGHT"]), one(dice, &["LEFT", "RIGHT"]));
    let (index, to) = (index(dice), index(dice));
    match dice.u8(..40) {
        0..=7 => format!("{} {key} {}", one(dice, &["LPUSH", "RPUSH", "LPUSHX", "RPUSHX"]), elements(dice)),
        8 => format!("{} {key}", one(dice, &["LPOP", "RPOP"])),
        9 => format!("{} {key} {}", one(dice, &["LPOP", "RPOP"]), dice.u8(..20)),
        10..=12 => format!("LINDEX {key} {index}"),
        13..=15 => {
            // Redis 7.2 takes the lower 32 bits of an index.
            format!("LSET {key} {} {}", i64::from(index as i32), element(dice))
        }
        16..=19 => {
            format!("LINSERT {key} {} {} {}", one(dice, &["BEFORE", "AFTER"]), short(dice), element(dice))
        }
        20 | 21 => format!("LREM {key} {} {}", dice.i8(-3..4), short(dice)),
        22 if dice.u8(..3) == 0 => format!("LTRIM {key} {index} {to}"),
        22 => format!("LTRIM {key} {} {}", dice.u8(..5), dice.i8(-5..0)),
        23 | 24 => format!("LPOS {key} {}{}", short(dice), options(dice)),
        25..=27 => format!("LMOVE {key} {other} {left} {right}"),
        28 => format!("RPOPLPUSH {key} {other}"),
        29 => format!("LMPOP 2 {key} {other} {left} COUNT {}", dice.u8(1..5)),
        30..=33 => format!("LRANGE {key} {index} {to}"),
        34 => format!("LRANGE {key} 0 -1"),
        35 => format!("COPY {key} {other} REPLACE"),
        36 if dice.u8(..4) == 0 => one(dice, &["DEL a", "SET b v", "RENAME c d", "EXPIRE d 100"]).to_owned(),
        37 if real.is_7_2 => format!("OBJECT ENCODING {key}"),
        38 if real.is_7_2 => format!("DUMP {key}"),
        39 => format!("SORT {key} {}", sorting(dice, other)),
        _ => format!("LLEN {key}"),
    }
}

fn sorting(dice: &mut fastrand::Rng, destination: &str) -> String {
    let mut text = one(dice, &["ALPHA", "BY nothing", "ALPHA DESC", "DESC"]).to_owned();
    if dice.bool() {
        write!(text, " LIMIT {} {}", dice.i8(-2..9), dice.i8(-2..9)).expect("a string");
    }
    if dice.u8(..3) == 0 {
        write!(text, " STORE {destination}").expect("a string");
    }
    text
}

fn index(dice: &mut fastrand::Rng) -> i64 {
    match dice.u8(..8) {
        0 => integer(dice),
        1 => dice.i64(-300..300),
        _ => dice.i64(-12..12),
    }
}

/// One of few, so that others are equal to it.
fn short(dice: &mut fastrand::Rng) -> String {
    match dice.u8(..3) {
        0 => dice.u8(..6).to_string(),
        1 => one(dice, &["a", "b", "\"\"", "-1", "007", "4096"]).to_owned(),
        _ => integer(dice).to_string(),
    }
}

fn element(dice: &mut fastrand::Rng) -> String {
    match dice.u8(..12) {
        0 => "v".repeat(dice.usize(1..300)),
        1 => "w".repeat(dice.usize(1000..4200)),
        2 if dice.u8(..6) == 0 => "x".repeat(dice.usize(8000..9000)),
        _ => short(dice),
    }
}

fn elements(dice: &mut fastrand::Rng) -> String {
    let count = if dice.u8(..8) == 0 { dice.usize(1..40) } else { dice.usize(1..5) };
    (0..count).map(|_| element(dice)).collect::<Vec<_>>().join(" ")
}

fn options(dice: &mut fastrand::Rng) -> String {
    let mut text = String::new();
    if dice.bool() {
        write!(text, " RANK {}", dice.i8(-4..5)).expect("a string");
    }
    if dice.bool() {
        write!(text, " COUNT {}", dice.u8(..4)).expect("a string");
    }
    if dice.bool() {
        write!(text, " MAXLEN {}", dice.u8(..30)).expect("a string");
    }
    text
}
