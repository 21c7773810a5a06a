//! Random requests on streams.
//!
//! What depends on the time (idle times, IDs that are made) is left to transcripts, and so is what Redis 7.2 does otherwise
//! than 7.0: consumers are there before they claim anything, and no ID is set below one that was deleted.

use std::fmt::Write as _;

use super::{Generator, Keys, Real, integer, one};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: u64 = 3_000;

const STREAMS: [&str; 3] = ["s", "t", "u"];
/// Those and one without groups: nothing in it depends on the time.
const ALL: [&str; 4] = ["s", "t", "u", "plain"];
const GROUPS: [&str; 2] = ["g", "h"];
/// Consumers that are never removed but with their group.
const CONSUMERS: [&str; 3] = ["alice", "bob", "carol"];

/// A few thousand of them.
pub const GENERATOR: Generator =
    Generator { name: "streams", family: Family::Redis, keys: Keys::InOneShard, rounds: 6, round };

fn round(dice: &mut fastrand::Rng, real: Real) -> String {
    let (entries, bytes) = (one(dice, &["3", "10", "100"]), one(dice, &["64", "4096", "0"]));
    let mut text = format!("> CONFIG SET stream-node-max-entries {entries} stream-node-max-bytes {bytes}\n");
    for number in 0..REQUESTS {
        // IDs go up slowly, so that many are just below or above the last.
        let time = 5 + number / 12;
        let request = match dice.u8(..16) {
            0..=4 => add(dice, time),
            5 => trim(dice, time),
            6 | 7 => look(dice, time),
            8 => remove(dice, time),
            9 => read(dice, time),
            10 | 11 => read_for_group(dice, time),
            12 => claim(dice, time),
            13 => pending(dice, time),
            14 if real.is_7_2 && dice.bool() => "> DUMP plain".into(),
            14 => describe(dice),
            _ => arrange(dice, time),
        };
        writeln!(text, "{request}").expect("a string");
    }
    text
}

/// An ID up to a time, and sometimes what is none.
fn id(dice: &mut fastrand::Rng, time: u64) -> String {
    match dice.u8(..30) {
        0 => dice.u64(..=time).to_string(),
        1 => "0".into(),
        2 => one(dice, &["x", "5-", "-", "+", "$", "5-x", "99999999999999999999", "5-*"]).into(),
        3 => format!("{}-{}", time, u64::MAX - dice.u64(100..103)),
        _ => format!("{}-{}", dice.u64(time / 2..=time), dice.u8(..4)),
    }
}

/// One of the last IDs.
fn late_id(dice: &mut fastrand::Rng, time: u64) -> String {
    format!("{}-{}", time.saturating_sub(dice.u64(..6)), dice.u8(..4))
}

fn ids(dice: &mut fastrand::Rng, time: u64) -> String {
    (0..dice.usize(1..8)).map(|_| late_id(dice, time)).collect::<Vec<_>>().join(" ")
}

fn end(dice: &mut fastrand::Rng, time: u64, open: &str) -> String {
    match dice.u8(..4) {
        0 => open.into(),
        1 => format!("({}", late_id(dice, time)),
        _ => id(dice, time),
    }
}

fn add(dice: &mut fastrand::Rng, time: u64) -> String {
    let key = one(dice, &ALL);
    let id = match dice.u8(..8) {
        0 => format!("{time}-*"),
        1 => id(dice, time),
        2 => late_id(dice, time),
        number => format!("{time}-{}", number % 4 + 1),
    };
    let options = match dice.u8(..10) {
        0 => limit(dice, time),
        1 => "NOMKSTREAM".into(),
        _ => String::new(),
    };
    let fields = match dice.u8(..8) {
        0 => format!("{} {}", integer(dice), integer(dice)),
        1 => format!("a {} b {} c {}", integer(dice), dice.u8(..), dice.u8(..)),
        2 => format!("a {}", "v".repeat(dice.usize(..200)) + "\"\""),
        3 => (0..dice.u8(1..6)).map(|field| format!("f{field} {field}")).collect::<Vec<_>>().join(" "),
        4 if dice.u8(..4) == 0 => "a".into(),
        _ => format!("a {} b {}", dice.u8(..), dice.u8(..)),
    };
    format!("> XADD {key} {options} {id} {fields}")
}

/// What `XADD` and `XTRIM` are told to leave.
fn limit(dice: &mut fastrand::Rng, time: u64) -> String {
    let sign = one(dice, &["", "=", "~", "~"]);
    let what = match dice.u8(..2) {
        0 => format!("MAXLEN {sign} {}", dice.i8(-1..60)),
        _ => format!("MINID {sign} {}", id(dice, time)),
    };
    let most = if dice.u8(..4) == 0 { format!("LIMIT {}", dice.i8(-1..30)) } else { String::new() };
    format!("{what} {most}")
}

fn trim(dice: &mut fastrand::Rng, time: u64) -> String {
    format!("> XTRIM {} {}", one(dice, &ALL), limit(dice, time))
}

fn count(dice: &mut fastrand::Rng) -> String {
    if dice.bool() { format!("COUNT {}", dice.i8(-1..12)) } else { String::new() }
}

