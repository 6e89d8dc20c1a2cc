#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""redis-cli, redis-benchmark and memtier_benchmark on the RESP port, used as people use them."""

import csv
import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
import unittest

from lib.resp import Resp, encode
from lib.resp_subject import IS_CAIRND, Subject

CLI, BENCHMARK = shutil.which("redis-cli"), shutil.which("redis-benchmark")
MISSING = "redis-tools is missing: scripts/packages.sh test"


class ToolCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.subject = Subject()
        cls.addClassCleanup(cls.subject.stop)
        cls.host, cls.port = cls.subject.address
        cls.where = ["-h", cls.host, "-p", str(cls.port)]

    def setUp(self):
        self.redis = Resp(self.subject.address)
        self.addCleanup(self.redis.close)
        self.redis.call("FLUSHALL")

    def run_tool(self, *command, data=b"", timeout=60):
        """(standard output, standard error) as text; it must succeed."""
        done = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=timeout, check=False)
        texts = [text.decode("utf-8", "replace") for text in (done.stdout, done.stderr)]
        self.assertEqual(done.returncode, 0, texts)
        return texts


@unittest.skipIf(CLI is None, MISSING)
class CliTest(ToolCase):
    def cli(self, *args, data=b""):
        """What redis-cli prints; nothing may come on standard error."""
        out, err = self.run_tool(CLI, *self.where, *args, data=data)
        self.assertEqual(err, "")
        return out

    def test_commands(self):
        for options in ([], ["-3"], ["-2"], ["-n", "0"]):
            with self.subTest(options):
                self.assertEqual(self.cli(*options, "SET", "k", "a b"), "OK\n")
                self.assertEqual(self.cli(*options, "GET", "k"), "a b\n")
                self.assertEqual(self.cli(*options, "--no-raw", "GET", "k"), '"a b"\n')
                self.assertEqual(self.cli(*options, "--no-raw", "GET", "none"), "(nil)\n")
                self.assertEqual(self.cli(*options, "--no-raw", "STRLEN", "k"), "(integer) 3\n")
                if "-2" not in options:
                    self.assertEqual(self.cli(*options, "--json", "MGET", "k", "none"),
                                     '["a b",null]\n')
                self.assertEqual(self.cli(*options, "--csv", "MGET", "k", "none"), '"a b",NULL\n')
                self.assertEqual(self.cli(*options, "-x", "SET", "x", data=b"\x00\n\xff"), "OK\n")
                self.assertEqual(self.redis.call("GET", "x").value, b"\x00\n\xff")
                self.assertIn("ERR unknown command 'nope'", self.cli(*options, "nope"))
                self.assertEqual(self.cli(*options, "-r", "3", "INCR", "n").split()[-1],
                                 self.redis.call("GET", "n").value.decode())

    def test_exit_status(self):
        done = subprocess.run([CLI, *self.where, "-e", "INCR", "a", "b"], check=False, timeout=30,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"ERR wrong number of arguments", done.stdout + done.stderr)

    def test_script_of_commands(self):
        out = self.cli(data=b"SET k 1\nINCR k\nMULTI\nINCR k\nGET k\nEXEC\nMONITORED\n")
        self.assertEqual(out.split("\n")[:7], ["OK", "2", "OK", "QUEUED", "QUEUED", "3", "3"])

    def test_pipe(self):
        data = b"".join(encode("SET", f"key:{i}", i) for i in range(10000))
        out = self.cli("--pipe", data=data)
        self.assertIn("errors: 0, replies: 10000", out)
        self.assertEqual(self.redis.call("DBSIZE").value, 10000)

    def test_pipe_with_errors(self):
        done = subprocess.run([CLI, *self.where, "--pipe"], input=b"SET a 1\r\nINCR\r\nGET a\r\n",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=60)
        self.assertIn(b"errors: 1, replies: 3", done.stdout)

    def test_latency(self):
        low, high, mean, count = map(float, self.cli("--latency", "-i", "1").split())
        self.assertGreater(count, 0)
        self.assertTrue(0 <= low <= mean <= high, (low, mean, high))

    def test_stat(self):
        self.redis.call("MSET", "a", 1, "b", 2, "c", 3)
        with subprocess.Popen([CLI, *self.where, "--stat", "-i", "0.1"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as process:
            lines = [process.stdout.readline().decode() for _ in range(5)]
            process.terminate()
        self.assertIn("keys", lines[1])
        for line in lines[2:]:
            # keys, memory, clients, blocked, requests (more), connections
            row = re.match(r"(\d+)\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+) \(\+\d+\)\s+(\d+)", line)
            self.assertTrue(row, lines)
            self.assertEqual(row[1], "3")
            self.assertRegex(row[2], r"^[\d.]+[BKMG]$")
            self.assertGreaterEqual(int(row[3]), 1)
            self.assertGreaterEqual(int(row[5]), 1)

    def test_scan(self):
        keys = {f"key:{i}" for i in range(1000)}
        self.redis.call("MSET", *(x for key in keys for x in (key, 1)), "other", 1)
        self.assertEqual(set(self.cli("--scan").split()), keys | {"other"})
        self.assertEqual(set(self.cli("--scan", "--pattern", "key:*").split()), keys)
        self.assertEqual(self.cli("--scan", "--pattern", "[no]t*").split(), ["other"])

    def test_bigkeys(self):
        self.redis.call("MSET", "small", "x", "large", "x" * 1000, "mean", "x" * 10)
        out = self.cli("--bigkeys")
        self.assertIn("Sampled 3 keys in the keyspace", out)
        self.assertRegex(out, 'Biggest string found .*"large".* has 1000 bytes')

    def test_monitor(self):
        """Refused in words; with Redis itself it would never end."""
        if IS_CAIRND:
            self.assertRegex(self.cli("MONITOR"), r"(?i)ERR .*monitor")

    def terminal(self, *options):
        """A redis-cli that has shown its prompt."""
        self.redis.call("FLUSHALL")
        terminal = Terminal([CLI, *self.where, *options])
        self.addCleanup(terminal.close)
        terminal.expect(f"{self.host}:{self.port}> ")
        return terminal

    def test_interactive(self):
        for options in ([], ["-3"]):
            with self.subTest(options):
                terminal = self.terminal(*options)
                for words, answer in (("set k hello", "OK"), ("get k", '"hello"'),
                                      ("help get", "Get the value of a key"),
                                      ("multi", "(TX)"), ("incr n", "QUEUED"),
                                      ("exec", "(integer) 1"), ("get none", "(nil)"),
                                      ("hello 3", '"proto" => (integer) 3')):
                    terminal.write(words + "\r")
                    terminal.expect(answer)
                    terminal.expect("> ")
                terminal.write("quit\r")

    def test_hints(self):
        """What comes next stands in grey behind what is typed."""
        for typed, hint in (("set ", "key value ["), ("set k ", "value ["), ("incrby ", "key ")):
            with self.subTest(typed):
                terminal = self.terminal()
                terminal.write(typed)
                terminal.expect(hint)
                terminal.write("\x03")


class Terminal:
    """A program on a pseudo terminal."""

    def __init__(self, command):
        self.text = ""
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            # Of unknown width, it would ask the terminal where the cursor is.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
            os.environ.update(TERM="xterm", HOME="/nonexistent", REDISCLI_HISTFILE="/dev/null")
            os.execv(command[0], command)

    def write(self, text):
        os.write(self.file, text.encode())

    def expect(self, text, seconds=120):
        """Read until this text has come; what came before it."""
        deadline = time.monotonic() + seconds
        while True:
            # Colours and cursor movements are not part of what a person reads.
            shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text)
            before, found, behind = shown.partition(text)
            if found:
                self.text = behind
                return before
            if not select.select([self.file], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no {text!r} in {self.text!r}")
            self.text += os.read(self.file, 65536).decode("utf-8", "replace")

    def close(self):
        os.close(self.file)  # it ends by the hangup, if not before
        os.waitpid(self.pid, 0)


@unittest.skipIf(BENCHMARK is None, MISSING)
class BenchmarkTest(ToolCase):
    TESTS = "ping,set,get,incr,mset"
    NAMES = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]

    def benchmark(self, *options, number=2000):
        """Rows of the report; a warning, also of a configuration that it cannot get, fails."""
        out, err = self.run_tool(BENCHMARK, *self.where, "-n", str(number), "-c", "10", "--csv",
                                 *options)
        self.assertNotIn("Could not fetch", out + err)
        if "-e" not in options:  # "-e option has no effect. We now immediately exit on error"
            self.assertNotIn("rror", out + err)
        return list(csv.DictReader(out[out.index('"test"'):].splitlines()))

    def test_options(self):
        for options in ([], ["-P", "16"], ["-3"], ["--threads", "2"], ["-r", "1000", "-d", "300"],
                        ["-e"], ["-k", "0"], ["-3", "-P", "16", "--threads", "2", "-r", "100"],
                        ["--dbnum", "0"], ["-P", "100", "-d", "3000"]):
            with self.subTest(options):
                rows = self.benchmark("-t", self.TESTS, *options)
                self.assertEqual([row["test"] for row in rows], self.NAMES)
                for row in rows:
                    self.assertGreater(float(row["rps"]), 0)

    def test_what_it_leaves(self):
        self.benchmark("-t", "set,incr", "-r", "100", "-d", "64", "-P", "16", number=20000)
        keys = self.redis.call("KEYS", "*").plain()
        self.assertEqual({key.split(b":")[0] for key in keys}, {b"key", b"counter"})
        self.assertEqual(len(keys), 200)
        self.assertEqual(self.redis.call("STRLEN", "key:000000000042").value, 64)
        counters = self.redis.call("MGET", *(k for k in keys if k.startswith(b"counter"))).plain()
        self.assertEqual(sum(map(int, counters)), 20000)

    def test_own_command(self):
        rows = self.benchmark("-P", "4", "-r", "50", "SETEX", "k:__rand_int__", "100", "v")
        self.assertEqual(rows[0]["test"], "SETEX k:__rand_int__ 100 v")
        self.assertEqual(self.redis.call("DBSIZE").value, 50)

    def test_human_report(self):
        out, err = self.run_tool(BENCHMARK, *self.where, "-n", "500", "-t", "set,get")
        for text in ("====== SET ======", "50 parallel clients", "3 bytes payload",
                     'host configuration "save": ', 'host configuration "appendonly": no',
                     "Latency by percentile distribution", "Summary:"):
            self.assertIn(text, out)
        self.assertNotIn("WARNING", out + err)

    def test_lists_fail_at_once(self):
        """A test of what cairnd does not have ends with the error, and does not count it."""
        if not IS_CAIRND:
            self.skipTest("Redis has lists")
        done = subprocess.run([BENCHMARK, *self.where, "-n", "100", "-t", "lpush"], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertIn(b"ERR unknown command 'LPUSH'", done.stdout)
        self.assertEqual(done.returncode, 1)


class MemtierTest(ToolCase):
    """Debian has no memtier_benchmark: its handshakes and commands, byte for byte."""

    def test_handshakes(self):
        for hello, kind in ((b"", None), (b"*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n", b"*"),
                            (b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", b"%")):
            with Resp(self.subject.address) as c:
                # All in one go: it does not wait for one reply before it asks for the next.
                c.send(hello + b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n")
                if hello:
                    self.assertEqual(c.read().kind, kind)
                self.assertEqual(c.read().raw, b"+OK\r\n")

    def test_mix(self):
        """1:10 of SET and GET on 4 connections, pipeline 8; hits and misses."""
        value = b"x" * 32
        connections = [Resp(self.subject.address) for _ in range(4)]
        hits = 0
        for turn in range(50):
            for c in connections:
                c.send(b"".join(
                    b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$32\r\n%s\r\n" % (len(key), key, value)
                    if (turn + i) % 11 == 0 else b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" %
                    (len(key), key) for i in range(8)
                    for key in [b"memtier-%d" % ((turn * 7 + i * 13) % 40)]))
            for c in connections:
                for i in range(8):
                    reply = c.read()
                    if (turn + i) % 11 == 0:
                        self.assertEqual(reply.raw, b"+OK\r\n")
                    else:
                        self.assertIn(reply.raw, (b"$-1\r\n", b"$32\r\n" + value + b"\r\n"))
                        hits += reply.value is not None
        for c in connections:
            c.close()
        self.assertGreater(hits, 100)

    def test_other_commands(self):
        """--expiry-range sends SETEX, --multi-key-get MGET, --wait-ratio WAIT."""
        self.redis.send(b"*4\r\n$5\r\nSETEX\r\n$9\r\nmemtier-1\r\n$3\r\n100\r\n$2\r\nab\r\n"
                        b"*3\r\n$4\r\nMGET\r\n$9\r\nmemtier-1\r\n$9\r\nmemtier-2\r\n"
                        b"*3\r\n$4\r\nWAIT\r\n$1\r\n0\r\n$1\r\n5\r\n")
        self.assertEqual(self.redis.read().raw, b"+OK\r\n")
        self.assertEqual(self.redis.read().raw, b"*2\r\n$2\r\nab\r\n$-1\r\n")
        self.assertEqual(self.redis.read().raw, b":0\r\n")


if __name__ == "__main__":
    unittest.main()
