//! The Memcached protocols: classic text, meta and binary, all lowered to the rows of
//! [`crate::table::memcached`] with what they say in an [`Item`].

mod item;

pub use item::Item;