fn look(dice: &mut fastrand::Rng, time: u64) -> String {
    let (key, count) = (one(dice, &ALL), count(dice));
    let (low, high) = (end(dice, time, "-"), end(dice, time, "+"));
    match dice.u8(..5) {
        0 => format!("> XLEN {key}"),
        1 | 2 => format!("> XRANGE {key} {low} {high} {count}"),
        _ => format!("> XREVRANGE {key} {high} {low} {count}"),
    }
}

fn remove(dice: &mut fastrand::Rng, time: u64) -> String {
    format!("> XDEL {} {}", one(dice, &ALL), ids(dice, time))
}

fn read(dice: &mut fastrand::Rng, time: u64) -> String {
    let (key, other, count) = (one(dice, &STREAMS), one(dice, &STREAMS), count(dice));
    match dice.u8(..3) {
        0 => format!("> XREAD {count} STREAMS {key} {}", id(dice, time)),
        1 => format!("> XREAD {count} BLOCK 1 STREAMS {key} {}", late_id(dice, time)),
        _ => format!("> XREAD {count} STREAMS {key} {other} {} {}", id(dice, time), late_id(dice, time)),
    }
}

fn read_for_group(dice: &mut fastrand::Rng, time: u64) -> String {
    let (key, other, count) = (one(dice, &STREAMS), one(dice, &STREAMS), count(dice));
    let (group, consumer) = (one(dice, &GROUPS), one(dice, &CONSUMERS));
    let no_ack = one(dice, &["", "", "NOACK"]);
    let begin = format!("> XREADGROUP GROUP {group} {consumer} {count} {no_ack} STREAMS");
    match dice.u8(..6) {
        0 => format!("{begin} {key} {}", late_id(dice, time)),
        1 => format!("{begin} {key} 0"),
        2 => format!("{begin} {key} {other} > {}", id(dice, time)),
        _ => format!("{begin} {key} >"),
    }
}

fn claim(dice: &mut fastrand::Rng, time: u64) -> String {
    let (key, group, consumer) = (one(dice, &STREAMS), one(dice, &GROUPS), one(dice, &CONSUMERS));
    // Nobody waits as long as that.
    let idle = one(dice, &["0", "0", "0", "1000000000"]);
    let just_id = one(dice, &["", "JUSTID"]);
    if dice.bool() {
        let (start, count) = (end(dice, time, "-"), count(dice));
        return format!("> XAUTOCLAIM {key} {group} {consumer} {idle} {start} {count} {just_id}");
    }
    let option = match dice.u8(..6) {
        0 => "FORCE".into(),
        1 => format!("RETRYCOUNT {}", dice.i8(..)),
        2 => format!("LASTID {}", id(dice, time)),
        3 => format!("IDLE {}", dice.i16(..)),
        _ => String::new(),
    };
    format!("> XCLAIM {key} {group} {consumer} {idle} {} {just_id} {option}", ids(dice, time))
}

fn pending(dice: &mut fastrand::Rng, time: u64) -> String {
    let (key, group) = (one(dice, &STREAMS), one(dice, &GROUPS));
    match dice.u8(..3) {
        0 => format!("> XPENDING {key} {group}"),
        1 => format!("> XPENDING {key} {group} IDLE 1000000000 - + {}", dice.i8(-1..5)),
        _ => format!("> XACK {key} {group} {}", ids(dice, time)),
    }
}

fn describe(dice: &mut fastrand::Rng) -> String {
    let key = one(dice, &ALL);
    let what = ["XINFO STREAM", "XINFO STREAM", "XINFO GROUPS", "TYPE"];
    format!("> {} {key}", one(dice, &what))
}

fn arrange(dice: &mut fastrand::Rng, time: u64) -> String {
    let (key, other) = (one(dice, &STREAMS), one(dice, &STREAMS));
    let (group, consumer) = (one(dice, &GROUPS), one(dice, &CONSUMERS));
    let read = if dice.u8(..3) == 0 { format!("ENTRIESREAD {}", dice.i8(-1..50)) } else { String::new() };
    match dice.u8(..14) {
        0..=4 => {
            let after = if dice.bool() { "$".into() } else { id(dice, time) };
            let mut text = format!("> XGROUP CREATE {key} {group} {after} MKSTREAM {read}");
            for consumer in CONSUMERS {
                write!(text, "\n> XGROUP CREATECONSUMER {key} {group} {consumer}").expect("a string");
            }
            text
        }
        5 => format!("> XGROUP SETID {key} {group} {} {read}", id(dice, time)),
        6 => format!("> XGROUP DESTROY {key} {group}"),
        7 => {
            let again = format!("\n> XGROUP CREATECONSUMER {key} {group} {consumer}");
            format!("> XGROUP DELCONSUMER {key} {group} {consumer}{again}")
        }
        8 => format!("> XSETID {key} {}-9", time + 1),
        9 => format!("> XSETID {key} {}-9 ENTRIESADDED {}", time + 1, dice.u16(..)),
        10 => format!("> COPY {key} {other} REPLACE"),
        11 => format!("> RENAME {key} {other}"),
        12 => format!("> DEL {}", one(dice, &ALL)),
        _ => format!("> {} {key} 1", one(dice, &["SET", "LPUSH", "APPEND", "EXPIREAT"])),
    }
}
