//! What a command sees of the data: one logical database at one moment, with its keys locked.
//!
//! Keys whose time has come are never seen here: each access removes them first.

use tidegate_protocols::Error;
use tidegate_protocols::data::{Context, MemcachedFigures, Prepared};
use tidegate_protocols::settings::Settings;

use crate::diary::{self, What};
use crate::entry::Entry;
pub use crate::entry::{Encoding, Kind, Metadata};
use crate::entry_mut::EntryMut;
use crate::held::Held;
use crate::large::Built;
use crate::log::effects::Effects;
use crate::partition::{DatabaseId, Spot};
pub use crate::view::{EntryRef, Text};
use crate::waiting::Wait;
use crate::worker::Local;

/// What becomes of a key's expiry when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It has none from now on.
    Clear,
    /// It keeps what it had. The write counts as a change of the same item: Memcached flags stay, and a
    /// CAS value becomes the next one.
    Keep,
    /// It expires at this Unix time in milliseconds.
    At(u64),
}

/// How a key is looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Counts as hit or miss and as an access.
    Read,
    /// Counts as an access.
    Change,
    /// Counts as hit or miss.
    Glance,
    /// Leaves no trace.
    Peek,
}

impl Look {
    #[inline]
    fn counts(self) -> bool {
        matches!(self, Self::Read | Self::Glance)
    }

    #[inline]
    fn touches(self) -> bool {
        matches!(self, Self::Read | Self::Change)
    }
}

/// The first key of a request, for which `prepare` has found out where it belongs.
#[derive(Clone, Copy)]
pub(crate) struct FirstKey {
    start: *const u8,
    len: usize,
    spot: Spot,
}

impl FirstKey {
    /// No key.
    pub(crate) const NONE: Self = Self { start: std::ptr::null(), len: 0, spot: Spot { hash: 0, slot: 0 } };

    /// `key`, prepared.
    #[inline]
    pub(crate) fn new(key: &[u8], prepared: Prepared) -> Self {
        let spot = Spot { hash: prepared.hash, slot: prepared.slot };
        Self { start: key.as_ptr(), len: key.len(), spot }
    }
}

/// One logical database with the keys of one request locked.
pub struct Db<'a> {
    pub(crate) held: &'a mut Held,
    pub(crate) local: &'a mut Local,
    context: &'a Context,
    first: FirstKey,
}

impl<'a> Db<'a> {
    /// For one request of `context`, whose keys are `held`.
    #[inline]
    pub(crate) fn new(
        held: &'a mut Held,
        local: &'a mut Local,
        context: &'a Context,
        first: FirstKey,
    ) -> Self {
        Self { held, local, context, first }
    }

