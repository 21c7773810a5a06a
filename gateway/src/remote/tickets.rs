//! What has been asked and not been answered: the tickets of one worker.

use tidegate_protocols::data::{Answers, Piece, Ticket};

use super::gather::Gathering;
use super::link::Owner;
use super::{Common, lost};

/// What a ticket is for.
#[derive(Debug)]
pub(super) enum Asked {
    /// One shard.
    One,
    /// Several.
    Several(Box<Gathering>),
    /// The way to a shard, by the place of its link, to become clear.
    Way(usize),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    asked: Vec<Option<Asked>>,
    free: Vec<u32>,
    /// How many are for a way.
    ways: usize,
}

impl Tickets {
    #[inline]
    pub(super) fn take(&mut self, asked: Asked) -> Ticket {
        self.ways += usize::from(matches!(asked, Asked::Way(_)));
        match self.free.pop() {
            Some(number) => {
                self.asked[number as usize] = Some(asked);
                Ticket(number)
            }
            None => {
                self.asked.push(Some(asked));
                Ticket(self.asked.len() as u32 - 1)
            }
        }
    }

    /// What the ticket was for; its number may be used again.
    #[inline]
    pub(super) fn end(&mut self, Ticket(number): Ticket) -> Option<Asked> {
        let asked = self.asked.get_mut(number as usize)?.take()?;
        self.free.push(number);
        self.ways -= usize::from(matches!(asked, Asked::Way(_)));
        Some(asked)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Asked> {
        self.asked.get_mut(number as usize)?.as_mut()
    }

    /// Whether this is a part of what several shards change.
    pub(super) fn is_write_of_several(&mut self, owner: Owner) -> bool {
        matches!(self.get_mut(owner.ticket), Some(Asked::Several(gathering)) if gathering.is_write)
    }

    /// Whether anybody waits for a way.
    pub(super) fn has_ways(&self) -> bool {
        self.ways > 0
    }

    /// Gives out an answer of one shard, or keeps it until those of the others are there.
    #[inline]
    pub(super) fn answered(
        &mut self,
        owner: Owner,
        piece: Piece<'_>,
        frame: &[u8],
        common: &Common,
        answers: &mut Answers<'_>,
    ) {
        let ticket = Ticket(owner.ticket);
        let is_part = matches!(piece, Piece::Part(_));
        match self.get_mut(owner.ticket) {
            Some(Asked::One) => {
                if !is_part {
                    self.end(ticket);
                }
                answers(ticket, piece, frame);
            }
            Some(Asked::Several(gathering)) => {
                let (Piece::Part(bytes) | Piece::Done(bytes) | Piece::Failed(bytes)) = piece else { return };
                gathering.add(owner.part, bytes);
                if !is_part && gathering.end(matches!(piece, Piece::Failed(_))) {
                    self.gathered(ticket, common, answers);
                }
            }
            // Whoever asked has been answered with an error meanwhile.
            Some(Asked::Way(_)) | None => {}
        }
    }

    /// Gives out what the answers of several shards say together.
    #[cold]
    fn gathered(&mut self, ticket: Ticket, common: &Common, answers: &mut Answers<'_>) {
        let Some(Asked::Several(gathering)) = self.end(ticket) else { return };
        for (name, figures) in gathering.figures() {
            common.keep_figures(name, figures);
        }
        match gathering.merge(fastrand::u64(..)) {
            Ok((bytes, false)) => answers(ticket, Piece::Done(&bytes), &gathering.frame),
            Ok((bytes, true)) => answers(ticket, Piece::Failed(&bytes), &gathering.frame),
            Err(part) => {
                let bytes = lost::refusal(&gathering.frame, &lost::senseless(part));
                answers(ticket, Piece::Failed(&bytes), &gathering.frame);
            }
        }
    }

    /// Those that wait for the way over the link at `place`.
    pub(super) fn of_way(&self, place: usize) -> Vec<Ticket> {
        let all = self.asked.iter().enumerate();
        let of_way = all.filter(|(_, asked)| matches!(asked, Some(Asked::Way(way)) if *way == place));
        of_way.map(|(number, _)| Ticket(number as u32)).collect()
    }
}
