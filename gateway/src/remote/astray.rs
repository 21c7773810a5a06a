//! Requests that a shard has refused because it and this gateway go by different topologies: they are sent again.
//!
//! Nobody hears of a new topology at the same moment. A shard that is ahead of the gateway, and one that has never had
//! the keys, says `Moved`: what it has refused waits for the gateway's next topology. A shard that has not heard of the
//! gateway's topology says `Behind`, and is asked again after a rest. Neither has executed anything, so clients notice
//! nothing but the time it takes, at most the link's deadline. What waits for a link that is down has not even been sent:
//! it goes by the new topology, too.
//!
//! A client's requests for the same keys are executed in its order all the same:
//! * Who says `Moved` does so for everything that was sent by that topology or an older one.
//! * Who says `Behind` refuses everything that comes after it over the same link, until the gateway, which sends nothing
//!   new meanwhile, has heard of it all and says so with the first request that it sends again.
//! * When the gateway's topology changes, nothing new goes to a shard before everything is answered that was sent
//!   earlier to it, and to those whose slots it has now: what they have refused is sent again first.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Instant;

use tidegate_protocols::data::{Answered, Answers, Context, Outcome, Piece, Ticket};
use tidegate_protocols::link::{self as frames, Ask, Tail};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::route::{Plan, plan};
use tidegate_protocols::slot::SLOTS;
use tidegate_protocols::stale::{Stale, Tracker};
use tidegate_protocols::table::link::Link as Verbs;
use tidegate_protocols::table::{Gather, Route};
use tidegate_protocols::topology::Topology;
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Dialect, Error, Request, Verb, Words};
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::gather::{Gathering, How};
use super::link::Link;
use super::lost;
use super::sending::is_harmless;
use super::tickets::Asked;
use super::unanswered::Owner;
use super::worker::RemoteWorker;
use crate::limits::ASK_AGAIN_REST;

/// What a scan says that has nothing more to tell.
const SCAN_OVER: &[u8] = b"*2\r\n$1\r\n0\r\n*0\r\n";

/// What has been refused; see the module.
#[derive(Default)]
pub(super) struct Astray {
    /// In the order in which they are sent again.
    misplaced: Vec<Misplaced>,
    /// When they were sent first, those too that have been sent again and are not answered.
    since: HashMap<Owner, Instant>,
    /// Links on which nothing new is sent, each until everything is answered that was sent over the other.
    unsettled: Vec<(Rc<Link>, Rc<Link>)>,
    /// Some shard is behind.
    has_behind: bool,
}

/// A request that was refused.
pub(super) struct Misplaced {
    owner: Owner,
    frame: Vec<u8>,
    since: Instant,
    /// The shard that has refused it, and how.
    shard: String,
    tail: Tail,
}

impl Astray {
    /// A request was refused that was sent at `since`, or earlier to somebody else.
    pub(super) fn misplaced(
        &mut self,
        owner: Owner,
        (frame, tail): (&[u8], Tail),
        shard: &str,
        since: Instant,
    ) -> Misplaced {
        let since = *self.since.entry(owner).or_insert(since);
        Misplaced { owner, frame: frame.to_vec(), since, shard: shard.to_owned(), tail }
    }

    /// A request was answered.
    #[inline]
    pub(super) fn found(&mut self, owner: Owner) {
        if !self.since.is_empty() {
            self.since.remove(&owner);
        }
    }
}

impl RemoteWorker {
    /// Takes over a new topology, if there is one.
    #[inline]
    pub(super) fn follow_topology(&mut self, answers: &mut Answers<'_>) {
        if let Some(before) = self.topology.catch_up() {
            self.change_topology(&before, answers);
        }
    }

    #[cold]
    fn change_topology(&mut self, before: &Topology, answers: &mut Answers<'_>) {
        self.beside = self.common.beside(&self.topology);
        let old = self.links.clone();
        self.make_links();
        for link in &old {
            for (owner, frame, since) in link.take_unsent() {
                let misplaced = self.astray.misplaced(owner, (&frame, Tail::Moved), &link.name, since);
                self.astray.misplaced.push(misplaced);
            }
        }
        self.hold_successors(before, &old);
        // What clients have read where a slot was, nobody tells them of where it is.
        self.stale.push(Stale::All);
        // Places are others now; whoever waits for a way looks again.
        self.tickets.clear_ways(|_| true, answers);
        for misplaced in std::mem::take(&mut self.astray.misplaced) {
            self.send_again(&misplaced, answers);
        }
    }

