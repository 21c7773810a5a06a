//! Clients that keep what they have read (`CLIENT TRACKING`), and how they are told that it is stale.
//!
//! Who has read which key knows the store ([`tidegate_protocols::stale`]). Here it is known how each client wants to be
//! told, and of which keys those are told that did not have to read them (`BCAST`). What a client is told goes through the
//! inbox of its worker, as messages do, so it comes behind the reply with what is stale.
//!
//! In front of shards a shard tells a gateway over the link, by the numbers of its clients. Whatever a shard may have
//! forgotten (its link was lost, its slots have moved) is told as if everything were stale.
//!
//! Source: Redis `tracking.c`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Included, Unbounded};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use tidegate_protocols::data::Worker;
use tidegate_protocols::stale::{Stale, Told, Tracker};
use tidegate_protocols::table::Flags;
use tidegate_protocols::table::transactions::Transactions;
use tidegate_protocols::{Dialect, Reply, Row, Verb};

use crate::connection::Connection;
use crate::decoder::Family;
use crate::intake::Intake;
use crate::pubsub::{Message, Push};
use crate::registry::{Client, Tracks};
use crate::session::{Attention, Session};

/// What stands for all requests of a transaction.
const EXEC: Verb = Verb::Transactions(Transactions::Exec);

/// Which reads of a client are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// All of them.
    #[default]
    All,
    /// Those after `CLIENT CACHING YES`.
    OptIn,
    /// All but those after `CLIENT CACHING NO`.
    OptOut,
}

/// What a client that tracks keys has asked for, besides what others may see of it ([`Client::tracks`]).
#[derive(Debug, Default)]
pub(crate) struct Tracking {
    pub(crate) choice: Choice,
    /// `CLIENT CACHING` was the last command.
    pub(crate) is_choosing: bool,
    /// Beginnings of the keys it is told of whether it has read them or not.
    pub(crate) prefixes: BTreeSet<Rc<[u8]>>,
}

impl Tracking {
    fn remembers(&self) -> bool {
        match self.choice {
            Choice::All => true,
            Choice::OptIn => self.is_choosing,
            Choice::OptOut => !self.is_choosing,
        }
    }
}

/// Clients by their numbers, to be told of keys that begin so.
type Followers = BTreeMap<Box<[u8]>, BTreeSet<u64>>;

/// What all workers share of it.
#[derive(Debug, Default)]
pub(crate) struct Trackers {
    /// How many clients track keys.
    count: AtomicUsize,
    followers: RwLock<Followers>,
    prefix_count: AtomicUsize,
}

impl Trackers {
    /// How many clients track keys.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How many beginnings of keys are followed.
    pub(crate) fn prefixes(&self) -> usize {
        self.prefix_count.load(Ordering::Acquire)
    }

    fn add(&self, prefix: &[u8], client: u64) {
        let mut followers = self.followers.write();
        followers.entry(prefix.into()).or_default().insert(client);
        self.prefix_count.store(followers.len(), Ordering::Release);
    }

    fn remove(&self, prefix: &[u8], client: u64) {
        let mut followers = self.followers.write();
        if let Some(clients) = followers.get_mut(prefix) {
            clients.remove(&client);
            if clients.is_empty() {
                followers.remove(prefix);
            }
        }
        self.prefix_count.store(followers.len(), Ordering::Release);
    }

    fn are_followed_by(&self, prefix: &[u8], fits: impl Fn(u64) -> bool) -> bool {
        self.followers.read().get(prefix).is_some_and(|clients| clients.iter().any(|client| fits(*client)))
    }
}

impl Session {
    /// Whether it is told of the keys that a request for this row reads, or has to be known as who changes them.
    fn is_tracker_of(&self, row: &Row) -> bool {
        let reads = row.flags.has(Flags::READONLY);
        let tracks = self.client.tracks();
        let remembers =
            || !tracks.follows && self.tracking.borrow().as_ref().is_some_and(|it| it.remembers());
        match row.verb {
            // Elsewhere it stands for all its requests, of which some may say what is to be remembered.
            EXEC => remembers() || tracks.spares_own || self.with_queue(|queue| queue.has_own) == Some(true),
            // What its commands read is remembered.
            _ if row.runs_scripts() => remembers() || tracks.spares_own,
            _ => !reads || remembers(),
        }
    }

