//! Random requests on `HyperLogLogs`, and what they keep.

use std::fmt::Write as _;

use super::{Generator, Keys, Real, one};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: usize = 150;

const KEYS: [&str; 3] = ["k:1", "k:2", "k:3"];
/// The one that is damaged at times. It is not decoded: of a run that is cut off Redis tells what lies behind the value.
/// Redis 7.2.4 does not notice all damage, as later ones do.
const DAMAGED: &str = "k:3";

/// A few thousand of them.
pub const GENERATOR: Generator =
    Generator { name: "hyperloglogs", family: Family::Redis, keys: Keys::InOneShard, rounds: 2, round };

fn round(dice: &mut fastrand::Rng, real: Real) -> String {
    let sparse_bytes = one(dice, &["100", "3000", "5000"]);
    let mut text = format!("> CONFIG SET hll-sparse-max-bytes {sparse_bytes}\n");
    for _ in 0..REQUESTS {
        writeln!(text, "> {}", request(dice, real)).expect("a string");
    }
    text
}

fn request(dice: &mut fastrand::Rng, real: Real) -> String {
    let (key, other, third) = (one(dice, &KEYS), one(dice, &KEYS), one(dice, &KEYS));
    match dice.u8(..26) {
        0..=7 => format!("PFADD {key} {}", elements(dice)),
        8 | 9 => format!("PFCOUNT {key}"),
        10 | 11 => format!("PFCOUNT {key} {other} none"),
        12..=14 => format!("PFMERGE {key} {other} {third}"),
        15 | 16 => format!("GET {key}"),
        17 => format!("PFDEBUG ENCODING {key}"),
        23 => format!("PFDEBUG DECODE {}", one(dice, &KEYS[..2])),
        18 if dice.u8(..4) == 0 => format!("PFDEBUG TODENSE {key}"),
        19 => format!("STRLEN {key}"),
        20 => format!("OBJECT ENCODING {key}"),
        // What is not one, or one no more.
        21 if !real.is_7_2 => format!("SETRANGE {DAMAGED} {} \"\\x{:02x}\"", dice.u32(16..200), dice.u8(..)),
        22 if dice.u8(..4) == 0 => format!("SET {key} HYLL"),
        _ if dice.u8(..4) == 0 => format!("DEL {key}"),
        _ => format!("PFCOUNT {key} {other}"),
    }
}

fn elements(dice: &mut fastrand::Rng) -> String {
    let count = if dice.u8(..4) == 0 { dice.usize(1..300) } else { dice.usize(1..5) };
    (0..count).map(|_| format!("element:{}", dice.u32(..5000))).collect::<Vec<_>>().join(" ")
}