    /// Holds the links to shards for whose slots something is on its way that may be refused.
    fn hold_successors(&mut self, before: &Topology, old: &[Rc<Link>]) {
        let is_busy: Vec<_> = old.iter().map(|link| link.waiting() > 0).collect();
        let mut pairs = BTreeSet::new();
        for slot in 0..SLOTS {
            let owners = (self.topology.owners().of(slot), before.owners().of(slot));
            if let (Some(now), Some(then)) = owners
                && is_busy.get(usize::from(then)) == Some(&true)
            {
                pairs.insert((usize::from(now), usize::from(then)));
            }
        }
        for (then, link) in old.iter().enumerate().filter(|(then, _)| is_busy[*then]) {
            let same = self.links.iter().position(|other| Rc::ptr_eq(other, link));
            pairs.extend(same.map(|now| (now, then)));
        }
        self.links.iter().for_each(|link| link.ask_again());
        for (now, then) in pairs {
            self.links[now].hold(true);
            self.astray.unsettled.push((Rc::clone(&self.links[now]), Rc::clone(&old[then])));
        }
    }

    /// What a shard has just refused.
    pub(super) fn see_to_misplaced(&mut self, misplaced: Misplaced, answers: &mut Answers<'_>) {
        let ask = Requests::new(&misplaced.frame).next_with_ask().map(|(_, ask)| ask);
        if ask.is_none_or(|ask| ask.epoch != self.topology.epoch) {
            return self.send_again(&misplaced, answers);
        }
        if misplaced.tail == Tail::Behind
            && let Some(link) = self.links.iter().find(|link| link.name == misplaced.shard)
            && link.falls_behind(self.now)
            && let Some(wake) = self.wake.clone()
        {
            self.astray.has_behind = true;
            spawn_local(async move {
                sleep(ASK_AGAIN_REST).await;
                wake();
            });
        }
        self.astray.misplaced.push(misplaced);
    }

    /// Goes on with what is held, asks again who was behind, and gives up what has been nobody's for too long.
    #[inline]
    pub(super) fn seek(&mut self, answers: &mut Answers<'_>) {
        if !self.astray.unsettled.is_empty() {
            self.settle();
        }
        if self.astray.has_behind {
            self.ask_again(answers);
        }
        if !self.astray.misplaced.is_empty() {
            self.end_misplaced(answers);
        }
    }

    fn settle(&mut self) {
        let unsettled = &mut self.astray.unsettled;
        unsettled.retain(|(_, until)| until.waiting() > 0);
        for link in &self.links {
            link.hold(unsettled.iter().any(|(held, _)| Rc::ptr_eq(held, link)));
        }
    }

    fn ask_again(&mut self, answers: &mut Answers<'_>) {
        self.astray.has_behind = false;
        for place in 0..self.links.len() {
            let link = Rc::clone(&self.links[place]);
            let Some(since) = link.behind_since() else { continue };
            if link.waiting() > 0 || self.now.saturating_duration_since(since) < ASK_AGAIN_REST {
                self.astray.has_behind = true;
                continue;
            }
            link.ask_again();
            let is_its =
                |misplaced: &mut Misplaced| misplaced.tail == Tail::Behind && misplaced.shard == link.name;
            let all: Vec<_> = self.astray.misplaced.extract_if(.., is_its).collect();
            for misplaced in all {
                self.send_again(&misplaced, answers);
            }
        }
    }

    /// Sends a request to whoever has its keys now.
    fn send_again(&mut self, misplaced: &Misplaced, answers: &mut Answers<'_>) {
        let &Misplaced { owner, ref frame, ref shard, .. } = misplaced;
        let mut requests = Requests::new(frame);
        let Some((request, ask)) = requests.next_with_ask() else { return };
        if ask.left > 0 {
            return self.send_each_again(misplaced, answers);
        }
        let Ask { database, no_touch, in_cluster, tracker, .. } = ask;
        let tracker = Tracker { link: 0, client: tracker };
        let context = Context { database, no_touch, in_cluster, tracker, ..Context::default() };
        let (how, places) = match self.plan_again(&request) {
            // All are asked, and this one as the one it is.
            _ if owner.part != Owner::WHOLE && is_for_all(&request) => {
                let Some(place) = self.links.iter().position(|link| link.name == *shard) else {
                    return self.leave_out(owner, &request, frame, answers);
                };
                return self.push_again(place, misplaced, &request, &ask);
            }
            Plan::One(shard) => return self.push_again(usize::from(shard), misplaced, &request, &ask),
            Plan::Split(parts) => {
                let places = parts.iter().map(|part| usize::from(part.shard)).collect();
                (How::Split(request.row.gather, parts), places)
            }
            Plan::Every(gather) => {
                let asked = self.owners(request.row).asked().iter();
                (How::Every(gather), asked.map(|&shard| usize::from(shard)).collect::<Vec<_>>())
            }
            Plan::Scan(leg) => (How::Scan(leg), vec![usize::from(leg.shard)]),
            Plan::CrossSlot => return self.give_up(misplaced, &Error::CrossSlot, answers),
            Plan::Unserved(_) => return self.give_up(misplaced, &Error::Unserved, answers),
            Plan::Incomplete | Plan::Here => unreachable!("it has been sent to a shard before"),
        };
        let within = Some((owner, misplaced.since));
        let since = self.astray.since.remove(&owner);
        if let (Outcome::Later(ticket), Some(since)) =
            (self.ask_them(&request, &context, how, &places, within), since)
        {
            // The time of the whole is that of its parts now.
            let parts = (0..places.len() as u32).map(|part| Owner { ticket: ticket.0, part });
            self.astray.since.extend(parts.map(|part| (part, since)));
        }
    }

