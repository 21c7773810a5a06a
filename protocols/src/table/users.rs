//! Who clients are to the server, and what each may do.

use super::family;
use super::row::Flags;
use super::tips;

const ANYTIME: Flags = Flags::LOADING.and(Flags::STALE);
const OWN: Flags = ANYTIME.and(Flags::NOSCRIPT);
const ADMIN: Flags = OWN.and(Flags::ADMIN);

family! {
    /// Who clients are to the server, and what each may do.
    Users "server"

    Container = "ACL" ""
        .summary("Holds the commands on users and what they may do.")
        .cost("Depends on the subcommand.").container().since("6.0.0");

    Cat = "ACL|CAT" "[category]"
        .summary("Lists the categories, or the commands of one.")
        .since("6.0.0").flags(OWN);

    Deluser = "ACL|DELUSER" "username [username ...]"
        .summary("Removes users and closes their connections.").cost("O(N), N the number of connections.")
        .since("6.0.0").flags(ADMIN).tips(tips::NODES_ALL);

    Dryrun = "ACL|DRYRUN" "username command [arg [arg ...]]"
        .summary("Says whether a user may do something, without doing it.")
        .since("7.0.0").flags(ADMIN);

    Genpass = "ACL|GENPASS" "[bits:integer]"
        .summary("Makes a password that nobody can guess.")
        .since("6.0.0").flags(OWN);

    Getuser = "ACL|GETUSER" "username"
        .summary("Tells the rules of a user.").cost("O(N), N the number of rules.")
        .since("6.0.0").flags(ADMIN)
        .history(&[
            ("6.2.0", "Channels."),
            ("7.0.0", "Selectors; keys and channels as the rules they are."),
        ]);

    Help = "ACL|HELP" ""
        .summary("Explains the subcommands of ACL.")
        .since("6.0.0").flags(ANYTIME);

    List = "ACL|LIST" ""
        .summary("Tells the rules of all users, as a file would.").cost("O(N), N the number of users.")
        .since("6.0.0").flags(ADMIN);

    Load = "ACL|LOAD" ""
        .summary("Reads the file of users again.").cost("O(N), N the number of users.")
        .since("6.0.0").flags(ADMIN);

    Log = "ACL|LOG" "[operation=count | RESET]"
        .summary("Returns what was refused lately, or forgets it.").cost("O(N), N the number of entries.")
        .since("6.0.0").flags(ADMIN)
        .history(&[("7.2.0", "The number of each entry, when it was made and when it last changed.")]);

    Save = "ACL|SAVE" ""
        .summary("Writes the users to their file.").cost("O(N), N the number of users.")
        .since("6.0.0").flags(ADMIN).tips(tips::NODES_ALL);

    Setuser = "ACL|SETUSER" "username [rule [rule ...]]"
        .summary("Makes a user, or changes its rules.").cost("O(N), N the number of rules.")
        .since("6.0.0").flags(ADMIN).tips(tips::NODES_ALL)
        .history(&[("6.2.0", "Channels."), ("7.0.0", "Selectors; keys that may only be read or only be written.")]);

    Users = "ACL|USERS" ""
        .summary("Lists the names of all users.").cost("O(N), N the number of users.")
        .since("6.0.0").flags(ADMIN);

    Whoami = "ACL|WHOAMI" ""
        .summary("Returns the name of the client's user.")
        .since("6.0.0").flags(OWN);
}
