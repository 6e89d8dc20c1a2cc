#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The scenarios of agents of loadgen, and what they are run with: scripts that are printed and run
again, think time, bursts, ramps. What the server holds afterwards is what a scenario says.

Times are only compared with what they cannot be shorter than. Seeds are fixed."""

import json
import time
import unittest

from lib.fake_server import FakeServer
from lib.loadgen import Case, RunCase, result_of, run

CYCLES, KEYS = 240, 60
STEPS = {
    "agent-think": ["get", "traces", "trace", "ckpt_get", "save_next"],
    "agent-tool": ["get", "result", "ckpt_get", "event", "status"],
    "agent-embed": ["set", "vec_upsert", "vec_search", "best_get"],
    "agent-atomic": ["get", "batch_all", "agent_put"],
    "agent-burst": ["agent_put", "agent_writes", "ckpt_get"],
}
READS = {"agent-think": 2, "agent-tool": 2, "agent-embed": 1, "agent-atomic": 1, "agent-burst": 1}
SMALL = ["-d", 100, "-n", CYCLES]
VECTORS = ["--vectors", KEYS, "--dim", 8, "--queries", 50]


def said(*args):
    """What it says when it has ended well."""
    return run(*args).stdout


def text(key):
    """Of a key or an id, which comes as str or bytes, as it went."""
    return key.decode() if isinstance(key, bytes) else key


class ScenariosTest(RunCase):
    OPTIONS = {}

    def load(self, scenario, *args):
        size = VECTORS if scenario in ("agent-embed", "agent-atomic") else ["-r", KEYS]
        if scenario == "agent-burst":
            size += ["--rate", 2000, "--burst", "20ms:30ms"]
        return result_of(run("-u", self.rpc, "--json", "--workload", scenario, *SMALL, *size,
                             *args))

    def check(self, scenario, result, names):
        """Every cycle is whole, all reads find their key, and each step has figures of its own."""
        self.assertEqual((result["count"], result["errors"], result["misses"]), (CYCLES, 0, 0))
        self.assertEqual(result["hits"], READS[scenario] * CYCLES)
        self.assertEqual(list(result["steps"]), [f"{i} {name}" for i, name in enumerate(names, 1)])
        for step in result["steps"].values():
            self.assertEqual(step["samples"], CYCLES)
            self.assertLess(step["mean_ns"], result["mean_ns"])
            self.assertLessEqual(step["max_ns"], result["max_ns"])
            self.assertGreaterEqual(step["p99_ns"], step["median_ns"])

    def test_scenarios(self):
        for scenario, names in STEPS.items():
            for threads in (1, 2):
                with self.subTest(scenario=scenario, threads=threads):
                    self.use(f"{scenario}-{threads}")
                    self.check(scenario, self.load(scenario, "--threads", threads), names)

    def test_printed_and_run_again(self):
        """A scenario that is printed is a script that does the same."""
        for scenario, names in STEPS.items():
            with self.subTest(scenario=scenario):
                path = self.file(scenario, said("--workload", scenario, "--print-script"))
                self.use(scenario + "-again")
                before = self.calls()
                self.load(scenario)
                once = self.calls()
                result = self.load(scenario, "--script", path)
                twice = self.calls()
                (kind,) = result.get("by_request", {"": result}).values()
                self.assertEqual(len(kind["steps"]), len(names))
                self.assertEqual(result["hits"], READS[scenario] * CYCLES)
                for name in ("kv.get", "kv.put", "kv.scan", "batch", "ckpt.get", "ckpt.put_writes",
                             "ckpt.save", "vec.upsert", "vec.search"):
                    self.assertEqual(once[name] - before[name], twice[name] - once[name], name)

    def test_changed_script(self):
        script = said("--workload", "agent-tool", "--print-script")
        self.load("agent-tool", "--script", self.file("changed", script + "then kv.incr done\n"))
        self.assertEqual(int(self.c.call("kv.get", b"done")), CYCLES)

    def test_think(self):
        """Each checkpoint follows one of its session; a thought is kept for each key."""
        self.load("agent-think", "-c", 1)
        followed = 0
        for key in range(KEYS):
            items = self.c.call("ckpt.list", session=f"key:{key:012}", limit=1000)["items"]
            ids = [item["id"] for item in items]
            self.assertIn("00-first", ids)
            parents = [text(item["parent"]) for item in items if item["id"] != "00-first"]
            self.assertEqual(parents, ids[1:])  # one connection: what it got was the latest
            followed += len(parents)
        self.assertEqual(followed, CYCLES)
        traces = self.c.call("kv.scan", prefix=b"trace:", limit=1000)["items"]
        self.assertGreater(len(traces), KEYS / 2)
        self.assertEqual({len(value) for _, value in traces}, {100})

    def test_tool(self):
        """The result is what was read, the event stands with the checkpoint."""
        self.load("agent-tool")
        results = self.c.call("kv.scan", prefix=b"result:", limit=1000)["items"]
        self.assertGreater(len(results), KEYS / 2)
        for key, value in results:
            number = text(key).rpartition(":")[2]
            self.assertEqual(value, self.c.call("kv.get", f"key:{number}".encode()))
            self.assertEqual(text(self.c.call("kv.get", f"status:{number}".encode())), "done")
            (write,) = self.c.call("ckpt.get", f"key:{number}")["writes"]
            self.assertEqual((write[:4], len(write[4])), (["tool", 0, "messages", "bytes"], 100))

    def test_atomic(self):
        self.load("agent-atomic", "--threads", 2)
        steps = dict(self.c.call("kv.scan", prefix=b"steps:", limit=1000)["items"])
        self.assertEqual(sum(int(count) for count in steps.values()), CYCLES)
        self.assertEqual(self.c.call("kv.count", prefix=b"status:"), len(steps))
        saved = sum(self.c.call("ckpt.session_get", f"key:{key:012}")["checkpoints"]
                    for key in range(KEYS))
        self.assertEqual(saved, KEYS + CYCLES)  # --preload saves one in each session

    def test_the_same_for_any_threads(self):
        """Whoever thinks: the same requests."""
        for scenario in ("agent-think", "agent-tool", "agent-atomic"):
            digests = {self.load(scenario, "--digest", *args)["digest"]
                       for args in ((), ("--threads", 2), ("--threads", 8),
                                    ("--threads", 2, "--think", "1ms-3ms"))}
            self.assertEqual(len(digests), 1, scenario)

    def test_names(self):
        """Every workload is listed, known by other names too, and nothing else is."""
        listed = said("--workload", "help")
        names = [line.split()[0] for line in listed.splitlines() if line[:3].strip()
                 and line.startswith("  ")]
        for name in ("redis", "kv-read", "kv-write", "kv-mixed", *(f"ycsb-{c}" for c in "abcdef"),
                     "etc", "hot1", "big", "durability", "durability-buffered",
                     "durability-strict", "checkpoint", "vector", *STEPS, "idle", "stall", "soak",
                     "crash"):
            self.assertIn(name, names)
        for name in (*names, "embedding_workflow", "agent_think_cycle", "agent_tool_use",
                     "atomic_all"):
            self.assertIn("This would be done", said("--workload", name, "--dry-run"))
        self.refused((("--workload", "agent-thinks", "--dry-run"), "did you mean agent-think"))

    def test_print_script(self):
        self.assertIn("SET __key__ __data__", said("-t", "set", "--protocol", "resp2",
                                                   "--print-script"))
        self.assertIn("10 kv.get __key__", said("-t", "mixed", "--print-script"))
        self.refused((("-t", "set,get", "--print-script"), "prints one test"),
                     (("-t", "agent_think", "--protocol", "resp2", "--print-script"),
                      "give another --protocol"))


class OverTimeTest(Case):
    def load(self, server, *args):
        return result_of(run("-u", server.uri, "-t", "incr", "--json", *args))

    def test_bursts(self):
        """As many come in a cycle as the rate says, and the time of none is part of the test."""
        with FakeServer(lambda *_: b":1\r\n") as server:
            result = self.load(server, "--rate", 200, "--burst", "100ms:400ms", "--duration", 1)
        self.assertEqual(result["count"], 200)
        self.assertEqual(result["offered_per_sec"], 200)
        self.assertGreaterEqual(result["elapsed_ns"], 990_000_000)
        self.assertLessEqual(result["ops_per_sec"], 202)
        self.assertNotIn("not-steady", result["names"])
        plan = said("--rate", 200, "--burst", "1s:4s", "--dry-run")
        self.assertIn("200 requests/s in bursts of 1,000/s for 1s and none for 4s", plan)

    def test_ramp(self):
        """The area under the rate; it takes the time of the ramp."""
        with FakeServer(lambda *_: b":1\r\n") as server:
            result = self.load(server, "--ramp", "0:400:1s")
            self.assertEqual(result["count"], 200)
            self.assertAlmostEqual(result["offered_per_sec"], 200)
            result = self.load(server, "--ramp", "400:200:500ms", "-n", 250, "--threads", 2)
            self.assertEqual(result["count"], 250)
            self.assertAlmostEqual(result["offered_per_sec"], 250)
        plan = said("-t", "get", "--ramp", "0:400:30s", "--dry-run")
        self.assertIn("from 0 to 400 requests/s within 30s", plan)
        self.assertIn("30 s in all", plan)

    def test_think_time(self):
        """A connection says nothing for so long after it was answered."""
        answered, gaps = {}, []

        def answer(words, _):
            if words[0] == b"SET":
                if words[1] in answered:
                    gaps.append(time.monotonic() - answered[words[1]])
                answered[words[1]] = time.monotonic()
            return b"+OK\r\n"
        with FakeServer(answer) as server:
            done = run("-u", server.uri, "-t", "set", "--json", "-c", 4, "-r", 4, "--key-pattern",
                       "partitioned", "-n", 24, "--think", "30ms-60ms", "--threads", 2)
        result = result_of(done)
        self.assertEqual((result["count"], len(gaps)), (24, 20))
        self.assertGreaterEqual(min(gaps), 0.0299)
        self.assertEqual(json.loads(done.stdout)["config"]["think"], "30ms-60ms")
        self.assertNotIn("asked", result.get("in_flight", {}))
        plan = said("--think", "1s", "-c", 10, "--dry-run")
        self.assertIn("each connection thinks for 1 s on average, so at most 10 requests/s", plan)

    def test_usage(self):
        self.refused((("--dry-run", "--think", "1s", "--rate", 5), "give no --rate"),
                     (("--dry-run", "--burst", "1s:1s"), "give --rate"),
                     (("--dry-run", "--burst", "1s", "--rate", 5), "as 1s:4s"),
                     (("--dry-run", "--ramp", "5"), "as 100:2000:30s"),
                     (("--dry-run", "--ramp", "1:2:3s", "--sweep", "rate=1,2"), "give no --rate"))


if __name__ == "__main__":
    unittest.main()
