//! The events of keys that a command is, from what has happened to its keys. Names and classes are those of Redis.

use tidegate_protocols::messages::{Classes, KeyEvent};
use tidegate_protocols::number::integer;
use tidegate_protocols::{Args, Request};

use crate::diary::{self, Note, What};
use crate::hashes::{self, Until};
use crate::partition::DatabaseId;
use crate::worker::StoreWorker;

/// What a command does to one of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// This.
    Is(Classes, &'static str),
    /// This if the key is still there; if not, it was deleted.
    Leaves(Classes, &'static str),
    /// The first, then the second.
    Both(&'static str, &'static str),
    /// The first of a hash, then the second.
    Fields(&'static str, &'static str),
}

/// What has happened to one key in the course of a command.
struct Change {
    database: DatabaseId,
    key: Box<[u8]>,
    is_new: bool,
    is_gone: bool,
}

impl StoreWorker {
    /// Finds out the events of a command that is through.
    #[cold]
    pub(crate) fn keep_events(&mut self, request: Option<&Request<'_>>) {
        let (mut changes, mut told): (Vec<Change>, Vec<Note>) = (Vec::new(), Vec::new());
        for Note { database, key, what } in diary::take() {
            let (class, name) = match what {
                What::Expired => (Classes::EXPIRED, "expired"),
                What::FieldsExpired => (Classes::HASH, "hexpired"),
                What::Emptied => (Classes::GENERIC, "del"),
                What::Evicted => (Classes::EVICTED, "evicted"),
                What::Missed if request.is_some_and(|request| request.row.name.starts_with("OBJECT|")) => {
                    continue;
                }
                What::Missed => (Classes::KEY_MISS, "keymiss"),
                What::Told(_) => {
                    told.push(Note { database, key, what });
                    continue;
                }
                What::Changed | What::Created | What::Removed => {
                    add(&mut changes, database, key, what);
                    continue;
                }
            };
            self.keep_event(class, name, database, &key);
        }
        if let Some(request) = request {
            self.keep_events_of(request, &mut changes);
        }
        for Note { database, key, what } in told {
            if let What::Told(name) = what {
                self.keep_event(Classes::STREAM, name, database, &key);
            }
        }
    }

    fn keep_events_of(&mut self, request: &Request<'_>, changes: &mut [Change]) {
        let (name, args, now_ms) = (request.row.name, &request.args, self.local.now_ms);
        let is_list_moved = matches!(name, "LMOVE" | "BLMOVE" | "RPOPLPUSH" | "BRPOPLPUSH");
        if is_list_moved {
            // What is put is told of before what is taken.
            changes.sort_by_key(|change| args.get(2) != Some(&*change.key));
        }
        let moves = matches!(name, "RENAME" | "RENAMENX" | "MOVE");
        if moves || matches!(name, "COPY" | "RESTORE" | "RESTORE-ASKING") {
            // What was there before was deleted first.
            for change in &mut *changes {
                change.is_new = !change.is_gone;
            }
        }
        if moves {
            for change in changes.iter().filter(|change| change.is_new) {
                self.keep_event(Classes::NEW, "new", change.database, &change.key);
            }
        }
        for change in changes.iter() {
            let Change { database, ref key, is_new, is_gone } = *change;
            if is_new && !moves {
                self.keep_event(Classes::NEW, "new", database, key);
            }
            let mut tell = |class, name| self.keep_event(class, name, database, key);
            match event_of(name, args, key, change, now_ms) {
                None if is_gone && !moves => tell(Classes::GENERIC, "del"),
                None => {}
                Some(Event::Is(class, name)) => {
                    tell(class, name);
                    if is_gone && !moves {
                        tell(Classes::GENERIC, "del");
                    }
                }
                Some(Event::Leaves(..)) if is_gone => tell(Classes::GENERIC, "del"),
                Some(Event::Leaves(class, name)) => tell(class, name),
                Some(Event::Fields(first, second)) => {
                    tell(Classes::HASH, first);
                    tell(Classes::HASH, second);
                    if is_gone {
                        tell(Classes::GENERIC, "del");
                    }
                }
                Some(Event::Both(first, second)) => {
                    tell(Classes::STRING, first);
                    tell(Classes::GENERIC, second);
                }
            }
            // One key from which an element is taken that is put back at its other end.
            if is_list_moved && changes.len() == 1 && !is_gone {
                let (class, name) = (Classes::LIST, taken(name, args));
                self.keep_event(class, name, database, key);
            }
        }
    }

    fn keep_event(&mut self, class: Classes, name: &'static str, database: DatabaseId, key: &[u8]) {
        if self.local.events_wanted.has(class) {
            let database = self.held.keyspace().number_of(database);
            self.events.push(KeyEvent { name, database, key: key.into() });
        }
    }
}

/// Adds what has happened to a key to what has happened before.
fn add(changes: &mut Vec<Change>, database: DatabaseId, key: Box<[u8]>, what: What) {
    let place = changes.iter().position(|change| change.database == database && change.key == key);
    let place = place.unwrap_or_else(|| {
        changes.push(Change { database, key, is_new: what == What::Created, is_gone: false });
        changes.len() - 1
    });
    match what {
        What::Removed => changes[place].is_gone = true,
        What::Created => changes[place].is_gone = false,
        _ => {}
    }
}

/// What a command has done to this key; `None` is nothing that is told, but that it is gone.
fn event_of(name: &str, args: &Args<'_>, key: &[u8], change: &Change, now_ms: u64) -> Option<Event> {
    use Event::*;
    let is_first = args.get(1) == Some(key);
    Some(match name {
        "SET" if has_deadline(args) => Both("set", "expire"),
        "SETEX" | "PSETEX" => Both("set", "expire"),
        "SET" | "SETNX" | "GETSET" | "MSET" | "MSETNX" => Is(Classes::STRING, "set"),
        "BITOP" => Leaves(Classes::STRING, "set"),
        "GETEX" if has_word(args, b"PERSIST") => Leaves(Classes::GENERIC, "persist"),
        "GETEX" | "EXPIRE" | "PEXPIRE" | "EXPIREAT" | "PEXPIREAT" => Leaves(Classes::GENERIC, "expire"),
        "PERSIST" => Is(Classes::GENERIC, "persist"),
        "APPEND" => Is(Classes::STRING, "append"),
        "SETRANGE" => Is(Classes::STRING, "setrange"),
        "INCR" | "DECR" | "INCRBY" | "DECRBY" => Is(Classes::STRING, "incrby"),
        "INCRBYFLOAT" => Is(Classes::STRING, "incrbyfloat"),
        "SETBIT" | "BITFIELD" => Is(Classes::STRING, "setbit"),
        "PFADD" | "PFMERGE" => Is(Classes::STRING, "pfadd"),
        "HSET" | "HMSET" | "HSETNX" => Is(Classes::HASH, "hset"),
        "HINCRBY" => Is(Classes::HASH, "hincrby"),
        "HINCRBYFLOAT" => Is(Classes::HASH, "hincrbyfloat"),
        "HDEL" | "HGETDEL" => Is(Classes::HASH, "hdel"),
        "HPERSIST" => Is(Classes::HASH, "hpersist"),
        "HEXPIRE" | "HPEXPIRE" | "HEXPIREAT" | "HPEXPIREAT" | "HGETEX" | "HSETEX" => {
            event_of_fields(name, hashes::until(name, args, now_ms), now_ms)
        }
        "LPUSH" | "LPUSHX" => Is(Classes::LIST, "lpush"),
        "RPUSH" | "RPUSHX" => Is(Classes::LIST, "rpush"),
        "LPOP" | "BLPOP" => Is(Classes::LIST, "lpop"),
        "RPOP" | "BRPOP" => Is(Classes::LIST, "rpop"),
        "LMPOP" | "BLMPOP" => Is(Classes::LIST, if names_end(args, b"LEFT") { "lpop" } else { "rpop" }),
        "LMOVE" | "BLMOVE" | "RPOPLPUSH" | "BRPOPLPUSH" if args.get(2) == Some(key) => {
            Is(Classes::LIST, put(name, args))
        }
        "LMOVE" | "BLMOVE" | "RPOPLPUSH" | "BRPOPLPUSH" => Is(Classes::LIST, taken(name, args)),
        "LSET" => Is(Classes::LIST, "lset"),
        "LINSERT" => Is(Classes::LIST, "linsert"),
        "LREM" => Is(Classes::LIST, "lrem"),
        "LTRIM" => Is(Classes::LIST, "ltrim"),
        "SORT" => Leaves(Classes::LIST, "sortstore"),
        "SADD" => Is(Classes::SET, "sadd"),
        "SMOVE" if !is_first => Is(Classes::SET, "sadd"),
        "SREM" | "SMOVE" => Is(Classes::SET, "srem"),
        "SPOP" => Is(Classes::SET, "spop"),
        "SINTERSTORE" => Leaves(Classes::SET, "sinterstore"),
        "SUNIONSTORE" => Leaves(Classes::SET, "sunionstore"),
        "SDIFFSTORE" => Leaves(Classes::SET, "sdiffstore"),
        "ZADD" if increments(args) => Is(Classes::ZSET, "zincr"),
        "ZADD" | "GEOADD" => Is(Classes::ZSET, "zadd"),
        "ZINCRBY" => Is(Classes::ZSET, "zincr"),
        "ZREM" => Is(Classes::ZSET, "zrem"),
        "ZREMRANGEBYRANK" => Is(Classes::ZSET, "zremrangebyrank"),
        "ZREMRANGEBYSCORE" => Is(Classes::ZSET, "zremrangebyscore"),
        "ZREMRANGEBYLEX" => Is(Classes::ZSET, "zremrangebylex"),
        "ZPOPMIN" | "BZPOPMIN" => Is(Classes::ZSET, "zpopmin"),
        "ZPOPMAX" | "BZPOPMAX" => Is(Classes::ZSET, "zpopmax"),
        "ZMPOP" | "BZMPOP" => Is(Classes::ZSET, if names_end(args, b"MIN") { "zpopmin" } else { "zpopmax" }),
        "ZUNIONSTORE" => Leaves(Classes::ZSET, "zunionstore"),
        "ZINTERSTORE" => Leaves(Classes::ZSET, "zinterstore"),
        "ZDIFFSTORE" => Leaves(Classes::ZSET, "zdiffstore"),
        "ZRANGESTORE" => Leaves(Classes::ZSET, "zrangestore"),
        "GEOSEARCHSTORE" => Leaves(Classes::ZSET, "geosearchstore"),
        "GEORADIUS" | "GEORADIUSBYMEMBER" => Leaves(Classes::ZSET, "georadiusstore"),
        "XADD" => Is(Classes::STREAM, "xadd"),
        "XTRIM" => Is(Classes::STREAM, "xtrim"),
        "XDEL" => Is(Classes::STREAM, "xdel"),
        "RENAME" | "RENAMENX" if change.is_gone => Is(Classes::GENERIC, "rename_from"),
        "RENAME" | "RENAMENX" => Is(Classes::GENERIC, "rename_to"),
        "MOVE" if change.is_gone => Is(Classes::GENERIC, "move_from"),
        "MOVE" => Is(Classes::GENERIC, "move_to"),
        "COPY" => Is(Classes::GENERIC, "copy_to"),
        "RESTORE" | "RESTORE-ASKING" => Is(Classes::GENERIC, "restore"),
        _ => return event_of_item(name),
    })
}

/// What becomes of fields that are to be there until then.
fn event_of_fields(name: &str, until: Until, now_ms: u64) -> Event {
    let event = match until {
        Until::Time(at) if at <= now_ms => "hdel",
        Until::Time(_) => "hexpire",
        Until::Ever | Until::AsBefore if name == "HSETEX" => return Event::Is(Classes::HASH, "hset"),
        Until::Ever | Until::AsBefore => "hpersist",
    };
    if name == "HSETEX" { Event::Fields("hset", event) } else { Event::Is(Classes::HASH, event) }
}

/// The same for what Memcached clients do, in the words of what Redis clients would have done.
fn event_of_item(name: &str) -> Option<Event> {
    Some(match name {
        "set" | "add" | "replace" | "cas" => Event::Leaves(Classes::STRING, "set"),
        "append" | "prepend" => Event::Is(Classes::STRING, "append"),
        "incr" | "decr" => Event::Is(Classes::STRING, "incrby"),
        "touch" | "gat" | "get" | "delete" => Event::Leaves(Classes::GENERIC, "expire"),
        _ => return None,
    })
}

/// Whether this is the end that `LMPOP` and its like name after their keys; keys may have the same name.
fn names_end(args: &Args<'_>, end: &[u8]) -> bool {
    // Those that wait say for how long before they say how many keys there are.
    let count =
        if args.at(0).first().is_some_and(|letter| letter.eq_ignore_ascii_case(&b'B')) { 2 } else { 1 };
    let keys = args.get(count).and_then(integer).and_then(|keys| usize::try_from(keys).ok());
    let named = keys.and_then(|keys| args.get(keys.saturating_add(count + 1)));
    named.is_some_and(|word| word.eq_ignore_ascii_case(end))
}

fn has_word(args: &Args<'_>, word: &[u8]) -> bool {
    args.from(2).iter().any(|arg| arg.eq_ignore_ascii_case(word))
}

/// Whether `SET` says when the key is to expire.
fn has_deadline(args: &Args<'_>) -> bool {
    let is_time =
        |arg: &[u8]| [&b"EX"[..], b"PX", b"EXAT", b"PXAT"].iter().any(|it| arg.eq_ignore_ascii_case(it));
    args.from(3).iter().any(is_time)
}

/// Whether `ZADD` says `INCR`, which stands before the first score.
fn increments(args: &Args<'_>) -> bool {
    let is_option = |arg: &&[u8]| arg.first().is_some_and(u8::is_ascii_alphabetic) && !is_infinite(arg);
    args.from(2).iter().take_while(is_option).any(|arg| arg.eq_ignore_ascii_case(b"INCR"))
}

fn is_infinite(arg: &[u8]) -> bool {
    arg.eq_ignore_ascii_case(b"inf") || arg.eq_ignore_ascii_case(b"infinity")
}

/// What is told of a list from which an element is moved.
fn taken(name: &str, args: &Args<'_>) -> &'static str {
    let from_left = matches!(name, "LMOVE" | "BLMOVE")
        && args.get(3).is_some_and(|arg| arg.eq_ignore_ascii_case(b"LEFT"));
    if from_left { "lpop" } else { "rpop" }
}

/// What is told of a list to which an element is moved.
fn put(name: &str, args: &Args<'_>) -> &'static str {
    let to_right = matches!(name, "LMOVE" | "BLMOVE")
        && args.get(4).is_some_and(|arg| arg.eq_ignore_ascii_case(b"RIGHT"));
    if to_right { "rpush" } else { "lpush" }
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::Words;
    use tidegate_protocols::table::{Flags, rows};

    use super::*;

    /// What only takes keys away, or says itself what event it is.
    const WITHOUT: &[&str] = &[
        "DEL",
        "UNLINK",
        "GETDEL",
        "XACK",
        "XREADGROUP",
        "XCLAIM",
        "XAUTOCLAIM",
        "XSETID",
        "XGROUP|CREATE",
        "XGROUP|SETID",
        "XGROUP|DESTROY",
        "XGROUP|CREATECONSUMER",
        "XGROUP|DELCONSUMER",
        "PFDEBUG",
    ];

    #[test]
    fn keys_that_are_called_like_an_end_are_no_end() {
        for (line, end, expected) in [
            ("ZMPOP 1 min MAX", "MIN", false),
            ("ZMPOP 2 max min MIN COUNT 2", "MIN", true),
            ("BZMPOP 0.5 1 min max", "MIN", false),
            ("blmpop 0 2 right left Left", "LEFT", true),
            ("LMPOP 1 left RIGHT", "LEFT", false),
        ] {
            let words = Words::new(&line.split(' ').collect::<Vec<_>>());
            assert_eq!(names_end(&words.args(), end.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn every_command_that_writes_to_keys_is_an_event() {
        let words = Words::new(&["name", "key", "key"]);
        let change = Change { database: DatabaseId(0), key: (*b"key").into(), is_new: false, is_gone: false };
        for row in rows().filter(|row| row.is_redis() && row.flags.has(Flags::WRITE) && !row.keys.is_empty())
        {
            let is_event = event_of(row.name, &words.args(), b"key", &change, 0).is_some();
            assert_eq!(is_event, !WITHOUT.contains(&row.name), "{}", row.name);
        }
    }
}
