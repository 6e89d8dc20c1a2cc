#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen --run-count, --save-baseline and --baseline: runs are counted by a server that sees each
of them, and a server that is known to be slower must be found to be."""

import json
import os
import re
import signal
import statistics
import subprocess
import tempfile
import time
import unittest

from lib.fake_server import FakeServer
from lib.server import ROOT, environment, until

LOADGEN = os.environ.get("LOADGEN", "loadgen")


def served(_words, _number):
    return b"+OK\r\n"


def slowly(_words, _number):
    """Long enough not to be taken for noise."""
    time.sleep(0.02)
    return b"+OK\r\n"


def refused(_words, _number):
    return b"-ERR no\r\n"


class Folder(unittest.TestCase):
    """A folder for baselines, and loadgen run against a server."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "new", "folder")

    def words(self, server, *options):
        return [LOADGEN, "-u", f"redis://127.0.0.1:{server.port}", "-t", "set", "-c", "2",
                *map(str, options)]

    def run_it(self, server, *options, env=None):
        return subprocess.run(self.words(server, *options), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                              env=environment(env), timeout=200, check=False)

    def kept(self, name):
        with open(os.path.join(self.folder, name + ".json"), encoding="utf-8") as file:
            return json.load(file)


class RunsTest(Folder):
    """--run-count."""

    def test_each_run_counts(self):
        with FakeServer(served) as server:
            done = self.run_it(server, "-n", 40, "--run-count", 5, "--json")
            sent = sum(words[0] == b"SET" for words in server.requests)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sent, 200)
        document = json.loads(done.stdout)
        (result,) = document["results"].values()
        self.assertEqual(result["count"], 200)
        self.assertEqual(len(result["runs"]), 5)
        repeats = result["repeats"]
        self.assertEqual((repeats["asked"], repeats["counted"]), (5, 5))
        self.assertIs(repeats["discarded"], False)
        figure = next(row for row in repeats["figures"] if row["metric"] == "ops_per_sec")
        rates = [run["ops_per_sec"] for run in result["runs"]]
        self.assertAlmostEqual(figure["median"] / statistics.median(rates), 1, 6)
        self.assertAlmostEqual(figure["cv"], statistics.stdev(rates) / statistics.mean(rates), 6)
        self.assertTrue(min(rates) <= figure["low"] * 1.000001)
        self.assertTrue(figure["low"] <= figure["median"] <= figure["high"])
        self.assertTrue(figure["high"] <= max(rates) * 1.000001)
        with open(os.path.join(ROOT, "docs", "loadgen-json.md"), encoding="utf-8") as file:
            named = set(re.findall(r"`(\w+)`", file.read()))
        self.assertFalse((set(repeats) | set(figure)) - named, "not in docs/loadgen-json.md")

    def test_discarded(self):
        with FakeServer(served) as server:
            done = self.run_it(server, "-n", 10, "--run-count", 2, "--discard-first")
            sent = sum(words[0] == b"SET" for words in server.requests)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sent, 30)
        self.assertIn("requests     20 in", done.stdout)
        self.assertIn("2 runs, one before not counted", done.stdout)
        self.assertIn("an interval takes at least 5 runs", done.stdout)

    def test_line_and_page(self):
        page = os.path.join(os.path.dirname(os.path.dirname(self.folder)), "page.html")
        with FakeServer(served) as server:
            done = self.run_it(server, "-n", 10, "--run-count", 5, "-q", "--html", page)
        self.assertRegex(done.stdout, r"^SET: \S+ requests per second, p50=\S+ msec\n"
                                      r"  5 runs, medians: throughput .* to .*; p99 ")
        with open(page, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("<h3>5 runs</h3>", text)
        rows = re.findall(r'<td class="runs minor">.*?</td>', text)
        self.assertGreaterEqual(len(rows), 5)
        self.assertEqual(rows[0].count("<u "), 5)

    def test_one_run_says_nothing_of_runs(self):
        with FakeServer(served) as server:
            done = self.run_it(server, "-n", 10, "--json")
        (result,) = json.loads(done.stdout)["results"].values()
        self.assertFalse({"runs", "repeats"} & set(result))

    def test_failure_between(self):
        """What was measured before the server went is reported."""
        def dies(_words, number):
            return b"+OK\r\n" if number < 25 else None
        with FakeServer(dies) as server:
            done = self.run_it(server, "-n", 10, "--run-count", 5, "--json")
        self.assertEqual(done.returncode, 3)
        (result,) = json.loads(done.stdout)["results"].values()
        self.assertEqual(len(result["runs"]), 2)
        self.assertIn("closed", result["failure"])

    def test_interrupt(self):
        with FakeServer(served) as server:
            words = self.words(server, "--duration", "100ms", "--run-count", 1000, "--json")
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=environment(), encoding="utf-8") as process:
                until(lambda: server.accepted >= 10, "some runs; each has two connections")
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=200)
        self.assertEqual(process.returncode, 3, err)
        (result,) = json.loads(out)["results"].values()
        self.assertTrue(1 <= result["repeats"]["counted"] < 1000)

    def test_contradictions(self):
        with FakeServer(served) as server:
            for options in (["--run-count", 2, "--knee"], ["--discard-first"],
                            ["--run-count", 2, "-l"], ["--baseline-dir", "x"],
                            ["--threshold", 3], ["--run-count", 2, "--vs", "127.0.0.1:1"],
                            ["--save-baseline", "../x"], ["--save-baseline", "x", "-l"]):
                done = self.run_it(server, *options)
                self.assertEqual(done.returncode, 2, options)
                self.assertRegex(done.stderr, r"^loadgen: .+\n$")
            self.assertEqual(server.requests, [])


