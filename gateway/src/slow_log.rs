//! The slow log: the last commands that took longer than `slowlog-log-slower-than`.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tidegate_protocols::Args;

/// Arguments kept of a command, the last of them saying how many more there were. Source: Redis
/// `SLOWLOG_ENTRY_MAX_ARGC`.
const ARGUMENTS_MAX: usize = 32;

/// Bytes kept of an argument. Source: Redis `SLOWLOG_ENTRY_MAX_STRING`.
const ARGUMENT_BYTES_MAX: usize = 128;

/// One command that was slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowEntry {
    /// Its number; never used again.
    pub id: u64,
    /// When it ended, in Unix seconds.
    pub unix_s: u64,
    /// How long it took.
    pub micros: u64,
    /// Its arguments, trimmed as Redis trims them.
    pub arguments: Vec<Box<[u8]>>,
    /// The client's address.
    pub address: String,
    /// The client's name; empty if it has none.
    pub name: String,
}

/// Entries, the newest first.
#[derive(Debug, Default)]
pub struct SlowLog {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    entries: VecDeque<SlowEntry>,
}

impl SlowLog {
    /// Adds an entry (its `id` is given here) and drops the oldest beyond `entries_max`.
    pub fn record(&self, mut entry: SlowEntry, entries_max: usize) {
        let mut state = self.state.lock();
        entry.id = state.next_id;
        state.next_id += 1;
        state.entries.push_front(entry);
        state.entries.truncate(entries_max);
    }

    /// The newest `count` entries, the newest first.
    pub fn newest(&self, count: usize) -> Vec<SlowEntry> {
        self.state.lock().entries.iter().take(count).cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.state.lock().entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops all entries; numbers go on.
    pub fn reset(&self) {
        self.state.lock().entries.clear();
    }
}

/// The arguments of a command as the slow log keeps them.
pub(crate) fn trimmed(args: &Args<'_>) -> Vec<Box<[u8]>> {
    let kept = if args.len() > ARGUMENTS_MAX { ARGUMENTS_MAX - 1 } else { args.len() };
    let mut arguments: Vec<Box<[u8]>> = args.iter().take(kept).map(trimmed_argument).collect();
    if kept < args.len() {
        arguments.push(format!("... ({} more arguments)", args.len() - kept).into_bytes().into());
    }
    arguments
}

fn trimmed_argument(argument: &[u8]) -> Box<[u8]> {
    match argument.get(..ARGUMENT_BYTES_MAX) {
        Some(head) if argument.len() > ARGUMENT_BYTES_MAX => {
            let more = format!("... ({} more bytes)", argument.len() - ARGUMENT_BYTES_MAX);
            [head, more.as_bytes()].concat().into()
        }
        _ => argument.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_protocols::Span;

    #[test]
    fn long_commands_are_trimmed_as_redis_trims_them() {
        let bytes = [b'x'; 200];
        let mut spans = vec![Span::new(0, 3); 40];
        spans[1] = Span::new(0, 200);
        let arguments = trimmed(&Args::new(&bytes, &spans));
        assert_eq!(arguments.len(), 32);
        assert_eq!(*arguments[1], [&[b'x'; 128][..], b"... (72 more bytes)"].concat());
        assert_eq!(&*arguments[31], b"... (9 more arguments)");
    }
}
