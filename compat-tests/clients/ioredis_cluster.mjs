// ioredis's Cluster against a cluster of one node or several: node ioredis_cluster.mjs HOST PORT [NODES]
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const Redis = require("ioredis").default ?? require("ioredis");
const [host, port, count = 1] = process.argv.slice(2);
// A node may stand still for longer than the second that it is given otherwise.
const options = { clusterRetryStrategy: () => null, slotsRefreshTimeout: 60_000 };
const cluster = new Redis.Cluster([{ host, port: Number(port) }], options);

await new Promise((resolve) => cluster.once("ready", resolve));
const nodes = cluster.nodes("master");
assert.equal(nodes.length, Number(count));
for (const node of nodes) await node.flushall();
for (let number = 0; number < 500; number++) assert.equal(await cluster.set(`key:${number}`, number), "OK");
for (let number = 0; number < 500; number++) assert.equal(await cluster.get(`key:${number}`), String(number));
assert.equal(await cluster.mset("{t}a", 1, "{t}b", 2), "OK");
assert.deepEqual(await cluster.mget("{t}a", "{t}b", "{t}c"), ["1", "2", null]);
await assert.rejects(cluster.mget("a", "b"), /CROSSSLOT/);
await assert.rejects(cluster.select(1), /SELECT is not allowed in cluster mode/);
const pipeline = cluster.pipeline();
for (let number = 0; number < 100; number++) pipeline.incr(`{n}:${number}`);
assert.equal((await pipeline.exec()).length, 100);
const slot = await cluster.cluster("KEYSLOT", "{t}a");
const counts = await Promise.all(nodes.map((node) => node.cluster("COUNTKEYSINSLOT", slot)));
assert.deepEqual(counts.sort().reverse().map(Number), [2, ...nodes.slice(1).map(() => 0)]);
const keys = await Promise.all(nodes.map((node) => node.cluster("GETKEYSINSLOT", slot, 10)));
assert.deepEqual(keys.flat().sort(), ["{t}a", "{t}b"]);
const sizes = await Promise.all(nodes.map((node) => node.dbsize()));
assert.equal(sizes.reduce((sum, size) => sum + size), 602);
assert.ok(sizes.every((size) => size > 0));
if (nodes.length > 1) {
  // Each node has a part of the keys, and says of the others where they are.
  const refused = (node) => node.get("key:0").then(() => 0, (error) => Number(/^MOVED \d+ \S+:\d+$/.test(error.message)));
  assert.equal((await Promise.all(nodes.map(refused))).reduce((sum, one) => sum + one), nodes.length - 1);
}
assert.match(await nodes[0].cluster("INFO"), /cluster_state:ok/);
cluster.disconnect();
console.log("ioredis Cluster: ok");
