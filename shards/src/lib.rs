//! Who holds the data: the partitioned in-memory store of Tidegate.
//!
//! A request arrives through [`Worker`], its keys are locked by [`execute`], and the function of its
//! command works on a [`Db`]. What a command may do to data is exactly what [`Db`] offers.
#![deny(unsafe_code)]

mod bitmaps;
mod db;
mod execute;
mod integer;
mod keyspace;
mod memcached;
mod store;
mod strings;
mod table;
#[cfg(test)]
mod testing;

pub use db::{Db, Encoding, EntryRef, Expiry, Kind, Metadata, Text};
pub use store::{Store, StoreWorker};
