//! `XGROUP`: groups and their consumers.

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::{Args, Error, Reply};

use super::{id, no_group, stream_mut, tell_if_new};
use crate::db::Db;
use crate::large::Large;
use crate::structures::stream::{Group, Id, Log, Stream};

const NO_STREAM: Error = Error::Text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
     to create an empty stream automatically.",
);

/// Which options are understood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Create,
    SetId,
}

/// What may stand behind the ID.
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(args: &Args<'_>, command: Command) -> Result<Self, Error> {
        let mut parsed = Self { make_stream: false, entries_read: None };
        let mut options = args.from(5);
        while let Some(option) = options.get(0) {
            if command == Command::Create && option.eq_ignore_ascii_case(b"mkstream") {
                parsed.make_stream = true;
                options = options.from(1);
            } else if let Some(word) = options.get(1).filter(|_| option.eq_ignore_ascii_case(b"entriesread"))
            {
                parsed.entries_read = match integer_argument(word)? {
                    -1 => None,
                    entries => Some(
                        u64::try_from(entries)
                            .map_err(|_| Error::Text("ERR value for ENTRIESREAD must be positive or -1"))?,
                    ),
                };
                options = options.from(2);
            } else {
                return Err(Error::wrong_subcommand("XGROUP", args.at(1)));
            }
        }
        Ok(parsed)
    }
}

/// `$` or an ID.
fn starting_after(
    word: &[u8],
    log: Option<&Log>,
    parse: impl Fn(&[u8]) -> Result<Id, Error>,
) -> Result<Id, Error> {
    if word == b"$" { Ok(log.map_or(Id::MIN, Log::last_id)) } else { parse(word) }
}

/// `XGROUP CREATE key groupname id [MKSTREAM] [ENTRIESREAD entries-read]`
pub(super) fn create(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let options = Options::parse(&args, Command::Create)?;
    let mut entry = db.change(args.at(2));
    let mut stream = stream_mut(&mut entry)?;
    if stream.is_none() && !options.make_stream {
        return Err(NO_STREAM);
    }
    if args.len() > 8 {
        return Err(Error::wrong_subcommand("XGROUP", args.at(1)));
    }
    let last_id = starting_after(args.at(4), stream.as_deref().map(|stream| &stream.log), id::strict)?;
    let (name, group) = (args.at(3), Group::new(last_id, options.entries_read));
    match &mut stream {
        Some(stream) if stream.groups.contains_key(name) => {
            return Err(Error::Text("BUSYGROUP Consumer Group name already exists"));
        }
        Some(stream) => {
            stream.groups.insert(name.into(), group);
        }
        None => {
            let stream = Stream { groups: [(name.into(), group)].into(), ..Stream::default() };
            entry.create_large(Large::Stream(Box::new(stream)));
            entry.has_changed();
        }
    }
    entry.tell("xgroup-create");
    reply.ok();
    Ok(())
}

/// `XGROUP SETID key groupname id [ENTRIESREAD entries-read]`
pub(super) fn set_id(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let options = Options::parse(&args, Command::SetId)?;
    let mut entry = db.change(args.at(2));
    let (log, group) = existing(stream_mut(&mut entry)?, &args)?;
    if !matches!(args.len(), 5 | 7) {
        return Err(Error::wrong_subcommand("XGROUP", args.at(1)));
    }
    group.last_id = starting_after(args.at(4), Some(log), |word| id::any(word, 0))?;
    group.entries_read = options.entries_read;
    entry.tell("xgroup-setid");
    reply.ok();
    Ok(())
}

/// `XGROUP DESTROY key groupname`
pub(super) fn destroy(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut entry = db.change(args.at(2));
    let stream = stream_mut(&mut entry)?.ok_or(NO_STREAM)?;
    let gone = stream.groups.remove_entry(args.at(3));
    reply.integer(gone.is_some().into());
    if let Some(group) = gone {
        // Who waits for it is told that it is gone.
        entry.wake();
        entry.tell("xgroup-destroy");
        let remains = Stream { groups: [group].into(), ..Stream::default() };
        entry.discard(Large::Stream(Box::new(remains)));
    }
    Ok(())
}

/// `XGROUP CREATECONSUMER key groupname consumername`
pub(super) fn create_consumer(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let now_ms = db.wall_ms();
    let mut entry = db.change(args.at(2));
    let (_, group) = existing(stream_mut(&mut entry)?, &args)?;
    let is_new = group.find(args.at(4)).is_none();
    group.find_or_add(args.at(4), now_ms);
    tell_if_new(&mut entry, is_new);
    reply.integer(is_new.into());
    Ok(())
}

/// `XGROUP DELCONSUMER key groupname consumername`
pub(super) fn delete_consumer(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut entry = db.change(args.at(2));
    let (_, group) = existing(stream_mut(&mut entry)?, &args)?;
    let pending = group.remove(args.at(4));
    if pending.is_some() {
        entry.tell("xgroup-delconsumer");
    }
    reply.integer(pending.unwrap_or(0) as i64);
    Ok(())
}

/// The group that a request names, of a stream that is there.
fn existing<'s>(stream: Option<&'s mut Stream>, args: &Args<'_>) -> Result<(&'s Log, &'s mut Group), Error> {
    let Stream { log, groups } = stream.ok_or(NO_STREAM)?;
    let group = groups.get_mut(args.at(3)).ok_or_else(|| no_group(args.at(2), args.at(3)))?;
    Ok((log, group))
}
