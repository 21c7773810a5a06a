// ioredis's Cluster against a cluster of one node: node ioredis_cluster.mjs HOST PORT
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const Redis = require("ioredis").default ?? require("ioredis");
const [host, port] = process.argv.slice(2);
const cluster = new Redis.Cluster([{ host, port: Number(port) }], { clusterRetryStrategy: () => null });

await cluster.flushall();
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
assert.equal(await cluster.cluster("COUNTKEYSINSLOT", slot), 2);
assert.deepEqual((await cluster.cluster("GETKEYSINSLOT", slot, 10)).sort(), ["{t}a", "{t}b"]);
const nodes = cluster.nodes("master");
assert.equal(nodes.length, 1);
assert.equal(await nodes[0].dbsize(), 602);
assert.match(await nodes[0].cluster("INFO"), /cluster_state:ok/);
cluster.disconnect();
console.log("ioredis Cluster: ok");
