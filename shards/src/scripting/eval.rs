//! `EVAL`, `FCALL` and their like: a program run for a request, as often as it takes to have all it needs.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_protocols::data::{Context, Outcome, Worker as _};
use tidegate_protocols::settings::Key;
use tidegate_protocols::slot::slot_of;
use tidegate_protocols::table;
use tidegate_protocols::table::scripting::Scripting;
use tidegate_protocols::{Error, Reply, Request, Sha, Verb, number};

use super::known::{Habit, Habits};
use super::own::{Program, State};
use super::run::{May, Run};
use crate::execute::refuse;
use crate::log::effects::{self, Unit};
use crate::lua::{Engine, Flags, Outcome as Ended, first_line};
use crate::worker::StoreWorker;
const NO_SCRIPT: Error = Error::Text("NOSCRIPT No matching script. Please use EVAL.");
const NO_FUNCTION: Error = Error::Text("ERR Function not found");
const BAD_KEYS: Error = Error::Text("ERR Bad number of keys provided");
const TOO_MANY_KEYS: Error = Error::Text("ERR Number of keys can't be greater than number of args");
const NEGATIVE_KEYS: Error = Error::Text("ERR Number of keys can't be negative");
const WRITES: Error = Error::Text("ERR Can not execute a script with write flag using *_ro command.");
const NO_CLUSTER: Error = Error::Text("ERR Can not run script on cluster, 'no-cluster' flag is set.");
const NO_MEMORY: Error =
    Error::Text("OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'");

/// A script that was known to be short runs no longer on the thread of the worker that is asked, if it has only read so far: it
/// begins again apart.
const HERE_AT_MOST: Duration = Duration::from_millis(5);

/// A program that is to be run, what it is given, and what it may do.
struct Call<'a> {
    program: Program<'a>,
    keys: &'a [&'a [u8]],
    args: &'a [&'a [u8]],
    request: &'a Request<'a>,
    context: &'a Context,
    may: May,
    /// Memory is full.
    is_full: bool,
    /// It is within a transaction, which has locked its keys.
    is_within: bool,
}

/// What came of running a program once.
enum Tried {
    /// It has replied.
    Through(Outcome),
    /// It is to begin again as the wanderer; it has changed nothing.
    BeginsAgain,
    /// It is to begin again apart, as it takes long; it has changed nothing.
    Moves,
}

