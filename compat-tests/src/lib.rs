//! Everything that looks at Tidegate from outside: transcripts, real clients, hostile input, benchmarks.
//!
//! Nothing here links to the server. It is started as a program, next to the real redis-server and memcached,
//! and all of them are asked the same things over sockets.
#![forbid(unsafe_code)]

pub mod answer;
pub mod by_chance;
pub mod form;
pub mod install;
pub mod kept;
pub mod load;
pub mod machine;
pub mod nodes;
pub mod port;
pub mod server;
pub mod shard;
pub mod transcript;
pub mod wire;
