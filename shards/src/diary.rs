//! What happens to keys, noted as it happens for those who are to be told of events of keys.
//!
//! It is noted where it happens, beside what those learn who watch the key, by the thread that has its partition locked. What
//! event it is follows when the command is through ([`crate::events`]). Where nobody asks for events, a change costs one
//! look at a flag of the thread.
//!
//! Beside it stands what [`crate::tracked`] has to tell of the same changes.

use std::cell::{Cell, RefCell};

use tidegate_protocols::stale::Tracker;

use crate::log::effects::{self, Unit};
use crate::partition::DatabaseId;

/// What has happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Changed,
    /// It was not there, and is now.
    Created,
    /// It was taken out.
    Removed,
    Expired,
    /// Fields of it expired.
    FieldsExpired,
    /// It was taken out as none of its fields was left.
    Emptied,
    Evicted,
    /// It was asked for, and is not there.
    Missed,
    /// This event of a stream, which does not follow from a change.
    Told(&'static str),
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) database: DatabaseId,
    pub(crate) key: Box<[u8]>,
    pub(crate) what: What,
}

/// Of keys that clients keep for themselves.
pub(crate) enum StaleNote {
    /// Everything has changed.
    All,
    /// A key has changed, or is not remembered any longer.
    Key { key: Box<[u8]>, readers: Vec<Tracker>, has_changed: bool },
}

/// Bits of [`STATE`]: events are noted.
const KEPT: u8 = 1;
/// Something stale is noted.
const STALE: u8 = 2;
/// Something has changed since it was last asked.
const CHANGED: u8 = 4;
/// What commands do is logged.
const LOGGED: u8 = 8;
/// Something of that is not in the log yet.
const EFFECTS: u8 = 16;

thread_local! {
    static STATE: Cell<u8> = const { Cell::new(0) };
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
    static STALE_NOTES: RefCell<Vec<StaleNote>> = const { RefCell::new(Vec::new()) };
}

/// Says whether this thread notes events from now on.
#[inline]
pub(crate) fn keep(is_kept: bool) {
    set(KEPT, is_kept);
}

/// Whether this thread notes events.
#[inline]
pub(crate) fn is_kept() -> bool {
    STATE.get() & KEPT != 0
}

/// Whether there may be something to take.
#[inline]
pub(crate) fn is_open() -> bool {
    STATE.get() & (KEPT | STALE | EFFECTS) != 0
}

/// Says whether this thread notes what commands do for the log ([`crate::log::effects`]).
#[inline]
pub(crate) fn keep_log(is_kept: bool) {
    set(LOGGED, is_kept);
}

/// Whether it does.
#[inline]
pub(crate) fn is_logged() -> bool {
    STATE.get() & LOGGED != 0
}

/// Says whether something is noted for the log.
pub(crate) fn has_effects_now(has: bool) {
    set(EFFECTS, has);
}

/// Whether something is noted for the log.
#[inline]
pub(crate) fn has_effects() -> bool {
    STATE.get() & EFFECTS != 0
}

#[inline]
fn set(bit: u8, is_set: bool) {
    let others = STATE.get() & !bit;
    STATE.set(if is_set { others | bit } else { others });
}

/// Whether something has changed since the last call.
#[inline]
pub(crate) fn take_changed() -> bool {
    let state = STATE.get();
    STATE.set(state & !CHANGED);
    state & CHANGED != 0
}

/// Whether something has changed since [`take_changed`].
pub(crate) fn has_changed() -> bool {
    STATE.get() & CHANGED != 0
}

/// Whether something stale is noted.
pub(crate) fn has_stale() -> bool {
    STATE.get() & STALE != 0
}

/// Something has happened to a key.
#[inline]
pub(crate) fn note(database: DatabaseId, key: &[u8], what: What) {
    let state = STATE.get();
    if !matches!(what, What::Missed | What::Expired | What::FieldsExpired | What::Emptied | What::Evicted) {
        STATE.set(state | CHANGED);
    }
    if state & (KEPT | LOGGED) != 0 {
        write(database, key, what, state);
    }
}

#[cold]
fn write(database: DatabaseId, key: &[u8], what: What, state: u8) {
    if state & LOGGED != 0 {
        match what {
            What::Expired => effects::deleted(database, key, Unit::Whole),
            What::Evicted => effects::deleted(database, key, Unit::Loose),
            _ => {}
        }
    }
    if state & KEPT != 0 {
        NOTES.with_borrow_mut(|notes| notes.push(Note { database, key: key.into(), what }));
    }
}

/// Takes what was noted of events.
pub(crate) fn take() -> Vec<Note> {
    NOTES.take()
}

/// Something has become stale.
pub(crate) fn note_stale(note: StaleNote) {
    STATE.set(STATE.get() | STALE);
    STALE_NOTES.with_borrow_mut(|notes| notes.push(note));
}

/// Takes what was noted of that.
pub(crate) fn take_stale() -> Vec<StaleNote> {
    STATE.set(STATE.get() & !STALE);
    STALE_NOTES.take()
}
