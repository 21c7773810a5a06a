//! `XREAD` and `XREADGROUP`: what has come after an ID, of several streams.
//!
//! A request is parsed and its streams are looked at ([`Reading::check`]) before anything is told of them
//! ([`Reading::serve`]). Where there is nothing to tell, the answer is that of a time-out, or the request waits.

use std::borrow::Cow;

use tidegate_protocols::number::integer_argument;
use tidegate_protocols::reply::Collection;
use tidegate_protocols::table::streams::{ROWS, Streams};
use tidegate_protocols::{Args, Dialect, Error, Reply, Words};

use super::logged::Logged;
use super::{group_mut, id, no_group_of_key, number_or, range, read, seen, tell_if_new};
use crate::db::{Db, Kind, Look};
use crate::structures::stream::{ConsumerNumber, Direction, Group, Id, Log, Pending};
use crate::waiting::{Wait, after_ms};

/// Executes either command.
pub(super) fn xread(
    db: &mut Db<'_>,
    verb: Streams,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let reading = Reading::parse(verb, args, db.wall_ms())?;
    reading.check(db)?;
    if !reading.serve(db, reply)? {
        reply.null_array();
        reading.wait(db, args)?;
    }
    Ok(())
}

/// What is to be read.
struct Reading<'a> {
    /// Keys, and as many IDs after them.
    streams: Args<'a>,
    /// Entries of each stream at most; 0 is any number.
    count: usize,
    /// A group and one of its consumers.
    group: Option<(&'a [u8], &'a [u8])>,
    /// What is given need not be acknowledged.
    no_ack: bool,
    /// Until when it waits for something to tell, if it does.
    until: Option<Until>,
}

/// Until when a request waits.
#[derive(Clone, Copy)]
enum Until {
    /// Unix milliseconds.
    Ms(u64),
    /// For ever.
    Told,
}

impl Until {
    /// Source: Redis `timeout.c`, `getTimeoutFromObjectOrReply`.
    fn parse(word: &[u8], now_ms: u64) -> Result<Self, Error> {
        let ms = number_or(word, "ERR timeout is not an integer or out of range")?;
        Ok(after_ms(ms, now_ms)?.map_or(Self::Told, Self::Ms))
    }
}

/// After what a stream is read.
#[derive(Clone, Copy)]
enum After {
    /// This ID; with a group, what the consumer has not acknowledged.
    Id(Id),
    /// `$`: all that is there.
    Last,
    /// `>`: all that was given to the group.
    Given,
}

impl After {
    fn parse(word: &[u8], for_group: bool) -> Result<Self, Error> {
        match word {
            b"$" if for_group => Err(Error::Text(
                "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                 consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an \
                 empty result set.",
            )),
            b"$" => Ok(Self::Last),
            b">" if for_group => Ok(Self::Given),
            b">" => Err(Error::Text(
                "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
            )),
            _ => match id::strict(word)? {
                // What Redis takes `>` for.
                Id::MAX if for_group => Ok(Self::Given),
                id => Ok(Self::Id(id)),
            },
        }
    }
}

impl<'a> Reading<'a> {
    fn parse(verb: Streams, args: Args<'a>, now_ms: u64) -> Result<Self, Error> {
        let for_group = verb == Streams::Xreadgroup;
        let (mut count, mut group, mut no_ack, mut until) = (0, None, false, None);
        let mut at = 1;
        let streams = loop {
            let option = args.get(at).ok_or(Error::Syntax)?;
            let is = |name: &[u8]| option.eq_ignore_ascii_case(name);
            match (args.get(at + 1), args.get(at + 2)) {
                (Some(word), _) if is(b"block") => {
                    until = Some(Until::parse(word, now_ms)?);
                    at += 2;
                }
                (Some(word), _) if is(b"count") => {
                    count = integer_argument(word)?.max(0) as usize;
                    at += 2;
                }
                (Some(_), _) if is(b"streams") => break args.from(at + 1),
                (Some(name), Some(consumer)) if is(b"group") => {
                    if !for_group {
                        return Err(only_for_groups("GROUP"));
                    }
                    group = Some((name, consumer));
                    at += 3;
                }
                _ if is(b"noack") => {
                    if !for_group {
                        return Err(only_for_groups("NOACK"));
                    }
                    no_ack = true;
                    at += 1;
                }
                _ => return Err(Error::Syntax),
            }
        };
        if !streams.len().is_multiple_of(2) {
            let (name, sign) = if for_group { ("xreadgroup", '>') } else { ("xread", '$') };
            let text = format!(
                "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{sign}' must be specified."
            );
            return Err(Error::Composed(text.into_bytes().into()));
        }
        if for_group && group.is_none() {
            return Err(Error::Text("ERR Missing GROUP option for XREADGROUP"));
        }
        // Only keys that the row finds are locked: a consumer called STREAMS leads it astray.
        let found = ROWS[verb as usize].keys_of(&args).map(|key| key.index);
        if !found.eq(args.len() - streams.len()..args.len() - streams.len() / 2) {
            return Err(Error::Syntax);
        }
        Ok(Self { streams, count, group, no_ack, until })
    }

