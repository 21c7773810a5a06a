//! MULTI, EXEC, DISCARD, WATCH and UNWATCH.
//!
//! From MULTI on a client's requests are checked and queued, each as the frame in which it could travel. EXEC
//! hands all of them to the store at once, which locks what they need, and executes them one by one in between:
//! the store its own, the gateway those that are about the connection and the server.

use std::time::Instant;

use tidegate_protocols::data::{Context, Outcome, Worker};
use tidegate_protocols::limits::REPLY_BYTES_MAX;
use tidegate_protocols::link::Ask;
use tidegate_protocols::memcached::Item;
use tidegate_protocols::resp::answer::{self, Head};
use tidegate_protocols::settings::Key;
use tidegate_protocols::stale::Tracker;
use tidegate_protocols::table::connection::Connection as Connections;
use tidegate_protocols::table::server::Server;
use tidegate_protocols::table::transactions::Transactions;
use tidegate_protocols::table::{Flags, Route, lookup};
use tidegate_protocols::transaction::{Entered, Requests, Transaction, WatchedKey, Watches};
use tidegate_protocols::{Error, Reply, Request, Row, Verb, Words};

use super::attend::Verdict;
use super::later::Ended;
use super::{EXEC, Tick, blocked, chores};
use crate::acl;
use crate::batch::Decoded;
use crate::commands::{self, Scope};
use crate::connection::Connection;
use crate::counters::WorkerCounters;
use crate::foresight::Foresight;
use crate::pubsub::publish_events;
use crate::queue::Queue;
use crate::session::{Attention, Session};
use crate::timing::Stopwatch;
use crate::tracking::{follow_here, is_tracking, publish_stale};

/// What a request refused within a transaction does to it; and why EXEC refuses.
const SPOILED: Error = Error::Text("EXECABORT Transaction discarded because of previous errors.");

impl<W: Worker> Tick<W> {
    /// What is to be done with a request of a client that queues.
    ///
    /// Source: Redis `server.c`, `processCommand`. To queue takes memory, so what memory is too full for is any
    /// request but those that end the transaction.
    pub(super) fn verdict_queueing(&mut self, session: &Session, row: &'static Row) -> Verdict {
        let (is_end, is_executed) = match row.verb {
            Verb::Transactions(Transactions::Exec) => {
                let needs_memory = session.with_queue(|queue| queue.flags.has(Flags::DENYOOM)) == Some(true);
                (!needs_memory, true)
            }
            Verb::Transactions(Transactions::Discard)
            | Verb::Connection(Connections::Quit | Connections::Reset) => (true, true),
            Verb::Transactions(Transactions::Multi | Transactions::Watch) => (false, true),
            _ => (false, false),
        };
        if row.verb == EXEC
            && self.intake.shared.is_cluster()
            && let Some((slot, is_one)) = session.with_queue(Queue::slot).flatten()
            && let Err(astray) = self.intake.look_at(slot, is_one)
        {
            return Verdict::Reject(row, self.intake.error(astray));
        }
        if row.flags.has(Flags::NO_MULTI) {
            Verdict::Reject(row, Error::Text("ERR Command not allowed inside a transaction"))
        } else if !is_end && !self.data.make_room() {
            Verdict::Reject(row, Error::OutOfMemory)
        } else if is_executed {
            Verdict::Execute(row)
        } else {
            Verdict::Queue(row)
        }
    }

    /// Queues a request. Who queues more than a request may have is closed without an answer, as Redis does.
    pub(super) fn queue(&mut self, connection: &Connection, row: &'static Row, decoded: &Decoded) {
        let session = &connection.session;
        session.client.heard_of(self.now_ms, row);
        let bytes_max = self.intake.shared.settings.number(Key::ClientQueryBufferLimit) as usize;
        let request = self.batch.request(decoded, row, session.dialect());
        let mut fits = true;
        let writes = row.may_write() && self.data.writes(&request);
        session.edit_queue(|queue| {
            fits = queue.add(&request, bytes_max);
            queue.writes |= writes;
        });
        if fits {
            Reply::new(&mut self.output, session.dialect()).simple("QUEUED");
        } else {
            tracing::debug!(
                client = session.client.id,
                "closed: its transaction exceeds client-query-buffer-limit"
            );
            session.put(Attention::Closing, true);
        }
    }

