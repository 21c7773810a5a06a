//! The command table says of each command what redis-server says of it, as far as a client can ask.
//!
//! Texts for people are our own and are not compared; where the facts differ on purpose, it is said below.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use tidegate_compat_tests::install::{needed, program};
use tidegate_compat_tests::server::Server;
use tidegate_protocols::limits::REPLY_BYTES_MAX;
use tidegate_protocols::request::{Args, Span};
use tidegate_protocols::table::{self, Row};
use tidegate_protocols::{Dialect, Error, Reply};

/// What differs on purpose: command, field, reason.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("command|getkeys", "arguments", "documented since Redis 7.2"),
    ("command|getkeysandflags", "arguments", "documented since Redis 7.2"),
];

#[test]
fn command_info_agrees_with_redis_server() {
    let Some(mut redis) = Redis::start() else { return };
    let mut problems = Vec::new();
    for (row, name) in known_to(&mut redis) {
        let theirs = redis.ask(&["COMMAND", "INFO", &name]);
        let ours = answer(&name, |args, reply| table::info_of(args, REPLY_BYTES_MAX, reply));
        let (theirs, ours) = (theirs.items()[0].items(), ours.items()[0].items());
        let fields =
            ["name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specs"];
        for (index, field) in fields.iter().enumerate() {
            compare(row, field, &theirs[index].without("notes"), &ours[index].clone(), &mut problems);
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn command_docs_agree_with_redis_server() {
    let Some(mut redis) = Redis::start() else { return };
    let mut problems = Vec::new();
    for (row, name) in known_to(&mut redis) {
        let theirs = redis.ask(&["COMMAND", "DOCS", &name]);
        let ours = answer(&name, |args, reply| table::docs_of(args, REPLY_BYTES_MAX, reply));
        let (theirs, ours) = (theirs.field(&name).unwrap(), ours.field(&name).unwrap());
        for field in ["since", "group", "doc_flags", "deprecated_since", "arguments"] {
            compare(row, field, &theirs.field(field), &ours.field(field), &mut problems);
        }
        let versions = |docs: &Value| -> Vec<Value> {
            let history = docs.field("history");
            history.iter().flat_map(Value::items).map(|change| change.items()[0].clone()).collect()
        };
        compare(row, "history", &versions(&theirs), &versions(&ours), &mut problems);
        for field in ["summary", "complexity"] {
            assert!(
                ours.field(field).is_some_and(|text| text != Value::Text(String::new())),
                "{name} {field}"
            );
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn keys_are_found_as_redis_server_finds_them() {
    let Some(mut redis) = Redis::start() else { return };
    for request in [
        "GET k",
        "SET k v",
        "SET k v GET",
        "SET k v nx get",
        "MSET a 1 b 2",
        "MSET a 1 b",
        "MSETNX a 1 b 2",
        "LCS a b",
        "BITOP AND d a b",
        "BITFIELD k",
        "BITFIELD k GET u8 0",
        "BITFIELD k GET u8 0 SET u8 0 1",
        "BITFIELD k OVERFLOW WRAP INCRBY u8 0 1",
        "BITFIELD k nonsense",
        "OBJECT ENCODING k",
        "MEMORY USAGE k",
        "COPY a b",
        "RENAME a b",
        "DEL a b c",
        "GET",
        "GET a b",
        "PING x",
        "CONFIG GET x",
        "CONFIG nonsense x",
        "nonsense x",
        "OBJECT HELP",
        "GETEX k",
        "MOVE k 1",
    ] {
        let words: Vec<_> = request.split(' ').collect();
        // `COMMAND GETKEYS GET` is refused before it is looked at.
        if words.len() < 2 {
            continue;
        }
        for (subcommand, ours) in [
            ("GETKEYS", table::get_keys as fn(&Args<'_>, &mut Reply<'_>) -> _),
            ("GETKEYSANDFLAGS", table::get_keys_and_flags),
        ] {
            let ours = answer(request, ours);
            let theirs = redis.ask(&[&["COMMAND", subcommand], &words[..]].concat());
            assert_eq!(ours, theirs, "COMMAND {subcommand} {request}");
        }
    }
}

/// The rows of commands that redis-server has, with their names as it writes them.
fn known_to(redis: &mut Redis) -> Vec<(&'static Row, String)> {
    let rows = table::rows().filter(|row| row.is_redis()).map(|row| (row, row.name.to_ascii_lowercase()));
    let known: Vec<_> =
        rows.filter(|(_, name)| redis.ask(&["COMMAND", "INFO", name]).items()[0] != Value::Null).collect();
    assert!(known.len() > 100, "only {} commands are known to redis-server", known.len());
    known
}

fn compare<T: PartialEq + std::fmt::Debug>(
    row: &Row,
    field: &str,
    theirs: &T,
    ours: &T,
    problems: &mut Vec<String>,
) {
    let name = row.name.to_ascii_lowercase();
    let on_purpose = DIFFERENCES.iter().any(|(command, what, _)| (*command, *what) == (&name, field));
    if (theirs == ours) == on_purpose {
        problems.push(format!("{name}: {field}\n  theirs {theirs:?}\n  ours   {ours:?}"));
    }
}

/// What our table answers to the words of `request`.
fn answer(request: &str, write: impl Fn(&Args<'_>, &mut Reply<'_>) -> Result<(), Error>) -> Value {
    let mut spans = Vec::new();
    let mut at = 0;
    for word in request.split(' ') {
        spans.push(Span::new(at, at + word.len()));
        at += word.len() + 1;
    }
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, Dialect::Resp3);
    if let Err(error) = write(&Args::new(request.as_bytes(), &spans), &mut reply) {
        reply.refuse(&error);
    }
    Value::read(&mut out.as_slice())
}

struct Redis {
    _server: Server,
    stream: BufReader<TcpStream>,
}

impl Redis {
    fn start() -> Option<Self> {
        needed("the command table", program("redis-server", "redis-server"))?;
        let server = Server::real_redis(&[]).unwrap();
        let stream = TcpStream::connect(server.redis()).unwrap();
        let mut redis = Self { _server: server, stream: BufReader::new(stream) };
        redis.ask(&["HELLO", "3"]);
        Some(redis)
    }

    fn ask(&mut self, words: &[&str]) -> Value {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            write!(request, "${}\r\n{word}\r\n", word.len()).unwrap();
        }
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        Value::read(&mut self.stream)
    }
}

/// A reply in RESP3.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Null,
    Integer(i64),
    Text(String),
    Simple(String),
    List(Vec<Value>),
    /// Sorted.
    Set(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl Value {
    fn read(input: &mut impl BufRead) -> Self {
        let mut line = String::new();
        input.read_line(&mut line).unwrap();
        let (mark, rest) = line.trim_end().split_at(1);
        let mut values =
            |count: usize| -> Vec<Self> { (0..count).map(|_| Self::read(&mut *input)).collect() };
        match mark {
            "_" => Self::Null,
            ":" => Self::Integer(rest.parse().unwrap()),
            "+" => Self::Simple(rest.to_owned()),
            "-" => Self::Simple(line.trim_end().to_owned()),
            "*" => Self::List(values(rest.parse().unwrap())),
            "~" => {
                let mut values = values(rest.parse().unwrap());
                values.sort();
                Self::Set(values)
            }
            "%" => {
                let values = values(rest.parse::<usize>().unwrap() * 2);
                Self::Map(values.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
            }
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
                input.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                Self::Text(String::from_utf8(bytes).unwrap())
            }
            _ => panic!("not RESP3: {line:?}"),
        }
    }

    fn items(&self) -> &[Self] {
        match self {
            Self::List(items) | Self::Set(items) => items,
            other => panic!("no list: {other:?}"),
        }
    }

    fn field(&self, name: &str) -> Option<Self> {
        let Self::Map(pairs) = self else { panic!("no map: {self:?}") };
        pairs.iter().find(|(key, _)| *key == Self::Text(name.to_owned())).map(|(_, value)| value.clone())
    }

    /// The value without the fields `name` of the maps in it.
    fn without(&self, name: &str) -> Self {
        let name_text = Self::Text(name.to_owned());
        match self {
            Self::Set(items) => Self::Set(items.iter().map(|item| item.without(name)).collect()),
            Self::Map(pairs) => {
                Self::Map(pairs.iter().filter(|(key, _)| *key != name_text).cloned().collect())
            }
            other => other.clone(),
        }
    }
}
