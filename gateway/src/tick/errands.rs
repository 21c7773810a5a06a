//! The tick of a shard: what gateways ask for themselves. A transaction of a client is one such request.

use tidegate_protocols::data::{Context, Outcome, Worker};
use tidegate_protocols::limits::REPLY_BYTES_MAX;
use tidegate_protocols::link::{Ask, Errand, Said, Tail};
use tidegate_protocols::messages::Kind;
use tidegate_protocols::settings::{Key, Settings, Value};
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table::Flags;
use tidegate_protocols::table::link::Link;
use tidegate_protocols::transaction::{Entered, Requests, Transaction, WatchedKey, Watches};
use tidegate_protocols::{Args, Error, Reply, Request, Verb};

use super::Tick;
use super::passed_on::tracker;
use super::transactions::Executor;
use crate::batch::Decoded;
use crate::commands::Scope;
use crate::membership::Holding;
use crate::session::Session;
use crate::tracking::follow_here;

/// What the requests of a transaction are together.
struct Together {
    count: usize,
    flags: Flags,
    /// Whether all their keys are here.
    is_here: bool,
}

impl<W: Worker> Tick<W> {
    /// Does what a gateway asks for itself.
    ///
    /// # Errors
    /// What keeps it from being done now.
    pub(super) fn run_errand(&mut self, verb: Link, decoded: &Decoded, ask: &Ask) -> Result<Tail, Outcome> {
        let Self { intake, data, batch, holding, output, at, watch, watch_within, now_ms, .. } = self;
        let session = &batch.sources()[at.source].connection.session;
        let counters = intake.counters();
        let request = batch.request(decoded, verb.row(), decoded.dialect);
        let scope = Scope { session, shared: &intake.shared, intake, now_ms: *now_ms };
        session.client.heard_of(*now_ms, request.row);
        let began = watch.begin(request.row);
        // What was asked by another topology finds nothing here.
        let holding = holding.as_deref().filter(|holding| holding.epoch == ask.epoch);
        let mut executor = Executor { scope: &scope, data, counters, watch: watch_within, sent: &mut None };
        let mark = output.len();
        let tail = executor.run_errand(
            (verb, &request.args),
            holding,
            ask,
            &mut Reply::new(output, request.dialect),
        )?;
        match began.or_else(|| watch.suspect(decoded.is_large(), output.len() - mark)) {
            None => watch.share(request.row, 1),
            Some(began) => watch.record(began, &request, &scope, counters),
        }
        Ok(tail)
    }
}

