//! What a command does to the data, in the words of commands that do the same whenever and wherever they are executed.
//!
//! Most commands do: those that have changed something are logged as they were asked for. Others say what they have
//! done ([`Effects::says`]): what depends on the time says the time, what is done by chance what came of it. What
//! expires or is evicted is deleted by name. What one command, transaction or script has done is one unit: if it is more than
//! one command, it stands between `MULTI` and `EXEC`, as Redis 7 does it.
//!
//! A thread gathers this for itself while it holds the locks of what it changes, and appends it to the log before it
//! gives them back ([`publish`], called by [`crate::held::Held::release`]). Where nobody wants a log, a command that changes
//! something pays one look at a flag of its thread.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use tidegate_protocols::Args;

use super::{Batch, words};
use crate::diary;
use crate::partition::DatabaseId;
use crate::store::Shared;

/// Bytes of which room is kept from one tick to the next.
const KEPT_BYTES: usize = 256 << 10;

thread_local! {
    static PENDING: RefCell<Pending> = RefCell::default();
}

/// What this thread has not appended yet.
#[derive(Default)]
struct Pending {
    /// Whose log it is for.
    store: Weak<Shared>,
    /// The commands of the unit that is under way.
    bytes: Vec<u8>,
    commands: Vec<Command>,
    /// The command that is executed has said what it does.
    is_said: bool,
    batch: Batch,
}

/// One of them.
struct Command {
    database: u8,
    end: usize,
}

/// Whether what is more than one command belongs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// It does: nobody may see a part of it.
    Whole,
    /// Each stands for itself: what was found expired, or taken out to make room.
    Loose,
}

/// How a command says what it does.
#[derive(Clone, Copy)]
pub(crate) struct Effects {
    database: u8,
    is_on: bool,
}

impl Effects {
    /// Of a command in this database.
    #[inline]
    pub(crate) fn of(database: u8) -> Self {
        Self { database, is_on: diary::is_logged() }
    }

    /// Whether anybody wants to know.
    #[inline]
    pub(crate) fn is_on(self) -> bool {
        self.is_on
    }

    /// Instead of what was asked for, this is logged.
    #[inline]
    pub(crate) fn says(self, words: &[&[u8]]) {
        if self.is_on {
            add(self.database, |out| words::command(out, words));
        }
    }

    /// The same, of words that are not at hand in a row.
    pub(crate) fn says_all<'a>(self, words: impl ExactSizeIterator<Item = &'a [u8]>) {
        if self.is_on {
            add(self.database, |out| {
                words::begin(out, words.len());
                for word in words {
                    words::word(out, word);
                }
            });
        }
    }

    /// What was asked for is logged, now.
    pub(crate) fn says_as_asked(self, args: &Args<'_>) {
        self.says_all(args.iter());
    }

    /// Nothing is logged.
    pub(crate) fn says_nothing(self) {
        if self.is_on {
            PENDING.with_borrow_mut(|pending| pending.is_said = true);
        }
    }
}

#[cold]
fn add(database: u8, write: impl FnOnce(&mut Vec<u8>)) {
    PENDING.with_borrow_mut(|pending| {
        pending.is_said = true;
        pending.add(database, write);
    });
}

/// Makes this thread note effects for a store, or not.
pub(crate) fn begin(store: &Arc<Shared>) {
    let is_on = store.log.is_on();
    diary::keep_log(is_on);
    if is_on {
        PENDING.with_borrow_mut(|pending| {
            if !std::ptr::eq(pending.store.as_ptr(), Arc::as_ptr(store)) {
                pending.store = Arc::downgrade(store);
            }
        });
    }
}

/// A command is through: it is logged as it was asked for if it has changed something and has not said anything else.
#[cold]
pub(crate) fn end_command(database: u8, args: &Args<'_>, has_changed: bool) {
    PENDING.with_borrow_mut(|pending| {
        if !std::mem::take(&mut pending.is_said) && has_changed {
            pending.add(database, |out| words::request(out, args));
        }
    });
}

/// What was said was no command's.
pub(crate) fn forget_command() {
    PENDING.with_borrow_mut(|pending| pending.is_said = false);
}

/// Whether the command that is executed has said what it does.
pub(crate) fn is_said() -> bool {
    PENDING.with_borrow(|pending| pending.is_said)
}

/// A key was deleted as its time was past, or to make room. All of these are freed in the background.
pub(crate) fn deleted(database: DatabaseId, key: &[u8], unit: Unit) {
    PENDING.with_borrow_mut(|pending| {
        let database = pending.number_of(database);
        pending.add(database, |out| words::command(out, &[b"UNLINK", key]));
        if unit == Unit::Loose {
            pending.end_unit(unit);
        }
    });
}

/// Fields of a hash were deleted as their time was past.
pub(crate) fn fields_deleted(database: DatabaseId, key: &[u8], fields: &[Vec<u8>]) {
    PENDING.with_borrow_mut(|pending| {
        let database = pending.number_of(database);
        pending.add(database, |out| {
            words::begin(out, fields.len() + 2);
            words::word(out, b"HDEL");
            words::word(out, key);
            for field in fields {
                words::word(out, field);
            }
        });
    });
}

/// What belongs together has come to its end.
#[inline]
pub(crate) fn end_unit(unit: Unit) {
    if diary::has_effects() {
        PENDING.with_borrow_mut(|pending| pending.end_unit(unit));
    }
}

/// Appends to the log what this thread has noted.
#[inline]
pub(crate) fn publish() {
    if diary::has_effects() {
        publish_all();
    }
}

#[cold]
fn publish_all() {
    PENDING.with_borrow_mut(|pending| {
        pending.end_unit(Unit::Loose);
        match pending.store.upgrade() {
            Some(store) => store.log.append(&mut pending.batch),
            None => pending.batch = Batch::default(),
        }
        if pending.batch.bytes.capacity() > KEPT_BYTES {
            pending.batch.bytes = Vec::new();
        }
        if pending.bytes.capacity() > KEPT_BYTES {
            pending.bytes = Vec::new();
        }
        diary::has_effects_now(false);
    });
}

impl Pending {
    fn add(&mut self, database: u8, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.commands.push(Command { database, end: self.bytes.len() });
        diary::has_effects_now(true);
    }

    fn number_of(&self, database: DatabaseId) -> u8 {
        self.store.upgrade().map_or(database.0, |store| store.keyspace.number_of(database))
    }

    fn end_unit(&mut self, unit: Unit) {
        let is_wrapped = unit == Unit::Whole && self.commands.len() > 1;
        if is_wrapped {
            words::command(&mut self.batch.bytes, &[b"MULTI"]);
        }
        let mut start = 0;
        for Command { database, end } in self.commands.drain(..) {
            if self.batch.first.is_none() {
                self.batch.first = Some((self.batch.bytes.len(), database));
            } else if self.batch.database != database {
                words::select(&mut self.batch.bytes, database);
            }
            self.batch.database = database;
            self.batch.bytes.extend_from_slice(&self.bytes[start..end]);
            start = end;
        }
        if is_wrapped {
            words::command(&mut self.batch.bytes, &[b"EXEC"]);
        }
        self.bytes.clear();
    }
}
