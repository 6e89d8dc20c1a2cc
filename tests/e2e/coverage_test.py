#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The gate: the end-to-end tests call every operation of proto/ops.def, and it succeeds.

What counts is what servers answered: the client of the fixture notes each reply, and keeps them in
a file at the end of each test. A test that only names an operation, or is skipped, does not count.
This one is run behind all others; those that kept nothing since the server was built are run here.
"""

import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

from lib import CAIRND, ROOT, operations

FOLDER = os.path.dirname(os.path.abspath(__file__))
# Slow, and about clients that misbehave, or other clients, whose calls are not noted.
NOT_ASKED = re.compile("(coverage|abuse|cli|clients|service|http|man|resp_.*|"
                       "loadgen_(compare|selftest|suite|truth))_test.py")
# Operations that can only fail in this build, and how. A row goes when it can succeed.
ONLY_FAILS = {}
ALIASES = {"ping": "server.ping", "hello": "server.hello", "auth": "server.auth"}


def is_fresh(record, name):
    """Was it kept since the server, the test and what it shares with others were changed?"""
    made_of = [CAIRND, os.path.join(FOLDER, name), *glob.glob(os.path.join(FOLDER, "lib", "*.py"))]
    return os.path.exists(record) and os.path.getmtime(record) > max(map(os.path.getmtime, made_of))


def run_test(name, records):
    """Run one that must leave a record; the end of what it said is printed if it fails."""
    done = subprocess.run([sys.executable, os.path.join(FOLDER, name)], stdin=subprocess.DEVNULL,
                          env=dict(os.environ, CAIRN_E2E_CALLS=records), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if done.returncode not in (0, 77):
        print(f"--- {name} failed:", *done.stdout.splitlines()[-30:], sep="\n")


def read_calls(records):
    """{(operation, code)} of all tests, whichever left a record."""
    missing = [name for name in sorted(os.listdir(FOLDER))
               if name.endswith("_test.py") and not NOT_ASKED.fullmatch(name) and
               not is_fresh(os.path.join(records, name), name)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda name: run_test(name, records), missing))
    calls = set()
    for name in os.listdir(records):
        if is_fresh(os.path.join(records, name), name):
            with open(os.path.join(records, name), encoding="utf-8") as file:
                calls.update(tuple(line.rstrip("\n").split(" ")) for line in file)
    return calls


class CoverageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as folder:
            calls = read_calls(os.environ.get("CAIRN_E2E_CALLS", folder))
        cls.calls = {(ALIASES.get(name, name), code) for name, code in calls}

    def test_the_table_is_that_of_the_server(self):
        path = os.path.join(ROOT, "proto", "ops.def")
        with open(path, encoding="utf-8") as file:
            rows = [line.split('"')[1] for line in file if line.startswith("OP(")]
        self.assertEqual(sorted(rows), sorted(operations()))

    def test_every_operation_succeeds_somewhere(self):
        missing = [name for name in operations()
                   if (name, ONLY_FAILS.get(name, "")) not in self.calls]
        self.assertEqual(missing, [], "no test in tests/e2e calls these with success")

    def test_every_operation_with_arguments_fails_somewhere(self):
        failed = {name for name, code in self.calls if code}
        missing = [name for name, rows in operations().items() if rows and name not in failed]
        self.assertEqual(missing, [], "no test in tests/e2e sees these fail")

    def test_exceptions_are_still_true(self):
        for name in ONLY_FAILS:
            self.assertNotIn((name, ""), self.calls, f"{name} succeeds now: remove its row here")


if __name__ == "__main__":
    unittest.main()
