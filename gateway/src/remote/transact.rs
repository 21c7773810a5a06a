//! Transactions and watches over links.
//!
//! A transaction is one frame with all its requests. What a client watches stays with the link, under the client's
//! number, until its transaction: if the link is lost, the shard knows of nothing watched, and the transaction does
//! not take place.

use std::sync::Arc;

use tidegate_protocols::data::{Context, Outcome};
use tidegate_protocols::link::Ask;
use tidegate_protocols::memcached::Item;
use tidegate_protocols::number::integer;
use tidegate_protocols::route::{Plan, Shard};
use tidegate_protocols::slot::{SLOTS, slot_of};
use tidegate_protocols::table::Route;
use tidegate_protocols::table::link::Link as Verbs;
use tidegate_protocols::transaction::{Entered, Requests, Transaction, WatchedKey, Watches};
use tidegate_protocols::{Dialect, Error, Reply, Request, Verb, Words};

use super::lost;
use super::sending::refused;
use super::worker::RemoteWorker;
use crate::foresight::Foresight;

/// The keys of a request that only gateways make.
fn keys_of(request: &Request<'_>) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    match request.row.verb {
        Verb::Link(Verbs::Watch) => keys.extend(request.args.from(2).iter().map(<[u8]>::to_vec)),
        Verb::Link(Verbs::Transact) => {
            let mut requests = Requests::new(request.args.at(3));
            while let Some(Request { row, args, .. }) = requests.next_request() {
                keys.extend(row.keys_of(&args).map(|key| args.at(key.index).to_vec()));
            }
        }
        _ => {}
    }
    keys
}

/// The slot that a request names by its number.
fn slot_in(request: &Request<'_>) -> Option<u16> {
    use tidegate_protocols::table::keyspace::Keyspace::{ClusterCountkeysinslot, ClusterGetkeysinslot};
    match request.row.verb {
        Verb::Keyspace(ClusterCountkeysinslot | ClusterGetkeysinslot) => {
            let slot = integer(request.args.at(2)).and_then(|slot| u16::try_from(slot).ok());
            slot.filter(|slot| *slot < SLOTS)
        }
        _ => None,
    }
}

/// Where keys that belong together belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    Anywhere,
    At(Shard),
    /// Not together.
    Apart,
    /// Somewhere that nobody has.
    Nowhere,
}

impl Home {
    fn with(self, owner: Option<Shard>) -> Self {
        match (self, owner) {
            (Self::Apart, _) => Self::Apart,
            (_, None) => Self::Nowhere,
            (Self::Anywhere, Some(shard)) => Self::At(shard),
            (Self::At(home), Some(shard)) if home != shard => Self::Apart,
            (home, Some(_)) => home,
        }
    }
}

