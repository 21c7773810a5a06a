//! Random rules of users, and what they may do.

use std::fmt::Write as _;

use super::{Generator, Keys, Real, one};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: usize = 1_000;

const USERS: [&str; 3] = ["u1", "u2", "u3"];

/// A few thousand of them.
pub const GENERATOR: Generator =
    Generator { name: "users", family: Family::Redis, keys: Keys::InOneShard, rounds: 5, round };

fn round(dice: &mut fastrand::Rng, real: Real) -> String {
    let mut text = String::new();
    for user in USERS {
        writeln!(text, "> ACL SETUSER {user} reset on nopass").expect("a string");
    }
    for (connection, user) in ["a", "b", "c"].into_iter().zip(USERS) {
        writeln!(text, "{connection}> AUTH {user} x").expect("a string");
    }
    for _ in 0..REQUESTS {
        let user = one(dice, &USERS);
        let connection = one(dice, &["a", "b", "c"]);
        // Older servers tell rules in another way, and refuse in other words.
        let request = match dice.u8(..12) {
            0..=3 => setuser(user, real, dice),
            4 | 5 if real.is_7_2 => format!("> ACL GETUSER {user}"),
            6 if real.is_7_2 => "> ACL LIST".to_owned(),
            7 if real.is_7_2 => format!("{connection}> {}", request(dice)),
            8 => format!("> ACL SETUSER {user} reset on nopass"),
            _ if real.is_7_2 => format!("> ACL DRYRUN {user} {}", request(dice)),
            _ => setuser(user, real, dice),
        };
        text += &request;
        text.push('\n');
    }
    text
}

fn setuser(user: &str, real: Real, dice: &mut fastrand::Rng) -> String {
    let rule = if real.is_7_2 { rule } else { rule_of_old };
    let rules: Vec<String> = (0..dice.usize(..5)).map(|_| rule(dice)).collect();
    format!("> ACL SETUSER {user} {}", rules.join(" ")).trim_end().to_owned()
}

/// A rule that has always been one.
fn rule_of_old(dice: &mut fastrand::Rng) -> String {
    match dice.u8(..4) {
        0 => format!("~{}", pattern(dice)),
        1 => format!("&{}", pattern(dice)),
        2 => format!("+@{}", category(dice)),
        _ => format!("-{}", command(dice)),
    }
}

/// A rule, or what is nearly one.
fn rule(dice: &mut fastrand::Rng) -> String {
    match dice.u8(..20) {
        0 => one(
            dice,
            &["on", "off", "ON", "nopass", "resetpass", "sanitize-payload", "skip-sanitize-payload"],
        )
        .to_owned(),
        1 => format!("{}{}", one(dice, &[">", "<", ">"]), one(dice, &["a", "b", "", "(c)"])),
        2 => one(dice, &["#ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", "!ca97", "#x"])
            .to_owned(),
        3 => format!("\"({})\"", (0..dice.u8(..4)).map(|_| part(dice)).collect::<Vec<_>>().join(" ")),
        4 => format!("({} {})", part(dice), part(dice)),
        5 => one(dice, &["clearselectors", "reset", "foo", "(", ")", "\"\"", "(on)", "((+get))"]).to_owned(),
        _ => part(dice),
    }
}

/// What may stand in a selector.
fn part(dice: &mut fastrand::Rng) -> String {
    let sign = one(dice, &["+", "-"]);
    match dice.u8(..16) {
        0 => one(dice, &["allkeys", "resetkeys", "~*", "RESETKEYS", "allchannels", "&*", "resetchannels"])
            .to_owned(),
        1 => one(dice, &["allcommands", "nocommands", "+@all", "-@all", "+@ALL"]).to_owned(),
        2..=5 => format!("{}{}", one(dice, &["~", "%R~", "%W~", "%rw~", "%RR~", "%x~"]), pattern(dice)),
        6 | 7 => format!("&{}", pattern(dice)),
        8 | 9 => format!("{sign}@{}", category(dice)),
        10 => format!(
            "+{}|{}",
            one(dice, &["select", "get", "debug", "config", "nosuch", "acl|list"]),
            one(dice, &["0", "1", "GET", "a"])
        ),
        _ => format!("{sign}{}", command(dice)),
    }
}

fn pattern(dice: &mut fastrand::Rng) -> &'static str {
    one(dice, &["a*", "b*", "*", "a1", "[ab]1", "?1", "", "c\\\\*"])
}

fn category(dice: &mut fastrand::Rng) -> &'static str {
    let all = [
        "read",
        "write",
        "STRING",
        "list",
        "keyspace",
        "fast",
        "slow",
        "dangerous",
        "admin",
        "connection",
        "pubsub",
        "blocking",
        "hash",
        "set",
        "sortedset",
        "bitmap",
        "hyperloglog",
        "geo",
        "stream",
        "transaction",
        "nosuch",
        "",
    ];
    one(dice, &all)
}

fn command(dice: &mut fastrand::Rng) -> &'static str {
    let all = [
        "get",
        "SET",
        "mget",
        "mset",
        "del",
        "copy",
        "rename",
        "lpush",
        "sort",
        "publish",
        "subscribe",
        "psubscribe",
        "select",
        "ping",
        "config",
        "config|get",
        "Config|Set",
        "client|id",
        "client",
        "acl",
        "acl|whoami",
        "object|freq",
        "xgroup|create",
        "bgsave",
        "replicaof",
        "script|load",
        "module|list",
        "eval",
        "nosuch",
        "get|a",
        "config|nosuch",
        "",
        "debug",
    ];
    one(dice, &all)
}

/// A request that several shards answer as one server does, too.
fn request(dice: &mut fastrand::Rng) -> String {
    let [key, other] = [(); 2].map(|()| one(dice, &["a1", "a2", "b1", "c*", "d"]));
    match dice.u8(..24) {
        0 | 1 => format!("GET {key}"),
        2 => format!("SET {key} 1"),
        3 => format!("SET {key} 1 GET"),
        4 => format!("MGET {key} {other}"),
        5 => format!("MSET {key} 1 {other} 2"),
        6 => format!("DEL {key} {other}"),
        7 => format!("COPY {key} {other}"),
        8 => format!("GETEX {key} PERSIST"),
        9 => format!("STRLEN {key}"),
        10 => format!("EXISTS {key} {other}"),
        11 => format!("SINTERSTORE {key} {other} s"),
        12 => format!("ZUNION 2 {key} {other}"),
        13 => format!("XREAD STREAMS {key} {other} 0 0"),
        14 => format!("BITFIELD {key} {}", one(dice, &["GET u8 0", "SET u8 0 1", "INCRBY u8 0 1"])),
        15 => format!("SORT {key} {}", one(dice, &["STORE b2", "BY nosort", "GET # ALPHA", "ALPHA"])),
        16 => format!("PUBLISH {key} x"),
        17 => format!("SPUBLISH {key} x"),
        18 => format!("SELECT {}", one(dice, &["0", "0", "a"])),
        19 => one(
            dice,
            &["CONFIG GET timeout", "CLIENT GETNAME", "ACL WHOAMI", "ACL USERS", "DBSIZE", "CONFIG SET a"],
        )
        .to_owned(),
        20 => {
            one(dice, &["PING", "ECHO x", "NOSUCH", "GET", "XLEN a1", "LLEN b1", "PFCOUNT a1", "GEOPOS a1 x"])
                .to_owned()
        }
        21 => format!("LMOVE {key} {other} LEFT RIGHT"),
        22 => format!("UNLINK {key}"),
        _ => format!("TYPE {key}"),
    }
}
