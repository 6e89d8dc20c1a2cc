// SPDX-License-Identifier: BSD-3-Clause
//
// A MessagePack-RPC client in forty lines: call(method, ...params) resolves with the result. Requests
// go out as they are made; replies are told apart by their number.
import net from "node:net";
import { decodeMultiStream, encode } from "@msgpack/msgpack";

export class Connection {
  #socket;
  #waiting = new Map();
  #last = 0;

  static open(host, port) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host, port, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => resolve(new Connection(socket)));
    });
  }

  constructor(socket) {
    this.#socket = socket;
    this.#read().catch((error) => this.#fail(error));
  }

  async #read() {
    for await (const [, id, error, result] of decodeMultiStream(this.#socket)) {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === null) resolve(result);
      else reject(new Error(error));
    }
    this.#fail(new Error("the server closed the connection"));
  }

  #fail(error) {
    this.#socket.destroy();
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  call(method, ...params) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(encode([0, id, method, params]));
    });
  }

  close() {
    this.#socket.end();
  }
}