    /// Keys, each with the word after what is to be read.
    fn streams(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let half = self.streams.len() / 2;
        self.streams.iter().zip(self.streams.from(half).iter())
    }

    /// Whether all of it can be read, if there is something.
    fn check(&self, db: &mut Db<'_>) -> Result<(), Error> {
        for (key, after) in self.streams() {
            let stream = read(db, key)?;
            if let Some((name, _)) = self.group
                && !stream.is_some_and(|stream| stream.groups.contains_key(name))
            {
                return Err(no_group_of_key(key, name, " in XREADGROUP with GROUP option"));
            }
            After::parse(after, self.group.is_some())?;
        }
        Ok(())
    }

    /// Waits for something to tell, if it may. What `$` means is settled now.
    fn wait(&self, db: &mut Db<'_>, args: Args<'a>) -> Result<(), Error> {
        let until_ms = match self.until {
            None => return Ok(()),
            Some(Until::Ms(at)) => Some(at),
            Some(Until::Told) => None,
        };
        let ids = args.len() - self.streams.len() / 2;
        let mut words: Vec<Cow<'_, [u8]>> = args.iter().map(Cow::Borrowed).collect();
        let mut is_said = true;
        for ((key, after), word) in self.streams().zip(&mut words[ids..]) {
            if after == b"$" {
                let last_id = read(db, key)?.map_or(Id::MIN, |stream| stream.log.last_id());
                *word = Cow::Owned(last_id.text().to_vec());
                is_said = false;
            }
        }
        db.wait(Wait {
            kind: Kind::Stream,
            keys: args.len() - self.streams.len()..ids,
            until_ms,
            on_removal: self.group.is_some(),
            words: (!is_said).then(|| Words::new(&words)),
        });
        Ok(())
    }

    /// Tells what there is. Says whether there is something; if not, nothing is written.
    fn serve(&self, db: &mut Db<'_>, reply: &mut Reply<'_>) -> Result<bool, Error> {
        let kind = if reply.dialect() == Dialect::Resp3 { Collection::Map } else { Collection::Array };
        let room = Room { begin: reply.mark(), bytes_max: db.local.reply_bytes_max };
        let (list, mut told) = (reply.deferred(kind), 0);
        for (key, after) in self.streams() {
            let after = After::parse(after, self.group.is_some())?;
            told += usize::from(match self.group {
                Some(group) => self.serve_group(db, (key, after), group, room, reply)?,
                None => self.serve_one(db, (key, after), reply)?,
            });
            // A few bytes can name one long stream a thousand times.
            if self.group.is_none() {
                reply.check_since(room.begin, room.bytes_max)?;
            }
        }
        if told > 0 {
            reply.finish(list, told);
        }
        Ok(told > 0)
    }

    /// One stream, for nobody in particular.
    fn serve_one(
        &self,
        db: &mut Db<'_>,
        (key, after): (&[u8], After),
        reply: &mut Reply<'_>,
    ) -> Result<bool, Error> {
        let reply_bytes_max = db.local.reply_bytes_max;
        let (Some(stream), After::Id(after)) = (read(db, key)?, after) else { return Ok(false) };
        let (Some(top_id), Some(from)) = (stream.log.top_id(), after.next()) else { return Ok(false) };
        if top_id <= after {
            return Ok(false);
        }
        begin_stream(key, reply);
        let entries = stream.log.entries(from, Id::MAX, Direction::Forward);
        range::tell_all(entries, self.count, reply_bytes_max, reply)?;
        Ok(true)
    }

