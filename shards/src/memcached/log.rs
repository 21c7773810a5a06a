//! What the log says of items: what a Redis client would have asked for to have them so.
//!
//! Client flags, CAS value and marks mean nothing to Redis. They follow in an `ECHO`, which every Redis executes and none
//! heeds, between the same `MULTI` and `EXEC` as the value; we understand it when we read the log ([`read_marks`]).

use tidegate_protocols::Request;
use tidegate_protocols::data::Context;
use tidegate_protocols::number::integer;
use tidegate_protocols::table::memcached::Memcached;

use crate::db::{Db, FirstKey, Look, Metadata};
use crate::log::effects;
use crate::worker::StoreWorker;

/// How what is told of an item begins.
const MARKS: &[u8] = b"tidegate-item ";

/// Has the log know what has become of the item that a request has changed.
pub(crate) fn log(request: &Request<'_>, db: &mut Db<'_>) {
    if effects::is_said() {
        return;
    }
    let (key, effects) = (request.args.at(1), db.effects());
    let Some(entry) = db.peek(key) else {
        effects.says(&[b"DEL", key]);
        return;
    };
    let metadata = entry.metadata();
    let mut digits = itoa::Buffer::new();
    let at = metadata.expire_at.map(|at| digits.format(at).as_bytes());
    let has_value = request.row.verb != Memcached::Touch.row().verb;
    match (entry.text().ok().filter(|_| has_value), at) {
        (Some(mut text), Some(at)) => effects.says(&[b"SET", key, text.bytes(), b"PXAT", at]),
        (Some(mut text), None) => effects.says(&[b"SET", key, text.bytes()]),
        (None, Some(at)) => effects.says(&[b"PEXPIREAT", key, at]),
        (None, None) => effects.says(&[b"PERSIST", key]),
    }
    let Metadata { flags, cas, stale, won, .. } = metadata;
    if has_value && (flags != 0 || cas != 0 || stale || won) {
        let mut marks = MARKS.to_vec();
        let numbers = [u64::from(flags), cas, u64::from(stale), u64::from(won)];
        for number in numbers {
            marks.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            marks.push(b' ');
        }
        marks.extend_from_slice(key);
        effects.says(&[b"ECHO", &marks]);
    }
}

/// The key of the item and its marks, if this is what an `ECHO` of the log tells.
pub(crate) fn read_marks(told: &[u8]) -> Option<(&[u8], Metadata)> {
    let mut parts = told.strip_prefix(MARKS)?.splitn(5, |&byte| byte == b' ');
    let mut number = || parts.next().and_then(integer).and_then(|number| u64::try_from(number).ok());
    let (flags, cas) = (u32::try_from(number()?).ok()?, number()?);
    let (stale, won) = (number()? == 1, number()? == 1);
    Some((parts.next()?, Metadata { flags, cas, stale, won, ..Metadata::default() }))
}

impl StoreWorker {
    /// Gives an item what a log says of it.
    pub(crate) fn mark_item(&mut self, database: u8, key: &[u8], item: &Metadata) {
        let context = Context { database, ..Context::default() };
        let partition = self.held.keyspace().partition_of_key(key);
        self.held.lock_patiently(partition);
        let mut db = Db::new(&mut self.held, &mut self.local, &context, FirstKey::NONE);
        let mut entry = db.open(key, Look::Peek);
        if entry.is_there() {
            entry.set_item(item);
        }
    }
}
