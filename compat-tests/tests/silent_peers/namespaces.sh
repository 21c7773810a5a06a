#!/usr/bin/env bash
# usage: namespaces.sh TIDEGATE   (in a network namespace, and in a process namespace that ends what it leaves)
# Three servers with a client each on another machine, whose link is cut without a word: which clients go?
set -eu
tidegate=$1
server=198.18.0.1 client=198.18.0.2

# The other machine.
(exec unshare --net sleep 600) &
machine=$!
there() { nsenter --target "$machine" --net "$@"; }
until [ "$(readlink /proc/$machine/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done

ip link set lo up
ip link add name here type veth peer name there netns "$machine"
ip address add $server/30 dev here
ip link set here up
there ip address add $client/30 dev there
there ip link set there up

# serve PORT FLAG…: a server, once it listens, and a client that has been served.
serve() {
    local port=$1 line
    shift
    exec {banner}< <(exec "$tidegate" --bind "127.0.0.1 $server" --redis-port "$port" --memcached-port 0 \
        --admin-port 0 --threads 1 --protected-mode no "$@" 2>/dev/null)
    until read -r line <&$banner && [[ $line == Try* ]]; do :; done
    there bash -c "exec 3<>/dev/tcp/$server/$port; echo PING >&3; read -r line <&3; echo served; exec sleep 600" \
        >"/proc/self/fd/$served" &
    read -r line <&$served
}
exec {served}<> <(:)
serve 1001 --tcp-keepalive 1 --timeout 0
serve 1002 --tcp-keepalive 0 --timeout 2
serve 1003 --tcp-keepalive 0 --timeout 0

# From here on everything goes to a machine that does not exist.
ip neighbour replace $client lladdr 02:00:00:00:00:01 dev here nud permanent

# listed PORT: whether the server on this port knows of the client.
listed() {
    local bytes
    exec {wire}<>"/dev/tcp/127.0.0.1/$1"
    printf 'CLIENT LIST\r\n' >&$wire
    IFS= read -r bytes <&$wire
    bytes=${bytes//[^0-9]/}
    head -c "$bytes" <&$wire | grep -q "addr=$client:"
    local found=$?
    exec {wire}>&-
    return $found
}
# tell NAME PORT: what became of the client there; the deadline is far above the four seconds it may take.
tell() {
    while listed "$2" && ((SECONDS < 120)); do sleep 0.1; done
    if listed "$2"; then echo "$1: there"; else echo "$1: gone"; fi
}
tell keepalive 1001
tell timeout 1002
SECONDS=120
tell neither 1003
