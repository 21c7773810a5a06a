//! What a command sees of a key that it changes.

use std::ops::Range;

use tidegate_protocols::Error;
use tidegate_protocols::number::integer;

use crate::db::Expiry;
use crate::diary::{self, What};
use crate::entry::{Encoding, Entry, EntryPtr, Kind, Metadata, VALUE_BYTES_MAX};
use crate::hashes::due;
use crate::large::{Built, Large};
use crate::log::effects;
use crate::partition::{DatabaseId, Partition, Place};
use crate::rdb::Restored;
use crate::rdb::file::Aside;
use crate::structures::buffer::Buffer;
use crate::table::Seat;
use crate::view::{EntryRef, Text, Value};
use crate::word::{AccessClock, Word};

/// Bytes of the longest string shown as `embstr`. Source: Redis `OBJ_ENCODING_EMBSTR_SIZE_LIMIT`.
const EMBSTR_BYTES_MAX: usize = 44;
/// Digits and sign of the longest 64-bit integer.
const INTEGER_BYTES_MAX: usize = 20;

/// One key, looked up once, with its value if it has one.
pub struct EntryMut<'a> {
    seat: Seat<'a>,
    key: &'a [u8],
    partition: &'a mut Partition,
    database: DatabaseId,
    place: Place,
    clock: &'a AccessClock,
    /// What the table said of it when it was looked up.
    word: Word,
}

impl<'a> EntryMut<'a> {
    /// `key` where it sits in the table at `place` of `partition`.
    #[inline]
    pub(crate) fn new(
        seat: Seat<'a>,
        key: &'a [u8],
        partition: &'a mut Partition,
        (database, place): (DatabaseId, Place),
        clock: &'a AccessClock,
    ) -> Self {
        let word = seat.word().unwrap_or(Word(0));
        Self { seat, key, partition, database, place, clock, word }
    }

    /// Removes it if it expired before `now_ms`; says whether it did.
    #[inline]
    pub(crate) fn expire(&mut self, now_ms: u64) -> bool {
        let expired = self.word.expires() && self.expire_at().is_some_and(|at| now_ms > at);
        if !expired {
            return false;
        }
        let entry = self.take_noting(What::Expired);
        if let Some(entry) = entry {
            self.partition.lazyfree.discard(entry);
        }
        true
    }

    /// Takes out fields that expired before `now_ms` if it is a hash, and itself if none is left.
    #[inline]
    pub(crate) fn expire_fields(&mut self, now_ms: u64) -> u64 {
        let is_due = self.seat.entry().is_some_and(|entry| entry.fields_due() < now_ms);
        if is_due { due::expire(self, now_ms) } else { 0 }
    }

    /// Makes sure that fields of it that expire are taken out when it is time, even if nobody asks.
    pub(crate) fn sweep_fields(&mut self) {
        let due = self.seat.entry().map_or(u64::MAX, EntryPtr::fields_due);
        if due != u64::MAX {
            self.seat.expires_by(due);
            self.partition.tally_mut(self.database).expiring_hashes += 1;
        }
    }

    /// Records an access, which is a read or not.
    #[inline]
    pub(crate) fn touch(&mut self, read: bool, random: &mut fastrand::Rng) {
        if let Some(word) = self.seat.word() {
            let access = self.clock.accessed(word, random);
            self.seat.set_word(word.with_access(access).with_fetched(read || word.fetched()));
        }
    }

    /// Whether the key is there.
    #[inline]
    pub fn is_there(&self) -> bool {
        self.seat.word().is_some()
    }

