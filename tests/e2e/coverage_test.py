#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The gate: the end-to-end tests call every operation of proto/ops.def, and it succeeds.

What counts is what servers answered: the tests are run once more, and the client of the fixture
notes each reply in a file. A test that only names an operation, or is skipped, does not count.
"""

import os
import subprocess
import sys
import tempfile
import unittest

from lib import ROOT, operations

FOLDER = os.path.dirname(os.path.abspath(__file__))
# Slow, and about clients that misbehave, or clients of others, whose calls are not noted.
NOT_RUN = {"coverage_test.py", "abuse_test.py", "clients_test.py", "service_test.py",
           "http_test.py", "man_test.py"}
# Operations that can only fail in this build, and how. A row goes when it can succeed.
ONLY_FAILS = {}
ALIASES = {"ping": "server.ping", "hello": "server.hello", "auth": "server.auth"}


def run_tests(files, folder, record):
    """Run test files at the same time; those that failed. The end of what they said is printed."""
    env = dict(os.environ, CAIRN_E2E_CALLS=record)
    running, failed = [], []
    for name in files:
        output = open(os.path.join(folder, name + ".log"), "w+b")
        running.append((name, output, subprocess.Popen(
            [sys.executable, os.path.join(FOLDER, name)], env=env, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT)))
    for name, output, process in running:
        if process.wait() not in (0, 77):
            failed.append(name)
            output.seek(0)
            lines = output.read().decode("utf-8", "replace").splitlines()
            print(f"--- {name} failed:", *lines[-30:], sep="\n")
        output.close()
    return failed


class CoverageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        files = sorted(f for f in os.listdir(FOLDER)
                       if f.endswith("_test.py") and f not in NOT_RUN
                       and not f.startswith("resp_"))
        with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as folder:
            record = os.path.join(folder, "calls")
            run_tests(files, folder, record)
            with open(record, encoding="utf-8") as file:
                cls.calls = {tuple(line.rstrip("\n").split(" ")) for line in file}
        cls.calls = {(ALIASES.get(name, name), code) for name, code in
                     (call for call in cls.calls if len(call) == 2)}

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
