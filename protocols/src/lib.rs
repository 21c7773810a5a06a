//! What is said between clients, gateways and shards: bytes, requests, replies and the command table.
//!
//! Nothing here does I/O, reads a clock or allocates per reply. The crate also names the one seam of the
//! system, [`data::Data`]: how a gateway reaches keys, wherever they live.
#![forbid(unsafe_code)]

pub mod acl;
pub mod cursor;
pub mod data;
pub mod error;
pub mod glob;
pub mod limits;
pub mod link;
pub mod memcached;
pub mod messages;
pub mod number;
pub mod reply;
pub mod request;
pub mod resp;
pub mod route;
pub mod script;
pub mod settings;
mod sha;
pub mod slot;
pub mod slots;
pub mod stale;
pub mod table;
pub mod topology;
pub mod transaction;

pub use error::{Error, Fault};
pub use reply::{Dialect, Reply};
pub use request::{Args, Request, Span, Words};
pub use sha::Sha;
pub use slots::Slots;
pub use table::{Row, Verb};
pub use topology::Topology;