impl StoreWorker {
    pub(super) fn eval(
        &mut self,
        verb: Scripting,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Result<Outcome, Error> {
        let text = request.args.at(1);
        let is_named = matches!(verb, Scripting::Evalsha | Scripting::EvalshaRo);
        if is_named && text.len() != Sha::DIGITS {
            return Err(NO_SCRIPT);
        }
        let keys = count_keys(request, Error::NotInteger)?;
        let script = if is_named {
            let known = &self.local.shared.scripting.known;
            Sha::parse(text).and_then(|sha| known.get(&sha)).ok_or(NO_SCRIPT)?
        } else {
            self.script_of(text, false)?
        };
        self.run(Program::Script(&script), keys, request, context, reply)
    }

    pub(super) fn call_function(
        &mut self,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Result<Outcome, Error> {
        let libraries = self.local.shared.scripting.functions.now();
        let (library, at) = libraries.function(request.args.at(1)).ok_or(NO_FUNCTION)?;
        let keys = count_keys(request, BAD_KEYS)?;
        self.run(Program::Function(&library, at), keys, request, context, reply)
    }

    /// Whether what a request runs may write, as it says itself; `None` of what nobody knows.
    pub(crate) fn script_writes(&self, request: &Request<'_>) -> Option<bool> {
        let (name, scripts) = (request.args.get(1)?, &self.local.shared.scripting);
        let flags = match request.row.verb {
            Verb::Scripting(Scripting::Eval) => first_line(name).ok()?.0,
            Verb::Scripting(Scripting::Evalsha) => scripts.known.get(&Sha::parse(name)?)?.flags,
            Verb::Scripting(Scripting::Fcall) => {
                let (library, at) = scripts.functions.now().function(name)?;
                library.functions[at].flags
            }
            _ => return None,
        };
        Some(!flags.has(Flags::NO_WRITES))
    }

    /// Whether the program that a request runs is known to be short, and which keys it uses; `None` if there is no such
    /// program.
    pub(crate) fn habits_of(&self, request: &Request<'_>) -> Option<(bool, Habit)> {
        let (name, scripts) = (request.args.get(1)?, &self.local.shared.scripting);
        let tell = |habits: &Habits| (habits.is_short(), habits.habit());
        match request.row.verb {
            Verb::Scripting(Scripting::Eval | Scripting::EvalRo) => {
                let script = scripts.known.get(&Sha::of(name));
                Some(script.map_or((false, Habit::Unknown), |script| tell(&script.habits)))
            }
            Verb::Scripting(Scripting::Evalsha | Scripting::EvalshaRo) => {
                scripts.known.get(&Sha::parse(name)?).map(|script| tell(&script.habits))
            }
            _ => {
                let libraries = scripts.functions.now();
                let (library, at) = libraries.function(name)?;
                Some(tell(&library.functions[at].habits))
            }
        }
    }

    /// Runs a program for a request with so many keys.
    fn run(
        &mut self,
        program: Program<'_>,
        keys: usize,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Result<Outcome, Error> {
        let is_reader = request.row.flags.has(table::Flags::READONLY);
        let is_within = self.held.is_entered();
        let is_full = if is_within { self.is_full() } else { !self.make_room() };
        let flags = program.flags();
        self.check(flags, is_reader, is_full, context)?;
        if !program.habits().is_short()
            && let Some(outcome) = self.execute_apart(request, context)
        {
            return Ok(outcome);
        }
        let shared = Arc::clone(&self.local.shared);
        let mut state = self.scripts.take(&shared.scripting.known, self.local.index);
        let outcome = state.load(program, &shared.scripting.functions).map(|()| {
            let all: Vec<&[u8]> = request.args.from(3).iter().collect();
            let (keys, args) = all.split_at(keys);
            let may = May::as_said(flags, is_reader);
            state.aside.begins_for(context);
            let call = Call { program, keys, args, request, context, may, is_full, is_within };
            self.run_loaded(&mut state, &call, reply)
        });
        self.scripts.state = Some(state);
        outcome
    }

    /// Runs a program that is compiled, again and again until it has all it needs.
    fn run_loaded(&mut self, state: &mut State, call: &Call<'_>, reply: &mut Reply<'_>) -> Outcome {
        let mark = reply.mark();
        let mut habit = if call.may.write { call.program.habits().habit() } else { Habit::Stays };
        let mut may_move = if call.is_within { self.within.may_begin_again } else { call.context.may_wait };
        loop {
            let tried = match self.enter_for_script(call.keys, habit, call.is_within) {
                None => return self.script_held_up(call, habit, reply),
                Some(is_wanderer) => self.try_once(state, call, (habit, is_wanderer, may_move), reply),
            };
            match tried {
                Tried::Through(outcome) => return outcome,
                Tried::BeginsAgain => {
                    reply.rewind(mark);
                    habit = Habit::Wanders;
                }
                // It is the whole transaction that begins again.
                Tried::Moves if call.is_within => {
                    reply.rewind(mark);
                    return Outcome::Busy;
                }
                Tried::Moves => {
                    reply.rewind(mark);
                    may_move = false;
                    if let Some(outcome) = self.execute_apart(call.request, call.context) {
                        return outcome;
                    }
                }
            }
        }
    }

    /// Runs a program once, with its keys locked, and gives back what it has locked.
    fn try_once(
        &mut self,
        state: &mut State,
        call: &Call<'_>,
        (habit, is_wanderer, may_move): (Habit, bool, bool),
        reply: &mut Reply<'_>,
    ) -> Tried {
        let shared = Arc::clone(&self.local.shared);
        let (running, index) = (&shared.scripting.running, self.local.index);
        let began = Instant::now();
        running.begin(index, self.local.now_ms, matches!(call.program, Program::Function(..)));
        running.holds(index, self.held.set());
        let mut run = Run {
            args: &call.request.args,
            goes_on: Cell::new(false),
            worker: self,
            aside: &mut *state.aside,
            context: Context { may_wait: false, in_script: true, ..*call.context },
            may: call.may,
            habit,
            is_full: call.is_full,
            is_within: call.is_within,
            is_wanderer,
            has_written: false,
            wandered: false,
            begins_again: false,
            here_until: may_move.then(|| began + HERE_AT_MOST),
            has_acted: false,
            moves: false,
            is_settled: false,
            slot: call.keys.first().map(|key| slot_of(key)),
            words: <_>::default(),
        };
        let mark = reply.mark();
        run.aside.may_be_taken_back();
        let ended = run_program(&mut state.engine, call, &mut run, reply);
        run.tell_events();
        let (begins_again, wandered, is_wanderer) = (run.begins_again, run.wandered, run.is_wanderer);
        // What has been ended since ends all the same.
        let moves = run.moves && !running.is_killed(index);
        run.aside.settle(!begins_again && !moves);
        running.end(index, state.engine.bytes() as u64);
        if call.is_within {
            self.within.is_wanderer = is_wanderer;
        } else {
            self.leave_script(is_wanderer);
        }
        if begins_again && !moves {
            return Tried::BeginsAgain;
        }
        call.program.habits().has_run(began.elapsed(), wandered);
        if moves {
            return Tried::Moves;
        }
        assert!(reply.mark() > mark, "a script that does not begin again has replied");
        if ended == Ended::Relayed {
            state.aside.relays(&reply.out()[mark..]);
        }
        Tried::Through(if ended == Ended::Done { Outcome::Done } else { Outcome::Failed })
    }

    /// Whether a script may run at all.
    ///
    /// Source: Redis `script.c`, `scriptPrepareForRun`.
    fn check(&self, flags: Flags, is_reader: bool, is_full: bool, context: &Context) -> Result<(), Error> {
        if flags.has(Flags::COMPATIBLE) {
            return Ok(());
        }
        let needs_memory = !flags.has(Flags::ALLOW_OOM) && !flags.has(Flags::NO_WRITES);
        if needs_memory && is_full && !self.held.is_entered() {
            return Err(Error::OutOfMemory);
        }
        if flags.has(Flags::NO_CLUSTER) && context.in_cluster {
            return Err(NO_CLUSTER);
        }
        if is_reader && !flags.has(Flags::NO_WRITES) {
            return Err(WRITES);
        }
        if !flags.has(Flags::NO_WRITES) && self.local.shared.settings.wants_replicas() {
            return Err(Error::NoReplicas);
        }
        if needs_memory && is_full {
            return Err(NO_MEMORY);
        }
        Ok(())
    }

    /// Whether memory is full, at a moment when no room can be made.
    fn is_full(&self) -> bool {
        let limit = self.local.shared.settings.number(Key::MaxMemory) as u64;
        limit != 0 && self.local.used_bytes() > limit
    }

    /// What becomes of a script that needs what somebody else holds.
    #[cold]
    fn script_held_up(&mut self, call: &Call<'_>, habit: Habit, reply: &mut Reply<'_>) -> Outcome {
        let set = self.held.keyspace().partitions_of(call.keys.iter().copied());
        if let Some(error) = self.busy_error(call.request.row, Some(&set)) {
            return refuse(call.request, &error, reply);
        }
        let waits_for_turn = habit == Habit::Wanders && self.held.keyspace().wanderer.is_taken();
        self.held_up(if waits_for_turn { None } else { Some(&set) }, call.context)
    }

    /// Locks the keys a script is given. Returns whether it is the wanderer; `None` if somebody else has what it needs.
    fn enter_for_script(&mut self, keys: &[&[u8]], habit: Habit, is_within: bool) -> Option<bool> {
        if is_within {
            return Some(self.within.is_wanderer);
        }
        let keyspace = Arc::clone(self.held.keyspace());
        let set = keyspace.partitions_of(keys.iter().copied());
        self.enter_with_waiters_of(set, |own| own.needs_of_waiters(keys)).ok()?;
        let is_wanderer = habit == Habit::Wanders && !self.held.has_all();
        if is_wanderer && !keyspace.wanderer.take() {
            self.held.leave();
            return None;
        }
        Some(is_wanderer)
    }

    /// Gives back what was locked for a script, those served who have waited for what it has changed.
    fn leave_script(&mut self, is_wanderer: bool) {
        effects::end_unit(Unit::Whole);
        if self.held.keyspace().has_waiters() {
            self.serve();
        }
        self.held.leave();
        if is_wanderer {
            self.held.keyspace().wanderer.give_back();
        }
        self.local.shared.waiting.wake_parked();
        self.local.shared.apart.wake_put_off();
    }
}

fn run_program(engine: &mut Engine, call: &Call<'_>, run: &mut Run<'_>, reply: &mut Reply<'_>) -> Ended {
    match call.program {
        Program::Script(script) => engine.call(&script.sha, call.keys, call.args, run, reply),
        Program::Function(library, at) => {
            let name = (&*library.name, &*library.functions[at].name);
            engine.call_function(name, call.keys, call.args, run, reply)
        }
    }
}

/// How many keys a request gives its script.
///
/// Source: Redis `eval.c`, `evalGenericCommand`.
fn count_keys(request: &Request<'_>, none: Error) -> Result<usize, Error> {
    let keys = number::integer(request.args.at(2)).ok_or(none)?;
    let keys = usize::try_from(keys).map_err(|_| NEGATIVE_KEYS)?;
    if keys > request.args.len() - 3 { Err(TOO_MANY_KEYS) } else { Ok(keys) }
}
