//! How a transaction begins and ends: what it needs, where it is executed, and what must not have changed.

use std::sync::Arc;

use tidegate_protocols::data::{Outcome, Worker as _};
use tidegate_protocols::table::{Flags, Route};
use tidegate_protocols::transaction::{Entered, Transaction};
use tidegate_protocols::{Error, Reply, Request, Verb};

use super::StoreWorker;
use crate::partition_set::PartitionSet;
use crate::scripting::Habit;

/// What is known of a transaction before it begins.
struct Needs {
    /// The partitions of its keys.
    set: PartitionSet,
    /// It runs scripts.
    runs: bool,
    /// All of these are known to be short.
    are_short: bool,
    /// All of these are known to use no other keys than those they are given.
    stay: bool,
    /// A script in it comes behind what cannot be done again as if nothing had been, or it is known beforehand that it will.
    is_final: bool,
}

/// The transaction that is under way.
#[derive(Default)]
pub(crate) struct Within {
    /// It has scripts.
    runs: bool,
    /// Nobody would know if it were left by a script that has changed nothing, and entered again.
    pub(crate) may_begin_again: bool,
    /// It may lock more while it holds some: [`crate::partition::Wanderer`].
    pub(crate) is_wanderer: bool,
}

impl StoreWorker {
    /// What a transaction needs. What goes through the whole keyspace needs all partitions, and so do the gateway's own
    /// commands that may ask for the store's figures. Of scripts it is not known which keys they use besides their own.
    fn needs(&self, transaction: &Transaction<'_>) -> Needs {
        let keyspace = self.held.keyspace();
        let set = self.partitions_of(transaction.watches);
        let is_final = !transaction.watches.is_empty();
        let mut needs = Needs { set, runs: false, are_short: true, stay: true, is_final };
        let mut has_acted = false;
        let mut requests = transaction.requests();
        while let Some(request) = requests.next_request() {
            let Request { row, args, .. } = request;
            if row.runs_scripts() {
                let habits = self.habits_of(&request);
                needs.runs = true;
                needs.is_final |= has_acted;
                needs.are_short &= habits.is_some_and(|(is_short, _)| is_short);
                needs.stay &= habits.is_none_or(|(_, habit)| habit == Habit::Stays);
            }
            let is_of_scripts = matches!(row.verb, Verb::Scripting(_));
            let is_own = row.route == Route::Gateway;
            has_acted |= is_own || self.writes(&request) || is_of_scripts && !row.runs_scripts();
            let is_about_all = !is_of_scripts && (row.route == Route::Every || row.needs_all_keys(&args));
            if is_about_all || is_own && !row.flags.has(Flags::FAST) {
                needs.set = PartitionSet::first(keyspace.partitions());
            } else {
                needs.set.add(&keyspace.partitions_of_request(row, &args));
            }
        }
        needs
    }

    /// See [`tidegate_protocols::data::Worker::enter`].
    pub(super) fn begin_transaction(&mut self, transaction: &Transaction<'_>) -> Entered {
        let needs = self.needs(transaction);
        let context = &transaction.context;
        if !self.held.set().covers(&needs.set)
            && let Some(error) = self.overdue_error(self.local.own.as_ref().map(|_| &needs.set))
        {
            let mut refusal = Vec::new();
            Reply::new(&mut refusal, transaction.dialect).refuse(&Error::Discarded(error.to_string().into()));
            self.unwatched.extend(transaction.watches.iter().map(|(watched, _)| watched.clone()));
            return Entered::Refused(refusal);
        }
        // Here is executed what can begin again elsewhere.
        let stays_here = needs.are_short && !needs.is_final;
        if needs.runs
            && !stays_here
            && let Some(entered) = self.enter_apart(transaction)
        {
            return entered;
        }
        if let Err(holders) = self.lock_for_transaction(&needs, transaction) {
            return match self.held_up(holders, context) {
                Outcome::Full(ticket) => Entered::Full(ticket),
                _ => Entered::Busy,
            };
        }
        self.within.runs = needs.runs;
        self.within.may_begin_again = context.may_wait && stays_here;
        if self.watched_are_unchanged(transaction) {
            return Entered::Yes;
        }
        self.end_transaction();
        Entered::Stale
    }

    /// Locks what a transaction needs. One with scripts that may use other keys becomes the wanderer before it begins: it
    /// could not begin again as that.
    ///
    /// # Errors
    /// The partitions that somebody else may have; `None` is any.
    fn lock_for_transaction<'a>(
        &mut self,
        needs: &'a Needs,
        transaction: &Transaction<'_>,
    ) -> Result<(), Option<&'a PartitionSet>> {
        let keyspace = Arc::clone(self.held.keyspace());
        let needs_all = needs.set == PartitionSet::first(keyspace.partitions());
        if needs_all && !self.held.has_all() && self.is_held_for_long(None) {
            return Err(None);
        }
        self.enter_with_waiters(needs.set, transaction).map_err(|_| Some(&needs.set))?;
        let wanders = needs.runs && !needs.stay && !self.held.has_all();
        if wanders && !keyspace.wanderer.take() {
            self.held.leave();
            return Err(None);
        }
        self.within = Within { is_wanderer: wanders, ..Within::default() };
        Ok(())
    }

    /// Whether what is watched has not changed; it is watched no more.
    fn watched_are_unchanged(&mut self, transaction: &Transaction<'_>) -> bool {
        let mut unchanged = true;
        for (watched, version) in transaction.watches.iter() {
            let (database, all) = self.look_at_watched(watched);
            unchanged &= all.remove(database, &watched.key) == Some(version);
        }
        unchanged
    }

    /// Gives back what a transaction has locked.
    pub(super) fn end_transaction(&mut self) {
        self.held.leave();
        let Within { runs, is_wanderer, .. } = std::mem::take(&mut self.within);
        if is_wanderer {
            self.held.keyspace().wanderer.give_back();
        }
        if runs {
            self.local.shared.waiting.wake_parked();
            self.local.shared.apart.wake_put_off();
        }
    }
}
