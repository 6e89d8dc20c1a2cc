#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""--warmup auto and --until-ci: a server that becomes faster is waited for, a test ends when its
figures are known well enough, and what was decided is said. What is decided when is for
tests/unit/client/loadgen/steady_test.c."""

import time
import unittest

from lib.fake_server import FakeServer
from lib.loadgen import Case, result_of, run
from lib.server import Server


class LengthTest(Case):
    def with_server(self, delay_s, *args):
        """Against a server that takes delay_s(seconds since the first of them) for each SET."""
        self.begun = begun = []

        def answer(words, _):
            if words[0] == b"SET":
                begun.append(time.monotonic())
                time.sleep(delay_s(time.monotonic() - begun[0]))
            return b"+OK\r\n"
        with FakeServer(answer) as server:
            return result_of(run("-u", server.uri, "-t", "set", "-c", 1, "--json", *args))

    def test_waits_until_steady(self):
        """Twice as fast after 3 s: that is in the warm-up, and not in what is measured."""
        result = self.with_server(lambda t: 0.02 - 0.01 * min(t / 3, 1), "--warmup", "auto", "-n",
                                  100)
        self.assertGreater(result["warmup"]["elapsed_ns"], 2e9)
        if result["warmup"]["steady"]:
            self.assertLess(result["warmup"]["ops_per_sec"]["noise"], 0.2)
            self.assertNotIn("warm-up-not-steady", result["names"])
        else:  # a machine on which nothing is ever steady
            self.assertIn("warm-up-not-steady", result["names"])
            self.assertGreater(result["warmup"]["elapsed_ns"], 29e9)
        self.assertEqual(result["count"], 100)
        # What it says it measured is what the server saw in the end.
        at_most = 100 / (self.begun[-1] - self.begun[-100])
        self.assertTrue(0 < result["ops_per_sec"] < at_most, (result["ops_per_sec"], at_most))

    def test_ends_when_known(self):
        """The rate of an open loop is known at once."""
        result = self.with_server(lambda _: 0, "--rate", 200, "--until-ci", "20%")
        precision = result["precision"]
        self.assertTrue(precision["reached"])
        self.assertEqual(precision["ops_per_sec_asked"], 0.2)
        self.assertLessEqual(precision["ops_per_sec"], 0.2)
        self.assertEqual(precision["intervals"] % 10, 0)
        self.assertLess(result["elapsed_ns"], 300e9)  # what is the end if it is never known
        self.assertGreater(result["count"], 300)
        self.assertNotIn("precision-not-reached", result["names"])

    def test_says_when_not_known(self):
        with Server() as server:
            done = run("-u", server.uri(), "-t", "set", "--until-ci", "0.0001", "--until-ci-p99",
                       0.01, "--duration", "2500ms")
        self.assertIn("precision-not-reached", done.stdout)
        self.assertRegex(done.stdout, r"precision    throughput \+- .* \(95 %\) after [\d.]+ s")

    def test_usage(self):
        self.refused((("--knee", "--until-ci", 2), "--knee-window"))
        done = run("--dry-run", "--warmup", "auto", "--until-ci", 2, "-t", "set")
        self.assertIn("until known well enough, at most 300 s, after at most 30 s of warm-up: at "
                      "most 330 s", done.stdout)


if __name__ == "__main__":
    unittest.main()
