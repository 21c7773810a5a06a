//! Which partitions a request needs, and what becomes of one that cannot have them.

use tidegate_protocols::data::{Context, Outcome, Prepared};
use tidegate_protocols::transaction::{WatchedKey, Watches};
use tidegate_protocols::{Reply, Request};

use super::StoreWorker;
use crate::execute::refuse;
use crate::held::Busy;
use crate::partition::DatabaseId;
use crate::partition_set::PartitionSet;
use crate::walk::Walk;
use crate::watched::Watched;

impl StoreWorker {
    /// Locks what the request needs.
    #[inline]
    pub(super) fn lock(&mut self, request: &Request<'_>, prepared: Prepared) -> Result<(), Busy> {
        if self.held.has_all() || request.row.keys.is_empty() {
            return Ok(());
        }
        let keyspace = self.held.keyspace();
        let Some(key) = request.row.only_key() else {
            return self.lock_many(request);
        };
        let partition = if prepared.keyed {
            keyspace.partition_of(prepared.slot)
        } else {
            keyspace.partition_of_key(request.args.at(key))
        };
        self.held.lock(partition)
    }

    pub(super) fn lock_many(&mut self, request: &Request<'_>) -> Result<(), Busy> {
        let keyspace = self.held.keyspace();
        if request.row.needs_all_keys(&request.args) {
            if !self.held.is_entered() && self.is_held_for_long(None) {
                return Err(Busy);
            }
            self.held.lock_all_patiently();
            return Ok(());
        }
        let set = keyspace.partitions_of_request(request.row, &request.args);
        self.held.lock_set(&set)
    }

    /// What becomes of a request whose partitions another worker holds.
    #[cold]
    pub(super) fn held_up_by(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        self.local.walk = Walk::ToTheEnd;
        let set = self.held.keyspace().partitions_of_request(request.row, &request.args);
        let set = Some(&set).filter(|_| !request.row.needs_all_keys(&request.args));
        match self.busy_error(request.row, set) {
            Some(error) => refuse(request, &error, reply),
            None => self.held_up(set, context),
        }
    }

    /// The same for one about all keys, which waits patiently for each partition: if a script is in its way that takes its
    /// time, it waits apart.
    #[cold]
    pub(super) fn look_before_walking(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Option<Outcome> {
        self.local.walk = Walk::ToTheEnd;
        if self.held.is_entered() {
            return None;
        }
        if let Some(error) = self.busy_error(request.row, None) {
            return Some(refuse(request, &error, reply));
        }
        if self.is_held_for_long(None) {
            return self.execute_apart(request, context);
        }
        if context.may_wait && self.scripts.asides().is_some() {
            self.local.walk = Walk::Some;
        }
        None
    }

    /// A command about all keys has come to its end, or has to be executed apart.
    #[cold]
    pub(super) fn has_walked(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        (reply, mark): (&mut Reply<'_>, usize),
    ) -> Option<Outcome> {
        match std::mem::replace(&mut self.local.walk, Walk::ToTheEnd) {
            Walk::TooFar => {
                reply.rewind(mark);
                self.execute_apart(request, context)
            }
            Walk::Some | Walk::ToTheEnd => None,
        }
    }

    pub(super) fn partitions_of(&self, watches: &Watches) -> PartitionSet {
        self.held.keyspace().partitions_of(watches.iter().map(|(watched, _)| &*watched.key))
    }

    /// Forgets the keys that are watched no more, but those whose partitions are held by somebody else: later.
    pub(super) fn forget_unwatched(&mut self) {
        if self.held.is_entered() {
            return;
        }
        for watched in std::mem::take(&mut self.unwatched) {
            let partition = self.held.keyspace().partition_of_key(&watched.key);
            if self.held.lock(partition).is_err() {
                self.unwatched.push(watched);
                continue;
            }
            let (database, all) = self.look_at_watched(&watched);
            all.remove(database, &watched.key);
        }
    }

    /// A watched key, gone if its time has come, and its partition, which is locked.
    pub(super) fn look_at_watched(
        &mut self,
        WatchedKey { database, key }: &WatchedKey,
    ) -> (DatabaseId, &mut Watched) {
        let keyspace = self.held.keyspace();
        let (spot, database) = (keyspace.spot(key), keyspace.database(*database));
        let (_, expired) =
            self.held.at(spot.slot).find(database, spot, key, self.local.now_ms, &self.local.clock);
        self.local.counts.expired += u64::from(expired);
        (database, &mut self.held.at(spot.slot).into_partition().watched)
    }
}
