//! The values a function of ours sees: how many there are, room for more, and their order.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::NonNull;

use mlua_sys as ffi;

use super::super::Host;
use super::super::world::World;
use super::memory::Memory;
use super::{Raised, Shared, State, shared_of};

/// The values a function of ours was called with and those it has pushed, from 1 to the top.
pub(crate) struct Stack<'a> {
    pub(super) lua: *mut ffi::lua_State,
    pub(super) top: c_int,
    /// Up to where there is room.
    pub(super) room: c_int,
    state: PhantomData<&'a mut State>,
}

impl Stack<'_> {
    /// # Safety
    /// `lua` is of a living [`State`], its stack has `LUA_MINSTACK` of room, and nobody else uses it meanwhile.
    pub(super) unsafe fn new(lua: *mut ffi::lua_State) -> Self {
        // SAFETY: the caller's.
        let top = unsafe { ffi::lua_gettop(lua) };
        Self { lua, top, room: top + ffi::LUA_MINSTACK, state: PhantomData }
    }

    /// What belongs to the state beside Lua's values.
    pub(crate) fn world(&mut self) -> &mut World {
        // SAFETY: it is reached only through a stack; that of a calling function is borrowed while Lua, and through it we, run.
        unsafe { &mut *shared_of(self.lua).world.get() }
    }

    pub(super) fn memory(&self) -> &Memory {
        // SAFETY: a stack is of a living state.
        unsafe { &shared_of(self.lua).memory }
    }

    pub(super) fn check(&self, index: usize) -> c_int {
        assert!((1..=self.top as usize).contains(&index), "a value of this stack");
        index as c_int
    }

    pub(super) fn pushed(&mut self) {
        self.top += 1;
    }

    pub(super) fn will_push(&self) {
        assert!(self.top < self.room, "room has been made");
    }

    /// Makes room for so many values more; `false` if that is more than Lua gives to one function.
    pub(crate) fn reserve(&mut self, count: usize) -> bool {
        /// Source: Lua `luaconf.h`, `LUAI_MAXCSTACK`.
        const VALUES_MAX: usize = 8000;
        let wanted = self.top as usize + count;
        if wanted <= self.room as usize {
            return true;
        }
        // SAFETY: grows the stack; memory is granted, or the answer is no.
        let has_room = wanted <= VALUES_MAX && unsafe { ffi::lua_checkstack(self.lua, count as c_int) } != 0;
        if has_room {
            self.room = wanted as c_int;
        }
        has_room
    }

    /// Runs `body` with a host for the functions that scripts call.
    pub(crate) fn with_host<T>(&mut self, host: &mut dyn Host, body: impl FnOnce(&mut Self) -> T) -> T {
        struct Gone<'a>(&'a Shared);
        impl Drop for Gone<'_> {
            fn drop(&mut self) {
                self.0.host.set(None);
            }
        }
        // SAFETY: a stack is of a living state.
        let shared = unsafe { shared_of(self.lua) };
        // SAFETY: only the lifetime is taken off: the pointer is forgotten when `body` returns, and `host` is not touched by
        // the caller until then.
        let host =
            unsafe { std::mem::transmute::<NonNull<dyn Host + '_>, NonNull<dyn Host>>(NonNull::from(host)) };
        shared.host.set(Some(host));
        let _gone = Gone(shared);
        body(self)
    }

    /// Gives `body` the bytes of the strings among the values (those of others are none), the host and the world. `None` if
    /// no script is running.
    pub(crate) fn with_words<T>(
        &mut self,
        body: impl FnOnce(&[&[u8]], &mut dyn Host, &mut World) -> T,
    ) -> Option<T> {
        const FEW: usize = 16;
        // SAFETY: a stack is of a living state.
        let shared = unsafe { shared_of(self.lua) };
        let mut host = shared.host.get()?;
        let mut few: [&[u8]; FEW] = [&[]; FEW];
        let count = self.top();
        let many: Vec<&[u8]>;
        let words = if count <= FEW {
            for (place, word) in few.iter_mut().enumerate().take(count) {
                *word = self.bytes(place + 1).unwrap_or_default();
            }
            &few[..count]
        } else {
            many = (1..=count).map(|index| self.bytes(index).unwrap_or_default()).collect();
            &many
        };
        // SAFETY: neither the host nor the world reaches Lua, so the strings stay as they are, and nobody else has
        // either: this function is not called from within `body`, which has no stack.
        Some(body(words, unsafe { host.as_mut() }, unsafe { &mut *shared.world.get() }))
    }

    /// How many values there are; the index of the last.
    pub(crate) fn top(&self) -> usize {
        self.top as usize
    }

    /// Takes off all values above `top`.
    pub(crate) fn truncate(&mut self, top: usize) {
        assert!(top <= self.top as usize, "fewer than there are");
        self.top = top as c_int;
        // SAFETY: the values are there.
        unsafe { ffi::lua_settop(self.lua, self.top) };
    }

    /// Takes off so many values.
    pub(crate) fn pop(&mut self, count: usize) {
        self.truncate(self.top as usize - count);
    }

    /// Adds nils until there are `top` values, or takes off those above.
    pub(crate) fn set_top(&mut self, top: usize) {
        while (self.top as usize) < top {
            self.push_nil();
        }
        self.truncate(top);
    }

    /// Pushes the value at `index` once more.
    pub(crate) fn push_value(&mut self, index: usize) {
        let index = self.check(index);
        self.will_push();
        // SAFETY: the value is there, and there is room.
        unsafe { ffi::lua_pushvalue(self.lua, index) };
        self.pushed();
    }

    /// Moves the value at the top to `index`, and those from there on up.
    pub(crate) fn insert(&mut self, index: usize) {
        let index = self.check(index);
        // SAFETY: both are there.
        unsafe { ffi::lua_insert(self.lua, index) };
    }

    /// Takes out the value at `index`.
    pub(crate) fn remove(&mut self, index: usize) {
        let index = self.check(index);
        // SAFETY: it is there.
        unsafe { ffi::lua_remove(self.lua, index) };
        self.top -= 1;
    }

    /// Takes the value at the top to `index`, in place of the one there.
    pub(crate) fn replace(&mut self, index: usize) {
        let index = self.check(index);
        assert!(index < self.top, "another value");
        // SAFETY: both are there.
        unsafe { ffi::lua_replace(self.lua, index) };
        self.top -= 1;
    }

    /// An error with a value of text and nothing before it.
    pub(crate) fn raise_plain(&mut self, text: &[u8]) -> Raised {
        self.truncate(self.top().min(1));
        self.push_bytes(text);
        Raised
    }
}
