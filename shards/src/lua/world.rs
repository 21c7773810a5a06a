//! What a Lua state has beside Lua's own values: how the script that runs has set itself up, and what ends it.

use super::libraries::Loading;
use super::random::Random;
use super::state::Kept;
use super::{Limits, json};

/// What ends a script whatever it does to catch errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The host wants it run again, or not at all.
    Aborted,
    /// Somebody has killed it.
    Killed,
    /// A library took too long to load.
    TimedOut,
}

/// See the module.
pub(super) struct World {
    pub(super) limits: Limits,
    /// Whether commands answer in RESP3: `redis.setresp`.
    pub(super) is_resp3: bool,
    pub(super) ending: Option<Ending>,
    /// Where commands write their replies.
    pub(super) output: Vec<u8>,
    pub(super) random: Random,
    pub(super) json: json::Settings,
    /// Scripts that have run.
    pub(super) runs: u32,
    /// The library that is being loaded.
    pub(super) loading: Option<Loading>,
    /// A table with each table that may not be changed, and what is in it.
    pub(super) protected: Option<Kept>,
}

impl World {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            is_resp3: false,
            ending: None,
            output: Vec::new(),
            random: Random::new(),
            json: json::Settings::default(),
            runs: 0,
            loading: None,
            protected: None,
        }
    }
}

/// Bytes of a buffer for replies from which it is not kept for the next.
const OUTPUT_KEPT_BYTES: usize = 64 * 1024;

impl World {
    /// Has the buffer used again.
    pub(super) fn keep_output(&mut self, output: Vec<u8>) {
        if output.capacity() <= OUTPUT_KEPT_BYTES {
            self.output = output;
        }
    }
}

impl World {
    /// Makes a new script find everything as it was.
    pub(super) fn begin(&mut self) {
        self.is_resp3 = false;
        self.ending = None;
    }
}
