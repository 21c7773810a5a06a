//! One worker's way to shard processes: what is sent where, and what comes back.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_protocols::data::{Answered, Answers, Chore, Context, Outcome, Piece, Prepared, Ticket, Worker};
use tidegate_protocols::link::{self as frames, Ask, Tail};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::route::{Owners, Part, Plan, Shard, plan};
use tidegate_protocols::settings::Key;
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::link::Link as Verbs;
use tidegate_protocols::table::memcached::Memcached;
use tidegate_protocols::table::{Flags, Gather, Row};
use tidegate_protocols::topology::Topology;
use tidegate_protocols::transaction::{Entered, Transaction, Watches};
use tidegate_protocols::{Args, Dialect, Error, Reply, Request, Span, Verb, Words};

use super::astray::Astray;
use super::gather::{Gathering, How};
use super::link::Link;
use super::tickets::{Asked, Tickets};
use super::unanswered::{self, Fate, Lost, Owner};
use super::upkeep::settings_words;
use super::{Common, lost};
use crate::followed::Followed;
use crate::limits::{FIGURES_AGE, LARGE_BYTES};

/// What `mg` is that changes nothing else.
const MG: Verb = Verb::Memcached(Memcached::Get);

/// See the module.
pub struct RemoteWorker {
    pub(super) common: Arc<Common>,
    index: usize,
    pub(super) topology: Followed<Topology>,
    /// Who is asked about the whole keyspace by clients of a cluster.
    pub(super) beside: Option<Owners>,
    /// In the order of the topology's shards.
    pub(super) links: Vec<Rc<Link>>,
    /// Links to shards that are not in the topology any more, until all is answered.
    pub(super) retired: Vec<Rc<Link>>,
    pub(super) tickets: Tickets,
    pub(super) astray: Astray,
    pub(super) wake: Option<Rc<dyn Fn()>>,
    pub(super) now: Instant,
    pub(super) looked_after: Instant,
    /// It had not looked after the links for long when it last did.
    pub(super) has_stood_still: bool,
    asked_for_figures: Instant,
    spans: Vec<Span>,
}

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
    pub(super) fn new(common: Arc<Common>, index: usize) -> Self {
        let topology = Followed::new(&common.seat.topology);
        let now = Instant::now();
        Self {
            beside: common.beside(&topology),
            common,
            index,
            topology,
            links: Vec::new(),
            retired: Vec::new(),
            tickets: Tickets::default(),
            astray: Astray::default(),
            wake: None,
            now,
            looked_after: now,
            has_stood_still: false,
            asked_for_figures: now,
            spans: Vec::new(),
        }
    }

    /// How long a request may take.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.common.settings.number(Key::LinkTimeout) as u64)
    }

    /// Who has which slots, and who is asked about all of them: clients of a cluster ask each of its nodes, but clients
    /// of Memcached know of none.
    pub(super) fn owners(&self, row: &Row) -> &Owners {
        self.beside.as_ref().filter(|_| row.is_redis()).unwrap_or(self.topology.owners())
    }

    /// Sends a request to one shard.
    #[inline]
    fn send(&mut self, request: &Request<'_>, delivery: Delivery<'_>) -> Result<(), frames::Malformed> {
        let Delivery { place, owner, context, slot, since } = delivery;
        let &Context { database, no_touch, in_cluster, .. } = context;
        let epoch = self.topology.epoch;
        let link = &self.links[place];
        let again = link.take_again();
        link.push(owner, is_harmless(request), since, |out, id| {
            frames::encode(out, request, &Ask { id, epoch, database, no_touch, in_cluster, again, slot })
        })
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
        let ticket = self.tickets.take();
        let owner = Owner { ticket: ticket.0, part: Owner::WHOLE };
        match self.send(request, Delivery { place, owner, context, slot, since: self.now }) {
            Ok(()) => Outcome::Later(ticket),
            Err(malformed) => {
                self.tickets.give_back(ticket);
                refused(request, &Error::Composed(format!("ERR {malformed}").into_bytes().into()), reply)
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
            How::Every(_) | How::Scan(_) | How::Figures(_) => Vec::new(),
        };
        let mut frame = Vec::new();
        if request.args.iter().map(<[u8]>::len).sum::<usize>() <= LARGE_BYTES {
            let &Context { database, no_touch, in_cluster, .. } = context;
            let ask = Ask { database, no_touch, in_cluster, ..Ask::default() };
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
                let error = Error::Composed(format!("ERR {malformed}").into_bytes().into());
                self.end_part(owner, &error, request);
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
    fn execute_apart(
        &mut self,
        plan: Plan,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        match plan {
            Plan::One(shard) => self.ask(usize::from(shard), request, context, reply, None),
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
    fn present(&self) -> Vec<usize> {
        self.everyone().filter(|&place| !self.links[place].is_lost()).collect()
    }

    /// Asks all shards for something that no client has asked for in so many words.
    fn ask_all(&mut self, row: &'static Row, words: &[&[u8]], how: How) -> Outcome {
        let words = Words::new(words);
        let request = Request { row, dialect: Dialect::Resp2, args: words.args(), item: &Item::NONE };
        let places = self.present();
        if places.is_empty() {
            return Outcome::Done;
        }
        self.ask_them(&request, &Context::default(), how, &places, None)
    }
}

/// Whether a request may be executed twice. `mg` may not, though it reads: of a stale item the first to ask is told to
/// make it anew (`W`), and everybody after that somebody does, so if its answer is lost nobody would.
#[inline]
pub(super) fn is_harmless(request: &Request<'_>) -> bool {
    let may_be_told = request.dialect == Dialect::MemcachedMeta && request.row.verb == MG;
    request.row.flags.has(Flags::READONLY) && !may_be_told
}

/// Writes an error.
pub(super) fn refused(request: &Request<'_>, error: &Error, reply: &mut Reply<'_>) -> Outcome {
    lost::refuse(request, error, reply);
    Outcome::Failed
}

impl Worker for RemoteWorker {
    const ANSWERS_LATER: bool = true;

    fn attach(&mut self, wake: Rc<dyn Fn()>) {
        self.wake = Some(wake);
        self.make_links();
    }

    #[inline]
    fn begin(&mut self, _now_ms: u64) {
        self.now = Instant::now();
        self.keep_generation();
        self.look_after_links();
    }

    /// Nothing of a key is known here but its slot, which is looked for when the request is planned.
    fn prepare(&mut self, _: &Row, _: &Args<'_>, _: u8, _: Option<u16>) -> Prepared {
        Prepared::default()
    }

    fn fetch(&mut self, _prepared: &[Prepared]) {}

    #[inline]
    fn execute(
        &mut self,
        request: &Request<'_>,
        _prepared: Prepared,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        if let Some(key) = request.row.only_key() {
            let slot = slot_of(request.args.at(key));
            if let Some(shard) = self.topology.owners().of(slot) {
                return self.ask(usize::from(shard), request, context, reply, Some(slot));
            }
        }
        let plan = plan(request, self.owners(request.row));
        self.execute_apart(plan, request, context, reply)
    }

    /// Shards see to their memory themselves, and refuse what does not fit.
    fn make_room(&mut self) -> bool {
        true
    }

    fn watch(
        &mut self,
        watches: &mut Watches,
        before: &Watches,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        self.send_watch(watches, before, context, reply)
    }

    fn unwatch(&mut self, client_id: u64, watches: &Watches) {
        self.send_unwatch(client_id, watches);
    }

    fn enter(&mut self, transaction: &Transaction<'_>) -> Entered {
        self.send_transaction(transaction)
    }

    fn leave(&mut self) {}

    #[inline]
    fn finish(&mut self) {
        for link in self.links.iter().chain(&self.retired) {
            // Of a link that is lost, its task tells.
            let _ = link.flush();
        }
    }

    fn see_to(&mut self, chore: Chore<'_>) -> Outcome {
        let row = |verb: Verbs| verb.row();
        match chore {
            Chore::Figures => {
                self.asked_for_figures = self.now;
                let names = self.present().iter().map(|&place| self.links[place].name.clone()).collect();
                self.ask_all(row(Verbs::Figures), &[b"figures"], How::Figures(names))
            }
            Chore::ResetFigures => {
                self.ask_all(row(Verbs::ResetFigures), &[b"reset-figures"], How::Every(Gather::Agree))
            }
            Chore::Purge => self.ask_all(row(Verbs::Purge), &[b"purge"], How::Every(Gather::Agree)),
            Chore::Configure(keys) => {
                let keys: Vec<_> = keys.iter().copied().filter(|key| key.concerns_store()).collect();
                if keys.is_empty() {
                    return Outcome::Done;
                }
                self.common.changed.lock().extend(keys.iter().copied());
                let words = settings_words(&self.common, &keys);
                let words: Vec<_> = words.iter().map(String::as_bytes).collect();
                self.ask_all(row(Verbs::Configure), &words, How::Every(Gather::Agree))
            }
        }
    }

    fn collect(&mut self, answers: &mut Answers<'_>) {
        self.follow_topology(answers);
        let all = 0..self.links.len() + self.retired.len();
        for place in all {
            let link = self.links.get(place).unwrap_or_else(|| &self.retired[place - self.links.len()]);
            let link = Rc::clone(link);
            if link.has_news() {
                self.collect_from(&link, answers);
            }
        }
        self.seek(answers);
        for (place, link) in self.links.iter().enumerate() {
            if !link.is_full() {
                self.tickets.clear_ways(|way| way == place, answers);
            }
        }
    }

    fn maintain(&mut self, _now_ms: u64, _budget: Duration) {
        // There may have been no tick for long.
        self.now = Instant::now();
        if self.index == 0 && self.now.saturating_duration_since(self.asked_for_figures) >= FIGURES_AGE {
            // Nobody waits for the answer; it is kept.
            let _ = self.see_to(Chore::Figures);
            self.finish();
        }
    }
}

impl RemoteWorker {
    /// Gives out what has come over one link.
    fn collect_from(&mut self, link: &Rc<Link>, answers: &mut Answers<'_>) {
        let now = self.now;
        let mut misplaced = Vec::new();
        let result = link.answers(now, |answered| {
            let unanswered::Answered { owner, tail, bytes, frame, nanos, slow_nanos } = answered;
            if matches!(tail, Tail::Moved | Tail::Behind) {
                let since = now.checked_sub(Duration::from_nanos(nanos)).unwrap_or(now);
                return misplaced.push(self.astray.misplaced(owner, (frame, tail), &link.name, since));
            }
            self.astray.found(owner);
            let piece = match tail {
                Tail::Part => Piece::Part(bytes),
                Tail::Failed => Piece::Failed(bytes),
                Tail::Done | Tail::Moved | Tail::Behind | Tail::Took => Piece::Done(bytes),
            };
            let answered = Answered { ticket: Ticket(owner.ticket), piece, frame, nanos, slow_nanos };
            self.tickets.answered(owner, &answered, &self.common, answers);
        });
        if let Err(malformed) = result {
            link.cut(&malformed.to_string(), now);
        }
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
        for misplaced in misplaced {
            self.see_to_misplaced(misplaced, answers);
        }
    }

    /// Answers a request with an error.
    pub(super) fn fail(&mut self, owner: Owner, frame: &[u8], error: &Error, answers: &mut Answers<'_>) {
        let bytes = lost::refusal(frame, error);
        let piece = Piece::Broken(&bytes);
        let answered = Answered { ticket: Ticket(owner.ticket), piece, frame, nanos: 0, slow_nanos: 0 };
        self.tickets.answered(owner, &answered, &self.common, answers);
    }
}
