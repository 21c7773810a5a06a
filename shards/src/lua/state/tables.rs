//! Tables and metatables. No metatable is asked for anything here.

use std::ffi::c_int;

use mlua_sys as ffi;

use super::values::Type;
use super::{Failed, Stack};

impl Stack<'_> {
    /// A table with room for so many elements and fields; both bounded, as they may come from a script.
    pub(crate) fn push_table(&mut self, elements: usize, fields: usize) {
        const AT_ONCE: usize = 4096;
        self.will_push();
        // SAFETY: there is room, and memory is granted.
        unsafe {
            ffi::lua_createtable(self.lua, elements.min(AT_ONCE) as c_int, fields.min(AT_ONCE) as c_int);
        }
        self.pushed();
    }

    pub(super) fn check_table(&self, index: usize) -> c_int {
        assert!(self.is(index, Type::Table), "a table of this stack");
        index as c_int
    }

    /// Pushes the element `at` of the table at `index`.
    pub(crate) fn push_element(&mut self, index: usize, at: usize) {
        let index = self.check_table(index);
        self.will_push();
        // SAFETY: it is a table, and there is room.
        unsafe { ffi::lua_rawgeti_(self.lua, index, at as c_int) };
        self.pushed();
    }

    /// Takes the value at the top into the table at `index` as its element `at`.
    pub(crate) fn set_element(&mut self, index: usize, at: usize) {
        let index = self.check_table(index);
        assert!(index < self.top && at <= c_int::MAX as usize, "there is a value, and a place for it");
        // SAFETY: it is a table, there is a value, and memory is granted.
        unsafe { ffi::lua_rawseti_(self.lua, index, at as c_int) };
        self.top -= 1;
    }

    /// Pushes the field `name` of the table at `index`.
    pub(crate) fn push_field(&mut self, index: usize, name: &[u8]) {
        let index = self.check_table(index);
        self.push_bytes(name);
        // SAFETY: it is a table, and the key is at the top.
        unsafe { ffi::lua_rawget_(self.lua, index) };
    }

    /// Takes the value at the top into the table at `index` as its field `name`.
    pub(crate) fn set_field(&mut self, index: usize, name: &[u8]) {
        let index = self.check_table(index);
        assert!(index < self.top, "there is a value");
        self.push_bytes(name);
        // SAFETY: it is a table; key and value are put in order; memory is granted.
        unsafe {
            ffi::lua_insert(self.lua, -2);
            ffi::lua_rawset(self.lua, index);
        }
        self.top -= 2;
    }

    /// Replaces the key at the top by what the table at `index` has for it.
    pub(crate) fn look_up(&mut self, index: usize) {
        let index = self.check_table(index);
        assert!(index < self.top, "there is a key");
        // SAFETY: it is a table, and there is a key.
        unsafe { ffi::lua_rawget_(self.lua, index) };
    }

    /// Takes the two values at the top, key and value, into the table at `index`; the key is not nil nor not a number.
    pub(crate) fn set_pair(&mut self, index: usize) {
        let index = self.check_table(index);
        let key = self.top - 1;
        assert!(index < key && self.may_be_key(key as usize), "there are key and value");
        // SAFETY: it is a table, the key may be one, and memory is granted.
        unsafe { ffi::lua_rawset(self.lua, index) };
        self.top -= 2;
    }

    /// Whether the value at `index` may be the key of a table.
    pub(crate) fn may_be_key(&self, index: usize) -> bool {
        match self.type_of(index) {
            None | Some(Type::Nil) => false,
            Some(Type::Number) => self.number(index).is_some_and(|number| !number.is_nan()),
            Some(_) => true,
        }
    }

    /// Replaces the key at the top by the next key of the table at `index` and its value; takes it off and says `false` if there
    /// is none. Of a key that is not in the table it says `Err`, and leaves it.
    pub(crate) fn next(&mut self, index: usize) -> Result<bool, Failed> {
        let index = self.check_table(index);
        let key = self.top;
        assert!(index < key, "there is a key");
        self.will_push();
        if !self.is(key as usize, Type::Nil) {
            // Of a key that is not there Lua would raise an error. One whose value is nil may be there as well, which
            // only Lua knows: it is asked under protection.
            self.push_value(key as usize);
            self.look_up(index as usize);
            let is_there = !self.is(self.top as usize, Type::Nil);
            self.pop(1);
            if !is_there {
                return self.next_protected(index);
            }
        }
        // SAFETY: it is a table, the key is nil or one of its, and there is room.
        let has_next = unsafe { ffi::lua_next(self.lua, index) } != 0;
        self.top = if has_next { key + 1 } else { key - 1 };
        Ok(has_next)
    }

    fn next_protected(&mut self, index: c_int) -> Result<bool, Failed> {
        /// # Safety
        /// Called by Lua only, with a table and a key.
        unsafe extern "C-unwind" fn next(lua: *mut ffi::lua_State) -> c_int {
            // SAFETY: by what it is called with.
            unsafe { if ffi::lua_next(lua, 1) != 0 { 2 } else { 0 } }
        }
        assert!(self.reserve(4), "little more");
        let key = self.top;
        // SAFETY: there is room; the function gets the two values it needs.
        let result = unsafe {
            ffi::lua_pushcclosure(self.lua, next, 0);
            ffi::lua_pushvalue(self.lua, index);
            ffi::lua_pushvalue(self.lua, key);
            ffi::lua_pcall(self.lua, 2, ffi::LUA_MULTRET, 0)
        };
        // SAFETY: the stack is ours.
        let top = unsafe { ffi::lua_gettop(self.lua) };
        let has_next = top == key + 2;
        // SAFETY: the values are there.
        unsafe {
            if result != 0 {
                ffi::lua_settop(self.lua, key);
            } else {
                ffi::lua_remove(self.lua, key);
            }
            self.top = ffi::lua_gettop(self.lua);
        }
        if result == 0 { Ok(has_next) } else { Err(Failed) }
    }

    /// Pushes the metatable of the value at `index`, if there is one, and says so.
    pub(crate) fn push_metatable(&mut self, index: usize) -> bool {
        let index = self.check(index);
        self.will_push();
        // SAFETY: the value is there, and there is room.
        let has_one = unsafe { ffi::lua_getmetatable(self.lua, index) } != 0;
        if has_one {
            self.pushed();
        }
        has_one
    }

    /// Whether the value at `index` has a metatable.
    pub(crate) fn has_metatable(&mut self, index: usize) -> bool {
        let has_one = self.push_metatable(index);
        if has_one {
            self.pop(1);
        }
        has_one
    }

    /// Takes the table (or nil) at the top as the metatable of the value at `index`.
    pub(crate) fn set_metatable(&mut self, index: usize) {
        let index = self.check(index);
        assert!(
            index < self.top && matches!(self.type_of(self.top()), Some(Type::Table | Type::Nil)),
            "a metatable"
        );
        // SAFETY: both are there.
        unsafe { ffi::lua_setmetatable(self.lua, index) };
        self.top -= 1;
    }
}
