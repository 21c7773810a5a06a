"""pymemcache (text protocol) against a server: python3 pymemcache_client.py HOST PORT"""

import sys
import time

from pymemcache.client.base import Client, PooledClient
from pymemcache.exceptions import MemcacheClientError, MemcacheIllegalInputError, MemcacheServerError

ADDRESS = (sys.argv[1], int(sys.argv[2]))
EVERY_BYTE = bytes(range(256))

client = Client(ADDRESS, timeout=10, default_noreply=False)
client.flush_all()

assert client.set("k", b"v") and client.get("k") == b"v"
assert client.get("missing") is None
assert client.set("k", EVERY_BYTE, flags=7) and client.get("k") == EVERY_BYTE
assert client.add("k", b"x") is False and client.add("new", b"x")
assert client.replace("new", b"y") and client.replace("none", b"y") is False
assert client.append("new", b"!") and client.prepend("new", b"<") and client.get("new") == b"<y!"

value, cas = client.gets("new")
assert value == b"<y!" and client.cas("new", b"z", cas) is True
assert client.cas("new", b"late", cas) is False and client.cas("none", b"z", b"1") is None

assert client.set("n", b"10") and client.incr("n", 5) == 15 and client.decr("n", 20) == 0
assert client.incr("none", 1) is None
assert client.set("n", b"18446744073709551615") and client.incr("n", 1) == 0
client.set("n", b"text")
try:
    client.incr("n", 1)
    raise AssertionError("a text was counted up")
except MemcacheClientError as error:
    assert b"non-numeric" in str(error).encode()

many = {f"key{number}": b"%d" % number for number in range(1000)}
assert client.set_many(many) == []
assert client.get_many(many) == many
assert client.delete_many(["key1", "key2"]) and client.get_many(["key1", "key3"]) == {"key3": b"3"}
assert client.delete("key3") and client.delete("key3") is False

assert client.touch("key4", 100) and client.touch("none", 100) is False
assert client.raw_command(b"gat 100 key4", end_tokens=b"END\r\n") == b"VALUE key4 0 1\r\n4\r\n"
assert client.raw_command(b"mg key4 v t", end_tokens=b"\r\n4\r\n").startswith(b"VA 1 t")
assert client.set("short", b"v", expire=1)
deadline = time.monotonic() + 60
while client.get("short") is not None:
    assert time.monotonic() < deadline, "the item never expired"
    time.sleep(0.02)
assert client.set("past", b"v", expire=-1) and client.get("past") is None

large = b"x" * (1024 * 1024 - 200)
assert client.set("large", large) and client.get("large") == large
try:
    client.set("large", b"x" * (2 * 1024 * 1024))
    raise AssertionError("an item above the limit was stored")
except MemcacheServerError as error:
    assert "too large" in str(error)
client.close()

assert client.set("a" * 250, b"v") and client.get("a" * 250) == b"v"
try:
    client.get("a" * 251)
    raise AssertionError("a key of 251 bytes was sent")
except MemcacheIllegalInputError:
    pass

client.set("quiet", b"1", noreply=True)
client.incr("quiet", 1, noreply=True)
client.delete("none", noreply=True)
assert client.get("quiet") == b"2"

assert client.version() and b"curr_connections" in client.stats()
assert client.flush_all() and client.get("k") is None
client.quit()

pool = PooledClient(ADDRESS, max_pool_size=4, timeout=10)
assert pool.set("k", b"v", noreply=False) and pool.get("k") == b"v"
pool.close()
print("pymemcache: ok")
