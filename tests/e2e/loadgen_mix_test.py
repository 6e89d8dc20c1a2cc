#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What loadgen sends and checks beyond single tests: mixes and scripts, keys of a file or of a
connection, values that can be compressed, expected hits, stale reads, overload.

What was sent is counted by the server; servers that forget are lib/fake_server. Seeds are fixed."""

import collections
import json
import random
import time
import unittest
import zlib

from lib.fake_server import FakeServer
from lib.loadgen import CairndCase, Case, result_of, run

SEED = 11


class CairndTest(CairndCase):
    def load(self, uri, *args):
        return result_of(run("-u", uri, "--json", *args))

    def keys(self, **where):
        items = self.c.call("kv.scan", keys_only=True, limit=1000, **where)["items"]
        return {key.encode() if isinstance(key, str) else key for key in items}

    def test_mix(self):
        """Each kind comes as often as the server says, and that is what the weights say."""
        for uri in (self.rpc, self.resp):
            before = self.calls()
            result = self.load(uri, "--mix", "get=70,SET=25,incr=5", "-n", 10000, "-r", 500,
                               "--threads", 2, "-P", 4)
            kinds = result["by_request"]
            self.assertEqual(list(kinds), ["get", "set", "incr"])
            self.assertEqual(result["test"], "get=70,set=25,incr=5")
            done = self.calls() - before
            for name, operation, share in (("get", "kv.get", 0.7), ("set", "kv.put", 0.25),
                                           ("incr", "kv.incr", 0.05)):
                kind = kinds[name]
                self.assertEqual(kind["count"], done[operation])
                self.assertEqual(kind["samples"], kind["count"])
                self.assertAlmostEqual(kind["count"] / 10000, share, delta=0.02)
                self.assertGreater(kind["ops_per_sec"], 0)
            self.assertEqual(kinds["get"]["hits"] + kinds["get"]["misses"],
                             kinds["get"]["count"])
            self.assertEqual((kinds["get"]["hits"], kinds["get"]["misses"]),
                             (result["hits"], result["misses"]))

    def test_mix_is_the_same_for_any_threads(self):
        digests = {self.load(self.rpc, "--mix", "get=3,set=2,incr=1,insert=1", "-n", 3000,
                             "-r", 100, "--digest", *args)["digest"]
                   for args in ((), ("--threads", 3), ("-c", 7, "-P", 5))}
        self.assertEqual(len(digests), 1)
        old = {b"key:%012d" % i for i in range(100)}
        self.assertEqual(len(self.keys(prefix=b"key:") - old), 3000 // 7 + (3000 % 7 > 3))

    def test_mix_inserts(self):
        result = self.load(self.rpc, "--mix", "get=4,insert=1", "-n", 1000, "-r", 100,
                           "--preload")
        self.assertEqual(result["by_request"]["insert"]["count"], 200)
        self.assertEqual((result["misses"], self.c.call("kv.count")), (0, 300))

    def test_errors_of_a_kind(self):
        """A kind that fails is the one that is told."""
        self.c.call("kv.put", b"counter:%012d" % 0, b"no number")
        done = run("-u", self.resp, "--json", "--mix", "get=1,incr=1", "-n", 1000, status=3)
        kinds = result_of(done)["by_request"]
        self.assertEqual(kinds["get"]["errors"], 0)
        self.assertEqual(kinds["incr"]["errors"], kinds["incr"]["count"])

    def test_script(self):
        text = ("# both\n\nread=70 {get} __key__\n25 {set} __key__ __data__\n"
                "5 {set} n__rand_int__ __number:7-9__\n")
        words = ({"get": "kv.get", "set": "kv.put"}, {"get": "GET", "set": "SET"})
        for uri, names in zip((self.rpc, self.resp), words):
            self.c.call("kv.clear")
            path = self.file("mix.txt", text.format(**names))
            result = self.load(uri, "--script", path, "-n", 5000, "-r", 50, "--preload",
                               "--key-prefix", "k/", "-d", 20)
            kinds = result["by_request"]
            self.assertEqual(list(kinds), ["read", names["set"], names["set"] + " 2"])
            self.assertEqual((result["hits"], result["misses"]), (kinds["read"]["count"], 0))
            self.assertEqual(self.keys(prefix=b"k/"), {b"k/%012d" % i for i in range(50)})
            numbers = {int(self.c.call("kv.get", key)) for key in self.keys(prefix=b"n")}
            self.assertEqual(numbers, {7, 8, 9})
            self.assertEqual(result["test"], "script mix.txt")

    def test_sequence(self):
        """Steps follow each other with one key, and one takes up what the one before brought."""
        text = ("cycle=1 {get} __key__\nthen {set} copy:__rand_int__ __reply__\n"
                "then {incr} done:__rand_int__\n3 {get} __key__\n")
        words = ({"get": "kv.get", "set": "kv.put", "incr": "kv.incr"},
                 {"get": "GET", "set": "SET", "incr": "INCR"})
        for uri, names in zip((self.rpc, self.resp), words):
            self.c.call("kv.clear")
            path = self.file("cycle", text.format(**names))
            before = self.calls()
            result = self.load(uri, "--script", path, "-n", 2000, "-r", 30, "--preload", "-P", 3,
                               "-d", "10-4000", "--threads", 2)
            done, kinds = self.calls() - before, result["by_request"]
            cycles = kinds["cycle"]["count"]
            self.assertTrue(400 < cycles < 600, cycles)
            self.assertEqual(result["count"], 2000)
            self.assertEqual((done["kv.get"], done["kv.incr"]), (2000, cycles))
            self.assertEqual({name: step["samples"] for name, step in
                              kinds["cycle"]["steps"].items()},
                             {"1 " + names["get"]: cycles, "2 " + names["set"]: cycles,
                              "3 " + names["incr"]: cycles})
            for step in kinds["cycle"]["steps"].values():
                self.assertLess(step["mean_ns"], kinds["cycle"]["mean_ns"])
            numbers = {key[-12:] for key in self.keys(prefix=b"copy:")}
            self.assertGreater(len(numbers), 20)
            for number in numbers:
                value = self.c.call("kv.get", b"key:" + number)
                self.assertEqual(value, self.c.call("kv.get", b"copy:" + number))
            total = sum(int(self.c.call("kv.get", b"done:" + number)) for number in numbers)
            self.assertEqual(total, cycles)

    def test_text_and_page(self):
        done = run("-u", self.rpc, "--mix", "get=1,set=1", "-n", 2000, "-r", 10, "--preload",
                   "--verify", "--html", self.path("page"))
        self.assertRegex(done.stdout, r"(?m)^  set +\d+\.\d+ +\d")
        self.assertRegex(done.stdout, r"(?m)^  get +[\d,]+ requests \(\d+\.\d+ %\), 0 errors, 100")
        self.assertRegex(done.stdout, r"(?m)^  verified +[\d,]+ values, 0 wrong; [\d,]+ of keys")
        self.assertRegex(done.stdout, r"(?m)^  fairness +\d+ to \d+ requests a connection")
        text = self.read("page")
        for words in ("<th>kind</th>", "Verified: ", "index of fairness", "get=1,set=1"):
            self.assertIn(words, text)

    def test_key_file(self):
        dice = random.Random(SEED)
        names = {bytes(dice.choice(b"abc:/%") for _ in range(dice.choice((1, 5, 31, 300)))) + b"%d"
                 % i for i in range(40)}
        path = self.file("keys", b"\n".join(sorted(names)))
        for uri in (self.rpc, self.resp):
            self.c.call("kv.clear")
            result = self.load(uri, "--mix", "get=2,set=1,mget=1", "--key-file", path, "-n", 2000,
                               "--preload", "--verify", "-d", "40-90", "--key-pattern", "zipf")
            self.assertEqual((result["misses"], result["corrupt"], result["stale"]), (0, 0, 0))
            self.assertGreater(result["checked"], 500)
            self.assertEqual(self.keys(), names)

    def test_partitioned(self):
        """Each connection takes its own keys in turn: of those each comes as often."""
        counts = collections.Counter()

        def answer(words, _):
            if words[0] == b"SET":
                counts[words[1]] += 1
            return b"+OK\r\n"
        with FakeServer(answer) as server:
            result = self.load(server.uri, "-t", "set", "-r", 60, "-c", 6, "--threads", 2, "-n",
                               1200, "--key-pattern", "partitioned")
        self.assertEqual(result["count"], 1200)
        for part in range(6):
            own = [counts[b"key:%012d" % (10 * part + i)] for i in range(10)]
            self.assertTrue(0 < max(own) <= min(own) + 1, counts)
        self.refused((("--key-pattern", "P", "-r", 5, "-c", 6), "-r must be at least -c"))

    def test_compressible(self):
        for ratio in (1, 2, 4):
            self.c.call("kv.clear")
            self.load(self.rpc, "-t", "set", "-r", 200, "-n", 400, "-d", 2000, "--verify",
                      "--compress-ratio", ratio)
            size = packed = 0
            for key in self.keys(prefix=b"key:"):
                value = self.c.call("kv.get", key)
                size += len(value)
                packed += len(zlib.compress(value))
            self.assertTrue(0.8 < size / packed / ratio < 1.1, (ratio, size / packed))

    def test_expected_hits(self):
        self.load(self.rpc, "-t", "set", "-r", 500, "-n", 500, "--key-pattern", "sequential")
        for expected, code in (("50%", 0), ("100", 3), ("20%", 3)):
            done = run("-u", self.rpc, "--json", "-t", "get", "-r", 1000, "-n", 20000,
                       "--expect-hits", expected, status=code)
            self.assertEqual("unexpected-hits" in result_of(done)["names"], code == 3)

    def test_keys_check(self):
        self.load(self.rpc, "-t", "set", "-r", 2000, "-n", 2000, "--key-pattern", "S")
        args = ("-u", self.resp, "-t", "get", "-n", 100, "--json", "--keys-check")
        done = run(*args, "-r", 2000)
        self.assertEqual(json.loads(done.stdout)["keys_check"],
                         {"read": 1000, "found": 1000, "expected": 1})
        before = self.calls()["kv.get"]
        done = run(*args, "-r", 4000, status=3)
        self.assertRegex(done.stderr, r"--keys-check: \d+ of 1000 keys are there, and 100 % should")
        document = json.loads(done.stdout)
        self.assertEqual(document["results"], {})
        self.assertTrue(400 < document["keys_check"]["found"] < 600)
        self.assertEqual(self.calls()["kv.get"] - before, 1000)
        done = run(*args, "-r", 4000, "--expect-hits", "40%", status=(0, 3))
        self.assertNotIn("--keys-check", done.stderr)
        done = run(*args, "-r", 10, "--key-prefix", "other:", status=3)
        self.assertIn("0 of 10 keys are there", done.stderr)

    def test_usage(self):
        self.refused(
            (("--mix", "get=1,gte=2"), "did you mean get?"),
            (("--mix", "get=1", "PING"), "give one of -t, --mix, --script"),
            (("--mix", "get=1", "-t", "get"), "give one of"),
            (("--script", "/nonexistent"), "--script /nonexistent: No such file"),
            (("--script", self.file("bad", "5\n")), "line 1 of the script"),
            (("--verify", "--script", self.file("c", "GET a\nthen SET b __reply__\n")),
             "belongs to another key"),
            (("--key-file", self.file("none", "")), "there is no key in it"),
            (("--key-file", self.file("one", "a\n"), "-t", "insert"), "inserts need new"),
            (("--compress-ratio", "0.5"), "must be at least 1"),
            (("--expect-hits", "101%"), "must be a number from 0 to 100"),
            (("--overload", "abort"), "give --rate"))

    def test_dry_run(self):
        path = self.file("keys", "a\nb\nc\n")
        done = run("--mix", "get=1,set=3", "--key-file", path, "--dry-run")
        self.assertIn("get=1,set=3", done.stdout)
        self.assertRegex(done.stdout, r"keys +3, uniform")


class Register:
    """A RESP server of values that forgets as it is told: what(number) of a write is "" (it is
    good), "lost" (it is answered, and the old value stays) or "gone" (the key is then absent)."""

    def __init__(self, what):
        self.what, self.values, self.writes = what, {}, 0

    def answer(self, words, _):
        if words[0] == b"GET":
            value = self.values.get(words[1])
            return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
        if words[0] == b"DEL":
            return b":%d\r\n" % (self.values.pop(words[1], None) is not None)
        if words[0] != b"SET":
            return b"-ERR what?\r\n"
        self.writes += 1
        what = self.what(self.writes)
        if what == "gone":
            self.values.pop(words[1], None)
        elif what == "":
            self.values[words[1]] = words[2]
        return b"+OK\r\n"


class StaleTest(unittest.TestCase):
    def load(self, what, *args, status=3):
        with FakeServer(Register(what).answer) as server:
            done = run("-u", server.uri, "-n", 3000, "--json", "--preload", *args, status=status)
        return done, result_of(done)

    def test_good_server(self):
        """No alarm, whatever the load; also where the same requests come again."""
        for args in (("-t", "mixed", "--ratio", "1:1", "-r", 20),
                     ("-t", "mixed", "-r", 20, "-P", 8, "--threads", 3, "--warmup", "100ms"),
                     ("-t", "rmw", "-r", 5, "-P", 4),
                     ("--mix", "set=1,get=2,del=1", "-r", 20),
                     ("--mix", "set=1,get=3,rmw=1", "-r", 100, "--key-pattern", "P", "-P", 3),
                     ("-t", "insert_get", "--ratio", "1:3", "-r", 10, "--key-pattern", "latest")):
            done, result = self.load(lambda _: "", "--verify", *args, status=0)
            self.assertEqual((result["stale"], result["corrupt"]), (0, 0), (args, done.stderr))
            if args[1] != "insert_get":
                self.assertGreater(result["followed"], 0, args)

    def test_same_writes_again(self):
        """What a run before has written is written again: that is no loss."""
        with FakeServer(Register(lambda _: "").answer) as server:
            done = run("-u", server.uri, "--vs", server.uri, "--pairs", 5, "-t", "mixed", "--ratio",
                       "1:25", "-r", 4, "-n", 400, "-c", 3, "--verify", "--json", status=(0, 1, 3))
        for result in json.loads(done.stdout)["results"].values():
            self.assertGreater(result["followed"], 0)
            self.assertEqual((result["stale"], result["corrupt"]), (0, 0), done.stderr)

    def test_lost_writes(self):
        for pattern in ("uniform", "partitioned"):
            done, result = self.load(lambda n: "lost" if n > 200 and n % 5 == 0 else "",
                                     "-t", "mixed", "--ratio", "1:1", "-r", 40, "-c", 4, "--verify",
                                     "--key-pattern", pattern)
            self.assertGreater(result["stale"], 0)
            self.assertIn("stale", result["names"])
            self.assertRegex(result["first_stale"], r"key \d{12} had write \d+ again")
            self.assertIn(result["first_stale"], done.stderr)

    def test_lost_keys(self):
        _, result = self.load(lambda n: "gone" if n > 200 and n % 5 == 0 else "",
                              "-t", "mixed", "--ratio", "1:1", "-r", 40, "-c", 4, "--verify")
        self.assertGreater(result["stale"], 0)
        self.assertRegex(result["first_stale"], r"key \d{12} was gone|had write")

    def test_sample(self):
        """So many are checked; a server that loses much is still found out."""
        _, result = self.load(lambda n: "lost" if n > 200 and n % 3 == 0 else "",
                              "-t", "mixed", "--ratio", "1:1", "-r", 40, "-c", 4,
                              "--verify-sample", "20%", "--key-pattern", "partitioned")
        self.assertAlmostEqual(result["checked"] / result["hits"], 0.2, delta=0.04)
        self.assertGreater(result["stale"], 0)


class OverTimeTest(Case):
    def test_kinds(self):
        """Each kind has intervals of its own, which add up to what it did."""
        with FakeServer(lambda *_: b"+OK\r\n") as server:
            target = ("-u", server.uri, "--mix", "set=3,incr=1", "--rate", 400, "-n", 1000,
                      "--html", self.path("page"))
            result = result_of(run(*target, "--json"))
            text = run(*target).stdout
        html = self.read("page")
        for kind in ("set", "incr"):
            figures = result["by_request"][kind]
            for part in ("service", "ttfb"):
                self.assertEqual(figures[part]["samples"], figures["count"])
            self.assertLessEqual(figures["slip"]["samples"], figures["count"])
            self.assertLessEqual(figures["service"]["mean_ns"], figures["mean_ns"])
            rows = result["by_request"][kind]["series"]
            self.assertEqual(sum(row["ops"] for row in rows), result["by_request"][kind]["count"])
            self.assertGreaterEqual(len(rows), 2)
            self.assertAlmostEqual(sum(row["ops"] for row in rows), 750 if kind == "set" else 250,
                                   delta=80)
            for row in rows:
                self.assertAlmostEqual(row["ops_per_sec"] * row["length_ns"] / 1e9, row["ops"],
                                       delta=1)
                self.assertLessEqual(row["median_ns"], row["p99_ns"])
                self.assertLessEqual(row["p99_ns"], row["max_ns"])
        self.assertRegex(text, r"(?m)^  incr .* errors; over time \d+ to \d+/s, p99 ")
        self.assertIn("Kinds of requests over time", html)
        kinds = html[html.index('<div class="kinds">'):]
        self.assertEqual(kinds[:kinds.index("</section>")].count("<figure>"), 2)


class OverloadTest(unittest.TestCase):
    def test_abort(self):
        """The test ends when a request finds no connection; what was done is reported."""
        def answer(_, number):
            return b"+OK\r\n" if number < 300 else b""
        with FakeServer(answer) as server:
            result = result_of(run("-u", server.uri, "-t", "set", "--rate", 1000, "-c", 4, "-P", 4,
                                   "--duration", 20, "--overload", "abort", "--json", status=3))
        self.assertIn("--overload abort", result["failure"])
        self.assertIn("incomplete", result["names"])
        self.assertLess(result["count"], 400)
        self.assertLess(result["elapsed_ns"], 20e9)

    def test_backlog(self):
        """While the server stalls, the oldest are given up; what is left is sent in order."""
        def answer(_, number):
            if number == 200:
                time.sleep(2)
            return b"+OK\r\n"
        with FakeServer(answer) as server:
            result = result_of(run("-u", server.uri, "-t", "set", "--rate", 1000, "-c", 2, "-n",
                                   4000, "--max-backlog", 100, "--json"))
            sent = sum(words[0] == b"SET" for words in server.requests)
        self.assertEqual(result["max_backlog"], 100)
        self.assertGreater(result["dropped"], 500)
        self.assertEqual(result["dropped"] + sent, 4000)
        self.assertIn("dropped", result["names"])
        # A hundred wait for a connection, two for their reply; it is not the oldest who wait.
        slow = sum(n for low, n in result["histogram"] if low > 1500e6)
        self.assertLess(slow, 50)

    def test_fairness(self):
        """How much each connection did, and each thread, and how many were in flight."""
        with FakeServer(lambda *_: b"+OK\r\n") as server:
            result = result_of(run("-u", server.uri, "-t", "set", "-n", 10000, "-c", 5, "--json"))
        fairness = result["fairness"]
        self.assertTrue(4 < result["in_flight"]["mean"] <= 5.05, result["in_flight"])
        self.assertEqual(result["in_flight"]["asked"], 5)
        (thread,) = result["client"]["threads"]
        self.assertGreater(thread["context_switches"], 0)
        self.assertGreater(thread["cpu_user_ns"] + thread["cpu_system_ns"], 0)
        self.assertEqual(fairness["connections"], 5)
        self.assertLessEqual(fairness["min"], 2000)
        self.assertGreaterEqual(fairness["max"], 2000)
        self.assertTrue(0.2 <= fairness["jain"] <= 1)


if __name__ == "__main__":
    print("seed", SEED)
    unittest.main()
