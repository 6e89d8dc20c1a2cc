#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen's intervals: the CPU time of servers whose process is not known, which they are asked for
beside what is measured; what becomes of it if they refuse or stand still; and what the page says
and draws of intervals, of two servers and of what it cannot know."""

import csv
import html
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from lib.fake_server import FakeServer
from lib.redis_server import RedisServer
from lib.server import Server, environment

LOADGEN = os.environ.get("LOADGEN", "loadgen")


def command(*args):
    return {"args": [LOADGEN, *map(str, args)], "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8",
            "env": environment()}


def run(*args):
    done = subprocess.run(**command(*args), timeout=200, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done


def names(result):
    return [warning["name"] for warning in result["warnings"]]


def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


class Teller:
    """Answers of a fake server: its CPU time grows by 1 ms with each question after it. No process
    of this machine has its number."""

    def __init__(self, cpu=None):
        self.cpu = cpu
        self.questions = 0

    def __call__(self, words, _):
        if words[0] != b"INFO":
            return b"+OK\r\n"
        if words[1:] != [b"cpu"]:
            return bulk(b"redis_version:7.0.15\r\nprocess_id:4194304\r\n")
        self.questions += 1
        if self.cpu is not None:
            return self.cpu
        return bulk(b"# CPU\r\nused_cpu_sys:%.6f\r\nused_cpu_user:1.5\r\n"
                    % (self.questions / 1000))


class AskedTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "lines")

    def cairnd(self):
        server = Server({"listen.resp": "127.0.0.1:0"})
        self.addCleanup(server.stop)
        return ("cairn://{}:{}".format(*server.address),
                "redis://{}:{}".format(*server.address_of(0, "resp")))

    def fake(self, teller, *args):
        with FakeServer(teller) as server:
            return run("-u", f"redis://127.0.0.1:{server.port}", "-t", "set", "-c", 2,
                       "--rate", 500, "--duration", "1500ms", *args)

    def check_asked(self, result, source):
        """Each interval has a figure, and they add up to that of the test, or less: that is taken
        before and after. On a machine that is too busy to answer in time some have none."""
        server = result["server"]
        known = [row["server_cpu_ns"] for row in result["series"] if "server_cpu_ns" in row]
        self.assertEqual(server["source"], source)
        self.assertLessEqual(sum(known), server["cpu_ns"])
        self.assertGreaterEqual(server["answered"], 2)
        self.assertGreater(server["answer_mean_ns"], 0)
        if server["answered"] == server["asked"]:
            self.assertEqual(len(known), len(result["series"]), server)
            self.assertGreaterEqual(server["asked"], len(known) + 3)  # at begin and end, too
            self.assertGreater(sum(known), 0)
            self.assertNotIn("server-cpu-unknown", names(result))

    def test_two_servers(self):
        """--vs asks both, each in its protocol; what the server counts is still what was sent."""
        rpc, resp = self.cairnd()
        done = run("-u", rpc, "--vs", resp, "-t", "ping,set", "--duration", "250ms", "--pairs", 5,
                   "--threshold", 1000, "--json")
        results = json.loads(done.stdout)["results"]
        self.assertEqual(len(results), 2)
        for name, result in results.items():
            self.check_asked(result, "server.info" if name.startswith("A/") else "INFO cpu")
            self.assertGreaterEqual(result["server"]["asked"], 5 * 2)  # runs; begin and end
            self.assertNotIn("other-load", names(result))

    @unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
    def test_redis(self):
        """It is asked on one connection of its own, and counts what was sent, pings too."""
        servers = [RedisServer(), RedisServer()]
        for server in servers:
            self.addCleanup(server.stop)
        a, b = (f"redis+unix://{server.address}" for server in servers)
        done = run("-u", a, "--vs", b, "-t", "ping", "--duration", "250ms", "--pairs", 5,
                   "--threshold", 1000, "--json")
        for result in json.loads(done.stdout)["results"].values():
            self.check_asked(result, "INFO cpu")
            self.assertEqual(result["server"]["requests"], result["server"]["requests_sent"])

    def test_elsewhere(self):
        """A server whose process is not known is asked with --server-stats, and only then."""
        teller = Teller()
        done = self.fake(teller, "--server-stats", "--json", "--ndjson", self.path, "--interval",
                         "500ms")
        (result,) = json.loads(done.stdout)["results"].values()
        self.check_asked(result, "INFO cpu")
        self.assertEqual(result["server"]["asked"], teller.questions)
        self.assertEqual(result["server"]["cpu_ns"], (teller.questions - 1) * 1000000)
        with open(self.path, encoding="utf-8") as file:
            samples = [line for line in map(json.loads, file) if line["type"] == "sample"]
        if result["server"]["answered"] == result["server"]["asked"]:
            self.assertTrue(all("server_cpu_ns" in sample for sample in samples))
        teller = Teller()
        done = self.fake(teller, "--json")
        (result,) = json.loads(done.stdout)["results"].values()
        self.assertEqual(teller.questions, 0)
        self.assertNotIn("source", result["server"])
        self.assertNotIn("server-cpu-unknown", names(result))
        self.assertIn("us/request (INFO cpu)", self.fake(Teller(), "--server-stats").stdout)

    def test_refused(self):
        """Refused, nothing told, or a figure that never moves: no figure, asked no more, one
        warning."""
        still = b"used_cpu_sys:1.0\r\nused_cpu_user:1.0\r\n"
        for answer, asked in ((b"-NOPERM no permissions to run the 'info' command\r\n", 1),
                              (bulk(b""), 1), (bulk(still), None)):
            teller = Teller(answer)
            done = self.fake(teller, "--server-stats", "--json")
            (result,) = json.loads(done.stdout)["results"].values()
            self.assertEqual(names(result).count("server-cpu-unknown"), 1)
            self.assertNotIn("cpu_ns", result["server"])
            self.assertEqual(result["server"]["source"], "INFO cpu")
            self.assertEqual(result["server"]["asked"], teller.questions)
            if asked is not None:
                self.assertEqual(teller.questions, asked)
                self.assertEqual(result["server"]["answered"], 0)
                self.assertFalse([row for row in result["series"] if "server_cpu_ns" in row])
        done = self.fake(Teller(b"-ERR unknown command\r\n"), "--server-stats")
        self.assertEqual(done.stdout.count("server-cpu-unknown"), 1)
        self.assertNotIn("us/request (", done.stdout.replace("us/request (user", ""))

    def test_stopped(self):
        """A server that stands still for a while: intervals without a figure, no wrong ones, and
        what is measured goes on."""
        servers = [Server({"listen.resp": "127.0.0.1:0"}) for _ in "AB"]
        for server in servers:
            self.addCleanup(server.stop)
        uris = ["redis://{}:{}".format(*server.address_of(0, "resp")) for server in servers]
        victim = servers[1].process.pid
        lines = still = 0
        with subprocess.Popen(**command("-u", uris[0], "--vs", uris[1], "-t", "set", "-c", 2,
                                        "--rate", 200, "--duration", "4s", "--pairs", 1,
                                        "--interval", "100ms", "--json")) as process:
            self.addCleanup(os.kill, victim, signal.SIGCONT)
            for line in process.stderr:  # a line each 0.2 s
                lines += line.startswith("B SET 1/1")
                still += lines > 4 and " 0 requests/s" in line
                if lines == 4:
                    os.kill(victim, signal.SIGSTOP)
                if still == 5:
                    os.kill(victim, signal.SIGCONT)
                    break
            out, err = process.communicate(timeout=200)
        results = {name[0]: result for name, result in json.loads(out)["results"].items()}
        server, rows = results["B"]["server"], results["B"]["series"]
        known = ["server_cpu_ns" in row for row in rows]
        self.assertGreaterEqual(known.count(False), 4, err)
        self.assertIn(True, known)
        self.assertLess(server["answered"], server["asked"])
        self.assertLessEqual(sum(row.get("server_cpu_ns", 0) for row in rows), server["cpu_ns"])
        self.assertGreater(results["B"]["max_ns"], 500000000)

    def test_csv(self):
        """Intervals of a test that mixes requests have CPU time by request, of both sides."""
        rpc, _ = self.cairnd()
        mix = ("-u", rpc, "--mix", "get=3,set=1", "-r", 100, "--rate", 1000, "--duration",
               "2500ms", "--csv-ext")
        for options, known in (((), False), (("--server-stats",), True)):
            whole, *rows = csv.DictReader(run(*mix, *options).stdout.splitlines())
            self.assertEqual(whole["server_us_per_op"] != "", known)
            self.assertGreaterEqual(len(rows), 4)
            for row in rows:
                self.assertGreater(float(row["client_us_per_op"]), 0)
                self.assertEqual(row["server_us_per_op"] != "", known)
            by_time = {}
            for row in rows:
                by_time.setdefault(row["start_s"], set()).add(row["client_us_per_op"])
            self.assertTrue(all(len(figures) == 1 for figures in by_time.values()), by_time)


def page_of(document):
    """The page of a document, up to the JSON in it."""
    done = subprocess.run([LOADGEN, "report", "-"], input=json.dumps(document), timeout=200,
                          capture_output=True, encoding="utf-8", env=environment(), check=True)
    return done.stdout.split("<script")[0]


def words_of(page):
    return html.unescape(re.sub("<[^>]*>", "", page)).replace("\xa0", " ")


def lines_of(page, label):
    """Of the plot with this label: the paths of its lines, by kind."""
    drawing = page.split(f'aria-label="{label}"')[1].split("</svg>")[0]
    return dict(re.findall(r'<path class="line (\w+)" d="([^"]*)"', drawing))


class PageTest(unittest.TestCase):
    """Documents made by hand, as they come of runs that are hard to have when one wants them."""

    @staticmethod
    def row(at, ops, server):
        row = {"t_ns": at * 200000000, "length_ns": 200000000, "ops": ops,
               "client_cpu_ns": 50000000}
        if ops > 0:
            row.update({"median_ns": 100000, "p99_ns": 200000, "max_ns": 300000,
                        "cells": [[100000, ops]], "slip_p99_ns": 1000, "slip_max_ns": 2000})
        if server is not None:
            row["server_cpu_ns"] = server
        return row

    def result(self, rows, **more):
        return {"title": "SET", "test": "set", "ops_per_sec": 10, "samples": 10,
                "median_ns": 100000,
                "series": [self.row(at, *row) for at, row in enumerate(rows)], **more}

    def test_gaps(self):
        """A line has a gap where nothing is known; a point between two gaps is seen."""
        known, nothing, silent = (10, 9000000), (0, None), (10, None)
        page = page_of({"version": "2.0", "results": {"set": self.result(
            [known, known, nothing, silent, known, silent, known, known])}})
        lines = lines_of(page, "CPU time over time")
        self.assertEqual(lines["response"].count("M"), 1)
        self.assertEqual(lines["service"].count("M"), 3)
        self.assertEqual(lines["service"].count("h"), 1)
        self.assertIn("did not say in time what CPU time", words_of(page))
        for kind in ("median", "p99", "max"):
            self.assertEqual(lines_of(page, "Latency over time")[kind].count("M"), 2)
        self.assertNotRegex(page, r"\b(nan|inf)\b")
        page = page_of({"version": "2.0", "results": {"set": self.result([known, known])}})
        self.assertNotIn("in time what CPU time", words_of(page))

    def test_one_interval(self):
        """Lines all along it, and no range where there is none."""
        page = page_of({"version": "2.0", "results": {"set": self.result([(10, 9000000)])}})
        for label in ("CPU time over time", "Latency over time"):
            for kind, line in lines_of(page, label).items():
                self.assertRegex(line, r"^M0\.0 ([\d.]+)L1000\.0 \1$", kind)
        self.assertIn(">50 requests/s; the slowest request", page)
        self.assertNotIn("Between", words_of(page))

    def test_two_servers(self):
        """Both are named, and what they promise; bars that go on say so; tests have a title."""
        def figure(low, high):
            return {"test": "set", "title": "p99", "unit": "ms", "a": 1, "b": 1, "ratio": 1,
                    "low": low, "high": high, "verdict": "unstable", "text": "unstable"}
        rows = [(10, 9000000)] * 2
        a = {"address": "10.0.0.1:6379", "protocol": "resp2", "software": "redis"}
        b = {"address": "10.0.0.2:7420", "protocol": "msgpack", "software": "cairn",
             "durability": "strict"}
        page = page_of({"version": "2.0", "durability": "memory", "target": a, "target_b": b,
                        "results": {"A/set": self.result(rows), "B/set": self.result(rows)},
                        "versus": {"figures": [figure(0.6, 1.9), figure(0.4, 1.1),
                                               figure(0.9, 2.5), figure(0.1, 9),
                                               {**figure(0.2, 9), "verdict": "too few runs"}]}})
        words = words_of(page)
        self.assertIn("10.0.0.1:6379 resp2 · 10.0.0.2:7420 msgpack", words)
        self.assertIn("durability: memory (A), strict (B)", words)
        self.assertIn("SET p99", words)
        self.assertIn("Server B", words)
        ends = [re.findall(r'<u class="(\w+)"', cell)
                for cell in page.split('<td class="forest">')[1:]]
        self.assertEqual(ends, [[], ["less"], ["more"], ["less", "more"], []])
        self.assertIn("0.400 to 1.100", words)
        self.assertNotIn("0.200 to 9.000", words)  # of too few runs

    def test_what_is_not_so(self):
        """No size of values where there are none; no figure for what is not known; options are not
        broken; CPU time says where it is from."""
        rows = [(10, 9000000)] * 2
        document = {"version": "2.0", "config": {"connections": 2, "size": 3},
                    "command": "loadgen --csv-ext -n 7", "results": {"set": self.result(
                        rows, precision={"ops_per_sec": 0.25, "p99": 2.2},
                        server={"us_per_op": 2, "source": "INFO cpu", "asked": 12},
                        warnings=[{"name": "x", "text": "more (-n, --duration)"}])}}
        words = words_of(page_of(document))
        self.assertIn("3 bytes a value", words)
        self.assertIn("known to ±25 % (95 % confidence); p99 varies too much", words)
        self.assertIn("server 2.00 µs (as it says itself: INFO cpu, asked 12 times).", words)
        self.assertIn("loadgen --csv-ext -n 7", words)
        page = page_of(document)
        for option in ("--csv-ext", "-n", "(-n,", "--duration)"):
            self.assertIn(f'<span class="option">{option}</span>', page)
        document["results"]["set"]["vector"] = {"dim": 4}
        document["results"]["set"]["precision"]["p99"] = 0.034
        document["results"]["set"]["server"] = {"us_per_op": 2, "source": "process"}
        words = words_of(page_of(document))
        self.assertNotIn("bytes a value", words)
        self.assertIn("2 connections", words)
        self.assertIn("p99 to ±3.4 % (95", words)
        self.assertIn("server 2.00 µs.", words)


if __name__ == "__main__":
    unittest.main()
