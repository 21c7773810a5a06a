//! Random scripts: what they return, and what the libraries in their sandbox make of random values.

use std::fmt::Write as _;

use super::{Generator, Keys, Real, one};
use crate::transcript::Family;

/// Requests in one script.
const REQUESTS: usize = 700;

/// A few thousand of them.
pub const GENERATOR: Generator =
    Generator { name: "scripts", family: Family::Redis, keys: Keys::InOneShard, rounds: 4, round };

fn round(dice: &mut fastrand::Rng, real: Real) -> String {
    let mut text = String::new();
    for resp in ["@resp2", "@resp3"] {
        writeln!(text, "{resp}").expect("a string");
        for _ in 0..REQUESTS / 2 {
            writeln!(text, "{}", request(dice, real)).expect("a string");
        }
    }
    text
}

fn request(dice: &mut fastrand::Rng, real: Real) -> String {
    let body = match dice.u8(..14) {
        0 | 1 => format!("return {}", value(dice, 4)),
        2 => format!("return {}", typed(dice, real)),
        3 => format!("return cjson.encode({})", value(dice, 4)),
        4 => format!("return cjson.encode(cjson.decode({}))", literal(json(dice, 4).as_bytes())),
        5 => format!("return cmsgpack.pack({}, {})", value(dice, 4), value(dice, 2)),
        6 => format!("return {{cmsgpack.unpack(cmsgpack.pack({}, {}))}}", value(dice, 4), value(dice, 3)),
        7 => format!("return {{{}({})}}", one(dice, UNPACKS), literal(&message(dice))),
        8 => structured(dice),
        9 => bits(dice),
        10 => text_functions(dice),
        11 => fails(dice),
        _ => calls(dice),
    };
    let reads = one(dice, &["", "", "_RO"]);
    format!(
        "> EVAL{reads} {} 2 {{s}}1 {{s}}2 {} {}",
        quoted(body.as_bytes()),
        one(dice, WORDS),
        one(dice, WORDS)
    )
}

const WORDS: &[&str] = &["a", "1", "-7", "3.5", "\"\"", "\"a b\"", "\"\\x00\\xff\"", "1e400", "field"];

const UNPACKS: &[&str] = &["cmsgpack.unpack", "cmsgpack.unpack", "cmsgpack.unpack_one", "cjson.decode"];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "3.999",
    "-3.999",
    "127",
    "128",
    "-128",
    "-129",
    "255",
    "256",
    "32767",
    "32768",
    "65536",
    "-32769",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "1e15",
    "1e16",
    "1e100",
    "1e-7",
    "0.1",
    "0.30000000000000004",
    "123456789.123456789",
    "1/0",
    "-1/0",
    "0/0",
    "1e308",
    "5e-324",
];

fn number(dice: &mut fastrand::Rng) -> String {
    match dice.u8(..4) {
        0 => dice.i64(..).to_string(),
        1 => format!("{}", (dice.f64() - 0.5) * 10_f64.powi(dice.i32(-20..20))),
        _ => one(dice, NUMBERS).to_owned(),
    }
}

fn bytes(dice: &mut fastrand::Rng) -> Vec<u8> {
    match dice.u8(..6) {
        // Redis sends a line end in an error as it is, so that nobody can read on.
        0 => (0..dice.usize(..12)).map(|_| dice.u8(..)).filter(|byte| !b"\r\n".contains(byte)).collect(),
        1 => vec![b'x'; [31, 32, 33, 255, 256, 300][dice.usize(..6)]],
        2 => "\u{fc}\u{20ac}\u{1f600}\"\\/\t\u{8}\u{c}\u{1f}\u{7f}".as_bytes().to_vec(),
        _ => one(dice, &["", "a", "ok", "12", "-3.5", "0x10", " 7 ", "a b", "1e3"]).as_bytes().to_vec(),
    }
}

/// What a table may have as a key: Lua as Redis has it puts those of 32 bytes and more in another order.
fn short(dice: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = bytes(dice);
    bytes.truncate(31);
    bytes
}

/// A string as Lua reads it.
fn literal(bytes: &[u8]) -> String {
    let mut text = String::from("'");
    for &byte in bytes {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b' '
            | b'{'
            | b'}'
            | b'['
            | b']'
            | b':'
            | b','
            | b'.'
            | b'-'
            | b'<'
            | b'>'
            | b'='
            | b'!' => {
                text.push(byte.into());
            }
            _ => write!(text, "\\{byte:03}").expect("a string"),
        }
    }
    text + "'"
}

/// A word as transcripts have it.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', byte.into()]),
            b' '..=b'~' => text.push(byte.into()),
            _ => write!(text, "\\x{byte:02x}").expect("a string"),
        }
    }
    text + "\""
}

