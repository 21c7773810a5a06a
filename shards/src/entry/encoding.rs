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
    /// A hash of few short fields and values, in turn.
    PackedHash = Kind::Hash as u8,
    /// Any other hash.
    TableHash = Kind::Hash as u8 | 1 << KIND_BITS,
}

impl Encoding {
    /// All of them.
    const ALL: [Self; 5] = [Self::Int, Self::Embstr, Self::Raw, Self::PackedHash, Self::TableHash];

    /// The name `OBJECT ENCODING` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Embstr => "embstr",
            Self::Raw => "raw",
            Self::PackedHash => "listpack",
            Self::TableHash => "hashtable",
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
const LARGE: u32 = 1 << Encoding::TableHash as u8;
