//! Some entries of a stream in one listpack.
//!
//! ```text
//! entries | deleted | fields | field … | 0                                      of the node
//! flags | ms | seq | [fields] | [field] value … | elements                      of each entry
//! ```
//!
//! An ID is what is added to that of the node. An entry with the fields of the node has only its values. The number of
//! elements of an entry stands behind it, to be read from its end; the 0 says that there is none before.

use super::{Id, Limits};
use crate::allocator;
use crate::structures::listpack::{self, BYTES_MAX, Element, Listpack, ListpackMut, Position};

/// The entry is not there any more.
pub(super) const DELETED: i64 = 1;
/// The entry has the fields of its node.
pub(super) const SAME_FIELDS: i64 = 2;

/// One of the listpacks of a stream.
#[derive(Clone, Debug)]
pub(super) struct Node(Vec<u8>);

/// What its first elements say of a node.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// Entries that are not deleted.
    pub(super) live: i64,
    /// Entries that are.
    pub(super) deleted: i64,
    /// Fields of the node.
    pub(super) fields: i64,
    /// Where the first of them is.
    pub(super) first_field: Position,
}

impl Head {
    pub(super) fn of(pack: Listpack<'_>) -> Self {
        let live = Position::START;
        let deleted = pack.after(live);
        let fields = pack.after(deleted);
        Self {
            live: int(pack, live),
            deleted: int(pack, deleted),
            fields: int(pack, fields),
            first_field: pack.after(fields),
        }
    }

    /// Where the first entry is, or the end.
    pub(super) fn first_entry(self, pack: Listpack<'_>) -> Position {
        pack.after(skip(pack, self.first_field, self.fields))
    }
}

/// The integer at a position. All that are read are ones.
#[inline]
pub(super) fn int(pack: Listpack<'_>, at: Position) -> i64 {
    pack.get(at).int().unwrap_or(0)
}

/// The position `count` elements further on.
#[inline]
pub(super) fn skip(pack: Listpack<'_>, mut at: Position, count: i64) -> Position {
    for _ in 0..count {
        at = pack.after(at);
    }
    at
}

/// What stands before the fields and values of an entry.
#[derive(Clone, Copy)]
pub(super) struct EntryHead {
    pub(super) id: Id,
    pub(super) flags: i64,
    pub(super) fields: i64,
    /// Where its first field or value is.
    pub(super) first: Position,
}

impl EntryHead {
    /// That of the entry at `at`.
    #[inline]
    pub(super) fn of(pack: Listpack<'_>, at: Position, master_id: Id, master_fields: i64) -> Self {
        let flags = int(pack, at);
        let ms = pack.after(at);
        let seq = pack.after(ms);
        let id = Id {
            ms: master_id.ms.wrapping_add_signed(int(pack, ms)),
            seq: master_id.seq.wrapping_add_signed(int(pack, seq)),
        };
        let next = pack.after(seq);
        let (fields, first) = if flags & SAME_FIELDS != 0 {
            (master_fields, next)
        } else {
            (int(pack, next), pack.after(next))
        };
        Self { id, flags, fields, first }
    }

    pub(super) fn is_deleted(self) -> bool {
        self.flags & DELETED != 0
    }

    /// The position after the entry.
    #[inline]
    pub(super) fn end(self, pack: Listpack<'_>) -> Position {
        let elements = if self.flags & SAME_FIELDS != 0 { self.fields } else { 2 * self.fields };
        pack.after(skip(pack, self.first, elements))
    }
}

