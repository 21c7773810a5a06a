//! One hash, in whichever way it is kept.

use tidegate_protocols::Error;
use tidegate_protocols::settings::{Key, Settings};

use crate::db::{Encoding, Kind};
use crate::entry_mut::EntryMut;
use crate::large::Large;
use crate::structures::listpack::{self, Element, Listpack, ListpackMut, Position};
use crate::structures::members::Members;
use crate::view::Value;

/// Bytes that a field and its value take in a packed hash beside their own, at most.
const PAIR_BYTES: usize = 20;

/// How large a packed hash may become.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Fields.
    fields: usize,
    /// Bytes of each field and value.
    bytes: usize,
}

impl Limits {
    /// What the settings say.
    #[inline]
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            fields: settings.number(Key::HashMaxListpackEntries) as usize,
            bytes: settings.number(Key::HashMaxListpackValue) as usize,
        }
    }
}

/// A hash to be read.
#[derive(Clone, Copy)]
pub(super) enum Hash<'a> {
    /// Fields and values in turn.
    Packed(Listpack<'a>),
    /// Values beside their fields.
    Table(&'a Members),
}

impl<'a> Hash<'a> {
    /// The hash that a value is.
    #[inline]
    pub(super) fn of(value: Value<'a>) -> Self {
        match value {
            Value::Packed(bytes) => Self::Packed(Listpack::new(bytes)),
            Value::Large(Large::Hash(members)) => Self::Table(members),
        }
    }

    /// Fields in it.
    #[inline]
    pub(super) fn len(self) -> usize {
        match self {
            Self::Packed(pack) => pack.len() / 2,
            Self::Table(members) => members.len(),
        }
    }

    /// The value of a field.
    #[inline]
    pub(super) fn get(self, field: &[u8]) -> Option<Element<'a>> {
        match self {
            Self::Packed(pack) => value_of(pack, field).map(|at| pack.get(at)),
            Self::Table(members) => members.get(field).map(Element::Text),
        }
    }

    /// Visits all fields with their values.
    #[inline]
    pub(super) fn for_each(self, mut each: impl FnMut(Element<'a>, Element<'a>)) {
        match self {
            Self::Packed(pack) => {
                let mut elements = pack.iter();
                while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
                    each(field, value);
                }
            }
            Self::Table(members) => {
                members.for_each(|field, value| each(Element::Text(field), Element::Text(value)));
            }
        }
    }
}

/// Where the value of a field lies in a packed hash.
#[inline]
fn value_of(pack: Listpack<'_>, field: &[u8]) -> Option<Position> {
    pack.find(Position::START, field, 1).map(|at| pack.after(at))
}

/// A hash to be changed. Nobody who watches it learns of that before [`EntryMut::has_changed`] says so.
pub(super) struct HashMut<'e, 'a> {
    entry: &'e mut EntryMut<'a>,
    limits: Limits,
}

impl<'e, 'a> HashMut<'e, 'a> {
    /// The hash that is there or may come there.
    ///
    /// # Errors
    /// [`Error::WrongType`] if something else is there.
    #[inline]
    pub(super) fn new(entry: &'e mut EntryMut<'a>, limits: Limits) -> Result<Self, Error> {
        entry.value(Kind::Hash)?;
        Ok(Self { entry, limits })
    }

    /// To be read, if it is there.
    #[inline]
    pub(super) fn view(&self) -> Option<Hash<'_>> {
        self.entry.value(Kind::Hash).ok().flatten().map(Hash::of)
    }

    /// Puts it into a table before `fields` fields are set, whose words with their values are `words`, if it could not
    /// stay packed: so it is not packed for nothing.
    pub(super) fn expect<'w>(&mut self, fields: usize, words: impl Iterator<Item = &'w [u8]>) {
        let (mut is_long, mut bytes) = (fields > self.limits.fields, fields.saturating_mul(PAIR_BYTES));
        for word in words {
            is_long |= word.len() > self.limits.bytes;
            bytes = bytes.saturating_add(word.len());
        }
        let has_room = match self.view() {
            Some(Hash::Packed(pack)) => pack.has_room_for(bytes),
            Some(Hash::Table(_)) => return,
            None => bytes < listpack::BYTES_MAX,
        };
        if is_long || !has_room {
            self.unpack();
        }
    }

    /// Gives a field a value. Says whether the field is new.
    #[inline]
    pub(super) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        if field.len().max(value.len()) > self.limits.bytes {
            self.unpack();
        }
        if let Some(Large::Hash(members)) = self.entry.large_mut() {
            return members.set(field, value);
        }
        if !self.entry.is_there() {
            self.entry.create(Encoding::PackedHash, &listpack::EMPTY);
        }
        let mut packed = self.entry.packed_mut();
        let mut pack = ListpackMut::new(&mut packed);
        if !pack.view().has_room_for(PAIR_BYTES + field.len() + value.len()) {
            self.unpack();
            return self.set(field, value);
        }
        if let Some(at) = value_of(pack.view(), field) {
            pack.replace(at, Element::of(value));
            return false;
        }
        pack.insert(pack.view().end(), [Element::of(field), Element::of(value)]);
        if pack.view().len() / 2 > self.limits.fields {
            self.unpack();
        }
        true
    }

    /// Takes out a field, and the key with the last one. Says whether it was there.
    #[inline]
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        let (was_there, is_empty) = if let Some(Large::Hash(members)) = self.entry.large_mut() {
            (members.remove(field), members.len() == 0)
        } else if self.entry.is_there() {
            let mut packed = self.entry.packed_mut();
            let mut pack = ListpackMut::new(&mut packed);
            let found = pack.view().find(Position::START, field, 1);
            if let Some(at) = found {
                pack.remove(at, 2);
            }
            (found.is_some(), pack.view().is_empty())
        } else {
            return false;
        };
        if is_empty {
            self.entry.remove();
        }
        was_there
    }

    /// Puts it into a table, unless it is in one.
    #[cold]
    fn unpack(&mut self) {
        let mut members = Members::default();
        match self.view() {
            Some(Hash::Table(_)) => return,
            Some(hash) => {
                let (mut one, mut other) = (itoa::Buffer::new(), itoa::Buffer::new());
                hash.for_each(|field, value| {
                    members.set(field.text(&mut one), value.text(&mut other));
                });
            }
            None => self.entry.create(Encoding::PackedHash, &listpack::EMPTY),
        }
        self.entry.set_large(Large::Hash(members));
    }

    /// Tells those who watch the key that it is not what it was.
    pub(super) fn has_changed(&mut self) {
        self.entry.has_changed();
    }
}
