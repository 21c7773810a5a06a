//! What is deliberately not as in Redis 7.0 or memcached 1.6.18. `COMMANDS.md` lists it; transcripts mark it.

/// One deliberate difference.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The commands it is about, as people write them.
    pub command: &'static str,
    /// What a client sees.
    pub difference: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// All of them, by command. Whoever answers a command adds what differs.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        command: "COMMAND DOCS, COMMAND INFO",
        difference: "Summaries, complexities and notes are worded differently; arguments, versions, flags, \
            keys and tips are those of Redis 7.0.",
        reason: "The texts are our own.",
    },
    Difference {
        command: "COMMAND, COMMAND COUNT, COMMAND LIST",
        difference: "Only commands that are here are listed, in the order of this page.",
        reason: "Clients switch features on by asking.",
    },
    Difference {
        command: "HELP of CLIENT, COMMAND, CONFIG, OBJECT, …",
        difference: "The frame is that of Redis, the sentences are not.",
        reason: "They are made from the command table.",
    },
    Difference {
        command: "Any inline command",
        difference: "A line longer than 64 KiB is always refused. Redis takes it if its end happens to arrive \
            in the same read.",
        reason: "What a request means does not depend on how the network cuts it.",
    },
    Difference {
        command: "Any request",
        difference: "A zero byte in a length line or an inline command is an ordinary byte. Redis does not see \
            the end of such a line and waits.",
        reason: "An error helps more than silence.",
    },
];
