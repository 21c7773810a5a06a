//! One hash, in whichever way it is kept.

use tidegate_protocols::Error;
use tidegate_protocols::settings::{Key, Settings};

use super::due;
use crate::db::{Encoding, EntryRef, Kind};
use crate::entry_mut::EntryMut;
use crate::large::Large;
use crate::structures::listpack::{self, Element, Listpack, ListpackMut, Position};
use crate::structures::members::Members;
use crate::view::Value;

/// Bytes that a field, its value and when it expires take in a packed hash beside those of the first two, at most.
const FIELD_BYTES: usize = 20 + TIME_BYTES;
/// Of these, bytes of the time.
const TIME_BYTES: usize = 11;

/// How large a packed hash may become.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Fields.
    pub(super) fields: usize,
    /// Bytes of each field and value.
    pub(super) bytes: usize,
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

/// A hash has no such field.
#[derive(Clone, Copy)]
pub(super) struct NoField;

/// A hash to be read.
#[derive(Clone, Copy)]
pub(super) enum Hash<'a> {
    /// Fields and values in turn.
    Packed(Listpack<'a>),
    /// Fields, values and times in turn. So many of the first have expired and are left.
    Expiring(Listpack<'a>, usize),
    /// Values beside their fields.
    Table(&'a Members),
    /// The same where fields may be left that expired before this time.
    Overdue(&'a Members, u64),
}

impl<'a> Hash<'a> {
    /// The hash that is there at this time.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is something else.
    #[inline]
    pub(super) fn of(entry: &EntryRef<'a>, now_ms: u64) -> Result<Self, Error> {
        Ok(match entry.value(Kind::Hash)? {
            Value::Packed(bytes) if entry.encoding() == Encoding::PackedHash => {
                Self::Packed(Listpack::new(bytes))
            }
            Value::Packed(bytes) => {
                let pack = Listpack::new(bytes);
                Self::Expiring(pack, due::overdue(pack, now_ms))
            }
            Value::Large(Large::Hash(members)) if members.due() < now_ms => Self::Overdue(members, now_ms),
            Value::Large(Large::Hash(members)) => Self::Table(members),
            Value::Large(_) => unreachable!("the large value of a hash is a table"),
        })
    }

    /// Fields in it, those that have expired and are left included.
    #[inline]
    pub(super) fn len(self) -> usize {
        match self {
            Self::Packed(pack) => pack.len() / 2,
            Self::Expiring(pack, _) => pack.len() / due::ELEMENTS,
            Self::Table(members) | Self::Overdue(members, _) => members.len(),
        }
    }

    /// The same if that is how many [`Hash::for_each`] visits.
    pub(super) fn exact_len(self) -> Option<usize> {
        match self {
            Self::Expiring(_, overdue) => Some(self.len() - overdue),
            Self::Packed(_) | Self::Table(_) => Some(self.len()),
            Self::Overdue(..) => None,
        }
    }

    /// As many as [`Hash::for_each`] visits.
    pub(super) fn live_len(self) -> usize {
        self.exact_len().unwrap_or_else(|| {
            let mut live = 0;
            self.for_each(|_, _| live += 1);
            live
        })
    }

    /// The value of a field.
    #[inline]
    pub(super) fn get(self, field: &[u8]) -> Option<Element<'a>> {
        match self {
            Self::Packed(pack) => value_of(pack, field, 2).map(|at| pack.get(at)),
            Self::Expiring(pack, overdue) => live_value_of(pack, overdue, field).map(|at| pack.get(at)),
            Self::Table(members) => members.get(field).map(Element::Text),
            Self::Overdue(members, now_ms) => {
                members.look(field).filter(is_live(now_ms)).map(|(value, _)| Element::Text(value))
            }
        }
    }

    /// When a field expires, in Unix milliseconds; `None` is never.
    ///
    /// # Errors
    /// [`NoField`] if it is not there.
    pub(super) fn expire_at(self, field: &[u8]) -> Result<Option<u64>, NoField> {
        match self {
            Self::Packed(pack) => value_of(pack, field, 2).map(|_| None),
            Self::Expiring(pack, overdue) => {
                live_value_of(pack, overdue, field).map(|at| time_after(pack, at))
            }
            Self::Table(members) => members.look(field).map(|(_, at)| at),
            Self::Overdue(members, now_ms) => members.look(field).filter(is_live(now_ms)).map(|(_, at)| at),
        }
        .ok_or(NoField)
    }

    /// Visits all fields of a packed hash with their values and when they expire.
    pub(super) fn for_each_packed(self, mut each: impl FnMut(Element<'a>, Element<'a>, Option<u64>)) {
        if let Self::Packed(pack) | Self::Expiring(pack, _) = self {
            let overdue = if let Self::Expiring(_, overdue) = self { due::ELEMENTS * overdue } else { 0 };
            let mut elements = pack.iter().skip(overdue);
            while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
                let is_timed = matches!(self, Self::Expiring(..));
                let at = if is_timed { elements.next().and_then(Element::int).unwrap_or(0) } else { 0 };
                each(field, value, u64::try_from(at).ok().filter(|&at| at > 0));
            }
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
            Self::Expiring(..) => self.for_each_packed(|field, value, _| each(field, value)),
            Self::Table(members) => {
                members.for_each(|field, value| each(Element::Text(field), Element::Text(value)));
            }
            Self::Overdue(members, _) => members.for_each(|field, value| {
                if self.get(field).is_some() {
                    each(Element::Text(field), Element::Text(value));
                }
            }),
        }
    }
}

/// Where the value of a field lies in a packed hash of so many elements for each field.
#[inline]
fn value_of(pack: Listpack<'_>, field: &[u8], elements: usize) -> Option<Position> {
    pack.find(Position::START, field, elements - 1).map(|at| pack.after(at))
}

/// The same in one whose fields expire, of which so many of the first have.
#[inline]
fn live_value_of(pack: Listpack<'_>, overdue: usize, field: &[u8]) -> Option<Position> {
    let start = if overdue == 0 { Position::START } else { pack.seek((due::ELEMENTS * overdue) as isize)? };
    pack.find(start, field, due::ELEMENTS - 1).map(|at| pack.after(at))
}

/// When the field whose value this is expires.
fn time_after(pack: Listpack<'_>, value: Position) -> Option<u64> {
    pack.get(pack.after(value)).int().and_then(|at| u64::try_from(at).ok()).filter(|&at| at > 0)
}

/// Whether a field that expires at this time is there.
fn is_live(now_ms: u64) -> impl Fn(&(&[u8], Option<u64>)) -> bool {
    move |(_, expire_at)| expire_at.is_none_or(|at| at >= now_ms)
}

/// When a field that is set expires.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Never.
    Ever,
    /// When it did before, if ever.
    AsBefore,
    /// At this time, in Unix milliseconds.
    Time(u64),
}

