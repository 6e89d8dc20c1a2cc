#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""server.slowlog: which requests are in it, in which order, for how long, and what never is."""

import os
import signal
import tempfile
import time
import unittest

from lib import RpcError, Server, TestCase, encode, operations, request, until

FIELDS = ["address", "at_ms", "connection", "duration_us", "id", "loop", "name", "op",
          "reply_bytes", "request_bytes", "run"]


class EverythingIsSlowTest(TestCase):
    """Threshold 0, and a log that is never full here."""

    OPTIONS = {"slowlog.threshold_us": 0, "slowlog.entries": 1000, "server.loops": 2}

    def setUp(self):
        super().setUp()
        self.c.call("server.slowlog", reset=True)

    def ops(self, **options):
        return [item["op"] for item in self.c.call("server.slowlog", **options)["items"]]

    def test_what_is_said(self):
        with self.connect() as client:
            number = client.call("hello", client="tests", run="elsewhere")["id"]
            before = int(time.time() * 1000)
            client.call("kv.put", "k", b"x" * 1000)
            client.call("kv.get", "k")
            client.call("kv.get", "k", run="other")
            address = "%s:%d" % client.socket.getsockname()
        items = self.c.call("server.slowlog", limit=3)["items"]
        for item in items:
            self.assertEqual(sorted(item), FIELDS)
            self.assertEqual((item["connection"], item["address"], item["name"]),
                             (number, address, "tests"))
            self.assertIn(item["loop"], (0, 1))
            self.assertLess(abs(item["at_ms"] - before), 60000)
            self.assertTrue(0 <= item["duration_us"] < 10**7, item)
        self.assertEqual([item["id"] - items[0]["id"] for item in items], [0, -1, -2])
        self.assertEqual([(item["op"], item["run"]) for item in items],
                         [("kv.get", "other"), ("kv.get", "elsewhere"), ("kv.put", "elsewhere")])
        self.assertEqual([item["request_bytes"] for item in items[1:]],
                         [len(request(3, "kv.get", ["k"])),
                          len(request(2, "kv.put", ["k", b"x" * 1000]))])
        self.assertEqual([item["reply_bytes"] for item in items[:2]],
                         [len(encode([1, 4, None, None])),
                          len(encode([1, 3, None, b"x" * 1000]))])

    def test_order_is_that_of_execution(self):
        self.c.pipeline([("kv.put", "a", 1), ("kv.get", "a"), ("kv.del", "a"), ("kv.count",),
                         ("batch", [["kv.get", ["a"]]]), ("ping",)])
        self.assertEqual(self.ops(), ["server.ping", "batch", "kv.count", "kv.del", "kv.get",
                                      "kv.put", "server.slowlog"])

    def test_every_request_of_a_pipeline(self):
        self.c.pipeline([("kv.incr", "n")] * 200)
        self.assertEqual(self.ops(limit=200), ["kv.incr"] * 200)

    def test_the_time_of_a_request_is_its_own(self):
        """That of those before it in a pipeline is not counted again."""
        self.c.call("kv.mput", [[f"k{i}", i] for i in range(10000)])
        self.c.pipeline([("kv.scan", {"limit": 10000})] + [("kv.get", "k")] * 10)
        *gets, scan = self.c.call("server.slowlog", limit=11)["items"]
        self.assertEqual((scan["op"], {item["op"] for item in gets}), ("kv.scan", {"kv.get"}))
        self.assertLess(min(item["duration_us"] for item in gets), scan["duration_us"] / 2)

    def test_errors_and_notifications(self):
        self.c.call("kv.put", "n", [1])
        self.fails("WRONG_TYPE", "kv.incr", "n")
        self.c.notify("kv.del", "n")
        items = self.c.call("server.slowlog", limit=2)["items"]
        self.assertEqual([(i["op"], i["reply_bytes"] > 0) for i in items],
                         [("kv.del", False), ("kv.incr", True)])

    def test_pages(self):
        self.c.pipeline([("kv.incr", "n")] * 95)
        whole = self.c.call("server.slowlog", limit=96)["items"]
        found, cursor = [], {}
        while cursor is not None:
            page = self.c.call("server.slowlog", limit=10, **cursor)
            found += page["items"]
            cursor = {"cursor": page["cursor"]} if page["cursor"] is not None else None
        found = [item for item in found if item["op"] == "kv.incr"]
        self.assertEqual(found, [item for item in whole if item["op"] == "kv.incr"])
        self.assertEqual(len(found), 95)

    def test_reset(self):
        self.c.pipeline([("kv.incr", "n")] * 10)
        page = self.c.call("server.slowlog", reset=True, limit=3)
        self.assertEqual([item["op"] for item in page["items"]], ["kv.incr"] * 3)
        self.assertEqual((page["entries"], page["cursor"]), (11, None))
        after = self.c.call("server.slowlog")
        self.assertEqual([item["op"] for item in after["items"]], ["server.slowlog"])
        self.assertEqual(after["items"][0]["id"], page["items"][0]["id"] + 1)
        self.assertEqual(self.c.call("server.slowlog", reset=False)["entries"], 2)

    def test_jobs(self):
        for part in range(5):
            self.c.call("kv.mput", [[f"{part}.{i}", i] for i in range(10000)])
        self.assertEqual(self.c.call("kv.clear"), 50000)
        item = self.c.call("server.slowlog", limit=1)["items"][0]
        self.assertEqual((item["op"], item["run"]), ("kv.clear", "test_jobs"))
        self.assertGreater(item["duration_us"], 500)  # all slices, not only the first
        self.assertGreater(item["reply_bytes"], 4)
        stats = self.c.call("server.stats", op="kv.clear")["operations"]["kv.clear"]
        self.assertGreaterEqual(stats["max_us"] * 1.02, item["duration_us"])

    def test_a_job_whose_client_has_gone(self):
        for part in range(5):
            self.c.call("kv.mput", [[f"{part}.{i}", i] for i in range(10000)])
        with self.server.connect() as client:
            number = client.call("hello")["id"]
            client.send(request(1, "kv.clear", [{"run": self._testMethodName}]))
            until(lambda: self.c.call("kv.count") < 50000, "the clear has begun")
            client.reset()
        items = until(lambda: [i for i in self.c.call("server.slowlog", limit=500)["items"]
                               if i["op"] == "kv.clear"], "the clear is in the log")
        self.assertEqual((items[0]["connection"], items[0]["run"]), (number, self._testMethodName))
        self.assertEqual(self.c.call("kv.count"), 0)

    def test_counted_and_logged(self):
        def count():
            return self.c.call("server.stats", op="ping")["counters"]["slow_requests"]

        before = count()
        self.c.pipeline([("ping",)] * 50)
        self.assertEqual(count(), before + 51)
        self.server.wait_log(r"notice ops: \S+ took \d+ us on connection \d+$")

    def test_bad_arguments(self):
        self.fails("BAD_ARGUMENT", "server.slowlog", limit=0)
        self.fails("LIMIT_EXCEEDED", "server.slowlog", limit=10001)
        self.fails("BAD_ARGUMENT", "server.slowlog", cursor=-1)
        self.fails("BAD_ARGUMENT", "server.slowlog", reset=1)


