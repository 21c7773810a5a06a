//! What is sent, and to which shards.

use std::time::Instant;

use tidegate_protocols::data::{Context, Outcome};
use tidegate_protocols::link::{self as frames, Ask};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::route::{Part, Plan, Shard};
use tidegate_protocols::table::link::Link as Verbs;
use tidegate_protocols::table::memcached::Memcached;
use tidegate_protocols::table::{Flags, Row};
use tidegate_protocols::{Dialect, Error, Reply, Request, Verb, Words};

use super::gather::{Gathering, How};
use super::lost;
use super::tickets::Asked;
use super::unanswered::Owner;
use super::worker::RemoteWorker;
use crate::limits::LARGE_BYTES;

/// What `mg` is that changes nothing else.
const MG: Verb = Verb::Memcached(Memcached::Get);

/// Which request goes where, and for whom.
#[derive(Clone, Copy)]
struct Delivery<'a> {
    place: usize,
    owner: Owner,
    context: &'a Context,
    /// Of its only key.
    slot: Option<u16>,
    /// When it came.
    since: Instant,
}

impl RemoteWorker {
    /// Sends a request to one shard.
    #[inline]
    fn send(&mut self, request: &Request<'_>, delivery: Delivery<'_>) -> Result<(), frames::Malformed> {
        let Delivery { place, owner, context, slot, since } = delivery;
        let &Context { database, no_touch, in_cluster, .. } = context;
        let may_wait = context.may_wait && request.row.flags.has(Flags::BLOCKING);
        let acts_under_rules = context.is_restricted && may_run_scripts(request.row);
        let client =
            if may_wait || acts_under_rules && request.row.runs_scripts() { context.client_id } else { 0 };
        if acts_under_rules {
            self.tell_rules(place, context.client_id);
        }
        let epoch = self.topology.epoch;
        let link = &self.links[place];
        let again = link.take_again();
        link.push(owner, is_harmless(request), since, |out, id| {
            let (index, left) = (0, 0);
            let tracker = context.tracker.client;
            let ask =
                Ask { id, epoch, database, no_touch, in_cluster, again, slot, client, tracker, index, left };
            frames::encode(out, request, &ask)
        })
    }

    /// Tells a shard what scripts may do that it is asked for next. A shard that has not been told lets them do nothing.
    #[cold]
    fn tell_rules(&mut self, place: usize, client: u64) {
        if let Some((_, words)) = self.acting.take_if(|(of, _)| *of == client) {
            let words: Vec<&[u8]> = words.args().iter().collect();
            self.tell_words(Verbs::Rules, place, &words);
        }
    }

    /// Asks one shard, and says so.
    #[inline]
    pub(super) fn ask(
        &mut self,
        place: usize,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
        slot: Option<u16>,
    ) -> Outcome {
        if !self.links[place].is_clear()
            && let Some(outcome) = self.hindrance(place, request, reply)
        {
            return outcome;
        }
        self.last_place = place;
        let ticket = self.tickets.take();
        let owner = Owner { ticket: ticket.0, part: Owner::WHOLE };
        match self.send(request, Delivery { place, owner, context, slot, since: self.now }) {
            Ok(()) => Outcome::Later(ticket),
            Err(malformed) => {
                self.tickets.give_back(ticket);
                refused(request, &unfit(&malformed), reply)
            }
        }
    }

    /// Tells one shard something whose answer nobody waits for.
    pub(super) fn tell(&mut self, shard: Shard, request: &Request<'_>) {
        let (place, owner, context) = (usize::from(shard), Owner::NOBODY, &Context::default());
        let delivery = Delivery { place, owner, context, slot: None, since: self.now };
        let sent = self.send(request, delivery);
        debug_assert!(sent.is_ok(), "what gateways say of themselves is short");
    }

    /// Why nothing can be sent to a shard now, if something is in the way.
    #[inline]
    fn hindrance(&mut self, place: usize, request: &Request<'_>, reply: &mut Reply<'_>) -> Option<Outcome> {
        let link = &self.links[place];
        if link.is_full() {
            link.page.held.add(1);
            return Some(Outcome::Full(self.tickets.take_for(Asked::Way(place))));
        }
        let down_for = link.down_for(self.now)?;
        if down_for < self.patience() {
            link.page.held.add(1);
            return None;
        }
        link.page.refused.add(1);
        let error = lost::unreachable(&link.name, &link.page.reason.lock());
        Some(refused(request, &error, reply))
    }

    /// Asks several shards.
    fn ask_several(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
        how: How,
        places: &[usize],
    ) -> Outcome {
        for &place in places {
            if let Some(outcome) = self.hindrance(place, request, reply) {
                return outcome;
            }
        }
        self.ask_them(request, context, how, places, None)
    }

