#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen as its tests run it: to its end or beside them, what its JSON says, and cases with a
folder or a cairnd."""

import collections
import json
import os
import re
import subprocess
import tempfile
import unittest

from lib.server import ROOT, Server, environment

LOADGEN = os.environ.get("LOADGEN", "loadgen")
TIMEOUT_S = 250  # below the limit of a test file: nothing here is about how long it is


def command(*args, env=None):
    """What subprocess takes to run it with these words, with pipes for all that it says."""
    return {"args": [LOADGEN, *map(str, args)], "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8",
            "env": environment(env)}


def check(done, status):
    """It must have ended with this status, or one of these; done."""
    if done.returncode not in (status if isinstance(status, tuple) else (status,)):
        raise AssertionError(f"exit status {done.returncode}, expected {status}: {done.args[1:]}\n"
                             f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def ended(process, status=0):
    """The end of what Case.start() began, as run() has it."""
    out, err = process.communicate(timeout=TIMEOUT_S)
    return check(subprocess.CompletedProcess(process.args, process.returncode, out, err), status)


def run(*args, status=0, env=None, text=None):
    """Run it to its end, which must have this status or one of these. text: what it reads."""
    words = command(*args, env=env)
    if text is not None:
        del words["stdin"]
    return check(subprocess.run(**words, input=text, timeout=TIMEOUT_S, check=False), status)


def results_of(done):
    """The results of --json by test, each with the names of its warnings."""
    results = json.loads(done.stdout)["results"].values()
    for result in results:
        result["names"] = [warning["name"] for warning in result["warnings"]]
    return {result["test"]: result for result in results}


def result_of(done):
    """The only one of them."""
    (result,) = results_of(done).values()
    return result


class Case(unittest.TestCase):
    """Tests with files, in a folder for each."""

    def path(self, *names):
        """A path in the folder."""
        if not hasattr(self, "folder"):
            folder = tempfile.TemporaryDirectory()
            self.addCleanup(folder.cleanup)
            self.folder = folder.name
        return os.path.join(self.folder, *names)

    def file(self, name, content):
        """Write bytes, a text, or anything else as JSON; its path."""
        if not isinstance(content, (bytes, str)):
            content = json.dumps(content)
        with open(self.path(name), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return file.name

    def read(self, *names):
        """The text of a file."""
        with open(self.path(*names), encoding="utf-8") as file:
            return file.read()

    def start(self, *args, env=None, **pipes):
        """Run it beside the test, until ended() or the end of the test. pipes: other ones."""
        process = subprocess.Popen(**{**command(*args, env=env), **pipes})
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def refused(self, *rows, status=2):
        """Each row is words that it is run with, and what it says to them."""
        for args, text in rows:
            with self.subTest(args=args):
                self.assertIn(text, run(*args, status=status).stderr)

    def documented(self, *members):
        """Each name of these dictionaries stands in the page of the JSON."""
        with open(os.path.join(ROOT, "docs", "loadgen-json.md"), encoding="utf-8") as file:
            named = set(re.findall(r"`(\w+)`", file.read()))
        self.assertFalse(set().union(*members) - named, "not in docs/loadgen-json.md")


class CairndCase(Case):
    """One cairnd with OPTIONS for all tests, without keys at the beginning of each."""

    OPTIONS = {"listen.resp": "127.0.0.1:0"}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.OPTIONS)
        cls.addClassCleanup(cls.server.stop)
        cls.rpc = cls.server.uri()
        cls.resp = cls.server.uri("resp") if "listen.resp" in cls.OPTIONS else None

    def setUp(self):
        self.c = self.server.connect()
        self.addCleanup(self.c.close)
        self.c.call("kv.clear")

    def calls(self):
        """How often the server has done each operation."""
        operations = self.c.call("server.stats")["operations"]
        return collections.Counter({name: row["count"] for name, row in operations.items()})


class RunCase(CairndCase):
    """Each test has a run of its own, in which nothing is: rpc is the address of that."""

    def setUp(self):
        super().setUp()
        self.use(self.id().rpartition(".")[2])

    def use(self, name):
        """Go on in this run; its address."""
        self.c.call("run.use", name)
        self.rpc = f"{self.server.uri()}/{name}"
        return self.rpc
