#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen for those who come from memtier: requests of their own with weights (--command), and a
number of connections that grows during a test (--clients-start).

What was sent is counted by the servers: a cairnd in both protocols, a redis-server where there is
one, and for connections lib/fake_server. Seeds are fixed."""

import collections
import json
import os
import subprocess
import tempfile
import unittest

from lib import redis_server
from lib.fake_server import FakeServer
from lib.server import Server, environment

LOADGEN = os.environ.get("LOADGEN", "loadgen")
WRITE, READ = "SET __key__ __data__", "GET __key__"


def run(*args):
    return subprocess.run([LOADGEN, *map(str, args)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                          timeout=200, env=environment(), check=False)


def printed(*args):
    """What --print-script prints besides comments."""
    done = run(*args, "--print-script")
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith("#")]


class UsageTest(unittest.TestCase):
    def refused(self, words, *args):
        done = run("--dry-run", *args)
        self.assertEqual(done.returncode, 2, (args, done.stdout, done.stderr))
        self.assertIn(words, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_wrong(self):
        self.refused("of the command before it, and there is none", "--command-ratio", 3)
        self.refused("there is none", "--command-ratio", 3, "--command", READ)
        self.refused("there is none", "-t", "get", "--command-ratio", 3)
        for ratio in ("0", "-1", "1.5", "x", "1000001"):
            self.refused("from 1 to 1000000", "--command", READ, "--command-ratio", ratio)
        for others in (("-t", "get"), ("--mix", "get=1"), ("--script", "x")):
            self.refused("give one of -t, --mix, --script, --command", "--command", READ, *others)
        self.refused("give one of", "--command", READ, "GET", "x")
        self.refused("--ratio is of tests", "--command", READ, "--ratio", "1:2")
        self.refused("quote \" is not closed", "--command", READ, "--command", 'SET a "b')
        self.refused("number 2: the quote '", "--command", READ, "--command", "SET a 'b")
        self.refused("no such placeholder", "--command", "GET __keys__")
        self.refused("__keys__", "--command", "GET __keys__")
        self.refused("__rand_int__", "--command", "GET user:__key__")
        self.refused("words of their own", "--command", "SET a <__data__>")
        self.refused("1 to 254 words", "--command", " ")
        self.refused("length from 1", "--command", "")
        self.refused("at most 16 kinds", *[word for i in range(17)
                                           for word in ("--command", f"GET {i}")])
        self.refused("--key-pattern", "--command", READ, "--command-key-pattern", "R")

    def test_what_is_written_otherwise(self):
        self.refused("--verify alone", "--verify=all")
        self.refused("--verify alone", "--verify", "all")
        self.refused("--verify-sample PERCENT", "--verify", "sample", "-t", "get")
        self.refused("leave it out", "--verify", "off")
        self.refused("--json-file FILE", "--json=x.json")
        self.refused("takes no value", "--quiet=yes")
        self.refused("--html FILE", "--plot")
        self.refused("-c 1 --rate N", "--probe-rate", 5)
        self.refused("first byte", "--timestamps", "kernel")
        for request in ("--verify", "GET", "off"), ("--json", "SET", "a", "b"):
            done = run("--dry-run", *request)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_wrong_stairs(self):
        stairs = ("--clients-start", 2, "--clients-step", 3, "--step-duration", "1s")
        for part in range(3):
            self.refused("together", *stairs[:2 * part], *stairs[2 * part + 2:])
        self.refused("at most -c", *stairs, "-c", 1)
        self.refused("--threads must be at most --clients-start", *stairs, "--threads", 3)
        self.refused("over 50 steps", *stairs, "-c", 152)
        self.refused("never steady", *stairs, "--warmup", 1)
        self.refused("never steady", *stairs, "--until-ci", "2%")
        self.refused("give no --clients-start", *stairs, "--knee")
        self.refused("give --rate", *stairs, "--rate-limiting", 5)
        self.refused("from 500", *stairs[:5], "100ms")
        self.refused("from 1 to 60000", *stairs[:1], 0)
        self.refused("from 1 to 60000", *stairs[:3], 0)
        self.refused("at most -c", *stairs, "--sweep", "clients=50,1")

    def test_dry_stairs(self):
        done = run("--dry-run", "-t", "get", "-c", 50, "--clients-start", 10, "--clients-step", 15,
                   "--step-duration", 2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("10 of them at first, 15 more every 2 s", done.stdout)
        self.assertIn("8 s in all", done.stdout)

    def test_layers(self):
        """Those of the command line take the place of all that a file says."""
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(f'command = "{WRITE}"\ncommand-ratio = 4\ncommand = {READ}\n')
            file.flush()
            resp = ("--config", file.name, "--protocol", "resp2")
            self.assertEqual(printed(*resp), ["SET=4 " + WRITE, "GET=1 " + READ])
            self.assertEqual(printed(*resp, "--command", "DEL a"), ["DEL=1 DEL a"])
            self.assertEqual(printed(*resp, "-t", "get"), ["get=1 " + READ])
            done = run(*resp, "--command-ratio", 3)
            self.assertEqual(done.returncode, 2)

    def test_print_script(self):
        """It is printed as what it became, and what is printed is read as the same."""
        args = ("--command", WRITE, "--command-ratio", 2, "--command", READ,
                "--command", "hset h 'a b' \"it's\" '' \\#1", "--command", "SET k v")
        lines = printed(*args, "--protocol", "resp2")
        self.assertEqual(lines, ["SET=2 " + WRITE, "GET=1 " + READ,
                                 "hset=1 hset h 'a b' 'it'\\''s' '' '#1'", "1 SET k v"])
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("\n".join(lines))
            file.flush()
            self.assertEqual(printed("--script", file.name, "--protocol", "resp2"), lines)
        self.assertEqual(printed("--command", WRITE), ["SET=1 kv.put __key__ __data__"])
        self.assertEqual(run("--print-script", "SET", "a", "b\nc").returncode, 2)

    def test_steps_have_names(self):
        """A printed script calls the steps of a sequence as the test it was made of."""
        lines = printed("-t", "agent_think")
        self.assertEqual([line.split()[0] for line in lines],
                         ["agent_think/get=1", "then=traces", "then=trace", "then=ckpt_get",
                          "then=save_next"])


class CairndTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server({"listen.resp": "127.0.0.1:0"})
        cls.rpc = "cairn://{}:{}".format(*cls.server.address)
        cls.resp = "redis://{}:{}".format(*cls.server.address_of(0, "resp"))
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.c = self.server.connect()
        self.addCleanup(self.c.close)
        self.c.call("kv.clear")

    def load(self, *args):
        done = run("--json", *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        document = json.loads(done.stdout)
        (result,) = document["results"].values()
        return result, document

    def calls(self):
        return collections.Counter({name: figures["count"] for name, figures
                                    in self.c.call("server.stats")["operations"].items()})

    def test_weights(self):
        """The same in all protocols, as often as the ratios say and the server counts."""
        for uri, more in ((self.rpc, ()), (self.resp, ("--protocol", "resp2")),
                          (self.resp, ("--protocol", "resp3"))):
            before = self.calls()
            result, document = self.load(
                "-u", uri, *more, "--command", WRITE, "--command", READ, "--command-ratio", 3,
                "-n", 8000, "-r", 500, "--preload", "--threads", 2)
            kinds, done = result["by_request"], self.calls() - before
            self.assertEqual(list(kinds), ["SET", "GET"])
            self.assertEqual(result["test"], "SET=1,GET=3")
            self.assertEqual(document["config"]["command"], [WRITE, READ])
            self.assertEqual(document["config"]["command-ratio"], ["3"])
            self.assertEqual(kinds["SET"]["count"] + 500, done["kv.put"])
            self.assertEqual(kinds["GET"]["count"], done["kv.get"])
            self.assertEqual(kinds["GET"]["count"], kinds["GET"]["hits"])
            self.assertAlmostEqual(kinds["GET"]["count"] / 8000, 0.75, delta=0.02)
            for kind in kinds.values():
                self.assertEqual(kind["samples"], kind["count"])
                self.assertEqual(sum(count for _, count in kind["histogram"]), kind["count"])
            self.c.call("kv.clear")

    def test_csv_has_each_command(self):
        done = run("-u", self.resp, "--csv-ext", "--command", WRITE, "--command", "GET a", "-n",
                   2000)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ('"SET=1,GET=1"', '"SET"', '"GET"'):
            self.assertIn(name, done.stdout)

    def test_words_in_quotes(self):
        self.load("-u", self.resp, "--command", "SET 'a b' \"it's c\"", "-n", 10)
        self.assertEqual(self.c.call("kv.get", "a b"), b"it's c")
        self.load("-u", self.rpc, "--command", "kv.put 'c d' ''", "-n", 10)
        self.assertEqual(self.c.call("kv.get", "c d"), "")

    def test_what_the_protocol_has_not(self):
        done = run("-u", self.rpc, "--command", WRITE, "--command", "HSET h f v", "-n", 10)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("no operation 'HSET'", done.stderr)
        self.assertIn("--protocol resp2", done.stderr)
        self.assertEqual(self.c.call("kv.count"), 0)

    def test_names_of_steps(self):
        """Steps with the same command can be told apart by names."""
        path = os.path.join(self.folder, "steps.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("move/old=1 GET a\nthen=new GET b\nthen SET c d\n")
        result, _ = self.load("-u", self.resp, "--script", path, "-n", 100)
        self.assertEqual(list(result["steps"]), ["1 old", "2 new", "3 SET"])

    def test_two_servers_of_different_protocols(self):
        """What both can be asked is compared; what cannot is refused."""
        args = ("-u", self.rpc, "--vs", self.resp, "--pairs", 1, "-n", 500, "--json", "--command")
        done = run(*args, READ)
        self.assertNotEqual(done.returncode, 2, done.stderr)  # how it ends is a matter of time
        self.assertEqual([name.split("/")[0] for name in json.loads(done.stdout)["results"]],
                         ["A", "B"])
        done = run(*args, "kv.scan")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("different protocols", done.stderr)


class Stairs(FakeServer):
    """Notes how many GETs there were when a connection began to send some."""

    def __init__(self):
        self.began = []
        self.gets = 0
        self.known = set()
        super().__init__(lambda request, number: b"$-1\r\n")

    def _read(self, connection, kept):
        before = len(self.requests)
        super()._read(connection, kept)
        new = sum(words[0] == b"GET" for words in self.requests[before:])
        if new > 0 and connection not in self.known:
            self.known.add(connection)
            self.began.append(self.gets)
        self.gets += new


class StairsTest(unittest.TestCase):
    def climb(self, *args, start=2):
        """The result, and what the server noted."""
        with Stairs() as server, tempfile.NamedTemporaryFile("r", suffix=".ndjson") as lines:
            done = run("-p", server.port, "--protocol", "resp2", "--json", "-c", 7,
                       "--clients-start", start, "--clients-step", 3, "--step-duration", "1s",
                       "--ndjson", lines.name, "--interval", "500ms", *args)
            self.assertEqual(done.returncode, 0, done.stderr)
            (result,) = json.loads(done.stdout)["results"].values()
            samples = [line for line in map(json.loads, lines) if line["type"] == "sample"]
            return result, samples, server

    def test_more_and_more(self):
        """All are open from the beginning, and used one step after the other."""
        for args in ((), ("--threads", 2, "-P", 3), ("--think", "1ms"),
                     ("--rate", 2000, "--threads", 2)):
            with self.subTest(args=args):
                result, samples, server = self.climb("-t", "get", *args)
                self.assertEqual(len(server.began), 7)
                for first in (2, 5):  # connections that begin a step, when others had gone on
                    self.assertGreater(server.began[first], server.began[first - 1] + 2)
                row = [interval["connections"] for interval in result["series"]]
                self.assertEqual(row, sorted(row))
                self.assertTrue(2 <= row[0] < row[-1] <= 7, row)
                steps = [step["connections"] for step in result["by_connections"]]
                self.assertLessEqual(set(steps), {2, 5, 7})
                self.assertEqual(steps, sorted(steps))
                some = [sample["connections"] for sample in samples]
                self.assertEqual(some, sorted(some))
                self.assertNotIn("fairness", result)
                self.assertNotIn("little_residual_pct", result["in_flight"])
                self.assertNotIn("not-steady", [w["name"] for w in result["warnings"]])
                self.assertEqual(result["unanswered"] + result["unsent"], 0)

    def test_a_number_of_requests(self):
        result, _, server = self.climb("-t", "get", "-n", 50, start=7)
        self.assertEqual((result["count"], len(server.began)), (50, 7))

    def test_all_at_once(self):
        """Without a staircase each interval says how many there are."""
        with Stairs() as server:
            done = run("-p", server.port, "--protocol", "resp2", "--json", "-t", "get", "-n", 500,
                       "-c", 5)
        (result,) = json.loads(done.stdout)["results"].values()
        self.assertEqual({row["connections"] for row in result["series"]}, {5})
        self.assertNotIn("by_connections", result)

    def test_summary_and_page(self):
        with Stairs() as server, tempfile.NamedTemporaryFile("r", suffix=".html") as page:
            done = run("-p", server.port, "--protocol", "resp2", "-t", "get", "-c", 4,
                       "--clients-start", 2, "--clients-step", 2, "--step-duration", "2s",
                       "--html", page.name)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("4 connections (from 2 in steps of 2, each 2 s)", done.stdout)
            self.assertRegex(done.stdout, r"connections +requests/s +p50")
            self.assertIn("By connections", page.read())


@unittest.skipIf(redis_server.PROGRAM is None, "there is no redis-server")
class RedisTest(unittest.TestCase):
    def test_a_command_of_redis_alone(self):
        """As a user of memtier types it: the server has counted the same."""
        server = redis_server.RedisServer(tcp=True)
        self.addCleanup(server.stop)
        host, port = server.address
        done = run("-s", "", "-h", host, "-p", port, "--command", "HSET h:__rand_int__ f __data__",
                   "--command-ratio", 2, "--command", "HLEN h:__rand_int__", "-n", 3000, "-r", 50,
                   "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        (result,) = json.loads(done.stdout)["results"].values()
        stats = subprocess.run(["redis-cli", "-h", host, "-p", str(port), "info", "commandstats"],
                               stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout
        for name, kind in (("hset", "HSET"), ("hlen", "HLEN")):
            self.assertIn(f"cmdstat_{name}:calls={result['by_request'][kind]['count']},", stats)


if __name__ == "__main__":
    unittest.main(verbosity=2)
