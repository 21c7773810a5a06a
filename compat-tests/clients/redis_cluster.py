"""redis-py's RedisCluster against a cluster of one node: python3 redis_cluster.py HOST PORT"""

import sys

import redis
from redis.cluster import RedisCluster

HOST, PORT = sys.argv[1], int(sys.argv[2])

for protocol in (2, 3):
    cluster = RedisCluster(host=HOST, port=PORT, protocol=protocol)
    cluster.flushall(target_nodes=RedisCluster.PRIMARIES)
    (node,) = cluster.get_primaries()
    assert (node.host, node.port) == (HOST, PORT), node
    for number in range(500):
        assert cluster.set(f"key:{number}", number)
    assert [cluster.get(f"key:{number}") for number in range(500)] == [str(n).encode() for n in range(500)]
    assert cluster.mset_nonatomic({"a": 1, "b": 2, "c": 3})
    assert cluster.mget_nonatomic("a", "b", "c", "none") == [b"1", b"2", b"3", None]
    try:
        cluster.mset({"a": 1, "b": 2})
        raise AssertionError("keys of two slots were taken")
    except redis.exceptions.RedisClusterException:
        pass
    assert cluster.mset({"{t}a": 1, "{t}b": 2})
    assert cluster.delete("a", "b", "c") == 3
    assert cluster.dbsize() == 502
    assert len(list(cluster.scan_iter(match="key:*", count=50))) == 500
    slot = cluster.keyslot("{t}a")
    assert cluster.cluster_countkeysinslot(slot) == 2
    assert len(cluster.cluster_get_keys_in_slot(slot, 10)) == 2
    assert len(cluster.cluster_get_keys_in_slot(slot, 1)) == 1
    info = cluster.cluster_info(target_nodes=node)
    assert info["cluster_state"] == "ok" and info["cluster_slots_assigned"] == "16384", info
    nodes = cluster.cluster_nodes()
    assert list(nodes) == [f"{HOST}:{PORT}"], nodes
    pipeline = cluster.pipeline()
    for number in range(100):
        pipeline.incr(f"n:{number}")
    assert pipeline.execute() == [1] * 100
    cluster.close()
print("redis-py RedisCluster: ok")