    /// A look at it, if it is there.
    #[inline]
    pub fn entry(&self) -> Option<EntryRef<'_>> {
        self.seat.entry().map(|entry| EntryRef::new(entry, self.word, *self.clock))
    }

    /// The string that is there.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is something else.
    #[inline]
    pub fn text(&self) -> Result<Option<Text<'_>>, Error> {
        self.entry().map(|entry| entry.text()).transpose()
    }

    /// What is there, which has to be of this type.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is something else.
    #[inline]
    pub(crate) fn value(&self, kind: Kind) -> Result<Option<Value<'_>>, Error> {
        self.entry().map(|entry| entry.value(kind)).transpose()
    }

    /// Puts in a packed value where nothing is.
    pub(crate) fn create(&mut self, encoding: Encoding, packed: &[u8]) {
        self.insert_unseen(Entry::new(encoding, &Metadata::default(), self.key, packed));
    }

    /// Puts in a large value where nothing is.
    pub(crate) fn create_large(&mut self, large: Large) {
        self.insert_unseen(Entry::large(&Metadata::default(), self.key, Box::new(large)));
    }

    /// The packed value that is there, to be changed in place. Those who watch the key do not learn of it before
    /// [`EntryMut::has_changed`] says so. So with the two below.
    pub(crate) fn packed_mut(&mut self) -> Packed<'_, 'a> {
        Packed(self)
    }

    /// The large value that is there, to be changed.
    pub(crate) fn large_mut(&mut self) -> Option<&mut Large> {
        self.seat.large_mut()
    }

    /// Gives what is there a large value instead of what it had.
    pub(crate) fn set_large(&mut self, large: Large) {
        self.exchange(|metadata, key| Entry::large(metadata, key, Box::new(large)));
    }

    /// Gives what is there a packed value instead of what it had.
    pub(crate) fn set_packed(&mut self, encoding: Encoding, packed: &[u8]) {
        self.exchange(|metadata, key| Entry::new(encoding, metadata, key, packed));
    }

    /// Puts another entry in the place of the one that is there, with its key and metadata.
    fn exchange(&mut self, make: impl FnOnce(&Metadata, &[u8]) -> Entry) {
        let mut old = None;
        self.replace(|entry, word| {
            let new = make(&entry.view().metadata(), entry.view().key());
            old = Some(entry);
            (new, word)
        });
        if let Some(old) = old {
            self.partition.lazyfree.discard(old);
        }
    }

    /// Sets it to a collection, whatever it held, without an expiry.
    pub(crate) fn set_built(&mut self, built: Built) {
        self.remove();
        let (metadata, key) = (Metadata::default(), self.key);
        self.insert(match built {
            Built::Packed(encoding, bytes) => Entry::new(encoding, &metadata, key, &bytes),
            Built::Large(large) => Entry::large(&metadata, key, Box::new(large)),
        });
        self.sweep_fields();
    }

    /// When it expires, in Unix milliseconds, if it is there and does.
    pub fn expire_at(&self) -> Option<u64> {
        self.seat.entry().and_then(EntryPtr::expire_at)
    }

    /// Sets it to a string, whatever it held. Kept as an integer if it is one exactly as Redis writes it. A new
    /// item for Memcached (flags 0, no CAS value yet) unless `expiry` is [`Expiry::Keep`].
    #[inline]
    pub fn set_string(&mut self, value: &[u8], expiry: Expiry) {
        match encoded(value) {
            (Encoding::Int, number) => self.set(Encoding::Int, &number, expiry),
            (encoding, _) => self.set(encoding, value, expiry),
        }
    }

    /// Sets it to an integer, as [`EntryMut::set_string`] does to a string.
    pub fn set_integer(&mut self, value: i64, expiry: Expiry) {
        self.set(Encoding::Int, &value.to_ne_bytes(), expiry);
    }

    /// Sets it to a string that is kept as bytes even if it is an integer (`INCRBYFLOAT`); otherwise as
    /// [`EntryMut::set_string`].
    pub fn set_text(&mut self, value: &[u8], expiry: Expiry) {
        self.set(text_encoding(value.len()), value, expiry);
    }

    #[inline]
    fn set(&mut self, encoding: Encoding, value: &[u8], expiry: Expiry) {
        let metadata = match expiry {
            Expiry::Clear => Metadata::default(),
            Expiry::At(at) => Metadata { expire_at: Some(at), ..Metadata::default() },
            Expiry::Keep => self.kept(),
        };
        self.put(encoding, value, &metadata);
    }

    /// Stores an item as Memcached does: value, flags, expiry and CAS value, the next one if that is 0.
    /// Returns the CAS value.
    pub fn store(&mut self, value: &[u8], mut metadata: Metadata) -> u64 {
        if metadata.cas == 0 {
            metadata.cas = self.partition.next_cas();
        }
        match encoded(value) {
            (Encoding::Int, number) => self.put(Encoding::Int, &number, &metadata),
            (encoding, _) => self.put(encoding, value, &metadata),
        }
        metadata.cas
    }

    /// Stores an item whatever is there, in place if it has the same shape.
    #[inline]
    fn put(&mut self, encoding: Encoding, value: &[u8], metadata: &Metadata) {
        let key = self.key;
        if !self.is_there() {
            return self.insert(Entry::new(encoding, metadata, key, value));
        }
        let (clock, mut old) = (self.clock, None);
        self.has_changed();
        self.replace(|mut entry, word| {
            if !entry.overwrite(encoding, metadata, value) {
                old = Some(std::mem::replace(&mut entry, Entry::new(encoding, metadata, key, value)));
            }
            (entry, word.with_access(clock.stored(word)).with_fetched(false))
        });
        if let Some(old) = old {
            self.partition.lazyfree.discard(old);
        }
    }

    /// The metadata that a change of the same item leaves it.
    fn kept(&mut self) -> Metadata {
        let mut metadata = self.seat.entry().map(EntryPtr::metadata).unwrap_or_default();
        if metadata.cas != 0 {
            metadata.cas = self.partition.next_cas();
        }
        metadata
    }

    /// The string to be changed in place, at least `len` bytes long: created or grown with zeros if need be.
    /// Its encoding is raw from now on; expiry and Memcached flags stay, a CAS value becomes the next one.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is no string; [`Error::StringTooLong`] past the longest that can be kept.
    pub fn string_mut(&mut self, len: usize) -> Result<&mut [u8], Error> {
        self.string_mut_unseen(len)?;
        self.has_changed();
        Ok(self.seat.value_mut().expect("it is there or was put there"))
    }

    /// The same, for changes that may turn out to be none: those who watch the key do not learn of it before
    /// [`EntryMut::has_changed`] says so.
    ///
    /// # Errors
    /// As [`EntryMut::string_mut`].
    pub fn string_mut_unseen(&mut self, len: usize) -> Result<&mut [u8], Error> {
        if len > VALUE_BYTES_MAX {
            return Err(Error::StringTooLong);
        }
        if self.text()?.is_some() {
            let metadata = self.kept();
            self.replace(|entry, word| (raw(entry, &metadata, len), word));
        } else {
            self.insert_unseen(Entry::zeroed(Encoding::Raw, &Metadata::default(), self.key, len));
        }
        Ok(self.seat.value_mut().expect("it was there or was put there above"))
    }

    /// Sets or takes away its expiry, if it is there.
    pub fn set_expire_at(&mut self, at: Option<u64>) {
        if at.is_none() && !self.seat.word().is_some_and(Word::expires) {
            return;
        }
        self.has_changed();
        self.set_metadata(|metadata| metadata.expire_at = at);
    }

    /// Marks an item that is there for Memcached clients.
    pub fn set_marks(&mut self, stale: bool, won: bool) {
        self.set_metadata(|metadata| (metadata.stale, metadata.won) = (stale, won));
    }

    /// Gives an item that is there what Memcached clients know of it; the next CAS value will be a higher one.
    pub(crate) fn set_item(&mut self, item: &Metadata) {
        self.partition.raise_cas(item.cas);
        let Metadata { flags, cas, stale, won, .. } = *item;
        self.set_metadata(|metadata| *metadata = Metadata { flags, cas, stale, won, ..*metadata });
    }

    /// Marks an item that is there as stale for Memcached clients, with the next CAS value and this expiry.
    pub fn invalidate(&mut self, expire_at: Option<u64>) {
        self.has_changed();
        let cas = self.partition.next_cas();
        self.set_metadata(|metadata| {
            *metadata = Metadata { expire_at, cas, stale: true, won: false, ..*metadata }
        });
    }

    /// Says whether it counts as read since it was stored, as memcached's `h` flag tells.
    pub fn set_fetched(&mut self, fetched: bool) {
        if let Some(word) = self.seat.word() {
            self.seat.set_word(word.with_fetched(fetched));
        }
    }

    /// Takes it for not accessed for so long, unless accesses are counted.
    pub(crate) fn set_idle(&mut self, idle_s: u64) {
        self.set_access(self.clock.idle(idle_s));
    }

    /// Takes its counter of accesses for this, if they are counted.
    pub(crate) fn set_frequency(&mut self, frequency: u8) {
        self.set_access(self.clock.counted(frequency));
    }

    fn set_access(&mut self, access: u64) {
        if let Some(word) = self.seat.word() {
            self.seat.set_word(word.with_access(access));
        }
    }

    /// The CAS value of the item that is there; it is given one if it has none. Leaves no other trace.
    pub fn cas(&mut self) -> Option<u64> {
        let mut cas = self.seat.entry()?.metadata().cas;
        if cas == 0 {
            cas = self.partition.next_cas();
            self.set_metadata(|metadata| metadata.cas = cas);
        }
        Some(cas)
    }

    fn set_metadata(&mut self, change: impl FnOnce(&mut Metadata)) {
        self.replace(|entry, word| {
            let mut metadata = entry.view().metadata();
            change(&mut metadata);
            (entry.with_metadata(&metadata), word)
        });
    }

    /// Removes it. Says whether it was there.
    pub fn remove(&mut self) -> bool {
        let entry = self.take();
        let was_there = entry.is_some();
        if let Some(entry) = entry {
            self.partition.lazyfree.discard(entry);
        }
        was_there
    }

    /// Fields of it expired, all of them maybe: then it goes as well. Where there is a log, these are they.
    pub(crate) fn lose_fields(&mut self, all: bool, fields: &[Vec<u8>]) {
        if !fields.is_empty() {
            effects::fields_deleted(self.database, self.key, fields);
        }
        self.partition.touch(self.database, self.key);
        diary::note(self.database, self.key, What::FieldsExpired);
        if let Some(entry) = all.then(|| self.take_noting(What::Emptied)).flatten() {
            self.partition.lazyfree.discard(entry);
        }
    }

    /// Frees what was a part of it: at once, or later if that takes long.
    pub(crate) fn discard(&self, part: Large) {
        self.partition.lazyfree.discard_result(part);
    }

    /// Takes it out.
    pub(crate) fn take(&mut self) -> Option<Entry> {
        self.take_noting(What::Removed)
    }

    fn take_noting(&mut self, what: What) -> Option<Entry> {
        let entry = self.seat.take()?;
        self.partition.touch(self.database, self.key);
        diary::note(self.database, self.key, what);
        self.partition.count_key(self.database, self.place, -1, entry.view().expire_at().is_some());
        Some(entry)
    }

    /// Puts in an entry of this key where none is.
    pub(crate) fn insert(&mut self, entry: Entry) {
        self.partition.touch(self.database, self.key);
        self.insert_unseen(entry);
    }

    fn insert_unseen(&mut self, entry: Entry) {
        diary::note(self.database, self.key, What::Created);
        self.partition.count_key(self.database, self.place, 1, entry.view().expire_at().is_some());
        self.seat.insert(entry, self.clock.fresh());
    }

    /// Puts in what was read from a file, where nothing is.
    pub(crate) fn load(&mut self, value: Restored, Aside { metadata, idle_s, frequency }: &Aside) {
        let key = self.key;
        self.insert(match value {
            Restored::Text(text) => match encoded(&text) {
                (Encoding::Int, number) => Entry::new(Encoding::Int, metadata, key, &number),
                (encoding, _) => Entry::new(encoding, metadata, key, &text),
            },
            Restored::Collection(Built::Packed(encoding, bytes)) => {
                Entry::new(encoding, metadata, key, &bytes)
            }
            Restored::Collection(Built::Large(large)) => Entry::large(metadata, key, Box::new(large)),
        });
        self.partition.raise_cas(metadata.cas);
        self.sweep_fields();
        if let Some(idle_s) = *idle_s {
            self.set_idle(idle_s);
        }
        if let Some(frequency) = *frequency {
            self.set_frequency(frequency);
        }
    }

    /// Tells those who watch the key that it is not what it was.
    #[inline]
    pub fn has_changed(&mut self) {
        self.partition.touch(self.database, self.key);
        diary::note(self.database, self.key, What::Changed);
    }

    /// Tells those who listen to events of streams of one that is no change for those who watch the key.
    pub(crate) fn tell(&self, event: &'static str) {
        diary::note(self.database, self.key, What::Told(event));
    }

    /// Tells those who wait for the key, and nobody who watches it, that it is not what it was.
    pub(crate) fn wake(&mut self) {
        self.partition.watched.wake(self.database, self.key);
    }

    #[inline]
    fn replace(&mut self, change: impl FnOnce(Entry, Word) -> (Entry, Word)) {
        let expires = |seat: &Seat<'_>| seat.word().is_some_and(Word::expires);
        let before = expires(&self.seat);
        self.seat.replace(change);
        let after = expires(&self.seat);
        if before != after {
            let tally = self.partition.tally_mut(self.database);
            tally.expires = tally.expires + u64::from(after) - u64::from(before);
        }
    }
}