    /// A request was refused: if it was part of a transaction that spoils it, and a refused EXEC ends it.
    pub(super) fn refuse_in_transaction(&mut self, session: &Session, row: Option<&Row>, mark: usize) {
        session.edit_queue(|queue| queue.is_spoiled = true);
        if row.is_some_and(|row| row.verb == Verb::Transactions(Transactions::Exec)) {
            discard(session, &mut self.data);
            let text = String::from_utf8_lossy(&self.output[mark..]);
            let reason = text.trim_start_matches('-').trim_start_matches("ERR ").trim_end().into();
            self.output.truncate(mark);
            Reply::new(&mut self.output, session.dialect()).refuse(&Error::Discarded(reason));
        }
    }

    /// What connections that are gone had watched is watched no more.
    pub(super) fn unwatch_abandoned(&mut self) {
        let abandoned = self.intake.abandoned.take();
        if abandoned.is_empty() {
            return;
        }
        self.data.begin(self.now_ms);
        for (client_id, watches) in &abandoned {
            self.data.unwatch(*client_id, watches);
        }
        self.data.finish();
    }
}

/// Ends a transaction, if there is one, without executing it, and watches nothing more.
pub(super) fn discard<W: Worker>(session: &Session, data: &mut W) {
    session.set_queue(None);
    unwatch(session, data);
}

fn unwatch<W: Worker>(session: &Session, data: &mut W) {
    let watches = session.watches.take();
    if !watches.is_empty() {
        data.unwatch(session.client.id, &watches);
        session.client.set_watched(0);
    }
}

/// What executes commands on transactions.
pub(super) struct Executor<'a, W> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) data: &'a mut W,
    pub(super) counters: &'a WorkerCounters,
    /// Times what a transaction consists of, request by request: the next may ask for the figures.
    pub(super) watch: &'a mut Stopwatch,
    /// What was queued, if it has been sent to where it is executed.
    pub(super) sent: &'a mut Option<Box<Queue>>,
}

