//! Functions of ours in place of Lua's: they keep to what scripts may change, and to what ends them.

use super::errors::{handle, integer};
use super::protected::{READ_ONLY, is_protected, push_hidden, push_listed};
use super::run::ending;
use super::state::{Raised, Returns, Stack, Type};

type Push = fn(&mut Stack<'_>);

/// Those among the globals.
const GLOBALS: &[(&[u8], Push)] = &[
    (b"pcall", |stack| stack.push_function(pcall)),
    (b"xpcall", |stack| stack.push_function(xpcall)),
    (b"next", |stack| stack.push_function(next)),
    (b"pairs", |stack| stack.push_function(pairs)),
    (b"rawget", |stack| stack.push_function(rawget)),
    (b"rawset", |stack| stack.push_function(rawset)),
    (b"getmetatable", |stack| stack.push_function(getmetatable)),
    (b"setmetatable", |stack| stack.push_function(setmetatable)),
    (b"load", |stack| stack.push_function(load)),
    (b"loadstring", |stack| stack.push_function(loadstring)),
    (b"__redis__err__handler", |stack| stack.push_function(handle)),
];

/// Puts them into the globals, which are the only value.
pub(super) fn replace(stack: &mut Stack<'_>) {
    for (name, push) in GLOBALS {
        push(stack);
        stack.set_field(1, name);
    }
    stack.push_field(1, b"math");
    stack.push_function(random);
    stack.set_field(2, b"random");
    stack.push_function(randomseed);
    stack.set_field(2, b"randomseed");
    stack.pop(1);
    stack.push_field(1, b"table");
    stack.push_function(insert);
    stack.set_field(2, b"insert");
    stack.pop(1);
}

fn check_any(stack: &mut Stack<'_>, index: usize) -> Result<(), Raised> {
    if stack.type_of(index).is_some() { Ok(()) } else { Err(stack.raise_argument(index, "value expected")) }
}

/// `pcall`: of an error reply it returns the text, as scripts expect from before they were tables.
/// Source: Redis `script_lua.c`, `luaRedisPcall`.
fn pcall(stack: &mut Stack<'_>) -> Returns {
    if stack.top() == 0 {
        // Redis takes what it has put there itself for the function.
        stack.push_boolean(false);
        stack.push_bytes(b"attempt to call a boolean value");
        return Ok(2);
    }
    let arguments = stack.top() - 1;
    let result = stack.call(arguments, None, None);
    if ending(stack) {
        return Err(Raised);
    }
    if result.is_err() {
        let top = stack.top();
        if stack.is(top, Type::Table) {
            stack.reserve(2);
            stack.push_field(top, b"err");
            if stack.text(top + 1).is_some() { stack.replace(top) } else { stack.pop(1) }
        }
    }
    if !stack.reserve(1) {
        return Err(stack.raise(b"stack overflow"));
    }
    stack.push_boolean(result.is_ok());
    stack.insert(1);
    Ok(stack.top())
}

/// `xpcall`. The handler is called when the error has been caught and not where it happened: there, if it was the hook that
/// raised it, no hook would end the handler. Without `debug` a script cannot tell.
fn xpcall(stack: &mut Stack<'_>) -> Returns {
    check_any(stack, 2)?;
    stack.set_top(2);
    stack.insert(1);
    let result = stack.call(0, None, None);
    if ending(stack) {
        return Err(Raised);
    }
    if result.is_err() {
        stack.push_value(1);
        stack.insert(2);
        if stack.call(1, Some(1), None).is_err() {
            stack.pop(1);
            stack.push_bytes(b"error in error handling");
        }
        if ending(stack) {
            return Err(Raised);
        }
    }
    stack.push_boolean(result.is_ok());
    stack.replace(1);
    Ok(stack.top())
}

fn next(stack: &mut Stack<'_>) -> Returns {
    stack.expect_table(1)?;
    stack.set_top(2);
    if push_hidden(stack, 1) {
        stack.replace(1);
    }
    match stack.next(1) {
        Ok(true) => Ok(2),
        Ok(false) => {
            stack.push_nil();
            Ok(1)
        }
        Err(_) => Err(stack.raise_plain(b"invalid key to 'next'")),
    }
}

fn pairs(stack: &mut Stack<'_>) -> Returns {
    stack.expect_table(1)?;
    stack.push_function(next);
    stack.push_value(1);
    stack.push_nil();
    Ok(3)
}

fn rawget(stack: &mut Stack<'_>) -> Returns {
    stack.expect_table(1)?;
    check_any(stack, 2)?;
    stack.set_top(2);
    if push_hidden(stack, 1) {
        stack.replace(1);
    }
    stack.look_up(1);
    Ok(1)
}

fn rawset(stack: &mut Stack<'_>) -> Returns {
    stack.expect_table(1)?;
    check_any(stack, 2)?;
    check_any(stack, 3)?;
    stack.set_top(3);
    if is_protected(stack, 1) {
        return Err(stack.raise_plain(READ_ONLY));
    }
    if !stack.may_be_key(2) {
        let text: &[u8] = if stack.is(2, Type::Nil) { b"table index is nil" } else { b"table index is NaN" };
        return Err(stack.raise_plain(text));
    }
    stack.set_pair(1);
    Ok(1)
}

fn getmetatable(stack: &mut Stack<'_>) -> Returns {
    check_any(stack, 1)?;
    stack.set_top(1);
    if push_hidden(stack, 1) {
        stack.replace(1);
    }
    if !stack.push_metatable(1) {
        stack.push_nil();
        return Ok(1);
    }
    stack.push_field(2, b"__metatable");
    if !stack.is(3, Type::Nil) {
        return Ok(1);
    }
    stack.pop(1);
    // A metatable of ours is hidden as well: of it there is what stands for it.
    if push_listed(stack, 2) {
        stack.push_element(3, 1);
        if !stack.is(4, Type::Table) {
            stack.truncate(2);
        }
    }
    Ok(1)
}

fn setmetatable(stack: &mut Stack<'_>) -> Returns {
    stack.expect_table(1)?;
    if !matches!(stack.type_of(2), Some(Type::Nil | Type::Table)) {
        return Err(stack.raise_argument(2, "nil or table expected"));
    }
    if is_protected(stack, 1) {
        return Err(stack.raise_plain(READ_ONLY));
    }
    stack.set_top(2);
    if stack.push_metatable(1) {
        stack.push_field(3, b"__metatable");
        if !stack.is(4, Type::Nil) {
            return Err(stack.raise(b"cannot change a protected metatable"));
        }
    }
    stack.truncate(2);
    stack.set_metatable(1);
    Ok(1)
}

/// `load`: the text comes in pieces from a function.
fn load(stack: &mut Stack<'_>) -> Returns {
    if !stack.is(1, Type::Function) {
        return Err(stack.raise_type(1, "function"));
    }
    let name = match stack.type_of(2) {
        None | Some(Type::Nil) => b"=(load)".to_vec(),
        _ => stack.expect_text(2)?.to_vec(),
    };
    stack.set_top(1);
    let bytes_max = stack.world().limits.bytes_max;
    let mut text = Vec::new();
    loop {
        stack.push_value(1);
        let result = stack.call(0, Some(1), None);
        if ending(stack) {
            return Err(Raised);
        }
        if result.is_err() {
            return failed(stack);
        }
        let is_nil = stack.is(2, Type::Nil);
        match stack.text(2) {
            Some([]) => break,
            Some(piece) => text.extend_from_slice(piece),
            None if is_nil => break,
            None => {
                stack.truncate(1);
                stack.push_bytes(b"reader function must return a string");
                return failed(stack);
            }
        }
        if text.len() > bytes_max {
            return Err(stack.raise_plain(b"not enough memory"));
        }
        stack.truncate(1);
    }
    stack.truncate(1);
    compile(stack, &text, &name)
}

fn loadstring(stack: &mut Stack<'_>) -> Returns {
    let text = stack.expect_text(1)?.to_vec();
    let name = match stack.type_of(2) {
        None | Some(Type::Nil) => text.clone(),
        _ => stack.expect_text(2)?.to_vec(),
    };
    compile(stack, &text, &name)
}

fn compile(stack: &mut Stack<'_>, text: &[u8], name: &[u8]) -> Returns {
    let name = std::ffi::CString::new(super::errors::c_text(name)).expect("cut at its first zero");
    match stack.compile(text, &name) {
        Ok(()) => Ok(1),
        Err(_) => failed(stack),
    }
}

/// Nil and the error at the top.
fn failed(stack: &mut Stack<'_>) -> Returns {
    stack.push_nil();
    stack.insert(stack.top() - 1);
    Ok(2)
}

/// `table.insert`: Lua's own would write past what stands for a table. Source: Lua `ltablib.c`, `tinsert`.
fn insert(stack: &mut Stack<'_>) -> Returns {
    stack.expect_table(1)?;
    if is_protected(stack, 1) {
        return Err(stack.raise_plain(READ_ONLY));
    }
    let end = stack.length(1) + 1;
    let at = match stack.top() {
        2 => end,
        3 => {
            let at = i64::from(integer(stack.expect_number(2)?) as i32);
            let last = end.max(usize::try_from(at).unwrap_or(0));
            for place in (at.max(i64::MIN + 1)..last as i64).rev() {
                let Ok(place) = usize::try_from(place) else { break };
                stack.push_element(1, place);
                stack.set_element(1, place + 1);
            }
            let Ok(at) = usize::try_from(at) else {
                stack.remove(2);
                stack.push_number(at as f64);
                stack.insert(2);
                stack.set_pair(1);
                return Ok(0);
            };
            at
        }
        _ => return Err(stack.raise(b"wrong number of arguments to 'insert'")),
    };
    stack.set_element(1, at);
    Ok(0)
}

/// `math.random`. Source: Lua `lmathlib.c`, `math_random`, over the numbers of [`super::random`].
fn random(stack: &mut Stack<'_>) -> Returns {
    let number = stack.world().random.next();
    let whole =
        |stack: &mut Stack<'_>, index| stack.expect_integer(index).map(|whole| f64::from(whole as i32));
    let value = match stack.top() {
        0 => number,
        1 => {
            let upper = whole(stack, 1)?;
            if upper < 1.0 {
                return Err(stack.raise_argument(1, "interval is empty"));
            }
            (number * upper).floor() + 1.0
        }
        2 => {
            let (lower, upper) = (whole(stack, 1)?, whole(stack, 2)?);
            if lower > upper {
                return Err(stack.raise_argument(2, "interval is empty"));
            }
            // C computes the width in 32 bits.
            let width = (upper as i32).wrapping_sub(lower as i32).wrapping_add(1);
            (number * f64::from(width)).floor() + lower
        }
        _ => return Err(stack.raise(b"wrong number of arguments")),
    };
    stack.push_number(value);
    Ok(1)
}

fn randomseed(stack: &mut Stack<'_>) -> Returns {
    let seed = stack.expect_integer(1)?;
    stack.world().random.seed(seed as i32);
    Ok(0)
}
