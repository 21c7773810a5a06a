//! What is logged of what clients ask for is what redis-server logs, word for word.
//!
//! Every script is played against Tidegate and redis-server with `appendonly yes`; then the files they have written are
//! compared. `SCRIPT=redis/strings cargo test -p tidegate-compat-tests --test log_of_effects` compares only scripts whose
//! path contains the text, `REDIS_SERVER=…` names another redis-server than the installed one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::fmt::Write;
use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::install::{needed, program};
use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::transcript::replay::replay;
use tidegate_compat_tests::transcript::script::Script;
use tidegate_compat_tests::transcript::{Family, Subject, scripts};

/// What both are started with. Tidegate frees whatever takes long in the background, and says `UNLINK` where that is the word.
const BOTH: [&str; 2] = ["appendonly=yes", "appendfsync=always"];
const REDIS: [&str; 5] = [
    "lazyfree-lazy-eviction=yes",
    "lazyfree-lazy-expire=yes",
    "lazyfree-lazy-server-del=yes",
    "lazyfree-lazy-user-del=yes",
    "appenddirname=appendonlydir",
];

/// Scripts that are played at the same time.
const AT_ONCE: usize = 4;

/// Scripts whose logs differ, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("bitmaps/bitfield.txt", "where OVERFLOW FAIL makes a key Redis has one that its log knows nothing of"),
    ("transactions/watch_changes.txt", "the same"),
    ("geo/georadius.txt", "with STORE twice Redis stores under a key that nobody finds in its request"),
    ("geo/georadiusbymember.txt", "the same"),
    ("keyspace/scan_expired.txt", "keys are scanned in another order"),
];

/// Scripts whose logs are those of Redis 7.2, which says otherwise what 7.0 said.
const OF_7_2: &[(&str, &str)] = &[
    ("acl/clients.txt", "who waits for a key he may not have any more"),
    ("keyspace/restore.txt", "UNLINK for what is restored too late"),
    ("lists/blmove.txt", "the ends as they were asked for"),
    ("lists/blpop.txt", "who waits is given of the first key he has named"),
    ("lists/brpop.txt", "the same"),
    ("pubsub/events.txt", "DEL for GETDEL"),
    ("strings/getdel.txt", "the same"),
    ("sets/spop.txt", "members together, and UNLINK for all of them"),
    ("streams/xclaim.txt", "a consumer is there once it has asked"),
    ("streams/xsetid.txt", "errors"),
    ("strings/set.txt", "PXAT as it was asked for"),
];

/// Commands by the words they consist of, behind the number of their database.
type Commands = Vec<Vec<String>>;

#[test]
fn what_is_logged_is_what_redis_logs() {
    if needed("what_is_logged_is_what_redis_logs", program("redis-server", "redis-server")).is_none() {
        return;
    }
    let wanted = std::env::var("SCRIPT").unwrap_or_default();
    let is_7_0 = std::env::var("REDIS_SERVER").is_err();
    let is_in = |path: &Path, list: &[(&str, &str)]| list.iter().any(|(script, _)| path.ends_with(script));
    let paths: Vec<_> = scripts(Family::Redis)
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(&wanted))
        .filter(|path| !(is_in(path, DIFFERENT) || is_7_0 && is_in(path, OF_7_2)))
        .collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(String::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Relaxed)) {
                    if let Some(difference) = compare(path) {
                        failures.lock().unwrap().push_str(&difference);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    println!("{} logs compared", paths.len());
    assert!(failures.is_empty(), "{failures}");
}

/// What is different in the logs of a script.
fn compare(path: &Path) -> Option<String> {
    let mut script = Script::read(path).unwrap();
    script.keep_what_all_are_asked();
    let ours = logged(&script, Subject::Tidegate(Form::InProcess));
    let theirs = logged(&script, Subject::Real);
    (ours != theirs).then(|| format!("{}\n{}", path.display(), difference(&theirs, &ours)))
}

/// What is logged of a script.
fn logged(script: &Script, subject: Subject) -> Commands {
    let own: &[&str] = if subject == Subject::Real { &REDIS } else { &["threads=1"] };
    let server = Server::for_script_with(script, subject, &[&BOTH, own].concat()).unwrap();
    // Nothing expires but what is asked for.
    let mut stream = TcpStream::connect(server.redis()).unwrap();
    stream.write_all(b"DEBUG SET-ACTIVE-EXPIRE 0\r\n").unwrap();
    let _ = stream.read(&mut [0; 128]).unwrap();
    let _ = replay(script, subject, server.redis());
    commands(&read_log(server.directory()))
}

fn read_log(directory: &Path) -> Vec<u8> {
    let mut log = Vec::new();
    let mut files: Vec<_> =
        fs::read_dir(directory.join("appendonlydir")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|path| path.to_string_lossy().ends_with(".incr.aof")) {
        log.extend(fs::read(file).unwrap());
    }
    log
}

/// The commands of a log, without what depends on the moment or on chance.
fn commands(mut log: &[u8]) -> Commands {
    let (mut all, mut database) = (Vec::new(), "?".to_owned());
    while !log.is_empty() {
        let count = number(&mut log, b'*');
        let mut words: Vec<Vec<u8>> = Vec::new();
        for _ in 0..count {
            let bytes = number(&mut log, b'$');
            words.push(log[..bytes].to_vec());
            log = &log[bytes + 2..];
        }
        let mut words: Vec<String> =
            words.iter().map(|word| without_time(&word.escape_ascii().to_string())).collect();
        if words[0] == "SREM" {
            // By chance, some of them.
            words[2..].fill("MEMBER".to_owned());
        }
        match words[0].as_str() {
            // It stands before MULTI or behind it.
            "SELECT" => words[1].clone_into(&mut database),
            "MULTI" | "EXEC" => all.push(words),
            _ => {
                words.insert(0, database.clone());
                all.push(words);
            }
        }
    }
    all
}

fn number(log: &mut &[u8], sign: u8) -> usize {
    let end = log.iter().position(|&byte| byte == b'\n').unwrap();
    assert_eq!(log[0], sign, "{}", log[..end].escape_ascii());
    let number = std::str::from_utf8(&log[1..end - 1]).unwrap().parse().unwrap();
    *log = &log[end + 1..];
    number
}

/// Numbers of thirteen digits are times of today, in milliseconds.
fn without_time(word: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for letter in word.chars() {
        match parts.last_mut() {
            Some(part) if part.ends_with(|last: char| last.is_ascii_digit()) == letter.is_ascii_digit() => {
                part.push(letter);
            }
            _ => parts.push(letter.to_string()),
        }
    }
    let is_time = |part: &str| part.len() == 13 && part.starts_with('1');
    parts.iter().map(|part| if is_time(part) { "TIME" } else { part }).collect()
}

fn difference(theirs: &Commands, ours: &Commands) -> String {
    let same = theirs.iter().zip(ours).take_while(|(one, other)| one == other).count();
    let mut text = String::new();
    for (name, all) in [("redis", theirs), ("tidegate", ours)] {
        for words in all.iter().skip(same.saturating_sub(1)).take(5) {
            let line: String = words.join(" ").chars().take(160).collect();
            writeln!(text, "    {name:9}{line}").unwrap();
        }
    }
    text
}
