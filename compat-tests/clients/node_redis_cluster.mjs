// node-redis's createCluster in RESP2 and RESP3 against a cluster of one node or several:
// node node_redis_cluster.mjs HOST PORT [NODES]
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const { createCluster } = require("redis");
const [host, port, count = 1] = process.argv.slice(2);

for (const RESP of [2, 3]) {
  const cluster = createCluster({ RESP, rootNodes: [{ url: `redis://${host}:${port}` }] });
  await cluster.connect();
  assert.equal(cluster.masters.length, Number(count));
  assert.ok(cluster.masters.some((master) => master.host === host && master.port === Number(port)));
  const nodes = await Promise.all(cluster.masters.map((master) => cluster.nodeClient(master)));
  for (const node of nodes) await node.flushAll();
  for (let number = 0; number < 500; number++) assert.equal(await cluster.set(`key:${number}`, number), "OK");
  for (let number = 0; number < 500; number++) assert.equal(await cluster.get(`key:${number}`), String(number));
  assert.equal(await cluster.mSet([["{t}a", "1"], ["{t}b", "2"]]), "OK");
  assert.deepEqual(await cluster.mGet(["{t}a", "{t}b", "{t}c"]), ["1", "2", null]);
  await assert.rejects(cluster.rename("a", "b"), /CROSSSLOT/);
  assert.deepEqual(await cluster.multi().set("{t}a", 3).get("{t}a").exec(), ["OK", "3"]);
  const slot = await nodes[0].clusterKeySlot("{t}a");
  const sum = async (ask) => (await Promise.all(nodes.map(ask))).reduce((all, one) => all + one);
  assert.equal(await sum((node) => node.clusterCountKeysInSlot(slot)), 2);
  const keys = await Promise.all(nodes.map((node) => node.clusterGetKeysInSlot(slot, 10)));
  assert.deepEqual(keys.flat().sort(), ["{t}a", "{t}b"]);
  assert.equal(await sum((node) => node.dbSize()), 502);
  assert.equal(Math.max(...(await nodes[0].clusterSlots()).map((range) => range.to)), 16383);
  assert.match(await nodes[0].clusterInfo(), /cluster_state:ok/);
  await cluster.close();
}
console.log("node-redis createCluster: ok");
