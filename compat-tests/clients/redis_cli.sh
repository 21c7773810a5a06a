#!/bin/sh
# redis-cli in its usual roles: sh redis_cli.sh HOST PORT
set -eu

cli() { redis-cli -h "$host" -p "$port" "$@"; }

# same WHAT EXPECTED GOT
same() {
    [ "$2" = "$3" ] || { printf '%s: expected %s, got %s\n' "$1" "$2" "$3"; exit 1; }
}

host=$1 port=$2
cli flushall >/dev/null
same "set" OK "$(cli set k 'a b')"
same "get" '"a b"' "$(cli --no-raw get k)"
same "get raw" "a b" "$(cli get k)"
same "nil" "(nil)" "$(cli --no-raw get none)"
same "integer" "(integer) 1" "$(cli --no-raw incr n)"
same "value from standard input" OK "$(printf 'x\ny' | cli -x set s)"
same "json" '["1","x\ny"]' "$(cli --json mget n s)"
same "RESP3" '1# "databases" => "16"' "$(cli -3 --no-raw config get databases)"
same "database" "" "$(cli -n 5 get k)"
same "repeat" "2 3 4" "$(cli -r 3 incr n | xargs)"
same "commands from standard input" "OK v" "$(printf 'set c v\nget c\n' | cli | xargs)"
same "error" "ERR unknown command 'nosuch', with args beginning with: 'a' " "$(cli nosuch a 2>&1)"
same "scan" 4 "$(cli --scan --pattern '*' | wc -l | xargs)"
same "csv" '"1","2"' "$(cli mset a 1 b 2 >/dev/null; cli --csv mget a b)"

# Mass insertion: the protocol itself through a pipe.
awk 'BEGIN { for (n = 0; n < 5000; n++) { k = "key:" n; printf "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\nv\r\n", length(k), k } }' |
    cli --pipe | grep -q 'errors: 0, replies: 5000' || { echo "pipe: not 5000 replies"; exit 1; }
same "dbsize" 5006 "$(cli dbsize)"
cli --bigkeys | grep -q 'Sampled 5006 keys' || { echo "bigkeys: not all keys seen"; exit 1; }
cli --memkeys | grep -q 'Sampled 5006 keys' || { echo "memkeys: not all keys seen"; exit 1; }
cli info server | grep -q '^redis_version:' || { echo "info: no version"; exit 1; }
echo "redis-cli: ok"
