//! Random requests on hashes: redis-server and Tidegate must give the same replies.
//!
//! The requests come from a seed, so a failure is the same at every run. `SEED=7 ROUNDS=50` tries others.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;

use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::install::{needed, program};
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::transcript::replay::replay;
use tidegate_compat_tests::transcript::script::Script;
use tidegate_compat_tests::transcript::{Family, Subject};

/// Requests in one script.
const REQUESTS: usize = 2_000;

/// Hashes that stay packed, so that the order of their fields can be compared.
const PACKED: [&str; 2] = ["packed:1", "packed:2"];
/// Hashes that become tables, and come and go.
const ANY: [&str; 3] = ["any:1", "any:2", "any:3"];

#[test]
fn random_requests_on_hashes_are_answered_as_redis_answers_them() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let mut dice = fastrand::Rng::with_seed(number("SEED", 1));
    let name = "random_requests_on_hashes_are_answered_as_redis_answers_them";
    let Some(_) = needed(name, program("redis-server", "redis-server")) else { return };
    let real = Server::real_redis(&[]).unwrap();
    let ours = Form::ALL.map(|form| (form, Server::tidegate(form, &[]).unwrap()));
    for round in 0..number("ROUNDS", 5) {
        // Tables begin early in some rounds and late in others.
        let mut text = String::from("> FLUSHALL\n");
        let entries = [8, 128, 512][dice.usize(..3)];
        writeln!(text, "> CONFIG SET hash-max-listpack-entries {entries}").unwrap();
        for _ in 0..REQUESTS {
            writeln!(text, "{}", request(&mut dice)).unwrap();
        }
        let script = Script::parse(Path::new("by chance"), Family::Redis, &text).unwrap();
        // The script expects no replies at all, so every one is told of.
        let answers = |subject, server: &Server| -> Vec<String> {
            replay(&script, subject, server.redis()).iter().map(ToString::to_string).collect()
        };
        let expected = answers(Subject::Real, &real);
        assert_eq!(expected.len(), REQUESTS + 2, "round {round}: every request is answered");
        for (form, server) in &ours {
            let got = answers(Subject::Tidegate(*form), server);
            for (expected, got) in expected.iter().zip(&got) {
                assert_eq!(expected, got, "round {round}, {form:?}");
            }
            assert_eq!(expected.len(), got.len(), "round {round}, {form:?}: every request is answered");
        }
    }
}

fn request(dice: &mut fastrand::Rng) -> String {
    if dice.u8(..4) == 0 { on_packed(dice) } else { on_any(dice) }
}

/// Few short fields and values: never more than eight.
fn on_packed(dice: &mut fastrand::Rng) -> String {
    let key = PACKED[dice.usize(..PACKED.len())];
    let field = ["a", "b", "1", "128", "-5000", "007", "long-name-of-a-field", "\"\""][dice.usize(..8)];
    let number = number(dice);
    match dice.u8(..10) {
        0..=2 => format!("> HSET {key} {field} {number}"),
        3 => format!("> HSET {key} {field} {} a {number}", "v".repeat(dice.usize(..65)) + "\"\""),
        4 => format!("> HDEL {key} {field} b"),
        5 => format!("> HKEYS {key}"),
        6 => format!("> HSCAN {key} 0"),
        7 => format!("> HINCRBY {key} {field} {number}"),
        8 => format!("> HVALS {key}"),
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
        27 => format!("> {} {key}", ["DEL", "UNLINK", "GET", "PERSIST", "TTL"][dice.usize(..5)]),
        28 => format!("> EXPIRE {key} 1000"),
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

/// An integer, often near the edge of some width.
fn number(dice: &mut fastrand::Rng) -> i64 {
    match dice.u8(..4) {
        0 => dice.i64(-5..5),
        1 => dice.i64(-300..300),
        2 => (1_i64 << dice.u32(..63)) - dice.i64(0..2),
        _ => -(1_i64 << dice.u32(..63)) - dice.i64(0..2),
    }
}
