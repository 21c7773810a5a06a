//! Commands about the server itself.

use super::family;
use super::row::{Categories, Flags};
use super::tips;

const ANYTIME: Flags = Flags::LOADING.and(Flags::STALE);
const ADMIN_READ: Flags = Flags::ADMIN.and(ANYTIME);
const ALONE: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_ASYNC_LOADING);
const ADMIN: Flags = ADMIN_READ.and(Flags::NOSCRIPT);
const CONNECTION: Categories = Categories::CONNECTION;
const DEPENDS: &str = "Depends on the subcommand.";

family! {
    /// Commands about the server itself.
    Server "server"

    Command = "COMMAND" ""
        .summary("Describes every command.").cost("O(N), N the number of commands.")
        .container().arity(-1).since("2.8.13").flags(ANYTIME).categories(CONNECTION)
        .tips(tips::ANY_ORDER);

    CommandCount = "COMMAND|COUNT" ""
        .summary("Counts the commands.")
        .since("2.8.13").flags(ANYTIME).categories(CONNECTION);

    CommandDocs = "COMMAND|DOCS" "[command-name [command-name ...]]"
        .summary("Documents commands and their arguments.").cost("O(N), N the number of commands asked for.")
        .since("7.0.0").flags(ANYTIME).categories(CONNECTION)
        .tips(tips::ANY_ORDER);

    CommandGetkeys = "COMMAND|GETKEYS" "command [arg [arg ...]]"
        .summary("Finds the keys among the arguments of a command.").cost("O(N), N the number of arguments.")
        .since("2.8.13").flags(ANYTIME).categories(CONNECTION);

    CommandGetkeysandflags = "COMMAND|GETKEYSANDFLAGS" "command [arg [arg ...]]"
        .summary("Finds the keys among the arguments of a command and says what is done with each.")
        .cost("O(N), N the number of arguments.")
        .since("7.0.0").flags(ANYTIME).categories(CONNECTION);

    CommandInfo = "COMMAND|INFO" "[command-name [command-name ...]]"
        .summary("Describes some commands.").cost("O(N), N the number of commands asked for.")
        .since("2.8.13").flags(ANYTIME).categories(CONNECTION)
        .tips(tips::ANY_ORDER)
        .history(&[("7.0.0", "Without names it describes every command.")]);

    CommandList = "COMMAND|LIST" "[FILTERBY <filterby=MODULE module-name | ACLCAT category | \
        PATTERN pattern>]"
        .summary("Lists the names of commands.").cost("O(N), N the number of commands.")
        .since("7.0.0").flags(ANYTIME).categories(CONNECTION)
        .tips(tips::ANY_ORDER);

    CommandHelp = "COMMAND|HELP" ""
        .summary("Explains the subcommands of COMMAND.")
        .since("5.0.0").flags(ANYTIME).categories(CONNECTION);

    Config = "CONFIG" ""
        .summary("Holds the commands on settings.").cost(DEPENDS)
        .container().since("2.0.0");

    ConfigGet = "CONFIG|GET" "(parameter=parameter) ..."
        .summary("Shows the settings whose names match patterns.")
        .cost("O(N), N the number of settings and patterns.")
        .since("2.0.0").flags(ADMIN)
        .history(&[("7.0.0", "Several patterns in one request.")]);

    ConfigSet = "CONFIG|SET" "parameter value [parameter value ...]"
        .summary("Changes settings, all of them or none.").cost("O(N), N the number of settings.")
        .since("2.0.0").flags(ADMIN)
        .tips(tips::NODES_ALL)
        .history(&[("7.0.0", "Several settings in one request.")]);

    ConfigResetstat = "CONFIG|RESETSTAT" ""
        .summary("Sets the statistics back to zero.")
        .since("2.0.0").flags(ADMIN)
        .tips(tips::NODES_ALL);

    ConfigRewrite = "CONFIG|REWRITE" ""
        .summary("Writes the settings in use to the configuration file.")
        .since("2.8.0").flags(ADMIN)
        .tips(tips::NODES_ALL);

    ConfigHelp = "CONFIG|HELP" ""
        .summary("Explains the subcommands of CONFIG.")
        .since("5.0.0").flags(ANYTIME);

    Debug = "DEBUG" ""
        .summary("Holds the commands for tests of the server.").cost(DEPENDS)
        .container().flags(ADMIN)
        .system();

    DebugError = "DEBUG|ERROR" "message"
        .summary("Replies with an error of these words, for tests of clients.")
        .flags(ADMIN);

    DebugSleep = "DEBUG|SLEEP" "seconds"
        .summary("Holds the client, and no other, for some seconds.")
        .flags(ADMIN);

    DebugSetActiveExpire = "DEBUG|SET-ACTIVE-EXPIRE" "enabled"
        .summary("Lets expired keys be removed in the background, or only when they are asked for.")
        .flags(ADMIN);

    DebugSetDisableDenyScripts = "DEBUG|SET-DISABLE-DENY-SCRIPTS" "disabled"
        .summary("Lets scripts ask for DEBUG, which is not for them, or not.")
        .flags(ADMIN);

    DebugProtocol = "DEBUG|PROTOCOL" "type"
        .summary("Replies with a value of a type of the protocol, for tests of clients.")
        .flags(ADMIN);

    DebugLog = "DEBUG|LOG" "message"
        .summary("Writes a line to the log.")
        .flags(ADMIN);

    DebugQuicklistPackedThreshold = "DEBUG|QUICKLIST-PACKED-THRESHOLD" "size"
        .summary("Does nothing: an element too large for a node of its list has a node of its own, whatever its size.")
        .flags(ADMIN);

    DebugPauseCron = "DEBUG|PAUSE-CRON" "paused"
        .summary("Does nothing: background work never holds up what clients ask for.")
        .flags(ADMIN);

    DebugHelp = "DEBUG|HELP" ""
        .summary("Explains the subcommands of DEBUG.")
        .flags(ADMIN);

    Failover = "FAILOVER" "[TO (target=host port:integer [FORCE])] [ABORT] [TIMEOUT milliseconds:integer]"
        .summary("Hands over to a replica, of which there are none.")
        .since("6.2.0").flags(Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::STALE));

    Info = "INFO" "[section [section ...]]"
        .summary("Reports about the server, section by section.")
        .flags(ANYTIME).categories(Categories::DANGEROUS)
        .tips(tips::SHARDS_SPECIAL)
        .history(&[("7.0.0", "Several sections in one request.")]);

    Lastsave = "LASTSAVE" ""
        .summary("Returns when the data was saved last, or the start of the server.")
        .flags(ANYTIME.and(Flags::FAST)).categories(Categories::ADMIN.and(Categories::DANGEROUS))
        .tips(tips::VARIES);

    Latency = "LATENCY" ""
        .summary("Holds the commands on the latency of commands and events.").cost(DEPENDS)
        .container().since("2.8.13");

    LatencyDoctor = "LATENCY|DOCTOR" ""
        .summary("Explains in words what was slow.")
        .since("2.8.13").flags(ADMIN)
        .tips(tips::NODES_SPECIAL);

    LatencyGraph = "LATENCY|GRAPH" "event"
        .summary("Draws the latest slow moments of an event.")
        .since("2.8.13").flags(ADMIN)
        .tips(tips::NODES_SPECIAL);

    LatencyHelp = "LATENCY|HELP" ""
        .summary("Explains the subcommands of LATENCY.")
        .since("2.8.13").flags(ANYTIME);

    LatencyHistogram = "LATENCY|HISTOGRAM" "[command [command ...]]"
        .summary("Returns how the times of commands are distributed.")
        .cost("O(N), N the number of commands with a histogram.")
        .since("7.0.0").flags(ADMIN)
        .tips(tips::NODES_SPECIAL);

    LatencyHistory = "LATENCY|HISTORY" "event"
        .summary("Lists the latest slow moments of an event.")
        .since("2.8.13").flags(ADMIN)
        .tips(tips::NODES_SPECIAL);

    LatencyLatest = "LATENCY|LATEST" ""
        .summary("Lists the latest and the worst slow moment of every event.")
        .since("2.8.13").flags(ADMIN)
        .tips(tips::NODES_SPECIAL);

    LatencyReset = "LATENCY|RESET" "[event [event ...]]"
        .summary("Forgets the slow moments of some events or of all.")
        .since("2.8.13").flags(ADMIN)
        .tips(tips::NODES_ADDED);

    Lolwut = "LOLWUT" "[VERSION version]"
        .summary("Names the version under a small drawing.")
        .since("5.0.0").flags(Flags::READONLY.and(Flags::FAST));

    Memory = "MEMORY" ""
        .summary("Holds the commands on memory.").cost(DEPENDS)
        .container().since("4.0.0");

    MemoryDoctor = "MEMORY|DOCTOR" ""
        .summary("Explains in words what is unusual about memory.")
        .since("4.0.0")
        .tips(tips::SHARDS_SPECIAL);

    MemoryHelp = "MEMORY|HELP" ""
        .summary("Explains the subcommands of MEMORY.")
        .since("4.0.0").flags(ANYTIME);

    MemoryMallocStats = "MEMORY|MALLOC-STATS" ""
        .summary("Returns the figures of the allocator.").cost("Depends on the memory in use.")
        .since("4.0.0")
        .tips(tips::SHARDS_SPECIAL);

    MemoryPurge = "MEMORY|PURGE" ""
        .summary("Asks the allocator to give unused pages back.").cost("Depends on the memory in use.")
        .since("4.0.0")
        .tips(tips::SHARDS_ALL);

    MemoryStats = "MEMORY|STATS" ""
        .summary("Returns what memory is used for.")
        .since("4.0.0")
        .tips(tips::SHARDS_SPECIAL);

    Module = "MODULE" ""
        .summary("Holds the commands on modules.").cost(DEPENDS)
        .container().since("4.0.0");

    ModuleHelp = "MODULE|HELP" ""
        .summary("Explains the subcommands of MODULE.")
        .since("5.0.0").flags(ANYTIME);

    ModuleList = "MODULE|LIST" ""
        .summary("Lists the modules, of which there are none.").cost("O(N), N the number of modules.")
        .since("4.0.0").flags(Flags::ADMIN.and(Flags::NOSCRIPT))
        .tips(tips::ANY_ORDER);

    ModuleLoad = "MODULE|LOAD" "path [arg [arg ...]]"
        .summary("Loads a module: refused.")
        .since("4.0.0").flags(ALONE);

    ModuleLoadex = "MODULE|LOADEX" "path [CONFIG (configs=name value) [CONFIG (configs=name value) ...]] [ARGS args [args ...]]"
        .summary("Loads a module with its settings: refused.")
        .since("7.0.0").flags(ALONE);

    ModuleUnload = "MODULE|UNLOAD" "name"
        .summary("Removes a module: refused.")
        .since("4.0.0").flags(ALONE);

    ObjectHelp = "OBJECT|HELP" "" .group("generic")
        .summary("Explains the subcommands of OBJECT.")
        .since("6.2.0").flags(ANYTIME).categories(Categories::KEYSPACE);

    Replicaof = "REPLICAOF" "<args=(host-port=host port:integer) | (no-one=NO ONE)>"
        .summary("Makes a primary of the server, as it is one, or a replica, which is refused.")
        .since("5.0.0").flags(ALONE.and(Flags::STALE));

    Role = "ROLE" ""
        .summary("Says whether this is a primary or a replica, and of whom.")
        .since("2.8.12").flags(ANYTIME.and(Flags::NOSCRIPT).and(Flags::FAST))
        .categories(Categories::ADMIN.and(Categories::DANGEROUS));

    Monitor = "MONITOR" ""
        .summary("Shows every command as it is executed.")
        .flags(ADMIN);

    Shutdown = "SHUTDOWN" "[NOSAVE | SAVE] [NOW]@7.0.0 [FORCE]@7.0.0 [ABORT]@7.0.0"
        .summary("Lets the server finish what it has begun and stop.")
        .flags(ADMIN.and(Flags::NO_MULTI).and(Flags::ALLOW_BUSY))
        .history(&[("7.0.0", "The words NOW, FORCE and ABORT.")]);

    Slaveof = "SLAVEOF" "<args=(host-port=host port:integer) | (no-one=NO ONE)>"
        .summary("Makes a primary of the server, as it is one, or a replica, which is refused.")
        .flags(ALONE.and(Flags::STALE)).deprecated("5.0.0", "`REPLICAOF`");

    Slowlog = "SLOWLOG" ""
        .summary("Holds the commands on the log of slow commands.").cost(DEPENDS)
        .container().since("2.2.12");

    SlowlogGet = "SLOWLOG|GET" "[count]"
        .summary("Returns the latest slow commands.").cost("O(N), N the number of entries returned.")
        .since("2.2.12").flags(ADMIN_READ)
        .tips(tips::NODES_VARY)
        .history(&[("4.0.0", "Address and name of the client.")]);

    SlowlogHelp = "SLOWLOG|HELP" ""
        .summary("Explains the subcommands of SLOWLOG.")
        .since("6.2.0").flags(ANYTIME);

    SlowlogLen = "SLOWLOG|LEN" ""
        .summary("Counts the entries of the slow log.")
        .since("2.2.12").flags(ADMIN_READ)
        .tips(tips::NODES_SUM);

    SlowlogReset = "SLOWLOG|RESET" ""
        .summary("Empties the slow log.").cost("O(N), N the number of entries.")
        .since("2.2.12").flags(ADMIN_READ)
        .tips(tips::NODES_ALL);

    Time = "TIME" ""
        .summary("Returns the time of the server as Unix seconds and the microseconds within.")
        .since("2.6.0").flags(ANYTIME.and(Flags::FAST))
        .tips(tips::VARIES);

    XgroupHelp = "XGROUP|HELP" "" .group("stream")
        .summary("Explains the subcommands of XGROUP.")
        .since("5.0.0").flags(ANYTIME).categories(Categories::STREAM);

    XinfoHelp = "XINFO|HELP" "" .group("stream")
        .summary("Explains the subcommands of XINFO.")
        .since("5.0.0").flags(ANYTIME).categories(Categories::STREAM);
}