/// Something that Lua can say.
fn value(dice: &mut fastrand::Rng, depth: usize) -> String {
    match dice.u8(if depth == 0 { ..7 } else { ..12 }) {
        0 => "nil".to_owned(),
        1 => one(dice, &["true", "false"]).to_owned(),
        2..=4 => number(dice),
        5 | 6 => literal(&bytes(dice)),
        7..=9 => {
            let items: Vec<_> = (0..dice.usize(..6)).map(|_| value(dice, depth - 1)).collect();
            format!("{{{}}}", items.join(", "))
        }
        10 => format!("{{[{}]={}}}", number(dice).replace("0/0", "1"), value(dice, depth - 1)),
        _ => {
            let pairs: Vec<_> = (0..dice.usize(1..3))
                .map(|_| format!("[{}]={}", literal(&short(dice)), value(dice, depth - 1)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

/// A table that stands for a reply.
fn typed(dice: &mut fastrand::Rng, real: Real) -> String {
    let inner = value(dice, 2);
    let text = literal(one(dice, &["fine", "ERR bad", "-ERR bad", "no code", "", "a b c"]).as_bytes());
    match dice.u8(..9) {
        0 => format!("{{ok={text}}}"),
        1 => format!("{{err={text}}}"),
        2 if real.is_7_2 => format!("{{double={}}}", number(dice)),
        // Older servers write others in another way.
        2 => format!("{{double={}}}", one(dice, &["3.5", "-2", "0", "'1'"])),
        3 => format!("{{map={{[{}]={inner}}}}}", literal(b"k")),
        4 => format!("{{set={{[{}]=true}}}}", literal(&bytes(dice))),
        5 => format!(
            "{{big_number={}}}",
            literal(one(dice, &["12", "-99999999999999999999", "1\n2"]).as_bytes())
        ),
        6 => format!("{{verbatim_string={{string={text}, format='txt'}}}}"),
        7 => format!("redis.status_reply({text})"),
        _ => format!("{{1, redis.error_reply({text}), {{ok={text}}}, {inner}}}"),
    }
}

/// JSON, or what is nearly that.
fn json(dice: &mut fastrand::Rng, depth: usize) -> String {
    let text = match dice.u8(if depth == 0 { ..5 } else { ..9 }) {
        0 => one(dice, &["null", "true", "false", "nul", "tru"]).to_owned(),
        1 | 2 => one(
            dice,
            &[
                "0",
                "-0",
                "1",
                "1.5",
                "-1e5",
                "1E400",
                "01",
                "+1",
                "0x1F",
                ".5",
                "1.",
                "12345678901234567890",
                "nan",
                "inf",
            ],
        )
        .to_owned(),
        3 | 4 => one(
            dice,
            &[
                "\"\"",
                "\"a\"",
                "\"\\u00fc\\u20ac\"",
                "\"\\ud83d\\ude00\"",
                "\"\\ud83d\"",
                "\"\\x\"",
                "\"\\n\\t\\/\\\"\"",
                "\"open",
                "\"\\u12\"",
                "\"tab\there\"",
                "'single'",
            ],
        )
        .to_owned(),
        5 | 6 => {
            let items: Vec<_> = (0..dice.usize(..5)).map(|_| json(dice, depth - 1)).collect();
            format!("[{}]", items.join(one(dice, &[",", ",", " , ", ",,"])))
        }
        7 => format!("{{\"k\":{}}}", json(dice, depth - 1)),
        _ => format!("{{\"a\" : {} , \"b\":{}}}", json(dice, depth - 1), json(dice, depth - 1)),
    };
    match dice.u8(..40) {
        0 => format!("{text}]"),
        1 => format!(" {text}\n"),
        2 => format!("{text}{text}"),
        _ => text,
    }
}

/// `MessagePack`, or what is nearly that.
fn message(dice: &mut fastrand::Rng) -> Vec<u8> {
    let starts = [
        0x00, 0x7f, 0x81, 0x92, 0xa3, 0xc0, 0xc2, 0xc3, 0xc4, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1,
        0xd2, 0xd3,
    ];
    let more = [0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff, 0xc1];
    let mut message = Vec::new();
    for _ in 0..dice.usize(1..4) {
        let kind = dice.usize(..starts.len() + more.len());
        message.push(*starts.get(kind).unwrap_or_else(|| &more[kind - starts.len()]));
        message.extend((0..dice.usize(..9)).map(|_| if dice.bool() { 0 } else { dice.u8(..4) }));
    }
    message
}

fn structured(dice: &mut fastrand::Rng) -> String {
    let mut format = String::new();
    for _ in 0..dice.usize(1..5) {
        format += one(
            dice,
            &[
                "b", "B", "h", "H", "l", "L", "i", "I", "i1", "i3", "I8", "i4", "f", "d", "s", "c0", "c3",
                "x", "<", ">", "=", "!", "!4", "!3", " ", "T", "q", "i33", "c",
            ],
        );
    }
    match dice.u8(..3) {
        0 => format!("return struct.size('{format}')"),
        1 => {
            let values: Vec<_> = (0..dice.usize(..5))
                .map(|_| if dice.bool() { number(dice) } else { literal(&bytes(dice)) })
                .map(|value| if value.contains('/') { "7".to_owned() } else { value })
                .collect();
            let format = literal(format.as_bytes());
            format!("return struct.pack({})", [&[format][..], &values].concat().join(", "))
        }
        _ => {
            let packed: Vec<u8> = (0..dice.usize(..24)).map(|_| dice.u8(..5)).collect();
            let begin = one(dice, &["", ", 1", ", 3", ", 30"]);
            format!("return {{struct.unpack('{format}', {}{begin})}}", literal(&packed))
        }
    }
}

fn bits(dice: &mut fastrand::Rng) -> String {
    let name = one(
        dice,
        &[
            "tobit", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "bswap",
            "tohex",
        ],
    );
    let values: Vec<_> = (0..dice.usize(1..4))
        .map(|_| {
            if dice.bool() {
                dice.i64(-5_000_000_000..5_000_000_000).to_string()
            } else {
                dice.i8(..).to_string()
            }
        })
        .collect();
    format!("return bit.{name}({})", values.join(", "))
}

fn text_functions(dice: &mut fastrand::Rng) -> String {
    let (number, text) = (number(dice), literal(&bytes(dice)));
    match dice.u8(..7) {
        0 => format!("return tostring({number})"),
        1 => format!("return tostring(tonumber({text}, {}))", dice.u8(2..20)),
        2 => format!(
            "return string.format('%{}', {number})",
            one(dice, &["d", "5.2f", "g", "x", "e", "i", "s", ".3s", "q"])
        ),
        3 => format!("return redis.sha1hex({text})"),
        4 => format!(
            "return {{string.find({text}, {})}}",
            literal(one(dice, &["a", "%d+", "[%w]*", ".-b", "%", "[a"]).as_bytes())
        ),
        5 => format!("return {{string.byte({text}, 1, -1)}}"),
        _ => format!("return {{#{text}, {text} .. {text}, select('#', unpack({{{number}, nil, {text}}}))}}"),
    }
}

fn fails(dice: &mut fastrand::Rng) -> String {
    let (inner, text) = (value(dice, 1), literal(&bytes(dice)));
    match dice.u8(..8) {
        0 => format!("error({text})"),
        1 => format!("error({{err={text}}})"),
        2 => format!("return redis.error_reply({text})"),
        3 => format!("return {{pcall(function() error({text}) end)}}"),
        4 => format!("local x = {inner} return x.y.z"),
        5 => format!("return {inner} + 1"),
        6 => format!("return cjson.decode(string.rep('[', {}))", dice.usize(990..1010)),
        _ => one(
            dice,
            &[
                "return x",
                "x = 1",
                "return",
                "return return",
                "redis.call()",
                "KEYS.a = 1 return #KEYS",
                "return {KEYS, ARGV}",
            ],
        )
        .to_owned(),
    }
}

fn calls(dice: &mut fastrand::Rng) -> String {
    let call = match dice.u8(..16) {
        0 => "'SET', KEYS[1], ARGV[1]",
        1 => "'GET', KEYS[1]",
        2 => "'HSET', KEYS[2], 'field', ARGV[2]",
        3 => "'HGETALL', KEYS[2]",
        4 => "'INCRBYFLOAT', KEYS[1], ARGV[2]",
        5 => "'DEL', KEYS[1], KEYS[2]",
        6 => "'LPUSH', KEYS[1], 1, 2.5, -3",
        7 => "'LRANGE', KEYS[1], 0, -1",
        8 => "'ZADD', KEYS[2], 1.5, 'a', 2, 'b'",
        9 => "'ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'",
        10 => "'ZSCORE', KEYS[2], 'a'",
        11 => "'SADD', KEYS[1], 1, 2, 3",
        12 => "'SMEMBERS', KEYS[1]",
        13 => "'TYPE', KEYS[2]",
        14 => "'GET'",
        _ => "'EXISTS', KEYS[1], {}",
    };
    let how = one(dice, &["redis.call", "redis.call", "redis.pcall"]);
    let resp = one(dice, &["", "", "redis.setresp(3) ", "redis.setresp(2) "]);
    match dice.u8(..4) {
        0 => format!("{resp}return cjson.encode({how}({call}))"),
        1 => format!("{resp}local r = {how}({call}) return {{type(r), r}}"),
        _ => format!("{resp}return {how}({call})"),
    }
}
