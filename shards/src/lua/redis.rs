//! `redis.*`: what scripts have of the server. Source of texts: Redis `script_lua.c` and `eval.c`.

use tidegate_protocols::number::Decimal;

use super::convert;
use super::errors::integer;
use super::run::{end, ending};
use super::state::{Raised, Returns, Stack, Type};
use super::world::Ending;
use super::{Called, hex_sha1};

/// What `redis.*` are numbers of. Of replication: each write is told as an effect of its own whatever is said here.
const NUMBERS: &[(&[u8], f64)] = &[
    (b"REPL_NONE", 0.0),
    (b"REPL_AOF", 1.0),
    (b"REPL_SLAVE", 2.0),
    (b"REPL_REPLICA", 2.0),
    (b"REPL_ALL", 3.0),
];

/// Levels of the log.
const LEVELS: &[(&[u8], f64)] =
    &[(b"LOG_DEBUG", 0.0), (b"LOG_VERBOSE", 1.0), (b"LOG_NOTICE", 2.0), (b"LOG_WARNING", 3.0)];

/// The Redis whose commands we have.
const VERSION: &[u8] = b"7.2.4";
const VERSION_NUMBER: f64 = 0x0007_0204 as f64;

type Push = fn(&mut Stack<'_>);

/// What there is while scripts run.
const FUNCTIONS: &[(&[u8], Push)] = &[
    (b"call", |stack| stack.push_function(call)),
    (b"pcall", |stack| stack.push_function(pcall)),
    (b"setresp", |stack| stack.push_function(setresp)),
    (b"sha1hex", |stack| stack.push_function(sha1hex)),
    (b"error_reply", |stack| stack.push_function(error_reply)),
    (b"status_reply", |stack| stack.push_function(status_reply)),
    (b"set_repl", |stack| stack.push_function(set_repl)),
    (b"acl_check_cmd", |stack| stack.push_function(acl_check_cmd)),
];

/// What only `EVAL` has.
const OF_EVAL: &[(&[u8], Push)] = &[
    (b"breakpoint", |stack| stack.push_function(breakpoint)),
    (b"debug", |stack| stack.push_function(|_| Ok(0))),
    (b"replicate_commands", |stack| stack.push_function(replicate_commands)),
];

/// Pushes the table.
pub(super) fn push(stack: &mut Stack<'_>, is_eval: bool) {
    stack.push_table(0, 32);
    let table = stack.top();
    let of_eval = if is_eval { OF_EVAL } else { &[] };
    for (name, push) in FUNCTIONS.iter().chain(of_eval) {
        push(stack);
        stack.set_field(table, name);
    }
    for (name, number) in NUMBERS {
        stack.push_number(*number);
        stack.set_field(table, name);
    }
    add_log_and_version(stack, table);
}

/// What there is also while a library is loaded.
pub(super) fn add_log_and_version(stack: &mut Stack<'_>, table: usize) {
    stack.push_function(log);
    stack.set_field(table, b"log");
    for (name, number) in LEVELS {
        stack.push_number(*number);
        stack.set_field(table, name);
    }
    stack.push_bytes(VERSION);
    stack.set_field(table, b"REDIS_VERSION");
    stack.push_number(VERSION_NUMBER);
    stack.set_field(table, b"REDIS_VERSION_NUM");
}

fn call(stack: &mut Stack<'_>) -> Returns {
    command(stack, true)
}

fn pcall(stack: &mut Stack<'_>) -> Returns {
    command(stack, false)
}

/// Makes strings of all arguments, numbers as Redis writes them; says why that cannot be.
fn words(stack: &mut Stack<'_>) -> Result<(), &'static str> {
    if stack.top() == 0 {
        return Err("Please specify at least one argument for this redis lib call");
    }
    if !stack.reserve(1) {
        return Err("too many arguments");
    }
    for index in 1..=stack.top() {
        match stack.type_of(index) {
            Some(Type::String) => {}
            Some(Type::Number) => {
                let number = stack.number(index).expect("it is one");
                if number.is_nan() && number.is_sign_negative() {
                    stack.push_bytes(b"-nan");
                } else {
                    stack.push_bytes(Decimal::shortest(number).as_bytes());
                }
                stack.replace(index);
            }
            _ => return Err("Lua redis lib command arguments must be strings or integers"),
        }
    }
    Ok(())
}

/// `redis.call` and `redis.pcall`: which returns the errors of commands, and of its own, instead of raising them.
fn command(stack: &mut Stack<'_>, raises: bool) -> Returns {
    if ending(stack) {
        return Err(stack.raise_plain(b"the script has ended"));
    }
    if let Err(text) = words(stack) {
        stack.truncate(0);
        stack.push_error(text.as_bytes());
        return if raises { Err(Raised) } else { Ok(1) };
    }
    let called = stack.with_words(|words, host, world| {
        world.output.clear();
        host.call(words, world.is_resp3, &mut world.output)
    });
    match called {
        None => {
            return Err(stack.raise_error("redis.call/pcall can only be called inside a script invocation"));
        }
        Some(Called::Abort) => return Err(end(stack, Ending::Aborted)),
        Some(Called::Killed) => return Err(end(stack, Ending::Killed)),
        Some(Called::Done) => {}
    }
    stack.truncate(0);
    let output = std::mem::take(&mut stack.world().output);
    let pushed = convert::push_reply(stack, &output);
    let is_error = output.first() == Some(&b'-');
    stack.world().keep_output(output);
    pushed?;
    if raises && is_error { Err(Raised) } else { Ok(1) }
}

fn setresp(stack: &mut Stack<'_>) -> Returns {
    if stack.top() != 1 {
        return Err(stack.raise_error("redis.setresp() requires one argument."));
    }
    match integer(stack.number(1).unwrap_or(0.0)) as i32 {
        2 => stack.world().is_resp3 = false,
        3 => stack.world().is_resp3 = true,
        _ => return Err(stack.raise_error("RESP version must be 2 or 3.")),
    }
    Ok(0)
}

fn sha1hex(stack: &mut Stack<'_>) -> Returns {
    if stack.top() != 1 {
        return Err(stack.raise_error("wrong number of arguments"));
    }
    let digest = hex_sha1(stack.text(1).unwrap_or_default());
    stack.push_bytes(&digest);
    Ok(1)
}

/// Whether there is one string. If not it is an error that is returned, not raised.
fn is_one_string(stack: &mut Stack<'_>) -> bool {
    let is_one = stack.top() == 1 && stack.is(1, Type::String);
    if !is_one {
        stack.truncate(0);
        stack.push_error(b"wrong number or type of arguments");
    }
    is_one
}

fn error_reply(stack: &mut Stack<'_>) -> Returns {
    if is_one_string(stack) {
        let text = stack.bytes(1).unwrap_or_default();
        let text = if text.first() == Some(&b'-') { text.to_vec() } else { [b"-", text].concat() };
        stack.push_error(&text);
    }
    Ok(1)
}

fn status_reply(stack: &mut Stack<'_>) -> Returns {
    if is_one_string(stack) {
        stack.push_table(0, 1);
        stack.push_value(1);
        stack.set_field(2, b"ok");
    }
    Ok(1)
}

fn set_repl(stack: &mut Stack<'_>) -> Returns {
    if stack.top() != 1 {
        return Err(stack.raise_error("redis.set_repl() requires one argument."));
    }
    if integer(stack.number(1).unwrap_or(0.0)) as i32 & !3 != 0 {
        let text = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(stack.raise_error(text));
    }
    Ok(0)
}

fn acl_check_cmd(stack: &mut Stack<'_>) -> Returns {
    if let Err(text) = words(stack) {
        return Err(stack.raise_error(text));
    }
    match stack.with_words(|words, host, _| host.acl_check(words)) {
        Some(Some(may)) => {
            stack.push_boolean(may);
            Ok(1)
        }
        Some(None) => Err(stack.raise_error("Invalid command passed to redis.acl_check_cmd()")),
        None => Err(stack.raise_error("redis.acl_check_cmd can only be called inside a script invocation")),
    }
}

fn log(stack: &mut Stack<'_>) -> Returns {
    let count = stack.top();
    if count < 2 {
        return Err(stack.raise_error("redis.log() requires two arguments or more."));
    }
    let Some(level) = stack.number(1) else {
        return Err(stack.raise_error("First argument must be a number (log level)."));
    };
    let Ok(level @ 0..=3) = u8::try_from(integer(level) as i32) else {
        return Err(stack.raise_error("Invalid debug level."));
    };
    for index in 2..=count {
        stack.text(index);
    }
    let are_strings: Vec<bool> = (2..=count).map(|index| stack.is(index, Type::String)).collect();
    stack.with_words(|words, host, _| {
        let mut text = Vec::new();
        for (place, word) in words[1..].iter().enumerate().filter(|(place, _)| are_strings[*place]) {
            if place > 0 {
                text.push(b' ');
            }
            text.extend_from_slice(word);
        }
        host.log(level, &text);
    });
    Ok(0)
}

/// There is no debugger: as if none were attached.
fn breakpoint(stack: &mut Stack<'_>) -> Returns {
    stack.push_boolean(false);
    Ok(1)
}

/// Commands are replicated one by one at all times.
fn replicate_commands(stack: &mut Stack<'_>) -> Returns {
    stack.push_boolean(true);
    Ok(1)
}