    /// Sends the requests of one frame again, each to whoever has its key now.
    fn send_each_again(&mut self, misplaced: &Misplaced, answers: &mut Answers<'_>) {
        let &Misplaced { owner, since, ref frame, ref shard, tail } = misplaced;
        self.astray.since.remove(&owner);
        let mut each = Vec::new();
        let mut requests = Requests::new(frame);
        while let Some((request, ask)) = requests.next_with_ask() {
            let (mut frame, ask) = (Vec::new(), Ask { left: 0, index: 0, ..ask });
            let encoded = frames::encode(&mut frame, &request, &ask);
            debug_assert!(encoded.is_ok(), "it fitted in a frame with others");
            each.push(frame);
        }
        let Some(request) = Requests::new(frame)
            .next_request()
            .map(|request| Gathering::new(How::Run, &request, Vec::new(), each.len()).within(Some(owner)))
        else {
            return;
        };
        let Ticket(ticket) = self.tickets.take_for(Asked::Several(Box::new(request)));
        for (part, frame) in each.into_iter().enumerate() {
            let owner = Owner { ticket, part: part as u32 };
            self.astray.since.insert(owner, since);
            self.send_again(&Misplaced { owner, since, frame, shard: shard.clone(), tail }, answers);
        }
    }

    /// Where a request that has been sent already belongs now.
    fn plan_again(&self, request: &Request<'_>) -> Plan {
        match request.row.verb {
            Verb::Link(_) => self.plan_of_errand(request),
            _ => plan(request, self.owners(request.row)),
        }
    }

    fn push_again(&self, place: usize, misplaced: &Misplaced, request: &Request<'_>, ask: &Ask) {
        let link = &self.links[place];
        link.page.held.add(1);
        let (epoch, again) = (self.topology.epoch, link.take_again());
        let since = link.waits_since(misplaced.since, self.now);
        let sent = link.push(misplaced.owner, is_harmless(request), since, |out, id| {
            frames::encode(out, request, &Ask { id, epoch, again, ..*ask })
        });
        debug_assert!(sent.is_ok(), "it fitted in a frame before");
    }

    /// A shard is not there any more that was asked as one of all: it has nothing to say.
    fn leave_out(&mut self, owner: Owner, request: &Request<'_>, frame: &[u8], answers: &mut Answers<'_>) {
        self.astray.found(owner);
        let bytes = if request.row.gather == Gather::Cursor { SCAN_OVER } else { b"" };
        let (ticket, piece) = (Ticket(owner.ticket), Piece::Done(bytes));
        let answered = Answered { ticket, piece, frame, nanos: 0 };
        self.tickets.answered(owner, &answered, &self.common, answers);
    }

    fn give_up(&mut self, misplaced: &Misplaced, error: &Error, answers: &mut Answers<'_>) {
        let Misplaced { owner, frame, shard, .. } = misplaced;
        self.astray.found(*owner);
        if let Some(Request { row, args, .. }) = Requests::new(frame).next_request()
            && row.verb == Verb::Link(Verbs::Transact)
            && let Some(place) = self.links.iter().position(|link| link.name == *shard)
        {
            let words = Words::new(&[b"unwatch", args.at(1)]);
            let (row, dialect) = (Verbs::Unwatch.row(), Dialect::Resp2);
            self.tell(place as u16, &Request { row, dialect, args: words.args(), item: &Item::NONE });
        }
        self.fail(*owner, frame, error, answers);
    }

    fn end_misplaced(&mut self, answers: &mut Answers<'_>) {
        let (now, patience) = (self.now, self.patience());
        let is_over = |misplaced: &mut Misplaced| now.saturating_duration_since(misplaced.since) >= patience;
        let over: Vec<_> = self.astray.misplaced.extract_if(.., is_over).collect();
        for misplaced in over {
            let reason = match misplaced.tail {
                Tail::Behind => "it has not heard of the topology",
                _ => "it says that the slot is not its own",
            };
            let error = if self.tickets.is_write_of_several(misplaced.owner) {
                lost::in_part(&misplaced.shard)
            } else {
                lost::unreachable(&misplaced.shard, reason)
            };
            self.give_up(&misplaced, &error, answers);
        }
    }
}

/// Whether every shard is asked the same, of which each answers for itself.
fn is_for_all(request: &Request<'_>) -> bool {
    match request.row.verb {
        Verb::Link(verb) => !matches!(verb, Verbs::Transact | Verbs::Watch | Verbs::Unwatch),
        _ => request.row.route == Route::Every,
    }
}
