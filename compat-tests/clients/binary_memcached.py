"""python-binary-memcached (binary protocol) against a server: python3 binary_memcached.py HOST PORT"""

import sys
import time

import bmemcached

client = bmemcached.Client((f"{sys.argv[1]}:{sys.argv[2]}",), compression=None)
EVERY_BYTE = bytes(range(256))

assert client.flush_all()
assert client.set("k", "v") and client.get("k") == "v"
assert client.get("missing") is None
assert client.set("k", EVERY_BYTE) and client.get("k") == EVERY_BYTE
assert client.set("object", {"a": [1, 2]}) and client.get("object") == {"a": [1, 2]}
assert not client.add("k", "x") and client.add("new", "x")
assert client.replace("new", "y") and not client.replace("none", "y")

value, cas = client.gets("new")
assert value == "y" and client.cas("new", "z", cas) and not client.cas("new", "late", cas)

assert client.incr("n", 1, default=10) == 10 and client.incr("n", 5) == 15 and client.decr("n", 20) == 0

many = {f"key{number}": str(number) for number in range(500)}
assert not client.set_multi(many)
assert client.get_multi(list(many)) == many
assert client.delete("key1") and client.get("key1") is None
assert client.delete_multi(["key2", "key3"]) and client.get_multi(["key2", "key4"]) == {"key4": "4"}

large = b"x" * (1024 * 1024 - 200)
assert client.set("large", large) and client.get("large") == large

assert client.set("short", "v", time=1)
deadline = time.monotonic() + 60
while client.get("short") is not None:
    assert time.monotonic() < deadline, "the item never expired"
    time.sleep(0.02)

(statistics,) = client.stats().values()
assert "version" in statistics or b"version" in statistics
assert client.flush_all() and client.get("k") is None
client.disconnect_all()
print("python-binary-memcached: ok")