class SecretTest(unittest.TestCase):
    SECRET = "Xyzzy-3141592653"

    def arguments(self, rows):
        """Every argument that can hold it holds it."""
        values = {"key": self.SECRET, "bytes": self.SECRET, "data": self.SECRET,
                  "value": {self.SECRET: self.SECRET}, "keys": [self.SECRET],
                  "pairs": [[self.SECRET, self.SECRET]], "name": "string",
                  "calls": [["kv.put", [self.SECRET, self.SECRET]]],
                  "conditions": [["kv", self.SECRET, 0]], "int": 1, "uint": 5, "real": 1.5,
                  "bool": True, "array": [self.SECRET], "map": {self.SECRET: self.SECRET},
                  "vector": [self.SECRET],
                  "items": [{self.SECRET: self.SECRET}]}
        return {name: values[kind] for name, kind, _ in rows
                if name not in ("client", "version", "cursor", "durability", "reset")}

    def test_no_key_value_or_token_is_in_it(self):
        with Server({"slowlog.threshold_us": 0, "slowlog.entries": 1000}) as server, \
                server.connect() as client:
            number = client.call("hello")["id"]
            called = []
            for method, rows in operations().items():
                if method == "server.kill":
                    continue  # has nothing to hide, and 5 may be somebody
                required = [row for row in rows if row[2] == "required"]
                for option in [[], *([row] for row in rows if row not in required)]:
                    client.pipeline([(method, self.arguments(required + option))])
                    called.append(method)
            self.assertGreater(len(called), 50)
            page = client.call("server.slowlog", limit=1000)
            self.assertEqual({item["op"] for item in page["items"]}, set(called))
            self.assertEqual({item["connection"] for item in page["items"]}, {number})
            for word in (self.SECRET, self.SECRET.lower(), self.SECRET[:6]):
                self.assertNotIn(word, repr(page))
                self.assertNotIn(word, repr(client.call("server.clients")))
                self.assertNotIn(word, server.log())