    /// The time of this tick, in Unix milliseconds.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.local.now_ms
    }

    /// The same, but for what a log says was done at a time of its own.
    pub(crate) fn wall_ms(&self) -> u64 {
        if self.local.obeys { crate::worker::now_ms() } else { self.local.now_ms }
    }

    /// Whether this is what a log says, not what a client asks for.
    pub(crate) fn obeys(&self) -> bool {
        self.local.obeys
    }

    /// The settings.
    #[inline]
    pub fn settings(&self) -> &Settings {
        &self.local.shared.settings
    }

    /// The client that asks.
    #[inline]
    pub fn context(&self) -> &Context {
        self.context
    }

    /// The selected database.
    #[inline]
    pub fn database(&self) -> u8 {
        self.context.database
    }

    /// The command has found nothing, and would wait for it. What it writes besides is what it says where it may not.
    pub(crate) fn wait(&mut self, wait: Wait) {
        self.local.wait = Some(Box::new(wait));
    }

    /// Memcached's counters, to be added to.
    #[inline]
    pub fn memcached(&mut self) -> &mut MemcachedFigures {
        &mut self.local.counts.memcached
    }

    /// Counts the command that has been executed if it has changed something. Returns whether it has.
    #[inline]
    pub(crate) fn count_change(&mut self) -> bool {
        let has_changed = diary::take_changed();
        self.local.counts.changes += u64::from(has_changed);
        has_changed
    }

    /// What the command says of what it does, if that is not what was asked for.
    #[inline]
    pub(crate) fn effects(&self) -> Effects {
        Effects::of(self.context.database)
    }

    /// Finds a key for a command that returns its value: counts a hit or a miss and an access.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.look(self.context.database, key, Look::Read)
    }

    /// Finds a key for a command that changes it: counts an access, no hit or miss.
    #[inline]
    pub fn change<'s>(&'s mut self, key: &'s [u8]) -> EntryMut<'s> {
        self.open(key, Look::Change)
    }

    /// Finds a key for a command that tells of it without using it (`EXISTS`, `TTL`, `TYPE`, `OBJECT`):
    /// counts a hit or a miss, no access.
    pub fn glance(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.look(self.context.database, key, Look::Glance)
    }

    /// Finds a key and leaves no trace.
    #[inline]
    pub fn peek(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.look(self.context.database, key, Look::Peek)
    }

    /// The same in another database.
    pub fn peek_in(&mut self, database: u8, key: &[u8]) -> Option<EntryRef<'_>> {
        self.look(database, key, Look::Peek)
    }

    /// Whether a key is there; leaves no trace.
    pub fn exists(&mut self, key: &[u8]) -> bool {
        self.peek(key).is_some()
    }

    /// Finds several keys, each of one of these types, for a command that returns of their values. Each counts as if
    /// [`Db::read`] had found it.
    ///
    /// # Errors
    /// [`Error::WrongType`] at the first that is something else; the rest is not looked for.
    pub(crate) fn read_all<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]> + Clone,
        kinds: &[Kind],
    ) -> Result<Vec<Option<EntryRef<'_>>>, Error> {
        for key in keys.clone() {
            if self.read(key).is_some_and(|entry| !kinds.contains(&entry.kind())) {
                return Err(Error::WrongType);
            }
        }
        let (database, clock) = (self.stored(self.context.database), self.local.clock);
        Ok(keys
            .map(|key| {
                let (entry, word) = self.held.glimpse(database, self.spot(key), key)?;
                Some(EntryRef::new(entry, word, clock))
            })
            .collect())
    }

    /// The string at `key`, counted as a read.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is something else.
    #[inline]
    pub fn string(&mut self, key: &[u8]) -> Result<Option<Text<'_>>, Error> {
        self.read(key).map(|entry| entry.text()).transpose()
    }

    /// Frees what has not become the value of a key, later if that takes long.
    pub(crate) fn discard(&self, built: Built) {
        if let Built::Large(large) = built {
            self.local.shared.lazyfree.discard_result(large);
        }
    }

    #[inline]
    fn spot(&self, key: &[u8]) -> Spot {
        if std::ptr::eq(key.as_ptr(), self.first.start) && key.len() == self.first.len {
            return self.first.spot;
        }
        self.held.keyspace().spot(key)
    }

    #[inline]
    fn stored(&self, database: u8) -> DatabaseId {
        self.held.keyspace().database(database)
    }

    #[inline]
    fn look(&mut self, database: u8, key: &[u8], look: Look) -> Option<EntryRef<'_>> {
        let (spot, database) = (self.spot(key), self.stored(database));
        let local = &mut *self.local;
        let (found, expired) = self.held.at(spot.slot).find(database, spot, key, local.now_ms, &local.clock);
        local.counts.expired += u64::from(expired);
        if look.counts() {
            *(if found.is_some() { &mut local.counts.hits } else { &mut local.counts.misses }) += 1;
            if found.is_none() {
                diary::note(database, key, What::Missed);
            }
        }
        let mut found = found?;
        let seen = EntryRef::new(found.entry(), found.word, local.clock);
        if look.touches() && !self.context.no_touch {
            let access = local.clock.accessed(found.word, &mut local.random);
            let fetched = look == Look::Read || found.word.fetched();
            found.set_word(found.word.with_access(access).with_fetched(fetched));
        }
        Some(seen)
    }

    /// Finds a key to be read and changed.
    pub(crate) fn open<'s>(&'s mut self, key: &'s [u8], look: Look) -> EntryMut<'s> {
        self.open_in(self.context.database, key, look)
    }

    /// Part of `SET` itself, which is worth it; all others call [`Db::open`].
    #[inline(always)]
    fn open_in<'s>(&'s mut self, database: u8, key: &'s [u8], look: Look) -> EntryMut<'s> {
        let (spot, database) = (self.spot(key), self.stored(database));
        let Local { now_ms, clock, counts, random, .. } = &mut *self.local;
        let mut entry = self.held.at(spot.slot).into_entry_mut(database, spot, key, clock);
        counts.expired += u64::from(entry.expire(*now_ms));
        entry.expire_fields(*now_ms);
        if look.counts() {
            *(if entry.is_there() { &mut counts.hits } else { &mut counts.misses }) += 1;
            if !entry.is_there() {
                diary::note(database, key, What::Missed);
            }
        }
        if look.touches() && !self.context.no_touch {
            entry.touch(look == Look::Read, random);
        }
        entry
    }

    /// Sets `key` to a string: see [`EntryMut::set_string`].
    #[inline]
    pub fn set_string(&mut self, key: &[u8], value: &[u8], expiry: Expiry) {
        self.open_in(self.context.database, key, Look::Change).set_string(value, expiry);
    }

    /// Removes `key`. Returns whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.open(key, Look::Peek).remove()
    }

    /// Gives the value of `from`, its expiry with it, the key `to`, over whatever that held. Returns
    /// whether `from` is there. The same key twice changes nothing.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> bool {
        if from == to {
            return self.exists(from);
        }
        let Some(entry) = self.open(from, Look::Peek).take() else { return false };
        self.place(self.context.database, to, entry.with_key(to));
        true
    }

    /// Copies the value of `from`, its expiry with it, to the key `to` of `database`, over whatever that
    /// held. Returns whether `from` is there.
    pub fn copy(&mut self, from: &[u8], database: u8, to: &[u8]) -> bool {
        let Some(entry) = self.peek(from).map(|found| found.duplicate(to)) else { return false };
        self.place(database, to, entry);
        true
    }

    /// Moves `key` to another database, over whatever that held. Returns whether it is there.
    pub fn move_to(&mut self, key: &[u8], database: u8) -> bool {
        if database == self.database() {
            return self.exists(key);
        }
        let Some(entry) = self.open(key, Look::Peek).take() else { return false };
        self.place(database, key, entry);
        true
    }

    /// Puts an entry of the key `to` there, over whatever that held.
    fn place(&mut self, database: u8, to: &[u8], entry: Entry) {
        let mut place = self.open_in(database, to, Look::Peek);
        place.remove();
        place.insert(entry);
        place.sweep_fields();
    }
}
