// SPDX-License-Identifier: BSD-3-Clause
//
// An agent that can be killed at any moment and goes on where it was.
//
//     npm install
//     node checkpoints.mjs [HOST[:PORT]] [SESSION]    (127.0.0.1:7420, "weather")
//
// It needs a running cairnd. Stop it with Ctrl-C and start it again: tools whose results are stored
// are not called twice. Once the work is done it prints how it went.
import net from "node:net";
import { decode, decodeMultiStream, encode } from "@msgpack/msgpack";

/** MessagePack-RPC: [0, id, method, params] out, [1, id, error, result] back. */
class Cairn {
  constructor(host, port) {
    this.socket = net.connect({ host, port, noDelay: true });
    this.replies = decodeMultiStream(this.socket);
    this.last = 0;
  }

  async call(method, ...params) {
    this.socket.write(encode([0, ++this.last, method, params]));
    const { value, done } = await this.replies.next();
    if (done) throw new Error("cairnd closed the connection");
    const [, , error, result] = value;
    if (error !== null) throw new Error(error);
    return result;
  }

  close() {
    this.socket.end();
  }
}

const CITIES = ["Oslo", "Lima", "Pune"];

/** What takes long, costs money, and must not be done twice. */
async function tool(city) {
  console.log(`  asking for the weather in ${city}`);
  return { city, degrees: 7 * city.length - 20 };
}

process.on("uncaughtException", ({ message }) => {
  console.error(`${message}: is cairnd running? Started again, this goes on where it was.`);
  process.exit(1);
});

const [host, port = "7420"] = (process.argv[2] ?? "127.0.0.1").split(":");
const session = process.argv[3] ?? "weather";
const cairn = new Cairn(host, Number(port));

// Where were we? The latest checkpoint has the state; its writes are results of tools that were
// stored before the agent could save the step they belong to.
const latest = await cairn.call("ckpt.get", session);
const done = new Map();
let state, id;
if (latest === null) {
  state = { step: 0, report: [] };
  const metadata = { source: "input", step: 0 };
  ({ id } = await cairn.call("ckpt.save", session, state, { metadata }));
  console.log("beginning");
} else {
  ({ state, id } = latest);
  for (const [task, , , , data] of latest.writes) done.set(task, decode(data));
  console.log(`going on at step ${state.step}, ${done.size} results are there already`);
}

while (state.step < CITIES.length) {
  const city = CITIES[state.step];
  if (!done.has(city)) {
    // A write belongs to a task: if this is sent twice, the second changes nothing.
    const result = encode(await tool(city));
    await cairn.call("ckpt.put_writes", session, "", id, city, [[0, "weather", "msgpack", result]]);
    done.set(city, decode(result));
  }
  // The step is done: the next checkpoint, with the one before as its parent.
  state = { step: state.step + 1, report: [...state.report, done.get(city)] };
  const metadata = { source: "loop", step: state.step, city };
  const tags = state.step === CITIES.length ? ["done"] : [];
  ({ id } = await cairn.call("ckpt.save", session, state, { parent: id, metadata, tags }));
}

console.log("report:", state.report.map((one) => `${one.city} ${one.degrees}`).join(", "));
// Newest first; only steps of the loop, by their metadata (docs/filters.md).
const filter = { source: "loop", step: { $gte: 2 } };
const page = await cairn.call("ckpt.list", { session, limit: 10, filter });
for (const { metadata } of page.items)
  console.log(`step ${metadata.step} ended with ${metadata.city}`);
// And back in time: any checkpoint can be read by its id.
const begun = await cairn.call("ckpt.list", { session, filter: { source: "input" } });
const first = await cairn.call("ckpt.get", session, { id: begun.items.at(-1).id });
console.log("at first:", JSON.stringify(first.state));
cairn.close();
