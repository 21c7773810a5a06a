//! Scripts as Redis 7.2.4 answers them.

use tidegate_protocols::reply::{Dialect, Reply};

use super::*;

/// A host with a few commands that need no data.
#[derive(Default)]
struct Few {
    log: Vec<(u8, String)>,
    looks_left: Option<usize>,
}

impl Host for Few {
    fn call(&mut self, words: &[&[u8]], is_resp3: bool, out: &mut Vec<u8>) -> Called {
        let dialect = if is_resp3 { Dialect::Resp3 } else { Dialect::Resp2 };
        match words[0] {
            b"ABORT" => return Called::Abort,
            b"KILLED" => return Called::Killed,
            // Answers whatever it is given.
            b"RAW" => out.extend_from_slice(words[1]),
            b"ECHO" => Reply::new(out, dialect).bulk(words[1]),
            _ => out.extend_from_slice(b"-ERR Unknown Redis command called from script\r\n"),
        }
        Called::Done
    }

    fn acl_check(&mut self, words: &[&[u8]]) -> Option<bool> {
        (words[0] == b"ECHO").then_some(true)
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        self.log.push((level, String::from_utf8_lossy(text).into_owned()));
    }

    fn is_killed(&mut self) -> bool {
        match &mut self.looks_left {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }
}

const LIMITS: Limits = Limits { bytes_max: 64 << 20, reply_bytes_max: 1 << 20 };

fn run_in(engine: &mut Engine, script: &str, host: &mut Few, dialect: Dialect) -> (Outcome, String) {
    let sha = Sha::of(script.as_bytes());
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, dialect);
    let outcome = match engine.load(sha, script.as_bytes()) {
        Err(error) => {
            reply.refuse(&error);
            Outcome::Failed
        }
        Ok(()) => engine.call(&sha, &[b"k1", b"k2"], &[b"a1"], host, &mut reply),
    };
    (outcome, String::from_utf8_lossy(&out).replace(std::str::from_utf8(sha.as_bytes()).unwrap(), "SHA"))
}

fn answers(script: &str) -> String {
    run_in(&mut Engine::new(LIMITS), script, &mut Few::default(), Dialect::Resp2).1
}

#[test]
fn a_script_replies_with_what_it_returns() {
    for (script, reply) in [
        ("return 1", ":1\r\n"),
        ("return 3.99", ":3\r\n"),
        ("return 'text'", "$4\r\ntext\r\n"),
        ("return", "$-1\r\n"),
        ("return true", ":1\r\n"),
        ("return false", "$-1\r\n"),
        ("return {1,{2,'x'},nil,4}", "*2\r\n:1\r\n*2\r\n:2\r\n$1\r\nx\r\n"),
        ("return {ok='fine'}", "+fine\r\n"),
        ("return {err='My Err'}", "-My Err\r\n"),
        ("return redis.error_reply('MY error')", "-MY error\r\n"),
        ("return redis.status_reply('TEST')", "+TEST\r\n"),
        ("return {double=3.5}", "$3\r\n3.5\r\n"),
        ("return {map={a=1}}", "*2\r\n$1\r\na\r\n:1\r\n"),
        ("return {set={a=true}}", "*1\r\n$1\r\na\r\n"),
        ("return {KEYS[1],KEYS[2],ARGV[1]}", "*3\r\n$2\r\nk1\r\n$2\r\nk2\r\n$2\r\na1\r\n"),
        ("return redis.call('ECHO', 12)", "$2\r\n12\r\n"),
        ("return redis.sha1hex('')", "$40\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709\r\n"),
    ] {
        assert_eq!(answers(script), reply, "{script}");
    }
}

#[test]
fn errors_say_where_they_happened() {
    for (script, reply) in [
        (
            "return x",
            "-ERR user_script:1: Script attempted to access nonexistent global variable 'x' script: SHA, on @user_script:1.\r\n",
        ),
        (
            "x = 1",
            "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1.\r\n",
        ),
        (
            "\n\nredis.call('NO')",
            "-ERR Unknown Redis command called from script script: SHA, on @user_script:3.\r\n",
        ),
        ("return redis.pcall('NO')", "-ERR Unknown Redis command called from script\r\n"),
        (
            "return redis.call()",
            "-ERR Please specify at least one argument for this redis lib call script: SHA, on @user_script:1.\r\n",
        ),
        (
            "return }",
            "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '}'\r\n",
        ),
        ("error('x')", "-ERR user_script:1: x script: SHA, on @user_script:1.\r\n"),
        (
            "redis.x = 1",
            "-ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1.\r\n",
        ),
    ] {
        assert_eq!(answers(script), reply, "{script}");
    }
}

#[test]
fn nothing_keeps_a_script_from_being_ended() {
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "local f = coroutine.wrap(function() while true do pcall(function() while true do end end) end end) while true do pcall(f) end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
    ] {
        let mut host = Few { looks_left: Some(3), ..Few::default() };
        let (outcome, reply) = run_in(&mut Engine::new(LIMITS), script, &mut host, Dialect::Resp2);
        let expected = "-ERR Script killed by user with SCRIPT KILL... script: SHA, on @user_script:1.\r\n";
        assert_eq!((outcome, &*reply), (Outcome::Killed, expected), "{script}");
    }
    for script in ["pcall(redis.call, 'ABORT') return 1", "while true do pcall(redis.pcall, 'ABORT') end"] {
        let (outcome, reply) = run_in(&mut Engine::new(LIMITS), script, &mut Few::default(), Dialect::Resp2);
        assert_eq!((outcome, &*reply), (Outcome::Aborted, ""), "{script}");
    }
    let script = "while true do pcall(redis.pcall, 'KILLED') end";
    let (outcome, reply) = run_in(&mut Engine::new(LIMITS), script, &mut Few::default(), Dialect::Resp2);
    let expected = "-ERR Script killed by user with SCRIPT KILL... script: SHA, on @user_script:1.\r\n";
    assert_eq!((outcome, &*reply), (Outcome::Killed, expected), "{script}");
}

