//! What a gateway can tell of its links.

/// One shard as a gateway sees it, over the links of all its workers.
#[derive(Clone, Debug, Default)]
pub struct ShardReport {
    /// Its name in the topology.
    pub name: String,
    /// Where it is reached.
    pub place: String,
    /// Links that are up.
    pub links_up: u64,
    /// Links there should be: one for each worker.
    pub links: u64,
    /// Why the last link that is down is down; empty if none is.
    pub reason: String,
    /// Requests given to its links, also those that never were sent.
    pub requests: u64,
    /// Writes to links: one for all requests of a tick.
    pub batches: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Requests that are not answered yet.
    pub waiting: u64,
    /// Bytes of requests that are not answered yet.
    pub waiting_bytes: u64,
    /// Requests that had to wait because the link was down, full, or the shard said it was not theirs.
    pub held: u64,
    /// Requests sent a second time.
    pub retried: u64,
    /// Requests that ended without anybody knowing whether they were executed.
    pub in_doubt: u64,
    /// Requests that ended with an error because their time was over before they were sent.
    pub refused: u64,
    /// Links made.
    pub connects: u64,
    /// How long answers took, from the tick that sent the request to the tick that had the answer: requests that took
    /// less than 2^n µs, for each n from 0, not cumulative.
    pub latency: [u64; 32],
    /// Sum of those times, in µs.
    pub latency_us: u64,
}
