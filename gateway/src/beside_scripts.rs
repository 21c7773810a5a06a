//! What the gateway does for scripts, which the store runs, and for transactions that are executed apart: its own commands, and
//! what is counted and told of all.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tidegate_protocols::data::{Aside, Asides, Context, Outcome};
use tidegate_protocols::link::Said;
use tidegate_protocols::messages::KeyEvent;
use tidegate_protocols::stale::Stale;
use tidegate_protocols::table::server::Server;
use tidegate_protocols::{Args, Error, Reply, Request, Row, Verb};

use crate::acl::{self, User};
use crate::commands::{self, Scope};
use crate::decoder::Family;
use crate::intake::Intake;
use crate::pubsub::{Kind, publish_all};
use crate::registry::Client;
use crate::session::Session;
use crate::shared::{Shared, now_ms};
use crate::timing::Stopwatch;

/// How long a script may sleep at once, in milliseconds.
const DEBUG_SLEEP_MS_MAX: u64 = 1000;

/// The client that scripts of one thread are to the commands they execute.
struct BesideScripts {
    intake: Intake,
    session: Session,
    caller: Caller,
    /// The gateway whose client the script runs for, if somebody there watches all commands.
    watched_at: Option<[u8; 8]>,
    /// What has been told of a script that may have to begin again.
    unsettled: Vec<Told>,
    /// There is one.
    is_unsettled: bool,
    /// What stands for the client of this process whose transaction is executed.
    asking: Option<Session>,
    /// Times its requests.
    watch: Stopwatch,
}

/// What is told of a request that a script makes.
enum Told {
    /// To those who watch all commands, here.
    Line(Vec<u8>),
    /// To a gateway that has such.
    LineElsewhere(Vec<u8>),
    /// It has been executed, in so many ns, and this is the error, if it is one.
    Ended(&'static Row, u64, Option<Box<[u8]>>),
    /// It was not allowed.
    Refused(Option<&'static Row>, Box<[u8]>),
}

/// How much of that waits to be settled: what goes on for longer is told at once, and twice if it begins again. In the time that
/// a script may be where it holds others up it does less.
const UNSETTLED_MAX: usize = 1 << 16;

/// For how much there is room when there is none.
const UNSETTLED_KEPT: usize = 1024;

/// Whom a script runs for.
enum Caller {
    /// One who may do everything.
    Anybody,
    /// One who may not.
    Somebody(Arc<Client>, Arc<User>),
    /// One who may not, of another gateway, which notes itself what it has been refused.
    Elsewhere(Arc<User>),
    /// One of whom nobody has said what he may do.
    Unknown,
}

const UNKNOWN: Error =
    Error::Text("NOPERM Nobody has said what the user may do for whom the script runs; try again");

/// Makes it.
pub(crate) fn asides(shared: &Arc<Shared>) -> Asides {
    let shared = Arc::clone(shared);
    Arc::new(move |index| {
        let client = Arc::new(Client::of_scripts(shared.registry.default_user()));
        let session = Session::new(client, Family::Redis, false, shared.is_cluster());
        Box::new(BesideScripts {
            intake: Intake::new(Arc::clone(&shared), index),
            session,
            caller: Caller::Anybody,
            watched_at: None,
            unsettled: Vec::new(),
            is_unsettled: false,
            asking: None,
            watch: Stopwatch::new(),
        })
    })
}

impl BesideScripts {
    /// Tells something of a request, at once or when it is settled that it has been.
    fn note(&mut self, told: Told) {
        if self.is_unsettled && self.unsettled.len() < UNSETTLED_MAX {
            return self.unsettled.push(told);
        }
        if self.is_unsettled {
            self.settle(true);
        }
        self.tell_of(told);
    }

    fn tell_of(&self, told: Told) {
        let Intake { shared, index, .. } = &self.intake;
        let counters = self.intake.counters();
        match told {
            Told::Line(line) => shared.pubsub.tell_monitors(line, *index),
            Told::LineElsewhere(line) => {
                let channel = self.watched_at.as_ref().map_or(&[][..], |gateway| gateway);
                let said = Said { kind: Kind::Scripts, channel, payload: &line };
                shared.pubsub.publish(&said, *index, None);
            }
            Told::Ended(row, nanos, error) => {
                let command = counters.command(row.verb);
                command.called(nanos);
                if let Some(error) = error {
                    counters.failed(command, &error);
                }
            }
            Told::Refused(row, reply) => {
                if let Some(row) = row {
                    counters.command(row.verb).rejected.add(1);
                }
                counters.error(&reply);
            }
        }
    }

    /// What stands for the client whose transaction is executed.
    fn asking(&self) -> &Session {
        self.asking.as_ref().unwrap_or(&self.session)
    }
}

/// What a request of a transaction sees of the client.
fn scope_of<'a>(
    intake: &'a Intake,
    session: &'a Session,
    request: &Request<'_>,
    context: &Context,
) -> Scope<'a> {
    session.select(context.database);
    session.set_dialect(request.dialect);
    Scope { session, shared: &intake.shared, intake, now_ms: now_ms() }
}

impl Aside for BesideScripts {
    fn execute(&mut self, request: &Request<'_>, context: &mut Context, reply: &mut Reply<'_>) -> Outcome {
        let Self { intake, session, .. } = self;
        session.select(context.database);
        session.set_dialect(request.dialect);
        let scope = Scope { session, shared: &intake.shared, intake, now_ms: now_ms() };
        let outcome = commands::execute(request, &scope, reply);
        if request.row.verb == Verb::Server(Server::DebugSleep) {
            // It is the script that sleeps, with all that it has locked: tests want to see that.
            let ms = session.held_until_ms().saturating_sub(scope.now_ms).min(DEBUG_SLEEP_MS_MAX);
            thread::sleep(Duration::from_millis(ms));
        }
        context.database = session.context().database;
        outcome
    }

