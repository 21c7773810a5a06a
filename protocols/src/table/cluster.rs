//! What clients of a cluster ask a node, and what would change a cluster of Redis's own kind. Commands on the keys
//! of a slot are answered by the store and stand among [`super::keyspace`].

use super::family;
use super::row::{Categories, Flags};
use super::tips;

const STALE: Flags = Flags::STALE;
const ADMIN_READ: Flags = Flags::ADMIN.and(Flags::STALE);
const CHANGE: Flags = ADMIN_READ.and(Flags::NO_ASYNC_LOADING);
const CONNECTION: Categories = Categories::CONNECTION;
const MODE: Flags = Flags::FAST.and(Flags::LOADING).and(Flags::STALE);
const EACH_NODE: &str = "O(N), N the number of nodes.";
const EACH_SLOT: &str = "O(N), N the number of slots named.";

family! {
    /// Commands about the cluster a node belongs to.
    Cluster "cluster"

    Asking = "ASKING" ""
        .summary("Lets the next command reach a slot that is being moved here.")
        .since("3.0.0").flags(Flags::FAST).categories(CONNECTION);

    Container = "CLUSTER" ""
        .summary("Holds the commands about the cluster.")
        .cost("Depends on the subcommand.").container().since("3.0.0");

    AddSlots = "CLUSTER|ADDSLOTS" "slot:integer [slot:integer ...]"
        .summary("Gives slots to the node.")
        .cost(EACH_SLOT).since("3.0.0").flags(CHANGE);

    AddSlotsRange = "CLUSTER|ADDSLOTSRANGE" "(start-slot:integer end-slot:integer) ..."
        .summary("Gives ranges of slots to the node.")
        .cost(EACH_SLOT).since("7.0.0").flags(CHANGE);

    BumpEpoch = "CLUSTER|BUMPEPOCH" ""
        .summary("Raises the node's configuration epoch.")
        .since("3.0.0").flags(CHANGE).tips(tips::VARIES);

    CountFailureReports = "CLUSTER|COUNT-FAILURE-REPORTS" "node-id"
        .summary("Counts the nodes that say of one that it fails.")
        .cost("O(N), N the number of reports.").since("3.0.0").flags(ADMIN_READ).tips(tips::VARIES);

    DelSlots = "CLUSTER|DELSLOTS" "slot:integer [slot:integer ...]"
        .summary("Takes slots from whoever has them.")
        .cost(EACH_SLOT).since("3.0.0").flags(CHANGE);

    DelSlotsRange = "CLUSTER|DELSLOTSRANGE" "(start-slot:integer end-slot:integer) ..."
        .summary("Takes ranges of slots from whoever has them.")
        .cost(EACH_SLOT).since("7.0.0").flags(CHANGE);

    Failover = "CLUSTER|FAILOVER" "[options=FORCE | TAKEOVER]"
        .summary("Makes a replica the primary of its shard.")
        .since("3.0.0").flags(CHANGE);

    FlushSlots = "CLUSTER|FLUSHSLOTS" ""
        .summary("Takes all slots from the node.")
        .since("3.0.0").flags(CHANGE);

    Forget = "CLUSTER|FORGET" "node-id"
        .summary("Removes a node from what this one knows.")
        .since("3.0.0").flags(CHANGE);

    Help = "CLUSTER|HELP" ""
        .summary("Lists the subcommands with a line on each.")
        .since("5.0.0").flags(Flags::LOADING.and(Flags::STALE));

    Info = "CLUSTER|INFO" ""
        .summary("Says in what state the cluster is.")
        .since("3.0.0").flags(STALE).tips(tips::VARIES);

    KeySlot = "CLUSTER|KEYSLOT" "key:string"
        .summary("Returns the slot of a key.")
        .cost("O(N), N the bytes of the key.").since("3.0.0").flags(STALE);

    Links = "CLUSTER|LINKS" ""
        .summary("Lists the connections between the node and its peers.")
        .cost(EACH_NODE).since("7.0.0").flags(STALE).tips(tips::VARIES);

    Meet = "CLUSTER|MEET" "ip port:integer [cluster_bus_port:integer]@4.0.0"
        .summary("Makes two nodes know each other.")
        .since("3.0.0").flags(CHANGE)
        .history(&[("4.0.0", "The port of the bus.")]);

    MyId = "CLUSTER|MYID" ""
        .summary("Returns the name of the node.")
        .since("3.0.0").flags(STALE);

    MyShardId = "CLUSTER|MYSHARDID" ""
        .summary("Returns the name of the shard the node belongs to.")
        .since("7.2.0").flags(STALE).tips(tips::VARIES);

    Nodes = "CLUSTER|NODES" ""
        .summary("Describes every node in a line.")
        .cost(EACH_NODE).since("3.0.0").flags(STALE).tips(tips::VARIES);

    Replicas = "CLUSTER|REPLICAS" "node-id"
        .summary("Describes the replicas of a node.")
        .since("5.0.0").flags(ADMIN_READ).tips(tips::VARIES);

    Replicate = "CLUSTER|REPLICATE" "node-id"
        .summary("Makes the node a replica of another.")
        .since("3.0.0").flags(CHANGE);

    Reset = "CLUSTER|RESET" "[HARD | SOFT]"
        .summary("Makes the node forget its cluster.")
        .cost("O(N), N the number of nodes.").since("3.0.0").flags(ADMIN_READ.and(Flags::NOSCRIPT));

    SaveConfig = "CLUSTER|SAVECONFIG" ""
        .summary("Writes what the node knows of the cluster to disk.")
        .since("3.0.0").flags(CHANGE);

    SetConfigEpoch = "CLUSTER|SET-CONFIG-EPOCH" "config-epoch:integer"
        .summary("Sets the configuration epoch of a new node.")
        .since("3.0.0").flags(CHANGE);

    SetSlot = "CLUSTER|SETSLOT" "slot:integer \
        <subcommand=IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>"
        .summary("Says whose a slot is, or whom it moves to.")
        .since("3.0.0").flags(CHANGE);

    Shards = "CLUSTER|SHARDS" ""
        .summary("Lists the shards with their slots and nodes.")
        .cost(EACH_NODE).since("7.0.0").flags(STALE.and(Flags::LOADING)).tips(tips::VARIES);

    Slaves = "CLUSTER|SLAVES" "node-id"
        .summary("Describes the replicas of a node.")
        .since("3.0.0").flags(ADMIN_READ).tips(tips::VARIES)
        .deprecated("5.0.0", "`CLUSTER REPLICAS`");

    Slots = "CLUSTER|SLOTS" ""
        .summary("Lists the ranges of slots with the nodes that have them.")
        .cost(EACH_NODE).since("3.0.0").flags(STALE.and(Flags::LOADING)).tips(tips::VARIES)
        .deprecated("7.0.0", "`CLUSTER SHARDS`")
        .history(&[("4.0.0", "The names of nodes."), ("7.0.0", "Where else a node is reached.")]);

    ReadOnly = "READONLY" ""
        .summary("Lets the connection read from a replica.")
        .since("3.0.0").flags(MODE).categories(CONNECTION);

    ReadWrite = "READWRITE" ""
        .summary("Has the connection read from primaries only.")
        .since("3.0.0").flags(MODE).categories(CONNECTION);
}
