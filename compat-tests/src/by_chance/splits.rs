//! Random requests on several keys, which may be in several shards.

use super::{Generator, Keys, Real};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: usize = 1_000;
/// Few enough to be found, and enough to be in all shards.
const KEYS: u32 = 40;

/// What Redis clients ask.
pub const SPLITS: Generator =
    Generator { name: "splits", family: Family::Redis, keys: Keys::Anywhere, rounds: 3, round: of_redis };
/// What Memcached clients ask.
pub const MEMCACHED_SPLITS: Generator = Generator {
    name: "memcached-splits",
    family: Family::Memcached,
    keys: Keys::Anywhere,
    rounds: 3,
    round: of_memcached,
};

fn of_redis(dice: &mut fastrand::Rng, _: Real) -> String {
    (0..REQUESTS).fold(String::new(), |text, _| text + &redis_request(dice) + "\n")
}

fn of_memcached(dice: &mut fastrand::Rng, _: Real) -> String {
    (0..REQUESTS).fold(String::new(), |text, _| text + &memcached_request(dice) + "\n")
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
