#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""loadgen --json, --html and loadgen report: what is measured is in the file, and the page is well
formed, refers to nothing, and cannot be changed by what is in a file."""

import html.parser
import json
import random
import re
import tempfile
import unittest

from lib.loadgen import CairndCase, run

SEED = 5
VOID = {"meta", "path", "br"}
KNEE = {
    "test": "set", "title": "SET", "quantile": 0.99, "slo_ns": 5000000, "outcome": "found",
    "knee_per_sec": 2000, "points": [
        {"step": "maximum", "ops_per_sec": 2500, "median_ns": 1, "p99_ns": 2, "p999_ns": 3},
        {"step": "grid", "offered_per_sec": 1000, "ops_per_sec": 1000, "median_ns": 500000,
         "p99_ns": 900000, "p999_ns": 1000000, "verdict": "kept"},
        {"step": "bisect", "offered_per_sec": 2000, "ops_per_sec": 2000, "median_ns": 900000,
         "p99_ns": 4000000, "p999_ns": 9000000, "verdict": "kept"},
        {"step": "grid", "offered_per_sec": 3000, "ops_per_sec": 2400, "median_ns": 50000000,
         "p99_ns": 90000000, "p999_ns": 99000000, "verdict": "rate not kept"}]}
EVIL = "</script><script>alert(1)</script>\"'&<!--\x01 onload=x"


class Page(html.parser.HTMLParser):
    """Reads a page and complains about tags that are not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words, self.data = [], {}, [], "", ""
        self.feed(text)
        self.close()
        if self.open:
            raise AssertionError(f"left open: {self.open}")

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += attrs

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes nothing")

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.data += data
        elif self.open and self.open[-1] != "style":
            self.words += data


def page_of(document):
    """The page of a document."""
    return Page(run("report", "-", text=json.dumps(document)).stdout)


