//! The structures behind values that are not strings, and nothing of commands: bytes and numbers in, bytes and
//! numbers out.
//!
//! Small values are *packed*: a [`listpack`] or an [`intset`], byte for byte Redis's, edited in place in any
//! [`Buffer`](buffer::Buffer). A large list is a [`quicklist`] of listpacks, and so is any [`stream`], but by IDs; other large
//! values are a table of [`members`], which a [`btree`] keeps in order if they are [`scored`].

pub(crate) mod btree;
pub(crate) mod buffer;
pub(crate) mod gapped;
pub(crate) mod hyperloglog;
pub(crate) mod intset;
pub(crate) mod listpack;
pub(crate) mod members;
pub(crate) mod ordered;
pub(crate) mod quicklist;
pub(crate) mod scored;
pub(crate) mod stream;
pub(crate) mod ziplist;
pub(crate) mod zipmap;
