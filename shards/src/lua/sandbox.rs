//! What scripts find: Lua's library without what reaches outside, and globals that cannot be changed.

use super::protected::{nonexistent, protect};
use super::replaced::replace;
use super::state::{Kept, Stack, Type};
use super::{bits, json, msgpack, pack};

type Function = fn(&mut Stack<'_>);

/// Functions of Lua's library that scripts do not get. `newproxy` would let a script leave a finalizer behind, which
/// would run in another.
const REMOVED: &[&[u8]] = &[b"dofile", b"loadfile", b"print", b"newproxy", b"require", b"module"];

/// Fills the globals but for what is Redis's own, and leaves them on the stack.
pub(super) fn open(stack: &mut Stack<'_>) {
    stack.push_table(0, 64);
    let protected = stack.keep();
    stack.world().protected = Some(protected);
    // Lua makes this string where nothing protects it from an error, unless it is there already.
    stack.push_bytes(b"error in error handling");
    stack.keep();
    stack.open_libraries();
    stack.truncate(0);
    stack.push_globals();
    for name in REMOVED {
        stack.push_nil();
        stack.set_field(1, name);
    }
    replace(stack);
    let libraries: [(&[u8], Function); 4] =
        [(b"cjson", json::push), (b"cmsgpack", msgpack::push), (b"struct", pack::push), (b"bit", bits::push)];
    for (name, push) in libraries {
        push(stack);
        stack.set_field(1, name);
    }
}

/// Hides the globals, which are the only value, and everything they reach behind tables that cannot be changed. What is hidden
/// is kept for those who set `KEYS` and `ARGV`; what stands for it are the globals from now on.
pub(super) struct Globals {
    pub(super) hidden: Kept,
    pub(super) shown: Kept,
}

impl Globals {
    pub(super) fn lock(stack: &mut Stack<'_>) -> Self {
        stack.push_nil();
        while stack.next(1).expect("the key is one of the table") {
            if stack.is(3, Type::Table) && stack.identity(3) != stack.identity(1) {
                protect(stack, 3);
                stack.push_value(2);
                stack.push_value(4);
                stack.set_pair(1);
            }
            stack.truncate(2);
        }
        // A method of a string is looked up in the table that everybody sees.
        stack.push_bytes(b"");
        if stack.push_metatable(2) {
            stack.push_field(1, b"string");
            stack.set_field(3, b"__index");
            protect(stack, 3);
        }
        stack.truncate(1);
        stack.push_table(0, 1);
        stack.push_function(nonexistent);
        stack.set_field(2, b"__index");
        protect(stack, 2);
        stack.pop(1);
        stack.set_metatable(1);
        protect(stack, 1);
        stack.push_value(2);
        stack.set_field(1, b"_G");
        stack.push_value(2);
        let shown = stack.keep();
        stack.set_globals();
        let hidden = stack.keep();
        Self { hidden, shown }
    }
}
