#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen sends what it says it sends, and says what is wrong with what it measured.

Keys are counted by a cairnd, which INCR makes an independent witness; servers that do damage are
lib/fake_server. Seeds are fixed."""

import math
import signal
import time
import unittest

from lib.fake_server import FakeServer
from lib.loadgen import CairndCase, Case, ended, result_of, run

KEYS = 100


class StreamTest(CairndCase):
    def digest(self, uri, *args):
        return result_of(run("-u", uri, "-t", "mixed", "-n", 3000, "-r", 1000, "--ratio", "1:3",
                             "--digest", "--json", *args))["digest"]

    def test_same_requests(self):
        """Whatever the threads, connections, windows and rates; another seed: others."""
        for uri in (self.rpc, self.resp):
            common = ("--key-pattern", "zipf", "-d", "10-90")
            found = {self.digest(uri, *common, *args) for args in (
                (), (), ("--threads", 2), ("--threads", 8), ("-c", 1), ("-P", 16),
                ("--rate", 20000), ("--rate", 20000, "--threads", 2))}
            self.assertEqual(len(found), 1, found)
            found.add(self.digest(uri, *common, "--seed", 2))
            found.add(self.digest(uri, *common, "--key-pattern", "uniform"))
            found.add(self.digest(uri, "--key-pattern", "zipf", "-d", "10-91"))
            self.assertEqual(len(found), 4, found)

    def counts(self, requests, *args):
        """How often each key came."""
        self.c.call("kv.clear")
        run("-u", self.rpc, "-t", "incr", "-n", requests, "-r", KEYS, "-P", 16, "-q", "--threads",
            2, *args)
        counts = self.c.call("kv.mget", [b"counter:%012d" % i for i in range(KEYS)])
        counts = [count or 0 for count in counts]
        self.assertEqual(sum(counts), requests)
        self.assertEqual(self.c.call("kv.count"), sum(1 for count in counts if count))
        return counts

    def assert_fits(self, counts, shares):
        """Chi-square, at five standard deviations."""
        total = sum(counts)
        chi = sum((count - share * total) ** 2 / (share * total)
                  for count, share in zip(counts, shares))
        self.assertLess(chi, KEYS + 5 * math.sqrt(2 * KEYS))

    def test_uniform(self):
        self.assert_fits(self.counts(20000), [1 / KEYS] * KEYS)

    def test_zipf(self):
        for exponent in (0.5, 0.99, 1, 1.2):
            counts = self.counts(20000, "--key-pattern", "zipf", "--key-zipf-exp", exponent)
            weights = [rank ** -exponent for rank in range(1, KEYS + 1)]
            # Which key has which rank is loadgen's affair: the most frequent ones first. Sorting
            # makes neighbours trade places, which moves less than 2 % of all.
            shares = [weight / sum(weights) for weight in weights]
            distance = sum(abs(count / 20000 - share) for count, share
                           in zip(sorted(counts, reverse=True), shares)) / 2
            self.assertLess(distance, 0.02)

    def test_hotspot(self):
        counts = sorted(self.counts(20000, "--key-pattern", "hotspot", "--hotspot", "10:90"))
        self.assertAlmostEqual(sum(counts[-10:]) / 20000, 0.9, delta=0.01)
        self.assertGreater(counts[0], 0)

    def test_sequential(self):
        self.assertEqual(set(self.counts(500, "--key-pattern", "sequential")), {5})

    def test_preload_covers(self):
        """All keys, and no other."""
        for keys in (1, 999, 1000):
            self.c.call("kv.clear")
            run("-u", self.rpc, "-t", "get", "-n", 100, "-r", keys, "--preload", "-q", "--threads",
                3)
            self.assertEqual(self.c.call("kv.count"), keys)
            page = self.c.call("kv.scan", keys_only=True, limit=1000)["items"]
            names = [key if isinstance(key, str) else key.decode() for key in page]
            self.assertEqual(names, [f"key:{i:012}" for i in range(keys)])


class HonestyTest(Case):
    def load(self, answer, *args, test="set", status=0):
        with FakeServer(answer) as server:
            return result_of(run("-u", server.uri, "-t", test, "--json", *args, status=status))

    def test_threads(self):
        result = self.load(lambda *_: b"+OK\r\n", "-n", 2000, "--threads", 64, "-c", 64)
        self.assertIn("threads-exceed-cpus", result["names"])
        self.assertGreater(result["client"]["runq_delay_ns"], 0)

    def test_rate_not_met(self):
        def slow(*_):
            time.sleep(0.001)
            return b"+OK\r\n"
        self.assertIn("rate-not-met", self.load(slow, "--rate", 5000, "-n", 2000)["names"])

    def test_too_few_samples(self):
        self.assertIn("too-few-samples", self.load(lambda *_: b"+OK\r\n", "-n", 500)["names"])

    def test_damage(self):
        """Key and byte are told, the test goes on, and the exit status says it."""
        values = {}

        def answer(words, number):
            if words[0] == b"SET":
                values[words[1]] = words[2]
                return b"+OK\r\n"
            if words[0] == b"INFO":
                return b"-ERR what?\r\n"
            value = bytearray(values[words[1]])
            if number % 100 == 0:
                value[50] ^= 4
            return b"$%d\r\n%s\r\n" % (len(value), bytes(value))
        result = self.load(answer, "-n", 1000, "-r", 50, "--preload", "--verify", test="get",
                           status=3)
        self.assertEqual((result["count"], result["corrupt"]), (1000, 10))
        self.assertIn("corrupt", result["names"])
        self.assertRegex(result["first_corrupt"], r"key \d{12} \(64 bytes\) is wrong from byte 50")

    def test_dies(self):
        for args in ((), ("--rate", 5000)):
            result = self.load(lambda _, n: b"+OK\r\n" if n < 700 else None, "-n", 5000, *args,
                               status=3)
            self.assertIn("incomplete", result["names"])
            self.assertTrue(600 < result["count"] <= 700, result["count"])

    def test_paused(self):
        """loadgen itself is stopped: what was due meanwhile is sent late, with that in its time."""
        with FakeServer(lambda *_: b"+OK\r\n") as server:
            process = self.start("-u", server.uri, "-t", "set", "--rate", 500, "--duration", 3,
                                 "--interval", "100ms", "--json")
            process.stderr.readline()  # it has begun
            process.send_signal(signal.SIGSTOP)
            time.sleep(1)
            process.send_signal(signal.SIGCONT)
            result = result_of(ended(process))
        self.assertEqual(result["count"], 1500)
        self.assertIn("sent-late", result["names"])
        self.assertGreater(result["max_ns"], 900e6)
        self.assertGreater(result["p95_ns"], 500e6)


if __name__ == "__main__":
    unittest.main()
