#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen in the place of redis-benchmark: the same options, requests, titles and tables.

The judges are Debian's redis-server, which counts what it gets, and redis-benchmark."""

import os
import re
import shutil
import signal
import subprocess
import unittest

from lib.loadgen import LOADGEN, Case, check, ended, run
from lib.redis_server import RedisServer
from lib.server import environment

TESTS = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange,mset"


@unittest.skipIf(shutil.which("redis-server") is None or shutil.which("redis-benchmark") is None,
                 "redis-server or redis-tools is missing: scripts/packages.sh test")
class RedisTest(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = RedisServer(tcp=True)
        cls.port = str(cls.server.address[1])
        cls.socket = os.path.join(cls.server.folder, "redis.sock")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.cli("FLUSHALL")
        self.cli("CONFIG", "RESETSTAT")

    def program(self, *args):
        return check(subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                    timeout=200, check=False, env=environment()), 0)

    def loadgen(self, *args, status=0):
        return run("-p", self.port, *args, status=status)

    def benchmark(self, *args):
        return self.program("redis-benchmark", "-p", self.port, *args).stdout

    def cli(self, *args):
        return self.program("redis-cli", "-p", self.port, *args).stdout.strip()

    def calls(self):
        """How often each command was called, but for those of this test."""
        return {name: int(count) for name, count in
                re.findall(r"cmdstat_(\w+):calls=(\d+)", self.cli("INFO", "commandstats"))
                if name not in ("info", "config", "flushall", "ping")}

    def masked(self, text):
        """Lines without numbers that differ from run to run; progress is left out."""
        lines = [re.sub(r"\d+\.\d+|\binf\b", "N", line.strip()) for line in text.split("\n")]
        return [line for line in lines if line and "rps=" not in line]

    def test_same_tables(self):
        for form in ("-q", "--csv"):
            ours = self.loadgen("-t", TESTS, "-n", "200", "-r", "100", form).stdout
            theirs = self.benchmark("-t", TESTS, "-n", "200", "-r", "100", form)
            self.assertEqual(self.masked(ours), self.masked(theirs))
        decimals = r'"\d+\.\d\d"' + r',"\d+\.\d{3}"' * 6
        for line in ours.splitlines()[1:]:
            self.assertRegex(line, rf'^"[^"]+",{decimals}$')

    def test_same_calls(self):
        counts = []
        for program in (self.loadgen, self.benchmark):
            self.setUp()
            program("-t", TESTS, "-n", "500", "-r", "100", "-P", "4", "-c", "5", "-q")
            counts.append(self.calls())
        # redis-benchmark goes on in whole batches, so that it may send a few more.
        self.assertEqual(counts[0].keys(), counts[1].keys())
        self.assertEqual(counts[0]["set"], 500)
        self.assertEqual(counts[0]["lrange"], 2000)
        for name, count in counts[0].items():
            self.assertTrue(0 <= counts[1][name] - count <= 80, (name, counts))

    def test_all_is_the_group_redis(self):
        ours = self.loadgen("-t", "redis", "-n", "50", "--csv").stdout
        theirs = self.benchmark("-n", "50", "--csv")
        self.assertEqual(self.masked(ours), self.masked(theirs))

    def test_keys(self):
        self.loadgen("-t", "set", "-n", "100000", "-r", "1000", "-P", "50", "-d", "17", "-q")
        self.assertEqual(self.cli("DBSIZE"), "1000")
        self.assertEqual(len(self.cli("GET", "key:000000000999")), 17)

    @unittest.skipUnless(shutil.which("strace"), "strace is missing")
    def test_system_calls(self):
        """One send and one receive a request, whatever epoll adds, and nothing to tell epoll."""
        trace = os.path.join(self.server.folder, "trace")
        done = subprocess.run(
            ["strace", "-f", "-c", "-o", trace, LOADGEN, "-p", self.port, "-t", "get", "-n",
             "20000", "-q"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding="utf-8", timeout=200, check=False,
            env={**environment(), "ASAN_OPTIONS": "detect_leaks=0"})
        if "ptrace" in done.stderr:
            self.skipTest("strace may not trace here")
        with open(trace, encoding="utf-8") as file:
            rows = [line.split() for line in file]
        calls = {row[-1]: int(row[3]) for row in rows if len(row) > 4 and row[3].isdigit()}
        self.assertLess(calls["sendto"], 20000 + 200)
        self.assertLess(calls["recvfrom"], 20000 + 200)
        self.assertEqual(calls["epoll_ctl"], 50)

    def test_own_command(self):
        done = self.loadgen("-n", "300", "-r", "1000000", "-q", "HSET", "h", "f__rand_int__",
                            "__data__")
        self.assertTrue(done.stdout.startswith("HSET h f__rand_int__ __data__: "), done.stdout)
        self.assertGreater(int(self.cli("HLEN", "h")), 290)
        self.assertEqual(self.calls(), {"hset": 300, "hlen": 1})

    def test_unknown_command(self):
        done = self.loadgen("-n", "10", "-q", "NOSUCH", "x", status=3)
        self.assertIn("unknown command", done.stderr)

    def test_sockets_databases_and_versions(self):
        run("-s", self.socket, "-t", "set", "-n", "10", "-q")
        self.assertEqual(self.cli("DBSIZE"), "1")
        run("-u", "redis+unix://" + self.socket, "-t", "set", "-n", "10", "-q",
                     "-3", "--dbnum", "5")
        self.assertEqual(self.cli("-n", "5", "DBSIZE"), "1")
        run("-u", f"redis://localhost:{self.port}/6", "-t", "set", "-n", "10",
                     "-q")
        self.assertEqual(self.cli("-n", "6", "DBSIZE"), "1")

    def test_passwords(self):
        self.cli("ACL", "SETUSER", "me", "on", ">pass word", "~*", "+@all")
        self.addCleanup(self.cli, "ACL", "DELUSER", "me")
        uri = f"redis://me:pass%20word@127.0.0.1:{self.port}"
        run("-u", uri, "-n", "10", "-q")
        run("-u", uri, "-3", "-n", "10", "-q")
        self.loadgen("--user", "me", "-a", "pass word", "-n", "10", "-q")
        done = self.loadgen("--user", "me", "-a", "wrong", "-n", "10", status=3)
        self.assertIn("WRONGPASS", done.stderr)
        self.assertNotIn("pass word", run("-u", uri, "-n", "10").stdout)

    def test_large_values(self):
        self.loadgen("-t", "set,get", "-n", "40", "-c", "4", "-P", "4", "-d", "1MiB-3MiB", "-r",
                     "5", "--verify")

    def test_loops_until_interrupted(self):
        process = self.start("-p", self.port, "-l", "-t", "set", "-n", 10, "-q")
        for _ in range(3):
            self.assertTrue(process.stdout.readline().startswith("SET: "))
        process.send_signal(signal.SIGINT)
        self.assertIn("loadgen: interrupted", ended(process, 3).stderr)


if __name__ == "__main__":
    unittest.main()
