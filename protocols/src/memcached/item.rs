//! What a Memcached request says besides its key, its value and its flags to echo.

use super::Status;
use crate::reply::Dialect;

/// Filled in by the three decoders alike; a field without meaning for a verb is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Client flags to store.
    pub flags: u32,
    /// Expiration time in seconds as the client gave it (see [`super::deadline_ms`]).
    pub exptime: i64,
    /// The CAS value that must match, or the one a refusal is about; see [`Options::HAS_CAS`].
    pub cas: u64,
    /// Increment or decrement; megabytes of `cache_memlimit`.
    pub delta: u64,
    /// Initial value of an auto-created counter.
    pub initial: u64,
    /// Expiration time of an item created because it was missing (meta `N`, binary increments).
    pub vivify_exptime: i64,
    /// The client is told to recache items that have less than this to live (meta `R`), in seconds.
    pub recache_exptime: i32,
    /// Opaque of a binary request, echoed in its reply.
    pub opaque: u32,
    /// What else is asked for.
    pub options: Options,
    /// Opcode of a binary request.
    pub opcode: u8,
    /// Quiet or `noreply`: only what the protocol says must be answered is.
    pub quiet: bool,
    /// The answer, where the decoder already knows it.
    pub status: Status,
}

impl Item {
    /// What a RESP request says here: nothing.
    pub const NONE: Self = Self {
        flags: 0,
        exptime: 0,
        cas: 0,
        delta: 0,
        initial: 0,
        vivify_exptime: 0,
        recache_exptime: 0,
        opaque: 0,
        options: Options::NONE,
        opcode: 0,
        quiet: false,
        status: Status::Ok,
    };

    /// What is left of a request whose answer is known: whom it goes to, and whether it may be left out.
    /// Mistakes of meta commands are always told.
    pub(super) fn answered(&self, status: Status, dialect: Dialect) -> Self {
        let options = Options(self.options.0 & Options::CLOSE.0);
        let quiet = self.quiet && dialect == Dialect::MemcachedText;
        Self { opaque: self.opaque, opcode: self.opcode, options, quiet, status, ..Self::NONE }
    }

    /// Whether all of `options` are asked for.
    #[inline]
    pub fn has(&self, options: Options) -> bool {
        self.options.0 & options.0 == options.0
    }
}

/// A set of things a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options(pub u16);

impl Options {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// The value is wanted (meta `v`).
    pub const VALUE: Self = Self(1);
    /// The CAS value is wanted (`gets`, `gats`).
    pub const CAS: Self = Self(1 << 1);
    /// The key is wanted (binary `GETK` and its like).
    pub const KEY: Self = Self(1 << 2);
    /// `END` follows: the last key of a `get` line.
    pub const LAST: Self = Self(1 << 3);
    /// A CAS value was given that must match (`cas`, meta `C`, binary header).
    pub const HAS_CAS: Self = Self(1 << 4);
    /// A new expiration time was given (`gat`, meta `T`).
    pub const EXPTIME: Self = Self(1 << 5);
    /// Create the item if it is missing (meta `N`, binary increments).
    pub const VIVIFY: Self = Self(1 << 6);
    /// Tell one client to recache an item near its end (meta `R`).
    pub const RECACHE: Self = Self(1 << 7);
    /// Mark as stale instead of deleting; accept an older CAS (meta `I`).
    pub const INVALIDATE: Self = Self(1 << 8);
    /// The read leaves no trace (meta `u`).
    pub const NO_UPDATE: Self = Self(1 << 9);
    /// The key came in base64 and is echoed so (meta `b`).
    pub const BASE64: Self = Self(1 << 10);
    /// The connection is closed after the answer.
    pub const CLOSE: Self = Self(1 << 11);

    /// Adds `other`.
    #[inline]
    pub fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
