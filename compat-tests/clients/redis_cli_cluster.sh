#!/bin/sh
# redis-cli as a client of a cluster of one node: sh redis_cli_cluster.sh HOST PORT
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

host=$1 port=$2
cli flushall >/dev/null
same "set" OK "$(cli set k v)"
same "get" v "$(cli get k)"
same "several slots" "CROSSSLOT Keys in request don't hash to the same slot" "$(cli mget a b 2>&1)"
same "slot" 7629 "$(cli cluster keyslot k)"
same "keys of a slot" k "$(cli cluster getkeysinslot 7629 10)"

check=$(redis-cli --cluster check "$host:$port" 2>&1)
finds "check" 'All 16384 slots covered' "$check"
finds "check" 'All nodes agree about slots configuration' "$check"
finds "check" '1 keys in 1 masters' "$check"
info=$(redis-cli --cluster info "$host:$port" 2>&1)
finds "info" '1 keys | 16384 slots | 0 slaves' "$info"
call=$(redis-cli --cluster call "$host:$port" dbsize 2>&1)
finds "call" "$host:$port: .*1" "$call"

echo "redis-cli as a client of a cluster: ok"
