//! What Redis tells routers and caches of clients about a command (`tips` of `COMMAND INFO`): whether two
//! servers with the same data would answer the same, whom to ask in a cluster, how to join the answers.

/// Depends on more than the data: time, chance or the server.
pub(super) const VARIES: &[&str] = &["nondeterministic_output"];
/// Elements come in any order.
pub(super) const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];

/// Keys can be shared out; the numbers are added.
pub(super) const SPLIT_SUM: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
/// Keys can be shared out; each must succeed.
pub(super) const SPLIT_ALL: &[&str] = &["request_policy:multi_shard", "response_policy:all_succeeded"];
/// Keys can be shared out; the answers are put in the order of the keys.
pub(super) const SPLIT: &[&str] = &["request_policy:multi_shard"];

/// Every shard is asked; the numbers are added.
pub(super) const SHARDS_LEAST: &[&str] = &["request_policy:all_shards", "response_policy:agg_min"];
/// Every shard is asked, and the answers are added.
pub(super) const SHARDS_SUM: &[&str] = &["request_policy:all_shards", "response_policy:agg_sum"];
/// Every shard is asked; each must succeed.
pub(super) const SHARDS_ALL: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
/// Every shard is asked; of each number the least counts.
pub(super) const SHARDS_AND: &[&str] = &["request_policy:all_shards", "response_policy:agg_logical_and"];
/// Every shard is asked; one of them has to succeed.
pub(super) const SHARDS_ONE: &[&str] = &["request_policy:all_shards", "response_policy:one_succeeded"];
/// Every shard is asked; the elements are put together.
pub(super) const SHARDS_ANY_ORDER: &[&str] = &["request_policy:all_shards", "nondeterministic_output_order"];
/// Every shard is asked; the client has to know what to do with the answers.
pub(super) const SHARDS_SPECIAL: &[&str] =
    &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];
/// The same, as Redis tells it of `RANDOMKEY`.
pub(super) const SHARDS_CHOICE: &[&str] =
    &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"];
/// Shard after shard is asked.
pub(super) const SHARD_BY_SHARD: &[&str] =
    &["nondeterministic_output", "request_policy:special", "response_policy:special"];

/// Every node, replicas too, is asked; each must succeed.
pub(super) const NODES_ALL: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];
/// Every node is asked; the answers vary.
pub(super) const NODES_VARY: &[&str] = &["request_policy:all_nodes", "nondeterministic_output"];
/// Every node is asked; the numbers, always the same, are added.
pub(super) const NODES_ADDED: &[&str] = &["request_policy:all_nodes", "response_policy:agg_sum"];
/// Every node is asked; the numbers are added.
pub(super) const NODES_SUM: &[&str] =
    &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"];
/// Every node is asked; the client has to know what to do with the answers.
pub(super) const NODES_SPECIAL: &[&str] =
    &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];
