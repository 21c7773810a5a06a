"""pylibmc (libmemcached) in text and in binary against a server: python3 pylibmc_client.py HOST PORT"""

import sys
import time

import pylibmc

ADDRESS = f"{sys.argv[1]}:{sys.argv[2]}"
EVERY_BYTE = bytes(range(256))


def absent(call):
    """Whether the call says so, by its result or by NotFound (this differs between the protocols)."""
    try:
        return not call()
    except pylibmc.NotFound:
        return True


for binary in (False, True):
    client = pylibmc.Client([ADDRESS], binary=binary, behaviors={"cas": True, "tcp_nodelay": True})
    assert client.flush_all()
    assert client.set("k", "v") and client.get("k") == "v" and client.get("missing") is None
    assert client.set("k", EVERY_BYTE) and client.get("k") == EVERY_BYTE
    assert client.set("object", {"a": 1}) and client.get("object") == {"a": 1}
    assert not client.add("k", "x") and client.add("new", "x")
    assert client.replace("new", b"y") and absent(lambda: client.replace("none", "y"))
    assert client.append("new", b"!") and client.prepend("new", b"<") and client.get("new") == b"<y!"

    value, cas = client.gets("new")
    assert value == b"<y!" and client.cas("new", "z", cas) and not client.cas("new", "late", cas)

    assert client.set("n", 10) and client.incr("n") == 11 and client.incr("n", 31) == 42 and client.decr("n", 2) == 40
    assert absent(lambda: client.incr("none"))
    many = {f"key{number}": str(number) for number in range(500)}
    assert client.set_multi(many) == [] and client.get_multi(list(many) + ["none"]) == many
    assert client.delete("key1") and absent(lambda: client.delete("key1"))
    assert client.delete_multi(["key2", "key3"])
    assert client.touch("key4", 100) and absent(lambda: client.touch("none", 100))

    large = b"x" * (1024 * 1024 - 300)
    assert client.set("large", large) and client.get("large") == large
    assert client.set("short", "v", time=1)
    deadline = time.monotonic() + 60
    while client.get("short") is not None:
        assert time.monotonic() < deadline, "the item never expired"
        time.sleep(0.02)

    ((_, statistics),) = client.get_stats()
    assert statistics.get("version", statistics.get(b"version"))
    client.disconnect_all()
    print(f"pylibmc, {'binary' if binary else 'text'}: ok")
