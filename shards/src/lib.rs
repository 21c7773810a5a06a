//! Who holds the data: the partitioned in-memory store of Tidegate.
//!
//! A request arrives through [`StoreWorker`](worker::StoreWorker), which locks its keys; the function of
//! its command works on a [`Db`]. What a command may do to data is exactly what [`Db`] offers. Beneath it,
//! from the largest to the smallest: [`store`], [`partition`], [`table`], [`segment`], [`entry`].
#![deny(unsafe_code)]

pub mod allocator;
mod bitmaps;
mod counts;
mod db;
mod entry;
mod entry_mut;
mod evict;
mod execute;
mod hash;
mod hashes;
mod held;
mod keyspace;
mod large;
mod lazyfree;
mod memcached;
mod memory;
mod partition;
mod sample;
mod segment;
mod store;
mod strings;
#[cfg_attr(not(test), expect(dead_code, reason = "the families of lists, sets and sorted sets come next"))]
mod structures;
mod sweep;
mod table;
#[cfg(test)]
mod testing;
mod unit;
mod view;
mod walk;
mod watched;
mod word;
mod worker;

pub use allocator::Allocator;
pub use db::{Db, Encoding, EntryRef, Expiry, Kind, Metadata, Text};
pub use entry_mut::EntryMut;
pub use store::Store;
pub use worker::StoreWorker;
