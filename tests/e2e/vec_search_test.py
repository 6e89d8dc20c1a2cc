#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""vec.search and vec.search_many against an exact oracle: metrics, indexes, filters of every
selectivity, ties, changes in between and at the same time."""

import os
import random
import struct
import sys
import threading
import unittest

from lib import ROOT, RpcError, encode, until
from lib.vec import VecTest, pack, random_vector, rounded, score

sys.path.append(os.path.join(ROOT, "tests", "model"))
import filter_model

SEED = int(os.environ.get("CAIRN_SEED", random.randrange(2 ** 32)))
DIM = 8


class SearchCase(VecTest):
    OPTIONS = {"server.loops": 2, "server.workers": 2}

    def setUp(self):
        super().setUp()
        self.random = random.Random(f"{SEED} {self._testMethodName}")

    def vector(self, dim=DIM):
        return rounded(random_vector(self.random, dim))

    def graph(self, name):
        """Wait until all is in the graph."""
        until(lambda: self.call("info", name)["state"] == "graph", "the graph is built")


class OracleTest(SearchCase):
    def search_all(self, name, oracle, exact, min_recall=0.9):
        recall = []
        for k in (1, 10, 100, 2000):
            for _ in range(5):
                vector = self.vector()
                reply = self.call("search", name, vector, k=k, ef=200, exact=exact)
                recall.append(oracle.check(self, reply, vector, k, min_recall=min_recall))
                if exact:
                    self.assertIs(reply["exact"], True)
        return sum(recall) / len(recall)

    def test_metrics_and_indexes(self):
        for metric in ("cosine", "l2", "dot"):
            for index in ("flat", "hnsw", "auto"):
                for quantization in ("none", "int8", "int8_only"):
                    name = f"{metric} {index} {quantization}"
                    with self.subTest(name=name):
                        oracle = self.fill(self.random, name, 600, DIM, metric, index=index,
                                           quantization=quantization)
                        self.search_all(name, oracle, exact=False, min_recall=0.5)
                        self.search_all(name, oracle, exact=True)
                        if index == "hnsw":
                            self.graph(name)
                            recall = self.search_all(name, oracle, exact=False, min_recall=0.5)
                            self.assertGreater(recall, 0.95)

    def test_shape(self):
        self.call("create", "c", 2)
        self.assertEqual(self.call("search", "c", [1, 2]),
                         {"items": [], "scanned": 0, "exact": True})
        self.assertEqual(self.call("search_many", "c", []), [])
        self.call("upsert", "c", "a", [1, 0], metadata={"x": [1]})
        self.call("upsert", "c", b"\xff", pack([0, 2]))
        self.assertEqual(self.call("search", "c", [3, 0]), {
            "items": [{"key": "a", "score": 1.0}, {"key": b"\xff", "score": 0.0}],
            "scanned": 2, "exact": True})
        self.assertEqual(self.call("search", "c", pack([3, 0]), k=1, with_metadata=True)["items"],
                         [{"key": "a", "score": 1.0, "metadata": {"x": [1]}}])
        self.assertEqual(
            self.call("search", "c", [0, 1], with_metadata=True, with_vectors=True)["items"],
            [{"key": b"\xff", "score": 1.0, "metadata": None, "vector": pack([0, 2])},
             {"key": "a", "score": 0.0, "metadata": {"x": [1]}, "vector": [1.0, 0.0]}])

    def test_known_scores(self):
        for metric, scores in (("cosine", [1, 0, -1]), ("l2", [1, 1 / (1 + 2 ** .5), 1 / 3]),
                               ("dot", [1, 0, -1])):
            self.call("create", metric, 2, metric=metric)
            self.call("upsert_many", metric, [["same", [1, 0]], ["right", [0, 1]],
                                              ["back", [-1, 0]]])
            items = self.call("search", metric, [1, 0])["items"]
            self.assertEqual([item["key"] for item in items], ["same", "right", "back"])
            for item, wanted in zip(items, scores):
                self.assertAlmostEqual(item["score"], wanted, places=6)

    def test_by_key(self):
        oracle = self.fill(self.random, "c", 300, DIM, "l2")
        for key in ("k0", "k1", "k299"):
            reply = self.call("search", "c", key=key, k=7)
            self.assertEqual(reply["items"][0], {"key": key, "score": 1.0})
            oracle.check(self, reply, oracle.rows[key][0], 7)
            self.assertEqual(self.call("search", "c", oracle.rows[key][0], k=7), reply)
        self.refuses("NOT_FOUND", "no such key", "search", "c", key="none")

    def test_many(self):
        for index in ("flat", "hnsw"):
            oracle = self.fill(self.random, index, 600, DIM, index=index,
                               metadata=lambda i: {"i": i})
            if index == "hnsw":
                self.graph(index)
            vectors = [self.vector() for _ in range(300)]
            options = {"k": 3, "with_metadata": True, "ef": 100}
            replies = self.call("search_many", index, [pack(vector) if i % 2 else vector
                                                       for i, vector in enumerate(vectors)],
                                **options)
            self.assertEqual(len(replies), 300)
            for vector, reply in zip(vectors, replies):
                oracle.check(self, reply, vector, 3, min_recall=0.3)
                self.assertEqual(self.call("search", index, vector, **options), reply)
                self.assertIs(reply["exact"], index == "flat")
            options["exact"] = True
            for vector, reply in zip(vectors, self.call("search_many", index, vectors, **options)):
                oracle.check(self, reply, vector, 3)
                self.assertEqual(self.call("search", index, vector, **options), reply)
            for vector, reply in zip(vectors, self.call("search_many", index, vectors, k=5,
                                                        filter={"i": {"$lt": 50}})):
                oracle.check(self, reply, vector, 5, lambda about: about["i"] < 50, 0.6)

    def test_nearly_all(self):
        """Where a walk would meet about every vector, all are looked at instead."""
        oracle = self.fill(self.random, "c", 600, DIM, index="hnsw")
        self.graph("c")
        vector = self.vector()
        for options, exact in (({"ef": 299}, False), ({"ef": 300}, True), ({"ef": 5000}, True),
                               ({"k": 300}, True), ({"ef": 300, "filter": {}}, True)):
            with self.subTest(options=options):
                reply = self.call("search", "c", vector, **options)
                self.assertIs(reply["exact"], exact)
                oracle.check(self, reply, vector, options.get("k", 10), min_recall=0.5)

    def test_min_score(self):
        for metric in ("cosine", "l2", "dot"):
            for index in ("flat", "hnsw"):
                name = f"{metric} {index}"
                oracle = self.fill(self.random, name, 300, DIM, metric, index=index)
                for _ in range(10):
                    vector = self.vector()
                    least = oracle.search(vector, 40)[-1][1] - 1e-4
                    for k in (10, 300):
                        items = self.call("search", name, vector, k=k, ef=300, min_score=least)[
                            "items"]
                        wanted = oracle.search(vector, k, min_score=least)
                        self.assertEqual(len(items), len(wanted))
                        self.assertTrue(all(item["score"] >= least - 1e-6 for item in items))
                self.assertEqual(self.call("search", name, vector, min_score=1e9)["items"], [])
                self.assertEqual(len(self.call("search", name, vector, min_score=-1e9)["items"]),
                                 10)

    def test_refused(self):
        self.call("create", "c", 2)
        self.call("upsert", "c", "a", [1, 2])
        for code, text, params, options in (
                ("BAD_ARGUMENT", "'vector' or 'key'", ["c"], {}),
                ("BAD_ARGUMENT", "'vector' or 'key'", ["c", [1, 2]], {"key": "a"}),
                ("BAD_ARGUMENT", "'k' must be at least 1", ["c", [1, 2]], {"k": 0}),
                ("LIMIT_EXCEEDED", "limits.page_items (10000)", ["c", [1, 2]], {"k": 10001}),
                ("BAD_ARGUMENT", "'ef' must be at least 1", ["c", [1, 2]], {"ef": 0}),
                ("LIMIT_EXCEEDED", "100000", ["c", [1, 2]], {"ef": 100001}),
                ("BAD_ARGUMENT", "min_score", ["c", [1, 2]], {"min_score": float("nan")}),
                ("BAD_ARGUMENT", "have 2", ["c", [1, 2, 3]], {}),
                ("BAD_ARGUMENT", "filter at '$or'", ["c", [1, 2]], {"filter": {"$or": 1}}),
                ("LIMIT_EXCEEDED", "255", ["c" * 256, [1, 2]], {})):
            with self.subTest(params=params, options=options):
                self.refuses(code, text, "search", *params, **options)
        self.refuses("LIMIT_EXCEEDED", "1000", "search_many", "c", [[1, 2]] * 1001)
        self.refuses("LIMIT_EXCEEDED", "1000000", "search_many", "c", [[1, 2]] * 101, k=10000)
        self.refuses("BAD_ARGUMENT", "'k'", "search_many", "c", [[1, 2]], k=0)
        self.assertEqual(len(self.call("search_many", "c", [[1, 2]] * 1000)), 1000)


class FilterTest(SearchCase):
    COUNT = 2000

    def check(self, name, oracle, filter_, accept, min_recall=0.95):
        total, recall = 0, 0
        for k in (1, 10, 100, self.COUNT + 5):
            for _ in range(3):
                vector = self.vector()
                reply = self.call("search", name, vector, k=k, filter=filter_, ef=100)
                recall += oracle.check(self, reply, vector, k, accept, 0.3)
                total += 1
        self.assertGreaterEqual(recall / total, min_recall, filter_)

    def test_selectivities(self):
        """From one match to all: there are always as many as there can be."""
        for index in ("flat", "hnsw"):
            oracle = self.fill(self.random, index, self.COUNT, DIM, index=index,
                               metadata=lambda i: {"i": i, "kind": "ab"[i % 2]})
            if index == "hnsw":
                self.graph(index)
            for matches in (0, 1, 2, 20, 200, 1000, self.COUNT):
                with self.subTest(index=index, matches=matches):
                    self.check(index, oracle, {"i": {"$lt": matches}},
                               lambda about, most=matches: about["i"] < most)
            self.check(index, oracle, {"kind": "a", "i": {"$gte": 500}},
                       lambda about: about["kind"] == "a" and about["i"] >= 500)
            self.check(index, oracle, {"nothing": 5}, lambda about: False)
            self.check(index, oracle, {"nothing": {"$ne": 5}}, lambda about: True)

    def test_clusters(self):
        """What matches is far from what is searched for, where no walk would come."""
        self.call("create", "c", 2, metric="l2", index="hnsw")
        rows = [[f"n{i}", [self.random.random(), self.random.random()], {"far": False}]
                for i in range(1500)]
        rows += [[f"f{i}", [1000 + i, 1000], {"far": True}] for i in range(20)]
        self.call("upsert_many", "c", rows)
        self.graph("c")
        items = self.call("search", "c", [0.5, 0.5], k=10, filter={"far": True})["items"]
        self.assertEqual([item["key"] for item in items], [f"f{i}" for i in range(10)])
        items = self.call("search", "c", [0.5, 0.5], k=100, filter={"far": True})["items"]
        self.assertEqual(len(items), 20)

    def test_odd_metadata(self):
        """Metadata of every shape, or none: no filter fails on it."""
        self.call("create", "c", 2)
        shapes = [None, {}, {"a": None}, {"a": []}, {"a": {"b": 1}}, {"a": b"\xff"}, {1: 2},
                  {"a": float("nan")}, {"a": 2 ** 64 - 1}, {"a": -2 ** 63}]
        self.call("upsert_many", "c", [[f"k{i}", [1, i], shape]
                                       for i, shape in enumerate(shapes)])
        for filter_, wanted in (({}, 10), ({"a": {"$exists": True}}, 7), ({"a": None}, 1),
                                ({"a.b": 1}, 1), ({"a": {"$gt": 0}}, 1), ({"a": {"$lt": 0}}, 1),
                                ({"$not": {"a": {"$exists": True}}}, 3),
                                ({"a": {"$contains": 1}}, 0)):
            found = self.call("search", "c", [1, 1], filter=filter_)["items"]
            self.assertEqual(len(found), wanted, filter_)
            self.assertEqual(self.call("count", "c", filter=filter_), wanted, filter_)


class RandomFilterTest(SearchCase):
    """Random filters over random metadata, as tests/model/filter_model.py makes and judges them."""

    ROWS, FILTERS = 150, 400

    def raw(self, method, *params):
        """A call whose params are encoded already."""
        self.c.last_id += 1
        self.c.waiting[self.c.last_id] = method
        self.c.send(b"\x94\x00" + encode(self.c.last_id) + encode(method) +
                    bytes([0x90 + len(params)]) + b"".join(params))
        return self.c.wait(self.c.last_id)

    def fill_random(self, chance, index):
        self.call("create", index, DIM, index=index)
        pieces = [chance.map(3, filter_model.KEYS) for _ in range(self.ROWS)]
        rows = [b"\x93" + encode(f"k{i:03}") + encode(pack(self.vector())) + chance.pack(piece)
                for i, piece in enumerate(pieces)]
        self.raw("vec.upsert_many", encode(index), b"\xdc" + struct.pack(">H", len(rows)) +
                 b"".join(rows))
        return pieces

    def test_filters(self):
        for index in ("flat", "hnsw"):
            chance = filter_model.Chance(self.random.randrange(2 ** 32))
            pieces = self.fill_random(chance, index)
            met = set()
            for _ in range(self.FILTERS):
                wanted = chance.filter(3)
                if wanted is None:
                    continue  # nil is none
                expected = filter_model.expected(wanted, pieces)
                options = b"\x82" + encode("k") + encode(1000) + encode("filter") + \
                    chance.pack(wanted)
                try:
                    found = self.raw("vec.search", encode(index), encode(self.vector()), options)
                except RpcError as error:
                    if error.code != "LIMIT_EXCEEDED":
                        self.assertIsNone(expected, (wanted, error))
                    continue
                self.assertIsNotNone(expected, wanted)
                keys = [f"k{i:03}" for i, matches in enumerate(expected) if matches]
                self.assertEqual(sorted(item["key"] for item in found["items"]), keys, wanted)
                options = b"\x81" + encode("filter") + chance.pack(wanted)
                self.assertEqual(self.raw("vec.count", encode(index), options), len(keys), wanted)
                met.add(len(keys))
            self.assertGreater(len(met), 10)


class ChangeTest(SearchCase):
    def test_ties(self):
        """Equal scores are in the order of their keys, whatever the order they came in."""
        for index in ("flat", "hnsw"):
            self.call("create", index, 2, index=index)
            keys = [f"k{i:02}" for i in range(50)]
            for key in self.random.sample(keys, len(keys)):
                self.call("upsert", index, key, [1, 1])
            self.call("upsert", index, "better", [1, 0.5])
            for k in (51, 60):
                items = self.call("search", index, [2, 1], k=k)["items"]
                self.assertEqual([item["key"] for item in items], ["better", *keys])
                self.assertEqual(len({item["score"] for item in items}), 2)

    def test_random_changes(self):
        """Upserts, deletes and changes of metadata between searches, of every index."""
        for metric, index, quantization in (("cosine", "flat", "none"), ("l2", "hnsw", "none"),
                                            ("dot", "hnsw", "int8"), ("cosine", "auto", "int8"),
                                            ("l2", "hnsw", "int8_only")):
            name = f"{metric} {index} {quantization}"
            oracle = self.fill(self.random, name, 50, DIM, metric, index=index,
                               quantization=quantization, metadata=lambda i: {"n": i % 3})
            for step in range(400):
                key = f"k{self.random.randrange(200)}"
                what = self.random.randrange(10)
                about = {"n": self.random.randrange(3)}
                if what < 5:
                    vector = self.vector()
                    self.call("upsert", name, key, pack(vector), metadata=about)
                    oracle.rows[key] = (oracle.stored(vector), about)
                elif what < 8:
                    existed = oracle.rows.pop(key, None) is not None
                    self.assertEqual(self.call("delete", name, [key]), existed)
                elif self.call("set_metadata", name, key, about) is not None:
                    oracle.rows[key] = (oracle.rows[key][0], about)
                vector = self.vector()
                reply = self.call("search", name, vector, k=10, ef=200)
                oracle.check(self, reply, vector, 10, min_recall=0.5)
                if step % 4 == 0:
                    n = self.random.randrange(3)
                    reply = self.call("search", name, vector, k=200, filter={"n": n})
                    oracle.check(self, reply, vector, 200, lambda meta, n=n: meta["n"] == n, 0.5)
            self.assertEqual(self.keys(name), sorted(oracle.rows))
            self.assertEqual(self.call("count", name), len(oracle.rows))

    def test_delete_all_and_again(self):
        for index in ("flat", "hnsw"):
            for _ in range(3):
                oracle = self.fill(self.random, index, 300, DIM, index=index)
                vector = self.vector()
                oracle.check(self, self.call("search", index, vector, ef=300), vector, 10,
                             min_recall=0.7)
                self.call("delete", index, list(oracle.rows))
                self.assertEqual(self.call("search", index, vector)["items"], [])
                self.assertEqual(self.call("search", index, vector, exact=True)["items"], [])
            self.assertEqual(self.call("info", index)["count"], 0)


class AtOnceTest(SearchCase):
    """Several connections at the same time."""

    def clients(self, *bodies):
        """Each body with a connection of its own until the first has ended; errors are raised."""
        errors, done = [], threading.Event()
        run = self._testMethodName

        def work(body, client):
            try:
                client.call("run.use", run)
                body(client, done)
            except Exception as error:  # shown by the thread of the test
                errors.append(error)
                done.set()
        threads = [threading.Thread(target=work, args=(body, self.connect())) for body in bodies]
        for thread in threads:
            thread.start()
        threads[0].join()
        done.set()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def test_drop_during_searches(self):
        vectors = [pack(self.vector(32)) for _ in range(50)]

        def searching(client, done):
            while not done.is_set():
                try:
                    for reply in client.call("vec.search_many", "c", vectors, k=20,
                                             with_vectors=True, with_metadata=True):
                        for item in reply["items"]:
                            assert item["metadata"] == {"key": item["key"]}, item
                except RpcError as error:
                    assert error.code == "NOT_FOUND", error

        def dropping(client, _):
            for turn in range(8):
                client.call("vec.create", "c", 32, index=("hnsw", "flat")[turn % 2])
                for _ in range(5):
                    client.call("vec.upsert_many", "c", [
                        [f"k{i}", vectors[i % 50], {"key": f"k{i}"}] for i in range(400)])
                assert client.call("vec.drop", "c") is True
        self.clients(dropping, searching, searching, searching)
        self.assertEqual(self.call("list")["items"], [])

    def test_same_keys(self):
        """Upserts and deletes of the same few keys: a search never shows a key twice, one that
        cannot be, or a vector with the metadata of another."""
        for index in ("flat", "hnsw"):
            self.call("create", index, 4, index=index, metric="l2")
            self.call("upsert_many", index, [[f"still{i}", [9, 9, 9, i], {"n": i}]
                                             for i in range(500)])

            def writing(client, done, index=index):
                source, n = random.Random(f"{SEED} {id(client)}"), 0
                while not done.is_set() and n < 400:
                    n += 1
                    key, value = f"k{source.randrange(5)}", source.randrange(100)
                    if source.random() < 0.3:
                        client.call("vec.delete", index, [key])
                    else:
                        client.call("vec.upsert", index, key, [value, 0, 0, 1],
                                    metadata={"n": value})

            def searching(client, done, index=index):
                while not done.is_set():
                    items = client.call("vec.search", index, [0, 0, 0, 0], k=10, ef=50,
                                        with_vectors=True, with_metadata=True)["items"]
                    assert len(items) == 10, items
                    assert len({item["key"] for item in items}) == 10, items
                    for item in items:
                        at = 3 if item["key"].startswith("still") else 0
                        assert item["vector"][at] == item["metadata"]["n"], item
                        wanted = score("l2", [0] * 4, item["vector"])
                        assert abs(item["score"] - wanted) < 1e-5, item
            self.clients(writing, writing, writing, searching, searching)
            left = self.call("keys", index, prefix="k", with_vectors=True)["items"]
            self.assertEqual(self.call("count", index), 500 + len(left))
            for item in left:
                self.assertEqual(item["vector"][0], item["metadata"]["n"])
                found = self.call("search", index, item["vector"], k=1, ef=200)["items"]
                self.assertEqual(found[0]["score"], 1.0)

    def test_seen_at_once(self):
        """What was acknowledged on one connection is found on another; what was deleted is not."""
        for index in ("flat", "hnsw"):
            self.call("create", index, DIM, index=index)
            other = self.connect()
            other.call("run.use", self._testMethodName)
            for i in range(500):
                vector = self.vector()
                self.call("upsert", index, f"k{i}", vector)
                found = other.call("vec.search", index, vector, k=1)["items"]
                self.assertAlmostEqual(found[0]["score"], 1.0, places=5)
                if i % 3 == 0:
                    self.assertEqual(found[0]["key"], f"k{i}")
                    self.call("delete", index, [f"k{i}"])
                    found = other.call("vec.search", index, vector, k=3)["items"]
                    self.assertNotIn(f"k{i}", [item["key"] for item in found])

    def test_searches_do_not_hold_up_others(self):
        """Long searches are for the workers: another request of the same loop overtakes them."""
        self.call("create", "c", 64)
        vectors = [pack(self.vector(64)) for _ in range(200)]
        self.call("upsert_many", "c", [[f"k{i}", vectors[i % 200]] for i in range(3000)])
        search = self.c.prepare("vec.search_many", ["c", vectors, {"k": 5, "exact": True}])
        first = self.c.last_id
        self.c.send(search + self.c.prepare("ping", []))
        message = self.c.message()
        self.assertEqual(message[1], first + 1, "ping did not overtake")
        self.c.waiting.pop(first + 1)
        self.assertEqual(len(self.c.wait(first)), 200)


if __name__ == "__main__":
    print(f"CAIRN_SEED={SEED}", flush=True)
    unittest.main()
