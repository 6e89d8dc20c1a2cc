#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench/truth.py: of a server that stalls loadgen with a rate says what is true, and the table says
so; closed loops do not show it."""

import os
import re
import shutil
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHORT = ("--seconds", "2", "--stall", "0.4")


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
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        rows = self.rows(done.stdout)
        _, p95, p99, _, highest = map(float, rows["loadgen", "--rate"])
        self.assertGreater(p95, 150)
        self.assertGreater(p99, p95)
        self.assertGreater(highest, 390)
        for tool in ("redis-benchmark", "loadgen"):
            self.assertLess(float(rows[tool, "closed loop"][1]), 100)
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
