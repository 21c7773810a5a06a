//! What the table says of itself to clients: `COMMAND`, `COMMAND COUNT`, `INFO`, `LIST`, `GETKEYS` and
//! `GETKEYSANDFLAGS`. The shapes are those of Redis 7.0.

use super::row::{Access, Begin, Find, Flags, KeySpec, Row};
use super::{Unresolved, lookup, resolve, rows};
use crate::error::Error;
use crate::glob::{self, Case};
use crate::reply::{Collection, Reply};
use crate::request::Args;

/// `COMMAND COUNT`: the commands, subcommands not counted.
pub fn count(reply: &mut Reply<'_>) {
    reply.integer(commands().count() as i64);
}

/// `COMMAND`, `COMMAND INFO`: every command.
pub fn info_of_all(reply: &mut Reply<'_>) {
    reply.array(commands().count());
    commands().for_each(|row| info(row, reply));
}

/// `COMMAND INFO name …`: the commands `names`, null for one that is not there.
///
/// # Errors
/// More than `bytes_max` bytes of reply.
pub fn info_of(names: &Args<'_>, bytes_max: usize, reply: &mut Reply<'_>) -> Result<(), Error> {
    let begin = reply.mark();
    reply.array(names.len());
    for name in names.iter() {
        match lookup(name) {
            Some(row) => info(row, reply),
            None => reply.null(),
        }
        reply.check_since(begin, bytes_max)?;
    }
    Ok(())
}

/// `COMMAND LIST [FILTERBY kind value]`: names, subcommands too; `filter` is what follows `LIST`.
///
/// # Errors
/// A filter that is none.
pub fn list(filter: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (kind, value) = match filter.len() {
        0 => (&b"PATTERN"[..], &b"*"[..]),
        3 if filter.at(0).eq_ignore_ascii_case(b"FILTERBY") => (filter.at(1), filter.at(2)),
        _ => return Err(Error::Syntax),
    };
    let fits: fn(&Row, &[u8]) -> bool = match kind.to_ascii_uppercase().as_slice() {
        // There are no modules.
        b"MODULE" => |_, _| false,
        b"ACLCAT" => |row, name| {
            row.all_categories().names().any(|category| category.as_bytes()[1..].eq_ignore_ascii_case(name))
        },
        b"PATTERN" => |row, pattern| glob::matches(pattern, row.name.as_bytes(), Case::Ignored),
        _ => return Err(Error::Syntax),
    };
    let names = rows().filter(|row| row.is_redis() && fits(row, value));
    reply.array(names.clone().count());
    names.for_each(|row| name(row, reply));
    Ok(())
}

/// `COMMAND GETKEYS request`: which of its arguments are keys.
///
/// # Errors
/// A request that is none, or has no keys.
pub fn get_keys(request: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let row = with_keys(request)?;
    reply.array(row.keys_of(request).count());
    row.keys_of(request).for_each(|key| reply.bulk(request.at(key.index)));
    Ok(())
}

/// `COMMAND GETKEYSANDFLAGS request`: the same, and what is done with each.
///
/// # Errors
/// A request that is none, or has no keys.
pub fn get_keys_and_flags(request: &Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let row = with_keys(request)?;
    reply.array(row.keys_of(request).count());
    for key in row.keys_of(request) {
        reply.array(2);
        reply.bulk(request.at(key.index));
        words(row.access(key, request).names(), reply);
    }
    Ok(())
}

fn with_keys(request: &Args<'_>) -> Result<&'static Row, Error> {
    let (row, takes) = match resolve(request) {
        Ok(row) => (row, true),
        Err(Unresolved::Arity(row)) => (row, false),
        Err(Unresolved::Command | Unresolved::Subcommand(_)) => {
            return Err(Error::Text("ERR Invalid command specified"));
        }
    };
    if row.keys.iter().all(|spec| spec.access.has(Access::NOT_KEY)) {
        return Err(Error::Text("ERR The command has no key arguments"));
    }
    if !takes {
        return Err(Error::Text("ERR Invalid number of arguments specified for command"));
    }
    match row.keys_of(request).next() {
        Some(_) => Ok(row),
        None if row.flags.has(Flags::NO_MANDATORY_KEYS) => Ok(row),
        None => Err(Error::Text("ERR Invalid arguments specified for command")),
    }
}

/// The commands Redis clients see, without subcommands.
pub(super) fn commands() -> impl Iterator<Item = &'static Row> + Clone {
    rows().filter(|row| row.is_redis() && !row.subcommand)
}

/// The subcommands of `container`.
pub(super) fn subcommands(container: &Row) -> impl Iterator<Item = &'static Row> + Clone {
    rows().filter(move |row| {
        row.name.strip_prefix(container.name).is_some_and(|rest| rest.starts_with('|')) && row.is_redis()
    })
}

fn info(row: &Row, reply: &mut Reply<'_>) {
    let range = row.key_range();
    reply.array(10);
    name(row, reply);
    reply.integer(row.arity.into());
    words(row.all_flags().names(), reply);
    reply.integer(range.first.into());
    reply.integer(range.last.into());
    reply.integer(range.step.into());
    words(row.all_categories().names(), reply);
    reply.set(row.tips.len());
    row.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(row.keys.len());
    row.keys.iter().for_each(|spec| key_spec(spec, reply));
    // Source: Redis `addReplyCommandSubCommands`: an empty set, but an array.
    match subcommands(row).count() {
        0 => reply.set(0),
        count => reply.array(count),
    }
    subcommands(row).for_each(|row| info(row, reply));
}

/// The name as Redis writes it.
pub(super) fn name(row: &Row, reply: &mut Reply<'_>) {
    reply.bulk(row.name.to_ascii_lowercase().as_bytes());
}

/// A set of words.
pub(super) fn words(words: impl Iterator<Item = &'static str>, reply: &mut Reply<'_>) {
    let set = reply.deferred(Collection::Set);
    let count = words.map(|word| reply.simple(word)).count();
    reply.finish(set, count);
}

fn key_spec(spec: &KeySpec, reply: &mut Reply<'_>) {
    reply.map(3);
    reply.bulk(b"flags");
    words(Access::names(spec.access), reply);
    reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(index) => search("index", &[("index", index.into())], reply),
        Begin::Keyword(word, from) => {
            search_head("keyword", 2, reply);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.integer(from.into());
        }
        Begin::Unknown(_) => search("unknown", &[], reply),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        _ if matches!(spec.begin, Begin::Unknown(_)) => search("unknown", &[], reply),
        Find::Range { last, step, limit } => {
            let spec = [("lastkey", last.into()), ("keystep", step.into()), ("limit", limit.into())];
            search("range", &spec, reply);
        }
        Find::Count { count, first, step } => {
            let spec = [("keynumidx", count.into()), ("firstkey", first.into()), ("keystep", step.into())];
            search("keynum", &spec, reply);
        }
    }
}

fn search(kind: &str, spec: &[(&str, i64)], reply: &mut Reply<'_>) {
    search_head(kind, spec.len(), reply);
    for (name, value) in spec {
        reply.bulk(name.as_bytes());
        reply.integer(*value);
    }
}

fn search_head(kind: &str, fields: usize, reply: &mut Reply<'_>) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(fields);
}
