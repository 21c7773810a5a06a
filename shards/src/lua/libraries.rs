//! Libraries of functions: code that is run once, to register the functions it has, and functions that are called later.
//! They live in a Lua state of their own. Source: Redis `function_lua.c`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tidegate_protocols::error::Error;
use tidegate_protocols::reply::Reply;

use super::errors::{c_text, handle, shown_copy};
use super::protected::{nonexistent, protect};
use super::sandbox::{self, Globals};
use super::script::Flags;
use super::state::{Kept, Raised, Returns, Stack, State, Type};
use super::world::World;
use super::{Host, Limits, Outcome, redis, run};

/// How long a library may take to register its functions. Source: Redis `functions.c`, `LOAD_TIMEOUT_MS`.
const LOAD_MAX: Duration = Duration::from_millis(500);

/// Functions of one library; each is kept in Lua.
const FUNCTIONS_MAX: usize = 100_000;

/// A function as its library has registered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: Vec<u8>,
    pub(crate) description: Option<Vec<u8>>,
    pub(crate) flags: Flags,
}

/// What a library that is being loaded has registered so far.
pub(super) struct Loading {
    functions: Vec<(Function, Kept)>,
    pub(super) until: Instant,
}

/// The Lua state of functions.
pub(super) struct Libraries {
    state: State,
    globals: Globals,
    handler: Kept,
    /// What code finds while it is loaded: `redis` with little in it, and nothing else.
    of_loading: Kept,
    /// Each with its functions.
    loaded: HashMap<Vec<u8>, HashMap<Vec<u8>, Kept>>,
}

impl Libraries {
    pub(super) fn new(limits: Limits) -> Self {
        let mut state = State::new(limits.bytes_max, World::new(limits));
        let mut stack = state.stack();
        sandbox::open(&mut stack);
        redis::push(&mut stack, false);
        stack.set_field(1, b"redis");
        let globals = Globals::lock(&mut stack);
        stack.push_function(handle);
        let handler = stack.keep();
        stack.push_table(0, 1);
        stack.push_table(0, 8);
        stack.push_function(register_function);
        stack.set_field(2, b"register_function");
        redis::add_log_and_version(&mut stack, 2);
        set_nonexistent(&mut stack, 2);
        protect(&mut stack, 2);
        stack.set_field(1, b"redis");
        stack.pop(1);
        set_nonexistent(&mut stack, 1);
        let of_loading = stack.keep();
        Self { state, globals, handler, of_loading, loaded: HashMap::new() }
    }

    /// Bytes of everything in the Lua state.
    pub(super) fn bytes(&self) -> usize {
        self.state.bytes()
    }

    /// Runs `code` to learn its functions, which take the place of those of a library of the same name. That is as it was
    /// if the code fails.
    pub(super) fn load(&mut self, name: &[u8], code: &[u8]) -> Result<Vec<Function>, Error> {
        let mut stack = self.state.stack();
        stack.world().begin();
        stack.push_kept(self.globals.shown);
        stack.set_globals();
        stack.push_kept(self.globals.shown);
        let has_metatable = stack.push_metatable(1);
        assert!(has_metatable, "what stands for the globals has one");
        stack.push_kept(self.of_loading);
        stack.set_field(2, b"__index");
        stack.world().loading = Some(Loading { functions: Vec::new(), until: Instant::now() + LOAD_MAX });
        let result = register(&mut stack, code);
        let loading = stack.world().loading.take().expect("nobody else takes it");
        stack.truncate(2);
        stack.push_kept(self.globals.hidden);
        stack.set_field(2, b"__index");
        if let Err(error) = result {
            for (_, kept) in loading.functions {
                stack.forget(kept);
            }
            return Err(error);
        }
        self.forget(name);
        let functions =
            loading.functions.iter().map(|(function, kept)| (function.name.clone(), *kept)).collect();
        self.loaded.insert(name.to_vec(), functions);
        Ok(loading.functions.into_iter().map(|(function, _)| function).collect())
    }

    /// Forgets a library.
    pub(super) fn forget(&mut self, name: &[u8]) {
        let mut stack = self.state.stack();
        for kept in self.loaded.remove(name).into_iter().flatten().map(|(_, kept)| kept) {
            stack.forget(kept);
        }
    }

    pub(super) fn call(
        &mut self,
        (library, function): (&[u8], &[u8]),
        keys: &[&[u8]],
        arguments: &[&[u8]],
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        let kept = self.loaded[library][function];
        let mut stack = self.state.stack();
        stack.world().begin();
        stack.push_kept(self.globals.shown);
        stack.set_globals();
        stack.push_kept(self.handler);
        stack.push_kept(kept);
        run::push_words(&mut stack, keys);
        run::push_words(&mut stack, arguments);
        stack.with_host(host, |stack| run::run(stack, 2, function, reply))
    }
}

/// Makes reads of what is not in the table at `index` an error.
fn set_nonexistent(stack: &mut Stack<'_>, index: usize) {
    stack.push_table(0, 1);
    let metatable = stack.top();
    stack.push_function(nonexistent);
    stack.set_field(metatable, b"__index");
    stack.set_metatable(index);
}

