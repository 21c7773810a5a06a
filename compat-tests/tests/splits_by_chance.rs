//! Random requests on several keys: what one server answers, Tidegate must answer when the keys are in several shards.
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
const REQUESTS: usize = 1_000;
/// Few enough to be found, and enough to be in all shards.
const KEYS: u32 = 40;

#[test]
fn what_is_split_over_shards_is_answered_as_redis_answers_it() {
    let Some(_) = needed("splits by chance", program("redis-server", "redis-server")) else { return };
    compare(Family::Redis, &Server::real_redis(&[]).unwrap(), redis_request);
}

#[test]
fn what_is_split_over_shards_is_answered_as_memcached_answers_it() {
    let Some(_) = needed("splits by chance", program("memcached", "memcached")) else { return };
    let calm = ["-o", "no_lru_maintainer"].map(str::to_owned);
    compare(Family::Memcached, &Server::real_memcached(&calm).unwrap(), memcached_request);
}

fn compare(family: Family, real: &Server, request: fn(&mut fastrand::Rng) -> String) {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let mut dice = fastrand::Rng::with_seed(number("SEED", 1));
    let ours = Form::ALL.map(|form| (form, Server::tidegate(form, &[]).unwrap()));
    for round in 0..number("ROUNDS", 3) {
        let mut text = match family {
            Family::Redis => String::from("> FLUSHALL\n"),
            Family::Memcached => String::from("> flush_all\n"),
        };
        for _ in 0..REQUESTS {
            writeln!(text, "{}", request(&mut dice)).unwrap();
        }
        let script = Script::parse(Path::new("by chance"), family, &text).unwrap();
        let answers = |subject, server: &Server| -> Vec<String> {
            let address = if family == Family::Redis { server.redis() } else { server.memcached() };
            // The script expects no replies at all, so every one is told of.
            replay(&script, subject, address).iter().map(ToString::to_string).collect()
        };
        let expected = answers(Subject::Real, real);
        assert_eq!(expected.len(), REQUESTS + 1, "round {round}: every request is answered");
        for (form, server) in &ours {
            let got = answers(Subject::Tidegate(*form), server);
            for (expected, got) in expected.iter().zip(&got) {
                assert_eq!(expected, got, "round {round}, {form:?}");
            }
            assert_eq!(expected.len(), got.len(), "round {round}, {form:?}: every request is answered");
        }
    }
}

fn key(dice: &mut fastrand::Rng) -> String {
    format!("key:{}", dice.u32(..KEYS))
}

/// Several keys, some of them twice.
fn keys(dice: &mut fastrand::Rng) -> String {
    let count = dice.usize(1..12);
    (0..count).map(|_| key(dice)).collect::<Vec<_>>().join(" ")
}

fn redis_request(dice: &mut fastrand::Rng) -> String {
    let (one, several) = (key(dice), keys(dice));
    let request = match dice.u8(..20) {
        0..=3 => {
            let pairs = several.split(' ').map(|key| format!("{key} {}", dice.u8(..))).collect::<Vec<_>>();
            format!("MSET {}", pairs.join(" "))
        }
        4..=7 => format!("MGET {several}"),
        8 | 9 => format!("DEL {several}"),
        10 => format!("UNLINK {several}"),
        11 => format!("EXISTS {several}"),
        12 => format!("TOUCH {several}"),
        13 => "DBSIZE".into(),
        14 => return format!("sorted> KEYS {}", ["*", "key:1*", "none*"][dice.usize(..3)]),
        15 => format!("SELECT {}", dice.u8(..2)),
        16 => ["FLUSHDB", "PING", "MGET", "MSET a", "DEL", "MSET a 1 b"][dice.usize(..6)].into(),
        17 => format!("EXPIRE {one} 1000"),
        18 => format!("APPEND {one} x"),
        _ => format!("GETDEL {one}"),
    };
    format!("> {request}")
}

fn memcached_request(dice: &mut fastrand::Rng) -> String {
    let (one, several) = (key(dice), keys(dice));
    match dice.u8(..10) {
        0..=3 => format!("> set {one} {} 0 3\n| {}", dice.u16(..), dice.u32(100..1000)),
        4..=6 => format!("> get {several}"),
        7 => format!("> gat 0 {several}"),
        8 => format!("> delete {one}"),
        _ => format!("> incr {one} {}", dice.u8(1..9)),
    }
}
