//! What a state holds and may hold, and who frees it.

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;

use mlua_sys as ffi;

use super::{Shared, Stack};

/// Bytes that a state holds and may hold.
///
/// Lua asks for memory in two ways: from its own code, where a refusal becomes the error `not enough memory`, and from calls of
/// ours, which a refusal would jump out of. The latter are granted always, as they ask for little, or for as much as has
/// been checked; [`enter`](super::enter::enter) raises the error when they are done.
pub(super) struct Memory {
    bytes: Cell<usize>,
    bytes_max: usize,
    /// Whether code of ours is running.
    pub(super) is_ours: Cell<bool>,
}

impl Memory {
    /// That of a state which is being made, by code of ours.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: Cell::new(0), bytes_max, is_ours: Cell::new(true) }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes.get() > self.bytes_max
    }
}

/// Alignment of what Lua asks for: that of the largest of its types.
const ALIGNMENT: usize = 16;

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes, ALIGNMENT).ok()
}

/// Lua's allocator: counts and refuses.
///
/// # Safety
/// `shared` is the [`Shared`] the state was made with, `old` null or what was returned for `old_bytes`.
pub(super) unsafe extern "C" fn allocate(
    shared: *mut c_void,
    old: *mut c_void,
    old_bytes: usize,
    new_bytes: usize,
) -> *mut c_void {
    // SAFETY: `memory` is only ever looked at through shared references.
    let memory = unsafe { &(*shared.cast::<Shared>()).memory };
    let old_bytes = if old.is_null() { 0 } else { old_bytes };
    let bytes = memory.bytes.get() - old_bytes + new_bytes;
    if new_bytes > old_bytes && bytes > memory.bytes_max && !memory.is_ours.get() {
        return ptr::null_mut();
    }
    let (Some(old_layout), Some(new_layout)) = (layout(old_bytes), layout(new_bytes)) else {
        return ptr::null_mut();
    };
    // SAFETY: `old` was given out with `old_layout`, unless it had no bytes.
    let new = unsafe {
        match (old_bytes, new_bytes) {
            (0, 0) => ptr::null_mut(),
            (0, _) => alloc::alloc(new_layout),
            (_, 0) => {
                alloc::dealloc(old.cast(), old_layout);
                ptr::null_mut()
            }
            _ => alloc::realloc(old.cast(), old_layout, new_bytes),
        }
    };
    if new.is_null() && new_bytes > 0 {
        if memory.is_ours.get() {
            alloc::handle_alloc_error(new_layout);
        }
        return ptr::null_mut();
    }
    memory.bytes.set(bytes);
    new.cast()
}

impl Stack<'_> {
    /// Does some work of the garbage collector, all of it if `steps` is none, and starts it if a script had stopped it.
    pub(crate) fn collect(&mut self, steps: Option<usize>) {
        /// As Lua has them at the beginning; scripts may have changed them. In per cent.
        const PAUSE_AND_SPEED: c_int = 200;
        // SAFETY: it runs no code of scripts, as there are no finalizers.
        unsafe {
            ffi::lua_gc(self.lua, ffi::LUA_GCRESTART, 0);
            ffi::lua_gc(self.lua, ffi::LUA_GCSETPAUSE, PAUSE_AND_SPEED);
            ffi::lua_gc(self.lua, ffi::LUA_GCSETSTEPMUL, PAUSE_AND_SPEED);
            match steps {
                Some(steps) => ffi::lua_gc(self.lua, ffi::LUA_GCSTEP, steps as c_int),
                None => ffi::lua_gc(self.lua, ffi::LUA_GCCOLLECT, 0),
            };
        }
    }
}