/// A hash to be changed: what has expired of it has been taken out, but for fields of a table. Nobody who watches it learns of that before [`EntryMut::has_changed`] says so.
pub(super) struct HashMut<'e, 'a> {
    entry: &'e mut EntryMut<'a>,
    limits: Limits,
    now_ms: u64,
}

impl<'e, 'a> HashMut<'e, 'a> {
    /// The hash that is there at this time or may come there.
    ///
    /// # Errors
    /// [`Error::WrongType`] if something else is there.
    #[inline]
    pub(super) fn new(entry: &'e mut EntryMut<'a>, limits: Limits, now_ms: u64) -> Result<Self, Error> {
        entry.value(Kind::Hash)?;
        Ok(Self { entry, limits, now_ms })
    }

    /// To be read, if it is there.
    #[inline]
    pub(super) fn view(&self) -> Option<Hash<'_>> {
        Hash::of(&self.entry.entry()?, self.now_ms).ok()
    }

    /// The value of a field.
    pub(super) fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        self.view()?.get(field)
    }

    /// See [`Hash::expire_at`].
    pub(super) fn expire_at(&self, field: &[u8]) -> Result<Option<u64>, NoField> {
        self.view().ok_or(NoField)?.expire_at(field)
    }

    /// Puts it into a table before `fields` fields are set, whose words with their values are `words`, if it could not
    /// stay packed: so it is not packed for nothing.
    pub(super) fn expect<'w>(&mut self, fields: usize, words: impl Iterator<Item = &'w [u8]>) {
        let (mut is_long, mut bytes) = (fields > self.limits.fields, fields.saturating_mul(FIELD_BYTES));
        for word in words {
            is_long |= word.len() > self.limits.bytes;
            bytes = bytes.saturating_add(word.len());
        }
        let has_room = match self.view() {
            Some(Hash::Packed(pack) | Hash::Expiring(pack, _)) => pack.has_room_for(bytes),
            Some(Hash::Table(_) | Hash::Overdue(..)) => return,
            None => bytes < listpack::BYTES_MAX,
        };
        if is_long || !has_room {
            self.unpack();
        }
    }

    /// Gives a field a value, which it has until then. Says whether the field is new.
    #[inline]
    pub(super) fn set(&mut self, field: &[u8], value: &[u8], until: Until) -> bool {
        if field.len().max(value.len()) > self.limits.bytes {
            self.unpack();
        }
        if !self.entry.is_there() {
            self.entry.create(Encoding::PackedHash, &listpack::EMPTY);
        }
        if let Until::Time(_) = until {
            self.expect_times();
        }
        let (room, old) =
            (FIELD_BYTES + field.len() + value.len(), self.view().expect("it was created above"));
        let is_new = match old {
            Hash::Packed(pack) | Hash::Expiring(pack, _) if !pack.has_room_for(room) => {
                self.unpack();
                return self.set(field, value, until);
            }
            Hash::Packed(pack) => {
                let found = value_of(pack, field, 2);
                let mut packed = self.entry.packed_mut();
                let mut pack = ListpackMut::new(&mut packed);
                match found {
                    Some(at) => pack.replace(at, Element::of(value)),
                    None => pack.insert(pack.view().end(), [Element::of(field), Element::of(value)]),
                }
                found.is_none()
            }
            Hash::Expiring(pack, _) => {
                let found = value_of(pack, field, due::ELEMENTS);
                self.place(field, value, found, until);
                found.is_none()
            }
            Hash::Table(members) | Hash::Overdue(members, _) => {
                let before = members.look(field);
                let after = match until {
                    Until::Ever => None,
                    Until::AsBefore => before.filter(is_live(self.now_ms)).and_then(|(_, at)| at),
                    Until::Time(at) => Some(at),
                };
                let is_new = before.filter(is_live(self.now_ms)).is_none();
                self.members().set_until(field, value, after);
                return is_new;
            }
        };
        if self.view().is_some_and(|hash| hash.len() > self.limits.fields) {
            self.unpack();
        }
        is_new
    }

    /// Puts a field and its value into a packed hash of fields that may expire, where it belongs by when it does: before
    /// those that do at the same time, and at the end if it never does. It was `found` if it was there.
    fn place(&mut self, field: &[u8], value: &[u8], found: Option<Position>, until: Until) {
        let mut packed = self.entry.packed_mut();
        let mut pack = ListpackMut::new(&mut packed);
        if let Some(at) = found {
            if until == Until::AsBefore || until == Until::Ever && time_after(pack.view(), at).is_none() {
                return pack.replace(at, Element::of(value));
            }
            let field = pack.view().before(at).expect("a field is before its value");
            pack.remove(field, due::ELEMENTS);
        }
        let after = if let Until::Time(at) = until { Some(at) } else { None };
        let earlier = after.map(|after| due::times(pack.view()).take_while(|&at| at < after).count());
        let at = earlier.and_then(|fields| pack.view().seek((due::ELEMENTS * fields) as isize));
        let at = at.unwrap_or_else(|| pack.view().end());
        let time = Element::Int(after.unwrap_or(0) as i64);
        pack.insert(at, [Element::of(field), Element::of(value), time]);
    }

    /// Has a field that is there expire, or not any more.
    pub(super) fn set_expiry(&mut self, field: &[u8], expire_at: Option<u64>) {
        match self.view() {
            Some(Hash::Expiring(pack, _)) => {
                let Some(at) = value_of(pack, field, due::ELEMENTS) else { return };
                let value = pack.get(at).text(&mut itoa::Buffer::new()).to_vec();
                self.place(field, &value, Some(at), expire_at.map_or(Until::Ever, Until::Time));
            }
            Some(Hash::Table(_) | Hash::Overdue(..)) => self.members().set_expiry(field, expire_at),
            Some(Hash::Packed(_)) | None => {}
        }
    }

    /// Gives the fields of a packed hash room for times.
    pub(super) fn expect_times(&mut self) {
        let Some(Hash::Packed(pack)) = self.view() else { return };
        if !pack.has_room_for(pack.len() * TIME_BYTES) {
            return self.unpack();
        }
        let mut bytes = listpack::EMPTY.to_vec();
        let mut timed = ListpackMut::new(&mut bytes);
        Hash::Packed(pack).for_each(|field, value| {
            timed.insert(timed.view().end(), [field, value, Element::Int(0)]);
        });
        self.entry.set_packed(Encoding::ExpiringHash, &bytes);
    }

    /// Takes out a field. Says whether it was there. With the last one the hash is over: [`HashMut::has_shrunk`].
    #[inline]
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        let (found, elements) = match self.view() {
            None => return false,
            Some(Hash::Packed(pack)) => (pack.find(Position::START, field, 1), 2),
            Some(Hash::Expiring(pack, _)) => {
                (pack.find(Position::START, field, due::ELEMENTS - 1), due::ELEMENTS)
            }
            Some(hash @ (Hash::Table(_) | Hash::Overdue(..))) => {
                let was_there = hash.get(field).is_some();
                self.members().remove(field);
                return was_there;
            }
        };
        if let Some(at) = found {
            let mut packed = self.entry.packed_mut();
            ListpackMut::new(&mut packed).remove(at, elements);
        }
        found.is_some()
    }

    fn members(&mut self) -> &mut Members {
        match self.entry.large_mut() {
            Some(Large::Hash(members)) => members,
            _ => unreachable!("who asks has seen that it is a table"),
        }
    }

    /// Puts it into a table, unless it is in one.
    #[cold]
    fn unpack(&mut self) {
        let mut members = Members::default();
        match self.view() {
            Some(Hash::Table(_) | Hash::Overdue(..)) => return,
            Some(hash) => {
                let (mut one, mut other) = (itoa::Buffer::new(), itoa::Buffer::new());
                hash.for_each_packed(|field, value, at| {
                    members.set_until(field.text(&mut one), value.text(&mut other), at);
                });
            }
            None => self.entry.create(Encoding::PackedHash, &listpack::EMPTY),
        }
        self.entry.set_large(Large::Hash(members));
    }

    /// Takes away the key if no field is left, and tells those who watch it that it is not what it was.
    pub(super) fn has_shrunk(&mut self) {
        if self.view().is_some_and(|hash| hash.len() == 0) {
            self.entry.remove();
        } else {
            self.has_changed();
        }
    }

    /// Tells those who watch the key that it is not what it was.
    pub(super) fn has_changed(&mut self) {
        self.entry.has_changed();
    }

    /// The same, and that fields expire at other times.
    pub(super) fn has_changed_times(&mut self) {
        self.entry.sweep_fields();
        self.has_shrunk();
    }
}
