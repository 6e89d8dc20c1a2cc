#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen --sweep: each value is measured as if it had been given alone, which a server sees that
counts connections, requests in flight and bytes."""

import csv
import io
import json
import os
import re
import unittest

from lib.fake_server import FakeServer
from lib.loadgen import CairndCase, Case, run



def served(_words, _number):
    return b"+OK\r\n"


class FakeTest(Case):

    def sweep(self, *options, answer=served, status=0):
        with FakeServer(answer) as server:
            return run("-u", server.uri, *options, status=status), server.requests

    def test_values_reach_the_server(self):
        done, requests = self.sweep("-t", "set", "-n", 20, "-c", 2, "--sweep",
                                    "data-size=5,70,1KiB", "--json")
        sizes = [len(words[2]) for words in requests if words[0] == b"SET"]
        self.assertEqual(sizes, [5] * 20 + [70] * 20 + [1024] * 20)
        document = json.loads(done.stdout)
        (sweep,) = document["sweep"]
        self.assertEqual((sweep["test"], sweep["option"]), ("set", "size"))
        self.assertEqual([point["value"] for point in sweep["points"]], ["5", "70", "1KiB"])
        self.assertEqual([name.split("/")[1] for name in document["results"]],
                         ["d5", "d70", "d1024"])
        for point, result in zip(sweep["points"], document["results"].values()):
            self.assertEqual(result["step"], "data-size=" + point["value"])
            self.assertAlmostEqual(point["ops_per_sec"] / result["ops_per_sec"], 1, 6)
            self.assertEqual(point["median_ns"], result["median_ns"])
            self.assertEqual(point["warnings"], [warning["name"] for warning in result["warnings"]])
        self.documented(document, sweep, sweep["points"][0], {"step"})

    def test_key_size(self):
        done, requests = self.sweep("-t", "set,mset", "-n", 10, "-r", 1000, "--sweep",
                                    "key-size=16,40,900", "--json")
        keys = [words[1] for words in requests if words[0] == b"SET"]
        self.assertEqual([len(key) for key in keys], [16] * 10 + [40] * 10 + [900] * 10)
        for key in keys:
            self.assertRegex(key, rb"^key:0{9}\d{3}x*$")
        self.assertTrue(all(len(key) in (16, 40, 900) for words in requests if words[0] == b"MSET"
                            for key in words[1::2]))

    def test_key_size_from_to(self):
        """A key has one length, whichever seed and number of threads it is asked with."""
        lengths = {}
        for seed, threads in ((1, 1), (1, 2), (2, 8)):
            done, requests = self.sweep("-t", "set,get,mset", "-n", 200, "-c", 8, "-r", 300,
                                        "--preload", "--threads", threads, "--seed", seed,
                                        "--sweep", "key-size=16:40,100:200", "--json")
            self.assertEqual([point["value"] for point in json.loads(done.stdout)["sweep"][0]
                              ["points"]], ["16:40", "100:200"])
            keys = {key for words in requests if words[0] in (b"SET", b"GET", b"MSET")
                    for key in (words[1::2] if words[0] == b"MSET" else words[1:2])}
            for key in keys:
                self.assertRegex(key, rb"^key:0{9}\d{3}x*$")
                span = len(key) > 40
                self.assertEqual(lengths.setdefault((span, key[:16]), len(key)), len(key))
        for span, low, high in ((False, 16, 40), (True, 100, 200)):
            found = {size for (other, _), size in lengths.items() if other == span}
            self.assertTrue(low <= min(found) and max(found) <= high, found)
            self.assertGreater(len(found), 20)
        self.assertEqual(len(lengths), 600)  # preload: every key of each

    def test_every_option(self):
        """Also those of which the name of a result says nothing have results of their own."""
        for values in ("clients=1,3", "pipeline=1,4", "threads=1,2", "rate=200,400.5",
                       "data-size=64,1-64", "keyspace=10,20", "key-zipf-exp=0.5,1.1"):
            done, _ = self.sweep("-t", "set", "-n", 20, "--sweep", values, "--json")
            document = json.loads(done.stdout)
            self.assertEqual(len(document["results"]), 2, values)
            (sweep,) = document["sweep"]
            self.assertEqual([point["value"] for point in sweep["points"]],
                             values.split("=")[1].split(","))
            self.assertEqual(["offered_per_sec" in point for point in sweep["points"]],
                             [values.startswith("rate")] * 2)

    def test_outputs(self):
        done, _ = self.sweep("-t", "set,ping", "-n", 20, "--sweep", "clients=1,2,4", "--html",
                             self.path("page"), "--hdr", self.path("h"))
        self.assertIn("each test for clients=1,2,4", done.stdout)
        self.assertIn("\nSET, by clients\n", done.stdout)
        self.assertEqual(re.findall(r"(?m)^ +([124]) +[\d,]+ +\d+\.\d{3} ", done.stdout),
                         ["1", "2", "4"] * (done.stdout.count("by clients")))
        text = self.read("page")
        self.assertIn("<h2>SET by connections</h2>", text)
        self.assertIn("SET, clients=4</a>", text)
        section = text[text.index("<h2>SET by connections"):]
        section = section[:section.index("</section>")]
        self.assertEqual(section.count('<path class="area"'), 3)
        self.assertNotIn(" connections</li>", text)
        files = sorted(name for name in os.listdir(self.path()) if name.startswith("h_set"))
        self.assertEqual(files, [f"h_set_clients_{n}.{kind}" for n in (1, 2, 4)
                                 for kind in ("hgrm", "hlog")])

    def test_csv_and_quiet(self):
        done, _ = self.sweep("-t", "set", "-n", 20, "--sweep", "clients=1,2", "--csv")
        rows = list(csv.reader(io.StringIO(done.stdout)))
        self.assertEqual([row[0] for row in rows], ["test", "SET clients=1", "SET clients=2"])
        done, _ = self.sweep("-t", "set", "-n", 20, "--sweep", "clients=1,2", "-q")
        self.assertRegex(done.stdout, r"^SET clients=1: .* per second.*\nSET clients=2: .*\n$")

    def test_runs_of_each(self):
        done, requests = self.sweep("-t", "set", "-n", 20, "--sweep", "clients=1,2", "--run-count",
                                    5, "--json")
        self.assertEqual(sum(words[0] == b"SET" for words in requests), 200)
        (sweep,) = json.loads(done.stdout)["sweep"]
        for point in sweep["points"]:
            self.assertTrue(point["low"] <= point["ops_per_sec"] <= point["high"])

    def test_failure_between(self):
        done, _ = self.sweep("-t", "set", "-n", 10, "--sweep", "clients=1,2,4", "--json",
                             answer=lambda words, n: b"+OK\r\n" if n < 15 else None, status=3)
        document = json.loads(done.stdout)
        self.assertEqual([point["value"] for point in document["sweep"][0]["points"]], ["1", "2"])
        self.assertEqual(sum("failure" in result for result in document["results"].values()), 1)

    def test_knee_writes_a_file_of_each_step(self):
        done, _ = self.sweep("-t", "set", "--knee", "--knee-window", "100ms", "--slo", "p95=300ms",
                             "--json", "--hdr", self.path("k"), status=(0, 3))
        (knee,) = json.loads(done.stdout)["knee"]
        names = [name for name in os.listdir(self.path()) if "service" not in name]
        for kind in (".hgrm", ".hlog"):
            self.assertEqual(sum(name.endswith(kind) for name in names), len(knee["points"]), names)
        self.assertIn("k_set_maximum.hgrm", names)

    def test_what_cannot_be(self):
        for options in (["foo=1"], ["clients"], ["clients="], ["clients=1,,2"], ["clients=1,1"],
                        ["clients=0"], ["clients=1,99999"], ["rate=x"], ["clients=1", "-c", 3],
                        ["clients=1", "--knee"], ["clients=1", "-l"],
                        ["rate=10,20", "--pipeline-mode", "batch"], ["key-size=15,20"],
                        ["key-size=20,30", "--key-file", "/dev/null"],
                        ["clients=" + ",".join(map(str, range(1, 70)))]):
            done, requests = self.sweep("--sweep", *options, status=2)
            self.assertRegex(done.stderr, r"^loadgen: .+\n$")
            self.assertEqual(requests, [])


class CairndTest(CairndCase):

    def test_keys_of_each_value(self):
        """With --preload every read finds its key, also of the larger keyspace."""
        done = run("-u", self.rpc, "-t", "get", "-n", 500, "--preload", "--sweep",
                   "keyspace=10,300", "--json")
        results = list(json.loads(done.stdout)["results"].values())
        self.assertEqual([(result["hits"], result["misses"]) for result in results],
                         [(500, 0), (500, 0)])


if __name__ == "__main__":
    unittest.main()
