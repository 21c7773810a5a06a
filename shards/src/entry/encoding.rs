//! What an entry can hold: its type, and the way that is kept.

/// Bits of an entry's first byte that say the type.
pub(super) const KIND_BITS: u8 = 3;
/// Those that say the type and the way to keep it.
pub(super) const KINDS_BITS: u8 = 5;
/// Those bits themselves.
pub(super) const KINDS: u8 = (1 << KINDS_BITS) - 1;

/// The type of a value, as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A string.
    String = 0,
    /// A list.
    List = 1,
    /// A set.
    Set = 2,
    /// A sorted set.
    SortedSet = 3,
    /// A hash.
    Hash = 4,
    /// A stream.
    Stream = 5,
}

impl Kind {
    /// The name `TYPE` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
        }
    }
}

/// How a value is kept: its type with one of the ways to keep that, as the lower five bits of an entry say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// A string that is a 64-bit integer.
    Int = Kind::String as u8,
    /// A string of up to 44 bytes.
    Embstr = Kind::String as u8 | 1 << KIND_BITS,
    /// A longer string, or one that was changed in place.
    Raw = Kind::String as u8 | 2 << KIND_BITS,
    /// A set of few integers.
    IntegerSet = Kind::Set as u8,
    /// A set of few short members.
    PackedSet = Kind::Set as u8 | 1 << KIND_BITS,
    /// Any other set.
    TableSet = Kind::Set as u8 | 2 << KIND_BITS,
    /// A hash of few short fields and values, in turn.
    PackedHash = Kind::Hash as u8,
    /// The same where fields expire: fields, values and times in turn.
    ExpiringHash = Kind::Hash as u8 | 2 << KIND_BITS,
    /// Any other hash.
    TableHash = Kind::Hash as u8 | 1 << KIND_BITS,
    /// A list of few short elements.
    PackedList = Kind::List as u8,
    /// Any other list.
    Quicklist = Kind::List as u8 | 1 << KIND_BITS,
    /// A stream.
    Stream = Kind::Stream as u8,
    /// A sorted set of few short members, with scores in turn.
    PackedSortedSet = Kind::SortedSet as u8,
    /// Any other sorted set.
    ScoredSet = Kind::SortedSet as u8 | 1 << KIND_BITS,
}

impl Encoding {
    /// All of them.
    const ALL: &[Self] = &[
        Self::Int,
        Self::Embstr,
        Self::Raw,
        Self::PackedHash,
        Self::ExpiringHash,
        Self::TableHash,
        Self::PackedList,
        Self::Quicklist,
        Self::IntegerSet,
        Self::PackedSet,
        Self::TableSet,
        Self::Stream,
        Self::PackedSortedSet,
        Self::ScoredSet,
    ];

    /// The name `OBJECT ENCODING` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Embstr => "embstr",
            Self::Raw => "raw",
            Self::PackedHash | Self::PackedList | Self::PackedSet | Self::PackedSortedSet => "listpack",
            Self::ExpiringHash => "listpackex",
            Self::TableHash | Self::TableSet => "hashtable",
            Self::Quicklist => "quicklist",
            Self::IntegerSet => "intset",
            Self::Stream => "stream",
            Self::ScoredSet => "skiplist",
        }
    }

    /// Whether the entry owns a [`Large`].
    #[inline]
    pub(super) fn is_large(self) -> bool {
        LARGE & 1 << self as u8 != 0
    }

    /// What the lower bits of `kinds` say.
    #[inline]
    pub(super) fn of(kinds: u8) -> Self {
        const BY_BITS: [Encoding; 1 << KINDS_BITS] = {
            let mut by_bits = [Encoding::Raw; 1 << KINDS_BITS];
            let mut at = 0;
            while at < Encoding::ALL.len() {
                by_bits[Encoding::ALL[at] as usize] = Encoding::ALL[at];
                at += 1;
            }
            by_bits
        };
        BY_BITS[usize::from(kinds & KINDS)]
    }
}

/// The encodings that are large, one bit each.
const LARGE: u32 = 1 << Encoding::TableHash as u8
    | 1 << Encoding::Quicklist as u8
    | 1 << Encoding::TableSet as u8
    | 1 << Encoding::Stream as u8
    | 1 << Encoding::ScoredSet as u8;
