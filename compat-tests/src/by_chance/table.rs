//! Random requests of every command with keys, made from the command table: what its row says of its arguments, and what
//! is nearly that. It is about what commands refuse, and in which order, more than about what they do.

use tidegate_protocols::table::{self, Argument, Kind, Row};

use super::{Generator, Keys, Real, one};
use crate::transcript::Family;

/// Requests between one time that all keys are made anew and the next.
const REQUESTS: usize = 150;

/// How often they are made anew in a round.
const PARTS: usize = 10;

/// A few thousand of them.
pub const GENERATOR: Generator =
    Generator { name: "table", family: Family::Redis, keys: Keys::InOneShard, rounds: 5, round };

/// A key of every type, and some that are missing.
const BEFORE: &str = "> FLUSHALL
> CONFIG SET hash-max-listpack-value 1000
> SET str abcdefgh
> SET int 10
> SET float 1.5
> SET lasting v EX 1000000
> RPUSH list a b c 1 2
> SADD set a b c
> SADD integers 1 2 3
> ZADD zset 1 a 2 b 3 c
> HSET hash a 1 b 2 c x
> XADD stream 1-1 a 1
> XADD stream 1-2 b 2
> XADD stream 2-1 c 3
> XGROUP CREATE stream g 0
> XREADGROUP GROUP g c COUNT 1 STREAMS stream >
> PFADD hll a b c
> GEOADD geo 13.3 38.1 a 15.0 37.5 b
";
const KEYS: &[&str] = &[
    "str", "int", "float", "lasting", "list", "set", "integers", "zset", "hash", "stream", "hll", "geo",
    "none", "nil",
];

/// Commands whose answers are different every time, depend on the clock or on what was there before; that wait for ever; or
/// that say something to the connection. What sorts alike comes in any order.
const LEFT_OUT: &str = "SORT SORT_RO SPOP SRANDMEMBER HRANDFIELD ZRANDMEMBER SSCAN HSCAN ZSCAN XINFO|STREAM XINFO|CONSUMERS XPENDING \
    TTL PTTL EXPIRETIME PEXPIRETIME DUMP RESTORE RESTORE-ASKING OBJECT|ENCODING OBJECT|FREQ OBJECT|IDLETIME MEMORY|USAGE WATCH XREAD XREADGROUP \
    SSUBSCRIBE SUNSUBSCRIBE SPUBLISH DEBUG|OBJECT DEBUG|DIGEST-VALUE EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO";

/// Commands that Redis 7.0 answers otherwise than 7.2: sets have another order, large numbers are told in another way, and errors
/// come in another order.
const OTHERWISE_IN_7_0: &str = "LPOS ZINCRBY SDIFF SINTER SUNION SMEMBERS ZRANK ZREVRANK";

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "10",
    "100",
    "\"\"",
    "abc",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "1.5",
    "\" 1\"",
    "+1",
    "01",
    "1e3",
    "4294967296",
    "-2",
    "-100",
    "2147483648",
    "-2147483649",
    "18446744073709551616",
];
const SMALL: &[&str] = &["0", "1", "2", "3", "-1", "10"];
const DOUBLES: &[&str] = &[
    "0", "1", "-1", "1.5", "inf", "-inf", "+inf", "nan", "abc", "\"\"", "1e400", "0x10", "1e-400", "(1",
    "\"1 \"", "\" 1\"", "-0", "3.0", ".5", "5.",
];
/// Those that are told in another way since 7.2.
const LARGE_DOUBLES: &[&str] = &["1.7976931348623157e308", "1e17", "9223372036854775808"];
const WORDS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "\"\"",
    "1",
    "2",
    "-",
    "+",
    "[a",
    "(a",
    "(1",
    "1-1",
    "$",
    ">",
    "0-0",
    "0",
    "abc",
    "g",
    "x",
    "2-2",
    "18446744073709551615-18446744073709551615",
    "-inf",
    "+inf",
    "(inf",
    "u8",
    "i64",
    "u64",
    "#0",
    "GET",
    "m",
    "km",
    "\"A\\x00B\"",
    "-1",
    "10",
    "~",
    "=",
    "1.5",
    "99",
    "5-1",
];
const PATTERNS: &[&str] =
    &["*", "a*", "[", "\"\\\\\"", "?", "[a-", "[^a]*", "wei_*", "hash->a", "str*->x", "#", "nokey"];
/// Long ago, long ahead, or no time at all: nothing ends while a round lasts.
const TIMES: &[&str] = &[
    "99999999999",
    "-1",
    "x",
    "9223372036854775807",
    "99999999999999",
    "0",
    "9223372036854775",
    "\"\"",
    "1.5",
];

