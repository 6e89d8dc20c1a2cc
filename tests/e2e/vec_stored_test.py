#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Collections outlive the server: stopped, killed, from the log, from snapshots, again and again.
After each start they are what an oracle says, and every search finds what it has to."""

import os
import random
import unittest

from lib import until
from lib.stored import Stored
from lib.vec import Oracle, pack, random_vector, rounded

SEED = int(os.environ.get("CAIRN_SEED", random.randrange(2 ** 32)))
DIM = 6
COLLECTIONS = {"flat": ("cosine", "flat", "none"), "graph": ("l2", "hnsw", "none"),
               "bytes": ("dot", "hnsw", "int8"), "codes": ("cosine", "hnsw", "int8_only"),
               "auto": ("cosine", "auto", "none")}


class StoredTest(Stored):
    def setUp(self):
        super().setUp()
        self.random = random.Random(f"{SEED} {self._testMethodName}")
        self.oracles = {}

    def change(self, client, changes):
        """Random changes, in the oracles, too."""
        for _ in range(changes):
            name = self.random.choice(list(COLLECTIONS))
            if name not in self.oracles or self.random.random() < 0.003:
                self.remake(client, name)
            rows = self.oracles[name].rows
            what = self.random.random()
            if what < 0.6:
                batch = {}
                for _ in range(self.random.randrange(1, 12)):
                    vector = rounded(random_vector(self.random, DIM))
                    batch[f"k{self.random.randrange(400)}"] = (
                        vector, {"n": self.random.randrange(5)})
                client.call("vec.upsert_many", name,
                            [[key, pack(vector) if self.random.random() < 0.5 else vector, about]
                             for key, (vector, about) in batch.items()])
                rows.update({key: (self.oracles[name].stored(vector), about)
                             for key, (vector, about) in batch.items()})
            elif what < 0.85:
                keys = [f"k{self.random.randrange(400)}" for _ in range(5)]
                client.call("vec.delete", name, keys)
                for key in keys:
                    rows.pop(key, None)
            elif rows:
                key = self.random.choice(list(rows))
                about = {"n": self.random.randrange(5)}
                client.call("vec.set_metadata", name, key, about)
                rows[key] = (rows[key][0], about)

    def remake(self, client, name):
        metric, index, quantization = COLLECTIONS[name]
        client.call("vec.drop", name)
        client.call("vec.create", name, DIM, metric=metric, index=index, quantization=quantization)
        self.oracles[name] = Oracle(metric, quantization=quantization)

    def check(self, client):
        page = client.call("vec.list")
        self.assertEqual([item["collection"] for item in page["items"]], sorted(self.oracles))
        for name, oracle in self.oracles.items():
            with self.subTest(name=name, seed=SEED):
                items = client.call("vec.keys", name, limit=1000, with_vectors=True)["items"]
                found = {item["key"]: (item["vector"], item["metadata"]) for item in items}
                self.assertEqual(
                    {key: (pack(vector) if isinstance(vector, list) else vector, about)
                     for key, (vector, about) in found.items()},
                    {key: (pack(vector), about) for key, (vector, about) in oracle.rows.items()})
                self.assertEqual(client.call("vec.count", name), len(oracle.rows))
                for _ in range(10):
                    vector = rounded(random_vector(self.random, DIM))
                    for k in (1, 10, 500):
                        reply = client.call("vec.search", name, vector, k=k, ef=300)
                        oracle.check(self, reply, vector, k, min_recall=0.5)
                        reply = client.call("vec.search", name, vector, k=k, filter={"n": 2})
                        oracle.check(self, reply, vector, k, lambda about: about["n"] == 2, 0.5)
                    reply = client.call("vec.search", name, vector, k=20, exact=True)
                    oracle.check(self, reply, vector, 20)

    def restarts(self, stop, **options):
        for _ in range(4):
            server = self.start(**options)
            with server.connect() as client:
                self.check(client)
                self.change(client, 150)
                self.check(client)
            stop(server)
        server = self.start(**options)
        with server.connect() as client:
            self.check(client)
        server.stop()

    def test_log(self):
        self.restarts(lambda server: server.stop(), **{"snapshot.on_shutdown": "false"})
        self.assertEqual(self.snapshots(), [])

    def test_kill(self):
        self.restarts(self.kill, mode="strict")

    def test_snapshot(self):
        self.restarts(lambda server: server.stop(), **{"snapshot.on_shutdown": "true"})
        self.assertNotEqual(self.snapshots(), [])

    def test_snapshot_while_writing(self):
        """Taken while others write, and the server killed afterwards: log and snapshot together."""
        for _ in range(3):
            server = self.start(mode="strict")
            with server.connect() as client:
                self.check(client)
                taken = client.call("server.snapshots")["taken"]
                client.call("server.snapshot")
                self.change(client, 100)
                until(lambda: client.call("server.snapshots")["taken"] > taken, "snapshot taken")
                self.change(client, 30)
            self.kill(server)
        self.check_after(mode="strict")

    def check_after(self, **options):
        server = self.start(**options)
        with server.connect() as client:
            self.check(client)
        server.stop()

    def test_graph_is_not_built_again(self):
        """A snapshot has the graph: nothing waits to be linked after a start from it."""
        server = self.start(**{"snapshot.on_shutdown": "true"})
        with server.connect() as client:
            client.call("vec.create", "c", DIM, index="hnsw")
            for at in range(0, 1500, 500):
                client.call("vec.upsert_many", "c", [
                    [f"k{at + i}", random_vector(self.random, DIM)] for i in range(500)])
            until(lambda: client.call("vec.info", "c")["state"] == "graph", "built")
        server.stop()
        server = self.start()
        with server.connect() as client:
            info = client.call("vec.info", "c")
            self.assertGreaterEqual(info["linked"], 1400)
            self.assertEqual(info["count"], 1500)
        server.stop()

    def test_runs(self):
        """Collections of runs are apart, and those of a dropped run are gone."""
        server = self.start()
        with server.connect() as client:
            for run in ("a", "b"):
                client.call("vec.create", "c", 2, run=run)
                client.call("vec.upsert", "c", f"of {run}", [1, 2], run=run)
            client.call("run.drop", "a")
        server.stop()
        server = self.start()
        with server.connect() as client:
            self.assertIsNone(client.call("vec.info", "c", run="a"))
            self.assertEqual(client.call("vec.keys", "c", run="b")["items"], ["of b"])
            self.assertEqual(client.call("vec.search", "c", [1, 2], run="b")["items"],
                             [{"key": "of b", "score": client.call(
                                 "vec.search", "c", key="of b", run="b")["items"][0]["score"]}])
        server.stop()

    def test_states_beside_collections(self):
        """Whoever refers to a part of a state is counted at a start, in runs behind one with
        collections, too: else the part would go with the first who names it."""
        server = self.start(mode="strict")
        with server.connect() as client:
            for i in range(64):
                client.call("vec.create", f"c{i}", 2, run="first")
            for i in range(32):
                client.call("ckpt.session_create", f"s{i}", delta=True, run="second")
                for step in range(3):
                    client.call("ckpt.save", f"s{i}", {"same": b"x" * 9000, "step": step},
                                id=f"id{step}", run="second")
        self.kill(server)
        server = self.start(mode="strict")
        with server.connect() as client:
            for i in range(32):
                client.call("ckpt.delete", f"s{i}", "id0", run="second")
            self.assertEqual(client.call("ckpt.validate", run="second"),
                             {"valid": 64, "invalid": 0, "ids": []})
        self.kill(server)

    def test_atomic_batches(self):
        """A start shows all of an atomic batch or none of it, whenever the server was killed."""
        for turn in range(3):
            server = self.start(mode="buffered")
            client = server.connect()
            if turn == 0:
                client.call("vec.create", "c", 2)
            done = client.call("kv.get", "n") or 0
            for n in range(done + 1, done + 301):
                calls = [["vec.upsert", ["c", "first", [1, n], {"metadata": {"n": n}}]],
                         ["vec.upsert", ["c", f"k{n}", [1, n]]],
                         ["vec.delete", ["c", [f"k{n - 5}"]]],
                         ["vec.set_metadata", ["c", f"k{n - 1}", {"n": n}]],
                         ["kv.put", ["n", n]]]
                client.post("batch", calls, atomic=True)
                if n == done + 200:
                    client.call("ping")
            self.kill(server)
            client.close()
            server = self.start()
            with server.connect() as client:
                n = client.call("kv.get", "n") or 0
                rows = {item["key"]: item for item in client.call(
                    "vec.keys", "c", with_vectors=True)["items"]}
                self.assertEqual(set(rows), {"first"} | {
                    f"k{i}" for i in range(max(1, n - 4), n + 1)} if n else set())
                if n:
                    self.assertEqual((rows["first"]["vector"], rows["first"]["metadata"]),
                                     ([1, n], {"n": n}))
                    self.assertIsNone(rows[f"k{n}"]["metadata"])
                if n > 1:
                    self.assertEqual(rows[f"k{n - 1}"]["metadata"], {"n": n})
            self.kill(server)

    def test_dropped_stays_dropped(self):
        server = self.start(mode="strict")
        with server.connect() as client:
            client.call("vec.create", "c", 2)
            client.call("vec.upsert_many", "c", [[f"k{i}", [1, i]] for i in range(3000)])
            client.call("vec.drop", "c")
            client.call("vec.create", "c", 3)
            client.call("vec.upsert", "c", "only", [1, 2, 3])
        self.kill(server)
        server = self.start()
        with server.connect() as client:
            self.assertEqual(client.call("vec.info", "c")["dim"], 3)
            self.assertEqual(client.call("vec.keys", "c")["items"], ["only"])
            until(lambda: client.call("server.info")["keyspace"]["records"] == 2,
                  "what was in it is deleted")
        server.stop()


if __name__ == "__main__":
    print(f"CAIRN_SEED={SEED}", flush=True)
    unittest.main()
