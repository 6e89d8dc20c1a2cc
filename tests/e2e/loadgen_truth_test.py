#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench/truth.py: of a server that stalls loadgen with a rate says what is true, and the table says
so; closed loops do not show it."""

import os
import re
import shutil
import subprocess
import unittest

from lib.server import ROOT

SHORT = ("--seconds", "2", "--stall", "0.4")


def number(cell):
    return float(cell.replace(",", ""))


@unittest.skipUnless(shutil.which("redis-server") and shutil.which("redis-benchmark"),
                     "redis-server or redis-tools is not installed")
class TruthTest(unittest.TestCase):
    def truth(self, *words):
        return subprocess.run(
            [os.path.join(ROOT, "bench", "truth.py"), "--cairnd", os.environ["CAIRND"], "--loadgen",
             os.environ["LOADGEN"], *words], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=300, check=False)

    def rows(self, text):
        """{(tool, load): cells}."""
        cells = [[cell.strip() for cell in line.strip("|").split("|")]
                 for line in text.splitlines() if line.startswith("| ")]
        return {(row[0], row[1]): row[2:] for row in cells}

    def test_table(self):
        done = self.truth("--server", "cairnd", "--tolerance", "0.3", *SHORT)
        # A busy machine makes everything take longer than the law says, nothing shorter. How close
        # loadgen is on a quiet one is for bench/truth.py itself, and for loadgen selftest.
        self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
        rows = self.rows(done.stdout)
        _, p95, p99, _, highest = map(number, rows["loadgen", "--rate"])
        _, true_p95, true_p99, _, _ = map(number, rows["**true**", "1000/s"])
        self.assertGreater(p95, 0.7 * true_p95, done.stdout)
        self.assertGreater(p99, 0.7 * true_p99, done.stdout)
        self.assertGreater(highest, 390)
        for tool in ("redis-benchmark", "loadgen"):  # a closed loop does not see it
            self.assertLess(number(rows[tool, "closed loop"][1]), p95, done.stdout)
        self.assertTrue(re.search(r"\*\*true\*\* \| 1000/s", done.stdout), done.stdout)
        for tool in ("valkey-benchmark", "memtier_benchmark"):
            if shutil.which(tool) is None:
                self.assertIn(f"| {tool} | ", done.stdout)
                self.assertIn("not installed", done.stdout)

    def test_judges(self):
        done = self.truth("--tolerance", "0", *SHORT)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("not what the law says", done.stdout)

    def test_usage(self):
        done = self.truth("--seconds", "1", "--stall", "1")
        self.assertEqual(done.returncode, 2)
        self.assertIn("at most half", done.stderr)


if __name__ == "__main__":
    unittest.main()