/// Compiles and runs the code.
fn register(stack: &mut Stack<'_>, code: &[u8]) -> Result<(), Error> {
    if stack.compile(code, c"@user_function").is_err() {
        let text = stack.text(stack.top()).unwrap_or_default();
        return Err(Error::quoting("ERR Error compiling function: ", text, ""));
    }
    stack.look_every(run::INSTRUCTIONS_BETWEEN_LOOKS);
    let result = stack.call(0, Some(0), None);
    stack.look_every(0);
    if result.is_ok() {
        return Ok(());
    }
    let top = stack.top();
    let text = if stack.is(top, Type::Table) {
        stack.push_field(top, b"err");
        stack.text(top + 1).unwrap_or(b"unknown error").to_vec()
    } else {
        [b"ERR ", stack.text(top).unwrap_or(b"unknown error")].concat()
    };
    Err(Error::quoting("ERR Error registering functions: ", c_text(&text), ""))
}

/// `redis.register_function`.
fn register_function(stack: &mut Stack<'_>) -> Returns {
    if stack.world().loading.is_none() {
        return Err(stack.raise_error("redis.register_function can only be called on FUNCTION LOAD command"));
    }
    let (function, kept) = match stack.top() {
        1 => named(stack)?,
        2 => positional(stack)?,
        _ => return Err(stack.raise_error("wrong number of arguments to redis.register_function")),
    };
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let text = {
        let functions = &stack.world().loading.as_ref().expect("looked at above").functions;
        if function.name.is_empty() || !function.name.iter().all(is_word) {
            Some(
                "Library names can only contain letters, numbers, or underscores(_) and must be at least one character \
                 long",
            )
        } else if functions.iter().any(|(known, _)| known.name == function.name) {
            Some("Function already exists in the library")
        } else if functions.len() >= FUNCTIONS_MAX {
            Some("too many functions in the library")
        } else {
            None
        }
    };
    if let Some(text) = text {
        stack.forget(kept);
        return Err(stack.raise_error(text));
    }
    stack.world().loading.as_mut().expect("looked at above").functions.push((function, kept));
    Ok(0)
}

fn positional(stack: &mut Stack<'_>) -> Result<(Function, Kept), Raised> {
    let Some(name) = stack.text(1).map(<[u8]>::to_vec) else {
        return Err(stack.raise_error("first argument to redis.register_function must be a string"));
    };
    if !stack.is(2, Type::Function) {
        return Err(stack.raise_error("second argument to redis.register_function must be a function"));
    }
    Ok((Function { name, description: None, flags: Flags::default() }, stack.keep()))
}

fn named(stack: &mut Stack<'_>) -> Result<(Function, Kept), Raised> {
    if !stack.is(1, Type::Table) {
        return Err(stack.raise_error(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named \
             arguments).",
        ));
    }
    let (mut name, mut description, mut flags, mut has_callback) = (None, None, Flags::default(), false);
    stack.push_nil();
    stack.insert(1);
    // From here on: the callback, the arguments, and the key and value of one.
    stack.push_nil();
    while stack.next(2).expect("the key is one of the table") {
        // The key stays as it is: what follows it is looked up by it.
        let key = match stack.type_of(3) {
            Some(Type::String | Type::Number) => shown_copy(stack, 3).to_ascii_lowercase(),
            _ => {
                return Err(
                    stack.raise_error("named argument key given to redis.register_function is not a string")
                );
            }
        };
        match &key[..] {
            b"function_name" => name = Some(named_text(stack, "function_name")?),
            b"description" => description = Some(named_text(stack, "description")?),
            b"callback" => {
                if !stack.is(4, Type::Function) {
                    let text = "callback argument given to redis.register_function must be a function";
                    return Err(stack.raise_error(text));
                }
                has_callback = true;
                stack.push_value(4);
                stack.replace(1);
            }
            b"flags" => {
                if !stack.is(4, Type::Table) {
                    let text = "flags argument to redis.register_function must be a table representing function flags";
                    return Err(stack.raise_error(text));
                }
                flags = match read_flags(stack, 4) {
                    Some(flags) => flags,
                    None => return Err(stack.raise_error("unknown flag given")),
                };
            }
            _ => return Err(stack.raise_error("unknown argument given to redis.register_function")),
        }
        stack.truncate(3);
    }
    let Some(name) = name else {
        return Err(stack.raise_error("redis.register_function must get a function name argument"));
    };
    if !has_callback {
        return Err(stack.raise_error("redis.register_function must get a callback argument"));
    }
    stack.truncate(1);
    Ok((Function { name, description, flags }, stack.keep()))
}

/// The value of a named argument that is text, which is at 4.
fn named_text(stack: &mut Stack<'_>, name: &str) -> Result<Vec<u8>, Raised> {
    match stack.text(4).map(<[u8]>::to_vec) {
        Some(text) => Ok(text),
        None => {
            Err(stack
                .raise_error(&format!("{name} argument given to redis.register_function must be a string")))
        }
    }
}

/// The flags that the table at `index` names; `None` if one of them is none.
fn read_flags(stack: &mut Stack<'_>, index: usize) -> Option<Flags> {
    let mut flags = Flags::default();
    for at in 1.. {
        stack.push_element(index, at);
        let top = stack.top();
        if stack.is(top, Type::Nil) {
            break;
        }
        let name = stack.text(top)?;
        let (_, flag) = Flags::NAMED.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))?;
        flags = flags.and(*flag);
        stack.pop(1);
    }
    Some(flags)
}
