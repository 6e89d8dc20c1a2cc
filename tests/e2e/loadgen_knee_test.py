#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen --knee: the search goes through its steps and tells what came of it. That it finds the
knee of a server that is known is shown by tests/unit; here windows are short and the machine may be
busy, so that any end of the search but a broken one is right."""

import json
import os
import re
import signal
import subprocess
import time
import unittest

from lib.fake_server import FakeServer
from lib.server import ROOT, environment

LOADGEN = os.environ.get("LOADGEN", "loadgen")


def command(server, *args):
    words = [LOADGEN, "-u", f"redis://127.0.0.1:{server.port}", "-t", "set", "-c", "8", "--knee",
             "--knee-window", "150ms", *map(str, args)]
    return {"args": words, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE, "encoding": "utf-8", "env": environment()}


def ok(*_):
    """A server that is as fast as it can."""
    return b"+OK\r\n"


def serial(*_):
    """One that serves one after the other, 1 ms each: 1,000 a second, and not one more."""
    time.sleep(0.001)
    return b"+OK\r\n"


class KneeTest(unittest.TestCase):

    def search(self, answer, *args):
        with FakeServer(answer) as server:
            return subprocess.run(**command(server, *args), timeout=300, check=False)

    def test_steps(self):
        done = self.search(serial, "--slo", "p95=300ms", "--json")
        document = json.loads(done.stdout)
        (knee,) = document["knee"]
        points = knee["points"]
        self.assertEqual((knee["slo_ns"], knee["quantile"], knee["slo_given"]),
                         (300000000, 0.95, True))
        self.assertEqual(points[0]["step"], "maximum")
        self.assertTrue(0 < points[0]["ops_per_sec"] <= 1000, points[0])
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
        with open(os.path.join(ROOT, "docs", "loadgen-json.md"), encoding="utf-8") as file:
            named = set(re.findall(r"`(\w+)`", file.read()))
        self.assertFalse((set(document) | set(knee) | set(points[1])) - named,
                         "not in docs/loadgen-json.md")
        for point in points:
            if point.get("verdict") == "kept":
                self.assertLessEqual(point["objective_ns"], 300000000)

    def test_text(self):
        done = self.search(ok)
        self.assertIn("SET, objective: p99 at most twice what it is at the lowest rate",
                      done.stdout)
        self.assertIn("closed loop", done.stdout)
        self.assertRegex(done.stdout, r"\n  grid +[\d,]+ +[\d,]+ ")
        self.assertRegex(done.stdout, r"\nSET: .*requests/s.*p99 at most [\d.]+ ms")

    def test_brief(self):
        done = self.search(ok, "-q", "--slo", "p50=2s")
        self.assertRegex(done.stdout, r"^SET: [^\n]*requests/s[^\n]*\n$")

    def test_errors(self):
        done = self.search(lambda *_: b"-ERR no\r\n", "--json")
        self.assertEqual(done.returncode, 3)
        (knee,) = json.loads(done.stdout)["knee"]
        self.assertEqual((knee["outcome"], len(knee["points"])), ("nowhere", 1))

    def test_dies(self):
        done = self.search(lambda _, n: b"+OK\r\n" if n < 3000 else None, "--json")
        self.assertEqual(done.returncode, 3)
        self.assertIn("closed a connection", done.stderr)
        (knee,) = json.loads(done.stdout)["knee"]
        self.assertEqual(knee["outcome"], "unfinished")

    def test_interrupt(self):
        with FakeServer(serial) as server, \
                subprocess.Popen(**command(server, "--slo", "p99=1s")) as process:
            for line in process.stdout:
                if re.match(" +grid", line):
                    break
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=200)
        self.assertEqual(process.returncode, 3)
        self.assertIn("not finished", out)
        self.assertIn("interrupted", err)

    def test_contradictions(self):
        for args, text in (
                (("--knee", "--rate", "5"), "give no --rate"),
                (("--knee", "-n", "5"), "give no -n"),
                (("--knee", "--duration", "5"), "give no -n and no --duration"),
                (("--knee", "--pipeline-mode", "batch"), "give no --pipeline-mode batch"),
                (("--knee", "-k", "0"), "give no -k 0"),
                (("--knee", "--csv"), "print no --csv"),
                (("--knee", "--slo", "5ms"), "as p99=5ms"),
                (("--slo", "p99=5ms"), "belong to --knee"),
                (("--knee-window", "1"), "belong to --knee"),
                (("--knee", "--knee-window", "1ms"), "--knee-window")):
            with self.subTest(args):
                done = subprocess.run([LOADGEN, *args], capture_output=True, text=True, timeout=30,
                                      check=False)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main()
