//! Random transactions of three clients at once: redis-server and Tidegate must give the same replies.
//!
//! The requests come from a seed, so a failure is the same at every run. `SEED=7 ROUNDS=50` tries others.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;

use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::transcript::replay::replay;
use tidegate_compat_tests::transcript::script::Script;
use tidegate_compat_tests::transcript::{Family, Subject};

/// Requests in one script.
const REQUESTS: u64 = 2_000;

#[test]
fn random_transactions_of_three_clients_are_answered_as_redis_answers_them() {
    let threads = |threads: &str| ["--threads".to_owned(), threads.to_owned()];
    let servers = [
        (Form::InProcess, Server::tidegate(Form::InProcess, &threads("1"))),
        (Form::InProcess, Server::tidegate(Form::InProcess, &threads("4"))),
        (Form::OneShard, Server::tidegate(Form::OneShard, &threads("4"))),
    ];
    compare(&servers.map(|(form, server)| (form, server.unwrap())), request);
}

#[test]
fn random_transactions_on_keys_of_one_of_three_shards_are_answered_as_redis_answers_them() {
    let server = Server::tidegate_with_keys_in_one_of_three_shards(&[]).unwrap();
    // What is about all keys cannot be part of a transaction there.
    compare(&[(Form::ThreeShards, server)], |dice| {
        std::iter::repeat_with(|| request(dice)).find(|request| !is_about_all_keys(request)).unwrap()
    });
}

fn is_about_all_keys(request: &str) -> bool {
    ["FLUSH", "DBSIZE", "SWAPDB"].iter().any(|name| request.starts_with(name))
}

/// Asks redis-server and each of `ours` for what `request` makes.
fn compare(ours: &[(Form, Server)], mut request: impl FnMut(&mut fastrand::Rng) -> String) {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let mut dice = fastrand::Rng::with_seed(number("SEED", 1));
    let real = Server::real_redis(&[]).unwrap();
    for round in 0..number("ROUNDS", 4) {
        let mut text = String::from("> FLUSHALL\n");
        for _ in 0..REQUESTS {
            let client = one(&mut dice, &["", "b", "c"]);
            writeln!(text, "{client}> {}", request(&mut dice)).unwrap();
        }
        let requests = Script::parse(Path::new("by chance"), Family::Redis, &text).unwrap();
        let expected = answers(&requests, Subject::Real, &real);
        assert_eq!(expected.len(), REQUESTS as usize + 1, "round {round}: every request is answered");
        for (form, server) in ours {
            let got = answers(&requests, Subject::Tidegate(*form), server);
            for (expected, got) in expected.iter().zip(&got) {
                assert_eq!(expected, got, "round {round}, {form:?}");
            }
            assert_eq!(expected.len(), got.len(), "round {round}, {form:?}: every request is answered");
        }
    }
}

/// Each request with its reply. The script expects no replies at all, so every one is told of.
fn answers(requests: &Script, subject: Subject, server: &Server) -> Vec<String> {
    replay(requests, subject, server.redis()).iter().map(ToString::to_string).collect()
}

fn one<'a>(dice: &mut fastrand::Rng, of: &[&'a str]) -> &'a str {
    of[dice.usize(..of.len())]
}

/// What concerns transactions comes often, and few keys and databases make changes meet watches.
fn request(dice: &mut fastrand::Rng) -> String {
    let [key, other] = [(); 2].map(|()| one(dice, &["a", "b", "{a}c", "d"]));
    let number = dice.i32(-3..300);
    match dice.u8(..44) {
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
        _ => format!("GET {key}"),
    }
}
