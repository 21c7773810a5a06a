//! What comes back from shards, and what becomes of requests that get no answer.

use std::rc::Rc;
use std::time::Duration;

use tidegate_protocols::Error;
use tidegate_protocols::data::{Answered, Answers, Piece, Ticket};
use tidegate_protocols::link::Tail;
use tidegate_protocols::stale::Told;

use super::link::Link;
use super::lost;
use super::unanswered::{self, Fate, Lost, Owner};
use super::unblocking::tell_unblock;
use super::worker::RemoteWorker;

impl RemoteWorker {
    /// Gives out what has come over one link.
    pub(super) fn collect_from(&mut self, link: &Rc<Link>, answers: &mut Answers<'_>) {
        let now = self.now;
        let (mut misplaced, mut waits, mut told) = (Vec::new(), Vec::new(), Vec::new());
        let result = link.answers(now, |answered| {
            let unanswered::Answered { owner, tail, bytes, frame, nanos } = answered;
            if matches!(tail, Tail::Moved | Tail::Behind) {
                let since = now.checked_sub(Duration::from_nanos(nanos)).unwrap_or(now);
                return misplaced.push(self.astray.misplaced(owner, (frame, tail), &link.name, since));
            }
            if tail == Tail::Said && Told::is_one(bytes) {
                return told.push(bytes.to_vec());
            }
            if tail == Tail::Said {
                return self.heard.push(bytes.to_vec());
            }
            let piece = match tail {
                Tail::Part => Piece::Part(bytes),
                Tail::Failed => {
                    if bytes.starts_with(b"-NOSCRIPT") {
                        link.forget_learned();
                    }
                    Piece::Failed(bytes)
                }
                Tail::Fault => Piece::Fault(bytes),
                Tail::Took => slowness(bytes),
                Tail::Waits => {
                    // It has all the time there is; should it be refused once more, that is another matter.
                    self.astray.found(owner);
                    return waits.push(owner.ticket);
                }
                Tail::Done | Tail::Moved | Tail::Behind | Tail::SaidPart | Tail::Said => Piece::Done(bytes),
            };
            if !matches!(piece, Piece::Fault(_) | Piece::Slow(..)) {
                self.astray.found(owner);
                if !self.called_off.is_empty() {
                    self.called_off.remove(&owner.ticket);
                }
            }
            let answered = Answered { ticket: Ticket(owner.ticket), piece, frame, nanos };
            self.tickets.answered(owner, &answered, &self.common, answers);
        });
        for ticket in waits {
            if self.called_off.contains(&ticket) {
                tell_unblock(link, ticket);
            }
            let (ticket, piece) = (Ticket(ticket), Piece::Waits);
            answers(&Answered { ticket, piece, frame: &[], nanos: 0 });
        }
        let result = result.and_then(|()| told.iter().try_for_each(|bytes| self.take_told(bytes)));
        if let Err(malformed) = result {
            link.cut(&malformed.to_string(), now);
        }
        self.fail_lost(link, answers);
        for misplaced in misplaced {
            self.see_to_misplaced(misplaced, answers);
        }
    }

    /// Answers the requests that have come to nothing with a link.
    fn fail_lost(&mut self, link: &Link, answers: &mut Answers<'_>) {
        for Lost { owner, frame, fate } in link.take_lost() {
            let error = match fate {
                Fate::Unsent if self.tickets.is_write_of_several(owner) => lost::in_part(&link.name),
                Fate::Unsent => lost::unreachable(&link.name, &link.page.reason.lock()),
                Fate::Harmless => lost::unanswered(&link.name),
                Fate::InDoubt => lost::in_doubt(&link.name),
            };
            self.astray.found(owner);
            self.fail(owner, &frame, &error, answers);
        }
    }

    /// Answers a request with an error.
    pub(super) fn fail(&mut self, owner: Owner, frame: &[u8], error: &Error, answers: &mut Answers<'_>) {
        self.called_off.remove(&owner.ticket);
        let bytes = lost::refusal(frame, error);
        let piece = Piece::Broken(&bytes);
        let answered = Answered { ticket: Ticket(owner.ticket), piece, frame, nanos: 0 };
        self.tickets.answered(owner, &answered, &self.common, answers);
    }
}

/// What a shard says with [`Tail::Took`].
#[cold]
fn slowness(bytes: &[u8]) -> Piece<'static> {
    let nanos = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Piece::Slow(nanos, bytes.get(8).copied().unwrap_or_default())
}
