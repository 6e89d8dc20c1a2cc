#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The files on the disk against docs/formats.md: a second reader (lib/formats.py) understands them,
the data directory of the first version (tests/golden/data-1) is read for ever, and the same
operations still write the same bytes.

CAIRN_GOLDEN=write makes tests/golden/data-1 anew, for a format that is new."""

import json
import os
import re
import shutil
import struct
import unittest
import zlib

from lib import ROOT, Server, run_cairnd, until
from lib import formats
from lib.stored import Stored

GOLDEN = os.path.join(ROOT, "tests", "golden", "data-1")
PAGE = os.path.join(ROOT, "docs", "formats.md")
FAR = 4102444800000  # 2100-01-01
SEALED = ("ckpt", "blob", "write", "note", "piece")  # kinds with checksums of their own
ON = {"snapshot.on_shutdown": "false", "snapshot.wal_bytes": "0",
      "durability.segment_bytes": "64KiB"}
# What the golden directory holds, by run: key -> value, version. All of k0 .. k59 are alike.
EXPECTED = {
    "default": {"text": ("hello", 1), "map": ({"a": [1, 2.5, None]}, 2),
                b"\xff\0key": (b"\0\xff", 3), "expires": (1, 5), "counter": (14, 10),
                "a": (1, 7), "b": (2, 7),
                **{f"k{i}": ("v" * 40, 14) for i in range(60)}},
    "agent-1": {"step": ("first", 9)},
    "agent-2": {"late": (True, 16)},
}


class FormatsTest(Stored):

    def operate_first(self, client):
        """Before the snapshot."""
        call = client.call
        call("kv.put", "text", "hello")
        call("kv.put", "map", {"a": [1, 2.5, None]})
        call("kv.put", b"\xff\0key", b"\0\xff")
        call("kv.put", "expires", 1)
        call("kv.expire", "expires", expires_at_ms=FAR)
        call("kv.put", "gone", 1)
        call("batch", [["kv.put", ["a", 1]], ["kv.put", ["b", 2]], ["kv.del", ["gone"]]],
             atomic=True)
        call("kv.put", "step", "first", run="agent-1")
        call("kv.incr", "counter", 14)

    def operate_then(self, client):
        """Behind it, and before the second segment."""
        call = client.call
        call("kv.put", "dropped", 1, run="agent-3")
        call("run.drop", "agent-3")
        call("kv.mput", [[f"k{i}", "v" * 40] for i in range(60)])

    def operate_last(self, client):
        client.call("kv.put", "late", True, run="agent-2")

    def make(self):
        server = self.start(**ON)
        with server.connect() as client:
            self.operate_first(client)
            client.call("server.snapshot")
            until(lambda: client.call("server.snapshots")["taken"] == 1, "snapshot taken")
            self.operate_then(client)
        server.stop()
        with self.start(**ON) as server, server.connect() as client:
            self.operate_last(client)

    def read(self, path):
        """(id, segments by name, snapshots by name), each understood and of this store."""
        store, log, snapshots = formats.read_store(path), formats.read_log(path), {}
        for name in sorted(name for name in os.listdir(path) if name.endswith(".snap")):
            with open(os.path.join(path, name), "rb") as file:
                snapshots[name] = formats.read_snapshot(file.read())
            self.assertEqual(name, f"snap-{snapshots[name].lsn:016x}.snap")
        for one in [*log.values(), *snapshots.values()]:
            self.assertEqual(one.store, store)
        return store, log, snapshots

    def check_content(self):
        """The daemon makes of the directory what is expected."""
        with self.start(**ON) as server, server.connect() as client:
            for run, records in EXPECTED.items():
                keys = sorted(records, key=str)
                found = client.call("kv.mget", keys, run=run, with_version=True)
                self.assertEqual([(one[0], one[1]) for one in found],
                                 [records[key] for key in keys])
                self.assertEqual(client.call("kv.count", run=run), len(records))
            self.assertGreater(client.call("kv.ttl", "expires"), 10 ** 10)
            self.assertEqual([one["run"] for one in client.call("run.list")["items"]],
                             sorted(EXPECTED))


class GoldenTest(FormatsTest):

    def setUp(self):
        super().setUp()
        if os.environ.get("CAIRN_GOLDEN") == "write":
            self.make()
            shrink(self.data)
            shutil.rmtree(GOLDEN, ignore_errors=True)
            shutil.copytree(self.data, GOLDEN)
            shutil.rmtree(self.data)
        shutil.copytree(GOLDEN, self.data)

    def test_is_small_and_complete(self):
        names = sorted(os.listdir(GOLDEN))
        self.assertEqual([name[:4] for name in names], ["STOR", "snap", "wal-", "wal-"])
        self.assertLess(sum(os.path.getsize(os.path.join(GOLDEN, name)) for name in names), 65536)

    def test_is_read(self):
        done = run_cairnd("check", self.data)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.check_content()

    def test_second_reader(self):
        """The two readers agree on every entry."""
        _, log, snapshots = self.read(GOLDEN)
        mine = [(name, one.offset, one.type, one.lsn, one.synced, len(one.body) + 26)
                for name, segment in log.items() for one in segment.entries]
        told = run_cairnd("waldump", "--json", "--keys", GOLDEN)
        self.assertEqual(told.returncode, 0, told.stderr)
        theirs = [json.loads(line) for line in told.stdout.splitlines()]
        self.assertEqual(mine, [(one["file"], one["offset"], one["type"], one["lsn"],
                                 one["synced"], one["bytes"]) for one in theirs])
        effects = [formats.read_effects(one.type, one.body) for segment in log.values()
                   for one in segment.entries if one.type not in formats.WITHOUT_LSN]
        self.assertEqual(
            [[(one.op, one.run, one.kind, one.key.hex(), len(one.value), one.expires_at_ms)
              for one in some] for some in effects],
            [[(one["op"], one["run"], one["kind"],
               one.get("key_hex") or one["key"].encode().hex(),
               5 if "number" in one else one.get("value_bytes", 0), one.get("expires_at_ms", 0))
              for one in entry["effects"]] for entry in theirs if "effects" in entry])
        self.assertEqual([len(one.records) for one in snapshots.values()], [8])

    def test_same_bytes(self):
        """All that does not depend on time, chance or timing is written as the first version
        wrote it."""
        _, log, snapshots = self.read(GOLDEN)
        shutil.rmtree(self.data)
        self.make()
        _, log_now, snapshots_now = self.read(self.data)

        def entries(segments):
            return [(one.type, one.lsn, one.body) for segment in segments.values()
                    for one in segment.entries if one.type != "watermark"]

        self.assertEqual(entries(log_now), entries(log))
        self.assertEqual([(name, one.number, one.last_lsn) for name, one in log_now.items()],
                         [(name, one.number, one.last_lsn) for name, one in log.items()])
        self.assertEqual(list(snapshots_now), list(snapshots))
        for name, now in snapshots_now.items():
            before = snapshots[name]
            self.assertEqual((now.lsn, now.count, now.runs, sorted(now.records), now.effects),
                             (before.lsn, before.count, before.runs, sorted(before.records),
                              before.effects))

    def test_page(self):
        """The dumps in docs/formats.md are those of the golden files."""
        with open(PAGE, encoding="utf-8") as file:
            page = file.read()
        dumps = re.findall(r"^    ([\w.-]+):\n((?:^    [0-9a-f]{8}  .*\n)+)", page, re.M)
        self.assertGreater(len(dumps), 3)
        for name, lines in dumps:
            with open(os.path.join(GOLDEN, name), "rb") as file:
                content = file.read()
            for line in lines.splitlines():
                at, data = re.match(r"    ([0-9a-f]{8})  ((?:[0-9a-f]{2} ?)+)", line).groups()
                data = bytes.fromhex(data)
                self.assertEqual(content[int(at, 16):int(at, 16) + len(data)], data, (name, line))


    def test_kinds(self):
        """Those of the page are those of the store and of the second reader."""
        with open(PAGE, encoding="utf-8") as file:
            rows = re.findall(r"^\| (\d+) \| `(\w+)` \|(?: `(\w+)`)? \|( yes)? \| (?:log|runs)",
                              file.read(), re.M)
        with open(os.path.join(ROOT, "server", "store", "kinds.def"), encoding="utf-8") as file:
            table = re.findall(r"^KIND\((\d+), (\w+), (\w+), \w+, ([\w |]+),", file.read(), re.M)
        self.assertEqual([(number, name, owner or "none", bool(numbered))
                          for number, name, owner, numbered in rows],
                         [(number, name, owner, "RECORD_NUMBERED" in flags)
                          for number, name, owner, flags in table])
        self.assertEqual([(int(number), name) for number, name, _, _ in rows],
                         list(formats.KINDS.items()))
        self.assertEqual({name: owner for _, name, owner, _ in rows if owner}, formats.OWNERS)
        self.assertEqual(tuple(name for _, name, _, numbered in rows if numbered),
                         formats.NUMBERED)


class GroupsTest(FormatsTest):
    """Logs of the second writer, with records of every kind."""

    STORE = bytes(range(16))

    def write(self, effects):
        shutil.rmtree(self.data, ignore_errors=True)
        os.mkdir(self.data, 0o700)
        for name, content in (("LOCK", b""),
                              ("STORE", f"cairn store 1 {self.STORE.hex()}\n".encode("ascii")),
                              (f"wal-{1:016x}.log", formats.write_segment(self.STORE, effects))):
            with open(os.path.join(self.data, name), "wb") as file:
                file.write(content)

    @staticmethod
    def put(kind, key, number=0, generation=0, run=1):
        value = b"\x92\xcf" + struct.pack(">Q", number) + b"\xcf" + struct.pack(">Q", generation)
        if kind == "collection":
            value = formats.write_collection(number, generation)
        elif kind == "vector":
            value = formats.write_vector([1, 2], b"\x80")
        numbers = {name: number for number, name in formats.KINDS.items()}
        return formats.Effect("put", run, numbers.get(kind, kind), False, key, value, 0)

    def delete(self, kind, key):
        return self.put(kind, key)._replace(op="del", value=b"")

    def snapshot(self):
        """(number, what its records are) as of the end of a server."""
        server = self.start(**{**ON, "snapshot.on_shutdown": "true"})
        with server.connect() as client:
            def records():
                return client.call("server.info")["keyspace"]["records"]
            until(lambda: records() == self.left, "what nobody owns is deleted")
        server.stop()
        _, _, snapshots = self.read(self.data)
        snapshot = snapshots[max(snapshots)]
        return snapshot.number, sorted((formats.KINDS[one.effect.kind], one.effect.key)
                                       for one in snapshot.records)

    def test_groups(self):
        group = formats.write_group
        stays = [self.put("kv", b"k"), self.put("session", b"s1", 5, 2),
                 self.put("collection", b"s1", 5, 2),
                 *[self.put(kind, group(b"s1", 2, b"r"), 4) for kind in formats.OWNERS]]
        goes = [*[self.put(kind, group(b"s1", 1, b"r"), 3) for kind in formats.OWNERS],
                self.put("ckpt", group(b"s", 2, b"r"), 17), self.put("blob", group(b"s2", 40)),
                self.put("session", b"s3", 50, 49), self.put("write", group(b"s3", 49, b"r"))]
        self.left = len(stays)
        self.write([*goes, *stays, self.delete("session", b"s3")])
        done = run_cairnd("check", "--json", self.data)
        self.assertEqual(done.stderr, "")
        told = json.loads(done.stdout)
        self.assertEqual([file["state"] for file in told["segments"]], ["good"])
        self.assertTrue(told["recovery"]["starts"])
        # their values, made up here, are not what checksums are of
        self.assertEqual(told["spoilt_records"], sum(formats.KINDS[one.kind] in SEALED
                                                     for one in [*goes, *stays]))
        for _ in range(3):
            self.assertEqual(self.snapshot(),
                             (50, sorted((formats.KINDS[one.kind], one.key) for one in stays)))
            for name in self.segments()[:-1]:
                os.unlink(os.path.join(self.data, name))

    def test_refused(self):
        """Nothing is made of what the page says cannot be, and both programs say so."""
        group, most = formats.write_group, formats.NUMBER_MAX
        bad = [*[self.put(kind, b"no group") for kind in formats.OWNERS],
               self.put("ckpt", b"\0" + bytes(9)), self.put("ckpt", group(b"s", most + 1)),
               self.put("ckpt", group(b"s", 1), most + 1), self.put("session", b"s", 1, most + 1),
               self.put("session", b"s" * 256), self.put("session", b""), self.put("counter", b"n"),
               self.put("counter", b"number", run=0), self.put("run", b"name"),
               self.put("kv", b"k", run=0), self.put(12, b"k"), self.put(63, b"k"),
               self.delete("blob", b"no group"), self.put("vector", group(b"c", 1)),
               self.put("vector", group(b"c", 1, bytes(1025))),
               self.delete("vector", group(b"c", 1))]
        vector = self.put("vector", group(b"c", 1, b"k"))
        one, head = formats.write_vector([1]), formats.write_vector([])
        bad += [vector._replace(value=value) for value in (
            b"", head, one[:-1], one + b"\xc0", one + b"\x81", one + b"\x80\x80",
            formats.write_vector([1, float("nan")]), formats.write_vector([float("inf")]),
            one[:6] + b"\2" + one[7:], one[:7] + b"\1" + one[8:])]
        collection = self.put("collection", b"c")
        bad += [collection._replace(value=value) for value in (
            b"", collection.value[:-1], collection.value + b"\0", formats.write_collection(1, 1, 0),
            formats.write_collection(1, 1, 8193))]
        for effect in bad:
            with self.subTest(effect=effect):
                with self.assertRaises(formats.FormatError):
                    formats.need_effect(effect)
                self.write([self.put("kv", b"k"), effect])
                done = run_cairnd("check", self.data)
                self.assertEqual(done.returncode, os.EX_DATAERR, done.stdout)
                self.assertIn("says what no build has written", done.stdout)
                self.refused(os.EX_DATAERR, "LSN 2 is whole, but says what no build has written")

    def test_dimensions(self):
        """A vector that is not like its collection, whichever comes first, in the log or in a
        snapshot: both programs say so."""
        group, text = formats.write_group, "a vector has not as many elements as its collection"
        collection = self.put("collection", b"c", 1, 1)
        good = [self.put("vector", group(b"c", 1, bytes([i]))) for i in range(1, 200)]
        bad = good[0]._replace(key=group(b"c", 1, b"bad"), value=formats.write_vector([1, 2, 3]))
        other = bad._replace(key=group(b"d", 2, b"nobody's"))
        for effects in ([collection, *good, bad], [bad, collection, *good],
                        [*good, bad, collection]):
            self.write(effects)
            done = run_cairnd("check", self.data)
            self.assertEqual(done.returncode, os.EX_DATAERR, done.stdout)
            self.assertIn(text, done.stdout)
            self.assertIn("verdict: damaged", done.stdout)
            self.refused(os.EX_DATAERR, text)
        self.write([other, *good, collection])
        self.left = 200
        done = run_cairnd("check", self.data)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(len(self.snapshot()[1]), 200)
        done = run_cairnd("check", self.data)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_codings(self):
        """One vector among those of a collection that is stored as the others are not: floats where
        there should be codes alone, and the other way round."""
        group, text = formats.write_group, "or is stored as another"
        for quantization, like, other in (
                ("int8_only", formats.write_codes(0.5, [2, 4]), formats.write_vector([1, 2])),
                ("int8", formats.write_vector([1, 2]), formats.write_codes(0.5, [2, 4])),
                ("none", formats.write_vector([1, 2]), formats.write_codes(0.5, [2, 4]))):
            collection = self.put("collection", b"c", 1, 1)._replace(
                value=formats.write_collection(1, 1, 2, quantization))
            good = [self.put("vector", group(b"c", 1, bytes([i])))._replace(value=like)
                    for i in range(1, 100)]
            with self.subTest(quantization=quantization):
                self.write([collection, *good])
                done = run_cairnd("check", self.data)
                self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
                self.write([collection, *good[:50], good[50]._replace(value=other), *good[51:]])
                done = run_cairnd("check", self.data)
                self.assertEqual(done.returncode, os.EX_DATAERR, done.stdout)
                self.assertRegex(
                    done.stdout, f"verdict: damaged\nrecovery: refuses to start: .*{text}\n"
                    "what to do: put the files back from a copy; --accept-loss does not help")
                for args in ([], ["--accept-loss"]):
                    self.refused(os.EX_DATAERR, f"{text}.*put the files back from a copy",
                                 args=args)


class LiveTest(FormatsTest):
    """More than fits into the golden files."""

    def test_many_segments(self):
        with self.start(**ON) as server, server.connect() as client:
            for i in range(2000):
                client.call("kv.put", f"k{i % 700}", "x" * 200)
            client.call("server.snapshot")
            until(lambda: client.call("server.snapshots")["taken"] == 1, "snapshot taken")
            client.call("kv.put", "last", 1)
        _, log, snapshots = self.read(self.data)
        self.assertGreater(len(log), 3)
        for name, segment in log.items():
            size = os.path.getsize(os.path.join(self.data, name))
            self.assertEqual(segment.bytes, size)
        self.assertEqual([one.count for one in snapshots.values()], [700])
        lsns = [one.lsn for segment in log.values() for one in segment.entries
                if one.type not in formats.WITHOUT_LSN]
        self.assertEqual(lsns, list(range(1, 2002)))

    @staticmethod
    def save_some(client):
        """Records of all kinds that sessions own; the last number that was given away."""
        for i in range(5):
            client.call("ckpt.save", "s", {"step": i}, id=f"c{i}", ns="n", tags=["t"],
                        blobs=[["channel", i, "json", b"1"]])
            client.call("ckpt.put_writes", "s", "n", f"c{i}", "task", [[0, "w", "json", b"2"]])
        noted = client.call("ckpt.annotate", "s", "c1", "a note", ns="n")
        client.call("ckpt.session_create", "gone", ttl_ms=10 ** 9)
        last = client.call("ckpt.save", "gone", 1)
        client.call("ckpt.session_delete", "gone")
        return max(noted["seq"], last["seq"])

    def check_groups(self, effects):
        """Each is what the page says, and of this session; the kinds that were met."""
        for effect in effects:
            formats.need_effect(effect)
            kind = formats.KINDS[effect.kind]
            if kind in formats.OWNERS:
                self.assertIn(formats.read_group(effect.key).name, (b"s", b"gone"))
            if effect.op == "put" and kind in (*formats.NUMBERED, *formats.OWNERS.values()):
                self.assertGreater(formats.read_number(effect.value), 0)
        return {formats.KINDS[effect.kind] for effect in effects}

    def test_sessions(self):
        with self.start(**ON) as server, server.connect() as client:
            last = self.save_some(client)
        kinds = {"session", "ckpt", "blob", "write", "note"}
        _, log, _ = self.read(self.data)
        effects = [effect for segment in log.values() for entry in segment.entries
                   if entry.type not in formats.WITHOUT_LSN
                   for effect in formats.read_effects(entry.type, entry.body)]
        self.assertEqual(self.check_groups(effects), kinds)
        told = run_cairnd("waldump", "--json", "--keys", self.data)
        theirs = [effect for line in told.stdout.splitlines()
                  for effect in json.loads(line).get("effects", ())]
        self.assertEqual(len(theirs), len(effects))
        for mine, their in zip(effects, theirs):
            kind = formats.KINDS[mine.kind]
            self.assertEqual(their["kind_name"], kind)
            if kind in formats.OWNERS:
                group = formats.read_group(mine.key)
                self.assertEqual((their["owner"].encode(), their["generation"]),
                                 (group.name, group.generation))
            if mine.op == "put" and kind in formats.NUMBERED:
                self.assertEqual(their["sequence"], formats.read_number(mine.value))
        with self.start(**ON) as server, server.connect() as client:
            client.call("server.snapshot")
            until(lambda: client.call("server.snapshots")["taken"] == 1, "snapshot taken")
        _, _, snapshots = self.read(self.data)
        snapshot, = snapshots.values()
        self.assertGreaterEqual(snapshot.number, last)
        self.assertLessEqual(kinds, self.check_groups([one.effect for one in snapshot.records]))

    def test_numbers(self):
        """Of a session that is gone, over restarts with log or snapshot alone."""
        last = 0
        for on_shutdown in ("false", "true", "false", "true", "true"):
            server = self.start(**{**ON, "snapshot.on_shutdown": on_shutdown})
            with server.connect() as client:
                first = client.call("ckpt.save", "first", 1)["seq"]
                self.assertGreater(first, last)
                last = self.save_some(client)
            server.stop()
            for name in self.segments()[:-1] if on_shutdown == "true" else ():
                os.unlink(os.path.join(self.data, name))

    def test_effects_in_a_snapshot(self):
        """What is committed during the walk is in the last section."""
        server = self.start(**{**ON, "snapshot.bytes_per_s": "2MiB",
                               "snapshot.compression": "false"})
        with server.connect() as client:
            client.pipeline([("kv.put", f"k{i}", os.urandom(1000)) for i in range(4000)])
            client.call("server.snapshot")
            until(lambda: "snap.tmp" in os.listdir(self.data), "begun")
            while client.call("server.snapshots")["running"]:
                client.call("kv.put", "now", 1)
        server.stop()
        _, _, snapshots = self.read(self.data)
        snapshot, = snapshots.values()
        self.assertGreater(len(snapshot.effects), 0)
        self.assertEqual(snapshot.effects[-1].lsn, snapshot.lsn)
        for entry in snapshot.effects:
            self.assertEqual(formats.read_effects(entry.type, entry.body)[0].key, b"now")


def shrink(path):
    """Cut the zeros behind the entries, as the files of the tree shall be small: the size that the
    header tells is made fit."""
    for name in os.listdir(path):
        file_path = os.path.join(path, name)
        if name in ("LOCK", "wal-spare", "wal-next"):
            os.unlink(file_path)
        elif name.endswith(".log"):
            with open(file_path, "rb") as file:
                data = bytearray(file.read())
            end = formats.read_segment(bytes(data)).end
            struct.pack_into("<Q", data, 72, end)
            struct.pack_into("<I", data, 4092, zlib.crc32(bytes(data[:4092])))
            with open(file_path, "wb") as file:
                file.write(data[:end])


if __name__ == "__main__":
    unittest.main()
