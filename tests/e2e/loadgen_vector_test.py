#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The workloads of loadgen that store and search vectors: what the server holds afterwards is what
was said, and the recall that is reported is the one of what was found. Seeds are fixed."""

import csv
import json
import math
import struct
import unittest

from lib.loadgen import RunCase, result_of, results_of, run

VECTORS, DIM, QUERIES = 2000, 16, 300
SMALL = ("--vectors", VECTORS, "--dim", DIM, "--queries", QUERIES)


def floats(data):
    return struct.unpack(f"<{len(data) // 4}f", data)


class VectorTest(RunCase):
    def document(self, *args):
        document = json.loads(run("-u", self.rpc, "--json", *args).stdout)
        self.assertEqual({result["errors"] for result in document["results"].values()}, {0})
        return document

    def load(self, *args):
        results = results_of(run("-u", self.rpc, "--json", *args))
        self.assertEqual({result["errors"] for result in results.values()}, {0})
        return results

    def keys(self, **options):
        found, cursor = [], None
        while True:
            page = self.c.call("vec.keys", "loadgen", cursor=cursor, limit=1000, **options)
            found += page["items"]
            cursor = page["cursor"]
            if cursor is None:
                return found

    def assert_stored(self):
        """All are there, each with a vector and a number of its own."""
        items = self.keys(with_vectors=True)
        self.assertEqual([item["key"] for item in items],
                         [f"key:{i:012}" for i in range(VECTORS)])
        self.assertEqual(len({bytes(item["vector"]) for item in items}), VECTORS)
        numbers = [item["metadata"]["u"] for item in items]
        self.assertEqual(len(set(numbers)), VECTORS)
        self.assertTrue(all(0 <= number < 1 for number in numbers))
        self.assertAlmostEqual(sum(numbers) / VECTORS, 0.5, delta=0.05)

    def test_preload(self):
        """Once, in batches of which the last is smaller."""
        before = self.calls()
        document = self.document("-t", "vec_get", "-n", 200, "--preload", "--batch", 300,
                                 "--keys-check", *SMALL)
        result, = document["results"].values()
        self.assertEqual((result["hits"], result["misses"]), (200, 0))
        self.assertEqual((self.calls() - before)["vec.upsert_many"], 7)
        self.assert_stored()
        built = document["collection"]
        self.assertEqual((built["stored"], built["count"], built["tail"]), (VECTORS, VECTORS, 0))
        self.assertGreater(built["build_per_sec"], 0)
        info = self.c.call("vec.info", "loadgen")
        self.assertEqual((info["dim"], info["metric"]), (DIM, "cosine"))

    def test_upsert_one_by_one(self):
        """The same vectors as those of --preload."""
        self.load("-t", "vec_upsert", "-n", VECTORS, "--key-pattern", "sequential", *SMALL)
        self.assert_stored()
        one = self.keys(with_vectors=True)
        self.load("-t", "vec_set_metadata,vec_upsert_many", "-n", 50, "--preload", *SMALL)
        self.assertEqual([(item["key"], item["vector"], item["metadata"]) for item in one],
                         [(item["key"], item["vector"], item["metadata"])
                          for item in self.keys(with_vectors=True)])

    def test_delete(self):
        self.load("-t", "vec_delete", "-n", 100, "--key-pattern", "sequential", "--preload", *SMALL)
        self.assertEqual(self.c.call("vec.count", "loadgen"), VECTORS - 100)

    def test_options_reach_the_server(self):
        self.load("-t", "vec_get", "-n", 1, "--metric", "l2", "--index", "hnsw", "--hnsw-m", 8,
                  "--ef-construction", 50, "--quantization", "int8", "--collection", "other",
                  *SMALL)
        info = self.c.call("vec.info", "other")
        self.assertEqual([info[key] for key in ("metric", "index", "m", "ef_construction",
                                                "quantization", "count")],
                         ["l2", "hnsw", 8, 50, "int8", 0])
        self.refused((("-u", self.rpc, "-t", "vec_get", "-n", 1, "--metric", "dot", "--collection",
                       "other", *SMALL), "vec.create: the server refuses"), status=3)

    def test_exact_recall(self):
        """A search of everything finds everything, for every metric, with filters or without."""
        for metric in ("cosine", "l2", "dot"):
            for share in (1, 0.1, 0.002):
                result = self.load("-t", "vec_search,vec_search_many", "-n", 100, "--exact",
                                   "--preload", "--metric", metric, "--collection", metric,
                                   "--filter-selectivity", share, "--recall", "all", "--batch", 9,
                                   *SMALL)
                for test in result.values():
                    recall = test["recall"]
                    self.assertEqual((recall["mean"], recall["min"], recall["few"],
                                      recall["wrong"]), (1, 1, 0, 0), (metric, share))
                self.assertGreaterEqual(result["vec_search"]["recall"]["scored"], 100)

    def test_recall_is_that_of_what_is_found(self):
        """If a third of the vectors were never stored, that much is missing."""
        self.load("-t", "vec_upsert", "-n", VECTORS * 2 // 3, "--key-pattern", "sequential",
                  *SMALL)
        done = run("-u", self.rpc, "--json", "-t", "vec_search", "-n", QUERIES, "--exact", *SMALL)
        self.assertIn(f"has {VECTORS * 2 // 3} vectors", done.stderr)
        result = result_of(done)
        self.assertAlmostEqual(result["recall"]["mean"], 2 / 3, delta=0.05)
        self.assertLess(result["recall"]["min"], 0.6)

    def test_operating_points(self):
        """One test for each --ef; more candidates find more."""
        document = self.document("-t", "vec_search", "-n", QUERIES, "--preload", "--index", "hnsw",
                                 "--hnsw-m", 4, "--ef-construction", 8, "--k", 20, "--ef",
                                 "20,40,200", "--html", self.path("page"), *SMALL)
        text = self.read("page")
        rows = {result["vector"]["ef"]: result["recall"] for result in
                document["results"].values()}
        self.assertEqual(set(rows), {20, 40, 200})
        self.assertLess(rows[20]["mean"], rows[200]["mean"])
        self.assertGreater(rows[200]["mean"], 0.95)
        self.assertEqual({row["k"] for row in rows.values()}, {20})
        self.assertEqual([name.split("/")[4] for name in document["results"]],
                         ["ef20", "ef40", "ef200"])
        self.assertIn("Throughput against recall", text)
        self.assertEqual(text.count("dots"), 4)  # a style, and three lines

    def test_gate(self):
        """Gates on recall are judged as others are."""
        document = self.document("-t", "vec_search", "-n", QUERIES, "--preload", "--exact", *SMALL)
        for target, missed in ((0.95, False), (1.01, True)):
            gates = self.file("gates", {"gates": [{"name": "recall", "result": "vec_search/*",
                                                   "metric": "recall.mean", "target": target}]})
            done = run("compare", "--gates", gates, self.file("results", document),
                       status=int(missed))
            self.assertEqual("missed" in done.stdout, missed, done.stdout + done.stderr)

    def test_embedding_workflow(self):
        """A document and its vector are stored, and the document of the nearest is found."""
        before = self.calls()
        result = self.load("--workload", "embedding_workflow", "-n", 200, "-d", 50,
                           *SMALL)["embedding"]
        done = self.calls() - before
        self.assertEqual([done[name] for name in ("vec.upsert", "vec.search", "kv.get")],
                         [200, 200, 200])
        self.assertEqual(done["kv.put"], VECTORS + 200)
        self.assertEqual((result["count"], result["hits"], result["misses"]), (200, 200, 0))
        self.assertEqual(list(result["steps"]),
                         ["1 set", "2 vec_upsert", "3 vec_search", "4 best_get"])
        self.assertGreater(result["recall"]["mean"], 0.9)

    def test_mix(self):
        """Searches while vectors are replaced by themselves: recall is not touched."""
        result, = self.load("--mix", "vec_search=2,vec_upsert=1,get=1", "-n", 400, "--preload",
                            "--exact", *SMALL).values()
        self.assertEqual(result["recall"]["mean"], 1)
        self.assertGreater(result["by_request"]["vec_upsert"]["count"], 50)
        result, = self.load("--mix", "vec_search=2,vec_delete=1", "-n", 100, *SMALL).values()
        self.assertNotIn("recall", result)

    def test_script(self):
        """Words of a script can do the same."""
        path = self.file("script",
                         "vec.search __collection__ { vector __query__ k 10 exact true }\n"
                         "vec.upsert __collection__ __key__ __vector__ { metadata __metadata__ }\n")
        result, = self.load("--script", path, "-n", 200, "--preload", *SMALL).values()
        self.assertEqual(result["recall"]["mean"], 1)
        self.assert_stored()

    def test_dataset(self):
        """Rows of a file are stored as they are; its last rows are the queries."""
        rows = [[math.sin(i * 7 + e * e) for e in range(5)] for i in range(300)]
        head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (300, 5), }\n"
        data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + b"".join(
            struct.pack("<5f", *row) for row in rows)
        result = self.load("-t", "vec_search", "--dataset", self.file("rows.npy", data), "-n", 40,
                           "--queries", 40, "--preload", "--exact")["vec_search"]
        self.assertEqual((result["vector"]["vectors"], result["vector"]["dim"]), (260, 5))
        self.assertEqual((result["recall"]["mean"], result["recall"]["scored"]), (1, 40))
        for i in (0, 259):
            vector = self.c.call("vec.get", "loadgen", f"key:{i:012}")["vector"]
            self.assertEqual(vector, struct.pack("<5f", *rows[i]))

    def test_other_outputs(self):
        done = run("-u", self.rpc, "-t", "vec_search", "-n", 100, "--preload", "--csv-ext", *SMALL)
        (row,) = csv.DictReader(done.stdout.splitlines())
        self.assertTrue(0.5 < float(row["recall"]) <= 1, done.stdout)
        done = run("-u", self.rpc, "-t", "vec_search", "-n", 100, *SMALL)
        self.assertIn("2,000 vectors of 16 elements, cosine", done.stdout)
        self.assertRegex(done.stdout, r"recall +[01]\.\d+ mean")

    def test_refused(self):
        get = ("-u", self.rpc, "-t", "vec_get")
        self.refused(
            (("-u", self.resp, "-t", "vec_search"), "in protocol resp2: vec_search;"),
            ((*get, "--verify"), "give no --verify"),
            ((*get, "-r", 5), "give no -r"),
            ((*get, "--ef", "1,1"), "--ef takes"),
            ((*get, "--recall", "x"), "--recall takes"),
            ((*get, "--metric", "x"), "cosine, l2 or dot"),
            ((*get, "--filter-selectivity", 0), "above 0"),
            ((*get, "--dataset", "/dev/null"), "--dataset"),
            (("-u", self.rpc, "-t", "vec_search", "--knee", "--ef", "1,2"), "one --ef"))
        self.refused(((*get, "--index", "x"), "the server refuses"), status=3)


if __name__ == "__main__":
    unittest.main()
