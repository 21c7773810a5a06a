//! The tick of a shard: requests that gateways have passed on, answered in frames.

use tidegate_protocols::Row;
use tidegate_protocols::data::{Outcome, Prepared, Worker};
use tidegate_protocols::link::{self, Tail};
use tidegate_protocols::slot::slot_of;

use super::Tick;
use crate::batch::Decoded;

impl<W: Worker> Tick<W> {
    /// Executes a request that a gateway has passed on, if its keys are here.
    pub(super) fn execute_passed_on(
        &mut self,
        row: &'static Row,
        decoded: &Decoded,
        prepared: Prepared,
    ) -> Outcome {
        let link::Ask { id, epoch, .. } = self.batch.passed_on(decoded);
        let mark = self.output.len();
        link::begin(&mut self.output);
        let outcome = if self.has_keys_of(row, decoded, prepared, epoch) {
            self.execute(row, decoded, prepared)
        } else {
            self.intake.counters().moved.add(1);
            link::seal(&mut self.output, mark, id, Tail::Moved);
            return Outcome::Done;
        };
        match outcome {
            Outcome::Done => link::seal(&mut self.output, mark, id, Tail::Done),
            Outcome::Failed => link::seal(&mut self.output, mark, id, Tail::Failed),
            Outcome::Busy => self.output.truncate(mark),
            Outcome::Later(_) | Outcome::Full => unreachable!("a shard has its data itself"),
        }
        outcome
    }

    /// Whether all keys of a request belong to this shard at the epoch by which it was chosen.
    fn has_keys_of(&self, row: &Row, decoded: &Decoded, prepared: Prepared, epoch: u32) -> bool {
        let Some(membership) = &self.intake.shared.membership else { return false };
        if membership.epoch != epoch {
            return false;
        }
        if row.only_key().is_some() {
            return !prepared.keyed || membership.slots.has(prepared.slot);
        }
        let args = self.batch.args(decoded);
        row.keys_of(&args).all(|key| membership.slots.has(slot_of(args.at(key.index))))
    }
}
