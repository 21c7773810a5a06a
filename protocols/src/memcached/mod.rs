//! The Memcached protocols: classic text, meta and binary, all lowered to the rows of
//! [`crate::table::memcached`] with what they say in an [`Item`].

mod base64;
mod item;
mod number;
mod status;

pub use item::{Item, Options};
pub use status::Status;