fn call(engine: &mut Engine, library: &str, function: &str) -> String {
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, Dialect::Resp2);
    engine.call_function(
        (library.as_bytes(), function.as_bytes()),
        &[b"k"],
        &[b"a"],
        &mut Few::default(),
        &mut reply,
    );
    String::from_utf8(out).unwrap()
}

#[test]
fn a_library_registers_functions_and_sees_nothing_else() {
    let mut engine = Engine::new(LIMITS);
    let code = b"\nlocal function f(keys, args) return {keys[1], args[1], string.upper('x')} end
        redis.register_function('one', f)
        redis.register_function{function_name='two', callback=function() return redis.call('NO') end, flags={'no-writes'}, description='d'}";
    let functions = engine.load_library(b"lib", code).unwrap();
    assert_eq!(functions[0], Function { name: b"one".into(), description: None, flags: Flags::default() });
    let two = Function { name: b"two".into(), description: Some(b"d".into()), flags: Flags::NO_WRITES };
    assert!(functions[1] == two && functions.len() == 2);
    assert_eq!(call(&mut engine, "lib", "one"), "*3\r\n$1\r\nk\r\n$1\r\na\r\n$1\r\nX\r\n");
    let error = "-ERR Unknown Redis command called from script script: two, on @user_function:4.\r\n";
    assert_eq!(call(&mut engine, "lib", "two"), error);
    for (code, text) in [
        (
            "redis.call('PING')",
            "ERR Error registering functions: ERR user_function:1: Script attempted to access nonexistent global variable 'call'",
        ),
        (
            "math.abs(1)",
            "ERR Error registering functions: ERR user_function:1: Script attempted to access nonexistent global variable 'math'",
        ),
        ("x = 1", "ERR Error registering functions: ERR user_function:1: Attempt to modify a readonly table"),
        (
            "redis.register_function('a')",
            "ERR Error registering functions: ERR calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        ),
        (
            "redis.register_function('a b', function() end)",
            "ERR Error registering functions: ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ),
        ("while true do end", "ERR Error registering functions: ERR FUNCTION LOAD timeout"),
        ("}", "ERR Error compiling function: user_function:1: unexpected symbol near '}'"),
    ] {
        assert_eq!(engine.load_library(b"lib", code.as_bytes()).unwrap_err().to_string(), text, "{code}");
    }
    assert_eq!(call(&mut engine, "lib", "two"), error);
}

#[test]
fn a_script_that_wants_too_much_gets_an_error_and_the_next_runs() {
    let mut engine = Engine::new(LIMITS);
    for script in [
        "return string.rep('x', 1024*1024*1024)",
        "local t = {} while true do t[#t+1] = string.rep('x', 100000) .. #t end",
        "local s = 'x' while true do s = s .. s end",
        "local function f() return f() + 1 end return f()",
        "local function f() return pcall(f) end while true do f() error('x') end",
        "return unpack({}, 1, 10000000)",
        "local t = {} for i = 1, 1000 do t = {t, t} end return t",
        "local t = {} for i = 1, 100 do t = {t, t} end return cjson.encode(t)",
        "local s = string.rep('s', 4000) local a = {} for i = 1, 4000 do a[i] = string.rep('x', 60000) end return #struct.pack(s, unpack(a))",
        "local t = {} for i = 1, 16 do t = {t, t, t, t, t, t, t, t} end return cmsgpack.pack(t)",
        "return coroutine.wrap(function() local function f() return f() + 1 end return f() end)()",
        "local f f = function() return coroutine.wrap(f)() end return f()",
        "return string.rep('(', 300) .. loadstring(string.rep('(', 300))",
        "local function load_all() return string.rep('x', 1000000) end return load(load_all)",
        "setmetatable(getmetatable(''), nil) getmetatable('').__index = nil",
        "getmetatable('').__add = function() return 1 end return 'a' + 1",
        "string.upper = nil",
        "collectgarbage('stop') collectgarbage('setpause', 100000) error('x')",
        "setfenv(0, {}) error('x')",
        "error(setmetatable({}, {__index = function() error('y') end, __tostring = error}))",
        "return redis.call(unpack({}, 1, 7000))",
        "redis.call = nil",
        "return loadstring('\\27Lua\\81\\0')()",
        "return loadstring(string.dump(function() return 1 end))()",
    ] {
        let (outcome, reply) = run_in(&mut engine, script, &mut Few::default(), Dialect::Resp2);
        assert_eq!(outcome, Outcome::Failed, "{script}: {}", &reply[..reply.len().min(200)]);
        assert!(reply.starts_with('-'), "{script}: {}", &reply[..reply.len().min(200)]);
        let (_, reply) = run_in(&mut engine, "return ('ok'):upper()", &mut Few::default(), Dialect::Resp2);
        assert_eq!(reply, "$2\r\nOK\r\n", "after {script}");
    }
    engine.forget_all();
    assert!(engine.bytes() < 4 << 20, "{} bytes are left", engine.bytes());
}
