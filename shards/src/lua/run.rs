//! One run of a script: from its keys and arguments to its reply, and what ends it before.

use std::time::Instant;

use tidegate_protocols::error::Error;
use tidegate_protocols::reply::Reply;

use super::errors::c_text;
use super::state::{Failed, Raised, Stack, Type};
use super::world::Ending;
use super::{Outcome, convert, reply};

/// Instructions after which the host is asked whether the script has been killed. Source: Redis `script_lua.c`.
pub(super) const INSTRUCTIONS_BETWEEN_LOOKS: usize = 100_000;

/// Runs of scripts after which the garbage collector is given some work, and how much. Source: Redis `script_lua.c`.
const RUNS_BETWEEN_COLLECTIONS: u32 = 50;

/// Whether the script is being ended, and nothing it does matters any more.
pub(super) fn ending(stack: &mut Stack<'_>) -> bool {
    stack.world().ending.is_some()
}

/// Ends the script: every instruction that it still executes raises an error.
pub(super) fn end(stack: &mut Stack<'_>, ending: Ending) -> Raised {
    stack.world().ending = Some(ending);
    stack.look_every(1);
    stack.raise_error(match ending {
        Ending::Aborted => "the script has ended",
        Ending::Killed => "Script killed by user with SCRIPT KILL...",
        Ending::TimedOut => "FUNCTION LOAD timeout",
    })
}

/// The hook: what happens between two instructions, now and then.
pub(super) fn look(stack: &mut Stack<'_>) -> Result<(), Raised> {
    if let Some(ending) = stack.world().ending {
        return Err(end(stack, ending));
    }
    if stack.world().loading.as_ref().is_some_and(|loading| Instant::now() > loading.until) {
        return Err(end(stack, Ending::TimedOut));
    }
    match stack.with_words(|_, host, _| host.is_killed()) {
        Some(true) => Err(end(stack, Ending::Killed)),
        _ => Ok(()),
    }
}

/// Pushes a table of `words`.
pub(super) fn push_words(stack: &mut Stack<'_>, words: &[&[u8]]) {
    stack.push_table(words.len(), 0);
    let table = stack.top();
    for (place, word) in words.iter().enumerate() {
        stack.push_bytes(word);
        stack.set_element(table, place + 1);
    }
}

/// Calls the function above the handler at 1 with the `arguments` above it, and writes what it returns. `name` is what error
/// replies call the script.
pub(super) fn run(stack: &mut Stack<'_>, arguments: usize, name: &[u8], reply: &mut Reply<'_>) -> Outcome {
    stack.look_every(INSTRUCTIONS_BETWEEN_LOOKS);
    let result = stack.call(arguments, Some(1), Some(1));
    stack.look_every(0);
    let outcome = match stack.world().ending {
        Some(Ending::Aborted) => Outcome::Aborted,
        Some(Ending::Killed | Ending::TimedOut) => {
            error(stack, name, reply);
            Outcome::Killed
        }
        None => answer(stack, result, name, reply),
    };
    stack.truncate(0);
    let world = stack.world();
    world.runs += 1;
    if world.runs.is_multiple_of(RUNS_BETWEEN_COLLECTIONS) {
        stack.collect(Some(RUNS_BETWEEN_COLLECTIONS as usize));
    }
    outcome
}

/// Writes what has become of the script, the value at the top.
fn answer(stack: &mut Stack<'_>, result: Result<(), Failed>, name: &[u8], reply: &mut Reply<'_>) -> Outcome {
    let failed = if is_relayed(stack) { Outcome::Relayed } else { Outcome::Failed };
    if result.is_err() {
        error(stack, name, reply);
        return failed;
    }
    let mark = reply.mark();
    match reply::write(stack, reply) {
        Ok(()) if reply.out().get(mark) == Some(&b'-') => failed,
        Ok(()) => Outcome::Done,
        Err(error @ Error::ReplyTooLong) => {
            reply.rewind(mark);
            reply.refuse(&error);
            Outcome::Failed
        }
        Err(error) => {
            reply.refuse(&error);
            Outcome::Failed
        }
    }
}

/// Whether the value at the top is the error of a command. Source: Redis `script_lua.c`, `luaExtractErrorInformation`.
fn is_relayed(stack: &mut Stack<'_>) -> bool {
    let top = stack.top();
    if !stack.is(top, Type::Table) {
        return false;
    }
    stack.push_field(top, convert::IS_COUNTED);
    let is_relayed = stack.is(top + 1, Type::Boolean) && stack.truth(top + 1);
    stack.truncate(top);
    is_relayed
}

/// Writes the error at the top. Source: Redis `script_lua.c`, `luaCallFunction`.
fn error(stack: &mut Stack<'_>, name: &[u8], reply: &mut Reply<'_>) {
    /// Bytes of an error that is no table.
    const TEXT_BYTES: usize = 100;
    let top = stack.top();
    if !stack.is(top, Type::Table) {
        let text = stack.text(top).unwrap_or(b"execution failure");
        let text = c_text(text);
        reply.error_of(&[b"ERR Error running script ", name, b", ", &text[..text.len().min(TEXT_BYTES)]]);
        return;
    }
    let mut field = |name: &[u8]| {
        stack.push_field(top, name);
        let text = stack.text(top + 1).map(|text| c_text(text).to_vec());
        stack.truncate(top);
        text
    };
    let message = field(b"err").unwrap_or_else(|| b"ERR unknown error".to_vec());
    match (field(b"source"), field(b"line")) {
        (Some(source), Some(line)) => {
            reply.error_of(&[&message, b" script: ", name, b", on ", &source, b":", &line, b"."]);
        }
        _ => reply.error_of(&[&message]),
    }
}