impl<W: Worker> Executor<'_, W> {
    fn run_errand(
        &mut self,
        (verb, args): (Link, &Args<'_>),
        holding: Option<&Holding>,
        ask: &Ask,
        reply: &mut Reply<'_>,
    ) -> Result<Tail, Outcome> {
        let shared = self.scope.shared;
        match Errand::of(verb, args).expect("its arguments were looked at when it was decoded") {
            Errand::Transact { client, watched, frames } => {
                let together = holding.map(|holding| Together::of(frames, holding));
                let Some(together) = together.filter(|together| together.is_here) else {
                    self.unwatch_for(client);
                    return Ok(Tail::Moved);
                };
                return self.transact((client, watched), frames, &together, ask, reply);
            }
            Errand::Watch { client, keys } => {
                if !holding.is_some_and(|it| keys.iter().all(|key| it.slots.has(slot_of(key)))) {
                    return Ok(Tail::Moved);
                }
                return self.watch_for(client, &keys, ask, reply);
            }
            Errand::Unwatch { client } => self.unwatch_for(client),
            Errand::Unblock { client, answer } => {
                return match self.data.unblock(self.process(), client, answer, reply) {
                    outcome @ Outcome::Busy => Err(outcome),
                    _ => Ok(Tail::Done),
                };
            }
            Errand::Figures => {
                self.let_go();
                shared.figures().encode(reply.out());
                return Ok(Tail::Done);
            }
            Errand::ResetFigures => {
                self.let_go();
                shared.reset_statistics();
            }
            Errand::Purge => {
                self.let_go();
                shared.purge();
            }
            Errand::Listen { kind: Kind::Scripts, .. } => {
                let name = self.process().to_le_bytes();
                self.scope.intake.subscribe(self.scope.session, Kind::Scripts, &name);
            }
            Errand::Unlisten { kind: Kind::Scripts, .. } => {
                let name = self.process().to_le_bytes();
                self.scope.intake.unsubscribe(self.scope.session, Kind::Scripts, &name);
            }
            Errand::Listen { kind, names } => {
                names.iter().for_each(|name| self.scope.intake.subscribe(self.scope.session, kind, name));
            }
            Errand::Unlisten { kind, names } => {
                names.iter().for_each(|name| self.scope.intake.unsubscribe(self.scope.session, kind, name));
            }
            Errand::Say { .. } if shared.pubsub.is_crowded() => return Err(Outcome::Busy),
            Errand::Say { kind, channel, payload } => {
                let intake = self.scope.intake;
                let from = self.scope.session.of_link().process.get();
                shared.pubsub.publish(&Said { kind, channel, payload }, intake.index, from);
            }
            Errand::Follow { again, prefixes } => {
                let (intake, session) = (self.scope.intake, self.scope.session);
                session.client.tracks_for_gateway(session.of_link().process.get());
                intake.follow(session, &prefixes.iter().collect::<Vec<_>>());
                self.let_go();
                follow_here(self.data, intake);
                if again {
                    intake.tell_gateway_all(session.client.id);
                }
            }
            Errand::Unfollow { prefixes } => {
                prefixes.iter().for_each(|prefix| self.scope.intake.unfollow(self.scope.session, prefix));
            }
            Errand::Learn { script } => self.data.learn(script),
            Errand::Rules { client, user, rules } => {
                if let Err(error) = shared.acl.act_under((self.process(), client), user, rules) {
                    tracing::error!("a gateway has told rules of a user that are none: {error}");
                    return Ok(self.refuse(verb, &error, reply));
                }
            }
            Errand::Libraries { changes, payload } => {
                if let Err(error) = self.data.exchange_libraries(changes, payload, reply.out()) {
                    tracing::error!("cannot take over the libraries of functions of other shards: {error}");
                    return Ok(self.refuse(verb, &error, reply));
                }
                return Ok(Tail::Done);
            }
            Errand::Configure { pairs } => match changes(&pairs, &shared.settings) {
                Ok(changes) => changes.into_iter().for_each(|(key, value)| shared.settings.store(key, value)),
                Err(error) => return Ok(self.refuse(verb, &error, reply)),
            },
        }
        reply.ok();
        Ok(Tail::Done)
    }

    /// The number of the gateway process that asks; 0 if it has told none.
    fn process(&self) -> u64 {
        self.scope.session.of_link().process.get().unwrap_or(0)
    }

    /// Lets partitions go that are looked into for figures.
    fn let_go(&mut self) {
        self.data.finish();
        self.data.begin(self.scope.now_ms);
    }

    fn refuse(&self, verb: Link, error: &Error, reply: &mut Reply<'_>) -> Tail {
        let mark = reply.mark();
        reply.refuse(error);
        self.counters.failed(self.counters.command(Verb::Link(verb)), &reply.out()[mark..]);
        Tail::Failed
    }

    fn unwatch_for(&mut self, client: u64) {
        let watches = self.watches_of(client);
        self.data.unwatch(client, &watches);
    }

    /// What a client of a gateway watches, and does no more.
    fn watches_of(&self, client: u64) -> Watches {
        self.scope.session.of_link().watches.borrow_mut().remove(&client).unwrap_or_default()
    }

    /// Watches keys for a client of a gateway; one that is watched already keeps the version it has.
    fn watch_for(
        &mut self,
        client: u64,
        keys: &Args<'_>,
        ask: &Ask,
        reply: &mut Reply<'_>,
    ) -> Result<Tail, Outcome> {
        let mut all = self.scope.session.of_link().watches.borrow_mut();
        let before = all.entry(client).or_default();
        let mut fresh = Watches::default();
        for key in keys.iter() {
            let key = WatchedKey { database: ask.database, key: key.into() };
            if !before.contains(&key) {
                fresh.insert(key);
            }
        }
        let context = Context { may_wait: true, ..context(client, ask, self.scope.session) };
        match self.data.watch(&mut fresh, before, &context, reply) {
            Outcome::Done => {
                before.append(fresh);
                Ok(Tail::Done)
            }
            Outcome::Failed => Ok(Tail::Failed),
            outcome @ (Outcome::Busy | Outcome::Full(_)) => Err(outcome),
            Outcome::Later(_) => unreachable!("a shard has its data itself"),
        }
    }

    /// Executes requests as one, if nothing that the client watches here has changed, which are `keys` as far as the
    /// gateway knows. Nothing is watched afterwards.
    fn transact(
        &mut self,
        (client, keys): (u64, u32),
        frames: &[u8],
        &Together { count, flags, .. }: &Together,
        ask: &Ask,
        reply: &mut Reply<'_>,
    ) -> Result<Tail, Outcome> {
        if flags.has(Flags::DENYOOM) && !self.data.make_room() {
            self.unwatch_for(client);
            let error = Error::Discarded(Error::OutOfMemory.to_string().into());
            return Ok(self.refuse(Link::Transact, &error, reply));
        }
        let watches = self.watches_of(client);
        if watches.len() != keys as usize {
            // They were lost with an earlier link, and who knows what has changed since.
            self.data.unwatch(client, &watches);
            reply.null_array();
            return Ok(Tail::Done);
        }
        let dialect = reply.dialect();
        // As a whole it may have to wait; none of its requests may.
        let own = self.scope.session.client.id;
        let context =
            Context { gateway: self.process(), may_wait: true, ..context(own, ask, self.scope.session) };
        let transaction = Transaction { requests: frames, watches: &watches, context, dialect };
        let entered = self.data.enter(&transaction);
        match entered {
            Entered::Busy | Entered::Full(_) => {
                self.scope.session.of_link().watches.borrow_mut().insert(client, watches);
                Err(if let Entered::Full(ticket) = entered { Outcome::Full(ticket) } else { Outcome::Busy })
            }
            Entered::Refused(refusal) => {
                reply.out().extend_from_slice(&refusal);
                Ok(Tail::Failed)
            }
            Entered::Stale => {
                reply.null_array();
                Ok(Tail::Done)
            }
            Entered::Yes => {
                let tail = self.execute_frames(&transaction, count, reply);
                self.data.leave();
                tail.ok_or(Outcome::Busy)
            }
            Entered::Later(ticket) => Err(Outcome::Later(ticket)),
            Entered::Apart | Entered::Unserved => {
                unreachable!("a shard has its data itself")
            }
        }
    }

    /// Executes all requests of a transaction, each in its own language, whatever becomes of their replies. `None` if it is to
    /// begin again, on another thread.
    fn execute_frames(
        &mut self,
        transaction: &Transaction<'_>,
        count: usize,
        reply: &mut Reply<'_>,
    ) -> Option<Tail> {
        let (begin, mut tail, mut is_long) = (reply.mark(), Tail::Done, false);
        self.watch.start(&self.scope.shared.settings, count);
        reply.array(count);
        let mut requests = transaction.requests();
        while let Some((request, ask)) = requests.next_with_ask() {
            match self.step(&request, &transaction.context_of(&ask), reply.out()) {
                Outcome::Busy => return None,
                Outcome::Failed => tail = Tail::Failed,
                Outcome::Done | Outcome::Later(_) | Outcome::Full(_) => {}
            }
            is_long |= reply.mark() - begin > REPLY_BYTES_MAX;
            if is_long {
                reply.rewind(begin);
            }
        }
        if is_long {
            tail = self.refuse(Link::Transact, &Error::ReplyTooLong, reply);
        }
        Some(tail)
    }
}

