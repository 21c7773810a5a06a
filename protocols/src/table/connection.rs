//! Commands on the client's own connection.

use super::family;
use super::row::{Categories, Flags};

const CONNECTION: Categories = Categories::CONNECTION;
const ANY_TIME: Flags = Flags::LOADING.and(Flags::STALE);
const ANY_TIME_FAST: Flags = ANY_TIME.and(Flags::FAST);
const OWN: Flags = ANY_TIME.and(Flags::NOSCRIPT);
const OTHERS: Flags = OWN.and(Flags::ADMIN);
const LOGIN: Flags = OWN.and(Flags::FAST).and(Flags::NO_AUTH).and(Flags::ALLOW_BUSY);

family! {
    /// Commands on the client's own connection.
    Connection "connection"

    Auth = "AUTH" "[username] password"
        .summary("Proves who the client is.")
        .cost("O(N) where N is the number of passwords defined for the user")
        .flags(LOGIN).categories(CONNECTION);

    Client = "CLIENT" ""
        .summary("Holds the commands about client connections.")
        .cost("Depends on subcommand.").container().since("2.4.0");

    ClientCaching = "CLIENT|CACHING" "<YES | NO>"
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
        .flags(OWN).categories(CONNECTION).since("6.2.0");

    ClientKill = "CLIENT|KILL" "<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME yes/no]> ...>"
        .summary("Closes the connections that fit.")
        .cost("O(N) where N is the number of client connections")
        .flags(OTHERS).categories(CONNECTION).arity(-3).since("2.4.0");

    ClientList = "CLIENT|LIST" "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]"
        .summary("Describes all connections, or those that fit.")
        .cost("O(N) where N is the number of client connections")
        .flags(OTHERS).categories(CONNECTION).since("2.4.0");

    ClientNoEvict = "CLIENT|NO-EVICT" "<ON | OFF>"
        .summary("Says whether the connection may be closed to save memory.")
        .flags(OTHERS).categories(CONNECTION).arity(3).since("7.0.0");

    ClientNoTouch = "CLIENT|NO-TOUCH" "<ON | OFF>"
        .summary("Says whether reads of the connection count for LRU and LFU.")
        .flags(OWN).categories(CONNECTION).arity(3).since("7.2.0");

    ClientPause = "CLIENT|PAUSE" "timeout [WRITE | ALL]"
        .summary("Holds back the commands of all clients for a while.")
        .flags(OTHERS).categories(CONNECTION).since("2.9.50");

    ClientReply = "CLIENT|REPLY" "<ON | OFF | SKIP>"
        .summary("Says whether commands are answered.")
        .flags(OWN).categories(CONNECTION).arity(3).since("3.2.0");

    ClientSetinfo = "CLIENT|SETINFO" "<LIB-NAME libname | LIB-VER libver>"
        .summary("Names the client's library or its version.")
        .flags(OWN).categories(CONNECTION).arity(4).since("7.2.0");

    ClientSetname = "CLIENT|SETNAME" "connection-name"
        .summary("Names the connection.")
        .flags(OWN).categories(CONNECTION).since("2.6.9");

    ClientTracking = "CLIENT|TRACKING" "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]"
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

    Hello = "HELLO" "[protover [AUTH username password] [SETNAME clientname]]"
        .summary("Chooses the version of the protocol and describes the server.")
        .flags(LOGIN).categories(CONNECTION).since("6.0.0");

    Ping = "PING" "[message]"
        .summary("Shows that the server answers.")
        .flags(Flags::FAST).categories(CONNECTION);

    Quit = "QUIT" ""
        .summary("Closes the connection.")
        .flags(LOGIN).categories(CONNECTION).arity(-1);

    Reset = "RESET" ""
        .summary("Returns the connection to the state it began in.")
        .flags(LOGIN).categories(CONNECTION).since("6.2.0");

    Select = "SELECT" "index"
        .summary("Chooses the logical database.")
        .flags(ANY_TIME_FAST).categories(CONNECTION);
}