fn round(dice: &mut fastrand::Rng, real: Real) -> String {
    let left_out = |name: &str| {
        let in_list = |list: &str| list.split(' ').any(|left_out| left_out == name);
        in_list(LEFT_OUT) || !real.is_7_2 && in_list(OTHERWISE_IN_7_0)
    };
    let rows: Vec<&Row> = table::rows()
        .filter(|row| row.is_redis() && !row.keys.is_empty() && !left_out(row.name) && real.has(row.since))
        .collect();
    let mut text = String::new();
    for _ in 0..PARTS {
        text.push_str(BEFORE);
        for _ in 0..REQUESTS {
            let row = rows[dice.usize(..rows.len())];
            text.push_str("> ");
            text.push_str(&request(dice, row, real).join(" "));
            text.push('\n');
        }
    }
    text
}

impl Real {
    /// Whether what this version of Redis brought is there, and the same as here.
    fn has(self, version: &str) -> bool {
        version < if self.is_7_2 { "7.2.5" } else { "7.0.16" }
    }
}

/// One request: what the row asks for, or some words more, less or other than that.
fn request(dice: &mut fastrand::Rng, row: &Row, real: Real) -> Vec<String> {
    let mut words: Vec<String> = row.name.split('|').map(str::to_owned).collect();
    let name = words.len();
    let mut maker = Maker { dice, real, name: row.name, words: &mut words };
    for argument in &row.arguments() {
        maker.add(argument);
    }
    if row.flags.has(table::Flags::BLOCKING) {
        return words;
    }
    let (at, other) =
        (name + dice.usize(..=words.len() - name), one(dice, &["a", "x", "\"\"", "GET", "-", "zset"]));
    match dice.u8(..20) {
        0 | 1 if at < words.len() => drop(words.remove(at)),
        2 | 3 => words.insert(at, other.to_owned()),
        4 | 5 if at < words.len() => other.clone_into(&mut words[at]),
        6 if at < words.len() => {
            let last = words.len() - 1;
            words.swap(at, last);
        }
        _ => {}
    }
    words
}

/// What writes the words of one request.
struct Maker<'a> {
    dice: &'a mut fastrand::Rng,
    real: Real,
    name: &'static str,
    words: &'a mut Vec<String>,
}

impl Maker<'_> {
    fn add(&mut self, argument: &Argument) {
        let is_left_out = argument.optional && self.dice.u8(..3) > 0;
        if is_left_out || argument.since.is_some_and(|since| !self.real.has(since)) {
            return;
        }
        let times = if argument.multiple { [1, 1, 2, 3][self.dice.usize(..4)] } else { 1 };
        for time in 0..times {
            if let Some(token) = argument.token.filter(|_| time == 0 || argument.multiple_token) {
                // Not an entry of this very moment.
                self.words.push(if token == "*" { "9-9" } else { token }.to_owned());
            }
            match &argument.kind {
                Kind::Token => {}
                Kind::OneOf(members) => {
                    let chosen = self.dice.usize(..members.len());
                    self.add(&members[chosen]);
                }
                Kind::Block(members) => members.iter().for_each(|member| self.add(member)),
                kind => {
                    let word = self.word(&argument.name, kind);
                    self.words.push(word.to_owned());
                }
            }
        }
    }

    /// A value of this kind.
    fn word(&mut self, name: &str, kind: &Kind) -> &'static str {
        let of = match (kind, name) {
            (Kind::Key(_), _) => KEYS,
            (_, "timeout") if self.real.is_7_2 => &["0.01", "0.01", "-1", "x", "1e400", "nan", "\"\""],
            (_, "timeout") => &["0.01", "0.01", "-1", "x", "nan", "\"\""],
            (_, "seconds" | "milliseconds" | "ttl") | (Kind::UnixTime, _) => TIMES,
            (Kind::Integer, "numkeys") => &["1", "1", "1", "2", "2", "3", "0", "-1", "x"],
            // LSET takes the lower 32 bits of its index in Redis.
            (Kind::Integer, _) if self.dice.bool() || self.name == "LSET" => SMALL,
            (Kind::Integer, _) => INTEGERS,
            (Kind::Double, _) if self.real.is_7_2 && self.dice.u8(..10) == 0 => LARGE_DOUBLES,
            (Kind::Double, _) => DOUBLES,
            (Kind::Pattern | Kind::KeyPattern(_), _) => PATTERNS,
            _ if self.name == "XADD" => &["1-1", "5-1", "a", "3-*", "b", "0-0", "x"],
            _ => WORDS,
        };
        one(self.dice, of)
    }
}
