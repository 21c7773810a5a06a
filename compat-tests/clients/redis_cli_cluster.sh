#!/bin/sh
# redis-cli as a client of a cluster of one node or several: sh redis_cli_cluster.sh HOST PORT [NODES]
set -eu

cli() { redis-cli -c -h "$host" -p "$port" "$@"; }

# same WHAT EXPECTED GOT
same() {
    [ "$2" = "$3" ] || { printf '%s: expected %s, got %s\n' "$1" "$2" "$3"; exit 1; }
}

# finds WHAT PATTERN TEXT
finds() {
    printf '%s\n' "$3" | grep -q -- "$2" || { printf '%s: no "%s" in\n%s\n' "$1" "$2" "$3"; exit 1; }
}

host=$1 port=$2 nodes=${3:-1}
redis-cli --cluster call "$host:$port" flushall >/dev/null
same "set" OK "$(cli set k v)"
same "get" v "$(cli get k)"
same "several slots" "CROSSSLOT Keys in request don't hash to the same slot" "$(cli mget a b 2>&1)"
same "slot" 7629 "$(cli cluster keyslot k)"
found=$(redis-cli --cluster call "$host:$port" cluster getkeysinslot 7629 10)
finds "keys of a slot" ': k$' "$found"

check=$(redis-cli --cluster check "$host:$port" 2>&1)
finds "check" 'All 16384 slots covered' "$check"
finds "check" 'All nodes agree about slots configuration' "$check"
finds "check" "1 keys in $nodes masters" "$check"
info=$(redis-cli --cluster info "$host:$port" 2>&1)
finds "info" "1 keys in $nodes masters" "$info"
call=$(redis-cli --cluster call "$host:$port" dbsize 2>&1)
finds "call" "$host:[0-9]*: .*1$" "$call"
same "nodes called" "$nodes" "$(printf '%s\n' "$call" | grep -c "$host:")"

# redis-benchmark refuses a cluster of one node. Its keys are of each node's own slots.
if [ "$nodes" -gt 1 ]; then
    benchmark=$(redis-benchmark --cluster -h "$host" -p "$port" -q -n 2000 -P 16 -c 10 -r 1000 -t set,get 2>&1)
    finds "benchmark" "Cluster has $nodes master nodes" "$benchmark"
    finds "benchmark" 'GET: .*requests per second' "$benchmark"
fi

echo "redis-cli as a client of a cluster: ok"
