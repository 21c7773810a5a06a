// node-redis's createCluster in RESP2 and RESP3 against a cluster of one node: node node_redis_cluster.mjs HOST PORT
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const { createCluster } = require("redis");
const [host, port] = process.argv.slice(2);

for (const RESP of [2, 3]) {
  const cluster = createCluster({ RESP, rootNodes: [{ url: `redis://${host}:${port}` }] });
  await cluster.connect();
  assert.equal(cluster.masters.length, 1);
  assert.deepEqual([cluster.masters[0].host, cluster.masters[0].port], [host, Number(port)]);
  const node = await cluster.nodeClient(cluster.masters[0]);
  await node.flushAll();
  for (let number = 0; number < 500; number++) assert.equal(await cluster.set(`key:${number}`, number), "OK");
  for (let number = 0; number < 500; number++) assert.equal(await cluster.get(`key:${number}`), String(number));
  assert.equal(await cluster.mSet([["{t}a", "1"], ["{t}b", "2"]]), "OK");
  assert.deepEqual(await cluster.mGet(["{t}a", "{t}b", "{t}c"]), ["1", "2", null]);
  await assert.rejects(cluster.rename("a", "b"), /CROSSSLOT/);
  assert.deepEqual(await cluster.multi().set("{t}a", 3).get("{t}a").exec(), ["OK", "3"]);
  const slot = await node.clusterKeySlot("{t}a");
  assert.equal(await node.clusterCountKeysInSlot(slot), 2);
  assert.deepEqual((await node.clusterGetKeysInSlot(slot, 10)).sort(), ["{t}a", "{t}b"]);
  assert.equal(await node.dbSize(), 502);
  assert.equal((await node.clusterSlots())[0].to, 16383);
  assert.match(await node.clusterInfo(), /cluster_state:ok/);
  await cluster.close();
}
console.log("node-redis createCluster: ok");
