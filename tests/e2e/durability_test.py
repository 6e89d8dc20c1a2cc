#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""durability.mode buffered and strict as a client and an administrator see them: what comes back
after every kind of end, what is refused, and with which exit status."""

import os
import shutil
import unittest

from lib import RpcError, Server, run_cairnd, until
from lib.resp_fire import Resp
from lib.stored import Stored

EX_DATAERR, EX_CANTCREAT, EX_NOPERM, EX_CONFIG = 65, 73, 77, 78
MODES = ("buffered", "strict")


class RestartTest(Stored):
    """What was acknowledged is there again."""

    def fill(self, client):
        client.call("kv.put", "text", "hello")
        client.call("kv.put", "map", {"a": [1, 2.5, None]})
        client.call("kv.put", b"\xff bytes", b"\0\1")
        client.call("kv.put", "short", 1, ttl_ms=1)
        client.call("kv.put", "long", 1, ttl_ms=3600000)
        client.call("kv.put", "gone", 1)
        client.call("kv.del", "gone")
        for i in range(300):
            client.call("kv.incr", "counter", 7)
        client.call("kv.mput", [[f"many{i:04}", i] for i in range(1000)])
        client.call("batch", [["kv.put", ["a", 1]], ["kv.del", ["text"]]], atomic=True)
        client.call("batch", [["kv.incr", ["left", -3]], ["kv.incr", ["right", 3]],
                              ["kv.append", ["log", "x"]], ["kv.append", ["log", "yz"]],
                              ["kv.expire", ["log", 3600000]]], atomic=True)
        client.call("kv.put", "text", "again")
        client.call("kv.put", "elsewhere", "r", run="agent-1")
        client.call("kv.put", "dropped", "r", run="agent-2")
        client.call("run.drop", "agent-2")
        client.call("kv.put", "born again", "r", run="agent-2")
        client.call("kv.mput", [[f"clear{i}", i] for i in range(500)])
        client.call("kv.clear", prefix="clear")
        return client.call("kv.put", "last", "x")

    def check(self, client, version):
        call = client.call
        self.assertEqual(call("kv.get", "text"), "again")
        self.assertEqual(call("kv.get", "map"), {"a": [1, 2.5, None]})
        self.assertEqual(call("kv.get", b"\xff bytes"), b"\0\1")
        self.assertIsNone(call("kv.get", "short"))
        self.assertGreater(call("kv.ttl", "long"), 3000000)
        self.assertIsNone(call("kv.get", "gone"))
        self.assertEqual(call("kv.get", "counter"), 2100)
        self.assertEqual(call("kv.mget", ["many0000", "many0999", "a"]), [0, 999, 1])
        self.assertEqual(call("kv.mget", ["left", "right", "log"]), [-3, 3, "xyz"])
        self.assertEqual(call("kv.count", prefix="many"), 1000)
        self.assertEqual(call("kv.count", prefix="clear"), 0)
        self.assertEqual(call("kv.get", "elsewhere", run="agent-1"), "r")
        self.assertIsNone(call("kv.get", "dropped", run="agent-2"))
        self.assertEqual(call("kv.get", "born again", run="agent-2"), "r")
        self.assertEqual(call("kv.get", "last", with_version=True)[1], version)

    def again(self, mode, end):
        with self.start(mode).connect() as client:
            version = self.fill(client)
            last = version
        server = self.servers()[-1]
        for _ in range(3):
            end(server)
            server = self.start(mode)
            with server.connect() as client:
                self.check(client, version)
                new = client.call("kv.put", "new", "x")
                self.assertGreater(new, last)  # versions never go back
                last = new
        server.stop()

    def servers(self):
        return self.started

    def start(self, *args, **more):
        server = super().start(*args, **more)
        self.started = getattr(self, "started", []) + [server]
        return server

    def test_killed(self):
        for mode in MODES:
            with self.subTest(mode):
                shutil.rmtree(self.data, ignore_errors=True)
                self.again(mode, self.kill)

    def test_stopped(self):
        for mode in MODES:
            with self.subTest(mode):
                shutil.rmtree(self.data, ignore_errors=True)
                self.again(mode, Server.stop)
                with self.start(mode) as server:
                    self.assertTrue(server.wait_log("stopped cleanly"))

    def test_modes_may_change(self):
        with self.start("strict") as server, server.connect() as client:
            version = self.fill(client)
        with self.start("buffered") as server, server.connect() as client:
            self.check(client, version)

    def test_loops_and_segments_may_change(self):
        with self.start() as server, server.connect() as client:
            version = self.fill(client)
        options = {**self.options("buffered"), "server.loops": 1,
                   "durability.segment_bytes": "1MiB"}
        with Server(options) as server, server.connect() as client:
            self.check(client, version)

    def test_large_values(self):
        value = os.urandom(3 << 20)
        server = self.start()
        with server.connect() as client:
            for i in range(4):
                client.call("kv.put", f"large{i}", value)
        self.kill(server)
        with self.start() as server, server.connect() as client:
            for i in range(4):
                self.assertEqual(client.call("kv.get", f"large{i}"), value)

    def test_expired_stays_expired(self):
        with self.start() as server, server.connect() as client:
            client.call("kv.mput", [[f"k{i}", i] for i in range(100)], ttl_ms=300)
            until(lambda: client.call("server.stats")["counters"]["expired"] == 100, "swept")
        with self.start() as server, server.connect() as client:
            self.assertEqual(client.call("kv.count"), 0)
            self.assertEqual(client.call("server.info", section="keyspace")
                             ["keyspace"].get("records", 0), 0)


class PromiseTest(Stored):
    """What replies wait for, and what may be asked for."""

    def counters(self, client):
        return client.call("server.stats")["counters"]

    def test_levels(self):
        with self.start("buffered", sync_interval_ms="60s", sync_writes=1000000) as server, \
                server.connect() as client:
            version = client.call("kv.put", "k", 1)
            counters = self.counters(client)
            self.assertGreaterEqual(counters["wal_written_lsn"], version)
            version = client.call("kv.put", "k", 2, durability="strict")
            self.assertGreaterEqual(self.counters(client)["wal_durable_lsn"], version)
            version = client.call("kv.put", "k", 3)
            self.assertLess(self.counters(client)["wal_durable_lsn"], version)
            # A read rests on what it shows, if one asks for that.
            self.assertEqual(client.call("kv.get", "k", durability="strict"), 3)
            self.assertGreaterEqual(self.counters(client)["wal_durable_lsn"], version)
            version = client.call("kv.put", "k", 4)
            self.assertIsNone(client.call("server.sync"))
            self.assertGreaterEqual(self.counters(client)["wal_durable_lsn"], version)
            client.call("hello", durability="strict")
            version = client.call("kv.put", "k", 5)
            self.assertGreaterEqual(self.counters(client)["wal_durable_lsn"], version)
            self.assertEqual(client.call("hello")["durability"], "buffered")

    def test_strict(self):
        with self.start("strict") as server, server.connect() as client, \
                server.connect() as other:
            self.assertEqual(client.call("hello")["durability"], "strict")
            for i in range(50):
                version = client.call("kv.put", "k", i)
                self.assertEqual(other.call("kv.get", "k"), i)
                self.assertGreaterEqual(self.counters(other)["wal_durable_lsn"], version)
            before = self.counters(client)
            client.pipeline([("kv.put", f"k{i}", i) for i in range(2000)])
            after = self.counters(client)
            self.assertEqual(after["wal_appended_lsn"] - before["wal_appended_lsn"], 2000)
            self.assertLess(after["wal_syncs"] - before["wal_syncs"], 500)  # group commit

    def test_resp(self):
        with self.start("strict", resp=True) as server, server.connect() as client, \
                Resp(server.address_of(0, "resp")) as raw:
            self.assertEqual(raw.call("SET", "k", "v"), b"OK")
            self.assertEqual(raw.call("WAITAOF", "1", "0", "0"), [1, 0])
            counters = self.counters(client)
            self.assertEqual(counters["wal_durable_lsn"], counters["wal_appended_lsn"])
            self.assertIn(b"aof_enabled:1", raw.call("INFO", "persistence"))
            raw.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n" * 3000)
            self.assertEqual([raw.reply() for _ in range(3000)], [b"OK"] * 3000)

    def test_pipelines_in_order(self):
        with self.start("strict") as server, server.connect() as client:
            calls = []
            for i in range(3000):
                calls += [("kv.put", "k", i), ("kv.get", "k"), ("ping", i)]
            results = client.pipeline(calls)
            self.assertEqual(results[1::3], list(range(3000)))
            self.assertEqual(results[2::3], list(range(3000)))

    def test_memory_promises_nothing(self):
        with Server() as server, server.connect() as client:
            for level in MODES:
                with self.assertRaises(RpcError) as caught:
                    client.call("kv.put", "k", 1, durability=level)
                self.assertEqual(caught.exception.code, "UNSUPPORTED")


class RefusalTest(Stored):
    """Directories that cannot be used."""

    def test_in_use(self):
        with self.start():
            done = run_cairnd(*[x for one in (
                "listen.rpc=127.0.0.1:0", "durability.mode=buffered", "data.dir=" + self.data,
                "listen.resp=", "listen.http=") for x in ("--set", one)])
            self.assertEqual(done.returncode, EX_CANTCREAT)
            self.assertRegex(done.stderr, "another process uses " + self.data)

    def test_cannot_be_made(self):
        self.data = os.path.join(self.folder, "none", "data")
        self.refused(EX_CANTCREAT, "data.dir: .*none/data cannot be opened: No such file")
        self.data = os.path.join(self.folder, "file")
        with open(self.data, "wb") as file:
            file.write(b"precious")
        self.refused(EX_CANTCREAT, "data.dir: .*file cannot be opened: Not a directory")

    def test_config(self):
        data, self.data = self.data, ""
        self.refused(EX_CONFIG, "durability.mode: buffered and strict keep a log; say where")
        self.data = data
        self.refused(EX_CONFIG, "data.dir: durability.mode: memory keeps nothing", mode="memory")

    def test_of_another_store(self):
        with self.start() as server, server.connect() as client:
            client.call("kv.put", "k", 1)
        mine, self.data = self.data, os.path.join(self.folder, "other")
        with self.start() as server, server.connect() as client:
            client.call("kv.put", "k", 1)
        for name in self.segments():
            shutil.copy(os.path.join(mine, name), self.data)
        self.refused(EX_DATAERR, "wal-0.*belongs to another store")

    def test_without_an_id(self):
        with self.start() as server, server.connect() as client:
            client.call("kv.put", "k", 1)
        os.rename(os.path.join(self.data, "STORE"), os.path.join(self.folder, "STORE"))
        self.refused(EX_DATAERR, "has files of a store, but not STORE")
        with open(os.path.join(self.data, "STORE"), "wb") as file:
            file.write(b"garbage")
        self.refused(EX_DATAERR, "STORE is damaged")
        os.rename(os.path.join(self.folder, "STORE"), os.path.join(self.data, "STORE"))
        with self.start() as server, server.connect() as client:
            self.assertEqual(client.call("kv.get", "k"), 1)

    def filled(self):
        with self.start(**{"snapshot.on_shutdown": "false"}) as server, server.connect() as client:
            for i in range(3000):
                client.call("kv.put", f"k{i}", "x" * 300)
        self.assertGreater(len(self.segments()), 3)

    def test_damage_is_refused(self):
        self.filled()
        names = self.segments()
        for name in (names[0], names[1], names[-1]):
            path = os.path.join(self.data, name)
            with open(path, "rb") as file:
                good = file.read()
            for what, bad in (("bit", good[:5000] + bytes([good[5000] ^ 1]) + good[5001:]),
                              ("header", good[:100] + b"?" + good[101:]),
                              ("cut", good[:6000]), ("empty", b"")):
                with self.subTest(name=name, what=what):
                    with open(path, "wb") as file:
                        file.write(bad)
                    self.refused(EX_DATAERR, rf"{name}, offset \d+, LSN \d+: .*")
            os.unlink(path)
            if name != names[-1]:
                with self.subTest(name=name, what="missing"):
                    self.refused(EX_DATAERR, "missing")
            with open(path, "wb") as file:
                file.write(good)
        with self.start() as server, server.connect() as client:
            self.assertEqual(client.call("kv.count"), 3000)


class TornTest(Stored):
    """A tail that nobody was promised is cut, once and for all."""

    def test_torn_tail(self):
        server = self.start(sync_interval_ms="60s", sync_writes=1000000)
        with server.connect() as client:
            for i in range(100):
                client.call("kv.put", f"k{i}", "x" * 300)
            self.kill(server)
        path = os.path.join(self.data, self.segments()[-1])
        with open(path, "rb") as file:
            good = file.read()
        end = len(good.rstrip(b"\0"))
        with open(path, "r+b") as file:
            file.seek(end - 200)
            file.write(b"\0" * 200)
        for count in (99, 100):
            server = self.start(sync_interval_ms="60s", expect_log="were cut off")
            with server.connect() as client:
                self.assertEqual(client.call("kv.count"), count)
                client.call("kv.put", f"again{count}", 1)  # written behind the cut, and found again
            self.kill(server)


if __name__ == "__main__":
    unittest.main()
