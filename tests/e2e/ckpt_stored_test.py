#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints as they are stored: states that share what they have in common, and what restarts and
snapshots make of all of it."""

import unittest

from lib import until
from lib.ckpt import CkptTest
from lib.stored import Stored


def growing(i, words=2000):
    """The state of an agent at step i: messages that grow, a map in which little changes."""
    return {"messages": [f"{k} " + "word " * (k % 7) for k in range(100 + i)],
            "memory": {f"key{k}": (k * 7919 + (i if k == i % 50 else 0)) % 10 ** 9
                       for k in range(words)},
            "step": i, "text": "x" * 3000}


class DeltaTest(CkptTest):
    def setUp(self):
        super().setUp()
        self.call("session_create", "d", delta=True)

    def fill(self, n=60, session="d"):
        for i in range(n):
            self.call("save", session, growing(i), id=f"{i:03}", parent=f"{i - 1:03}",
                      blobs=[["ch", i, "bytes", b"%d" % i + b"y" * 5000],
                             ["s", i, "t", "z" * 3000]])

    def check(self, ids, session="d"):
        for i in ids:
            got = self.call("get", session, id=f"{i:03}")
            self.assertEqual(got["state"], growing(i))
            self.assertEqual(got["blobs"], [["ch", i, "bytes", b"%d" % i + b"y" * 5000],
                                            ["s", i, "t", "z" * 3000]])
        left = len(self.ids(session=session))
        self.assertEqual(self.call("validate", session=session),
                         {"valid": left, "invalid": 0, "ids": []})

    def test_little_is_stored(self):
        self.fill()
        self.check(range(60))
        self.call("session_create", "full")
        self.fill(session="full")
        delta, full = (self.call("session_get", s)["bytes"] for s in ("d", "full"))
        self.assertLess(delta, full / 4)

    def test_bytes_come_back(self):
        before = self.call("session_get", "d")["bytes"]
        self.fill()
        for i in [*range(0, 60, 2), *range(59, 0, -2)]:
            self.assertTrue(self.call("delete", "d", f"{i:03}"))
        self.assertEqual(self.call("session_get", "d")["bytes"], before)

    def test_compact(self):
        self.fill()
        self.call("compact", "d", keep_recent=3)
        self.check(range(57, 60))
        self.call("compact", "d", keep_recent=1)
        self.check([59])

    def test_replaced(self):
        for i in range(30):
            self.call("save", "d", growing(i), id="same")
        self.assertEqual(self.call("get", "d")["state"], growing(29))
        self.call("delete", "d", "same")
        self.assertEqual(self.call("session_get", "d")["checkpoints"], 0)

    def test_many(self):
        entries = [{"state": growing(i), "id": f"{i:03}"} for i in range(20)]
        self.call("save_many", "d", entries)
        self.call("save_many", "d", entries[:3] * 3)
        for i in range(20):
            self.assertEqual(self.call("get", "d", id=f"{i:03}")["state"], growing(i))
        self.assertEqual(self.call("validate")["invalid"], 0)
        self.call("compact", "d", keep_recent=2)
        self.assertEqual(self.call("validate"), {"valid": 2, "invalid": 0, "ids": []})

    def test_fork(self):
        self.fill(20)
        self.assertEqual(self.call("fork", "d", "014", "copy")["checkpoints"], 15)
        self.assertTrue(self.call("session_get", "copy")["delta"])
        self.call("session_delete", "d")
        self.check(range(15), session="copy")


class RestartTest(Stored):
    """What comes back."""

    def fill(self, client):
        for i in range(50):
            client.call("ckpt.save", f"s{i % 5}", {"i": i}, id=f"{i:02}",
                        blobs=[["a", i // 10, "t", b"%d" % i]], tags=["t"])
            client.call("ckpt.put_writes", f"s{i % 5}", "", f"{i:02}", "t", [[0, "c", "t", b"w"]])
        client.call("ckpt.session_create", "s0", name="named")
        client.call("ckpt.annotate", "s0", "00", "note")
        client.call("ckpt.tag", "s0", "05", ["later"])
        client.call("ckpt.delete", "s1", "01")
        client.call("ckpt.session_delete", "s2")
        client.call("ckpt.compact", "s3", keep_recent=2)
        client.call("ckpt.session_create", "delta", delta=True)
        for i in range(30):
            client.call("ckpt.save", "delta", growing(i), id=f"{i:02}")
        client.call("ckpt.compact", "delta", keep_recent=20)

    def everything(self, client):
        sessions = client.call("ckpt.session_list")["items"]
        return [sessions, client.call("ckpt.session_list", newest=True),
                client.call("ckpt.list", with_state=True, limit=1000),
                [client.call("ckpt.list", session=s["session"]) for s in sessions],
                [client.call("ckpt.notes", s["session"]) for s in sessions],
                client.call("ckpt.metrics")]

    def restart(self, snapshot, killed):
        with self.subTest(snapshot=snapshot, killed=killed):
            server = self.start()
            with server.connect() as client:
                self.fill(client)
                before = self.everything(client)
                last = client.call("ckpt.save", "end", 1)
                client.call("ckpt.session_delete", "end")
                if snapshot:
                    client.call("server.snapshot")
                    until(lambda: not client.call("server.snapshots")["running"], "snapshot")
                client.call("server.sync")
            self.kill(server) if killed else server.stop()
            with self.start() as server, server.connect() as client:
                self.assertEqual(self.everything(client), before)
                self.assertEqual(client.call("ckpt.validate")["invalid"], 0)
                self.assertGreater(client.call("ckpt.save", "end", 1)["seq"], last["seq"])
                # counts of pieces came back: what others refer to stays, and no more
                client.call("ckpt.compact", "delta", keep_recent=2)
                self.assertEqual(client.call("ckpt.get", "delta")["state"], growing(29))
                self.assertEqual(client.call("ckpt.validate")["invalid"], 0)
                empty = client.call("ckpt.session_get", "delta")["bytes"]
                self.assertGreater(empty, 0)
                client.call("ckpt.compact", "delta", keep_recent=0)
                self.assertEqual(client.call("ckpt.session_get", "delta")["bytes"], 0)
                # counts of blobs came back: a shared one stays until the last that names it goes
                client.call("ckpt.delete", "s4", "04")
                self.assertEqual(client.call("ckpt.get", "s4", id="09")["blobs"],
                                 [["a", 0, "t", b"4"]])
                client.call("ckpt.delete", "s4", "09")
                client.call("ckpt.save", "s4", 1, id="x", channel_versions=[["a", 0]])
                self.assertEqual(client.call("ckpt.get", "s4", id="x")["blobs"], [])

    def test_killed(self):
        self.restart(False, True)

    def test_snapshot(self):
        self.restart(True, True)

    def test_stopped(self):
        self.restart(False, False)


del CkptTest, Stored
if __name__ == "__main__":
    unittest.main()
