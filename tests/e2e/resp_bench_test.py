#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/compare-redis.sh works: a quick run with both servers, its report and its figures.

What the figures are is not judged: this build may be slow, and the machine busy."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from lib.server import CAIRND, ROOT, environment

LOADGEN = os.environ.get("LOADGEN", "loadgen")

SCRIPT = os.path.join(ROOT, "scripts", "compare-redis.sh")
TESTS = ["SET", "GET", "INCR", "MSET, 10 keys", "PING"]
PIPELINES = [1, 16, 64]


@unittest.skipIf(shutil.which("redis-server") is None or shutil.which("redis-benchmark") is None,
                 "redis-server or redis-tools is missing: scripts/packages.sh test")
class CompareRedisTest(unittest.TestCase):
    def run_script(self, *args, timeout=300):
        return subprocess.run([SCRIPT, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding="utf-8", timeout=timeout,
                              check=False, env=environment())

    def test_quick_run(self):
        with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as folder:
            prefix = os.path.join(folder, "report")
            done = self.run_script("--cairnd", CAIRND, "--loadgen", LOADGEN, "--quick", "--out",
                                   prefix)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(prefix + ".md", encoding="utf-8") as file:
                self.assertEqual(file.read(), done.stdout)
            with open(prefix + ".json", encoding="utf-8") as file:
                report = json.load(file)
        self.check_report(report)
        for row in report["rows"]:
            self.assertIn(f"| {row['test']} | {row['pipeline']} | ", done.stdout)
        for text in (report["cpu"], report["kernel"], report["date"], "Redis server v="):
            self.assertIn(text, done.stdout)

    def check_report(self, report):
        self.assertEqual([(row["test"], row["pipeline"]) for row in report["rows"]],
                         [(test, pipeline) for test in TESTS for pipeline in PIPELINES])
        for row in report["rows"]:
            for said, count in ((row, None), (row["witness"], report["witness_rounds"])):
                for name in ("cairnd", "redis"):
                    for figure in ("cpu_us", "rps", "p50_ms", "p99_ms"):
                        self.assertGreater(said[name]["median"][figure], 0)
                    if count is not None:
                        self.assertEqual(len(said[name]["rounds"]), count)
                ratio = said["cpu_us_ratio"]
                self.assertLessEqual(ratio["low"], ratio["median"])
                self.assertLessEqual(ratio["median"], ratio["high"])
                # One round: the ratio of the medians is that of the pair.
                self.assertAlmostEqual(ratio["median"], said["cairnd"]["median"]["cpu_us"] /
                                       said["redis"]["median"]["cpu_us"], places=4)
            self.assertEqual(row["versus"]["rps"]["verdict"], "too few runs")

    def test_agreement(self):
        """That it works; two pairs of short runs prove nothing."""
        done = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "bench", "agreement.py"),
                               "--loadgen", LOADGEN, "--quick"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                              timeout=300, check=False, env=environment())
        self.assertIn(done.returncode, (0, 1), done.stderr)
        rows = [line for line in done.stdout.splitlines() if line.startswith(("| SET", "| GET"))]
        self.assertEqual(len(rows), 4, done.stdout + done.stderr)
        for row in rows:
            self.assertRegex(row, r"\| (agree|differ: [\w, ]+)( \(.*\))? \|$")
        self.assertEqual(done.returncode, int(any("differ" in row for row in rows)))

    def test_wrong_use(self):
        for args, text in ((["--rounds", "0"], "must be positive"), (["--nope"], "unrecognized"),
                           (["--server-cpu", "9999"], "these CPUs are not there")):
            done = self.run_script("--cairnd", CAIRND, "--loadgen", LOADGEN, *args)
            self.assertEqual(done.returncode, 2)
            self.assertIn(text, done.stderr)
        done = self.run_script("--cairnd", "/nonexistent", "--loadgen", LOADGEN)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent is missing; build, or give", done.stderr)


if __name__ == "__main__":
    unittest.main()
