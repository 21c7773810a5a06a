//! Who needs what a script holds: he is told that it is busy, or waits aside until it has ended.

use tidegate_protocols::data::{Answered, Answers, Context, Outcome, Piece, Ticket};
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::Flags;
use tidegate_protocols::{Error, Row};

use crate::partition_set::PartitionSet;
use crate::waiting::Parked;
use crate::worker::StoreWorker;

/// Who needs what a script holds that has run for so many milliseconds waits aside, so that others go on.
const PARKED_AFTER_MS: u64 = 2;

impl StoreWorker {
    /// What becomes of a request that needs something which another worker holds, of these partitions or of all: it is tried
    /// again at once, or, if a script holds them that takes its time, when that has ended or has gone on for too long.
    #[cold]
    pub(crate) fn held_up(&mut self, set: Option<&PartitionSet>, context: &Context) -> Outcome {
        if context.may_wait && self.is_held_for_long(set) {
            return Outcome::Full(self.park(Parked::Behind(set.copied())));
        }
        Outcome::Busy
    }

    /// Whether a script holds any of these partitions, or one at all, that takes its time.
    #[cold]
    pub(crate) fn is_held_for_long(&self, set: Option<&PartitionSet>) -> bool {
        let running = &self.local.shared.scripting.running;
        running.is_held_apart(set) || running.in_the_way(set, self.local.now_ms, PARKED_AFTER_MS).is_some()
    }

    /// Whether a request may be told to wait until it can be executed.
    pub(crate) fn may_park(&self, context: &Context) -> bool {
        context.may_wait && !self.held.is_entered()
    }

    /// Has a request tried again later.
    pub(crate) fn park(&mut self, parked: Parked) -> Ticket {
        self.local.shared.waiting.count_parked(true);
        self.waiting.park(parked)
    }

    /// The error for a request that needs what a script holds that has run for too long.
    #[cold]
    pub(crate) fn busy_error(&self, row: &Row, set: Option<&PartitionSet>) -> Option<Error> {
        self.overdue_error(set).filter(|_| !row.flags.has(Flags::ALLOW_BUSY))
    }

    /// The same whatever is asked.
    pub(crate) fn overdue_error(&self, set: Option<&PartitionSet>) -> Option<Error> {
        let after_ms = self.overdue_after_ms();
        self.local.shared.scripting.running.in_the_way(set, self.local.now_ms, after_ms)
    }

    /// After how many milliseconds a script has run for too long.
    pub(super) fn overdue_after_ms(&self) -> u64 {
        self.local.shared.settings.number(Key::BusyReplyThreshold) as u64
    }

    /// Lets those try again who were held up by a script that has ended, or has gone on for too long.
    pub(crate) fn give_way(&mut self, answers: &mut Answers<'_>) {
        for (ticket, parked) in self.waiting.take_parked() {
            let goes_on_waiting = match &parked {
                Parked::Behind(set) => {
                    self.is_held_for_long(set.as_ref()) && self.overdue_error(set.as_ref()).is_none()
                }
                Parked::LogFull => self.local.shared.log.is_full(),
                Parked::Crowded => !self.local.shared.apart.has_room(),
                Parked::Unwritten => self.local.shared.snapshots.is_full(),
            };
            if goes_on_waiting {
                self.waiting.keep_parked(ticket, parked);
            } else {
                self.local.shared.waiting.count_parked(false);
                self.waiting.end(ticket);
                answers(&Answered { ticket, piece: Piece::Clear, frame: &[], nanos: 0 });
            }
        }
    }
}
