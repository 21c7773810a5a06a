//! What a command sees of the data: one logical database at one moment, with its keys locked.
//!
//! Keys whose time has come are never seen here: each access removes them first.

use tidegate_protocols::Error;
use tidegate_protocols::data::{Context, MemcachedFigures};
use tidegate_protocols::limits::{BULK_BYTES_MAX, DATABASES};
use tidegate_protocols::settings::Settings;

use crate::store::{Counts, Inner};
use crate::table::Item;

/// The type of a value, as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
}

impl Kind {
    /// The name `TYPE` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
        }
    }
}

/// How a value is kept, as `OBJECT ENCODING` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A 64-bit integer.
    Int,
    /// A string of up to 44 bytes.
    Embstr,
    /// A longer string, or one that was changed in place.
    Raw,
}

impl Encoding {
    /// The name `OBJECT ENCODING` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Embstr => "embstr",
            Self::Raw => "raw",
        }
    }
}

/// A string value.
pub enum Text<'a> {
    /// Kept as an integer; its digits are made when [`Text::bytes`] asks for them.
    Int(i64, itoa::Buffer),
    /// Kept as bytes.
    Bytes(&'a [u8]),
}

impl<'a> Text<'a> {
    pub(crate) fn int(value: i64) -> Self {
        Self::Int(value, itoa::Buffer::new())
    }

    /// The string as clients see it.
    #[inline]
    pub fn bytes(&mut self) -> &[u8] {
        match self {
            Self::Int(value, digits) => digits.format(*value).as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// The value, if it is kept as an integer.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value, _) => Some(*value),
            Self::Bytes(_) => None,
        }
    }

    /// Bytes of the string as clients see it.
    pub fn len(&self) -> usize {
        match self {
            Self::Int(value, _) => itoa::Buffer::new().format(*value).len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether the string is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What becomes of a key's expiry when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It has none from now on.
    Clear,
    /// It keeps what it had. The write counts as a change of the same item: Memcached flags stay.
    Keep,
    /// It expires at this Unix time in milliseconds.
    At(u64),
}

/// What Memcached clients know of an item besides its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// When it expires, in Unix milliseconds; `None` is never.
    pub expire_at: Option<u64>,
    /// Client flags.
    pub flags: u32,
    /// CAS value to store; 0 takes the next one. Below 2^62.
    pub cas: u64,
    /// Marked stale (`md … I`).
    pub stale: bool,
    /// Some client has been told that it won the right to recache it.
    pub won: bool,
}

/// One key and its value, as they were found.
pub struct EntryRef<'a> {
    key: &'a [u8],
    item: &'a Item,
    now_ms: u64,
}

impl<'a> EntryRef<'a> {
    /// The key.
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// The type of the value.
    pub fn kind(&self) -> Kind {
        Kind::String
    }

    /// How the value is kept.
    pub fn encoding(&self) -> Encoding {
        self.item.encoding
    }

    /// The value.
    ///
    /// # Errors
    /// [`Error::WrongType`] unless it is a string.
    #[inline]
    pub fn text(&self) -> Result<Text<'a>, Error> {
        Ok(match self.item.encoding {
            Encoding::Int => Text::int(self.item.int),
            _ => Text::Bytes(&self.item.bytes),
        })
    }

    /// When it expires, in Unix milliseconds; `None` is never.
    pub fn expire_at(&self) -> Option<u64> {
        self.item.meta.expire_at
    }

    /// What Memcached clients know of it; `cas` is 0 if it has none yet (see [`Db::cas`]).
    pub fn metadata(&self) -> Metadata {
        self.item.meta
    }

    /// Whether it had been read before this access, since it was stored.
    pub fn fetched(&self) -> bool {
        self.item.fetched
    }

    /// Whole seconds since the access before this one; 0 under an LFU policy.
    pub fn idle_s(&self) -> u64 {
        (self.now_ms - self.item.accessed_ms.min(self.now_ms)) / 1000
    }

    /// The LFU counter, 0 to 255; meaningful under an LFU policy.
    pub fn frequency(&self) -> u8 {
        0
    }

    /// Bytes it takes with key, value and its share of the table.
    pub fn memory_bytes(&self) -> usize {
        72 + self.key.len() + self.item.bytes.len()
    }
}

