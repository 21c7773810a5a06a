//! What has been asked and not been answered: the tickets of one worker.

use std::collections::HashMap;

use tidegate_protocols::data::{Answered, Answers, Piece, Ticket};

use super::gather::Gathering;
use super::unanswered::Owner;
use super::{Common, lost};

/// What a ticket is for, if not for a request that goes to one shard as it is: of those nothing has to be known.
#[derive(Debug)]
pub(super) enum Asked {
    /// Several shards.
    Several(Box<Gathering>),
    /// The way to a shard, by the place of its link, to become clear.
    Way(usize),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    /// Numbers that were in use and are not.
    free: Vec<u32>,
    /// How many numbers were ever in use.
    count: u32,
    asked: HashMap<u32, Asked>,
    /// How many are for a way.
    ways: usize,
}

impl Tickets {
    /// A ticket for a request that goes to one shard.
    #[inline]
    pub(super) fn take(&mut self) -> Ticket {
        Ticket(self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        }))
    }

    /// A ticket for something else.
    pub(super) fn take_for(&mut self, asked: Asked) -> Ticket {
        self.ways += usize::from(matches!(asked, Asked::Way(_)));
        let ticket = self.take();
        self.asked.insert(ticket.0, asked);
        ticket
    }

    /// The number of a ticket may be used again. Returns what it was for.
    fn end(&mut self, Ticket(number): Ticket) -> Option<Asked> {
        self.free.push(number);
        let asked = self.asked.remove(&number)?;
        self.ways -= usize::from(matches!(asked, Asked::Way(_)));
        Some(asked)
    }

    /// A ticket for one shard is not needed after all.
    pub(super) fn give_back(&mut self, Ticket(number): Ticket) {
        self.free.push(number);
    }

    /// What is gathered for a request that several shards answer.
    pub(super) fn gathering(&mut self, owner: Owner) -> Option<&mut Gathering> {
        match self.asked.get_mut(&owner.ticket)? {
            Asked::Several(gathering) if owner.part != Owner::WHOLE => Some(gathering),
            Asked::Several(_) | Asked::Way(_) => None,
        }
    }

    /// Whether this is a part of what several shards change.
    pub(super) fn is_write_of_several(&mut self, owner: Owner) -> bool {
        self.gathering(owner).is_some_and(|gathering| gathering.is_write && !gathering.is_run())
    }

    /// Ends the tickets for the ways over links at such places.
    pub(super) fn clear_ways(&mut self, is_clear: impl Fn(usize) -> bool, answers: &mut Answers<'_>) {
        if self.ways == 0 {
            return;
        }
        let of_way =
            self.asked.iter().filter(|(_, asked)| matches!(asked, Asked::Way(place) if is_clear(*place)));
        let tickets: Vec<_> = of_way.map(|(number, _)| Ticket(*number)).collect();
        for ticket in tickets {
            self.end(ticket);
            answers(&Answered { ticket, piece: Piece::Clear, frame: &[], nanos: 0 });
        }
    }

    /// Gives out an answer of one shard, or keeps it until those of the others are there.
    #[inline]
    pub(super) fn answered(
        &mut self,
        owner: Owner,
        answered: &Answered<'_>,
        common: &Common,
        answers: &mut Answers<'_>,
    ) {
        if owner.part != Owner::WHOLE {
            return self.answered_part(owner, answered, common, answers);
        }
        if !matches!(answered.piece, Piece::Part(_) | Piece::Fault(_) | Piece::Slow(..)) {
            self.free.push(owner.ticket);
        }
        answers(answered);
    }

    #[cold]
    fn answered_part(
        &mut self,
        owner: Owner,
        &Answered { ticket, piece, nanos, .. }: &Answered<'_>,
        common: &Common,
        answers: &mut Answers<'_>,
    ) {
        let Some(gathering) = self.gathering(owner) else { return };
        match piece {
            Piece::Part(bytes) | Piece::Done(bytes) | Piece::Failed(bytes) => {
                gathering.add(owner.part, bytes);
            }
            Piece::Broken(bytes) => gathering.say_instead(owner.part, bytes),
            Piece::Slow(nanos, _) => return gathering.slow_nanos = gathering.slow_nanos.max(nanos),
            Piece::Fault(_) | Piece::Clear | Piece::Moved | Piece::Waits => return,
        }
        if let Piece::Failed(error) | Piece::Broken(error) = piece
            && let (true, Some(within)) = (gathering.is_run(), gathering.within)
        {
            let (ticket, piece) = (Ticket(within.ticket), Piece::Fault(error));
            answers(&Answered { ticket, piece, frame: &[], nanos });
        }
        let is_part = matches!(piece, Piece::Part(_));
        if is_part || !gathering.end(matches!(piece, Piece::Failed(_) | Piece::Broken(_))) {
            return;
        }
        let Some(Asked::Several(gathering)) = self.end(ticket) else { return };
        for (name, figures) in gathering.figures() {
            common.keep_figures(name, figures);
        }
        gathering.libraries().for_each(|told| common.libraries.keep(told));
        let frame = &gathering.frame;
        let (bytes, has_failed) = match gathering.merge(fastrand::u64(..)) {
            Ok(merged) => merged,
            Err(part) => (lost::refusal(frame, &lost::senseless(part)), true),
        };
        let piece = if has_failed { Piece::Failed(&bytes) } else { Piece::Done(&bytes) };
        let slow = (gathering.slow_nanos > 0).then_some(Piece::Slow(gathering.slow_nanos, 0));
        for piece in slow.into_iter().chain([piece]) {
            let answered = Answered { ticket, piece, frame, nanos };
            match gathering.within {
                None => answers(&answered),
                Some(owner) => {
                    let answered = Answered { ticket: Ticket(owner.ticket), ..answered };
                    self.answered(owner, &answered, common, answers);
                }
            }
        }
    }
}
