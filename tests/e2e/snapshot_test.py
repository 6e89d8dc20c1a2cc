#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Snapshots as a client and an administrator see them: when they are taken, what a start makes of
them, and what damage of them does."""

import os
import threading
import unittest

from lib import RpcError, Server, run_cairnd, until
from lib.resp_fire import Resp
from lib.stored import Stored

EX_DATAERR = 65
# None by themselves.
MANUAL = {"snapshot.on_shutdown": "false", "snapshot.wal_bytes": "0"}


class SnapshotTest(Stored):
    def start(self, *args, **more):
        return super().start(*args, **{**MANUAL, **more})

    def put(self, client, name, n=1500):
        """More than a segment."""
        client.pipeline([("kv.put", f"{name}{i}", [name, "x" * 300]) for i in range(n)])

    def check(self, client, *names, n=1500):
        for name in names:
            keys = [f"{name}{i}" for i in range(n)]
            self.assertEqual(client.call("kv.mget", keys[:500]), [[name, "x" * 300]] * 500)
            self.assertEqual(client.call("kv.count", prefix=name), n)

    def take(self, client):
        """Returns what server.snapshots tells of it."""
        before = client.call("server.snapshots")["taken"]
        self.assertEqual(client.call("server.snapshot"), {"started": True, "running": True})
        until(lambda: not client.call("server.snapshots")["running"], "snapshot taken")
        told = client.call("server.snapshots")
        self.assertIsNone(told["problem"])
        self.assertEqual(told["taken"], before + 1)
        return told["last"]

    def two_snapshots(self):
        """Two, and something in the log behind each."""
        with self.start() as server, server.connect() as client:
            for name in "abc":
                self.put(client, name)
                if name != "c":
                    self.take(client)


class RestartTest(SnapshotTest):
    """What comes back."""

    def test_killed(self):
        server = self.start()
        with server.connect() as client:
            self.put(client, "a")
            client.call("kv.put", "dropped", 1, run="gone")
            client.call("kv.put", "there", 1, run="agent")
            client.call("run.drop", "gone")
            client.call("kv.put", "expires", 1, ttl_ms=3600000)
            last = self.take(client)
            self.put(client, "b", 10)
            version = client.call("kv.del", "a7")
            version = client.call("kv.put", "a7", ["a", "x" * 300])
        self.kill(server)
        with self.start() as server, server.connect() as client:
            self.check(client, "a")
            self.assertEqual(client.call("kv.count", prefix="b"), 10)
            self.assertEqual(client.call("kv.get", "there", run="agent"), 1)
            self.assertIsNone(client.call("kv.get", "dropped", run="gone"))
            self.assertGreater(client.call("kv.ttl", "expires"), 3000000)
            self.assertGreater(client.call("kv.put", "new", 1), version)
            report = client.call("server.recovery_report")
            self.assertEqual(report["snapshot"]["lsn"], last["lsn"])
            self.assertEqual(report["snapshot"]["records"], last["records"])
            self.assertEqual(report["log"]["effects"], 12)
            self.assertEqual(report["log"]["last_lsn"], version)
            self.assertFalse(report["log"]["clean"])
            told = client.call("server.snapshots")
            self.assertEqual((told["taken"], told["last"]["lsn"]), (0, last["lsn"]))

    def test_during_writes(self):
        """Counters and pairs written while snapshots are taken are whole afterwards."""
        server = self.start()
        stop = threading.Event()
        counts = []

        def work(number):
            with server.connect() as client:
                n = 0
                while not stop.is_set():
                    client.pipeline([("kv.incr", f"n{number}")] * 50)
                    client.call("batch", [["kv.put", [f"p{number}{i}", n]] for i in (0, 1)],
                                atomic=True)
                    n += 1
                counts.append((number, n))

        workers = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        with server.connect() as client:
            self.put(client, "a")
            for worker in workers:
                worker.start()
            for _ in range(5):
                self.take(client)
            until(lambda: self.take(client)["effects"] > 0, "one that met writes")
            stop.set()
            for worker in workers:
                worker.join()
        self.kill(server)
        with self.start() as server, server.connect() as client:
            self.check(client, "a")
            for number, n in counts:
                self.assertEqual(client.call("kv.get", f"n{number}"), 50 * n)
                self.assertEqual(client.call("kv.mget", [f"p{number}0", f"p{number}1"]),
                                 [n - 1, n - 1])

    def test_killed_during_a_snapshot(self):
        server = self.start(**{"snapshot.bytes_per_s": "100000", "snapshot.compression": "false"})
        with server.connect() as client:
            self.put(client, "a", 6000)
            for i in range(4):  # 16 MB: minutes
                client.call("kv.put", f"big{i}", os.urandom(4 << 20), run="elsewhere")
            client.call("server.snapshot")
            until(lambda: "snap.tmp" in os.listdir(self.data), "begun")
            self.assertEqual(client.call("server.snapshot"), {"started": False, "running": True})
            self.kill(server)
        self.assertEqual(self.snapshots(), [])
        with self.start() as server, server.connect() as client:
            self.check(client, "a", n=6000)
            self.assertIsNone(client.call("server.recovery_report")["snapshot"])
            self.take(client)
        self.assertNotIn("snap.tmp", os.listdir(self.data))

    def test_stopped_during_a_snapshot(self):
        server = self.start(**{"snapshot.bytes_per_s": "100000", "snapshot.compression": "false"})
        with server.connect() as client:
            self.put(client, "a", 6000)
            for i in range(4):  # 16 MB: minutes
                client.call("kv.put", f"big{i}", os.urandom(4 << 20), run="elsewhere")
            client.call("server.snapshot")
            until(lambda: "snap.tmp" in os.listdir(self.data), "begun")
        server.stop()
        self.assertEqual(self.snapshots(), [])
        self.assertNotIn("snap.tmp", os.listdir(self.data))


class TriggerTest(SnapshotTest):
    """When they are taken, and what goes then."""

    def test_by_size_of_the_log(self):
        with self.start(**{"snapshot.wal_bytes": "512KiB"}) as server, server.connect() as client:
            for name in "abcd":
                taken = client.call("server.snapshots")["taken"]
                self.put(client, name, 2000)
                until(lambda than=taken: client.call("server.snapshots")["taken"] > than, "taken")
            self.assertEqual(len(self.snapshots()), 2)
            counters = client.call("server.stats")["counters"]
            self.assertGreaterEqual(counters["snapshots"], 4)
            self.assertEqual(counters["snapshot_failures"], 0)
            self.assertNotIn("wal-0000000000000001.log", self.segments())
        with self.start() as server, server.connect() as client:
            self.check(client, *"abcd", n=2000)

    def test_by_time(self):
        with self.start(**{"snapshot.interval_ms": "50ms"}) as server, server.connect() as client:
            client.call("kv.put", "k", 1)
            until(lambda: client.call("server.snapshots")["taken"] > 0, "taken")

    def test_at_the_end(self):
        on = {"snapshot.on_shutdown": "true"}
        with self.start(**on) as server, server.connect() as client:
            self.put(client, "a")
        self.assertEqual(len(self.snapshots()), 1)
        before = self.snapshots()
        with self.start(**on) as server, server.connect() as client:
            self.check(client, "a")
            self.assertEqual(client.call("server.recovery_report")["log"]["effects"], 0)
        self.assertEqual(self.snapshots(), before)  # nothing was written

    def test_trimmed(self):
        with self.start() as server, server.connect() as client:
            self.put(client, "a")
            first = self.take(client)
            self.assertIn("wal-0000000000000001.log", self.segments())
            self.put(client, "b")
            self.take(client)
            self.assertNotIn("wal-0000000000000001.log", self.segments())
            starts = [int(name[4:20], 16) for name in self.segments()]
            self.assertLessEqual(starts[0], first["lsn"] + 1)
            self.assertGreater(starts[1], first["lsn"] + 1)
            self.put(client, "c", 10)
            self.take(client)
            self.assertEqual(len(self.snapshots()), 2)

    def test_memory(self):
        with Server() as server, server.connect() as client:
            for method in ("server.snapshot", "server.snapshots", "server.recovery_report"):
                with self.assertRaises(RpcError) as caught:
                    client.call(method)
                self.assertEqual(caught.exception.code, "UNSUPPORTED")

    def test_resp(self):
        with self.start(resp=True) as server, server.connect() as client, \
                Resp(server.address_of(0, "resp")) as raw:
            self.assertEqual(raw.call("LASTSAVE"), 0)
            client.call("kv.put", "k", 1)
            self.assertEqual(raw.call("BGSAVE"), b"Background saving started")
            until(lambda: raw.call("LASTSAVE") > 0, "saved")
            self.assertRegex(raw.call("SAVE"), "ERR SAVE is refused")
            self.assertEqual(raw.call("BGSAVE", "now"), "ERR syntax error")
            self.assertIn(b"rdb_last_bgsave_status:ok", raw.call("INFO", "persistence"))


class DamageTest(SnapshotTest):
    """Damaged files."""

    def test_newest(self):
        self.two_snapshots()
        older, newest = self.snapshots()
        self.spoil(newest)
        with self.start(expect_log="is damaged.*Going on with what is older") as server, \
                server.connect() as client:
            self.check(client, *"abc")
            report = client.call("server.recovery_report")
            self.assertEqual(report["snapshots_refused"], 1)
            self.assertEqual(report["snapshot"]["lsn"], int(older[5:21], 16))
            self.assertEqual(self.snapshots(), [older])
            self.assertIn(newest.replace(".snap", ".damaged"), os.listdir(self.data))
            last = self.take(client)
        self.assertEqual(self.snapshots(), [older, f"snap-{last['lsn']:016x}.snap"])
        with self.start() as server, server.connect() as client:
            self.check(client, *"abc")

    def test_both(self):
        self.two_snapshots()
        for name in self.snapshots():
            self.spoil(name)
        self.refused(EX_DATAERR, "the log begins here.*missing before it", **MANUAL)

    def test_only(self):
        """While there is one, the log goes back to the beginning."""
        with self.start() as server, server.connect() as client:
            self.put(client, "a")
            self.take(client)
            self.put(client, "b")
        self.spoil(self.snapshots()[0])
        with self.start(expect_log="is damaged") as server, server.connect() as client:
            self.check(client, *"ab")

    def test_log_is_missing(self):
        """A log that ends before the snapshot is not all of it."""
        self.two_snapshots()
        for name in self.segments()[1:]:
            os.unlink(os.path.join(self.data, name))
        self.refused(EX_DATAERR, "the log ends at LSN .* files of the log are missing", **MANUAL)
        os.unlink(os.path.join(self.data, self.segments()[0]))
        self.refused(EX_DATAERR, "the log ends at LSN 0", **MANUAL)

    def test_of_another_store(self):
        self.two_snapshots()
        mine, self.data = self.data, os.path.join(self.folder, "other")
        self.two_snapshots()
        for name in self.snapshots():
            os.unlink(os.path.join(self.data, name))
            os.link(os.path.join(mine, name), os.path.join(self.data, name))
        self.refused(EX_DATAERR, "belongs to another store", **MANUAL)


if __name__ == "__main__":
    unittest.main()
