#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Clients from npm on the RESP port: ioredis 5 and 6, node-redis 5 and 6, at the versions that
tests/e2e/npm/package-lock.json names. They are kept in CAIRN_E2E_NPM, a folder of the build;
without node 20, npm or its registry the test is skipped, and says why."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from lib.resp_subject import Subject
from lib.server import ROOT

SOURCES = os.path.join(ROOT, "tests", "e2e", "npm")
NODE, NPM = shutil.which("node"), shutil.which("npm")
OLDEST_NODE = 20
INSTALL_S, RUN_S = 60, 100
SKIPPED = 77


def reason_to_skip():
    """Why there is no node to run anything with, or None."""
    if NODE is None or NPM is None:
        return "node and npm are not installed"
    version = subprocess.run([NODE, "--version"], stdout=subprocess.PIPE, check=True, timeout=30,
                             encoding="ascii").stdout
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        return f"node is {version.strip()}; the clients want {OLDEST_NODE}"
    return None


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def install(folder):
    """The clients and the scripts, in folder; why not, or None. What is there is used again."""
    lock = os.path.join(SOURCES, "package-lock.json")
    done = os.path.join(folder, "installed")
    for name in os.listdir(SOURCES):
        shutil.copy(os.path.join(SOURCES, name), folder)
    if os.path.exists(done) and read(done) == read(lock):
        return None
    command = [NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0",
               "--fetch-timeout=15000"]
    try:
        ended = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                               timeout=INSTALL_S, encoding="utf-8", errors="replace")
    except subprocess.TimeoutExpired:
        return f"npm ci did not end in {INSTALL_S} s"
    if ended.returncode != 0:
        return f"npm ci failed, is the registry reachable?\n{ended.stdout[-1000:]}"
    shutil.copy(lock, done)
    return None


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
    reason = reason_to_skip()
    with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as scratch:
        NpmTest.folder = os.environ.get("CAIRN_E2E_NPM") or scratch
        if not reason:
            os.makedirs(NpmTest.folder, exist_ok=True)
            reason = install(NpmTest.folder)
        if reason:
            print(f"skipped: {reason}")
            return SKIPPED
        return 0 if unittest.main(exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
