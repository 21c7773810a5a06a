//! Commands on the client's own connection.

use super::family;
use super::row::{Categories, Flags};
use super::tips;

const CONNECTION: Categories = Categories::CONNECTION;
const ANY_TIME: Flags = Flags::LOADING.and(Flags::STALE);
const ANY_TIME_FAST: Flags = ANY_TIME.and(Flags::FAST);
const OWN: Flags = ANY_TIME.and(Flags::NOSCRIPT);
const OTHERS: Flags = OWN.and(Flags::ADMIN);
const LOGIN: Flags = OWN.and(Flags::FAST).and(Flags::NO_AUTH).and(Flags::ALLOW_BUSY);

family! {
    /// Commands on the client's own connection.
    Connection "connection"

    Auth = "AUTH" "[username]@6.0.0 password"
        .summary("Proves who the client is.")
        .cost("O(N) where N is the number of passwords defined for the user")
        .flags(LOGIN).categories(CONNECTION)
        .history(&[("6.0.0", "The name of the user.")]);

    Wait = "WAIT" "numreplicas:integer timeout:integer"
        .group("generic")
        .summary("Waits until replicas have acknowledged what the client has written. There are none: it waits in vain.")
        .categories(CONNECTION).since("3.0.0").tips(tips::SHARDS_LEAST);

    Waitaof = "WAITAOF" "numlocal:integer numreplicas:integer timeout:integer"
        .group("generic")
        .summary("Waits until files have what the client has written. There are none: it waits in vain.")
        .flags(Flags::NOSCRIPT).categories(CONNECTION).since("7.2.0").tips(tips::SHARDS_LEAST);

    Client = "CLIENT" ""
        .summary("Holds the commands about client connections.")
        .cost("Depends on subcommand.").container().since("2.4.0");

    ClientCaching = "CLIENT|CACHING" "<mode=YES | NO>"
        .summary("Says whether the keys of the next command are tracked.")
        .flags(OWN).categories(CONNECTION).arity(3).since("6.0.0");

    ClientGetname = "CLIENT|GETNAME" ""
        .summary("Returns the name of the connection.")
        .flags(OWN).categories(CONNECTION).since("2.6.9");

    ClientGetredir = "CLIENT|GETREDIR" ""
        .summary("Returns the client that tracking notifications are redirected to.")
        .flags(OWN).categories(CONNECTION).since("6.0.0");

    ClientHelp = "CLIENT|HELP" ""
        .summary("Lists the subcommands with a line on each.")
        .flags(ANY_TIME).categories(CONNECTION).since("5.0.0");

    ClientId = "CLIENT|ID" ""
        .summary("Returns the number of the connection.")
        .flags(OWN).categories(CONNECTION).since("5.0.0");

    ClientInfo = "CLIENT|INFO" ""
        .summary("Describes the connection.")
        .flags(OWN).categories(CONNECTION).since("6.2.0")
        .tips(tips::VARIES);

    ClientKill = "CLIENT|KILL" "<filter=ip:port!2.8.12 | <new-format=[ID client-id]@2.8.12 | \
        [TYPE <normal_master_slave_pubsub=NORMAL | MASTER@3.2.0 | SLAVE | REPLICA@5.0.0 | \
        PUBSUB>]@2.8.12 | [USER username] | [ADDR ip:port] | [LADDR ip:port]@6.2.0 | [SKIPME yes/no]> ...>"
        .summary("Closes the connections that fit.")
        .cost("O(N) where N is the number of client connections")
        .flags(OTHERS).categories(CONNECTION).arity(-3).since("2.4.0")
        .history(&[
            ("2.8.12", "Filters instead of an address."),
            ("2.8.12", "The filter ID."),
            ("3.2.0", "The type master."),
            ("5.0.0", "The type replica, for which slave is still understood."),
            ("6.2.0", "The filter LADDR."),
        ]);

    ClientList = "CLIENT|LIST" "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>]@5.0.0 \
        [ID (id=client-id [client-id ...])]@6.2.0"
        .summary("Describes all connections, or those that fit.")
        .cost("O(N) where N is the number of client connections")
        .flags(OTHERS).categories(CONNECTION).since("2.4.0")
        .tips(tips::VARIES)
        .history(&[
            ("2.8.12", "The field id."),
            ("5.0.0", "The filter TYPE."),
            ("6.0.0", "The field user."),
            ("6.2.0", "The fields argv-mem, tot-mem, laddr and redir, and the filter ID."),
            ("7.0.0", "The fields resp, multi-mem, rbs and rbp."),
            ("7.0.3", "The field ssub."),
        ]);

    ClientNoEvict = "CLIENT|NO-EVICT" "<enabled=ON | OFF>"
        .summary("Says whether the connection may be closed to save memory.")
        .flags(OTHERS).categories(CONNECTION).arity(3).since("7.0.0");

    ClientNoTouch = "CLIENT|NO-TOUCH" "<ON | OFF>"
        .summary("Says whether reads of the connection count for LRU and LFU.")
        .flags(OWN).categories(CONNECTION).arity(3).since("7.2.0");

    ClientPause = "CLIENT|PAUSE" "timeout [mode=WRITE | ALL]@6.2.0"
        .summary("Holds back the commands of all clients for a while.")
        .flags(OTHERS).categories(CONNECTION).since("3.0.0")
        .history(&[("6.2.0", "The mode, WRITE or ALL.")]);

    ClientReply = "CLIENT|REPLY" "<ON | OFF | SKIP>"
        .summary("Says whether commands are answered.")
        .flags(OWN).categories(CONNECTION).arity(3).since("3.2.0");

    ClientSetinfo = "CLIENT|SETINFO" "<LIB-NAME libname | LIB-VER libver>"
        .summary("Names the client's library or its version.")
        .flags(OWN).categories(CONNECTION).arity(4).since("7.2.0")
        .tips(tips::NODES_ALL);

    ClientSetname = "CLIENT|SETNAME" "connection-name"
        .summary("Names the connection.")
        .flags(OWN).categories(CONNECTION).since("2.6.9")
        .tips(tips::NODES_ALL);

    ClientTracking = "CLIENT|TRACKING" "<status=ON | OFF> [REDIRECT client-id] \
        [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]"
        .summary("Turns server-assisted client caching on or off.")
        .cost("O(1). Some options may introduce additional complexity.")
        .flags(OWN).categories(CONNECTION).arity(-3).since("6.0.0");

    ClientTrackinginfo = "CLIENT|TRACKINGINFO" ""
        .summary("Describes the client caching of the connection.")
        .flags(OWN).categories(CONNECTION).since("6.2.0");

    ClientUnblock = "CLIENT|UNBLOCK" "client-id [TIMEOUT | ERROR]"
        .summary("Ends the waiting of another client's blocking command.")
        .cost("O(log N) where N is the number of client connections")
        .flags(OTHERS).categories(CONNECTION).since("5.0.0");

    ClientUnpause = "CLIENT|UNPAUSE" ""
        .summary("Lets the commands held back by a pause go on.")
        .cost("O(N) Where N is the number of paused clients")
        .flags(OTHERS).categories(CONNECTION).since("6.2.0");

    Echo = "ECHO" "message"
        .summary("Returns what it was given.")
        .flags(ANY_TIME_FAST).categories(CONNECTION);

    Hello = "HELLO" "[arguments=protover [AUTH username password] [SETNAME clientname]]"
        .summary("Chooses the version of the protocol and describes the server.")
        .flags(LOGIN).categories(CONNECTION).since("6.0.0")
        .history(&[("6.2.0", "Without a version it only describes the connection.")]);

    Ping = "PING" "[message]"
        .summary("Shows that the server answers.")
        .flags(Flags::FAST).categories(CONNECTION)
        .tips(tips::SHARDS_ALL);

    Quit = "QUIT" ""
        .summary("Closes the connection.")
        .flags(LOGIN).categories(CONNECTION).arity(-1)
        .deprecated("7.2.0", "just closing the connection");

    Reset = "RESET" ""
        .summary("Returns the connection to the state it began in.")
        .flags(LOGIN).categories(CONNECTION).since("6.2.0");

    Select = "SELECT" "index"
        .summary("Chooses the logical database.")
        .flags(ANY_TIME_FAST).categories(CONNECTION);
}
