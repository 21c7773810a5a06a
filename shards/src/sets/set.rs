//! One set, in whichever way it is kept.

use tidegate_protocols::Error;
use tidegate_protocols::settings::{Key, Settings};

use crate::db::{EntryRef, Kind};
use crate::entry::Encoding;
use crate::entry_mut::EntryMut;
use crate::large::{Built, Large};
use crate::structures::buffer::Buffer;
use crate::structures::intset::{self, Intset, IntsetMut};
use crate::structures::listpack::{self, Element, Listpack, ListpackMut, Position};
use crate::structures::members::Members;
use crate::view::Value;

/// Integers an intset holds at most, whatever the settings say. Source: Redis `t_set.c`, `intsetMaxEntries`.
const INTEGERS_MAX: usize = 1 << 30;

/// Bytes that a member takes in a packed set beside its own, at most.
const MEMBER_BYTES: usize = 10;

/// Bytes of the longest integer in a packed set.
const INTEGER_BYTES: usize = 11;

/// How large sets of each kind may become.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Members of a set of integers.
    pub(super) integers: usize,
    /// Members of a packed set.
    members: usize,
    /// Bytes of each of them.
    bytes: usize,
}

impl Limits {
    /// What the settings say.
    #[inline]
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            integers: (settings.number(Key::SetMaxIntsetEntries) as usize).min(INTEGERS_MAX),
            members: settings.number(Key::SetMaxListpackEntries) as usize,
            bytes: settings.number(Key::SetMaxListpackValue) as usize,
        }
    }
}

/// A set to be read.
#[derive(Clone, Copy)]
pub(crate) enum Set<'a> {
    /// Integers in order.
    Integers(Intset<'a>),
    /// Members in the order in which they came.
    Packed(Listpack<'a>),
    /// Members with nothing beside them.
    Table(&'a Members),
}

impl<'a> Set<'a> {
    /// The set that is there.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is something else.
    #[inline]
    pub(crate) fn of(entry: &EntryRef<'a>) -> Result<Self, Error> {
        Ok(match entry.value(Kind::Set)? {
            Value::Large(large) => Self::table(large),
            Value::Packed(bytes) => Self::packed(entry.encoding(), bytes),
        })
    }

    #[inline]
    fn table(large: &'a Large) -> Self {
        match large {
            Large::Set(members) => Self::Table(members),
            _ => unreachable!("the large value of a set is a table"),
        }
    }

    #[inline]
    fn packed(encoding: Encoding, bytes: &'a [u8]) -> Self {
        match encoding {
            Encoding::IntegerSet => Self::Integers(Intset::new(bytes)),
            _ => Self::Packed(Listpack::new(bytes)),
        }
    }

    /// Members in it.
    #[inline]
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Integers(integers) => integers.len(),
            Self::Packed(pack) => pack.len(),
            Self::Table(members) => members.len(),
        }
    }

    /// Whether somebody is a member.
    #[inline]
    pub(crate) fn has(self, member: Element<'_>) -> bool {
        match (self, member) {
            (Self::Integers(integers), Element::Int(number)) => integers.contains(number),
            (Self::Integers(_), Element::Text(_)) => false,
            (Self::Packed(pack), _) => {
                pack.find(Position::START, member.text(&mut itoa::Buffer::new()), 0).is_some()
            }
            (Self::Table(members), _) => members.get(member.text(&mut itoa::Buffer::new())).is_some(),
        }
    }

    /// Visits all members, as long as `each` says so.
    #[inline]
    pub(crate) fn while_each(self, mut each: impl FnMut(Element<'a>) -> bool) {
        match self {
            Self::Integers(integers) => _ = integers.iter().all(|number| each(Element::Int(number))),
            Self::Packed(pack) => _ = pack.iter().all(each),
            Self::Table(members) => members.while_each(|member, _| each(Element::of(member))),
        }
    }

    /// Visits all members.
    #[inline]
    pub(super) fn for_each(self, mut each: impl FnMut(Element<'a>)) {
        self.while_each(|member| {
            each(member);
            true
        });
    }

    /// One of them, each with the same chance. Sets are never empty.
    pub(super) fn random(self, random: &mut fastrand::Rng) -> Element<'a> {
        match self {
            Self::Integers(integers) => {
                Element::Int(integers.get(random.usize(..integers.len())).expect("as many as it has"))
            }
            Self::Packed(pack) => {
                pack.get(pack.seek(random.usize(..pack.len()) as isize).expect("as many as it has"))
            }
            Self::Table(members) => Element::of(members.random(random).0),
        }
    }
}

/// Where a set is kept, or is to be: a key, or nowhere yet.
pub(super) trait Home {
    /// The packed value that is there, to be changed in place.
    type Packed<'p>: Buffer
    where
        Self: 'p;

    /// What is there.
    fn view(&self) -> Option<Set<'_>>;
    /// The packed value that is there.
    fn packed_mut(&mut self) -> Self::Packed<'_>;
    /// The table that is there.
    fn table_mut(&mut self) -> Option<&mut Members>;
    /// Puts it there instead of what is.
    fn keep(&mut self, built: Built);
}

/// Nobody who watches the key learns of it before [`EntryMut::has_changed`] says so.
impl<'a> Home for EntryMut<'a> {
    type Packed<'p>
        = crate::entry_mut::Packed<'p, 'a>
    where
        Self: 'p;

    #[inline]
    fn view(&self) -> Option<Set<'_>> {
        Set::of(&self.entry()?).ok()
    }

    #[inline]
    fn packed_mut(&mut self) -> Self::Packed<'_> {
        EntryMut::packed_mut(self)
    }

    #[inline]
    fn table_mut(&mut self) -> Option<&mut Members> {
        match self.large_mut() {
            Some(Large::Set(members)) => Some(members),
            _ => None,
        }
    }

    fn keep(&mut self, built: Built) {
        match built {
            Built::Packed(encoding, bytes) if self.is_there() => self.set_packed(encoding, &bytes),
            Built::Packed(encoding, bytes) => self.create(encoding, &bytes),
            Built::Large(large) => {
                if !self.is_there() {
                    self.create(Encoding::PackedSet, &listpack::EMPTY);
                }
                self.set_large(large);
            }
        }
    }
}

