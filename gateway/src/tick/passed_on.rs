//! The tick of a shard: requests that gateways have passed on, answered in frames.

use tidegate_protocols::data::{Outcome, Prepared, Worker};
use tidegate_protocols::link::{self, Ask, Tail};
use tidegate_protocols::table::link::Link;
use tidegate_protocols::{Row, Verb};

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
        let ask = self.batch.passed_on(decoded);
        let mark = self.output.len();
        link::begin(&mut self.output);
        let tail = match row.verb {
            _ if self.is_behind(row, &ask) => Some(Tail::Behind),
            Verb::Link(verb) => self.run_errand(verb, decoded, &ask),
            _ if !self.has_keys_of(row, decoded, prepared, ask.epoch) => Some(Tail::Moved),
            _ => match self.execute(row, decoded, prepared) {
                Outcome::Done => Some(Tail::Done),
                Outcome::Failed => Some(Tail::Failed),
                Outcome::Busy => None,
                Outcome::Later(_) | Outcome::Full(_) => unreachable!("a shard has its data itself"),
            },
        };
        let Some(tail) = tail else {
            self.output.truncate(mark);
            return Outcome::Busy;
        };
        if matches!(tail, Tail::Moved | Tail::Behind) {
            self.intake.counters().moved.add(1);
        }
        let long = link::seal(&mut self.output, mark, ask.id, tail);
        if let Some(nanos) = self.watch.take_slow() {
            link::tell_time(&mut self.output, mark, ask.id, nanos);
        }
        if let Some(long) = long {
            self.connection().send_long(long);
        }
        Outcome::Done
    }

    /// Whether the gateway goes by a topology that this shard has not heard of, or has done so before on this link and
    /// does not know yet what was refused for that: nothing may be executed before it.
    fn is_behind(&self, row: &Row, ask: &Ask) -> bool {
        let ahead = &self.connection().session.ahead;
        if ask.again {
            ahead.set(None);
        }
        let Some(holding) = self.holding.as_ref().filter(|_| goes_by_topology(row)) else { return false };
        if holding.epoch < ask.epoch {
            ahead.set(Some(ask.epoch));
        }
        ahead.get() == Some(ask.epoch)
    }

    /// Whether all keys of a request belong to this shard at the epoch by which it was chosen.
    fn has_keys_of(&self, row: &Row, decoded: &Decoded, prepared: Prepared, epoch: u32) -> bool {
        let Some(holding) = &self.holding else { return false };
        if holding.epoch != epoch {
            return false;
        }
        if row.only_key().is_some() {
            return !prepared.keyed || holding.slots.has(prepared.slot);
        }
        holding.has_keys_of(row, &self.batch.args(decoded))
    }
}

/// Whether it matters which topology a request was sent by. Shards tell of themselves by any.
#[inline]
fn goes_by_topology(row: &Row) -> bool {
    match row.verb {
        Verb::Link(verb) => matches!(verb, Link::Transact | Link::Watch),
        _ => true,
    }
}