class ReportTest(CairndCase):
    """One run of a server, looked at from all sides."""

    OPTIONS = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        host, port = cls.server.address
        with tempfile.NamedTemporaryFile("r", encoding="utf-8") as page:
            cls.out = run("-h", host, "-p", port, "-t", "get,mixed", "-n", 20000, "-r", 100, "-d",
                          64, "--preload", "--json", "--html", page.name).stdout
            cls.page = page.read()

    def setUp(self):
        super().setUp()
        self.document = json.loads(self.out, parse_constant=self.fail)

    def test_what_was_measured(self):
        self.assertEqual(sorted(self.document["results"]),
                         ["get/d64/c50/P1/memory", "mixed/d64/c50/P1/memory"])
        for result in self.document["results"].values():
            self.assertEqual(result["samples"], 20000)
            self.assertEqual(sum(count for _, count in result["histogram"]), 20000)
            self.assertEqual(sum(row["ops"] for row in result["series"]), 20000)
            for row in result["series"]:
                self.assertEqual(sum(count for _, count in row["cells"]), row["ops"])
            self.assertLessEqual(result["median_ns"], result["p99_ns"])
            self.assertGreater(result["ops_per_sec"], 0)
        mixed = self.document["results"]["mixed/d64/c50/P1/memory"]
        self.assertEqual(sum(part["samples"] for part in mixed["by_request"].values()), 20000)

    def test_circumstances(self):
        self.assertEqual(self.document["version"], "2.0")
        self.assertEqual(self.document["durability"], "memory")
        self.assertEqual(self.document["target"]["software"], "cairn")
        self.assertGreaterEqual(self.document["environment"]["cpus"], 1)
        self.assertEqual(self.document["config"]["size"], 64)
        self.assertIn("-t get,mixed", self.document["command"])

    def test_every_member_is_documented(self):
        self.documented(self.document, self.document["environment"], self.document["target"])
        for result in self.document["results"].values():
            self.documented(result, result["client"], result["series"][0], result["server"],
                            result.get("precision", {}), *result["server"]["operations"].values())

    def test_page(self):
        page = Page(self.page)
        self.assertEqual(json.loads(page.data), self.document)
        # Three for each, and those of its kinds of requests over time, if it took that long.
        kinds = self.document["results"]["mixed/d64/c50/P1/memory"]["by_request"].values()
        over_time = any(len(kind["series"]) > 1 for kind in kinds)
        self.assertEqual(page.tags["figure"], 6 + len(kinds) * over_time)
        self.assertEqual(page.tags["script"], 1)
        for words in ("cairn", "durability: memory", "MIXED", "Latency by percentile",
                      "Circumstances", "20,000",
                      "The server counted 20,000 requests of the 20,000 that were sent"):
            self.assertIn(words, page.words)

    def test_page_refers_to_nothing(self):
        self.assertIsNone(re.search(r"https?://|url\(|@import|\bsrc=|<link", self.page))

    def test_no_number_is_missing(self):
        self.assertIsNone(re.search(r"\b(nan|inf)\b", self.page.split("<script")[0]))

    def test_page_of_a_file(self):
        self.assertEqual(page_of(self.document).words, Page(self.page).words)

    def spoil(self, value, dice):
        """Somewhere in the document: evil texts, and values of other types."""
        if isinstance(value, dict):
            return {dice.choice((key, key, key, key, EVIL)): self.spoil(inner, dice)
                    for key, inner in value.items()}
        if isinstance(value, list):
            return [self.spoil(inner, dice) for inner in value[:20]]
        if isinstance(value, str):
            return dice.choice((EVIL, value))
        return dice.choice((value, value, value, -1, 0, 1e308, None, True, EVIL, [], {}, [[]]))

    def test_hostile_files(self):
        dice = random.Random(SEED)
        for _ in range(40):
            document = self.spoil(self.document, dice)
            document["version"] = "2.0"
            document.setdefault("results", {EVIL: {"title": EVIL, "warnings": [{"name": EVIL}]}})
            document["versus"] = {"figures": self.spoil(
                [{"test": EVIL, "title": "p99", "verdict": EVIL, "ratio": 1.5, "low": 1.1,
                  "high": 2, "a": 1, "b": 1.5, "text": EVIL}], dice)}
            document["knee"] = self.spoil([KNEE, {**KNEE, "title": EVIL, "outcome": EVIL}], dice)
            page = page_of(document)
            self.assertEqual(page.tags["script"], 1)
            self.assertFalse({name for name, _ in page.attributes if name.startswith("on")})
            self.assertEqual(json.loads(page.data), document)

    def test_comparison_is_shown(self):
        row = {"test": "set", "title": "p99", "unit": "ms", "a": 1, "b": 1.5, "ratio": 1.5,
               "low": 1.2, "high": 1.9, "verdict": "worse", "text": "worse, unstable"}
        other = {"address": "10.0.0.1:6379", "software": "redis", "version": EVIL}
        mixed = self.document["results"]["mixed/d64/c50/P1/memory"]
        page = page_of({**self.document, "versus": {"figures": [row]}, "target_b": other,
                        "results": {"A/mixed/strict": mixed, "B/mixed/memory": mixed}})
        self.assertIn("B: redis", page.words)
        self.assertIn("10.0.0.1:6379", page.words)
        self.assertIn("worse, unstable", page.words)
        self.assertIn("1.200 to 1.900", page.words)
        self.assertIn("Latency by percentile: MIXED", page.words)
        self.assertIn("MIXED, A", page.words)
        self.assertIn("MIXED, B", page.words)

    def test_knee_is_shown(self):
        page = page_of({**self.document, "knee": [KNEE]})
        self.assertIn("The knee is at 2,000 requests/s.", page.words)
        self.assertIn("p99 of the response time at most 5.00\xa0ms", page.words)
        self.assertIn("rate not kept", page.words)
        lines = [value for name, value in page.attributes if name == "class" and "line" in value]
        for kind in ("median", "p99", "max", "offered", "response"):
            self.assertIn("line " + kind, lines)
        empty = page_of({**self.document, "knee": [{"title": "SET", "points": []}]})
        self.assertIn("Throughput against latency", empty.words)

    def test_page_that_cannot_be_written(self):
        """Told before anything is measured: there is no server here."""
        self.refused((("-p", 1, "--html", "/nonexistent/report.html"),
                      "--html: cannot write /nonexistent/report.html"))

    def test_wrong_usage(self):
        self.refused((("report",), "give one file"), (("report", "/nonexistent"), "cannot read"),
                     (("report", "-"), "not JSON"))


if __name__ == "__main__":
    print("seed", SEED)
    unittest.main()
