//! Which shards a request goes to, and how their answers become one. Pure functions of the row, the arguments and
//! who has which slot.

mod merge;
mod plan;
mod scan;
#[cfg(test)]
mod scan_tests;
#[cfg(test)]
mod tests;

pub use merge::{merge, merge_split};
pub use plan::{Owners, Part, Plan, Shard, plan};
pub use scan::Leg;
