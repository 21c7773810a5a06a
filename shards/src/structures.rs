//! The structures behind values that are not strings, and nothing of commands: bytes and numbers in, bytes and
//! numbers out.
//!
//! Small values are *packed*: a [`listpack`] or an [`intset`], byte for byte Redis's, edited in place in any
//! [`Buffer`](buffer::Buffer). Large ones are a [`quicklist`] of listpacks, a table of [`members`], and a
//! [`btree`] that keeps those of a sorted set in order.

pub(crate) mod buffer;
pub(crate) mod intset;
pub(crate) mod listpack;
pub(crate) mod quicklist;
