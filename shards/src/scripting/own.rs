//! What one worker has for scripts: Lua with what it has compiled, and who answers beside them.

use std::collections::HashMap;

use tidegate_protocols::Error;
use tidegate_protocols::data::{Aside, Asides};
use tidegate_protocols::limits::REPLY_BYTES_MAX;

use super::functions::{Functions, Library, name_of};
use super::known::{Habits, Known, Script};
use crate::lua::{self, Engine, Flags, Limits};

/// What all scripts of one worker may use together.
const LIMITS: Limits = Limits { bytes_max: 512 << 20, reply_bytes_max: REPLY_BYTES_MAX };

/// Scripts that a worker keeps compiled, before it forgets them all: some may not be known any more.
const COMPILED_MAX: usize = 2000;

/// What one worker has for scripts.
#[derive(Default)]
pub(crate) struct OwnScripts {
    asides: Option<Asides>,
    /// Made when the first script comes. Taken out while one runs.
    pub(super) state: Option<Box<State>>,
}

/// What runs scripts.
pub(super) struct State {
    pub(super) engine: Engine,
    pub(super) aside: Box<dyn Aside>,
    /// Scripts it has compiled, as of when all were forgotten so often.
    pub(super) compiled: usize,
    epoch: u64,
    /// The numbers of the libraries it has compiled, by name.
    libraries: HashMap<Box<[u8]>, u64>,
}

impl OwnScripts {
    /// Who makes what answers beside scripts; nobody, if none may run.
    pub(crate) fn asides(&self) -> Option<&Asides> {
        self.asides.as_ref()
    }

    pub(crate) fn run_beside(&mut self, asides: Asides) {
        self.asides = Some(asides);
    }

    /// Gives back what scripts were run with that have been forgotten since (`SCRIPT FLUSH`).
    pub(crate) fn forget_old(&mut self, known: &Known) {
        if self.state.as_ref().is_some_and(|state| state.epoch != known.epoch()) {
            self.state = None;
        }
    }

    /// What runs scripts, with what it has compiled that has not been forgotten since.
    pub(super) fn take(&mut self, known: &Known, index: usize) -> Box<State> {
        self.forget_old(known);
        let mut state = self.state.take().unwrap_or_else(|| {
            let asides = self.asides.as_ref().expect("whoever runs scripts says who answers beside them");
            Box::new(State {
                engine: Engine::new(LIMITS),
                aside: asides(index),
                compiled: 0,
                epoch: known.epoch(),
                libraries: HashMap::new(),
            })
        });
        if state.compiled > COMPILED_MAX {
            state.engine.forget_all();
            state.compiled = 0;
        }
        state
    }
}

/// What runs.
#[derive(Clone, Copy)]
pub(super) enum Program<'a> {
    Script(&'a Script),
    /// A function of a library, by its place there.
    Function(&'a Library, usize),
}

impl Program<'_> {
    pub(super) fn flags(&self) -> Flags {
        match self {
            Self::Script(script) => script.flags,
            Self::Function(library, at) => library.functions[*at].flags,
        }
    }

    pub(super) fn habits(&self) -> &Habits {
        match self {
            Self::Script(script) => &script.habits,
            Self::Function(library, at) => &library.functions[*at].habits,
        }
    }
}

impl State {
    /// Compiles a program, unless that is done.
    pub(super) fn load(&mut self, program: Program<'_>, functions: &Functions) -> Result<(), Error> {
        match program {
            Program::Script(script) if self.engine.has(&script.sha) => Ok(()),
            Program::Script(script) => {
                self.compiled += 1;
                self.engine.load(script.sha, &script.body)
            }
            Program::Function(library, _) if self.libraries.get(&library.name) == Some(&library.number) => {
                Ok(())
            }
            Program::Function(library, _) => {
                let (name, code) = name_of(&library.text)?;
                self.load_library(name, code, library.number, functions).map(|_| ())
            }
        }
    }

    /// Compiles a library, and forgets those that are not there any more.
    pub(super) fn load_library(
        &mut self,
        name: Box<[u8]>,
        code: &[u8],
        number: u64,
        functions: &Functions,
    ) -> Result<Vec<lua::Function>, Error> {
        let now = functions.now();
        for (name, _) in self.libraries.extract_if(|name, number| !now.has_still(name, *number)) {
            self.engine.forget_library(&name);
        }
        let functions = self.engine.load_library(&name, code)?;
        self.libraries.insert(name, number);
        Ok(functions)
    }
}
