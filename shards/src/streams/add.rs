//! `XADD` and `XTRIM`: adding an entry, and cutting a stream short.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::{Args, Error, Reply};

use super::{id, stream_mut};
use crate::db::Db;
use crate::large::Large;
use crate::log::effects::Effects;
use crate::structures::stream::{Bound, Id, Limits, Log, Stream, Trim};

/// Entries that are trimmed at once with `~` and without `LIMIT`: those of 100 nodes, if that is a number within reason.
///
/// Source: Redis `t_stream.c`, `streamParseAddOrTrimArgsOrReply`.
fn usual_limit(settings: &Settings) -> u64 {
    match settings.number(Key::StreamNodeMaxEntries).wrapping_mul(100) {
        ..=0 => 10_000,
        limit => limit.min(1_000_000) as u64,
    }
}

/// The ID of an entry to be added.
#[derive(Clone, Copy)]
enum NewId {
    /// `*`
    Now,
    /// `ms-*`
    At(u64),
    /// `ms-seq`
    Is(Id),
}

impl NewId {
    /// The ID after all others, if it is that.
    fn after(self, last: Id, now_ms: u64) -> Option<Id> {
        match self {
            Self::Now if now_ms > last.ms => Some(Id { ms: now_ms, seq: 0 }),
            Self::Now => last.next(),
            Self::At(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| Id { ms, seq }),
            Self::At(ms) => Some(Id { ms, seq: 0 }).filter(|&id| id > last),
            Self::Is(id) => Some(id).filter(|&id| id > last),
        }
    }
}

/// Whose options are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Add,
    Trim,
}

/// What stands between the key and the fields.
struct Options {
    trim: Option<Trim>,
    no_stream: bool,
    id: NewId,
    /// Where the ID stands.
    at: usize,
    /// Where the bound to trim to stands.
    bound_at: usize,
}

impl Options {
    /// Source: Redis `t_stream.c`, `streamParseAddOrTrimArgsOrReply`.
    fn parse(args: Args<'_>, command: Command, settings: &Settings, obeys: bool) -> Result<Self, Error> {
        let (mut bound, mut approximate, mut limit) = (None, false, None);
        let (mut no_stream, mut id, mut at, mut bound_at) = (false, NewId::Now, 2, 0);
        while let Some(option) = args.get(at) {
            let value = args.get(at + 1);
            let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
            match value {
                _ if command == Command::Add && option == b"*" => break,
                Some(mut value) if is(b"maxlen") || is(b"minid") => {
                    if bound.is_some() {
                        return Err(Error::Text(
                            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                        ));
                    }
                    approximate = false;
                    if let (b"~" | b"=", Some(next)) = (value, args.get(at + 2)) {
                        approximate = value == b"~";
                        value = next;
                        at += 1;
                    }
                    bound = Some(if is(b"minid") { Bound::Id(id::strict(value)?) } else { longest(value)? });
                    at += 2;
                    bound_at = at - 1;
                }
                Some(value) if is(b"limit") => {
                    let entries = u64::try_from(integer_argument(value)?);
                    limit = Some(entries.map_err(|_| Error::Text("ERR The LIMIT argument must be >= 0."))?);
                    at += 2;
                }
                _ if command == Command::Trim => return Err(Error::Syntax),
                _ if is(b"nomkstream") => {
                    no_stream = true;
                    at += 1;
                }
                _ => {
                    id = match id::new(option)? {
                        (ms, None) => NewId::At(ms),
                        (ms, Some(seq)) => NewId::Is(Id { ms, seq }),
                    };
                    break;
                }
            }
        }
        // What a log says was trimmed as far as it was meant to be.
        let limit = limit.filter(|_| !obeys);
        let trim = trim_of(command, bound, (approximate, limit), settings)?;
        Ok(Self { trim, no_stream, id, at, bound_at })
    }
}

