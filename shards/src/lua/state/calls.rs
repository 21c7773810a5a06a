//! Functions: ours, those that are compiled, how they are called, and who has called.

use std::ffi::{CStr, c_char, c_int};

use mlua_sys as ffi;

use super::enter::{enter, look};
use super::{Failed, Returns, Stack};

impl Stack<'_> {
    /// A function of ours, which keeps nothing.
    pub(crate) fn push_function<F>(&mut self, body: F)
    where
        F: Fn(&mut Stack<'_>) -> Returns + Copy + 'static,
    {
        const { assert!(size_of::<F>() == 0, "a function that keeps something") };
        let _ = body;
        self.will_push();
        // SAFETY: there is room, and memory is granted.
        unsafe { ffi::lua_pushcclosure(self.lua, enter::<F>, 0) };
        self.pushed();
    }

    /// Compiles `text` and pushes the function, or the error. It is text always, never what has been compiled before.
    pub(crate) fn compile(&mut self, text: &[u8], name: &CStr) -> Result<(), Failed> {
        // What begins with this byte would be taken for compiled code; a space before it changes nothing else.
        let spaced;
        let text = if text.first() == Some(&0x1b) {
            spaced = [b" ", text].concat();
            &spaced
        } else {
            text
        };
        self.will_push();
        let was_ours = self.memory().is_ours.replace(false);
        // SAFETY: there is room, and the compiler runs protected: errors are returned.
        let result =
            unsafe { ffi::luaL_loadbuffer(self.lua, text.as_ptr().cast(), text.len(), name.as_ptr()) };
        self.memory().is_ours.set(was_ours);
        self.pushed();
        if result == 0 { Ok(()) } else { Err(Failed) }
    }

    /// Calls the function below the last `arguments` values with them; `handler` is the index of a function that is told of
    /// an error first. `results` is how many values there shall be, all if `None`. An error takes the place of all.
    pub(crate) fn call(
        &mut self,
        arguments: usize,
        results: Option<usize>,
        handler: Option<usize>,
    ) -> Result<(), Failed> {
        let function = self.check(self.top as usize - arguments);
        let handler = handler.map_or(0, |handler| self.check(handler));
        let results = match results {
            Some(count) => {
                assert!(self.reserve(count), "room for a few results");
                count as c_int
            }
            None => ffi::LUA_MULTRET,
        };
        let was_ours = self.memory().is_ours.replace(false);
        // SAFETY: function and arguments are there, and errors are returned.
        let result = unsafe { ffi::lua_pcall(self.lua, arguments as c_int, results, handler) };
        self.memory().is_ours.set(was_ours);
        // SAFETY: the stack is ours.
        self.top = unsafe { ffi::lua_gettop(self.lua) };
        self.room = self.room.max(self.top);
        debug_assert!(self.top >= function - 1, "what was below is there");
        if result == 0 { Ok(()) } else { Err(Failed) }
    }

    /// Has the script looked after every `count` instructions, in this thread and those it starts; never if 0.
    pub(crate) fn look_every(&mut self, count: usize) {
        let (hook, mask): (Option<ffi::lua_Hook>, _) =
            if count == 0 { (None, 0) } else { (Some(look), ffi::LUA_MASKCOUNT) };
        // SAFETY: `look` is a hook for states of ours.
        unsafe { ffi::lua_sethook(self.lua, hook, mask, count as c_int) };
    }

    /// Who stands `level` calls below: 0 is the function that runs.
    pub(crate) fn caller(&mut self, level: usize) -> Option<Caller> {
        // SAFETY: filled in by Lua before it is looked at.
        let mut debug: ffi::lua_Debug = unsafe { std::mem::zeroed() };
        // SAFETY: what the fields point to are strings of the function, which is alive as it is being called.
        unsafe {
            if ffi::lua_getstack(self.lua, level as c_int, &raw mut debug) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.lua, c"nSl".as_ptr(), &raw mut debug);
            let text =
                |start: *const c_char| (!start.is_null()).then(|| CStr::from_ptr(start).to_bytes().to_vec());
            Some(Caller {
                is_native: text(debug.what).is_some_and(|what| what == b"C"),
                source: text(debug.source).unwrap_or_default(),
                short_source: text(debug.short_src.as_ptr()).unwrap_or_default(),
                line: i64::from(debug.currentline),
                name: text(debug.name),
                is_method: text(debug.namewhat).is_some_and(|what| what == b"method"),
            })
        }
    }
}

/// A function that has been called and what it has come to.
pub(crate) struct Caller {
    pub(crate) is_native: bool,
    pub(crate) source: Vec<u8>,
    pub(crate) short_source: Vec<u8>,
    pub(crate) line: i64,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) is_method: bool,
}