class BaselineTest(Folder):
    """--save-baseline and --baseline."""

    def baseline(self, server, *options, env=None):
        return self.run_it(server, "-n", 30, "--run-count", 5, "--baseline-dir", self.folder,
                           *options, env=env)

    def test_slower_is_found(self):
        with FakeServer(served) as server:
            done = self.baseline(server, "--save-baseline", "fast")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.listdir(self.folder), ["fast.json"])
        before = self.kept("fast")
        self.assertEqual(before["version"], "2.0")
        with FakeServer(slowly) as server:
            done = self.baseline(server, "--baseline", "fast", "--save-baseline", "fast")
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertRegex(done.stdout, r"(?m)^  throughput, requests/s .* worse")
            self.assertIn("old: baseline fast, " + before["timestamp"], done.stdout)
            self.assertIn("baseline fast is left as it was", done.stderr)
            self.assertEqual(self.kept("fast"), before)
            json_out = self.baseline(server, "--baseline", "fast", "--json")
            self.assertEqual(json_out.returncode, 1)
            self.assertIn("results", json.loads(json_out.stdout))
            self.assertRegex(json_out.stderr, r"(?m)^  throughput, requests/s .* worse")
            kept = self.baseline(server, "--save-baseline", "slow")
            self.assertEqual(kept.returncode, 0, kept.stderr)
            same = self.baseline(server, "--baseline", "slow", "--threshold", 100)
            self.assertEqual(same.returncode, 0, same.stdout + same.stderr)

    def test_named_in_compare(self):
        with FakeServer(served) as server:
            self.baseline(server, "--save-baseline", "a")
        with FakeServer(slowly) as server:
            self.baseline(server, "--save-baseline", "b")
        new = os.path.join(self.folder, "b.json")
        done = subprocess.run([LOADGEN, "compare", "--baseline", "a", "--baseline-dir", self.folder,
                               new], capture_output=True, text=True, timeout=200, check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        done = subprocess.run([LOADGEN, "compare", "--baseline", "c", "--baseline-dir", self.folder,
                               new], capture_output=True, text=True, timeout=200, check=False)
        self.assertEqual(done.returncode, 2)

    def test_unknown_is_said_before_measuring(self):
        with FakeServer(served) as server:
            self.baseline(server, "--save-baseline", "known")
            n = len(server.requests)
            done = self.baseline(server, "--baseline", "other")
            self.assertEqual(done.returncode, 2)
            self.assertIn("there is no baseline other", done.stderr)
            self.assertIn("there are: known", done.stderr)
            self.assertEqual(len(server.requests), n)

    def test_what_failed_is_not_kept(self):
        with FakeServer(refused) as server:
            done = self.baseline(server, "--save-baseline", "bad")
        self.assertEqual(done.returncode, 3)
        self.assertIn("baseline bad is left as it was", done.stderr)
        self.assertEqual(os.listdir(self.folder), [])

    def test_folder_of_the_user(self):
        home = os.path.dirname(self.folder)
        with FakeServer(served) as server:
            self.run_it(server, "-n", 10, "--save-baseline", "x",
                        env={"XDG_STATE_HOME": home})
            self.run_it(server, "-n", 10, "--save-baseline", "y",
                        env={"XDG_STATE_HOME": "", "HOME": home})
        self.assertTrue(os.path.exists(os.path.join(home, "loadgen", "x.json")))
        self.assertTrue(os.path.exists(os.path.join(home, ".local", "state", "loadgen", "y.json")))

    def test_no_place(self):
        with FakeServer(served) as server:
            done = self.run_it(server, "-n", 10, "--save-baseline", "x", "--baseline-dir",
                               "/proc/none")
            self.assertEqual(done.returncode, 2)
            self.assertIn("cannot write", done.stderr)
            self.assertEqual(server.requests, [])


if __name__ == "__main__":
    unittest.main()