/// The packed value of an entry, changed in place.
pub(crate) struct Packed<'e, 'a>(&'e mut EntryMut<'a>);

impl Packed<'_, '_> {
    fn resize(&mut self, len: usize) {
        self.0.replace(|entry, word| {
            let encoding = entry.view().encoding();
            (entry.resized(encoding, len), word)
        });
    }
}

impl Buffer for Packed<'_, '_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.0.seat.entry().map_or(&[], EntryPtr::value)
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.seat.value_mut().unwrap_or_default()
    }

    fn splice(&mut self, range: Range<usize>, len: usize) -> &mut [u8] {
        let (before, end) = (self.bytes().len(), range.start + len);
        let after = before - range.len() + len;
        if after > before {
            self.resize(after);
        }
        if after != before {
            self.bytes_mut().copy_within(range.end..before, end);
        }
        if after < before {
            self.resize(after);
        }
        &mut self.bytes_mut()[range.start..end]
    }
}

/// An entry with its value raw, at least `len` bytes long, and other metadata.
fn raw(entry: Entry, metadata: &Metadata, len: usize) -> Entry {
    let view = entry.view();
    if let Some(number) = view.int() {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        return Entry::new(Encoding::Raw, metadata, view.key(), digits)
            .resized(Encoding::Raw, len.max(digits.len()));
    }
    let len = len.max(view.value().len());
    entry.with_metadata(metadata).resized(Encoding::Raw, len)
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

#[cfg(test)]
mod tests {
    use tidegate_protocols::data::Data as _;
    use tidegate_protocols::settings::Key;

    use crate::testing::Client;

    #[test]
    fn a_change_is_one_access() {
        let mut client = Client::new();
        client.settings.set(Key::MaxMemoryPolicy, "allkeys-lfu").unwrap();
        client.settings.set(Key::LfuLogFactor, "0").unwrap();
        client.run("SET k 1");
        let changes =
            ["INCR k", "INCRBYFLOAT k 1", "APPEND k 1", "SETRANGE k 0 1", "SETBIT k 1 1", "EXPIRE k 100"];
        for (accesses, change) in (1..).zip(changes) {
            client.run(change);
            assert_eq!(client.run("OBJECT FREQ k"), format!(":{}\\r\\n", 5 + accesses), "{change}");
        }
    }

    #[test]
    fn expiries_are_counted_through_every_change() {
        let mut client = Client::new();
        for (change, expires) in [
            ("SETEX k 100 1", 1),
            ("INCR k", 1),
            ("APPEND k 1", 1),
            ("PERSIST k", 0),
            ("EXPIRE k 100", 1),
            ("GETEX k PERSIST", 0),
            ("SET k v EX 100 XX", 1),
            ("SETRANGE k 100 v", 1),
            ("RENAME k l", 1),
            ("GETSET l v", 0),
            ("EXPIRE l 100", 1),
            ("GETDEL l", 0),
        ] {
            client.run(change);
            assert_eq!(client.store.figures().databases[0].expires, expires, "{change}");
        }
    }
}
