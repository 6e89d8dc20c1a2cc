#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The memory of an agent: documents, found again by what they are about.

    vectors.py [HOST[:PORT]] [COLLECTION]    (127.0.0.1:7420, "memory")

It needs python3-msgpack and a running cairnd. What it remembers stays there: run it twice, and it
only adds what is new. embed() stands for the model that you would ask."""

import hashlib
import re
import socket
import struct
import sys

import msgpack

DIM = 256


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


def embed(text):
    """A vector for a text: each word, without its end, adds to one of the elements. Texts with the
    same words are near to each other. As bytes of 32-bit floats, the smaller form on the wire."""
    vector = [0.0] * DIM
    for word in re.findall(r"[a-z]{3,}", text.lower()):
        digest = hashlib.sha256(word[:5].encode()).digest()
        vector[int.from_bytes(digest[:4], "little") % DIM] += 1.0
    return struct.pack(f"<{DIM}f", *vector)


DOCUMENTS = [
    ("mail-1", "mail", 2021, "The deployment failed: the disk of the database was full."),
    ("mail-2", "mail", 2023, "Lunch on Friday? There is a new place with noodles."),
    ("note-1", "note", 2022, "To restore a database: stop it, copy the snapshot, start it."),
    ("note-2", "note", 2023, "Noodles: boil for eight minutes, then rinse with cold water."),
    ("note-3", "note", 2024, "Disk alerts come from monitoring; silence them in the dashboard."),
]


def remember(cairn, collection):
    """Store what is not there yet. The document first: then whatever is found can be read."""
    keys = [key for key, _, _, _ in DOCUMENTS]
    known = cairn.call("vec.get_many", collection, keys, {"with_vectors": False})
    for (key, kind, year, text), there in zip(DOCUMENTS, known):
        if there is None:
            cairn.call("kv.put", f"{collection}:{key}", text)
            cairn.call("vec.upsert", collection, key, embed(text),
                       {"metadata": {"kind": kind, "year": year}})
    return sum(there is None for there in known)


def recall(cairn, collection, question, **options):
    """The documents that are nearest to a question, the nearest first."""
    found = cairn.call("vec.search", collection,
                       {"vector": embed(question), "k": 2, "with_metadata": True, **options})
    items = found["items"]
    texts = cairn.call("kv.mget", [f"{collection}:{item['key']}" for item in items])
    for item, text in zip(items, texts):
        print(f"  {item['score']:.2f} {item['key']} ({item['metadata']['year']}): {text}")


def main():
    """Run as a program."""
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1").partition(":")
    collection = sys.argv[2] if len(sys.argv) > 2 else "memory"
    cairn = Cairn(host, int(port or 7420))

    # The same again changes nothing, so that no one has to ask whether it is there.
    cairn.call("vec.create", collection, DIM, {"metric": "cosine"})
    print(f"remembered {remember(cairn, collection)} documents")

    print("What was that about the database and its disk?")
    recall(cairn, collection, "database disk full")

    # Only what matches (docs/filters.md), and never fewer than there are.
    print("And what do my notes say since 2023?")
    recall(cairn, collection, "database disk full",
           filter={"kind": "note", "year": {"$gte": 2023}})

    # By the vector of something that is there; it is found itself, so it is left out.
    print("What else is like note-2?")
    near = cairn.call("vec.search", collection, {"key": "note-2", "k": 2})
    print("  " + ", ".join(item["key"] for item in near["items"] if item["key"] != "note-2"))

    # Metadata can change alone. What is deleted is found by no search from then on.
    cairn.call("vec.set_metadata", collection, "mail-2", {"done": True}, {"merge": True})
    cairn.call("vec.delete", collection, ["mail-2"])
    cairn.call("kv.del", f"{collection}:mail-2")
    print(f"left: {cairn.call('vec.count', collection)}")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"{error}: is cairnd running?")
