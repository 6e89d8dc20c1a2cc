// SPDX-License-Identifier: BSD-3-Clause
//
// What the scripts for both clients share: a proxy whose connections can be cut, so that reconnecting
// can be tried, and a runner that names the step that failed.
import net from "node:net";

/** A proxy on a free port to host:port; cut() closes all connections that go through it now. */
export function startProxy(host, port) {
  const sockets = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(port, host);
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve({
        port: server.address().port,
        cut: () => sockets.forEach((socket) => socket.destroy()),
        stop: () => {
          server.close();
          sockets.forEach((socket) => socket.destroy());
        },
      });
    });
  });
}

/** Resolves when the emitter says so; rejects after 20 s. */
export function event(emitter, name) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no event ${name}`)), 20000);
    emitter.once(name, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Runs {name: async function} in order. Exit status 1 and the name at the first that fails. */
export async function runSteps(steps) {
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
      console.log(`ok ${name}`);
    } catch (error) {
      console.error(`FAILED ${name}:`, error);
      process.exit(1);
    }
  }
  process.exit(0);
}
