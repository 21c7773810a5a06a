//! Every limit of the gateway that is not a setting and not of the wire.

use std::time::Duration;

/// Bytes read from a socket at once.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// Bytes to be sent to shards that are little: more is sent together with them, if it comes at once.
pub(crate) const LITTLE_BYTES: usize = 16 * 1024;

/// Bytes of half-received input from which a request leaves the arena for a buffer of its own.
pub(crate) const LARGE_BYTES: usize = 64 * 1024;

/// Bytes of a worker's arena to which it grows: what all its connections may have decoded before one tick.
/// Connections that find less than `LARGE_BYTES + READ_BYTES` free then wait for the tick.
pub(crate) const ARENA_BYTES: usize = 1024 * 1024;

/// Bytes of a worker's arena in the beginning. Workers may be many and memory little.
pub(crate) const ARENA_BYTES_FIRST: usize = LARGE_BYTES + READ_BYTES;

/// Requests that are prepared, fetched and executed together.
pub(crate) const STRETCH: usize = 64;

/// Bytes of output in a worker's buffer from which it is written before the tick has ended.
pub(crate) const OUTPUT_FLUSH_BYTES: usize = 1024 * 1024;

/// Bytes of output waiting for one client from which it is closed, whatever the setting says. Above the longest
/// value and what may wait before it, so that whatever could be stored can be read.
pub(crate) const OUTPUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Bytes of output waiting for one client from which nothing more of it is read or executed.
pub(crate) const OUTPUT_BYTES_SOFT: usize = 1024 * 1024;

/// Long answers that wait on one link take as many bytes as so many values may have at the most (`proto-max-bulk-len`);
/// above that nothing more is executed for the link until one of them is gone.
pub(crate) const LONG_ANSWERS_MAX: usize = 2;

/// Bytes of replies that are put together to be sent to one client at once. More are kept in pieces, as they come.
pub(crate) const READY_BYTES: usize = KEPT_BYTES / 16;

/// How long a client may take nothing of the output that waits for it.
pub(crate) const OUTPUT_STALL: Duration = Duration::from_mins(1);

/// How often to look whether a client that is made to wait is still there.
pub(crate) const HANG_UP_LOOK: Duration = Duration::from_secs(1);

/// Bytes of capacity that buffers of a worker keep from one tick to the next.
pub(crate) const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// How long the acceptor rests when the process has no descriptors left.
pub(crate) const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Bytes of published messages on their way between workers from which no more are published for now.
pub(crate) const INBOXES_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of a message that a shard may tell of.
pub(crate) const SAID_BYTES_MAX: usize = 2 * 1024 * 1024 * 1024;

/// Names in one frame that tells a shard what is listened to.
pub(crate) const NAMES_TOLD: usize = 1000;

/// Most of one round of background work before other tasks run.
pub(crate) const MAINTAIN_SLICE: Duration = Duration::from_millis(1);

/// Part of a worker's time that background work may take when there is more than enough of it.
pub(crate) const MAINTAIN_SHARE: u32 = 4;

/// Requests of one client that may be on their way to shards at once. More wait, and nothing is read meanwhile.
pub(crate) const CLIENT_REQUESTS_MAX: usize = 1024;

/// Requests of one client that may be on their way before anything is known of its replies.
pub(crate) const CLIENT_REQUESTS_FIRST: usize = 2;

/// Requests of one client that may be on their way however long replies are.
pub(crate) const CLIENT_REQUESTS_MIN: usize = 1;

/// Bytes of replies that one client may have to expect at once, as far as can be told from those before.
pub(crate) const CLIENT_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// Places for replies that a client keeps while it has no requests on their way.
pub(crate) const PIPELINE_SLOTS_KEPT: usize = 64;

/// Bytes of requests on one link that are not answered yet, from which no more are sent. One more may be longer.
pub(crate) const LINK_CREDIT_BYTES: usize = 4 * 1024 * 1024;

/// Bytes received on one link that wait for the tick, from which nothing more is read.
pub(crate) const LINK_INBOX_BYTES: usize = 1024 * 1024;

/// How long a shard may take to accept a link and to greet, and a gateway to greet once it is accepted.
pub(crate) const LINK_GREETING_TIME: Duration = Duration::from_secs(5);

/// How long a link waits for older ones of the same process to end, at a shard. Below `LINK_GREETING_TIME`, so that the
/// gateway is told rather than left waiting; it tries again.
pub(crate) const LINK_ENDS_TIME: Duration = Duration::from_secs(3);

/// Processes whose generation of links a shard remembers though they have none. Those that have are as many as there
/// may be connections.
pub(crate) const LINK_PROCESSES_MAX: usize = 1024;

/// How long to rest before the next try to make a link: first, and at the most.
pub(crate) const LINK_REST: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// How long to rest before a shard that has not heard of a topology is asked again.
pub(crate) const ASK_AGAIN_REST: Duration = Duration::from_millis(5);

/// How old the figures of shards may become while nobody asks for them.
pub(crate) const FIGURES_AGE: Duration = Duration::from_secs(1);

/// Clients of other gateways with rules, for whom scripts run here, that are known at one time.
pub(crate) const ACTING_MAX: usize = 4096;

/// Texts of scripts that a gateway in front of shards keeps.
pub(crate) const SCRIPTS_SEEN_MAX: usize = 500;

/// Bytes of all of them.
pub(crate) const SCRIPTS_SEEN_BYTES_MAX: usize = 16 << 20;

/// Bytes of one; those that are longer are not kept.
pub(crate) const SCRIPT_SEEN_BYTES_MAX: usize = 1 << 20;
