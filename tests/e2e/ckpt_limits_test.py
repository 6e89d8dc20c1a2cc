#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints at the limits of the server: too much for one transaction, and no memory left."""

import unittest

from lib import RpcError, Server
from lib.stored import Stored

MIB = 2 ** 20


class LimitsTest(Stored):
    def refused(self, code, pattern, client, method, *params, **options):
        with self.assertRaises(RpcError) as caught:
            client.call("ckpt." + method, *params, **options)
        self.assertEqual(caught.exception.code, code)
        self.assertRegex(str(caught.exception), pattern)

    def test_transaction(self):
        """60 MiB are the most that one transaction may log; each of these is one."""
        part = b"x" * (16 * MIB - 100)
        server = self.start(**{"limits.frame_bytes": "96MiB", "limits.value_bytes": "90MiB"})
        with server.connect() as client:
            entries = [{"id": str(i), "state": part} for i in range(4)]
            self.refused("LIMIT_EXCEEDED", "60 MiB", client, "save_many", "many", entries)
            self.assertIsNone(client.call("ckpt.session_get", "many"))
            client.call("ckpt.save_many", "many", entries[:3])
            for i in range(4):  # each is small enough, all of them together are not
                client.call("ckpt.put_writes", "s", "", "id", f"task{i}", [[0, "c", "t", part]])
            client.call("ckpt.save", "s", 1, id="id")
            want = client.call("ckpt.session_get", "s")
            self.refused("LIMIT_EXCEEDED", "60 MiB", client, "fork", "s", "id", "new")
            self.refused("LIMIT_EXCEEDED", "60 MiB", client, "copy", "s", "new")
            self.assertIsNone(client.call("ckpt.session_get", "new"))
            self.assertEqual(client.call("ckpt.session_get", "s"), want)
            self.assertEqual(client.call("ckpt.copy", "many", "new")["checkpoints"], 3)
            self.assertEqual(client.call("ckpt.validate"),
                             {"valid": 7, "invalid": 0, "ids": []})
        server.stop()
        with self.start() as server, server.connect() as client:
            self.assertEqual(client.call("ckpt.session_get", "s"), want)
            self.assertEqual(client.call("ckpt.validate")["valid"], 7)

    def test_evict(self):
        """Keys of kv go first; then what grows is refused, and nothing of a session is missing."""
        with Server({"memory.limit": 4 * MIB, "memory.policy": "evict", "limits.items": 1000}
                    ) as server, server.connect() as client:
            for i in range(300):
                client.call("kv.put", f"k{i}", b"x" * 10000)
            saved, value = 0, b"y" * 10000
            with self.assertRaises(RpcError) as caught:
                while saved < 1000:
                    client.call("ckpt.save", f"s{saved % 3}", value, id=f"{saved:04}")
                    saved += 1
            self.assertEqual(caught.exception.code, "OUT_OF_MEMORY")
            self.assertGreater(saved, 150)
            kinds = client.call("server.info")["keyspace"]["kinds"]
            self.assertEqual((kinds["kv"], kinds["ckpt"]), (0, saved))
            more = b"z" * MIB  # more than partitions may hold without telling each other
            for method, params in (("put_writes", ["s0", "", "0000", "t", [[0, "c", "t", more]]]),
                                   ("save_many", ["s0", [{"state": more}]]),
                                   ("save", ["new", more]), ("copy", ["s0", "new"]),
                                   ("import", [[{"session": "new", "id": "1", "state": more}]])):
                self.refused("OUT_OF_MEMORY", "memory", client, method, *params)
            self.assertEqual(client.call("ckpt.validate"),
                             {"valid": saved, "invalid": 0, "ids": []})
            for i in range(saved):
                self.assertEqual(client.call("ckpt.get", f"s{i % 3}", id=f"{i:04}")["state"], value)
            self.assertTrue(client.call("ckpt.delete", "s0", "0000"))
            self.assertGreater(client.call("ckpt.compact", "s1", keep_recent=5)["deleted"], 40)
            client.call("ckpt.save", "new", value)
            self.assertEqual(client.call("ckpt.validate")["invalid"], 0)


del Stored
if __name__ == "__main__":
    unittest.main()