impl Together {
    fn of(frames: &[u8], holding: &Holding) -> Self {
        let mut together = Self { count: 0, flags: Flags::NONE, is_here: true };
        let mut requests = Requests::new(frames);
        while let Some(Request { row, args, .. }) = requests.next_request() {
            together.count += 1;
            together.flags = together.flags.and(row.flags);
            together.is_here &= holding.has_keys_of(row, &args);
        }
        together
    }
}

/// For which client of a gateway a request is executed.
fn context(client: u64, ask: &Ask, session: &Session) -> Context {
    let Ask { database, no_touch, in_cluster, .. } = *ask;
    let tracker = tracker(session, ask);
    Context { client_id: client, tracker, database, no_touch, in_cluster, ..Context::default() }
}

/// The values that pairs of names and texts give: all of them, or the first mistake.
fn changes(pairs: &Args<'_>, settings: &Settings) -> Result<Vec<(Key, Value)>, Error> {
    let pair = |at: usize| {
        let name = pairs.at(at);
        let refused = |reason: &str| Error::quoting("ERR ", name, &format!(": {reason}"));
        let key = Key::told(name).ok_or_else(|| refused("there is no such setting"))?;
        if !key.concerns_store() {
            return Err(refused("this setting is not for shards"));
        }
        let value = settings.parse(key, &String::from_utf8_lossy(pairs.at(at + 1)));
        Ok((key, value.map_err(|reason| refused(&reason))?))
    };
    (0..pairs.len()).step_by(2).map(pair).collect()
}