impl RemoteWorker {
    fn home_of<'k>(&self, from: Home, keys: impl IntoIterator<Item = &'k [u8]>) -> Home {
        let owners = self.topology.owners();
        keys.into_iter().fold(from, |home, key| home.with(owners.of(slot_of(key))))
    }

    /// Where a transaction or a watch that has been sent already belongs now.
    pub(super) fn plan_of_errand(&self, request: &Request<'_>) -> Plan {
        let keys = keys_of(request);
        match self.home_of(Home::Anywhere, keys.iter().map(Vec::as_slice)) {
            Home::At(shard) => Plan::One(shard),
            Home::Apart => Plan::CrossSlot,
            Home::Nowhere => Plan::Unserved(0),
            // About all keys: it was sent because there is but one to be asked.
            Home::Anywhere => match self.topology.owners().asked() {
                &[shard] => Plan::One(shard),
                _ => Plan::CrossSlot,
            },
        }
    }

    /// Watches more keys.
    pub(super) fn send_watch(
        &mut self,
        watches: &Watches,
        before: &Watches,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let client = context.client_id.to_le_bytes();
        let keys: Vec<_> = watches.iter().map(|(WatchedKey { key, .. }, _)| &**key).collect();
        let words: Vec<_> = [b"watch", &client[..]].into_iter().chain(keys.iter().copied()).collect();
        let words = Words::new(&words);
        let dialect = reply.dialect();
        let request = Request { row: Verbs::Watch.row(), dialect, args: words.args(), item: &Item::NONE };
        let before = before.iter().map(|(WatchedKey { key, .. }, _)| &**key);
        match self.home_of(Home::Anywhere, before.chain(keys)) {
            // Everything is watched already.
            _ if watches.is_empty() => {
                reply.ok();
                Outcome::Done
            }
            Home::At(shard) => self.ask(usize::from(shard), &request, context, reply, None),
            Home::Nowhere => refused(&request, &Error::Unserved, reply),
            Home::Anywhere | Home::Apart => refused(&request, &Error::CrossSlot, reply),
        }
    }

    /// Watches nothing more for a client. Nobody waits for the answer.
    pub(super) fn send_unwatch(&mut self, client_id: u64, watches: &Watches) {
        let keys = watches.iter().map(|(WatchedKey { key, .. }, _)| &**key);
        let Home::At(shard) = self.home_of(Home::Anywhere, keys) else { return };
        let client = client_id.to_le_bytes();
        let words = Words::new(&[b"unwatch", &client[..]]);
        let (row, dialect) = (Verbs::Unwatch.row(), Dialect::Resp2);
        self.tell(shard, &Request { row, dialect, args: words.args(), item: &Item::NONE });
    }

    /// Sends a transaction to where all its keys are.
    pub(super) fn send_transaction(&mut self, transaction: &Transaction<'_>) -> Entered {
        let Transaction { watches, context, dialect, .. } = *transaction;
        let watched = watches.iter().map(|(WatchedKey { key, .. }, _)| &**key);
        let mut home = self.home_of(Home::Anywhere, watched);
        let mut is_elsewhere = false;
        let users = self.common.seat.users.get().map(Arc::as_ref);
        let (mut inner, mut foresight) = (Vec::new(), Foresight { users, context, dialect });
        let mut requests = transaction.requests();
        while let Some(request) = requests.next_request() {
            match request.row.route {
                Route::Gateway => foresight.follow(&request),
                Route::Every => match (self.owners(request.row).asked(), slot_in(&request)) {
                    (&[shard], _) => home = home.with(Some(shard)),
                    (_, Some(slot)) => home = home.with(self.topology.owners().of(slot)),
                    _ => {
                        let refusal = lost::refusal_to(&request, &lost::about_all(request.row));
                        self.send_unwatch(context.client_id, watches);
                        return Entered::Refused(refusal);
                    }
                },
                Route::Keys | Route::Split => {
                    let keys = request.row.keys_of(&request.args).map(|key| request.args.at(key.index));
                    home = self.home_of(home, keys);
                    is_elsewhere = true;
                }
            }
            let is_acted_for = context.is_restricted && request.row.runs_scripts();
            let client = if is_acted_for { context.client_id } else { 0 };
            let ask = Ask { client, ..foresight.ask() };
            if request.row.route != Route::Gateway && !foresight.add(&request, &ask, &mut inner) {
                home = Home::Apart;
            }
        }
        match home {
            // What has no keys after all may be answered by anyone.
            Home::Anywhere if is_elsewhere => self.send_inner(0, &inner, transaction),
            Home::Anywhere => Entered::Yes,
            Home::At(shard) => self.send_inner(shard, &inner, transaction),
            Home::Apart | Home::Nowhere => {
                self.send_unwatch(context.client_id, watches);
                if home == Home::Apart { Entered::Apart } else { Entered::Unserved }
            }
        }
    }

    fn send_inner(&mut self, shard: Shard, inner: &[u8], transaction: &Transaction<'_>) -> Entered {
        let Transaction { watches, context, dialect, .. } = *transaction;
        self.see_scripts(inner, usize::from(shard));
        let client = context.client_id.to_le_bytes();
        let watched = (watches.len() as u32).to_le_bytes();
        let words = Words::new(&[b"transact", &client[..], &watched[..], inner]);
        let row = Verbs::Transact.row();
        let request = Request { row, dialect, args: words.args(), item: &Item::NONE };
        let mut refusal = Vec::new();
        let mut reply = Reply::new(&mut refusal, dialect);
        match self.ask(usize::from(shard), &request, &context, &mut reply, None) {
            Outcome::Later(ticket) => Entered::Later(ticket),
            Outcome::Full(ticket) => Entered::Full(ticket),
            Outcome::Done | Outcome::Failed | Outcome::Busy => Entered::Refused(refusal),
        }
    }
}
