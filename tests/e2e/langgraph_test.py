#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checkpoints as LangGraph uses them: its conformance suite for savers and a graph of its own, on
the small saver in tests/e2e/langgraph, at the versions that package-lock.json there names. Without
node 20, npm or its registry the test is skipped, and says why."""

import json
import os
import subprocess
import sys
import tempfile

from lib import Server
from lib.npm import NODE, SKIPPED, install
from lib.server import ROOT

SOURCES = os.path.join(ROOT, "tests", "e2e", "langgraph")
RUN_S = 200
LEAST = 726 + 3  # tests of the suite, and ours


def run(folder, server):
    """Run all tests; None, or what failed."""
    host, port = server.address
    report = os.path.join(folder, "report.json")
    command = [NODE, os.path.join("node_modules", "vitest", "vitest.mjs"), "run",
               "--reporter=default", "--reporter=json", f"--outputFile.json={report}"]
    env = dict(os.environ, CI="1", NO_COLOR="1", CAIRN_ADDRESS=f"{host} {port}")
    done = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=RUN_S,
                          check=False, encoding="utf-8", errors="replace")
    if done.returncode != 0:
        return done.stdout
    with open(report, encoding="utf-8") as file:
        counts = json.load(file)
    passed, total = counts["numPassedTests"], counts["numTotalTests"]
    print(f"{passed} of {total} tests passed")
    return None if passed == total >= LEAST else f"at least {LEAST} were to pass\n{done.stdout}"


def main():
    """Install, or be skipped; then test."""
    with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as scratch:
        folder = os.path.join(os.environ.get("CAIRN_E2E_NPM") or scratch, "langgraph")
        reason = install(SOURCES, folder)
        if reason:
            print(f"skipped: {reason}")
            return SKIPPED
        with Server() as server:
            failed = run(folder, server)
        print(failed or "ok")
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