impl<W: Worker> Executor<'_, W> {
    pub(super) fn execute(
        &mut self,
        verb: Transactions,
        request: &Request<'_>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let session = self.scope.session;
        let is_queueing = session.has(Attention::Queueing);
        let refused = match (verb, is_queueing) {
            (Transactions::Multi, true) => "ERR MULTI calls can not be nested",
            (Transactions::Watch, true) => "ERR WATCH inside MULTI is not allowed",
            (Transactions::Exec, false) => "ERR EXEC without MULTI",
            (Transactions::Discard, false) => "ERR DISCARD without MULTI",
            (Transactions::Exec, true) => return self.exec(reply),
            (Transactions::Watch, false) => return self.watch(request, reply),
            (Transactions::Multi, false) => {
                session.begin_queue();
                reply.ok();
                return Outcome::Done;
            }
            (Transactions::Discard, true) | (Transactions::Unwatch, _) => {
                discard(session, self.data);
                reply.ok();
                return Outcome::Done;
            }
        };
        reply.refuse(&Error::Text(refused));
        Outcome::Failed
    }

    /// `WATCH key [key ...]`; a key that is watched already keeps the version it has.
    fn watch(&mut self, request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
        let session = self.scope.session;
        let mut watches = session.watches.borrow_mut();
        let mut fresh = Watches::default();
        for key in request.args.iter().skip(1) {
            let key = WatchedKey { database: session.context().database, key: key.into() };
            if !watches.contains(&key) {
                fresh.insert(key);
            }
        }
        let outcome = self.data.watch(&mut fresh, &watches, &session.context(), reply);
        if matches!(outcome, Outcome::Done | Outcome::Later(_)) {
            watches.append(fresh);
            session.client.set_watched(watches.len());
        }
        outcome
    }

    fn exec(&mut self, reply: &mut Reply<'_>) -> Outcome {
        let session = self.scope.session;
        if session.with_queue(|queue| queue.is_spoiled) == Some(true) {
            discard(session, self.data);
            reply.refuse(&SPOILED);
            return Outcome::Failed;
        }
        let Some(mut queue) = session.take_queue() else { return Outcome::Done };
        if session.has(Attention::Restricted) {
            acl::refuse_queued(&mut queue, session, self.scope.shared, self.scope.now_ms);
        }
        let watches = session.watches.take();
        let (context, dialect) = (session.context(), session.dialect());
        let foreseen = if W::ANSWERS_LATER { None } else { self.foresee(&queue) };
        // Then each says by itself what is remembered of what it reads.
        let tracker = if foreseen.is_some() { Tracker::default() } else { context.tracker };
        let context = Context { tracker, ..context };
        let requests = foreseen.as_ref().unwrap_or(&queue.frames);
        let transaction = Transaction { requests, watches: &watches, context, dialect };
        match self.data.enter(&transaction) {
            Entered::Busy => {
                session.set_queue(Some(queue));
                session.watches.replace(watches);
                return Outcome::Busy;
            }
            Entered::Full(ticket) => {
                session.set_queue(Some(queue));
                session.watches.replace(watches);
                return Outcome::Full(ticket);
            }
            Entered::Later(ticket) => {
                *self.sent = Some(queue);
                session.set_queue(None);
                session.client.set_watched(0);
                return Outcome::Later(ticket);
            }
            Entered::Refused(error) => return self.refused(reply, |reply| reply.out().extend(error)),
            Entered::Apart => return self.refused(reply, |reply| reply.refuse(&Error::CrossSlot)),
            Entered::Unserved => return self.refused(reply, |reply| reply.refuse(&Error::Unserved)),
            Entered::Stale if is_silent(session) => {}
            Entered::Stale => reply.null_array(),
            Entered::Yes => {
                let outcome = self.execute_all(&queue, transaction, reply);
                self.data.leave();
                if outcome == Outcome::Busy {
                    session.set_queue(Some(queue));
                    return outcome;
                }
                if W::ANSWERS_LATER {
                    chores::pass_on_all(self.data, &queue.frames);
                    let _ = chores::follow(self.data, self.scope.intake);
                }
            }
        }
        session.set_queue(None);
        session.client.set_watched(0);
        Outcome::Done
    }

    /// Ends a transaction that cannot take place.
    fn refused(&mut self, reply: &mut Reply<'_>, say: impl FnOnce(&mut Reply<'_>)) -> Outcome {
        self.scope.session.set_queue(None);
        self.scope.session.client.set_watched(0);
        say(reply);
        Outcome::Failed
    }

    /// The requests of a transaction as they are to be executed, if it runs scripts, and so may be on another thread.
    fn foresee(&self, queue: &Queue) -> Option<Vec<u8>> {
        queue.script?;
        let (session, mut frames) = (self.scope.session, Vec::with_capacity(queue.frames.len()));
        let (users, context) = (Some(&*self.scope.shared.acl), session.context());
        let mut foresight = Foresight { users, context, dialect: session.dialect() };
        let mut requests = Requests::new(&queue.frames);
        let mut fits = true;
        while let Some(request) = requests.next_request() {
            foresight.follow(&request);
            if !queue.has_own {
                session.look_at_tracking(request.row);
            }
            let ask = Ask { tracker: session.context().tracker.client, ..foresight.ask() };
            fits &= foresight.add(&request, &ask, &mut frames);
        }
        fits.then_some(frames)
    }

    /// Executes all requests of a transaction, whatever becomes of their replies. If it is to begin again, on another thread,
    /// this is [`Outcome::Busy`], and nothing is written.
    fn execute_all(&mut self, queue: &Queue, transaction: Transaction<'_>, reply: &mut Reply<'_>) -> Outcome {
        let (session, begin) = (self.scope.session, reply.mark());
        self.watch.start(&self.scope.shared.settings, queue.count);
        reply.array(queue.count);
        if is_silent(session) {
            reply.rewind(begin);
        }
        let mut requests = transaction.requests();
        while let Some(request) = requests.next_request() {
            let (was_closing, mark) = (session.has(Attention::Closing), reply.mark());
            let request = Request { dialect: session.dialect(), ..request };
            session.look_at_tracking(request.row);
            if self.step(&request, &session.context(), reply.out()) == Outcome::Busy {
                reply.rewind(begin);
                return Outcome::Busy;
            }
            if was_closing || is_silent(session) {
                reply.rewind(mark);
            }
            if reply.mark() - begin > REPLY_BYTES_MAX {
                reply.rewind(begin);
                self.counters.output_limit_disconnections.add(1);
                self.scope.close();
            }
        }
        Outcome::Done
    }

    /// Executes one request of a transaction. If this is [`Outcome::Busy`], all of it is to begin again, on another thread.
    pub(super) fn step(&mut self, request: &Request<'_>, context: &Context, output: &mut Vec<u8>) -> Outcome {
        let (row, mark) = (request.row, output.len());
        if row.runs_scripts() && self.scope.shared.pubsub.has_monitors() {
            commands::tell_monitors_of_run(request, self.scope);
        }
        let began = Instant::now();
        let mut reply = Reply::new(output, request.dialect);
        let outcome = match row.verb {
            // What is watched ended with the beginning of the transaction.
            Verb::Transactions(_) => {
                reply.ok();
                Outcome::Done
            }
            Verb::Connection(Connections::ClientUnblock) => {
                blocked::unblock(request, self.scope, self.data, &mut reply)
            }
            _ if row.route == Route::Gateway => {
                if !row.flags.has(Flags::FAST) {
                    self.data.finish();
                }
                let outcome = commands::execute(request, self.scope, &mut reply);
                if is_tracking(row.verb) {
                    follow_here(self.data, self.scope.intake);
                }
                outcome
            }
            _ => {
                let prepared = self.data.prepare(request.row, &request.args, context.database, None);
                let outcome = self.data.execute(request, prepared, context, &mut reply);
                publish_events(self.data, self.scope.shared, self.scope.intake.index);
                publish_stale(self.data, self.scope.intake);
                outcome
            }
        };
        match outcome {
            Outcome::Done => {}
            Outcome::Failed => {
                self.counters.failed(self.counters.command(row.verb), &output[mark..]);
            }
            Outcome::Busy => return outcome,
            Outcome::Full(_) | Outcome::Later(_) => unreachable!("a transaction has all it needs"),
        }
        if self.scope.shared.pubsub.has_monitors() {
            commands::tell_monitors(request, self.scope);
        }
        self.watch.record(began, request, self.scope, self.counters);
        outcome
    }
}

