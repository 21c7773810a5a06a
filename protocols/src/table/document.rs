//! `COMMANDS.md`, written from the table.

use std::fmt::Write as _;

use super::differences::DIFFERENCES;
use super::{Row, Verb, memcached, memcached_server, rows};

const BEGINNING: &str = "\
# Commands

This page is generated from the command table (`protocols/src/table`). To write it anew:
`UPDATE=1 cargo test -p tidegate-protocols --test commands_md`.

Redis clients may also ask `COMMAND DOCS`. *Since* is the version of Redis that brought a command.
";

const ONE_KEYSPACE: &str = "
## Two families, one keyspace

Memcached clients work on logical database 0; Redis clients see there what they stored, and the other way
round.

* An item is a string. Redis `GET` reads the value of an item, `TTL` its expiration time; Memcached `get`
  reads any string, also one that Redis keeps as an integer, by its digits.
* Client flags and CAS values belong to the key. A string that Redis set has flags 0; every change, by whatever
  client, changes the CAS value.
* Keys that Memcached cannot name (longer than 250 bytes, or with blanks and control characters in the text
  protocol) are out of its reach, and so are the other logical databases.
* A Memcached request on a key that holds no string is answered with an error the client can read; nothing is
  returned or changed. A `set` replaces whatever was there, as Redis `SET` does.
* `flush_all` removes what is in logical database 0, `FLUSHALL` what is in any.
";

/// The groups of Redis with their headings.
const HEADINGS: &[(&str, &str)] = &[
    ("string", "Strings"),
    ("bitmap", "Bitmaps"),
    ("hash", "Hashes"),
    ("list", "Lists"),
    ("set", "Sets"),
    ("hyperloglog", "HyperLogLogs"),
    ("stream", "Streams"),
    ("sorted-set", "Sorted sets"),
    ("geo", "Places"),
    ("generic", "Keys"),
    ("pubsub", "Publish and subscribe"),
    ("transactions", "Transactions"),
    ("connection", "Connection"),
    ("server", "Server"),
    ("cluster", "Cluster"),
];

/// The whole of `COMMANDS.md`.
pub fn commands_md() -> String {
    let mut page = BEGINNING.to_owned();
    for (group, heading) in HEADINGS {
        let rows = rows().filter(|row| row.is_redis() && row.group == *group);
        section(&mut page, heading, "| Command | Since | Flags | |\n|---|---|---|---|\n", rows, |row| {
            let flags: Vec<_> = row.all_flags().names().collect();
            let instead = row.deprecated.map_or(String::new(), |old| format!(" Better: {}.", old.instead));
            let (command, flags) = (code(&row.to_string()), flags.join(" "));
            format!("| {command} | {} | {flags} | {}{instead} |", row.since, row.summary)
        });
    }
    let requests = rows().filter(|row| !row.is_redis() && !is_internal(row));
    let head = "| Request | |\n|---|---|\n";
    section(&mut page, "Memcached", head, requests, |row| {
        format!("| {} | {} |", code(&row.to_string()), row.summary)
    });
    page += ONE_KEYSPACE;
    page += "\n## Deliberate differences\n\n| Command | Difference | Reason |\n|---|---|---|\n";
    for difference in DIFFERENCES {
        let (what, reason) = (difference.difference, difference.reason);
        line(&mut page, format_args!("| {} | {what} | {reason} |", cell(difference.command)));
    }
    page += "\n## Commands of Redis 7.2 that are not here\n\n";
    page += "They are answered with Redis's own `unknown command` error. All others of its `COMMAND LIST` are above.\n\n";
    absent(&mut page, "Commands", super::absent::ABSENT);
    page += "\n## Settings of Redis 7.2 that are not here\n\n";
    page += "`CONFIG GET` does not show them, and `CONFIG SET` refuses them as Redis refuses names it does not know.\n\n";
    absent(&mut page, "Settings", crate::settings::ABSENT);
    page
}

fn section<'a>(
    page: &mut String,
    heading: &str,
    head: &str,
    rows: impl Iterator<Item = &'a Row>,
    write: impl Fn(&Row) -> String,
) {
    line(page, format_args!("\n## {heading}\n\n{}", head.trim_end()));
    // Containers say nothing that their subcommands do not say better.
    for row in rows.filter(|row| !row.container || row.arity == -1) {
        line(page, format_args!("{}", write(row)));
    }
}

/// Requests that only our own decoders make.
fn is_internal(row: &Row) -> bool {
    matches!(
        row.verb,
        Verb::Memcached(memcached::Memcached::TooLarge)
            | Verb::MemcachedServer(memcached_server::MemcachedServer::Answer)
            | Verb::Link(_)
    )
}

/// What is not there, and why.
fn absent(page: &mut String, heading: &str, absent: &[(&str, &str)]) {
    line(page, format_args!("| {heading} | Reason |\n|---|---|"));
    for (names, reason) in absent {
        let names: Vec<_> = names.split(' ').map(code).collect();
        line(page, format_args!("| {} | {reason} |", names.join(", ")));
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = writeln!(page, "{text}");
}

/// Text as code in the cell of a table.
fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
