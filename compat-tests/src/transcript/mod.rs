//! Transcripts: what a client sends and what it must read, byte for byte, as text files.
//!
//! A script under `scripts/redis/` or `scripts/memcached/` is replayed against Tidegate and against the real server
//! by `tests/transcripts.rs`. Write the requests, let the real server fill in the replies, review them:
//!
//! ```text
//! cargo run -p tidegate-compat-tests --bin record -- compat-tests/scripts/redis/strings/getdel.txt
//! SCRIPT=redis/strings/getdel cargo test -p tidegate-compat-tests --test transcripts
//! ```
//!
//! Each script begins with empty databases. A recorded reply that still matches is kept as it stands, so patterns
//! survive recording again.
//!
//! # Requests
//!
//! ```text
//! > SET k "a\r\n\x00"         Redis: words quoted as in redis-cli, sent as an array of bulk strings
//! > set k 0 0 3               Memcached: the line as it is, with \r \n \t \\ \xHH, and its line end
//! | foo                       …continued by further lines: data, or more commands in the same write
//! a> GET k                    another connection: one lower-case letter, opened at first use
//! raw> "*1\r\n$4\r\nPI"       exactly these bytes (quoted words, joined)
//! bin> set key=k value=v      Memcached binary, see below, on a connection of its own
//! hex> 80 0a 0000             any bytes, answered in Memcached binary
//! until> GET k                repeated until the reply matches (at most 10 s): how to await expiry
//! sorted> KEYS *              the elements of the (outermost) reply are sorted before they are compared
//! send> GET k                 sent together with the next request; the replies to both stand below that one
//! 0> GET k                    how many replies follow, where it is not one; the recorder finds out
//! b raw 2> "…"                words combine
//! ```
//!
//! `bin>` takes an opcode by its protocol name in lower case (`get`, `getkq`, `saslauth`, `0x42`) and `key= value=
//! flags= exptime= delta= initial= level= opaque= cas= vbucket= type= extras=HEX`; the extras an opcode requires are
//! made of these, with 0 for what is not given (`delta` 1), unless `extras=` gives them.
//!
//! # Replies
//!
//! Below the request, one line each line, as on the wire; bytes that are not printable ASCII, and `\`, are escaped.
//!
//! ```text
//! +OK                         RESP: a bulk string is its length and, on the next line, its payload
//! $3
//! foo
//! VALUE k 0 3 ${c1}           a CAS value is shown by name, the first one seen in a script is c1, then c2 …
//! get status=0000 opaque=00000000 cas=${c1} extras=00000000 key= value=foo
//! !closed                     the server closes the connection; the next request opens it anew
//! ~ :[0-9]+                   a regular expression for the whole line; (?<name>…) keeps what it matched
//! ...                         any number of lines
//! ```
//!
//! An empty payload is an empty line; empty lines at the end of a reply do not count. A payload that would read as
//! something else here has its first byte escaped.
//!
//! `${name}` in a request or reply stands for what a pattern or a CAS value kept, `${x*251}` for a text repeated.
//!
//! # Comments and directives
//!
//! ```text
//! # a comment: a hash and a blank
//! @resp3                      from here on connections speak RESP3 (HELLO is sent unseen); @resp2 goes back
//! @tidegate <reason>          after a reply: Tidegate answers as follows instead, on purpose
//! @three-shards <reason>      after a reply: in front of three shard processes it answers so (or: @shards, also of one)
//! @only real <reason>         up to @end: only against the real server (or: one-server, tidegate, in-process, shards, three-shards)
//! @end
//! @same-shard <reason>        at the top: all keys are in one of the three shards, because requests are on several keys
//! @server maxmemory=1mb       at the top: a server of its own; for Redis settings, for Memcached flags (-I 1k -M)
//! ```

pub mod record;
pub mod replay;
pub mod script;

mod binary;
mod memcached;
mod resp;
mod text;

use std::fs;
use std::path::PathBuf;

use crate::form::Form;
use crate::server::workspace;

/// Which server a script talks to, by the folder it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `scripts/redis/`.
    Redis,
    /// `scripts/memcached/`.
    Memcached,
}

/// Which implementation is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// redis-server or memcached, as installed.
    Real,
    /// Ours, in one of its forms.
    Tidegate(Form),
}

/// The scripts of a family, sorted by path.
pub fn scripts(family: Family) -> Vec<PathBuf> {
    let folder = match family {
        Family::Redis => "redis",
        Family::Memcached => "memcached",
    };
    let mut folders = vec![workspace().join("compat-tests/scripts").join(folder)];
    let mut scripts = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("a folder of scripts can be read");
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "txt") {
                scripts.push(path);
            }
        }
    }
    scripts.sort();
    scripts
}
