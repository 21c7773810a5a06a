// ioredis against a server: node ioredis.mjs HOST PORT
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const Redis = require("ioredis").default ?? require("ioredis");
const [host, port] = process.argv.slice(2);
const redis = new Redis({ host, port: Number(port), maxRetriesPerRequest: 1 });
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const mebibyte = Buffer.alloc(1024 * 1024, "\0\r\n\xff", "latin1");

await redis.flushall();
assert.equal(await redis.set("k", "v"), "OK");
assert.equal(await redis.get("k"), "v");
assert.equal(await redis.get("missing"), null);
assert.equal(await redis.set("k", "x", "NX"), null);
assert.equal(await redis.set("k", "new", "EX", 100, "GET"), "v");
assert.ok((await redis.ttl("k")) > 0);
await redis.set(everyByte, everyByte);
assert.deepEqual(await redis.getBuffer(everyByte), everyByte);
await redis.set("big", mebibyte);
assert.deepEqual(await redis.getBuffer("big"), mebibyte);
assert.equal(await redis.mset({ a: 1, b: 2 }), "OK");
assert.deepEqual(await redis.mget("a", "none", "b"), ["1", null, "2"]);
assert.equal(await redis.incrby("a", 41), 42);
await assert.rejects(redis.incr("k"), /not an integer/);
assert.equal(await redis.append("k", "!"), 4);
assert.equal(await redis.getrange("k", 0, -2), "new");
assert.equal(await redis.getex("k", "PERSIST"), "new!");
assert.equal(await redis.getdel("k"), "new!");

assert.equal(await redis.setbit("bits", 7, 1), 0);
assert.equal(await redis.bitcount("bits"), 1);
assert.equal(await redis.bitpos("bits", 1), 7);
assert.deepEqual(await redis.bitfield("field", "SET", "u8", 0, 255, "INCRBY", "u8", 0, 1), [0, 0]);

const pipeline = redis.pipeline();
for (let number = 0; number < 1000; number++) pipeline.set(`p:${number}`, number).get(`p:${number}`);
const replies = await pipeline.exec();
assert.equal(replies.length, 2000);
replies.forEach(([error, reply], at) => {
  assert.equal(error, null);
  assert.equal(reply, at % 2 ? String((at - 1) / 2) : "OK");
});
const counted = await Promise.all(Array.from({ length: 500 }, () => redis.incr("counter")));
assert.deepEqual(counted, Array.from({ length: 500 }, (_, at) => at + 1));

const both = await redis.multi().set("m", "1").incr("m").get("m").exec();
assert.deepEqual(both, [[null, "OK"], [null, 2], [null, "2"]]);
const [[, stored], [notNumber]] = await redis.multi().set("m", "text").incr("m").exec();
assert.equal(stored, "OK");
assert.match(notNumber.message, /not an integer/);
await redis.watch("m");
const changer = redis.duplicate();
await changer.set("m", "changed");
await changer.quit();
assert.equal(await redis.multi().get("m").exec(), null);
await redis.multi({ pipeline: false });
assert.equal(await redis.get("m"), "QUEUED");
assert.deepEqual(await redis.exec(), [[null, "changed"]]);
await assert.rejects(redis.multi().set("m").exec(), /EXECABORT/);

const seen = new Set();
for await (const keys of redis.scanStream({ match: "p:*", count: 100 })) keys.forEach((key) => seen.add(key));
assert.equal(seen.size, 1000);
assert.equal(await redis.del("p:1", "p:2", "none"), 2);
assert.equal(await redis.exists("p:1", "p:3"), 1);
assert.equal(await redis.type("p:3"), "string");
assert.equal(await redis.rename("p:3", "moved"), "OK");
assert.equal(await redis.pexpire("moved", 20), 1);
for (const start = Date.now(); (await redis.get("moved")) !== null; ) assert.ok(Date.now() - start < 60_000);
assert.match(await redis.info("server"), /redis_version:/);
assert.deepEqual(await redis.config("GET", "databases"), ["databases", "16"]);

const other = redis.duplicate({ db: 3 });
await other.set("only", "here");
assert.equal(await redis.get("only"), null);
await redis.select(3);
assert.equal(await redis.get("only"), "here");
await other.quit();
await redis.quit();
console.log("ioredis: ok");
