#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 in the middle of jobs over checkpoints: a fork, a copy, a compaction, the deletion of a
session. How far a job has come is seen by the records there are, also by those nobody can read
yet. After the start each is whole or absent, as docs/checkpoints.md says, and nothing is left of
what was given up."""

import os
import random
import unittest

from lib import until
from lib.stored import Stored

SEED = int(os.environ.get("CAIRN_SEED", random.randrange(2 ** 32)))
MANY = 800  # checkpoints: a job of many slices
KEPT = 40
BLOB, WRITE = b"b" * 40, b"w" * 20


def records(client):
    return client.call("server.info")["keyspace"]["records"]


def state(i):
    return {"step": i, "same": "s" * 600, "text": f"{i} " * 40}


class KilledTest(Stored):
    def setUp(self):
        super().setUp()
        self.random = random.Random(f"{SEED} {self._testMethodName}")

    def fill(self, client, session, delta):
        client.call("ckpt.session_create", session, delta=delta)
        client.call("ckpt.save_many", session, [
            {"state": state(i), "id": f"{i:05}", "parent": f"{i - 1:05}", "tags": ["t"],
             "blobs": [["ch", i // 10, "t", BLOB]]} for i in range(MANY)])
        client.call("ckpt.put_writes", session, "", f"{MANY - 1:05}", "task",
                    [[0, "c", "t", WRITE]])

    def whole(self, client, session, steps):
        """These are there, and all of each."""
        items = client.call("ckpt.list", session=session, limit=10000, with_state=True)["items"]
        self.assertEqual([item["id"] for item in items], [f"{i:05}" for i in reversed(steps)])
        for i, item in zip(reversed(steps), items):
            self.assertEqual(item["state"], state(i))
            self.assertEqual(item["blobs"], [["ch", i // 10, "t", BLOB]])
            self.assertEqual(item["parent"], f"{i - 1:05}")
        self.assertEqual(client.call("ckpt.validate", session=session),
                         {"valid": len(steps), "invalid": 0, "ids": []})

    def kill_within(self, delta, reached, method, *params, **options):
        """A server that was killed within this call, once the count of records is `reached`, from
        `before` on; (what its answer was or None, the next server). The store had one session."""
        mode = self.random.choice(["buffered", "strict"])
        server = self.start(mode)
        with server.connect() as client, server.connect() as other:
            if client.call("ckpt.session_get", "s") is None:
                self.fill(client, "s", delta)
            before = records(client)
            msgid = client.post(method, *params, **options)
            until(lambda: reached(before, records(other)), f"{method} has come so far")
            self.kill(server)
            answers = {message[1]: message for message in client.messages()}
        self.before = before
        answer = answers.get(msgid)
        self.assertTrue(answer is None or answer[2] is None, answer)
        return answer, self.start(mode)

    def check_copied(self, delta, method, *params):
        for share in sorted(self.random.random() for _ in range(3)):
            with self.subTest(seed=SEED, share=share):
                answer, server = self.kill_within(
                    delta, lambda before, now: now > before * (1 + share * 0.9), method, *params)
                with server.connect() as client:
                    made = client.call("ckpt.session_get", "copy") is not None
                    self.assertTrue(made or answer is None)
                    if made:
                        self.whole(client, "copy", range(MANY))
                        self.assertEqual(len(client.call("ckpt.get", "copy")["writes"]), 1)
                        client.call("ckpt.session_delete", "copy")
                    self.whole(client, "s", range(MANY))
                    until(lambda: records(client) == self.before, "what nobody owns is deleted")
                    self.assertEqual(client.call(method, *params)["checkpoints"], MANY)
                    self.whole(client, "copy", range(MANY))
                    client.call("ckpt.session_delete", "copy")
                    until(lambda: records(client) == self.before, "the copy is deleted")
                server.stop()

    def test_fork(self):
        self.check_copied(False, "ckpt.fork", "s", f"{MANY - 1:05}", "copy")

    def test_copy_of_shared_states(self):
        self.check_copied(True, "ckpt.copy", "s", "copy")

    def check_compacted(self, delta):
        for share in sorted(self.random.random() for _ in range(3)):
            with self.subTest(seed=SEED, share=share):
                answer, server = self.kill_within(
                    delta, lambda before, now: now < before * (1 - share * 0.9),
                    "ckpt.compact", "s", keep_recent=KEPT)
                with server.connect() as client:
                    items = client.call("ckpt.list", session="s", limit=10000)["items"]
                    left = [int(item["id"]) for item in reversed(items)]
                    self.assertEqual(left[-KEPT:], list(range(MANY - KEPT, MANY)))
                    self.assertTrue(answer is None or len(left) == KEPT)
                    self.whole(client, "s", left)
                    self.assertEqual(client.call("ckpt.compact", "s", keep_recent=KEPT)["deleted"],
                                     len(left) - KEPT)
                    self.whole(client, "s", range(MANY - KEPT, MANY))
                    self.assertEqual(client.call("ckpt.compact", "s", keep_recent=0)["kept"], 0)
                    self.assertEqual(client.call("ckpt.session_get", "s")["bytes"], 0)
                    client.call("ckpt.session_delete", "s")
                    until(lambda: records(client) == 0, "all is gone")
                server.stop()

    def test_compact(self):
        self.check_compacted(False)

    def test_compact_shared_states(self):
        self.check_compacted(True)

    def test_session_delete(self):
        for share in sorted(self.random.random() for _ in range(3)):
            with self.subTest(seed=SEED, share=share):
                answer, server = self.kill_within(
                    True, lambda before, now: now < before * (1 - share * 0.9),
                    "ckpt.session_delete", "s")
                self.assertIsNotNone(answer)
                with server.connect() as client:
                    self.assertIsNone(client.call("ckpt.session_get", "s"))
                    client.call("ckpt.save", "s", state(0), id="00000", parent="-0001",
                                blobs=[["ch", 0, "t", BLOB]])
                    self.whole(client, "s", range(1))
                    until(lambda: records(client) == 3, "what nobody owns is deleted")
                    self.whole(client, "s", range(1))
                    client.call("ckpt.session_delete", "s")
                server.stop()


del Stored
if __name__ == "__main__":
    print(f"CAIRN_SEED={SEED}", flush=True)
    unittest.main()
