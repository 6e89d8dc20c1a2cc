// SPDX-License-Identifier: BSD-3-Clause
//
// ioredis on the RESP port: node ioredis.mjs PACKAGE HOST PORT. It checks INFO before it is ready;
// version 6 begins with HELLO 3.
import assert from "node:assert/strict";
import { event, runSteps, startProxy } from "./common.mjs";

const [name, host, port] = process.argv.slice(2);
const { Redis } = await import(name);
const proxy = await startProxy(host, Number(port));
const client = new Redis({ host: "127.0.0.1", port: proxy.port, connectionName: "me" });
const other = new Redis({ host, port: Number(port) });
client.on("error", () => {}); // cut connections are part of the test

await runSteps({
  async ready() {
    await event(client, "ready");
    assert.equal(await client.ping(), "PONG");
    assert.equal(await client.client("GETNAME"), "me");
    await client.flushall();
  },
  async values() {
    assert.equal(await client.set("k", "wört"), "OK");
    assert.equal(await client.get("k"), "wört");
    assert.equal(await client.get("none"), null);
    assert.equal(await client.set("k", "x", "EX", 100, "NX"), null);
    assert.equal(await client.set("bin", Buffer.from([0, 255, 13, 10])), "OK");
    assert.deepEqual(await client.getBuffer("bin"), Buffer.from([0, 255, 13, 10]));
    assert.equal(await client.incrby("n", 41), 41);
    assert.equal(await client.incrbyfloat("n", 0.5), "41.5");
    assert.equal(await client.mset({ a: 1, b: 2 }), "OK");
    assert.deepEqual(await client.mget("a", "none", "b"), ["1", null, "2"]);
    assert.equal(await client.setex("e", 100, "v"), "OK");
    assert.ok((await client.ttl("e")) > 90);
    assert.equal(await client.del("a", "b", "none"), 2);
  },
  async errors() {
    await assert.rejects(client.incr("k"), /ERR value is not an integer or out of range/);
    await assert.rejects(client.call("NOPE", "a"), /ERR unknown command 'NOPE'/);
  },
  async pipeline() {
    const pipeline = client.pipeline();
    for (let i = 0; i < 1000; i++) {
      pipeline.set(`key:${i}`, i).get(`key:${i}`);
    }
    const results = await pipeline.exec();
    assert.equal(results.length, 2000);
    results.forEach(([error, value], i) => {
      assert.equal(error, null);
      assert.equal(value, i % 2 ? String((i - 1) / 2) : "OK");
    });
  },
  async multi() {
    const results = await client.multi().set("m", 1).incr("m").incr("k").get("m").exec();
    assert.deepEqual([results[0], results[1], results[3]], [[null, "OK"], [null, 2], [null, "2"]]);
    assert.match(results[2][0].message, /not an integer/);
    await assert.rejects(client.multi().set("m", 5).call("NOPE").exec(), /EXECABORT/);
    assert.equal(await client.get("m"), "2");
  },
  async watch() {
    await client.watch("m");
    await other.set("m", 7);
    assert.equal(await client.multi().set("m", 8).exec(), null);
    await client.watch("m");
    assert.deepEqual(await client.multi().set("m", 9).exec(), [[null, "OK"]]);
  },
  async scanStream() {
    const found = new Set();
    for await (const keys of client.scanStream({ match: "key:*", count: 100 })) {
      keys.forEach((key) => found.add(key));
    }
    assert.equal(found.size, 1000);
  },
  async autoPipelining() {
    const fast = new Redis({ host, port: Number(port), enableAutoPipelining: true });
    const values = await Promise.all([...Array(500).keys()].map((i) => fast.get(`key:${i}`)));
    assert.deepEqual(values, [...Array(500).keys()].map(String));
    fast.disconnect();
  },
  async reconnect() {
    const again = event(client, "ready");
    proxy.cut();
    await again;
    assert.equal(await client.get("m"), "9");
    assert.equal(await client.client("GETNAME"), "me");
  },
  async quit() {
    assert.equal(await client.quit(), "OK");
    other.disconnect();
    proxy.stop();
  },
});