class ThresholdTest(unittest.TestCase):
    def test_the_newest_stay(self):
        with Server({"slowlog.threshold_us": 0, "slowlog.entries": 5}) as server, \
                server.connect() as client:
            for n in range(23):
                client.call("kv.put", f"k{n}", "x" * n)
            page = client.call("server.slowlog")
            self.assertEqual((page["entries"], page["cursor"]), (5, None))
            self.assertEqual([item["id"] for item in page["items"]], [23, 22, 21, 20, 19])
            sizes = [item["request_bytes"] for item in page["items"]]
            self.assertEqual(sizes, list(range(sizes[0], sizes[0] - 5, -1)))
            self.assertEqual(client.call("server.slowlog", cursor=10)["items"], [])

    def test_only_what_is_slow(self):
        with Server({"slowlog.threshold_us": 1000}) as server, server.connect() as client:
            client.call("kv.mput", [[f"k{i}", i] for i in range(10000)])  # some ms
            client.call("server.config_set", "slowlog.threshold_us", 3600000000)
            client.call("kv.mput", [[f"k{i}", i] for i in range(10000)])
            slow = client.call("server.slowlog")["items"]
            self.assertEqual(["kv.mput"], [i["op"] for i in slow if i["op"] == "kv.mput"])
            self.assertTrue(all(item["duration_us"] >= 1000 for item in slow))

    def test_the_threshold_can_be_changed(self):
        with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as folder:
            path = os.path.join(folder, "cairn.yaml")

            def write(threshold):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f"slowlog:\n  threshold_us: {threshold}\n")

            write(-1)
            with Server(args=("--config", path)) as server, server.connect() as client:
                client.pipeline([("ping",)] * 10)
                self.assertEqual(client.call("server.slowlog")["entries"], 0)
                write(0)
                server.signal(signal.SIGHUP)
                server.wait_log(r"slowlog\.threshold_us has changed")
                until(lambda: client.call("server.slowlog")["entries"] > 0, "it holds")
                for off in (-1, "-1"):
                    client.call("server.config_set", "slowlog.threshold_us", 0)
                    client.call("server.config_set", "slowlog.threshold_us", off)
                    before = client.call("server.slowlog")
                    client.pipeline([("ping",)] * 10)
                    self.assertEqual(client.call("server.slowlog"), before)
                for bad in (-2, 3600000001, "off", True, 1.5):
                    with self.assertRaises(RpcError) as caught:
                        client.call("server.config_set", "slowlog.threshold_us", bad)
                    self.assertEqual(caught.exception.code, "BAD_ARGUMENT")


if __name__ == "__main__":
    unittest.main()
