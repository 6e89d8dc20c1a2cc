#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen --vs: two servers measured in turn. Verdicts are held against servers whose difference is
known; the order of the runs, partial results and exit statuses against what is documented."""

import itertools
import json
import re
import signal
import time
import unittest

from lib.fake_server import FakeServer, Nobody
from lib.loadgen import Case, ended, result_of, run
from lib.server import Server


def figures(document, test="set"):
    """The comparison of a test by metric."""
    return {row["metric"]: row for row in document["versus"]["figures"] if row["test"] == test}


class CairndTest(Case):
    """Two daemons of the same build."""

    @classmethod
    def setUpClass(cls):
        cls.servers = [Server({"listen.resp": "127.0.0.1:0"}) for _ in "AB"]
        for server in cls.servers:
            cls.addClassCleanup(server.stop)
        cls.rpc = [server.uri() for server in cls.servers]
        cls.resp = [server.uri("resp") for server in cls.servers]

    def test_the_same_is_not_worse(self):
        """This machine does other things as well: ten times as long would be believed."""
        done = run("-u", self.rpc[0], "--vs", self.rpc[1], "-t", "get", "-r", 100, "--preload",
                   "--pairs", 6, "--duration", "150ms", "--threshold", 1000, "--json")
        document = json.loads(done.stdout)
        rows = figures(document, "get")
        for metric in ("ops_per_sec", "median_ns", "p99_ns", "client.us_per_op",
                       "server.us_per_op"):
            self.assertIn(rows[metric]["verdict"], ("no difference shown", "better"), rows[metric])
            self.assertEqual(len(rows[metric]["pairs"]), 6)
            self.assertTrue(rows[metric]["low"] <= rows[metric]["ratio"] <= rows[metric]["high"])
        sides = {name[0]: result for name, result in document["results"].items()}
        for side in "AB":
            self.assertEqual(sides[side]["misses"], 0)
            self.assertEqual(len(sides[side]["runs"]), 6)
            self.assertEqual(sum(row["ops"] for row in sides[side]["series"]),
                             sides[side]["samples"])
        self.assertEqual(document["target_b"]["address"], self.rpc[1][8:])
        self.documented(document, document["versus"], rows["ops_per_sec"])

    def test_two_protocols(self):
        done = run("-u", self.rpc[0], "--vs", self.resp[1], "-t", "set,ping", "-n", 300, "--pairs",
                   5, "--threshold", 1000, "--html", self.path("page"), status=(0, 1, 3))
        text = self.read("page")
        self.assertIn("A: 127.0.0.1", done.stdout)
        self.assertIn("msgpack", done.stdout)
        self.assertIn("resp2", done.stdout)
        self.assertIn("\nSET, 5 pairs", done.stdout)
        self.assertNotIn("PING", done.stdout)
        self.assertIn("server CPU", done.stdout)
        self.assertIn("A against B", text)
        self.assertIn("Latency by percentile: SET", text)

    def test_nothing_in_common(self):
        for words in (("-t", "ping"), ("GET", "x")):
            self.refused((("-u", self.rpc[0], "--vs", self.resp[1], *words),
                          "speak different protocols"))

    def test_unreachable(self):
        with Nobody() as nobody:
            address = f"127.0.0.1:{nobody.port}"
            done = run("-u", self.rpc[0], "--vs", "cairn://" + address, status=3)
        self.assertIn("cannot connect to " + address, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_interrupt(self):
        """After a few pairs; what is complete by then is reported."""
        process = self.start("-u", self.rpc[0], "--vs", self.rpc[1], "-t", "set", "--duration",
                             "100ms", "--pairs", 1000, "--interval", "20ms", "--json")
        for line in process.stderr:
            if re.match(r"A SET ([4-9]|\d\d)\d*/", line):
                break
        process.send_signal(signal.SIGINT)
        done = ended(process, 3)
        self.assertIn("interrupted", done.stderr)
        document = json.loads(done.stdout)
        self.assertTrue(3 <= figures(document)["ops_per_sec"]["runs"] < 1000)
        self.assertEqual(document["versus"]["pairs_asked"], 1000)


class FakeTest(Case):
    """Servers in Python, one of which takes 40 ms longer: more than they vary on a busy machine.
    The other takes 5 ms: a pause is not many times as long as a run."""

    def compare(self, a, b, *args, status=0):
        with FakeServer(a) as first, FakeServer(b) as second:
            return run("-u", first.uri, "--vs", second.uri, "-t", "set", "-c", 1, *args,
                       status=status)

    @staticmethod
    def fast(*_):
        time.sleep(0.005)
        return b"+OK\r\n"

    @staticmethod
    def slow(*_):
        time.sleep(0.045)
        return b"+OK\r\n"

    def test_slower(self):
        done = self.compare(self.fast, self.slow, "-n", 20, "--json", status=1)
        rows = figures(json.loads(done.stdout))
        self.assertEqual(rows["ops_per_sec"]["verdict"], "worse")
        self.assertEqual(rows["median_ns"]["verdict"], "worse")
        self.assertGreater(rows["median_ns"]["b"] - rows["median_ns"]["a"], 5)

    def test_faster(self):
        done = self.compare(self.slow, self.fast, "-n", 20, "-q")
        self.assertRegex(done.stdout, r"^SET: B / A throughput \d+\.\d+ \(.* better")

    def test_few_pairs_prove_nothing(self):
        done = self.compare(self.fast, self.slow, "-n", 10, "--pairs", 4, status=3)
        self.assertIn("too few runs", done.stdout)
        self.assertNotIn("worse", done.stdout)
        self.assertIn("it takes 5 complete pairs, and there are 4", done.stderr)

    def test_order(self):
        """A B, then B A, A B, B A: the first pair is discarded."""
        asked = []
        done = self.compare(lambda *_: asked.append("A") or b"+OK\r\n",
                            lambda *_: asked.append("B") or b"+OK\r\n", "-n", 50, "--pairs", 3,
                            status=3)
        runs = [(side, len(list(each))) for side, each in itertools.groupby(
            side for side in asked)]
        # INFO, for the CPU time, before and after each run; a request of the comparison beside.
        order = [(side, round(count / 52)) for side, count in runs]
        self.assertEqual(order, [("A", 1), ("B", 2), ("A", 2), ("B", 2), ("A", 1)], runs)
        self.assertIn("\nSET, 3 pairs", done.stdout)

    def test_preloaded_once(self):
        with FakeServer(self.fast) as a, FakeServer(self.fast) as b:
            run("-u", a.uri, "--vs", b.uri, "-t", "get", "-r", 20, "--preload", "-n", 10, "-c", 1,
                status=(0, 1, 3))
            for server in (a, b):
                self.assertEqual(sum(words[0] == b"SET" for words in server.requests), 20)
                self.assertEqual(sum(words[0] == b"GET" for words in server.requests), 60)

    def test_second_dies(self):
        """In the third pair: two are complete."""
        done = self.compare(self.fast, lambda _, n: b"+OK\r\n" if n < 180 else None, "-n", 50,
                            "--json", status=3)
        self.assertRegex(done.stderr, r"loadgen: B, 127\.0\.0\.1:\d+: the server closed")
        document = json.loads(done.stdout)
        self.assertEqual(figures(document)["ops_per_sec"]["runs"], 2)
        b = next(result for name, result in document["results"].items() if name[0] == "B")
        self.assertIn("closed a connection", b["failure"])
        self.assertIn("incomplete", [warning["name"] for warning in b["warnings"]])

    def test_contradictions(self):
        self.refused(
            (("--vs", "a:1", "--knee"), "give --vs or --knee, not both"),
            (("--vs", "a:1", "--csv"), "print no --csv"),
            (("--vs", "a:1", "-l"), "give no -l"),
            (("--vs", "a:1", "--server-pid", "1"), "give no --server-pid"),
            (("--vs", "http://x"), "--vs: a server is redis://"),
            (("--vs", "a:1", "--pairs", "0"), "--pairs"),
            (("--pairs", "7"), "belongs to --vs"),
            (("--threshold", "7"), "belongs to --vs"))

    def test_no_password_is_shown(self):
        with FakeServer(self.fast) as a, FakeServer(self.fast) as b:
            done = run("-u", a.uri, "--vs", f"redis://:hunter2@127.0.0.1:{b.port}", "-t", "set",
                       "-n", 10, "-c", 1, "--pairs", 1, "--json", status=3)
        self.assertNotIn("hunter2", done.stdout + done.stderr)
        self.assertTrue(re.search(r"--vs redis://\*\*\*@", done.stdout))


class ReconnectTest(Case):
    """-k 0: one connection for each request, counted by a server that has seen them all."""

    def connections(self, *args, protocol="resp"):
        """(result, accepted connections) of a run against a cairnd of its own."""
        with Server({"listen.resp": "127.0.0.1:0"}) as server:
            address = server.address if protocol == "rpc" else server.address_of(0, "resp")
            result = result_of(run("-h", address[0], "-p", address[1], "--json", *args))
            with server.connect() as client:
                counters = client.call("server.stats")["counters"]
        return result, counters["connections_received"]

    def test_each_request_connects(self):
        for protocol in ("rpc", "resp"):
            result, accepted = self.connections("-t", "set", "-n", 400, "-c", 5, "-k", 0,
                                                protocol=protocol)
            self.assertEqual((result["count"], result["errors"]), (400, 0))
            # Besides: which protocol is it, what is it, what has it counted before and after, and
            # the client of this test.
            self.assertEqual(accepted, 400 + 5)

    def test_batches_share(self):
        _, accepted = self.connections("-t", "set", "-n", 400, "-c", 5, "-k", 0, "-P", 4)
        self.assertEqual(accepted, 100 + 5)

    def test_kept(self):
        _, accepted = self.connections("-t", "set", "-n", 400, "-c", 5)
        self.assertEqual(accepted, 5 + 5)

    def test_begins_each_connection(self):
        """The run of the address is used by every connection."""
        with Server() as server:
            run("-u", server.uri() + "/other", "-t", "set", "-n", 200, "-c", 3, "-k", 0, "-r",
                100000, "-q")
            with server.connect() as client:
                self.assertEqual(client.call("kv.count", prefix=b"key:"), 0)
                client.call("run.use", "other")
                self.assertGreater(client.call("kv.count", prefix=b"key:"), 190)

    def test_server_goes(self):
        with FakeServer(lambda _, n: b"+OK\r\n" if n < 100 else None) as server:
            done = run("-u", server.uri, "-t", "set", "-n", 400, "-c", 2, "-k", 0, "-q", status=3)
        self.assertIn("closed a connection", done.stderr)

    def test_not_with_a_rate(self):
        self.refused((("-k", 0, "--rate", 5), "give no --rate"))


if __name__ == "__main__":
    unittest.main()
