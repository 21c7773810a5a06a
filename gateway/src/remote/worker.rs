//! One worker's way to shard processes: what is sent where, and what comes back.

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_protocols::data::{
    Answers, Chore, Context, Hears, Outcome, Prepared, Ticket, Unblock, Wakes, Worker,
};
use tidegate_protocols::link::Said;
use tidegate_protocols::messages::Kind;
use tidegate_protocols::route::{Owners, plan};
use tidegate_protocols::settings::{Key, Policy};
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::stale::Stale;
use tidegate_protocols::table::link::Link as Verbs;
use tidegate_protocols::table::{Gather, Row};
use tidegate_protocols::topology::Topology;
use tidegate_protocols::transaction::{Entered, Transaction, Watches};
use tidegate_protocols::{Args, Reply, Request, Span, Words};

use super::Common;
use super::astray::Astray;
use super::gather::How;
use super::libraries::Errands;
use super::link::Link;
use super::tickets::Tickets;
use super::upkeep::settings_words;
use crate::followed::Followed;
use crate::limits::{FIGURES_AGE, LITTLE_BYTES};

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
    /// Requests that wait for keys, or may begin to, and that nobody waits for any more.
    pub(super) called_off: HashSet<u32>,
    pub(super) wake: Option<Rc<dyn Fn()>>,
    pub(super) now: Instant,
    pub(super) looked_after: Instant,
    /// It had not looked after the links for long when it last did.
    pub(super) has_stood_still: bool,
    asked_for_figures: Instant,
    /// Where the last request of one key was sent.
    pub(super) last_place: usize,
    /// What clients of this worker listen to.
    pub(super) listened: BTreeSet<(Kind, Box<[u8]>)>,
    /// What shards have said without being asked.
    pub(super) heard: Vec<Vec<u8>>,
    /// Beginnings of keys that clients of this worker follow.
    pub(super) followed: BTreeSet<Box<[u8]>>,
    /// What shards have said is stale.
    pub(super) stale: Vec<Stale>,
    pub(super) libraries: Errands,
    /// What scripts may do that the client of this number asks for next.
    pub(super) acting: Option<(u64, Words)>,
    pub(super) spans: Vec<Span>,
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
            called_off: HashSet::new(),
            wake: None,
            now,
            looked_after: now,
            has_stood_still: false,
            asked_for_figures: now,
            last_place: 0,
            listened: BTreeSet::new(),
            heard: Vec::new(),
            followed: BTreeSet::new(),
            stale: Vec::new(),
            libraries: Errands::default(),
            acting: None,
            spans: Vec::new(),
        }
    }

    /// Whether it is the first of all workers, which does what one is enough for.
    pub(super) fn is_first(&self) -> bool {
        self.index == 0
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
}

impl Worker for RemoteWorker {
    const ANSWERS_LATER: bool = true;

    fn attach(&mut self, wakes: Wakes) {
        self.wake = Some(wakes.here);
        self.make_links();
    }

    #[inline]
    fn begin(&mut self, _now_ms: u64) {
        self.now = Instant::now();
        self.keep_generation();
        self.look_after_links();
        self.tell_new_links();
        self.see_to_libraries();
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

    #[inline]
    fn join<'a>(
        &mut self,
        ticket: Ticket,
        row: &'static Row,
        requests: impl Iterator<Item = Args<'a>>,
    ) -> usize {
        let Some(link) = self.links.get(self.last_place).filter(|link| link.is_clear()) else { return 0 };
        let (Some(key), owners) = (row.only_key(), self.topology.owners()) else { return 0 };
        let with_slots = requests.map(|args| {
            let slot = slot_of(args.at(key));
            (args, slot)
        });
        let is_there =
            |&(_, slot): &(Args<'_>, u16)| owners.of(slot).map(usize::from) == Some(self.last_place);
        link.join(ticket.0, with_slots.take_while(is_there))
    }

    /// Shards see to their memory themselves, and refuse what does not fit.
    fn writes(&self, request: &Request<'_>) -> bool {
        self.may_write(request)
    }

    /// As far as is known: shards tell how much they have every second. Where they may evict, they see to it themselves.
    fn make_room(&mut self) -> bool {
        let settings = &self.common.settings;
        let bytes_max = settings.number(Key::MaxMemory) as u64;
        bytes_max == 0 || settings.policy() != Policy::NoEviction || !self.common.is_above(bytes_max)
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

    fn act_under(&mut self, client_id: u64, user: &[u8], rules: &[u8]) {
        let name = Verbs::Rules.row().name.as_bytes();
        self.acting = Some((client_id, Words::new(&[name, &client_id.to_le_bytes(), user, rules])));
    }

    #[inline]
    fn sends_little(&self) -> bool {
        let bytes: usize = self.links.iter().map(|link| link.unsent_bytes()).sum();
        0 < bytes && bytes < LITTLE_BYTES
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

    fn call_off(&mut self, ticket: Ticket) {
        self.send_call_off(ticket);
    }

    fn unblock(&mut self, _gateway: u64, client_id: u64, answer: Unblock, reply: &mut Reply<'_>) -> Outcome {
        self.send_unblock(client_id, answer, reply)
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
            if link.take_loss() {
                // Who has read what there, nobody knows any more.
                self.stale.push(Stale::All);
            }
        }
        self.seek(answers);
        for (place, link) in self.links.iter().enumerate() {
            if !link.is_full() {
                self.tickets.clear_ways(|way| way == place, answers);
            }
        }
    }

    fn listen(&mut self, kind: Kind, names: &Args<'_>) -> Outcome {
        self.send_listen(kind, names)
    }

    fn unlisten(&mut self, kind: Kind, name: &[u8]) {
        self.send_unlisten(kind, name);
    }

    fn say(&mut self, said: &Said<'_>, at_once: bool) -> Outcome {
        self.send_said(said, at_once)
    }

    #[inline]
    fn has_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    fn take_stale(&mut self) -> Vec<Stale> {
        std::mem::take(&mut self.stale)
    }

    fn follow(&mut self, prefixes: &[&[u8]]) -> Outcome {
        self.send_follow(prefixes)
    }

    fn unfollow(&mut self, prefix: &[u8]) {
        self.send_unfollow(prefix);
    }

    fn hear(&mut self, hears: &mut Hears<'_>) {
        self.give_out_heard(hears);
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
