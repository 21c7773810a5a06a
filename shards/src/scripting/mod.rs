//! Scripts and functions: `EVAL` and its like, `SCRIPT`, `FCALL` and its like, `FUNCTION`.
//!
//! A script that is known to be short runs on the thread of the worker that is asked, any other apart ([`crate::apart`]), where
//! the data is, with the locks of a transaction (see [`run`]). What it asks for that is not the store's is answered beside it ([`tidegate_protocols::data::Aside`]).

mod commands;
mod eval;
mod functions;
mod in_the_way;
mod known;
mod library;
mod own;
mod run;
mod running;
mod silent;
#[cfg(test)]
mod tests;

use tidegate_protocols::data::{Aside, Context, Outcome, ScriptFigures};
use tidegate_protocols::limits::SCRIPT_THREADS;
use tidegate_protocols::table::scripting::Scripting;
use tidegate_protocols::{Reply, Request};

use self::functions::Functions;
pub(crate) use self::known::Habit;
use self::known::Known;
pub(crate) use self::own::OwnScripts;
use self::running::Running;
pub(crate) use self::silent::Silent;
use crate::execute::refuse;
use crate::worker::StoreWorker;

/// What workers share of scripts.
pub(crate) struct Scripts {
    pub(crate) known: Known,
    pub(crate) functions: Functions,
    pub(crate) running: Running,
}

impl Scripts {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            known: Known::default(),
            functions: Functions::default(),
            running: Running::new(workers + SCRIPT_THREADS),
        }
    }

    /// What INFO tells of them.
    pub(crate) fn figures(&self) -> ScriptFigures {
        let (scripts, script_bytes, evicted) = self.known.figures();
        let (functions, libraries, function_bytes) = self.functions.figures();
        let engine_bytes = self.running.engine_bytes();
        ScriptFigures { scripts, script_bytes, evicted, functions, libraries, function_bytes, engine_bytes }
    }
}

impl StoreWorker {
    /// Executes a command on scripts. What needs keys locks them itself.
    #[cold]
    pub(crate) fn execute_scripting(
        &mut self,
        verb: Scripting,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let mark = reply.mark();
        let answered = match verb {
            Scripting::Eval | Scripting::EvalRo | Scripting::Evalsha | Scripting::EvalshaRo => {
                self.eval(verb, request, context, reply)
            }
            Scripting::Fcall | Scripting::FcallRo => self.call_function(request, context, reply),
            _ => self.see_to_scripts(verb, request, context, reply).map(|()| Outcome::Done),
        };
        answered.unwrap_or_else(|error| {
            reply.rewind(mark);
            refuse(request, &error, reply)
        })
    }

    /// Tells what has happened to keys, and those who have read what has changed, where nobody else does.
    pub(crate) fn tell_aside(&mut self) {
        if self.events.is_empty() && self.stale.is_empty() {
            return;
        }
        let (events, stale) = (std::mem::take(&mut self.events), std::mem::take(&mut self.stale));
        self.beside(|aside| {
            aside.tell(&events);
            if !stale.is_empty() {
                aside.tell_stale(stale);
            }
        });
    }

    /// Has something done by who answers beside scripts.
    pub(crate) fn beside<T>(&mut self, work: impl FnOnce(&mut dyn Aside) -> T) -> T {
        let mut state = self.scripts.take(&self.local.shared.scripting.known, self.local.index);
        let done = work(&mut *state.aside);
        self.scripts.state = Some(state);
        done
    }
}
