//! What a client has queued between `MULTI` and `EXEC`.

use tidegate_protocols::link::{self, Ask};
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::{Flags, Route};
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Request, Row};

/// Bytes that a queued argument counts besides its own. Source: Redis `multi.c`, `queueMultiCommand`.
const ARGUMENT_BYTES: usize = 8;

/// Requests to be executed as one.
#[derive(Debug, Default)]
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
    /// Some of them may change data.
    pub(crate) writes: bool,
    /// The gateway answers some of them itself.
    pub(crate) has_own: bool,
    /// The first of them that runs a script.
    pub(crate) script: Option<&'static Row>,
    /// A request was refused, so none will be executed and no more are kept.
    pub(crate) is_spoiled: bool,
    /// Whether they have been looked at again, as their user may not do everything.
    pub(crate) is_checked: bool,
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
        self.has_own |= request.row.route == Route::Gateway;
        self.script = self.script.or(Some(request.row).filter(|row| row.runs_scripts()));
        fits
    }

    /// The slot of the first key, if there is one, and whether all others are in it too. Looks at every request.
    pub(crate) fn slot(&self) -> Option<(u16, bool)> {
        let mut requests = Requests::new(&self.frames);
        let mut first = None;
        while let Some(Request { row, args, .. }) = requests.next_request() {
            let mut slots = row.keys_of(&args).map(|key| slot_of(args.at(key.index)));
            if slots.any(|slot| *first.get_or_insert(slot) != slot) {
                return first.map(|slot| (slot, false));
            }
        }
        first.map(|slot| (slot, true))
    }
}