    fn begins_for(&mut self, context: &Context) {
        let shared = &self.intake.shared;
        let mut gateway = context.gateway;
        self.caller = if gateway == 0 {
            let client = shared.registry.get(context.client_id);
            gateway = client.as_ref().map_or(0, |client| client.process());
            match client.map(|client| (client.user(), client)) {
                Some((user, _)) if user.is_free() => Caller::Anybody,
                Some((user, client)) => Caller::Somebody(client, user),
                None => Caller::Unknown,
            }
        } else {
            let user = shared.acl.acting_for((gateway, context.client_id));
            user.map_or(Caller::Unknown, Caller::Elsewhere)
        };
        let is_of_gateway = gateway != 0;
        let gateway = gateway.to_le_bytes();
        let is_watched = is_of_gateway && shared.pubsub.listeners(Kind::Scripts, &gateway) > 0;
        self.watched_at = is_watched.then_some(gateway);
    }

    fn refusal(&mut self, row: &'static Row, args: &Args<'_>) -> Option<Error> {
        let (client, user) = match &self.caller {
            Caller::Anybody => return None,
            Caller::Unknown => return Some(UNKNOWN),
            Caller::Somebody(client, user) => (Some(&**client), user),
            Caller::Elsewhere(user) => (None, user),
        };
        acl::refusal_in_script(row, args, (client, user), &self.intake.shared, now_ms())
    }

    fn allows(&mut self, row: &'static Row, args: &Args<'_>) -> bool {
        match &self.caller {
            Caller::Anybody => true,
            Caller::Unknown => false,
            Caller::Somebody(_, user) | Caller::Elsewhere(user) => user.check(row, args).is_ok(),
        }
    }

    fn may_be_taken_back(&mut self) {
        self.is_unsettled = true;
    }

    fn settle(&mut self, has_been: bool) {
        self.is_unsettled = false;
        let mut unsettled = std::mem::take(&mut self.unsettled);
        for told in unsettled.drain(..).filter(|_| has_been) {
            self.tell_of(told);
        }
        if unsettled.capacity() <= UNSETTLED_KEPT {
            self.unsettled = unsettled;
        }
    }

    fn begins(&mut self, request: &Request<'_>, context: &Context) {
        let is_watched = self.intake.shared.pubsub.has_monitors();
        if !is_watched && self.watched_at.is_none() {
            return;
        }
        let Some(line) = commands::line_of_script(request, context.database) else { return };
        if self.watched_at.is_some() {
            self.note(Told::LineElsewhere(line.clone()));
        }
        if is_watched {
            self.note(Told::Line(line));
        }
    }

    fn ends(&mut self, row: &'static Row, outcome: Outcome, nanos: u64, reply: &[u8]) {
        let error = (outcome == Outcome::Failed).then(|| reply.into());
        self.note(Told::Ended(row, nanos, error));
    }

    fn refused(&mut self, row: Option<&'static Row>, reply: &[u8]) {
        self.note(Told::Refused(row, reply.into()));
    }

    fn relays(&mut self, reply: &[u8]) {
        self.intake.counters().forget_error(reply);
    }

    fn transaction_begins(&mut self, context: &Context) {
        let shared = &self.intake.shared;
        let client = shared.registry.get(context.client_id).filter(|_| context.gateway == 0);
        self.asking = client.map(|client| Session::new(client, Family::Redis, false, context.in_cluster));
        self.watch.start(&shared.settings, 1);
    }

    fn step_begins(&mut self, request: &Request<'_>, context: &Context) {
        if request.row.runs_scripts() && self.intake.shared.pubsub.has_monitors() {
            commands::tell_monitors_of_run(request, &scope_of(&self.intake, self.asking(), request, context));
        }
    }

    fn execute_step(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Option<Outcome> {
        if commands::is_about_client(request.row.verb) {
            return None;
        }
        let scope = scope_of(&self.intake, self.asking(), request, context);
        Some(commands::execute(request, &scope, reply))
    }

    fn step_ends(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        outcome: Option<Outcome>,
        began: Instant,
        reply: &[u8],
    ) {
        let Self { intake, session, asking, watch, .. } = self;
        let scope = scope_of(intake, asking.as_ref().unwrap_or(session), request, context);
        if scope.shared.pubsub.has_monitors() {
            commands::tell_monitors(request, &scope);
        }
        if let Some(outcome) = outcome {
            let counters = scope.intake.counters();
            if outcome == Outcome::Failed {
                counters.failed(counters.command(request.row.verb), reply);
            }
            watch.record(began, request, &scope, counters);
        }
    }

    fn tell(&mut self, events: &[KeyEvent]) {
        publish_all(events, &self.intake.shared, self.intake.index);
    }

    fn tell_stale(&mut self, stale: Vec<Stale>) {
        self.intake.publish_all_stale(stale, None);
        if !self.intake.changed.borrow().is_empty() {
            self.intake.tell_followers();
        }
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        match level {
            0 => tracing::debug!(target: "script", "{text}"),
            1 => tracing::debug!(target: "script", "{text}"),
            2 => tracing::info!(target: "script", "{text}"),
            _ => tracing::warn!(target: "script", "{text}"),
        }
    }
}
