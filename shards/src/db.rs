//! What a command sees of the data: one logical database at one moment, with its keys locked.
//!
//! Keys whose time has come are never seen here: each access removes them first.

use tidegate_protocols::Error;
use tidegate_protocols::data::{Context, MemcachedFigures, Prepared};
use tidegate_protocols::limits::BULK_BYTES_MAX;
use tidegate_protocols::number::integer;
use tidegate_protocols::settings::Settings;

use crate::entry::Entry;
pub use crate::entry::{Encoding, Kind, Metadata};
use crate::held::Held;
use crate::partition::{DatabaseId, Spot};
pub use crate::view::{EntryRef, Text};
use crate::word::Word;
use crate::worker::Local;

/// Bytes of the longest string shown as `embstr`. Source: Redis `OBJ_ENCODING_EMBSTR_SIZE_LIMIT`.
const EMBSTR_BYTES_MAX: usize = 44;
/// Digits and sign of the longest 64-bit integer.
const INTEGER_BYTES_MAX: usize = 20;

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
enum Look {
    /// Counts as hit or miss and as an access.
    Read,
    /// Counts as an access.
    Change,
    /// Counts as hit or miss.
    Glance,
    /// Leaves no trace.
    Peek,
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

    /// Memcached's counters, to be added to.
    #[inline]
    pub fn memcached(&mut self) -> &mut MemcachedFigures {
        &mut self.local.counts.memcached
    }

