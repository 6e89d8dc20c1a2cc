#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen against cairnd, in both of its protocols, and against servers that misbehave.

Figures are not judged, as this build is slow; counts, keys, warnings and exit statuses are."""

import collections
import json
import unittest

from lib.fake_server import FakeServer, Nobody
from lib.loadgen import CairndCase, Case, result_of, results_of, run


def report(*args):
    """The results of a run, by test."""
    return results_of(run(*args, "--json"))


class CairndTest(CairndCase):
    def test_every_test(self):
        tests = "ping,set,get,incr,mset,mget,exists,append,mixed,del"
        for uri, protocol in ((self.rpc, "msgpack"), (self.resp, "resp2")):
            results = report("-u", uri, "-t", tests, "-n", 500, "-r", 10, "-P", 3)
            self.assertEqual(sum(test["errors"] for test in results.values()), 0)
            for name in ("ping_inline", "ping_mbulk") if protocol == "resp2" else ("ping",):
                self.assertIn(name, results)
            for name in tests.split(",")[1:]:
                self.assertEqual(results[name]["count"], 500)

    def test_protocol_is_found_out(self):
        for address, protocol in ((self.server.address, "msgpack"),
                                  (self.server.address_of(0, "resp"), "resp2")):
            done = run("-h", address[0], "-p", address[1], "-n", 10, "--json")
            self.assertEqual(json.loads(done.stdout)["target"]["protocol"], protocol)
        done = run("-u", self.resp, "--protocol", "msgpack", "-n", 10, status=3)
        self.assertIn("answers in another protocol", done.stderr)

    def test_own_request(self):
        run("-u", self.rpc + "/elsewhere", "-n", 100, "-r", 1000000,
            "kv.mput", "[", "[", "a__rand_int__", "7", "]", "[", "b", "__data__", "]", "]")
        self.c.call("run.use", "elsewhere")
        self.assertEqual(self.c.call("kv.count", prefix=b"a"), 100)
        self.assertEqual(len(self.c.call("kv.get", b"b")), 3)
        self.refused((("-u", self.rpc, "-n", 10, "-q", "kv.mget", "["), "brackets that match"))

    def test_preload_writes_all_keys(self):
        results = report("-u", self.rpc, "-t", "get", "-n", 3000, "-r", 1000, "--preload",
                         "--key-pattern", "zipf", "--threads", 3)
        self.assertEqual(results["get"]["misses"], 0)
        self.assertEqual(self.c.call("kv.count", prefix=b"key:"), 1000)
        keys = self.c.call("kv.scan", prefix=b"key:", limit=1)["items"]
        self.assertEqual(keys[0][0], "key:000000000000")

    def test_same_requests_whatever_the_threads(self):
        found = set()
        for threads in (1, 2, 8):
            self.c.call("kv.clear")
            report("-u", self.rpc, "-t", "incr", "-n", 2000, "-r", 50, "--threads", threads,
                   "--key-pattern", "hotspot", "--seed", 5)
            found.add(tuple(self.c.call("kv.get", b"counter:%012d" % i) for i in range(50)))
        self.assertEqual(len(found), 1)

    def test_sequential(self):
        report("-u", self.rpc, "-t", "incr", "-n", 100, "-r", 50, "--key-pattern", "sequential")
        self.assertEqual({self.c.call("kv.get", b"counter:%012d" % i) for i in range(50)}, {2})

    def test_never_loaded(self):
        results = report("-u", self.rpc, "-t", "get", "-n", 100)
        self.assertIn("never-loaded", results["get"]["names"])

    def test_verify(self):
        common = ("-u", self.rpc, "-r", 100, "--verify", "-d", "40-2000")
        results = report(*common, "-t", "set,mixed", "-n", 2000, "--ratio", "1:3")
        self.assertGreater(results["mixed"]["hits"], 0)
        # Another key's value, one byte changed, and something else altogether.
        value = self.c.call("kv.get", b"key:000000000007")
        for wrong, at in ((self.c.call("kv.get", b"key:000000000008"), 19),
                          (value[:-1] + b"~", len(value) - 1), (b"short", 5)):
            self.c.call("kv.put", b"key:000000000007", wrong)
            done = run(*common, "-t", "get", "-n", 2000, "-q", status=3)
            self.assertIn(f"the value of key 000000000007 ({len(wrong)} bytes) is wrong from byte "
                          f"{at} on", done.stderr)
            self.assertIn("corrupt", done.stderr)

    def test_workload(self):
        results = report("-u", self.rpc, "--workload", "ycsb-a", "-r", 200, "-n", 1000, "--verify")
        self.assertEqual(results["mixed"]["misses"], 0)
        self.assertEqual(self.c.call("kv.count", prefix=b"key:"), 200)
        self.assertEqual(len(self.c.call("kv.get", b"key:000000000000")), 1000)

    def test_rate(self):
        for arrival in ("constant", "poisson"):
            results = report("-u", self.rpc, "-t", "set", "-n", 300, "--rps", 2000, "--arrival",
                             arrival, "--threads", 2)
            self.assertEqual(results["set"]["count"], 300)
        results = report("-u", self.rpc, "-t", "set", "--duration", "100ms", "--rate", 1000)
        self.assertEqual(results["set"]["count"], 100)


class FakeTest(Case):
    """Servers that misbehave, each in its own way."""

    def load(self, answer, *args, test="set", status=3):
        with FakeServer(answer) as server:
            self.fake = server
            return run("-u", server.uri, "-t", test, *args, status=status)

    def test_dies(self):
        done = self.load(lambda _, n: b"+OK\r\n" if n < 500 else None, "-n", 1000)
        self.assertIn("the server closed a connection", done.stderr)
        self.assertIn("incomplete", done.stdout)
        self.assertIn("unanswered", done.stdout)
        self.assertIn("throughput", done.stdout)
        self.assertNotIn("in flight  ", done.stdout)  # they waited beyond the time that is known

    def test_dies_json(self):
        result = result_of(self.load(lambda _, n: b"+OK\r\n" if n < 500 else None, "-n", 1000,
                                     "--json", test="set,get"))
        self.assertIn("incomplete", result["names"])
        self.assertIn("closed a connection", result["failure"])

    def test_falls_silent(self):
        done = self.load(lambda _, n: b"+OK\r\n" if n < 500 else b"", "-n", 1000, "--timeout",
                         "1500ms", "-q")
        self.assertIn("the server has sent nothing for 1.5 s", done.stderr)
        self.assertIn("SET: ", done.stdout)

    def test_errors(self):
        result = result_of(self.load(lambda _, n: b"-ERR no %d\r\n" % n if n % 2 else b"+OK\r\n",
                                     "-n", 1000, "--json"))
        self.assertEqual((result["errors"], result["count"]), (500, 1000))
        self.assertIn("errors", result["names"])
        self.assertEqual(result["first_error"], "ERR no 3")  # 0 and 1 were INFO

    def test_garbage(self):
        done = self.load(lambda _, n: b"$3\r\nabcd\r\n" if n == 100 else b"+OK\r\n", "-n", 1000)
        self.assertIn("not a resp2 reply", done.stderr)

    def test_too_many_replies(self):
        done = self.load(lambda _, n: b"+OK\r\n+OK\r\n", "-n", 1000)
        self.assertIn("a request that is not in flight", done.stderr)

    def test_what_is_sent(self):
        """Requests on the wire: the hot set of keys, the proportion of writes, sizes."""
        self.load(lambda words, _: b"+OK\r\n", "-n", 4000, "-r", 100, "--ratio", "1:3", "-d",
                  "10-20", "--key-pattern", "H", "--hotspot", "10:90", "-q", test="mixed", status=0)
        names = collections.Counter(words[0] for words in self.fake.requests)
        self.assertTrue(850 < names[b"SET"] < 1150, names)
        sizes = {len(words[2]) for words in self.fake.requests if words[0] == b"SET"}
        self.assertEqual(sizes, set(range(10, 21)))
        keys = collections.Counter(words[1] for words in self.fake.requests if len(words) > 1)
        hot = sum(count for _, count in keys.most_common(10))
        self.assertTrue(3500 < hot < 3700, hot)
        self.assertTrue(all(0 <= int(key[4:]) < 100 for key in keys))

    def test_strict(self):
        for args, status in (((), 0), (("--strict",), 3)):
            done = self.load(lambda *_: b"+OK\r\n", "-n", 100, "-q", *args, status=status)
            self.assertRegex(done.stderr, r"warnings: .*\btoo-few-samples")

    def test_unreachable(self):
        with Nobody() as nobody:
            self.refused((("-p", nobody.port), "Connection refused"), status=3)

    def test_wrong_use(self):
        self.refused(
            (("-t", "gte"), "did you mean get?"),
            (("-u", "http://x"), "a server is redis://"),
            (("--rate", "5", "--pipeline-mode", "batch"), "give no --pipeline-mode batch"),
            (("--rate", "-5"), "must be a number from 0"),
            (("--arrival", "uniform"), "must be constant or poisson"),
            (("--verify", "-d", "10"), "at least 34 bytes"),
            (("-q", "--json"), "not both"),
            (("--key-zipf-exp", "0"), "must be above 0"))


if __name__ == "__main__":
    unittest.main()
