// SPDX-License-Identifier: BSD-3-Clause
//
// node-redis on the RESP port: node node_redis.mjs PACKAGE HOST PORT, once with each protocol.
import assert from "node:assert/strict";
import { event, runSteps, startProxy } from "./common.mjs";

const [name, host, port] = process.argv.slice(2);
const { createClient, WatchError } = await import(name);
const proxy = await startProxy(host, Number(port));
const steps = {};

for (const RESP of [2, 3]) {
  const socket = { reconnectStrategy: () => 20 };
  const client = createClient({ url: `redis://127.0.0.1:${proxy.port}/0`, RESP, socket, name: "me" });
  const other = createClient({ url: `redis://${host}:${port}`, RESP });
  client.on("error", () => {}); // cut connections are part of the test

  Object.assign(steps, {
    async [`ready ${RESP}`]() {
      await client.connect();
      await other.connect();
      assert.ok(client.isReady);
      assert.equal(await client.ping(), "PONG");
      assert.equal(await client.clientGetName(), "me");
      await client.flushAll();
    },
    async [`values ${RESP}`]() {
      assert.equal(await client.set("k", "wört"), "OK");
      assert.equal(await client.get("k"), "wört");
      assert.equal(await client.get("none"), null);
      assert.equal(await client.set("k", "x", { expiration: { type: "EX", value: 9 },
                                                condition: "NX" }), null);
      assert.equal(await client.incrBy("n", 41), 41);
      assert.equal(Number(await client.incrByFloat("n", 0.5)), 41.5);
      assert.equal(await client.mSet({ a: "1", b: "2" }), "OK");
      assert.deepEqual(await client.mGet(["a", "none", "b"]), ["1", null, "2"]);
      assert.equal(await client.setEx("e", 100, "v"), "OK");
      assert.ok((await client.ttl("e")) > 90);
      assert.equal(await client.getDel("e"), "v");
      assert.equal(await client.del(["a", "b", "none"]), 2);
      assert.equal(await client.exists("a"), 0);
    },
    async [`errors ${RESP}`]() {
      await assert.rejects(client.incr("k"), /ERR value is not an integer or out of range/);
      await assert.rejects(client.sendCommand(["NOPE", "a"]), /ERR unknown command 'NOPE'/);
    },
    async [`pipelining ${RESP}`]() {
      const numbers = [...Array(1000).keys()];
      await Promise.all(numbers.map((i) => client.set(`key:${i}`, String(i))));
      const values = await Promise.all(numbers.map((i) => client.get(`key:${i}`)));
      assert.deepEqual(values, numbers.map(String));
    },
    async [`multi ${RESP}`]() {
      assert.deepEqual(await client.multi().set("m", "1").incr("m").get("m").exec(),
                       ["OK", 2, "2"]);
      assert.deepEqual(await client.multi().set("m", "3").get("m").execAsPipeline(), ["OK", "3"]);
      await assert.rejects(client.multi().set("m", "5").addCommand(["NOPE"]).exec());
      assert.equal(await client.get("m"), "3");
    },
    async [`watch ${RESP}`]() {
      await client.watch("m");
      await other.set("m", "7");
      await assert.rejects(client.multi().set("m", "8").exec(), WatchError);
      await client.watch("m");
      assert.deepEqual(await client.multi().set("m", "9").exec(), ["OK"]);
    },
    async [`scanIterator ${RESP}`]() {
      const found = new Set();
      for await (const keys of client.scanIterator({ MATCH: "key:*", COUNT: 100 })) {
        keys.forEach((key) => found.add(key));
      }
      assert.equal(found.size, 1000);
    },
    async [`server ${RESP}`]() {
      assert.match(await client.info(), /redis_version:/);
      assert.deepEqual({ ...(await client.configGet("save")) }, { save: "" });
      assert.ok((await client.clientId()) > 0);
      assert.ok((await client.dbSize()) >= 1000);
    },
    async [`reconnect ${RESP}`]() {
      const again = event(client, "ready");
      proxy.cut();
      await again;
      assert.equal(await client.get("m"), "9");
      assert.equal(await client.clientGetName(), "me");
    },
    async [`quit ${RESP}`]() {
      await client.close();
      await other.close();
    },
  });
}
steps.stop = async () => proxy.stop();
await runSteps(steps);
