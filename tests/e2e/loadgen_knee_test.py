#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen --knee: the search goes through its steps and tells what came of it. That it finds the
knee of a server that is known is shown by tests/unit; here windows are short and the machine may be
busy, so that any end of the search but a broken one is right."""

import json
import re
import signal
import time
import unittest

from lib.fake_server import FakeServer
from lib.loadgen import Case, ended, run

ANY = (0, 3)  # the search came to an end
KNEE = ("-t", "set", "-c", 8, "--knee", "--knee-window", "150ms")


def ok(*_):
    """A server that is as fast as it can."""
    return b"+OK\r\n"


def serial(*_):
    """One that serves one after the other, 1 ms each: 1,000 a second, and not one more."""
    time.sleep(0.001)
    return b"+OK\r\n"


class KneeTest(Case):

    def search(self, answer, *args, status=ANY):
        with FakeServer(answer) as server:
            return run("-u", server.uri, *KNEE, *args, status=status)

    def test_steps(self):
        done = self.search(serial, "--slo", "p95=300ms", "--json")
        document = json.loads(done.stdout)
        (knee,) = document["knee"]
        points = knee["points"]
        self.assertEqual((knee["slo_ns"], knee["quantile"], knee["slo_given"]),
                         (300000000, 0.95, True))
        self.assertEqual(points[0]["step"], "maximum")
        # As many as are in flight may have been served before the window, and read in it.
        self.assertTrue(0 < points[0]["ops_per_sec"] <= 1000 + 8 / 0.15, points[0])
        shares = [point["offered_per_sec"] / points[0]["ops_per_sec"] for point in points
                  if point["step"] == "grid"]
        grid = [0.05, 0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 1, 1.05]
        for share, expected in zip(shares, grid):
            self.assertAlmostEqual(share, expected, places=2)
        self.assertLess(knee["knee_per_sec"], 1.06 * points[0]["ops_per_sec"])
        good = knee["outcome"] in ("found", "client-limited", "beyond")
        self.assertTrue(good or knee["outcome"] in ("unconfirmed", "nowhere"), knee["outcome"])
        self.assertEqual(done.returncode, 0 if good else 3)
        if good:
            confirming = [point for point in points if point["step"] == "confirm" and
                          point["offered_per_sec"] == knee["knee_per_sec"]]
            self.assertEqual(len(confirming), 3)
            self.assertGreaterEqual(sum(point["verdict"] == "kept" for point in confirming), 2)
            self.assertTrue(any("/r" in name for name in document["results"]))
        self.documented(document, knee, points[1])
        for point in points:
            if point.get("verdict") == "kept":
                self.assertLessEqual(point["objective_ns"], 300000000)

    def test_text(self):
        done = self.search(ok)
        self.assertIn("SET, objective: p99 at most twice what it is at the lowest rate",
                      done.stdout)
        self.assertIn("closed loop", done.stdout)
        self.assertRegex(done.stdout, r"\n  grid +[\d,]+ +[\d,]+ ")
        self.assertRegex(done.stdout, r"\nSET: .*requests/s.*p99 at most ([\d.]+ ms|twice)")

    def test_brief(self):
        done = self.search(ok, "-q", "--slo", "p50=2s")
        self.assertRegex(done.stdout, r"^SET: [^\n]*requests/s[^\n]*\n$")

    def test_errors(self):
        done = self.search(lambda *_: b"-ERR no\r\n", "--json", status=3)
        (knee,) = json.loads(done.stdout)["knee"]
        self.assertEqual((knee["outcome"], len(knee["points"])), ("nowhere", 1))

    def test_dies(self):
        done = self.search(lambda _, n: b"+OK\r\n" if n < 200 else None, "--json")
        self.assertEqual(done.returncode, 3)
        self.assertIn("closed a connection", done.stderr)
        (knee,) = json.loads(done.stdout)["knee"]
        self.assertEqual(knee["outcome"], "unfinished")

    def test_interrupt(self):
        with FakeServer(serial) as server:
            process = self.start("-u", server.uri, *KNEE, "--slo", "p99=1s")
            for line in process.stdout:
                if re.match(" +grid", line):
                    break
            process.send_signal(signal.SIGINT)
            done = ended(process, 3)
        self.assertIn("not finished", done.stdout)
        self.assertIn("interrupted", done.stderr)

    def test_contradictions(self):
        self.refused(
            (("--knee", "--rate", "5"), "give no --rate"),
            (("--knee", "-n", "5"), "give no -n"),
            (("--knee", "--duration", "5"), "give no -n and no --duration"),
            (("--knee", "--pipeline-mode", "batch"), "give no --pipeline-mode batch"),
            (("--knee", "-k", "0"), "give no -k 0"),
            (("--knee", "--csv"), "print no --csv"),
            (("--knee", "--slo", "5ms"), "as p99=5ms"),
            (("--slo", "p99=5ms"), "belong to --knee"),
            (("--knee-window", "1"), "belong to --knee"),
            (("--knee", "--knee-window", "1ms"), "--knee-window"))


if __name__ == "__main__":
    unittest.main()