    /// A request of a client that tracks keys is executed next.
    pub(crate) fn look_at_tracking(&self, row: &Row) {
        if self.has(Attention::Tracks) {
            self.set_tracker(self.is_tracker_of(row));
        }
    }

    /// A request has been executed: what `CLIENT CACHING` said was about it, unless that was said by it, or within a
    /// transaction.
    pub(crate) fn forget_choice(&self, row: Option<&Row>) {
        if self.has(Attention::Tracks)
            && !self.has(Attention::Queueing)
            && !row.is_some_and(|row| row.name.starts_with("CLIENT"))
            && let Some(tracking) = self.tracking.borrow_mut().as_deref_mut()
        {
            tracking.is_choosing = false;
        }
    }
}

impl Intake {
    /// A client of this worker tracks keys from now on, as it says; beginnings that it follows are added to those it does.
    pub(crate) fn track(&self, session: &Session, tracks: Tracks, choice: Choice, prefixes: &[&[u8]]) {
        if !session.client.tracks().is_on {
            self.shared.trackers.count.fetch_add(1, Ordering::Relaxed);
        }
        session.client.set_tracks(tracks);
        session.put(Attention::Tracks, true);
        session.tracking.borrow_mut().get_or_insert_default().choice = choice;
        let whole: &[&[u8]] = &[b""];
        let prefixes = if prefixes.is_empty() { whole } else { prefixes };
        if tracks.follows {
            self.follow(session, prefixes);
        }
    }

    /// A client, or a gateway, of this worker is told of keys that begin so.
    pub(crate) fn follow(&self, session: &Session, prefixes: &[&[u8]]) {
        let mut tracking = session.tracking.borrow_mut();
        let tracking = tracking.get_or_insert_default();
        for prefix in prefixes.iter().copied() {
            let prefix: Rc<[u8]> = prefix.into();
            if tracking.prefixes.insert(Rc::clone(&prefix)) {
                self.shared.trackers.add(&prefix, session.client.id);
                self.followed.borrow_mut().push(prefix);
            }
        }
    }

    /// A gateway is told no more of keys that begin so.
    pub(crate) fn unfollow(&self, session: &Session, prefix: &[u8]) {
        if let Some(tracking) = session.tracking.borrow_mut().as_deref_mut()
            && tracking.prefixes.remove(prefix)
        {
            self.shared.trackers.remove(prefix, session.client.id);
        }
    }

    /// A client tracks keys no more.
    pub(crate) fn untrack(&self, session: &Session) {
        if session.client.tracks().is_on {
            self.shared.trackers.count.fetch_sub(1, Ordering::Relaxed);
        }
        session.client.set_tracks(Tracks::default());
        session.put(Attention::Tracks, false);
        session.set_tracker(false);
        let Some(tracking) = session.tracking.take() else { return };
        for prefix in tracking.prefixes {
            self.shared.trackers.remove(&prefix, session.client.id);
            self.unfollowed.borrow_mut().push(prefix);
        }
    }

    /// Beginnings of keys that no client of this worker follows any more.
    pub(crate) fn take_unfollowed(&self) -> Vec<Rc<[u8]>> {
        let mut all = self.unfollowed.take();
        all.retain(|prefix| {
            !self.shared.trackers.are_followed_by(prefix, |client| self.get(client).is_some())
        });
        all
    }

