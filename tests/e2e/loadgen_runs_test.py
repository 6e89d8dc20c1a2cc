#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen --run-count, --save-baseline and --baseline: runs are counted by a server that sees each
of them, and a server that is known to be slower must be found to be."""

import json
import os
import re
import signal
import statistics
import time
import unittest

from lib.fake_server import FakeServer
from lib.loadgen import Case, ended, result_of, run
from lib.server import until



# A pause of the machine makes the throughput of short runs vary, and hardly a median of times.
SLOWER = r"(?m)^  p50, ms .* worse"


def served(_words, _number):
    return b"+OK\r\n"


def slowly(_words, _number):
    """Long enough not to be taken for noise."""
    time.sleep(0.02)
    return b"+OK\r\n"


def refused(_words, _number):
    return b"-ERR no\r\n"


def measure(server, *options, **how):
    """A test of this server."""
    return run("-u", server.uri, "-t", "set", "-c", 2, *options, **how)


class RunsTest(Case):
    """--run-count."""

    def test_each_run_counts(self):
        with FakeServer(served) as server:
            done = measure(server, "-n", 40, "--run-count", 5, "--json")
            sent = sum(words[0] == b"SET" for words in server.requests)
        self.assertEqual(sent, 200)
        result = result_of(done)
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
        self.documented(repeats, figure)

    def test_discarded(self):
        with FakeServer(served) as server:
            done = measure(server, "-n", 10, "--run-count", 2, "--discard-first")
            sent = sum(words[0] == b"SET" for words in server.requests)
        self.assertEqual(sent, 30)
        self.assertIn("requests     20 in", done.stdout)
        self.assertIn("2 runs, one before not counted", done.stdout)
        self.assertIn("an interval takes at least 5 runs", done.stdout)

    def test_line_and_page(self):
        with FakeServer(served) as server:
            done = measure(server, "-n", 10, "--run-count", 5, "-q", "--html", self.path("page"))
        self.assertRegex(done.stdout, r"^SET: \S+ requests per second, p50=\S+ msec\n"
                                      r"  5 runs, medians: throughput .* to .*; p99 ")
        text = self.read("page")
        self.assertIn("<h3>5 runs</h3>", text)
        rows = re.findall(r'<td class="runs minor">.*?</td>', text)
        self.assertGreaterEqual(len(rows), 5)
        self.assertEqual(rows[0].count("<u "), 5)

    def test_one_run_says_nothing_of_runs(self):
        with FakeServer(served) as server:
            result = result_of(measure(server, "-n", 10, "--json"))
        self.assertFalse({"runs", "repeats"} & set(result))

    def test_failure_between(self):
        """What was measured before the server went is reported."""
        def dies(_words, number):
            return b"+OK\r\n" if number < 25 else None
        with FakeServer(dies) as server:
            result = result_of(measure(server, "-n", 10, "--run-count", 5, "--json", status=3))
        self.assertEqual(len(result["runs"]), 2)
        self.assertIn("closed", result["failure"])

    def test_interrupt(self):
        with FakeServer(served) as server:
            process = self.start("-u", server.uri, "-t", "set", "-c", 2, "--duration", "100ms",
                                 "--run-count", 1000, "--json")
            until(lambda: server.accepted >= 10, "some runs; each has two connections")
            process.send_signal(signal.SIGINT)
            result = result_of(ended(process, 3))
        self.assertTrue(1 <= result["repeats"]["counted"] < 1000)

    def test_contradictions(self):
        with FakeServer(served) as server:
            for options in (["--run-count", 2, "--knee"], ["--discard-first"],
                            ["--run-count", 2, "-l"], ["--baseline-dir", "x"],
                            ["--threshold", 3], ["--run-count", 2, "--vs", "127.0.0.1:1"],
                            ["--save-baseline", "../x"], ["--save-baseline", "x", "-l"]):
                done = measure(server, *options, status=2)
                self.assertRegex(done.stderr, r"^loadgen: .+\n$")
            self.assertEqual(server.requests, [])


class BaselineTest(Case):
    """--save-baseline and --baseline."""

    def setUp(self):
        self.kept = self.path("new", "folder")

    def baseline(self, server, *options, status=0):
        return measure(server, "-n", 30, "--run-count", 5, "--baseline-dir", self.kept, *options,
                       status=status)

    def test_slower_is_found(self):
        with FakeServer(served) as server:
            self.baseline(server, "--save-baseline", "fast")
        self.assertEqual(os.listdir(self.kept), ["fast.json"])
        before = json.loads(self.read(self.kept, "fast.json"))
        self.assertEqual(before["version"], "2.0")
        with FakeServer(slowly) as server:
            done = self.baseline(server, "--baseline", "fast", "--save-baseline", "fast",
                                 status=1)
            self.assertRegex(done.stdout, SLOWER)
            self.assertIn("old: baseline fast, " + before["timestamp"], done.stdout)
            self.assertIn("baseline fast is left as it was", done.stderr)
            self.assertEqual(json.loads(self.read(self.kept, "fast.json")), before)
            json_out = self.baseline(server, "--baseline", "fast", "--json", status=1)
            self.assertIn("results", json.loads(json_out.stdout))
            self.assertRegex(json_out.stderr, SLOWER)
            self.baseline(server, "--save-baseline", "slow")
            # A busy machine may make one of them wait, so that it takes longer than the others.
            self.baseline(server, "--baseline", "slow", "--threshold", 1000)

    def test_named_in_compare(self):
        with FakeServer(served) as server:
            self.baseline(server, "--save-baseline", "a")
        with FakeServer(slowly) as server:
            self.baseline(server, "--save-baseline", "b")
        for name, status in (("a", 1), ("c", 2)):
            run("compare", "--baseline", name, "--baseline-dir", self.kept,
                os.path.join(self.kept, "b.json"), status=status)

    def test_unknown_is_said_before_measuring(self):
        with FakeServer(served) as server:
            self.baseline(server, "--save-baseline", "known")
            n = len(server.requests)
            done = self.baseline(server, "--baseline", "other", status=2)
            self.assertIn("there is no baseline other", done.stderr)
            self.assertIn("there are: known", done.stderr)
            self.assertEqual(len(server.requests), n)

    def test_what_failed_is_not_kept(self):
        with FakeServer(refused) as server:
            done = self.baseline(server, "--save-baseline", "bad", status=3)
        self.assertIn("baseline bad is left as it was", done.stderr)
        self.assertEqual(os.listdir(self.kept), [])

    def test_folder_of_the_user(self):
        home = self.path()
        with FakeServer(served) as server:
            measure(server, "-n", 10, "--save-baseline", "x", env={"XDG_STATE_HOME": home})
            measure(server, "-n", 10, "--save-baseline", "y",
                    env={"XDG_STATE_HOME": "", "HOME": home})
        self.assertTrue(os.path.exists(os.path.join(home, "loadgen", "x.json")))
        self.assertTrue(os.path.exists(os.path.join(home, ".local", "state", "loadgen", "y.json")))

    def test_no_place(self):
        with FakeServer(served) as server:
            done = measure(server, "-n", 10, "--save-baseline", "x", "--baseline-dir", "/proc/none",
                           status=2)
            self.assertIn("cannot write", done.stderr)
            self.assertEqual(server.requests, [])


if __name__ == "__main__":
    unittest.main()
