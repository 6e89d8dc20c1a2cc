#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What loadgen keeps of a run: logs of HdrHistogram (--hdr), judgements (--gates, validity), a
summary (--markdown), a folder (--out-dir)."""

import base64
import json
import os
import re
import signal
import struct
import unittest
import zlib

from lib.loadgen import CairndCase, ended, run
from lib.server import Server


class Histogram:
    """What stands in a line of a log, decoded as HdrHistogram's V2 encoding says, not as loadgen
    does it: counts by the highest value that is equivalent."""

    def __init__(self, text):
        packed = base64.b64decode(text, validate=True)
        cookie, size = struct.unpack_from(">II", packed)
        assert cookie == 0x1c849314 and size == len(packed) - 8
        plain = zlib.decompress(packed[8:])
        (cookie, size, offset, self.digits, unit, self.highest,
         ratio) = struct.unpack_from(">IIIIQQd", plain)
        assert cookie == 0x1c849313 and size == len(plain) - 40
        assert (offset, unit, ratio) == (0, 1, 1.0)
        half = (2 * 10**self.digits - 1).bit_length() - 1  # 2^half buckets to an octave
        self.counts, index = {}, 0
        for number in self.numbers(plain[40:]):
            if number > 0:
                octave, sub = max(0, (index >> half) - 1), index
                if index >> half > 1:
                    sub = index - (octave << half)
                self.counts[((sub + 1) << octave) - 1] = number
            index += -number if number < 0 else 1
        self.count = sum(self.counts.values())

    @staticmethod
    def numbers(data):
        """ZigZag LEB128 of at most nine bytes."""
        at = 0
        while at < len(data):
            value = shift = 0
            while True:
                byte, at = data[at], at + 1
                value |= (byte if shift == 56 else byte & 0x7f) << shift
                shift += 7
                if byte < 0x80 or shift == 63:
                    break
            yield (value >> 1) ^ -(value & 1)

    def quantile(self, share):
        """The lowest value below or at which this share lies."""
        seen = 0
        for value, count in sorted(self.counts.items()):
            seen += count
            if seen >= share * self.count:
                return value
        raise ValueError("empty")


class Log:
    """A .hlog: its head, and lines (begin, length, max, Histogram) by tag; None: without one."""

    def __init__(self, path):
        self.lines = {}
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        self.head = [line for line in lines if line.startswith("#")]
        legend, *lines = lines[len(self.head):]
        assert legend == ('"StartTimestamp","Interval_Length","Interval_Max",'
                          '"Interval_Compressed_Histogram"'), legend
        for line in lines:
            tag = None
            if line.startswith("Tag="):
                tag, line = line[4:].split(",", 1)
            begin, length, top, text = line.split(",")
            self.lines.setdefault(tag, []).append(
                (float(begin), float(length), float(top), Histogram(text)))


class Files(CairndCase):
    """What it leaves when it is run against a server."""

    OPTIONS = {}

    def load(self, *args, status=0, **variables):
        """Run loadgen."""
        return run("-u", self.rpc, *args, status=status, env=variables)

    SLOW = {"metric": "p99_ns", "target": 1e17}  # anything is faster
    FAST = {"metric": "p99_ns", "target": 1}  # and nothing is

    def gates(self, *rows):
        """A file of gates."""
        return self.file("gates.json", {
            "gates": [{"name": f"gate {number}", "result": "set/*", **row}
                      for number, row in enumerate(rows)]})


class HdrTest(Files):
    """--hdr PREFIX: PREFIX_test.hlog."""

    def check(self, histogram, figures):
        """The same counts and percentiles as in the JSON."""
        self.assertEqual(histogram.digits, 2)
        self.assertGreater(histogram.highest, figures["max_ns"])
        self.assertEqual(list(sorted(histogram.counts.items()))[0][1], figures["histogram"][0][1])
        self.assertEqual([count for _, count in sorted(histogram.counts.items())],
                         [count for _, count in figures["histogram"]])
        for value, (low, _) in zip(sorted(histogram.counts), figures["histogram"]):
            self.assertTrue(low <= value <= low * 1.008, (low, value))
        for share, key in ((0.5, "median_ns"), (0.9, "p90_ns"), (0.99, "p99_ns"),
                           (0.999, "p999_ns")):
            self.assertEqual(min(histogram.quantile(share), figures["max_ns"]), figures[key])

    def test_log(self):
        done = self.load("-t", "mixed", "-r", 100, "--rate", 4000, "--duration", "1", "--hdr",
                         self.path("run"), "--json")
        document = json.loads(done.stdout)
        (result,) = document["results"].values()
        log = Log(self.path("run_mixed.hlog"))
        self.assertIn("#[Histogram log format version 1.3]", log.head)
        (base,) = (float(line.split()[1]) for line in log.head if line.startswith("#[BaseTime: "))
        self.assertAlmostEqual(base, document["time_ms"] / 1e3, delta=60)
        self.assertEqual(sorted(log.lines, key=str), [None, "get", "service", "set", "whole"])
        parts = {"whole": result, "service": result["service"], **result["by_request"]}
        for tag, figures in parts.items():
            ((begin, length, top, histogram),) = log.lines[tag]
            self.assertEqual(begin, 0)
            self.assertAlmostEqual(length, result["elapsed_ns"] / 1e9, delta=0.001)
            self.assertAlmostEqual(top, figures["max_ns"] / 1e6, delta=0.001)
            self.check(histogram, figures)
        rows = [row for row in result["series"] if row["ops"]]
        self.assertEqual(len(rows), len(log.lines[None]))
        for row, (begin, length, top, histogram) in zip(rows, log.lines[None]):
            self.assertAlmostEqual(begin, row["t_ns"] / 1e9, delta=0.001)
            self.assertAlmostEqual(length, row["length_ns"] / 1e9, delta=0.001)
            self.assertAlmostEqual(top, row["max_ns"] / 1e6, delta=0.001)
            self.assertEqual(histogram.count, row["ops"])
            self.assertEqual(min(histogram.quantile(0.99), row["max_ns"]), row["p99_ns"])

    def test_steps_have_logs_of_their_own(self):
        self.load("-t", "set", "-n", 200, "--sweep", "clients=1,2", "--hdr", self.path("run"))
        for clients in (1, 2):
            ((_, _, _, histogram),) = Log(self.path(f"run_set_clients_{clients}.hlog")) \
                .lines["whole"]
            self.assertEqual(histogram.count, 200)


class GatesTest(Files):
    """--gates FILE: the words and the figures, and the exit code."""

    def test_kept(self):
        gates = self.gates(self.SLOW, {**self.FAST, "counts": False},
                           {"metric": "ops_per_sec", "target": 1e17, "acceptable": 1},
                           {**self.FAST, "result": "get/*"})
        done = self.load("-t", "set", "-n", 200, "--gates", gates, "--json")
        document = json.loads(done.stdout)
        (name, result), = document["results"].items()
        judged = document["gates"]
        self.assertEqual(sorted(judged), [f"gate 0: {name} p99_ns", f"gate 1: {name} p99_ns",
                                          f"gate 2: {name} ops_per_sec"])
        levels = [(gate["level"], gate["passed"], gate["counts"]) for gate in judged.values()]
        self.assertEqual(levels, [("target", True, True), ("missed", False, False),
                                  ("acceptable", True, True)])
        first, second, third = judged.values()
        self.assertEqual((first["target_ns"], first["actual_ns"]), (10**17, result["p99_ns"]))
        self.assertAlmostEqual(first["margin_pct"], 100, places=3)
        self.assertLess(second["margin_pct"], 0)
        self.assertAlmostEqual(third["actual"], result["ops_per_sec"], delta=0.01)
        self.assertLess(third["margin_pct"], 0)
        self.assertRegex(done.stderr, rf"gates\n  target +{name} .*gate 0\)")
        self.assertRegex(done.stderr, r"(?m)^  no result +for 1 more$")

    def test_missed(self):
        done = self.load("-t", "set", "-n", 200, "--gates", self.gates(self.FAST), status=1)
        self.assertRegex(done.stdout, r"\ngates\n  missed +set/")

    def test_page(self):
        gates = self.gates(self.SLOW, self.FAST, {**self.FAST, "counts": False, "name": "<b>"})
        self.load("-t", "set", "-n", 200, "--gates", gates, "--html", self.path("page"), status=1)
        section = self.read("page").partition("<h2>Gates</h2>")[2].partition("</section>")[0]
        self.assertEqual(re.findall(r'<td class="verdict (\w*)">(\w+)<', section),
                         [("better", "target"), ("worse", "missed"), ("", "context")])
        self.assertIn("<th>&lt;b&gt;<br>", section)

    def test_members_are_documented(self):
        gates = self.gates({**self.SLOW, "stretch": 2, "acceptable": 1e17},
                           {"metric": "ops_per_sec", "target": 2, "acceptable": 1, "stretch": 3})
        document = json.loads(self.load("-t", "set", "-n", 200, "--rate", 4000, "--gates", gates,
                                        "--label", "x", "--json").stdout)
        self.documented(document, document["validity"], *document["gates"].values())

    def test_twice(self):
        """What could not be told apart in the JSON is refused."""
        gates = self.gates(self.SLOW, {**self.FAST, "name": "gate 0"})
        self.refused((("--gates", gates), "gate number 2: another has this name and metric"))

    def test_wrong(self):
        """Said before anything is measured."""
        for content, words in (("{", "is not JSON"), ("{}", "has no gates"),
                               ('{"gates": []}', "has no gates")):
            self.refused((("--gates", self.file("wrong", content)), words))
        self.load("--gates", "/nonexistent", status=2)
        gates = self.gates(self.SLOW, {**self.SLOW, "metric": "nonsense"})
        self.refused((("--gates", gates), "gate number 2: metric has to be"))
        self.load("--gates", self.gates(self.SLOW), "-l", status=2)


class ValidityTest(Files):
    """validity: of each sign the worst of all results."""

    def validity(self, *options):
        """(that of a run, its results)."""
        document = json.loads(self.load(*options, "--json").stdout)
        return document["validity"], list(document["results"].values())

    def test_closed(self):
        validity, results = self.validity("-t", "set,get", "-n", 2000, "-r", 10)
        flags = {warning["name"] for result in results for warning in result["warnings"]}
        self.assertEqual(set(validity["flags"]), flags)
        self.assertIn("too-few-samples", flags)
        residuals = [result["in_flight"]["little_residual_pct"] for result in results]
        self.assertAlmostEqual(validity["little_residual_pct"], max(residuals, key=abs), places=6)
        self.assertFalse({"achieved_ratio", "slip_p99_ns"} & set(validity))

    def test_open(self):
        validity, results = self.validity("-t", "set,get", "-n", 500, "--rate", 1000)
        self.assertEqual(validity["slip_p99_ns"], max(result["slip"]["p99_ns"]
                                                      for result in results))
        lowest = min(result["ops_per_sec"] / result["offered_per_sec"] for result in results)
        self.assertGreaterEqual(validity["achieved_ratio"], lowest)
        self.assertNotIn("little_residual_pct", validity)


def tables(text):
    """The tables of Markdown: each a list of rows, which are lists of cells; the head is the first
    row. A row that has other cells than its head is an error."""
    found, rows = [], None
    for line in text.splitlines() + [""]:
        if not line.startswith("|"):
            rows = None
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if rows is None:
            rows = []
            found.append(rows)
        assert not rows or len(cells) == len(rows[0]), line
        if not all(re.fullmatch("-+:?", cell) for cell in cells):
            rows.append(cells)
    return found


class MarkdownTest(Files):
    """--markdown FILE: what the JSON has, in tables that hold."""

    def summary(self, *options, status=0):
        """(the text, the JSON)."""
        done = self.load("--markdown", self.path("s.md"), "--json", *options, status=status)
        return self.read("s.md"), json.loads(done.stdout)

    def test_figures(self):
        text, document = self.summary("-t", "set,mixed", "-r", 10, "-n", 500, "--server-pid",
                                      self.server.process.pid)
        self.assertIn("    " + document["command"] + "\n", text)
        facts, results, cpu = tables(text)
        self.assertIn(["server", "cairn {version} at {address}, protocol msgpack, durability "
                       "**memory**".format(**document["target"])], facts)
        self.assertEqual(len(results), 1 + 4)  # SET, MIXED and its two kinds
        self.assertEqual({row[1] for row in results[1:]}, {"memory"})
        for row, (name, result) in zip((results[1], results[2]), document["results"].items()):
            self.assertEqual(row[0], f"`{name}`")
            self.assertEqual(row[2], f"{result['ops_per_sec']:,.0f}")
            for cell, key in zip(row[3:10], ("median_ns", "p90_ns", "p95_ns", "p99_ns", "p999_ns",
                                             "p9999_ns", "max_ns")):
                self.assertAlmostEqual(float(cell), result[key] / 1e6, delta=0.001)
            self.assertEqual(row[11].split(", "),
                             [warning["name"] for warning in result["warnings"]])
        self.assertEqual({results[3][0], results[4][0]}, {"- set", "- get"})
        self.assertEqual(len(cpu), 3)
        for flag in document["validity"]["flags"]:
            self.assertIn(f"- **{flag}** (`", text)

    def test_open_loop_and_failure(self):
        text, _ = self.summary("-t", "get", "-n", 100, "--rate", 1000)
        self.assertEqual([row[0] for row in tables(text)[1][1:]],
                         ["`get/d3/c50/P1/r1000/memory`", "- service time"])
        self.assertIn("open loop at 1,000 requests/s", text)
        text, document = self.summary("-n", 10, "kv.put", "one", status=3)
        (result,) = document["results"].values()
        self.assertIn("- **errors** (`", text)
        self.assertIn(": " + result["first_error"], text)
        self.assertEqual(tables(text)[1][1][2:11], ["0"] + ["-"] * 7 + ["10"])

    def test_two_servers_and_gates(self):
        gates = self.gates({**self.SLOW, "name": "a | b", "result": "A/*"})
        text, document = self.summary("-t", "set", "-n", 100, "--vs", self.rpc, "--pairs", 1,
                                      "--gates", gates, status=3)
        found = tables(text)
        figures = next(rows for rows in found if rows[0][0] == "test")
        self.assertEqual(len(figures) - 1, len(document["versus"]["figures"]))
        (_, gate) = next(rows for rows in found if rows[0][0] == "gate")
        self.assertEqual((gate[0], gate[5]), ("a \\| b", "target"))

    def test_cannot_write(self):
        done = self.load("--markdown", "/nonexistent/x", status=2)
        self.assertIn("--markdown: cannot write /nonexistent/x", done.stderr)
        done = self.load("-t", "set", "-n", 10, "--markdown", "/dev/full", status=3)
        self.assertIn("--markdown: cannot write /dev/full", done.stderr)


class FolderTest(Files):
    """--out-dir DIR."""

    def runs(self):
        """The folders, oldest first."""
        return sorted(name for name in os.listdir(self.path("out")) if name.startswith("run_"))

    def index(self):
        """The rows of the list of all runs."""
        ((_, *rows),) = tables(self.read("out", "INDEX.md"))
        return rows

    def test_everything_is_there(self):
        done = self.load("-t", "set", "-n", 200, "--out-dir", self.path("out"), "--label",
                         "disk | <b>ä</b>", CAIRN_GIT_COMMIT="0123abc+/x")
        (folder,) = self.runs()
        self.assertRegex(folder, r"^run_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_0123abc\+_x$")
        self.assertEqual(sorted(os.listdir(self.path("out", folder))),
                         ["SUMMARY.md", "env.json", "report.html", "result.json", "stdout.txt"])
        self.assertEqual(self.read("out", folder, "stdout.txt"), done.stdout)
        self.assertIn("throughput", done.stdout)
        document = json.loads(self.read("out", folder, "result.json"))
        self.assertEqual(document["label"], "disk | <b>ä</b>")
        time = document["timestamp"].replace("T", "_").replace(":", "-")
        self.assertEqual(folder[4:23], time[:19])
        place = json.loads(self.read("out", folder, "env.json"))
        self.assertEqual(place["environment"], document["environment"])
        self.assertNotIn("results", place)
        self.assertIn("<h1>disk | &lt;b&gt;ä&lt;/b&gt;</h1>",
                      self.read("out", folder, "report.html"))
        summary = self.read("out", folder, "SUMMARY.md")
        self.assertTrue(summary.startswith("# disk \\| \\<b\\>ä\\</b\\>\n"))
        for name in re.findall(r"\]\((.*?)\)", summary):
            self.read("out", folder, name)
        (row,) = self.index()
        self.assertEqual(row, [f"[{folder}]({folder}/SUMMARY.md)", "disk \\| \\<b\\>ä\\</b\\>", "1",
                               "0", "good"])

    def test_runs_add_up(self):
        """Each has a folder of its own, also in the same second; the newest is the last."""
        for number in range(3):
            self.load("-t", "set,get", "-n", 10, "-q", "--out-dir", self.path("out"), "--label",
                      number)
        self.assertEqual(len(self.runs()), 3)
        self.assertEqual([row[1] for row in self.index()], ["0", "1", "2"])
        self.load("-t", "set,get", "-n", 10, "-q", "--out-dir", self.path("out"))
        self.assertEqual(self.index()[-1][1:3], ["SET, GET", "2"])

    def test_comparison(self):
        self.load("-t", "set", "-n", 10, "--vs", self.rpc, "--pairs", 1, "-q", "--out-dir",
                  self.path("out"), status=3)
        (folder,) = self.runs()
        self.assertIn("| set | throughput, requests/s |",
                      self.read("out", folder, "comparison.md"))
        self.assertEqual(self.index()[0][4], "not valid")
        self.load("-t", "set", "-n", 10, "--save-baseline", "b", "--baseline-dir", self.path("b"))
        done = self.load("-t", "set", "-n", 10, "--baseline", "b", "--baseline-dir", self.path("b"),
                         "--out-dir", self.path("new/out"), status=(0, 1, 3))
        self.assertIn("old: baseline b", done.stdout)  # what is found of so few is chance
        (folder,) = (name for name in os.listdir(self.path("new/out")) if name.startswith("run_"))
        self.assertIn(done.stdout[done.stdout.index("old: baseline"):].rstrip(),
                      self.read("new/out", folder, "comparison.md"))

    def begin(self, uri):
        """A test that is long, and has begun to measure."""
        process = self.start("-u", uri, "-t", "set", "--duration", 100, "--interval", "100ms",
                             "--out-dir", self.path("out"))
        self.assertIn("requests/s", process.stderr.readline())
        return process

    def test_interrupt(self):
        """What was measured until then is kept."""
        process = self.begin(self.rpc)
        process.send_signal(signal.SIGINT)
        done = ended(process, 3)
        (folder,) = self.runs()
        self.assertEqual(self.read("out", folder, "stdout.txt"), done.stdout)
        document = json.loads(self.read("out", folder, "result.json"))
        (result,) = document["results"].values()
        self.assertGreater(result["count"], 0)
        self.assertIn("interrupted", document["validity"]["flags"])
        self.assertIn("- **interrupted**: ", self.read("out", folder, "SUMMARY.md"))
        self.assertEqual(self.index()[0][4], "not valid")

    def test_server_dies(self):
        with Server() as server:
            process = self.begin(server.uri())
        ended(process, 3)
        (folder,) = self.runs()
        self.assertIn("- **incomplete** (`", self.read("out", folder, "SUMMARY.md"))
        self.assertEqual(self.index()[0][3:], ["1", "not valid"])

    def test_no_folder(self):
        """Nothing is left where nothing was measured; what is there is not touched."""
        done = self.load("--out-dir", "/dev/null/x", status=2)
        self.assertIn("--out-dir: cannot write /dev/null/x", done.stderr)
        self.load("--out-dir", self.file("file", "mine"), status=2)
        run("-p", 1, "--out-dir", self.path("out"), status=3)
        self.assertEqual(os.listdir(self.path("out")), [])


if __name__ == "__main__":
    unittest.main()