/// How a key is looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Counts as hit or miss and as an access.
    Read,
    /// Counts as an access.
    Change,
    /// Leaves no trace.
    Peek,
}

/// One logical database with the keys of one request locked.
pub struct Db<'a> {
    pub(crate) inner: &'a mut Inner,
    pub(crate) counts: &'a mut Counts,
    pub(crate) settings: &'a Settings,
    pub(crate) context: &'a Context,
    pub(crate) now_ms: u64,
}

impl Db<'_> {
    /// The time of this tick, in Unix milliseconds.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The settings.
    #[inline]
    pub fn settings(&self) -> &Settings {
        self.settings
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
        &mut self.counts.memcached
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

    /// Finds a key and leaves no trace (`TTL`, `TYPE`, `OBJECT`).
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

    fn look(&mut self, database: u8, key: &[u8], look: Look) -> Option<EntryRef<'_>> {
        let now_ms = self.now_ms;
        let database = &mut self.inner.databases[usize::from(database)];
        if database.get(key).is_some_and(|item| item.expired(now_ms)) {
            database.remove(key);
            self.counts.expired += 1;
        }
        let found = database.get_key_value(key);
        if look == Look::Read {
            *(if found.is_some() { &mut self.counts.hits } else { &mut self.counts.misses }) += 1;
        }
        found.map(|(key, item)| EntryRef { key, item, now_ms })
    }

    /// Sets `key` to a string, whatever it held. Kept as an integer if it is one exactly as Redis writes
    /// it. A new item for Memcached (flags 0, no CAS value yet) unless `expiry` is [`Expiry::Keep`].
    #[inline]
    pub fn set_string(&mut self, key: &[u8], value: &[u8], expiry: Expiry) {
        self.put(key, Item::of(value), expiry);
    }

    /// Sets `key` to an integer, as [`Db::set_string`] sets it to a string.
    pub fn set_integer(&mut self, key: &[u8], value: i64, expiry: Expiry) {
        self.put(key, Item::of_int(value), expiry);
    }

    /// Sets `key` to a string that is kept as bytes even if it is an integer (`INCRBYFLOAT`); otherwise as
    /// [`Db::set_string`].
    pub fn set_text(&mut self, key: &[u8], value: &[u8], expiry: Expiry) {
        self.put(key, Item::of_bytes(value), expiry);
    }

    fn put(&mut self, key: &[u8], mut item: Item, expiry: Expiry) {
        let cas = self.inner.next_cas();
        let database = &mut self.inner.databases[usize::from(self.context.database)];
        let old = database.get(key).filter(|old| !old.expired(self.now_ms));
        item.accessed_ms = self.now_ms;
        match expiry {
            Expiry::Clear => {}
            Expiry::At(at) => item.meta.expire_at = Some(at),
            Expiry::Keep => {
                if let Some(old) = old {
                    item.meta = old.meta;
                    item.meta.cas = if old.meta.cas == 0 { 0 } else { cas };
                }
            }
        }
        database.insert(key.into(), item);
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
        drop(self.look(self.context.database, key, Look::Change));
        let cas = self.inner.next_cas();
        let database = &mut self.inner.databases[usize::from(self.context.database)];
        let item = database.entry(key.into()).or_insert_with(|| Item::of(b""));
        item.make_raw();
        if item.meta.cas != 0 {
            item.meta.cas = cas;
        }
        if item.bytes.len() < len {
            item.bytes.resize(len, 0);
        }
        Ok(&mut item.bytes)
    }

    /// Sets or takes away the expiry of `key`. Returns whether the key is there.
    pub fn set_expire_at(&mut self, key: &[u8], at: Option<u64>) -> bool {
        self.with(key, |item| item.meta.expire_at = at).is_some()
    }

    /// Marks an item for Memcached clients. Returns whether the key is there.
    pub fn set_marks(&mut self, key: &[u8], stale: bool, won: bool) -> bool {
        self.cas(key);
        self.with(key, |item| (item.meta.stale, item.meta.won) = (stale, won)).is_some()
    }

    /// Stores an item as Memcached does: value, flags, expiry and CAS value. Returns the CAS value.
    pub fn store(&mut self, key: &[u8], value: &[u8], metadata: Metadata) -> u64 {
        let cas = if metadata.cas == 0 { self.inner.next_cas() } else { metadata.cas };
        let mut item = Item::of(value);
        item.meta = Metadata { cas, ..metadata };
        item.accessed_ms = self.now_ms;
        self.inner.databases[usize::from(self.context.database)].insert(key.into(), item);
        cas
    }

    /// The CAS value of the item at `key`; it is given one if it has none. Leaves no other trace.
    pub fn cas(&mut self, key: &[u8]) -> Option<u64> {
        let next = self.inner.next_cas();
        self.with(key, |item| {
            if item.meta.cas == 0 {
                item.meta.cas = next;
            }
            item.meta.cas
        })
    }

    fn with<T>(&mut self, key: &[u8], change: impl FnOnce(&mut Item) -> T) -> Option<T> {
        self.peek(key)?;
        self.inner.databases[usize::from(self.context.database)].get_mut(key).map(change)
    }

    /// Removes `key`. Returns whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.peek(key).is_some()
            && self.inner.databases[usize::from(self.context.database)].remove(key).is_some()
    }

    /// Gives the value of `from`, its expiry with it, the key `to`, over whatever that held. Returns
    /// whether `from` is there. The same key twice changes nothing.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> bool {
        if self.peek(from).is_none() {
            return false;
        }
        let database = &mut self.inner.databases[usize::from(self.context.database)];
        if let Some(item) = database.remove(from) {
            database.insert(to.into(), item);
        }
        true
    }

    /// Copies the value of `from`, its expiry with it, to the key `to` of `database`, over whatever that
    /// held. Returns whether `from` is there.
    pub fn copy(&mut self, from: &[u8], database: u8, to: &[u8]) -> bool {
        if self.peek(from).is_none() {
            return false;
        }
        if let Some(item) = self.inner.databases[usize::from(self.context.database)].get(from).cloned() {
            self.inner.databases[usize::from(database)].insert(to.into(), item);
        }
        true
    }

    /// Moves `key` to another database, over whatever that held. Returns whether it is there.
    pub fn move_to(&mut self, key: &[u8], database: u8) -> bool {
        self.copy(key, database, key) && (database == self.database() || self.remove(key))
    }

    /// Visits keys from `cursor` on until at least `count` were visited, and returns the cursor to go on
    /// with, 0 at the end. Every key that is there from the first to the last call of an iteration is
    /// visited, whatever happens to others.
    pub fn scan(&mut self, cursor: u64, count: usize, mut each: impl FnMut(&EntryRef<'_>)) -> u64 {
        let now_ms = self.now_ms;
        let database = &self.inner.databases[usize::from(self.context.database)];
        let live = database.iter().filter(|(_, item)| !item.expired(now_ms));
        let mut next = cursor;
        for (key, item) in live.skip(cursor as usize).take(count.max(1)) {
            each(&EntryRef { key, item, now_ms });
            next += 1;
        }
        if next >= database.len() as u64 { 0 } else { next }
    }

    /// Visits every key.
    pub fn for_each(&mut self, each: impl FnMut(&EntryRef<'_>)) {
        self.scan(0, usize::MAX, each);
    }

    /// A key by chance.
    pub fn random_key(&mut self) -> Option<EntryRef<'_>> {
        let now_ms = self.now_ms;
        let mut live = self.inner.databases[usize::from(self.context.database)].iter();
        live.find(|(_, item)| !item.expired(now_ms)).map(|(key, item)| EntryRef { key, item, now_ms })
    }

    /// Keys in the selected database, those counted whose time has come but that nobody asked for.
    pub fn len(&mut self) -> u64 {
        self.inner.databases[usize::from(self.context.database)].len() as u64
    }

    /// Whether the selected database has no key.
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// Removes every key of one database, or of all.
    pub fn flush(&mut self, database: Option<u8>) {
        for index in 0..DATABASES {
            if database.is_none_or(|only| usize::from(only) == index) {
                self.inner.databases[index].clear();
            }
        }
    }

    /// From `at_ms` (Unix milliseconds) on, every database is empty of what was stored before; `None`
    /// takes an earlier call back (Memcached's `flush_all` with a delay).
    pub fn flush_at(&mut self, at_ms: Option<u64>) {
        self.inner.flush_at = at_ms;
    }

    /// Exchanges the contents of two databases.
    pub fn swap(&mut self, one: u8, other: u8) {
        self.inner.databases.swap(usize::from(one), usize::from(other));
    }
}
