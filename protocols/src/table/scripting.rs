//! Scripts: programs of clients that run where the data is.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, Gather, KeySpec};
use super::tips;

const SCRIPTING: Categories = Categories::SCRIPTING;
const NOSCRIPT: Flags = Flags::NOSCRIPT;
const RUNS: Flags = NOSCRIPT.and(Flags::STALE).and(Flags::SKIP_MONITOR).and(Flags::NO_MANDATORY_KEYS);
const RUNS_ANYTHING: Flags = RUNS.and(Flags::MAY_REPLICATE);
const RUNS_READING: Flags = RUNS.and(Flags::READONLY);
const ANY_TIME: Flags = Flags::LOADING.and(Flags::STALE);
const WRITES: Flags = NOSCRIPT.and(Flags::WRITE);
const OF_SCRIPT: &str = "Depends on the script.";
const OF_FUNCTION: &str = "Depends on the function.";

/// Keys that a number before them counts. What is done with them nobody knows.
const fn counted(access: Access) -> [KeySpec; 1] {
    [KeySpec { begin: Begin::Index(2), find: Find::Count { count: 0, first: 1, step: 1 }, access }]
}

const KEYS: &[KeySpec] = &counted(Access::RW.and(Access::ACCESS).and(Access::UPDATE));
const KEYS_READ: &[KeySpec] = &counted(Access::RO.and(Access::ACCESS));

