// node-redis in RESP2 and RESP3 against a server: node node_redis.mjs HOST PORT
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const { createClient, RESP_TYPES, WatchError } = require("redis");
const [host, port] = process.argv.slice(2);
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const mebibyte = Buffer.alloc(1024 * 1024, "\0\r\n\xff", "latin1");

for (const RESP of [2, 3]) {
  const client = createClient({ RESP, name: "tester", socket: { host, port: Number(port), reconnectStrategy: false } });
  await client.connect();
  const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

  await client.flushAll();
  assert.equal(await client.set("k", "v"), "OK");
  assert.equal(await client.get("k"), "v");
  assert.equal(await client.get("missing"), null);
  assert.equal(await client.set("k", "x", { NX: true }), null);
  assert.equal(await client.set("k", "new", { EX: 100, GET: true }), "v");
  assert.ok((await client.ttl("k")) > 0);
  await client.set("bytes", everyByte);
  assert.deepEqual(await bytes.get("bytes"), everyByte);
  await client.set("big", mebibyte);
  assert.deepEqual(await bytes.get("big"), mebibyte);
  assert.equal(await client.mSet({ a: "1", b: "2" }), "OK");
  assert.deepEqual(await client.mGet(["a", "none", "b"]), ["1", null, "2"]);
  assert.equal(await client.incrBy("a", 41), 42);
  assert.equal(Number(await client.incrByFloat("a", 0.5)), 42.5);
  await assert.rejects(client.incr("k"), /not an integer/);
  assert.equal(await client.getRange("k", 1, -1), "ew");
  assert.equal(await client.getDel("k"), "new");

  assert.equal(await client.setBit("bits", 9, 1), 0);
  assert.equal(await client.bitCount("bits"), 1);
  assert.equal(await client.bitPos("bits", 1), 9);

  assert.deepEqual(await client.multi().set("m", "1").incr("m").get("m").exec(), ["OK", 2, "2"]);
  await client.watch("m");
  await client.set("m", "changed");
  await assert.rejects(client.multi().get("m").exec(), WatchError);
  assert.deepEqual(await client.multi().get("m").exec(), ["changed"]);

  const counted = await Promise.all(Array.from({ length: 500 }, () => client.incr("counter")));
  assert.deepEqual(counted, Array.from({ length: 500 }, (_, at) => at + 1));
  await Promise.all(Array.from({ length: 300 }, (_, at) => client.set(`p:${at}`, String(at))));
  const seen = new Set();
  for await (const keys of client.scanIterator({ MATCH: "p:*", COUNT: 50 })) [keys].flat().forEach((key) => seen.add(key));
  assert.equal(seen.size, 300);
  assert.equal(await client.del(["p:1", "p:2", "none"]), 2);
  assert.equal(await client.exists(["p:1", "p:3"]), 1);
  assert.equal(await client.type("p:3"), "string");
  assert.ok(await client.pExpire("p:3", 20));
  for (const start = Date.now(); (await client.get("p:3")) !== null; ) assert.ok(Date.now() - start < 60_000);
  assert.equal(await client.clientGetName(), "tester");
  assert.deepEqual({ ...(await client.configGet("databases")) }, { databases: "16" });
  await assert.rejects(client.sendCommand(["NOSUCH"]), /unknown command/);
  await client.close();
  console.log(`node-redis, RESP${RESP}: ok`);
}