    /// One stream, for a consumer of a group. Rather than that a reply is refused which has taken effect, it ends early.
    fn serve_group(
        &self,
        db: &mut Db<'_>,
        (key, after): (&[u8], After),
        (name, consumer): (&[u8], &[u8]),
        room: Room,
        reply: &mut Reply<'_>,
    ) -> Result<bool, Error> {
        let now_ms = db.wall_ms();
        let logged = Logged::new(db.effects(), key, name);
        let mut entry = db.open(key, Look::Read);
        let Some((log, group)) = group_mut(&mut entry, name)? else { return Ok(false) };
        let from = match after {
            After::Id(id) => id.next(),
            _ if log.top_id() > Some(group.last_id) => group.last_id.next(),
            _ => None,
        };
        let (number, is_new) = seen(group, consumer, now_ms);
        if is_new && self.no_ack {
            logged.creates(consumer);
        }
        let Some(from) = from.filter(|_| room.is_left(reply)) else {
            tell_if_new(&mut entry, is_new);
            return Ok(false);
        };
        begin_stream(key, reply);
        let (list, mut told) = (reply.deferred(Collection::Array), 0);
        let go_on = |reply: &Reply<'_>| {
            told += 1;
            told != self.count && room.is_left(reply)
        };
        let mut reader = Reader { log, group, number, now_ms, logged };
        match after {
            After::Id(_) => reader.tell_given(from, reply, go_on),
            _ => reader.give(from, self.no_ack, reply, go_on),
        }
        reply.finish(list, told);
        tell_if_new(&mut entry, is_new);
        Ok(true)
    }
}

/// How long a reply may become.
#[derive(Clone, Copy)]
struct Room {
    /// Where it begins.
    begin: usize,
    bytes_max: usize,
}

impl Room {
    fn is_left(self, reply: &Reply<'_>) -> bool {
        reply.check_since(self.begin, self.bytes_max).is_ok()
    }
}

/// A consumer that reads one stream for its group.
struct Reader<'s> {
    log: &'s Log,
    group: &'s mut Group,
    number: ConsumerNumber,
    now_ms: u64,
    logged: Logged<'s>,
}

impl Reader<'_> {
    /// Gives it what nobody of its group was given.
    fn give(
        &mut self,
        from: Id,
        no_ack: bool,
        reply: &mut Reply<'_>,
        mut go_on: impl FnMut(&Reply<'_>) -> bool,
    ) {
        let last_id = self.group.last_id;
        let given = Pending { consumer: self.number, delivered_at: self.now_ms, deliveries: 1 };
        for entry in self.log.entries(from, Id::MAX, Direction::Forward) {
            self.log.advance(self.group, entry.id);
            range::tell(&entry, reply);
            if !no_ack {
                self.group.set(entry.id, given);
                self.group.consumer_mut(self.number).active_at = Some(self.now_ms);
                self.logged.claims(self.group, entry.id, given);
            }
            if !go_on(reply) {
                break;
            }
        }
        // Otherwise what is claimed says it.
        if no_ack && self.group.last_id > last_id {
            self.logged.sets_id(self.group);
        }
    }

    /// Tells it what it was given and has not acknowledged: null for what is not there any more.
    fn tell_given(&mut self, from: Id, reply: &mut Reply<'_>, mut go_on: impl FnMut(&Reply<'_>) -> bool) {
        let mut next = Some(from);
        while let Some((id, pending)) =
            next.and_then(|from| self.group.pending_of(self.number, from, Id::MAX).next())
        {
            if let Some(entry) = self.log.get(id) {
                range::tell(&entry, reply);
                let deliveries = pending.deliveries.wrapping_add(1);
                self.group.set(id, Pending { delivered_at: self.now_ms, deliveries, ..pending });
            } else {
                reply.array(2);
                reply.bulk(&id.text());
                reply.null_array();
            }
            next = id.next().filter(|_| go_on(reply));
        }
    }
}

/// Begins what is told of a stream: in RESP3 it is a pair of a map.
fn begin_stream(key: &[u8], reply: &mut Reply<'_>) {
    if reply.dialect() != Dialect::Resp3 {
        reply.array(2);
    }
    reply.bulk(key);
}

fn only_for_groups(option: &str) -> Error {
    let text = format!("ERR The {option} option is only supported by XREADGROUP. You called XREAD instead.");
    Error::Composed(text.into_bytes().into())
}
