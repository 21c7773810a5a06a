//! Tables that scripts cannot change.
//!
//! Redis has patched its Lua so that a table can be made read-only. Ours is Lua as it is, so a table that must not be
//! changed is hidden behind an empty one that stands for it: reads go on to what is behind, writes are refused, and the
//! functions of the library that look at tables without asking (`next`, `rawget`, `rawset` …) know of it.

use super::errors::c_text;
use super::state::{Returns, Stack, Type};

/// The text of every attempt to change what may not be.
pub(super) const READ_ONLY: &[u8] = b"Attempt to modify a readonly table";

/// Pushes what stands for the table at `index`.
pub(super) fn protect(stack: &mut Stack<'_>, index: usize) {
    stack.push_table(0, 0);
    let shown = stack.top();
    stack.push_table(0, 2);
    stack.push_value(index);
    stack.set_field(shown + 1, b"__index");
    stack.push_function(refuse);
    stack.set_field(shown + 1, b"__newindex");
    stack.set_metatable(shown);
    // The list of them goes both ways: from what stands for a table to the table, and for metatables back.
    let protected = stack.world().protected.expect("made with the state");
    stack.push_kept(protected);
    for (key, value) in [(shown, index), (index, shown)] {
        stack.push_value(key);
        if key == index {
            stack.push_table(1, 0);
            stack.push_value(value);
            stack.set_element(shown + 3, 1);
        } else {
            stack.push_value(value);
        }
        stack.set_pair(shown + 1);
    }
    stack.truncate(shown);
}

/// Pushes what is behind the table at `index` and says that there is something; pushes nothing else.
pub(super) fn push_hidden(stack: &mut Stack<'_>, index: usize) -> bool {
    // Every table that stands for another has a metatable, and hardly any other has.
    if !stack.is(index, Type::Table) || !stack.has_metatable(index) {
        return false;
    }
    push_listed(stack, index)
}

pub(super) fn push_listed(stack: &mut Stack<'_>, index: usize) -> bool {
    let Some(protected) = stack.world().protected else { return false };
    stack.push_kept(protected);
    let list = stack.top();
    stack.push_value(index);
    stack.look_up(list);
    let is_listed = stack.is(list + 1, Type::Table);
    if is_listed {
        stack.remove(list);
    } else {
        stack.truncate(list - 1);
    }
    is_listed
}

/// Whether the table at `index` stands for one that may not be changed.
pub(super) fn is_protected(stack: &mut Stack<'_>, index: usize) -> bool {
    let is_hidden = push_hidden(stack, index);
    if is_hidden {
        stack.pop(1);
    }
    is_hidden
}

fn refuse(stack: &mut Stack<'_>) -> Returns {
    Err(stack.raise(READ_ONLY))
}

/// `__index` of the globals: whoever gets here has misspelt something.
pub(super) fn nonexistent(stack: &mut Stack<'_>) -> Returns {
    if stack.top() != 2 {
        return Err(stack.raise(b"Wrong number of arguments to luaProtectedTableError"));
    }
    match stack.text(2).map(<[u8]>::to_vec) {
        None => Err(stack.raise(b"Second argument to luaProtectedTableError must be a string or number")),
        Some(name) => {
            let text = [b"Script attempted to access nonexistent global variable '", c_text(&name), b"'"];
            Err(stack.raise(&text.concat()))
        }
    }
}
