//! What is on no stack: values kept in the registry, and the globals.

use std::ffi::{CStr, c_int};

use mlua_sys as ffi;

use super::Stack;

/// A value kept in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept(c_int);

impl Stack<'_> {
    /// Takes the value at the top into the registry.
    pub(crate) fn keep(&mut self) -> Kept {
        assert!(self.top > 0, "there is a value");
        // SAFETY: there is a value, and memory is granted.
        let kept = unsafe { ffi::luaL_ref(self.lua, ffi::LUA_REGISTRYINDEX) };
        self.top -= 1;
        Kept(kept)
    }

    /// Pushes what is kept.
    pub(crate) fn push_kept(&mut self, kept: Kept) {
        self.will_push();
        // SAFETY: there is room, and the registry is a table.
        unsafe { ffi::lua_rawgeti_(self.lua, ffi::LUA_REGISTRYINDEX, kept.0) };
        self.pushed();
    }

    /// Lets go of what is kept.
    pub(crate) fn forget(&mut self, kept: Kept) {
        // SAFETY: the registry is a table, and the place in it one of `keep`.
        unsafe { ffi::luaL_unref(self.lua, ffi::LUA_REGISTRYINDEX, kept.0) };
    }

    /// Pushes the table of globals of this thread.
    pub(crate) fn push_globals(&mut self) {
        self.will_push();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushvalue(self.lua, ffi::LUA_GLOBALSINDEX) };
        self.pushed();
    }

    /// Takes the table at the top as the globals of this thread.
    pub(crate) fn set_globals(&mut self) {
        self.check_table(self.top());
        // SAFETY: there is a table.
        unsafe { ffi::lua_replace(self.lua, ffi::LUA_GLOBALSINDEX) };
        self.top -= 1;
    }

    /// Loads Lua's own libraries that scripts may use into the globals.
    pub(crate) fn open_libraries(&mut self) {
        const LIBRARIES: [(&CStr, ffi::lua_CFunction); 4] = [
            (c"", ffi::luaopen_base),
            (c"table", ffi::luaopen_table),
            (c"string", ffi::luaopen_string),
            (c"math", ffi::luaopen_math),
        ];
        for (name, open) in LIBRARIES {
            self.will_push();
            // SAFETY: there is room; the libraries raise no error as memory is granted.
            unsafe {
                ffi::lua_pushcclosure(self.lua, open, 0);
                ffi::lua_pushlstring(self.lua, name.as_ptr(), name.count_bytes());
                ffi::lua_call(self.lua, 1, 0);
            }
        }
    }
}
