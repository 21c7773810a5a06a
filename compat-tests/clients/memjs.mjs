// memjs (binary protocol) against a server: node memjs.mjs HOST PORT
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const { Client } = require("memjs");
const [host, port] = process.argv.slice(2);
const client = Client.create(`${host}:${port}`, { retries: 1, timeout: 10 });
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const large = Buffer.alloc(1024 * 1024 - 200, "x");
const value = async (key) => (await client.get(key)).value;

await client.flush();
assert.ok(await client.set("k", "v", {}));
assert.equal(String(await value("k")), "v");
assert.equal(await value("missing"), null);
assert.ok(await client.set("k", everyByte, { expires: 100 }));
assert.deepEqual(await value("k"), everyByte);
assert.equal(await client.add("k", "x", {}), false);
assert.ok(await client.add("new", "x", {}));
assert.ok(await client.replace("new", "y", {}));
assert.equal(await client.replace("none", "y", {}), false);
assert.ok(await client.append("new", "!"));
assert.ok(await client.prepend("new", "<"));
assert.equal((await value("new")).length, 3); // memjs 1.3.2 sends an append for a prepend
assert.equal((await client.increment("n", 1, { initial: 10 })).value, 10);
assert.equal((await client.increment("n", 5, { initial: 0 })).value, 15);
assert.equal((await client.decrement("n", 20, { initial: 0 })).value, 0);
assert.ok(await client.touch("new", 100));
assert.ok(await client.delete("new"));
assert.equal(await client.delete("new"), false);
assert.ok(await client.set("large", large, {}));
assert.deepEqual(await value("large"), large);
await Promise.all(Array.from({ length: 300 }, (_, at) => client.set(`p:${at}`, String(at), {})));
const values = await Promise.all(Array.from({ length: 300 }, (_, at) => value(`p:${at}`)));
assert.deepEqual(values.map(String), Array.from({ length: 300 }, (_, at) => String(at)));
const statistics = await new Promise((resolve, reject) =>
  client.stats((error, _server, stats) => (error ? reject(error) : resolve(stats))));
assert.ok(statistics.version);
client.close();
console.log("memjs: ok");
