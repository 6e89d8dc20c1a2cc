#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What loadgen writes besides its JSON: the summary, --csv, --csv-ext, --ndjson, --hdr, the line of
progress. The same figures stand in all of them."""

import csv
import json
import os
import pty
import re
import subprocess
import unittest

from lib.loadgen import CairndCase, result_of, run

REDIS_COLUMNS = ("test rps avg_latency_ms min_latency_ms p50_latency_ms p95_latency_ms "
                 "p99_latency_ms max_latency_ms").split()
MORE_COLUMNS = ("p90_latency_ms p99.9_latency_ms p99.99_latency_ms offered_rps errors hits misses "
                "client_us_per_op server_us_per_op warnings recall kind start_s length_s").split()


class OutputsTest(CairndCase):
    OPTIONS = {}

    def setUp(self):
        super().setUp()
        self.out = self.path("run")

    def load(self, *args, status=0):
        return run("-u", self.rpc, *args, status=status)

    def lines(self):
        """Of --ndjson."""
        return [json.loads(line) for line in self.read("run").splitlines()]

    def test_summary(self):
        out = self.load("-t", "mixed", "-r", 50, "--preload", "-n", 1000, "--rate", 5000).stdout
        self.assertIn("open loop: 5,000 requests/s, even arrivals", out)
        self.assertRegex(out, r"throughput +[\d,]+ requests/s of 5,000 offered")
        for row in ("response", "service", "sent late", "set", "get"):
            self.assertRegex(out, rf"(?m)^  {row} +(\d+\.\d\d\d ?\s*){{8}}$")
        self.assertRegex(out, r"CPU time +client [\d.]+ us/request")
        out = self.load("-t", "set", "-n", 1000).stdout
        self.assertIn("closed loop: latency depends on connections and pipeline", out)
        self.assertNotIn("offered", out)

    def test_csv(self):
        for option, columns in (("--csv", REDIS_COLUMNS),
                                ("--csv-ext", REDIS_COLUMNS + MORE_COLUMNS)):
            lines = self.load("-t", "set,get", "-n", 500, option).stdout.splitlines()
            for line in lines:
                self.assertRegex(line, r'^"[^"]*"(,"[^"]*")*$')
            head, *rows = csv.reader(lines)
            self.assertEqual(head, columns)
            self.assertEqual([row[0] for row in rows], ["SET", "GET"])
            for row in rows:
                self.assertEqual(len(row), len(columns))
                self.assertGreater(float(row[1]), 0)

    def test_csv_ext(self):
        out = self.load("-t", "get", "-n", 500, "--rate", 2000, "--csv-ext", "--server-pid",
                        self.server.process.pid).stdout
        (row,) = csv.DictReader(out.splitlines())
        self.assertEqual((row["offered_rps"], row["errors"]), ("2000.00", "0"))
        self.assertEqual(int(row["hits"]) + int(row["misses"]), 500)
        self.assertGreater(float(row["client_us_per_op"]), 0)
        self.assertGreater(float(row["server_us_per_op"]), 0)
        self.assertIn("too-few-samples", row["warnings"].split())
        order = [float(row[name + "_latency_ms"])
                 for name in ("min", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "max")]
        self.assertEqual(order, sorted(order))

    def test_kinds_over_time(self):
        """What kind of request happened when: the same in JSON, in CSV and line by line."""
        mix = ("--mix", "get=3,set=1", "-r", 100, "--preload", "--rate", 2000, "--duration",
               "2500ms")
        done = self.load(*mix, "--json", "--ndjson", self.out, "--interval", "500ms")
        result = result_of(done)
        samples = [line for line in self.lines() if line["type"] == "sample"]
        self.assertEqual({"by_request" in line for line in samples if line["title"] == "preload"},
                         {False})
        samples = [line for line in samples if line["title"] != "preload"]
        self.assertGreater(len(samples), 2)
        for name, kind in result["by_request"].items():
            rows = [line["by_request"][name] for line in samples]
            self.assertEqual(sum(row["ops"] for row in rows), kind["samples"])
            self.assertEqual(set(rows[0]) | {"t_ns", "length_ns"}, set(kind["series"][0]))
            self.assertGreaterEqual(max(row["max_ns"] for row in rows) * 1.01, kind["max_ns"])
        for line in samples:
            self.assertEqual(sum(row["ops"] for row in line["by_request"].values()), line["ops"])
        lines = self.load(*mix, "--csv-ext").stdout.splitlines()
        self.assertEqual({len(row) for row in csv.reader(lines)},
                         {len(REDIS_COLUMNS + MORE_COLUMNS)})
        whole, *rows = csv.DictReader(lines)
        self.assertEqual((whole["kind"], whole["start_s"]), ("", ""))
        self.assertEqual([row["kind"] for row in rows], sorted(row["kind"] for row in rows))
        self.assertEqual({row["kind"] for row in rows}, {"get", "set"})
        self.assertEqual({row["test"] for row in rows}, {whole["test"]})
        done = sum(float(row["rps"]) * float(row["length_s"]) for row in rows)
        self.assertAlmostEqual(done / 5000, 1, delta=0.01)
        for row in rows:
            order = [float(row[name + "_latency_ms"])
                     for name in ("p50", "p90", "p95", "p99", "p99.9", "p99.99", "max")]
            self.assertEqual(order, sorted(order))
            self.assertEqual((row["avg_latency_ms"], row["errors"], row["recall"]), ("",) * 3)

    def test_ndjson(self):
        done = self.load("-t", "set,get", "-n", 4000, "--rate", 5000, "--interval", "50ms",
                         "--ndjson", self.out, "--json", "--seed", 9)
        lines = self.lines()
        kinds = [line["type"] for line in lines]
        self.assertEqual((kinds[0], kinds[-1]), ("config", "result"))
        self.assertEqual(set(kinds), {"config", "sample", "warning", "result"})
        self.assertEqual((lines[0]["seed"], lines[0]["config"]["rate"]), (9, 5000))
        results = {}
        for line in lines:
            results.update(line.get("results", {}))
        self.assertEqual(results, json.loads(done.stdout)["results"])
        for title in ("SET", "GET"):
            samples = [line for line in lines
                       if line["type"] == "sample" and line["title"] == title]
            self.assertGreater(len(samples), 2)
            self.assertEqual(sum(sample["ops"] for sample in samples), 4000)
            for before, after in zip(samples, samples[1:]):
                self.assertEqual(before["t_ns"] + before["length_ns"], after["t_ns"])
        self.assertIn("too-few-samples", {line.get("name") for line in lines})

    def test_intervals(self):
        """Of each interval: how late requests were sent in an open loop, and CPU time, which adds
        up to no more than that of the whole test."""
        for options, is_open in ((("--rate", 2000, "--duration", "1s"), True),
                                 (("-n", 20000), False)):
            done = self.load("-t", "get", *options, "--threads", 2, "--interval", "300ms", "--json",
                             "--ndjson", self.out, "--server-pid", self.server.process.pid)
            result = result_of(done)
            samples = [line for line in self.lines() if line["type"] == "sample"]
            used = result["client"]["cpu_user_ns"] + result["client"]["cpu_system_ns"]
            for rows in (result["series"], samples):
                self.assertLessEqual(sum(row["client_cpu_ns"] for row in rows), used * 1.1 + 1e7)
                self.assertGreater(sum(row["client_cpu_ns"] for row in rows), 0)
                self.assertLessEqual(sum(row["server_cpu_ns"] for row in rows),
                                     result["server"]["cpu_ns"])
                self.assertGreater(sum(row["server_cpu_ns"] for row in rows), 0)
                for row in rows:
                    had = 2 * row["length_ns"]
                    self.assertAlmostEqual(row["client_share"] * had, row["client_cpu_ns"], delta=1)
                    self.assertLessEqual(row["client_share"], row["client_busy"] + 1e-9)
                late = [row["slip_max_ns"] for row in rows if "slip_max_ns" in row]
                self.assertIs(bool(late), is_open)
                if is_open:
                    self.assertGreaterEqual(max(late) * 1.01, result["slip"]["max_ns"])
        result = result_of(self.load("-t", "get", "-n", 500, "--json"))
        self.assertFalse([row for row in result["series"] if "server_cpu_ns" in row])

    def test_json_file(self):
        """The object of --json, beside what people read or in place of it."""
        for options in ((), ("-q",), ("--csv",), ("--json",)):
            done = self.load("-t", "set", "-n", 500, "--json-file", self.out, *options)
            document = json.loads(self.read("run"))
            (result,) = document["results"].values()
            self.assertEqual((result["count"], document["config"]["json-file"]), (500, self.out))
            if options == ("--json",):
                self.assertEqual(json.loads(done.stdout), document)
            else:
                self.assertIn("SET", done.stdout)
                self.assertNotIn("{", done.stdout)
        done = self.load("-n", 1, "--json-file", "/nowhere/x", status=2)
        self.assertIn("--json-file: cannot write /nowhere/x", done.stderr)
        done = self.load("-t", "set", "-n", 100, "--json-file", "/dev/full", status=3)
        self.assertIn("--json-file: cannot write /dev/full", done.stderr)

    def test_nothing_succeeds(self):
        """No latency is made up where there is none."""
        done = self.load("-n", 100, "kv.put", "one", status=3)
        self.assertIn("latency      of nothing: no request succeeded\n", done.stdout)
        self.assertIn("warning: errors: ", done.stdout)
        self.assertNotIn("fairness", done.stdout)
        self.assertNotIn("in flight", done.stdout)

    def test_hdr(self):
        result = result_of(self.load("-t", "mixed", "-n", 2000, "--rate", 10000, "--hdr", self.out,
                                     "--json"))
        for name, figures in (("", result), ("_service", result["service"]),
                              ("_set", result["by_request"]["set"]),
                              ("_get", result["by_request"]["get"])):
            text = self.read(f"run_mixed{name}.hgrm")
            rows = [tuple(map(float, row)) for row in
                    re.findall(r"^ +([\d.]+) +([\d.]+) +(\d+)", text, re.M)]
            self.assertEqual(rows, sorted(rows))
            value, percentile, count = rows[-1]
            self.assertEqual((percentile, count), (1, figures["samples"]))
            self.assertAlmostEqual(value, figures["max_ns"] / 1e6, delta=0.001)
            median = next(value for value, percentile, _ in rows if percentile >= 0.5)
            self.assertAlmostEqual(median, figures["median_ns"] / 1e6,
                                   delta=0.05 * median + 0.001)
            self.assertRegex(text, rf"Total count    = +{figures['samples']}\]")

    def test_dry_run(self):
        """Nothing is done; what would be is said with its numbers."""
        done = run("--dry-run", "-u", "redis://nowhere.invalid:1", "--workload", "ycsb-b", "--rate",
                   5000, "--threads", 512, "-c", 600, "--warmup", 5, "--duration", 30, "--ndjson",
                   self.out)
        for text in ("nowhere.invalid:1, protocol resp2", "MIXED",
                     "100,000 keys with their values: 96.9 MiB",
                     "30 s, after 5 s of warm-up: 35 s in all",
                     "600 connections over 512 threads (2 or 1 each)",
                     "open loop: 5,000 requests/s",
                     "zipf 0.99: the most frequent one gets 7.8 %", "MiB here",
                     "512 threads, but"):
            self.assertIn(text, done.stdout)
        self.assertFalse(os.path.exists(self.out))

    def test_cannot_write(self):
        done = self.load("--ndjson", "/nowhere/x", status=2)
        self.assertIn("--ndjson: cannot write /nowhere/x", done.stderr)
        done = self.load("-t", "set", "-n", 100, "--hdr", "/nowhere/x", status=3)
        self.assertIn("--hdr: cannot write /nowhere/x_set.hgrm", done.stderr)
        self.assertIn("throughput", done.stdout)
        done = self.load("-t", "set", "-n", 100, "--ndjson", "/dev/full", status=3)
        self.assertIn("--ndjson: cannot write", done.stderr)

    def progress(self, **variables):
        """What a terminal gets."""
        master, slave = pty.openpty()
        process = self.start("-u", self.rpc, "-t", "set", "--duration", 1, "-q", "--interval",
                             "200ms", stdout=subprocess.DEVNULL, stderr=slave, env=variables)
        os.close(slave)
        text = b""
        try:
            while piece := os.read(master, 4096):
                text += piece
        except OSError:  # the other side is closed
            pass
        self.assertEqual(process.wait(), 0)
        os.close(master)
        return text.decode()

    def test_progress(self):
        text = self.progress(LC_ALL="C.UTF-8")
        self.assertRegex(text, r"\rSET +[▁▂▃▄▅▆▇█]+ +[\d,]+ requests/s  p50 [\d.]+  p99 ")
        self.assertGreater(len(max(re.findall("[▁▂▃▄▅▆▇█]+", text), key=len)), 1)
        text = self.progress(LC_ALL="C")
        self.assertRegex(text, r"\rSET +[\d,]+ requests/s  p50 [\d.]+  p99 ")
        self.assertTrue(text.isascii())


if __name__ == "__main__":
    unittest.main()
