#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Clients from npm on the RESP port: ioredis 5 and 6, node-redis 5 and 6, at the versions that
tests/e2e/npm/package-lock.json names. They are kept in CAIRN_E2E_NPM, a folder of the build;
without node 20, npm or its registry the test is skipped, and says why."""

import os
import subprocess
import sys
import tempfile
import unittest

from lib.npm import NODE, SKIPPED, install
from lib.resp_subject import Subject
from lib.server import ROOT

SOURCES = os.path.join(ROOT, "tests", "e2e", "npm")
RUN_S = 100


class NpmTest(unittest.TestCase):
    folder = None

    @classmethod
    def setUpClass(cls):
        cls.subject = Subject()
        cls.addClassCleanup(cls.subject.stop)

    def run_script(self, script, package):
        host, port = self.subject.address
        done = subprocess.run([NODE, script, package, host, str(port)], cwd=self.folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT, timeout=RUN_S, encoding="utf-8")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("ok quit", done.stdout)

    def test_ioredis_5(self):
        self.run_script("ioredis.mjs", "ioredis5")

    def test_ioredis_6(self):
        self.run_script("ioredis.mjs", "ioredis6")

    def test_node_redis_5(self):
        self.run_script("node_redis.mjs", "redis5")

    def test_node_redis_6(self):
        self.run_script("node_redis.mjs", "redis6")


def main():
    """Install, or be skipped; then test."""
    with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as scratch:
        NpmTest.folder = os.environ.get("CAIRN_E2E_NPM") or scratch
        reason = install(SOURCES, NpmTest.folder)
        if reason:
            print(f"skipped: {reason}")
            return SKIPPED
        return 0 if unittest.main(exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
