//! What a command sees of an entry.

use tidegate_protocols::{Error, Reply};

use crate::allocator;
use crate::entry::{Encoding, Entry, EntryPtr, Kind, Metadata};
use crate::large::Large;
use crate::structures::listpack::Element;
use crate::word::{AccessClock, Word};

/// Bytes of the table for each entry: a word and a tag, at the usual fill.
const TABLE_BYTES: usize = 12;

/// Writes an element of a collection as clients see it.
#[inline]
pub(crate) fn tell(element: Element<'_>, reply: &mut Reply<'_>) {
    match element {
        Element::Int(number) => reply.bulk_integer(number),
        Element::Text(text) => reply.bulk(text),
    }
}

/// A string value.
pub enum Text<'a> {
    /// Kept as an integer; its digits are made when [`Text::bytes`] asks for them.
    Int(i64, itoa::Buffer),
    /// Kept as bytes.
    Bytes(&'a [u8]),
}

impl Text<'_> {
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

/// The value of a collection.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// Small: its elements one after the other, as Redis would dump them.
    Packed(&'a [u8]),
    /// Large.
    Large(&'a Large),
}

/// One key and its value, as they were found.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    entry: EntryPtr<'a>,
    /// As it was before this access.
    word: Word,
    clock: AccessClock,
}

impl<'a> EntryRef<'a> {
    #[inline]
    pub(crate) fn new(entry: EntryPtr<'a>, word: Word, clock: AccessClock) -> Self {
        Self { entry, word, clock }
    }

    /// A copy of it with another key.
    pub(crate) fn duplicate(&self, key: &[u8]) -> Entry {
        self.entry.duplicate(key)
    }

    /// The key.
    pub fn key(&self) -> &'a [u8] {
        self.entry.key()
    }

    /// The type of the value.
    pub fn kind(&self) -> Kind {
        self.entry.kind()
    }

    /// How the value is kept.
    pub fn encoding(&self) -> Encoding {
        self.entry.encoding()
    }

    /// The value.
    ///
    /// # Errors
    /// [`Error::WrongType`] unless it is a string.
    #[inline]
    pub fn text(&self) -> Result<Text<'a>, Error> {
        match self.entry.encoding() {
            Encoding::Embstr | Encoding::Raw => Ok(Text::Bytes(self.entry.value())),
            Encoding::Int => {
                let value = self.entry.int().expect("it is kept as an integer");
                Ok(Text::Int(value, itoa::Buffer::new()))
            }
            _ => Err(Error::WrongType),
        }
    }

    /// The value of a collection.
    ///
    /// # Errors
    /// [`Error::WrongType`] unless it is of this type.
    #[inline]
    pub(crate) fn value(&self, kind: Kind) -> Result<Value<'a>, Error> {
        if self.entry.kind() != kind {
            return Err(Error::WrongType);
        }
        Ok(self.elements())
    }

    /// What it holds, which is no string.
    #[inline]
    fn elements(&self) -> Value<'a> {
        match self.entry.as_large() {
            Some(large) => Value::Large(large),
            None => Value::Packed(self.entry.value()),
        }
    }

    /// See [`EntryPtr::fields_due`].
    pub(crate) fn fields_due(&self) -> u64 {
        self.entry.fields_due()
    }

    /// When it expires, in Unix milliseconds; `None` is never.
    pub fn expire_at(&self) -> Option<u64> {
        self.entry.expire_at()
    }

    /// What Memcached clients know of it; `cas` is 0 if it has none yet (see [`crate::Db::cas`]).
    pub fn metadata(&self) -> Metadata {
        self.entry.metadata()
    }

    /// Whether it had been read before this access, since it was stored.
    pub fn fetched(&self) -> bool {
        self.word.fetched()
    }

    /// Whole seconds since the access before this one; 0 under an LFU policy.
    pub fn idle_s(&self) -> u64 {
        self.clock.idle_s(self.word)
    }

    /// The LFU counter, 0 to 255; 0 under any other policy.
    pub fn frequency(&self) -> u8 {
        self.clock.frequency(self.word)
    }

    /// Bytes it takes with key, value and its share of the table.
    pub fn memory_bytes(&self) -> usize {
        let large_bytes = self.entry.as_large().map_or(0, Large::bytes);
        allocator::class_bytes(self.entry.len()) + TABLE_BYTES + large_bytes
    }
}
