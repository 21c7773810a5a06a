//! Who holds the data: the partitioned in-memory store of Tidegate.
//!
//! A request arrives through [`StoreWorker`](worker::StoreWorker), which locks its keys; the function of
//! its command works on a [`Db`]. What a command may do to data is exactly what [`Db`] offers. Beneath it,
//! from the largest to the smallest: [`store`], [`partition`], [`table`], [`segment`], [`entry`].
#![deny(unsafe_code)]

pub mod allocator;
mod aof;
mod apart;
mod bitmaps;
mod by_chance;
mod counts;
mod db;
mod diary;
mod digest;
mod entry;
mod entry_mut;
mod events;
mod evict;
mod execute;
mod geo;
mod hash;
mod hashes;
mod held;
mod hyperloglog;
mod keyspace;
mod large;
mod lazyfree;
mod lists;
mod locked;
mod log;
mod lua;
mod memcached;
mod memory;
mod partition;
mod partition_set;
mod rdb;
mod sample;
mod saving;
mod scripting;
mod segment;
mod serve;
mod sets;
mod snapshot;
mod sorted_sets;
mod store;
mod streams;
mod strings;
mod structures;
mod sweep;
mod table;
#[cfg(test)]
mod testing;
mod tracked;
mod unit;
mod view;
mod waiting;
mod walk;
mod watched;
mod word;
mod worker;

pub use allocator::Allocator;
pub use db::{Db, Encoding, EntryRef, Expiry, Kind, Metadata, Text};
pub use entry_mut::EntryMut;
pub use store::Store;
pub use worker::StoreWorker;
