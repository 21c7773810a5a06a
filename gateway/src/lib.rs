//! Who listens to clients: connections, the worker's tick and the connection commands of Tidegate.
#![forbid(unsafe_code)]

mod commands;
pub mod counters;
pub mod latency;
mod process;
pub mod rates;
pub mod registry;
mod session;
mod shared;
pub mod slow_log;
mod worker;

pub use shared::{ConfigFile, Shared};