impl Node {
    /// A node of one entry.
    pub(super) fn new<'w>(id: Id, words: impl ExactSizeIterator<Item = &'w [u8]> + Clone) -> Self {
        let fields = words.clone().step_by(2).map(Element::of);
        let count = Element::Int(fields.len() as i64);
        let head =
            [Element::Int(0), Element::Int(0), count].into_iter().chain(fields).chain([Element::Int(0)]);
        let mut bytes = listpack::EMPTY.to_vec();
        ListpackMut::new(&mut bytes).insert_all(Position::START, head);
        let mut node = Self(bytes);
        node.append(id, id, words);
        node
    }

    /// A node of bytes that are one.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// To be read.
    #[inline]
    pub(super) fn pack(&self) -> Listpack<'_> {
        Listpack::new(&self.0)
    }

    pub(super) fn head(&self) -> Head {
        Head::of(self.pack())
    }

    /// Entries that are not deleted.
    pub(super) fn live(&self) -> i64 {
        int(self.pack(), Position::START)
    }

    /// Whether an entry may be added whose fields and values have `bytes` and take up to `room`.
    pub(super) fn admits(&self, bytes: usize, room: usize, limits: Limits) -> bool {
        let bytes_max = if limits.node_bytes == 0 { BYTES_MAX } else { limits.node_bytes.min(BYTES_MAX) };
        let pack = self.pack();
        if pack.bytes().len().saturating_add(bytes) >= bytes_max || !pack.has_room_for(room) {
            return false;
        }
        let entries = int(pack, Position::START) + int(pack, pack.after(Position::START));
        limits.node_entries == 0 || entries < i64::try_from(limits.node_entries).unwrap_or(i64::MAX)
    }

    /// Adds an entry after all others.
    pub(super) fn append<'w>(
        &mut self,
        master_id: Id,
        id: Id,
        words: impl ExactSizeIterator<Item = &'w [u8]> + Clone,
    ) {
        let fields = (words.len() / 2) as i64;
        let same = self.has_fields(words.clone().step_by(2));
        // Words that are even in number are fields where they stand at even places.
        let wanted = words.enumerate().filter(move |(place, _)| !same || place % 2 == 1);
        let own = wanted.map(|(_, word)| Element::of(word));
        let flags = if same { SAME_FIELDS } else { 0 };
        let elements = if same { fields + 3 } else { 2 * fields + 4 };
        let head = [
            Element::Int(flags),
            Element::Int(id.ms.wrapping_sub(master_id.ms) as i64),
            Element::Int(id.seq.wrapping_sub(master_id.seq) as i64),
            Element::Int(fields),
        ];
        let head = head.into_iter().take(if same { 3 } else { 4 });
        let mut pack = ListpackMut::new(&mut self.0);
        pack.insert_all(pack.view().end(), head.chain(own).chain([Element::Int(elements)]));
        let live = int(pack.view(), Position::START);
        pack.replace(Position::START, Element::Int(live + 1));
    }

    /// Whether these are the fields of the node.
    fn has_fields<'w>(&self, fields: impl ExactSizeIterator<Item = &'w [u8]>) -> bool {
        let (pack, head) = (self.pack(), self.head());
        if fields.len() as i64 != head.fields {
            return false;
        }
        let mut at = head.first_field;
        for field in fields {
            if pack.get(at).text(&mut itoa::Buffer::new()) != field {
                return false;
            }
            at = pack.after(at);
        }
        true
    }

    /// Where the entry with this ID is, if it is not deleted.
    pub(super) fn find(&self, master_id: Id, id: Id) -> Option<Position> {
        let (pack, head) = (self.pack(), self.head());
        let mut at = head.first_entry(pack);
        while at < pack.end() {
            let entry = EntryHead::of(pack, at, master_id, head.fields);
            if entry.id >= id && !entry.is_deleted() {
                return (entry.id == id).then_some(at);
            }
            at = entry.end(pack);
        }
        None
    }

    /// Marks the entries at these places, which are in order, as deleted.
    pub(super) fn mark_deleted(&mut self, places: &[Position]) {
        let (mut pack, count) = (ListpackMut::new(&mut self.0), places.len() as i64);
        let head = Head::of(pack.view());
        // What others have packed may become shorter, so the last comes first.
        for &at in places.iter().rev() {
            let flags = int(pack.view(), at);
            pack.replace(at, Element::Int(flags | DELETED));
        }
        pack.replace(Position::START, Element::Int(head.live - count));
        let deleted = pack.view().after(Position::START);
        pack.replace(deleted, Element::Int(head.deleted + count));
    }

    /// The ID of its last entry, deleted or not.
    pub(super) fn last_id(&self, master_id: Id) -> Option<Id> {
        let (pack, fields) = (self.pack(), self.head().fields);
        let at = start_before(pack, pack.end())?;
        Some(EntryHead::of(pack, at, master_id, fields).id)
    }

    /// Bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        allocator::class_bytes(self.0.capacity()) + size_of::<(Id, Self)>()
    }
}

/// Where the entry that ends at `end` begins, if one does.
pub(super) fn start_before(pack: Listpack<'_>, end: Position) -> Option<Position> {
    let mut at = pack.before(end)?;
    let elements = int(pack, at);
    for _ in 0..elements {
        at = pack.before(at)?;
    }
    (elements > 0).then_some(at)
}