    /// Has everybody told of keys that have changed by now who wants to be told of all that begin as theirs do.
    #[cold]
    pub(crate) fn tell_followers(&self) {
        let changed = self.changed.take();
        let mut links: BTreeMap<u64, BTreeMap<&[u8], Tracker>> = BTreeMap::new();
        for (prefix, clients) in &*self.shared.trackers.followers.read() {
            let keys: Vec<(&[u8], Tracker)> = changed
                .range::<[u8], _>((Included(&**prefix), Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix))
                .map(|(key, by)| (&**key, *by))
                .collect();
            if keys.is_empty() {
                continue;
            }
            for client in clients {
                let Some(client) = self.shared.registry.get(*client) else { continue };
                if client.tracks().is_gateway {
                    links.entry(client.id).or_default().extend(keys.iter().copied());
                    continue;
                }
                let is_own = |by: &Tracker| *by == Tracker { link: 0, client: client.id };
                let told: Vec<&[u8]> = keys
                    .iter()
                    .filter(|(_, by)| !client.tracks().spares_own || !is_own(by))
                    .map(|(key, _)| *key)
                    .collect();
                if !told.is_empty() && self.is_concerned(&client) {
                    self.tell_stale(&client, Some(&told));
                }
            }
        }
        for (link, keys) in links {
            let keys = keys.into_iter().map(|(key, by)| (key, number_for(link, by))).collect();
            self.tell_gateway(link, &Told::Changed(keys));
        }
    }

    /// Whether this worker has to tell a client: what a shard says to one worker is for its own clients.
    fn is_concerned(&self, client: &Client) -> bool {
        self.shared.seat.is_none() || client.worker() == self.index
    }

    /// Tells a client that these keys are stale, or that everything is.
    fn tell_stale(&self, client: &Client, keys: Option<&[&[u8]]>) {
        let Tracks { redirect, .. } = client.tracks();
        let mut body = Vec::new();
        let mut reply = Reply::new(&mut body, client.dialect());
        match keys {
            Some(keys) => {
                reply.array(keys.len());
                for key in keys {
                    reply.bulk(key);
                }
            }
            None => reply.null(),
        }
        if redirect == 0 {
            return self.push(client, Push::Stale { is_redirected: false }, body);
        }
        if let Some(other) = self.shared.registry.get(redirect) {
            return self.push(&other, Push::Stale { is_redirected: true }, body);
        }
        client.break_redirection();
        if client.dialect() == Dialect::Resp3 {
            body.clear();
            let mut reply = Reply::new(&mut body, Dialect::Resp3);
            reply.push(2);
            reply.bulk(b"tracking-redir-broken");
            reply.integer(redirect as i64);
            self.push(client, Push::Whole, body);
        }
    }

    fn tell_gateway(&self, link: u64, told: &Told<'_>) {
        if let Some(client) = self.shared.registry.get(link) {
            let mut frames = Vec::new();
            told.encode(&mut frames);
            self.push(&client, Push::Whole, frames);
        }
    }

    fn push(&self, client: &Client, push: Push, wire: Vec<u8>) {
        let message = Arc::new(Message::for_one(client.id, push, wire));
        self.shared.pubsub.tell_one(client.worker(), message, self.index);
    }

    /// A gateway is told that everything is stale.
    pub(crate) fn tell_gateway_all(&self, link: u64) {
        self.tell_gateway(link, &Told::All);
    }

    /// Has those told whom this concerns. A gateway that is the process `spared` sees to it itself if that is everything.
    #[cold]
    pub(crate) fn publish_all_stale(&self, all: Vec<Stale>, spared: Option<u64>) {
        for stale in all {
            match stale {
                Stale::All => self.tell_everybody(spared),
                Stale::Key { key, readers, by, has_changed, .. } => {
                    self.tell_readers(&key, &readers, by);
                    if has_changed {
                        self.changed.borrow_mut().insert(key, by);
                    }
                }
            }
        }
    }

    /// As [`publish_stale`], within a request: returns what its client is told before the reply.
    #[cold]
    pub(crate) fn take_early(&self, mut all: Vec<Stale>, session: &Session) -> Vec<u8> {
        let mut early = Vec::new();
        let tracks = session.client.tracks();
        let is_told = tracks.is_on && !tracks.follows && tracks.redirect == 0;
        if is_told && session.dialect() == Dialect::Resp3 {
            for stale in &mut all {
                let Stale::Key { key, readers, is_early: true, .. } = stale else { continue };
                let own = Tracker { link: 0, client: session.client.id };
                let Some(at) = readers.iter().position(|reader| *reader == own) else { continue };
                readers.swap_remove(at);
                let mut reply = Reply::new(&mut early, Dialect::Resp3);
                reply.push(2);
                reply.bulk(b"invalidate");
                reply.array(1);
                reply.bulk(key);
            }
        }
        self.publish_all_stale(all, None);
        early
    }

