#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Options that other load generators have as well: that each has the effect it has there, or that
loadgen says what to write instead. How they are read is for
tests/unit/client/loadgen/options_test.c."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
import unittest

from lib.fake_server import FakeServer
from lib.loadgen import CairndCase, result_of, run
from lib.server import until


def allowed(path):
    """The CPUs a thread may run on, as /proc/.../status has them."""
    with open(path, encoding="utf-8") as file:
        return re.search(r"^Cpus_allowed_list:\s*(\S+)", file.read(), re.M).group(1)


class OptionsTest(CairndCase):
    def keys(self, prefix=b"key:"):
        items = self.c.call("kv.scan", prefix=prefix, limit=1000)["items"]
        return {int(item[0][-12:]) for item in items}

    # ---- load ----

    def test_clients_per_thread(self):
        args = ("-u", self.rpc, "-t", "set", "-n", 600, "--clients-per-thread", 3, "--threads", 2)
        done = run(*args)
        self.assertIn("6 connections, 2 threads (3 connections each)", done.stdout)
        document = json.loads(run(*args, "--json").stdout)
        self.assertEqual(document["config"]["connections"], 6)
        self.assertEqual(list(document["results"].values())[0]["fairness"]["connections"], 6)

    def test_rate_limiting(self):
        """The rate of a connection is multiplied, and that is said."""
        args = ("-u", self.rpc, "-t", "set", "-n", 300, "-c", 5, "--rate-limiting", 100)
        head = run(*args).stdout
        self.assertIn("5 connections (100 requests/s each)", head)
        self.assertIn("open loop: 500 requests/s", head)
        result = result_of(run(*args, "--json"))
        self.assertEqual(result["offered_per_sec"], 500)
        self.assertGreater(result["elapsed_ns"], 0.5e9)  # 300 requests at 500 a second
        sweep = json.loads(run("-u", self.rpc, "-t", "set", "-n", 30, "--rate-limiting", 100,
                               "--sweep", "clients=1,3", "--json").stdout)
        self.assertEqual({test["offered_per_sec"] for test in sweep["results"].values()},
                         {100, 300})

    def test_run_count(self):
        result = result_of(run("-u", self.rpc, "-t", "set", "-n", 50, "-x", 3, "--json"))
        self.assertEqual(result["count"], 150)

    def test_ratio_is_a_mix(self):
        result = result_of(run("-u", self.rpc, "-n", 1000, "--ratio", "1:4", "--json"))
        self.assertEqual(set(result["by_request"]), {"set", "get"})

    # ---- keys ----

    def test_range_of_keys(self):
        for uri in (self.rpc, self.resp):
            with self.subTest(uri=uri):
                self.c.call("kv.clear")
                done = run("-u", uri, "-t", "set", "-n", 100, "--key-minimum", 950,
                           "--key-maximum", 1049, "--key-pattern", "S:S")
                self.assertIn("100 keys from 950", done.stdout)
                self.assertEqual(self.keys(), set(range(950, 1050)))

    def test_range_is_loaded_and_checked(self):
        """Preload, sample and verification know the same keys as the tests."""
        result = result_of(run("-u", self.rpc, "-t", "get", "-n", 2000, "--key-minimum", 7, "-r",
                               50, "--preload", "--keys-check", "--verify", "--expect-hits", 100,
                               "--json"))
        self.assertEqual(self.keys(), set(range(7, 57)))
        self.assertEqual((result["hits"], result["corrupt"]), (2000, 0))
        self.assertEqual(result["checked"], 2000)
        run("-u", self.rpc, "-t", "insert", "-n", 20, "--key-minimum", 100, "-r", 50)
        self.assertEqual(self.keys(), set(range(7, 57)) | set(range(150, 170)))

    def test_single_key(self):
        run("-u", self.rpc, "-t", "set", "-n", 100, "-r", 50, "--key-pattern", "1:1")
        self.assertEqual(self.keys(), {0})

    def test_sequential(self):
        run("-u", self.rpc, "-t", "incr", "-n", 100, "-r", 50, "--sequential")
        self.assertEqual({self.c.call("kv.get", b"counter:%012d" % i) for i in range(50)}, {2})

    def test_random_data(self):
        run("-u", self.rpc, "-t", "set", "-n", 1, "-R", "-d", 1000)
        value = self.c.call("kv.get", b"key:%012d" % 0)
        self.assertEqual(len(value), 1000)
        self.assertGreater(len(set(value)), 150)  # printable ones have 64

    def test_randomize(self):
        seeds, found = set(), set()
        for _ in range(3):
            done = run("-u", self.rpc, "-t", "set", "-n", 5, "-r", 10**9, "--randomize", "--digest",
                       "--json")
            seed = int(re.search(r"--seed (\d+)", done.stderr).group(1))
            self.assertEqual(json.loads(done.stdout)["seed"], seed)
            seeds.add(seed)
            found.add(result_of(done)["digest"])
        again = run("-u", self.rpc, "-t", "set", "-n", 5, "-r", 10**9, "--seed", seed, "--digest",
                    "--json")
        self.assertIn(result_of(again)["digest"], found)
        self.assertGreater(len(seeds), 1)
        self.assertEqual(len(seeds), len(found))

    # ---- output ----

    def test_percentiles(self):
        args = ("-u", self.rpc, "-t", "set", "-n", 500, "--print-percentiles", "25,99.5,100")
        done = run(*args)
        head = next(line for line in done.stdout.split("\n") if "latency (ms)" in line)
        self.assertEqual(head.split()[2:], ["avg", "min", "p25", "p99.5", "p100", "max"])
        row = done.stdout.split("\n")[done.stdout.split("\n").index(head) + 1].split()
        self.assertEqual(row[-1], row[-2])
        result = result_of(run(*args, "--json"))
        self.assertEqual(list(result["percentiles_ns"]), ["p25", "p99.5", "p100"])
        self.assertEqual(result["percentiles_ns"]["p100"], result["max_ns"])
        self.assertLessEqual(result["min_ns"], result["percentiles_ns"]["p25"])
        self.assertLessEqual(result["percentiles_ns"]["p25"], result["median_ns"])
        self.assertNotIn("percentiles_ns", result_of(run(*args[:-2], "--json")))

    def test_percentiles_in_csv(self):
        """Columns of those that have none, in each line."""
        done = run("-u", self.rpc, "--mix", "get=1,set=1", "-n", 500, "--csv-ext",
                   "--print-percentiles", "25,99,99.5")
        head, *rows = csv.reader(io.StringIO(done.stdout))
        self.assertEqual(head[-2:], ["p25_latency_ms", "p99.5_latency_ms"])
        self.assertEqual(head.count("p99_latency_ms"), 1)
        self.assertEqual({len(row) for row in rows}, {len(head)})
        for row in rows:
            figures = dict(zip(head, row))
            self.assertLessEqual(float(figures["p25_latency_ms"]), float(figures["p50_latency_ms"]))
        plain = run("-u", self.rpc, "-t", "set", "-n", 10, "--csv-ext").stdout
        self.assertEqual(next(csv.reader(io.StringIO(plain))), head[:-2])

    def test_quiet_progress(self):
        args = ("-u", self.rpc, "-t", "ping", "--duration", "700ms", "--interval", "100ms", "-q")
        self.assertIn("requests/s", run(*args).stderr)
        self.assertNotIn("requests/s", run(*args, "--quiet-progress").stderr)

    def test_show_config(self):
        done = run("-u", self.rpc, "-t", "ping", "-n", 10, "--show-config", "--json")
        self.assertTrue(done.stderr.startswith("This is done:\n"), done.stderr)
        self.assertEqual(result_of(done)["count"], 10)
        dry = run("-u", self.rpc, "-t", "ping", "-n", 10, "--dry-run")
        self.assertEqual(dry.stdout.split("\n")[1:-1],
                         [line for line in done.stderr.split("\n")[1:] if line.startswith("  ")])
        dry = run("--dry-run", "--pin", "client=0,2-3", "--busy-poll", 50)
        self.assertRegex(dry.stdout, r"CPUs +0, 2, 3, of which")
        self.assertRegex(dry.stdout, r"awake for 50 us")

    # ---- machine ----

    def test_env(self):
        text = run("--env").stdout
        found = json.loads(run("-u", self.rpc, "-t", "ping", "-n", 10, "--json").stdout)
        for name in ("cpus", "os", "kernel", "machine"):
            self.assertRegex(text, rf"(?m)^{name} +{re.escape(str(found['environment'][name]))}$")

    def test_pin(self):
        """Each worker has a CPU of its own, and the server its own."""
        cpus = sorted(os.sched_getaffinity(0))[:2]
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        listed = ",".join(map(str, cpus))
        client = self.start("-u", self.rpc, "-t", "get", "--duration", 600, "--threads", 2, "-c", 4,
                            "--rate", 100, "--pin", f"client={listed},server={cpus[0]}",
                            "--server-pid", process.pid, stderr=subprocess.DEVNULL)

        def placed():
            folder = f"/proc/{client.pid}/task"
            try:
                lists = [allowed(f"{folder}/{task}/status") for task in os.listdir(folder)
                         if int(task) != client.pid]
            except OSError:  # one of them ended meanwhile
                return False
            return {str(cpu) for cpu in cpus} <= set(lists)
        until(placed, "the workers are on their CPUs")
        self.assertEqual(allowed(f"/proc/{process.pid}/status"), str(cpus[0]))
        main = allowed(f"/proc/{client.pid}/task/{client.pid}/status")
        self.assertEqual(set(re.findall(r"\d+", main)), {str(cpu) for cpu in cpus})

    def test_pin_mistakes(self):
        words = ("-u", self.rpc, "-t", "ping", "-n", 10, "--pin")
        self.refused(((*words, f"client={os.cpu_count() + 500}"), "there is no CPU"),
                     ((*words, "server=0"), "moves the process of --server-pid"),
                     ((*words, "0"), "--pin takes numbers of CPUs"))

    def test_busy_poll(self):
        """It does not sleep while it waits: its CPU time is as long as the server takes."""
        def answer(*_):
            time.sleep(0.02)  # what the server takes for a request: nobody waits for anything else
            return b"+OK\r\n"
        shares = []
        for poll in (0, 1000000):
            with FakeServer(answer) as server:
                result = result_of(run("-u", server.uri, "-t", "set", "-c", 1, "-n", 30,
                                       "--busy-poll", poll, "--json"))
            self.assertEqual(result["count"], 30)
            thread = result["client"]["threads"]
            busy = sum(row["cpu_user_ns"] + row["cpu_system_ns"] + row["runq_delay_ns"]
                       for row in thread)
            shares.append(busy / result["elapsed_ns"])
        self.assertGreater(shares[1], 0.3, shares)
        self.assertLess(shares[0], shares[1], shares)

    def test_busy_poll_open_loop(self):
        """What is due is sent though nothing comes: a spin lasts no longer than that."""
        result = result_of(run("-u", self.rpc, "-t", "ping", "-c", 2, "-n", 100, "--rate", 200,
                               "--busy-poll", 1000000, "--json"))
        self.assertEqual((result["count"], result["unsent"]), (100, 0))
        self.assertEqual(json.loads(run("-u", self.rpc, "-t", "ping", "-n", 1, "--busy-poll", 5,
                                        "--json").stdout)["config"]["busy-poll"], 5)

    # ---- files ----

    def test_config(self):
        path = self.file("conf", f"# a load\nuri = {self.rpc}\ntests = set\nclients = 3  # few\n"
                         'duration = 1h\nkey-prefix = "a # b "\njson\n')
        document = json.loads(run("--config", path, "-n", 20, "-c", 2).stdout)
        self.assertEqual(document["config"]["connections"], 2)
        self.assertEqual(result_of(run("--config", path, "-n", 20))["count"], 20)
        self.assertEqual(self.keys(b"a # b "), {0})

    def test_config_mistakes(self):
        for text, words in (("port = 1\nconections = 4\n", "line 2: unknown option conections; did "
                             "you mean connections?"),
                            ("\n\nthreads = many\n", "line 3: threads many: must be a whole"),
                            ("cluster\n", "line 1: there is no cluster here")):
            path = self.file("conf", text)
            self.refused((("--config", path), path), (("--config", path), words))

    # ---- command lines of others ----

    def test_command_lines(self):
        host, port = self.server.address_of(0, "resp")
        at = ("-h", host, "-p", port)
        for line in (
                "--server {0} -p {1} --threads 2 --clients-per-thread 2 -n 100 --ratio 1:10 "
                "--data-size 32 --key-pattern G:G --key-maximum 1000 --hide-histogram",
                "-h {0} -p {1} -c 4 --test-time 1 -t get --key-stddev 10 --key-pattern G",
                "-h {0} -p {1} -t set,get -n 100 -r 100 -d 10 -P 4 -q --seed 7 -e",
                "-h {0} -p {1} -n 100 -x 2 --distinct-client-seed --randomize -R -d 50",
                "-h {0} -p {1} -n 100 --rps 1000 --warmup 0 -3 --sequential -r 50",
                "-h {0} -p {1} -n 20 --print-percentiles 50,99.9 --show-config --debug",
                "-h {0} -p {1} -n 100 --data-size-range 10-50 --json-out-file /dev/null",
                "-h {0} -p {1} -n 100 --data-size-list 40:50,100:50 --data-verify",
                "-h {0} -p {1} -n 100 -q SET __key__ __data__"):
            with self.subTest(line=line):
                run(*line.format(*at[1::2]).split())

    def test_hints(self):
        self.refused(
            (("-t", "4"), "threads are --threads"),
            (("-P", "redis"), "--protocol resp2"),
            (("-n", "allkeys"), "--preload writes every key"),
            (("-t", "get", "--ratio", "1:10"), "--ratio is of tests that mix"),
            (("--mix", "get=1", "--ratio", "1:10"), "--ratio is of tests that mix"),
            (("-x", "SET", "k"), "-x is how often"),
            (("--user", "bob"), "give -a"),
            (("--authenticate", "x"), "the password is -a"),
            (("--command=PING", "--command-key-pattern", "R"), "as --key-pattern says"),
            (("--key-pattern", "S:R"), "for writes and reads alike"),
            (("--clients", 5, "--clients-per-thread", 5), "not both"),
            (("--rps", 5, "--rate-limiting", 5), "not both"),
            (("-r", 5, "--key-maximum", 5), "not both"),
            (("--seed", 5, "--randomize"), "not both"),
            (("-n", 5, "--test-time", 5), "not both"))


if __name__ == "__main__":
    sys.exit(unittest.main())
