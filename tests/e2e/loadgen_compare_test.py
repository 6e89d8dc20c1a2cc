#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen compare: verdicts, gates and exit codes from files whose differences are known."""

import copy
import os
import random
import unittest

from lib.loadgen import Case, run
from lib.server import ROOT

SEED = 11
NAME = "get/d3/c50/P1/memory"


def document(rate=100000.0, noise=0.01, rows=20, seed=SEED, name=NAME):
    """What --json writes about one test, as far as compare reads it."""
    dice = random.Random(seed)
    series = [{"ops_per_sec": rate * dice.gauss(1, noise),
               "median_ns": 4e10 / rate * dice.gauss(1, noise),
               "p99_ns": 9e10 / rate * dice.gauss(1, noise)} for _ in range(rows)]
    result = {"ops_per_sec": rate, "median_ns": int(4e10 / rate), "p99_ns": int(9e10 / rate),
              "warnings": [], "series": series}
    return {"version": "2.0", "results": {name: result}}


class Compare(Case):
    """Each test writes its files and looks at the exit code and the words."""

    def run_it(self, *words):
        """(exit code, standard output, standard error)."""
        done = run("compare", *words, status=(0, 1, 2, 3))
        return done.returncode, done.stdout, done.stderr

    def compare(self, old, new, *options):
        """The same of two documents."""
        return self.run_it(*options, self.file("old.json", old), self.file("new.json", new))

    def line(self, text, title):
        """The line of a figure."""
        return next(line for line in text.splitlines() if line.strip().startswith(title))

    def test_equal(self):
        code, out, _ = self.compare(document(), document(seed=SEED + 1))
        self.assertEqual(code, 0, out)
        self.assertIn("no difference shown", self.line(out, "throughput"))
        self.assertIn("0 worse, 0 better, of 3 figures", out)

    def test_slower(self):
        code, out, _ = self.compare(document(), document(rate=80000))
        self.assertEqual(code, 1, out)
        self.assertRegex(self.line(out, "throughput"), r" 0\.800 .* worse")
        self.assertRegex(self.line(out, "p50"), r" 1\.250 .* worse")
        self.assertEqual(self.compare(document(), document(rate=80000), "--threshold", "30%")[0], 0)

    def test_faster(self):
        code, out, _ = self.compare(document(), document(rate=130000))
        self.assertEqual(code, 0, out)
        self.assertIn("better", self.line(out, "p99"))

    def test_below_the_threshold(self):
        """Certain, but too small to matter."""
        code, out, _ = self.compare(document(noise=0.001), document(rate=97000, noise=0.001))
        self.assertEqual(code, 0, out)
        self.assertEqual(
            self.compare(document(noise=0.001), document(rate=97000, noise=0.001),
                         "--threshold=2")[0], 1)

    def test_an_unstable_run_proves_nothing(self):
        """The rates of both runs differ by 40 % from interval to interval."""
        code, out, _ = self.compare(document(noise=0.4), document(rate=40000, noise=0.4, seed=5))
        self.assertEqual(code, 3, out)
        self.assertIn("too few runs, unstable", out)

    def test_noise_is_no_regression(self):
        """6 % slower on the whole, but runs differ by 20 % anyway."""
        old, new = document(noise=0.2), document(rate=94000, noise=0.2, seed=5)
        for side in (old, new):
            side["results"][NAME]["runs"] = side["results"][NAME].pop("series")
        code, out, _ = self.compare(old, new)
        self.assertEqual(code, 0, out)
        self.assertIn("unstable", self.line(out, "throughput"))

    def test_one_figure_proves_nothing(self):
        code, out, _ = self.compare(document(rows=0), document(rate=50000, rows=0))
        self.assertEqual(code, 3, out)
        self.assertIn("too few runs", out)

    def test_runs_go_before_intervals(self):
        old, new = document(rate=100000), document(rate=100000)
        for side, rate in ((old, 100000), (new, 60000)):
            rows = side["results"][NAME].pop("series")
            side["results"][NAME]["runs"] = [
                {key: value * (rate / 1e5 if key == "ops_per_sec" else 1)
                 for key, value in row.items()} for row in rows]
        code, out, _ = self.compare(old, new)
        self.assertEqual(code, 1, out)
        self.assertIn("worse", self.line(out, "throughput"))
        self.assertNotIn("within one run", out)

    def test_names_that_differ(self):
        code, out, _ = self.compare(document(), document(name="set/d3/c50/P1/memory"))
        self.assertEqual(code, 3)
        self.assertIn(NAME + ": only in old", out)
        self.assertIn("set/d3/c50/P1/memory: only in new", out)

    def test_warnings_are_repeated(self):
        new = document()
        new["results"][NAME]["warnings"] = [{"name": "misses", "text": "..."}]
        self.assertIn("warning: new: misses", self.compare(document(), new)[1])

    def gates(self, gate, *documents):
        """Judge by one gate."""
        row = {"name": "a gate", "result": "get/*", "metric": "p99_ns", **gate}
        paths = [self.file(f"{i}.json", content) for i, content in enumerate(documents)]
        return self.run_it("--gates", self.file("gates.json", {"gates": [row]}), *paths)

    def test_gates(self):
        """p99 is 0.9 ms."""
        for bounds, code, word in (
                ({"stretch": 1e6, "target": 2e6}, 0, "stretch "),
                ({"stretch": 5e5, "target": 1e6}, 0, "target "),
                ({"target": 5e5, "acceptable": 1e6}, 0, "acceptable "),
                ({"target": 5e5, "acceptable": 8e5}, 1, "missed "),
                ({"target": 5e5}, 1, "missed "),
                ({"target": 5e5, "counts": False}, 0, "context "),
                ({"target": 5e5, "result": "set/*"}, 0, "no result "),
                ({"target": 2e5, "metric": "ops_per_sec"}, 1, "missed "),
                ({"target": 1e5, "metric": "ops_per_sec"}, 0, "target ")):
            with self.subTest(bounds):
                got, out, _ = self.gates(bounds, document())
                self.assertEqual(got, code, out)
                self.assertIn("  " + word, out)

    def test_wrong_gates(self):
        """What nobody holds would look like what is kept."""
        row = {"name": "a gate", "result": "get/*", "metric": "p99_ns", "target": 1e6}
        for rows, detail in (
                ([{**row, "metric": "p98_ns"}], "gate number 1: metric has to be"),
                ([row, {**row, "name": "b", "result": ""}], "gate number 2: result"),
                ([{**row, "target": 0}], "gate number 1: target"),
                ([{**row, "name": "a" * 201}], "gate number 1: name has more than 200 bytes"),
                ([row, row], "gate number 2: another has this name"),
                ([], "has no gates")):
            with self.subTest(detail):
                code, _, err = self.run_it("--gates", self.file("gates.json", {"gates": rows}),
                                           self.file("new.json", document()))
                self.assertEqual(code, 2)
                self.assertIn(detail, err)

    def test_gate_and_comparison(self):
        code, out, _ = self.gates({"target": 1}, document(), document())
        self.assertEqual(code, 1)
        self.assertIn("no difference shown", out)

    def test_our_gates_are_read(self):
        code, out, _ = self.run_it("--gates", os.path.join(ROOT, "bench", "gates.json"),
                                   self.file("new.json", document()))
        self.assertEqual(code, 0, out)
        self.assertIn("context", out)

    def test_wrong_usage(self):
        good = self.file("good.json", document())
        for words, detail in (
                ([], "give two files"), ([good], "give two files"), ([good] * 3, "give two files"),
                (["--threshold", "fast", good, good], "percentage"),
                (["--threshold"], "value is missing"), (["--nonsense", good, good],
                                                      "unknown option"),
                ([good, "/nonexistent"], "cannot read /nonexistent"),
                ([good, self.file("text", "no json")], "is not JSON: line 1"),
                ([good, self.file("list", "[]")], "holds no JSON object"),
                ([good, self.file("other", {"version": "1"})], "not what loadgen --json writes"),
                ([good, self.file("twice", '{"version": "2.0", "version": "2.0"}')], "not JSON"),
                (["--gates", "/nonexistent", good], "cannot read")):
            self.refused((("compare", *words), detail))
        self.assertEqual(self.run_it("--help")[0], 0)

    def test_hostile_files(self):
        """Members of other types than expected are as good as absent."""
        values = [None, True, "x", -1, 0, 1e308, [], {}, [[]], [{"ops_per_sec": "x"}]]
        dice = random.Random(SEED)
        for _ in range(60):
            bad = copy.deepcopy(document())
            result = bad["results"][NAME]
            for key in ("ops_per_sec", "series", "warnings", "runs", "median_ns"):
                if dice.random() < 0.5:
                    result[key] = dice.choice(values)
            if dice.random() < 0.2:
                bad["results"][NAME] = dice.choice(values)
            code, out, err = self.compare(document(), bad)
            self.assertIn(code, (0, 1, 3), (bad, out, err))
            self.assertNotIn("nan", out)


if __name__ == "__main__":
    print("seed", SEED)
    unittest.main()
