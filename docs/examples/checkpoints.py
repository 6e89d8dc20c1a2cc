#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""An agent that can be killed at any moment and goes on where it was.

    checkpoints.py [HOST[:PORT]] [SESSION]    (127.0.0.1:7420, "weather")

It needs python3-msgpack and a running cairnd. Stop it with Ctrl-C and start it again: tools whose
results are stored are not called twice. Once the work is done it prints how it went."""

import socket
import sys

import msgpack


class Cairn:
    """MessagePack-RPC: [0, id, method, params] out, [1, id, error, result] back."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port))
        self.unpacker = msgpack.Unpacker(strict_map_key=False)
        self.last = 0

    def call(self, method, *params):
        self.last += 1
        self.socket.sendall(msgpack.packb([0, self.last, method, params]))
        while True:
            for _, _, error, result in self.unpacker:
                if error is not None:
                    raise RuntimeError(error)
                return result
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("cairnd closed the connection")
            self.unpacker.feed(data)


CITIES = ["Oslo", "Lima", "Pune"]


def tool(city):
    """What takes long, costs money, and must not be done twice."""
    print(f"  asking for the weather in {city}")
    return {"city": city, "degrees": 7 * len(city) - 20}


def main():
    """Run as a program."""
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1").partition(":")
    session = sys.argv[2] if len(sys.argv) > 2 else "weather"
    cairn = Cairn(host, int(port or 7420))

    # Where were we? The latest checkpoint has the state; its writes are results of tools that were
    # stored before the agent could save the step they belong to.
    latest = cairn.call("ckpt.get", session)
    if latest is None:
        state = {"step": 0, "report": []}
        metadata = {"source": "input", "step": 0}
        id_ = cairn.call("ckpt.save", session, state, {"metadata": metadata})["id"]
        done = {}
        print("beginning")
    else:
        state, id_ = latest["state"], latest["id"]
        done = {task: msgpack.unpackb(data) for task, _, _, _, data in latest["writes"]}
        print(f"going on at step {state['step']}, {len(done)} results are there already")

    while state["step"] < len(CITIES):
        city = CITIES[state["step"]]
        if city not in done:
            # A write belongs to a task: if this is sent twice, the second changes nothing.
            write = [0, "weather", "msgpack", msgpack.packb(tool(city))]
            cairn.call("ckpt.put_writes", session, "", id_, city, [write])
            done[city] = msgpack.unpackb(write[-1])
        # The step is done: the next checkpoint, with the one before as its parent.
        state = {"step": state["step"] + 1, "report": state["report"] + [done.pop(city)]}
        metadata = {"source": "loop", "step": state["step"], "city": city}
        tags = ["done"] if state["step"] == len(CITIES) else []
        id_ = cairn.call("ckpt.save", session, state,
                         {"parent": id_, "metadata": metadata, "tags": tags})["id"]

    print("report:", ", ".join(f"{one['city']} {one['degrees']}" for one in state["report"]))
    # Newest first; only steps of the loop, by their metadata (docs/filters.md).
    page = cairn.call("ckpt.list", {"session": session, "limit": 10,
                                    "filter": {"source": "loop", "step": {"$gte": 2}}})
    for item in page["items"]:
        print("step {step} ended with {city}".format(**item["metadata"]))
    # And back in time: any checkpoint can be read by its id.
    page = cairn.call("ckpt.list", {"session": session, "filter": {"source": "input"}})
    first = cairn.call("ckpt.get", session, {"id": page["items"][-1]["id"]})
    print("at first:", first["state"])


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"{error}: is cairnd running? Started again, this goes on where it was.")
