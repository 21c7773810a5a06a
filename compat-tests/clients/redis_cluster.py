"""redis-py's RedisCluster against a cluster of one node or several: python3 redis_cluster.py HOST PORT [NODES]"""

import sys

import redis
from redis.cluster import RedisCluster

HOST, PORT = sys.argv[1], int(sys.argv[2])
NODES = int(sys.argv[3]) if len(sys.argv) > 3 else 1

for protocol in (2, 3):
    cluster = RedisCluster(host=HOST, port=PORT, protocol=protocol)
    cluster.flushall(target_nodes=RedisCluster.PRIMARIES)
    primaries = cluster.get_primaries()
    node = cluster.get_node(HOST, PORT)
    assert len(primaries) == NODES and node in primaries, primaries
    for number in range(500):
        assert cluster.set(f"key:{number}", number)
    assert [cluster.get(f"key:{number}") for number in range(500)] == [str(n).encode() for n in range(500)]
    # Each key is where the client says, and nowhere else.
    for primary in primaries:
        connection = cluster.get_redis_connection(primary)
        for key in connection.scan_iter(match="key:*", count=100):
            assert cluster.get_node_from_key(key) == primary, key
    assert cluster.mset_nonatomic({"a": 1, "b": 2, "c": 3})
    assert cluster.mget_nonatomic("a", "b", "c", "none") == [b"1", b"2", b"3", None]
    try:
        cluster.mset({"a": 1, "b": 2})
        raise AssertionError("keys of two slots were taken")
    except redis.exceptions.RedisClusterException:
        pass
    assert cluster.mset({"{t}a": 1, "{t}b": 2})
    assert cluster.delete("a", "b", "c") == 3
    sizes = [cluster.get_redis_connection(primary).dbsize() for primary in primaries]
    assert sum(sizes) == 502 and all(sizes), sizes
    assert len(list(cluster.scan_iter(match="key:*", count=50))) == 500
    slot = cluster.keyslot("{t}a")
    assert cluster.cluster_countkeysinslot(slot) == 2
    assert len(cluster.cluster_get_keys_in_slot(slot, 10)) == 2
    assert len(cluster.cluster_get_keys_in_slot(slot, 1)) == 1
    info = cluster.cluster_info(target_nodes=node)
    assert info["cluster_state"] == "ok" and info["cluster_slots_assigned"] == "16384", info
    nodes = cluster.cluster_nodes()
    assert len(nodes) == NODES and f"{HOST}:{PORT}" in nodes, nodes
    pipeline = cluster.pipeline()
    for number in range(100):
        pipeline.incr(f"n:{number}")
    assert pipeline.execute() == [1] * 100
    if NODES > 1:
        # A node that is asked for what is another's says where it is, and the client follows.
        other = next(primary for primary in primaries if primary != node)
        key = next(f"key:{n}" for n in range(500) if cluster.get_node_from_key(f"key:{n}") == other)
        try:
            cluster.get_redis_connection(node).get(key)
            raise AssertionError("a node took the key of another")
        except redis.exceptions.MovedError as moved:
            assert (moved.host, moved.port, moved.slot_id) == (other.host, other.port, cluster.keyslot(key)), moved
        cluster.nodes_manager.slots_cache[cluster.keyslot(key)] = [node]
        assert cluster.get(key) == key.split(":")[1].encode()
    cluster.close()
print("redis-py RedisCluster: ok")
