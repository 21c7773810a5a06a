//! Data that lives in shard processes, reached by links.

mod report;

pub use report::ShardReport;
