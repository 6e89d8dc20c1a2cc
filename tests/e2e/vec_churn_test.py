#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Much of a collection goes and comes again, time after time, as fast as one client can: the index
takes no more memory than before, and finds as much."""

import os
import random
import unittest

from lib import until
from lib.vec import VecTest, pack, random_vector

SEED = int(os.environ.get("CAIRN_SEED", random.randrange(2 ** 32)))
DIM, COUNT, TURNS, QUERIES, K = 16, 1200, 5, 10, 10
KEYS = [f"k{i}" for i in range(COUNT)]


class ChurnTest(VecTest):
    OPTIONS = {"server.loops": 1, "server.workers": 2}

    def setUp(self):
        super().setUp()
        self.random = random.Random(f"{SEED} {self._testMethodName}")

    def settled(self):
        """What is known of the collection when all is in the graph, and what died is not."""
        def info():
            info = self.call("info", "c")
            idle = info["tail"] == 0 and info["tombstones"] <= COUNT // 16
            return info if idle and info["state"] == "graph" else None
        return until(info, "all is in the graph")

    def store(self, keys, batch):
        rows = [[key, pack(random_vector(self.random, DIM))] for key in keys]
        for at in range(0, len(rows), batch):
            self.call("upsert_many", "c", rows[at:at + batch])

    def recall(self):
        found = 0
        for _ in range(QUERIES):
            vector = random_vector(self.random, DIM)
            exact, walked = ({item["key"] for item in
                              self.call("search", "c", vector, k=K, **options)["items"]}
                             for options in ({"exact": True}, {"ef": 100}))
            self.assertEqual(len(walked), K)
            found += len(exact & walked)
        return found / (QUERIES * K)

    def holds(self, turn):
        """A turn, many times over."""
        self.call("create", "c", DIM, index="hnsw", ef_construction=60)
        self.store(KEYS, 500)
        before = self.settled()["bytes"]
        self.assertGreater(self.recall(), 0.95)
        for which in range(TURNS):
            turn(which)
            info = self.settled()
            self.assertEqual((info["count"], info["linked"] >= COUNT), (COUNT, True))
            self.assertLessEqual(info["bytes"], 1.1 * before, f"turn {which}")
            self.assertGreater(self.recall(), 0.93)

    def half_again(self, which, delete, batch):
        """Delete a half and store it again."""
        half = [key for i, key in enumerate(KEYS) if (i // 7 + which) % 2]
        for at in range(0, len(half), delete):
            self.call("delete", "c", half[at:at + delete])
        self.store(half, batch)

    def test_half_in_batches(self):
        self.holds(lambda which: self.half_again(which, 500, 100))

    def test_half_one_by_one(self):
        self.holds(lambda which: self.half_again(which, COUNT, 1))

    def test_half_at_once(self):
        self.holds(lambda which: self.half_again(which, COUNT, COUNT))

    def test_all_replaced(self):
        self.holds(lambda which: self.store(KEYS, 20))

    def test_who_only_adds_does_not_wait(self):
        """There are rounds for new vectors, too: they take none of their room."""
        self.call("create", "c", DIM, index="hnsw", ef_construction=60)
        for i in range(4):
            self.store([f"{i} {key}" for key in KEYS[:COUNT // 4]], 50)
        info = self.settled()
        self.assertEqual((info["count"], info["linked"]), (COUNT, COUNT))


if __name__ == "__main__":
    print(f"CAIRN_SEED={SEED}")
    unittest.main()
