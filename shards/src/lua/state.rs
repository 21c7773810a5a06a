//! Lua's C interface behind calls that cannot be misused: the only code here that is not safe, with its files in `state/`.
//!
//! A [`State`] owns one Lua state. What Lua calls of ours are functions of a [`Stack`], which sees the values between
//! the first argument and the top, by absolute index. Three rules make that safe:
//!
//! * **Nothing jumps over our frames.** Lua reports errors by `longjmp`. While our code runs, memory is granted beyond
//!   the limit ([`Memory`]), and only calls are offered that raise no other error, so Lua has nothing to report; the
//!   error of a function of ours is raised by [`enter`], when everything that function held has been dropped.
//! * **No panic crosses Lua's frames**: where panics unwind at all, [`enter`] turns them into errors of the script.
//! * **Every index is looked at** before Lua is asked, and every push has been made room for.

mod calls;
mod enter;
mod kept;
mod memory;
mod stack;
mod tables;
mod values;

use std::cell::{Cell, UnsafeCell};
use std::ptr::{self, NonNull};

use mlua_sys as ffi;

use super::Host;
use super::world::World;

pub(super) use self::kept::Kept;
use self::memory::{Memory, allocate};
pub(super) use self::stack::Stack;
pub(super) use self::values::Type;

/// An error of a script; its value is at the top of the stack.
#[derive(Debug)]
#[must_use = "the error is at the top of the stack"]
pub(super) struct Raised;

/// How many values at the top of the stack a function returns.
pub(super) type Returns = Result<usize, Raised>;

/// How a protected call failed; the error value is at the top of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed;

/// What our functions find again from a `lua_State`.
struct Shared {
    memory: Memory,
    /// Whom the script that runs asks; there only while one runs.
    host: Cell<Option<NonNull<dyn Host>>>,
    world: UnsafeCell<World>,
}

/// One Lua state with everything in it.
pub(super) struct State {
    lua: NonNull<ffi::lua_State>,
    shared: NonNull<Shared>,
}

/// # Safety
/// `lua` belongs to a [`State`] that is alive.
unsafe fn shared_of<'a>(lua: *mut ffi::lua_State) -> &'a Shared {
    let mut shared = ptr::null_mut();
    // SAFETY: the state's allocator was given a `Shared`, which lives as long as the state.
    unsafe {
        ffi::lua_getallocf(lua, &raw mut shared);
        &*shared.cast::<Shared>()
    }
}

impl State {
    /// An empty state that may hold so many bytes.
    pub(super) fn new(bytes_max: usize, world: World) -> Self {
        let (memory, world) = (Memory::new(bytes_max), UnsafeCell::new(world));
        let shared = NonNull::from(Box::leak(Box::new(Shared { memory, host: Cell::new(None), world })));
        // SAFETY: the allocator is made for this pointer, which is freed after the state.
        let lua = unsafe { ffi::lua_newstate(allocate, shared.as_ptr().cast()) };
        let lua = NonNull::new(lua).expect("memory is granted to code of ours");
        Self { lua, shared }
    }

    /// Bytes held by Lua.
    pub(super) fn bytes(&self) -> usize {
        // SAFETY: `shared` lives as long as this, and `memory` is only looked at through shared references.
        unsafe { &(*self.shared.as_ptr()).memory }.bytes()
    }

    /// The empty stack of the main thread, outside of any script.
    pub(super) fn stack(&mut self) -> Stack<'_> {
        // SAFETY: nothing of Lua is running, as this is borrowed mutably, so its stack is empty but for what has been left.
        unsafe {
            ffi::lua_settop(self.lua.as_ptr(), 0);
            Stack::new(self.lua.as_ptr())
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: the state is not used again. Closing it frees everything through the allocator; there are no
        // finalizers that could run a script's code (`newproxy` is not there).
        unsafe {
            ffi::lua_close(self.lua.as_ptr());
            drop(Box::from_raw(self.shared.as_ptr()));
        }
    }
}
