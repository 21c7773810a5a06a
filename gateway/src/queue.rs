//! What a client has queued between `MULTI` and `EXEC`.

use tidegate_protocols::Request;
use tidegate_protocols::link::{self, Ask};
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::Flags;

/// Bytes that a queued argument counts besides its own. Source: Redis `multi.c`, `queueMultiCommand`.
const ARGUMENT_BYTES: usize = 8;

/// Requests to be executed as one.
#[derive(Debug)]
pub(crate) struct Queue {
    /// The requests as frames, ready to be sent to where they are executed. In what database and language that will
    /// be, only the requests before them can tell.
    pub(crate) frames: Vec<u8>,
    /// How many there are.
    pub(crate) count: usize,
    /// Bytes of them, as Redis counts (`multi-mem`).
    pub(crate) bytes: usize,
    /// The flags of all of them together.
    pub(crate) flags: Flags,
    /// A request was refused, so none will be executed and no more are kept.
    pub(crate) is_spoiled: bool,
    slots: SlotsOfKeys,
}

/// In which slots keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlotsOfKeys {
    None,
    One(u16),
    Several,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            frames: Vec::new(),
            count: 0,
            bytes: 0,
            flags: Flags::NONE,
            is_spoiled: false,
            slots: SlotsOfKeys::None,
        }
    }
}

impl Queue {
    /// Adds a request, unless all is in vain. Returns whether there are no more than `bytes_max` bytes now.
    pub(crate) fn add(&mut self, request: &Request<'_>, bytes_max: usize) -> bool {
        if self.is_spoiled {
            return true;
        }
        self.bytes += request.args.iter().map(|arg| arg.len() + ARGUMENT_BYTES).sum::<usize>();
        let fits =
            self.bytes <= bytes_max && link::encode(&mut self.frames, request, &Ask::default()).is_ok();
        self.count += usize::from(fits);
        self.flags = self.flags.and(request.row.flags);
        for key in request.row.keys_of(&request.args) {
            let slot = slot_of(request.args.at(key.index));
            self.slots = match self.slots {
                SlotsOfKeys::None => SlotsOfKeys::One(slot),
                SlotsOfKeys::One(one) if one == slot => continue,
                SlotsOfKeys::One(_) | SlotsOfKeys::Several => SlotsOfKeys::Several,
            };
        }
        fits
    }

    /// Whether their keys are in more than one slot.
    pub(crate) fn is_spread(&self) -> bool {
        self.slots == SlotsOfKeys::Several
    }

    /// Whether any of them may change data.
    pub(crate) fn writes(&self) -> bool {
        self.flags.0 & Flags::WRITE.and(Flags::MAY_REPLICATE).0 != 0
    }
}