    /// Finds a key for a command that returns its value: counts a hit or a miss and an access.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.look(self.context.database, key, Look::Read)
    }

    /// Finds a key for a command that changes it: counts an access, no hit or miss.
    #[inline]
    pub fn change(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.look(self.context.database, key, Look::Change)
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

    /// The string at `key`, counted as a read.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is something else.
    #[inline]
    pub fn string(&mut self, key: &[u8]) -> Result<Option<Text<'_>>, Error> {
        self.read(key).map(|entry| entry.text()).transpose()
    }

    /// The string at `key` for a command that changes it: an access, but no hit or miss.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is something else.
    #[inline]
    pub fn string_to_change(&mut self, key: &[u8]) -> Result<Option<Text<'_>>, Error> {
        self.change(key).map(|entry| entry.text()).transpose()
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
        let (found, expired) = self.held.at(spot.slot).find(database, spot, key, local.now_ms);
        local.counts.expired += u64::from(expired);
        if matches!(look, Look::Read | Look::Glance) {
            *(if found.is_some() { &mut local.counts.hits } else { &mut local.counts.misses }) += 1;
        }
        let mut found = found?;
        let seen = EntryRef::new(&found, local.clock);
        if matches!(look, Look::Read | Look::Change) && !self.context.no_touch {
            let access = local.clock.accessed(found.word, &mut local.random);
            let fetched = look == Look::Read || found.word.fetched();
            found.set_word(found.word.with_access(access).with_fetched(fetched));
        }
        Some(seen)
    }

    /// Sets `key` to a string, whatever it held. Kept as an integer if it is one exactly as Redis writes
    /// it. A new item for Memcached (flags 0, no CAS value yet) unless `expiry` is [`Expiry::Keep`].
    #[inline]
    pub fn set_string(&mut self, key: &[u8], value: &[u8], expiry: Expiry) {
        match encoded(value) {
            (Encoding::Int, number) => self.set(key, Encoding::Int, &number, expiry),
            (encoding, _) => self.set(key, encoding, value, expiry),
        }
    }

    /// Sets `key` to an integer, as [`Db::set_string`] sets it to a string.
    pub fn set_integer(&mut self, key: &[u8], value: i64, expiry: Expiry) {
        self.set(key, Encoding::Int, &value.to_ne_bytes(), expiry);
    }

    /// Sets `key` to a string that is kept as bytes even if it is an integer (`INCRBYFLOAT`); otherwise as
    /// [`Db::set_string`].
    pub fn set_text(&mut self, key: &[u8], value: &[u8], expiry: Expiry) {
        self.set(key, text_encoding(value.len()), value, expiry);
    }

    #[inline]
    fn set(&mut self, key: &[u8], encoding: Encoding, value: &[u8], expiry: Expiry) {
        let metadata = match expiry {
            Expiry::Clear => Metadata::default(),
            Expiry::At(at) => Metadata { expire_at: Some(at), ..Metadata::default() },
            Expiry::Keep => self.kept(key),
        };
        self.put(key, encoding, value, &metadata);
    }

    /// The metadata that a change of the item at `key` leaves it.
    fn kept(&mut self, key: &[u8]) -> Metadata {
        let Some(mut metadata) = self.peek(key).map(|entry| entry.metadata()) else {
            return Metadata::default();
        };
        if metadata.cas != 0 {
            metadata.cas = self.held.at(self.spot(key).slot).partition.next_cas();
        }
        metadata
    }

    /// Stores an item whatever the key held, in place if it has the same shape.
    #[inline]
    fn put(&mut self, key: &[u8], encoding: Encoding, value: &[u8], metadata: &Metadata) {
        let (spot, database) = (self.spot(key), self.stored(self.context.database));
        let local = &mut *self.local;
        let mut expired = false;
        let changed = self.held.at(spot.slot).change(database, spot, key, |mut entry, word| {
            if word.expires() {
                expired = entry.view().expire_at().is_some_and(|at| local.now_ms > at);
            }
            if !entry.overwrite(encoding, metadata, value) {
                entry = Entry::new(encoding, metadata, key, value);
            }
            let access = local.clock.accessed(word, &mut local.random);
            (entry, word.with_access(access).with_fetched(false))
        });
        if changed.is_none() {
            let entry = Entry::new(encoding, metadata, key, value);
            self.held.at(spot.slot).insert(database, spot, entry, local.clock.fresh());
        }
        local.counts.expired += u64::from(expired);
    }

    /// Changes the entry at `key`, which is there and has not expired, leaving its value as clients see it.
    fn modify<T>(&mut self, key: &[u8], modify: impl FnOnce(Entry) -> (Entry, T)) -> Option<T> {
        self.peek(key)?;
        let (spot, database) = (self.spot(key), self.stored(self.context.database));
        let mut result = None;
        self.held.at(spot.slot).change(database, spot, key, |entry, word: Word| {
            let (entry, value) = modify(entry);
            result = Some(value);
            (entry, word)
        });
        result
    }

    /// The string at `key` to be changed in place, at least `len` bytes long: created or grown with zeros
    /// if need be. Its encoding is raw from now on; expiry and Memcached flags stay, a CAS value becomes
    /// the next one.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is no string; [`Error::StringTooLong`] past the longest string.
    pub fn string_mut(&mut self, key: &[u8], len: usize) -> Result<&mut [u8], Error> {
        if len > BULK_BYTES_MAX {
            return Err(Error::StringTooLong);
        }
        let is_there = self.string_to_change(key)?.is_some();
        let (spot, database) = (self.spot(key), self.stored(self.context.database));
        if is_there {
            let cas = self.held.at(spot.slot).partition.next_cas();
            self.modify(key, |entry| (raw(entry, cas, len), ()));
        } else {
            let entry = Entry::zeroed(Encoding::Raw, &Metadata::default(), key, len);
            self.held.at(spot.slot).insert(database, spot, entry, self.local.clock.fresh());
        }
        let value = self.held.at(spot.slot).value_mut(database, spot, key);
        Ok(value.expect("it was found or made above, under the same lock"))
    }

    /// Sets or takes away the expiry of `key`. Returns whether the key is there.
    pub fn set_expire_at(&mut self, key: &[u8], at: Option<u64>) -> bool {
        self.modify_metadata(key, |metadata| metadata.expire_at = at).is_some()
    }

    /// Marks an item for Memcached clients. Returns whether the key is there.
    pub fn set_marks(&mut self, key: &[u8], stale: bool, won: bool) -> bool {
        self.modify_metadata(key, |metadata| (metadata.stale, metadata.won) = (stale, won)).is_some()
    }

    /// Says whether the item at `key` counts as read since it was stored, as memcached's `h` flag tells.
    pub fn set_fetched(&mut self, key: &[u8], fetched: bool) {
        let (spot, database) = (self.spot(key), self.stored(self.context.database));
        self.held
            .at(spot.slot)
            .change(database, spot, key, |entry, word| (entry, word.with_fetched(fetched)));
    }

    /// Stores an item as Memcached does: value, flags, expiry and CAS value, the next one if that is 0.
    /// Returns the CAS value.
    pub fn store(&mut self, key: &[u8], value: &[u8], mut metadata: Metadata) -> u64 {
        if metadata.cas == 0 {
            metadata.cas = self.held.at(self.spot(key).slot).partition.next_cas();
        }
        match encoded(value) {
            (Encoding::Int, number) => self.put(key, Encoding::Int, &number, &metadata),
            (encoding, _) => self.put(key, encoding, value, &metadata),
        }
        metadata.cas
    }

    /// The CAS value of the item at `key`; it is given one if it has none. Leaves no other trace.
    pub fn cas(&mut self, key: &[u8]) -> Option<u64> {
        let metadata = self.peek(key)?.metadata();
        if metadata.cas != 0 {
            return Some(metadata.cas);
        }
        let cas = self.held.at(self.spot(key).slot).partition.next_cas();
        self.modify_metadata(key, |metadata| metadata.cas = cas).map(|()| cas)
    }

    fn modify_metadata(&mut self, key: &[u8], modify: impl FnOnce(&mut Metadata)) -> Option<()> {
        self.modify(key, |entry| {
            let mut metadata = entry.view().metadata();
            modify(&mut metadata);
            (entry.with_metadata(&metadata), ())
        })
    }

    /// Removes `key`. Returns whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.take(key).is_some()
    }

    fn take(&mut self, key: &[u8]) -> Option<Entry> {
        let (spot, database) = (self.spot(key), self.stored(self.context.database));
        let entry = self.held.at(spot.slot).remove(database, spot, key)?;
        let expired = entry.view().expire_at().is_some_and(|at| self.local.now_ms > at);
        self.local.counts.expired += u64::from(expired);
        (!expired).then_some(entry)
    }

    /// Gives the value of `from`, its expiry with it, the key `to`, over whatever that held. Returns
    /// whether `from` is there. The same key twice changes nothing.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> bool {
        if from == to {
            return self.exists(from);
        }
        let Some(entry) = self.take(from) else { return false };
        self.place(self.context.database, to, &entry);
        true
    }

    /// Copies the value of `from`, its expiry with it, to the key `to` of `database`, over whatever that
    /// held. Returns whether `from` is there.
    pub fn copy(&mut self, from: &[u8], database: u8, to: &[u8]) -> bool {
        let Some(entry) = self.peek(from).map(|found| found.copied()) else { return false };
        self.place(database, to, &entry);
        true
    }

    /// Moves `key` to another database, over whatever that held. Returns whether it is there.
    pub fn move_to(&mut self, key: &[u8], database: u8) -> bool {
        if database == self.database() {
            return self.exists(key);
        }
        let Some(entry) = self.take(key) else { return false };
        self.place(database, key, &entry);
        true
    }

    /// Puts a copy of `entry` at the key `to` of `database`.
    fn place(&mut self, database: u8, to: &[u8], entry: &Entry) {
        let (spot, database) = (self.spot(to), self.stored(database));
        let view = entry.view();
        let entry = Entry::new(view.encoding(), &view.metadata(), to, view.value());
        let mut locked = self.held.at(spot.slot);
        drop(locked.remove(database, spot, to));
        locked.insert(database, spot, entry, self.local.clock.fresh());
    }
}

/// An entry with its value raw, at least `len` bytes long, and a CAS value it had replaced by `cas`.
fn raw(entry: Entry, cas: u64, len: usize) -> Entry {
    let view = entry.view();
    let mut metadata = view.metadata();
    if metadata.cas != 0 {
        metadata.cas = cas;
    }
    if let Some(number) = view.int() {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        return Entry::new(Encoding::Raw, &metadata, view.key(), digits).grown(len.max(digits.len()));
    }
    let len = len.max(view.value().len());
    entry.with_metadata(&metadata).grown(len)
}

/// How Redis would keep this string; an integer comes with the bytes it is kept in.
#[inline]
fn encoded(value: &[u8]) -> (Encoding, [u8; 8]) {
    if value.len() <= INTEGER_BYTES_MAX
        && let Some(number) = integer(value)
    {
        return (Encoding::Int, number.to_ne_bytes());
    }
    (text_encoding(value.len()), [0; 8])
}

fn text_encoding(len: usize) -> Encoding {
    if len <= EMBSTR_BYTES_MAX { Encoding::Embstr } else { Encoding::Raw }
}
