#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Watches: who is told of what, in which order; resuming, credit, clients that are slow or go."""

import json
import os
import random
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from lib import (Client, RpcError, Server, TestCase, encode, quick, request, run_cairnd,
                 soon, until)
from lib.server import ROOT, environment
from lib.terminal import Terminal
from lib.watcher import Watcher

LARGE = "~" * 4000


def short(event):
    """("put", "key") of an event."""
    return event["type"], event["key"]


class WatchCase(TestCase):
    def watcher(self, server=None, **how):
        client = Watcher((server or self.server).address, **how)
        self.addCleanup(client.close)
        client.call("run.use", self._testMethodName)
        return client


class EventsTest(WatchCase):
    OPTIONS = {"server.loops": 2}

    def test_one_event(self):
        w = self.watcher()
        watch = w.open("user:")
        version = self.c.call("kv.put", "user:1", {"a": 1})
        self.c.call("kv.put", "other", 1)
        self.assertEqual(w.take(watch, 1), [
            {"version": version, "index": 0, "type": "put", "kind": "kv",
             "run": "test_one_event", "key": "user:1"}])
        self.c.call("kv.del", "user:1")
        self.assertEqual(short(w.take(watch, 1)[0]), ("del", "user:1"))
        self.assertTrue(w.nothing(watch))

    def test_the_version_of_open(self):
        """What is behind that version is told, and nothing before."""
        w = self.watcher()
        before = self.c.call("kv.put", "k", 1)
        reply = w.call("watch.open")
        self.assertGreaterEqual(reply["version"], before)
        after = self.c.call("kv.put", "k", 2)
        self.assertEqual([e["version"] for e in w.take(reply["watch"], 1)], [after])

    def test_every_write(self):
        w = self.watcher()
        watch = w.open()
        calls = [
            (("kv.put", "a", 1), ["put a"]),
            (("kv.cas", "c", 0, 1), ["put c"]),
            (("kv.mput", [["x", 1], ["y", 2]]), ["put x", "put y"]),
            (("kv.incr", "n"), ["put n"]),
            (("kv.incr_real", "n", 0.5), ["put n"]),
            (("kv.append", "s", "text"), ["put s"]),
            (("kv.expire", "s", 1000000), ["put s"]),
            (("kv.persist", "s"), ["put s"]),
            (("kv.mdel", ["x", "nope", "y"]), ["del x", "del y"]),
            (("batch", [["kv.put", ["b", 1]], ["kv.del", ["a"]], ["kv.put", ["b", 2]]],
              {"atomic": True}), ["put b", "del a"]),
            (("batch", [["kv.put", ["b", 1]], ["kv.put", ["b", 2]]]), ["put b", "put b"]),
            (("kv.expire", "b", {"expires_at_ms": 1}), ["put b", "expired b"]),
            (("kv.del", "nope"), []),
            (("kv.clear", {"prefix": "n"}), ["del n"]),
        ]
        for call, expected in calls:
            self.c.call(*call)
            found = [" ".join(short(e)) for e in w.take(watch, len(expected))]
            self.assertEqual(sorted(found), sorted(expected), call)
            self.assertTrue(w.nothing(watch), call)

    def test_transactions_stay_together(self):
        w = self.watcher()
        watch = w.open("k")
        keys = [f"k{i}" for i in range(5000)]
        versions = [self.c.call("kv.mput", [[k, 0] for k in keys]) for _ in range(3)]
        events = w.take(watch, 15000)
        self.assertEqual([e["version"] for e in events],
                         [v for v in versions for _ in range(5000)])
        self.assertEqual([e["index"] for e in events], list(range(5000)) * 3)
        for params in w.notifications:
            counts = {}
            for event in params[1:]:
                counts[event["version"]] = counts.get(event["version"], 0) + 1
            self.assertEqual(set(counts.values()), {5000})

    def test_expiry(self):
        w = self.watcher()
        watch = w.open()
        for i in range(20):
            self.c.call("kv.put", f"k{i}", i, ttl_ms=20)
        events = w.take(watch, 40)
        self.assertEqual(sorted(short(e) for e in events),
                         sorted((t, f"k{i}") for i in range(20) for t in ("put", "expired")))

    def test_clear_in_slices(self):
        w = self.watcher()
        for part in range(5):
            self.c.call("kv.mput", [[f"{part}.{i}", i] for i in range(4000)])
        watch = w.open()
        self.c.call("kv.clear")
        events = w.take(watch, 20000)
        self.assertEqual({e["type"] for e in events}, {"del"})
        self.assertEqual(len({e["key"] for e in events}), 20000)
        self.assertTrue(w.nothing(watch))

    def test_runs(self):
        w = self.watcher()
        run = self._testMethodName
        watch = w.open()
        names = w.open(run, kind="run")
        self.c.call("kv.mput", [[str(i), i] for i in range(500)])
        self.c.call("run.drop", run)
        self.c.call("kv.put", "new", 1)
        self.c.call("kv.put", "new", 1, run="another")
        events = w.take(watch, 502)
        self.assertEqual(short(events[500]), ("dropped", run))
        self.assertEqual(events[500]["kind"], "run")
        self.assertEqual(short(events[501]), ("put", "new"))
        self.assertEqual([short(e) for e in w.take(names, 3)],
                         [("created", run), ("dropped", run), ("created", run)])
        self.assertTrue(w.nothing(watch))
        other = w.open(run="another")
        self.c.call("kv.put", "k", 1, run="another")
        self.assertEqual(w.take(other, 1)[0]["run"], "another")
        self.c.call("run.drop", "another")

    def test_keys_come_as_they_are_stored(self):
        w = self.watcher()
        watch = w.open(b"\xff")
        some = w.open("caf\u00e9")
        self.c.call("kv.put", b"\xff\x00", 1)
        self.c.call("kv.put", "caf\u00e9!", 1)
        self.c.call("kv.put", "caf\u00e9?".encode(), 1)
        self.assertEqual(w.take(watch, 1)[0]["key"], b"\xff\x00")
        self.assertEqual([e["key"] for e in w.take(some, 2)],
                         ["caf\u00e9!", "caf\u00e9?".encode()])

    def test_values(self):
        w = self.watcher()
        watch = w.open(values=True)
        for value in (None, 0, [1, {"a": b"x"}], "text", "x" * 300000):
            self.c.call("kv.put", "k", value)
            self.assertEqual(w.take(watch, 1)[0]["value"], value)
        self.c.call("batch", [["kv.put", ["k", 1]], ["kv.put", ["k", 2]], ["kv.del", ["k"]]])
        events = w.take(watch, 3)
        self.assertEqual(["value" in e for e in events], [False] * 3)

    def test_evicted(self):
        with Server({"memory.limit": "1MiB", "memory.policy": "evict",
                     "durability.mode": "memory"}) as server:
            w = self.watcher(server)
            w.call("run.use", "default")
            watch = w.open()
            with server.connect() as c:
                for i in range(600):
                    c.call("kv.put", f"k{i}", "v" * 4000)
            events = []
            while not [e for e in events if e["type"] == "evicted"]:
                events += w.take(watch, 1)

    def test_two_loops_one_order(self):
        """Writers on both loops, watchers on both: all see the same, in the order of versions."""
        watchers = [self.watcher() for _ in range(4)]
        ids = [w.open("k") for w in watchers]
        clients = [self.connect() for _ in range(4)]
        each = 1500

        def write(number):
            clients[number].call("run.use", self._testMethodName)
            for part in range(each // 50):
                clients[number].pipeline(
                    [("kv.put", f"k{i % 7}", number) for i in range(50)])

        threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        seen = [w.take(watch, 4 * each) for w, watch in zip(watchers, ids)]
        for thread in threads:
            thread.join()
        versions = [e["version"] for e in seen[0]]
        self.assertEqual(versions, sorted(set(versions)))
        for other in seen[1:]:
            self.assertEqual(other, seen[0])

    def test_the_other_loop_is_woken(self):
        """Events come at once, not when a loop happens to come round."""
        def loop(client):
            number = client.call("hello")["id"]
            return client.call("server.clients", cursor=number - 1, limit=1)["items"][0]["loop"]

        w = next(w for w in (self.watcher() for _ in range(20)) if loop(w) != loop(self.c))
        watch = w.open("k")

        def times(act):
            for _ in range(41):
                time.sleep(0.002)  # so that it sleeps, too
                start = time.monotonic()
                act()
                yield time.monotonic() - start

        def event():
            self.c.call("kv.put", "k", 1)
            w.take(watch, 1)
        idle = quick(list(times(lambda: self.c.call("ping"))))
        self.assertLess(quick(list(times(event))), soon(idle))

    def test_a_thousand_watches(self):
        watchers = [self.watcher() for _ in range(10)]
        ids = [[w.open(f"p{i % 10}:") for i in range(100)] for w in watchers]
        self.assertGreaterEqual(self.c.call("server.stats", op="ping")["counters"]["watches"],
                                1000)
        for i in range(100):
            self.c.call("kv.put", f"p{i % 10}:{i}", i)
        for w, own in zip(watchers, ids):
            for i, watch in enumerate(own):
                self.assertEqual([e["key"] for e in w.take(watch, 10)],
                                 [f"p{i % 10}:{j}" for j in range(i % 10, 100, 10)])
        for w in watchers[::2]:
            w.close()
        self.c.call("kv.put", "p3:end", 1)
        for w, own in list(zip(watchers, ids))[1::2]:
            for watch in own[3::10]:
                self.assertEqual([e["key"] for e in w.take(watch, 1)], ["p3:end"])

    def test_events_and_replies_on_one_connection(self):
        w = self.watcher()
        watch = w.open("k")
        versions = w.pipeline([("kv.put", f"k{i}", i) for i in range(3000)])
        self.assertEqual([e["version"] for e in w.take(watch, 3000)], versions)


class ManageTest(WatchCase):
    OPTIONS = {"limits.watches": 5}

    def test_credit(self):
        w = self.watcher()
        watch = w.open(credit=0)
        for i in range(5):
            self.c.call("kv.put", f"k{i}", i)
        self.assertTrue(w.nothing(watch))
        self.assertEqual(w.call("watch.credit", watch, 2), 2)
        self.assertEqual([e["key"] for e in w.take(watch, 2)], ["k0", "k1"])
        self.assertTrue(w.nothing(watch))
        self.assertEqual(w.call("watch.list")["items"][0]["credit"], 0)
        self.assertEqual(w.call("watch.credit", watch, 10), 10)
        self.assertEqual([e["key"] for e in w.take(watch, 3)], ["k2", "k3", "k4"])
        self.assertEqual(w.call("watch.list")["items"][0]["credit"], 7)
        w.call("watch.credit", watch, 2**53 - 1)
        self.assertEqual(w.call("watch.credit", watch, 2**53 - 1), 2**53 - 1)

    def test_a_transaction_takes_all_the_credit(self):
        w = self.watcher()
        watch = w.open(credit=3)
        self.c.call("kv.mput", [[str(i), i] for i in range(10)])
        self.c.call("kv.put", "next", 1)
        self.assertEqual(len(w.take(watch, 10)), 10)
        self.assertTrue(w.nothing(watch))
        w.call("watch.credit", watch, 1)
        self.assertEqual(w.take(watch, 1)[0]["key"], "next")

    def test_list_and_close(self):
        w = self.watcher()
        run = self._testMethodName
        ids = [w.open(f"p{i}", credit=i) for i in range(3)] + [w.open()]
        self.assertEqual(ids, [1, 2, 3, 4])
        items = w.call("watch.list")["items"]
        version = items[0]["version"]
        self.assertEqual(items[2], {"watch": 3, "kind": "kv", "run": run, "prefix": "p2",
                                    "version": version, "credit": 2, "events": 0, "lost": 0})
        self.assertEqual(items[3]["credit"], None)
        pages, cursor = [], 0
        while cursor is not None:
            page = w.call("watch.list", limit=1, cursor=cursor)
            pages += [item["watch"] for item in page["items"]]
            cursor = page["cursor"]
        self.assertEqual(pages, ids)
        self.assertIs(w.call("watch.close", 2), True)
        self.assertIs(w.call("watch.close", 2), False)
        self.assertIs(self.c.call("watch.close", 1), False)  # those of others are not ours
        self.assertEqual([i["watch"] for i in w.call("watch.list")["items"]], [1, 3, 4])
        self.assertEqual(w.open(), 5)  # ids do not come again
        self.c.call("kv.put", "p1", 1)
        w.take(4, 1)
        w.take(5, 1)
        self.assertEqual(sorted(w.events), [4, 5])

    def test_closed_while_events_flow(self):
        w = self.watcher()
        stop = threading.Event()
        writer = self.connect()

        def write():
            while not stop.is_set():
                writer.pipeline([("kv.put", "k", 1, {"run": self._testMethodName})] * 50)

        thread = threading.Thread(target=write)
        thread.start()
        for _ in range(30):
            watch = w.open("k")
            w.take(watch, 20)
            self.assertIs(w.call("watch.close", watch), True)
            w.events.clear()
            w.call("ping")
            self.assertEqual(w.events, {})
        stop.set()
        thread.join()

    def test_limit(self):
        w = self.watcher()
        for _ in range(5):
            w.open()
        error = self.fails("LIMIT_EXCEEDED", "watch.open", on=w)
        self.assertIn("limits.watches", str(error))
        w.call("watch.close", 3)
        w.open()

    def test_bad_arguments(self):
        w = self.watcher()
        watch = w.open()
        for bad in (1, [], {"a": 1}, "x" * 5000):
            self.fails("LIMIT_EXCEEDED" if bad == "x" * 5000 else "BAD_ARGUMENT", "watch.open",
                       bad, on=w)
        for options in ({"kind": "nope"}, {"kind": ""}, {"kind": 1}, {"credit": -1},
                        {"credit": 2**53}, {"from_version": "1"}, {"history": 1},
                        {"values": 1}, {"values": True, "kind": "piece"}, {"nope": 1}, {"run": ""}):
            self.fails("BAD_ARGUMENT", "watch.open", on=w, **options)
        self.fails("NOT_FOUND", "watch.credit", 99, 1, on=w)
        self.fails("BAD_ARGUMENT", "watch.credit", watch, 1, on=w)  # it has none
        self.fails("BAD_ARGUMENT", "watch.credit", watch, on=w)
        self.fails("BAD_ARGUMENT", "watch.close", on=w)
        self.fails("BAD_ARGUMENT", "watch.close", "1", on=w)
        self.fails("BAD_ARGUMENT", "watch.list", limit=0, on=w)
        self.fails("UNSUPPORTED", "batch", [["watch.open", []]], atomic=True, on=w)
        self.assertEqual(len(w.call("watch.list")["items"]), 1)

    def test_in_a_batch_or_a_notification(self):
        w = self.watcher()
        self.assertEqual(w.call("batch", [["watch.open", ["k"]]])[0][1]["watch"], 1)
        w.send(encode([2, "watch.open", ["k"]]))
        self.c.call("kv.put", "k", 1)
        self.assertEqual(short(w.take(1, 1)[0]), ("put", "k"))
        w.call("ping")
        self.c.call("kv.put", "k", 1)
        self.assertEqual(short(w.take(2, 1)[0])[1], "k")


class ResumeTest(WatchCase):
    OPTIONS = {"watch.ring_bytes": "1MiB"}

    def test_every_version(self):
        w = self.watcher()
        first = w.call("watch.open")["version"]
        versions = [self.c.call("kv.put", f"k{i}", i) for i in range(20)]
        for i, version in enumerate([first] + versions):
            late = self.watcher()
            reply = late.call("watch.open", "k", from_version=version)
            self.assertEqual(reply["version"], version)
            found = [e["version"] for e in late.take(reply["watch"], 20 - i)]
            self.assertEqual(found, versions[i:])
            self.assertTrue(late.nothing(reply["watch"]))

    def test_a_gap(self):
        w = self.watcher()
        w.open()
        version = self.c.call("kv.put", "k", 1)
        for _ in range(400):
            self.c.call("kv.put", LARGE, 1)
        last = self.c.call("kv.put", "k", 2)
        late = self.watcher()
        reply = late.call("watch.open", "k", from_version=version)
        self.assertGreater(reply["version"], version)
        gap, event = late.take(reply["watch"], 2)
        self.assertEqual(gap, {"type": "gap", "from_version": version + 1,
                               "version": reply["version"]})
        self.assertEqual((event["version"], short(event)), (last, ("put", "k")))

    def test_a_version_of_elsewhere(self):
        w = self.watcher()
        reply = w.call("watch.open", from_version=2**53 - 1)
        self.assertEqual(w.take(1, 1), [{"type": "gap", "from_version": 1,
                                         "version": reply["version"]}])
        version = self.c.call("kv.put", "k", 1)
        again = w.call("watch.open", from_version=version, history=reply["history"])
        self.assertTrue(w.nothing(again["watch"]))
        other = w.call("watch.open", from_version=version, history=reply["history"] + 1)
        self.assertEqual([e["type"] for e in w.take(other["watch"], 1)], ["gap"])

    def test_slow_with_credit(self):
        """Told once what was missed, when there is credit again; nobody waited for it."""
        w = self.watcher()
        watch = w.open(credit=1)
        first = self.c.call("kv.put", "k", 1)
        for _ in range(3):
            for _ in range(400):
                last = self.c.call("kv.put", LARGE, 1)
            w.call("ping")
        self.assertEqual([e["version"] for e in w.take(watch, 1)], [first])
        self.assertTrue(w.nothing(watch))
        w.call("watch.credit", watch, 2000)
        seen, losses = w.account(watch, last)
        self.assertEqual((seen[0], losses), (first + 1, 1))
        self.assertEqual(w.call("watch.list")["items"][0]["lost"], 1)

    def test_slow_reader(self):
        """A client that does not read: writers go on, the server keeps little, all is accounted
        for."""
        w = self.watcher(receive_buffer=4096)
        watch = w.open()
        before = self.server.resident_bytes()
        versions = []
        for part in range(120):
            versions += self.c.pipeline([("kv.put", f"{part}.{i}" + "k" * 1000, 1)
                                         for i in range(100)])
        self.assertLess(self.server.resident_bytes() - before, 200 * 2**20)
        seen, losses = w.account(watch, versions[-1])
        self.assertEqual(seen[0], versions[0])
        self.assertEqual(w.call("watch.list")["items"][0]["lost"], losses)
        self.assertGreater(losses, 0)

    def test_random(self):
        """Watches that come, go on where they were, and go: together they see everything once."""
        seed = random.randrange(2**32)
        print("seed", seed)
        rng = random.Random(seed)
        w = self.watcher()
        version = w.call("watch.open")["version"]
        start, told, written, state = version, [], [], {}
        for _ in range(60):
            for _ in range(rng.randrange(20)):
                keys = [f"k{rng.randrange(10)}" for _ in range(rng.randrange(1, 4))]
                if rng.random() < 0.3:
                    existed = self.c.call("kv.mdel", keys)
                    written += ["del"] * existed
                else:
                    self.c.call("kv.mput", [[k, 1] for k in keys])
                    written += ["put"] * len(set(keys))
            with Watcher(self.server.address) as late:
                late.call("run.use", self._testMethodName)
                watch = late.open("k", from_version=version)
                events = late.take(watch, rng.randrange(len(written) - len(told) + 1))
                # of a transaction that was cut in two, all is told again
                if events:
                    last = events[-1]["version"]
                    whole = [e for e in events if e["version"] < last]
                    told += whole
                    version = whole[-1]["version"] if whole else version
        with Watcher(self.server.address) as late:
            late.call("run.use", self._testMethodName)
            told += late.take(late.open("k", from_version=version), len(written) - len(told))
        self.assertEqual([e["type"] for e in told], written)
        order = [(e["version"], e["index"]) for e in told]
        self.assertEqual(order, sorted(set(order)))
        for event in told:
            state[event["key"]] = event["type"] == "put"
        left = [k for k, _ in self.c.call("kv.scan", prefix="k")["items"]]
        self.assertEqual(sorted(k for k, there in state.items() if there), left)
        self.assertGreater(told[0]["version"], start)


class RestartTest(unittest.TestCase):
    """Versions, and with them watches, outlive the server where there is a log."""

    def options(self, folder, mode, always=False):
        return {"data.dir": folder, "durability.mode": mode, "watch.always": str(always).lower()}

    def test_restart(self):
        for mode in ("buffered", "strict"):
            with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as folder:
                with Server(self.options(folder, mode)) as server, \
                        Watcher(server.address) as w:
                    opened = w.call("watch.open")
                    with server.connect() as c:
                        version = c.call("kv.put", "k", 1)
                    self.assertEqual([e["version"] for e in w.take(1, 1)], [version])
                with Server(self.options(folder, mode, always=True)) as server, \
                        server.connect() as c, Watcher(server.address) as w:
                    after = c.call("kv.put", "k", 2)
                    reply = w.call("watch.open", from_version=version,
                                   history=opened["history"])
                    self.assertEqual(reply["history"], opened["history"])
                    self.assertEqual([e["version"] for e in w.take(1, 1)], [after])
                    self.assertEqual(after, version + 1)
                with Server(self.options(folder, mode)) as server, server.connect() as c, \
                        Watcher(server.address) as w:
                    self.assertTrue(w.nothing(w.open(from_version=after)))
                    c.call("kv.put", "k", 3)
                    self.assertEqual([e["version"] for e in w.take(1, 1)], [after + 1])
                with Server(self.options(folder, mode)) as server, server.connect() as c, \
                        Watcher(server.address) as w:
                    c.call("kv.put", "k", 4)  # nobody watched yet
                    w.open(from_version=after + 1)
                    self.assertEqual(w.take(1, 1), [{"type": "gap", "from_version": after + 2,
                                                     "version": after + 2}])

    def test_killed(self):
        """What was told is there when the server comes back, and who resumes is told how far it
        has to read again."""
        for mode in ("buffered", "strict"):
            with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as folder:
                server = Server(self.options(folder, mode))
                w = Watcher(server.address)
                opened = w.call("watch.open", "k")
                writer = server.connect()
                writer.send(b"".join(request(i, "kv.put", [f"k{i}", i]) for i in range(20000)))
                told = w.take(1, 500)
                server.kill()
                while (message := Client.message(w)) is not None:
                    w.note(message)
                told += w.events[1]
                w.close()
                writer.close()
                last = told[-1]["version"]
                with Server(self.options(folder, mode)) as server, Watcher(server.address) as w:
                    items = []
                    for i in range(0, len(told), 5000):
                        items += w.call("kv.mget", [e["key"] for e in told[i:i + 5000]],
                                        with_version=True)
                    self.assertEqual([i and i[1] for i in items], [e["version"] for e in told])
                    there = w.call("server.info", section="keyspace")["keyspace"]["version"]
                    self.assertGreaterEqual(there, last)
                    w.open("k", from_version=last, history=opened["history"])
                    if there > last:
                        self.assertEqual(w.take(1, 1), [{"type": "gap", "version": there,
                                                         "from_version": last + 1}])
                    self.assertTrue(w.nothing(1))

    def test_memory_is_another_history(self):
        histories = set()
        for _ in range(2):
            with Server() as server, Watcher(server.address) as w:
                histories.add(w.call("watch.open")["history"])
        self.assertEqual(len(histories), 2)

    def test_strict_on_a_buffered_server(self):
        with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as folder:
            options = self.options(folder, "buffered")
            options["durability.sync_interval_ms"] = "1m"
            options["durability.sync_writes"] = 1000000
            with Server(options) as server, server.connect() as c, \
                    Watcher(server.address) as w:
                watch = w.open(durability="strict")
                version = c.call("kv.put", "k", 1)
                self.assertEqual([e["version"] for e in w.take(watch, 1)], [version])
                counters = c.call("server.stats", op="ping")["counters"]
                self.assertGreaterEqual(counters["wal_durable_lsn"], version)


class AbuseTest(WatchCase):
    OPTIONS = {"server.loops": 2, "watch.ring_bytes": "1MiB"}

    def test_clients_that_go_while_events_flow(self):
        stop = threading.Event()
        writer = self.connect()

        def write():
            while not stop.is_set():
                writer.pipeline([("kv.put", "k" * 200, 1, {"run": self._testMethodName})] * 100)

        thread = threading.Thread(target=write)
        thread.start()
        rng = random.Random(5)
        for i in range(80):
            client = Watcher(self.server.address, receive_buffer=4096)
            client.call("run.use", self._testMethodName)
            watches = [client.open("k") for _ in range(rng.randrange(1, 5))]
            if i % 3 == 0:
                client.take(watches[0], 5)
            if i % 4 == 1:
                client.send(request(1, "watch.credit", [])[:5])
            client.reset() if i % 2 == 0 else client.close()
        stop.set()
        thread.join()
        until(lambda: self.c.call("server.stats", op="ping")["counters"]["watches"] == 0,
              "their watches are gone")

    def test_who_waits_for_events_is_not_idle(self):
        with Server({"limits.idle_ms": 1000}) as server, server.connect() as idle, \
                Watcher(server.address) as w:
            watch = w.open("late")
            self.assertIsNone(idle.message())  # closed
            with server.connect() as c:
                c.call("kv.put", "late", 1)
            self.assertEqual(short(w.take(watch, 1)[0]), ("put", "late"))


class CliTest(WatchCase):
    """cairn watch open: a line for each event."""

    def start(self, *words, **how):
        process = subprocess.Popen(
            [os.environ["CAIRN"], "-p", str(self.server.address[1]), "--run", self._testMethodName,
             "watch", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
            text=True, **how)
        self.addCleanup(process.kill)
        return process

    def opened(self, process):
        """Wait until its watch is there."""
        until(lambda: self.c.call("server.stats", op="ping")["counters"]["watches"] > 0 or
              process.poll() is not None, "the watch is open")

    def test_lines(self):
        process = self.start("open", "k", "--values")
        self.opened(process)
        first = self.c.call("kv.put", "k 1", {"a": [1, "x"]})
        self.assertEqual(process.stdout.readline(), f'{first}\tput\tk 1\t{{"a": [1, "x"]}}\n')
        self.c.call("kv.del", "k 1")
        self.assertEqual(process.stdout.readline(), f"{first + 1}\tdel\tk 1\n")
        self.c.call("kv.put", b"k\xff\n", 1)
        self.assertEqual(process.stdout.readline(),
                         f'{first + 2}\tput\t{{"$bin": "a/8K"}}\t1\n')
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), -signal.SIGINT)
        self.assertEqual(process.communicate(), ("", ""))

    def test_json(self):
        process = self.start("open", "k", "--json", "--from-version", str(2**53 - 1))
        gap = json.loads(process.stdout.readline())
        self.assertEqual(gap["type"], "gap")
        version = self.c.call("kv.put", "k", 1)
        self.assertEqual(json.loads(process.stdout.readline()),
                         {"version": version, "index": 0, "type": "put", "kind": "kv",
                          "run": self._testMethodName, "key": "k"})
        process.kill()
        process.communicate()

    def test_a_gap(self):
        process = self.start("open", "--from-version", str(2**53 - 1), "--timeout", "3s")
        out, err = process.communicate(timeout=60)
        self.assertRegex(out, r"^\d+\tgap\tfrom 1\n$")
        self.assertRegex(err, r"^cairn: TIMEOUT .*\n$")
        self.assertEqual(process.returncode, 3)

    def test_wrong(self):
        for words, code in ((("open", "a", "b"), 2), (("open", "--kind", "nope"), 1),
                            (("opne",), 2)):
            process = self.start(*words)
            out, err = process.communicate(timeout=60)
            self.assertEqual((out, process.returncode), ("", code), err)
            self.assertTrue(err)

    def test_the_server_goes(self):
        with Server() as server:
            process = subprocess.Popen(
                [os.environ["CAIRN"], "-p", str(server.address[1]), "watch", "open"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True)
            with server.connect() as c:
                until(lambda: c.call("server.stats", op="ping")["counters"]["watches"] > 0,
                      "the watch is open")
        out, err = process.communicate(timeout=60)
        self.assertEqual((out, process.returncode), ("", 3))
        self.assertRegex(err, "^cairn: DISCONNECTED ")

    def test_typed_in(self):
        """Ctrl-C ends the watch, not the program."""
        with tempfile.TemporaryDirectory(prefix="cairn-e2e-") as folder:
            terminal = Terminal([os.environ["CAIRN"], "-p", str(self.server.address[1]), "--run",
                                 self._testMethodName],
                                env=dict(os.environ, XDG_STATE_HOME=folder, HOME=folder))
            self.addCleanup(terminal.close)
            prompt = r"^cairn [^>]*> \Z"
            terminal.expect(prompt)
            terminal.type("watch open k\r")
            terminal.expect("Ctrl-C ends it")
            version = self.c.call("kv.put", "k", 1)
            terminal.expect(rf"{version}\s*put\s*k")
            terminal.type("\x03")
            terminal.expect(prompt)
            until(lambda: self.c.call("server.stats", op="ping")["counters"]["watches"] == 0,
                  "it is closed")
            terminal.type("kv count\r")
            terminal.expect(r"^1\n(?s:.*)" + prompt)
            terminal.type("\x04")
            self.assertEqual(terminal.end(), 0)


class DocTest(unittest.TestCase):
    def test_types(self):
        """docs/watch.md has every type of event, and no other."""
        def read(*path):
            with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
                return file.read()
        table = re.findall(r"^EVENT\((\w+),", read("server", "store", "events.def"), re.M)
        told = read("docs", "watch.md").split("| type | when |")[1].split("\n\n")[0]
        self.assertEqual(re.findall(r"^\| `(\w+)` \|", told, re.M), table + ["gap", "lagged"])


class LoginTest(unittest.TestCase):
    def test_who_has_not_logged_in(self):
        token = "correct-horse-battery-staple-42"
        with tempfile.NamedTemporaryFile("w", prefix="cairn-e2e-") as file:
            file.write(run_cairnd("--hash-token", stdin=token).stdout)
            file.flush()
            os.chmod(file.name, 0o600)
            with Server({"auth.file": file.name}) as server, Watcher(server.address) as w:
                for call in (("watch.open",), ("watch.list",), ("watch.credit", 1, 1)):
                    with self.assertRaises(RpcError) as caught:
                        w.call(*call)
                    self.assertEqual(caught.exception.code, "NOAUTH")


if __name__ == "__main__":
    unittest.main()
