#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""bash completion: the file is sourced in bash, and its functions are called as bash does."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from lib.server import ROOT, environment

PROGRAMS = {name: os.environ.get(name.upper()) for name in ("cairn", "cairnd", "loadgen")}
SCRIPT = os.path.join(ROOT, "client", "cli", "cairn.bash")
ASK = r"""
set -u
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
[[ $(complete -p "$1") =~ \ -F\ ([^ ]+) ]] || exit 3
"${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"
"""


class CompletionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        for name, path in PROGRAMS.items():
            os.symlink(path, os.path.join(cls.folder.name, name))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def complete(self, *words):
        env = environment()
        env["PATH"] = self.folder.name + os.pathsep + env["PATH"]
        done = subprocess.run(["bash", "-c", ASK, "bash", SCRIPT, *words], capture_output=True,
                              timeout=60, check=False, text=True, env=env, cwd=self.folder.name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split("\n")[:-1]

    def test_cairn(self):
        for words, expected in (
                (["kv", "g"], ["get"]),
                (["kv", "m"], ["mget", "mput", "mdel"]),
                (["serv"], ["server"]),
                (["server", "conf"], ["config-get", "config-set"]),
                (["kv", "put", "k", "v", "--tt"], ["--ttl"]),
                (["kv", "put", "k", "v", "--if-absent", "--if-a"], []),
                (["-p", "7420", "--run", "r", "kv", "pu"], ["put"]),
                (["--sock"], ["--socket"]),
                (["--socket", ""], []),
                (["kv", "get", ""], []),
                (["call", "kv.strl"], ["kv.strlen"]),
                (["help", "ru"], ["run"]),
                (["$(touch harmed)", "`touch harmed`", "kv"], []),
                (["kv", "get", "*"], [])):
            self.assertEqual(self.complete("cairn", *words), expected, words)
        self.assertIn("kv", self.complete("cairn", ""))
        self.assertNotIn("--complete-words", self.complete("cairn", "-"))
        self.assertFalse(os.path.exists(os.path.join(self.folder.name, "harmed")))

    def test_files(self):
        self.assertEqual(self.complete("cairn", "kv", "put", "k", "@load"), ["@loadgen"])

    def test_cairnd(self):
        self.assertEqual(self.complete("cairnd", "--check"), ["--check-config"])
        self.assertEqual(self.complete("cairnd", "--set", "listen.unix"), ["listen.unix_mode="])
        self.assertIn("limits.connections=", self.complete("cairnd", "--set", "limits."))
        self.assertEqual(self.complete("cairnd", "x"), [])
        self.assertEqual(self.complete("cairnd", "wal"), ["waldump"])
        self.assertIn("check", self.complete("cairnd", ""))

    def test_loadgen(self):
        self.assertEqual(self.complete("loadgen", "--threa"), ["--threads"])
        self.assertIn("--json", self.complete("loadgen", "--"))
        self.assertIn("--vs", self.complete("loadgen", "-t", "get", "--"))
        self.assertEqual(self.complete("loadgen", "comp"), ["compare"])
        self.assertIn("report", self.complete("loadgen", ""))
        self.assertIn("--gates", self.complete("loadgen", "compare", "--"))
        self.assertEqual(self.complete("loadgen", "compare", "--thr"), ["--threshold"])
        self.assertNotIn("--vs", self.complete("loadgen", "compare", "--"))
        self.assertEqual(self.complete("loadgen", "-t", "comp"), [])

    def test_without_the_program(self):
        env = dict(os.environ, PATH="/usr/bin:/bin")
        done = subprocess.run(["bash", "-c", ASK, "bash", SCRIPT, "cairn", "k"], env=env,
                              capture_output=True, timeout=60, check=False, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


if __name__ == "__main__":
    if None in PROGRAMS.values() or not shutil.which("bash"):
        print("CAIRN, CAIRND and LOADGEN must name the programs; bash is needed", file=sys.stderr)
        sys.exit(77)
    unittest.main()
