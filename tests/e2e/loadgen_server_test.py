#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the server says of a test, in the report: it counted what loadgen sent, promises what it is
said to promise, and nobody else used it; otherwise there is a warning."""

import os
import shutil
import subprocess
import time
import unittest

from lib.fake_server import FakeServer
from lib.loadgen import Case, result_of, results_of, run
from lib.redis_server import RedisServer
from lib.server import Server, until

TESTS = "set,get,mixed,rmw,mset,incr"


class ServerStatsTest(Case):
    def cairnd(self, settings=None):
        server = Server({"data.dir": self.path("data"), "durability.mode": "buffered",
                         "listen.resp": "127.0.0.1:0", **(settings or {})})
        self.addCleanup(server.kill)
        return server, (server.uri(), server.uri("resp"))

    def check_counts(self, uri):
        results = results_of(run("-u", uri, "-t", TESTS, "-r", 100, "-n", 2000, "--preload",
                                 "--json"))
        self.assertEqual(set(results), set(TESTS.split(",")))
        for test, result in results.items():
            server = result["server"]
            self.assertEqual(server["requests"], server["requests_sent"], (test, server))
            self.assertEqual(server["requests"], 4000 if test == "rmw" else 2000, test)
            self.assertEqual(sum(op["count"] for op in server["operations"].values()),
                             server["requests"], test)
            self.assertGreater(server["mean_ns"], 0)
            self.assertGreater(server["resident_after_bytes"], 100000)
            self.assertNotIn("other-load", result["names"])
        return results

    def test_cairnd(self):
        server, uris = self.cairnd()
        for uri in uris:
            results = self.check_counts(uri)
            self.assertEqual(results["set"]["server"]["durability"], "buffered")
            self.assertGreater(results["set"]["server"]["log_writes"], 0)
            self.assertLess(results["set"]["server"]["mean_ns"], results["set"]["mean_ns"])
        server.stop()

    def test_exact_preload(self):
        """--preload=N writes N keys, and the server is asked whether they are there."""
        server, uris = self.cairnd()
        for uri, n in zip(uris, (300, 700)):
            done = run("-u", uri, "-t", "get", "-r", 1000, f"--preload={n}", "-n", 2000, "--json",
                       "--quiet-progress")
            self.assertEqual(done.stderr, "")
            result = result_of(done)
            share = result["hits"] / (result["hits"] + result["misses"])
            self.assertAlmostEqual(share, n / 1000, delta=0.07)
            self.refused((("-u", uri, "-t", "set", "-r", 1000, "--preload=1001", "-n", 10),
                          "-r must be at least that"))
        server.stop()

    def test_preload_that_is_lost(self):
        """A server that forgets: nothing is measured."""
        def answer(words, _):
            info = b"# Keyspace\r\ndb0:keys=99,expires=0\r\n"
            if words[0] == b"INFO":
                return b"$%d\r\n%s\r\n" % (len(info), info)
            return b"+OK\r\n"
        with FakeServer(answer) as server:
            target = ("-u", server.uri, "-t", "set", "-r", 200, "-n", 7)
            done = run(*target, "--preload=100", status=3)
            self.assertIn("100 keys were written, but the server has 99", done.stderr)
            self.assertEqual(sum(words[0] == b"SET" for words in server.requests), 100)
            done = run(*target, "--preload=99")
            self.assertEqual(sum(words[0] == b"SET" for words in server.requests), 206)

    def test_process(self):
        """--server-stats finds the process of a server by what it says of itself, and believes none
        that the kernel does not know by that name."""
        server, uris = self.cairnd()
        for uri in uris:
            result = result_of(run("-u", uri, "-t", "set", "-n", 5000, "--json", "--server-stats"))
            self.assertGreater(result["server"]["cpu_ns"], 0)
            self.assertTrue(all("server_cpu_ns" in row for row in result["series"]))
        server.stop()
        for pid in (os.getpid(), 4194304, -1, 1 << 70):
            info = f"redis_version:7.0.15\r\nprocess_id:{pid}\r\nused_cpu_user:0.1\r\n".encode()
            with FakeServer(lambda words, _, info=info: b"$%d\r\n%s\r\n" % (len(info), info)
                            if words[0].upper() == b"INFO" else b"+OK\r\n") as fake:
                result = result_of(run("-u", fake.uri, "-t", "set", "-n", 500, "--json",
                                       "--server-stats"))
            self.assertNotIn("cpu_ns", result["server"])

    def test_machine(self):
        """All CPUs were doing something all the time; what others did takes the server's time."""
        server, uris = self.cairnd()
        begun = time.monotonic()
        result = result_of(run("-u", uris[0], "-t", "get", "--duration", "1s", "--server-pid",
                               server.process.pid, "--json"))
        took_ns = 1e9 * (time.monotonic() - begun)
        system = result["system"]
        parts = sum(system[name] for name in ("user_ns", "system_ns", "softirq_ns", "steal_ns",
                                              "idle_ns"))
        # They are read a little before the test and a little behind it.
        self.assertTrue(0.75 * result["elapsed_ns"] < parts / os.cpu_count() < 1.05 * took_ns)
        self.assertLessEqual(system["other_ns"], system["user_ns"] + system["system_ns"])
        result = result_of(run("-u", uris[0], "-t", "get", "-n", 2000, "--json"))
        self.assertNotIn("other_ns", result["system"])
        server.stop()

    @unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
    def test_redis(self):
        server = RedisServer(tcp=True)
        self.addCleanup(server.stop)
        results = self.check_counts("redis://{}:{}".format(*server.address))
        self.assertEqual(results["set"]["server"]["durability"], "memory")

    def test_wrong_promise(self):
        _, uris = self.cairnd()
        for uri in uris:
            for label in ("memory", "buffered", "strict"):
                done = run("-u", uri, "-t", "set", "-n", 100, "--durability", label)
                self.assertEqual("warning: durability-mismatch" in done.stdout,
                                 label != "buffered", done.stdout)
            self.assertRegex(done.stdout, r"server +counted 100 requests, executed in ")
            self.assertRegex(done.stdout, r"\n +buffered, records .* writes and \d+ syncs")
        self.refused((("--durability", "some"), "memory, buffered or strict"))

    def test_silent_unless_asked(self):
        server, uris = self.cairnd()
        done = run("-u", uris[0], "-t", "set", "-n", 100)
        self.assertNotIn("counted", done.stdout)
        with server.connect() as client:
            self.assertNotIn("server.info", client.call("server.stats")["operations"])

    def test_others(self):
        server, uris = self.cairnd()
        self.start("-u", uris[0], "-t", "get", "--duration", "1h", "-q", stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
        with server.connect() as client:
            until(lambda: "kv.get" in client.call("server.stats")["operations"], "it has begun")
        done = run("-u", uris[0], "-t", "set", "--rate", 200, "--duration", "2", "--json")
        self.assertIn("other-load", result_of(done)["names"])

    def test_evicted(self):
        _, uris = self.cairnd({"memory.limit": "1MiB", "memory.policy": "evict",
                                "durability.mode": "memory", "data.dir": ""})
        done = run("-u", uris[0], "-t", "set", "-r", 10000, "-d", 1000, "-n", 10000, "-P", 16,
                   "--json")
        result = result_of(done)
        self.assertIn("evicted", result["names"], result["server"])
        self.assertGreater(result["server"]["evicted"], 0)


if __name__ == "__main__":
    unittest.main()
