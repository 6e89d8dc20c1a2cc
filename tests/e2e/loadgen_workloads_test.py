#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The workloads of loadgen that are more than reads and writes: YCSB D, E and F, batches, writes of
a durability. What the server has done and holds afterwards is what the workload says."""

import tempfile
import unittest

from lib.loadgen import CairndCase, result_of, results_of, run
from lib.server import until


class WorkloadsTest(CairndCase):
    @classmethod
    def setUpClass(cls):
        data = tempfile.TemporaryDirectory()
        cls.addClassCleanup(data.cleanup)
        cls.OPTIONS = {**cls.OPTIONS, "data.dir": data.name, "durability.mode": "buffered"}
        super().setUpClass()

    def load(self, *args, uri=None):
        return results_of(run("-u", uri or self.rpc, "--json", *args))

    def test_ycsb_d(self):
        """5 % new keys, and no read misses, however many threads insert."""
        for threads, uri in ((1, self.rpc), (2, self.rpc), (4, self.resp)):
            self.c.call("kv.clear")
            (result,) = self.load("--workload", "ycsb-d", "-r", 1000, "-n", 20000, "-d", 100,
                                  "--threads", threads, uri=uri).values()
            self.assertEqual((result["count"], result["misses"]), (20000, 0))
            self.assertEqual(result["hits"], 19000)
            self.assertEqual(self.c.call("kv.count", prefix=b"key:"), 2000)
            self.assertIsNotNone(self.c.call("kv.get", b"key:000000001999"))
            self.assertIsNone(self.c.call("kv.get", b"key:000000002000"))

    def test_warmup_inserts_elsewhere(self):
        self.load("-t", "insert", "-r", 10, "-n", 100, "--warmup", "100ms", "-c", 2)
        self.assertEqual(self.c.call("kv.count", to=b"key:4"), 100)
        self.assertGreater(self.c.call("kv.count", **{"from": b"key:5"}), 0)

    def test_ycsb_e(self):
        before = self.calls()["kv.scan"]
        (result,) = self.load("--workload", "ycsb-e", "-r", 1000, "-n", 2000, "-d", 10).values()
        self.assertEqual((result["count"], result["errors"]), (2000, 0))
        self.assertEqual(self.calls()["kv.scan"] - before, 1900)
        self.assertEqual(self.c.call("kv.count", prefix=b"key:"), 1100)
        self.assertGreater(result["bytes_in"], 1900 * 50 * 16 / 2)  # pages, not single keys
        self.refused((("-u", self.resp, "--workload", "ycsb-e"),
                      "none of these tests can be run in protocol resp2"))

    def test_ycsb_f(self):
        for uri in (self.rpc, self.resp):
            gets, puts = self.calls()["kv.get"], self.calls()["kv.put"]
            (result,) = self.load("--workload", "ycsb-f", "-r", 100, "-n", 2000, "--verify",
                                  "--threads", 2, "-P", 3, uri=uri).values()
            self.assertEqual((result["count"], result["hits"], result["corrupt"]), (2000, 2000, 0))
            updates = result["by_request"]["rmw"]["samples"]
            self.assertTrue(900 < updates < 1100, updates)
            self.assertEqual(self.calls()["kv.get"] - gets, 2000)
            self.assertEqual(self.calls()["kv.put"] - puts, 100 + updates)

    def test_batch(self):
        results = self.load("-t", "batch", "-r", 100000, "-n", 200)
        self.assertEqual(results["batch"]["errors"], 0)
        self.assertTrue(1900 < self.c.call("kv.count", prefix=b"key:") <= 2000)

    def test_durability(self):
        results = self.load("--workload", "durability", "-n", 300)
        self.assertEqual(set(results), {"set_buffered", "set_strict"})
        self.assertEqual({result["errors"] for result in results.values()}, {0})

    def test_options_of_an_operation(self):
        self.load("-n", 10, "kv.put", "a__rand_int__", "1", "{", "ttl_ms", "60000", "}")
        (key,) = self.c.call("kv.scan", prefix=b"a", keys_only=True)["items"]
        self.assertTrue(0 < self.c.call("kv.ttl", key) <= 60000)

    def test_stall(self):
        """Snapshots are taken in the middle of it, in both protocols. In RESP it is an error to ask
        for one while another is written."""
        for uri in (self.rpc, self.resp):
            taken = self.c.call("server.snapshots")["taken"]
            done = run("-u", uri, "--json", "--workload", "stall", "--mix",
                       "get=600,set=200,snapshot=1", "-r", 1000, "--rate", 2000, "--duration", 2,
                       status=0 if uri == self.rpc else (0, 3))
            result = result_of(done)
            kind = result["by_request"]["snapshot"]
            self.assertEqual((result["count"], result["misses"]), (4000, 0))
            self.assertEqual(result["errors"], kind["errors"])
            self.assertGreater(kind["samples"], 0)
            if uri == self.rpc:
                self.assertEqual(kind["errors"], 0)
            until(lambda: not self.c.call("server.snapshots")["running"], "the last one is whole")
            self.assertGreater(self.c.call("server.snapshots")["taken"], taken)

    def test_idle(self):
        (result,) = self.load("--workload", "idle", "-n", 50, "-c", 200).values()
        self.assertEqual(result["count"], 50)


if __name__ == "__main__":
    unittest.main()
