//! Values: what they are, how they get onto the stack, and how they are read there.

use std::ffi::{c_char, c_int};
use std::ptr;

use mlua_sys as ffi;

use super::Stack;

/// What a value on the stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Nil,
    Boolean,
    LightUserdata,
    Number,
    String,
    Table,
    Function,
    Userdata,
    Thread,
}

impl Type {
    /// As `type()` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Boolean => "boolean",
            Self::LightUserdata | Self::Userdata => "userdata",
            Self::Number => "number",
            Self::String => "string",
            Self::Table => "table",
            Self::Function => "function",
            Self::Thread => "thread",
        }
    }
}

impl Stack<'_> {
    /// What the value at `index` is; `None` beyond the top.
    pub(crate) fn type_of(&self, index: usize) -> Option<Type> {
        if index == 0 || index > self.top as usize {
            return None;
        }
        // SAFETY: the value is there.
        Some(match unsafe { ffi::lua_type(self.lua, index as c_int) } {
            ffi::LUA_TBOOLEAN => Type::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Type::LightUserdata,
            ffi::LUA_TNUMBER => Type::Number,
            ffi::LUA_TSTRING => Type::String,
            ffi::LUA_TTABLE => Type::Table,
            ffi::LUA_TFUNCTION => Type::Function,
            ffi::LUA_TUSERDATA => Type::Userdata,
            ffi::LUA_TTHREAD => Type::Thread,
            _ => Type::Nil,
        })
    }

    /// Whether the value at `index` is of this type.
    pub(crate) fn is(&self, index: usize, wanted: Type) -> bool {
        self.type_of(index) == Some(wanted)
    }

    pub(crate) fn push_nil(&mut self) {
        self.will_push();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnil(self.lua) };
        self.pushed();
    }

    pub(crate) fn push_boolean(&mut self, value: bool) {
        self.will_push();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushboolean(self.lua, c_int::from(value)) };
        self.pushed();
    }

    pub(crate) fn push_number(&mut self, value: f64) {
        self.will_push();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnumber(self.lua, value) };
        self.pushed();
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.will_push();
        // SAFETY: there is room, memory is granted, and the bytes are copied.
        unsafe { ffi::lua_pushlstring_(self.lua, bytes.as_ptr().cast::<c_char>(), bytes.len()) };
        self.pushed();
    }

    /// The light userdata that is null: JSON's `null`.
    pub(crate) fn push_null(&mut self) {
        self.will_push();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushlightuserdata(self.lua, ptr::null_mut()) };
        self.pushed();
    }

    /// Whether the value at `index` is what [`Stack::push_null`] pushes.
    pub(crate) fn is_null(&self, index: usize) -> bool {
        // SAFETY: the value is there.
        self.is(index, Type::LightUserdata)
            && unsafe { ffi::lua_touserdata(self.lua, index as c_int) }.is_null()
    }

    /// The bytes of the string at `index`; `None` if it is none, not even if it is a number.
    pub(crate) fn bytes(&self, index: usize) -> Option<&[u8]> {
        if !self.is(index, Type::String) {
            return None;
        }
        let mut bytes = 0;
        // SAFETY: it is a string, which neither moves nor goes while it is on the stack, which is borrowed.
        unsafe {
            let start = ffi::lua_tolstring(self.lua, index as c_int, &raw mut bytes);
            Some(std::slice::from_raw_parts(start.cast(), bytes))
        }
    }

    /// Like [`Stack::bytes`], but a number becomes a string, in its place, first.
    pub(crate) fn text(&mut self, index: usize) -> Option<&[u8]> {
        if self.is(index, Type::Number) {
            // SAFETY: the value is there, and memory is granted.
            unsafe { ffi::lua_tolstring(self.lua, index as c_int, ptr::null_mut()) };
        }
        self.bytes(index)
    }

    /// The number at `index`, or that a string there reads as.
    pub(crate) fn number(&self, index: usize) -> Option<f64> {
        if !matches!(self.type_of(index), Some(Type::Number | Type::String)) {
            return None;
        }
        // SAFETY: the value is there.
        unsafe {
            (ffi::lua_isnumber(self.lua, index as c_int) != 0)
                .then(|| ffi::lua_tonumber(self.lua, index as c_int))
        }
    }

    /// Whether the value at `index` counts as true.
    pub(crate) fn truth(&self, index: usize) -> bool {
        let index = self.check(index);
        // SAFETY: the value is there.
        unsafe { ffi::lua_toboolean(self.lua, index) != 0 }
    }

    /// Length of the string or table at `index`, without asking a metatable.
    pub(crate) fn length(&self, index: usize) -> usize {
        let index = self.check(index);
        // SAFETY: the value is there, and no number (that would become a string).
        unsafe {
            match ffi::lua_type(self.lua, index) {
                ffi::LUA_TSTRING | ffi::LUA_TTABLE => ffi::lua_objlen(self.lua, index),
                _ => 0,
            }
        }
    }

    /// Where the value at `index` is kept: the same for the same table.
    pub(crate) fn identity(&self, index: usize) -> usize {
        let index = self.check(index);
        // SAFETY: the value is there.
        unsafe { ffi::lua_topointer(self.lua, index) as usize }
    }
}