impl Home for Built {
    type Packed<'p> = &'p mut Vec<u8>;

    fn view(&self) -> Option<Set<'_>> {
        Some(match self {
            Self::Packed(encoding, bytes) => Set::packed(*encoding, bytes),
            Self::Large(large) => Set::table(large),
        })
    }

    fn packed_mut(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Packed(_, bytes) => bytes,
            Self::Large(_) => unreachable!("whoever changes a packed set has looked"),
        }
    }

    fn table_mut(&mut self) -> Option<&mut Members> {
        match self {
            Self::Large(Large::Set(members)) => Some(members),
            _ => None,
        }
    }

    fn keep(&mut self, built: Built) {
        *self = built;
    }
}

/// A set of integers without any.
pub(super) fn no_integers() -> Built {
    Built::Packed(Encoding::IntegerSet, intset::EMPTY.to_vec())
}

/// A packed set without members.
pub(super) fn no_members() -> Built {
    Built::Packed(Encoding::PackedSet, listpack::EMPTY.to_vec())
}

/// A set to be changed.
pub(super) struct SetMut<'h, H> {
    home: &'h mut H,
    limits: Limits,
}

impl<'h, 'a> SetMut<'h, EntryMut<'a>> {
    /// The set that is there or may come there.
    ///
    /// # Errors
    /// [`Error::WrongType`] if something else is there.
    #[inline]
    pub(super) fn new(entry: &'h mut EntryMut<'a>, limits: Limits) -> Result<Self, Error> {
        entry.value(Kind::Set)?;
        Ok(Self { home: entry, limits })
    }

    /// Takes away the key if nobody is left, and tells those who watch it that it is not what it was.
    pub(super) fn has_shrunk(&mut self) {
        if self.len() == 0 {
            self.home.remove();
        } else {
            self.has_changed();
        }
    }

    /// Tells those who watch the key that it is not what it was.
    pub(super) fn has_changed(&mut self) {
        self.home.has_changed();
    }
}

impl<'h> SetMut<'h, Built> {
    /// A set that is no key.
    pub(super) fn of(built: &'h mut Built, limits: Limits) -> Self {
        Self { home: built, limits }
    }

    /// Makes it a set of integers, which all of its members are, if it is not too large for one.
    pub(super) fn make_integers(&mut self) {
        let Some(set @ (Set::Packed(_) | Set::Table(_))) = self.home.view() else { return };
        if set.len() > self.limits.integers {
            return;
        }
        let mut bytes = intset::EMPTY.to_vec();
        set.for_each(|member| {
            if let Element::Int(number) = member {
                IntsetMut::new(&mut bytes).insert(number);
            }
        });
        self.home.keep(Built::Packed(Encoding::IntegerSet, bytes));
    }
}