    fn tell_everybody(&self, spared: Option<u64>) {
        for client in self.shared.registry.list() {
            let tracks = client.tracks();
            if tracks.is_gateway && Some(tracks.redirect) != spared {
                self.tell_gateway(client.id, &Told::All);
            } else if tracks.is_on && self.is_concerned(&client) {
                self.tell_stale(&client, None);
            }
        }
    }

    /// All shards have flushed what a client of this process has asked them to: its clients hear of it by now.
    #[cold]
    pub(crate) fn tell_of_flush(&self) {
        if self.shared.trackers.count() > 0 {
            let clients = self.shared.registry.list();
            clients.iter().filter(|it| it.tracks().is_on).for_each(|client| self.tell_stale(client, None));
        }
    }

    fn tell_readers(&self, key: &[u8], readers: &[Tracker], by: Tracker) {
        let mut links: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for reader in readers {
            if reader.link != 0 {
                links.entry(reader.link).or_default().push(reader.client);
                continue;
            }
            let Some(client) = self.shared.registry.get(reader.client) else { continue };
            let tracks = client.tracks();
            let is_spared = tracks.follows || tracks.spares_own && *reader == by;
            if tracks.is_on && !is_spared {
                self.tell_stale(&client, Some(&[key]));
            }
        }
        for (link, readers) in links {
            self.tell_gateway(link, &Told::Read { key, readers, by: number_for(link, by) });
        }
    }
}

/// The number that who changed a key has over a link; 0 if he is not reached over it.
fn number_for(link: u64, by: Tracker) -> u64 {
    if by.link == link { by.client } else { 0 }
}

/// Has those told who keep what they have read of keys that the store says are stale.
#[inline]
pub(crate) fn publish_stale<W: Worker>(data: &mut W, intake: &Intake) {
    if data.has_stale() {
        intake.publish_all_stale(data.take_stale(), None);
    }
}

/// The same for those who are told of all keys that begin as they say, when a tick ends: of all that have changed in it at
/// once.
#[inline]
pub(crate) fn publish_changed<W: Worker>(data: &mut W, intake: &Intake) {
    if intake.changed.borrow().is_empty() {
        return;
    }
    intake.tell_followers();
    let trackers = &intake.shared.trackers;
    if trackers.prefixes() == 0 {
        data.tell_changes(&|| trackers.prefixes() > 0);
    }
}

/// Has changes told that a client has begun to follow, where the store is in this process.
pub(crate) fn follow_here<W: Worker>(data: &mut W, intake: &Intake) {
    if !W::ANSWERS_LATER && !intake.followed.take().is_empty() {
        let trackers = &intake.shared.trackers;
        data.tell_changes(&|| trackers.prefixes() > 0);
    }
}

impl Connection {
    /// Writes what this client is told by a message that is for it alone.
    pub(crate) fn write_push(&self, push: Push, wire: &[u8], out: &mut Vec<u8>) {
        let dialect = self.session.dialect();
        let mut reply = Reply::new(out, dialect);
        match push {
            Push::Whole => return out.extend_from_slice(wire),
            Push::Stale { is_redirected: false } if !self.session.client.tracks().is_on => return,
            Push::Stale { .. } if dialect == Dialect::Resp3 => {
                reply.push(2);
                reply.bulk(b"invalidate");
            }
            Push::Stale { is_redirected: true } if !self.session.subscriptions.borrow().is_empty() => {
                reply.push(3);
                reply.bulk(b"message");
                reply.bulk(b"__redis__:invalidate");
            }
            Push::Stale { .. } => return,
        }
        out.extend_from_slice(wire);
    }

    /// Whether what is told goes behind all replies that are still to come: they may be what it is about.
    pub(crate) fn tells_behind(&self) -> bool {
        let waits_for_keys = self.blocked.get().is_some();
        self.family == Family::Redis && self.session.has(Attention::Tracks) && !waits_for_keys
    }
}

/// Whether a request is one of those about tracking that only ask or say how.
pub(crate) fn is_tracking(verb: Verb) -> bool {
    use tidegate_protocols::table::connection::Connection::ClientTracking;
    verb == Verb::Connection(ClientTracking)
}