impl<W: Worker> Tick<W> {
    /// Completes the replies to a transaction that was executed elsewhere, or apart, and has been answered.
    #[cold]
    pub(super) fn complete(&mut self, ended: Ended) {
        let Ended { connection, number, is_silent, is_skipped, queue, answer, word, nanos } = ended;
        let Self { intake, data, now_ms, .. } = self;
        let session = &connection.session;
        let scope = Scope { session, shared: &intake.shared, intake, now_ms: *now_ms };
        // As things stood when it was sent. What follows a transaction that may change them waits for it.
        let was_silent = session.has(Attention::Silent);
        if !queue.has_own {
            session.put(Attention::Silent, is_silent);
        }
        session.put(Attention::Skip, is_skipped);
        let has_taken_place = matches!(answer::head(&answer), Some((Head::Array(_), _)));
        let reply = if has_taken_place {
            Completion { scope: &scope, data, nanos }.complete(&queue, &answer)
        } else if self::is_silent(session) {
            Vec::new()
        } else {
            answer
        };
        if scope.shared.pubsub.has_monitors() {
            tell_monitors_of_exec(&word, &scope);
        }
        session.put(Attention::Skip, false);
        if queue.has_own {
            if has_taken_place && W::ANSWERS_LATER {
                chores::pass_on_all(data, &queue.frames);
                let _ = chores::follow(data, intake);
            }
            // Only of such a one: of another, what waits may wait for something else.
            connection.clear();
        } else {
            session.put(Attention::Silent, was_silent);
        }
        intake.counters().command(EXEC).called(nanos);
        self.deliver_later(&connection, number, reply);
    }
}