impl<H: Home> SetMut<'_, H> {
    /// To be read, if it is there.
    #[inline]
    pub(super) fn view(&self) -> Option<Set<'_>> {
        self.home.view()
    }

    /// Members in it.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.view().map_or(0, Set::len)
    }

    /// Prepares it for `count` members to be put in, of which this is the first: makes one of the kind that may hold
    /// them, or a table of one that may not. Source: Redis `t_set.c`, `setTypeCreate` and `setTypeMaybeConvert`.
    pub(super) fn expect(&mut self, first: Element<'_>, count: usize) {
        let limits = self.limits;
        match self.view() {
            None => self.home.keep(match first {
                Element::Int(_) if count <= limits.integers => no_integers(),
                _ if count <= limits.members => no_members(),
                _ => Built::Large(Large::Set(Members::default())),
            }),
            Some(Set::Integers(_)) if count > limits.integers => self.unpack(),
            Some(Set::Packed(_)) if count > limits.members => self.unpack(),
            Some(_) => {}
        }
    }

    /// Another set, of the same limits.
    pub(super) fn beside<'b>(&self, built: &'b mut Built) -> SetMut<'b, Built> {
        SetMut { home: built, limits: self.limits }
    }

    /// Puts in a member; somebody was expected. Says whether it is new.
    #[inline]
    pub(super) fn add(&mut self, member: Element<'_>) -> bool {
        let is_known = |set: Set<'_>| matches!(set, Set::Packed(_)) && set.has(member);
        if self.view().is_some_and(is_known) {
            return false;
        }
        self.add_new(member)
    }

    /// Puts in a member that is known not to be among those of a packed set. Says whether it is new.
    pub(super) fn add_new(&mut self, member: Element<'_>) -> bool {
        let (set, limits) = (self.home.view().expect("members are expected before"), self.limits);
        let mut digits = itoa::Buffer::new();
        match (set, member) {
            (Set::Table(_), _) => {}
            (Set::Integers(_), Element::Int(number)) => {
                let is_new = IntsetMut::new(&mut self.home.packed_mut()).insert(number);
                if is_new && self.len() > limits.integers {
                    self.unpack();
                }
                return is_new;
            }
            (Set::Integers(integers), Element::Text(text)) => {
                if may_be_packed(integers, text, limits) {
                    self.pack();
                    ListpackMut::new(&mut self.home.packed_mut()).append(member);
                    return true;
                }
                self.unpack();
            }
            (Set::Packed(pack), _) => {
                let text = member.text(&mut digits);
                if pack.len() < limits.members
                    && text.len() <= limits.bytes
                    && pack.has_room_for(text.len() + MEMBER_BYTES)
                {
                    ListpackMut::new(&mut self.home.packed_mut()).append(member);
                    return true;
                }
                self.unpack();
            }
        }
        let members = self.home.table_mut().expect("it is a table, or was made one");
        members.set(member.text(&mut digits), b"")
    }

    /// Takes out a member. Says whether it was there.
    #[inline]
    pub(super) fn remove(&mut self, member: Element<'_>) -> bool {
        match (self.home.view(), member) {
            (None, _) | (Some(Set::Integers(_)), Element::Text(_)) => false,
            (Some(Set::Integers(_)), Element::Int(number)) => {
                IntsetMut::new(&mut self.home.packed_mut()).remove(number)
            }
            (Some(Set::Packed(pack)), _) => {
                let found = pack.find(Position::START, member.text(&mut itoa::Buffer::new()), 0);
                if let Some(at) = found {
                    ListpackMut::new(&mut self.home.packed_mut()).remove(at, 1);
                }
                found.is_some()
            }
            (Some(Set::Table(_)), _) => {
                let members = self.home.table_mut().expect("it is a table");
                members.remove(member.text(&mut itoa::Buffer::new()))
            }
        }
    }

    /// Takes out everybody but those of `rest`, some of its members.
    pub(super) fn leave(&mut self, rest: Built) {
        self.home.keep(rest);
    }

    /// Puts integers into a packed set.
    #[cold]
    fn pack(&mut self) {
        let mut bytes = listpack::EMPTY.to_vec();
        if let Some(set) = self.view() {
            set.for_each(|member| ListpackMut::new(&mut bytes).append(member));
        }
        self.home.keep(Built::Packed(Encoding::PackedSet, bytes));
    }

    /// Puts it into a table.
    #[cold]
    fn unpack(&mut self) {
        let mut members = Members::default();
        let mut digits = itoa::Buffer::new();
        if let Some(set) = self.view() {
            set.for_each(|member| _ = members.set(member.text(&mut digits), b""));
        }
        self.home.keep(Built::Large(Large::Set(members)));
    }
}

/// Whether integers can be packed with a first member that is none. Source: Redis `t_set.c`, `setTypeAddAux`.
fn may_be_packed(integers: Intset<'_>, text: &[u8], limits: Limits) -> bool {
    let digits = |number| itoa::Buffer::new().format(number).len();
    // The longest is the least or the greatest.
    let ends = [integers.get(0), integers.len().checked_sub(1).and_then(|last| integers.get(last))];
    let longest = ends.into_iter().flatten().map(digits).max().unwrap_or(0);
    integers.len() < limits.members
        && text.len().max(longest) <= limits.bytes
        && integers.len() * INTEGER_BYTES + text.len() + MEMBER_BYTES < listpack::BYTES_MAX
}
