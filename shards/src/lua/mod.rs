//! Scripts: Lua 5.1 in the sandbox of Redis 7.2, with its libraries and conversions. Nothing of commands is here.
//!
//! An [`Engine`] is one Lua state with the scripts it has compiled; whoever runs one is its [`Host`] and executes the commands
//! it calls. From the bottom up: [`state`] (Lua itself, and all that is unsafe), [`errors`], [`protected`], [`replaced`], [`sandbox`] (what scripts
//! find), [`redis`] (`redis.*`), [`convert`] and [`reply`] (to Lua and back), [`run`].

#![expect(clippy::unnecessary_wraps, reason = "what Lua calls may fail, whether or not it can")]

mod bits;
mod convert;
mod errors;
mod json;
mod libraries;
mod msgpack;
mod pack;
mod protected;
mod random;
mod redis;
mod replaced;
mod reply;
mod run;
mod sandbox;
mod script;
#[expect(unsafe_code, reason = "Lua is C; each block has its proof")]
mod state;
#[cfg(test)]
mod tests;
mod world;

use std::collections::HashMap;

use tidegate_protocols::Sha;
use tidegate_protocols::error::Error;
use tidegate_protocols::reply::Reply;

pub(crate) use libraries::Function;
use libraries::Libraries;
use sandbox::Globals;
pub(crate) use script::{Flags, first_line};
use state::{Kept, State};
use world::World;

fn hex_sha1(text: &[u8]) -> [u8; 40] {
    *Sha::of(text).as_bytes()
}

/// What a script may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of everything in one Lua state; more is the error `not enough memory`.
    pub(crate) bytes_max: usize,
    /// Bytes of one reply.
    pub(crate) reply_bytes_max: usize,
}

/// How a command that a script has called went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// It has been answered, perhaps with an error.
    Done,
    /// The script ends at once, whatever it does to catch errors; nothing is replied ([`Outcome::Aborted`]).
    Abort,
    /// The script ends likewise, as [`Host::is_killed`] would have said by now.
    Killed,
}

/// What a script asks of whoever runs it.
pub(crate) trait Host {
    /// Executes a command and appends its reply, in RESP3 if `is_resp3`, to `out`. Whatever is wrong with it is an error reply.
    fn call(&mut self, words: &[&[u8]], is_resp3: bool, out: &mut Vec<u8>) -> Called;

    /// Whether the user may execute this command; `None` if there is no such command.
    fn acl_check(&mut self, words: &[&[u8]]) -> Option<bool>;

    /// Writes a line to the log; `level` is from 0, for debugging, to 3, a warning.
    fn log(&mut self, level: u8, text: &[u8]);

    /// Whether the script is to end; asked now and then.
    fn is_killed(&mut self) -> bool;
}

/// What has become of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has replied.
    Done,
    /// It has replied with an error.
    Failed,
    /// It has replied with the error of a command it has called.
    Relayed,
    /// A command of it said so; there is no reply.
    Aborted,
    /// [`Host::is_killed`] said so; it has replied with the error that says so.
    Killed,
}

/// A Lua state with the scripts it has compiled, and another with libraries of functions if there are some.
pub(crate) struct Engine {
    limits: Limits,
    libraries: Option<Libraries>,
    state: State,
    scripts: HashMap<Sha, Kept>,
    globals: Globals,
    handler: Kept,
}

impl Engine {
    /// An engine without scripts. It takes some 60 KiB, so it is made when the first script comes.
    pub(crate) fn new(limits: Limits) -> Self {
        let mut state = State::new(limits.bytes_max, World::new(limits));
        let mut stack = state.stack();
        sandbox::open(&mut stack);
        redis::push(&mut stack, true);
        stack.set_field(1, b"redis");
        let globals = Globals::lock(&mut stack);
        stack.push_function(errors::handle);
        let handler = stack.keep();
        // What was put together and thrown away on the way is a tenth.
        stack.collect(None);
        Self { limits, libraries: None, state, scripts: HashMap::new(), globals, handler }
    }

    /// Whether the script is compiled.
    pub(crate) fn has(&self, sha: &Sha) -> bool {
        self.scripts.contains_key(sha)
    }

    /// Compiles the script `body`, whose name is `sha`; nothing if that has been done.
    ///
    /// # Errors
    /// It is no Lua, or its first line is wrong.
    pub(crate) fn load(&mut self, sha: Sha, body: &[u8]) -> Result<(), Error> {
        if self.has(&sha) {
            return Ok(());
        }
        let (_, start) = first_line(body)?;
        let mut stack = self.state.stack();
        stack.push_kept(self.globals.shown);
        stack.set_globals();
        if stack.compile(&body[start..], c"@user_script").is_err() {
            let text = stack.text(1).unwrap_or_default();
            return Err(Error::quoting("ERR Error compiling script (new function): ", text, ""));
        }
        self.scripts.insert(sha, stack.keep());
        Ok(())
    }

    /// Forgets all scripts.
    pub(crate) fn forget_all(&mut self) {
        let mut stack = self.state.stack();
        for (_, script) in self.scripts.drain() {
            stack.forget(script);
        }
        stack.collect(None);
    }

    /// Runs the code of the library `name`, from the end of its first line on, to learn its functions. They take the place of
    /// those of a library of the same name, which stay as they are if the code fails.
    ///
    /// # Errors
    /// The code is no Lua, fails, or takes too long.
    pub(crate) fn load_library(&mut self, name: &[u8], code: &[u8]) -> Result<Vec<Function>, Error> {
        let limits = self.limits;
        self.libraries.get_or_insert_with(|| Libraries::new(limits)).load(name, code)
    }

    /// Forgets a library.
    pub(crate) fn forget_library(&mut self, name: &[u8]) {
        if let Some(libraries) = &mut self.libraries {
            libraries.forget(name);
        }
    }

    /// Runs a function of a library that has been loaded, and writes its reply, unless it was aborted.
    ///
    /// # Panics
    /// If there is no such library, or no such function in it.
    pub(crate) fn call_function(
        &mut self,
        (library, function): (&[u8], &[u8]),
        keys: &[&[u8]],
        arguments: &[&[u8]],
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let libraries = self.libraries.as_mut().expect("the library has been loaded");
        libraries.call((library, function), keys, arguments, host, reply)
    }

    /// Bytes of everything in the Lua states.
    pub(crate) fn bytes(&self) -> usize {
        self.state.bytes() + self.libraries.as_ref().map_or(0, Libraries::bytes)
    }

    /// Runs the script that has been loaded as `sha`, and writes its reply, unless it was aborted.
    ///
    /// # Panics
    /// If it has not been loaded.
    pub(crate) fn call(
        &mut self,
        sha: &Sha,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let script = self.scripts[sha];
        let mut stack = self.state.stack();
        stack.world().begin();
        stack.push_kept(self.globals.shown);
        stack.set_globals();
        stack.push_kept(self.globals.hidden);
        for (name, words) in [(&b"KEYS"[..], keys), (b"ARGV", arguments)] {
            run::push_words(&mut stack, words);
            stack.set_field(1, name);
        }
        stack.truncate(0);
        stack.push_kept(self.handler);
        stack.push_kept(script);
        stack.with_host(host, |stack| run::run(stack, 0, sha.as_bytes(), reply))
    }
}