/// What is added to the replies to a transaction.
struct Completion<'a, W> {
    scope: &'a Scope<'a>,
    data: &'a mut W,
    /// How long it took.
    nanos: u64,
}

impl<W: Worker> Completion<'_, W> {
    /// The replies to a transaction of which `answer` is what has been said by whoever has executed it: those of the gateway's
    /// own commands are added, which are executed now that it is known to have taken place.
    fn complete(&mut self, queue: &Queue, answer: &[u8]) -> Vec<u8> {
        let session = self.scope.session;
        let mut rest = answer::head(answer).map_or(&b""[..], |(_, rest)| rest);
        let mut output = Vec::with_capacity(answer.len());
        Reply::new(&mut output, session.dialect()).array(queue.count);
        if is_silent(session) {
            output.clear();
        }
        let mut requests = Requests::new(&queue.frames);
        while let Some(request) = requests.next_request() {
            let (was_closing, mark) = (session.has(Attention::Closing), output.len());
            let request = Request { dialect: session.dialect(), ..request };
            let is_own = request.row.route == Route::Gateway
                && (W::ANSWERS_LATER || commands::is_about_client(request.row.verb));
            if is_own {
                self.own_step(&request, &mut output);
            } else {
                let bytes = answer::whole(rest).unwrap_or(rest.len());
                output.extend_from_slice(&rest[..bytes]);
                rest = &rest[bytes..];
            }
            if W::ANSWERS_LATER || is_own {
                self.count(&request, &output[mark..], queue);
            }
            if was_closing || is_silent(session) {
                output.truncate(mark);
            }
        }
        output
    }

    /// One of the gateway's own commands within a transaction.
    fn own_step(&mut self, request: &Request<'_>, output: &mut Vec<u8>) {
        let mut reply = Reply::new(output, request.dialect);
        match request.row.verb {
            // What is watched ended with the beginning of the transaction.
            Verb::Transactions(_) => reply.ok(),
            Verb::Server(Server::Monitor) => reply.refuse(&commands::NO_MONITOR),
            Verb::Connection(Connections::ClientUnblock) if !W::ANSWERS_LATER => {
                if blocked::unblock(request, self.scope, self.data, &mut reply) == Outcome::Busy {
                    // Another holds what it waits for, and may be about to answer it. The reply cannot wait for that.
                    reply.integer(0);
                }
            }
            verb => {
                // An error is written, too.
                let _ = commands::execute(request, self.scope, &mut reply);
                if is_tracking(verb) {
                    follow_here(self.data, self.scope.intake);
                }
            }
        }
    }

    /// Counts a request, and tells those who watch all commands. What was executed apart has been counted and told there.
    fn count(&self, request: &Request<'_>, reply: &[u8], queue: &Queue) {
        let counters = self.scope.intake.counters();
        if W::ANSWERS_LATER && self.scope.shared.pubsub.has_monitors() {
            commands::tell_monitors(request, self.scope);
        }
        let command = counters.command(request.row.verb);
        command.called(self.nanos / queue.count.max(1) as u64);
        if reply.first() == Some(&b'-') {
            command.failed.add(1);
            counters.error(reply);
        }
    }
}

/// Tells those who watch all commands that a transaction which was sent elsewhere is over.
#[cold]
fn tell_monitors_of_exec(word: &[u8], scope: &Scope<'_>) {
    let words = [word];
    let words = Words::new(&words);
    let Some(row) = lookup(b"exec") else { return };
    let (dialect, item) = (scope.session.dialect(), &Item::NONE);
    commands::tell_monitors(&Request { row, dialect, args: words.args(), item }, scope);
}

fn is_silent(session: &Session) -> bool {
    session.has(Attention::Silent) || session.has(Attention::Skip)
}
