//! The command table says of each command what redis-server says of it, as far as a client can ask.
//!
//! Texts for people are our own and are not compared; where the facts differ on purpose, it is said below.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

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
    ("acl|cat", "arguments", "the argument has another name since Redis 7.2"),
    ("acl|deluser", "tips", "new in Redis 7.2"),
    ("acl|log", "history", "entries say more since Redis 7.2"),
    ("acl|save", "tips", "new in Redis 7.2"),
    ("acl|setuser", "tips", "new in Redis 7.2"),
    ("command|getkeys", "arguments", "documented since Redis 7.2"),
    ("command|getkeysandflags", "arguments", "documented since Redis 7.2"),
    ("module|loadex", "arguments", "what follows ARGS is no block since Redis 7.2"),
    ("client|setname", "tips", "all nodes are to be told since Redis 7.2"),
    ("config|resetstat", "tips", "all nodes are to be told since Redis 7.2"),
    ("config|rewrite", "tips", "all nodes are to be told since Redis 7.2"),
    ("latency|reset", "tips", "numbers are to be added since Redis 7.2"),
    ("msetnx", "tips", "not to be split since Redis 7.2"),
    ("randomkey", "tips", "the choice is the client's since Redis 7.2"),
    ("scan", "tips", "the cursor is the client's since Redis 7.2"),
    ("cluster|shards", "flags", "answered while loading since Redis 7.2"),
    ("cluster|slots", "flags", "answered while loading since Redis 7.2"),
    ("command|getkeys", "arity", "a command without arguments is looked at since Redis 7.2"),
    ("command|getkeysandflags", "arity", "a command without arguments is looked at since Redis 7.2"),
    ("client|pause", "since", "corrected in Redis 7.2"),
    ("psetex", "doc_flags", "deprecated in the texts of Redis 7.2"),
    ("psetex", "deprecated_since", "deprecated in the texts of Redis 7.2"),
    ("setex", "doc_flags", "deprecated in the texts of Redis 7.2"),
    ("setex", "deprecated_since", "deprecated in the texts of Redis 7.2"),
    ("setnx", "doc_flags", "deprecated in the texts of Redis 7.2"),
    ("setnx", "deprecated_since", "deprecated in the texts of Redis 7.2"),
    ("quit", "doc_flags", "deprecated since Redis 7.2"),
    ("quit", "deprecated_since", "deprecated since Redis 7.2"),
    ("xinfo|stream", "history", "tells more since Redis 7.2"),
    ("xinfo|consumers", "history", "tells more since Redis 7.2"),
    ("pfmerge", "arguments", "Redis 7.2 documents that sources may be left out"),
    ("psubscribe", "arguments", "no block of one since Redis 7.2"),
    ("zadd", "arguments", "pairs have another name since Redis 7.2"),
    ("zrank", "arity", "WITHSCORE is new in Redis 7.2"),
    ("zrank", "arguments", "WITHSCORE is new in Redis 7.2"),
    ("zrank", "history", "WITHSCORE is new in Redis 7.2"),
    ("zrevrank", "arity", "WITHSCORE is new in Redis 7.2"),
    ("zrevrank", "arguments", "WITHSCORE is new in Redis 7.2"),
    ("zrevrank", "history", "WITHSCORE is new in Redis 7.2"),
    ("zrange", "arguments", "LIMIT has another name since Redis 7.2"),
    ("zrangestore", "arguments", "LIMIT has another name since Redis 7.2"),
    ("zrangebyscore", "arguments", "LIMIT has another name since Redis 7.2"),
    ("zrevrangebyscore", "arguments", "LIMIT has another name since Redis 7.2"),
    ("zrangebylex", "arguments", "LIMIT has another name since Redis 7.2"),
    ("zrevrangebylex", "arguments", "LIMIT has another name since Redis 7.2"),
    ("blpop", "flags", "allowed in scripts since Redis 7.2"),
    ("brpop", "flags", "allowed in scripts since Redis 7.2"),
    ("blmove", "flags", "allowed in scripts since Redis 7.2"),
    ("brpoplpush", "flags", "allowed in scripts since Redis 7.2"),
    ("bzpopmin", "flags", "allowed in scripts since Redis 7.2"),
    ("bzpopmax", "flags", "allowed in scripts since Redis 7.2"),
    ("geoadd", "arguments", "places have another name since Redis 7.2"),
    ("geohash", "arguments", "Redis 7.2 documents that members may be left out"),
    ("geopos", "arguments", "Redis 7.2 documents that members may be left out"),
    ("georadius", "arguments", "groups have other names since Redis 7.2"),
    ("georadius_ro", "arguments", "groups have other names since Redis 7.2"),
    ("georadiusbymember", "arguments", "groups have other names since Redis 7.2"),
    ("georadiusbymember_ro", "arguments", "groups have other names since Redis 7.2"),
    ("geosearch", "arguments", "groups have other names since Redis 7.2"),
    ("geosearchstore", "arguments", "groups have other names since Redis 7.2"),
    ("wait", "flags", "allowed in scripts since Redis 7.2"),
    ("script|flush", "arguments", "the argument has another name since Redis 7.2"),
    ("function|flush", "arguments", "the argument has another name since Redis 7.2"),
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
            // Redis 7.2 says how arguments are to be shown.
            let ours = ours.field(field).map(|ours| ours.without("display_text"));
            compare(row, field, &theirs.field(field), &ours, &mut problems);
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
        "LMOVE a b LEFT RIGHT",
        "SORT a",
        "SORT a STORE b",
        "SORT a BY store STORE b GET store LIMIT store store",
        "SORT a STORE b STORE c ALPHA",
        "SORT a STORE",
        "SORT_RO a STORE b",
        "LMPOP 2 a b LEFT",
        "LMPOP 3 a b LEFT",
        "LMPOP x a b LEFT",
        "LMPOP 9223372036854775807 a LEFT",
        "SMOVE a b m",
        "SINTERCARD 2 a b LIMIT 3",
        "SINTERCARD 3 a b",
        "SUNIONSTORE d a b",
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
        "SPUBLISH a b",
        "SSUBSCRIBE a b",
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
            Self::Set(items) => {
                let mut items: Vec<_> = items.iter().map(|item| item.without(name)).collect();
                items.sort();
                Self::Set(items)
            }
            Self::List(items) => Self::List(items.iter().map(|item| item.without(name)).collect()),
            Self::Map(pairs) => {
                let pairs = pairs.iter().filter(|(key, _)| *key != name_text);
                Self::Map(pairs.map(|(key, value)| (key.clone(), value.without(name))).collect())
            }
            other => other.clone(),
        }
    }
}
