//! What Lua calls of ours: functions, and the hook between two instructions.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use mlua_sys as ffi;

use super::{Raised, Returns, Stack, shared_of};

/// What a script is told whose function has panicked.
const PANICKED: &[u8] = b"ERR internal error of a function of this server";

/// What Lua calls: runs `F` and raises its error once nothing of it is left.
///
/// # Safety
/// Called by Lua only, with a state of ours.
pub(super) unsafe extern "C-unwind" fn enter<F>(lua: *mut ffi::lua_State) -> c_int
where
    F: Fn(&mut Stack<'_>) -> Returns,
{
    // SAFETY: `native` looked that `F` has no bytes and has seen one: a dangling reference to it is as good.
    let body: &F = unsafe { NonNull::<F>::dangling().as_ref() };
    // SAFETY: Lua calls us with a state of ours.
    let memory = unsafe { &shared_of(lua).memory };
    let was_ours = memory.is_ours.replace(true);
    // SAFETY: Lua has given us room for `LUA_MINSTACK` values above the arguments.
    let returns = unsafe { run(lua, body) };
    memory.is_ours.set(was_ours);
    let is_over = memory.is_over() && !was_ours;
    match returns {
        Ok(_) if is_over => {
            let text = c"not enough memory";
            memory.is_ours.set(true);
            // SAFETY: the room of what is taken off is enough; while it is ours, memory is granted.
            unsafe {
                ffi::lua_settop(lua, 0);
                ffi::lua_pushlstring(lua, text.as_ptr(), text.count_bytes());
            }
            memory.is_ours.set(was_ours);
            // SAFETY: no frame between here and Lua holds anything to drop.
            unsafe { ffi::lua_error(lua) }
        }
        Ok(count) => count,
        // SAFETY: as above; the error value is at the top.
        Err(Raised) => unsafe { ffi::lua_error(lua) },
    }
}

/// # Safety
/// As that of [`enter`].
unsafe fn run(lua: *mut ffi::lua_State, body: impl Fn(&mut Stack<'_>) -> Returns) -> Result<c_int, Raised> {
    // SAFETY: the caller's.
    let mut stack = unsafe { Stack::new(lua) };
    let returns = catch_unwind(AssertUnwindSafe(|| body(&mut stack)));
    let returns = returns.unwrap_or_else(|_| Err(stack.raise_plain(PANICKED)));
    returns.map(|count| {
        assert!(count <= stack.top as usize, "returns what it has");
        count as c_int
    })
}

/// The hook: asks the world whether the script is to end.
///
/// # Safety
/// Called by Lua only, with a state of ours.
pub(super) unsafe extern "C-unwind" fn look(lua: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls us with a state of ours.
    let memory = unsafe { &shared_of(lua).memory };
    let was_ours = memory.is_ours.replace(true);
    // SAFETY: a hook has room for `LUA_MINSTACK` values.
    let ends = unsafe {
        let mut stack = Stack::new(lua);
        match catch_unwind(AssertUnwindSafe(|| crate::lua::run::look(&mut stack))) {
            Ok(ends) => ends,
            Err(_) => Err(stack.raise_plain(PANICKED)),
        }
    };
    memory.is_ours.set(was_ours);
    if ends.is_err() {
        // SAFETY: no frame between here and Lua holds anything to drop; the error value is at the top.
        unsafe { ffi::lua_error(lua) }
    }
}
