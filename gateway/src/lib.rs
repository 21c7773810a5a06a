//! Who listens to clients: connections, the worker's tick and the connection commands of Tidegate.
//!
//! [`Gateway::start`] is the way in: it listens, and serves any [`tidegate_protocols::data::Data`].
#![forbid(unsafe_code)]

mod acceptor;
mod acl;
mod backlog;
mod batch;
mod beside_scripts;
mod commands;
mod connection;
pub mod counters;
mod decoder;
mod directions;
mod followed;
mod foresight;
mod gate;
mod gateway;
mod generations;
mod greeting;
mod inbox;
mod intake;
pub mod latency;
mod limits;
mod membership;
mod nodes;
mod of_link;
pub mod open_files;
mod outbox;
mod overdue;
mod pieces;
mod pipeline;
mod process;
mod pubsub;
mod queue;
pub mod rates;
pub mod registry;
mod remote;
pub(crate) mod seldom;
mod session;
mod shared;
pub mod slow_log;
mod spare;
mod stream;
mod taken;
mod tick;
mod timing;
mod tracking;
mod unix;
mod users;
mod wake;
mod worker;

pub use acl::User;
pub use commands::REDIS_VERSION;
pub use gateway::{Config, Gateway, Running, StartError};
pub use membership::{Holding, Membership, Seat};
pub use remote::{Remote, ShardReport};
pub use shared::{ConfigFile, Rewrite, Shared};
pub use taken::Taken;
pub use tidegate_protocols::topology::LinkPlace;
pub use unix::UnixPlace;
pub use users::Users;
