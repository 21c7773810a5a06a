//! What a Memcached request says besides its keys and value.

/// Filled in by the three decoders alike; a field without meaning for a verb is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Client flags to store.
    pub flags: u32,
    /// Expiration time in seconds as the client gave it.
    pub exptime: i64,
    /// The CAS value that must match; 0 where none was asked for.
    pub cas: u64,
    /// Increment or decrement.
    pub delta: u64,
    /// Initial value of an auto-created counter.
    pub initial: u64,
    /// Opaque of a binary request, echoed in its reply.
    pub opaque: u32,
    /// Opcode of a binary request.
    pub opcode: u8,
    /// Quiet or `noreply`: only what the protocol says must be answered is.
    pub quiet: bool,
}

impl Item {
    /// What a RESP request says here: nothing.
    pub const NONE: Self =
        Self { flags: 0, exptime: 0, cas: 0, delta: 0, initial: 0, opaque: 0, opcode: 0, quiet: false };
}
