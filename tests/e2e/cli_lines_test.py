#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cairn with commands on standard input: what stops it, exit statuses, and garbage."""

import os
import random
import subprocess
import sys
import unittest

from lib.server import Server, TestCase, environment, sanitized

CAIRN = os.environ.get("CAIRN")
DONE, ANSWERED_ERROR, USAGE, UNREACHABLE, ABSENT = range(5)


class LinesTest(TestCase):
    """Each test works in a run of its own, named like it."""

    def lines(self, text, *flags, code=DONE):
        """Run cairn with these lines; returns (stdout, stderr) if the exit code is as expected."""
        port = str(self.server.address[1])
        data = text if isinstance(text, bytes) else text.encode()
        done = subprocess.run([CAIRN, "-p", port, "--run", self._testMethodName, *flags],
                              input=data, capture_output=True, timeout=60, check=False,
                              env=environment())
        error = done.stderr.decode("utf-8", "replace")
        self.assertEqual(done.returncode, code, f"{done.stdout!r} {error}")
        return done.stdout, error

    def test_commands(self):
        out, error = self.lines("kv put a 1 # one\n\n  # nothing\n"
                                "kv put 'b c' \"x\\\"y\" --ttl 1h\r\nkv get a\n"
                                "kv get b\\ c\nkv scan\ncairn ping\nkv.count")
        self.assertEqual(error, "")
        self.assertEqual(out.split(b"\n")[2:], [b"1", b'"x\\"y"', b"a\t1", b'b c\t"x\\"y"',
                                                b'"pong"', b"2", b""])

    def test_one_connection(self):
        """What holds for a connection holds for the lines that follow."""
        out, _ = self.lines("run use elsewhere\nkv put k 1\nkv count\nrun drop elsewhere\n")
        self.assertRegex(out, rb'^"elsewhere"\n\d+\n1\n1\n$')
        self.assertEqual(self.c.call("kv.count"), 0)

    def test_options_hold(self):
        out, _ = self.lines("kv put k v\nkv get k\nkv scan\n", "--json")
        self.assertEqual(out.split(b"\n")[1:],
                         [b'"v"', b'{"items": [["k", "v"]], "cursor": null}', b""])
        self.assertEqual(self.lines("kv get k\nkv get k", "--raw")[0], b"vv")
        self.assertEqual(self.lines("kv get k --raw\nkv get k")[0], b'v"v"\n')

    def test_nothing(self):
        for text in ("", "\n\n", "# only this", "quit", "exit\nnot done"):
            self.assertEqual(self.lines(text), (b"", ""))

    def test_stops(self):
        out, error = self.lines("kv put k x\nkv incr k\nkv put k y\n", code=ANSWERED_ERROR)
        self.assertIn("cairn: WRONG_TYPE ", error)
        self.assertIn("cairn: line 2 failed; stopped there (--keep-going goes on)\n", error)
        self.assertEqual(self.c.call("kv.get", "k"), "x")

    def test_keep_going(self):
        out, error = self.lines("nope\nkv put k x\nkv incr k\nkv get 'open\nkv get k\n",
                                "--keep-going", code=USAGE)
        self.assertRegex(out, rb'^\d+\n"x"\n$')
        self.assertEqual([line for line in error.splitlines() if "failed" in line],
                         [f"cairn: line {i} failed" for i in (1, 3, 4)])
        self.lines("kv incr k\nnope\n", "--keep-going", code=ANSWERED_ERROR)

    def test_absent_is_no_failure(self):
        out, error = self.lines("kv get nope\nkv exists nope\nkv count\n")
        self.assertEqual(out, b"false\n0\n")
        self.assertIn("there is no such key", error)

    def test_stdin_is_taken(self):
        for line in ("kv put k -", "kv append k -", "batch -", "call kv.get -", "kv mput a -"):
            _, error = self.lines(line + "\nkv put k 1\n", code=USAGE)
            self.assertIn("commands come from standard input", error)
        self.lines("kv put k - --string\n")
        self.assertEqual(self.c.call("kv.get", "k"), "-")

    def test_no_server(self):
        done = subprocess.run([CAIRN, "-p", "1"], input=b"\n# no command, no connection\n",
                              capture_output=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (DONE, b""))
        done = subprocess.run([CAIRN, "-p", "1"], input=b"ping\nping\n",
                              capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertEqual(done.stderr.count(b"CANNOT_CONNECT"), 1)

    def test_output_is_gone(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([CAIRN, "-p", str(self.server.address[1])], input=b"ping\nping\n",
                                  stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual(done.returncode, UNREACHABLE)
        self.assertEqual(done.stderr.count(b"could not be written"), 1)

    def test_connection_lost(self):
        """The server goes away between two lines; with --keep-going the next ones are tried."""
        with Server() as server:
            with subprocess.Popen([CAIRN, "-p", str(server.address[1]), "--keep-going"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, env=environment()) as process:
                process.stdin.write(b"ping\n")
                process.stdin.flush()
                self.assertEqual(process.stdout.readline(), b'"pong"\n')
                server.stop()
                out, error = process.communicate(b"ping\nhelp ping\n", timeout=60)
            self.assertEqual(process.returncode, UNREACHABLE)
            self.assertIn(b"CANNOT_CONNECT", error)
            self.assertIn(b"Usage: cairn server ping", out)

    def test_long_lines(self):
        value = "x" * 3_000_000
        out, _ = self.lines(f"kv put k {value}\nkv strlen k\n" + "a" * 100_000 + "\n", code=USAGE)
        self.assertIn(b"\n3000000\n", out)
        keys = " ".join(f"k{i} {i}" for i in range(10_000))
        self.assertTrue(self.lines(f"kv mput {keys}\nkv count")[0].endswith(b"\n10001\n"))

    def test_zero_byte(self):
        _, error = self.lines(b"ping\nkv get a\0b\nping\n", code=USAGE)
        self.assertIn("byte 0", error)
        self.assertIn("line 2 failed", error)

    def test_garbage(self):
        words = [b"kv", b"get", b"put", b"k", b"--ttl", b"5s", b"'", b'"', b"\\", b"#", b"[[", b"{",
                 b"\xff", b"\x1b[2J", b"call", b"batch", b"help", b"--", b"-", b"@/dev/null", b"=",
                 b"--all", b"--json", b"scan", b"--=", b"\x00", b"run", b"use", b"server",
                 b"kv.scan"]
        for seed in range(10 if sanitized() else 50):
            numbers = random.Random(seed)
            lines = [b" ".join(numbers.choices(words, k=numbers.randrange(8))) for _ in range(100)]
            lines += [numbers.randbytes(numbers.randrange(200)).replace(b"\n", b"")
                      for _ in range(50)]
            numbers.shuffle(lines)
            data = b"\n".join(line for line in lines if line.strip() not in (b"quit", b"exit"))
            done = subprocess.run([CAIRN, "-p", str(self.server.address[1]), "--run",
                                   self._testMethodName, "--keep-going"],
                                  input=data + b"\nping\n", capture_output=True, timeout=60,
                                  check=False, env=environment())
            self.assertTrue(0 <= done.returncode <= 4, (seed, done.returncode, done.stderr[-2000:]))
            self.assertTrue(done.stdout.endswith(b'"pong"\n'), seed)
            self.assertNotIn(b"\x1b", done.stderr)
            self.assertNotIn(b"Sanitizer", done.stderr)


if __name__ == "__main__":
    if not CAIRN:
        print("CAIRN must name the program", file=sys.stderr)
        sys.exit(77)
    unittest.main()
