"""redis-py against a server: python3 redis_py.py HOST PORT"""

import sys
import threading
import time

import redis

HOST, PORT = sys.argv[1], int(sys.argv[2])
EVERY_BYTE = bytes(range(256))
MEBIBYTE = b"\x00\r\n\xff" * (256 * 1024)


def eventually(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def refused(call, text, kind=redis.ResponseError):
    try:
        call()
    except kind as error:
        assert text in str(error), f"{error!r} lacks {text!r}"
        return
    raise AssertionError(f"{text!r} was expected")


def strings(r):
    assert r.set("s", "value") and r.get("s") == b"value"
    assert r.get("missing") is None
    assert r.set("s", "x", nx=True) is None
    assert r.set("s", "new", xx=True, get=True) == b"value"
    assert r.set(EVERY_BYTE, EVERY_BYTE) and r.get(EVERY_BYTE) == EVERY_BYTE
    assert r.set("big", MEBIBYTE) and r.get("big") == MEBIBYTE and r.strlen("big") == len(MEBIBYTE)
    assert r.append("s", b"!") == 4 and r.getrange("s", -2, -1) == b"w!"
    assert r.setrange("s", 6, "end") == 9 and r.get("s") == b"new!\x00\x00end"
    assert r.mset({"a": 1, "b": 2}) and r.mget("a", "missing", "b") == [b"1", None, b"2"]
    assert r.msetnx({"a": 5, "fresh": 1}) is False and r.exists("fresh") == 0
    assert r.incr("n") == 1 and r.incrby("n", 41) == 42 and r.decr("n") == 41 and r.decrby("n", 40) == 1
    assert r.incrbyfloat("n", 0.5) == 1.5
    refused(lambda: r.incr("s"), "not an integer")
    assert r.getset("s", "again") == b"new!\x00\x00end" and r.getdel("s") == b"again" and r.get("s") is None
    assert r.setex("t", 100, "v") and 0 < r.ttl("t") <= 100
    assert r.psetex("t", 100_000, "v") and 0 < r.pttl("t") <= 100_000
    assert r.getex("t", persist=True) == b"v" and r.ttl("t") == -1
    assert r.setnx("t", "other") is False
    r.mset({"one": "ohmytext", "two": "mynewtext"})
    assert r.execute_command("LCS", "one", "two") == b"mytext"


def bitmaps(r):
    assert r.setbit("bits", 7, 1) == 0 and r.getbit("bits", 7) == 1 and r.getbit("bits", 1000) == 0
    assert r.bitcount("bits") == 1 and r.bitpos("bits", 1) == 7
    r.set("x", b"\xff\x0f")
    r.set("y", b"\x0f\xff")
    assert r.bitop("AND", "z", "x", "y") == 2 and r.get("z") == b"\x0f\x0f"
    assert r.bitop("NOT", "z", "x") == 2 and r.get("z") == b"\x00\xf0"
    field = r.bitfield("field", default_overflow="SAT")
    assert field.incrby("u2", 0, 5).get("u2", 0).set("i8", 8, -1).execute() == [3, 3, 0]
    assert r.bitfield_ro("field", "i8", 8) == [-1]


def generic(r):
    r.flushdb()
    assert r.mset({f"key:{number}": number for number in range(500)})
    assert r.dbsize() == 500
    assert sorted(r.keys("key:49?")) == sorted(f"key:49{digit}".encode() for digit in range(10))
    assert set(r.scan_iter(match="key:*", count=50)) == {f"key:{number}".encode() for number in range(500)}
    assert r.randomkey().startswith(b"key:")
    assert r.delete("key:1", "key:2", "nothing") == 2 and r.unlink("key:3") == 1
    assert r.exists("key:4", "key:4", "key:1") == 2 and r.touch("key:4", "key:1") == 1
    assert r.type("key:4") == "string" or r.type("key:4") == b"string"
    assert r.type("nothing") in ("none", b"none")
    assert r.rename("key:4", "renamed") and r.get("renamed") == b"4"
    refused(lambda: r.rename("nothing", "x"), "no such key")
    assert not r.renamenx("key:5", "renamed")
    assert r.copy("renamed", "copied") and r.get("copied") == b"4"
    assert r.copy("renamed", "copied", destination_db=1)
    assert r.move("key:6", 1) and not r.exists("key:6")
    assert r.object("encoding", "renamed") == b"int"
    other = redis.Redis(HOST, PORT, db=1)
    assert other.get("key:6") == b"6" and other.get("copied") == b"4"
    r.swapdb(0, 1)
    assert other.dbsize() > 400 and r.get("key:6") == b"6"
    r.flushall()
    assert r.dbsize() == 0 and other.dbsize() == 0
    other.close()


def expiry(r):
    r.set("e", "v", px=30)
    eventually(lambda: r.get("e") is None, "the key expires")
    r.set("e", "v")
    assert r.expire("e", 100) and not r.expire("e", 50, gt=True) and r.expire("e", 50, lt=True)
    assert r.persist("e") and r.ttl("e") == -1 and r.ttl("nothing") == -2
    moment = int(time.time()) + 1000
    assert r.expireat("e", moment) and r.expiretime("e") == moment
    assert r.pexpire("e", 5_000_000) and r.pexpiretime("e") > moment * 1000
    assert r.pexpireat("e", 1) and r.get("e") is None


def pipelines(r):
    with r.pipeline(transaction=False) as pipe:
        for number in range(2000):
            pipe.set(f"p:{number}", number).get(f"p:{number}").incr("counter")
        replies = pipe.execute()
    assert replies == [part for number in range(2000) for part in (True, b"%d" % number, number + 1)]
    with r.pipeline(transaction=False) as pipe:
        results = pipe.set("s", "text").incr("s").get("s").execute(raise_on_error=False)
    assert results[0] is True and isinstance(results[1], redis.ResponseError) and results[2] == b"text"


def transactions(r):
    r.delete("balance:a", "balance:b")
    with r.pipeline() as pipe:
        assert pipe.set("balance:a", 100).incrby("balance:a", 5).get("balance:a").execute() == [True, 105, b"105"]
        pipe.set("s", "text").incr("s").get("s")
        results = pipe.execute(raise_on_error=False)
        assert isinstance(results[1], redis.ResponseError) and results[2] == b"text"
        pipe.watch("s")
        r.set("s", "changed")
        pipe.multi()
        try:
            pipe.get("s").execute()
            assert False, "a watched key has changed"
        except redis.WatchError:
            pass
        pipe.set("s", "never").execute_command("NOSUCH")
        refused(pipe.execute, "unknown command")
    assert r.get("s") == b"changed"

    r.mset({"balance:a": 1000, "balance:b": 1000})

    def move():
        mine = redis.Redis(HOST, PORT)
        for _ in range(50):
            # Try again for as long as others come between.
            def between(pipe):
                a, b = int(pipe.get("balance:a")), int(pipe.get("balance:b"))
                pipe.multi()
                pipe.mset({"balance:a": a - 1, "balance:b": b + 1})

            mine.transaction(between, "balance:a", "balance:b")
        mine.close()

    def look():
        mine = redis.Redis(HOST, PORT)
        for _ in range(200):
            with mine.pipeline() as pipe:
                a, b = pipe.get("balance:a").get("balance:b").execute()
            assert int(a) + int(b) == 2000, (a, b)
        mine.close()

    wrong = []

    def noted(work):
        try:
            work()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=noted, args=[work]) for work in (move, move, move, move, look, look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    assert r.mget("balance:a", "balance:b") == [b"800", b"1200"]


def concurrency(r):
    def count():
        mine = redis.Redis(HOST, PORT)
        for _ in range(250):
            mine.incr("shared")
        mine.close()

    r.delete("shared")
    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert r.get("shared") == b"2000"


def connection(r):
    assert r.ping() and r.echo("hello") == b"hello"
    assert r.client_setname("tester") and r.client_getname() in ("tester", b"tester")
    assert r.client_id() > 0
    assert any(entry["name"] == "tester" for entry in r.client_list())
    info = r.info()
    assert int(info["connected_clients"]) >= 1 and info["redis_version"]
    assert r.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert r.config_set("slowlog-max-len", 100) and r.config_get("slowlog-*")["slowlog-max-len"] == "100"
    assert len(r.time()) == 2
    assert r.command_count() > 50
    assert "get" in r.command() or "GET" in r.command()
    assert isinstance(r.slowlog_get(), list) and r.slowlog_reset()
    assert r.memory_usage("nothing") is None
    refused(lambda: r.execute_command("NOSUCH", "a", "b"), "unknown command")
    refused(lambda: r.execute_command("GET"), "wrong number of arguments")


for version in (2, 3):
    client = redis.Redis(HOST, PORT, protocol=version, single_connection_client=True)
    client.flushall()
    for check in (strings, bitmaps, generic, expiry, pipelines, transactions, concurrency, connection):
        check(client)
        print(f"RESP{version} {check.__name__}: ok")
    client.close()
