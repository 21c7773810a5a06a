//! `SCRIPT` and `FUNCTION`: what runs nothing.

use std::sync::Arc;

use tidegate_protocols::data::Context;
use tidegate_protocols::settings::Key;
use tidegate_protocols::table::help;
use tidegate_protocols::table::scripting::Scripting;
use tidegate_protocols::{Args, Error, Reply, Request, Sha};

use super::known::Script;
use crate::diary;
use crate::evict::Room;
use crate::log::effects::{self, Effects};
use crate::lua::first_line;
use crate::worker::StoreWorker;
const FLUSH_OPTION: Error = Error::Text("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
const NO_DEBUGGER: Error = Error::Text("ERR scripts cannot be debugged here");
const DEBUG_OPTION: Error = Error::Text("ERR Use SCRIPT DEBUG YES/SYNC/NO");

impl StoreWorker {
    /// Answers a command that runs nothing.
    pub(super) fn see_to_scripts(
        &mut self,
        verb: Scripting,
        request: &Request<'_>,
        context: &Context,
        reply: &mut Reply<'_>,
    ) -> Result<(), Error> {
        if matches!(self.room_for(request, context), Room::None) {
            return Err(Error::OutOfMemory);
        }
        let args = &request.args;
        let scripts = &self.local.shared.scripting;
        match verb {
            Scripting::ScriptLoad => {
                let script = self.script_of(args.at(2), true)?;
                reply.bulk(script.sha.as_bytes());
            }
            Scripting::ScriptExists => {
                reply.array(args.len() - 2);
                for sha in args.from(2).iter() {
                    let is_known = Sha::parse(sha).is_some_and(|sha| scripts.known.has(&sha));
                    reply.integer(i64::from(is_known));
                }
            }
            Scripting::ScriptFlush => {
                if args.len() > 3 || args.get(2).is_some_and(|word| !is_flush_type(word)) {
                    return Err(FLUSH_OPTION);
                }
                scripts.known.flush();
                scripts.running.forget_engines();
                reply.ok();
            }
            Scripting::ScriptKill | Scripting::FunctionKill => {
                let is_function = verb == Scripting::FunctionKill;
                scripts.running.kill(is_function, self.local.now_ms, self.overdue_after_ms())?;
                reply.ok();
            }
            Scripting::ScriptDebug => match args.at(2).to_ascii_uppercase().as_slice() {
                b"NO" => reply.ok(),
                b"YES" | b"SYNC" => return Err(NO_DEBUGGER),
                _ => return Err(DEBUG_OPTION),
            },
            Scripting::ScriptHelp | Scripting::FunctionHelp => help(request.row, reply),
            Scripting::FunctionLoad => {
                self.load_library(args, reply)?;
                log(context, args);
            }
            Scripting::FunctionDelete => {
                scripts.delete_library(args.at(2), reply)?;
                log(context, args);
            }
            Scripting::FunctionFlush => {
                scripts.flush_libraries(args, reply)?;
                log(context, args);
            }
            Scripting::FunctionList => scripts.list_libraries(args, reply)?,
            Scripting::FunctionDump => {
                let compresses = self.local.shared.settings.is_on(Key::RdbCompression);
                scripts.dump_libraries(compresses, reply);
            }
            Scripting::FunctionRestore => {
                self.restore_libraries(args, reply)?;
                log(context, args);
            }
            Scripting::FunctionStats => {
                scripts.tell_statistics(self.local.now_ms, self.overdue_after_ms(), reply)?;
            }
            Scripting::Script | Scripting::Function => {
                unreachable!("a container resolves to one of its subcommands")
            }
            Scripting::Eval
            | Scripting::EvalRo
            | Scripting::Evalsha
            | Scripting::EvalshaRo
            | Scripting::Fcall
            | Scripting::FcallRo => unreachable!("it runs something"),
        }
        Ok(())
    }

    /// The script with this text, compiled if it is not known.
    pub(crate) fn script_of(&mut self, body: &[u8], is_loaded: bool) -> Result<Arc<Script>, Error> {
        let shared = Arc::clone(&self.local.shared);
        let known = &shared.scripting.known;
        let sha = Sha::of(body);
        if let Some(script) = known.get(&sha).filter(|_| !is_loaded) {
            return Ok(script);
        }
        let flags = first_line(body)?.0;
        let mut state = self.scripts.take(known, self.local.index);
        let loaded = state.engine.load(sha, body);
        state.compiled += 1;
        self.scripts.state = Some(state);
        loaded.map(|()| known.add(sha, body, flags, is_loaded))
    }
}

/// Libraries have changed. No key has, so nobody has to be kept away until it is in the log.
fn log(context: &Context, args: &Args<'_>) {
    if diary::is_logged() {
        Effects::of(context.database).says_as_asked(args);
        effects::forget_command();
    }
}

/// Whether a word says how to flush; it is done at once either way.
pub(super) fn is_flush_type(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"ASYNC") || word.eq_ignore_ascii_case(b"SYNC")
}