/// How to trim, if that is asked for: `bound`, whether that is approximate, and `LIMIT`.
fn trim_of(
    command: Command,
    bound: Option<Bound>,
    (approximate, limit): (bool, Option<u64>),
    settings: &Settings,
) -> Result<Option<Trim>, Error> {
    Ok(match bound {
        None if limit.is_some_and(|limit| limit > 0) => {
            return Err(Error::Text(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        None if command == Command::Trim => {
            return Err(Error::Text("ERR syntax error, XTRIM must be called with a trimming strategy"));
        }
        _ if limit.is_some() && !approximate => {
            return Err(Error::Text("ERR syntax error, LIMIT cannot be used without the special ~ option"));
        }
        None => None,
        Some(bound) => {
            let usual = || if approximate { usual_limit(settings) } else { 0 };
            Some(Trim { bound, approximate, limit: limit.unwrap_or_else(usual) })
        }
    })
}

/// `MAXLEN`
fn longest(word: &[u8]) -> Result<Bound, Error> {
    let len = u64::try_from(integer_argument(word)?);
    len.map(Bound::Len).map_err(|_| Error::Text("ERR The MAXLEN argument must be >= 0."))
}

pub(super) fn xadd(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (now_ms, settings) = (db.wall_ms(), db.settings());
    let options = Options::parse(args, Command::Add, settings, db.obeys())?;
    let limits = Limits {
        node_bytes: settings.number(Key::StreamNodeMaxBytes) as usize,
        node_entries: settings.number(Key::StreamNodeMaxEntries) as usize,
    };
    let words = args.from(options.at + 1);
    if words.len() < 2 || !words.len().is_multiple_of(2) {
        return Err(Error::Arity("xadd"));
    }
    if matches!(options.id, NewId::Is(Id::MIN)) {
        return Err(Error::Text("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let mut trimmed = 0;
    let mut add = |log: &mut Log| -> Result<Id, Error> {
        if log.last_id() == Id::MAX {
            return Err(Error::Text(
                "ERR The stream has exhausted the last possible ID, unable to add more items",
            ));
        }
        let id = options.id.after(log.last_id(), now_ms).ok_or(Error::Text(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ))?;
        let added = log.append(id, words.iter(), limits);
        added.map_err(|_| Error::Text("ERR Elements are too large to be stored"))?;
        if let Some(trim) = options.trim {
            trimmed = log.trim(trim);
        }
        Ok(id)
    };
    let effects = db.effects();
    let mut entry = db.change(args.at(1));
    let id = match stream_mut(&mut entry)? {
        Some(stream) => add(&mut stream.log)?,
        None if options.no_stream => {
            reply.null();
            return Ok(());
        }
        None => {
            let mut stream = Box::<Stream>::default();
            let id = add(&mut stream.log)?;
            entry.create_large(Large::Stream(stream));
            id
        }
    };
    entry.has_changed();
    if trimmed > 0 {
        entry.tell("xtrim");
    }
    if effects.is_on()
        && let Some(stream) = stream_mut(&mut entry)?
    {
        log(effects, &args, &options, (!matches!(options.id, NewId::Is(_))).then_some(id), &stream.log);
    }
    reply.bulk(&id.text());
    Ok(())
}

/// What was added, under which ID, and to what the stream was trimmed: that was about a length, and depends on its nodes.
fn log(effects: Effects, args: &Args<'_>, options: &Options, new_id: Option<Id>, log: &Log) {
    let id = new_id.map(Id::text);
    let approximate = options.trim.filter(|trim| trim.approximate);
    let mut digits = itoa::Buffer::new();
    let first_id = log.first_id().text();
    let bound = approximate.map(|trim| match trim.bound {
        Bound::Len(_) => digits.format(log.len()).as_bytes(),
        Bound::Id(_) => &first_id[..],
    });
    let words = args.iter().enumerate().map(|(at, word)| match (&id, bound) {
        (Some(id), _) if at == options.at => &id[..],
        (_, Some(_)) if at + 1 == options.bound_at => &b"="[..],
        (_, Some(bound)) if at == options.bound_at => bound,
        _ => word,
    });
    effects.says_all(words.collect::<Vec<_>>().into_iter());
}

pub(super) fn xtrim(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let options = Options::parse(args, Command::Trim, db.settings(), db.obeys())?;
    let effects = db.effects();
    let mut entry = db.change(args.at(1));
    let trimmed = match (stream_mut(&mut entry)?, options.trim) {
        (Some(stream), Some(trim)) => stream.log.trim(trim),
        _ => 0,
    };
    if trimmed > 0 {
        entry.has_changed();
        if effects.is_on()
            && let Some(stream) = stream_mut(&mut entry)?
        {
            log(effects, &args, &options, None, &stream.log);
        }
    }
    reply.integer(trimmed as i64);
    Ok(())
}
