//! A worker.

/// What a worker is told by other threads.
#[derive(Debug)]
pub(crate) enum Message {
    /// A client has to be closed.
    Kill(u64),
}
