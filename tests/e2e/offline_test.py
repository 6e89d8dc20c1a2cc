#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cairnd check, cairnd waldump and cairnd --accept-loss: what they say of a data directory that is
whole, torn, damaged, mixed up or none at all; that looking changes nothing, and that accepting loss
keeps what can be proved and every file it gave up."""

import fcntl
import json
import os
import shutil
import subprocess
import time
import unittest
import zlib

from lib import Server, run_cairnd, until
from lib.stored import Stored

EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_CANTCREAT, EX_NOPERM = 64, 65, 66, 73, 77
MANUAL = {"snapshot.on_shutdown": "false", "snapshot.wal_bytes": "0"}
HEADER = 4096


class OfflineTest(Stored):
    """A store of which every key tells which write it was: k<i> is 'x' * 300 + i."""

    def fill(self, client, first, count):
        client.pipeline([("kv.put", f"k{i}", "x" * 300 + str(i))
                         for i in range(first, first + count)])

    def snapshot(self, client):
        before = client.call("server.snapshots")["taken"]
        client.call("server.snapshot")
        until(lambda: client.call("server.snapshots")["taken"] > before, "snapshot taken")

    def make(self, *snapshots_at, count=3000, kill=False):
        """LSN i + 1 is that of k<i>. Snapshots behind so many writes."""
        server = self.start(**MANUAL, sync_interval_ms="60s" if kill else "100ms",
                            sync_writes=1000000 if kill else 1000)
        with server.connect() as client:
            done = 0
            for at in [*snapshots_at, count]:
                self.fill(client, done, at - done)
                done = at
                if at != count:
                    self.snapshot(client)
            if kill:
                server.kill()
                return
        server.stop()

    def run_unchanged(self, *args, status=0, **how):
        """Run it; nothing on the disk may change. What it printed, and what it said."""
        before = self.content()
        done = run_cairnd(*args, **how)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual(self.content(), before)
        self.assertNotRegex(done.stderr, "Sanitizer|runtime error")
        return done.stdout, done.stderr

    def check(self, status=0, pattern="verdict"):
        """Both forms of the report; returns that for programs."""
        text, _ = self.run_unchanged("check", self.data, status=status)
        self.assertRegex(text, pattern)
        self.assertEqual("verdict: whole" in text, status == 0, text)
        told, _ = self.run_unchanged("check", "--json", self.data, status=status)
        told = json.loads(told)
        self.assertEqual(told["whole"], status == 0)
        return told

    def dump(self, *args, status=0):
        """Entries as dictionaries, and what it said besides."""
        told, said = self.run_unchanged("waldump", "--json", *args, self.data, status=status)
        return [json.loads(line) for line in told.splitlines()], said

    def path(self, name):
        return os.path.join(self.data, name)

    def flip(self, name, offset):
        with open(self.path(name), "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 0x10]))

    def lost(self):
        return sorted(name for name in os.listdir(self.data) if name.startswith("lost-"))

    def accept(self, kept, lost, count=None):
        """Start with --accept-loss: k0 .. k<kept - 1> are there, of those behind none. Everything
        that was in the directory is there still, if elsewhere."""
        before = {name: self.read(name) for name in self.segments() + self.snapshots()}
        known = self.lost()
        with Server({**self.options("buffered"), **MANUAL}, args=["--accept-loss"]) as server, \
                server.connect() as client:
            report = client.call("server.recovery_report")
            self.assertEqual(client.call("kv.count", prefix="k"), kept)
            if kept > 0:
                self.assertEqual(client.call("kv.get", f"k{kept - 1}"), "x" * 300 + str(kept - 1))
            version = client.call("kv.put", "new", 1)
            log = server.log()
        if lost is None:
            self.assertIsNone(report["lost"])
            self.assertIn("--accept-loss was not needed", log)
            self.assertEqual(self.lost(), known)
            return report, log
        told = report["lost"]
        self.assertEqual((told["first_lsn"], told["last_lsn"] >= lost), (kept + 1 if lost else 0,
                                                                        True), told)
        self.assertEqual(version, told["next_lsn"])
        self.assertGreater(version, max(count or 0, told["last_lsn"]))
        self.assertEqual(self.lost(), known + [told["kept_in"]])
        for name, content in before.items():
            aside = os.path.join(self.data, told["kept_in"], name)
            path = aside if os.path.exists(aside) else self.path(name)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), content, name)
        self.check()
        with self.start(**MANUAL) as server, server.connect() as client:
            self.assertEqual(client.call("kv.count", prefix="k"), kept)
            self.assertIsNone(client.call("server.recovery_report")["lost"])
            self.assertGreater(client.call("kv.put", "newer", 1), version)
        return report, log

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)


class WholeTest(OfflineTest):
    """Directories with nothing wrong."""

    def test_check(self):
        self.make(1000, 2000)
        told = self.check(pattern="recovery: loads snap-.*, then replays the log from LSN 2001 to "
                                  "3000")
        self.assertEqual([one["state"] for one in told["snapshots"]], ["good", "good"])
        self.assertEqual([one["records"] for one in told["snapshots"]], [2000, 1000])
        self.assertEqual({one["state"] for one in told["segments"]}, {"good"})
        self.assertEqual(told["segments"][-1]["last_lsn"], 3000)
        self.assertTrue(told["segments"][-1]["clean"])
        recovery = told["recovery"]
        self.assertEqual((recovery["starts"], recovery["last_lsn"], recovery["provable_lsn"],
                          recovery["seen_lsn"]), (True, 3000, 3000, 3000))

    def test_nothing_in_it_yet(self):
        with self.start():
            pass
        self.check()
        entries, _ = self.dump()
        self.assertEqual([entry["type"] for entry in entries], ["shutdown"])

    def test_torn(self):
        self.make(count=100, kill=True)
        name = self.segments()[-1]
        end = len(self.read(name).rstrip(b"\0"))
        with open(self.path(name), "r+b") as file:
            file.seek(end - 200)
            file.write(b"\0" * 200)
        told = self.check(pattern=rf"cuts off \d+ bytes behind offset \d+ of {name}")
        self.assertGreater(told["recovery"]["cut_bytes"], 0)
        self.assertEqual(told["recovery"]["last_lsn"], 99)
        entries, said = self.dump()
        self.assertEqual(entries[-1]["lsn"], 99)
        self.assertRegex(said, rf"{name}: behind offset \d+ \d+ bytes were torn by a crash")
        self.accept(99, None)

    def test_dump(self):
        with self.start(**MANUAL) as server, server.connect() as client:
            client.call("kv.put", "k\"\n\x1b[1m", b"\xff" * 10)
            client.call("batch", [["kv.put", ["a", 1]], ["kv.del", ["a"]], ["kv.put", ["b", 2]]],
                        atomic=True)
            client.call("kv.put", b"\xff\0", 1, ttl_ms=3600000, run="agent")
            self.snapshot(client)
        entries, _ = self.dump("--keys")
        counted = [entry for entry in entries if entry.get("effects")]
        self.assertEqual([entry["lsn"] for entry in counted], [1, 2, 3, 4])
        put, batch, run, expiring = (entry["effects"] for entry in counted)
        self.assertEqual((put[0]["op"], put[0]["kind_name"], put[0]["key"], put[0]["value_bytes"]),
                         ("put", "kv", "k\"\n\x1b[1m", 12))
        self.assertEqual([(one["op"], one["key"]) for one in batch],
                         [("del", "a"), ("put", "b")])
        self.assertEqual((run[0]["run"], run[0]["key"], run[0]["number"]), (0, "agent", 2))
        self.assertEqual((expiring[0]["run"], expiring[0]["key_hex"]), (2, "ff00"))
        self.assertAlmostEqual(expiring[0]["expires_at_ms"] / 1000, time.time() + 3600, delta=60)
        marker = [entry for entry in entries if entry["type"] == "marker"]
        self.assertEqual([entry["snapshot_lsn"] for entry in marker], [4])
        text, _ = self.run_unchanged("waldump", "--keys", self.data)
        self.assertIn(r'key="k\"\x0a\x1b[1m" value=12B', text)
        self.assertTrue(all(" " <= c <= "~" or c == "\n" for c in text))
        text, _ = self.run_unchanged("waldump", self.data)
        self.assertNotIn("agent", text)  # keys only where they are asked for
        self.assertIn("key=7B value=12B", text)

    def test_dump_parts(self):
        self.make()
        entries, said = self.dump()
        self.assertEqual(len([1 for entry in entries if entry.get("effects")]), 1000)
        self.assertIn("go on with --from 1001", said)
        entries, said = self.dump("--from", "1001", "--to", "2500", "--limit", "5000")
        lsns = [entry["lsn"] for entry in entries if entry.get("effects")]
        self.assertEqual(lsns, list(range(1001, 2501)))
        self.assertEqual(said, "")
        for entry in entries[:50]:
            content = self.read(entry["file"])
            at = entry["offset"]
            self.assertEqual(int.from_bytes(content[at:at + 4], "little") + 4, entry["bytes"])
            self.assertEqual(int.from_bytes(content[at + 6:at + 14], "little"), entry["lsn"])
        entries, said = self.dump("--from", "99999")
        self.assertEqual((entries, said), ([], ""))

    def test_read_only_files(self):
        """Not even permission to write is needed."""
        self.make(1000)
        for name in os.listdir(self.data):
            os.chmod(self.path(name), 0o400)
        os.chmod(self.data, 0o500)
        self.addCleanup(os.chmod, self.data, 0o700)
        self.check()


class DamageTest(OfflineTest):
    """One file is not as it was."""

    def setUp(self):
        super().setUp()
        self.make(1000, 2000)
        self.good = self.data + ".good"
        shutil.copytree(self.data, self.good)
        self.names = self.segments()
        self.starts = [int(name[4:20], 16) for name in self.names]

    def again(self):
        shutil.rmtree(self.data)
        shutil.copytree(self.good, self.data)

    def tail(self):
        """The segment with LSN 2500 in the middle of it."""
        i = max(i for i, start in enumerate(self.starts) if start <= 2500)
        return i, self.names[i]

    def refused_all(self, name, what):
        """check, waldump from there on and a start say which file it is; so does the report."""
        told = self.check(EX_DATAERR, f"(?s){name}.*{what}")
        bad = [one["file"] for one in told["segments"] + told["snapshots"] if one["problem"]]
        self.assertIn(name, bad)
        self.assertIn("what to do", run_cairnd("check", self.data).stdout)
        self.refused(EX_DATAERR, name, **MANUAL)
        return told

    def test_flipped(self):
        i, name = self.tail()
        entries, _ = self.dump("--from", "2500", "--limit", "1")
        entry = entries[0]
        for offset in (entry["offset"] + 2, entry["offset"] + 50,
                       entry["offset"] + entry["bytes"] - 1):
            with self.subTest(offset=offset):
                self.again()
                self.flip(name, offset)
                told = self.refused_all(name, "were synced here|written when")
                self.assertEqual([(one["offset"], one["lsn"]) for one in told["segments"]
                                  if one["problem"]], [(entry["offset"], 2500)])
                entries, said = self.dump("--from", str(self.starts[i]), status=EX_DATAERR)
                self.assertEqual(entries[-1]["lsn"], 2499)
                self.assertRegex(said, f"{name}, offset {entry['offset']}, LSN 2500: ")
                _, log = self.accept(2499, 3000, count=3000)
                self.assertRegex(log, rf"given up: {name} from offset {entry['offset']} on, \d+ "
                                      r"bytes, LSN 2500 to at most \d+")
        self.assertEqual(len(self.lost()), 1)

    def test_header(self):
        i, name = self.tail()
        self.flip(name, 40)
        self.refused_all(name, "the header is damaged")
        self.accept(max(self.starts[i] - 1, 2000), 3000, count=3000)

    def test_truncated(self):
        i, name = self.tail()
        for size in (0, 100, HEADER, HEADER + 20000):
            with self.subTest(size=size):
                self.again()
                os.truncate(self.path(name), size)
                self.refused_all(name, "empty|header|cut short")
                kept = self.starts[i] - 1
                if size > HEADER:
                    entries, _ = self.dump("--from", str(self.starts[i]), status=EX_DATAERR)
                    kept = entries[-1]["lsn"]
                    self.assertGreater(kept, self.starts[i])
                self.accept(max(kept, 2000), 3000, count=3000)

    def test_missing(self):
        i, name = self.tail()
        os.unlink(self.path(name))
        if i + 1 < len(self.names):
            told = self.check(EX_DATAERR, "a file is missing in between")
            self.assertEqual(told["recovery"]["provable_lsn"], max(self.starts[i] - 1, 2000))
            self.refused(EX_DATAERR, "missing", **MANUAL)
            self.accept(max(self.starts[i] - 1, 2000), 3000, count=3000)

    def test_duplicated_and_swapped(self):
        i, name = self.tail()
        other = self.names[i - 1]
        shutil.copy(self.path(name), self.path(f"wal-{2700:016x}.log"))
        self.refused_all(f"wal-{2700:016x}.log", "was the file renamed")
        self.again()
        mine, theirs = self.read(name), self.read(other)
        self.write(name, theirs)
        self.write(other, mine)
        self.check(EX_DATAERR, f"(?s){other}.*was the file renamed.*{name}.*was the file renamed")
        told = self.refused_all(other, "was the file renamed")
        self.assertEqual(len([one for one in told["segments"] if one["problem"]]), 2)
        self.accept(2000, 3000, count=3000)

    def test_foreign(self):
        _, name = self.tail()
        mine, self.data = self.data, os.path.join(self.folder, "other")
        self.make(1000, 2000)
        theirs = {one: self.read(one) for one in self.segments() + self.snapshots()}
        self.data = mine
        self.write(name, theirs[name])
        self.refused_all(name, "belongs to another store")
        self.again()
        newest = self.snapshots()[-1]
        self.write(newest, theirs[newest])
        told = self.check(EX_DATAERR, "1 files are damaged, but nothing is lost")
        self.assertEqual([one["state"] for one in told["snapshots"]], ["foreign", "good"])

    def test_later_version(self):
        """What a later version wrote is given up by nobody."""
        _, name = self.tail()
        header = bytearray(self.read(name)[:HEADER])
        header[12:16] = (99).to_bytes(4, "little")
        header[-4:] = zlib.crc32(bytes(header[:-4])).to_bytes(4, "little")
        with open(self.path(name), "r+b") as file:
            file.write(header)
        self.refused_all(name, "unknown|format")
        self.flip(self.names[-1], HEADER + 10)
        self.refused_to_accept("is of a later version, which this one must not give up|"
                               "in a format that this version does not know")

    def refused_to_accept(self, pattern):
        before = self.content()
        options = {**self.options("buffered"), **MANUAL, "listen.rpc": "127.0.0.1:0"}
        done = run_cairnd("--accept-loss", *[x for one in options.items()
                                             for x in ("--set", "=".join(map(str, one)))])
        self.assertEqual(done.returncode, EX_DATAERR, done.stderr)
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(self.content(), before)

    def test_nothing_can_be_proved(self):
        for name in self.snapshots():
            self.spoil(name)
        told = self.check(EX_DATAERR, "nothing can be proved without them")
        self.assertEqual(told["recovery"]["provable_lsn"], 0)
        self.refused_to_accept("nothing can be proved: no snapshot is good")

    def test_newest_snapshot(self):
        """The older one and the log do: nothing is lost, and nothing need be accepted."""
        newest = self.snapshots()[-1]
        self.spoil(newest)
        told = self.check(EX_DATAERR, f"(?s){newest} *damaged.*nothing is lost: a start does "
                                      "without them.*replays the log from LSN 1001 to 3000")
        self.assertTrue(told["recovery"]["starts"])
        report, _ = self.accept(3000, None)
        self.assertEqual(report["snapshot"]["lsn"], 1000)

    def test_snapshot_and_log(self):
        """Both are set aside."""
        newest = self.snapshots()[-1]
        self.spoil(newest)
        _, name = self.tail()
        entry = self.dump("--from", "2500", "--limit", "1")[0][0]
        self.flip(name, entry["offset"])
        told = self.check(EX_DATAERR, f"(?s){newest} *damaged.*{name} *damaged")
        self.assertEqual(told["recovery"]["provable_lsn"], 2499)
        self.accept(2499, 3000, count=3000)
        self.assertIn(newest, os.listdir(self.path(self.lost()[0])))

    def test_damage_that_a_snapshot_covers(self):
        """Nothing is lost then, whether a start minds or not."""
        i = max(i for i, start in enumerate(self.starts[1:]) if start <= 2001)
        self.flip(self.names[i], HEADER + 2000)
        told = self.check(EX_DATAERR, f"{self.names[i]} *damaged")
        self.assertEqual(told["recovery"]["provable_lsn"], 3000)
        if told["recovery"]["starts"]:
            self.accept(3000, None)
        else:
            _, log = self.accept(3000, 0, count=3000)
            self.assertIn("nothing is lost, the store is as it was at LSN 3000", log)

    def test_snapshot_without_log(self):
        for name in self.names:
            os.unlink(self.path(name))
        told = self.check(EX_DATAERR, "the log ends at LSN 0, but there is a snapshot of LSN 2000")
        self.assertEqual(told["recovery"]["provable_lsn"], 2000)
        self.refused(EX_DATAERR, "files of the log are missing", **MANUAL)
        entries, said = self.dump(status=EX_NOINPUT)
        self.assertEqual(entries, [])
        self.assertIn("has no files of a log", said)
        self.accept(2000, 0)

    def test_log_without_snapshot(self):
        for name in self.snapshots():
            os.unlink(self.path(name))
        self.check(EX_DATAERR, "the log begins here, but what it follows ends at LSN 0")
        self.refused_to_accept("nothing can be proved")

    def test_interrupted(self):
        """A start that was killed while accepting goes on where it was: nothing more is lost."""
        _, name = self.tail()
        self.flip(name, HEADER + 2000)
        kept = self.kept_before(name)[0]
        damaged = self.data + ".damaged"
        shutil.copytree(self.data, damaged)
        self.accept(kept, 3000, count=3000)
        lost = self.path(self.lost()[0])
        saved = f"snap-{3001:016x}.snap"
        for what, gone in (("saved", []), ("half moved", self.names[::2]),
                           ("moved", self.names)):
            with self.subTest(what=what):
                shutil.copy(self.path(saved), damaged)
                mine, self.data = self.data, self.data + "." + what
                shutil.copytree(damaged, self.data)
                shutil.copytree(lost, self.path("lost-before"))
                for one in gone:
                    os.unlink(self.path(one))
                self.refused(EX_DATAERR, "storage:", **MANUAL)
                with Server({**self.options("buffered"), **MANUAL},
                            args=["--accept-loss"]) as server, server.connect() as client:
                    self.assertEqual(client.call("kv.count", prefix="k"), kept)
                    self.assertGreater(client.call("kv.put", "new", 1), 3001)
                self.check()
                self.data = mine

    def kept_before(self, name):
        told = run_cairnd("waldump", "--json", "--limit", "5000", "--from",
                          str(int(name[4:20], 16)), self.good).stdout
        before = [one["lsn"] for one in map(json.loads, told.splitlines())
                  if one["file"] == name and one["offset"] + one["bytes"] <= HEADER + 2000]
        return max(before), 3000


class NumbersTest(OfflineTest):
    def test_lost_numbers(self):
        """What was told of checkpoints that are lost is told of no others."""
        server = self.start(**MANUAL)
        with server.connect() as client:
            seqs = [client.call("ckpt.save", "s", i, id=f"c{i}")["seq"] for i in range(20)]
        server.stop()
        entries, _ = self.dump()
        damaged = entries[9]
        self.flip(damaged["file"], damaged["offset"] + 30)
        with Server({**self.options("buffered"), **MANUAL}, args=["--accept-loss"]) as server, \
                server.connect() as client:
            self.assertEqual(client.call("ckpt.get", "s", id="c5")["seq"], seqs[5])
            self.assertIsNone(client.call("ckpt.get", "s", id="c15"))
            after = client.call("ckpt.save", "s", 1)["seq"]
            self.assertGreater(after, seqs[-1])
        with self.start(**MANUAL) as server, server.connect() as client:
            self.assertGreater(client.call("ckpt.save", "s", 1)["seq"], after)
        self.check()


class RefusalTest(OfflineTest):
    """Directories that cannot be looked at."""

    def both(self, status, pattern, path=None):
        for command in ("check", "waldump"):
            _, said = self.run_unchanged(command, path or self.data, status=status)
            self.assertRegex(said, pattern)

    def test_no_directory(self):
        self.both(EX_NOINPUT, "data: No such file or directory; name the directory that data.dir")
        self.assertFalse(os.path.exists(self.data))
        with open(self.data, "wb") as file:
            file.write(b"a file")
        self.both(EX_NOINPUT, "data: Not a directory; name the directory")

    def test_no_store(self):
        os.mkdir(self.data)
        _, said = self.run_unchanged("check", self.data, status=EX_NOINPUT)
        self.assertIn("holds no store", said)
        self.make(count=10)
        os.rename(self.path("STORE"), self.path("elsewhere"))
        _, said = self.run_unchanged("check", self.data, status=EX_DATAERR)
        self.assertIn("has files of a store, but not STORE", said)
        self.assertEqual(len([1 for one in self.dump()[0] if one.get("effects")]), 10)
        self.write("STORE", b"")
        _, said = self.run_unchanged("check", self.data, status=EX_DATAERR)
        self.assertIn("STORE is damaged", said)

    def test_in_use(self):
        with self.start() as server:
            for command in ("check", "waldump"):
                done = run_cairnd(command, self.data)
                self.assertEqual(done.returncode, EX_CANTCREAT)
                self.assertIn(f"is in use by process {server.pid}; stop it first", done.stderr)
            done = run_cairnd("--set", "durability.mode=buffered", "--set", "data.dir=" + self.data,
                              "--set", "listen.rpc=127.0.0.1:0", "--accept-loss")
            self.assertEqual(done.returncode, EX_CANTCREAT)
            self.assertIn(f"another process uses {self.data} (process {server.pid})", done.stderr)

    def test_beside_each_other(self):
        """Readers do not exclude each other, and keep a server out."""
        self.make(count=10)
        with open(self.path("LOCK"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            self.check()
            self.refused(EX_CANTCREAT, "another process uses")

    @unittest.skipIf(os.geteuid() == 0 and not shutil.which("setpriv"), "root may read everything")
    def test_no_permission(self):
        self.make(count=10)
        os.chmod(self.folder, 0o755)
        wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if os.geteuid() != 0:
            wrapper = []
            os.chmod(self.data, 0)
            self.addCleanup(os.chmod, self.data, 0o700)
        done = run_cairnd("check", self.data, wrapper=wrapper)
        self.assertEqual(done.returncode, EX_NOPERM, done.stderr)
        self.assertIn("may not be opened by this user", done.stderr)

    def test_usage(self):
        for args in (["check"], ["check", "a", "b"], ["check", "--keys", "a"],
                     ["waldump", "--limit", "x", "a"], ["waldump", "--from", "-1", "a"],
                     ["waldump", "--nonsense", "a"], ["check", "--limit", "1", "a"]):
            with self.subTest(args=args):
                done = run_cairnd(*args)
                self.assertEqual((done.returncode, done.stdout), (EX_USAGE, ""))
                self.assertRegex(done.stderr, "^cairnd: ")

    def test_configured_elsewhere(self):
        """A configuration that points elsewhere than yesterday begins a new store there, and says
        so; nothing is made of the old one."""
        self.make(count=10)
        mine, self.data = self.data, os.path.join(self.folder, "elsewhere")
        with self.start() as server:
            server.wait_log("a new store")
        self.data = mine
        self.check(pattern="LSN 1 to 10")

    def test_not_an_option_of_the_file(self):
        path = os.path.join(self.folder, "cairn.yaml")
        for text in ("accept_loss: true\n", "data:\n  accept_loss: true\n"):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            done = run_cairnd("-c", path, "--check-config")
            self.assertNotEqual(done.returncode, 0, done.stdout)

    def test_progress(self):
        """On a terminal, and wiped out again; nowhere else."""
        self.make(count=100)
        ours, theirs = os.openpty()
        with open(ours, "rb", buffering=0) as terminal:
            done = subprocess.run([os.environ["CAIRND"], "check", self.data], stderr=theirs,
                                  stdout=subprocess.PIPE, timeout=30, check=True)
            os.close(theirs)
            said = terminal.read(4096)
        self.assertRegex(said, rb"^\r *\d+ % of 1 MiB.*\r\x1b\[K$")
        self.assertIn(b"verdict: whole", done.stdout)

    def test_output_fails(self):
        self.make(count=10)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([os.environ["CAIRND"], "check", self.data], stdout=full,
                                  stderr=subprocess.PIPE, timeout=30, check=False)
        self.assertEqual(done.returncode, 74, done.stderr)


if __name__ == "__main__":
    unittest.main()