    /// Asks several shards, whatever is on its way to them. What they say together is the answer to the part `within`, if
    /// that is given, which came at that time.
    pub(super) fn ask_them(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        how: How,
        places: &[usize],
        within: Option<(Owner, Instant)>,
    ) -> Outcome {
        let parts = match &how {
            How::Split(_, parts) => parts.clone(),
            How::Every(_) | How::Scan(_) | How::Figures(_) | How::Libraries | How::Run => Vec::new(),
        };
        let mut frame = Vec::new();
        if request.args.iter().map(<[u8]>::len).sum::<usize>() <= LARGE_BYTES {
            let &Context { database, no_touch, in_cluster, tracker, .. } = context;
            let ask = Ask { database, no_touch, in_cluster, tracker: tracker.client, ..Ask::default() };
            // It is only for people to look at, so one that fits in no frame may be missing.
            let _ = frames::encode(&mut frame, request, &ask);
        }
        let gathering =
            Gathering::new(how, request, frame, places.len()).within(within.map(|(owner, _)| owner));
        let ticket = self.tickets.take_for(Asked::Several(Box::new(gathering)));
        for (part, &place) in places.iter().enumerate() {
            let owner = Owner { ticket: ticket.0, part: part as u32 };
            let since = within.map_or(self.now, |(_, since)| self.links[place].waits_since(since, self.now));
            let delivery = Delivery { place, owner, context, slot: None, since };
            let mut spans = std::mem::take(&mut self.spans);
            let sent = match parts.get(part) {
                Some(part) => self.send(&part.request(request, &mut spans), delivery),
                None => self.send(request, delivery),
            };
            spans.clear();
            self.spans = spans;
            if let Err(malformed) = sent {
                // A part is shorter than the whole, which was read: only very many short arguments do not fit.
                self.end_part(owner, &unfit(&malformed), request);
            }
        }
        Outcome::Later(ticket)
    }

    /// One part of a request has come to nothing.
    fn end_part(&mut self, owner: Owner, error: &Error, request: &Request<'_>) {
        if let Some(gathering) = self.tickets.gathering(owner) {
            let mut bytes = Vec::new();
            lost::refuse(request, error, &mut Reply::new(&mut bytes, request.dialect));
            gathering.add(owner.part, &bytes);
            gathering.end(true);
        }
    }

    /// Executes what goes to more than one shard, or to none.
    #[cold]
    pub(super) fn execute_apart(
        &mut self,
        plan: Plan,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        match plan {
            Plan::One(shard) => {
                if matches!(request.row.verb, Verb::Scripting(_)) {
                    self.see_script(request, Some(usize::from(shard)));
                }
                self.ask(usize::from(shard), request, context, reply, None)
            }
            Plan::Split(parts) => {
                let places: Vec<_> = parts.iter().map(|part: &Part| usize::from(part.shard)).collect();
                let how = How::Split(request.row.gather, parts);
                self.ask_several(request, context, reply, how, &places)
            }
            Plan::Scan(leg) => {
                let place = usize::from(leg.shard);
                self.ask_several(request, context, reply, How::Scan(leg), &[place])
            }
            Plan::Every(gather) => {
                if matches!(request.row.verb, Verb::Scripting(_)) {
                    self.see_script(request, None);
                }
                let asked = self.owners(request.row).asked().iter();
                let places: Vec<_> = asked.map(|&shard| usize::from(shard)).collect();
                self.ask_several(request, context, reply, How::Every(gather), &places)
            }
            Plan::Incomplete => refused(request, &lost::incomplete(request.row), reply),
            Plan::CrossSlot => refused(request, &Error::CrossSlot, reply),
            Plan::Unserved(_) => refused(request, &Error::Unserved, reply),
            Plan::Here => unreachable!("{} is answered by the gateway itself", request.row.name),
        }
    }

    /// The places of all shards.
    fn everyone(&self) -> std::ops::Range<usize> {
        0..self.links.len()
    }

    /// The places of all but those whose links are lost: they hear of changes later, and have no figures.
    pub(super) fn present(&self) -> Vec<usize> {
        self.everyone().filter(|&place| !self.links[place].is_lost()).collect()
    }

    /// Asks all shards for something that no client has asked for in so many words.
    pub(super) fn ask_all(&mut self, row: &'static Row, words: &[&[u8]], how: How) -> Outcome {
        let words = Words::new(words);
        let request = Request { row, dialect: Dialect::Resp2, args: words.args(), item: &Item::NONE };
        let places = self.present();
        if places.is_empty() {
            return Outcome::Done;
        }
        self.ask_them(&request, &Context::default(), how, &places, None)
    }
}

/// Whether scripts may run in a request.
#[inline]
fn may_run_scripts(row: &Row) -> bool {
    row.runs_scripts() || row.verb == Verb::Link(Verbs::Transact)
}

/// Whether a request may be executed twice. `mg` may not, though it reads: of a stale item the first to ask is told to
/// make it anew (`W`), and everybody after that somebody does, so if its answer is lost nobody would.
#[inline]
pub(super) fn is_harmless(request: &Request<'_>) -> bool {
    let may_be_told = request.dialect == Dialect::MemcachedMeta && request.row.verb == MG;
    request.row.flags.has(Flags::READONLY) && !may_be_told
}

/// The error of a request that fits in no frame.
fn unfit(malformed: &frames::Malformed) -> Error {
    Error::Composed(format!("ERR {malformed}").into_bytes().into())
}

/// Writes an error.
pub(super) fn refused(request: &Request<'_>, error: &Error, reply: &mut Reply<'_>) -> Outcome {
    lost::refuse(request, error, reply);
    Outcome::Failed
}