family! {
    /// Scripts: programs of clients that run where the data is.
    Scripting "scripting"

    Eval = "EVAL" "script numkeys:integer [key [key ...]] [arg [arg ...]]"
        .summary("Runs a script in Lua.").cost(OF_SCRIPT)
        .since("2.6.0").keys(KEYS).flags(RUNS_ANYTHING).categories(SCRIPTING);

    Evalsha = "EVALSHA" "sha1 numkeys:integer [key [key ...]] [arg [arg ...]]"
        .summary("Runs a script in Lua that is known, by the SHA1 digest of its text.").cost(OF_SCRIPT)
        .since("2.6.0").keys(KEYS).flags(RUNS_ANYTHING).categories(SCRIPTING);

    EvalRo = "EVAL_RO" "script numkeys:integer [key [key ...]] [arg [arg ...]]"
        .summary("Runs a script in Lua that changes nothing.").cost(OF_SCRIPT)
        .since("7.0.0").keys(KEYS_READ).flags(RUNS_READING).categories(SCRIPTING);

    EvalshaRo = "EVALSHA_RO" "sha1 numkeys:integer [key [key ...]] [arg [arg ...]]"
        .summary("Runs a script in Lua that changes nothing and is known, by the SHA1 digest of its text.")
        .cost(OF_SCRIPT)
        .since("7.0.0").keys(KEYS_READ).flags(RUNS_READING).categories(SCRIPTING);

    Script = "SCRIPT" ""
        .summary("Holds the commands on scripts.").cost("Depends on the subcommand.")
        .container().since("2.6.0");

    ScriptDebug = "SCRIPT|DEBUG" "<mode=YES | SYNC | NO>"
        .summary("Says whether scripts are run step by step. They never are.")
        .since("3.2.0").keys(&[]).flags(NOSCRIPT).categories(SCRIPTING);

    ScriptExists = "SCRIPT|EXISTS" "sha1 [sha1 ...]"
        .summary("Says of each SHA1 digest whether it is that of a script which is known.")
        .cost("O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).")
        .since("2.6.0").every(Gather::Most).flags(NOSCRIPT).categories(SCRIPTING).tips(tips::SHARDS_AND);

    ScriptFlush = "SCRIPT|FLUSH" "[flush-type=ASYNC | SYNC]@6.2.0"
        .summary("Forgets all scripts.").cost("O(N) with N being the number of scripts in cache")
        .since("2.6.0").every(Gather::Agree).flags(NOSCRIPT).categories(SCRIPTING).tips(tips::NODES_ALL)
        .arity(-2).history(&[("6.2.0", "The words ASYNC and SYNC.")]);

    ScriptHelp = "SCRIPT|HELP" ""
        .summary("Explains the subcommands of SCRIPT.")
        .since("5.0.0").keys(&[]).flags(ANY_TIME).categories(SCRIPTING);

    ScriptKill = "SCRIPT|KILL" ""
        .summary("Ends the script that runs, if it has not changed anything.")
        .since("2.6.0").every(Gather::AnyDone).flags(NOSCRIPT.and(Flags::ALLOW_BUSY)).categories(SCRIPTING)
        .tips(tips::SHARDS_ONE);

    ScriptLoad = "SCRIPT|LOAD" "script"
        .summary("Makes a script known without running it.")
        .cost("O(N) with N being the length in bytes of the script body.")
        .since("2.6.0").every(Gather::Agree).flags(NOSCRIPT.and(Flags::STALE)).categories(SCRIPTING)
        .tips(tips::NODES_ALL);

    Fcall = "FCALL" "function numkeys:integer [key [key ...]] [arg [arg ...]]"
        .summary("Calls a function.").cost(OF_FUNCTION)
        .since("7.0.0").keys(KEYS).flags(RUNS_ANYTHING).categories(SCRIPTING);

    FcallRo = "FCALL_RO" "function numkeys:integer [key [key ...]] [arg [arg ...]]"
        .summary("Calls a function that changes nothing.").cost(OF_FUNCTION)
        .since("7.0.0").keys(KEYS_READ).flags(RUNS_READING).categories(SCRIPTING);

    Function = "FUNCTION" ""
        .summary("Holds the commands on libraries of functions.").cost("Depends on the subcommand.")
        .container().since("7.0.0");

    FunctionDelete = "FUNCTION|DELETE" "library-name"
        .summary("Removes a library with its functions.")
        .since("7.0.0").every(Gather::Agree).flags(WRITES).categories(SCRIPTING).tips(tips::SHARDS_ALL);

    FunctionDump = "FUNCTION|DUMP" ""
        .summary("Returns all libraries as bytes, from which FUNCTION RESTORE makes them again.")
        .cost("O(N) where N is the number of functions")
        .since("7.0.0").keys(&[]).flags(NOSCRIPT).categories(SCRIPTING);

    FunctionFlush = "FUNCTION|FLUSH" "[flush-type=ASYNC | SYNC]"
        .summary("Removes all libraries.").cost("O(N) where N is the number of functions deleted")
        .since("7.0.0").every(Gather::Agree).flags(WRITES).categories(SCRIPTING).tips(tips::SHARDS_ALL)
        .arity(-2);

    FunctionHelp = "FUNCTION|HELP" ""
        .summary("Explains the subcommands of FUNCTION.")
        .since("7.0.0").keys(&[]).flags(ANY_TIME).categories(SCRIPTING);

    FunctionKill = "FUNCTION|KILL" ""
        .summary("Ends the function that runs, if it has not changed anything.")
        .since("7.0.0").every(Gather::AnyDone).flags(NOSCRIPT.and(Flags::ALLOW_BUSY)).categories(SCRIPTING)
        .tips(tips::SHARDS_ONE);

    FunctionList = "FUNCTION|LIST" "[LIBRARYNAME library-name-pattern:string] [WITHCODE]"
        .summary("Describes libraries and their functions.").cost("O(N) where N is the number of functions")
        .since("7.0.0").keys(&[]).flags(NOSCRIPT).categories(SCRIPTING).tips(tips::ANY_ORDER).arity(-2);

    FunctionLoad = "FUNCTION|LOAD" "[REPLACE] function-code"
        .summary("Adds a library.").cost("O(1) (considering compilation time is redundant)")
        .since("7.0.0").every(Gather::Agree).flags(WRITES.and(Flags::DENYOOM)).categories(SCRIPTING)
        .tips(tips::SHARDS_ALL);

    FunctionRestore = "FUNCTION|RESTORE" "serialized-value [policy=FLUSH | APPEND | REPLACE]"
        .summary("Adds the libraries that FUNCTION DUMP has told.")
        .cost("O(N) where N is the number of functions on the payload")
        .since("7.0.0").every(Gather::Agree).flags(WRITES.and(Flags::DENYOOM)).categories(SCRIPTING)
        .tips(tips::SHARDS_ALL).arity(-3);

    FunctionStats = "FUNCTION|STATS" ""
        .summary("Tells of the function that runs, and how many there are.")
        .since("7.0.0").every(Gather::Running).flags(NOSCRIPT.and(Flags::ALLOW_BUSY)).categories(SCRIPTING)
        .tips(tips::SHARDS_SPECIAL);
}
